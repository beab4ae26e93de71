//! Which of a job's descriptors are its terminal: by itself, and with `-n`, `-o` and `-p`.

use nix::libc::ICANON;

use crate::place::Place;
use crate::same::{says_twice, with_and_without_queue};

promises![
    a_descriptor_is_a_terminal_exactly_where_it_is_one_here,
    standard_error_stays_apart_when_it_is_redirected,
    without_a_pty_there_is_none_and_keys_still_work,
    half_a_pty_is_for_input_only,
    a_pty_that_is_asked_for_is_in_the_foreground_from_the_start,
];

fn a_descriptor_is_a_terminal_exactly_where_it_is_one_here(place: &Place) {
    with_and_without_queue(place, |place, terminal| {
        let mut found = Vec::new();
        for redirection in ["", "<bin/run", ">out", "2>err", "<bin/run >out", "<bin/run 2>err", ">out 2>err"] {
            terminal.run(&format!("run sh -c '{WHICH}' {redirection}"));
            found.push((redirection, place.read("which")));
        }
        terminal.run(&format!("echo x | run sh -c '{WHICH}' | cat"));
        found.push(("pipes", place.read("which")));
        found
    });
}

fn standard_error_stays_apart_when_it_is_redirected(place: &Place) {
    with_and_without_queue(place, |place, terminal| {
        let job = "run sh -c 'echo out; echo err >&2; echo tty >/dev/tty'";
        terminal.run(&format!("{job} 2>err"));
        terminal.run(&format!("{job} >out"));
        terminal.run(&format!("{job} 2>err2 >out2"));
        ["err", "out", "err2", "out2"].map(|name| place.read(name))
    });
}

fn without_a_pty_there_is_none_and_keys_still_work(place: &Place) {
    let terminal = place.bash();
    let queue = place.queue("-n");
    terminal.run(&format!("{queue} sh -c '{WHICH} test -e /dev/tty && : </dev/tty && echo tty >>which'"));
    assert_eq!(place.read("which"), "");
    terminal.run(&format!("{queue} sh -c 'echo out; echo err >&2' 2>err"));
    assert!(terminal.picture().has_line("out"));
    assert_eq!(place.read("err"), "err\n");
    terminal.run("clear");
    terminal.type_line(&format!("{queue} sh -c 'echo ready; exec cat'"));
    terminal.wait_for_line("ready");
    says_twice(&terminal, "one");
    terminal.type_keys("\x1a");
    assert_eq!(terminal.wait_for_prompt(), 128 + 20);
    terminal.bring_forward();
    terminal.wait_for_flags("the job has the terminal", |flags| flags & ICANON != 0);
    says_twice(&terminal, "two");
    terminal.type_keys("\x04");
    assert_eq!(terminal.wait_for_prompt(), 0);
    terminal.type_line(&format!("{queue} sh -c 'echo once more; exec sleep 1000'"));
    terminal.wait_for_line("once more");
    terminal.type_keys("\x03");
    assert_eq!(terminal.wait_for_prompt(), 130);
}

fn half_a_pty_is_for_input_only(place: &Place) {
    let terminal = place.bash();
    let queue = place.queue("-o");
    terminal.run(&format!("{queue} sh -c '{WHICH}'"));
    assert_eq!(place.read("which"), "0\n");
    terminal.run(&format!("{queue} sh -c 'echo out; echo err >&2' 2>err"));
    assert!(terminal.picture().has_line("out"));
    assert_eq!(place.read("err"), "err\n");
    terminal.run("clear");
    terminal.type_line(&format!("{queue} sh -c 'echo ready; exec cat'"));
    terminal.wait_for_line("ready");
    says_twice(&terminal, "one");
    terminal.type_keys("\x03");
    assert_eq!(terminal.wait_for_prompt(), 130);
}

fn a_pty_that_is_asked_for_is_in_the_foreground_from_the_start(place: &Place) {
    let terminal = place.bash();
    // A job that ignores SIGTTIN is not stopped for reading; without the foreground it gets an
    // error instead of a line.
    let job = "perl -e '$SIG{TTIN} = \"IGNORE\"; print STDERR \"ready\\n\"; print \"got \", scalar <STDIN>'";
    terminal.type_line(&format!("{} {job} | cat >out", place.queue("-p")));
    terminal.wait_for_line("ready");
    terminal.type_line("word");
    assert_eq!(terminal.wait_for_prompt(), 0);
    assert_eq!(place.read("out"), "got word\n");
}

/// Writes which descriptors are terminals into the file `which`.
const WHICH: &str = ": >which; for d in 0 1 2; do test -t $d && echo $d >>which; done;";
