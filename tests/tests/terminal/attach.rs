//! A session without its client: left behind, found again, taken over, looked at.

use queue_tests::terminal::{PATIENCE, Picture, Terminal};
use queue_tests::wait;

use crate::place::{Kind, Place};
use crate::processes::{self, Role};
use crate::same::says_twice;

promises![
    a_session_that_was_left_is_found_as_it_was,
    the_modes_that_a_job_has_set_are_still_set,
    who_attaches_takes_over_and_the_other_hears_of_it,
    a_viewer_sees_all_and_disturbs_nobody,
    a_viewer_goes_on_through_the_death_of_the_runner,
    a_viewer_whose_terminal_hangs_up_leaves,
    who_has_attached_keeps_the_session_through_the_death_of_the_runner,
    the_end_of_a_job_waits_for_whoever_attaches,
    the_session_of_a_killed_client_is_found_again,
    a_terminal_lingers_as_long_as_it_was_configured,
    what_cannot_be_attached_to_is_named,
    a_stopped_job_goes_on_where_it_is_attached_to,
];

/// A file in vim on the full screen.
fn vim(place: &Place, terminal: &Terminal) -> Picture {
    let text = (1..100).map(|line| format!("line {line}\n")).collect::<String>();
    place.write("text", &text);
    place.begin(terminal, &format!("{} vim -u NONE -i NONE -n text", place.queue("")));
    terminal.wait_until("all of vim", |picture| picture.text.contains("line 23") && picture.cursor == (0, 0))
}

fn leave(terminal: &Terminal) {
    terminal.type_keys("\r~d");
    assert_eq!(terminal.wait_for_prompt(), 125);
    let text = terminal.picture().text;
    assert!(text.contains("detached from 1 on ") && text.contains("come back with: queue attach 1"), "{text}");
}

/// Waits until somebody is with the session, or nobody.
fn until_state(terminal: &Terminal, state: &str) {
    terminal.run("clear");
    terminal.run(&format!("until queue sessions | grep -q ' {state} '; do sleep 0.05; done"));
}

fn a_session_that_was_left_is_found_as_it_was(place: &Place) {
    let terminal = place.bash();
    terminal.run("echo prompt of before");
    let modes = terminal.modes();
    vim(place, &terminal);
    terminal.type_keys("10Gihere: \x1b");
    terminal.wait_until("what was typed", |picture| picture.text.contains("here: line 10"));
    leave(&terminal);
    assert!(terminal.picture().text.contains("prompt of before"), "the shell's own screen is back");
    assert_eq!(terminal.modes(), modes);
    until_state(&terminal, "detached");
    place.begin(&terminal, "queue attach");
    let after = terminal.wait_until("all of vim", |picture| picture.text.contains("here: line 10\n"));
    assert!(after.text.starts_with("line 1\nline 2\n"), "{after:?}");
    terminal.type_keys("x:wq\r");
    assert_eq!(terminal.wait_for_prompt(), 0);
    assert!(place.read("text").contains("\nhere: line 10\nine 11\n"), "{}", place.read("text"));
}

fn the_modes_that_a_job_has_set_are_still_set(place: &Place) {
    let terminal = place.bash();
    let job = "sh -c 'stty -echo -icanon intr ^X; stty -g >before; echo ready; until [ -e go ]; do sleep 0.02; done; stty -g >after'";
    place.begin(&terminal, &format!("{} {job}", place.queue("")));
    terminal.wait_for_line("ready");
    leave(&terminal);
    place.begin(&terminal, "queue attach");
    terminal.wait_until("the screen", |picture| picture.text.contains("ready"));
    place.write("go", "");
    assert_eq!(terminal.wait_for_prompt(), 0);
    assert_eq!(place.read("after"), place.read("before"));
}

