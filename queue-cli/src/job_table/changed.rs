//! What is said after a change of jobs: one sentence for those it was done to, one for each that refused.

use std::collections::BTreeSet;

use wire::api::JobName;
use wire::batch::{Change, ChangeAnswer};

use super::document::{map, value};
use super::spans::count;
use super::{Look, Style};
use crate::failure::printable;

/// Where what is said goes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Told {
    /// For standard output.
    pub out: String,
    /// For standard error: the refusals. Empty: all that were meant were changed.
    pub err: String,
}

/// Says what became of a change.
pub fn told(change: &Change, answer: &ChangeAnswer, look: &Look) -> Told {
    let out = match look.style {
        Style::Table => sentence(change, answer, look),
        Style::Parsable => {
            let ids = answer.changed.iter().flat_map(|(first, jobs)| *first..first.saturating_add(*jobs));
            ids.map(|id| format!("{id}\n")).collect()
        }
        style @ (Style::Json | Style::Yaml) => map(
            style,
            &[
                ("changed", value(style, &answer.changed)),
                ("asked", value(style, &answer.asked)),
                ("refused", value(style, &answer.refused)),
                ("refusals", value(style, &answer.refusals)),
            ],
        ),
    };
    Told { out, err: refusals(answer, look) }
}

/// `cancelled 3 jobs: 17 to 19`; of those that run `asked 2 running jobs to end: 20, 21`.
fn sentence(change: &Change, answer: &ChangeAnswer, look: &Look) -> String {
    if answer.asked.is_empty() {
        return said(change, answer, look);
    }
    let jobs = match answer.asked.iter().fold(0u64, |sum, (_, jobs)| sum.saturating_add(*jobs)) {
        1 => "1 running job".to_owned(),
        jobs => format!("{} running jobs", count(jobs, look.is_terminal)),
    };
    let waited = ChangeAnswer { changed: without(&answer.changed, &answer.asked), ..ChangeAnswer::default() };
    let waited = if waited.changed.is_empty() { String::new() } else { said(change, &waited, look) };
    format!("asked {jobs} to end: {}\n{waited}", ranges(&answer.asked))
}

/// The ranges without those ids.
fn without(ranges: &[(u64, u64)], ids: &[(u64, u64)]) -> Vec<(u64, u64)> {
    let ids = ids.iter().flat_map(|(first, jobs)| *first..first.saturating_add(*jobs)).collect::<BTreeSet<_>>();
    let mut left = Vec::new();
    for (first, jobs) in ranges {
        let (mut from, end) = (*first, first.saturating_add(*jobs));
        for id in ids.range(from..end) {
            left.push((from, id - from));
            from = id + 1;
        }
        left.push((from, end - from));
    }
    left.retain(|(_, jobs)| *jobs > 0);
    left
}

fn said(change: &Change, answer: &ChangeAnswer, look: &Look) -> String {
    let jobs = answer.changed.iter().fold(0u64, |sum, (_, jobs)| sum.saturating_add(*jobs));
    let done = done(change);
    match jobs {
        // Each that was meant has said why not.
        0 if answer.refusals > 0 || !answer.refused.is_empty() => String::new(),
        0 => format!("{done} no job\n"),
        1 => format!("{done} job {}{}\n", ranges(&answer.changed), undo(change, "it")),
        _ => {
            let jobs = count(jobs, look.is_terminal);
            format!("{done} {jobs} jobs: {}{}\n", ranges(&answer.changed), undo(change, "them"))
        }
    }
}

fn done(change: &Change) -> String {
    match change {
        Change::Cancel { .. } => "cancelled".to_owned(),
        Change::Signal(signal) => format!("sent {} to", printable(signal)),
        Change::Hold => "held".to_owned(),
        Change::Release => "released".to_owned(),
        Change::Update(_) => "updated".to_owned(),
        Change::Resubmit => "resubmitted".to_owned(),
        Change::GiveUp => "gave up".to_owned(),
        Change::Delete => "deleted".to_owned(),
    }
}

/// How to get back what a change has taken away, where there is a way.
fn undo(change: &Change, what: &str) -> String {
    match change {
        Change::Cancel { .. } | Change::GiveUp => format!(" (queue resubmit starts {what} again)"),
        Change::Hold => format!(" (queue release lets {what} start)"),
        Change::Signal(_) | Change::Release | Change::Update(_) | Change::Resubmit | Change::Delete => String::new(),
    }
}

/// `17 to 19, 23`; ids have no separators, so that they can be pasted.
fn ranges(changed: &[(u64, u64)]) -> String {
    let changed = changed.iter().filter(|(_, jobs)| *jobs > 0).collect::<Vec<_>>();
    let shown = changed.iter().take(MOST_RANGES).map(|(first, jobs)| match jobs {
        1 => first.to_string(),
        2 => format!("{first}, {}", first.saturating_add(1)),
        _ => format!("{first} to {}", first.saturating_add(jobs - 1)),
    });
    let mut text = shown.collect::<Vec<_>>().join(", ");
    if changed.len() > MOST_RANGES {
        text.push_str(", ...");
    }
    text
}

