//! Directives whose values are a few words: `exec`, `order`, `mail`, `supervisor`, `ageing`, and what is left of
//! checkpoints.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::fault::Faults;
use super::size::{LONGEST, SECOND, parse_length};
use super::value::Value;
use super::written::{self, Written, quoted};
use crate::config::keep::Keep;
use crate::config::{Linger, is_host_name, mail};

/// Whether a queue runs jobs on a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exec {
    /// It does.
    On,
    /// What runs is ended, nothing is started.
    Off,
    /// What runs goes on, nothing is started.
    Drain,
}

pub(super) fn exec(value: &Value<'_>) -> Result<Exec, Faults> {
    match (value.text(), value.truth()) {
        (Some("on"), _) | (_, Some(true)) => Ok(Exec::On),
        (Some("off"), _) | (_, Some(false)) => Ok(Exec::Off),
        (Some("drain"), _) => Ok(Exec::Drain),
        _ => value.refuse("\"on\", \"off\" or \"drain\" is expected"),
    }
}

impl Written for Exec {
    fn written(&self) -> String {
        quoted(match self {
            Self::On => "on",
            Self::Off => "off",
            Self::Drain => "drain",
        })
    }
}

/// Which of the waiting jobs is next, after their priorities.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// The users take turns: that of the user of whom least runs.
    Fair,
    /// The one submitted first.
    Fifo,
}

pub(super) fn order(value: &Value<'_>) -> Result<Order, Faults> {
    match value.text() {
        Some("fair") => Ok(Order::Fair),
        Some("fifo") => Ok(Order::Fifo),
        _ => value.refuse("\"fair\" or \"fifo\" is expected"),
    }
}

impl Written for Order {
    fn written(&self) -> String {
        quoted(match self {
            Self::Fair => "fair",
            Self::Fifo => "fifo",
        })
    }
}

/// How waiting raises the priority of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ageing {
    /// By so much.
    pub points: u32,
    /// For each such time of waiting.
    pub every: Duration,
}

pub(super) fn ageing(value: &Value<'_>) -> Result<Option<Ageing>, Faults> {
    let parse = |text: &str| {
        let (points, every) = text.split_once(" per ")?;
        let points = points.trim().parse().ok().filter(|points| (1..=1000).contains(points))?;
        let every = parse_length(every.trim()).filter(|every| (SECOND..=LONGEST).contains(every))?;
        Some(Ageing { points, every })
    };
    match value.text() {
        Some("none") => Ok(None),
        Some(text) if parse(text).is_some() => Ok(parse(text)),
        _ => value.refuse("points (1 to 1000) per time such as \"1 per 1h\", or \"none\", is expected"),
    }
}

impl Written for Ageing {
    fn written(&self) -> String {
        quoted(&format!("{} per {}", self.points, humantime::format_duration(self.every)))
    }
}

/// When somebody is told about a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Letters {
    /// `s`: when it starts.
    pub start: bool,
    /// `e`: when it ends.
    pub end: bool,
    /// `c`: when its host crashed under it.
    pub crash: bool,
}

fn parse_letters(value: &Value<'_>) -> Option<Letters> {
    let text = value.text()?;
    if text == "none" {
        return Some(Letters::default());
    }
    let once = |letter| text.matches(letter).count() <= 1;
    let known = text.chars().all(|letter| "sec".contains(letter) && once(letter));
    known.then(|| Letters { start: text.contains('s'), end: text.contains('e'), crash: text.contains('c') })
}

pub(super) fn letters(value: &Value<'_>) -> Result<Letters, Faults> {
    parse_letters(value).map_or_else(|| value.refuse("letters of s, e and c, or \"none\", are expected"), Ok)
}

/// For those of a job itself there is a word.
pub(super) fn letters_or_job(value: &Value<'_>) -> Result<MailRule, Faults> {
    match parse_letters(value) {
        _ if value.is("job") => Ok(MailRule(None)),
        Some(letters) => Ok(MailRule(Some(letters))),
        None => value.refuse("letters of s, e and c, or \"none\", or \"job\" for each job's own, are expected"),
    }
}

impl Written for Letters {
    fn written(&self) -> String {
        let letters = [(self.start, 's'), (self.end, 'e'), (self.crash, 'c')];
        let letters: String = letters.iter().filter(|(wanted, _)| *wanted).map(|(_, letter)| letter).collect();
        quoted(if letters.is_empty() { "none" } else { &letters })
    }
}

/// When the owner of a job is told; `None`: as the job itself wishes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MailRule(pub Option<Letters>);

impl Written for MailRule {
    fn written(&self) -> String {
        self.0.map_or_else(|| quoted("job"), |letters| letters.written())
    }
}

/// Who is told about a queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Supervisor {
    /// By mail.
    Address(String),
    /// By lines in a file.
    File(PathBuf),
}

