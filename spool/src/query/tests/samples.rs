//! Rows and queries by chance, from so few words that they often have to do with each other.

use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::select;
use wire::ByteString;
use wire::batch::JobRow;
use wire::session::Usage;

use super::super::STATES;
use super::NOW;

/// A job.
pub fn row() -> impl Strategy<Value = JobRow> {
    let who = (select(&STATES[..]), text(), text(), of(text()), vec(text(), 0..3), of(text()));
    let end = (of(0..4_u8), of(select(&["KILL", "TERM", "k"][..])), any::<bool>(), text());
    let what = (text(), directory(), -2..3_i32, 0..3_u64);
    let when = (time(), of(time()), of(time()), of(usage()));
    (who, end, what, when).prop_map(|(who, end, what, when)| {
        let ((state, queue, user, name, tags, host), (exit, signal, restartable, report)) = (who, end);
        let ((command, directory, priority, attempt), (submitted_us, started_us, ended_us, usage)) = (what, when);
        JobRow {
            state: state.to_owned(),
            signal: signal.map(str::to_owned),
            directory: ByteString(directory),
            queue,
            user,
            name,
            tags,
            host,
            exit,
            restartable,
            notice: report.chars().rev().collect(),
            report,
            command,
            priority,
            attempt,
            submitted_us,
            started_us,
            ended_us,
            usage,
            ..JobRow::default()
        }
    })
}

/// A query that is one, with all its parentheses.
pub fn query() -> impl Strategy<Value = String> {
    term().prop_recursive(5, 40, 4, |inner| {
        prop_oneof![
            inner.clone().prop_map(|one| format!("not ({one})")),
            inner.clone().prop_map(|one| format!("(not {one})")),
            vec(inner.clone(), 2..6).prop_map(|all| format!("({})", all.join(" or "))),
            vec(inner.clone(), 2..6).prop_map(|all| format!("({})", all.join(" and "))),
            vec(inner, 2..4).prop_map(|all| all.join(" ")),
        ]
    })
}

/// Pieces of queries in any order, seldom a query.
pub fn soup() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => select(&["(", ")", "not", "and", "or", " ", "=", "!=", "=~", "<", "'", "\"", "none"][..])
            .prop_map(str::to_owned),
        2 => select(&["exit", "tag", "held", "17", "2-3", "ended", "2h", "failed", "name"][..])
            .prop_map(str::to_owned),
        1 => term(),
        1 => "\\PC{0,3}",
    ];
    (vec(piece, 0..12), select(&["", " "][..])).prop_map(|(pieces, between)| pieces.join(between))
}

fn term() -> impl Strategy<Value = String> {
    prop_oneof![1 => term_about_text(), 2 => other_term()]
}

fn other_term() -> impl Strategy<Value = String> {
    let equal = || select(&["=", "==", "!="][..]);
    let order = || select(&["=", "!=", "<", "<=", ">", ">="][..]);
    let shape = || select(&["=", "!=", "=~", "!~"][..]);
    let alone = ["all", "held", "pending", "running", "finished", "dead", "cancelled", "ok", "failed", "waiting"];
    let absent = ["name", "tag", "host", "exit", "signal", "attempt", "notice", "started", "ended", "wall", "memory"];
    let states = ["held", "dead", "ended", "ok", "failed", "waiting"];
    let short = (select(&["=~", "!~"][..]), select(&["*e*", "?e*", "nd", "x", "*"][..]));
    prop_oneof![
        select(alone.to_vec()).prop_map(str::to_owned),
        (1..9_u8).prop_map(|id| id.to_string()),
        (1..5_u8, 0..4_u8).prop_map(|(first, more)| format!("{first}-{}", first + more)),
        (equal(), select(states.to_vec())).prop_map(|(op, state)| format!("state{op}{state}")),
        short.prop_map(|(op, part)| format!("state {op} {part}")),
        (select(absent.to_vec()), equal()).prop_map(|(field, op)| format!("{field}{op}none")),
        (select(vec!["id", "exit", "attempt"]), order(), 1..4_u8).prop_map(|(field, op, n)| format!("{field}{op}{n}")),
        (order(), -2..3_i8).prop_map(|(op, n)| format!("priority {op} {n}")),
        (shape(), pattern()).prop_map(|(op, value)| format!("tag{op}{value}")),
        (any_shape(), select(vec!["KILL", "sigterm", "K"])).prop_map(|(op, name)| format!("signal{op}{name}")),
        (equal(), any::<bool>()).prop_map(|(op, flag)| format!("restartable{op}{flag}")),
        (moment_field(), select(vec!["<", "<=", ">", ">="]), age())
            .prop_map(|(field, op, age)| { format!("{field}{op}{age}") }),
        (moment_field(), order(), written_time()).prop_map(|(field, op, time)| format!("{field}{op}{time}")),
        (select(vec!["wall", "cpu"]), order(), select(vec!["1", "2s", "1.5s", "3us", "0.001", "1ms"]))
            .prop_map(|(field, op, length)| format!("{field}{op}{length}")),
        (order(), select(vec!["1K", "0.002M", "1MiB"])).prop_map(|(op, size)| format!("memory{op}{size}")),
    ]
}

