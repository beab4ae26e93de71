//! Whatever happens, in the end all that live know all that live, and nobody else.

use proptest::prelude::*;

use super::super::*;
use super::net::{Net, letter};

#[derive(Debug, Clone)]
enum Trouble {
    Stop(usize, bool),
    Start(usize),
    Leave(usize),
    Cut(usize, usize),
    Wall(usize, usize),
    Work(usize, u32),
    Remove(usize, usize),
}

const HOSTS: usize = 6;

fn trouble() -> impl Strategy<Value = Trouble> {
    let host = || 0..HOSTS;
    prop_oneof![
        3 => (host(), any::<bool>()).prop_map(|(host, power)| Trouble::Stop(host, power)),
        3 => host().prop_map(Trouble::Start),
        1 => host().prop_map(Trouble::Leave),
        4 => (host(), host()).prop_map(|(one, other)| Trouble::Cut(one, other)),
        1 => (host(), host()).prop_map(|(one, other)| Trouble::Wall(one, other)),
        4 => (host(), 0..64u32).prop_map(|(host, running)| Trouble::Work(host, running)),
        1 => (host(), host()).prop_map(|(by, whom)| Trouble::Remove(by, whom)),
    ]
}

/// The daemon that goes by this letter now, if it runs.
fn running(net: &Net, host: usize) -> Option<usize> {
    net.daemons.iter().rposition(|daemon| daemon.up && daemon.name == letter(host))
}

fn make(net: &mut Net, trouble: &Trouble) {
    match *trouble {
        Trouble::Stop(host, power) => {
            if let Some(number) = running(net, host) {
                net.stop(number, if power { 3_500 } else { 1 });
            }
        }
        Trouble::Start(host) => {
            if running(net, host).is_none() {
                net.start(&letter(host), &["a:1", "b:1", "c:1"]);
            }
        }
        Trouble::Leave(host) => {
            if let Some(number) = running(net, host) {
                net.event(number, Event::Leave);
                net.run(100);
                net.stop(number, 1);
            }
        }
        Trouble::Cut(one, other) => {
            if let (Some(one), Some(other)) = (running(net, one), running(net, other)) {
                net.cut(one, other);
            }
        }
        Trouble::Wall(one, other) => {
            if let (Some(one), Some(other)) = (running(net, one), running(net, other)) {
                net.walls.push((one, other));
                net.cut(one, other);
            }
        }
        Trouble::Work(host, runnable) => {
            if let Some(number) = running(net, host) {
                work(net, number, runnable);
            }
        }
        Trouble::Remove(by, whom) => {
            if let Some(number) = running(net, by).filter(|_| by != whom) {
                net.event(number, Event::Remove { host: letter(whom) });
            }
        }
    }
}

/// A state that shows in every part whose it is.
fn work(net: &mut Net, number: usize, runnable: u32) {
    let life = net.daemons[number].table.own().incarnation;
    net.measure(number, |state| {
        state.runnable = runnable.into();
        state.platform = life.to_string();
        state.memory_free_mib = life;
    });
}

fn check_no_lives_are_mixed(net: &Net) -> Result<(), TestCaseError> {
    for (number, daemon) in net.daemons.iter().enumerate().filter(|(_, daemon)| daemon.up) {
        for candidate in daemon.table.candidates(net.clock(number)) {
            if let Ok(life) = candidate.card.platform.parse::<u64>() {
                prop_assert_eq!(candidate.figures.memory_free_mib, life);
            }
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn after_any_trouble_all_agree(
        troubles in prop::collection::vec((trouble(), 0..4_000u64), 0..40),
        seed in 0..1_000u64,
    ) {
        let mut net = Net::new(seed);
        net.rude = seed % 2 == 0;
        for host in 0..HOSTS {
            let number = net.start(&letter(host), &["a:1", "b:1", "c:1"]);
            work(&mut net, number, 0);
        }
        net.run(3_000);
        for (trouble, wait) in &troubles {
            make(&mut net, trouble);
            net.run(*wait);
            check_no_lives_are_mixed(&net)?;
        }
        net.walls.clear();
        // Somebody must run whom all know: who was removed behind a wall hears it from him.
        make(&mut net, &Trouble::Start(0));
        net.run(60_000);
        // Who was removed comes back with a new life; who runs has something to say.
        let expelled: Vec<usize> = net.asked.iter().filter(|(_, action)| *action == Action::Expelled).map(|(number, _)| *number).collect();
        for number in expelled {
            if net.daemons[number].up {
                net.stop(number, 1);
            }
        }
        make(&mut net, &Trouble::Start(0));
        net.run(150_000);
        let mut up: Vec<String> = net.daemons.iter().filter(|daemon| daemon.up).map(|daemon| daemon.name.clone()).collect();
        up.sort();
        for number in (0..net.daemons.len()).filter(|&number| net.daemons[number].up).collect::<Vec<_>>() {
            work(&mut net, number, 77);
        }
        net.run(2_000);
        for (number, daemon) in net.daemons.iter().enumerate().filter(|(_, daemon)| daemon.up) {
            prop_assert_eq!(net.choice(number), up.clone(), "as {} sees it", daemon.name);
            for row in net.rows(number).iter().filter(|row| row.unavailable.is_none()) {
                prop_assert_eq!(row.record.state.runnable, 77.0, "{} of {}", daemon.name, row.record.host);
            }
        }
        check_no_lives_are_mixed(&net)?;
    }
}
