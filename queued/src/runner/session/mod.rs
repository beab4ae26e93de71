//! One session: a thread that waits for its client, its leader and the job's descriptors, and
//! moves what they say. It is the only owner of all of them.

mod admit;
mod wait;

use std::os::fd::AsFd;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::{Duration, Instant};

use nix::sys::eventfd::EventFd;
use wire::api::{Refusal, RefusalKind};
use wire::identity::Trust;
use wire::link::{LinkError, Received};
use wire::session::{Control, Endpoint, Event, Idle, Side, Stream};

use super::about::About;
use super::arrival::Arrival;
use super::client_link::{ClientLink, How};
use super::departure::Departure;
use super::entrance::{Entrance, Handed};
use super::leader_link::LeaderLink;
use super::memory::Watch;
use super::streams::{OUTPUTS, Streams};
use super::{convert, prepare, shared::Shared};
use crate::leader::Assignment;
use crate::leader::message::{Attachment, FromLeader, Slot, ToLeader};
use crate::link::{FromRunner, Prepare};
use admit::Former;

/// How a session begins.
pub enum Start {
    /// Anew: checked first.
    Prepare(Box<Prepare>),
    /// With a leader that outlived its runner.
    Adopt(Box<Assignment>, LeaderLink, Option<Attachment>),
}

/// Runs the session `name` to its end.
pub fn run(shared: &Arc<Shared>, name: String, start: Start, inbox: Receiver<Arrival>, wake: &EventFd) {
    let opened = match start {
        Start::Prepare(prepare) => {
            let request = prepare.request;
            let opened = open(shared, *prepare);
            let refusal = opened.as_ref().err().cloned();
            shared.tell(&FromRunner::Prepared { request, refusal });
            opened.map(|(mut assignment, leader)| {
                // The client is on its way. Should this fail, so will its release.
                if let Err(error) = leader.assign(&mut assignment) {
                    super::complain(format_args!("cannot tell a leader its job: {error}"));
                }
                Session::new(shared.clone(), name, &assignment, leader, None)
            })
        }
        Start::Adopt(assignment, leader, attachment) => {
            let mut session = Session::new(shared.clone(), name, &assignment, leader, Some(attachment));
            session.watch = Watch::over(session.memory, session.leader.pid());
            session.streams.tee.open(true);
            shared.is_about(&session.name, &session.about);
            shared.begins(&session.name);
            Ok(session)
        }
    };
    if let (Ok(session), Ok(trust)) = (opened, shared.trust()) {
        session.serve(&inbox, wake, &trust);
    }
}

/// Checks a job and makes its leader ready.
fn open(shared: &Shared, prepare: Prepare) -> Result<(Assignment, LeaderLink), Refusal> {
    let host = shared.host_name();
    let failed = |message: String| Refusal { kind: RefusalKind::Failed, message };
    let trust = shared.trust().map_err(|error| failed(format!("{error:#}")))?;
    let place = &shared.options.place;
    let unready = |error: std::io::Error| failed(format!("cannot make a leader ready: {error}"));
    // It makes terminal and pipes while we look at the job, and is told nothing of it before.
    let opening = shared.maker.open(&prepare.session, place, &prepare.job.descriptors).map_err(unready)?;
    let assignment = prepare::check(prepare, &host, place, &trust, now_unix())?;
    let leader = opening.ready().map_err(unready)?;
    Ok((assignment, leader))
}

fn now_unix() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs() as i64)
}

struct Session {
    shared: Arc<Shared>,
    name: String,
    about: About,
    /// Whose holder is the session's client.
    key: [u8; 32],
    former: Former,
    leader: LeaderLink,
    client: ClientLink,
    entrance: Entrance,
    handed: Vec<Handed>,
    endpoint: Endpoint,
    idle: Idle,
    streams: Streams,
    phase: Phase,
    /// How often somebody has attached.
    generation: u64,
    departure: Departure,
    /// The leader that was ready is in use: the next job wants one, too.
    needs_successor: bool,
    /// How long the end waits for children of the job that still hold its output.
    drain: Duration,
    /// How much memory it may have, and the watch over that while it runs.
    memory: Option<u64>,
    watch: Option<Watch>,
    /// Whether its queue has it suspended; of one that was adopted nobody knows.
    is_suspended: Option<bool>,
}

