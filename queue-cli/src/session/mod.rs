//! A session from the release of its job to the end of this process: one loop over poll(2).
//!
//! The job's proxy has six things to wait for: signals, the runner, standard input, keys,
//! slow destinations and the clock. Nothing in the loop blocks, so a signal is never behind a
//! byte. [`wait`] is the poll; what the runner says is in [`hear`], what the local kernel says
//! in [`control`], and messages that have to wait in [`outbox`]. The protocol itself is
//! `wire::session`; the rules of job control are [`crate::job_control`].

mod control;
mod gaps;
mod hear;
mod outbox;
mod wait;

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use sys::signal::Signals;
use wire::job::Descriptor;
use wire::session::{Control, End, Endpoint, Idle, StartInfo, Stream};

use crate::attach::LetIn;
use crate::connection::Connection;
use crate::end::Ending;
use crate::failure::{Failure, printable, words};
use crate::input::{Input, Keys};
use crate::job_control::{Grant, received};
use crate::modes::Plan;
use crate::notice::{Ground, Notice, Stroke};
use crate::output::Output;
use crate::terminal::Terminal;
use gaps::Gaps;
use outbox::Outbox;

/// A session whose runner has answered.
pub struct Session {
    endpoint: Endpoint,
    connection: Connection,
    signals: Signals,
    plan: Plan,
    /// Descriptors that the job was given as they are.
    handed: Vec<usize>,
    terminal: Option<Terminal>,
    input: Input,
    keys: Keys,
    output: Output,
    outbox: Outbox,
    notice: Notice,
    grant: Grant,
    /// What was last known of the local terminal.
    in_foreground: bool,
    next_look: Instant,
    /// When a stop signal was last forwarded.
    stop_forwarded: Option<Instant>,
    /// Signals to end that came while there was no contact.
    impatience: u32,
    /// Connections that the runner broke the protocol on.
    strikes: u32,
    gaps: Gaps,
    idle: Idle,
    /// The connection may have more although poll does not say so.
    more: bool,
    progress: Progress,
    /// For one that attaches, the time to be let in.
    let_in: Option<LetIn>,
    /// Which limit the job was ended for.
    limit: Option<String>,
}

/// How far the session has come.
enum Progress {
    /// The job runs, or is about to.
    Running,
    /// It has ended; its last output is being written.
    Ended(Last),
    /// All is done but for saying so.
    Closing { last: Last, until: Instant },
}

/// What the runner said last.
enum Last {
    End(End),
    NotStarted(Failure),
}

impl Session {
    /// Takes over from here: signals come as messages from now on.
    pub fn new(
        connection: Connection,
        endpoint: Endpoint,
        plan: Plan,
        handed: Vec<usize>,
        terminal: Option<Terminal>,
    ) -> io::Result<Self> {
        let signals = Signals::block(&received())?;
        let input = match plan.descriptors[0] {
            Descriptor::Pipe if !handed.contains(&0) => Input::standard(),
            _ => Input::none(),
        };
        let keys = if plan.full { Keys::with_escapes() } else { Keys::default() };
        let mut output = Output::default();
        output.set_tty(terminal.as_ref().filter(|_| plan.has_pty()).and_then(Terminal::sink));
        Ok(Self {
            endpoint,
            connection,
            signals,
            plan,
            handed,
            terminal,
            input,
            keys,
            output,
            outbox: Outbox::default(),
            notice: Notice::default(),
            grant: Grant::None,
            in_foreground: false,
            next_look: Instant::now(),
            stop_forwarded: None,
            impatience: 0,
            strikes: 0,
            gaps: Gaps::default(),
            idle: Idle::default(),
            more: false,
            progress: Progress::Running,
            let_in: None,
            limit: None,
        })
    }

    /// Releases the job and stays until its end.
    pub fn run(mut self) -> Ending {
        self.release();
        self.stay()
    }

