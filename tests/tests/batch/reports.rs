//! Where there is no mailer, reports are letters in a maildir that `queue mail` reads.

use std::collections::BTreeSet;

use queue_tests::process::PATIENCE;
use queue_tests::wait::until;

use crate::here::Here;

fn subjects(here: &Here) -> Vec<String> {
    let listed = here.queue(&["mail"]).success().text();
    listed.lines().filter(|line| line.contains("[queue]")).map(str::to_owned).collect()
}

fn until_report(here: &Here, id: u64, report: &str) {
    until(&format!("the report of job {id} is {report}"), PATIENCE, || {
        (here.show(id)["report"] == report).then_some(())
    });
}

#[test]
fn an_end_is_a_letter_with_the_last_lines() {
    let here = Here::new();
    let id = here.script(&["-j", "night-run"], "seq 1000; echo wrong >&2; exit 3");
    assert_eq!(here.wait(&[id]), 3);
    until_report(&here, id, "sent");
    let subjects = subjects(&here);
    assert_eq!(subjects.len(), 1, "{subjects:?}");
    assert!(subjects[0].contains(&format!("FAILED exit 3: night-run (wait, {id}) on redfish")), "{subjects:?}");
    let letter = here.queue(&["mail", "1"]).success().text();
    for line in ["\n1000\n", "wrong"] {
        assert!(letter.contains(line), "{line:?}: {letter}");
    }
}

#[test]
fn very_many_ends_are_few_letters_that_name_all() {
    let here = Here::new();
    here.shell("for number in $(seq 100); do echo true; done | queue submit -").success();
    let ids: Vec<u64> = (1..=100).collect();
    assert_eq!(here.wait(&ids), 0);
    until("all reports are sent", PATIENCE * 6, || {
        (here.queue(&["query", "report=sent", "--parsable"]).success().text().lines().count() == 100).then_some(())
    });
    let letters = subjects(&here).len();
    assert!((1..=21).contains(&letters), "{letters} letters");
    let mut named = BTreeSet::new();
    for number in 1..=letters {
        let letter = here.queue(&["mail", &number.to_string()]).success().text();
        let words = letter.split(|letter: char| !letter.is_ascii_digit() && letter != '-');
        for word in words {
            match word.split_once('-') {
                Some((first, last)) => match (first.parse::<u64>(), last.parse::<u64>()) {
                    (Ok(first), Ok(last)) if last <= 100 => named.extend(first..=last),
                    _ => {}
                },
                None => named.extend(word.parse::<u64>().ok().filter(|id| (1..=100).contains(id))),
            }
        }
    }
    assert!(named.into_iter().eq(ids), "all are named");
}
