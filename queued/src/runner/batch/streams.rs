//! The daemon's questions about streams and content, each answered by `Transferred` or `Lengths` from a
//! helper thread.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use nix::fcntl::{Flock, FlockArg};
use nix::sys::eventfd::EventFd;
use wire::batch::OutputStream;

use super::content;
use super::files::Place;
use super::pool::Pool;
use super::transfer::{self, Sink, Source};
use crate::link::{AttemptKey, FromRunner};
use crate::runner::shared::Shared;

/// The helper threads for streams, and what they need.
pub struct Streams {
    shared: Arc<Shared>,
    jobs: PathBuf,
    transfers: Pool,
    followers: Pool,
    pruning: Pool,
}

/// How a transfer went: bytes, and what went wrong after them.
struct Moved {
    bytes: u64,
    error: Option<String>,
}

impl Moved {
    fn all(bytes: u64) -> Self {
        Self { bytes, error: None }
    }
}

impl From<io::Error> for Moved {
    fn from(error: io::Error) -> Self {
        Self { bytes: 0, error: Some(error.to_string()) }
    }
}

impl Streams {
    /// No threads yet.
    pub fn new(shared: Arc<Shared>) -> Self {
        let jobs = shared.options.jobs.clone();
        let transfers = Pool::new(MOST_TRANSFERS, MOST_WAITING);
        // Each of these may last for days: none stands in a line.
        let followers = Pool::new(MOST_FOLLOWERS, 0);
        Self { shared, jobs, transfers, followers, pruning: Pool::new(1, MOST_WAITING) }
    }

    /// Writes a stream into the descriptor; with `ended` until that is readable.
    pub fn read_output(
        &self,
        request: u64,
        key: &AttemptKey,
        stream: OutputStream,
        offset: u64,
        ended: Option<Arc<EventFd>>,
        descriptor: OwnedFd,
    ) {
        let place = Place::of(&self.jobs, key);
        let pool = if ended.is_some() { &self.followers } else { &self.transfers };
        self.answer(pool, request, move || {
            let path = place?.file(stream);
            let sink = if ended.is_some() { Sink::patient(descriptor) } else { Sink::new(descriptor) };
            transfer::give(&path, offset, &mut sink?, ended.as_ref()).map(Moved::all)
        });
    }

    /// Writes content into the descriptor.
    pub fn read_content(&self, request: u64, sha256: &str, descriptor: OwnedFd) {
        let path = content::path(&self.jobs, sha256);
        self.answer(&self.transfers, request, move || {
            transfer::give(&path?, 0, &mut Sink::new(descriptor)?, None).map(Moved::all)
        });
    }

    /// Appends what comes from the descriptor to a stream of an attempt that ran elsewhere.
    pub fn write_output(&self, request: u64, key: &AttemptKey, stream: OutputStream, offset: u64, from: OwnedFd) {
        let place = Place::of(&self.jobs, key);
        self.answer(&self.transfers, request, move || append(&place?, stream, offset, from));
    }

    /// Keeps what comes from the descriptor.
    pub fn write_content(&self, request: u64, sha256: String, from: OwnedFd) {
        let jobs = self.jobs.clone();
        self.answer(&self.transfers, request, move || {
            content::write(&jobs, &sha256, &mut Source::new(from)?).map(Moved::all)
        });
    }

    /// Says whether content is here.
    pub fn ask_content(&self, request: u64, sha256: &str) {
        let found = content::ask(&self.jobs, sha256);
        self.tell(request, found.map_or_else(Moved::from, Moved::all));
    }

    /// Says which content nobody has put here or asked for so long: some of it.
    pub fn ask_old_contents(&self, request: u64, after: String, age: Duration) {
        let (jobs, shared) = (self.jobs.clone(), self.shared.clone());
        // Where there is no room in the line, the daemon asks again in a while.
        self.pruning.run(move || {
            be_slow();
            let names = content::old(&jobs, &after, age);
            shared.tell(&FromRunner::Contents { request, names });
        });
    }

