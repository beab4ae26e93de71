//! The model: one job's home, its hosts with their leaders, and the messages on their way.
//!
//! Daemons remember nothing but their disk (and home, when it last granted the lease).
//! Leaders survive their daemon, but not their host.

use std::collections::BTreeMap;

use spool::home::{self, Event, Place, Record, Report, Stage, Starts, State, Step};
use spool::hosted::{self, Ending};
use spool::{Attempt, JobId, SpoolId};
use wire::api::{Refusal, RefusalKind};
use wire::session::{End, Outcome, Usage};

/// The lease in units of a host's clock, which advances 100 to 110 in one unit of time.
const LEASE: u64 = 10_000;

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
    granted_at: u64,
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
    deadline: u64,
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
    /// Attempts that home or host have durably refused.
    pub refused: Vec<Attempt>,
    /// Attempts whose own end their host has written down.
    pub ends_known: Vec<Attempt>,
    pub counts: BTreeMap<&'static str, usize>,
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
    host: usize,
    attempt: Attempt,
    spool: SpoolId,
    body: Body,
}

#[derive(Debug, Clone)]
enum Body {
    // From home to the host.
    Start,
    Ask,
    Cancel,
    Acknowledge,
    Lease { asked_at: u64 },
    NoLease,
    // From the host to home.
    Says(Report),
    OtherSpool,
    LeaseAsked { asked_at: u64 },
}

#[derive(Debug, Clone)]
pub enum Action {
    Deliver { pick: u8, keep: bool, crash: Crash, choice: u8 },
    Drop { pick: u8 },
    HomeActs { choice: u8, crash: Crash },
    HostActs { host: u8, choice: u8, crash: Crash },
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
    HostSilent,
    HostHeard,
}

/// Where the daemon that acts stops: a write that is not durable is not there afterwards,
/// and what was to be sent after it is not sent.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Crash {
    No,
    BeforeWriting,
    AfterWriting,
}

