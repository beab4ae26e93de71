//! Programs that own the whole screen: the same keys lead to the same screens.

use std::time::{Duration, Instant};

use queue_tests::terminal::{PATIENCE, Picture, Terminal};
use queue_tests::wait;

use crate::place::{Place, SIZE};
use crate::same::with_and_without_queue;

promises![vim_looks_the_same_through_a_stop_and_a_resize, less_looks_the_same_through_a_stop_and_a_resize];

fn vim_looks_the_same_through_a_stop_and_a_resize(place: &Place) {
    with_and_without_queue(place, |place, terminal| {
        place.write("text", &lines());
        terminal.type_line("run vim -u NONE -N -i NONE text");
        let mut seen = vec![full(terminal, (0, 0), |picture| {
            picture.last_line().starts_with("\"text\" 300L") && picture.has_line("line 22")
        })];
        terminal.type_keys("5Gonew words\x1b:echo 'typed'\r");
        seen.push(full(terminal, (5, 8), |picture| picture.last_line() == "typed"));
        terminal.type_keys("\x1a");
        assert_eq!(terminal.wait_for_prompt(), 128 + 20);
        seen.push(terminal.picture());
        terminal.type_line("fg");
        full(terminal, (5, 8), |picture| picture.has_line("new words"));
        // It answers to keys, so it has found its way back to the terminal.
        terminal.type_keys(":echo 'back'\r");
        seen.push(full(terminal, (5, 8), |picture| picture.last_line() == "back" && picture.has_line("line 21")));
        terminal.resize((30, 100));
        seen.push(full(terminal, (5, 8), |picture| picture.has_line("line 28")));
        terminal.type_keys("G:echo 'at the end'\r");
        seen.push(full(terminal, (28, 0), |picture| picture.last_line() == "at the end"));
        terminal.resize(SIZE);
        seen.push(full(terminal, (22, 0), |picture| picture.has_line("line 300") && !picture.has_line("line 277")));
        terminal.type_keys(":wq\r");
        assert_eq!(terminal.wait_for_prompt(), 0);
        (seen, place.read("text"))
    });
}

fn less_looks_the_same_through_a_stop_and_a_resize(place: &Place) {
    with_and_without_queue(place, |place, terminal| {
        place.write("text", &lines());
        terminal.type_line("run less text");
        let mut seen = vec![full(terminal, (23, 4), |picture| picture.last_line() == "text")];
        terminal.type_keys("/line 150\r");
        seen.push(full(terminal, (23, 1), |picture| picture.text.starts_with("line 150\n")));
        place.until_it_waits("less");
        terminal.type_keys("\x1a");
        assert_eq!(terminal.wait_for_prompt(), 128 + 20);
        seen.push(terminal.picture());
        terminal.type_line("fg");
        // It answers to keys, so it has found its way back to the terminal.
        full(terminal, (23, 1), |picture| picture.text.starts_with("line 150\n"));
        terminal.type_keys("j");
        full(terminal, (23, 1), |picture| picture.text.starts_with("line 151\n"));
        terminal.type_keys("k");
        seen.push(full(terminal, (23, 1), |picture| picture.text.starts_with("line 150\n")));
        terminal.resize((30, 100));
        seen.push(repainted(terminal, (29, 1), |picture| picture.has_line("line 178")));
        terminal.type_keys("G");
        seen.push(full(terminal, (29, 5), |picture| picture.last_line() == "(END)"));
        terminal.resize(SIZE);
        seen.push(repainted(terminal, (23, 1), |picture| {
            picture.has_line("line 294") && !picture.has_line("line 295")
        }));
        terminal.type_keys("g");
        seen.push(full(terminal, (23, 1), |picture| picture.text.starts_with("line 1\n")));
        terminal.type_keys("q");
        assert_eq!(terminal.wait_for_prompt(), 0);
        seen
    });
}

/// The screen of a full-screen program, when it is as told and its cursor is there.
fn full(terminal: &Terminal, cursor: (u16, u16), condition: impl Fn(&Picture) -> bool) -> Picture {
    terminal.wait_until(&format!("a full screen with its cursor at {cursor:?}"), |picture| {
        picture.is_alternate && picture.cursor == cursor && condition(picture)
    })
}

/// The same for `less` after a resize. It may look for keys an instant before the signal, and then
/// sees the signal only with the next key; so it is asked to repaint now and then.
fn repainted(terminal: &Terminal, cursor: (u16, u16), condition: impl Fn(&Picture) -> bool) -> Picture {
    let mut asked = Instant::now();
    wait::until("less repaints", PATIENCE, || {
        if asked.elapsed() > Duration::from_secs(1) {
            terminal.type_keys("r");
            asked = Instant::now();
        }
        Some(terminal.picture()).filter(|picture| picture.cursor == cursor && condition(picture))
    })
}

/// Some lines, and one that is cut or folded where there are less than a hundred columns.
fn lines() -> String {
    let long = "long ".repeat(18);
    (1..=300).map(|line| if line == 7 { format!("line 7 {long}\n") } else { format!("line {line}\n") }).collect()
}
