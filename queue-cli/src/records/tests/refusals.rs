//! What is refused, and where the message says that it stands.

use super::refused;
use crate::records::source::Source;
use crate::records::value::{Shape, Value};
use crate::records::{Each, Format, LONGEST_LINE, MOST, collect, read, too_many};

#[test]
fn a_wrong_field_is_refused_where_it_stands() {
    let text = "- command: make\n".repeat(15) + "- command: x\n  prioirty: 3\n";
    assert_eq!(refused(&text), "17:3: \"prioirty\": no such field; did you mean \"priority\"?");
    for (text, message) in [
        (
            "- command: x\n  priority: hgh",
            "2:13: priority: \"hgh\" stands where a whole number, or high, normal or low, is expected.",
        ),
        (
            "- command: x\n  priority: 1.5",
            "2:13: priority: 1.5 stands where a whole number, or high, normal or low, is expected.",
        ),
        ("- command: x\n  retries: -1", "2:12: retries: -1 stands where a whole number from 0 is expected."),
        ("- command: x\n  name: [a]", "2:9: name: a list stands where a text is expected."),
        ("- command: x\n  held: maybe", "2:9: held: \"maybe\" stands where true or false is expected."),
        (
            "- command: x\n  backoff: soon",
            "2:12: backoff: \"soon\" stands where a time such as 30, which are seconds, or 5 min is expected.",
        ),
        (
            "- command: x\n  backoff: -5 min",
            "2:12: backoff: \"-5 min\" stands where a time such as 30, which are seconds, or 5 min is expected.",
        ),
        ("- command: x\n  mail: sometimes", "2:9: mail: \"sometimes\" is not one of none, end, start and failure."),
        ("- command: x\n  notify: ' '", "2:11: notify: this is empty."),
        ("- command: x\n  array: 9-1", "2:10: array: 9-1 goes backwards: \"1-9\"?"),
        (
            "- command: x\n  after: [17, soon]",
            "2:15: after: a job such as 17, 17:any, 17:fail or 101-600 is expected, not \"soon\".",
        ),
        ("- command: x\n  mail: none,end", "2:9: mail: none stands alone."),
        ("- command: x\n  mail_to: a@b", "2:12: mail_to says to whom and not when; say also mail: end."),
        (
            "- command: x\n  tags: a, b",
            "2:9: tags: \"a, b\" can be one tag or several; write a list, or \"tag\" for one.",
        ),
        ("- command: x\n  tag: a\n  tags: [b]", "3:3: \"tags\" is said twice, under two names."),
        ("- command: x\n  environment: [A]", "2:17: environment: \"A\" stands where NAME=value is expected."),
        ("- command: x\n  environment: {A=B: c}", "2:17: environment: \"A=B\" is not the name of a variable."),
        ("- command: x\n  environment: [A=1, A=2]", "2:22: environment: \"A\" is said twice."),
        ("- command: x\n  variants: [{os: linux}]", "2:14: variants: this one says neither \"command\" nor \"argv\"."),
        ("- command: x\n  state: hodl", "2:10: state: \"hodl\" is none; a job is submitted as held or pending."),
        ("- command: x\n  host: gold", "2:3: \"host\" is where a job ran; for where it shall run say hosts: [gold]."),
        ("- priority: 3", "1:3: this job says neither \"command\" nor \"argv\"."),
        ("- command: ' '", "1:12: command: this is empty."),
        (
            "- command: [echo, a]",
            "1:12: command: a list stands where a shell command (a list of words is \"argv\") is expected.",
        ),
        (
            "- argv: echo a",
            "1:9: argv: \"echo a\" stands where a list of words (a shell command is \"command\") is expected.",
        ),
        ("- argv: ['', a]", "1:9: argv: the program has no name."),
        ("- command: x\n- make", "2:3: a job: \"make\" stands where a map of keys and values is expected."),
    ] {
        assert_eq!(refused(text), message, "{text}");
    }
}

