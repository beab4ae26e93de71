//! Fields that are more than a text, a number or a truth.

use std::time::Duration;

use jiff::SignedDuration;
use wire::ByteString;
use wire::after::Written;
use wire::array::Array;
use wire::batch::{MailWish, Variant};
use wire::job::Warn;
use wire::needs::{MOST_NEEDS, Need};

use super::record::Said;
use super::source::{Problem, shown};
use super::value::{Shape, Value};
use crate::arguments::limits;
use crate::arguments::needs::MOST_CPUS;

/// A program and its arguments.
pub fn argv(value: Value, field: &str) -> Result<Vec<ByteString>, Problem> {
    if matches!(value.shape, Shape::Text(_)) {
        return Err(value.is_not(field, "a list of words (a shell command is \"command\")"));
    }
    let place = value.offset;
    let argv = value.list(field)?.into_iter().map(|word| word.bytes(field)).collect::<Result<Vec<_>, _>>()?;
    match argv.first() {
        Some(program) if program.0.is_empty() => Err(Problem::at(place, format!("{field}: the program has no name"))),
        _ => Ok(argv),
    }
}

/// A shell command, or the address that the job's row is posted to.
pub fn notify(value: Value, field: &str) -> Result<ByteString, Problem> {
    let place = value.offset;
    let command = value.bytes(field)?;
    match command.0.trim_ascii().is_empty() {
        true => Err(Problem::at(place, format!("{field}: this is empty"))),
        false => Ok(command),
    }
}

/// A number, or one of rq's and Argon's classes.
pub fn priority(value: &Value, field: &str) -> Result<i32, Problem> {
    match &value.shape {
        Shape::Text(text) if text == "high" => Ok(10),
        Shape::Text(text) if text == "normal" => Ok(0),
        Shape::Text(text) if text == "low" => Ok(-10),
        _ => value.whole(field, "a whole number, or high, normal or low,"),
    }
}

/// `30` are seconds; `5 min` and `1h 30m` are what they say.
pub fn backoff(value: Value, field: &str) -> Result<Duration, Problem> {
    let expected = "a time such as 30, which are seconds, or 5 min";
    if let Ok(seconds) = value.whole::<u32>(field, expected) {
        return Ok(Duration::from_secs(seconds.into()));
    }
    let Shape::Text(text) = &value.shape else { return Err(value.is_not(field, expected)) };
    let duration = text.parse::<SignedDuration>().ok().and_then(|duration| Duration::try_from(duration).ok());
    match duration.filter(|duration| duration.as_secs() <= u32::MAX.into()) {
        Some(duration) => Ok(duration),
        None => Err(value.is_not(field, expected)),
    }
}

/// How long a job may run, in seconds.
pub fn time(value: Value, field: &str) -> Result<u64, Problem> {
    let place = value.offset;
    match length(value, field)? {
        0 => Err(Problem::at(place, format!("{field}: a job that may run no time at all is not worth a submission"))),
        seconds => Ok(seconds),
    }
}

/// A length of time in seconds: `90`, `10m`, `2h`.
pub fn length(value: Value, field: &str) -> Result<u64, Problem> {
    if let Ok(seconds) = value.whole::<u64>(field, limits::TIME) {
        return Ok(seconds.min(wire::limits::LONGEST_S));
    }
    let Shape::Text(text) = &value.shape else { return Err(value.is_not(field, limits::TIME)) };
    limits::grace(text).map_err(|expected| value.is_not(field, expected))
}

/// `USR1@10m`, or the object that listings have.
pub fn warning(value: Value, field: &str) -> Result<Warn, Problem> {
    if let Shape::Text(text) = &value.shape {
        return limits::warning(text).map_err(|expected| value.is_not(field, expected));
    }
    let place = value.offset;
    let (mut signal, mut before) = (None, None);
    for entry in value.map(field)? {
        match &*entry.key {
            "signal" => signal = Some(entry.value.text("signal")?),
            "before_s" => before = Some(entry.value.whole("before_s", limits::TIME)?),
            key => {
                let message = format!("warn: {} is not one of signal and before_s", shown(key));
                return Err(Problem::at(entry.offset, message));
            }
        }
    }
    match (signal, before) {
        (Some(signal), Some(before_s)) => Ok(Warn { signal, before_s }),
        _ => Err(Problem::at(place, "warn: a signal, and before_s, are expected")),
    }
}

/// Bytes, or a size such as `8G`.
pub fn memory(value: Value, field: &str) -> Result<u64, Problem> {
    match &value.shape {
        Shape::Text(text) => limits::size(text).map_err(|expected| value.is_not(field, expected)),
        _ => value.whole(field, limits::SIZE),
    }
}

