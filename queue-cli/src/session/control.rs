//! What the local kernel says: signals, keys, the foreground; and stopping and going on.

use std::time::{Duration, Instant};

use nix::libc;
use wire::session::{Control, Stream};

use super::{Progress, Session};
use crate::end::Ending;
use crate::escape::{self, Command};
use crate::failure::Failure;
use crate::job_control::{Grant, Reaction, Situation, Way, is_ending, on_stopped, way_of};
use crate::terminal::Terminal;

/// What is continued when this process is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Resume {
    /// Both had stopped, and a shell has had the terminal: its modes are the job's now.
    Both,
    /// This process alone may have stopped; the job gets CONT but keeps its modes.
    Whatever,
    /// This process alone had stopped, because a person wanted that.
    Ourselves,
}

/// What the job's terminal becomes when the job gets the foreground.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum HandOver {
    /// As the local one is now, after whoever had it meanwhile.
    WithModes,
    /// As the job has left it.
    AsItIs,
}

impl Session {
    /// Takes all signals that have arrived.
    pub(super) fn take_signals(&mut self) -> Option<Ending> {
        while let Ok(Some(signal)) = self.signals.next() {
            if let Some(ending) = self.take_signal(signal.number, signal.from_person) {
                return Some(ending);
            }
        }
        None
    }

    fn take_signal(&mut self, number: i32, from_person: bool) -> Option<Ending> {
        let over = !matches!(self.progress, Progress::Running);
        let connected = self.connection.has_contact(&self.endpoint);
        match way_of(number, from_person) {
            Way::Die => return Some(Ending::Signal(number)),
            Way::Continued => self.go_on(Resume::Whatever),
            Way::Resized if self.plan.has_pty() => self.say_size(),
            // Nobody there could stop; the person wants the prompt all the same.
            Way::ForwardStop if over || !connected => self.suspend_alone(sys::signal::stop_self),
            Way::ForwardStop => {
                self.stop_forwarded = Some(Instant::now());
                self.say(Control::Signal(sys::signal::name(number)));
            }
            // The job has ended, and only its output is still being written.
            Way::Forward if over && is_ending(number) => return Some(Ending::Signal(number)),
            Way::Forward | Way::Resized => {
                if is_ending(number) && !connected {
                    self.impatience += 1;
                    if self.impatience > 1 {
                        return Some(self.give_up());
                    }
                }
                self.say(Control::Signal(sys::signal::name(number)));
            }
        }
        None
    }

    /// Takes what was typed.
    pub(super) fn take_keys(&mut self) -> Option<Ending> {
        let terminal = self.terminal.as_ref()?;
        for command in self.keys.read(terminal, &mut self.endpoint) {
            match command {
                Command::End => return Some(self.give_up()),
                Command::Detach => return Some(self.detach()),
                Command::Suspend => self.suspend_alone(sys::signal::stop_own_group),
                Command::Help => {
                    for line in escape::HELP {
                        self.output.draw_on_tty(format!("\r\n{line}").as_bytes());
                    }
                    self.output.draw_on_tty(b"\r\n");
                }
            }
        }
        None
    }

    /// The person has had enough.
    fn give_up(&mut self) -> Ending {
        let host = self.connection.host.clone();
        if !self.connection.has_contact(&self.endpoint) {
            return Ending::Failed(Failure::own(format!(
                "no contact with {host}; the job there does not know that you have left"
            )));
        }
        // The terminal is gone for good. A closed socket alone may mean anything.
        self.say(Control::Closed(Stream::Tty));
        self.connection.leave(&mut self.endpoint);
        Ending::Failed(Failure::own(format!("you left with ~. and the job on {host} was hung up")))
    }

    /// The person goes and the job runs on. Where there is no contact that is so anyway.
    fn detach(&mut self) -> Ending {
        if self.connection.has_contact(&self.endpoint) {
            self.say(Control::Detach);
            self.connection.leave(&mut self.endpoint);
        }
        let (host, job) = (&self.connection.host, &self.connection.job);
        Ending::Failed(Failure::own(format!(
            "detached from {job} on {host}; it runs on; come back with: queue attach {job}"
        )))
    }

    /// The runner has let us in to a session that runs.
    pub(super) fn entered(&mut self) {
        self.go_on(Resume::Whatever);
        self.say(Control::Repaint);
    }

    /// The job was stopped.
    pub(super) fn job_stopped(&mut self, signal: i32) {
        let forwarded = self.stop_forwarded.take();
        let situation = Situation {
            has_pty: self.plan.has_pty(),
            in_foreground: self.terminal.as_ref().is_some_and(Terminal::is_ours),
            grant: self.grant,
            was_forwarded: forwarded.is_some_and(|at| at.elapsed() < FORWARDED_STOP),
        };
        match on_stopped(signal, situation) {
            Reaction::Give => {
                self.take_terminal(HandOver::WithModes);
                self.say(Control::Signal("CONT".to_owned()));
            }
            Reaction::Repeat => {
                self.grant = Grant::Settled;
                self.say(Control::Foreground(true));
                self.say(Control::Signal("CONT".to_owned()));
            }
            Reaction::StopSelf => self.stop(signal, sys::signal::stop_self),
            Reaction::StopGroup => self.stop(signal, sys::signal::stop_own_group),
        }
    }

