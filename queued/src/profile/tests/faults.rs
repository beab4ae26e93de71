//! Files with something wrong in them.

use proptest::prelude::*;

use super::*;

#[test]
fn every_fault_is_told_in_the_order_of_the_text() {
    let text = "nice = 50\nprioirty = 3\n[host.redfish]\nloadsched = \"two\"\nexec = 1\n";
    assert_eq!(
        faults(text),
        [
            "1:8: nice = 50: a whole number from -40 to 40 is expected",
            "2:1: \"prioirty\": no such directive; did you mean \"priority\"?",
            "4:13: loadsched = \"two\": a number, or a number per CPU such as \"1.5/cpu\", is expected",
            "5:8: exec = 1: \"on\", \"off\" or \"drain\" is expected",
        ]
    );
}

#[test]
fn a_line_that_is_no_toml_is_told_once_beside_what_is_wrong_elsewhere() {
    assert_eq!(
        faults("exec = on\nnice = 50\nmaxexec 3\n"),
        [
            "1:8: string values must be quoted, expected literal string",
            "2:8: nice = 50: a whole number from -40 to 40 is expected",
            "3:9: key with no value, expected `=`",
        ]
    );
}

#[test]
fn a_key_that_stands_twice_is_told_where_it_stands_again() {
    assert_eq!(faults("nice = 1\nexec = \"on\"\nnice = 2\n"), ["3:1: nice: stands twice in this table"]);
    assert_eq!(
        faults("rlimitas = 1\nrlimitvmem = 2\n"),
        ["2:14: rlimitvmem = 2: line 1 says the same in the other spelling"]
    );
    assert!(parse("rlimitas = 1\n[host.b]\nrlimitvmem = 2\n").is_ok());
}

#[test]
fn tables_do_not_stand_where_values_belong() {
    assert_eq!(
        faults("[exec]\non = true\n[[nice]]\n"),
        [
            "1:1: exec is a table: \"on\", \"off\" or \"drain\" is expected",
            "3:1: nice = [[nice]]: a whole number from -40 to 40 is expected",
        ]
    );
    assert_eq!(faults("nice = { a = 1 }"), ["1:8: nice = { a = 1 }: a whole number from -40 to 40 is expected"]);
}

#[test]
fn of_very_many_faults_the_first_are_told() {
    let text: String = (0..500).map(|number| format!("nix{number} = 0\n")).collect();
    let faults = parse(&text).expect_err("no such directives");
    assert_eq!(faults.len(), MOST_FAULTS);
    assert_eq!(faults.iter().map(|fault| fault.line).collect::<Vec<_>>(), (1..=MOST_FAULTS).collect::<Vec<_>>());
}

#[test]
fn a_file_that_is_too_long_is_a_fault() {
    let text = "#".repeat(LONGEST);
    assert_eq!(parse(&text).map(|profile| profile == Profile::default()), Ok(true));
    assert_eq!(faults(&format!("{text}#")), ["1:1: the file has 262145 bytes; at most 262144 are read"]);
}

#[test]
fn deep_nesting_is_a_fault_and_not_the_end_of_the_stack() {
    let depth = LONGEST / 4;
    for text in [
        format!("{}a = 1", "a.".repeat(depth)),
        format!("[{}a]", "host.".repeat(depth / 4)),
        format!("offer = {}", "[".repeat(depth)),
        format!("offer = {}", "{a=".repeat(depth)),
        "[".repeat(depth),
        "=\n".repeat(depth),
    ] {
        let faults = parse(&text).expect_err("nothing sensible");
        assert!((1..=MOST_FAULTS).contains(&faults.len()));
    }
}

#[test]
fn a_file_full_of_faults_is_told_before_anybody_gets_impatient() {
    let keys = |form: &dyn Fn(usize) -> String| (0..20_000).map(form).collect::<Vec<_>>().join(",");
    let started = std::time::Instant::now();
    for text in [
        format!("deny-users = [{}]", keys(&|_| "x".to_owned())),
        format!("offer = {{ {} }}", keys(&|number| format!("A{number}=1"))),
        format!("host = {{ a = {{ {} }} }}", keys(&|number| format!("A{number}=1"))),
        format!("host = {{ {} }}", keys(&|number| format!("a{number}={{}}"))),
        keys(&|number| format!("\n{number}=x")),
    ] {
        assert!(text.len() < LONGEST, "{}", text.len());
        assert!(parse(&text).is_err_and(|faults| faults.len() <= MOST_FAULTS));
    }
    assert!(started.elapsed() < std::time::Duration::from_secs(30), "{:?}", started.elapsed());
}