fn who_attaches_takes_over_and_the_other_hears_of_it(place: &Place) {
    let (one, other) = (place.bash(), place.bash());
    place.begin(&one, &format!("{} cat", place.queue("")));
    says_twice(&one, "one");
    other.type_line("queue attach 1@redfish");
    assert_eq!(one.wait_for_prompt(), 125);
    let text = one.picture().text;
    assert!(text.contains("was taken over from redfish and goes on there"), "{text}");
    other.wait_until("the other's screen", |picture| picture.text.matches("one").count() == 2);
    says_twice(&other, "two");
    // And back, by number.
    place.begin(&one, "queue attach 1");
    assert_eq!(other.wait_for_prompt(), 125);
    one.wait_until("the screen", |picture| picture.text.matches("two").count() == 2);
    one.type_keys("\x04");
    assert_eq!(one.wait_for_prompt(), 0);
}

fn a_viewer_sees_all_and_disturbs_nobody(place: &Place) {
    let (one, other) = (place.bash(), place.bash());
    place.begin(&one, &format!("{} cat", place.queue("")));
    says_twice(&one, "one");
    other.run("clear");
    other.type_line("queue attach --view");
    other.wait_until("what was there", |picture| picture.text.matches("one").count() == 2);
    says_twice(&one, "two");
    other.wait_until("what is new", |picture| picture.text.matches("two").count() == 2);
    other.type_keys("typed by the viewer\r");
    says_twice(&one, "three");
    other.wait_until("what is newer", |picture| picture.text.matches("three").count() == 2);
    // A stop of the viewer is the viewer's alone.
    other.type_keys("\x1a");
    assert_eq!(other.wait_for_prompt(), 128 + 20);
    says_twice(&one, "four");
    other.type_line("fg");
    other.wait_until("all of it again", |picture| picture.text.matches("four").count() == 2);
    other.type_keys("\x03");
    assert_eq!(other.wait_for_prompt(), 0);
    assert!(!one.picture().text.contains("typed by the viewer"));
    // Whoever looks at the end is told of it.
    other.run("clear");
    other.type_line("queue attach --view 1");
    other.wait_until("the screen", |picture| picture.text.matches("four").count() == 2);
    one.type_keys("\x04");
    assert_eq!(one.wait_for_prompt(), 0);
    assert_eq!(other.wait_for_prompt(), 0);
    other.wait_for_text("has ended; the job itself exited with 0");
}

fn a_viewer_goes_on_through_the_death_of_the_runner(place: &Place) {
    let (one, other, third) = (place.bash(), place.bash(), place.bash());
    place.begin(&one, &format!("{} cat", place.queue("")));
    says_twice(&one, "one");
    other.type_line("queue attach --view");
    other.wait_until("what was there", |picture| picture.text.matches("one").count() == 2);
    for word in ["two", "three"] {
        let runner = place.the(Role::Runner);
        processes::send(runner, "KILL");
        wait::until("the death of the runner", PATIENCE, || (!processes::lives(runner)).then_some(()));
        until_state(&third, "attached");
        says_twice(&one, word);
        other.wait_until("what is new", |picture| picture.text.matches(word).count() == 2);
    }
    other.type_keys("\x03");
    assert_eq!(other.wait_for_prompt(), 0);
    one.type_keys("\x04");
    assert_eq!(one.wait_for_prompt(), 0);
}

/// Only the leader of a session hears of it from the kernel; the viewer span.
fn a_viewer_whose_terminal_hangs_up_leaves(place: &Place) {
    let one = place.bash();
    place.begin(&one, &format!("{} cat", place.queue("")));
    says_twice(&one, "one");
    let other = place.terminal(&["sh", "-c", "trap '' HUP; queue attach --view; echo $? >left"]);
    other.wait_until("what was there", |picture| picture.text.matches("one").count() == 2);
    drop(other);
    wait::until("the end of the viewer", PATIENCE, || {
        (place.has("left") && !place.read("left").is_empty()).then_some(())
    });
    assert_eq!(place.read("left"), "129\n");
    one.type_keys("\x04");
    assert_eq!(one.wait_for_prompt(), 0);
}

