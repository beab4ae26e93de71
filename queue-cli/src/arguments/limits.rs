//! The options that say what a job may use, for sessions and batch jobs alike: `--time`, `--warn`, `--grace` and `--mem`.

use clap::{Arg, ArgMatches};
use wire::job::{TimeLimit, Warn};
use wire::limits::{LONGEST_S, parse_length};

use crate::failure::Failure;

/// The options.
pub fn options() -> Vec<Arg> {
    let value = |name: &'static str| Arg::new(name).long(name).num_args(1).help_heading(HEADING);
    vec![
        value("time").value_name("TIME").help("It may run so long, such as 2h; then it is ended"),
        value("warn").value_name("SIGNAL@TIME").help("A signal so long before, such as USR1@10m"),
        value("mem").value_name("SIZE").help("It may have so much memory, such as 8G; then it is ended"),
        value("grace").value_name("TIME").help("Between TERM and KILL, as the queue says (10s)"),
    ]
}

const HEADING: &str = "Limits";

/// Reads them.
///
/// # Errors
/// One of them is no time or no signal, or there is nothing to warn of.
pub fn read(matches: &ArgMatches) -> Result<Option<TimeLimit>, Failure> {
    let text = |name: &str| matches.get_one::<String>(name).map(String::as_str);
    let time = text("time").map(seconds).transpose().map_err(|expected| wrong("time", text("time"), expected))?;
    let warn = text("warn").map(warning).transpose().map_err(|expected| wrong("warn", text("warn"), expected))?;
    let grace = text("grace").map(grace).transpose().map_err(|expected| wrong("grace", text("grace"), expected))?;
    together(time, warn, grace).map_err(|why| Failure::usage(format!("--{}", why.replace("with time", "with --time"))))
}

/// Reads `--mem`.
///
/// # Errors
/// It is no size.
pub fn memory(matches: &ArgMatches) -> Result<Option<u64>, Failure> {
    let text = matches.get_one::<String>("mem").map(String::as_str);
    text.map(size).transpose().map_err(|expected| wrong("mem", text, expected))
}

/// Bytes, with K, M, G or T behind them in powers of 1024, as in `8G` and `8GiB`.
///
/// # Errors
/// What is expected instead.
pub fn size(text: &str) -> Result<u64, &'static str> {
    let text = text.trim();
    let text = text.strip_suffix("iB").or_else(|| text.strip_suffix('B')).unwrap_or(text);
    let split = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at(split);
    let shift = match unit.trim() {
        "" => 0,
        "K" | "k" => 10,
        "M" | "m" => 20,
        "G" | "g" => 30,
        "T" | "t" => 40,
        _ => return Err(SIZE),
    };
    let bytes = digits.parse::<u64>().ok().and_then(|number| number.checked_mul(1 << shift));
    bytes.filter(|bytes| *bytes > 0).ok_or(SIZE)
}

/// What a size looks like.
pub const SIZE: &str = "a size such as 500M or 8G";

fn wrong(option: &str, text: Option<&str>, expected: &str) -> Failure {
    Failure::usage(format!("--{option}: {expected} is expected, not \"{}\"", text.unwrap_or_default()))
}

/// A time limit of its parts.
///
/// # Errors
/// They do not fit together; the sentence begins with the name of one of them.
pub fn together(time: Option<u64>, warn: Option<Warn>, grace_s: Option<u64>) -> Result<Option<TimeLimit>, String> {
    match (time, &warn, grace_s) {
        (Some(seconds), Some(warn), _) if warn.before_s >= seconds => {
            Err(format!("warn: {warn} is not within the time limit"))
        }
        (Some(seconds), ..) => Ok(Some(TimeLimit { seconds, warn, grace_s })),
        (None, None, None) => Ok(None),
        (None, Some(_), _) => Err("warn has a meaning only with time".to_owned()),
        (None, None, Some(_)) => Err("grace has a meaning only with time".to_owned()),
    }
}

/// A time limit, in seconds.
///
/// # Errors
/// What is expected instead.
pub fn seconds(text: &str) -> Result<u64, &'static str> {
    parse_length(text).filter(|seconds| (1..=LONGEST_S).contains(seconds)).ok_or(TIME)
}

/// A length of time that may be nothing.
///
/// # Errors
/// What is expected instead.
pub fn grace(text: &str) -> Result<u64, &'static str> {
    parse_length(text).filter(|seconds| *seconds <= LONGEST_S).ok_or(TIME)
}

/// `USR1@10m`.
///
/// # Errors
/// What is expected instead.
pub fn warning(text: &str) -> Result<Warn, &'static str> {
    let (signal, before) = text.split_once('@').ok_or(WARNING)?;
    let signal = signal.trim();
    let number = sys::signal::number(signal.strip_prefix("SIG").unwrap_or(signal)).ok_or(WARNING)?;
    let before_s = seconds(before).map_err(|_| WARNING)?;
    Ok(Warn { signal: sys::signal::name(number), before_s })
}

/// What a time limit looks like.
pub const TIME: &str = "a time such as 90s, 10m, 2h or 1d 12h";
/// What a warning looks like.
pub const WARNING: &str = "a signal and how long before the end, such as USR1@10m,";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_has_a_time_and_may_have_the_rest() {
        let usr1 = Warn { signal: "USR1".into(), before_s: 600 };
        assert_eq!((seconds("2h"), grace("0"), warning("SIGUSR1@10m")), (Ok(7200), Ok(0), Ok(usr1.clone())));
        assert_eq!((seconds("0"), warning("USR1"), warning("XYZ@1m")), (Err(TIME), Err(WARNING), Err(WARNING)));
        let all = TimeLimit { seconds: 7200, warn: Some(usr1.clone()), grace_s: Some(0) };
        assert_eq!(together(Some(7200), Some(usr1.clone()), Some(0)), Ok(Some(all)));
        assert_eq!(together(None, None, None), Ok(None));
        assert_eq!(["8G", "8GiB", "8 G", "1024", "1KB"].map(size), [8 << 30, 8 << 30, 8 << 30, 1024, 1024].map(Ok));
        assert_eq!(["", "0", "8X", "G", "99999999999T", "1.5G"].map(size), [Err(SIZE); 6]);
        assert_eq!(together(None, None, Some(1)), Err("grace has a meaning only with time".into()));
        assert_eq!(together(Some(600), Some(usr1), None), Err("warn: USR1@10min is not within the time limit".into()));
    }
}
