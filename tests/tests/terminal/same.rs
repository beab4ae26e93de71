//! The same keys with and without queue, and what is seen each time.

use queue_tests::terminal::Terminal;

use crate::place::Place;

/// Plays a scenario in a bash here and in a bare one. At its end, at a prompt, the screen must be
/// the same and the terminal in the same modes.
pub fn with_and_without_queue(place: &Place, scenario: impl Fn(&Place, &Terminal)) {
    let bare = Place::bare();
    let (without, with) = (play(&bare, &scenario), play(place, &scenario));
    assert_eq!(with.0, without.0, "with queue, and without it");
    assert_eq!(with.1, without.1, "modes with queue, and without it");
}

fn play(place: &Place, scenario: &impl Fn(&Place, &Terminal)) -> (String, sys::terminal::Modes) {
    let terminal = place.bash();
    scenario(place, &terminal);
    let picture = terminal.picture();
    (format!("{picture:?}").lines().map(without_process).collect::<Vec<_>>().join("\n"), terminal.modes())
}

/// What a shell says when it starts something in the background has a process number in it.
fn without_process(line: &str) -> &str {
    let bare = line.trim_start_matches("  | ");
    match bare.split_once("] ") {
        Some((job, number)) if job.starts_with('[') && number.bytes().all(|byte| byte.is_ascii_digit()) => job,
        _ => line,
    }
}