fn term_about_text() -> impl Strategy<Value = String> {
    let fields = vec!["queue", "user", "name", "host", "runner", "command", "directory", "report", "notice"];
    (select(fields), any_shape(), pattern()).prop_map(|(field, op, value)| format!("{field} {op} {value}"))
}

fn any_shape() -> impl Strategy<Value = &'static str> {
    select(vec!["=", "!=", "=~", "!~", "<", "<=", ">", ">="])
}

fn moment_field() -> impl Strategy<Value = &'static str> {
    select(vec!["submitted", "started", "ended", "finished"])
}

fn age() -> impl Strategy<Value = &'static str> {
    select(vec!["0s", "1s", "15s", "1min", "30min", "2h", "1d"])
}

fn written_time() -> impl Strategy<Value = &'static str> {
    select(vec!["14:30", "14:30:15", "14:29", "2026-11-25", "2026-11-24", "2026-11-25T13:30Z", "'2026-11-25 12:30'"])
}

/// On the edges of what [`age`] and [`written_time`] say.
fn time() -> impl Strategy<Value = i64> {
    let edges = vec![0, 1, 15, 16, 60, 75, 1800, 7200, 52_215, 86_400, 90_000];
    (select(edges), -1..2_i64).prop_map(|(seconds, off_by)| NOW.unix_us - seconds * 1_000_000 + off_by)
}

fn usage() -> impl Strategy<Value = Usage> {
    let length = || select(vec![0_u64, 2, 3, 4, 999, 1000, 1999, 999_999, 1_000_000, 1_499_999, 1_500_000, 2_000_000]);
    let size = select(vec![0_u64, 1, 2, 3, 1023, 1024, 1025]);
    (length(), length(), length(), size).prop_map(|(wall_us, user_us, system_us, max_rss_kib)| Usage {
        wall_us,
        user_us,
        system_us,
        max_rss_kib,
    })
}

/// Few letters, and those that patterns, JSON or SQL take for something else.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![Just(String::new()), "[ab]{1,3}", "[ab*?\\[\\]^\\-%_é\u{fffd}\u{ffff}'\"\\\\𝄞 ]{0,5}"]
}

/// Not always UTF-8.
fn directory() -> impl Strategy<Value = Vec<u8>> {
    let byte = select(b"/ab[]*?\0\xa9\x80\xbf\xc3\xa9\xe2\x82\xac\xed\xa0\xf0\x9f\xff\xfe\xc0".to_vec());
    prop_oneof![text().prop_map(String::into_bytes), vec(byte, 0..8)]
}

/// A directory and a pattern for about the same: most characters as they are, some as `?`, `*` or left out.
pub fn directory_and_pattern() -> impl Strategy<Value = (Vec<u8>, String)> {
    (directory(), vec(0..10_u8, 8)).prop_map(|(directory, edits)| {
        let readable = String::from_utf8_lossy(&directory).into_owned();
        let edited = readable.chars().zip(edits.into_iter().cycle()).map(|(c, edit)| match edit {
            _ if c.is_control() => "?".to_owned(),
            0 => "*".to_owned(),
            1 => "?".to_owned(),
            2 => format!("{c}*"),
            3 => String::new(),
            4 => "\u{fffd}".to_owned(),
            _ => c.to_string(),
        });
        let pattern = edited.collect::<String>();
        (directory, format!("'{}'", pattern.replace('\'', "''")))
    })
}

/// In quotes, as somebody who is careful would write it.
fn pattern() -> impl Strategy<Value = String> {
    let text = prop_oneof![
        2 => text(),
        2 => "[ab*?]{1,4}",
        1 => "[ab*?\\[\\]é\u{a9}\u{bf}\u{fffd}\u{fffe}]{0,6}",
    ];
    (text, select(vec!['\'', '"'])).prop_map(|(text, quote)| {
        let doubled = text.replace(quote, &format!("{quote}{quote}"));
        format!("{quote}{doubled}{quote}")
    })
}
