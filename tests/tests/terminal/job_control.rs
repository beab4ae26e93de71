//! Stopping and going on, in the foreground and in the background; and how a job ends.

use std::time::Instant;

use queue_tests::terminal::{PATIENCE, Terminal};
use queue_tests::wait;

use crate::place::Place;
use crate::same::{says_twice, with_and_without_queue};

promises![
    a_stopped_job_goes_on_in_the_foreground,
    a_stopped_job_goes_on_in_the_background,
    a_stopped_job_can_be_killed_by_its_number,
    a_background_reader_stops_and_the_foreground_brings_it_the_terminal,
    a_background_writer_stops_where_the_terminal_says_so,
    a_running_job_that_is_brought_to_the_foreground_gets_the_keys,
    signals_that_are_ignored_here_are_ignored_there,
    keys_end_a_job_and_the_shell_says_by_which_signal,
    a_jobs_exit_code_is_the_clients,
    a_jobs_death_is_the_clients,
    signals_to_the_client_reach_the_job,
    a_script_around_the_client_stops_and_goes_on_with_it,
];

fn a_stopped_job_goes_on_in_the_foreground(place: &Place) {
    with_and_without_queue(place, |place, terminal| {
        let before = terminal.modes();
        place.begin(terminal, "run cat");
        says_twice(terminal, "one");
        for (round, word) in ["two", "three", "four"].into_iter().enumerate() {
            terminal.type_keys("\x1a");
            assert_eq!(terminal.wait_for_prompt(), 128 + 20, "the shell's status for a stopped job");
            assert_eq!(terminal.picture().text.matches("Stopped").count(), round + 1);
            assert_eq!(terminal.modes(), before, "the prompt's modes");
            place.bring_forward(terminal);
            says_twice(terminal, word);
        }
        terminal.type_keys("\x04");
        assert_eq!(terminal.wait_for_prompt(), 0);
        assert_eq!(terminal.run("jobs"), 0);
    });
}

