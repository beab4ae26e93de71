//! Making an attempt ready: what is checked, made and opened for it before anything runs.

use std::fs::File;
use std::io;

use nix::sys::epoll::{EpollEvent, EpollFlags};
use wire::ByteString;
use wire::api::{Refusal, RefusalKind};

use super::Attempts;
use crate::leader::Assignment;
use crate::link::{AttemptKey, PrepareAttempt};
use crate::runner::batch::attempt::{Attempt, Kit, Phase, Ready};
use crate::runner::batch::check::Checked;
use crate::runner::batch::files::{self, Place};
use crate::runner::batch::variables::{self, Facts};
use crate::runner::batch::{Order, content, unpack};
use crate::runner::leader_link::LeaderLink;
use crate::runner::prepare::refusal;

impl Attempts {
    /// Checks an attempt and has its leader made ready, which answers then.
    pub(super) fn prepare(&mut self, prepare: PrepareAttempt) -> Result<(), Refusal> {
        let PrepareAttempt { request, key, job, warrant, wishes, submitted_us, lease_ms, bin, taken, terms } = prepare;
        let failed = |message: String| refusal(RefusalKind::Failed, message);
        if self.numbers.contains_key(&key) {
            return Err(failed("the runner has this attempt in hand already".to_owned()));
        }
        if job.home != key.home {
            return Err(failed(format!("it is a job of {}, not of {}", job.home, key.home)));
        }
        let was_released = || failed(format!("attempt {} of the job, or a later one, was started here", key.attempt));
        if self.past.has(&key) {
            return Err(was_released());
        }
        let jobs = &self.shared.options.jobs;
        let place = Place::of(jobs, &key).map_err(|error| failed(error.to_string()))?;
        let trust = self.shared.trust().map_err(|error| failed(format!("{error:#}")))?;
        let Checked { mut job, hard_limits, mut batch, verified, program } =
            self.checker.check(job, warrant, bin.as_ref(), &terms, &trust)?;
        let missing = |what: &str, error: io::Error| failed(format!("the job's {what} is not here: {error}"));
        let stdin = match &batch.stdin {
            Some(content) => content::open(jobs, content).map_err(|error| missing("standard input", error))?,
            None => File::open("/dev/null").map_err(|error| missing("standard input", error))?,
        };
        let archive = batch.data.as_ref().map(|content| content::open(jobs, content)).transpose();
        let archive = archive.map_err(|error| missing("data directory", error))?;
        place.make().map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => was_released(),
            _ => failed(format!("cannot make {}: {error}", place.fresh().display())),
        })?;
        let queue = job.queue.clone();
        let host = self.shared.host_name();
        let made = files::open_outputs(&place, &job, &batch, &key, &host).and_then(|outputs| {
            let [stdout, stderr] = outputs.paths(&place);
            let stdin_path = match &batch.stdin {
                Some(content) => content::path(jobs, &content.sha256).unwrap_or_default().into_os_string().into(),
                None => ByteString::from("/dev/null"),
            };
            let facts = Facts {
                key: &key,
                job: &job,
                batch: &batch,
                wishes: &wishes,
                taken: &taken,
                submitted_us,
                host: &host,
                jobs,
                place: &place,
                files: [stdin_path, stdout, stderr],
            };
            let variables = facts.variables();
            batch.variants.clear();
            let limits = (job.time.clone(), job.memory);
            job.batch = Some(batch);
            let mut assignment = Assignment {
                session: socket_name(&key),
                place: self.shared.options.place.clone(),
                job_id: key.job_id,
                user: verified.identity.user,
                session_key: verified.public_key,
                program: program.into_os_string().into(),
                variables,
                job,
                hard_limits,
                attempt: Some(key.clone()),
                taken: taken.clone(),
            };
            let sheet = assignment.to_file().map_err(|error| failed(format!("cannot describe the job: {error}")))?;
            Ok((sheet, outputs, limits))
        });
        let (sheet, outputs, limits) = made.inspect_err(|_| place.withdraw())?;
        let [stdout, stderr] = outputs.files;
        let kit = Kit { sheet, ends: [stdin.into(), stdout.into(), stderr.into()] };
        let ready = Ready { lease_ms, named: outputs.named };
        let (number, directory) = (self.next, place.fresh().join(variables::DATA));
        self.next += 1;
        let phase = Phase::Unpacking { request, kit, ready };
        let mut attempt = Attempt::new(key.clone(), queue, place, outputs.kept, phase);
        attempt.taken = taken;
        (attempt.time, attempt.memory) = limits;
        self.attempts.insert(number, attempt);
        self.numbers.insert(key, number);
        match archive {
            None => self.unpacked(number, Ok(())),
            Some(archive) => {
                let desk = self.desk.clone();
                self.unpacking.run(move || desk.give(Order::Unpacked(number, unpack::unpack(archive, &directory))));
            }
        }
        Ok(())
    }

    /// All files of an attempt are there: its leader is made ready.
    pub(super) fn unpacked(&mut self, number: u64, result: Result<(), String>) {
        let Some(attempt) = self.attempts.get_mut(&number) else {
            return;
        };
        let Phase::Unpacking { request, kit, ready } = std::mem::replace(&mut attempt.phase, Phase::Over) else {
            return;
        };
        attempt.phase = Phase::Opening { request, ready };
        let name = socket_name(&attempt.key);
        let made = result.and_then(|()| {
            let connection = self.shared.maker.batch(&name, &self.shared.options.place, &kit.sheet, &kit.ends);
            let watched = connection.and_then(|connection| {
                self.events.add(&connection, EpollEvent::new(EpollFlags::EPOLLIN, number))?;
                LeaderLink::new(connection, [const { None }; 4])
            });
            watched.map_err(|error| format!("cannot make a leader ready: {error}"))
        });
        match made {
            Ok(leader) => attempt.leader = Some(leader),
            Err(why) => self.drop_attempt(number, Some(why)),
        }
    }
}

/// What stands for the attempt in its leader's socket name, which has no room for long names of homes. The
/// kernel gives each name once: so there are never two leaders of one attempt.
fn socket_name(key: &AttemptKey) -> String {
    let text = format!("{}/{}.{}", key.home, key.job_id, key.attempt);
    let hash = ring::digest::digest(&ring::digest::SHA256, text.as_bytes());
    let hexadecimal = hash.as_ref()[..16].iter().map(|byte| format!("{byte:02x}"));
    hexadecimal.fold("b".to_owned(), |name, digits| name + &digits)
}
