//! `queue -- COMMAND`: describe, place, connect, release, stay.

use std::io::{IsTerminal, Write, stderr, stdin, stdout};
use std::os::fd::{AsFd, BorrowedFd};

use wire::api::{HostChoice, Placement};
use wire::identity::SecretKey;
use wire::session::{Endpoint, HelloKind, Side, Stream};

use crate::arguments::Run;
use crate::connection::{Connection, Unreached};
use crate::daemon::Daemon;
use crate::end::Ending;
use crate::failure::{Failure, printable, words};
use crate::job;
use crate::modes::{Here, Plan};
use crate::output::close_standard;
use crate::place::Submission;
use crate::session::Session;
use crate::terminal::Terminal;

/// Runs the command; returns how this process is to end.
pub fn run(run: &Run) -> Result<Ending, Failure> {
    if run.null_input {
        close_standard(&[Stream::Stdin]);
    }
    let here = [look_at(stdin()), look_at(stdout()), look_at(stderr())];
    let mut plan = Plan { drains: run.drains, ..Plan::new(run.pty, here) };
    if run.tee.is_some() || run.spill.is_some() {
        // What is to be copied or put aside must come by here.
        plan.offered[1..].fill(false);
    }
    let daemon = Daemon::of_user();
    let run = &at_home(run, daemon.host());
    let job = job::describe(run, &plan, daemon.host())?;
    let mut submission = Submission::new(&daemon, run, job)?;
    // What did not come to a release. Nothing has run there, so another place may be asked for.
    let mut history = Vec::new();
    loop {
        let placement = submission.place().map_err(|failure| with_history(failure, &history))?;
        let host = printable(&placement.host);
        let unreached = match attach(run, &plan, &placement, submission.key())? {
            Attached::Over(ending) => return Ok(ending),
            Attached::Not(unreached) => unreached,
        };
        let tried_before = history.iter().any(|(before, _)| *before == host);
        let (why, excluded) = match unreached {
            Unreached::Silent(why) => (why, true),
            Unreached::TurnedAway(why) => (why, tried_before),
        };
        history.push((host, why));
        if history.len() == MOST_PLACES {
            return Err(with_history(Failure::own("no host took the job"), &history));
        }
        if excluded {
            submission.exclude(placement.host);
        }
    }
}

/// `localhost` is what every host calls itself.
fn at_home(run: &Run, own: String) -> Run {
    let mut run = run.clone();
    if let HostChoice::Only(host) | HostChoice::Rather(host) = &mut run.choice
        && host == "localhost"
    {
        *host = own;
    }
    run
}

enum Attached {
    /// The session is over.
    Over(Ending),
    /// There was none.
    Not(Unreached),
}

/// Connects to a placement and stays to the end of the session.
fn attach(run: &Run, plan: &Plan, placement: &Placement, key: &SecretKey) -> Result<Attached, Failure> {
    let mut connection = Connection::new(placement, key, HelloKind::Start, placement.job_id.to_string())?;
    let mut endpoint = Endpoint::new(Side::Client);
    let (stdin, stdout, stderr) = (stdin(), stdout(), stderr());
    let handed = handed(plan, [stdin.as_fd(), stdout.as_fd(), stderr.as_fd()], connection.is_local());
    if let Err(unreached) = connection.open(&mut endpoint, &handed) {
        return Ok(Attached::Not(unreached));
    }
    if run.verbose {
        let (host, reason) = (printable(&placement.host), printable(&placement.reason));
        let _ = writeln!(&stderr, "queue: on {host} ({reason})");
    }
    let terminal = (plan.has_pty() || plan.reads_terminal).then(Terminal::open).flatten();
    let handed = handed.iter().map(|(number, _)| *number).collect();
    let session = Session::new(connection, endpoint, *plan, handed, terminal)
        .map_err(|error| Failure::own(format!("cannot receive signals: {}", words(&error))))?;
    Ok(match session.run() {
        Ending::TurnedAway(why) => Attached::Not(Unreached::TurnedAway(why)),
        ending => Attached::Over(ending),
    })
}

/// What one of our descriptors is.
fn look_at(descriptor: impl AsFd + IsTerminal) -> Here {
    if sys::terminal::is_controlling(descriptor.as_fd()) {
        Here::Controlling
    } else if descriptor.is_terminal() {
        Here::OtherTerminal
    } else {
        Here::NoTerminal
    }
}

/// The descriptors that a job on this host gets as they are, with their numbers.
fn handed<'a>(plan: &Plan, own: [BorrowedFd<'a>; 3], is_local: bool) -> Vec<(usize, BorrowedFd<'a>)> {
    let offered = own.into_iter().enumerate().filter(|(number, _)| plan.offered[*number]);
    offered.filter(|_| is_local).collect()
}

/// A refusal is easier to understand with what happened before it.
fn with_history(failure: Failure, history: &[(String, String)]) -> Failure {
    let before = history.iter().map(|(host, why)| format!("{host}: {why}; ")).collect::<String>();
    Failure { message: format!("{before}{}", failure.message), ..failure }
}

/// Places that may come to nothing before we stop asking for another.
const MOST_PLACES: usize = 8;