fn a_stopped_job_goes_on_in_the_background(place: &Place) {
    with_and_without_queue(place, |_, terminal| {
        terminal.type_line(
            r#"run perl -e '$|=1; print "ready\n"; select(undef, undef, undef, .02) until -e "go"; print "went\n"'"#,
        );
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
    with_and_without_queue(place, |_, terminal| {
        terminal.type_line("run sh -c 'echo ready; exec sleep 1000'");
        terminal.wait_for_line("ready");
        terminal.type_keys("\x1a");
        terminal.wait_for_prompt();
        // The shell's own words are no witness: one that tells at a prompt that the job is stopped,
        // and hears of its end at that moment, never tells the end.
        terminal.run("job=$(jobs -p %1); kill %1; while kill -0 $job 2>&-; do sleep 0.02; done");
        terminal.run(":; clear");
        assert_eq!(terminal.run("jobs"), 0);
    });
}

fn a_background_reader_stops_and_the_foreground_brings_it_the_terminal(place: &Place) {
    with_and_without_queue(place, |place, terminal| {
        // In one line: at a prompt in between the shell may tell of the stop, or not yet.
        terminal.run("run cat & until jobs -s | grep -q .; do sleep 0.02; done");
        terminal.run("jobs -l | sed 's/ *[0-9]* Stopped/ PID Stopped/'");
        assert!(terminal.picture().text.contains("Stopped (tty input)"));
        place.bring_forward(terminal);
        says_twice(terminal, "now");
        terminal.type_keys("\x04");
        assert_eq!(terminal.wait_for_prompt(), 0);
    });
}

fn a_background_writer_stops_where_the_terminal_says_so(place: &Place) {
    with_and_without_queue(place, |_, terminal| {
        terminal.run("stty tostop; clear");
        terminal.run("run echo said &");
        the_shell_says(terminal, "[1]+  Stopped                 run echo said");
        terminal.type_line("fg");
        assert_eq!(terminal.wait_for_prompt(), 0);
        assert!(terminal.picture().has_line("said"));
        terminal.run("stty -tostop");
    });
}

fn a_running_job_that_is_brought_to_the_foreground_gets_the_keys(place: &Place) {
    with_and_without_queue(place, |place, terminal| {
        let job = r#"perl -e 'open my $f, ">", "ready"; close $f; select(undef, undef, undef, .02) until -e "go"; print "got ", scalar <STDIN>'"#;
        terminal.run(&format!("run {job} &"));
        wait::until("the job runs", PATIENCE, || place.has("ready").then_some(()));
        terminal.run("clear");
        // No signal tells anybody that this job has the terminal now.
        place.bring_forward(terminal);
        place.write("go", "");
        terminal.type_line("word");
        assert_eq!(terminal.wait_for_prompt(), 0);
        assert!(terminal.picture().has_line("got word"));
    });
}

fn signals_that_are_ignored_here_are_ignored_there(place: &Place) {
    with_and_without_queue(place, |_, terminal| {
        let job = r#"run perl -e 'kill $_, $$ for qw(INT QUIT PIPE TSTP HUP USR1); print "alive\n"'"#;
        terminal.run(&format!("(trap '' INT QUIT PIPE TSTP HUP USR1; {job})"));
        assert!(terminal.picture().has_line("alive"));
    });
}

fn keys_end_a_job_and_the_shell_says_by_which_signal(place: &Place) {
    with_and_without_queue(place, |_, terminal| {
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
    with_and_without_queue(place, |_, terminal| {
        for code in [0, 1, 2, 64, 75, 125, 126, 127, 128, 130, 200, 255] {
            assert_eq!(terminal.run(&format!("run sh -c 'exit {code}'")), code);
        }
    });
}

fn a_jobs_death_is_the_clients(place: &Place) {
    with_and_without_queue(place, |_, terminal| {
        for (name, number) in
            [("HUP", 1), ("INT", 2), ("QUIT", 3), ("ABRT", 6), ("KILL", 9), ("USR1", 10), ("SEGV", 11), ("TERM", 15)]
        {
            assert_eq!(terminal.run(&format!("run sh -c 'kill -{name} $$'")), 128 + number, "{name}");
        }
    });
}

fn signals_to_the_client_reach_the_job(place: &Place) {
    with_and_without_queue(place, |place, terminal| {
        place.write("job", JOB_THAT_HEARS);
        terminal.run("run perl job >heard &");
        until_heard(place, "ready");
        for signal in ["HUP", "USR1", "USR2", "ALRM", "RTMIN+3"] {
            terminal.run(&format!("kill -{signal} %1"));
            until_heard(place, signal);
        }
        terminal.run("kill -TSTP %1");
        the_shell_says(terminal, "[1]+  Stopped                 run perl job > heard");
        terminal.run("kill -CONT %1");
        until_heard(place, "CONT");
        terminal.run("kill %1");
        the_shell_says(terminal, "[1]+  Terminated              run perl job > heard");
        assert_eq!(terminal.run("jobs"), 0);
    });
}

fn a_script_around_the_client_stops_and_goes_on_with_it(place: &Place) {
    with_and_without_queue(place, |place, terminal| {
        terminal.run("printf 'run cat\\necho after $?\\n' >script");
        place.begin(terminal, "sh script");
        says_twice(terminal, "one");
        terminal.type_keys("\x1a");
        assert_eq!(terminal.wait_for_prompt(), 128 + 20);
        place.bring_forward(terminal);
        says_twice(terminal, "two");
        terminal.type_keys("\x04");
        assert_eq!(terminal.wait_for_prompt(), 0);
        assert!(terminal.picture().has_line("after 0"));
    });
}

/// Asks the shell for a prompt, which is when it tells about jobs, until it has said this. Then
/// the screen is empty.
fn the_shell_says(terminal: &Terminal, line: &str) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        terminal.run(":");
        let picture = terminal.picture();
        if picture.has_line(line) {
            terminal.run("clear");
            return;
        }
        let said = terminal.bytes();
        assert!(Instant::now() < deadline, "the shell never says {line:?}\n{}", said.escape_ascii());
    }
}

fn until_heard(place: &Place, word: &str) {
    let heard = || place.has("heard") && place.read("heard").lines().any(|line| line == word);
    wait::until(&format!("{word} at the job"), PATIENCE, || heard().then_some(()));
}

/// Says each signal that it gets.
const JOB_THAT_HEARS: &str = r#"
$| = 1;
for my $name ("HUP", "USR1", "USR2", "ALRM", "CONT") { $SIG{$name} = sub { print "$name\n" } }
$SIG{NUM37} = sub { print "RTMIN+3\n" };
print "ready\n";
select(undef, undef, undef, .02) while 1;
"#;
