//! However a session ends, the terminal is left as it was found. In a dash, because bash repairs
//! what others leave behind.

use queue_tests::terminal::{PATIENCE, Terminal};
use queue_tests::wait;

use crate::place::Place;
use crate::processes::{self, Role};
use crate::same::says_twice;

promises![
    the_terminal_is_restored_after_a_normal_end,
    the_terminal_is_restored_when_the_job_is_killed,
    the_terminal_is_restored_when_the_leader_is_killed,
    the_terminal_is_restored_when_the_client_is_told_to_end,
    the_terminal_is_restored_when_the_person_leaves,
    the_terminal_is_restored_at_each_stop,
    a_killed_runner_is_replaced_and_the_session_goes_on,
    killed_daemons_are_not_noticed,
];

fn the_terminal_is_restored_after_a_normal_end(place: &Place) {
    let status = restored_after(place, |terminal| {
        says_twice(terminal, "word");
        terminal.type_keys("\x04");
    });
    assert_eq!(status, 0);
}

fn the_terminal_is_restored_when_the_job_is_killed(place: &Place) {
    let status = restored_after(place, |_| {
        processes::send(processes::child_of(place.the(Role::Leader)), "KILL");
    });
    assert_eq!(status, 128 + 9);
}

fn the_terminal_is_restored_when_the_leader_is_killed(place: &Place) {
    let status = restored_after(place, |_| processes::send(place.the(Role::Leader), "KILL"));
    assert_eq!(status, 125);
}

fn the_terminal_is_restored_when_the_client_is_told_to_end(place: &Place) {
    for (signal, number) in [("TERM", 15), ("HUP", 1), ("INT", 2), ("QUIT", 3)] {
        let status = restored_after(place, |_| processes::send(place.client(), signal));
        assert_eq!(status, 128 + number, "{signal}");
    }
}

fn the_terminal_is_restored_when_the_person_leaves(place: &Place) {
    let status = restored_after(place, |terminal| {
        terminal.type_keys("~.");
        terminal.wait_for_text("you left with ~.");
    });
    assert_eq!(status, 125);
}

fn the_terminal_is_restored_at_each_stop(place: &Place) {
    let terminal = place.dash();
    let before = terminal.modes();
    place.begin(&terminal, &format!("{} cat", place.queue("")));
    for word in ["one", "two", "three"] {
        says_twice(&terminal, word);
        terminal.type_keys("\x1a");
        terminal.wait_for_prompt();
        assert_eq!(terminal.modes(), before);
        place.bring_forward(&terminal);
    }
    terminal.type_keys("\x03");
    terminal.wait_for_prompt();
    assert_eq!(terminal.modes(), before);
}

fn a_killed_runner_is_replaced_and_the_session_goes_on(place: &Place) {
    let status = restored_after(place, |terminal| {
        says_twice(terminal, "before");
        let (leader, runner) = (place.the(Role::Leader), place.the(Role::Runner));
        processes::send(runner, "KILL");
        wait::until("another runner", PATIENCE, || {
            place.processes(Role::Runner).into_iter().find(|pid| *pid != runner)
        });
        says_twice(terminal, "after");
        terminal.type_keys("\x04");
        // It is not found any more by its parents.
        wait::until("the end of the leader", PATIENCE, || (!processes::lives(leader)).then_some(()));
    });
    assert_eq!(status, 0);
}

fn killed_daemons_are_not_noticed(place: &Place) {
    let status = restored_after(place, |terminal| {
        says_twice(terminal, "before");
        let before = terminal.picture();
        let daemons = place.daemons();
        assert!(!daemons.is_empty());
        for daemon in daemons {
            processes::send(daemon, "KILL");
            wait::until("the death of the daemon", PATIENCE, || (!processes::lives(daemon)).then_some(()));
        }
        says_twice(terminal, "after");
        let words = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
        let after = terminal.picture();
        assert_eq!(words(&after.text), [words(&before.text), words("after\nafter")].concat());
        terminal.type_keys("\x04");
    });
    assert_eq!(status, 0);
}

/// Runs a `cat` through queue, lets it be ended, and compares the terminal before and after; the
/// status that the shell saw.
fn restored_after(place: &Place, end: impl FnOnce(&Terminal)) -> i32 {
    let terminal = place.dash();
    let before = terminal.modes();
    place.begin(&terminal, &format!("{} cat", place.queue("")));
    assert_ne!(terminal.modes(), before);
    // Only a job that has begun has a leader to be found.
    says_twice(&terminal, "begun");
    end(&terminal);
    let status = terminal.wait_for_prompt();
    assert_eq!(terminal.modes(), before);
    status
}
