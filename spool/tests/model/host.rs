//! Hosts in the model: they write what home and their leaders say, and leaders do the rest.

use spool::home::{Report, Starts};
use spool::hosted::{self, Ending};
use spool::{Attempt, SpoolId};

use crate::world::{Body, Crash, Fate, LEASE, Leader, Message, Process, Stands, World};

/// What a host answers to an event; `None` when it stopped before it could.
type Noted = Result<Option<hosted::Step>, hosted::Why>;

impl World {
    /// A host does what home says.
    pub fn order(&mut self, message: Message, crash: Crash, choice: u8) {
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
                let accepted = Some(&hosted::State::Accepted);
                let before = self.hosts[host].stands(attempt) == accepted;
                let taken = self.note(host, attempt, &hosted::Event::StartAsked { spool }, crash);
                // The leader was made ready before; it may outlive a daemon that stops now.
                let outlives = crash == Crash::No || choice.is_multiple_of(2);
                if !before && outlives && self.hosts[host].stands(attempt) == accepted {
                    let stands = Stands::Ready;
                    self.hosts[host].leaders.push(Leader { attempt, spool, stands, deadline: 0 });
                }
                taken
            }
            Body::Cancel => {
                self.note(host, attempt, &hosted::Event::CancelAsked { spool }, crash).and_then(|step| match step {
                    Some(hosted::Step::Nothing) => self.cancel(host, attempt, crash),
                    other => Ok(other),
                })
            }
            Body::Acknowledge => self.note(host, attempt, &hosted::Event::Acknowledged { spool }, crash),
            _ => self.note(host, attempt, &hosted::Event::Asked { spool }, crash),
        };
        match taken {
            // It stopped before it could answer.
            Ok(None) => {}
            Ok(Some(_)) => self.say(host, attempt),
            Err(hosted::Why::OtherSpool { .. }) => {
                let body = Body::Says(Report::OtherSpool, self.hosts[host].spool);
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
            Some(hosted::State::Accepted | hosted::State::Started) => self.note(host, attempt, &event, crash),
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
                hosted::State::Accepted => self.truth.accepted.push(attempt),
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
            let body = Body::Says(report, spool);
            self.network.push(Message { host, attempt, spool, body });
        }
    }

    /// A host does one of the things that a record of it asks for.
    pub fn host_acts(&mut self, host: usize, attempt: Attempt, choice: u8, crash: Crash) {
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

    /// The lease counts from when the host asked, however long the answer took.
    pub fn lease_is_granted(&mut self, host: usize, attempt: Attempt, spool: SpoolId, asked_at: u64) {
        for leader in self.hosts[host].leaders_of(attempt, spool) {
            leader.deadline = leader.deadline.max(asked_at + LEASE);
        }
    }

    /// What has not been started will not be; what runs ends with the lease it has.
    pub fn lease_is_refused(&mut self, host: usize, attempt: Attempt, spool: SpoolId, crash: Crash) {
        let ready = |leader: &mut Leader| matches!(leader.stands, Stands::Ready);
        if self.hosts[host].leaders_of(attempt, spool).any(ready) {
            self.hosts[host].forget_leader(attempt);
            let declined = self.note(host, attempt, &hosted::Event::Declined, crash);
            assert!(declined.is_ok(), "{declined:?}");
        }
    }
}
