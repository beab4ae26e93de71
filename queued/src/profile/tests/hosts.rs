//! Which table goes before which.

use super::*;

const TEXT: &str = r#"
maxexec = 1
nice = 1
[host."*"]
maxexec = 2
nice = 2
priority = 2
[host."RED*"]
maxexec = 3
[host.Redfish]
maxexec = 4
[host."?edfish"]
nice = 5
"#;

fn on(host: &str) -> Effective {
    let profile = parse(TEXT).expect("well formed");
    profile.effective("wait", &HostFacts { name: host.to_owned(), cpus: 4 })
}

fn host(pattern: &str, line: usize) -> Origin {
    Origin::Host { pattern: pattern.to_owned(), line }
}

#[test]
fn a_name_goes_before_a_long_pattern_before_a_short_one_before_the_top() {
    let redfish = on("redfish");
    assert_eq!((redfish.slots(), redfish.maxexec.origin), (Some(4), host("Redfish", 11)));
    assert_eq!((redfish.nice.value, redfish.nice.origin), (5, host("?edfish", 13)));
    assert_eq!((redfish.priority.value, redfish.priority.origin), (2, host("*", 7)));
    let redcap = on("REDCAP");
    assert_eq!((redcap.slots(), redcap.maxexec.origin), (Some(3), host("RED*", 9)));
    assert_eq!((redcap.nice.value, redcap.nice.origin), (2, host("*", 6)));
    assert_eq!(on("bluefish").slots(), Some(2));
    assert_eq!(on("bluefish").exec, Set { value: words::Exec::On, origin: Origin::Default });
}

#[test]
fn of_patterns_that_say_equally_much_the_first_goes_before() {
    let profile = parse("[host.\"b*d\"]\nnice = 1\n[host.\"b?d\"]\nnice = 2\n").expect("well formed");
    assert_eq!(profile.effective("wait", &HostFacts { name: "bad".to_owned(), cpus: 1 }).nice.value, 1);
    let profile = parse("[host.\"b?d\"]\nnice = 2\n[host.\"b*d\"]\nnice = 1\n").expect("well formed");
    assert_eq!(profile.effective("wait", &HostFacts { name: "bad".to_owned(), cpus: 1 }).nice.value, 2);
}

#[test]
fn without_a_table_that_fits_the_top_holds_with_its_line() {
    let profile = parse("[host.redfish]\nnice = 3\n").expect("well formed");
    assert_eq!(profile.effective("wait", &redfish()).nice.value, 3);
    assert_eq!(profile.effective("wait", &HostFacts { name: "redfish2".to_owned(), cpus: 4 }).nice.value, 0);
    let effective = effective("# first\n\nnice = 7\n");
    assert_eq!(effective.nice, Set { value: 7, origin: Origin::Line(3) });
}

#[test]
fn dotted_and_inline_tables_are_the_same() {
    for text in ["host.redfish.nice = 3", "host = { redfish = { nice = 3 } }", "host.\"red*\" = { nice = 3 }"] {
        assert_eq!(effective(text).nice.value, 3, "{text}");
    }
}

#[test]
fn names_that_mean_no_host_or_the_same_host_twice_are_faults() {
    let text = "[host.\"\"]\n[host.\"a/b\"]\n[host.red]\n[host.RED]\n[host.\"b*\"]\nhost = 1\nblub = 2\n";
    assert_eq!(
        faults(text),
        [
            "1:7: [host.\"\"]: a host's name, in which * is anything and ? one character, is expected",
            "2:7: [host.\"a/b\"]: a host's name, in which * is anything and ? one character, is expected",
            "4:7: [host.RED]: stands twice, capital letters or not",
            "6:1: \"host\" has no meaning inside [host.\"b*\"]",
            "7:1: \"blub\": no such directive",
        ]
    );
    assert_eq!(
        faults("host = \"red\""),
        ["1:8: host = \"red\": tables such as [host.redfish] or [host.\"gpu*\"] are expected"]
    );
    assert_eq!(faults("host.red = 1"), ["1:12: host.red = 1: a table is expected"]);
}

#[test]
fn a_table_of_offers_is_one_value_like_others() {
    let text = "[offer]\ngpu = 1\nraid = true\n[host.redfish.offer]\ngpu = 2\n";
    assert_eq!(shown(text, "offer"), "{ gpu = 2 }");
    assert_eq!(effective(text).offer.origin, host("redfish", 4));
}

#[test]
fn an_order_of_load_from_two_tables_is_kept_when_they_do_not_fit() {
    let text = "loadstop = 10\nloadresume = 8\n[host.redfish]\nloadstop = \"1/cpu\"\n";
    let effective = effective(text);
    assert_eq!((effective.stop_load(), effective.resume_load()), (Some(4.0), Some(3.2)));
    let elsewhere = parse(text).expect("well formed").effective("wait", &HostFacts { name: "b".into(), cpus: 1 });
    assert_eq!((elsewhere.stop_load(), elsewhere.resume_load()), (Some(10.0), Some(8.0)));
}
