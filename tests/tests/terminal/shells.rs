//! Job control from shells of all kinds: what is promised of bash elsewhere in detail holds in all of them.

use queue_tests::terminal::Terminal;

use crate::place::Place;
use crate::same::{in_shell_with_and_without_queue, says_twice};

promises![bash_sees_no_difference, dash_sees_no_difference, zsh_sees_no_difference, fish_sees_no_difference];

fn bash_sees_no_difference(place: &Place) {
    in_shell_with_and_without_queue(place, Place::bash, |place, terminal| day(place, terminal, "jobs"));
}

fn dash_sees_no_difference(place: &Place) {
    in_shell_with_and_without_queue(place, Place::dash, |place, terminal| day(place, terminal, "jobs"));
}

fn zsh_sees_no_difference(place: &Place) {
    in_shell_with_and_without_queue(place, Place::zsh, |place, terminal| day(place, terminal, "jobs"));
}

fn fish_sees_no_difference(place: &Place) {
    // Its full list has process numbers.
    in_shell_with_and_without_queue(place, Place::fish, |place, terminal| day(place, terminal, "jobs --command"));
}

/// A day at a terminal; all statuses that the shell gave, and its modes.
fn day(place: &Place, terminal: &Terminal, jobs: &str) -> (Vec<i32>, bool) {
    let modes = terminal.modes();
    let mut statuses = Vec::new();
    place.begin(terminal, "run cat");
    says_twice(terminal, "one");
    for word in ["two", "three"] {
        terminal.type_keys("\x1a");
        statuses.push(terminal.wait_for_prompt());
        statuses.push(terminal.run(jobs));
        place.bring_forward(terminal);
        says_twice(terminal, word);
    }
    terminal.type_keys("\x04");
    statuses.push(terminal.wait_for_prompt());
    terminal.run("clear");
    for job in ["exit 3", "kill -TERM $$", "kill -KILL $$", "exec 2>/dev/null; echo out | (cat; exit 4)"] {
        statuses.push(terminal.run(&format!("run sh -c '{job}'")));
    }
    for key in ["\x03", "\x1c"] {
        terminal.run("clear");
        terminal.type_line("run sh -c 'echo ready; exec sleep 1000'");
        terminal.wait_for_line("ready");
        terminal.type_keys(key);
        statuses.push(terminal.wait_for_prompt());
    }
    statuses.push(terminal.run("run echo left | run cat"));
    statuses.push(terminal.run("run sh -c 'echo line; exit 5' | cat"));
    (statuses, terminal.modes() == modes)
}