enum Phase {
    /// The leader is ready; nothing runs.
    Reserved {
        until: Instant,
    },
    /// The job runs.
    Running,
    /// The job has ended; its last output is being read, then this is said.
    Draining {
        last: Control,
        /// So long the job's children may still write.
        until: Instant,
    },
    /// Everything was said; kept until the client has it.
    Delivering {
        until: Instant,
    },
    Over,
}

impl Session {
    /// With `adopted` the leader has outlived its runner, and may have been told of an attachment.
    fn new(
        shared: Arc<Shared>,
        name: String,
        assignment: &Assignment,
        leader: LeaderLink,
        adopted: Option<Option<Attachment>>,
    ) -> Self {
        let mut endpoint = Endpoint::new(Side::Runner);
        if adopted.is_some() {
            endpoint.mark_fresh();
        }
        let about = About::of(assignment);
        let size = sys::terminal::Size { rows: 0, columns: 0, x_pixels: 0, y_pixels: 0 };
        let size = about.has_terminal().then_some(size);
        let departure = Departure::new(about.has_terminal(), shared.options.linger);
        let attachment = adopted.flatten();
        Self {
            shared,
            name,
            about,
            key: attachment.map_or(assignment.session_key, |attachment| attachment.key),
            former: attachment.map_or_else(Former::default, |_| Former::first(assignment.session_key)),
            leader,
            client: ClientLink::default(),
            entrance: Entrance::default(),
            handed: Vec::new(),
            endpoint,
            idle: Idle::default(),
            streams: Streams::new(size.as_ref(), adopted.is_some(), &assignment.job),
            phase: match adopted {
                Some(_) => Phase::Running,
                None => Phase::Reserved { until: Instant::now() + UNRELEASED },
            },
            generation: attachment.map_or(0, |attachment| attachment.generation),
            departure,
            needs_successor: false,
            drain: Duration::ZERO,
            memory: assignment.job.memory,
            watch: None,
            is_suspended: adopted.is_none().then_some(false),
        }
    }

    fn serve(mut self, inbox: &Receiver<Arrival>, wake: &EventFd, trust: &Trust) {
        while !matches!(self.phase, Phase::Over) {
            let ready = self.wait(wake);
            if ready.wake {
                let _ = wake.read();
                while let Ok(arrival) = inbox.try_recv() {
                    self.arrive(arrival);
                }
            }
            let mut has_client_spoken = ready.client;
            if ready.wake || ready.others {
                for entered in self.entrance.advance(trust) {
                    self.admit(entered);
                    has_client_spoken = true;
                }
                self.streams.show_viewers();
            }
            if has_client_spoken {
                self.hear_client();
            }
            if ready.leader {
                self.hear_leader();
            }
            if has_client_spoken || ready.job {
                self.idle.interrupted();
            }
            if ready.job {
                self.move_bytes();
            }
            self.streams.unspill(&mut self.endpoint);
            for failure in self.streams.take_failures() {
                self.say(&Control::Notice(failure));
            }
            self.conclude();
            self.transmit();
            // Not before the client has heard all there is: forking competes with its end.
            if std::mem::take(&mut self.needs_successor) {
                self.shared.maker.provide();
            }
            self.keep_time();
        }
        self.streams.viewers.end(None);
        // A leader that never started its job leaves anyway; any other has kept the end until now.
        self.leader.tell(&ToLeader::Acknowledge, &[]);
    }

    fn arrive(&mut self, arrival: Arrival) {
        match arrival {
            Arrival::Void => {
                if let Phase::Reserved { .. } = self.phase {
                    self.give_away();
                }
            }
            Arrival::Suspended => self.heed_queue(),
            Arrival::Terminate => self.terminate(),
            Arrival::Local { stream, handed } => self.entrance.local(stream, handed),
            Arrival::Remote(stream) => {
                if let Some(config) = self.shared.tls_config() {
                    self.entrance.remote(stream, config);
                }
            }
        }
    }

