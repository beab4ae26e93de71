//! The fields of a job: their names, as JSON and YAML have them and `--fields` takes them, and what a
//! table shows of each.

use jiff::Zoned;
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::Value;
use wire::batch::JobRow;
use wire::history::RowKind;

use super::spans::{between, clock, time};
use crate::failure::{Failure, printable};
use crate::table::Align;

/// Fields that are as they came, and those that are made of them.
macro_rules! fields {
    ([$($plain:ident),* $(,)?], [$($made:ident = $make:expr),* $(,)?]) => {
        /// A field of a job; the variants have the names that people write.
        #[expect(non_camel_case_types, reason = "the names are written once, for all styles")]
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Field { $($plain,)* $($made,)* }

        /// What a listing for programs has of a job if nothing else was asked for: all that was said.
        pub const PLAIN: &[Field] = &[$(Field::$plain),*];

        const ALL: &[Field] = &[$(Field::$plain,)* $(Field::$made,)*];

        impl Field {
            /// Its key in JSON and YAML.
            pub fn key(self) -> &'static str {
                match self { $(Self::$plain => stringify!($plain),)* $(Self::$made => stringify!($made),)* }
            }
        }

        impl Picked<'_> {
            fn entry<M: SerializeMap>(&self, map: &mut M, field: Field) -> Result<(), M::Error> {
                match field {
                    $(Field::$plain => map.serialize_entry(field.key(), &self.row.$plain),)*
                    $(Field::$made => map.serialize_entry(field.key(), &$make(self.row, self.now)),)*
                }
            }
        }
    };
}

fields!(
    [
        id,
        kind,
        home,
        state,
        detail,
        user,
        queue,
        priority,
        name,
        tags,
        hosts,
        need,
        cpus,
        host,
        attempt,
        command,
        argv,
        directory,
        submitted_us,
        started_us,
        ended_us,
        exit,
        signal,
        core,
        usage,
        left_over,
        restartable,
        retries,
        stdout,
        stderr,
        limits,
        mail,
        report,
        notify,
        notice,
        after,
        array,
    ],
    [age_us = age, time_us = run_time]
);

/// The columns of the usual table.
pub const USUAL: &[Field] =
    &[Field::id, Field::state, Field::queue, Field::host, Field::age_us, Field::time_us, Field::command];

impl Field {
    /// What stands above its column.
    pub fn heading(self) -> String {
        let name = self.key();
        name.strip_suffix("_us").unwrap_or(name).to_uppercase()
    }

    /// How its column stands.
    pub fn align(self) -> Align {
        match self {
            Self::id | Self::priority | Self::attempt | Self::exit | Self::left_over | Self::retries => Align::Right,
            Self::age_us | Self::time_us => Align::Right,
            _ => Align::Left,
        }
    }
}

/// The fields with these names, each once; part of a name means all that begin so.
pub fn named(names: &[String]) -> Result<Vec<Field>, Failure> {
    let mut fields = Vec::new();
    let names = names.iter().flat_map(|list| list.split(',')).map(str::trim).filter(|name| !name.is_empty());
    for name in names {
        let wanted = name.to_lowercase();
        let exactly = ALL.iter().filter(|field| field.key() == wanted).collect::<Vec<_>>();
        let found = if exactly.is_empty() {
            ALL.iter().filter(|field| field.key().starts_with(&wanted)).collect()
        } else {
            exactly
        };
        if found.is_empty() {
            let all = ALL.iter().map(|field| field.key()).collect::<Vec<_>>().join(", ");
            return Err(Failure::usage(format!("--fields: a job has no field \"{name}\"; there are {all}")));
        }
        for field in found {
            if !fields.contains(field) {
                fields.push(*field);
            }
        }
    }
    if fields.is_empty() {
        return Err(Failure::usage("--fields: names of fields are expected, such as id,state,command"));
    }
    Ok(fields)
}

/// Some fields of a job; as a map they keep their order.
pub struct Picked<'a> {
    /// The job.
    pub row: &'a JobRow,
    /// Which.
    pub fields: &'a [Field],
    /// What ages are counted to.
    pub now: &'a Zoned,
}

impl Serialize for Picked<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.fields.len()))?;
        for field in self.fields {
            self.entry(&mut map, *field)?;
        }
        map.end()
    }
}

