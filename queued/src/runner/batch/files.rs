//! Where the files of attempts are, and what a job's output is connected to.
//!
//! | Path below the runner's directory of jobs | What |
//! |---|---|
//! | `HOME/ID÷1000/ID.ATTEMPT.new/` | an attempt that was not released |
//! | `HOME/ID÷1000/ID.ATTEMPT/` | one that was, here or on another host |
//! | … `stdout`, `stderr` | its output, unless it goes to files of the user's |
//! | … `where` | JSON: the paths of those |
//! | … `data/` | its copy of its data directory |
//! | `content/SHA256` | what was put here before a submission, see [`super::content`] |
//!
//! A directory with its final name says that the attempt was released: it is not released again, also
//! by a runner that remembers nothing.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::fd::AsFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use wire::ByteString;
use wire::api::{Refusal, RefusalKind};
use wire::array::Array;
use wire::batch::{Batch, OutputStream};
use wire::job::Job;

use crate::link::AttemptKey;
use crate::runner::prepare::refusal;

/// The directory of one attempt.
#[derive(Debug, Clone)]
pub struct Place {
    /// Its final name.
    pub directory: PathBuf,
}

/// What standard output and standard error of a job are.
pub struct Outputs {
    /// Both.
    pub files: [File; 2],
    /// Which are kept in the attempt's directory; the others are files of the user's.
    pub kept: [bool; 2],
    /// The user's, to be emptied at the release and not before.
    pub named: Vec<File>,
    /// The paths of these.
    paths: [Option<ByteString>; 2],
}

impl Outputs {
    /// The paths of both.
    pub fn paths(&self, place: &Place) -> [ByteString; 2] {
        let path = |index: usize| match &self.paths[index] {
            Some(path) => path.clone(),
            None => place.kept(STREAMS[index]).into_os_string().into(),
        };
        [path(0), path(1)]
    }
}

impl Place {
    /// The place of an attempt.
    ///
    /// # Errors
    /// A home with a name that leads elsewhere.
    pub fn of(jobs: &Path, key: &AttemptKey) -> io::Result<Self> {
        let home = &key.home;
        let is_a_name = !home.is_empty() && home.len() < 256 && !home.starts_with('.') && !home.contains(['/', '\0']);
        if !is_a_name {
            return Err(io::Error::new(ErrorKind::InvalidInput, format!("{home:?} is not a host's name")));
        }
        let thousand = jobs.join(home).join((key.job_id / 1000).to_string());
        Ok(Self { directory: thousand.join(format!("{}.{}", key.job_id, key.attempt)) })
    }

    /// Its directory before the release.
    pub fn fresh(&self) -> PathBuf {
        let mut name = self.directory.clone().into_os_string();
        name.push(".new");
        name.into()
    }

    /// The kept file of a stream.
    pub fn kept(&self, stream: OutputStream) -> PathBuf {
        self.directory.join(file_name(stream))
    }

    /// The file of a stream: kept here, or the user's where `where` says so.
    pub fn file(&self, stream: OutputStream) -> PathBuf {
        let text = fs::read(self.directory.join(WHERE)).unwrap_or_default();
        let named = serde_json::from_slice::<[Option<ByteString>; 2]>(&text).unwrap_or_default();
        let named = match stream {
            OutputStream::Stdout => &named[0],
            OutputStream::Stderr => &named[1],
            OutputStream::Stdin => &None,
        };
        named.as_ref().map_or_else(|| self.kept(stream), |path| PathBuf::from(path.as_os_str()))
    }