fn who_has_attached_keeps_the_session_through_the_death_of_the_runner(place: &Place) {
    let (one, other) = (place.bash(), place.bash());
    place.begin(&one, &format!("{} cat", place.queue("")));
    says_twice(&one, "one");
    place.begin(&other, "queue attach 1@redfish");
    assert_eq!(one.wait_for_prompt(), 125);
    other.wait_until("the screen", |picture| picture.text.matches("one").count() == 2);
    let runner = place.the(Role::Runner);
    processes::send(runner, "KILL");
    wait::until("the death of the runner", PATIENCE, || (!processes::lives(runner)).then_some(()));
    // What is typed before the next one is there is lost, and named; that is another promise.
    until_state(&one, "attached");
    says_twice(&other, "two");
    leave(&other);
    place.begin(&one, "queue attach");
    says_twice(&one, "three");
    one.type_keys("\x04");
    assert_eq!(one.wait_for_prompt(), 0);
}

fn the_end_of_a_job_waits_for_whoever_attaches(place: &Place) {
    let terminal = place.bash();
    let job = "sh -c 'echo ready; until [ -e go ]; do sleep 0.02; done; echo last words; exit 7'";
    place.begin(&terminal, &format!("{} {job}", place.queue("")));
    terminal.wait_for_line("ready");
    leave(&terminal);
    place.write("go", "");
    terminal.run("until queue sessions | grep -q ' exited with 7 at '; do sleep 0.05; done");
    terminal.run("clear");
    terminal.type_line("queue attach");
    assert_eq!(terminal.wait_for_prompt(), 7);
    assert!(terminal.picture().has_line("last words"), "{:?}", terminal.picture());
    terminal.run("clear");
    assert_eq!(terminal.run("queue attach"), 64);
    terminal.wait_for_text("no session of yours is detached");
}

fn the_session_of_a_killed_client_is_found_again(place: &Place) {
    let terminal = place.bash();
    place.begin(&terminal, &format!("{} cat", place.queue("")));
    says_twice(&terminal, "one");
    processes::send(place.client(), "KILL");
    assert_eq!(terminal.wait_for_prompt(), 128 + 9);
    // The client could not restore it; a shell that edits lines does by itself.
    until_state(&terminal, "detached");
    terminal.run("clear");
    place.begin(&terminal, "queue attach");
    says_twice(&terminal, "two");
    terminal.type_keys("\x04");
    assert_eq!(terminal.wait_for_prompt(), 0);
}

fn a_terminal_lingers_as_long_as_it_was_configured(place: &Place) {
    if place.kind() == Kind::OwnHost {
        place.write("config/queue/queued.toml", "host = \"redfish\"\nlinger = \"1s\"\n");
    } else {
        // There the default is looked at: more than that second.
        let terminal = place.bash();
        place.begin(&terminal, &format!("{} sh -c 'trap \"echo HUP >hup\" HUP; cat'", place.queue("")));
        leave(&terminal);
        terminal.run("sleep 1.5");
        assert!(!place.has("hup"), "without limit in personal mode");
        place.begin(&terminal, "queue attach");
        terminal.type_keys("\x04");
        assert_eq!(terminal.wait_for_prompt(), 0);
        return;
    }
    let terminal = place.bash();
    place.begin(
        &terminal,
        &format!("{} sh -c 'trap \"echo HUP >hup; exit\" HUP; while :; do sleep 0.05; done'", place.queue("")),
    );
    leave(&terminal);
    wait::until("the job was hung up", PATIENCE, || place.has("hup").then_some(()));
}

