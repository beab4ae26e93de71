//! Directives about whether and how jobs run.

use super::super::*;
use super::check;
use crate::core::rank::RankRule;

#[test]
fn exec() {
    let good = [
        ("\"on\"", "\"on\""),
        ("\"off\"", "\"off\""),
        ("\"drain\"", "\"drain\""),
        ("true", "\"on\""),
        ("false", "\"off\""),
    ];
    let expected = "\"on\", \"off\" or \"drain\" is expected";
    check("exec", "\"on\"", &good, &[("\"On\"", expected), ("1", expected), ("[]", expected)]);
}

#[test]
fn maxexec() {
    let good = [("0", "0"), ("100000", "100000"), ("\"2/cpu\"", "\"2/cpu\""), ("\"none\"", "\"none\"")];
    let expected = "a whole number from 0 to 100000, or a number per CPU such as \"1/cpu\", or \"none\", is expected";
    let bad = ["-1", "100001", "1.5", "\"3\"", "\"/cpu\"", "\"-1/cpu\"", "\"1e3/cpu\"", "\"inf/cpu\"", "\"\""];
    check("maxexec", "\"1/cpu\"", &good, &bad.map(|value| (value, expected)));
    let slots = |text: &str| effective(text).slots();
    assert_eq!(slots(""), Some(4));
    assert_eq!(slots("maxexec = \"0.5/cpu\""), Some(2));
    assert_eq!(slots("maxexec = \"0.1/cpu\""), Some(1));
    assert_eq!(slots("maxexec = \"0/cpu\""), Some(0));
    assert_eq!(slots("maxexec = 7"), Some(7));
    assert_eq!(Profile::default().effective("now", &redfish()).slots(), None);
}

#[test]
fn vmaxexec_and_pfactor() {
    let expected = "a whole number from 0 to 1000000000, or \"none\", is expected";
    check("vmaxexec", "\"none\"", &[("0", "0"), ("12", "12")], &[("-1", expected), ("\"2/cpu\"", expected)]);
    let expected = "a number above 0, or \"none\", is expected";
    let bad = ["0", "-1", "nan", "inf", "\"1\"", "1e10"];
    check("pfactor", "\"none\"", &[("2", "2"), ("0.5", "0.5")], &bad.map(|value| (value, expected)));
    assert_eq!(effective("").rank_rule(), RankRule::Share);
    let rule = effective("pfactor = 2").rank_rule();
    assert_eq!(rule, RankRule::VirtualLoad { pfactor: 2.0, vmaxexec: Some(4) });
    let rule = effective("vmaxexec = 2\nmaxexec = 9").rank_rule();
    assert_eq!(rule, RankRule::VirtualLoad { pfactor: 1.0, vmaxexec: Some(2) });
}

#[test]
fn loads() {
    let good = [("0", "0"), ("25", "25"), ("1.5", "1.5"), ("\"1.5/cpu\"", "\"1.5/cpu\""), ("\"none\"", "\"none\"")];
    let expected = "a number, or a number per CPU such as \"1.5/cpu\", is expected";
    let bad = ["\"two\"", "-1", "true", "\"1.5\"", "nan", "[2]"].map(|value| (value, expected));
    check("loadsched", "\"2/cpu\"", &good, &bad);
    check("loadstop", "\"none\"", &good, &bad);
    check("loadcheckpoint", "\"none\"", &good, &bad);
    let effective = effective("loadstop = 10\nloadcheckpoint = \"2/cpu\"");
    assert_eq!((effective.sched_load(), effective.stop_load()), (Some(8.0), Some(10.0)));
    assert_eq!(effective.checkpoint_load(), Some(8.0));
    assert_eq!(Profile::default().effective("now", &redfish()).sched_load(), None);
}

#[test]
fn loadresume() {
    let good = [("0", "0"), ("999.5", "999.5"), ("\"3/cpu\"", "\"3/cpu\"")];
    check(
        "loadresume",
        "\"none\"",
        &good,
        &[
            ("\"none\"", "a number, or a number per CPU such as \"1.5/cpu\", is expected"),
            ("2", "has no meaning without loadstop, the load from which jobs are suspended"),
        ],
    );
    assert_eq!(
        faults("loadstop = 3\nloadresume = 3"),
        ["2:14: loadresume = 3: less than loadstop is expected, which is 3 in line 1"]
    );
    assert_eq!(
        faults("loadstop = 3\n[host.b]\nloadresume = 3.5"),
        ["3:14: loadresume = 3.5: less than loadstop is expected, which is 3 in line 1"]
    );
    assert_eq!(
        faults("loadstop = \"none\"\nloadresume = 3"),
        ["2:14: loadresume = 3: has no meaning without loadstop, the load from which jobs are suspended"]
    );
    assert!(parse("loadresume = 3\n[host.b]\nloadstop = 4").is_ok());
    assert_eq!(shown("loadstop = 3", "loadresume"), "2.4");
    assert_eq!(shown("loadstop = \"2/cpu\"", "loadresume"), "\"1.6/cpu\"");
    // What does not fit on this host does not count on it.
    assert_eq!(effective("loadstop = 5\nloadresume = \"2/cpu\"").resume_load(), Some(4.0));
    assert_eq!(effective("loadstop = 9\nloadresume = \"2/cpu\"").resume_load(), Some(8.0));
}

