//! What a home takes into its spool: whether a queue is there, who may use it and for what, and how much may wait.
//!
//! It is the home's own profile that speaks here; a host that runs the job asks its own (see [`crate::daemon::queues`]).

use std::collections::BTreeMap;
use std::rc::Rc;

use spool::store::{NewJob, Reader};
use wire::api::{Refusal, RefusalKind};
use wire::batch::MailWish;
use wire::job::Job;

use super::{Batch, spool_failed};
use crate::daemon::Daemon;
use crate::daemon::queues::Queues;
use crate::profile::Effective;

impl Batch {
    /// Refuses what the queues of a submission do not take, and fills in what they say for jobs that say nothing.
    ///
    /// # Errors
    /// The first thing that is in the way; nothing of the submission is taken then.
    pub(super) fn heed_queues(
        &self,
        daemon: &Rc<Daemon>,
        uid: u32,
        key: &str,
        commons: &[Job],
        jobs: &mut [NewJob],
        elements: u64,
    ) -> Result<(), Refusal> {
        if daemon.queues.are_evacuated() {
            let message = format!(
                "{0} is being evacuated and takes no more jobs; submit them on another host, or say: queue undrain {0}",
                daemon.host
            );
            return Err(Refusal { kind: RefusalKind::Full, message });
        }
        let mut counts = BTreeMap::<&str, u64>::new();
        for job in jobs.iter() {
            if let Some(common) = commons.get(job.common) {
                *counts.entry(&common.queue).or_default() += elements.max(1);
            }
        }
        for (queue, count) in counts {
            let Some(effective) = daemon.queues.effective(daemon, queue).or_else(|| {
                // It may have been made just now.
                daemon.queues.look_now(daemon);
                daemon.queues.effective(daemon, queue)
            }) else {
                must_be_known(daemon, queue)?;
                continue;
            };
            let told = |kind, words: String| Refusal { kind, message: format!("queue \"{queue}\": {words}") };
            daemon.queues.admits(daemon, &effective, uid).map_err(|words| told(RefusalKind::Denied, words))?;
            let of_queue = |job: &&mut NewJob| commons.get(job.common).is_some_and(|common| common.queue == queue);
            for job in jobs.iter_mut().filter(of_queue) {
                let common = &commons[job.common];
                may_be_run(&effective, common, job).map_err(|words| told(RefusalKind::Denied, words))?;
                if job.wishes.mail.is_none() {
                    job.wishes.mail = mail_of(&effective);
                }
            }
            self.must_have_room(daemon, uid, queue, &effective, count, key)?;
        }
        Ok(())
    }

    /// Whether so many more may wait.
    fn must_have_room(
        &self,
        daemon: &Rc<Daemon>,
        uid: u32,
        queue: &str,
        effective: &Effective,
        count: u64,
        key: &str,
    ) -> Result<(), Refusal> {
        let user = daemon.user_of(uid);
        let limits = [
            ("maxqueue", effective.backlog(), None),
            ("max-queued-per-user", effective.max_queued_per_user.value, Some(user.as_str())),
        ];
        for (directive, most, user_only) in limits {
            let Some(most) = most.map(u64::from) else { continue };
            let waiting = self.store.ask(|reader| reader.waiting_in(queue, user_only, most + 1));
            let waiting = waiting.map_err(|error| spool_failed(&error))?;
            if waiting + count <= most {
                continue;
            }
            // The answer to the first try may be lost: what was taken then is not refused now.
            if self.store.ask(|reader| reader.has_submission(&user, key)).map_err(|error| spool_failed(&error))? {
                return Ok(());
            }
            let whose = user_only.map_or(String::new(), |user| format!(" of {user}"));
            let message = format!(
                "queue \"{queue}\" takes no more: {waiting} jobs{whose} wait in it, at most {most} may ({directive}); \
                 {count} more were not submitted"
            );
            return Err(Refusal { kind: RefusalKind::Full, message });
        }
        Ok(())
    }
}

/// Some host must have the queue: otherwise nobody would ever run the job.
fn must_be_known(daemon: &Rc<Daemon>, queue: &str) -> Result<(), Refusal> {
    let rows = daemon.host_rows();
    let mut names =
        rows.iter().flat_map(|row| &row.record.state.queues).map(|state| state.queue.as_str()).collect::<Vec<_>>();
    if names.contains(&queue) {
        return Ok(());
    }
    names.sort_unstable();
    names.dedup();
    let message = format!("no host has a queue \"{queue}\"; known: {}", names.join(" "));
    Err(Refusal { kind: RefusalKind::Usage, message })
}

fn may_be_run(effective: &Effective, common: &Job, job: &NewJob) -> Result<(), String> {
    let argv = if job.argv.is_empty() { &common.argv } else { &job.argv };
    if let Some(command) = argv.first() {
        Queues::allows(effective, &command.display())?;
    }
    match effective.max_priority.value {
        Some(most) if job.wishes.priority > most => {
            Err(format!("priority {} is more than it allows, {most} (max-priority)", job.wishes.priority))
        }
        _ => Ok(()),
    }
}

/// When the owner of a job that says nothing is told; none: as usual.
fn mail_of(effective: &Effective) -> Option<MailWish> {
    let letters = effective.mail.value.0?;
    Some(MailWish { start: letters.start, end: letters.end, failure: letters.crash, to: None })
}