    /// Deletes content that no job needs, if it is still that old.
    pub fn remove_contents(&self, names: Vec<String>, age: Duration) {
        let jobs = self.jobs.clone();
        self.pruning.run(move || {
            be_slow();
            for name in names {
                // What is left is found again.
                let _ = content::remove(&jobs, &name, age);
                std::thread::sleep(BETWEEN_DELETIONS);
            }
        });
    }

    /// Says how long the streams are that are here.
    pub fn ask_lengths(&self, request: u64, key: &AttemptKey) {
        let lengths = Place::of(&self.jobs, key).map(|place| place.lengths([true; 2])).unwrap_or_default();
        self.shared.tell(&FromRunner::Lengths { request, lengths });
    }

    /// A question that cannot be answered.
    pub fn refuse(&self, request: u64, why: &str) {
        self.tell(request, Moved { bytes: 0, error: Some(why.to_owned()) });
    }

    /// Deletes the files of these attempts. Slowly: file systems stop for others while much is deleted.
    pub fn prune(&self, keys: Vec<AttemptKey>) {
        let jobs = self.jobs.clone();
        // What does not fit into the line is asked for again by the daemon's next look.
        self.pruning.run(move || {
            be_slow();
            for place in keys.iter().filter_map(|key| Place::of(&jobs, key).ok()) {
                place.prune();
                std::thread::sleep(BETWEEN_DELETIONS);
            }
        });
    }

    fn answer(&self, pool: &Pool, request: u64, work: impl FnOnce() -> Result<Moved, io::Error> + Send + 'static) {
        let shared = self.shared.clone();
        let taken = pool.run(move || {
            let moved = work().unwrap_or_else(Moved::from);
            let Moved { bytes, error } = moved;
            shared.tell(&FromRunner::Transferred { request, bytes, error });
        });
        if !taken {
            self.refuse(request, "too many transfers wait already");
        }
    }

    fn tell(&self, request: u64, Moved { bytes, error }: Moved) {
        self.shared.tell(&FromRunner::Transferred { request, bytes, error });
    }
}

/// The file's length afterwards, also when the other side was cut off: so far it is safe.
///
/// After a failed sync the kernel shows the bytes and calls them safe, whether they are on disk or not. So the file is
/// taken away, and whoever asks how long it is begins again with the first byte.
fn append(place: &Place, stream: OutputStream, offset: u64, from: OwnedFd) -> io::Result<Moved> {
    place.make_for_copy()?;
    let path = place.kept(stream);
    let mut file = open_alone(&path)?;
    let length = file.metadata()?.len();
    if length < offset {
        let error = Some(format!("it has only {length} bytes, and would go on at {offset}"));
        return Ok(Moved { bytes: length, error });
    }
    file.set_len(offset)?;
    let taken = transfer::take(&mut Source::new(from)?, &mut file, |_| {});
    let synced = file.sync_data().and_then(|()| sync_directory(&place.directory));
    if let Err(error) = synced {
        // One that cannot be removed is emptied: its bytes are written again all the same.
        std::fs::remove_file(&path).or_else(|_| file.set_len(0))?;
        return Err(io::Error::new(error.kind(), format!("the copy could not be made safe, and begins anew: {error}")));
    }
    let error = taken.err().map(|error| error.to_string());
    Ok(Moved { bytes: file.metadata()?.len(), error })
}

/// Opens the copy of a stream, made where there is none. Who writes for a daemon that has gone is waited for: they end
/// by themselves, and may take the file away.
fn open_alone(path: &Path) -> io::Result<Flock<File>> {
    loop {
        let file = OpenOptions::new().append(true).create(true).mode(0o600).open(path)?;
        let file = Flock::lock(file, FlockArg::LockExclusive).map_err(|(_, error)| io::Error::from(error))?;
        if file.metadata()?.nlink() > 0 {
            return Ok(file);
        }
    }
}

/// Nobody waits for this thread.
fn be_slow() {
    // Of this thread only.
    let _ = sys::limits::set_nice(19);
}

fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

/// Streams that are moved at the same time, and that wait for that.
const MOST_TRANSFERS: usize = 16;
const MOST_WAITING: usize = 4096;
/// Those that follow a job which runs.
const MOST_FOLLOWERS: usize = 64;
/// So long others have the file system.
const BETWEEN_DELETIONS: Duration = Duration::from_millis(2);