/// What listings have of limits.
pub fn limits(value: Value, field: &str, said: &mut Said) -> Result<(), Problem> {
    for entry in value.map(field)? {
        match &*entry.key {
            _ if entry.value.shape == Shape::Nothing => {}
            "time" => {
                for entry in entry.value.map("time")? {
                    match &*entry.key {
                        _ if entry.value.shape == Shape::Nothing => {}
                        "seconds" => said.time = Some(time(entry.value, "seconds")?),
                        "warn" => said.warn = Some(warning(entry.value, "warn")?),
                        "grace_s" => said.grace_s = Some(length(entry.value, "grace_s")?),
                        key => {
                            let message = format!("time: {} is not one of seconds, warn and grace_s", shown(key));
                            return Err(Problem::at(entry.offset, message));
                        }
                    }
                }
            }
            "memory" => said.memory = Some(memory(entry.value, "memory")?),
            key => {
                let message = format!("limits: {} is none that a job has", shown(key));
                return Err(Problem::at(entry.offset, message));
            }
        }
    }
    Ok(())
}

/// `1-1000:2%50`.
pub fn array(value: &Value, field: &str) -> Result<Array, Problem> {
    match &value.shape {
        Shape::Text(text) => text.parse().map_err(|why| Problem::at(value.offset, format!("{field}: {why}"))),
        _ => Err(value.is_not(field, "a range such as 1-1000")),
    }
}

/// Jobs that it waits for: one, or a list of them, each a number or a text such as `17:any`.
pub fn after(value: Value, field: &str) -> Result<Vec<Written>, Problem> {
    let one = |value: &Value| {
        let text = match &value.shape {
            Shape::Number(text) => text.to_string(),
            Shape::Text(text) => text.to_string(),
            _ => return Err(value.is_not(field, "a job such as 17, 17:any, 17:fail or 101-600")),
        };
        text.trim().parse().map_err(|error| Problem::at(value.offset, format!("{field}: {error}")))
    };
    match &value.shape {
        Shape::List(values) => values.iter().map(one).collect(),
        _ => Ok(vec![one(&value)?]),
    }
}

/// A list, or names with commas or blanks between them.
pub fn hosts(value: Value, field: &str) -> Result<Vec<String>, Problem> {
    let place = value.offset;
    let hosts = match value.shape {
        Shape::List(hosts) => hosts.into_iter().map(|host| host.text(field)).collect::<Result<Vec<_>, _>>()?,
        _ => {
            let text = value.text(field)?;
            let names = text.split([',', ' ', '\t']).filter(|name| !name.is_empty());
            names.map(str::to_owned).collect()
        }
    };
    match hosts.iter().find(|host| host.is_empty() || host.contains(char::is_whitespace)) {
        Some(host) => Err(Problem::at(place, format!("{field}: {} is not the name of a host", shown(host)))),
        None => Ok(hosts),
    }
}

/// A list of needs, or one.
pub fn needs(value: Value, field: &str) -> Result<Vec<Need>, Problem> {
    let place = value.offset;
    let texts = match value.shape {
        Shape::List(needs) => {
            needs.into_iter().map(|need| Ok((need.offset, need.text(field)?))).collect::<Result<Vec<_>, Problem>>()?
        }
        _ => vec![(place, value.text(field)?)],
    };
    if texts.len() > MOST_NEEDS {
        return Err(Problem::at(place, format!("{field}: at most {MOST_NEEDS} are expected")));
    }
    let need = |(place, text): (usize, String)| {
        let wrong = || {
            let message = format!("{field}: {} is no need such as gpu=1, scratch>=500GiB or raid", shown(&text));
            Problem::at(place, message)
        };
        Need::parse(&text).ok_or_else(wrong)
    };
    let mut needs = texts.into_iter().map(need).collect::<Result<Vec<_>, _>>()?;
    needs.sort();
    Ok(needs)
}

/// How many slots.
pub fn cpus(value: &Value, field: &str) -> Result<u32, Problem> {
    let expected = "a whole number from 1";
    match value.whole(field, expected)? {
        cpus @ 1..=MOST_CPUS => Ok(cpus),
        _ => Err(value.is_not(field, expected)),
    }
}

/// A list, or one tag; rq has one, with anything in it.
pub fn tags(value: Value, field: &str) -> Result<Vec<String>, Problem> {
    match value.shape {
        Shape::List(tags) => tags.into_iter().map(|tag| tag.text(field)).collect(),
        Shape::Text(ref text) if field == "tags" && text.contains([',', ' ']) => {
            let place = value.offset;
            let message = format!("tags: {} can be one tag or several; write a list, or \"tag\" for one", shown(text));
            Err(Problem::at(place, message))
        }
        _ => Ok(vec![value.text(field)?]),
    }
}