    /// Stops as the job has, and continues it afterwards.
    fn stop(&mut self, signal: i32, how: fn(i32)) {
        let was_continued = self.step_aside(signal, how);
        if was_continued {
            self.go_on(Resume::Both);
            return;
        }
        // Our group is orphaned and the kernel has thrown the signal away: nobody could
        // continue us, and nobody will continue the job but us.
        let ours = self.terminal.as_ref().is_some_and(Terminal::is_ours);
        if matches!(signal, libc::SIGTTIN | libc::SIGTTOU) && !ours {
            // It will never have the terminal. This is what the kernel does with stopped
            // processes that it has just orphaned.
            self.say(Control::Signal("HUP".to_owned()));
        }
        self.go_on(Resume::Whatever);
    }

    /// Stops this process alone; the job runs on.
    fn suspend_alone(&mut self, how: fn(i32)) {
        self.step_aside(libc::SIGTSTP, how);
        self.go_on(Resume::Ourselves);
    }

    /// Leaves the terminal to others and stops; says whether it really has stopped and was
    /// continued.
    fn step_aside(&mut self, signal: i32, how: fn(i32)) -> bool {
        self.output.flush_tty();
        self.connection.transmit(&mut self.endpoint);
        if let Some(terminal) = &mut self.terminal {
            terminal.leave_raw();
        }
        how(signal);
        // SIGCONT is blocked, so it is still there; whatever else has come waits its turn.
        let mut was_continued = false;
        let mut others = Vec::new();
        while let Ok(Some(signal)) = self.signals.next() {
            match signal.number {
                libc::SIGCONT => was_continued = true,
                _ => others.push(signal),
            }
        }
        for signal in others {
            self.outbox_of_stopped(signal.number);
        }
        was_continued
    }

    /// A signal that came while this process was stopped: a window may have changed, a person
    /// may have sent anything. It is the job's all the same.
    fn outbox_of_stopped(&mut self, number: i32) {
        match way_of(number, true) {
            Way::Forward => self.say(Control::Signal(sys::signal::name(number))),
            // A second stop on top of the first; sizes are said again in any case.
            Way::ForwardStop | Way::Continued | Way::Resized | Way::Die => {}
        }
    }

    /// This process was continued, or was not stopped at all.
    fn go_on(&mut self, resume: Resume) {
        self.connection.hurry();
        self.stop_forwarded = None;
        self.in_foreground = self.terminal.as_ref().is_some_and(Terminal::is_ours);
        if self.plan.has_pty() {
            if self.in_foreground && (self.plan.eager || self.grant != Grant::None) {
                self.take_terminal(match resume {
                    Resume::Both => HandOver::WithModes,
                    Resume::Whatever | Resume::Ourselves => HandOver::AsItIs,
                });
            } else {
                if self.grant != Grant::None {
                    self.grant = Grant::None;
                    self.say(Control::Foreground(false));
                }
                self.look_at_newlines();
            }
            self.say_size();
        }
        if resume != Resume::Ourselves {
            self.say(Control::Signal("CONT".to_owned()));
        }
    }

    /// Goes raw and puts the job in the foreground of its terminal.
    fn take_terminal(&mut self, how: HandOver) {
        let Some(terminal) = &mut self.terminal else {
            return;
        };
        let modes = terminal.modes();
        terminal.enter_raw(self.plan.rawness());
        self.in_foreground = true;
        self.keys.renew();
        self.look_at_newlines();
        if let Some(modes) = modes.filter(|_| how == HandOver::WithModes) {
            self.say(Control::Modes(modes));
        }
        self.grant = Grant::Fresh;
        self.say(Control::Foreground(true));
    }

    /// Whether the foreground has to be looked at now and then: a shell's `fg` of a job that
    /// was never stopped sends no signal. This is the one thing that is polled.
    pub(super) fn watches_foreground(&self) -> bool {
        let wants_keys = self.plan.eager && self.grant == Grant::None;
        let wants_input = self.plan.reads_terminal && !self.input.is_over();
        // A job that is attached to has set its terminal's modes long ago.
        let is_in = self.let_in.is_none() || self.connection.was_answered();
        self.terminal.is_some()
            && is_in
            && !self.in_foreground
            && matches!(self.progress, Progress::Running)
            && (wants_keys || wants_input)
    }

    pub(super) fn look_at_foreground(&mut self, now: Instant) {
        self.next_look = now + LOOK;
        self.in_foreground = self.terminal.as_ref().is_some_and(Terminal::is_ours);
        if self.in_foreground && self.plan.eager {
            self.take_terminal(HandOver::WithModes);
            self.say_size();
        }
    }

    pub(super) fn look_at_newlines(&mut self) {
        let terminal = self.terminal.as_ref().filter(|_| self.plan.has_pty());
        self.output.translates = terminal.is_some_and(Terminal::translates_newlines);
    }

    pub(super) fn say_size(&mut self) {
        let terminal = self.terminal.as_ref().filter(|_| self.plan.has_pty());
        if let Some(size) = terminal.and_then(Terminal::size) {
            self.say(Control::Resize(size));
        }
    }
}

/// Four looks a second.
const LOOK: Duration = Duration::from_millis(250);
/// A stop of the job so soon after a forwarded stop signal is its effect.
const FORWARDED_STOP: Duration = Duration::from_secs(2);
