//! What a person sees of a link that is cut, and of daemons that die.

use queue_tests::terminal::{PATIENCE, Picture, Terminal};
use queue_tests::wait;

use crate::place::Place;
use crate::processes;

#[test]
fn a_cut_link_is_told_on_the_last_line_and_the_screen_is_as_before_when_it_has_healed() {
    let place = Place::other_host();
    let terminal = place.bash();
    let before = vim(&place, &terminal);
    place.demo_cluster(&["cut", "bluefish"]);
    // Only when something is owed can silence be noticed.
    terminal.type_keys("5G");
    let told = terminal.wait_until("the notice", |picture| picture.last_line().contains(NOTICE));
    let soon = ["for 2 s;", "for 3 s;", "for 4 s;"].iter().any(|time| told.last_line().contains(time));
    assert!(soon, "{}", told.last_line());
    assert_eq!(told.cursor, before.cursor, "the cursor is where it was");
    assert_eq!(without_last(&told), without_last(&before), "all other lines are as they were");
    place.demo_cluster(&["heal", "bluefish"]);
    let after = terminal.wait_until("the cursor where it was sent", |picture| picture.cursor == (4, 0));
    assert_eq!(without_last(&after), without_last(&before));
    terminal.wait_until("the last line as before", |picture| picture.last_line() == before.last_line());
    terminal.type_keys(":q\r");
    assert_eq!(terminal.wait_for_prompt(), 0);
}

#[test]
fn killed_daemons_on_both_sides_change_nothing_on_the_screen() {
    let place = Place::other_host();
    let terminal = place.bash();
    let before = vim(&place, &terminal);
    for daemon in place.daemons() {
        processes::send(daemon, "KILL");
        wait::until("the death of the daemon", PATIENCE, || (!processes::lives(daemon)).then_some(()));
    }
    terminal.type_keys("5Gihere: \x1b:echo 'typed'\r");
    let after =
        terminal.wait_until("what was typed", |picture| picture.last_line() == "typed" && picture.cursor == (4, 5));
    let expected = before.text.replace("line 5\n", "here: line 5\n");
    assert_eq!(without_last(&after), without_last(&Picture { text: expected, ..before }));
    terminal.type_keys(":wq\r");
    assert_eq!(terminal.wait_for_prompt(), 0);
    assert!(place.read("text").contains("\nhere: line 5\n"));
}

#[test]
fn a_job_runs_on_through_a_cut_and_what_did_not_fit_is_named_and_repainted() {
    let place = Place::other_host();
    let terminal = place.bash();
    let job = r#"perl -e '$|=1; print "ready\n"; select undef, undef, undef, .02 until -e "go"; print "line $_\n" for 1..200000; open my $f, ">", "written"; close $f; <STDIN>'"#;
    place.begin(&terminal, &format!("{} {job}", place.queue("")));
    terminal.wait_for_line("ready");
    place.demo_cluster(&["cut", "bluefish"]);
    place.write("go", "");
    wait::until("the job has written everything", 2 * PATIENCE, || place.has("written").then_some(()));
    place.demo_cluster(&["heal", "bluefish"]);
    terminal.wait_for_bytes("the gap is named", |bytes| String::from_utf8_lossy(bytes).contains("bytes not shown"));
    let picture = terminal.wait_until("the last screenful", |picture| picture.has_line("line 200000"));
    assert!(picture.has_line("line 199990"));
    terminal.type_keys("\r");
    assert_eq!(terminal.wait_for_prompt(), 0);
}

#[test]
fn what_fits_through_a_cut_is_shown_in_full() {
    let place = Place::other_host();
    let terminal = place.bash();
    let job = r#"perl -e '$|=1; system "stty -echo"; print "ready\n"; select undef, undef, undef, .02 until -e "go"; print "line $_\n" for 1..2000; open my $f, ">", "written"; close $f; exit 3'"#;
    place.begin(&terminal, &format!("{} {job}", place.queue("")));
    terminal.wait_for_line("ready");
    place.demo_cluster(&["cut", "bluefish"]);
    place.write("go", "");
    wait::until("the job has written everything", PATIENCE, || place.has("written").then_some(()));
    // Now something is owed.
    terminal.type_keys("x");
    terminal.wait_for_bytes("the notice", |bytes| String::from_utf8_lossy(bytes).contains(NOTICE));
    place.demo_cluster(&["heal", "bluefish"]);
    assert_eq!(terminal.wait_for_prompt(), 3);
    let bytes = terminal.bytes();
    let shown = without_notices(&String::from_utf8_lossy(&bytes));
    let mut rest = &*shown;
    for line in 1..=2000 {
        let line = format!("line {line}\r\n");
        let at = rest.find(&line).unwrap_or_else(|| panic!("{line:?} is missing, or comes too early"));
        rest = &rest[at + line.len()..];
    }
    assert!(!shown.contains("not shown"));
}

