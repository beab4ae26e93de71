//! The letter about many jobs: how many ended well, those that did not first, and every one by its number.

use std::collections::BTreeMap;

use wire::batch::JobRow;

use super::compose::{HOST, QUEUE};
use super::end::{End, label, ran_us};
use super::{Attempt, Kind, Letter, figures, message_id, plain};
use crate::core::names::JobId;

/// What a digest tells of one job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Which.
    pub attempt: Attempt,
    /// Its name or command.
    pub label: String,
    /// Its queue.
    pub queue: String,
    /// How it ended; of no matter in a digest of starts.
    pub end: End,
    /// Where it ran, and how long, in words: `on bluefish after 41 s`.
    pub ran: String,
}

impl Entry {
    /// The entry of the job of this row.
    pub fn of(row: &JobRow) -> Self {
        let host = row.host.as_deref().map(|host| format!("on {}", plain::line(host, HOST)));
        let length = ran_us(row).map(|us| format!("after {}", figures::duration(us)));
        Self {
            attempt: Attempt { job: JobId(row.id), number: row.attempt },
            label: label(row),
            queue: plain::line(&row.queue, QUEUE),
            end: End::of(row),
            ran: Vec::from_iter(host.into_iter().chain(length)).join(" "),
        }
    }

    fn is(&self, group: Group) -> bool {
        group
            == match self.end {
                End::Ok => Group::Ok,
                End::Exit(_) | End::Signal { .. } | End::Limit(_) | End::Dead(_) => Group::Failed,
                End::Cancelled => Group::Cancelled,
            }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Group {
    Ok,
    Failed,
    Cancelled,
}

/// What a digest is made of.
#[derive(Debug, Clone)]
pub struct Digest {
    /// What it tells.
    pub kind: Kind,
    /// Whose jobs.
    pub user: String,
    /// Where the owner wants it; none: the owner.
    pub to: Option<String>,
    /// Their home.
    pub home: String,
    /// The cluster's id, for the letter's.
    pub cluster: String,
    /// The jobs.
    pub entries: Vec<Entry>,
    /// The array, if they are elements of one.
    pub array: Option<OfArray>,
}

/// How all of an array have ended, those that nobody wanted to be told of too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OfArray {
    /// The number of its first job.
    pub first: u64,
    /// And of its last.
    pub last: u64,
    /// With exit status 0.
    pub ok: u64,
    /// Otherwise, or dead.
    pub failed: u64,
    /// Withdrawn.
    pub cancelled: u64,
}

/// Writes the letter.
pub fn compose(digest: &Digest) -> Letter {
    let mut entries: Vec<&Entry> = digest.entries.iter().collect();
    entries.sort_unstable_by_key(|entry| entry.attempt);
    let attempts: Vec<Attempt> = entries.iter().map(|entry| entry.attempt).collect();
    let (subject, body) = match digest.kind {
        Kind::Start => starts(&entries),
        Kind::End => ends(&entries, digest.array),
    };
    Letter {
        user: digest.user.clone(),
        to: digest.to.clone(),
        subject: format!("[queue] {subject}"),
        message_id: message_id::of_many(&digest.cluster, &digest.home, digest.kind, &attempts),
        body,
        attachments: Vec::new(),
    }
}

fn starts(entries: &[&Entry]) -> (String, String) {
    let sum = format!("{} started", figures::count(entries.len() as u64));
    let mut body = format!("{sum}.\n");
    list(&mut body, "Started", entries);
    (format!("{sum}: {}", jobs(entries)), body)
}

fn ends(entries: &[&Entry], array: Option<OfArray>) -> (String, String) {
    let of = |group| -> Vec<&Entry> { entries.iter().copied().filter(|entry| entry.is(group)).collect() };
    let (ok, failed, cancelled) = (of(Group::Ok), of(Group::Failed), of(Group::Cancelled));
    let (number, total) = (|entries: &[&Entry]| entries.len() as u64, entries.len() as u64);
    let counts =
        array.map_or([number(&ok), number(&failed), number(&cancelled)], |all| [all.ok, all.failed, all.cancelled]);
    let sum = sum(counts);
    let mut body = format!("{sum}.\n");
    if counts.iter().sum::<u64>() > total {
        body.push_str(&format!("Ends that are told here: {}.\n", figures::count(total)));
    }
    failures(&mut body, &failed);
    list(&mut body, "Cancelled", &cancelled);
    list(&mut body, "Ok", &ok);
    let meant = match array {
        Some(all) => named(entries, vec![format!("{}-{}", all.first, all.last)]),
        None => jobs(entries),
    };
    (format!("{sum}: {meant}"), body)
}

/// `497 of 500 ok, 3 failed`.
fn sum([ok, failed, cancelled]: [u64; 3]) -> String {
    let total = ok + failed + cancelled;
    let mut parts = vec![match ok == total {
        true => format!("{} ok", figures::count(ok)),
        false => format!("{} of {} ok", figures::count(ok), figures::count(total)),
    }];
    for (number, word) in [(failed, "failed"), (cancelled, "cancelled")] {
        if number > 0 {
            parts.push(format!("{} {word}", figures::count(number)));
        }
    }
    parts.join(", ")
}

/// What the jobs have in common, for a subject: `sweep (wait, 1024-11023)`.
fn jobs(entries: &[&Entry]) -> String {
    named(entries, ranges(entries))
}

/// The same with these ranges.
fn named(entries: &[&Entry], mut ranges: Vec<String>) -> String {
    let common = |of: fn(&Entry) -> &str| {
        let first = entries.first().map_or("", |entry| of(entry));
        entries.iter().all(|entry| of(entry) == first).then_some(first)
    };
    let label = common(|entry| &entry.label).unwrap_or("several jobs");
    if ranges.len() > IN_SUBJECT {
        ranges.truncate(IN_SUBJECT);
        ranges.push("...".to_owned());
    }
    let queue = common(|entry| &entry.queue).map(|queue| format!("{queue}, ")).unwrap_or_default();
    format!("{label} ({queue}{})", ranges.join(", "))
}

/// Those that failed, each with how; of many the first, and the others by how they failed.
fn failures(body: &mut String, failed: &[&Entry]) {
    if failed.is_empty() {
        return;
    }
    body.push_str("\nFailed:\n");
    let (named, others) = failed.split_at(failed.len().min(NAMED));
    let id_width = named.iter().map(|entry| entry.attempt.job.0.to_string().len()).max().unwrap_or(0);
    let end_width = named.iter().map(|entry| entry.end.words().chars().count()).max().unwrap_or(0);
    for entry in named {
        let Entry { attempt, end, label, ran, .. } = entry;
        let line = format!("{:>id_width$}  {:<end_width$}  {label}  {ran}", attempt.job.0, end.words());
        body.push_str(&format!("  {}\n", line.trim_end()));
    }
    let mut by_end: BTreeMap<String, Vec<&Entry>> = BTreeMap::new();
    for entry in others {
        by_end.entry(entry.end.words()).or_default().push(entry);
    }
    for (words, entries) in by_end {
        list(body, &format!("Also failed, {words}"), &entries);
    }
}

/// The numbers of these jobs as ranges, in lines.
fn list(body: &mut String, heading: &str, entries: &[&Entry]) {
    if entries.is_empty() {
        return;
    }
    body.push_str(&format!("\n{heading}:\n"));
    for line in plain::wrap(&ranges(entries).join(", "), plain::WIDTH - 2) {
        body.push_str(&format!("  {line}\n"));
    }
}

/// The numbers of jobs in order as ranges: `3-5`, `9`.
fn ranges(entries: &[&Entry]) -> Vec<String> {
    let mut ranges: Vec<(u64, u64)> = Vec::new();
    for entry in entries {
        let job = entry.attempt.job.0;
        match ranges.last_mut() {
            // Two attempts of one job, or the next job.
            Some((_, last)) if job == *last || job == last.saturating_add(1) => *last = job,
            _ => ranges.push((job, job)),
        }
    }
    let range = |(first, last)| if first == last { format!("{first}") } else { format!("{first}-{last}") };
    ranges.into_iter().map(range).collect()
}

/// How many ranges a subject has room for.
const IN_SUBJECT: usize = 3;
/// How many failures have a line of their own.
const NAMED: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(job: u64, end: End) -> Entry {
        Entry {
            attempt: Attempt { job: JobId(job), number: 1 },
            label: "sweep".into(),
            queue: "wait".into(),
            end,
            ran: "on bluefish after 41 s".into(),
        }
    }

