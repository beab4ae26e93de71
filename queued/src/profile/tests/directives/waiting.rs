//! Directives about the order in which jobs wait, about their homes, and about who hears of them.

use super::super::*;
use super::check;
use crate::config::keep::Keep;
use crate::profile::words::{Ageing, Letters, Supervisor};

#[test]
fn supervisor() {
    let good = [("\"ada@example.org\"", "\"ada@example.org\""), ("\"/var/log/queue\"", "\"/var/log/queue\"")];
    let expected = "an address such as ada@example.org, or a file's absolute path, or \"none\", is expected";
    check("supervisor", "\"none\"", &good, &[("\"ada\"", expected), ("\"log/queue\"", expected), ("\"\"", expected)]);
    let value = effective("supervisor = \"Ada <ada@example.org>\"").supervisor.value;
    assert_eq!(value, Some(Supervisor::Address("Ada <ada@example.org>".to_owned())));
}

#[test]
fn mail() {
    let good = [("\"ces\"", "\"sec\""), ("\"\"", "\"none\""), ("\"none\"", "\"none\""), ("\"e\"", "\"e\"")];
    let expected = "letters of s, e and c, or \"none\", or \"job\" for each job's own, are expected";
    check("mail", "\"job\"", &good, &[("\"x\"", expected), ("\"ee\"", expected), ("true", expected)]);
    let expected = "letters of s, e and c, or \"none\", are expected";
    check("mailsupervisor", "\"c\"", &good, &[("\"job\"", expected), ("1", expected)]);
    assert_eq!(effective("mail = \"ec\"").mail.value.0, Some(Letters { start: false, end: true, crash: true }));
    assert_eq!(effective("").mail.value.0, None);
}

#[test]
fn home_and_counting() {
    let expected = "a host's name, or \"none\", is expected";
    for name in ["home", "counted-by"] {
        check(
            name,
            "\"none\"",
            &[("\"redfish\"", "\"redfish\"")],
            &[("\"a b\"", expected), ("\"\"", expected), ("1", expected)],
        );
    }
    let expected = "a whole number from 1 to 1000000000, or \"none\", is expected";
    check("maxglobal", "\"none\"", &[("1", "1")], &[("0", expected), ("\"1/cpu\"", expected)]);
    assert_eq!(effective("home = \"a\"").counter(), Some("a"));
    assert_eq!(effective("home = \"a\"\ncounted-by = \"b\"").counter(), Some("b"));
    assert_eq!(effective("").counter(), None);
}

#[test]
fn maxqueue() {
    let good = [("0", "0"), ("\"3x\"", "\"3x\"")];
    let expected = "a whole number from 0 to 1000000000, or times the slots such as \"3x\", or \"none\", is expected";
    let bad = ["-1", "\"3\"", "\"0x\"", "\"x\"", "\"+3x\"", "1.5"].map(|value| (value, expected));
    check("maxqueue", "\"none\"", &good, &bad);
    assert_eq!(effective("maxqueue = \"3x\"").backlog(), Some(12));
    assert_eq!(effective("maxqueue = 5").backlog(), Some(5));
    assert_eq!(effective("maxqueue = \"3x\"\nmaxexec = \"none\"").backlog(), None);
}

#[test]
fn per_user() {
    let expected = "a whole number from 0 to 1000000000, or \"none\", is expected";
    for name in ["max-running-per-user", "max-queued-per-user"] {
        check(name, "\"none\"", &[("0", "0"), ("4", "4")], &[("-1", expected), ("\"4\"", expected)]);
    }
}

#[test]
fn order_and_ageing() {
    let expected = "\"fair\" or \"fifo\" is expected";
    check("order", "\"fair\"", &[("\"fifo\"", "\"fifo\"")], &[("\"lifo\"", expected), ("1", expected)]);
    let expected = "points (1 to 1000) per time such as \"1 per 1h\", or \"none\", is expected";
    let bad = ["\"1\"", "\"0 per 1h\"", "\"1 per hour\"", "\"1 per 0s\"", "1", "\"1001 per 1h\""];
    check("ageing", "\"none\"", &[("\"5 per 60m\"", "\"5 per 1h\"")], &bad.map(|value| (value, expected)));
    let ageing = Ageing { points: 1, every: std::time::Duration::from_secs(3600) };
    assert_eq!(effective("ageing = \"1 per 1h\"").ageing.value, Some(ageing));
}

#[test]
fn priorities() {
    let expected = "a whole number from -1000 to 1000 is expected";
    check("priority", "0", &[("-1000", "-1000")], &[("1001", expected), ("1.0", expected)]);
    let expected = "a whole number from -1000 to 1000, or \"none\", is expected";
    check("max-priority", "\"none\"", &[("0", "0")], &[("-1001", expected), ("\"high\"", expected)]);
}

#[test]
fn hosts_that_are_silent() {
    for (name, default, example) in [("lost-after", "\"10m\"", "10m"), ("give-up-after", "\"never\"", "7d")] {
        let expected = format!("a length of time such as \"{example}\", or \"never\", is expected");
        check(
            name,
            default,
            &[("\"never\"", "\"never\""), ("\"30s\"", "\"30s\"")],
            &[("\"none\"", &expected), ("600", &expected)],
        );
    }
}

#[test]
fn keep() {
    let good = [("\"30d\"", "\"30days\""), ("\"forever\"", "\"forever\"")];
    check(
        "keep",
        "\"host\"",
        &good,
        &[
            ("\"none\"", "a length of time such as \"30d\", or \"forever\", is expected"),
            ("\"1s\"", "at least a minute is expected, in which somebody can still ask how a job ended"),
            ("30", "a length of time such as \"30d\", or \"forever\", is expected"),
        ],
    );
    assert_eq!(effective("keep = \"forever\"").keep.value.0, Some(Keep::Forever));
}

#[test]
fn sessions() {
    let expected = "a length of time such as \"24h\", or \"none\", is expected";
    let good = [("\"90m\"", "\"1h 30m\""), ("\"none\"", "\"none\"")];
    check("linger", "\"host\"", &good, &[("\"long\"", expected), ("24", expected)]);
    let expected = "a length of time such as \"2h\", or \"none\", is expected";
    check("idle-limit", "\"none\"", &[("\"2h\"", "\"2h\"")], &[("\"idle\"", expected), ("2", expected)]);
}
