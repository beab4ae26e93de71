//! Job control as decisions: what a stop of the job means here, and which signals go where.
//!
//! The client is the job's proxy in a local shell: when the job stops, the client stops with
//! the same signal; when the client is continued, so is the job. The remote kernel decides who
//! may read a terminal, because the leader mirrors the client's foreground on it; so SIGTTIN
//! and SIGTTOU come exactly when a local program would get them. Nothing here does anything:
//! [`crate::session`] carries it out.

use nix::libc;

/// Who has the terminal, as the runner was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grant {
    /// The job is in the background of its terminal.
    None,
    /// It was just put in the foreground; a stop may be on its way that is older than that.
    Fresh,
    /// It is in the foreground and has run there.
    Settled,
}

/// What a stop of the job leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reaction {
    /// The job wants the terminal and may have it: go raw, put it in the foreground, continue it.
    Give,
    /// It was given the terminal but had stopped before it knew: say both again.
    Repeat,
    /// Restore the terminal and stop, this process alone.
    StopSelf,
    /// Restore the terminal and stop with the whole group, as a key on the terminal or the
    /// kernel would have stopped it: a script around us must stop too, or its shell waits.
    StopGroup,
}

/// What [`on_stopped`] looks at.
#[derive(Debug, Clone, Copy)]
pub struct Situation {
    /// The job has a terminal.
    pub has_pty: bool,
    /// This process is in the foreground of the local one.
    pub in_foreground: bool,
    /// Who has the job's terminal.
    pub grant: Grant,
    /// A stop signal that we got was forwarded: the others in our group got theirs themselves.
    pub was_forwarded: bool,
}

/// Decides on a stop of the job by this signal.
pub fn on_stopped(signal: i32, situation: Situation) -> Reaction {
    let wants_terminal = matches!(signal, libc::SIGTTIN | libc::SIGTTOU);
    if wants_terminal && situation.has_pty && situation.in_foreground {
        match situation.grant {
            Grant::None => return Reaction::Give,
            Grant::Fresh => return Reaction::Repeat,
            Grant::Settled => {}
        }
    }
    // STOP comes from kill(1) only and hits one process; so does what was forwarded.
    if signal == libc::SIGSTOP || situation.was_forwarded { Reaction::StopSelf } else { Reaction::StopGroup }
}

/// What to do with a signal that this process received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// It is for the job.
    Forward,
    /// It is for the job, which will stop by it.
    ForwardStop,
    /// This process was continued, and so is the job.
    Continued,
    /// The window has another size.
    Resized,
    /// It is our own affair and the end of us.
    Die,
}

/// Sorts a signal. `from_person`: some process sent it on purpose.
pub fn way_of(signal: i32, from_person: bool) -> Way {
    match signal {
        libc::SIGCONT => Way::Continued,
        libc::SIGTSTP => Way::ForwardStop,
        libc::SIGWINCH => Way::Resized,
        number if FAULTS.contains(&number) && !from_person => Way::Die,
        number if OWN.contains(&number) => Way::Die,
        _ => Way::Forward,
    }
}

/// Whether a person who sends this signal wants the job to be over.
pub fn is_ending(signal: i32) -> bool {
    matches!(signal, libc::SIGHUP | libc::SIGINT | libc::SIGQUIT | libc::SIGTERM)
}

/// All signals that are received as messages during a session. TTIN and TTOU stop us as they
/// stop anybody; KILL and STOP cannot be received; PIPE is an error of a write; CHLD, URG and
/// what the C library keeps for itself (32 and 33) are nobody's business.
pub fn received() -> Vec<i32> {
    let real_time = FIRST_REAL_TIME..=LAST_REAL_TIME;
    FORWARDED.iter().chain(FAULTS).chain(OWN).copied().chain(real_time).collect()
}

