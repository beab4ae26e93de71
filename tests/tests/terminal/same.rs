//! The same keys with and without queue, and what is seen each time.

use std::fmt::Debug;

use queue_tests::terminal::{Picture, Terminal};
use sys::terminal::Modes;

use crate::place::Place;

/// Plays a scenario in a bash here and in a bare one. What it answers must be the same both times,
/// and so must be at its end, at a prompt, the screen and the terminal's modes.
pub fn with_and_without_queue<T: PartialEq + Debug>(place: &Place, scenario: impl Fn(&Place, &Terminal) -> T) {
    in_shell_with_and_without_queue(place, Place::bash, scenario);
}

/// The same in a shell of another kind.
pub fn in_shell_with_and_without_queue<T: PartialEq + Debug>(
    place: &Place,
    shell: fn(&Place) -> Terminal,
    scenario: impl Fn(&Place, &Terminal) -> T,
) {
    let bare = Place::bare();
    let (without, with) = (play(&bare, shell, &scenario), play(place, shell, &scenario));
    assert_eq!(with.0, without.0, "with queue, and without it");
    assert!(with.1 == without.1, "with queue:\n{}\nwithout it:\n{}", with.1, without.1);
    assert_eq!(with.2, without.2, "modes with queue, and without it");
}

fn play<T>(
    place: &Place,
    shell: fn(&Place) -> Terminal,
    scenario: &impl Fn(&Place, &Terminal) -> T,
) -> (T, String, Modes) {
    println!("{:?}:", place.kind());
    let terminal = shell(place);
    let answer = scenario(place, &terminal);
    let picture = terminal.picture();
    let shown = format!("{picture:?}").lines().map(without_process).collect::<Vec<_>>().join("\n");
    (answer, shown, terminal.modes())
}

/// Types a line for a `cat`: then it stands there because the terminal echoes it, and once more
/// because `cat` does.
pub fn says_twice(terminal: &Terminal, word: &str) {
    terminal.type_line(word);
    let count = |picture: &Picture| picture.text.lines().filter(|line| *line == word).count();
    terminal.wait_until(&format!("{word:?} twice"), |picture| count(picture) == 2);
}

/// What a shell says when it starts something in the background has a process number in it.
fn without_process(line: &str) -> &str {
    let bare = line.trim_start_matches("  | ");
    match bare.split_once("] ") {
        Some((job, number)) if job.starts_with('[') && number.bytes().all(|byte| byte.is_ascii_digit()) => job,
        _ => line,
    }
}