pub(super) fn supervisor(value: &Value<'_>) -> Result<Option<Supervisor>, Faults> {
    match value.text() {
        Some("none") => Ok(None),
        Some(text) if absolute(text) => Ok(Some(Supervisor::File(text.into()))),
        Some(text) if mail::mailbox(text).is_ok() => Ok(Some(Supervisor::Address(text.trim().to_owned()))),
        _ => value.refuse("an address such as ada@example.org, or a file's absolute path, or \"none\", is expected"),
    }
}

impl Written for Supervisor {
    fn written(&self) -> String {
        match self {
            Self::Address(address) => quoted(address),
            Self::File(path) => written::path(path),
        }
    }
}

/// Whether jobs that save themselves are moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RestartMode {
    /// They are not.
    Off,
    /// A job gets USR2, saves itself and ends, and is run again with the restart flag.
    Signal,
}

pub(super) fn restart_mode(value: &Value<'_>) -> Result<RestartMode, Faults> {
    match value.integer() {
        Some(0) => Ok(RestartMode::Off),
        Some(2) => Ok(RestartMode::Signal),
        Some(1) => value.refuse(
            "no kernel saves processes the way GNU Queue's did; 0 moves no job, and 2 has a job save itself on USR2",
        ),
        _ => value.refuse("0 or 2 is expected"),
    }
}

impl Written for RestartMode {
    fn written(&self) -> String {
        match self {
            Self::Off => "0",
            Self::Signal => "2",
        }
        .to_owned()
    }
}

/// One argument; nothing where it is empty.
pub(super) fn argument(value: &Value<'_>) -> Result<String, Faults> {
    match value.text() {
        Some(text) if text.len() <= LONGEST_ARGUMENT && !text.chars().any(char::is_control) => Ok(text.to_owned()),
        _ => value.refuse("one argument of at most 255 bytes is expected"),
    }
}

pub(super) fn host(value: &Value<'_>) -> Result<Option<String>, Faults> {
    match value.text() {
        Some("none") => Ok(None),
        Some(name) if is_host_name(name) => Ok(Some(name.to_owned())),
        _ => value.refuse("a host's name, or \"none\", is expected"),
    }
}

pub(super) fn power(value: &Value<'_>) -> Result<Option<f64>, Faults> {
    match value.number() {
        _ if value.is("none") => Ok(None),
        Some(factor) if factor > 0.0 && (1e-6..=1e9).contains(&factor) => Ok(Some(factor)),
        _ => value.refuse("a number above 0, or \"none\", is expected"),
    }
}

/// How long jobs stay in the spool; `None`: as `queued.toml` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeepRule(pub Option<Keep>);

pub(super) fn keep(value: &Value<'_>) -> Result<KeepRule, Faults> {
    use serde::Deserialize;
    use serde::de::IntoDeserializer;
    use serde::de::value::{Error, StrDeserializer};

    let Some(text) = value.text() else {
        return value.refuse("a length of time such as \"30d\", or \"forever\", is expected");
    };
    if text == "host" {
        return Ok(KeepRule(None));
    }
    let deserializer: StrDeserializer<'_, Error> = text.into_deserializer();
    match Keep::deserialize(deserializer) {
        Ok(keep) => Ok(KeepRule(Some(keep))),
        Err(error) => {
            let sentence = error.to_string();
            let reason = sentence.split_once("\": ").map_or(sentence.as_str(), |(_, reason)| reason);
            value.refuse(reason)
        }
    }
}

impl Written for KeepRule {
    fn written(&self) -> String {
        match self.0 {
            None => quoted("host"),
            Some(Keep::Forever) => quoted("forever"),
            Some(Keep::For(length)) => length.written(),
        }
    }
}

/// How long a session whose client has gone is kept; `None`: as `queued.toml` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LingerRule(pub Option<Linger>);

pub(super) fn linger(value: &Value<'_>) -> Result<LingerRule, Faults> {
    match value.text() {
        Some("host") => Ok(LingerRule(None)),
        Some("none") => Ok(LingerRule(Some(Linger::NoLimit))),
        Some(text) if parse_length(text).is_some_and(|length| length <= LONGEST) => {
            Ok(LingerRule(parse_length(text).map(Linger::For)))
        }
        _ => value.refuse("a length of time such as \"24h\", or \"none\", is expected"),
    }
}

impl Written for LingerRule {
    fn written(&self) -> String {
        match self.0 {
            None => quoted("host"),
            Some(Linger::NoLimit) => quoted("none"),
            Some(Linger::For(length)) => length.written(),
        }
    }
}

/// A path from the root without anything that leads astray in a message.
pub(super) fn absolute(text: &str) -> bool {
    Path::new(text).is_absolute() && text.len() <= LONGEST_PATH && !text.chars().any(char::is_control)
}

const LONGEST_ARGUMENT: usize = 255;
/// PATH_MAX with its zero byte.
const LONGEST_PATH: usize = 4095;
