//! The job's terminal and pipes, made before the release, and its start.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use sys::postfork::{Bound, Start, StartError};
use sys::pty::Pty;

use super::Assignment;
use super::message::Slot;

/// Both ends of everything a job may be connected to.
pub struct Surroundings {
    /// The terminal's slave side stays open here as long as the leader lives: without it the
    /// terminal would hang up between two of the job's processes.
    pub slave: Option<OwnedFd>,
    /// What the runner reads and writes, by [`Slot`].
    pub slots: [Option<OwnedFd>; 4],
    /// The job's ends, by descriptor number; empty where the terminal stands.
    ends: [Option<OwnedFd>; 3],
}

impl Surroundings {
    /// Makes a terminal where `terminal` has a bit for one of the job's descriptors, and pipes for the
    /// others. The caller is a session leader without a controlling terminal and gets the new one.
    pub fn make(terminal: u8) -> io::Result<Self> {
        let mut made = Self { slave: None, slots: [const { None }; 4], ends: [const { None }; 3] };
        if terminal != 0 {
            let Pty { master, slave, .. } = sys::pty::open()?;
            sys::terminal::make_controlling(slave.as_fd())?;
            made.slots[Slot::Tty as usize] = Some(master);
            made.slave = Some(slave);
        }
        for number in (0..3).filter(|number| terminal & (1 << number) == 0) {
            let (read, write) = sys::descriptors::pipe()?;
            let (ours, theirs) = if number == 0 { (write, read) } else { (read, write) };
            if number != 0 {
                sys::descriptors::enlarge_pipe(ours.as_fd(), PIPE_BYTES);
            }
            made.slots[Slot::of_descriptor(number) as usize] = Some(ours);
            made.ends[number] = Some(theirs);
        }
        Ok(made)
    }

    /// For a batch job: what it is connected to was opened for it.
    pub fn given(ends: [OwnedFd; 3]) -> Self {
        Self { slave: None, slots: [const { None }; 4], ends: ends.map(Some) }
    }

    /// Which slots are open.
    pub fn mask(&self) -> u8 {
        Slot::ALL.iter().filter(|slot| self.slots[**slot as usize].is_some()).map(|slot| slot.bit()).sum()
    }

    /// The open slots in order.
    pub fn descriptors(&self) -> Vec<BorrowedFd<'_>> {
        self.slots.iter().flatten().map(|slot| slot.as_fd()).collect()
    }

    /// Uses the client's own descriptors where `handed` has a bit.
    pub fn hand_over(&mut self, handed: u8, descriptors: Vec<OwnedFd>) {
        let mut descriptors = descriptors.into_iter();
        for number in 0..3 {
            if handed & (1 << number) != 0
                && self.ends[number].is_some()
                && let Some(descriptor) = descriptors.next()
            {
                self.ends[number] = Some(descriptor);
                self.slots[Slot::of_descriptor(number) as usize] = None;
            }
        }
    }

    /// Starts the job and closes its ends here. Returns its pid.
    pub fn start(&mut self, assignment: &Assignment, foreground: bool) -> Result<i32, StartError> {
        let job = &assignment.job;
        // The runner has refused zero bytes; without them nothing is copied twice.
        let text = |bytes: &[u8]| CString::new(bytes);
        let texts = |list: &mut dyn Iterator<Item = &wire::ByteString>| -> Vec<CString> {
            list.filter_map(|entry| text(&entry.0).ok()).collect()
        };
        let argv = texts(&mut job.argv.iter());
        let environment = texts(&mut job.environment.iter().chain(&assignment.variables));
        // Only here is it known, and no earlier than the job is there.
        let wants_pid = job.batch.as_ref().is_some_and(|batch| batch.rq_variables);
        let pid_variable = wants_pid.then_some(c"RQ_PID");
        let path = text(&assignment.program.0).unwrap_or_default();
        let directory = text(&job.directory.0).unwrap_or_default();
        let hard = |name: &str| assignment.hard_limits.iter().find(|(known, _)| known == name).map(|(_, hard)| *hard);
        let bound = |limit: &wire::job::Limit| {
            let resource = sys::limits::resource(&limit.name)?;
            let (soft, hard) = (limit.soft.unwrap_or(u64::MAX), hard(&limit.name).unwrap_or(u64::MAX));
            Some(Bound { resource, soft, hard })
        };
        let limits = job.limits.iter().filter_map(bound).collect::<Vec<_>>();
        let ignored = job.ignored_signals.iter().filter_map(|name| sys::signal::number(name)).collect::<Vec<_>>();
        let pid = {
            let end = |number: usize| match (&self.ends[number], &self.slave) {
                (Some(end), _) => Some(end.as_fd()),
                (None, slave) => slave.as_ref().map(|slave| slave.as_fd()),
            };
            let (Some(input), Some(output), Some(error)) = (end(0), end(1), end(2)) else {
                return Err(StartError {
                    stage: sys::postfork::Stage::Descriptors,
                    source: io::Error::from(io::ErrorKind::NotFound),
                });
            };
            let start = Start {
                path: &path,
                argv: &argv,
                environment: &environment,
                directory: &directory,
                umask: job.umask,
                nice: job.nice,
                limits: &limits,
                ignored: &ignored,
                descriptors: [input, output, error],
                terminal: self.slave.as_ref().map(|slave| (slave.as_fd(), foreground)),
            };
            sys::postfork::start_named(&start, pid_variable)?
        };
        self.ends = [const { None }; 3];
        Ok(pid)
    }
}

/// Room in a pipe of the job's output. In a larger one the pages are cold again when they are read.
const PIPE_BYTES: usize = 128 * 1024;
