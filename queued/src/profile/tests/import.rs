//! GNU Queue's own format.

use proptest::prelude::*;

use super::*;

/// The one line that a line becomes.
fn becomes(original: &str) -> String {
    let import = import(original);
    assert_eq!((&import.remarks, &import.faults), (&vec![], &vec![]), "{original}");
    assert!(parse(&import.toml).is_ok(), "{}", import.toml);
    import.toml.trim_end().to_owned()
}

/// What a line becomes, and the remark about it.
fn remarked(original: &str) -> (String, String) {
    let import = import(original);
    assert_eq!((import.remarks.len(), &import.faults), (1, &vec![]), "{original}: {:?}", import.remarks);
    (import.toml.trim_end().to_owned(), import.remarks[0].message.clone())
}

fn refused(original: &str) -> String {
    let import = import(original);
    assert_eq!((import.faults.len(), import.toml.as_str()), (1, ""), "{original}");
    import.faults[0].to_string()
}

#[test]
fn every_directive_is_taken_over() {
    for (original, toml) in [
        ("exec on", "exec = \"on\""),
        ("exec off", "exec = \"off\""),
        ("exec drain", "exec = \"drain\""),
        ("exec", "exec = \"on\""),
        ("  maxexec\t3  ", "maxexec = 3"),
        ("vmaxexec 2", "vmaxexec = 2"),
        ("pfactor 100", "pfactor = 100"),
        ("loadsched 25", "loadsched = 25"),
        ("loadstop 50", "loadstop = 50"),
        ("loadcheckpoint 26", "loadcheckpoint = 26"),
        ("checkpointmode 0", "checkpointmode = 0"),
        ("restartmode 2", "restartmode = 2"),
        ("restartflag -restart", "restartflag = \"-restart\""),
        ("minfree /var 2048", "minfree = { \"/var\" = \"2048KiB\" }"),
        ("timesched Sa,Su", "timesched = \"Sa,Su\""),
        ("timestop Night,1200-1300", "timestop = \"Night,1200-1300\""),
        ("timestop Evening", "timestop = \"Evening\""),
        ("program /usr/local/bin/may-run", "program = \"/usr/local/bin/may-run\""),
        ("nice -40", "nice = -40"),
        ("rlimitcpu 3600", "rlimitcpu = 3600"),
        ("rlimitcpu 3600 7200", "rlimitcpu = [3600, 7200]"),
        ("cpulimit 60", "rlimitcpu = 60"),
        ("rlimitfsize 1", "rlimitfsize = 1"),
        ("rlimitdata 1 2", "rlimitdata = [1, 2]"),
        ("rlimitstack 1", "rlimitstack = 1"),
        ("rlimitcore 0", "rlimitcore = 0"),
        ("rlimitrss 1", "rlimitrss = 1"),
        ("rlimitnofile 64 128", "rlimitnofile = [64, 128]"),
        ("rlimitvmem 1", "rlimitvmem = 1"),
        ("rlimitas 1", "rlimitvmem = 1"),
        ("restart", "restart = true"),
        ("supervisor /dev/null", "supervisor = \"/dev/null\""),
        ("supervisor ada@example.org", "supervisor = \"ada@example.org\""),
        ("mail", "mail = \"none\""),
        ("mail ces", "mail = \"sec\""),
        ("mailsupervisor ec", "mailsupervisor = \"ec\""),
    ] {
        assert_eq!(becomes(original), toml, "{original}");
    }
}

#[test]
fn lines_for_hosts_become_tables() {
    let original = "host fast_host pfactor 100\nhost slow_host pfactor 50\nhost Fast_Host vmaxexec 2\nmaxexec 3\n";
    assert_eq!(
        becomes(original),
        "maxexec = 3\n\n[host.fast_host]\npfactor = 100\nvmaxexec = 2\n\n[host.slow_host]\npfactor = 50"
    );
    assert_eq!(becomes("host red.example.org exec off"), "\n[host.\"red.example.org\"]\nexec = \"off\"");
    let (toml, remark) = remarked("host a nice 3\nnice 5\n");
    assert_eq!(toml, "nice = 5\n\n[host.a]\nnice = 3");
    assert!(remark.starts_with("nice: to GNU Queue this line, being the later one, stood for a too"), "{remark}");
    assert_eq!(becomes("nice 5\nhost a nice 3\n"), "nice = 5\n\n[host.a]\nnice = 3");
}

