//! What the hosts have not that a job needs, for whoever submits it or asks why it waits.

use std::rc::Rc;

use wire::api::{Refusal, RefusalKind};
use wire::job::Job;
use wire::news::HostRow;

use super::Batch;
use crate::core::choose;
use crate::core::names::QueueName;
use crate::core::resources::{Lack, Needs, lack_by_news, lack_of_slots};
use crate::daemon::{Daemon, newcomer};

/// What a job waits for on a host besides a slot, as far as it is known.
pub fn lack(daemon: &Rc<Daemon>, row: &HostRow, queue: &QueueName, needs: &Needs) -> Option<String> {
    if needs.are_plain() {
        return None;
    }
    if row.this_host {
        return daemon.hosting.lack(queue, needs);
    }
    by_news(row, queue, needs).map(|lack| lack.words().to_owned())
}

fn by_news(row: &HostRow, queue: &QueueName, needs: &Needs) -> Option<Lack> {
    let state = &row.record.state;
    let slots = state.queues.iter().find(|state| state.queue == queue.as_str());
    let slots = slots.and_then(|queue| lack_of_slots(queue.limit, queue.running, state.cpus, needs).err());
    match (slots, lack_by_news(state, needs)) {
        (slots @ Some(Lack::Never(_)), _) => slots,
        (_, Err(never @ Lack::Never(_))) => Some(never),
        (Some(slots), _) => Some(slots),
        (None, other) => other.err(),
    }
}

impl Batch {
    /// Refuses what no host could ever run, if all of them are known.
    ///
    /// # Errors
    /// What is missing on each of those that may run it.
    pub fn could_run_somewhere(&self, daemon: &Rc<Daemon>, job: &Job) -> Result<(), Refusal> {
        let needs = daemon.queues.needs_of(job);
        if needs.are_plain() || !(newcomer::is_alone(daemon) || self.everybody_is_known(daemon)) {
            return Ok(());
        }
        let queue = QueueName::from(daemon.queues.resolve(&job.queue));
        let mut lacks = Vec::new();
        for row in daemon.host_rows() {
            let host = &row.record.host;
            if !job.hosts.is_empty() && !job.hosts.iter().any(|wanted| choose::fits(wanted, host)) {
                continue;
            }
            let never = match row.this_host {
                true => daemon.hosting.never(&queue, &needs),
                false => match by_news(&row, &queue, &needs) {
                    Some(Lack::Never(words)) => Some(words),
                    Some(Lack::Taken(_)) | None => None,
                },
            };
            match never {
                Some(words) => lacks.push(format!("{host}: {words}")),
                None => return Ok(()),
            }
        }
        let message = match &lacks[..] {
            // No host of that name is known yet.
            [] => return Ok(()),
            [one] => one.clone(),
            [..] if lacks.len() <= NAMED => format!("no host has what this needs: {}", lacks.join("; ")),
            [..] => {
                let (named, others) = lacks.split_at(NAMED);
                format!("no host has what this needs: {}; and {} more", named.join("; "), others.len())
            }
        };
        Err(Refusal { kind: RefusalKind::Impossible, message })
    }
}

/// How many hosts a sentence names.
const NAMED: usize = 3;
