//! What is said about texts that are no query: where, what, and what would have been right.

use super::super::Query;
use super::parse;

#[test]
fn every_error_names_the_column_and_what_was_expected() {
    const TERM: &str = "expected a term such as failed, 17-30 or exit!=0";
    const IDS: &str = "expected a number from 1 to 9223372036854775807, or a rising range such as 17-30";
    const TIME: &str =
        "expected a time such as 2026-11-25, 2026-11-25T14:02 or 14:02, or an age such as 2h, 30min or 3d";
    for (text, expected) in [
        ("tag=night and exitt=0", r#"15: "exitt": no such field; did you mean "exit"?"#),
        ("prioirty=1", r#"1: "prioirty": no such field; did you mean "priority"?"#),
        ("Exit=1", r#"1: "Exit": no such field; did you mean "exit"?"#),
        (
            "zzz=1",
            "1: \"zzz\": no such field; expected id, state, queue, user, priority, name, tag, host, exit, \
             signal, command, directory, attempt, restartable, report, notice, submitted, started, ended, wall, cpu \
             or memory",
        ),
        ("st=held", r#"1: "st" could be state or started: expected more of the name"#),
        ("held s", r#"6: "s" could be state or signal or submitted or started: expected more of the name"#),
        ("finishd", r#"1: "finishd": no such state or field; did you mean "finished"?"#),
        ("xyzzy", &format!(r#"1: "xyzzy": no such state or field; {TERM}"#)),
        ("17@redfish", &format!(r#"1: "17@redfish" is no job id: {IDS}"#)),
        ("30-17", &format!(r#"1: "30-17" is no job id: {IDS}"#)),
        ("id=0", &format!(r#"4: "0" does not fit id: {IDS}"#)),
        ("signal", r#"1: "signal" alone says nothing: expected a comparison such as signal=KILL"#),
        ("", &format!("1: {TERM}, found the end")),
        ("held or ", &format!("9: {TERM}, found the end")),
        ("and held", &format!(r#"1: {TERM}, found "and""#)),
        ("held and or dead", &format!(r#"10: {TERM}, found "or""#)),
        ("()", &format!(r#"2: {TERM}, found ")""#)),
        ("'held'", &format!(r#"1: {TERM}, found "'""#)),
        ("=3", &format!(r#"1: {TERM}, found "=""#)),
        ("not", &format!("4: {TERM}, found the end")),
        ("(held or (dead)", r#"1: ( is never closed: expected ) before the end"#),
        ("held)", r#"5: ")" closes nothing: expected another term or the end"#),
        ("name='night", "6: ' is never closed: expected ' before the end"),
        ("name=a'b'", "7: a quote in the middle of a word: expected quotes around the whole value"),
        ("name='a'b", "9: a quote in the middle of a word: expected quotes around the whole value"),
        ("exit~3", r#"5: "~" is no comparison: expected one of = != < <= > >= =~ !~"#),
        ("exit!!3", r#"5: "!!" is no comparison: expected one of = != < <= > >= =~ !~"#),
        ("exit=<3", r#"6: expected a value behind exit=, found "<""#),
        ("exit >= ", "9: expected a value behind exit>=, found the end"),
        ("(exit != )", r#"10: expected a value behind exit!=, found ")""#),
        ("exit=x", r#"6: "x" does not fit exit: expected a whole number"#),
        ("exit=~0", "1: =~ does not fit exit: expected one of = != < <= > >="),
        ("state<held", "1: < does not fit state: expected one of = != =~ !~"),
        ("tag>a", "1: > does not fit tag: expected one of = != =~ !~"),
        ("restartable=~t", "1: =~ does not fit restartable: expected one of = !="),
        ("restartable=maybe", r#"13: "maybe" does not fit restartable: expected true or false"#),
        ("state=finish", r#"7: "finish": no such state; did you mean "finished"?"#),
        (
            "state=xyzzy",
            "7: \"xyzzy\": no such state; expected held, pending, running, finished, dead or cancelled, \
             or one of waiting, ended, ok, failed and all",
        ),
        ("signal=9", r#"8: "9" does not fit signal: expected a signal's name such as KILL"#),
        ("started>yesterday", &format!(r#"9: "yesterday" does not fit started: {TIME}"#)),
        ("started>2026-02-29", &format!(r#"9: "2026-02-29" does not fit started: {TIME}"#)),
        ("started>24:00", &format!(r#"9: "24:00" does not fit started: {TIME}"#)),
        ("started>5", &format!(r#"9: "5" does not fit started: {TIME}"#)),
        ("ended=2h", r#"7: "2h" is a moment: expected ended with one of < <= > >=, or a time such as 2026-11-25"#),
        ("wall>2x", r#"6: "2x" does not fit wall: expected a duration such as 41s, 1h30min or 90 (seconds)"#),
        ("wall>", "6: expected a value behind wall>, found the end"),
        ("wall>''", r#"6: "" does not fit wall: expected a duration such as 41s, 1h30min or 90 (seconds)"#),
        ("wall>1.s", r#"6: "1.s" does not fit wall: expected a duration such as 41s, 1h30min or 90 (seconds)"#),
        ("memory>500", r#"8: "500" does not fit memory: expected a size such as 500M or 4GiB"#),
        ("queue=none", "7: none stands for absent, which queue never is: expected a value, or 'none' in quotes"),
        ("name='é' oops", &format!(r#"10: "oops": no such state or field; {TERM}"#)),
        ("name='\u{1b}[31m'", r"7: the control character \u{1b} is in the way: expected text"),
    ] {
        let error = parse(text).expect_err(text).to_string();
        assert_eq!(error, format!("query:{expected}"), "{text}");
    }
}

#[test]
fn bounds_are_named_where_they_are_passed() {
    let terms = format!("{}18", "17 ".repeat(Query::MOST_TERMS));
    let deep = format!("{}17", "(".repeat(Query::MOST_DEPTH + 1));
    let long = "é".repeat(Query::MOST_BYTES / 2 + 1);
    let stars = format!("name=~{}", "a*".repeat(33));
    for (text, expected) in [
        (terms, "query:3001: the query has more than 1000 terms"),
        (deep, "query:65: parentheses and \"not\" are more than 64 deep here"),
        (long, "query:32769: the query is longer than 65536 bytes"),
        (stars, "query:7: expected a pattern of at most 4096 bytes with at most 32 *"),
    ] {
        assert_eq!(parse(&text).expect_err(expected).to_string(), expected);
    }
}

#[test]
fn what_was_written_is_repeated_only_in_part() {
    let error = parse(&"x".repeat(10_000)).expect_err("no such word").to_string();
    assert!(error.len() < 200, "{error}");
}