#[test]
fn comments_stay_and_empty_lines_go() {
    assert_eq!(becomes("# one\n\nnice 1\n   \n#two\n"), "# one\n#two\nnice = 1");
    assert_eq!(becomes(""), "");
    let (toml, remark) = remarked("nice 1 # later\n");
    assert_eq!(toml, "nice = 1");
    assert_eq!(remark, "what stands behind # is taken for a comment; to GNU Queue it was an error");
    assert!(parse(&import("#\u{7}bell\n#\u{1b}[31m\n").toml).is_ok());
}

#[test]
fn what_has_another_meaning_here_is_remarked() {
    for (original, toml, remark) in [
        (
            "timesched Wk1800-0700",
            "timesched = \"Wk1800-0700\"",
            "timesched: in \"Wk1800-0700\" both day and hours must fit; GNU Queue forgot the day",
        ),
        (
            "checkpointmode 1",
            "",
            "checkpointmode 1: left out, because no kernel saves processes the way GNU Queue's did; 2 has a job save itself",
        ),
        (
            "restartmode 1",
            "",
            "restartmode 1: left out, because no kernel saves processes the way GNU Queue's did; 2 has a job save itself",
        ),
        ("mail root", "mail = \"none\"", "mail \"root\": of this GNU Queue took only the letters s, e and c: \"none\""),
        (
            "mail operator@site",
            "mail = \"se\"",
            "mail \"operator@site\": of this GNU Queue took only the letters s, e and c: \"se\"",
        ),
        (
            "supervisor root",
            "",
            "supervisor \"root\": left out, because it is neither an address with an @ nor an absolute path",
        ),
        ("program may-run", "", "program \"may-run\": left out, because only a program with an absolute path is run"),
        ("nice 1\nnice 2", "nice = 2", "nice: replaces what line 1 says, as it did for GNU Queue"),
        (
            "minfree /a 1\nminfree /b 2\nminfree /a 3",
            "minfree = { \"/b\" = \"2KiB\", \"/a\" = \"3KiB\" }",
            "minfree: replaces what line 1 says, as it did for GNU Queue",
        ),
    ] {
        assert_eq!(remarked(original), (toml.to_owned(), remark.to_owned()), "{original}");
    }
    assert_eq!(import("\n\nprogram x\n").remarks[0].line, 3);
}