    /// Stays with a job that runs, as soon as its runner has let us in.
    pub fn attach(mut self) -> Ending {
        self.input = Input::none();
        self.let_in = Some(LetIn::from_now());
        self.stay()
    }

    fn stay(mut self) -> Ending {
        let ending = loop {
            match self.turn() {
                Some(ending) => break ending,
                None => continue,
            }
        };
        if matches!(ending, Ending::Failed(_)) || self.limit.is_some() {
            self.output.leave_tty();
        }
        let Self { terminal, signals, keys, limit, .. } = self;
        drop(terminal);
        if let Some(limit) = limit {
            // The signal alone does not say whose it was. Where standard error is gone it has to do.
            let _ = writeln!(io::stderr(), "queue: killed: {}", printable(&limit));
        }
        match ending {
            // From here a signal ends the wait for another place.
            Ending::TurnedAway(_) => drop(signals),
            // The key was the whole group's: a script around us ends too, or runs its trap.
            Ending::Signal(number) if keys.asked_for(number) => {
                std::mem::forget(signals);
                sys::signal::tell_own_group(number);
            }
            // Signals stay blocked: one that came this late must not make another end of it.
            _ => std::mem::forget(signals),
        }
        ending
    }

    fn release(&mut self) {
        self.in_foreground = self.terminal.as_ref().is_some_and(Terminal::is_ours);
        let drain = if self.plan.drains { DRAIN } else { Duration::ZERO };
        let mut info = StartInfo { drain_ms: drain.as_millis() as u32, ..StartInfo::default() };
        if let Some(terminal) = self.terminal.as_mut().filter(|_| self.plan.has_pty()) {
            info.size = terminal.size();
            info.modes = terminal.modes();
            if self.plan.eager && self.in_foreground {
                info.foreground = true;
                self.grant = Grant::Settled;
                terminal.enter_raw(self.plan.rawness());
            }
        }
        self.look_at_newlines();
        self.say(Control::Start(info));
        self.connection.released(&self.endpoint);
    }

    /// One round of the loop.
    fn turn(&mut self) -> Option<Ending> {
        self.outbox.push(&mut self.endpoint);
        self.connection.transmit(&mut self.endpoint);
        if let Some(ending) = self.conclude() {
            return Some(ending);
        }
        self.idle.look(&mut self.endpoint, Instant::now());
        let ready = self.wait();
        if ready.connection || ready.stdin || !ready.outputs.is_empty() {
            self.idle.interrupted();
        }
        if ready.signal
            && let Some(ending) = self.take_signals()
        {
            return Some(ending);
        }
        if (ready.connection || self.more)
            && let Some(ending) = self.hear()
        {
            return Some(ending);
        }
        for stream in ready.outputs {
            self.output.push(stream, &mut self.endpoint);
        }
        if ready.stdin
            && let Err(error) = self.input.read(&mut self.endpoint)
        {
            self.tell(&format!("cannot read standard input: {}", words(&error.into())));
        }
        if ready.keys
            && let Some(ending) = self.take_keys()
        {
            return Some(ending);
        }
        self.report_lost_outputs();
        self.keep_time()
    }

    /// Carries out what is due by the clock.
    fn keep_time(&mut self) -> Option<Ending> {
        let now = Instant::now();
        self.connection.keep_up(&mut self.endpoint, now);
        if self.watches_foreground() && self.next_look <= now {
            self.look_at_foreground(now);
        }
        let silent = self.silence_to_show();
        if self.notice.deadline(silent).is_some_and(|deadline| deadline <= now) {
            let size = self.terminal.as_ref().and_then(Terminal::size).unwrap_or_default();
            let ground = Ground {
                size: (size.rows, size.columns),
                taken: self.output.taken_by_tty(),
                received: self.output.end_of_tty(&self.endpoint),
            };
            match self.notice.update(&self.connection.host, silent, now, ground) {
                Some(Stroke::Line(text)) => self.output.draw_on_tty(text.as_bytes()),
                Some(Stroke::Gone { text, stood_still }) => {
                    self.output.draw_on_tty(text.as_bytes());
                    self.say(if stood_still { Control::RepaintLine } else { Control::Repaint });
                }
                None => {}
            }
        }
        if let Some(ending) = self.let_in.as_ref().and_then(|let_in| let_in.failed(&self.connection)) {
            return Some(ending);
        }
        if self.patience_ends().is_some_and(|until| until <= now) {
            let host = &self.connection.host;
            return Some(Ending::Failed(Failure::own(format!(
                "{host}: no contact for {} min; how the job ended is not known",
                PATIENCE.as_secs() / 60
            ))));
        }
        None
    }

