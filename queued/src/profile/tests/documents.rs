//! The example and the manual name every directive there is.

use super::*;

const EXAMPLE: &str = include_str!("../../../../etc/profile.toml.example");
const MANUAL: &str = include_str!("../../../../man/queue-profile.5");

/// The example with the comment marks of its settings removed; a mark with a blank behind it is prose.
fn uncommented() -> String {
    let setting = |line: &str| line.strip_prefix('#').filter(|rest| !rest.starts_with(' ')).unwrap_or(line).to_owned();
    EXAMPLE.lines().map(setting).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_example_without_its_comment_marks_sets_every_directive() {
    let effective = effective(&uncommented().replace("[host.redfish]", "[host.bluefish]"));
    let missing: Vec<String> =
        effective.lines().into_iter().filter(|line| line.2 == Origin::Default).map(|line| line.0).collect();
    assert_eq!(missing, Vec::<String>::new());
}

#[test]
fn the_example_as_it_stands_sets_nothing() {
    assert_eq!(parse(EXAMPLE), Ok(Profile::default()));
}

#[test]
fn the_manual_has_an_entry_for_every_directive() {
    let unescaped = MANUAL.replace("\\-", "-");
    let mut lines = unescaped.lines().peekable();
    let mut entries = Vec::new();
    while let Some(line) = lines.next() {
        if line == ".TP" || line == ".TQ" {
            let tag = lines.peek().copied().unwrap_or_default();
            entries.extend(tag.trim_start_matches(['.', 'B', 'I', 'R', ' ', '"']).split([' ', '"', '=']).next());
        }
    }
    let missing: Vec<&&str> = NAMES.iter().filter(|name| !entries.contains(name)).collect();
    assert_eq!(missing, Vec::<&&str>::new(), "{entries:?}");
    // What the manual says of defaults that are numbers or words is what the code says.
    for (name, value, _) in Profile::default().effective("wait", &redfish()).lines() {
        let default = value.trim_matches('"');
        let start = entry_start(&unescaped, &name);
        let entry = &unescaped[start..];
        let end = entry[4..].find("\n.TP").map_or(entry.len(), |end| end + 4);
        let entry: String = entry[..end].split_whitespace().collect::<Vec<_>>().join(" ");
        let said = entry.split_once("default is ").map(|(_, default)| default.replace("\\(dq", ""));
        let unlimited = ["none", "[]", "{}"].contains(&default);
        assert!(unlimited || said.is_some_and(|said| said.contains(default)), "{name} does not say {default}");
    }
}

fn entry_start(manual: &str, name: &str) -> usize {
    let entries = manual.match_indices("\n.TP\n").map(|(at, _)| at);
    let is = |at: &usize| {
        let tag = manual[at + 5..].lines().next().unwrap_or_default();
        tag.split([' ', '"', '=']).any(|word| word == name)
    };
    entries.into_iter().find(is).unwrap_or_else(|| panic!("no entry {name}"))
}

#[test]
fn the_manual_says_what_has_no_effect_yet() {
    let section =
        MANUAL.split("NOT IN THIS RELEASE").nth(1).and_then(|rest| rest.split(".SH").next()).unwrap_or_default();
    let named = section.lines().filter_map(|line| line.strip_prefix(".BR ")?.split(' ').next());
    let named = named.map(|name| name.replace("\\-", "-")).filter(|name| !name.starts_with('"')).collect::<Vec<_>>();
    assert_eq!(named, crate::profile::IDLE);
    assert!(crate::profile::IDLE.iter().all(|name| crate::profile::NAMES.contains(name)));
}

#[test]
fn what_has_no_effect_is_told_with_its_line() {
    let profile = crate::profile::parse("maxexec = 1\nhome = \"a\"\n[host.x]\nprolog = \"/bin/true\"\n");
    assert_eq!(profile.expect("well formed").idle(), [(2, "home"), (4, "prolog")]);
}
