//! Stopping and going on, in the foreground and in the background; and how a job ends.

use queue_tests::terminal::Terminal;

use crate::place::Place;
use crate::same::with_and_without_queue;

promises![
    a_stopped_job_goes_on_in_the_foreground,
    a_stopped_job_goes_on_in_the_background,
    a_stopped_job_can_be_killed_by_its_number,
    a_background_reader_stops_and_the_foreground_brings_it_the_terminal,
    keys_end_a_job_and_the_shell_says_by_which_signal,
    a_jobs_exit_code_is_the_clients,
    a_jobs_death_is_the_clients,
    signals_to_the_client_reach_the_job,
    a_script_around_the_client_stops_and_goes_on_with_it,
];

fn a_stopped_job_goes_on_in_the_foreground(place: &Place) {
    with_and_without_queue(place, |terminal| {
        let before = terminal.modes();
        terminal.type_line("run cat");
        says_twice(terminal, "one");
        for (round, word) in ["two", "three", "four"].into_iter().enumerate() {
            terminal.type_keys("\x1a");
            assert_eq!(terminal.wait_for_prompt(), 128 + 20, "the shell's status for a stopped job");
            assert_eq!(terminal.picture().text.matches("Stopped").count(), round + 1);
            assert_eq!(terminal.modes(), before, "the prompt's modes");
            terminal.type_line("fg");
            says_twice(terminal, word);
        }
        terminal.type_keys("\x04");
        assert_eq!(terminal.wait_for_prompt(), 0);
        assert_eq!(terminal.run("jobs"), 0);
    });
}

fn a_stopped_job_goes_on_in_the_background(place: &Place) {
    with_and_without_queue(place, |terminal| {
        terminal.type_line("run sh -c 'echo ready; until test -e go; do sleep 0.02; done; echo went'");
        terminal.wait_for_line("ready");
        terminal.type_keys("\x1a");
        assert_eq!(terminal.wait_for_prompt(), 128 + 20);
        terminal.run("jobs");
        assert_eq!(terminal.run("bg"), 0);
        assert_eq!(terminal.run("jobs"), 0);
        assert_eq!(terminal.run("touch go; wait"), 0);
        assert!(terminal.picture().has_line("went"));
        assert_eq!(terminal.run("jobs"), 0);
    });
}

fn a_stopped_job_can_be_killed_by_its_number(place: &Place) {
    with_and_without_queue(place, |terminal| {
        terminal.type_line("run sh -c 'echo ready; exec sleep 1000'");
        terminal.wait_for_line("ready");
        terminal.type_keys("\x1a");
        terminal.wait_for_prompt();
        terminal.run("kill %1; wait %1 2>/dev/null");
        assert_eq!(terminal.run("jobs"), 0);
    });
}

fn a_background_reader_stops_and_the_foreground_brings_it_the_terminal(place: &Place) {
    with_and_without_queue(place, |terminal| {
        terminal.run("run cat &");
        terminal.run("until jobs -s | grep -q .; do sleep 0.02; done");
        terminal.run("jobs -l | sed 's/[0-9][0-9]* Stopped/PID Stopped/'");
        assert!(terminal.picture().text.contains("Stopped (tty input)"));
        terminal.type_line("fg");
        says_twice(terminal, "now");
        terminal.type_keys("\x04");
        assert_eq!(terminal.wait_for_prompt(), 0);
    });
}

fn keys_end_a_job_and_the_shell_says_by_which_signal(place: &Place) {
    with_and_without_queue(place, |terminal| {
        for (key, status) in [("\x03", 130), ("\x1c", 131)] {
            terminal.run("clear");
            terminal.type_line("run sh -c 'echo ready; exec sleep 1000'");
            terminal.wait_for_line("ready");
            terminal.type_keys(key);
            assert_eq!(terminal.wait_for_prompt(), status);
        }
    });
}

fn a_jobs_exit_code_is_the_clients(place: &Place) {
    with_and_without_queue(place, |terminal| {
        for code in [0, 1, 2, 64, 75, 125, 126, 127, 128, 130, 200, 255] {
            assert_eq!(terminal.run(&format!("run sh -c 'exit {code}'")), code);
        }
    });
}

fn a_jobs_death_is_the_clients(place: &Place) {
    with_and_without_queue(place, |terminal| {
        for (name, number) in
            [("HUP", 1), ("INT", 2), ("QUIT", 3), ("ABRT", 6), ("KILL", 9), ("USR1", 10), ("SEGV", 11), ("TERM", 15)]
        {
            assert_eq!(terminal.run(&format!("run sh -c 'kill -{name} $$'")), 128 + number, "{name}");
        }
    });
}

fn signals_to_the_client_reach_the_job(place: &Place) {
    with_and_without_queue(place, |terminal| {
        let job = "trap \"echo heard >>heard\" USR1; echo ready >ready; while :; do sleep 0.02; done";
        terminal.run(&format!("run sh -c '{job}' &"));
        terminal.run("until test -e ready; do sleep 0.02; done");
        terminal.run("kill -USR1 %1; until grep -q heard heard; do sleep 0.02; done");
        terminal.run("kill -TSTP %1; until jobs -s | grep -q .; do sleep 0.02; done");
        terminal.run("kill -CONT %1; until jobs -r | grep -q .; do sleep 0.02; done");
        terminal.run("rm heard; kill -USR1 %1; until grep -q heard heard; do sleep 0.02; done");
        terminal.run("kill %1; wait %1 2>/dev/null");
        assert_eq!(terminal.run("jobs"), 0);
    });
}

fn a_script_around_the_client_stops_and_goes_on_with_it(place: &Place) {
    with_and_without_queue(place, |terminal| {
        terminal.run("printf 'run cat\\necho after $?\\n' >script");
        terminal.type_line("sh script");
        says_twice(terminal, "one");
        terminal.type_keys("\x1a");
        assert_eq!(terminal.wait_for_prompt(), 128 + 20);
        terminal.type_line("fg");
        says_twice(terminal, "two");
        terminal.type_keys("\x04");
        assert_eq!(terminal.wait_for_prompt(), 0);
        assert!(terminal.picture().has_line("after 0"));
    });
}

/// Types a line for a `cat`: once it stands there because the terminal echoes it, once because
/// `cat` does.
fn says_twice(terminal: &Terminal, word: &str) {
    terminal.type_line(word);
    terminal.wait_until(&format!("{word:?} twice"), |picture| picture.text.lines().filter(|line| *line == word).count() == 2);
}
