//! The queues of this host: their profiles are read when they change, their gates judged while it matters, and
//! admission and runners are told what follows.
//!
//! It must not start, stop or count jobs: admission counts them, runners have them.

pub mod api;
mod files;
mod measure;
mod offers;
mod orders;
mod queue;
pub mod supervisor;
mod terms;

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use jiff::Zoned;
use jiff::tz::TimeZone;
use wire::job::Job;

use crate::config::Places;
use crate::config::keep::Keep;
use crate::core::admission::{Event as Admitted, QueueRule};
use crate::core::dispatch::{self, Share};
use crate::core::gates::{Facts, Hours};
use crate::core::names::QueueName;
use crate::core::resources::Needs;
use crate::core::time::Millis;
use crate::daemon::Daemon;
use crate::link::ToRunner;
use crate::profile::access::{Allowed, Names, Objection};
use crate::profile::{Effective, HostFacts, hours};
use files::Entry;
use orders::Orders;
use queue::Queue;

/// All queues of this host.
pub struct Queues {
    spool: PathBuf,
    host: HostFacts,
    orders: Orders,
    known: RefCell<Known>,
    looked: Cell<Option<Millis>>,
    /// What admission was told last.
    rules: RefCell<Vec<QueueRule>>,
    /// What runners were told last: the queues that are suspended, and why.
    suspended: RefCell<BTreeMap<String, String>>,
    supervisors: supervisor::Supervisors,
    /// What the dispatcher was told last.
    shares: RefCell<HashMap<QueueName, Share>>,
    /// What admission was told last of what this host offers, and what was wrong with it.
    offered: RefCell<offers::Gathered>,
}

#[derive(Default)]
struct Known {
    /// What lies below the spool.
    entries: BTreeMap<String, Entry>,
    queues: BTreeMap<String, Queue>,
}

impl Queues {
    /// Those of a daemon's state directory; nothing is read yet but the orders.
    ///
    /// # Errors
    /// The orders of the life before cannot be understood.
    pub fn new(places: &Places, host: &str) -> anyhow::Result<Self> {
        Ok(Self {
            spool: places.state.join("spool"),
            host: HostFacts { name: host.to_owned(), cpus: sys::host::cpus() },
            orders: Orders::read(&places.state)?,
            known: RefCell::default(),
            looked: Cell::new(None),
            rules: RefCell::default(),
            suspended: RefCell::default(),
            supervisors: supervisor::Supervisors::default(),
            shares: RefCell::default(),
            offered: RefCell::default(),
        })
    }

    /// Looks again, if that was not done just now.
    pub fn look(&self, daemon: &Rc<Daemon>) {
        let now = daemon.now();
        if self.looked.get().is_none_or(|last| now.since(last) >= OFTEN_ENOUGH) {
            self.look_now(daemon);
        }
    }

    /// Reads what has changed, and judges.
    pub fn look_now(&self, daemon: &Rc<Daemon>) {
        let now = daemon.now();
        self.looked.set(Some(now));
        self.read();
        let names = self.known.borrow().queues.keys().cloned().collect::<Vec<_>>();
        for name in &names {
            measure::ask(daemon, name, now);
        }
        self.judge(daemon);
    }

    fn read(&self) {
        let mut known = self.known.borrow_mut();
        match files::scan(&self.spool) {
            Ok(entries) => known.entries = entries,
            // What was there is there still, as far as anybody knows.
            Err(error) => tracing::error!("the queues in {} cannot be listed: {error}", self.spool.display()),
        }
        let Known { entries, queues } = &mut *known;
        let own = entries.iter().filter(|(_, entry)| **entry == Entry::Queue).map(|(name, _)| name.as_str());
        let names = files::ALWAYS.into_iter().filter(|name| !matches!(entries.get(*name), Some(Entry::Alias(_))));
        let names = names.chain(own).collect::<std::collections::BTreeSet<_>>();
        queues.retain(|name, _| names.contains(name.as_str()));
        let now_us = crate::daemon::batch::now_us();
        for name in names {
            let queue = queues.entry(name.to_owned()).or_insert_with(|| Queue::new(name, &self.host));
            queue.look(&files::path(&self.spool, name), &self.host, now_us);
        }
    }