#[test]
fn control_characters_of_a_file_do_not_reach_the_terminal() {
    let message = faults("exec = \"a\u{9b}31m\"").remove(0);
    assert!(!message.contains('\u{9b}'), "{message:?}");
    let message = faults("\"a\\u001b[31m\" = 1").remove(0);
    assert!(!message.contains('\u{1b}'), "{message:?}");
}

#[test]
fn columns_are_characters_and_not_bytes() {
    let far = "ü".repeat(3000);
    assert_eq!(faults(&format!("#{far}\nmail = \"{far}\"\nnice = 50"))[1].split(": ").next(), Some("3:8"));
    let faults_of_line = faults(&format!("restartflag = \"{far}\"\noffer = {{ a = \"{far}\", b = -1 }}"));
    assert_eq!(faults_of_line[2].split(": ").next(), Some("2:3023"));

    assert_eq!(faults("offer = { \"grün\" = 1, nice = \"ü\" }")[0].split(": ").next(), Some("1:20"));
}

proptest! {
    #[test]
    fn no_text_is_the_end(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = parse(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn no_value_is_the_end(name in proptest::sample::select(NAMES), value in value()) {
        if let Ok(profile) = parse(&format!("{name} = {value}\n[host.\"*\"]\n{name} = {value}\n")) {
            let effective = profile.effective("wait", &redfish());
            let _ = (effective.rank_rule(), effective.resume_load(), effective.backlog(), effective.slots());
            // What is shown says the same when it is pasted back.
            let shown = effective.lines().into_iter().find(|(_, _, origin)| *origin != Origin::Default);
            let (_, shown, _) = shown.expect("the table fits");
            let again = parse(&format!("{name} = {shown}")).map(|again| again.effective("wait", &redfish()).lines());
            let again = again.map_err(|faults| format!("{name} = {shown}: {faults:?}"));
            let again = again.map(|lines| lines.into_iter().find(|(_, _, origin)| *origin != Origin::Default));
            prop_assert_eq!(again.map(|line| line.map(|line| line.1)), Ok(Some(shown)));
        }
    }
}

/// Values such as stand in profiles, and such as do not.
fn value() -> impl Strategy<Value = String> {
    let words = [
        "none",
        "on",
        "drain",
        "1.5/cpu",
        "0.3/cpu",
        "3x",
        "10GiB",
        "1.5M",
        "7B",
        "/bin/true",
        "home",
        "job",
        "host",
        "ec",
        "1 per 1h",
        "USR1@10m",
        "Mo-Fr 08:00-18:00",
        "Wk1800-0700",
        "always",
        "all",
        "fifo",
        "never",
        "forever",
        "10s",
        "90m",
        "gpu=1",
        "scratch>=500GiB",
        "raid",
        "/var 10GiB",
        "ada@example.org",
        "redfish",
        "x-*",
        "",
    ];
    let word = proptest::sample::select(words.to_vec()).prop_map(|word| format!("{word:?}"));
    let leaf = prop_oneof![
        4 => word,
        1 => any::<i64>().prop_map(|number| number.to_string()),
        2 => (-50..5000_i64).prop_map(|number| number.to_string()),
        1 => any::<f64>().prop_map(|number| format!("{number:?}")),
        1 => any::<bool>().prop_map(|truth| truth.to_string()),
        1 => "[a-z0-9/@=>.:,* -]{0,12}".prop_map(|text| format!("{text:?}")),
    ];
    leaf.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..3).prop_map(|list| format!("[{}]", list.join(", "))),
            (inner.clone(), inner.clone())
                .prop_map(|(one, other)| format!("{{ count = {one}, counted-by = {other}, \"/var\" = {one} }}")),
            inner.prop_map(|value| format!("{{ gpu = {value}, \"/\" = {value} }}")),
            inner_pair(),
        ]
    })
}

fn inner_pair() -> impl Strategy<Value = String> {
    (0..100_u32, 0..100_u32).prop_map(|(one, other)| format!("[{one}, {other}]"))
}
