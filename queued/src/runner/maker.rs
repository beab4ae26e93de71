//! The runner's side of leaders: starting the process they are forked from, and asking it.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Mutex, MutexGuard};
use std::time::{Duration, Instant};

use wire::job::Descriptor;

use super::leader_link::LeaderLink;
use crate::leader;
use crate::leader::directories;
use crate::leader::message::{self, FromLeader, ToLeader};

/// The running leader maker. It ends when this is dropped.
pub struct Maker {
    connection: Mutex<UnixStream>,
    /// Leaders that know no job yet, the newest last: half of a start is done before it is asked for.
    spares: Mutex<Vec<Spare>>,
}

struct Spare {
    leader: OwnedFd,
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
    /// Starts the maker. Call it first: it should inherit nothing. When both the daemon's state directory and that of
    /// its sockets are gone, leaders whose job has ended wait for nobody any more.
    pub fn start(state: &Path, runtime: &Path) -> io::Result<Self> {
        let (ours, theirs) = UnixStream::pair()?;
        Command::new("/proc/self/exe")
            .arg0("queued")
            .args(["--role", "leaders"])
            .env_clear()
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::from(directories::hold(state)?))
            .stderr(Stdio::from(directories::hold(runtime)?))
            .spawn()?;
        Ok(Self { connection: Mutex::new(ours), spares: Mutex::default() })
    }

    /// Has a leader forked for the next job, unless one is there.
    pub fn provide(&self) {
        let mut spares = lock(&self.spares);
        if spares.is_empty() {
            // Without one the next start takes a little longer.
            spares.extend(self.fork().ok().map(|leader| Spare { leader, since: Instant::now() }));
        }
    }

    /// The end of a batch job was acknowledged: its leader leads another one, unless there are enough.
    pub fn give_back(&self, leader: OwnedFd) {
        let mut spares = lock(&self.spares);
        if spares.len() < MOST_SPARES {
            spares.push(Spare { leader, since: Instant::now() });
        }
    }

    /// Lets spare leaders go that nobody has needed for a while. Says when to look again.
    pub fn dismiss(&self) -> Option<Instant> {
        let mut spares = lock(&self.spares);
        let now = Instant::now();
        spares.retain(|spare| spare.since + KEPT > now);
        spares.iter().map(|spare| spare.since + KEPT).min()
    }

    /// Has a leader make terminal and pipes for these descriptors of a job: the spare one, or one that
    /// is forked for it. It knows nothing of the job yet, and leaves when this is dropped.
    pub fn open(&self, session: &str, place: &str, descriptors: &[Descriptor; 3]) -> io::Result<Opening> {
        let terminal = (0..3).filter(|number| descriptors[*number] == Descriptor::Pty).map(|number| 1 << number).sum();
        let name = leader::socket_name(sys::credentials::own_uid(), place, session);
        self.tell_one(&ToLeader::Open { terminal, name }, &[]).map(Opening)
    }

    /// Has a leader get ready for a batch job with this description and these descriptors 0, 1 and 2. It says
    /// `Ready` then.
    pub fn batch(&self, session: &str, place: &str, sheet: &OwnedFd, ends: &[OwnedFd; 3]) -> io::Result<OwnedFd> {
        let name = leader::socket_name(sys::credentials::own_uid(), place, session);
        let [stdin, stdout, stderr] = ends.each_ref().map(|end| end.as_fd());
        self.tell_one(&ToLeader::Batch { name }, &[sheet.as_fd(), stdin, stdout, stderr])
    }

    /// Tells a leader what it is for: a spare one, or a new one where those have died.
    fn tell_one(&self, told: &ToLeader, descriptors: &[BorrowedFd]) -> io::Result<OwnedFd> {
        loop {
            let spare = lock(&self.spares).pop();
            let (leader, is_new) = match spare {
                Some(spare) => (spare.leader, false),
                None => (self.fork()?, true),
            };
            match message::send(leader.as_fd(), &told.encode(), descriptors) {
                Ok(()) => return Ok(leader),
                Err(error) if is_new => return Err(error),
                Err(_) => {}
            }
        }
    }

    fn fork(&self) -> io::Result<OwnedFd> {
        let (ours, theirs) = UnixStream::pair()?;
        sys::descriptors::send(lock(&self.connection).as_fd(), &[0], &[theirs.as_fd()])?;
        Ok(ours.into())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
}

/// Leaders that are kept for jobs to come: some are between two jobs at any time.
const MOST_SPARES: usize = 8;
/// How long a spare leader waits for a job.
const KEPT: Duration = Duration::from_secs(10);

/// Puts descriptors that came in order into the slots of `mask`.
pub fn place(mask: u8, descriptors: Vec<OwnedFd>) -> [Option<OwnedFd>; 4] {
    let mut descriptors = descriptors.into_iter();
    message::Slot::ALL.map(|slot| if mask & slot.bit() != 0 { descriptors.next() } else { None })
}