    /// Judges all gates; whoever is concerned is told what is new.
    pub fn judge(&self, daemon: &Rc<Daemon>) {
        let (runnable, load1) = daemon.hosting.load(daemon);
        let now = Zoned::now().with_time_zone(TimeZone::system());
        let (mut rules, mut suspended, mut news) = (Vec::new(), BTreeMap::new(), Vec::new());
        let (mut off, mut shares) = (Vec::new(), HashMap::new());
        {
            let mut known = self.known.borrow_mut();
            for (name, queue) in &mut known.queues {
                let facts = Facts {
                    runnable,
                    load1,
                    timesched: hours_at(&queue.effective.timesched.value, &now),
                    timestop: hours_at(&queue.effective.timestop.value, &now),
                    free: queue.measured.free.clone(),
                    program: queue.measured.said.clone(),
                    order: self.orders.of(name),
                };
                let was_off = queue.verdict.ends;
                news.extend(
                    queue.judge(&facts).map(|what| (name.clone(), queue.effective.supervisor.value.clone(), what)),
                );
                // Each job is asked once.
                if queue.verdict.ends && !was_off {
                    off.push(name.clone());
                }
            }
            rules.extend(known.queues.values().map(Queue::rule));
            let others = aliases(&known).filter(|(_, queue)| off.contains(queue)).map(|(alias, _)| alias);
            let others = others.collect::<Vec<_>>();
            off.extend(others);
            for (name, target) in names(&known) {
                shares.extend(known.queues.get(&target).map(|queue| (QueueName::from(name.as_str()), queue.share())));
                if let Some(words) = known.queues.get(&target).and_then(|queue| queue.verdict.suspended.as_ref()) {
                    suspended.insert(name, words.clone());
                }
            }
        }
        for (queue, supervisor, what) in news {
            self.queue_did(daemon, &queue, supervisor.as_ref(), &what);
        }
        if !off.is_empty() {
            tell_runners(daemon, || ToRunner::Terminate(off.clone()));
        }
        self.offer(daemon);
        let is_new = *self.rules.borrow() != rules;
        if is_new {
            *self.rules.borrow_mut() = rules.clone();
            daemon.hosting.feed(daemon, Admitted::Queues(rules));
            // A gate that opened lets those go on who wait for it here.
            daemon.placing.refresh(daemon);
        }
        if *self.shares.borrow() != shares {
            *self.shares.borrow_mut() = shares.clone();
            daemon.placing.feed(daemon, dispatch::Event::Shares(shares));
        }
        let is_other = self.suspended.borrow().keys().ne(suspended.keys());
        *self.suspended.borrow_mut() = suspended.clone();
        if is_other {
            tell_runners(daemon, || ToRunner::Suspended(suspended.clone()));
        }
    }

    /// Tells admission what is offered, if it is something else than before.
    fn offer(&self, daemon: &Rc<Daemon>) {
        let gathered = {
            let (known, settings) = (self.known.borrow(), daemon.settings.borrow());
            let of_queues = known.queues.iter().map(|(name, queue)| (name.as_str(), &queue.effective.offer.value));
            offers::gather(std::iter::once(("queued.toml", &settings.offers)).chain(of_queues))
        };
        if *self.offered.borrow() == gathered {
            return;
        }
        let before = self.offered.replace(gathered.clone());
        for doubt in gathered.doubts.iter().filter(|doubt| !before.doubts.contains(doubt)) {
            tracing::warn!("{doubt}");
        }
        if before.offers != gathered.offers {
            daemon.hosting.feed(daemon, Admitted::Offers(gathered.offers));
            daemon.placing.refresh(daemon);
        }
    }

    /// What a job needs of its host, by its own word and that of its queue here.
    pub fn needs_of(&self, job: &Job) -> Needs {
        let known = self.known.borrow();
        let name = files::resolve(&known.entries, &job.queue).unwrap_or_else(|_| job.queue.clone());
        let said = job.needs.as_ref();
        match known.queues.get(&name).map(|queue| &queue.effective) {
            Some(queue) => {
                let memory = queue.memory.value.map(|size| size.0);
                Needs::of(said, job.memory, queue.cpus_per_job.value, memory, &queue.needs.value.0)
            }
            None => Needs::of(said, job.memory, 1, None, &[]),
        }
    }

    /// Tells a runner that has just come what is suspended.
    pub fn tell_suspended(&self, daemon: &Daemon, uid: u32) {
        let suspended = self.suspended.borrow().clone();
        if let Some(runner) = daemon.runners.connected(uid) {
            tokio::task::spawn_local(async move { drop(runner.tell(&ToRunner::Suspended(suspended), &[]).await) });
        }
    }