#[test]
fn what_cannot_be_understood_is_a_fault_with_its_place() {
    for (original, fault) in [
        ("exec maybe", "1:6: exec maybe: \"on\", \"off\" or \"drain\" is expected"),
        ("exec on on", "1:9: exec: one word is expected behind it"),
        ("maxexec", "1:1: maxexec: one word is expected behind it"),
        ("maxexec two", "1:9: maxexec \"two\": a whole number is expected"),
        (
            "maxexec 100001",
            "1:9: maxexec 100001: a whole number from 0 to 100000, or a number per CPU such as \"1/cpu\", or \"none\", is expected",
        ),
        ("nice 41", "1:6: nice 41: a whole number from -40 to 40 is expected"),
        ("pfactor 0", "1:9: pfactor 0: a number above 0, or \"none\", is expected"),
        ("host a nice -41", "1:13: nice -41: a whole number from -40 to 40 is expected"),
        (
            "rlimitcore 2 1",
            "1:12: rlimitcore 2 1: the first of the two, the soft limit, is above the second, the hard one",
        ),
        ("rlimitcore 1 2 3", "1:12: rlimitcore 1 2 3: one or two numbers are expected"),
        ("restartmode 3", "1:13: restartmode 3: 0 or 2 is expected"),
        ("restart now", "1:9: restart: nothing is expected behind it"),
        ("minfree var 1", "1:9: minfree var 1: an absolute path and a number of KiB are expected"),
        (
            "timesched Sa, Xy",
            "1:11: timesched: \"Xy\" is not understood; days and hours such as Wk1800-0700 are expected",
        ),
        ("maxqueue 3", "1:1: \"maxqueue\": GNU Queue had reserved this word and given it no meaning"),
        ("day Sa", "1:1: \"day\": GNU Queue had reserved this word and given it no meaning"),
        ("console", "1:1: \"console\": GNU Queue had reserved this word and given it no meaning"),
        ("maxfree 3", "1:1: \"maxfree\": no directive of GNU Queue's; did you mean \"maxexec\"?"),
        ("  loadshed 3", "1:3: \"loadshed\": no directive of GNU Queue's; did you mean \"loadsched\"?"),
        ("blub", "1:1: \"blub\": no directive of GNU Queue's"),
        ("host", "1:1: host: a host's name and a directive are expected"),
        ("host a", "1:6: host a: a directive is expected behind it"),
        ("host a host b nice 1", "1:8: host: a host's name stands before a directive, once"),
        ("host a/b nice 1", "1:6: host \"a/b\": a host's name is expected"),
    ] {
        assert_eq!(refused(original), fault, "{original}");
    }
    let several = import("blub\nnice 3\nnice 99\nexec off\n");
    assert_eq!(several.toml, "nice = 3\nexec = \"off\"\n");
    assert_eq!(several.faults.iter().map(|fault| fault.line).collect::<Vec<_>>(), [1, 3]);
    assert_eq!(import(&"blub\n".repeat(50)).faults.len(), MOST_FAULTS);
    assert_eq!(import(&"#".repeat(LONGEST + 1)).faults.len(), 1);
}

/// The sample of GNU Queue's distribution, as its manual prints it.
#[test]
fn the_sample_profile_is_taken_over_whole() {
    let original = "\
# a sample
exec on
supervisor /var/queue/now/mail_log2
host fast_host pfactor 100
host slow_host pfactor 50
host fast_host vmaxexec 2
host slow_host vmaxexec 1
maxexec 3
";
    let import = import(original);
    assert_eq!((import.remarks, import.faults), (vec![], vec![]));
    let profile = parse(&import.toml).expect("well formed");
    let fast = profile.effective("now", &HostFacts { name: "fast_host".to_owned(), cpus: 1 });
    assert_eq!((fast.pfactor.value, fast.vmaxexec.value, fast.slots()), (Some(100.0), Some(2), Some(3)));
    let slow = profile.effective("now", &HostFacts { name: "Slow_Host".to_owned(), cpus: 1 });
    assert_eq!((slow.pfactor.value, slow.vmaxexec.value, slow.slots()), (Some(50.0), Some(1), Some(3)));
}

proptest! {
    #[test]
    fn whatever_comes_out_is_a_profile(lines in proptest::collection::vec(line(), 0..12)) {
        let import = import(&lines.join("\n"));
        prop_assert!(parse(&import.toml).is_ok(), "{}", import.toml);
    }

    #[test]
    fn no_bytes_are_the_end(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let import = import(&String::from_utf8_lossy(&bytes));
        prop_assert!(parse(&import.toml).is_ok(), "{}", import.toml);
    }
}

fn line() -> impl Strategy<Value = String> {
    let names = NAMES.iter().copied().chain(["cpulimit", "host a", "host B", "#", "", "host"]).collect::<Vec<_>>();
    let words =
        ["on", "3", "-5", "0", "9999999999", "/var", "Sa", "Wk1800-0700", "ec", "a\"b\\", "exec", "nice", "#", "\u{7}"];
    let words = proptest::collection::vec(proptest::sample::select(words.to_vec()), 0..4);
    (proptest::sample::select(names), words).prop_map(|(name, words)| format!("{name} {}", words.join(" ")))
}