/// `none`, or some of `end`, `start` and `failure`; or the object that listings have.
pub fn mail(value: Value, field: &str) -> Result<MailWish, Problem> {
    let place = value.offset;
    let mut wish = MailWish::default();
    match value.shape {
        Shape::Map(_) => {
            for entry in value.map(field)? {
                match &*entry.key {
                    "start" => wish.start = entry.value.truth("start")?,
                    "end" => wish.end = entry.value.truth("end")?,
                    "failure" => wish.failure = entry.value.truth("failure")?,
                    "to" if entry.value.shape == Shape::Nothing => {}
                    "to" => wish.to = Some(entry.value.text("to")?),
                    key => {
                        let message = format!("mail: {} is not one of start, end, failure and to", shown(key));
                        return Err(Problem::at(entry.offset, message));
                    }
                }
            }
        }
        _ => {
            let words = match value.shape {
                Shape::List(words) => words.into_iter().map(|word| word.text(field)).collect::<Result<Vec<_>, _>>()?,
                _ => value.text(field)?.split(',').map(str::to_owned).collect(),
            };
            for word in &words {
                match word.trim() {
                    "start" => wish.start = true,
                    "end" => wish.end = true,
                    "failure" => wish.failure = true,
                    "none" if words.len() == 1 => {}
                    "none" => return Err(Problem::at(place, "mail: none stands alone")),
                    word => {
                        let message = format!("mail: {} is not one of none, end, start and failure", shown(word));
                        return Err(Problem::at(place, message));
                    }
                }
            }
        }
    }
    Ok(wish)
}

/// A map, or a list of `NAME=value`.
pub fn environment(value: Value, field: &str) -> Result<Vec<(String, String)>, Problem> {
    let mut variables = Vec::new();
    match value.shape {
        Shape::List(entries) => {
            for entry in entries {
                let place = entry.offset;
                let text = entry.text(field)?;
                let (name, value) = text.split_once('=').unwrap_or((&text, ""));
                if text.len() == name.len() {
                    let message = format!("{field}: {} stands where NAME=value is expected", shown(&text));
                    return Err(Problem::at(place, message));
                }
                variables.push((place, name.to_owned(), value.to_owned()));
            }
        }
        _ => {
            for entry in value.map(field)? {
                let text = entry.value.text(&entry.key)?;
                variables.push((entry.offset, entry.key.into_owned(), text));
            }
        }
    }
    if let Some((place, name, _)) = variables.iter().find(|(_, name, _)| name.is_empty() || name.contains(['=', '\0']))
    {
        return Err(Problem::at(*place, format!("{field}: {} is not the name of a variable", shown(name))));
    }
    let mut names = variables.iter().map(|(place, name, _)| (name, *place)).collect::<Vec<_>>();
    names.sort();
    if let Some(pair) = names.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        return Err(Problem::at(pair[1].1, format!("{field}: {} is said twice", shown(pair[1].0))));
    }
    Ok(variables.into_iter().map(|(_, name, value)| (name, value)).collect())
}

/// Each with a kind of host, and a command in one of the two ways.
pub fn variants(value: Value, field: &str) -> Result<Vec<Variant>, Problem> {
    value.list(field)?.into_iter().map(|one| variant(one, field)).collect()
}

fn variant(value: Value, field: &str) -> Result<Variant, Problem> {
    let place = value.offset;
    let mut variant = Variant { os: String::new(), arch: String::new(), argv: Vec::new() };
    for entry in value.map(field)? {
        match &*entry.key {
            "os" => variant.os = entry.value.text("os")?,
            "arch" => variant.arch = entry.value.text("arch")?,
            "argv" if variant.argv.is_empty() => variant.argv = argv(entry.value, "argv")?,
            "command" if variant.argv.is_empty() => {
                let text = entry.value.text("command")?;
                variant.argv = super::Command::Shell(text).into_argv();
            }
            "argv" | "command" => {
                return Err(Problem::at(entry.offset, "variants: one command for each, by argv or by command"));
            }
            key => {
                let message = format!("variants: {} is not one of os, arch, argv and command", shown(key));
                return Err(Problem::at(entry.offset, message));
            }
        }
    }
    match variant.argv.is_empty() {
        true => Err(Problem::at(place, "variants: this one says neither \"command\" nor \"argv\"")),
        false => Ok(variant),
    }
}