#[test]
fn a_key_that_is_said_twice_is_refused_in_each_format() {
    let doubled =
        ["- command: x\n  priority: 1\n  priority: 2", "{\"command\": \"x\",\n  \"priority\": 1, \"priority\": 2}"];
    assert!(refused(doubled[0]).starts_with("3:3: "), "{}", refused(doubled[0]));
    assert!(refused(doubled[1]).starts_with("2:18: \"priority\" is said twice"), "{}", refused(doubled[1]));
    let rq = "---\n-\n jid: 1\n command: x\n command: y\n";
    assert_eq!(refused(rq), "5:2: \"command\" is said twice.");
}

#[test]
fn broken_yaml_is_refused_where_it_breaks() {
    let message = refused("- command: \"make\n- command: x\n");
    assert!(message.contains("cannot be read as YAML"), "{message}");
    let message = refused("---\n- command: x\n---\n- command: y\n  z: [\n");
    assert!(message.starts_with('6') || message.starts_with('5'), "{message}");
    assert!(refused("--- 17").contains("cannot be read as YAML"));
    assert!(refused("- \"make all\n").contains("for shell commands say --format lines"));
    assert!(!refused("- make\n").contains("--format"), "a list all right, but not of jobs");
}

#[test]
fn a_bomb_of_aliases_is_refused() {
    let mut text = "- command: x\n  usage:\n    l0: &a0 [x]\n".to_owned();
    for level in 1..30 {
        let before = format!("*a{}, ", level - 1).repeat(9);
        text += &format!("    l{level}: &a{level} [{}]\n", before.trim_end_matches(", "));
    }
    assert!(refused(&text).contains("its aliases unfold to too much"), "{}", refused(&text));
    let nested = format!("- command: {}\n", "[".repeat(100_000));
    assert!(refused(&nested).starts_with("1:"), "{}", refused(&nested));
}

#[test]
fn wrong_json_is_refused_where_it_is_wrong() {
    assert!(refused("{\"command\": \"x\"}\nmake\n").starts_with("2:1: this is no JSON: "));
    assert!(refused("{ make; make check; }\n").contains("for shell commands say --format lines"));
    assert!(refused("[ -f x ] && make\n").contains("for shell commands say --format lines"));
    assert!(refused("{\"command\": \"x\"}\n17\n").starts_with("2:1: an object or a list of objects is expected"));
    assert!(refused("[[\"x\"]]").starts_with("1:2: a job: a list stands where a map"));
    let typo = refused("{\"command\": \"ö\", \"prioirty\": 3}");
    assert!(typo.starts_with("1:18: \"prioirty\": no such field; did you mean \"priority\"?"), "{typo}");
    assert!(!typo.contains("--format"), "it is JSON: {typo}");
    assert!(refused("{\"command\": \"x\",\n \"priority\": \"hgh\"}").starts_with("2:14: priority: \"hgh\""));
    assert!(refused("{\"name\": \"\\ud800\", \"command\": \"x\"}").starts_with("1:10: this is no JSON"));
    let deep = format!("{{\"command\": \"x\", \"tags\": {}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    assert!(read("jobs", deep.as_bytes(), None).is_err());
    let other = read("jobs", b"{", Some(Format::Json)).expect_err("not complete").message;
    assert!(!other.contains("--format"), "{other}");
}

#[test]
fn what_is_too_much_is_refused() {
    // Never touched, so never in memory.
    let bytes = vec![0; (1 << 30) + 1];
    let failure = read("jobs", &bytes, None).expect_err("more than 1 GiB");
    assert!(failure.message.contains("at most 1 GiB is read at once.  Nothing was submitted."), "{failure}");

    let endless: Each = |_, sink| (0..=MOST).try_for_each(|offset| sink(Value { offset, shape: Shape::Nothing }));
    let source = Source::of("jobs", b"", "").expect("small");
    assert_eq!(collect(&source, endless, |_| Ok(())), Err(too_many(MOST)));

    let long = format!("- command: {}", "x".repeat(LONGEST_LINE + 1));
    assert_eq!(refused(&long), "1:12: command: a command has at most 1 MiB.");
    let long = format!("{{\"argv\": [\"{}\", \"b\"]}}", "x".repeat(LONGEST_LINE));
    assert_eq!(refused(&long), "1:1: argv: a command has at most 1 MiB.");
    let long = format!("-\n jid: 1\n command: {}", "x".repeat(LONGEST_LINE));
    assert_eq!(refused(&long), "3:1: this line is longer than 1 MiB.");
}
