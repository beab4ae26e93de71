//! Every directive: its default, values as they are understood and shown again, and what is wrong with others.

mod access;
mod limits;
mod running;
mod waiting;

use super::*;

/// A directive's default, values with what is shown of them, and values with the rest of the message about them.
/// A value of the second kind stands in line 2; its fault is told there, in the column behind `NAME = `.
fn check(name: &str, default: &str, good: &[(&str, &str)], bad: &[(&str, &str)]) {
    assert_eq!(shown("", name), default, "{name}");
    assert!(bad.len() >= 2, "{name} has too few bad values");
    for (written, expected) in good.iter().chain(&[(default, default)]) {
        let text = format!("{name} = {written}");
        assert_eq!(shown(&with_loads(&text), name), *expected, "{text}");
    }
    for (written, expected) in bad {
        let text = format!("# bad\n{name} = {written}");
        let column = name.len() + 4;
        assert_eq!(faults(&text), [format!("2:{column}: {name} = {written}: {expected}")], "{text}");
    }
}

/// One directive has no meaning without another.
fn with_loads(text: &str) -> String {
    let needs_one = text.starts_with("loadresume") && !text.ends_with("\"none\"");
    if needs_one { format!("loadstop = 1000\n{text}") } else { text.replace("loadresume = \"none\"", "") }
}

#[test]
fn every_directive_has_a_test() {
    let sources = [
        include_str!("directives/access.rs"),
        include_str!("directives/limits.rs"),
        include_str!("directives/running.rs"),
        include_str!("directives/waiting.rs"),
    ];
    for name in NAMES {
        let quoted = format!("\"{name}\"");
        assert!(sources.iter().any(|source| source.contains(&quoted)), "no test names {name}");
    }
}

#[test]
fn all_defaults_can_be_pasted_into_a_profile() {
    let defaults = |queue: &str| Profile::default().effective(queue, &redfish()).lines();
    for queue in ["now", "wait", "night"] {
        // Without a loadstop there is nothing to resume from.
        let shown = defaults(queue).into_iter().filter(|(name, _, _)| name != "loadresume");
        let text: String = shown.map(|(name, value, _)| format!("{name} = {value}\n")).collect();
        let again = parse(&text).expect("what is shown is well formed").effective("other", &redfish());
        let values = |lines: Vec<(String, String, Origin)>| lines.into_iter().map(|line| line.1).collect::<Vec<_>>();
        assert_eq!(values(again.lines()), values(defaults(queue)), "{queue}");
    }
}
