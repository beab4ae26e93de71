//! Directives about what jobs may use and what a host offers.

use std::time::Duration;

use super::super::*;
use super::check;
use crate::profile::limits::{Bound, Rlimit, Unit, Warning};
use crate::profile::offer::{Need, NeedTest, NeedValue};

#[test]
fn nice() {
    let expected = "a whole number from -40 to 40 is expected";
    check("nice", "0", &[("-40", "-40"), ("40", "40")], &[("41", expected), ("-41", expected), ("\"1\"", expected)]);
}

#[test]
fn rlimitcpu() {
    let good = [
        ("3600", "\"1h\""),
        ("\"1h 30m\"", "\"1h 30m\""),
        ("[60, \"2m\"]", "[\"1m\", \"2m\"]"),
        ("[60, \"none\"]", "[\"1m\", \"none\"]"),
    ];
    let expected = "a number of seconds, or a length of time such as \"1h\", or \"none\", is expected";
    check(
        "rlimitcpu",
        "\"none\"",
        &good,
        &[
            ("-1", expected),
            ("\"1GiB\"", expected),
            ("\"1500ms\"", expected),
            ("[1, 2, 3]", "one limit, or two as in [SOFT, HARD], is expected"),
            ("[2, 1]", "the first of the two, the soft limit, is above the second, the hard one"),
        ],
    );
    let limit = effective("rlimitcpu = [60, \"none\"]").rlimitcpu.value;
    let expected = Rlimit { unit: Unit::Seconds, soft: Bound::At(60), hard: Some(Bound::Unlimited) };
    assert_eq!(limit, Some(expected));
}

#[test]
fn limits_in_bytes() {
    let good = [("\"2GiB\"", "\"2GiB\""), ("1000", "1000"), ("[\"1M\", \"1G\"]", "[\"1MiB\", \"1GiB\"]"), ("0", "0")];
    let expected = "a number of bytes, or a size such as \"2GiB\", or \"none\", is expected";
    let bad = [
        ("\"1h\"", expected),
        ("-1", expected),
        ("[\"none\", 5]", "the first of the two, the soft limit, is above the second, the hard one"),
    ];
    for name in ["rlimitfsize", "rlimitdata", "rlimitstack", "rlimitcore", "rlimitrss", "rlimitvmem", "rlimitmemlock"] {
        check(name, "\"none\"", &good, &bad);
    }
    assert_eq!(
        faults("rlimitdata = [\"x\", \"y\"]"),
        [format!("1:15: rlimitdata = \"x\": {expected}"), format!("1:20: rlimitdata = \"y\": {expected}")]
    );
    let other = "rlimitas";
    assert_eq!(shown(&format!("{other} = 1024"), "rlimitvmem"), "\"1KiB\"");
}

#[test]
fn limits_in_numbers() {
    let expected = "a whole number from 0, or \"none\", is expected";
    for name in ["rlimitnofile", "rlimitnproc"] {
        check(name, "\"none\"", &[("1024", "1024"), ("[5, 6]", "[5, 6]")], &[("\"1K\"", expected), ("1.5", expected)]);
    }
}

#[test]
fn limits_and_their_most() {
    let length = "a length of time such as \"12h\", or \"none\", is expected";
    check(
        "time-limit",
        "\"none\"",
        &[("\"12h\"", "\"12h\"")],
        &[("\"long\"", length), ("\"0s\"", "a length from 1s to 100years is expected")],
    );
    let length = "a length of time such as \"7d\", or \"none\", is expected";
    check("max-time-limit", "\"none\"", &[("\"7d\"", "\"7days\"")], &[("7", length), ("\"\"", length)]);
    let size = "a size such as \"10GiB\", or a number of bytes, or \"none\", is expected";
    for name in ["memory", "max-memory", "max-spool-per-user"] {
        check(
            name,
            "\"none\"",
            &[("\"4GB\"", "\"4GiB\""), ("\"1.5M\"", "\"1536KiB\"")],
            &[("\"4XB\"", size), ("-4", size), ("\"99999999P\"", size)],
        );
    }
    let count = "a whole number from 1 to 1000000000 is expected";
    check("cpus", "1", &[("64", "64")], &[("0", count), ("\"none\"", count)]);
    let count = "a whole number from 1 to 1000000000, or \"none\", is expected";
    check("max-cpus", "\"none\"", &[("64", "64")], &[("0", count), ("1.5", count)]);
    assert_eq!(
        faults(
            "max-cpus = 2\ncpus = 3\ntime-limit = \"2h\"\nmax-time-limit = \"1h\"\nmemory = 2048\nmax-memory = 1024"
        ),
        [
            "2:8: cpus = 3: at most max-cpus is expected, which is 2 in line 1",
            "3:14: time-limit = \"2h\": at most max-time-limit is expected, which is \"1h\" in line 4",
            "5:10: memory = \"2KiB\": at most max-memory is expected, which is \"1KiB\" in line 6",
        ]
    );
}

