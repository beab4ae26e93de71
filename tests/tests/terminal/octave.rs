//! The first thing that a person tries: a calculator that one talks to.
//!
//! Needs the Debian package `octave`. Without it the test fails: what is not tried is not known.

use queue_tests::terminal::Terminal;

use crate::place::Place;
use crate::same::with_and_without_queue;

promises![octave_prompts_computes_is_interrupted_and_ends];

fn octave_prompts_computes_is_interrupted_and_ends(place: &Place) {
    with_and_without_queue(place, |_, terminal| {
        terminal.type_line("now octave --no-gui --quiet --norc --no-history");
        prompt(terminal, 1);
        terminal.type_line("6 * 7");
        prompt(terminal, 2);
        assert!(terminal.picture().has_line("ans = 42"));
        terminal.type_line("disp (\"for ever\"), while true, end");
        terminal.wait_until("a running loop", |picture| picture.last_line() == "for ever" && picture.cursor.1 == 0);
        terminal.type_keys("\x03");
        prompt(terminal, 3);
        terminal.type_keys("\x1a");
        assert_eq!(terminal.wait_for_prompt(), 128 + 20);
        terminal.type_line("fg");
        // It does not repeat its prompt, but makes the terminal ready for it.
        let ready = |bytes: &[u8]| bytes.ends_with(b"no-history\r\n\x1b[?2004h");
        terminal.wait_for_bytes("octave has the terminal", ready);
        terminal.type_line("ans + 1");
        prompt(terminal, 4);
        assert!(terminal.picture().has_line("ans = 43"));
        terminal.type_line("exit (3)");
        assert_eq!(terminal.wait_for_prompt(), 3);
    });
}

fn prompt(terminal: &Terminal, number: u32) {
    let prompt = format!("octave:{number}>");
    terminal.wait_until(&prompt, |picture| picture.last_line() == prompt && picture.cursor.1 == 10);
}
