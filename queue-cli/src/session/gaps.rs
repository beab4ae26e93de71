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
    /// Bytes of a stream that no longer exist anywhere; `None`: nobody knows how many. Answers
    /// the line for the terminal, where it is one.
    pub fn lost(&mut self, stream: Stream, bytes: Option<u64>) -> Option<String> {
        let count = match bytes {
            Some(0) => return None,
            Some(1) => "1 byte".to_owned(),
            Some(bytes) => format!("{bytes} bytes"),
            None => "an unknown number of bytes".to_owned(),
        };
        match stream {
            Stream::Tty => return Some(format!("{count} not shown")),
            Stream::Control => {}
            Stream::Stdin | Stream::Stdout | Stream::Stderr => {
                self.phrases.push(format!("{count} of {} were lost", name(stream)));
            }
        }
        None
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
        let last = Last::End(End { outcome: Outcome::Exited(0), usage: Usage::default() });
        let mut gaps = Gaps::default();
        assert_eq!(gaps.lost(Stream::Stdout, Some(0)), None);
        assert_eq!(gaps.lost(Stream::Tty, Some(7)).as_deref(), Some("7 bytes not shown"));
        assert_eq!(gaps.ending("b", &last), Ending::Code(0));
        gaps.lost(Stream::Stdout, Some(4096));
        gaps.lost(Stream::Stdin, None);
        let message = "b: 4096 bytes of standard output were lost, an unknown number of bytes of \
                       standard input were lost; the job itself exited with 0";
        assert_eq!(gaps.ending("b", &last), Ending::Failed(Failure::own(message)));
    }
}
