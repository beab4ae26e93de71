//! What may be asked about queues, and ordered: here, or on another host, to which it is passed on.

use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use hyper::body::Incoming;
use serde::Serialize;
use serde::de::DeserializeOwned;
use spool::store::Reader;
use wire::api::{Refusal, RefusalKind};
use wire::queues::{
    CheckAnswer, CheckRequest, CheckedFile, Directive, EffectiveAnswer, EffectiveRequest, Fault, ImportAnswer,
    ImportRequest, Order as Word, OrderAnswer, OrderRequest, QueueRow, QueuesAnswer, QueuesRequest,
};

use super::files::{self, Entry};
use super::queue::Queue;
use crate::core::gates::Order;
use crate::core::names::QueueName;
use crate::daemon::Daemon;
use crate::daemon::server::{Caller, json, read};
use crate::profile::Import;
use crate::profile::{self, Origin};

/// Answers a request below `/v1/queues/`; none: there is no such request.
pub async fn answer(
    daemon: &Rc<Daemon>,
    caller: &Caller,
    path: &str,
    body: Incoming,
) -> Option<Result<Bytes, Refusal>> {
    Some(match path {
        "/v1/queues/list" => match read::<QueuesRequest>(body, MOST).await {
            Ok(request) => match elsewhere(daemon, request.host.as_deref()) {
                Some(host) => pass::<QueuesAnswer>(daemon, host, path, &QueuesRequest { host: None }).await,
                None => list(daemon).await.and_then(|answer| json(&answer)),
            },
            Err(refusal) => Err(refusal),
        },
        "/v1/queues/effective" => match read::<EffectiveRequest>(body, MOST).await {
            Ok(request) => match elsewhere(daemon, request.host.as_deref()) {
                Some(host) => {
                    let here = EffectiveRequest { host: None, queue: request.queue.clone() };
                    pass::<EffectiveAnswer>(daemon, host, path, &here).await
                }
                None => effective(daemon, &request.queue).and_then(|answer| json(&answer)),
            },
            Err(refusal) => Err(refusal),
        },
        "/v1/queues/check" => read(body, MOST_TEXT).await.and_then(|request| json(&check(daemon, &request))),
        "/v1/queues/import" => read(body, MOST_TEXT).await.and_then(|request| json(&import(&request))),
        "/v1/queues/order" => match read::<OrderRequest>(body, MOST).await {
            Ok(request) => match (may_order(caller), elsewhere(daemon, request.host.as_deref())) {
                (Err(refusal), _) => Err(refusal),
                (Ok(()), Some(host)) => {
                    let here = OrderRequest { host: None, ..request.clone() };
                    pass::<OrderAnswer>(daemon, host, path, &here).await
                }
                (Ok(()), None) => order(daemon, &request).and_then(|answer| json(&answer)),
            },
            Err(refusal) => Err(refusal),
        },
        _ => return None,
    })
}

/// The owner of the daemon may, and so may a host of the cluster: whoever holds its authority is the owner.
fn may_order(caller: &Caller) -> Result<(), Refusal> {
    let own = sys::credentials::own_uid();
    match caller {
        Caller::Local { uid } if *uid != own && *uid != 0 => {
            Err(refused(format!("only uid {own} or root may do that")))
        }
        Caller::Local { .. } | Caller::Host { .. } => Ok(()),
    }
}

/// The host that is meant, if it is another one.
fn elsewhere<'a>(daemon: &Daemon, host: Option<&'a str>) -> Option<&'a str> {
    host.filter(|host| !host.eq_ignore_ascii_case(&daemon.host))
}

async fn pass<T: DeserializeOwned + Serialize>(
    daemon: &Rc<Daemon>,
    host: &str,
    path: &str,
    request: &impl Serialize,
) -> Result<Bytes, Refusal> {
    let rows = daemon.host_rows();
    if !rows.iter().any(|row| row.record.host == host) {
        let known = rows.iter().map(|row| row.record.host.as_str()).collect::<Vec<_>>();
        let (kind, message) = (RefusalKind::Usage, format!("no host named \"{host}\"; known: {}", known.join(" ")));
        return Err(Refusal { kind, message });
    }
    let answer = daemon.peers.ask::<T>(daemon, host, path, request, PATIENCE).await;
    answer.map_err(|error| refused(format!("{host} does not answer: {error:#}"))).and_then(|answer| json(&answer))
}

