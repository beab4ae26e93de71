//! What did not arrive. Bytes of a pipe are never silently missing: the client then exits with
//! its own code for failures and says what is missing and how the job itself ended. On a
//! terminal a gap is a line.

use nix::errno::Errno;
use wire::session::Stream;

use super::Last;
use crate::end::{Ending, in_words};
use crate::failure::{Failure, words};

/// Everything that is missing, as phrases.
#[derive(Default)]
pub struct Gaps {
    phrases: Vec<String>,
}

impl Gaps {
    /// Bytes of the job's output that no longer exist anywhere; `None`: nobody knows how many.
    /// Answers the line for the terminal, where it is one.
    pub fn output(&mut self, stream: Stream, bytes: Option<u64>) -> Option<String> {
        match stream {
            Stream::Tty => Some(format!("{} not shown", counted(bytes))),
            Stream::Stdout | Stream::Stderr => {
                self.phrases.push(format!("{} of {} were lost", counted(bytes), name(stream)));
                None
            }
            Stream::Stdin | Stream::Control => None,
        }
    }

    /// Bytes of its input that were sent and that the job may or may not have read.
    pub fn input(&mut self, stream: Stream, bytes: Option<u64>) -> Option<String> {
        match stream {
            Stream::Tty => Some(format!("up to {} of what was typed were lost", counted(bytes))),
            Stream::Stdin => {
                self.phrases.push(format!("up to {} of {} were lost", counted(bytes), name(stream)));
                None
            }
            Stream::Stdout | Stream::Stderr | Stream::Control => None,
        }
    }

    /// The local destination does not take the output, and not because its reader has gone.
    pub fn unwritten(&mut self, stream: Stream, error: Errno) {
        self.phrases.push(format!("cannot write {}: {}", name(stream), words(&error.into())));
    }

    /// The client's ending when the session has ended with `last`.
    pub fn ending(&self, host: &str, last: &Last) -> Ending {
        match last {
            Last::NotStarted(failure) => Ending::Failed(failure.clone()),
            Last::End(end) if self.phrases.is_empty() => Ending::of(end),
            Last::End(end) => {
                Ending::Failed(Failure::own(format!("{host}: {}; {}", self.phrases.join(", "), in_words(end))))
            }
        }
    }
}

fn counted(bytes: Option<u64>) -> String {
    match bytes {
        Some(1) => "1 byte".to_owned(),
        Some(bytes) => format!("{bytes} bytes"),
        None => "an unknown number of bytes".to_owned(),
    }
}

fn name(stream: Stream) -> &'static str {
    match stream {
        Stream::Stdin => "standard input",
        Stream::Stdout => "standard output",
        Stream::Stderr => "standard error",
        Stream::Tty => "the terminal",
        Stream::Control => "control",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::session::{End, Outcome, Usage};

    #[test]
    fn a_gap_in_a_pipe_is_our_failure_and_names_the_jobs_own_end() {
        let last =
            Last::End(End { outcome: Outcome::Exited(0), usage: Usage::default(), incomplete: None, limit: None });
        let mut gaps = Gaps::default();
        assert_eq!(gaps.output(Stream::Tty, Some(7)).as_deref(), Some("7 bytes not shown"));
        assert!(gaps.input(Stream::Tty, Some(1)).is_some_and(|line| line.contains("1 byte of what was typed")));
        assert_eq!(gaps.ending("b", &last), Ending::Code(0));
        assert_eq!(gaps.output(Stream::Stdout, Some(4096)), None);
        assert_eq!(gaps.input(Stream::Stdin, Some(9)), None);
        let message = "b: 4096 bytes of standard output were lost, up to 9 bytes of standard input were lost; \
                       the job itself exited with 0";
        assert_eq!(gaps.ending("b", &last), Ending::Failed(Failure::own(message)));
    }
}