    /// Reads from the client and acts on what it says.
    fn hear_client(&mut self) {
        let Self { client, endpoint, streams, leader, .. } = self;
        let mut said = Vec::new();
        let mut take = |plain: &[u8]| {
            let mut rest = plain;
            while let Some(event) = endpoint.receive(&mut rest)? {
                match event {
                    // Keys behind a control message are read with the modes and in the foreground
                    // that it orders.
                    Event::Data { stream: Stream::Tty, bytes } if !said.is_empty() => {
                        endpoint.keep(Stream::Tty, bytes);
                    }
                    Event::Data { stream, bytes } => streams.input(stream, bytes, leader, endpoint),
                    Event::Eof(stream) => streams.push(stream, leader, endpoint),
                    Event::Control(control) => said.push(control),
                    Event::Hello(_) | Event::Resumed { .. } | Event::Refused(_) => {}
                }
            }
            Ok(())
        };
        let early = take(&client.take_early());
        let received = match (early, client.current()) {
            (Err(error), _) => Err(LinkError::Protocol(error)),
            (Ok(()), Some(link)) => link.receive(READ_BUDGET, &mut take),
            (Ok(()), None) => return,
        };
        for control in said {
            self.obey(control);
        }
        self.streams.push(Stream::Tty, &mut self.leader, &mut self.endpoint);
        match received {
            Ok(Received::Closed) | Err(_) => self.lost(&received),
            Ok(_) => {}
        }
    }

    fn lost(&mut self, how: &Result<Received, LinkError>) {
        self.client.lose(how);
        self.endpoint.lost();
        self.shared.detached(&self.name);
        if let Phase::Delivering { .. } = self.phase
            && self.endpoint.sent_all_acknowledged()
        {
            self.phase = Phase::Over;
        }
    }

    fn obey(&mut self, control: Control) {
        match control {
            Control::Start(info) => {
                if let Phase::Reserved { .. } = self.phase {
                    self.release(&info);
                }
            }
            Control::Resize(size) => self.streams.resize(&convert::size(&size), &self.leader),
            Control::Modes(modes) => self.streams.set_modes(&convert::modes(&modes), &self.leader),
            Control::Signal(name) => {
                if let Some(number) = sys::signal::number(&name) {
                    self.order(&ToLeader::Signal(number));
                }
            }
            Control::Foreground(yes) => self.order(&ToLeader::Foreground(yes)),
            Control::Closed(Stream::Stdout) => self.leader.close(Slot::Stdout),
            Control::Closed(Stream::Stderr) => self.leader.close(Slot::Stderr),
            Control::Closed(Stream::Tty) => self.client.leaves(How::Left),
            Control::Detach if self.about.has_terminal() => self.client.leaves(How::Detached),
            Control::Repaint if matches!(self.phase, Phase::Running) => {
                self.streams.display.ask_for_repaint(&mut self.endpoint);
            }
            Control::RepaintLine if matches!(self.phase, Phase::Running) => {
                self.streams.display.ask_for_last_line(&mut self.endpoint);
            }
            // The rest is the runner's own to say, or for a release to come.
            _ => {}
        }
    }

    /// Keys that come behind an order wait until it is carried out: they would reach the group that
    /// was in front before, and a stop key would be undone by a CONT that was sent before it.
    fn order(&mut self, order: &ToLeader) {
        self.leader.tell(order, &[]);
        self.streams.ordered();
    }

