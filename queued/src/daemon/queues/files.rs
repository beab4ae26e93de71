//! The spool's directories: which queues there are, by which other names they go, and their profiles' texts.
//!
//! It only reads. What is not a queue (a dot at its start, a file, an odd name) is nobody's affair here.

use std::collections::BTreeMap;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::profile;

/// The profile's name in a queue's directory.
pub const PROFILE: &str = "profile.toml";

/// A name below the spool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// A queue's own directory, or a link with a path to one.
    Queue,
    /// A link to another name: the same queue.
    Alias(String),
}

/// All queues and aliases below the spool. A spool that is not there has none.
///
/// # Errors
/// It cannot be read.
pub fn scan(spool: &Path) -> io::Result<BTreeMap<String, Entry>> {
    let entries = match fs::read_dir(spool) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(BTreeMap::new()),
        Err(error) => return Err(error),
    };
    let mut found = BTreeMap::new();
    for entry in entries {
        let entry = entry?;
        let Some(name) = entry.file_name().to_str().filter(|name| is_name(name)).map(str::to_owned) else { continue };
        let kind = entry.file_type()?;
        if kind.is_dir() {
            found.insert(name, Entry::Queue);
        } else if kind.is_symlink() {
            let target = fs::read_link(entry.path())?;
            match target.to_str().filter(|target| !target.contains('/')) {
                Some(other) => drop(found.insert(name, Entry::Alias(other.to_owned()))),
                None if entry.path().is_dir() => drop(found.insert(name, Entry::Queue)),
                None => {}
            }
        }
        if found.len() == MOST_QUEUES {
            break;
        }
    }
    Ok(found)
}

/// Whether a queue may be called so, as the client has it too.
pub fn is_name(name: &str) -> bool {
    (1..=31).contains(&name.len())
        && !name.starts_with('.')
        && !name.contains(['/', '\0'])
        && !name.contains(char::is_control)
}

/// The queue that a name stands for: itself, or what its links lead to.
///
/// # Errors
/// Why it stands for none, in words that follow the name.
pub fn resolve(entries: &BTreeMap<String, Entry>, name: &str) -> Result<String, String> {
    let mut at = name.to_owned();
    for _ in 0..=entries.len() {
        match entries.get(&at) {
            Some(Entry::Alias(next)) => at.clone_from(next),
            Some(Entry::Queue) => return Ok(at),
            None if ALWAYS.contains(&at.as_str()) => return Ok(at),
            None => return Err(format!("is an alias of \"{at}\", which is no queue here")),
        }
    }
    Err("is an alias that leads back to itself".to_owned())
}

/// Queues that exist everywhere.
pub const ALWAYS: [&str; 2] = ["now", "wait"];

/// Which version of a file it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    device: u64,
    inode: u64,
    size: u64,
    changed: (i64, i64),
    modified: (i64, i64),
}

impl Stamp {
    fn of(found: &Metadata) -> Self {
        Self {
            device: found.dev(),
            inode: found.ino(),
            size: found.size(),
            changed: (found.ctime(), found.ctime_nsec()),
            modified: (found.mtime(), found.mtime_nsec()),
        }
    }
}

/// The file of a queue's profile.
pub fn path(spool: &Path, queue: &str) -> PathBuf {
    spool.join(queue).join(PROFILE)
}

/// Which version of a profile there is; none: there is no such file, or it cannot be looked at.
pub fn stamp(path: &Path) -> Option<Stamp> {
    fs::metadata(path).ok().map(|found| Stamp::of(&found))
}

/// A profile's text.
///
/// # Errors
/// Why it is not believed, in words that follow the path.
pub fn read(path: &Path) -> Result<String, String> {
    let words = |error: io::Error| format!("cannot be read: {error}");
    // A pipe would be waited for.
    let file = OpenOptions::new().read(true).custom_flags(nix::libc::O_NONBLOCK).open(path).map_err(words)?;
    let found = file.metadata().map_err(words)?;
    let own = sys::credentials::own_uid();
    if !found.is_file() {
        return Err("is not a file".to_owned());
    }
    if found.uid() != own && found.uid() != 0 {
        return Err(format!("belongs to uid {}; it must be uid {own}'s or root's", found.uid()));
    }
    if found.mode() & 0o002 != 0 {
        return Err("can be written by everybody; say: chmod o-w".to_owned());
    }
    let text = text(file).map_err(words)?;
    match stamp(path) {
        // What was there before and after is what was read.
        Some(stamp) if stamp == Stamp::of(&found) => Ok(text),
        _ => Err("was replaced while it was read".to_owned()),
    }
}

fn text(file: File) -> io::Result<String> {
    let mut bytes = Vec::new();
    // One more than is allowed shows that it is too long.
    file.take(profile::LONGEST as u64 + 1).read_to_end(&mut bytes)?;
    String::from_utf8(bytes).map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "it is not UTF-8 text"))
}

/// More directories than these are not looked at.
const MOST_QUEUES: usize = 1000;
