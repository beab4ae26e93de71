//! What a queue's profile says of how its jobs run, put into the words that runners hear.

use std::time::Duration;

use wire::ByteString;
use wire::job::Warn;

use super::Queues;
use crate::link::{Bounds, Directory, Terms};
use crate::profile::limits::Rlimit;
use crate::profile::{Effective, Origin, program};

impl Queues {
    /// The terms of a queue, by its own name; of one that is not there nobody has said anything.
    pub fn terms(&self, queue: &str) -> Terms {
        self.known.borrow().queues.get(queue).map(|queue| of(&queue.effective)).unwrap_or_default()
    }
}

fn of(effective: &Effective) -> Terms {
    // What nobody has said changes nothing: a job may have been nicer or less nice than usual.
    let nice = &effective.nice;
    let limits: [(&str, &Option<Rlimit>); 10] = [
        ("cpu", &effective.rlimitcpu.value),
        ("fsize", &effective.rlimitfsize.value),
        ("data", &effective.rlimitdata.value),
        ("stack", &effective.rlimitstack.value),
        ("core", &effective.rlimitcore.value),
        ("rss", &effective.rlimitrss.value),
        ("nofile", &effective.rlimitnofile.value),
        ("as", &effective.rlimitvmem.value),
        ("nproc", &effective.rlimitnproc.value),
        ("memlock", &effective.rlimitmemlock.value),
    ];
    let bounds = |(name, limit): (&str, &Option<Rlimit>)| {
        let limit = limit.as_ref()?;
        let hard = limit.hard.and_then(|hard| hard.number());
        Some(Bounds { name: name.to_owned(), soft: limit.soft.number(), hard })
    };
    let seconds = |length: &Option<Duration>| length.map(|length| length.as_secs());
    Terms {
        nice: (nice.origin != Origin::Default).then_some(nice.value),
        limits: limits.into_iter().filter_map(bounds).collect(),
        chdir: effective.chdir.value.as_ref().map(|directory| match directory {
            program::Directory::Home => Directory::Home,
            program::Directory::Path(path) => Directory::Path(ByteString::from(path.clone().into_os_string())),
        }),
        time_s: seconds(&effective.time_limit.value),
        most_time_s: seconds(&effective.max_time_limit.value),
        warn: effective
            .warn
            .value
            .as_ref()
            .map(|warning| Warn { signal: warning.signal.clone(), before_s: warning.before.as_secs() }),
        grace_s: Some(effective.grace.value.as_secs()),
        memory: effective.memory.value.map(|size| size.0),
        most_memory: effective.max_memory.value.map(|size| size.0),
    }
}