async fn list(daemon: &Rc<Daemon>) -> Result<QueuesAnswer, Refusal> {
    let queues = &daemon.queues;
    queues.look_now(daemon);
    let waiting = daemon.batch.store.ask_long(|reader| reader.waiting_by_queue()).await;
    let mut waiting = waiting.map_err(|error| refused(error.to_string()))?;
    let known = queues.known.borrow();
    let mut rows = Vec::new();
    for (name, queue) in &known.queues {
        rows.push(QueueRow {
            queue: name.clone(),
            running: daemon.hosting.running(&QueueName::from(name.as_str())),
            limit: queue.effective.slots(),
            waiting: waiting.remove(name).unwrap_or(0),
            shut: queue.verdict.shut.clone(),
            suspended: queue.verdict.suspended.clone(),
            order: queues.orders.of(name).map(|order| word(order).to_owned()),
            faults: queue.faults().iter().map(ToString::to_string).collect(),
            alias_of: None,
        });
    }
    for (name, entry) in &known.entries {
        if let Entry::Alias(target) = entry {
            let (alias_of, faults) = match files::resolve(&known.entries, name) {
                Ok(queue) => (queue, Vec::new()),
                Err(words) => (target.clone(), vec![words]),
            };
            let waiting = waiting.remove(name).unwrap_or(0);
            rows.push(QueueRow {
                queue: name.clone(),
                alias_of: Some(alias_of),
                waiting,
                shut: faults.first().cloned(),
                faults: Vec::new(),
                ..QueueRow::default()
            });
        }
    }
    // Jobs may wait in a queue that only other hosts have.
    rows.extend(waiting.into_iter().map(|(queue, waiting)| QueueRow {
        queue,
        waiting,
        shut: Some("is no queue of this host".to_owned()),
        ..QueueRow::default()
    }));
    let place = |name: &str| files::ALWAYS.iter().position(|always| *always == name).unwrap_or(files::ALWAYS.len());
    rows.sort_by(|one, other| (place(&one.queue), &one.queue).cmp(&(place(&other.queue), &other.queue)));
    let spool = queues.spool.display().to_string();
    Ok(QueuesAnswer { host: daemon.host.clone(), spool, queues: rows })
}

fn word(order: Order) -> &'static str {
    match order {
        Order::Drain => "drain",
        Order::Pause => "pause",
    }
}

fn effective(daemon: &Rc<Daemon>, name: &str) -> Result<EffectiveAnswer, Refusal> {
    let queues = &daemon.queues;
    queues.look_now(daemon);
    let queue = queues.must_have(daemon, name)?;
    let known = queues.known.borrow();
    let found = known.queues.get(&queue).ok_or_else(|| refused(format!("no queue \"{queue}\"")))?;
    let from = |origin: Origin| match origin {
        Origin::Default => None,
        Origin::Line(line) => Some(format!("line {line}")),
        Origin::Host { pattern, line } => Some(format!("line {line}, [host.{pattern}]")),
    };
    let directives = found.effective.lines().into_iter();
    let directives = directives.map(|(name, value, origin)| Directive { name, value, from: from(origin) }).collect();
    Ok(EffectiveAnswer {
        host: daemon.host.clone(),
        path: files::path(&queues.spool, &queue).display().to_string(),
        queue,
        directives,
        faults: found.faults().iter().map(ToString::to_string).collect(),
    })
}

