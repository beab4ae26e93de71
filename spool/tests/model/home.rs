//! Home in the model: it writes what its hosts and people say, and does what its record asks for.

use spool::home::{Cancel, Event, Place, Report, Stage, Starts, State, Step};
use spool::hosted::{self, Ending};
use spool::{Attempt, SpoolId};

use crate::world::{Body, Crash, LEASE, Message, World};

/// What became of an event at home.
pub enum Taken {
    Written,
    Nothing,
    Later,
    Refused,
    Crashed,
}

impl World {
    /// Home hears what a host says of an attempt, and tells it what it may forget.
    pub fn home_is_told(
        &mut self,
        host: usize,
        (attempt, spool): (Attempt, SpoolId),
        (own, report): (SpoolId, Report),
        crash: Crash,
    ) {
        let ended = matches!(report, Report::Ended(_) | Report::Gone);
        match self.take(&Event::Reported { attempt, spool: own, report }, crash) {
            Taken::Written | Taken::Nothing => {
                if ended && self.home.record.is_settled(attempt) {
                    self.network.push(Message { host, attempt, spool, body: Body::Acknowledge });
                }
            }
            Taken::Later | Taken::Crashed => {}
            Taken::Refused => panic!("an honest host contradicts home: {:?}", self.home.record),
        }
    }

    /// Home grants the lease or does not; a home that stops answers nothing.
    pub fn home_is_asked_for_lease(&mut self, message: Message, asked_at: u64, crash: Crash) {
        let attempt = message.attempt;
        let body = match self.take(&Event::LeaseAsked { attempt }, crash) {
            Taken::Written | Taken::Nothing => {
                self.home.granted_at = self.home_clock();
                Body::Lease { asked_at }
            }
            Taken::Refused => Body::NoLease,
            Taken::Crashed => return,
            Taken::Later => panic!("a lease is granted or refused"),
        };
        self.network.push(Message { body, ..message });
    }

    /// Home hears of an event and writes what comes of it.
    pub fn take(&mut self, event: &Event, crash: Crash) -> Taken {
        let step = self.home.record.step(event);
        match (self.home.record.state(), &step) {
            (_, Ok(Step::Later)) => self.truth.later += 1,
            (State::Pending { .. } | State::Dead(_), Ok(Step::To(record)))
                if matches!(event, Event::Reported { .. }) && matches!(record.state(), State::Running(_)) =>
            {
                self.truth.found_again += 1;
            }
            _ => {}
        }
        if let (Ok(Step::To(record)), Crash::No | Crash::AfterWriting) = (&step, crash) {
            self.home.record = record.clone();
            if let State::Finished { place, .. } = record.state() {
                self.truth.finished.push(place.attempt);
            }
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
    pub fn home_acts(&mut self, choice: u8, crash: Crash) {
        if choice.is_multiple_of(5) {
            return self.ask_about_unsettled();
        }
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
                    (Stage::Placed { cancel, .. } | Stage::Accepted { cancel, .. } | Stage::Started { cancel }, 2) => {
                        if *cancel == Cancel::Asked {
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

    fn ask_about_unsettled(&mut self) {
        for Place { attempt, host, spool } in self.home.record.unsettled() {
            let (attempt, spool) = (*attempt, *spool);
            let host = host.parse().expect("hosts are numbers here");
            self.network.push(Message { host, attempt, spool, body: Body::Ask });
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
            let report = Report::OtherSpool;
            self.take(&Event::Reported { attempt, spool: self.hosts[host].spool, report }, crash);
        } else if let Some(hosted::State::Ended(Ending::Itself(_))) = kept {
            self.truth.delivered.push(attempt);
            self.take(&Event::Delivered { attempt }, crash);
        } else {
            panic!("attempt {attempt} is being delivered, but host {host} has {kept:?}");
        }
    }
}