    /// Other names of queues, each with the queue it stands for.
    pub fn aliases(&self) -> Vec<(String, String)> {
        aliases(&self.known.borrow()).collect()
    }

    /// Whether something may change by itself that anybody waits for.
    pub fn are_watched(&self) -> bool {
        let known = self.known.borrow();
        known.queues.values().any(|queue| queue.has_file() || queue.verdict.shut.is_some())
    }

    /// The queue that a name stands for; an unknown one stays as it is, and is refused where it is used.
    pub fn resolve(&self, name: &str) -> String {
        files::resolve(&self.known.borrow().entries, name).unwrap_or_else(|_| name.to_owned())
    }

    /// What is in force in a queue, by any of its names; none: this host has no such queue.
    pub fn effective(&self, daemon: &Rc<Daemon>, name: &str) -> Option<Rc<Effective>> {
        self.look(daemon);
        let known = self.known.borrow();
        let queue = files::resolve(&known.entries, name).ok()?;
        known.queues.get(&queue).map(|queue| queue.effective.clone())
    }

    /// How long jobs that have ended stay in the spool, in queues that say so, by all their names.
    pub fn keep(&self) -> BTreeMap<String, Keep> {
        let known = self.known.borrow();
        let of = |queue: &str| known.queues.get(queue).and_then(|queue| queue.effective.keep.value.0);
        names(&known).filter_map(|(name, queue)| Some((name, of(&queue)?))).collect()
    }

    /// Whether this host is to be emptied: its spool takes no more jobs.
    pub fn are_evacuated(&self) -> bool {
        self.orders.is_evacuated()
    }

    /// Whether a user may use a queue in which this is in force.
    ///
    /// # Errors
    /// Why not, in a sentence.
    pub fn admits(&self, daemon: &Daemon, effective: &Effective, uid: u32) -> Result<(), String> {
        let user = daemon.user_of(uid);
        let everybody = effective.allow_groups.value == Allowed::All && effective.deny_groups.value == Names::default();
        // NSS may be slow, and is asked only where somebody wants to know.
        let groups = if everybody { Vec::new() } else { sys::credentials::group_names(uid) };
        match effective.objection(&user, groups.iter().map(String::as_str)) {
            None => Ok(()),
            Some(Objection::DeniedUser) => Err(format!("{user} may not use it (deny-users)")),
            Some(Objection::DeniedGroup) => Err(format!("{user} may not use it (deny-groups)")),
            Some(Objection::NotAllowed) => {
                Err(format!("{user} is not among those who may use it (allow-users, allow-groups)"))
            }
        }
    }

    /// Whether a command may be run in a queue in which this is in force.
    ///
    /// # Errors
    /// Why not, in a sentence.
    pub fn allows(effective: &Effective, command: &str) -> Result<(), String> {
        match effective.allows_command(command) {
            true => Ok(()),
            false => Err(format!("\"{command}\" may not be run in it (allow-commands)")),
        }
    }

    fn change<T: Default>(&self, name: &str, change: impl FnOnce(&mut Queue) -> T) -> T {
        self.known.borrow_mut().queues.get_mut(name).map(change).unwrap_or_default()
    }
}

fn tell_runners(daemon: &Daemon, message: impl Fn() -> ToRunner) {
    for runner in daemon.runners.all() {
        let message = message();
        tokio::task::spawn_local(async move { drop(runner.tell(&message, &[]).await) });
    }
}

/// Every name, aliases included, with the queue it stands for.
fn names(known: &Known) -> impl Iterator<Item = (String, String)> {
    known.queues.keys().map(|name| (name.clone(), name.clone())).chain(aliases(known))
}

fn aliases(known: &Known) -> impl Iterator<Item = (String, String)> {
    let aliases = known.entries.iter().filter(|(_, entry)| matches!(entry, Entry::Alias(_)));
    aliases.filter_map(|(name, _)| Some((name.clone(), files::resolve(&known.entries, name).ok()?)))
}

fn hours_at(hours: &hours::Hours, now: &Zoned) -> Hours {
    let minute = (now.hour() as u16) * 60 + now.minute() as u16;
    let weekday = now.weekday();
    Hours { open: hours.is_open(weekday, minute), changes_in: hours.next_change(weekday, minute) }
}

/// More looks only cost time.
const OFTEN_ENOUGH: Duration = Duration::from_millis(500);
