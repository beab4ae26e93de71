//! What a person says to the client itself: `~` at the start of a line.

use queue_tests::terminal::PATIENCE;
use queue_tests::wait;

use crate::place::Place;
use crate::same::says_twice;

promises![
    help_is_shown_and_the_job_does_not_notice,
    two_tildes_are_one_and_a_tilde_within_a_line_is_no_escape,
    leaving_says_so_and_hangs_the_job_up,
    suspending_the_client_alone_lets_the_job_run_on,
    there_are_no_escapes_while_something_is_redirected,
];

fn help_is_shown_and_the_job_does_not_notice(place: &Place) {
    let terminal = place.bash();
    place.begin(&terminal, &format!("{} cat", place.queue("")));
    says_twice(&terminal, "one");
    terminal.type_keys("~?");
    terminal.wait_for_text("suspend queue alone");
    says_twice(&terminal, "two");
    terminal.type_keys("\x04");
    assert_eq!(terminal.wait_for_prompt(), 0);
}

fn two_tildes_are_one_and_a_tilde_within_a_line_is_no_escape(place: &Place) {
    let terminal = place.bash();
    place.begin(&terminal, &format!("{} sh -c 'echo ready; cat >got'", place.queue("")));
    terminal.wait_for_line("ready");
    terminal.type_line("~~.");
    terminal.type_line("x~.");
    terminal.type_line("~x");
    terminal.type_keys("\x04");
    assert_eq!(terminal.wait_for_prompt(), 0);
    assert_eq!(place.read("got"), "~.\nx~.\n~x\n");
}

fn leaving_says_so_and_hangs_the_job_up(place: &Place) {
    let terminal = place.bash();
    let job = "perl -e '$SIG{HUP} = sub { open my $f, \">\", \"ended\"; print $f \"by HUP\"; close $f; exit }; $|=1; \
               print \"ready\\n\"; sleep 1 while 1'";
    place.begin(&terminal, &format!("{} {job}", place.queue("")));
    terminal.wait_for_line("ready");
    terminal.type_keys("\r~.");
    assert_eq!(terminal.wait_for_prompt(), 125);
    assert!(terminal.picture().text.contains("you left with ~."), "{:?}", terminal.picture());
    wait::until("HUP at the job", PATIENCE, || (place.has("ended") && place.read("ended") == "by HUP").then_some(()));
}

fn suspending_the_client_alone_lets_the_job_run_on(place: &Place) {
    let terminal = place.bash();
    let before = terminal.modes();
    let job = r#"perl -e '$|=1; print "ready\n"; for ($n = 0; !-e "stop"; $n++) { open my $f, ">", "count"; print $f "$n\n"; close $f; select undef, undef, undef, .01 } print "stopped\n"; exit 6'"#;
    place.begin(&terminal, &format!("{} {job}", place.queue("")));
    terminal.wait_for_line("ready");
    terminal.type_keys("\r~\x1a");
    assert_eq!(terminal.wait_for_prompt(), 128 + 20);
    assert_eq!(terminal.modes(), before);
    let count = || place.has("count").then(|| place.read("count").trim().parse::<u64>().ok()).flatten();
    let first = wait::until("the job counts", PATIENCE, count);
    wait::until("the job counts on", PATIENCE, || count().filter(|now| *now > first + 10));
    terminal.type_line("fg");
    place.write("stop", "");
    assert_eq!(terminal.wait_for_prompt(), 6);
    assert!(terminal.picture().has_line("stopped"));
}

fn there_are_no_escapes_while_something_is_redirected(place: &Place) {
    let terminal = place.bash();
    terminal.type_line(&format!("{} sh -c 'echo ready >&2; exec cat' >got", place.queue("")));
    terminal.wait_for_line("ready");
    place.hand_over(&terminal);
    terminal.type_line("~.");
    terminal.type_line("~?");
    terminal.type_keys("\x04");
    assert_eq!(terminal.wait_for_prompt(), 0);
    assert_eq!(place.read("got"), "~.\n~?\n");
}