const FORWARDED: &[i32] = &[
    libc::SIGHUP,
    libc::SIGINT,
    libc::SIGQUIT,
    libc::SIGTERM,
    libc::SIGUSR1,
    libc::SIGUSR2,
    libc::SIGALRM,
    libc::SIGWINCH,
    libc::SIGCONT,
    libc::SIGTSTP,
];

/// Forwarded only when a person sent them; a true fault kills at once although it is blocked.
const FAULTS: &[i32] =
    &[libc::SIGILL, libc::SIGTRAP, libc::SIGABRT, libc::SIGBUS, libc::SIGFPE, libc::SIGSEGV, libc::SIGSYS];

/// The end of the client itself, received so that the terminal is restored before.
const OWN: &[i32] =
    &[libc::SIGXCPU, libc::SIGXFSZ, libc::SIGVTALRM, libc::SIGPROF, libc::SIGIO, libc::SIGPWR, libc::SIGSTKFLT];

/// As `sys::signal` counts them, whatever the C library keeps for itself.
const FIRST_REAL_TIME: i32 = 34;
const LAST_REAL_TIME: i32 = 64;

#[cfg(test)]
mod tests {
    use super::*;
    use libc::{SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU};

    #[test]
    fn a_stop_of_the_job_means_what_it_would_mean_locally() {
        use Grant::{Fresh, None, Settled};
        use Reaction::{Give, Repeat, StopGroup, StopSelf};
        let rows = [
            // signal, pty, local foreground, granted, forwarded by us
            (SIGTTIN, true, true, None, false, Give),
            (SIGTTOU, true, true, None, false, Give),
            (SIGTTIN, true, true, Fresh, false, Repeat),
            (SIGTTIN, true, true, Settled, false, StopGroup),
            (SIGTTIN, true, false, None, false, StopGroup),
            (SIGTTOU, true, false, Settled, false, StopGroup),
            (SIGTSTP, true, true, Settled, false, StopGroup),
            (SIGTSTP, true, true, None, true, StopSelf),
            (SIGTSTP, false, true, None, true, StopSelf),
            (SIGTSTP, false, true, None, false, StopGroup),
            (SIGTTIN, false, true, None, false, StopGroup),
            (SIGSTOP, true, true, Settled, false, StopSelf),
            (SIGSTOP, false, false, None, false, StopSelf),
        ];
        for (signal, has_pty, in_foreground, grant, was_forwarded, reaction) in rows {
            let situation = Situation { has_pty, in_foreground, grant, was_forwarded };
            assert_eq!(on_stopped(signal, situation), reaction, "{signal} {situation:?}");
        }
    }

    #[test]
    fn signals_go_where_the_manual_says() {
        let rows = [
            (libc::SIGINT, false, Way::Forward),
            (libc::SIGUSR1, true, Way::Forward),
            (libc::SIGTSTP, false, Way::ForwardStop),
            (libc::SIGCONT, true, Way::Continued),
            (libc::SIGWINCH, false, Way::Resized),
            (libc::SIGSEGV, true, Way::Forward),
            (libc::SIGSEGV, false, Way::Die),
            (libc::SIGXCPU, false, Way::Die),
            (libc::SIGPROF, true, Way::Die),
            (40, true, Way::Forward),
        ];
        for (signal, from_person, way) in rows {
            assert_eq!(way_of(signal, from_person), way, "{signal}");
        }
    }

    #[test]
    fn every_signal_that_would_kill_us_unseen_is_received() {
        let received = received();
        // STOP and KILL cannot be; PIPE is ignored; these stop or do nothing by default.
        let rest = [
            libc::SIGKILL,
            libc::SIGSTOP,
            libc::SIGPIPE,
            libc::SIGCHLD,
            libc::SIGURG,
            libc::SIGTTIN,
            libc::SIGTTOU,
            32,
            33,
        ];
        for number in 1..=64 {
            assert_eq!(received.contains(&number), !rest.contains(&number), "{number}");
        }
        assert!(received.iter().all(|number| sys::signal::number(&sys::signal::name(*number)).is_some()));
    }
}