fn refusals(answer: &ChangeAnswer, look: &Look) -> String {
    let mut text = String::new();
    for (job, why) in &answer.refused {
        let name = name(job, &look.own_host);
        // A reason that names its job is a sentence by itself.
        let says_it = why.starts_with("job ");
        let sentence = if says_it { why.clone() } else { format!("job {name}: {why}") };
        text.push_str(&format!("queue: {}\n", printable(&sentence)));
    }
    let shown = u64::try_from(answer.refused.len()).unwrap_or(u64::MAX);
    match answer.refusals.saturating_sub(shown) {
        0 => {}
        more => text.push_str(&format!("queue: {} more were refused\n", count(more, look.is_terminal))),
    }
    text
}

fn name(job: &JobName, own_host: &str) -> String {
    match &job.home {
        Some(home) if home != own_host => format!("{}@{home}", job.id),
        _ => job.id.to_string(),
    }
}

/// A sentence that names more is not read.
const MOST_RANGES: usize = 8;

#[cfg(test)]
mod tests {
    use super::*;

    fn job(id: u64, home: Option<&str>) -> JobName {
        JobName { id, home: home.map(str::to_owned) }
    }

    fn changed(ranges: &[(u64, u64)]) -> ChangeAnswer {
        ChangeAnswer { changed: ranges.to_vec(), ..ChangeAnswer::default() }
    }

    #[test]
    fn a_change_is_one_sentence_with_the_ids() {
        let out = |change: &Change, ranges: &[(u64, u64)], is_terminal| {
            told(change, &changed(ranges), &Look { is_terminal, ..Look::default() }).out
        };
        let cancel = Change::Cancel { grace_ms: 0 };
        assert_eq!(out(&cancel, &[(17, 3)], true), "cancelled 3 jobs: 17 to 19 (queue resubmit starts them again)\n");
        assert_eq!(out(&Change::Hold, &[(17, 1)], true), "held job 17 (queue release lets it start)\n");
        assert_eq!(out(&Change::Delete, &[(1024, 100_000)], true), "deleted 100,000 jobs: 1024 to 101023\n");
        assert_eq!(out(&Change::Delete, &[(1024, 100_000)], false), "deleted 100000 jobs: 1024 to 101023\n");
        assert_eq!(out(&Change::Signal("USR1".into()), &[(3, 2), (9, 1)], true), "sent USR1 to 3 jobs: 3, 4, 9\n");
        assert_eq!(out(&Change::Release, &[], true), "released no job\n");
        let asked = ChangeAnswer { asked: vec![(18, 1), (23, 1)], ..changed(&[(17, 4), (23, 1)]) };
        assert_eq!(
            told(&cancel, &asked, &Look::default()).out,
            "asked 2 running jobs to end: 18, 23\ncancelled 3 jobs: 17, 19, 20 (queue resubmit starts them again)\n"
        );
        let asked = ChangeAnswer { asked: vec![(17, 1)], ..changed(&[(17, 1)]) };
        assert_eq!(told(&cancel, &asked, &Look::default()).out, "asked 1 running job to end: 17\n");
        let many = (0..50).map(|number| (number * 2, 1)).collect::<Vec<_>>();
        assert_eq!(out(&Change::Release, &many, true), "released 50 jobs: 0, 2, 4, 6, 8, 10, 12, 14, ...\n");
    }

    #[test]
    fn each_refusal_is_a_line_on_standard_error_and_those_not_listed_are_counted() {
        let answer = ChangeAnswer {
            refused: vec![
                (job(21, None), "job 21 is running (attempt 1 on redfish); cancel it first".into()),
                (job(5, Some("blue")), "no such\x1bjob".into()),
                (job(6, Some("red")), "it has ended".into()),
            ],
            refusals: 4_003,
            ..ChangeAnswer::default()
        };
        let look = Look { own_host: "red".into(), is_terminal: true, ..Look::default() };
        assert_eq!(
            told(&Change::Delete, &answer, &look),
            Told {
                out: String::new(),
                err: "queue: job 21 is running (attempt 1 on redfish); cancel it first\n\
                      queue: job 5@blue: no such\\u{1b}job\n\
                      queue: job 6: it has ended\n\
                      queue: 4,000 more were refused\n"
                    .into()
            }
        );
    }

    #[test]
    fn programs_get_ids_or_ranges() {
        let style = |style| told(&Change::Hold, &changed(&[(3, 2), (9, 1)]), &Look { style, ..Look::default() }).out;
        assert_eq!(style(Style::Parsable), "3\n4\n9\n");
        assert_eq!(style(Style::Json), "{\"changed\":[[3,2],[9,1]],\"asked\":[],\"refused\":[],\"refusals\":0}\n");
        assert_eq!(
            serde_saphyr::from_str::<ChangeAnswer>(&style(Style::Yaml)).expect("YAML"),
            changed(&[(3, 2), (9, 1)])
        );
    }
}
