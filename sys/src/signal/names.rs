//! Names of signals.
//!
//! Between hosts signals travel by name. Numbers differ between architectures, and the C
//! libraries disagree on where the real-time signals begin (glibc: 34, musl: 35); here the names
//! count from 34 everywhere, as kill(1) does.

/// The number of a signal: `INT`, `SIGINT`, `int`, `RTMIN+3`, `RTMAX-1`.
pub fn number(name: &str) -> Option<i32> {
    let name = name.to_ascii_uppercase();
    let name = name.strip_prefix("SIG").unwrap_or(&name);
    let named = NAMES.iter().chain(&ALIASES).find(|(_, known)| *known == name);
    if let Some((number, _)) = named {
        return Some(*number);
    }
    let (base, offset) = match name.strip_prefix("RTMIN") {
        Some(offset) => (RTMIN, offset),
        None => (RTMAX, name.strip_prefix("RTMAX")?),
    };
    let number = base.checked_add(signed(offset)?)?;
    (FIRST_REAL_TIME..=RTMAX).contains(&number).then_some(number)
}

/// The name of a signal without `SIG`, such as `INT` or `RTMIN+3`.
///
/// All of 1 to 64 have one that [`number`] understands; the two that the C library keeps for
/// itself are `RTMIN-2` and `RTMIN-1`.
pub fn name(number: i32) -> String {
    match NAMES.iter().find(|(known, _)| *known == number) {
        Some((_, name)) => (*name).to_owned(),
        None if number == RTMIN => "RTMIN".to_owned(),
        None => format!("RTMIN{:+}", i64::from(number) - i64::from(RTMIN)),
    }
}

/// A number with its sign, or nothing at all for zero.
fn signed(text: &str) -> Option<i32> {
    match text.as_bytes() {
        [] => Some(0),
        [b'+' | b'-', b'0'..=b'9', ..] => text.parse().ok(),
        _ => None,
    }
}

const FIRST_REAL_TIME: i32 = 32;
const RTMIN: i32 = 34;
const RTMAX: i32 = 64;

const NAMES: [(i32, &str); 31] = [
    (libc::SIGHUP, "HUP"),
    (libc::SIGINT, "INT"),
    (libc::SIGQUIT, "QUIT"),
    (libc::SIGILL, "ILL"),
    (libc::SIGTRAP, "TRAP"),
    (libc::SIGABRT, "ABRT"),
    (libc::SIGBUS, "BUS"),
    (libc::SIGFPE, "FPE"),
    (libc::SIGKILL, "KILL"),
    (libc::SIGUSR1, "USR1"),
    (libc::SIGSEGV, "SEGV"),
    (libc::SIGUSR2, "USR2"),
    (libc::SIGPIPE, "PIPE"),
    (libc::SIGALRM, "ALRM"),
    (libc::SIGTERM, "TERM"),
    (libc::SIGSTKFLT, "STKFLT"),
    (libc::SIGCHLD, "CHLD"),
    (libc::SIGCONT, "CONT"),
    (libc::SIGSTOP, "STOP"),
    (libc::SIGTSTP, "TSTP"),
    (libc::SIGTTIN, "TTIN"),
    (libc::SIGTTOU, "TTOU"),
    (libc::SIGURG, "URG"),
    (libc::SIGXCPU, "XCPU"),
    (libc::SIGXFSZ, "XFSZ"),
    (libc::SIGVTALRM, "VTALRM"),
    (libc::SIGPROF, "PROF"),
    (libc::SIGWINCH, "WINCH"),
    (libc::SIGIO, "IO"),
    (libc::SIGPWR, "PWR"),
    (libc::SIGSYS, "SYS"),
];

/// Other names of the same signals.
const ALIASES: [(i32, &str); 3] = [(libc::SIGABRT, "IOT"), (libc::SIGCHLD, "CLD"), (libc::SIGIO, "POLL")];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_signal_has_a_name_that_is_understood() {
        for wanted in 1..=64 {
            let name = name(wanted);
            assert!(!name.starts_with("SIG") && !name.contains('?'), "{wanted}: {name}");
            assert!(!name.starts_with(|first: char| first.is_ascii_digit()), "{wanted}: {name}");
            assert_eq!(number(&name), Some(wanted), "{name}");
            assert_eq!(number(&format!("sig{}", name.to_lowercase())), Some(wanted));
        }
    }

    #[test]
    fn names_are_the_usual_ones() {
        assert_eq!(name(2), "INT");
        assert_eq!(name(34), "RTMIN");
        assert_eq!(name(37), "RTMIN+3");
        assert_eq!(number("RTMAX"), Some(64));
        assert_eq!(number("RTMAX-14"), Some(50));
        assert_eq!(number("SIGPOLL"), number("IO"));
    }

    #[test]
    fn what_is_no_signal_has_no_number() {
        for text in [
            "",
            "SIG",
            "9",
            "RTMIN3",
            "RTMIN+",
            "RTMIN+31",
            "RTMIN-3",
            "RTMAX+1",
            "RTMIN++1",
            "RTMIN+2147483647",
            "RTMAX-2147483648",
            "RTMIN+99999999999",
            "INT ",
            "Ï",
        ] {
            assert_eq!(number(text), None, "{text:?}");
        }
    }

    #[test]
    fn a_number_out_of_range_does_not_panic() {
        for number in [i32::MIN, -1, 0, 65, i32::MAX] {
            name(number);
        }
    }
}
