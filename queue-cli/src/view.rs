//! `queue attach --view`: shows the terminal of a session to somebody who only looks. What is typed
//! goes nowhere; ^C leaves. A lost connection is made anew, and what comes on it begins with the screen.

use std::io;
use std::os::fd::AsFd;
use std::time::Instant;

use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use sys::signal::Signals;
use wire::link::{LinkError, Received};
use wire::session::{Control, Endpoint, Event, Size, Stream};

use crate::attach::LetIn;
use crate::connection::{Connection, MOST_STRIKES, why};
use crate::description::Taken;
use crate::end::{Ending, in_words};
use crate::failure::Failure;
use crate::modes::Rawness;
use crate::output::Output;
use crate::terminal::Terminal;

/// Somebody who looks.
struct View {
    connection: Connection,
    endpoint: Endpoint,
    terminal: Terminal,
    signals: Signals,
    output: Output,
    let_in: LetIn,
    /// Connections that the runner broke the protocol on.
    strikes: u32,
    /// The job's end was the last that the runner said; from then on nobody is listened to.
    ended: Option<Ending>,
}

/// Shows the session until the person has seen enough or the job has ended.
pub fn run(connection: Connection, endpoint: Endpoint, terminal: Terminal) -> io::Result<Ending> {
    let signals = Signals::block(&SIGNALS)?;
    let mut output = Output::default();
    output.set_tty(terminal.sink());
    let let_in = LetIn::from_now();
    let mut view = View { connection, endpoint, terminal, signals, output, let_in, strikes: 0, ended: None };
    view.terminal.enter_raw(Rawness::Shared);
    view.output.translates = view.terminal.translates_newlines();
    let ending = loop {
        if let Some(ending) = view.turn() {
            break ending;
        }
    };
    view.output.leave_tty();
    view.connection.leave(&mut view.endpoint);
    drop(view.terminal);
    if let Some(ended) = view.ended {
        return Ok(ended);
    }
    Ok(ending)
}

impl View {
    fn turn(&mut self) -> Option<Ending> {
        match self.ended {
            Some(_) if self.output.is_done(&self.endpoint) => return Some(Ending::Code(0)),
            Some(_) => {}
            None => self.connection.transmit(&mut self.endpoint),
        }
        self.wait();
        while let Ok(Some(signal)) = self.signals.next() {
            match signal.number {
                libc::SIGTSTP => self.stop(),
                libc::SIGCONT | libc::SIGWINCH => {}
                // It was the person who ended it, as less is ended by q.
                libc::SIGINT | libc::SIGQUIT => return Some(Ending::Code(0)),
                number => return Some(Ending::Signal(number)),
            }
        }
        // Keys are nobody's; q is what people try.
        let mut keys = [0; 256];
        match self.terminal.read(&mut keys) {
            Ok(Taken::Bytes(count)) if keys[..count].contains(&b'q') => return Some(Ending::Code(0)),
            Ok(Taken::Bytes(_) | Taken::Blocked) => {}
            // Nobody looks any more, and the kernel tells only the session's leader.
            Ok(Taken::End) | Err(_) => return Some(Ending::Signal(libc::SIGHUP)),
        }
        if self.ended.is_none() {
            if let Some(ending) = self.hear() {
                return Some(ending);
            }
            self.connection.keep_up(&mut self.endpoint, Instant::now());
        }
        self.output.push(Stream::Tty, &mut self.endpoint);
        self.let_in.failed(&self.connection)
    }

