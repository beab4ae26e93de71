//! The window's size, the terminal's modes, and keys that come early.

use crate::place::Place;
use crate::same::with_and_without_queue;

promises![
    the_size_is_the_windows_at_the_start,
    a_resize_reaches_the_job_at_once,
    a_resize_while_stopped_is_seen_when_it_goes_on,
    the_modes_inside_are_those_outside,
    modes_that_a_shell_set_while_the_job_was_stopped_stay_the_shells,
    what_is_typed_before_the_job_starts_reaches_it,
    the_key_for_the_end_of_input_may_be_typed_ahead,
];

fn the_size_is_the_windows_at_the_start(place: &Place) {
    with_and_without_queue(place, |_, terminal| {
        for size in [(24, 80), (50, 132), (7, 33)] {
            terminal.resize(size);
            terminal.run("clear");
            terminal.run("run stty size; run stty size </dev/tty | cat");
            assert!(terminal.picture().has_line(&format!("{} {}", size.0, size.1)));
        }
    });
}

fn a_resize_reaches_the_job_at_once(place: &Place) {
    with_and_without_queue(place, |place, terminal| {
        place.begin(terminal, &format!("run perl -e '{TELLS_SIZE}'"));
        terminal.wait_for_line("24 80");
        for size in [(30, 100), (10, 40)] {
            terminal.resize(size);
            terminal.wait_for_line(&format!("{} {}", size.0, size.1));
        }
        terminal.type_keys("\x03");
        assert_eq!(terminal.wait_for_prompt(), 130);
    });
}

fn a_resize_while_stopped_is_seen_when_it_goes_on(place: &Place) {
    let terminal = place.bash();
    place.begin(&terminal, &format!("run perl -e '{TELLS_SIZE}'"));
    terminal.wait_for_line("24 80");
    terminal.type_keys("\x1a");
    assert_eq!(terminal.wait_for_prompt(), 128 + 20);
    terminal.resize((30, 100));
    place.bring_forward(&terminal);
    terminal.wait_for_line("30 100");
    terminal.type_keys("\x03");
    assert_eq!(terminal.wait_for_prompt(), 130);
}

fn the_modes_inside_are_those_outside(place: &Place) {
    with_and_without_queue(place, |place, terminal| {
        terminal.run("stty -ixon -echoctl erase ^H intr ^X susp ^Y -brkint; clear");
        terminal.run("run stty -a");
        for (inside, outside) in
            [("run stty -a >inside", "stty -a >outside"), ("run stty -g >inside", "stty -g >outside")]
        {
            terminal.run(inside);
            terminal.run(outside);
            assert_eq!(place.read("inside"), place.read("outside"));
        }
        terminal.run("stty sane");
    });
}

fn modes_that_a_shell_set_while_the_job_was_stopped_stay_the_shells(place: &Place) {
    let terminal = place.dash();
    place.begin(&terminal, &format!("{} cat", place.queue("")));
    terminal.type_keys("\x1a");
    terminal.wait_for_prompt();
    terminal.run("stty -ixon intr ^X");
    let changed = terminal.modes();
    place.bring_forward(&terminal);
    terminal.type_keys("\x1a");
    terminal.wait_for_prompt();
    assert_eq!(terminal.modes(), changed);
    place.bring_forward(&terminal);
    // The key for interrupts is the shell's new one, for the job too.
    terminal.type_keys("\x18");
    assert_eq!(terminal.wait_for_prompt(), 130);
    assert_eq!(terminal.modes(), changed);
}

fn what_is_typed_before_the_job_starts_reaches_it(place: &Place) {
    let terminal = place.dash();
    for round in 0..5 {
        terminal.run(&format!("echo round {round}"));
        let ahead = format!("{} sh -c 'read x; read y; echo got $x and $y'\rfirst\rsecond\r", place.queue(""));
        terminal.type_keys(&ahead);
        assert_eq!(terminal.wait_for_prompt(), 0);
        terminal.wait_for_line("got first and second");
        terminal.run("clear");
    }
}

fn the_key_for_the_end_of_input_may_be_typed_ahead(place: &Place) {
    let terminal = place.dash();
    for round in 0..5 {
        terminal.run(&format!("echo round {round}"));
        terminal.type_keys(format!("{} sh -c 'cat >got'\rfirst\rsecond\r\x04", place.queue("")));
        assert_eq!(terminal.wait_for_prompt(), 0);
        assert_eq!(place.read("got"), "first\nsecond\n");
    }
}

/// Writes the window's size at the start and whenever it has changed or the job has gone on.
const TELLS_SIZE: &str = r#"$|=1; sub say_size { print `stty size` } $SIG{WINCH} = \&say_size; say_size; select undef, undef, undef, .05 while 1"#;