    /// Makes the directory for an attempt that is not released yet.
    ///
    /// # Errors
    /// `AlreadyExists` for one that was released.
    pub fn make(&self) -> io::Result<()> {
        if self.directory.symlink_metadata().is_ok() {
            return Err(io::Error::from(ErrorKind::AlreadyExists));
        }
        let fresh = self.fresh();
        match make_directory(&fresh) {
            // It was never released, and who prepared it is dead.
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                fs::remove_dir_all(&fresh)?;
                make_directory(&fresh)
            }
            other => other,
        }
    }

    /// The attempt is released from now on.
    pub fn release(&self) -> io::Result<()> {
        fs::rename(self.fresh(), &self.directory)
    }

    /// Makes the directory of an attempt that ran on another host, if it is not there.
    pub fn make_for_copy(&self) -> io::Result<()> {
        match make_directory(&self.directory) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
            other => other,
        }
    }

    /// Removes the directory of an attempt that was not released.
    pub fn withdraw(&self) {
        // What is left is removed when the job is forgotten.
        let _ = fs::remove_dir_all(self.fresh());
    }

    /// Removes all there is of the attempt, and what is empty then.
    pub fn prune(&self) {
        let _ = fs::remove_dir_all(&self.directory);
        let _ = fs::remove_dir_all(self.fresh());
        for parent in self.directory.ancestors().skip(1).take(2) {
            if fs::remove_dir(parent).is_err() {
                break;
            }
        }
    }

    /// How long the streams are that are kept here; none: there is no file.
    pub fn lengths(&self, kept: [bool; 2]) -> [Option<u64>; 2] {
        let length = |index: usize| {
            let file = kept[index].then(|| self.kept(STREAMS[index]))?;
            file.metadata().ok().map(|found| found.len())
        };
        [length(0), length(1)]
    }

    /// Makes what was written to the kept streams safe.
    pub fn sync(&self, lengths: [Option<u64>; 2]) -> io::Result<()> {
        for (stream, length) in STREAMS.into_iter().zip(lengths) {
            if length.is_some_and(|length| length > 0) {
                File::open(self.kept(stream))?.sync_data()?;
            }
        }
        File::open(&self.directory)?.sync_all()
    }
}

/// The two streams that a job writes.
const STREAMS: [OutputStream; 2] = [OutputStream::Stdout, OutputStream::Stderr];
/// The file that says where output went.
const WHERE: &str = "where";

fn file_name(stream: OutputStream) -> &'static str {
    match stream {
        OutputStream::Stdin => "stdin",
        OutputStream::Stdout => "stdout",
        OutputStream::Stderr => "stderr",
    }
}

/// Makes a directory, and those above it. Somebody may be removing an empty one above at the same time.
fn make_directory(path: &Path) -> io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.mode(0o700);
    for _ in 0..3 {
        match builder.create(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let parent = path.parent().unwrap_or(path);
                DirBuilder::new().recursive(true).mode(0o700).create(parent)?;
            }
            other => return other,
        }
    }
    builder.create(path)
}

/// Opens what the job writes to, in the directory of an attempt that is not released. Nothing of the user's
/// is emptied yet.
pub fn open_outputs(place: &Place, job: &Job, batch: &Batch, key: &AttemptKey, host: &str) -> Result<Outputs, Refusal> {
    let fresh = place.fresh();
    let number = Array::number(&job.submit_key);
    let index = batch.array.and_then(|array| array.index(number?));
    let named = [&batch.stdout, &batch.stderr]
        .map(|pattern| pattern.as_ref().map(|pattern| expand(pattern, &job.directory, key, host, index)));
    let open = |index: usize| match &named[index] {
        None => private(&fresh.join(file_name(STREAMS[index]))).map_err(|error| {
            refusal(RefusalKind::Failed, format!("cannot make a file in {}: {error}", fresh.display()))
        }),
        Some(path) => open_named(Path::new(path.as_os_str()), job.umask).map_err(|error| {
            let option = if index == 0 { "--output" } else { "--error" };
            let why = error
                .raw_os_error()
                .map_or_else(|| error.to_string(), |number| Errno::from_raw(number).desc().to_lowercase());
            refusal(RefusalKind::NoDirectory, format!("cannot write {} ({option}): {why}", path.display()))
        }),
    };
    let failed = |error: io::Error| refusal(RefusalKind::Failed, format!("cannot make {}: {error}", fresh.display()));
    let stdout = open(0)?;
    let mut stderr = open(1)?;
    if named[0].is_some() && named[1].is_some() && is_same(&stdout, &stderr) {
        // One open file, so that both write in their order.
        stderr = stdout.try_clone().map_err(failed)?;
    }
    let kept = [named[0].is_none(), named[1].is_none()];
    if kept != [true; 2] {
        let text = serde_json::to_vec(&named).unwrap_or_default();
        private(&fresh.join(WHERE)).and_then(|mut file| io::Write::write_all(&mut file, &text)).map_err(failed)?;
    }
    let files = [stdout, stderr];
    let users = files.iter().zip(kept).filter(|(_, kept)| !kept);
    let open = users.map(|(file, _)| file.try_clone()).collect::<io::Result<_>>().map_err(failed)?;
    Ok(Outputs { files, kept, named: open, paths: named })
}