    fn wait(&self) {
        let mut polled = vec![
            PollFd::new(self.signals.as_fd(), PollFlags::POLLIN),
            PollFd::new(self.terminal.as_fd(), PollFlags::POLLIN),
        ];
        let mut deadline = None;
        if self.ended.is_none() {
            polled.extend(self.connection.interests(&self.endpoint).map(|(socket, flags)| PollFd::new(socket, flags)));
            deadline = self.connection.deadline().into_iter().chain(self.let_in.deadline(&self.connection)).min();
        }
        let outputs = self.output.waits(&self.endpoint);
        polled.extend(outputs.iter().map(|(_, sink)| PollFd::new(*sink, PollFlags::POLLOUT)));
        let timeout = deadline.map_or(PollTimeout::NONE, |at| {
            let left = at.saturating_duration_since(Instant::now()).as_millis() + 1;
            PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX)
        });
        // An interrupted wait is over like any other.
        let _ = poll(&mut polled, timeout);
    }

    fn hear(&mut self) -> Option<Ending> {
        let Self { connection, endpoint, output, .. } = self;
        let (mut generation, mut controls, mut refused) = (None, Vec::new(), None);
        let received = connection.receive(&mut |bytes| {
            let mut rest = bytes;
            while let Some(event) = endpoint.receive(&mut rest)? {
                match event {
                    Event::Data { stream, bytes } => output.take(stream, bytes, endpoint),
                    Event::Hello(hello) => generation = Some(hello.generation),
                    Event::Control(control) => controls.push(control),
                    Event::Refused(why) => refused = Some(why),
                    // What a viewer misses is of the past.
                    Event::Eof(_) | Event::Resumed { .. } => {}
                }
            }
            Ok(())
        });
        if let Some(generation) = generation {
            self.connection.established(generation);
        }
        for control in controls {
            match control {
                Control::Resize(size) => self.compare(size),
                Control::End(end) => {
                    let host = &self.connection.host;
                    let text = format!("{} on {host} has ended; {}", self.connection.job, in_words(&end));
                    self.ended = Some(Ending::Failed(Failure { code: 0, message: text }));
                }
                _ => {}
            }
        }
        match refused {
            Some(reason) if self.connection.was_answered() => {
                let host = &self.connection.host;
                return Some(Ending::Failed(Failure::own(format!("{host} does not show the session again: {reason}"))));
            }
            Some(reason) => return Some(Ending::TurnedAway(reason)),
            None => {}
        }
        match received {
            _ if self.ended.is_some() => None,
            Ok(Received::Closed) => self.lost(&LinkError::Cut),
            Err(error) => self.lost(&error),
            Ok(Received::Blocked | Received::More) => None,
        }
    }

    /// The connection is lost; there will be another, unless the runner is not to be understood.
    fn lost(&mut self, error: &LinkError) -> Option<Ending> {
        self.connection.lose(&mut self.endpoint);
        if let LinkError::Protocol(_) = error {
            self.strikes += 1;
        }
        (self.strikes == MOST_STRIKES)
            .then(|| Ending::Failed(Failure::own(format!("{}: {}", self.connection.host, why(error)))))
    }

    /// A picture of another size is only partly to be seen.
    fn compare(&mut self, there: Size) {
        let Some(here) = self.terminal.size() else {
            return;
        };
        if (here.rows < there.rows || here.columns < there.columns) && there.rows > 0 {
            let text = format!(
                "[queue: the terminal there has {}x{}, this one {}x{}; ^C leaves]",
                there.columns, there.rows, here.columns, here.rows
            );
            self.output.say_on_tty(self.output.end_of_tty(&self.endpoint), &text);
        }
    }

    /// ^Z is for the shell here.
    fn stop(&mut self) {
        self.output.flush_tty();
        self.terminal.leave_raw();
        sys::signal::stop_own_group(libc::SIGTSTP);
        self.terminal.enter_raw(Rawness::Shared);
        // It finds room: a viewer says nothing else.
        let _ = self.endpoint.control(&Control::Repaint);
    }
}

/// Those that end the view or move it.
const SIGNALS: [i32; 7] =
    [libc::SIGINT, libc::SIGQUIT, libc::SIGTERM, libc::SIGHUP, libc::SIGTSTP, libc::SIGCONT, libc::SIGWINCH];