#[test]
fn a_line_under_the_notice_comes_back_although_the_screen_has_scrolled_meanwhile() {
    let place = Place::other_host();
    let terminal = place.bash();
    let job = r#"perl -e '$|=1; system "stty -echo"; print "line $_\n" for 1..30; print "asks> \e[3"; select undef, undef, undef, .02 until -e "go"; print "1mred\e[0m\nline $_" for 31..32; print "\nend"; <STDIN>; exit 3'"#;
    place.begin(&terminal, &format!("{} {job}", place.queue("")));
    terminal.wait_for_line("asks>");
    place.demo_cluster(&["cut", "bluefish"]);
    terminal.type_keys("x");
    terminal.wait_until("the notice", |picture| picture.last_line().contains(NOTICE));
    place.write("go", "");
    place.demo_cluster(&["heal", "bluefish"]);
    let whole = (11..=30).map(|line| format!("line {line}\n")).collect::<String>();
    let whole = whole + "asks> red\nline 311mred\nline 32\nend";
    let picture =
        terminal.wait_until("the screen", |picture| picture.last_line() == "end" && picture.text.contains("asks> red"));
    assert_eq!(picture.text.trim_end(), whole);
    terminal.type_keys("\r");
    assert_eq!(terminal.wait_for_prompt(), 3);
}

/// After a cut the whole screen came anew, however quiet it had been.
#[test]
fn the_line_under_the_notice_comes_back_alone_where_nothing_else_has_come() {
    let place = Place::other_host();
    let terminal = place.bash();
    let job = r#"perl -e '$|=1; system "stty -echo"; print "line $_\n" for 1..30; print "asks> "; <STDIN>; exit 3'"#;
    place.begin(&terminal, &format!("{} {job}", place.queue("")));
    terminal.wait_for_line("asks>");
    let before = terminal.picture();
    place.demo_cluster(&["cut", "bluefish"]);
    terminal.type_keys("x");
    terminal.wait_until("the notice", |picture| picture.last_line().contains(NOTICE));
    let count = terminal.bytes().len();
    place.demo_cluster(&["heal", "bluefish"]);
    let after = terminal.wait_until("the screen", |picture| picture.last_line().starts_with("asks>"));
    assert_eq!(after, before);
    let bytes = terminal.bytes();
    let shown = without_notices(&String::from_utf8_lossy(&bytes[count..]));
    assert!(!shown.contains("line 30"), "{shown:?}");
    terminal.type_keys("\r");
    assert_eq!(terminal.wait_for_prompt(), 3);
}

#[test]
fn leaving_works_while_the_link_is_cut() {
    let place = Place::other_host();
    let terminal = place.bash();
    place.begin(&terminal, &format!("{} cat", place.queue("")));
    place.demo_cluster(&["cut", "bluefish"]);
    terminal.type_keys("x\r");
    terminal.wait_until("the notice", |picture| picture.last_line().contains(NOTICE));
    terminal.type_keys("~.");
    assert_eq!(terminal.wait_for_prompt(), 125);
    assert!(terminal.picture().text.contains("no contact with bluefish"));
    place.demo_cluster(&["heal", "bluefish"]);
}

/// A vim with some lines in it, through queue.
fn vim(place: &Place, terminal: &Terminal) -> Picture {
    place.write("text", &(1..100).map(|line| format!("line {line}\n")).collect::<String>());
    terminal.type_line(&format!("{} vim -u NONE -N -i NONE text", place.queue("")));
    terminal.wait_until("vim's screen", |picture| {
        let complete = picture.last_line().starts_with("\"text\" 99L") && picture.has_line("line 23");
        picture.is_alternate && picture.cursor == (0, 0) && complete
    })
}

/// What was written to the terminal besides the notices: each saves the cursor first and puts it
/// back at its end.
fn without_notices(text: &str) -> String {
    let mut pieces = text.split("\x1b7");
    let first = pieces.next().unwrap_or_default().to_owned();
    let behind = pieces.map(|piece| piece.split_once("\x1b8").map_or(piece, |(_, rest)| rest));
    std::iter::once(first.as_str()).chain(behind).collect()
}

fn without_last(picture: &Picture) -> Vec<&str> {
    picture.text.lines().take(23).collect()
}

const NOTICE: &str = "[queue: no contact with bluefish for ";
