//! What is wrong with a command line, in one sentence, with what to type instead.

use std::ffi::OsString;

use clap::Arg;
use clap::error::{ContextKind, ContextValue, ErrorKind};

use super::Invocation;
use super::surface::command;
use crate::failure::Failure;

/// One sentence for what is wrong; help and version are not wrong.
pub fn explain(error: &clap::Error, arguments: &[OsString]) -> Result<Invocation, Failure> {
    let context = |kind: ContextKind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.as_str()),
        Some(ContextValue::Strings(texts)) => texts.first().map(String::as_str),
        _ => None,
    };
    let invalid = context(ContextKind::InvalidArg).or(context(ContextKind::InvalidSubcommand));
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            return Ok(Invocation::Print(error.to_string()));
        }
        ErrorKind::UnknownArgument | ErrorKind::InvalidSubcommand
            if invalid.is_some_and(|word| !word.starts_with('-')) =>
        {
            if let Some(meant) = with_dashes(arguments) {
                return Err(Failure::usage(format!("a command stands behind --; say: {meant}")));
            }
        }
        ErrorKind::InvalidValue if arguments.last().is_some_and(|last| last == "-h") => {
            return Err(Failure::usage("-h names a host: -h HOST; for help type: queue --help"));
        }
        ErrorKind::MissingSubcommand | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            return Err(Failure::usage("say: queue cluster init (queue cluster --help)"));
        }
        _ => {}
    }
    let whole = error.to_string();
    let first = whole.lines().next().unwrap_or("wrong usage");
    let first = first.strip_prefix("error: ").unwrap_or(first);
    let suggested = context(ContextKind::SuggestedArg).or(context(ContextKind::SuggestedValue));
    Err(Failure::usage(match suggested {
        Some(suggested) => format!("{first}; did you mean {suggested}? (queue --help)"),
        None => format!("{first} (queue --help)"),
    }))
}

/// The line with `--` before its first word that is neither an option nor an option's value.
fn with_dashes(arguments: &[OsString]) -> Option<String> {
    let shape = command();
    let takes_value = |argument: &str| {
        let known = |found: &dyn Fn(&Arg) -> bool| {
            shape.get_arguments().any(|arg| !arg.is_last_set() && arg.get_action().takes_values() && found(arg))
        };
        match argument.strip_prefix("--") {
            Some(long) => known(&|arg| {
                arg.get_long() == Some(long) || arg.get_all_aliases().is_some_and(|names| names.contains(&long))
            }),
            // In a cluster such as -nh the last letter takes the value that stands apart.
            None => known(&|arg| arg.get_short().is_some_and(|short| argument.ends_with(short))),
        }
    };
    let mut words = arguments.iter().enumerate().skip(1);
    let mut first_word = None;
    while let Some((index, word)) = words.next() {
        match word.to_str() {
            Some(option) if option.starts_with('-') && option.len() > 1 => {
                if takes_value(option) {
                    words.next();
                }
            }
            _ => {
                first_word = Some(index);
                break;
            }
        }
    }
    let first_word = first_word?;
    let mut line = "queue".to_owned();
    for (index, word) in arguments.iter().enumerate().skip(1) {
        if index == first_word {
            line.push_str(" --");
        }
        // A "--" that came too late is not needed twice.
        if index > first_word && word == "--" {
            continue;
        }
        line.push(' ');
        line.push_str(&quoted(&word.to_string_lossy()));
    }
    Some(line)
}

/// The word as it may be pasted into a shell.
fn quoted(word: &str) -> String {
    let plain = |character: char| character.is_ascii_alphanumeric() || "-_./:=+,@%".contains(character);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}
