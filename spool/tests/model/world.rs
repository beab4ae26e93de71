//! The model: one job's home, its hosts with their leaders, and the messages on their way.
//!
//! Daemons remember nothing but their disk (and home, when it last granted the lease).
//! Leaders survive their daemon, but not their host.

use std::collections::BTreeMap;

use spool::home::{Event, Record, Report, Starts};
use spool::hosted::{self, Ending};
use spool::{Attempt, JobId, SpoolId};
use wire::api::{Refusal, RefusalKind};
use wire::session::{End, Outcome, Usage};

use crate::home::Taken;

/// The lease in units of a host's clock, which advances 100 to 110 in one unit of time.
pub const LEASE: u64 = 10_000;

pub struct World {
    pub starts: Starts,
    pub home: Home,
    pub hosts: Vec<Host>,
    pub network: Vec<Message>,
    pub truth: Truth,
    now: u64,
}

pub struct Home {
    pub record: Record,
    /// When it last granted the lease, placed the attempt or was started, by its own clock.
    pub granted_at: u64,
    rate: u64,
}

pub struct Host {
    pub spool: SpoolId,
    pub records: BTreeMap<Attempt, hosted::Record>,
    pub leaders: Vec<Leader>,
    rate: u64,
}

/// A leader; it holds the end until home has acknowledged it.
pub struct Leader {
    pub attempt: Attempt,
    pub spool: SpoolId,
    pub stands: Stands,
    /// The end of its lease by its host's clock; 0 without one.
    pub deadline: u64,
}

pub enum Stands {
    /// Made ready; it has not exec'd.
    Ready,
    /// It has exec'd; an index into the processes.
    Running(usize),
    /// The process is over.
    Over(Ending),
}

/// What really happened, which no program in the model may look at.
#[derive(Default)]
pub struct Truth {
    pub processes: Vec<Process>,
    /// Counts the submission and each resubmit.
    pub submission: u32,
    /// In which submission an attempt was placed.
    pub placed_in: BTreeMap<Attempt, u32>,
    /// Attempts that a host has durably accepted.
    pub accepted: Vec<Attempt>,
    /// Attempts that home or host have durably refused.
    pub refused: Vec<Attempt>,
    /// Attempts whose output was written at home.
    pub delivered: Vec<Attempt>,
    /// Attempts whose end became the job's.
    pub finished: Vec<Attempt>,
    /// Attempts whose own end their host has written down.
    pub ends_known: Vec<Attempt>,
    /// How often home could not settle a report yet.
    pub later: u32,
    /// How often a lost attempt turned out not to be lost.
    pub found_again: u32,
    /// Whether a disk was ever replaced.
    pub disk_replaced: bool,
}

pub struct Process {
    pub attempt: Attempt,
    pub host: usize,
    pub fate: Fate,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Fate {
    Alive,
    Ended(End),
    Killed,
}

#[derive(Debug, Clone)]
pub struct Message {
    pub host: usize,
    pub attempt: Attempt,
    pub spool: SpoolId,
    pub body: Body,
}

#[derive(Debug, Clone)]
pub enum Body {
    // From home to the host.
    Start,
    Ask,
    Cancel,
    Acknowledge,
    Lease {
        asked_at: u64,
    },
    NoLease,
    // From the host to home.
    /// With the spool that the host has now.
    Says(Report, SpoolId),
    LeaseAsked {
        asked_at: u64,
    },
}

#[derive(Debug, Clone)]
pub enum Action {
    Deliver { pick: u8, keep: bool, crash: Crash, choice: u8 },
    Drop { pick: u8 },
    HomeActs { choice: u8, crash: Crash },
    HostActs { pick: u8, choice: u8, crash: Crash },
    ProcessEnds { pick: u8 },
    TimePasses { by: u64 },
    HostGoesDown { host: u8 },
    DiskIsReplaced { host: u8, goes_down: bool },
    Hold,
    Release,
    Cancel,
    GiveUp,
    Resubmit,
    NoHostCan,
    AwaitedInVain,
    HostIsSilent,
    HostIsHeard,
}

/// Where the daemon that acts stops: a write that is not durable is not there afterwards,
/// and what was to be sent after it is not sent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Crash {
    No,
    BeforeWriting,
    AfterWriting,
}

