//! A consistent copy of the spool in another file, made while the writer goes on.
//!
//! The copy says of itself that it is one: a spool that is opened from it is another spool from then on, see
//! [`super::restored`]. Only records are in it; the files of jobs are the runners' affair.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use super::{SpoolError, SqliteReader, failed, schema};

impl SqliteReader {
    /// Copies the whole spool into a new file that only its owner can read. It is there under its name only when
    /// it is whole and on disk. Says how long it is.
    ///
    /// It takes one read transaction, so it belongs on a connection of its own: see [`SqliteReader::another`].
    ///
    /// # Errors
    /// There is such a file, it cannot be written, or the spool cannot be read. Nothing is left of the copy then.
    pub fn backup(&self, path: &Path) -> Result<u64, SpoolError> {
        let new = NewFile::reserve(path)?;
        // SQLite writes into a file that is there if it is empty, and keeps its mode.
        let to = new.part.to_str().ok_or_else(|| refused(path, "a name in UTF-8 is expected"))?;
        let copied = self.connection.execute("VACUUM INTO ?", [to]);
        copied.map_err(|error| refused(path, &error.to_string()))?;
        let copy = Connection::open(&new.part).map_err(failed)?;
        copy.pragma_update_and_check(None, "journal_mode", "delete", |_| Ok(())).map_err(failed)?;
        schema::Kind::Copy.mark(&copy)?;
        copy.close().map_err(|(_, error)| failed(error))?;
        new.keep()
    }
}

/// A file that gets its name when it is whole.
pub struct NewFile {
    path: PathBuf,
    /// Where it is written.
    pub part: PathBuf,
    kept: bool,
}

impl NewFile {
    /// Takes the name, which nobody may have taken before.
    ///
    /// # Errors
    /// It is taken, or nothing can be made there.
    pub fn reserve(path: &Path) -> Result<Self, SpoolError> {
        let Some(part) = part_of(path) else { return Err(refused(path, "it names no file")) };
        let make = |path: &Path| {
            let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
            made.map_err(|error| match error.kind() {
                ErrorKind::AlreadyExists => refused(path, "it exists and is not replaced"),
                _ => refused(path, &error.to_string()),
            })
        };
        make(path)?;
        let new = Self { path: path.to_owned(), part: part.clone(), kept: false };
        // Nobody else can have the name now, so what is there is what a crash has left.
        remove_part(&part);
        make(&part)?;
        Ok(new)
    }

    /// One that a crash has left unfinished, if there is one under this name.
    pub fn left(path: &Path) -> Option<Self> {
        let part = part_of(path)?;
        // Who has taken the name has left it empty.
        let is_left = fs::metadata(path).is_ok_and(|found| found.len() == 0) && part.exists();
        is_left.then(|| Self { path: path.to_owned(), part, kept: false })
    }

    /// What is written so far is made durable.
    ///
    /// # Errors
    /// That cannot be done.
    pub fn sync(&self) -> Result<(), SpoolError> {
        let synced = File::open(&self.part).and_then(|part| part.sync_all()).and_then(|()| self.sync_directory());
        synced.map_err(|error| refused(&self.path, &error.to_string()))
    }

    /// It is whole: it is made durable under its name. Says how long it is.
    ///
    /// # Errors
    /// That cannot be done.
    pub fn keep(mut self) -> Result<u64, SpoolError> {
        let bytes = self.rename().map_err(|error| refused(&self.path, &error.to_string()))?;
        self.kept = true;
        Ok(bytes)
    }

    fn rename(&self) -> io::Result<u64> {
        let file = File::open(&self.part)?;
        file.sync_all()?;
        fs::rename(&self.part, &self.path)?;
        self.sync_directory()?;
        Ok(file.metadata()?.len())
    }

    fn sync_directory(&self) -> io::Result<()> {
        let directory = self.path.parent().filter(|directory| !directory.as_os_str().is_empty());
        File::open(directory.unwrap_or(Path::new(".")))?.sync_all()
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        if !self.kept {
            // They were ours, and are of no use to anybody.
            remove_part(&self.part);
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Where a file is written before it is whole: `.NAME.part` beside it.
fn part_of(path: &Path) -> Option<PathBuf> {
    let mut name = std::ffi::OsString::from(".");
    name.push(path.file_name()?);
    name.push(".part");
    Some(path.with_file_name(name))
}

/// With the journal that SQLite may have left beside it: it must not get into another file of this name.
fn remove_part(part: &Path) {
    for suffix in ["-journal", "-wal", "-shm", ""] {
        let mut path = part.as_os_str().to_owned();
        path.push(suffix);
        // Most of them are not there.
        let _ = fs::remove_file(path);
    }
}

fn refused(path: &Path, why: &str) -> SpoolError {
    SpoolError::Refused(format!("cannot write {}: {why}", path.display()))
}
