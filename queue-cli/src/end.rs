//! How this process ends: with the job's code, of the job's signal, or with a sentence.

use std::io::{Write, stderr};

use wire::session::{End, Outcome};

use crate::failure::Failure;

/// The end of the client.
#[derive(Debug, PartialEq, Eq)]
pub enum Ending {
    /// The job's own exit code, or 0.
    Code(u8),
    /// The signal that ended the job, or this process.
    Signal(i32),
    /// queue itself failed, and this is to be said.
    Failed(Failure),
    /// Not an end: the runner turned the first connection away, so that nothing has run. Another
    /// place can be asked for.
    TurnedAway(String),
}

impl Ending {
    /// The end of a job as this process's own.
    pub fn of(end: &End) -> Self {
        match &end.outcome {
            Outcome::Exited(code) => Self::Code(*code),
            Outcome::Killed { signal, .. } => match sys::signal::number(signal) {
                Some(number) => Self::Signal(number),
                None => Self::Failed(Failure::own(format!(
                    "the job was ended by the signal {signal}, which this system does not have"
                ))),
            },
        }
    }

    /// The same as callers of rsh and ssh know it: 255 where no job has run. What the command's shell
    /// would have said, that it is not there or not executable, stays.
    pub fn into_rsh(self) -> Self {
        match self {
            Self::Failed(failure) if !matches!(failure.code, 126 | 127) => {
                Self::Failed(Failure { code: 255, ..failure })
            }
            other => other,
        }
    }

    /// Ends this process. The terminal must have been restored.
    pub fn leave(self) -> ! {
        match self {
            Self::Code(code) => std::process::exit(code.into()),
            Self::Signal(number) => sys::signal::die_of(number),
            Self::Failed(failure) => {
                // Where standard error is gone too, the code has to say it all.
                let _ = writeln!(stderr(), "{failure}");
                std::process::exit(failure.code.into())
            }
            Self::TurnedAway(why) => Self::Failed(Failure::own(why)).leave(),
        }
    }
}

/// A job's end in words, for a sentence about something else.
pub fn in_words(end: &End) -> String {
    match &end.outcome {
        Outcome::Exited(code) => format!("the job itself exited with {code}"),
        Outcome::Killed { signal, .. } => format!("the job itself was ended by SIG{signal}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::session::Usage;

    fn end(outcome: Outcome) -> End {
        End { outcome, usage: Usage::default(), incomplete: None, limit: None }
    }

    #[test]
    fn the_end_of_the_job_is_our_own_end() {
        let killed = |signal: &str| end(Outcome::Killed { signal: signal.into(), core: true });
        assert_eq!(Ending::of(&end(Outcome::Exited(255))), Ending::Code(255));
        assert_eq!(Ending::of(&killed("TERM")), Ending::Signal(nix::libc::SIGTERM));
        assert_eq!(Ending::of(&killed("RTMIN+3")), Ending::Signal(37));
        assert!(matches!(Ending::of(&killed("EMT")), Ending::Failed(failure) if failure.code == 125));
        assert_eq!(in_words(&killed("KILL")), "the job itself was ended by SIGKILL");
    }
}