impl World {
    pub fn new(starts: Starts, rates: [u64; 4]) -> Self {
        let id = JobId::new(17).expect("17 is an id");
        let host = |number: usize| Host {
            spool: SpoolId::new([number as u8; 16]),
            records: BTreeMap::new(),
            leaders: Vec::new(),
            rate: rates[number],
        };
        Self {
            starts,
            home: Home { record: Record::pending(id, starts), granted_at: 0, rate: rates[0] },
            hosts: (1..=3).map(host).collect(),
            network: Vec::new(),
            truth: Truth { submission: 1, ..Truth::default() },
            now: 0,
        }
    }

    pub fn act(&mut self, action: &Action) {
        match action {
            Action::Deliver { pick, keep, crash, choice } => {
                if let Some(index) = chosen(*pick, self.network.len()) {
                    let message = match keep {
                        true => self.network[index].clone(),
                        false => self.network.remove(index),
                    };
                    self.deliver(message, *crash, *choice);
                }
            }
            Action::Drop { pick } => {
                if let Some(index) = chosen(*pick, self.network.len()) {
                    self.network.remove(index);
                }
            }
            Action::HomeActs { choice, crash } => self.home_acts(*choice, *crash),
            Action::HostActs { pick, choice, crash } => {
                let all = self.hosted();
                if let Some(index) = chosen(*pick, all.len()) {
                    let (host, attempt) = all[index];
                    self.host_acts(host, attempt, *choice, *crash);
                }
            }
            Action::ProcessEnds { pick } => {
                let alive: Vec<_> = self.alive().collect();
                if let Some(index) = chosen(*pick, alive.len()) {
                    self.process_ends(alive[index]);
                }
            }
            Action::TimePasses { by } => self.time_passes(*by),
            Action::HostGoesDown { host } => {
                self.host_goes_down(usize::from(*host) % self.hosts.len());
            }
            Action::DiskIsReplaced { host, goes_down } => {
                let host = usize::from(*host) % self.hosts.len();
                if *goes_down {
                    self.host_goes_down(host);
                }
                self.disk_is_replaced(host);
            }
            Action::Hold => self.user(Event::Held),
            Action::Release => self.user(Event::Released),
            Action::Cancel => self.user(Event::CancelAsked),
            Action::GiveUp => self.user(Event::GivenUp),
            Action::Resubmit => self.user(Event::Resubmitted),
            Action::NoHostCan => {
                self.user(Event::NoHostCan(Refusal { message: "not found".into(), kind: RefusalKind::NotFound }))
            }
            Action::AwaitedInVain => self.user(Event::AwaitedInVain("job 16 ended otherwise (exit 3)".into())),
            Action::HostIsSilent => {
                if let Some(attempt) = self.home.record.last() {
                    self.user(Event::HostSilent { attempt, since_unix: 0 });
                }
            }
            Action::HostIsHeard => {
                if let Some(attempt) = self.home.record.last() {
                    self.user(Event::HostHeard { attempt });
                }
            }
        }
    }

    /// Nothing goes wrong any more and every process ends: what is owed must arrive.
    pub fn clear_up(&mut self) {
        for round in 0..60 {
            self.user(Event::Released);
            for choice in 0..5 {
                self.home_acts(round + choice, Crash::No);
            }
            for (host, attempt) in self.hosted() {
                for choice in 0..4 {
                    self.host_acts(host, attempt, choice, Crash::No);
                }
            }
            for message in std::mem::take(&mut self.network) {
                self.deliver(message, Crash::No, 1);
            }
            let alive: Vec<_> = self.alive().collect();
            if round % 4 == 3 {
                alive.into_iter().for_each(|process| self.process_ends(process));
            }
            self.time_passes(20);
        }
    }

    pub fn alive(&self) -> impl Iterator<Item = usize> {
        let processes = self.truth.processes.iter().enumerate();
        let alive = processes.filter(|(_, process)| process.fate == Fate::Alive);
        alive.map(|(index, _)| index)
    }