    fn release(&mut self, info: &wire::session::StartInfo) {
        self.drain = Duration::from_millis(u64::from(info.drain_ms)).min(LONGEST_DRAIN);
        self.streams.resize(&convert::size(&info.size.unwrap_or_default()), &self.leader);
        if let Some(modes) = &info.modes {
            self.streams.set_modes(&convert::modes(modes), &self.leader);
        }
        self.streams.tee.open(false);
        self.handed.sort_by_key(|(number, _)| *number);
        self.handed.dedup_by_key(|(number, _)| *number);
        // Only what is a pipe now can be the client's own.
        self.handed.retain(|(number, _)| self.leader.slot(Slot::of_descriptor(*number)).is_some());
        let mask = self.handed.iter().map(|(number, _)| 1 << number).sum();
        let descriptors = self.handed.iter().map(|(_, descriptor)| descriptor.as_fd()).collect::<Vec<_>>();
        self.leader.tell(&ToLeader::Release { foreground: info.foreground, handed: mask }, &descriptors);
        for (number, _) in std::mem::take(&mut self.handed) {
            self.leader.forget(Slot::of_descriptor(number));
        }
        self.phase = Phase::Running;
        self.shared.is_about(&self.name, &self.about);
        self.shared.tell(&FromRunner::Released { session: self.name.clone() });
    }

    fn hear_leader(&mut self) {
        let Some(word) = self.leader.hear() else {
            let message = "the leader of the job died; how the job ended is not known".to_owned();
            self.ended(Control::StartFailed(Refusal { kind: RefusalKind::Failed, message }), 0.0);
            return;
        };
        match word {
            FromLeader::Started { pid } => {
                self.watch = Watch::over(self.memory, sys::process::parent(pid).ok());
                self.streams.carried_out(&mut self.leader, &mut self.endpoint);
                self.say(&Control::Started);
                self.shared.begins(&self.name);
                self.needs_successor = true;
                self.heed_queue();
            }
            FromLeader::Stopped(signal) => self.say(&Control::Stopped(sys::signal::name(signal))),
            FromLeader::Continued => self.say(&Control::Continued),
            FromLeader::Done => self.streams.carried_out(&mut self.leader, &mut self.endpoint),
            FromLeader::StartFailed { stage, errno } => {
                self.ended(Control::StartFailed(convert::failure(stage, errno)), 0.0);
            }
            FromLeader::Ended(ended) => {
                let busy = (ended.user_us + ended.system_us) as f64 / ended.wall_us.max(1) as f64;
                self.ended(Control::End(convert::end(&ended, &self.shared.host_name())), busy);
            }
            FromLeader::Warned { signal, left_ms } => {
                let left = wire::limits::length(left_ms.div_ceil(1000));
                let signal = sys::signal::name(signal);
                self.say(&Control::Notice(format!("the time limit is reached in {left}; the command got {signal}")));
            }
            FromLeader::Ready { .. } | FromLeader::Adopted { .. } | FromLeader::Gone(_) => {}
        }
    }

    /// Has the job suspended, or go on, as its queue is; who looks at it is told.
    fn heed_queue(&mut self) {
        let Phase::Running = self.phase else { return };
        let queue = &self.about.queue;
        let why = self.shared.suspended(queue);
        let before = self.is_suspended.replace(why.is_some());
        if before == Some(why.is_some()) {
            return;
        }
        self.leader.tell(&ToLeader::Suspend(why.is_some()), &[]);
        if before.is_none() && why.is_none() {
            return;
        }
        let notice = match &why {
            Some(why) => format!("suspended: queue \"{queue}\" {why}"),
            None => format!("queue \"{queue}\" lets its jobs go on"),
        };
        self.say(&Control::Notice(notice));
    }

    /// Asks the job to end because its queue runs nothing here any more.
    fn terminate(&mut self) {
        if let Phase::Running = self.phase {
            self.say(&Control::Notice(format!("queue \"{}\" is off here: the job was asked to end", self.about.queue)));
            self.order(&ToLeader::Signal(nix::libc::SIGTERM));
            // A job that was stopped hears it when it goes on.
            self.order(&ToLeader::Signal(nix::libc::SIGCONT));
        }
    }

    fn ended(&mut self, last: Control, busy: f64) {
        self.watch = None;
        if let Phase::Reserved { .. } | Phase::Running = self.phase {
            self.shared.ended(&self.name, busy, &last);
            self.phase = Phase::Draining { last, until: Instant::now() + self.drain };
        }
    }

