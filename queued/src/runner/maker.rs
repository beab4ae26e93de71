//! The runner's side of leaders: starting the process they are forked from, and asking it.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use wire::job::Descriptor;

use super::leader_link::LeaderLink;
use crate::leader;
use crate::leader::message::{self, FromLeader, ToLeader};

/// The running leader maker. It ends when this is dropped.
pub struct Maker {
    connection: Mutex<UnixStream>,
    /// A leader that knows no job yet: half of a start is done before it is asked for.
    spare: Mutex<Option<Spare>>,
}

struct Spare {
    leader: UnixStream,
    since: Instant,
}

/// A leader that is making terminal and pipes.
pub struct Opening(OwnedFd);

impl Opening {
    /// Waits until it has them.
    pub fn ready(self) -> io::Result<LeaderLink> {
        let Some((record, descriptors)) = message::receive(&self.0)? else {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the leader could not make terminal and pipes"));
        };
        match FromLeader::decode(&record) {
            Some(FromLeader::Ready { slots }) => LeaderLink::new(self.0, place(slots, descriptors)),
            _ => Err(io::Error::new(io::ErrorKind::InvalidData, "the leader answered something else")),
        }
    }
}

impl Maker {
    /// Starts the maker. Call it first: it should inherit nothing.
    pub fn start() -> io::Result<Self> {
        let (ours, theirs) = UnixStream::pair()?;
        Command::new("/proc/self/exe")
            .arg0("queued")
            .args(["--role", "leaders"])
            .env_clear()
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        Ok(Self { connection: Mutex::new(ours), spare: Mutex::new(None) })
    }

    /// Has a leader forked for the next job, unless one is there.
    pub fn provide(&self) {
        let mut spare = lock(&self.spare);
        if spare.is_none() {
            // Without one the next start takes a little longer.
            *spare = self.fork().ok().map(|leader| Spare { leader, since: Instant::now() });
        }
    }

    /// Lets a spare leader go that nobody has needed for a while. Says when to look again.
    pub fn dismiss(&self) -> Option<Instant> {
        let mut spare = lock(&self.spare);
        spare.take_if(|spare| spare.since + KEPT <= Instant::now());
        spare.as_ref().map(|spare| spare.since + KEPT)
    }

    /// Has a leader make terminal and pipes for these descriptors of a job: the spare one, or one that
    /// is forked for it. It knows nothing of the job yet, and leaves when this is dropped.
    pub fn open(&self, session: &str, place: &str, descriptors: &[Descriptor; 3]) -> io::Result<Opening> {
        let leader = self.spare_or_new()?;
        let terminal = (0..3).filter(|number| descriptors[*number] == Descriptor::Pty).map(|number| 1 << number).sum();
        let name = leader::socket_name(sys::credentials::own_uid(), place, session);
        message::send(leader.as_fd(), &ToLeader::Open { terminal, name }.encode(), &[])?;
        Ok(Opening(leader.into()))
    }

    /// Has a leader get ready for a batch job with this description and these descriptors 0, 1 and 2. It says
    /// `Ready` then.
    pub fn batch(&self, session: &str, place: &str, sheet: &OwnedFd, ends: &[OwnedFd; 3]) -> io::Result<OwnedFd> {
        let leader = self.spare_or_new()?;
        let name = leader::socket_name(sys::credentials::own_uid(), place, session);
        let [stdin, stdout, stderr] = ends.each_ref().map(|end| end.as_fd());
        message::send(leader.as_fd(), &ToLeader::Batch { name }.encode(), &[sheet.as_fd(), stdin, stdout, stderr])?;
        Ok(leader.into())
    }

    fn spare_or_new(&self) -> io::Result<UnixStream> {
        let spare = lock(&self.spare).take();
        spare.map_or_else(|| self.fork(), |spare| Ok(spare.leader))
    }

    fn fork(&self) -> io::Result<UnixStream> {
        let (ours, theirs) = UnixStream::pair()?;
        sys::descriptors::send(lock(&self.connection).as_fd(), &[0], &[theirs.as_fd()])?;
        Ok(ours)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// How long a spare leader waits for a job.
const KEPT: Duration = Duration::from_secs(10);

/// Puts descriptors that came in order into the slots of `mask`.
pub fn place(mask: u8, descriptors: Vec<OwnedFd>) -> [Option<OwnedFd>; 4] {
    let mut descriptors = descriptors.into_iter();
    message::Slot::ALL.map(|slot| if mask & slot.bit() != 0 { descriptors.next() } else { None })
}