/// A new file of the user's alone.
fn private(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create_new(true).mode(0o600).open(path)
}

fn is_same(one: &File, other: &File) -> bool {
    match (one.metadata(), other.metadata()) {
        (Ok(one), Ok(other)) => (one.dev(), one.ino()) == (other.dev(), other.ino()),
        _ => false,
    }
}

fn open_named(path: &Path, umask: u32) -> io::Result<File> {
    let mut options = OpenOptions::new();
    // A pipe that nobody reads must not stop us here.
    options.append(true).custom_flags(nix::libc::O_NONBLOCK | nix::libc::O_NOCTTY);
    let file = match options.clone().create_new(true).open(path) {
        Ok(file) => {
            // The mask is the job's, not this process's.
            file.set_permissions(PermissionsExt::from_mode(0o666 & !umask))?;
            file
        }
        // A link that leads to no file yet is followed.
        Err(error) if error.kind() == ErrorKind::AlreadyExists => options.create(true).open(path)?,
        Err(error) => return Err(error),
    };
    sys::descriptors::set_nonblocking(file.as_fd(), false)?;
    Ok(file)
}

/// The path that a pattern means: `%j` the id, `%h` the host, `%a` the attempt, `%i` the index of an element of an
/// array, `%%` a percent sign.
fn expand(
    pattern: &ByteString,
    directory: &ByteString,
    key: &AttemptKey,
    host: &str,
    index: Option<u64>,
) -> ByteString {
    let mut path = Vec::with_capacity(pattern.0.len() + directory.0.len() + 16);
    if !pattern.0.starts_with(b"/") {
        path.extend_from_slice(&directory.0);
        path.push(b'/');
    }
    let mut rest = pattern.0.iter();
    while let Some(byte) = rest.next() {
        let mut ahead = rest.clone();
        let put = match (byte, ahead.next()) {
            (b'%', Some(b'i')) if index.is_some() => index.unwrap_or_default().to_string().into_bytes(),
            (b'%', Some(b'j')) => key.job_id.to_string().into_bytes(),
            (b'%', Some(b'a')) => key.attempt.to_string().into_bytes(),
            (b'%', Some(b'h')) => host.as_bytes().to_vec(),
            (b'%', Some(b'%')) => b"%".to_vec(),
            _ => {
                path.push(*byte);
                continue;
            }
        };
        path.extend_from_slice(&put);
        rest = ahead;
    }
    ByteString(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(home: &str) -> AttemptKey {
        AttemptKey { home: home.into(), job_id: 12_345, attempt: 2 }
    }

    #[test]
    fn a_homes_name_never_leads_elsewhere() {
        let jobs = Path::new("/jobs");
        let place = Place::of(jobs, &key("red.fish-1")).expect("a name");
        assert_eq!(place.directory, Path::new("/jobs/red.fish-1/12/12345.2"));
        assert_eq!(place.fresh(), Path::new("/jobs/red.fish-1/12/12345.2.new"));
        for name in ["", ".", "..", "../x", "a/b", "/", "a\0b", ".hidden"] {
            assert!(Place::of(jobs, &key(name)).is_err(), "{name:?}");
        }
    }

    #[test]
    fn patterns_mean_job_host_and_attempt_from_the_jobs_directory() {
        let of = |pattern: &str, index| expand(&pattern.into(), &"/work".into(), &key("h"), "redfish", index).display();
        let path = |pattern: &str| of(pattern, None);
        assert_eq!((of("out.%i", Some(7)), path("out.%i")), ("/work/out.7".into(), "/work/out.%i".into()));
        assert_eq!(path("out.%j.%a@%h"), "/work/out.12345.2@redfish");
        assert_eq!(path("/abs/100%%%%%j"), "/abs/100%%12345");
        assert_eq!(path("%x%"), "/work/%x%");
    }
}
