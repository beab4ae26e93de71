//! Bytes that were put here before a submission, each file named by the SHA-256 of what is in it.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

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

const DIRECTORY: &str = "content";
/// Two may write the same at once.
static NEXT: AtomicU64 = AtomicU64::new(0);