impl Picked<'_> {
    /// What a table shows.
    pub fn cells(&self, own_host: &str) -> Vec<String> {
        self.fields.iter().map(|field| printable(&self.cell(*field, own_host))).collect()
    }

    fn cell(&self, field: Field, own_host: &str) -> String {
        let (row, now) = (self.row, self.now);
        let optional = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        let group = row.array.and_then(|element| element.stands_for);
        match field {
            // What of many there is not one of.
            Field::host | Field::started_us | Field::ended_us | Field::time_us if group.is_some() => "-".to_owned(),
            Field::command if let Some(group) = group => format!("{}  ({} of an array)", row.command, group.count),
            Field::array => row.array.map_or_else(|| "-".to_owned(), |of| format!("{}[{}]", of.id, of.index)),
            Field::id => name(row, own_host),
            Field::state => short_state(row),
            Field::command => row.command.clone(),
            Field::directory => row.directory.display(),
            Field::stdout => row.stdout.display(),
            Field::stderr => row.stderr.display(),
            Field::notify => row.notify.as_ref().map_or_else(|| "-".to_owned(), |notify| notify.display()),
            Field::limits => super::show::limits(row),
            Field::argv => row.argv.iter().map(|word| word.display()).collect::<Vec<_>>().join(" "),
            Field::submitted_us => time(row.submitted_us, now),
            Field::started_us => optional(row.started_us.map(|us| time(us, now))),
            Field::ended_us => optional(row.ended_us.map(|us| time(us, now))),
            Field::age_us => clock(age(row, now)),
            Field::time_us => optional(run_time(row, now).map(clock)),
            other => {
                let one = Picked { row, fields: &[other], now };
                // All of these are plain fields: they always serialise.
                serde_json::to_value(&one).map_or_else(|_| "-".to_owned(), |map| words(&map[other.key()]))
            }
        }
    }
}

/// A value in a cell: lists with commas, nothing as a dash.
fn words(value: &Value) -> String {
    let text = match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Array(values) => values.iter().map(words).collect::<Vec<_>>().join(","),
        other => other.to_string(),
    };
    if text.is_empty() { "-".to_owned() } else { text }
}

/// `17`, or `17@redfish` for somebody on another host; `s17` is a session.
pub fn name(row: &JobRow, own_host: &str) -> String {
    let mark = match row.kind {
        RowKind::Job => "",
        RowKind::Session => "s",
    };
    let id = match row.array.and_then(|element| element.stands_for) {
        Some(group) if group.last.checked_sub(row.id).is_some_and(|more| more + 1 == group.count) => {
            format!("{}-{}", row.id, group.last)
        }
        // Others are between, so that it must not look like a name for these.
        Some(group) => format!("{}..{}", row.id, group.last),
        None => row.id.to_string(),
    };
    if row.home.is_empty() || row.home == own_host {
        format!("{mark}{id}")
    } else {
        printable(&format!("{mark}{id}@{}", row.home))
    }
}

/// The state with how it ended and what is more to be said.
pub fn state(row: &JobRow) -> String {
    let mut text = row.state.clone();
    match (row.exit, &row.signal) {
        (_, Some(signal)) if row.state == "finished" => text.push_str(&format!(" {signal}")),
        (Some(exit), _) if row.state == "finished" && exit != 0 => text.push_str(&format!(" {exit}")),
        _ => {}
    }
    match row.detail.as_str() {
        "" => text,
        detail if row.state == "dead" => format!("{text}: {detail}"),
        detail => format!("{text} ({detail})"),
    }
}

/// The same for a table: of a dead job the kind of death, and not its whole story.
fn short_state(row: &JobRow) -> String {
    if row.array.is_some_and(|element| element.stands_for.is_some()) && row.state == "finished" {
        return if is_failed(row) { "failed".to_owned() } else { row.state.clone() };
    }
    match row.detail.split_once(": ") {
        Some((kind, _)) if row.state == "dead" => format!("dead: {kind}"),
        _ => state(row),
    }
}

/// Whether it has ended as it should not.
pub fn is_failed(row: &JobRow) -> bool {
    match row.state.as_str() {
        "dead" => true,
        "finished" => row.signal.is_some() || row.exit.is_some_and(|exit| exit != 0),
        _ => false,
    }
}