    fn say(&mut self, control: &Control) {
        // A client that acknowledges nothing for so long that control is full is as good as gone;
        // it learns the state when it comes back.
        let _ = self.endpoint.control(control);
    }

    /// Moves bytes both ways while there are some, in pieces, so that the client gets them early.
    fn move_bytes(&mut self) {
        for stream in [Stream::Stdin, Stream::Tty] {
            self.streams.push(stream, &mut self.leader, &mut self.endpoint);
        }
        if !matches!(self.phase, Phase::Running) {
            return;
        }
        for _ in 0..PIECES {
            let audience = self.client.audience(&self.endpoint);
            let mut moved = false;
            for (slot, stream) in OUTPUTS {
                moved |= self.streams.pull_record(slot, stream, &mut self.leader, &mut self.endpoint, audience);
            }
            if !moved {
                break;
            }
            self.transmit();
        }
    }

    /// Says the end when all output is on its way, and leaves when the client has everything.
    fn conclude(&mut self) {
        if let Phase::Draining { last, until } = &self.phase {
            let (last, until) = (last.clone(), *until);
            let audience = self.client.audience(&self.endpoint);
            let patient = until > Instant::now();
            if !patient && !self.drain.is_zero() && self.streams.has_open_pipes(&self.leader) {
                let waited = self.drain.as_secs();
                self.drain = Duration::ZERO;
                self.say(&Control::Notice(format!(
                    "the command has ended; waited {waited} s for children that still have its output open"
                )));
            }
            let all = self.streams.drain(&mut self.leader, &mut self.endpoint, audience, patient);
            if all && self.endpoint.control(&last).is_ok() {
                self.streams.viewers.end(Some(&last));
                self.phase = Phase::Delivering { until: Instant::now() + KEEP_END };
            }
        }
    }

    fn transmit(&mut self) {
        if let Some(link) = self.client.current()
            && let Err(error) = link.transmit(&mut self.endpoint)
        {
            // What the client said before it went is still to be read; reading finds the end.
            if !matches!(error, LinkError::Io(ref io) if io.kind() == std::io::ErrorKind::BrokenPipe) {
                self.lost(&Err(error));
            }
        }
    }

    /// Nobody has released the job. A client that still means to, perhaps with a connection open, is told
    /// when it calls again.
    fn give_away(&mut self) {
        self.shared.given_away.add(&self.name);
        self.phase = Phase::Over;
    }

    /// Carries out what is due by the clock.
    fn keep_time(&mut self) {
        let now = Instant::now();
        self.idle.look(&mut self.endpoint, now);
        if let Some(told) = self.watch.as_mut().and_then(|watch| watch.look(&mut None, now)) {
            self.leader.tell(&told, &[]);
        }
        let nobody_comes = self.departure.is_final_at(self.client.lost).is_some_and(|at| at <= now);
        match self.phase {
            Phase::Reserved { until } if until <= now => self.give_away(),
            Phase::Delivering { until } if until <= now => self.phase = Phase::Over,
            Phase::Draining { .. } | Phase::Delivering { .. } if nobody_comes => self.phase = Phase::Over,
            Phase::Running => {
                if let Some(signal) = self.departure.due(self.client.lost, now) {
                    self.order(&ToLeader::Signal(signal));
                    // A job that was stopped hears it when it goes on.
                    self.order(&ToLeader::Signal(nix::libc::SIGCONT));
                }
            }
            _ => {}
        }
    }
}

/// A reservation that nobody released for so long is void.
const UNRELEASED: Duration = Duration::from_secs(5);
/// However long a client wants the end to wait for writers.
const LONGEST_DRAIN: Duration = Duration::from_secs(600);
/// The end of a session is kept for a client that is away.
const KEEP_END: Duration = Duration::from_secs(3600);
/// Bytes read from the client before the job's side has its turn.
const READ_BUDGET: usize = 1 << 20;
/// Rounds over the job's outputs before the client's side has its turn.
const PIECES: usize = 8;
