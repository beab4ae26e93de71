//! Bytes that were put here before a submission, each file named by the SHA-256 of what is in it.

use std::collections::BTreeSet;
use std::fs::{self, DirBuilder, File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use wire::batch::Content;

use super::transfer::{self, Source};

/// The file with these bytes.
///
/// # Errors
/// What is no name of that kind.
pub fn path(jobs: &Path, sha256: &str) -> io::Result<PathBuf> {
    let is_hash = sha256.len() == 64 && sha256.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    if !is_hash {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, format!("{sha256:?} is not a SHA-256")));
    }
    Ok(jobs.join(DIRECTORY).join(sha256))
}

/// Opens what a job was submitted with.
pub fn open(jobs: &Path, content: &Content) -> io::Result<File> {
    let file = File::open(path(jobs, &content.sha256)?)?;
    if file.metadata()?.len() != content.bytes {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "it has another length"));
    }
    Ok(file)
}

/// Writes what comes from `source` and keeps it if it is what its name says; how many bytes it is.
pub fn write(jobs: &Path, sha256: &str, source: &mut Source) -> io::Result<u64> {
    let path = path(jobs, sha256)?;
    let directory = jobs.join(DIRECTORY);
    DirBuilder::new().recursive(true).mode(0o700).create(&directory)?;
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let under_way = directory.join(format!(".{sha256}.{}.{number}", std::process::id()));
    let written = write_as(&under_way, sha256, source).and_then(|bytes| {
        fs::rename(&under_way, &path)?;
        File::open(&directory)?.sync_all()?;
        Ok(bytes)
    });
    if written.is_err() {
        let _ = fs::remove_file(&under_way);
    }
    written
}

fn write_as(path: &Path, sha256: &str, source: &mut Source) -> io::Result<u64> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    let mut hash = ring::digest::Context::new(&ring::digest::SHA256);
    let bytes = transfer::take(source, &mut file, |bytes| hash.update(bytes))?;
    let found = hash.finish().as_ref().iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    if found != sha256 {
        return Err(io::Error::new(io::ErrorKind::InvalidData, format!("its SHA-256 is {found}, not {sha256}")));
    }
    file.sync_all()?;
    Ok(bytes)
}

/// How many bytes these are. Whoever asks is going to need them, so they are as new again.
pub fn ask(jobs: &Path, sha256: &str) -> io::Result<u64> {
    let path = path(jobs, sha256)?;
    let _alone = one_at_a_time();
    let file = File::open(&path)?;
    // Where this cannot be done nothing can be removed either.
    let _ = file.set_modified(SystemTime::now());
    Ok(file.metadata()?.len())
}

/// The first names behind `after` of what is at least so old, and no younger than a day. What was not finished by then
/// never will be, and is removed.
pub fn old(jobs: &Path, after: &str, age: Duration) -> Vec<String> {
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(jobs.join(DIRECTORY)).into_iter().flatten().flatten() {
        let Ok(name) = entry.file_name().into_string() else { continue };
        let is_content = path(jobs, &name).is_ok();
        if is_content && (name.as_str() <= after || found.len() == MOST_NAMED && found.last() < Some(&name)) {
            continue;
        }
        if !entry.metadata().is_ok_and(|entry| is_old(&entry, age)) {
            continue;
        }
        if is_content {
            found.insert(name);
            if found.len() > MOST_NAMED {
                found.pop_last();
            }
        } else if is_unfinished(&name) {
            // Another look finds what is left.
            let _ = fs::remove_file(entry.path());
        }
    }
    found.into_iter().collect()
}

/// Removes what is still so old. A client that puts the same there at this moment keeps it.
pub fn remove(jobs: &Path, sha256: &str, age: Duration) -> io::Result<()> {
    let path = path(jobs, sha256)?;
    let _alone = one_at_a_time();
    if !is_old(&path.symlink_metadata()?, age) {
        return Ok(());
    }
    let aside = jobs.join(DIRECTORY).join(format!(".{sha256}.{}.old", std::process::id()));
    fs::rename(&path, &aside)?;
    if !is_old(&aside.symlink_metadata()?, age) {
        return fs::rename(&aside, &path);
    }
    fs::remove_file(&aside)
}

fn is_old(found: &Metadata, age: Duration) -> bool {
    let modified = found.modified().ok();
    let old = modified.and_then(|modified| SystemTime::now().duration_since(modified).ok());
    found.is_file() && old.is_some_and(|old| old >= age.max(YOUNG))
}

/// A client's `part-PROCESS-...`, or one of ours as above, whose process has gone.
fn is_unfinished(name: &str) -> bool {
    let process = match name.strip_prefix("part-") {
        Some(rest) => rest.split('-').next(),
        None => name.strip_prefix('.').and_then(|rest| rest.split('.').nth(1)),
    };
    let process = process.and_then(|process| process.parse::<u32>().ok());
    process.is_some_and(|process| !Path::new("/proc").join(process.to_string()).exists())
}

/// Between the look at how old something is and its removal nobody is told that it is there.
fn one_at_a_time() -> MutexGuard<'static, ()> {
    static REMOVING: Mutex<()> = Mutex::new(());
    REMOVING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Nothing younger is removed: a client puts it here before it submits.
const YOUNG: Duration = Duration::from_secs(24 * 3600);
/// In one answer.
const MOST_NAMED: usize = 500;
const DIRECTORY: &str = "content";
/// Two may write the same at once.
static NEXT: AtomicU64 = AtomicU64::new(0);