    fn letter(kind: Kind, entries: Vec<Entry>) -> Letter {
        let (user, home, cluster) = ("ada".into(), "redfish".into(), "ab12".into());
        compose(&Digest { kind, user, to: None, home, cluster, entries, array: None })
    }

    /// All numbers that the lines of ranges and of failures name.
    fn named(body: &str) -> Vec<u64> {
        let mut numbers = Vec::new();
        for line in body.lines().filter(|line| line.starts_with("  ")) {
            let lone = line.contains("sweep");
            let words = line.split_whitespace().take(if lone { 1 } else { usize::MAX });
            for word in words {
                let (first, last) = word.trim_end_matches(',').split_once('-').unwrap_or((word, word));
                let number = |text: &str| text.trim_end_matches(',').parse::<u64>().expect("a number");
                numbers.extend(number(first)..=number(last));
            }
        }
        numbers.sort_unstable();
        numbers
    }

    #[test]
    fn of_ten_thousand_each_is_named_once_and_the_failed_come_first() {
        let end = |job| match job % 53 {
            0 => End::Exit(3),
            _ => End::Ok,
        };
        let jobs = 1024..=11_023;
        // Whatever the order in which they are given.
        let letter = letter(Kind::End, jobs.clone().rev().map(|job| entry(job, end(job))).collect());
        assert_eq!(letter.subject, "[queue] 9,812 of 10,000 ok, 188 failed: sweep (wait, 1024-11023)");
        assert!(
            letter.body.starts_with(
                "9,812 of 10,000 ok, 188 failed.\n\nFailed:\n  1060  exit 3  sweep  on bluefish after 41 s\n"
            ),
            "{}",
            letter.body
        );
        assert!(letter.body.contains("\nAlso failed, exit 3:\n"), "{}", letter.body);
        assert_eq!(named(&letter.body), Vec::from_iter(jobs));
        assert!(letter.body.lines().all(|line| line.len() <= plain::WIDTH), "{}", letter.body);
    }