    /// Since when nothing was heard, where that is to be shown.
    fn silence_to_show(&self) -> Option<Instant> {
        let shows = self.plan.full && self.in_foreground;
        self.connection.silent_since().filter(|_| shows)
    }

    /// A host leaves a job without a terminal alone for ten minutes of silence; a client that
    /// waits for longer waits for nothing.
    fn patience_ends(&self) -> Option<Instant> {
        let lost = self.connection.lost_since()?;
        (!self.plan.has_pty()).then(|| lost + PATIENCE)
    }

    /// Finishes what has come to its end; the session's own ending when all of it has.
    fn conclude(&mut self) -> Option<Ending> {
        for stream in [Stream::Stdout, Stream::Stderr] {
            if self.endpoint.finished(stream) {
                self.output.close(stream);
            }
        }
        let ended = matches!(self.progress, Progress::Ended(_));
        if ended && self.output.is_done(&self.endpoint) {
            self.output.flush_tty();
            self.endpoint.acknowledge_now();
            self.connection.transmit(&mut self.endpoint);
            self.begin_to_close();
        }
        match &self.progress {
            Progress::Closing { last, until } => {
                // Nothing more will come, and what the kernel has taken it delivers without us.
                let said = !self.endpoint.wants_transmit() && self.connection.close();
                let over = said || !self.connection.is_up(&self.endpoint) || *until <= Instant::now();
                over.then(|| self.gaps.ending(&self.connection.host, last))
            }
            Progress::Running | Progress::Ended(_) => None,
        }
    }

    fn begin_to_close(&mut self) {
        let progress = std::mem::replace(&mut self.progress, Progress::Running);
        if let Progress::Ended(last) = progress {
            self.progress = Progress::Closing { last, until: Instant::now() + CLOSING };
        }
    }

    /// Tells the job about readers of its output that have gone.
    fn report_lost_outputs(&mut self) {
        for (stream, error) in self.output.take_lost() {
            match (stream, error) {
                // The terminal has hung up; the kernel sends HUP for that.
                (Stream::Tty, _) => {}
                (_, Errno::EPIPE) => self.say(Control::Closed(stream)),
                (_, error) => {
                    self.gaps.unwritten(stream, error);
                    self.say(Control::Closed(stream));
                }
            }
        }
    }

    fn say(&mut self, control: Control) {
        self.outbox.say(control, &mut self.endpoint);
    }

    /// A sentence for the person: on the terminal, never into a redirected descriptor.
    fn tell(&mut self, text: &str) {
        self.tell_at(self.output.end_of_tty(&self.endpoint), text);
    }

    /// The same, at a place in what the job writes on the terminal.
    fn tell_at(&mut self, at: u64, text: &str) {
        let text = printable(text);
        if self.plan.has_pty() {
            self.output.say_on_tty(at, &format!("[queue: {text}]"));
        } else if io::stderr().is_terminal() {
            let _ = writeln!(io::stderr(), "queue: {text}");
        }
    }
}

/// How long children of a job may still write to it after its end, where that is waited for.
const DRAIN: Duration = Duration::from_secs(10);
/// How long it may take to tell the runner that all has arrived.
const CLOSING: Duration = Duration::from_secs(1);
/// How long a client without a terminal looks for its lost runner.
const PATIENCE: Duration = Duration::from_secs(15 * 60);