fn check(daemon: &Rc<Daemon>, request: &CheckRequest) -> CheckAnswer {
    if let Some(text) = &request.text {
        let parsed = profile::parse(text);
        let idle = parsed.as_ref().map(|profile| idle(profile.idle())).unwrap_or_default();
        let faults = parsed.map(drop).err().unwrap_or_default();
        let faults = faults.iter().map(|fault| told(fault, text)).collect();
        return CheckAnswer { files: vec![CheckedFile { faults, idle, ..CheckedFile::default() }] };
    }
    let queues = &daemon.queues;
    queues.look_now(daemon);
    let known = queues.known.borrow();
    let with_file = known.queues.iter().filter(|(_, queue)| queue.has_file());
    let file = |(name, queue): (&String, &Queue)| CheckedFile {
        path: files::path(&queues.spool, name).display().to_string(),
        faults: queue.faults().iter().map(|fault| told(fault, queue.text())).collect(),
        idle: idle(queue.idle().to_vec()),
        in_force_since_us: queue.read_us(),
    };
    CheckAnswer { files: with_file.map(file).collect() }
}

fn idle(found: Vec<(usize, &'static str)>) -> Vec<String> {
    found.into_iter().map(|(line, name)| format!("{line}: {name} has no effect in this release")).collect()
}

fn told(fault: &profile::Fault, text: &str) -> Fault {
    let line = fault.line.checked_sub(1).and_then(|line| text.lines().nth(line)).unwrap_or_default();
    let line = line.chars().take(LONGEST_LINE).collect();
    Fault { line: fault.line, column: fault.column, message: fault.message.clone(), text: line }
}

fn import(request: &ImportRequest) -> ImportAnswer {
    let Import { toml, remarks, faults } = profile::import(&request.text);
    let remarks = remarks.iter().map(|remark| format!("{}: {}", remark.line, remark.message)).collect();
    ImportAnswer { text: toml, remarks, faults: faults.iter().map(ToString::to_string).collect() }
}

fn order(daemon: &Rc<Daemon>, request: &OrderRequest) -> Result<OrderAnswer, Refusal> {
    let queues = &daemon.queues;
    queues.look_now(daemon);
    let queue = request.queue.as_deref().map(|queue| queues.must_have(daemon, queue)).transpose()?;
    if let (Word::Evacuate, Some(queue)) = (request.order, &queue) {
        let message =
            format!("a host is evacuated as a whole; for the queue alone say: queue drain {} {queue}", daemon.host);
        return Err(Refusal { kind: RefusalKind::Usage, message });
    }
    let changed = queues.orders.give(queue.as_deref(), request.order).map_err(|error| refused(format!("{error:#}")))?;
    tracing::info!(queue, order = ?request.order, changed, "an admin's order");
    queues.judge(daemon);
    let mut open = None;
    if request.order == Word::Evacuate {
        daemon.batch.move_away(daemon);
        open = Some(daemon.batch.open_jobs().map_err(refused)?);
    }
    let running = match &queue {
        Some(queue) => daemon.hosting.running(&QueueName::from(queue.as_str())),
        None => {
            let known = queues.known.borrow();
            known.queues.keys().map(|queue| daemon.hosting.running(&QueueName::from(queue.as_str()))).sum()
        }
    };
    let still = match &queue {
        Some(queue) => queues.orders.of(queue),
        None => queues.orders.of_host(),
    };
    Ok(OrderAnswer {
        host: daemon.host.clone(),
        running,
        changed,
        open,
        still: still.map(|order| word(order).to_owned()),
    })
}

impl super::Queues {
    /// The queue that a name stands for.
    ///
    /// # Errors
    /// There is none.
    fn must_have(&self, daemon: &Daemon, name: &str) -> Result<String, Refusal> {
        let known = self.known.borrow();
        let found = files::resolve(&known.entries, name);
        found.map_err(|_| {
            let names = known.queues.keys().map(String::as_str).collect::<Vec<_>>().join(" ");
            let message = format!("{} has no queue \"{name}\"; it has: {names}", daemon.host);
            Refusal { kind: RefusalKind::Usage, message }
        })
    }
}

fn refused(message: String) -> Refusal {
    Refusal { kind: RefusalKind::Failed, message }
}

/// Requests of a line.
const MOST: usize = 64 * 1024;
/// A profile as JSON; its own length is judged where it is read.
const MOST_TEXT: usize = 4 << 20;
/// Another host's answer is waited for so long.
const PATIENCE: Duration = Duration::from_secs(10);
/// A line that is longer is cut where it is shown.
const LONGEST_LINE: usize = 500;