/// What became of an event at home.
enum Taken {
    Written,
    Nothing,
    Later,
    Refused,
    Crashed,
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
            Action::HostActs { host, choice, crash } => {
                let host = usize::from(*host) % self.hosts.len();
                self.host_acts(host, *choice, *crash);
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
            Action::NoHostCan => self.user(Event::NoHostCan(Refusal {
                message: "not found".into(),
                kind: RefusalKind::NotFound,
            })),
            Action::HostSilent => {
                if let Some(attempt) = self.home.record.last() {
                    self.user(Event::HostSilent { attempt, since_unix: 0 });
                }
            }
            Action::HostHeard => {
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
            for choice in 0..4 {
                self.home_acts(round + choice, Crash::No);
            }
            for host in 0..self.hosts.len() {
                for choice in 0..self.hosts[host].records.len() * 4 {
                    self.host_acts(host, choice as u8, Crash::No);
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

    /// Home hears of an event and writes what comes of it.
    fn take(&mut self, event: &Event, crash: Crash) -> Taken {
        let step = self.home.record.step(event);
        if let (Ok(Step::Later), Crash::No) = (&step, crash) { *self.truth.counts.entry("STEP later").or_default() += 1; }
        if let (State::Dead(_), Ok(Step::To(r))) = (self.home.record.state(), &step) && let State::Running(run) = r.state() { *self.truth.counts.entry(if matches!(run.stage, Stage::Delivering(_)) {"STEP dead->delivering"} else {"STEP dead->running"}).or_default() += 1; }
        if let (State::Pending{..}, Ok(Step::To(r)), Event::Reported{..}) = (self.home.record.state(), &step, event) && let State::Running(run) = r.state() { *self.truth.counts.entry(if matches!(run.stage, Stage::Delivering(_)) {"STEP pending->delivering"} else {"STEP pending->running"}).or_default() += 1; }
        if let (Ok(Step::To(record)), Crash::No | Crash::AfterWriting) = (&step, crash) {
            self.home.record = record.clone();
            if let Event::Reported { attempt, report: Report::Refused, .. } = event {
                self.truth.refused.push(*attempt);
            }
        }
        if crash != Crash::No {
            self.home.granted_at = self.home_clock();
            return Taken::Crashed;
        }
        match step {
            Ok(Step::To(_)) => Taken::Written,
            Ok(Step::Nothing) => Taken::Nothing,
            Ok(Step::Later) => Taken::Later,
            Err(_) => Taken::Refused,
        }
    }

    /// Home does one of the things that its record asks for.
    fn home_acts(&mut self, choice: u8, crash: Crash) {
        match self.home.record.state().clone() {
            State::Pending { .. } => self.place(usize::from(choice) % self.hosts.len(), crash),
            State::Running(run) => {
                let Place { attempt, host, spool } = run.place;
                let host = host.parse().expect("hosts are numbers here");
                let send = |body| Message { host, attempt, spool, body };
                let lease_over = self.home_clock() - self.home.granted_at >= LEASE / 4 * 5;
                match (&run.stage, choice % 4) {
                    (Stage::Delivering(_), _) => self.fetch(host, attempt, spool, crash),
                    (Stage::Placed { .. }, 0) => self.network.push(send(Body::Start)),
                    (_, 0 | 1) => self.network.push(send(Body::Ask)),
                    (
                        Stage::Placed { cancel, .. }
                        | Stage::Accepted { cancel, .. }
                        | Stage::Started { cancel },
                        2,
                    ) => {
                        if *cancel == home::Cancel::Asked {
                            self.network.push(send(Body::Cancel));
                        }
                    }
                    _ => {
                        if self.starts == Starts::UntilEnd && lease_over {
                            self.take(&Event::LeaseExpired { attempt }, crash);
                        }
                    }
                }
            }
            State::Held { .. } | State::Finished { .. } | State::Dead(_) | State::Cancelled => {}
        }
    }

    fn place(&mut self, host: usize, crash: Crash) {
        let attempt = self.home.record.next_attempt().expect("there are enough");
        let spool = self.hosts[host].spool;
        let place = Place { attempt, host: host.to_string(), spool };
        let taken = self.take(&Event::Placed(place), crash);
        if self.home.record.last() == Some(attempt) {
            self.truth.placed_in.insert(attempt, self.truth.submission);
            self.home.granted_at = self.home_clock();
        }
        if let Taken::Written = taken {
            self.network.push(Message { host, attempt, spool, body: Body::Start });
        }
    }

    /// Home fetches the output, which its host keeps together with the end.
    fn fetch(&mut self, host: usize, attempt: Attempt, spool: SpoolId, crash: Crash) {
        let kept = self.hosts[host].records.get(&attempt).map(hosted::Record::state);
        if self.hosts[host].spool != spool {
            self.take(&Event::OtherSpool { attempt }, crash);
        } else if let Some(hosted::State::Ended(Ending::Itself(_))) = kept {
            self.take(&Event::Delivered { attempt }, crash);
        } else {
            panic!("attempt {attempt} is being delivered, but host {host} has {kept:?}");
        }
    }

    fn deliver(&mut self, message: Message, crash: Crash, choice: u8) {
        let Message { host, attempt, spool, body } = message;
        let answer = |body| Message { host, attempt, spool, body };
        match body {
            Body::Says(report) => {
                let ended = matches!(report, Report::Ended(_) | Report::Gone);
                match self.take(&Event::Reported { attempt, spool, report }, crash) {
                    Taken::Written | Taken::Nothing => {
                        if ended && self.home.record.is_settled(attempt) {
                            self.network.push(answer(Body::Acknowledge));
                        }
                    }
                    Taken::Later | Taken::Crashed => {}
                    Taken::Refused => panic!("an honest host contradicts home: {:?}", self.home.record),
                }
            }
            Body::OtherSpool => {
                self.take(&Event::OtherSpool { attempt }, crash);
            }
            Body::LeaseAsked { asked_at } => match self.take(&Event::LeaseAsked { attempt }, crash) {
                Taken::Nothing => {
                    self.home.granted_at = self.home_clock();
                    self.network.push(answer(Body::Lease { asked_at }));
                }
                Taken::Refused => self.network.push(answer(Body::NoLease)),
                Taken::Crashed => {}
                Taken::Written | Taken::Later => panic!("a lease is granted or refused"),
            },
            Body::Start | Body::Ask | Body::Cancel | Body::Acknowledge => {
                self.order(answer(body), crash, choice);
            }
            Body::Lease { asked_at } => {
                for leader in self.hosts[host].leaders_of(attempt, spool) {
                    leader.deadline = leader.deadline.max(asked_at + LEASE);
                }
            }
            Body::NoLease => {
                let ready = |leader: &mut Leader| matches!(leader.stands, Stands::Ready);
                if self.hosts[host].leaders_of(attempt, spool).any(ready) {
                    self.hosts[host].forget_leader(attempt);
                    let declined = self.note(host, attempt, &hosted::Event::Declined, crash);
                    assert!(declined.is_ok(), "{declined:?}");
                }
            }
        }
    }

    /// A host does what home says.
    fn order(&mut self, message: Message, crash: Crash, choice: u8) {
        let Message { host, attempt, spool, body } = message;
        let taken = match body {
            // A full host declines, one time in four.
            Body::Start if choice.is_multiple_of(4) && !self.hosts[host].records.contains_key(&attempt) => {
                match self.hosts[host].spool == spool {
                    true => self.note(host, attempt, &hosted::Event::Declined, crash),
                    false => self.note(host, attempt, &hosted::Event::StartAsked { spool }, crash),
                }
            }
            Body::Start => {
                let unseen = self.hosts[host].stands(attempt).is_none();
                let taken = self.note(host, attempt, &hosted::Event::StartAsked { spool }, crash);
                // The leader was made ready before; it may outlive a daemon that stops now.
                let outlives = crash == Crash::No || choice.is_multiple_of(2);
                if unseen && outlives && self.hosts[host].stands(attempt).is_some() {
                    let stands = Stands::Ready;
                    self.hosts[host].leaders.push(Leader { attempt, spool, stands, deadline: 0 });
                }
                taken
            }
            Body::Cancel => self
                .note(host, attempt, &hosted::Event::CancelAsked { spool }, crash)
                .and_then(|step| match step {
                    Some(hosted::Step::Nothing) => self.cancel(host, attempt, crash),
                    other => Ok(other),
                }),
            Body::Acknowledge => self.note(host, attempt, &hosted::Event::Acknowledged { spool }, crash),
            _ => self.note(host, attempt, &hosted::Event::Asked { spool }, crash),
        };
        match taken {
            // It stopped before it could answer.
            Ok(None) => {}
            Ok(Some(_)) => self.say(host, attempt),
            Err(hosted::Why::OtherSpool { .. }) => {
                let body = Body::OtherSpool;
                self.network.push(Message { host, attempt, spool, body });
            }
            Err(why) => panic!("home asks host {host} for what cannot be: attempt {attempt} {why}"),
        }
    }

    fn cancel(&mut self, host: usize, attempt: Attempt, crash: Crash) -> Noted {
        let spool = self.hosts[host].spool;
        let mut killed = None;
        let mut ready = false;
        for leader in self.hosts[host].leaders_of(attempt, spool) {
            match leader.stands {
                Stands::Ready => ready = true,
                Stands::Running(process) => {
                    killed = Some(process);
                    leader.stands = Stands::Over(Ending::Cancelled);
                }
                Stands::Over(_) => {}
            }
        }
        if let Some(process) = killed {
            self.truth.processes[process].fate = Fate::Killed;
        }
        if ready {
            self.hosts[host].forget_leader(attempt);
            return self.note(host, attempt, &hosted::Event::Declined, crash);
        }
        self.collect(host, attempt, crash)
    }

    /// A host writes down what its leader says, or that there is none any more.
    fn collect(&mut self, host: usize, attempt: Attempt, crash: Crash) -> Noted {
        let spool = self.hosts[host].spool;
        let leader = self.hosts[host].leaders_of(attempt, spool).next();
        let event = match leader.map(|leader| &leader.stands) {
            Some(Stands::Ready) => return Ok(Some(hosted::Step::Nothing)),
            Some(Stands::Running(_)) => hosted::Event::Started,
            Some(Stands::Over(ending)) => hosted::Event::Ended(ending.clone()),
            None => hosted::Event::Ended(Ending::Lost),
        };
        match self.hosts[host].stands(attempt) {
            Some(hosted::State::Accepted | hosted::State::Started) => {
                self.note(host, attempt, &event, crash)
            }
            _ => Ok(Some(hosted::Step::Nothing)),
        }
    }

    /// A host hears of an event and writes what comes of it.
    fn note(&mut self, host: usize, attempt: Attempt, event: &hosted::Event, crash: Crash) -> Noted {
        let (job, spool) = (self.home.record.id(), self.hosts[host].spool);
        let records = &mut self.hosts[host].records;
        let unseen = hosted::Record::unseen("home".into(), job, attempt, spool);
        let record = records.get(&attempt).unwrap_or(&unseen);
        let step = record.step(event).map_err(|error| error.why)?;
        if let (hosted::Step::To(record), Crash::No | Crash::AfterWriting) = (&step, crash) {
            records.insert(attempt, record.clone());
            match record.state() {
                hosted::State::Refused => self.truth.refused.push(attempt),
                hosted::State::Ended(Ending::Itself(_)) => self.truth.ends_known.push(attempt),
                _ => {}
            }
        }
        Ok(Some(step).filter(|_| crash == Crash::No))
    }

    fn say(&mut self, host: usize, attempt: Attempt) {
        let spool = self.hosts[host].spool;
        let report = self.hosts[host].records.get(&attempt).and_then(hosted::Record::report);
        if let Some(report) = report {
            let body = Body::Says(report);
            self.network.push(Message { host, attempt, spool, body });
        }
    }

    /// A host does one of the things that its records ask for.
    fn host_acts(&mut self, host: usize, choice: u8, crash: Crash) {
        let all: Vec<_> = self.hosts[host].records.keys().copied().collect();
        let Some(index) = chosen(choice / 4, all.len()) else {
            return;
        };
        let attempt = all[index];
        match choice % 4 {
            0 => self.exec(host, attempt),
            1 => self.ask_for_lease(host, attempt),
            2 => {
                let collected = self.collect(host, attempt, crash);
                assert!(collected.is_ok(), "{collected:?}");
            }
            _ => {
                if self.hosts[host].stands(attempt) != Some(&hosted::State::Acknowledged) {
                    self.say(host, attempt);
                }
            }
        }
    }

    /// The leader execs: only what is written down as accepted, and a restartable attempt
    /// only under a lease.
    fn exec(&mut self, host: usize, attempt: Attempt) {
        let (spool, clock) = (self.hosts[host].spool, self.host_clock(host));
        let accepted = self.hosts[host].stands(attempt) == Some(&hosted::State::Accepted);
        let starts = self.starts;
        for leader in self.hosts[host].leaders_of(attempt, spool) {
            let may = starts == Starts::Once || leader.deadline > clock;
            if accepted && may && matches!(leader.stands, Stands::Ready) {
                leader.stands = Stands::Running(self.truth.processes.len());
                self.truth.processes.push(Process { attempt, host, fate: Fate::Alive });
                return;
            }
        }
    }

    fn ask_for_lease(&mut self, host: usize, attempt: Attempt) {
        let (spool, asked_at) = (self.hosts[host].spool, self.host_clock(host));
        let over = |leader: &mut Leader| matches!(leader.stands, Stands::Over(_));
        let leader = self.hosts[host].leaders_of(attempt, spool).next();
        if self.starts == Starts::UntilEnd && leader.is_some_and(|leader| !over(leader)) {
            let body = Body::LeaseAsked { asked_at };
            self.network.push(Message { host, attempt, spool, body });
        }
    }

    fn process_ends(&mut self, process: usize) {
        let end = End {
            outcome: Outcome::Exited(process as u8),
            usage: Usage { wall_us: process as u64, ..Usage::default() },
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

    fn home_clock(&self) -> u64 {
        self.now * self.home.rate
    }

    fn host_clock(&self, host: usize) -> u64 {
        self.now * self.hosts[host].rate
    }
}

/// What a host answers to an event; `None` when it stopped before it could.
type Noted = Result<Option<hosted::Step>, hosted::Why>;

impl Host {
    pub fn stands(&self, attempt: Attempt) -> Option<&hosted::State> {
        self.records.get(&attempt).map(hosted::Record::state)
    }

    fn leaders_of(&mut self, attempt: Attempt, spool: SpoolId) -> impl Iterator<Item = &mut Leader> {
        let of = move |leader: &&mut Leader| leader.attempt == attempt && leader.spool == spool;
        self.leaders.iter_mut().filter(of)
    }

    fn forget_leader(&mut self, attempt: Attempt) {
        let spool = self.spool;
        self.leaders.retain(|leader| leader.attempt != attempt || leader.spool != spool);
    }
}

fn chosen(pick: u8, of: usize) -> Option<usize> {
    usize::from(pick).checked_rem(of)
}
