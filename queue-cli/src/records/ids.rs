//! Ids of jobs: one on a line, or in whatever listing they come.
//!
//! Only ids are looked at: other fields may be new, or misspelt, or anything.

use wire::api::JobName;

use super::source::{Problem, Source, shown};
use super::value::{Shape, Value};
use super::{MOST, Named, lines, too_many};

/// `17` or `17@redfish`.
pub fn job_name(text: &str) -> Option<JobName> {
    let (id, home) = match text.split_once('@') {
        Some((id, home)) => (id, Some(home)),
        None => (text, None),
    };
    // A plus sign is a number to the library.
    if !id.starts_with(|letter: char| letter.is_ascii_digit()) || home.is_some_and(|home| !is_home(home)) {
        return None;
    }
    Some(JobName { id: id.parse().ok()?, home: home.map(str::to_owned) })
}

fn is_home(home: &str) -> bool {
    !home.is_empty() && home.len() <= LONGEST_HOST && !home.contains(|letter: char| letter.is_whitespace())
}

/// `s17`, as `queue history` calls a session.
fn is_session(word: &str) -> bool {
    word.strip_prefix('s').and_then(job_name).is_some()
}

/// The id that an element of a listing has; none: it is a session's.
pub fn of_value(value: Value) -> Result<Option<JobName>, Problem> {
    let offset = value.offset;
    let entries = match value.shape {
        Shape::Map(_) => value.map("a job")?,
        Shape::Text(ref text) if is_session(text) => return Ok(None),
        _ => return named(value).map(Some),
    };
    let (mut id, mut home) = (None, None);
    let mut is_session = false;
    for entry in entries {
        match &*entry.key {
            "id" | "jid" if id.is_some() => return Err(Problem::at(entry.offset, "an id is said twice")),
            "id" | "jid" => id = Some(named(entry.value)?),
            "kind" => is_session |= matches!(&entry.value.shape, Shape::Text(kind) if kind == "session"),
            "home" if entry.value.shape != Shape::Nothing => {
                let offset = entry.value.offset;
                let name = entry.value.text("home")?;
                if !is_home(&name) {
                    return Err(Problem::at(offset, format!("{} is not the name of a host", shown(&name))));
                }
                home = Some(name);
            }
            _ => {}
        }
    }
    let id = id.ok_or_else(|| Problem::at(offset, "this has no \"id\" and so names no job"))?;
    Ok((!is_session).then(|| JobName { home: id.home.or(home), ..id }))
}

fn named(value: Value) -> Result<JobName, Problem> {
    let name = match &value.shape {
        Shape::Number(written) => job_name(written),
        Shape::Text(text) => job_name(text),
        _ => None,
    };
    name.ok_or_else(|| value.is_not("id", "a job such as 17 or 17@redfish"))
}

/// The first column of a table, or one id on each line, or several.
pub fn of_lines(source: &Source) -> Result<Named, Problem> {
    let (mut names, mut sessions) = (Vec::new(), 0);
    lines::each(source, |line| {
        let refused = || {
            let text = String::from_utf8_lossy(line.bytes);
            Problem::at(
                line.offset,
                format!("{} does not begin with a job such as 17 or 17@redfish", shown(text.trim())),
            )
        };
        let text = std::str::from_utf8(line.bytes).map_err(|_| refused())?.trim();
        let text = match text.split_once(['=', ':']) {
            Some(("jid" | "id", id)) => id.trim(),
            _ => text,
        };
        let mut words = text.split_ascii_whitespace();
        let first = words.next().unwrap_or_default();
        if first == "ID" {
            return Ok(());
        }
        if is_session(first) {
            sessions += 1;
            return Ok(());
        }
        let before = names.len();
        names.push(job_name(first).ok_or_else(refused)?);
        for word in words {
            // The second column of a table is a state.
            match job_name(word) {
                Some(name) => names.push(name),
                None if names.len() == before + 1 => break,
                None => {
                    let message = format!("after several jobs, {} is none: 17 or 17@redfish is expected", shown(word));
                    return Err(Problem::at(line.offset, message));
                }
            }
        }
        if names.len() > MOST { Err(too_many(line.offset)) } else { Ok(()) }
    })?;
    Ok(Named { jobs: names, sessions })
}

const LONGEST_HOST: usize = 64;