fn what_cannot_be_attached_to_is_named(place: &Place) {
    let terminal = place.bash();
    for (line, words) in [
        ("queue attach", "no session of yours is detached (queue sessions)"),
        ("queue attach 9", "no session 9 of yours is running"),
        ("queue attach 9@gold", "no session 9@gold of yours is running"),
        ("queue attach nine", "\"nine\" is not a job"),
    ] {
        assert_eq!(terminal.run(line), 64, "{line}");
        assert!(terminal.picture().text.replace('\n', "").contains(words), "{line}: {:?}", terminal.picture());
        terminal.run("clear");
    }
    assert_eq!(terminal.run("setsid -w queue attach 1"), 125);
    terminal.wait_for_text("attach needs a terminal");
    // Pipes have one reader.
    terminal.run(&format!("mkfifo fifo; {} cat <fifo & exec 6>fifo", place.queue("-n")));
    terminal.run("until queue sessions | grep -q attached; do sleep 0.05; done; clear");
    assert_eq!(terminal.run("queue attach $(queue sessions | awk '/attached/ {print $1; exit}')"), 125);
    terminal.wait_for_text("its job has no terminal");
    terminal.run("exec 6>&-; wait");
}

fn a_stopped_job_goes_on_where_it_is_attached_to(place: &Place) {
    let (one, other) = (place.bash(), place.bash());
    place.begin(&one, &format!("{} cat", place.queue("")));
    says_twice(&one, "one");
    one.type_keys("\x1a");
    assert_eq!(one.wait_for_prompt(), 128 + 20);
    place.begin(&other, "queue attach 1");
    other.wait_until("the screen", |picture| picture.text.matches("one").count() == 2);
    // The mark that the key has left is still there.
    other.type_line("");
    says_twice(&other, "two");
    // Its old client hears of it when it goes on.
    one.type_line("fg");
    assert_eq!(one.wait_for_prompt(), 125);
    assert!(one.picture().text.contains("was taken over from redfish"));
    other.type_keys("\x04");
    assert_eq!(other.wait_for_prompt(), 0);
}

/// Two who cannot see each other, and both are right.
#[cfg(feature = "root")]
#[test]
fn a_client_that_was_cut_off_hears_of_the_takeover_when_its_link_is_back() {
    let place = Place::other_host();
    let (one, there) = (place.bash(), place.bash_there());
    place.begin(&one, &format!("{} cat", place.queue("")));
    says_twice(&one, "one");
    place.demo_cluster(&["cut", "bluefish"]);
    one.type_line("lost in the cut");
    place.begin(&there, "queue attach 1");
    there.wait_until("the screen", |picture| picture.text.matches("one").count() == 2);
    says_twice(&there, "two");
    place.demo_cluster(&["heal", "bluefish"]);
    assert_eq!(one.wait_for_prompt(), 125);
    assert!(one.picture().text.contains("was taken over from bluefish"), "{:?}", one.picture());
    says_twice(&there, "three");
    there.type_keys("\x04");
    assert_eq!(there.wait_for_prompt(), 0);
}

/// It said of its second connection what it had of its first, and was never let in again.
#[cfg(feature = "root")]
#[test]
fn a_viewer_goes_on_when_its_link_has_healed() {
    let place = Place::other_host();
    let (viewer, there) = (place.bash(), place.bash_there());
    place.begin(&there, &format!("{} cat", place.queue("")));
    says_twice(&there, "one");
    viewer.type_line("queue attach --view 1@bluefish");
    viewer.wait_until("what was there", |picture| picture.text.matches("one").count() == 2);
    let client = place.client();
    for word in ["two", "three"] {
        let link = processes::sockets(client);
        place.demo_cluster(&["cut", "bluefish"]);
        says_twice(&there, word);
        wait::until("it has given its link up", PATIENCE, || {
            let now = processes::sockets(client);
            link.iter().all(|socket| !now.contains(socket)).then_some(())
        });
        place.demo_cluster(&["heal", "bluefish"]);
        viewer.wait_until("what it has missed", |picture| picture.text.matches(word).count() == 2);
    }
    says_twice(&there, "four");
    let all = "one\none\ntwo\ntwo\nthree\nthree\nfour\nfour";
    viewer.wait_until("what is new", |picture| picture.text.trim_end() == all);
    viewer.type_keys("\x03");
    assert_eq!(viewer.wait_for_prompt(), 0);
    there.type_keys("\x04");
    assert_eq!(there.wait_for_prompt(), 0);
}
