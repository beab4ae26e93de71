//! The first thing that a person tries: a calculator that one talks to.
//!
//! Needs the Debian package `octave`. Without it the test fails: what is not tried is not known.

use crate::place::Place;
use crate::same::with_and_without_queue;

promises![octave_prompts_computes_is_interrupted_and_ends];

fn octave_prompts_computes_is_interrupted_and_ends(place: &Place) {
    with_and_without_queue(place, |place, terminal| {
        terminal.run(&format!("alias there='{}'; clear", place.queue("-i")));
        terminal.type_line("there octave --no-gui --quiet --norc --no-history");
        terminal.wait_for_text("octave:1> ");
        terminal.type_line("6 * 7");
        terminal.wait_for_text("octave:2> ");
        assert!(terminal.picture().has_line("ans = 42"));
        terminal.type_line("disp (\"for ever\"), while true, end");
        terminal.wait_for_line("for ever");
        terminal.type_keys("\x03");
        terminal.wait_for_text("octave:3> ");
        terminal.type_keys("\x1a");
        assert_eq!(terminal.wait_for_prompt(), 128 + 20);
        place.begin(terminal, "fg");
        terminal.type_line("ans + 1");
        terminal.wait_for_line("ans = 43");
        terminal.type_line("exit (3)");
        assert_eq!(terminal.wait_for_prompt(), 3);
    });
}
