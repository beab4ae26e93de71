//! What the runner says.

use wire::link::{LinkError, Received};
use wire::session::{Control, Event, Stream, TAKEN_OVER};

use super::{Last, Progress, Session};
use crate::connection::{MOST_STRIKES, why};
use crate::end::Ending;
use crate::failure::Failure;
use crate::job_control::Grant;
use crate::output::close_standard;

/// What is acted upon when the bytes around it have been taken.
enum Said {
    Hello {
        generation: u64,
        fresh: bool,
    },
    /// And at which place in the tty's stream it is to be said.
    MissingOutput(Stream, Option<u64>, u64),
    LostInput(Stream, Option<u64>),
    Control(Control),
    Refused(String),
}

impl Session {
    /// Reads from the runner and acts on what it says.
    pub(super) fn hear(&mut self) -> Option<Ending> {
        self.more = false;
        let Self { connection, endpoint, output, .. } = self;
        let mut said = Vec::new();
        let received = connection.receive(&mut |bytes| {
            let mut rest = bytes;
            while let Some(event) = endpoint.receive(&mut rest)? {
                match event {
                    Event::Data { stream, bytes } => output.take(stream, bytes, endpoint),
                    // Looked at when all before it was written.
                    Event::Eof(_) => {}
                    Event::Hello(hello) => {
                        let (generation, fresh) = (hello.generation, hello.fresh);
                        said.push(Said::Hello { generation, fresh });
                    }
                    Event::Resumed { missing, lost_input } => {
                        for stream in Stream::ALL {
                            let (missing, lost) = (missing[stream as usize], lost_input[stream as usize]);
                            let at = output.end_of_tty(endpoint);
                            said.extend((missing > 0).then_some(Said::MissingOutput(stream, Some(missing), at)));
                            said.extend((lost > 0).then_some(Said::LostInput(stream, Some(lost))));
                        }
                    }
                    Event::Control(Control::Gap(gap)) if gap.stream == Stream::Stdin => {
                        said.push(Said::LostInput(gap.stream, gap.bytes));
                    }
                    Event::Control(Control::Gap(gap)) => {
                        said.push(Said::MissingOutput(gap.stream, gap.bytes, output.end_of_tty(endpoint)));
                    }
                    Event::Control(control) => said.push(Said::Control(control)),
                    Event::Refused(reason) => said.push(Said::Refused(reason)),
                }
            }
            Ok(())
        });
        for one in said {
            if let Some(ending) = self.take_in(one) {
                return Some(ending);
            }
        }
        match received {
            Ok(Received::Blocked) => None,
            Ok(Received::More) => {
                self.more = true;
                None
            }
            // Without an end before it, a close is a lost connection and never an end.
            Ok(Received::Closed) => self.lost(&LinkError::Cut),
            Err(error) => self.lost(&error),
        }
    }

    fn lost(&mut self, error: &LinkError) -> Option<Ending> {
        self.connection.lose(&mut self.endpoint);
        if let LinkError::Protocol(_) = error {
            self.strikes += 1;
        }
        (self.strikes == MOST_STRIKES).then(|| {
            let host = &self.connection.host;
            Ending::Failed(Failure::own(format!("{host}: {}; how the job ended is not known", why(error))))
        })
    }

    fn take_in(&mut self, said: Said) -> Option<Ending> {
        match said {
            Said::Hello { generation, fresh } => {
                let enters = self.let_in.is_some() && !self.connection.was_answered();
                self.connection.established(generation);
                self.impatience = 0;
                if enters {
                    self.entered();
                } else if fresh {
                    self.remind();
                }
            }
            Said::MissingOutput(stream, bytes, at) => {
                if let Some(line) = self.gaps.output(stream, bytes) {
                    self.tell_at(at, &line);
                }
            }
            Said::LostInput(stream, bytes) => {
                if let Some(line) = self.gaps.input(stream, bytes) {
                    self.tell(&line);
                }
            }
            Said::Control(control) => self.obey(control),
            Said::Refused(reason) if self.let_in.is_some() && !self.connection.was_answered() => {
                return Some(Ending::TurnedAway(reason));
            }
            Said::Refused(reason) if reason.starts_with(TAKEN_OVER) => {
                let (host, job) = (&self.connection.host, &self.connection.job);
                let whence = &reason[TAKEN_OVER.len()..];
                let message = format!("session {job} on {host} was taken over{whence} and goes on there");
                return Some(Ending::Failed(Failure::own(message)));
            }
            Said::Refused(reason)
                if self.connection.is_first()
                    || !self.connection.was_answered() && reason == wire::session::NOT_RELEASED =>
            {
                return Some(Ending::TurnedAway(reason));
            }
            Said::Refused(reason) => {
                let host = &self.connection.host;
                return Some(Ending::Failed(Failure::own(format!(
                    "{host} does not go on with the session: {reason}; how the job ends is not known here"
                ))));
            }
        }
        None
    }

    /// A new runner knows the job, but not what its client's terminal is like.
    fn remind(&mut self) {
        self.say_size();
        if self.plan.has_pty() {
            self.say(Control::Foreground(self.grant != Grant::None));
        }
    }

    fn obey(&mut self, control: Control) {
        match control {
            Control::Started => self.started(),
            Control::StartFailed(refusal) => {
                self.progress = Progress::Ended(Last::NotStarted(refusal.into()));
            }
            Control::Stopped(signal) => {
                // A signal that does not exist here stops nobody here.
                let signal = sys::signal::number(&signal).unwrap_or(nix::libc::SIGSTOP);
                self.job_stopped(signal);
            }
            Control::Continued if self.grant == Grant::Fresh => self.grant = Grant::Settled,
            Control::Notice(text) => self.tell(&text),
            Control::Closed(Stream::Stdin) => self.input.reader_gone(),
            Control::End(end) => {
                self.limit.clone_from(&end.limit);
                self.progress = Progress::Ended(Last::End(end));
            }
            // The rest is ours to say.
            _ => {}
        }
    }

    /// The job has its own copies of what was handed over. Ours are closed, so that the other
    /// ends of pipes see what the job does with them and not that we still hold them.
    fn started(&mut self) {
        let handed = std::mem::take(&mut self.handed).into_iter();
        let streams = handed.map(|number| [Stream::Stdin, Stream::Stdout, Stream::Stderr][number]);
        let streams = streams.filter(|stream| *stream != Stream::Stderr).collect::<Vec<_>>();
        if !streams.is_empty() {
            close_standard(&streams);
        }
    }
}
