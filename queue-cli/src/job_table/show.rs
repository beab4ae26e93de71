//! `queue show`: everything about one job, a line for each thing.

use jiff::Zoned;
use wire::ByteString;
use wire::batch::{JobRow, MailWish};
use wire::limits::{length, size};
use wire::session::Usage;

use super::document;
use super::fields::{PLAIN, Picked, name, run_time, state};
use super::spans::{clock, time_with_zone};
use super::{Look, Style};
use crate::failure::printable;
use crate::table::{Align, lay_out};

/// The job in the style that is asked for.
pub fn show(row: &JobRow, look: &Look, now: &Zoned) -> String {
    match look.style {
        Style::Table => sheet(row, look, &look.zoned(now)),
        Style::Parsable => format!("{}\n", name(row, &look.own_host)),
        style @ (Style::Json | Style::Yaml) => document::job(style, &Picked { row, fields: PLAIN, now }),
    }
}

fn sheet(row: &JobRow, look: &Look, now: &Zoned) -> String {
    let mut lines = Vec::new();
    let mut say = |what: &str, text: String| {
        if !text.is_empty() {
            lines.push(vec![what.to_owned(), printable(&text)]);
        }
    };
    let time = |us: Option<i64>| us.map_or(String::new(), |us| time_with_zone(us, now));
    let number = |number: u64| if number == 0 { String::new() } else { number.to_string() };
    say("job", name(row, &look.own_host));
    say("name", row.name.clone().unwrap_or_default());
    say("state", if row.core { format!("{}, left a core", state(row)) } else { state(row) });
    say("user", row.user.clone());
    say("queue", row.queue.clone());
    say("priority", if row.priority == 0 { String::new() } else { row.priority.to_string() });
    say("tags", row.tags.join(", "));
    say("hosts", if row.hosts.is_empty() { "any".to_owned() } else { row.hosts.join(", ") });
    say("needs", row.need.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "));
    say("slots", row.cpus.map_or(String::new(), |cpus| cpus.to_string()));
    say("host", row.host.clone().unwrap_or_default());
    say("attempt", number(row.attempt));
    say("command", if row.argv.is_empty() { row.command.clone() } else { command(&row.argv) });
    say("directory", row.directory.display());
    say("submitted", time_with_zone(row.submitted_us, now));
    say("started", time(row.started_us));
    say("ended", time(row.ended_us));
    say("run time", run_time(row, now).map_or(String::new(), clock));
    if let Some(usage) = &row.usage {
        say("CPU time", cpu(usage));
        say("memory", memory(usage.max_rss_kib));
    }
    say("left over", if row.left_over == 0 { String::new() } else { format!("{} processes, killed", row.left_over) });
    say("limits", limits(row));
    say("restartable", if row.restartable { "yes".to_owned() } else { "no".to_owned() });
    say("retries left", number(u64::from(row.retries)));
    say("stdout", row.stdout.display());
    say("stderr", row.stderr.display());
    say("mail", row.mail.as_ref().map_or("as the queue says".to_owned(), mail));
    say("report", row.report.clone());
    say("notify", row.notify.as_ref().map(|notify| notify.display()).unwrap_or_default());
    say("notice", row.notice.clone());
    let array = row.array.map(|of| format!("index {} of {}-{}", of.index, of.id, of.id + of.count.saturating_sub(1)));
    say("array", array.unwrap_or_default());
    say("after", row.after.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "));
    lay_out(&[Align::Left, Align::Left], &lines)
}

/// What it may use, and how that is enforced: `2 h, USR1@10min, grace 30 s`.
pub(super) fn limits(row: &JobRow) -> String {
    let Some(limits) = &row.limits else { return String::new() };
    let time = limits.time.as_ref();
    let parts = [
        time.map(|time| length(time.seconds)),
        time.and_then(|time| time.warn.as_ref()).map(ToString::to_string),
        time.and_then(|time| time.grace_s).map(|grace_s| format!("grace {}", length(grace_s))),
        limits.memory.map(|bytes| format!("memory {0} (address space {0}, all watched)", size(bytes))),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// The whole command as a shell would read it.
fn command(argv: &[ByteString]) -> String {
    let is_plain = |letter: char| letter.is_alphanumeric() || "_-./,:=@%+".contains(letter);
    let quoted = argv.iter().map(|word| match word.display() {
        text if !text.is_empty() && text.chars().all(is_plain) => text,
        text => format!("'{}'", text.replace('\'', r"'\''")),
    });
    quoted.collect::<Vec<_>>().join(" ")
}

fn cpu(usage: &Usage) -> String {
    let seconds = |us: u64| format!("{}.{:02} s", us / 1_000_000, us / 10_000 % 100);
    format!("{} user, {} system", seconds(usage.user_us), seconds(usage.system_us))
}

/// The largest process.
fn memory(kib: u64) -> String {
    const MIB: u64 = 1 << 10;
    const GIB: u64 = 1 << 20;
    match kib {
        0..MIB => format!("{kib} KiB"),
        MIB..GIB => format!("{:.1} MiB", kib as f64 / MIB as f64),
        _ => format!("{:.1} GiB", kib as f64 / GIB as f64),
    }
}

fn mail(wish: &MailWish) -> String {
    let when = [(wish.start, "start"), (wish.end, "end"), (wish.failure, "failure")];
    let when = when.iter().filter(|(wanted, _)| *wanted).map(|(_, when)| *when).collect::<Vec<_>>();
    match (when.is_empty(), &wish.to) {
        (true, _) => "never".to_owned(),
        (false, Some(to)) => format!("at {} to {to}", when.join(", ")),
        (false, None) => format!("at {}", when.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;
    use jiff::tz::{TimeZone, offset};

    fn row() -> JobRow {
        JobRow {
            id: 17,
            home: "redfish".into(),
            state: "finished".into(),
            user: "alice".into(),
            queue: "wait".into(),
            tags: vec!["night".into(), "a\nb".into()],
            host: Some("bluefish".into()),
            attempt: 2,
            argv: ["./run", "it's", ""].map(ByteString::from).to_vec(),
            directory: ByteString(b"/home/\xff".to_vec()),
            submitted_us: 1_000_000,
            started_us: Some(2_000_000),
            ended_us: Some(43_000_000),
            exit: Some(3),
            usage: Some(Usage { wall_us: 41_000_000, user_us: 40_120_000, system_us: 7_000, max_rss_kib: 22_323 }),
            mail: Some(MailWish { end: true, failure: true, to: Some("a@b".into()), ..MailWish::default() }),
            report: "sent".into(),
            notify: Some("tell me".into()),
            notice: "owed".into(),
            ..JobRow::default()
        }
    }

    #[test]
    fn the_sheet_has_everything_and_times_with_their_zone() {
        let now = Timestamp::UNIX_EPOCH.to_zoned(TimeZone::fixed(offset(2)));
        let text = show(&row(), &Look { own_host: "onefish".into(), ..Look::default() }, &now);
        assert_eq!(
            text,
            r"job          17@redfish
state        finished 3
user         alice
queue        wait
tags         night, a\nb
hosts        any
host         bluefish
attempt      2
command      ./run 'it'\''s' ''
directory    /home/�
submitted    1970-01-01 02:00:01 +02
started      1970-01-01 02:00:02 +02
ended        1970-01-01 02:00:43 +02
run time     0:41
CPU time     40.12 s user, 0.00 s system
memory       21.8 MiB
restartable  no
mail         at end, failure to a@b
report       sent
notify       tell me
notice       owed
"
        );
        let utc = show(&row(), &Look { utc: true, ..Look::default() }, &now);
        assert!(utc.contains("submitted    1970-01-01 00:00:01 UTC\n"), "{utc}");
    }

    #[test]
    fn programs_get_the_job_itself() {
        let now = Timestamp::UNIX_EPOCH.to_zoned(TimeZone::UTC);
        let style = |style| show(&row(), &Look { style, ..Look::default() }, &now);
        assert_eq!(serde_json::from_str::<JobRow>(&style(Style::Json)).expect("JSON"), row());
        assert_eq!(serde_saphyr::from_str::<JobRow>(&style(Style::Yaml)).expect("YAML"), row());
    }
}
