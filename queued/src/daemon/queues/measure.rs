//! What a queue's gates need to know and cannot be asked at once: free space, which a dead file server may withhold,
//! and what the queue's own program says. Both are asked aside, and the last answer holds.

use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use crate::core::gates::Said;
use crate::core::time::Millis;
use crate::daemon::Daemon;
use crate::daemon::program::{self, Exit};
use crate::profile::Effective;

/// The answers for one queue.
#[derive(Debug, Default)]
pub struct Measured {
    /// For each place of `minfree`, in that order.
    pub free: Vec<Result<u64, String>>,
    /// What `program` said last.
    pub said: Option<Said>,
    /// When space was asked for last, and whether there is no answer yet.
    space: Asked,
    program: Asked,
}

#[derive(Debug, Default)]
struct Asked {
    at: Option<Millis>,
    waits: bool,
    /// Which question it was: the answer to an older one is not taken.
    number: u64,
}

impl Asked {
    fn is_due(&self, now: Millis, every: Duration) -> bool {
        !self.waits && self.at.is_none_or(|at| now.since(at) >= every)
    }

    fn ask(&mut self, now: Millis) -> u64 {
        self.number += 1;
        (self.at, self.waits) = (Some(now), true);
        self.number
    }

    fn renew(&mut self) {
        self.number += 1;
        (self.at, self.waits) = (None, false);
    }

    /// Whether this is the answer that is waited for.
    fn takes(&mut self, number: u64) -> bool {
        let is_meant = self.number == number;
        self.waits &= !is_meant;
        is_meant
    }
}

impl Measured {
    /// Answers to other questions than are asked now are not believed.
    pub fn forget_what_changed(&mut self, before: &Effective, now: &Effective) {
        if before.minfree.value != now.minfree.value {
            self.free.clear();
            self.space.renew();
        }
        if before.program.value != now.program.value {
            self.said = None;
            self.program.renew();
        }
    }
}

/// Asks what is due for a queue. The answers come later, and are looked at then.
pub fn ask(daemon: &Rc<Daemon>, queue: &str, now: Millis) {
    let (space, program) = daemon.queues.change(queue, |queue| {
        let Effective { minfree, program, program_every, program_time_limit, .. } = &*queue.effective;
        let paths = minfree.value.0.iter().map(|free| free.path.clone()).collect::<Vec<_>>();
        if queue.measured.free.len() != paths.len() {
            queue.measured.free = vec![Err("it is being looked at".to_owned()); paths.len()];
        }
        let space = (!paths.is_empty() && queue.measured.space.is_due(now, SPACE))
            .then(|| (paths, queue.measured.space.ask(now)));
        let argv = program.value.as_ref().map(|program| program.argv.clone());
        let (every, limit) = (program_every.value, program_time_limit.value);
        let program = argv
            .filter(|_| queue.measured.program.is_due(now, every))
            .map(|argv| (argv, limit, queue.measured.program.ask(now)));
        (space, program)
    });
    if let Some((paths, number)) = space {
        let (daemon, queue) = (daemon.clone(), queue.to_owned());
        tokio::task::spawn_local(async move {
            // A thread of its own: one that hangs in the kernel holds up nobody else.
            let free = crate::daemon::batch::apart(move || {
                let free = |path: &PathBuf| sys::disk::file_system(path).map_or_else(refused, |found| Ok(found.free));
                Ok(paths.iter().map(free).collect::<Vec<_>>())
            });
            let free = free.await.unwrap_or_default();
            daemon.queues.change(&queue, |queue| {
                if queue.measured.space.takes(number) && queue.measured.free.len() == free.len() {
                    queue.measured.free = free;
                }
            });
            daemon.queues.judge(&daemon);
        });
    }
    if let Some((argv, limit, number)) = program {
        let (daemon, queue) = (daemon.clone(), queue.to_owned());
        tokio::task::spawn_local(async move {
            let said = run(&argv, &queue, limit).await;
            let has_changed = daemon.queues.change(&queue, |queue| {
                let takes = queue.measured.program.takes(number);
                takes && queue.measured.said.replace(said.clone()).as_ref() != Some(&said)
            });
            if has_changed {
                tracing::info!(queue, "its program {} says: {said:?}", argv[0]);
                daemon.queues.judge(&daemon);
            }
        });
    }
}

fn refused(error: std::io::Error) -> Result<u64, String> {
    Err(error
        .raw_os_error()
        .map_or_else(|| error.to_string(), |number| nix::errno::Errno::from_raw(number).desc().to_lowercase()))
}

/// `PROGRAM ARGUMENTS... QUEUE`, as GNU Queue has it.
async fn run(argv: &[String], queue: &str, limit: Duration) -> Said {
    let arguments = argv.iter().map(String::as_bytes).chain([queue.as_bytes()]).collect::<Vec<_>>();
    match tokio::time::timeout(limit, program::run(&arguments, Vec::new())).await {
        Err(_) => Said::Failed(format!("did not answer within {} s", limit.as_secs())),
        Ok(Err(error)) => Said::Failed(format!("cannot be run: {error}")),
        Ok(Ok(Exit { status, said })) => match status {
            Some(0) => Said::Run,
            Some(1) => Said::Suspend,
            Some(2 | 4) => Said::Drain,
            Some(status) if said.is_empty() => Said::Failed(format!("exited with {status}")),
            Some(status) => Said::Failed(format!("exited with {status}: {said}")),
            None => Said::Failed("ended in an unknown way".to_owned()),
        },
    }
}

/// How often free space is looked at.
const SPACE: Duration = Duration::from_secs(5);