#[test]
fn minfree() {
    let good = [
        ("{ \"/var\" = \"10GiB\", \"/\" = 1024 }", "{ \"/var\" = \"10GiB\", \"/\" = \"1KiB\" }"),
        ("[\"/var 10GiB\", \"/with space 5\"]", "{ \"/var\" = \"10GiB\", \"/with space\" = 5 }"),
    ];
    check(
        "minfree",
        "{}",
        &good,
        &[
            ("\"/var\"", "a table such as { \"/var\" = \"10GiB\" }, or a list such as [\"/var 10GiB\"], is expected"),
            ("[\"/a 1\", \"/a 2\"]", "/a stands there twice"),
        ],
    );
    assert_eq!(
        faults("minfree = { var = 1, \"/\" = \"x\" }"),
        [
            "1:19: minfree.var = 1: the path before it is not absolute",
            "1:28: minfree.\"/\" = \"x\": a size such as \"10GiB\", or a number of bytes, is expected",
        ]
    );
    assert_eq!(
        faults("minfree = [\"/var\", \"var 1\"]"),
        [
            "1:12: minfree = \"/var\": an absolute path and a size such as \"/var 10GiB\" are expected",
            "1:20: minfree = \"var 1\": an absolute path and a size such as \"/var 10GiB\" are expected",
        ]
    );
    let many: Vec<String> = (0..17).map(|number| format!("\"/{number} 1\"")).collect();
    assert!(faults(&format!("minfree = [{}]", many.join(", ")))[0].ends_with("at most 16 are expected, here are 17"));
}

#[test]
fn timesched_and_timestop() {
    let good = [
        ("\"Wk1800-0700\"", "\"Wk1800-0700\""),
        ("[\"Sa,Su\", \"Mo-Fr 08:00-18:00\"]", "[\"Sa,Su\", \"Mo-Fr 08:00-18:00\"]"),
    ];
    let expected = "days and hours such as \"Wk1800-0700\", \"Sa,Su\" or \"Mo-Fr 08:00-18:00\" are expected";
    for name in ["timesched", "timestop"] {
        check(
            name,
            "\"always\"",
            &good,
            &[
                ("8", expected),
                ("\"Xy\"", &format!("\"Xy\" is not understood; {expected}")),
                ("[]", &format!("{expected}; exec = \"drain\" starts nothing at any time")),
            ],
        );
    }
}

#[test]
fn programs() {
    let good = [("\"/bin/true\"", "\"/bin/true\""), ("[\"/bin/x\", \"-a\", \"\"]", "[\"/bin/x\", \"-a\", \"\"]")];
    let expected = "a program's absolute path, or a list of that and its arguments, or \"none\", is expected";
    let bad = ["\"true\"", "[]", "[\"x\", \"y\"]", "1", "\"\""].map(|value| (value, expected));
    for name in ["program", "prolog", "epilog"] {
        check(name, "\"none\"", &good, &bad);
    }
    assert_eq!(
        faults("program = [\"/bin/x\", 1]"),
        ["1:22: program = 1: an argument is a string of at most 4096 bytes"]
    );
}

#[test]
fn times_of_programs() {
    let length = |example: &str| format!("a length of time such as \"{example}\" is expected");
    check(
        "program-time-limit",
        "\"10s\"",
        &[("\"1m 30s\"", "\"1m 30s\"")],
        &[("10", &length("10s")), ("\"11m\"", "a length from 1s to 10m is expected")],
    );
    check(
        "program-every",
        "\"1m\"",
        &[("\"24h\"", "\"1day\"")],
        &[("\"4s\"", "a length from 5s to 1day is expected"), ("\"often\"", &length("1m"))],
    );
    for name in ["prolog-time-limit", "epilog-time-limit"] {
        check(
            name,
            "\"1m\"",
            &[("\"90s\"", "\"1m 30s\"")],
            &[("\"0s\"", "a length from 1s to 1day is expected"), ("60", &length("1m"))],
        );
    }
}

#[test]
fn chdir() {
    let good = [("\"home\"", "\"home\""), ("\"/scratch\"", "\"/scratch\"")];
    let expected = "a directory's absolute path, or \"home\", or \"none\", is expected";
    check("chdir", "\"none\"", &good, &[("\"scratch\"", expected), ("\"\"", expected), ("1", expected)]);
}

#[test]
fn restarts() {
    let expected = "true or false is expected";
    check("restart", "false", &[("true", "true")], &[("1", expected), ("\"yes\"", expected)]);
    let kernel =
        "no kernel saves processes the way GNU Queue's did; 0 moves no job, and 2 has a job save itself on USR2";
    for name in ["restartmode", "checkpointmode"] {
        check(name, "0", &[("2", "2")], &[("1", kernel), ("3", "0 or 2 is expected"), ("\"2\"", "0 or 2 is expected")]);
    }
    let expected = "one argument of at most 255 bytes is expected";
    check("restartflag", "\"\"", &[("\"-restart\"", "\"-restart\"")], &[("1", expected), ("[\"-r\"]", expected)]);
}