#[test]
fn grace_and_warn() {
    check(
        "grace",
        "\"10s\"",
        &[("\"0s\"", "\"0s\""), ("\"1m\"", "\"1m\"")],
        &[("10", "a length of time such as \"10s\" is expected"), ("\"2d\"", "a length from 0s to 1day is expected")],
    );
    let expected = "a signal and how long before the end, such as \"USR1@10m\", or \"none\", is expected";
    let bad = ["\"USR1\"", "\"USR9@10m\"", "\"USR1@10\"", "\"USR1@0s\"", "10"].map(|value| (value, expected));
    check("warn", "\"none\"", &[("\"sigusr1@600s\"", "\"USR1@10m\"")], &bad);
    let warning = Warning { signal: "TERM".to_owned(), before: Duration::from_secs(5) };
    assert_eq!(effective("warn = \"TERM@5s\"").warn.value, Some(warning));
}

#[test]
fn needs() {
    let good = [("[\"gpu=1\", \"scratch >= 512GiB\", \"raid\"]", "[\"gpu=1\", \"scratch>=512GiB\", \"raid\"]")];
    check(
        "needs",
        "[]",
        &good,
        &[
            ("\"gpu\"", "a list of needs such as [\"gpu=1\", \"scratch>=500GiB\", \"raid\"] is expected"),
            ("1", "a list of needs such as [\"gpu=1\", \"scratch>=500GiB\", \"raid\"] is expected"),
        ],
    );
    let expected = "a need such as \"gpu=1\", \"scratch>=500GiB\" or \"raid\" is expected";
    for bad in ["", "GPU=1", "gpu=", "gpu>1", "gpu<=1", "gpu!=1", "1gpu", "arch>=x86", "gpu==1", "x y", "gpu=1x", "=1"]
    {
        assert_eq!(faults(&format!("needs = [\"{bad}\"]")), [format!("1:10: needs = \"{bad}\": {expected}")]);
    }
    let need = |text: &str| Need::parse(text).map(|need| need.test);
    assert_eq!(need("arch=x86_64"), Some(NeedTest::Equal(NeedValue::Word("x86_64".to_owned()))));
    assert_eq!(need("gpu=2"), Some(NeedTest::Equal(NeedValue::Number(2))));
    assert_eq!(need("raid"), Some(NeedTest::There));
    assert!(need(&"a".repeat(63)).is_some() && need(&"a".repeat(64)).is_none());
}

#[test]
fn offer() {
    let all = "{ gpu = 2, scratch = \"512GiB\", raid = true, tape = [\"st0\", \"/dev/st1\"], \
               matlab = { count = 5, counted-by = \"redfish\" } }";
    let expected = "a table such as { gpu = 2, raid = true } is expected";
    check(
        "offer",
        "{}",
        &[(all, all), ("{ a = \"5B\" }", "{ a = \"5B\" }")],
        &[("1", expected), ("[\"gpu\"]", expected)],
    );
    let amount = "a whole number, a size such as \"500GiB\", true or false, a list of devices, or \
                  { count = 5, counted-by = \"HOST\" } is expected";
    let name = "the name before it is not one of small letters, digits, -, _ and . after a letter";
    assert_eq!(
        faults("[offer]\nGPU = 1\na = -1\nb = \"many\"\nc = [\"x\", \"x\"]\nd = [\"x y\"]\n\"\" = 1\n"),
        [
            format!("2:7: offer.GPU = 1: {name}"),
            format!("3:5: offer.a = -1: {amount}"),
            format!("4:5: offer.b = \"many\": {amount}"),
            "5:5: offer.c = [\"x\", \"x\"]: \"x\" stands there twice".to_owned(),
            "6:6: offer.d = \"x y\": a device's name without white space is expected".to_owned(),
            format!("7:6: offer.\"\" = 1: {name}"),
        ]
    );
    assert_eq!(
        faults("[offer]\na = { count = 1 }\nb = { count = 1, counted-by = \"\" }\nc = { count = 1, by = 2 }\n"),
        [
            "2:5: offer.a = { count = 1 }: both count and counted-by are expected",
            "3:31: offer.b.counted-by = \"\": a host's name is expected",
            "4:23: offer.c.by = 2: no such key; count and counted-by are expected",
        ]
    );
    let many: Vec<String> = (0..65).map(|number| format!("a{number} = 1")).collect();
    let message = faults(&format!("offer = {{ {} }}", many.join(", "))).remove(0);
    assert!(message.ends_with(": at most 64 are expected, here are 65"), "{message}");
}
