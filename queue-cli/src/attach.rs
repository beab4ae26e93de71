//! `queue attach`: finds a session that runs, and is its client from then on or looks at it.

use std::time::{Duration, Instant};

use wire::api::{AttachAnswer, AttachRequest, JobName};
use wire::identity::SecretKey;
use wire::session::{Endpoint, HelloKind, Side};

use crate::connection::Connection;
use crate::daemon::Daemon;
use crate::end::Ending;
use crate::failure::{Failure, printable, words};
use crate::modes::Plan;
use crate::session::Session;
use crate::terminal::Terminal;
use crate::{view, voucher};

/// Attaches to a session; returns how this process is to end.
pub fn run(job: Option<JobName>, view: bool) -> Result<Ending, Failure> {
    let Some(terminal) = Terminal::open() else {
        return Err(Failure::own("attach needs a terminal, and this process has none"));
    };
    let daemon = Daemon::of_user();
    let key = SecretKey::generate();
    let AttachAnswer { placement, row } = ask(&daemon, job, view, &key)?;
    let kind = if view { HelloKind::View } else { HelloKind::Attach };
    let name = row.name(&daemon.host());
    let connection = Connection::new(&placement, &key, kind, name.clone())?;
    let endpoint = Endpoint::new(Side::Client);
    let ending = if view {
        view::run(connection, endpoint, terminal)
    } else {
        let plan = Plan::attached(row.descriptors);
        Session::new(connection, endpoint, plan, Vec::new(), Some(terminal)).map(Session::attach)
    };
    match ending.map_err(|error| Failure::own(format!("cannot receive signals: {}", words(&error))))? {
        Ending::TurnedAway(why) => {
            Err(Failure::own(format!("cannot attach to {name} on {}: {why}", printable(&placement.host))))
        }
        ending => Ok(ending),
    }
}

/// The time that the runner has to let a client in that attaches.
pub struct LetIn {
    until: Instant,
}

impl LetIn {
    /// From now on.
    pub fn from_now() -> Self {
        Self { until: Instant::now() + ENTRY }
    }

    /// When it is over; `None` for one that was let in.
    pub fn deadline(&self, connection: &Connection) -> Option<Instant> {
        (!connection.was_answered()).then_some(self.until)
    }

    /// The end of a client that nobody let in.
    pub fn failed(&self, connection: &Connection) -> Option<Ending> {
        let until = self.deadline(connection)?;
        (until <= Instant::now()).then(|| Ending::TurnedAway(format!("no answer within {} s", ENTRY.as_secs())))
    }
}

fn ask(daemon: &Daemon, job: Option<JobName>, view: bool, key: &SecretKey) -> Result<AttachAnswer, Failure> {
    let public_key = key.public_key();
    let certificate = voucher::certificate(daemon.runtime(), &public_key)?;
    let request = AttachRequest { job, view, public_key, certificate };
    let body = serde_json::to_vec(&request).map_err(|error| Failure::own(format!("cannot write it: {error}")))?;
    let body = daemon.answer("POST", "/v1/attachments", &body, PATIENCE)?;
    serde_json::from_slice(&body).map_err(|error| Failure::own(format!("cannot read the daemon's answer: {error}")))
}

/// A connection takes milliseconds.
const ENTRY: Duration = Duration::from_secs(5);
/// All hosts are asked; one that is silent is given up after two seconds.
pub const PATIENCE: Duration = Duration::from_secs(10);
