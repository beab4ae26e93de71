//! Who watches over a queue is told what happens in it.

use std::fs;

use queue_tests::process::PATIENCE;
use queue_tests::wait::until;

use crate::here::{HOST, Here};
use crate::queue::profile;

/// The lines without their times.
fn lines(here: &Here, name: &str) -> Vec<String> {
    let text = fs::read_to_string(here.path(name)).unwrap_or_default();
    text.lines().filter_map(|line| line.split_once(' ')).map(|(_, rest)| rest.to_owned()).collect()
}

#[test]
fn a_file_has_starts_ends_and_what_the_queue_does() {
    let here = Here::new();
    let file = here.path("watched");
    let text = format!("supervisor = \"{}\"\nloadsched = \"none\"\n", file.display());
    profile(&here, "night", &text);
    here.queue(&["queues"]).success();
    let user = sys::credentials::user_name(sys::credentials::own_uid()).expect("a name");
    let id = here.script(&["-d", "night"], "exit 3");
    assert_eq!(here.wait(&[id]), 3);
    here.queue(&["-n", "-d", "night", "--", "sh", "-c", "kill -TERM $$"]);
    here.queue(&["drain", "-d", "night"]).success();
    here.queue(&["undrain", "-d", "night"]).success();
    here.queue(&["pause", "-d", "night"]).success();
    here.queue(&["resume", "-d", "night"]).success();
    let found = until("all is written", PATIENCE, || Some(lines(&here, "watched")).filter(|lines| lines.len() >= 8));
    let begins = |line: &str, words: &str| line.starts_with(&format!("{HOST} night {words}"));
    assert!(begins(&found[0], &format!("START {id}@{HOST} {user} after ")), "{found:?}");
    assert!(begins(&found[1], &format!("END {id}@{HOST} {user} exit 3, ")), "{found:?}");
    assert!(begins(&found[2], "START ") && found[2].contains(&user), "{found:?}");
    assert!(begins(&found[3], "END ") && found[3].contains(&format!(" {user} TERM, ")), "{found:?}");
    assert!(begins(&found[4], "SHUT is drained by its admin"), "{found:?}");
    assert!(begins(&found[5], "OPEN"), "{found:?}");
    assert!(begins(&found[6], "SUSPEND is paused by its admin"), "{found:?}");
    assert!(begins(&found[7], "RESUME"), "{found:?}");
    // A file that cannot be written stops nobody.
    profile(&here, "night", &text.replace("watched", "no/such/directory/watched"));
    here.queue(&["queues"]).success();
    let id = here.script(&["-d", "night"], "true");
    assert_eq!(here.wait(&[id]), 0);
}
