//! `queue` where no shell would continue it: as the command of a terminal window or of a pane of
//! tmux. The kernel throws the stop signals of such a process away, so it must not wait for
//! somebody to continue it.

use queue_tests::terminal::PATIENCE;
use queue_tests::wait;

use crate::place::Place;

promises![
    the_stop_key_does_not_hang_a_client_that_leads_the_session,
    the_stop_key_does_not_hang_a_client_below_a_script_that_leads_the_session,
    a_job_that_stops_itself_goes_on_where_nobody_could_continue_it,
    closing_the_window_ends_the_job,
];

fn the_stop_key_does_not_hang_a_client_that_leads_the_session(place: &Place) {
    let mut terminal = place.terminal(&["sh", "-c", &format!("exec {}", place.queue("") + READY)]);
    terminal.wait_for_line("ready");
    for word in ["one", "two"] {
        terminal.type_keys("\x1a");
        terminal.wait_until("the key's echo", |picture| picture.last_line() == "^Z");
        terminal.type_line(word);
        terminal.wait_for_line(word);
    }
    terminal.type_keys("\x04");
    assert_eq!(terminal.wait_for_end().code(), Some(0));
}

fn the_stop_key_does_not_hang_a_client_below_a_script_that_leads_the_session(place: &Place) {
    let mut terminal = place.terminal(&["sh", "-c", &format!("{}; exit 3", place.queue("") + READY)]);
    terminal.wait_for_line("ready");
    for word in ["one", "two"] {
        terminal.type_keys("\x1a");
        terminal.wait_until("the key's echo", |picture| picture.last_line() == "^Z");
        terminal.type_line(word);
        terminal.wait_for_line(word);
    }
    terminal.type_keys("\x04");
    assert_eq!(terminal.wait_for_end().code(), Some(3));
}

fn a_job_that_stops_itself_goes_on_where_nobody_could_continue_it(place: &Place) {
    for signal in ["TSTP", "TTIN", "TTOU"] {
        let command = format!("exec {} sh -c 'kill -{signal} $$; echo went on; exit 7'", place.queue(""));
        let mut terminal = place.terminal(&["sh", "-c", &command]);
        terminal.wait_for_line("went on");
        assert_eq!(terminal.wait_for_end().code(), Some(7), "{signal}");
    }
}

fn closing_the_window_ends_the_job(place: &Place) {
    for options in ["", "-n", "-o"] {
        place.write("ended", "");
        let job = r#"perl -e '$SIG{HUP} = sub { open my $f, ">", "ended"; print $f "by HUP"; exit }; $|=1; print "ready\n"; sleep 1 while 1'"#;
        let terminal = place.terminal(&["sh", "-c", &format!("exec {} {job}", place.queue(options))]);
        terminal.wait_for_line("ready");
        drop(terminal);
        wait::until("HUP at the job", PATIENCE, || (place.read("ended") == "by HUP").then_some(()));
    }
}

const READY: &str = " sh -c 'echo ready; exec cat'";