    #[test]
    fn outcomes_that_are_not_there_are_not_spoken_of() {
        let all_ok = letter(Kind::End, vec![entry(3, End::Ok), entry(4, End::Ok), entry(9, End::Ok)]);
        assert_eq!(all_ok.subject, "[queue] 3 ok: sweep (wait, 3-4, 9)");
        assert_eq!(all_ok.body, "3 ok.\n\nOk:\n  3-4, 9\n");
        let none = letter(Kind::End, vec![entry(3, End::Dead("lost host".into())), entry(4, End::Cancelled)]);
        assert_eq!(none.subject, "[queue] 0 of 2 ok, 1 failed, 1 cancelled: sweep (wait, 3-4)");
        assert!(none.body.contains("  3  dead: lost host  sweep  on bluefish after 41 s\n"), "{}", none.body);
    }

    #[test]
    fn of_an_array_all_are_counted_and_those_that_are_told_are_named() {
        let array = OfArray { first: 101, last: 600, ok: 497, failed: 2, cancelled: 1 };
        let digest = |entries| {
            let (user, home, cluster) = ("ada".into(), "redfish".into(), "ab12".into());
            compose(&Digest { kind: Kind::End, user, to: None, home, cluster, entries, array: Some(array) })
        };
        // Failures only; one is told as many are.
        let letter = digest(vec![entry(103, End::Exit(3))]);
        assert_eq!(letter.subject, "[queue] 497 of 500 ok, 2 failed, 1 cancelled: sweep (wait, 101-600)");
        let body = "497 of 500 ok, 2 failed, 1 cancelled.\nEnds that are told here: 1.\n\nFailed:\n  103  exit 3  ";
        assert!(letter.body.starts_with(body), "{}", letter.body);
        let all = digest((101..=600).map(|job| entry(job, End::Ok)).collect());
        assert!(!all.body.contains("told here"), "{}", all.body);
    }

    #[test]
    fn a_subject_of_many_names_and_ranges_stays_short() {
        let mut entries: Vec<Entry> = (0..50).map(|number| entry(number * 2, End::Ok)).collect();
        entries[7].label = "other".into();
        entries[8].queue = "night".into();
        assert_eq!(letter(Kind::End, entries).subject, "[queue] 50 ok: several jobs (0, 2, 4, ...)");
    }

    #[test]
    fn starts_are_told_without_ends() {
        let letter = letter(Kind::Start, (1..=300).map(|job| entry(job, End::Dead(String::new()))).collect());
        assert_eq!(letter.subject, "[queue] 300 started: sweep (wait, 1-300)");
        assert_eq!(letter.body, "300 started.\n\nStarted:\n  1-300\n");
        assert!(letter.message_id.starts_with("<jobs.1.300."), "{}", letter.message_id);
    }
}
