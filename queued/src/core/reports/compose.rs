//! The letter about one job.
//!
//! A subject that says all a telephone shows; a short table; where the output is; its last lines.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use wire::batch::{JobRow, OutputStream};

use super::end::{End, label, ran_us};
use super::tails::{self, Tail};
use super::{Attempt, Kind, Letter, figures, message_id, plain};
use crate::core::names::JobId;

/// What a letter is made of.
#[derive(Debug, Clone)]
pub struct Report {
    /// What it tells.
    pub kind: Kind,
    /// The job as listings show it.
    pub row: JobRow,
    /// The last of its output; for the start of a job nothing.
    pub tails: Vec<Tail>,
    /// The cluster's id, for the letter's.
    pub cluster: String,
    /// Where the reader lives.
    pub zone: TimeZone,
}

/// Writes the letter.
pub fn compose(report: &Report) -> Letter {
    let row = &report.row;
    let mut body = String::new();
    let mut attachments = Vec::new();
    table(&mut body, report);
    if report.kind == Kind::End {
        places(&mut body, row);
        for tail in &report.tails {
            attachments.extend(tails::show(&mut body, heading(row, tail.stream), tail));
        }
    }
    let attempt = Attempt { job: JobId(row.id), number: row.attempt };
    Letter {
        user: row.user.clone(),
        to: row.mail.as_ref().and_then(|wish| wish.to.clone()),
        subject: subject(report.kind, row),
        message_id: message_id::of_one(&report.cluster, &row.home, report.kind, attempt),
        body,
        attachments,
    }
}

fn subject(kind: Kind, row: &JobRow) -> String {
    let job = format!("{} ({}, {})", label(row), plain::line(&row.queue, QUEUE), row.id);
    let host = row.host.as_deref().map(|host| format!(" on {}", plain::line(host, HOST))).unwrap_or_default();
    match kind {
        Kind::Start => format!("[queue] started: {job}{host}"),
        Kind::End => {
            let end = End::of(row);
            let word = if end.is_ok() { "in" } else { "after" };
            let length = ran_us(row).map(|us| format!(" {word} {}", figures::duration(us))).unwrap_or_default();
            format!("[queue] {}: {job}{host}{length}", end.headline())
        }
    }
}

fn table(body: &mut String, report: &Report) {
    let row = &report.row;
    let mut put = |label: &str, value: &str| plain::row(body, label, value);
    let time = |us: i64| match Timestamp::from_microsecond(us) {
        Ok(time) => time.to_zoned(report.zone.clone()).strftime("%Y-%m-%d %H:%M:%S %:z").to_string(),
        Err(_) => "-".to_owned(),
    };
    put("job", &format!("{} of {} (queue {})", row.id, row.home, plain::line(&row.queue, QUEUE)));
    put("command", &plain::line(&row.command, COMMAND));
    put("directory", &row.directory.display());
    put("submitted", &time(row.submitted_us));
    if let Some(started) = row.started_us {
        put("started", &time(started));
    }
    if let (Kind::End, Some(ended)) = (report.kind, row.ended_us) {
        let length = ran_us(row).map(|us| format!(" (after {})", figures::duration(us))).unwrap_or_default();
        put("ended", &format!("{}{length}", time(ended)));
    }
    if let Some(host) = &row.host {
        put("host", &plain::line(host, HOST));
    }
    if row.attempt > 1 {
        put("attempt", &row.attempt.to_string());
    }
    if report.kind == Kind::Start {
        return;
    }
    match End::of(row) {
        End::Ok => put("exit", "0"),
        End::Exit(code) => put("exit", &code.to_string()),
        End::Signal { name, core } => put("signal", &format!("{name}{}", if core { ", left a core" } else { "" })),
        End::Limit(_) => put("signal", row.signal.as_deref().unwrap_or_default()),
        End::Dead(reason) => put("dead", &reason),
        End::Cancelled => put("cancelled", if row.started_us.is_some() { "while it ran" } else { "before it ran" }),
    }
    if let Some(usage) = row.usage {
        let times = (figures::duration(usage.user_us), figures::duration(usage.system_us));
        put("CPU", &format!("{} user, {} system", times.0, times.1));
        put("memory", &format!("{} at the peak", figures::size(usage.max_rss_kib.saturating_mul(1024))));
    }
    match row.left_over {
        0 => {}
        1 => put("left over", "1 process, killed"),
        more => put("left over", &format!("{more} processes, killed")),
    }
    if row.state == "finished" && !row.detail.is_empty() {
        put("note", &plain::line(&row.detail, COMMAND));
    }
}

/// Where the output is.
fn places(body: &mut String, row: &JobRow) {
    let mut lines = String::new();
    if !row.stdout.0.is_empty() {
        plain::row(&mut lines, "output", &row.stdout.display());
    }
    if !row.stderr.0.is_empty() && row.stderr != row.stdout {
        plain::row(&mut lines, "errors", &row.stderr.display());
    }
    if !lines.is_empty() {
        body.push('\n');
        body.push_str(&lines);
    }
}

fn heading(row: &JobRow, stream: OutputStream) -> &'static str {
    match stream {
        _ if row.stdout == row.stderr => "Output",
        OutputStream::Stderr => "Standard error",
        OutputStream::Stdout => "Standard output",
        OutputStream::Stdin => "Standard input",
    }
}

/// How many characters of a queue's name are shown.
pub(super) const QUEUE: usize = 64;
/// Of a host's.
pub(super) const HOST: usize = 64;
/// Of a command.
const COMMAND: usize = 400;

#[cfg(test)]
mod tests;