/// Since its submission.
pub fn age(row: &JobRow, now: &Zoned) -> u64 {
    between(row.submitted_us, now.timestamp().as_microsecond())
}

/// How long it has run; none if it has not, or nobody knows.
pub fn run_time(row: &JobRow, now: &Zoned) -> Option<u64> {
    let started = row.started_us?;
    match row.state.as_str() {
        "running" => Some(between(started, now.timestamp().as_microsecond())),
        "finished" | "dead" | "cancelled" => {
            row.usage.as_ref().map(|usage| usage.wall_us).or_else(|| row.ended_us.map(|ended| between(started, ended)))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;
    use jiff::tz::TimeZone;
    use wire::session::Usage;

    fn names(list: &[&str]) -> Result<Vec<&'static str>, Failure> {
        let list = list.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        named(&list).map(|fields| fields.into_iter().map(Field::key).collect())
    }

    #[test]
    fn every_field_of_a_job_is_shown_to_programs_in_its_own_words() {
        let row = JobRow { id: 17, tags: vec!["a".into()], exit: Some(3), ..JobRow::default() };
        let now = Timestamp::UNIX_EPOCH.to_zoned(TimeZone::UTC);
        let picked = Picked { row: &row, fields: PLAIN, now: &now };
        let ours = serde_json::to_value(&picked).expect("plain fields");
        assert_eq!(ours, serde_json::to_value(&row).expect("plain fields"));
    }

    #[test]
    fn part_of_a_name_means_all_that_begin_so_and_a_whole_name_only_itself() {
        assert_eq!(names(&["id,STATE"]), Ok(vec!["id", "state"]));
        assert_eq!(names(&["host"]), Ok(vec!["host"]));
        assert_eq!(names(&["host,hos", "std"]), Ok(vec!["host", "hosts", "stdout", "stderr"]));
        assert_eq!(names(&["age", " time "]), Ok(vec!["age_us", "time_us"]));
    }

    #[test]
    fn an_unknown_field_is_answered_with_all_there_are() {
        let failure = names(&["id,prioirty"]).expect_err("no such field");
        assert_eq!(failure.code, crate::failure::USAGE);
        assert!(
            failure.message.starts_with("--fields: a job has no field \"prioirty\"; there are id, kind, home, state,")
        );
        assert!(names(&[",", ""]).is_err());
    }

    #[test]
    fn a_state_says_how_it_ended_and_what_is_waited_for() {
        let row = |state: &str, detail: &str, exit, signal: Option<&str>| JobRow {
            state: state.into(),
            detail: detail.into(),
            exit,
            signal: signal.map(str::to_owned),
            ..JobRow::default()
        };
        let shown = [
            row("running", "redfish silent for 12 min", None, None),
            row("finished", "", Some(0), None),
            row("finished", "", Some(3), None),
            row("finished", "", None, Some("KILL")),
            row("dead", "lost host", None, None),
        ];
        let failed = shown.iter().map(is_failed).collect::<Vec<_>>();
        assert_eq!(
            shown.each_ref().map(state),
            ["running (redfish silent for 12 min)", "finished", "finished 3", "finished KILL", "dead: lost host"]
        );
        assert_eq!(failed, [false, false, true, true, true]);
    }

    #[test]
    fn the_run_time_is_measured_where_it_ran_if_that_is_known() {
        let now = Timestamp::from_second(100).expect("a time").to_zoned(TimeZone::UTC);
        let mut row = JobRow { state: "pending".into(), ..JobRow::default() };
        assert_eq!(run_time(&row, &now), None);
        row.state = "running".into();
        row.started_us = Some(40_000_000);
        assert_eq!(run_time(&row, &now), Some(60_000_000));
        row.state = "finished".into();
        row.ended_us = Some(50_000_000);
        assert_eq!(run_time(&row, &now), Some(10_000_000));
        row.usage = Some(Usage { wall_us: 9_000_000, ..Usage::default() });
        assert_eq!(run_time(&row, &now), Some(9_000_000));
        // Pending again after a failed attempt: the start is that of the attempt before.
        row.state = "pending".into();
        assert_eq!(run_time(&row, &now), None);
    }
}
