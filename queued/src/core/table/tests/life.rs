//! Hosts that leave, return, move, are restored, removed, or share a name.

use super::super::*;
use super::net::Net;

fn asked(net: &Net, number: usize, action: &Action) -> bool {
    net.asked.contains(&(number, action.clone()))
}

#[test]
fn a_host_that_says_goodbye_is_gone_at_once() {
    let mut net = Net::cluster(4);
    net.event(2, Event::Leave);
    net.run(200);
    net.stop(2, 1);
    net.run(100);
    for number in [0, 1, 3] {
        assert_eq!(net.rows(number).len(), 3, "it is not even shown");
    }
    net.run(60_000);
    assert_eq!(net.rows(0).len(), 3);
    assert_eq!(net.daemons[2].table.next_deadline().filter(|at| at.0 < 1_000), None);
}

#[test]
fn a_host_that_returns_is_known_at_once() {
    let mut net = Net::cluster(4);
    net.event(2, Event::Leave);
    net.run(200);
    net.stop(2, 1);
    net.run(5_000);
    net.start("c", &["a:1"]);
    net.run(500);
    assert_eq!(net.choice(0), ["a", "b", "c", "d"]);
    assert_eq!(net.choice(3), ["a", "b", "c", "d"]);
}

#[test]
fn a_crashed_host_that_returns_replaces_what_it_was() {
    let mut net = Net::cluster(4);
    net.stop(2, 1);
    net.run(3_000);
    assert_eq!(net.choice(0), ["a", "b", "d"]);
    let c = net.start("c", &["a:1"]);
    net.measure(c, |state| state.cpus = 99);
    net.run(1_500);
    let row = net.daemons[0].table.host("c", net.clock(0)).unwrap();
    assert_eq!((row.unavailable, row.record.state.cpus), (None, 99));
}

#[test]
fn a_host_restored_from_a_snapshot_goes_past_its_later_life() {
    let mut net = Net::cluster(4);
    net.stop(2, 1);
    net.run(3_000);
    // Its store and clock are of long ago.
    let c = net.start_at("c", "c:1", 5, &["a:1"]);
    net.run(1_500);
    let incarnation = net.daemons[c].table.own().incarnation;
    assert!(incarnation > 1_000_000);
    assert!(asked(&net, c, &Action::Incarnation(incarnation)));
    assert_eq!(net.choice(0), ["a", "b", "c", "d"]);
    assert_eq!(net.daemons[0].table.host("c", net.clock(0)).unwrap().record.incarnation, incarnation);
}

#[test]
fn a_host_that_left_in_a_later_life_goes_past_that() {
    let mut net = Net::cluster(3);
    net.event(2, Event::Leave);
    net.run(200);
    net.stop(2, 1);
    let c = net.start_at("c", "c:1", 5, &["a:1"]);
    net.run(1_500);
    assert_eq!(net.choice(0), ["a", "b", "c"]);
    assert!(net.daemons[c].table.own().incarnation > 5);
}

#[test]
fn a_host_that_moved_is_one_host() {
    let mut net = Net::cluster(4);
    net.stop(2, 1);
    net.run(3_000);
    net.start_at("c", "elsewhere:1", 9_000_000, &["a:1"]);
    for _ in 0..10 {
        net.run(10_000);
        assert_eq!(net.choice(0), ["a", "b", "c", "d"]);
        assert_eq!(net.rows(3).len(), 4);
    }
    assert_eq!(net.daemons[0].table.address("c"), Some("elsewhere:1"));
}

#[test]
fn a_host_that_moves_while_it_lives_is_one_host() {
    let mut net = Net::cluster(4);
    net.daemons[2].address = "elsewhere:1".into();
    net.event(2, Event::Address("elsewhere:1".into()));
    for _ in 0..10 {
        net.run(10_000);
        for number in 0..4 {
            assert_eq!(net.choice(number), ["a", "b", "c", "d"]);
            assert_eq!(net.daemons[number].table.address("c"), Some("elsewhere:1"));
        }
    }
}

#[test]
fn two_hosts_of_one_name_are_both_shown_and_neither_is_chosen() {
    let mut net = Net::cluster(3);
    net.start_at("b", "clone:1", 5, &["a:1"]);
    net.run(40_000);
    for number in [0, 2] {
        let rows = net.rows(number);
        let of_b: Vec<_> = rows.iter().filter(|row| row.record.host == "b").collect();
        assert_eq!(of_b.len(), 2);
        for row in of_b {
            assert_eq!(row.unavailable.as_deref(), Some("two hosts use this name: b:1 and clone:1"));
        }
        assert_eq!(net.choice(number), ["a", "c"]);
    }
    // Each of the two sees it, too.
    assert_eq!(net.rows(1).iter().filter(|row| row.record.host == "b").count(), 2);
    assert_eq!(net.choice(1), ["a", "c"]);
    // When one goes, the name is the other's.
    net.stop(3, 1);
    net.run(100_000);
    assert_eq!(net.choice(0), ["a", "b", "c"]);
    assert_eq!(net.daemons[0].table.address("b"), Some("b:1"));
}

#[test]
fn two_hosts_of_one_name_and_address_do_not_race() {
    let mut net = Net::cluster(3);
    // It cannot be reached: its address leads to the other.
    net.start_at("b", "b:1", 5, &["a:1"]);
    net.run(120_000);
    let passed = net.asked.iter().filter(|(_, action)| matches!(action, Action::Incarnation(_))).count();
    assert!(passed < 20, "{passed} lives in two minutes");
}

#[test]
fn a_removed_host_is_gone_and_learns_it() {
    let mut net = Net::cluster(4);
    net.event(0, Event::Remove { host: "c".into() });
    net.run(1_000);
    assert_eq!(net.rows(3).len(), 3);
    assert!(asked(&net, 2, &Action::Expelled));
    net.run(60_000);
    assert_eq!(net.rows(1).len(), 3, "it is not told about any more");
    // Where hosts share a key nobody can keep it from coming back with a new life.
    net.stop(2, 1);
    net.start("c", &["a:1"]);
    net.run(1_500);
    assert_eq!(net.choice(1), ["a", "b", "c", "d"]);
}

#[test]
fn a_silent_host_can_be_removed() {
    let mut net = Net::cluster(4);
    net.stop(2, 1);
    net.run(10_000);
    assert_eq!(net.rows(3).len(), 4);
    net.event(0, Event::Remove { host: "c".into() });
    net.run(1_000);
    assert_eq!(net.rows(3).len(), 3);
    // News of it that somebody still has does not bring it back.
    let late = net.start("e", &["d:1"]);
    net.run(2_000);
    assert_eq!(net.rows(late).len(), 4);
}

#[test]
fn departures_are_forgotten_in_time() {
    let mut net = Net::cluster(2);
    net.event(0, Event::Remove { host: "zz".into() });
    net.event(0, Event::Remove { host: "b".into() });
    net.run(1_000);
    net.stop(1, 1);
    assert_eq!(net.daemons[0].table.roster.hosts().count(), 2);
    let c = net.start("c", &["a:1"]);
    net.run(1_000);
    assert_eq!(net.daemons[c].table.roster.hosts().count(), 3, "b is remembered as removed");
    let month = Millis(net.clock(c).0 + 31 * 86_400_000);
    net.daemons[c].table.roster.sweep(month);
    assert!(net.daemons[c].table.roster.host("b").is_none());
}
