//! Shell lines: each is a command, exactly as it stands there.
//!
//! Blank lines and lines that begin with `#` are skipped. What only looks like a command, because it is
//! really a listing, a record or a script, is refused with both readings, unless the person has said that
//! lines are meant.

use wire::ByteString;

use super::ids::job_name;
use super::record::{Command, Record, is_field};
use super::source::{Problem, Source, shown};
use super::{LONGEST_LINE, MOST, too_many};

/// A line that says something.
#[derive(Debug, Clone, Copy)]
pub struct Line<'a> {
    /// From 1.
    pub number: usize,
    /// Where it begins.
    pub offset: usize,
    /// Without its end.
    pub bytes: &'a [u8],
}

/// Gives each line to `sink` that is neither blank nor a comment.
pub fn each<'a>(source: &Source<'a>, mut sink: impl FnMut(Line<'a>) -> Result<(), Problem>) -> Result<(), Problem> {
    let mut offset = 0;
    for (index, bytes) in source.bytes.split(|byte| *byte == b'\n').enumerate() {
        let line = Line { number: index + 1, offset, bytes: bytes.strip_suffix(b"\r").unwrap_or(bytes) };
        offset += bytes.len() + 1;
        if line.bytes.len() > LONGEST_LINE {
            return Err(Problem::at(line.offset, "this line is longer than 1 MiB"));
        }
        match line.bytes.trim_ascii_start().first() {
            None | Some(b'#') => {}
            Some(_) => sink(line)?,
        }
    }
    Ok(())
}

/// Each line as a job. `forced`: the person says that these are commands, whatever they look like.
pub fn commands(source: &Source, forced: bool) -> Result<Vec<Record>, Problem> {
    let mut records = Vec::new();
    if !forced && source.bytes.starts_with(b"#!") {
        let message = "this begins with \"#!\", so it is a script, and as a list each of its lines would be a job; to \
                       run the script as one job say: queue -r -- FILE, and if it is a list say --format lines";
        return Err(Problem::at(0, message));
    }
    each(source, |line| {
        if !forced {
            check(&line)?;
        }
        if let Some(zero) = line.bytes.iter().position(|byte| *byte == 0) {
            return Err(Problem::at(line.offset + zero, "a zero byte cannot be part of a command"));
        }
        if records.len() == MOST {
            return Err(too_many(line.offset));
        }
        let command = match std::str::from_utf8(line.bytes) {
            Ok(text) => Command::Shell(text.to_owned()),
            // The same, for file names in an older encoding.
            Err(_) => Command::Argv(vec!["/bin/sh".into(), "-c".into(), ByteString(line.bytes.to_vec())]),
        };
        records.push(Record { line: line.number, command, said: None });
        Ok(())
    })?;
    Ok(records)
}

/// Refuses what could be something else than a command.
fn check(line: &Line) -> Result<(), Problem> {
    // Nearly every line is done with here.
    let text = line.bytes.trim_ascii();
    let word = text.split(u8::is_ascii_whitespace).next().unwrap_or_default();
    let suspicious = text[0].is_ascii_digit() || text[0] == b'-' || word.ends_with(b":") || word.contains(&b'=');
    if !suspicious && word != b"ID" {
        return Ok(());
    }
    let (Ok(text), Ok(word)) = (std::str::from_utf8(text), std::str::from_utf8(word)) else { return Ok(()) };
    let refused =
        |message: String| Err(Problem::at(line.offset, format!("{message}; if it is one, say --format lines")));
    if job_name(word).is_some() {
        return refused(format!(
            "{} names job {word}, as in a list of ids or a table of jobs, and is no command here; to run that job \
             again say: queue resubmit {word}",
            shown(text)
        ));
    }
    if let Some(("jid" | "id", id)) = text.split_once(['=', ':'])
        && job_name(id.trim()).is_some()
    {
        let id = id.trim();
        return refused(format!(
            "{} names job {id}, and is no command here; to run that job again say: queue resubmit {id}",
            shown(text)
        ));
    }
    if word == "ID" && text.split_ascii_whitespace().all(|word| !word.contains(|letter: char| letter.is_lowercase())) {
        return refused(
            "this is the heading of a table of jobs, and is no command here; a listing that can be submitted is made \
             by queue list --json"
                .to_owned(),
        );
    }
    if matches!(word, "---" | "-") {
        return refused(format!(
            "{} belongs to YAML, but the file began with a command on a line; write all of it in one format",
            shown(text)
        ));
    }
    if let Some(field) = word.strip_suffix(':').filter(|field| is_field(field)) {
        return refused(format!(
            "{} reads like the field {field} of a job in YAML, where the job begins with \"- \", and is no command \
             here",
            shown(text)
        ));
    }
    Ok(())
}
