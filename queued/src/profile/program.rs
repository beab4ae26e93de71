//! Programs that a queue runs, file systems it watches, and the directory its jobs begin in.

use std::path::PathBuf;

use super::fault::Faults;
use super::size::{Size, size};
use super::value::{Value, gather};
use super::words::absolute;
use super::written::{self, Written, quoted};

/// A program and its arguments; no shell comes between.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// An absolute path, then the arguments.
    pub argv: Vec<String>,
}

pub(super) fn program(value: &Value<'_>) -> Result<Option<Program>, Faults> {
    let expected = "a program's absolute path, or a list of that and its arguments, or \"none\", is expected";
    match value.text() {
        Some("none") => return Ok(None),
        Some(path) if absolute(path) => return Ok(Some(Program { argv: vec![path.to_owned()] })),
        Some(_) => return value.refuse(expected),
        None => {}
    }
    let argv = value.each(MOST_ARGUMENTS, expected, |argument| match argument.text() {
        Some(text) if text.len() <= LONGEST_ARGUMENT && !text.contains('\0') => Ok(text.to_owned()),
        _ => argument.refuse("an argument is a string of at most 4096 bytes"),
    })?;
    match argv.first() {
        Some(path) if absolute(path) => Ok(Some(Program { argv })),
        _ => value.refuse(expected),
    }
}

impl Written for Program {
    fn written(&self) -> String {
        match self.argv.as_slice() {
            [path] => quoted(path),
            argv => written::list(argv.iter().map(String::as_str)),
        }
    }
}

/// So much must be free on the file system of a path, or nothing is started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MinFree {
    /// Any path on it.
    pub path: PathBuf,
    /// Available to those who are not root.
    pub free: Size,
}

/// What `minfree` says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MinFrees(pub Vec<MinFree>);

pub(super) fn minfree(value: &Value<'_>) -> Result<MinFrees, Faults> {
    let expected = "a table such as { \"/var\" = \"10GiB\" }, or a list such as [\"/var 10GiB\"], is expected";
    let frees = match value.entries() {
        Some(entries) if entries.len() > MOST_PATHS => {
            return value.refuse(format_args!("at most {MOST_PATHS} are expected, here are {}", entries.len()));
        }
        Some(entries) => gather(entries.iter().map(|(path, free)| {
            if !absolute(path.text) {
                return free.refuse("the path before it is not absolute");
            }
            Ok(MinFree { path: path.text.into(), free: size(free)? })
        }))?,
        None => value.each(MOST_PATHS, expected, |line| {
            let parts = line.text().and_then(|text| text.trim().rsplit_once(char::is_whitespace));
            let parsed = parts.and_then(|(path, free)| Some((path.trim_end(), Size::parse(free)?)));
            match parsed.filter(|(path, _)| absolute(path)) {
                Some((path, free)) => Ok(MinFree { path: path.into(), free }),
                None => line.refuse("an absolute path and a size such as \"/var 10GiB\" are expected"),
            }
        })?,
    };
    for (at, free) in frees.iter().enumerate() {
        if frees[..at].iter().any(|before| before.path == free.path) {
            return value.refuse(format_args!("{} stands there twice", free.path.display()));
        }
    }
    Ok(MinFrees(frees))
}

impl Written for MinFrees {
    fn written(&self) -> String {
        written::table(self.0.iter().map(|free| (free.path.to_string_lossy().into_owned(), free.free.written())))
    }
}

/// Where jobs begin instead of the directory they were submitted from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Directory {
    /// Their users' home directories.
    Home,
    /// Here.
    Path(PathBuf),
}

pub(super) fn directory(value: &Value<'_>) -> Result<Option<Directory>, Faults> {
    match value.text() {
        Some("none") => Ok(None),
        Some("home") => Ok(Some(Directory::Home)),
        Some(path) if absolute(path) => Ok(Some(Directory::Path(path.into()))),
        _ => value.refuse("a directory's absolute path, or \"home\", or \"none\", is expected"),
    }
}

impl Written for Directory {
    fn written(&self) -> String {
        match self {
            Self::Home => quoted("home"),
            Self::Path(path) => written::path(path),
        }
    }
}

const MOST_PATHS: usize = 16;
const MOST_ARGUMENTS: usize = 256;
const LONGEST_ARGUMENT: usize = 4096;
