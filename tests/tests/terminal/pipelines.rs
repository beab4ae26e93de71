//! `queue` as one of several: in pipelines, under other programs, with passwords.

use nix::libc::ICANON;

use crate::place::Place;
use crate::same::with_and_without_queue;

promises![
    a_pager_behind_queue_gets_every_key,
    pipes_carry_input_and_output,
    one_key_ends_a_whole_pipeline,
    one_key_stops_a_whole_pipeline_and_it_goes_on,
    a_job_below_timeout_is_not_stopped_for_the_terminal,
    a_question_on_the_terminal_is_answered_while_output_is_redirected,
    a_password_is_asked_for_on_the_terminal_and_not_shown,
];

fn a_pager_behind_queue_gets_every_key(place: &Place) {
    with_and_without_queue(place, |_, terminal| {
        let mut seen = Vec::new();
        terminal.type_line("run seq 1 2000 | less");
        seen.push(terminal.wait_until("the first page", |picture| picture.is_alternate && picture.last_line() == ":"));
        for line in [24, 47, 70] {
            terminal.type_keys(" ");
            let first = format!("{line}\n");
            seen.push(terminal.wait_until("the next page", |picture| {
                picture.text.starts_with(&first) && picture.last_line() == ":" && picture.cursor == (23, 1)
            }));
        }
        terminal.type_keys("G");
        seen.push(
            terminal.wait_until("the end", |picture| picture.last_line() == "(END)" && picture.cursor == (23, 5)),
        );
        terminal.type_keys("q");
        assert_eq!(terminal.wait_for_prompt(), 0);
        seen
    });
}

fn pipes_carry_input_and_output(place: &Place) {
    with_and_without_queue(place, |place, terminal| {
        assert_eq!(terminal.run("echo hi | run cat"), 0);
        assert_eq!(terminal.run("echo one two | run tr ' ' '\\n' | run sort -r"), 0);
        assert_eq!(terminal.run("run sh -c 'cat; exit 5' <bin/run >copy"), 5);
        assert_eq!(place.read("copy"), place.read("bin/run"));
        assert_eq!(terminal.run("run seq 1 100000000 | head -n 1; echo ${PIPESTATUS[@]}"), 0);
        assert_eq!(terminal.run("yes | run head -n 1; echo ${PIPESTATUS[@]}"), 0);
        terminal.run("run true </dev/null | run cat | run wc -c");
    });
}

fn one_key_ends_a_whole_pipeline(place: &Place) {
    with_and_without_queue(place, |_, terminal| {
        let (first, last) = ("sh -c 'echo first >&2; exec sleep 1000'", "sh -c 'echo last >&2; exec cat'");
        for line in
            [format!("run {first} | {last}"), format!("{first} | run {last}"), format!("run {first} | run {last}")]
        {
            terminal.run("clear");
            terminal.type_line(&line);
            terminal.wait_for_line("first");
            terminal.wait_for_line("last");
            terminal.type_keys("\x03");
            let status = terminal.wait_for_prompt();
            // A job may see the end of its input before the signal, which has to travel.
            assert!(status == 130 || line.contains("| run") && status == 0, "{line}: {status}");
        }
        // In which order they came and went the screen shows, and that is left to chance.
        terminal.run("clear");
    });
}

fn one_key_stops_a_whole_pipeline_and_it_goes_on(place: &Place) {
    with_and_without_queue(place, |_, terminal| {
        terminal.type_line("run sh -c 'echo first >&2; exec sleep 1000' | sh -c 'echo last >&2; exec cat'");
        terminal.wait_for_line("first");
        terminal.wait_for_line("last");
        terminal.type_keys("\x1a");
        assert_eq!(terminal.wait_for_prompt(), 128 + 20);
        terminal.run("clear");
        for _ in 0..2 {
            terminal.bring_forward();
            // Nobody asks for the terminal, so the shell's modes for a job tell that it runs.
            terminal.wait_for_flags("the pipeline runs", |flags| flags & ICANON != 0);
            terminal.type_keys("\x1a");
            assert_eq!(terminal.wait_for_prompt(), 128 + 20);
        }
        terminal.bring_forward();
        terminal.wait_for_flags("the pipeline runs", |flags| flags & ICANON != 0);
        terminal.type_keys("\x03");
        assert_eq!(terminal.wait_for_prompt(), 130);
        terminal.run("clear");
    });
}

fn a_job_below_timeout_is_not_stopped_for_the_terminal(place: &Place) {
    with_and_without_queue(place, |_, terminal| {
        assert_eq!(terminal.run("timeout 300 run sh -c 'echo fine; exit 4'"), 4);
        assert_eq!(terminal.run("timeout 300 run echo also fine | cat"), 0);
        assert_eq!(terminal.run("timeout -s TERM 1 run sleep 1000"), 124);
    });
}

fn a_question_on_the_terminal_is_answered_while_output_is_redirected(place: &Place) {
    with_and_without_queue(place, |place, terminal| {
        for (number, redirection) in [">out", "2>err >out", "<bin/run >out"].into_iter().enumerate() {
            let question = format!("question {number}: ");
            terminal.type_line(&format!(
                "run sh -c 'printf \"{question}\" >/dev/tty; read x </dev/tty; echo got $x' {redirection}"
            ));
            terminal.wait_until("the question", |picture| picture.last_line() == question.trim_end());
            place.hand_over(terminal);
            terminal.type_line("word");
            assert_eq!(terminal.wait_for_prompt(), 0);
            assert_eq!(place.read("out"), "got word\n");
        }
    });
}

fn a_password_is_asked_for_on_the_terminal_and_not_shown(place: &Place) {
    with_and_without_queue(place, |place, terminal| {
        for redirection in [">out", "</dev/null >out", "| cat >out"] {
            let ask = r#"import getpass; print("got", getpass.getpass("Password: "))"#;
            terminal.run("clear");
            terminal.type_line(&format!("run /usr/bin/python3 -c '{ask}' {redirection}"));
            terminal.wait_until("the question", |picture| picture.last_line() == "Password:" && picture.cursor.1 == 10);
            terminal.type_line("secret");
            assert_eq!(terminal.wait_for_prompt(), 0);
            assert!(!terminal.picture().text.contains("secret"), "{:?}", terminal.picture());
            assert_eq!(place.read("out"), "got secret\n");
        }
    });
}