    fn user(&mut self, event: Event) {
        if let Taken::Written = self.take(&event, Crash::No)
            && event == Event::Resubmitted
        {
            self.truth.submission += 1;
        }
    }

    fn deliver(&mut self, message: Message, crash: Crash, choice: u8) {
        let Message { host, attempt, spool, body } = &message;
        let (host, attempt, spool) = (*host, *attempt, *spool);
        match body.clone() {
            Body::Says(report, own) => self.home_is_told(host, (attempt, spool), (own, report), crash),
            Body::LeaseAsked { asked_at } => self.home_is_asked_for_lease(message, asked_at, crash),
            Body::Start | Body::Ask | Body::Cancel | Body::Acknowledge => self.order(message, crash, choice),
            Body::Lease { asked_at } => self.lease_is_granted(host, attempt, spool, asked_at),
            Body::NoLease => self.lease_is_refused(host, attempt, spool, crash),
        }
    }

    /// All records of hosts.
    fn hosted(&self) -> Vec<(usize, Attempt)> {
        let hosts = self.hosts.iter().enumerate();
        let of =
            |(index, host): (usize, &Host)| host.records.keys().map(|attempt| (index, *attempt)).collect::<Vec<_>>();
        hosts.flat_map(of).collect()
    }

    fn process_ends(&mut self, process: usize) {
        let end = End {
            outcome: Outcome::Exited(process as u8),
            usage: Usage { wall_us: process as u64, ..Usage::default() },
            incomplete: None,
            limit: None,
        };
        self.truth.processes[process].fate = Fate::Ended(end.clone());
        let host = self.truth.processes[process].host;
        for leader in &mut self.hosts[host].leaders {
            if matches!(leader.stands, Stands::Running(index) if index == process) {
                leader.stands = Stands::Over(Ending::Itself(end.clone()));
            }
        }
    }

    fn time_passes(&mut self, by: u64) {
        self.now += by;
        if self.starts == Starts::Once {
            return;
        }
        for host in 0..self.hosts.len() {
            let clock = self.host_clock(host);
            for leader in &mut self.hosts[host].leaders {
                if let Stands::Running(process) = leader.stands
                    && clock >= leader.deadline
                {
                    leader.stands = Stands::Over(Ending::LeaseOver);
                    self.truth.processes[process].fate = Fate::Killed;
                }
            }
        }
    }

    fn host_goes_down(&mut self, host: usize) {
        self.hosts[host].leaders.clear();
        for process in &mut self.truth.processes {
            if process.host == host && process.fate == Fate::Alive {
                process.fate = Fate::Killed;
            }
        }
    }

    /// What runs goes on under a leader that no record names any more.
    fn disk_is_replaced(&mut self, host: usize) {
        self.truth.disk_replaced = true;
        let number = self.hosts[host].spool.to_string();
        let number = u128::from_str_radix(&number, 16).expect("hexadecimal");
        let host = &mut self.hosts[host];
        host.spool = SpoolId::new((number + 1).to_be_bytes());
        host.records.clear();
        host.leaders.retain(|leader| matches!(leader.stands, Stands::Running(_)));
    }

    pub fn home_clock(&self) -> u64 {
        self.now * self.home.rate
    }

    pub fn host_clock(&self, host: usize) -> u64 {
        self.now * self.hosts[host].rate
    }
}

impl Host {
    pub fn stands(&self, attempt: Attempt) -> Option<&hosted::State> {
        self.records.get(&attempt).map(hosted::Record::state)
    }

    pub fn leaders_of(&mut self, attempt: Attempt, spool: SpoolId) -> impl Iterator<Item = &mut Leader> {
        let of = move |leader: &&mut Leader| leader.attempt == attempt && leader.spool == spool;
        self.leaders.iter_mut().filter(of)
    }

    pub fn forget_leader(&mut self, attempt: Attempt) {
        let spool = self.spool;
        self.leaders.retain(|leader| leader.attempt != attempt || leader.spool != spool);
    }
}

fn chosen(pick: u8, of: usize) -> Option<usize> {
    usize::from(pick).checked_rem(of)
}
