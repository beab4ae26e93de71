//! Sessions that have ended: their homes are told, and remember them. `queue history` shows them among the jobs.
//!
//! Nobody waits for that, and nothing is promised: a home that is away for long does not learn of an end.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use spool::JobId;
use spool::store::{Change, PastSession};
use wire::api::{Note, Refusal};
use wire::batch::{ListAnswer, ListRequest};
use wire::history::{EndPlace, EndedSession};
use wire::session::Outcome;

use super::{Batch, lists, now_us, spool_failed};
use crate::daemon::Daemon;

/// Ends of which homes that are away are still to be told.
#[derive(Default)]
pub struct Untold {
    count: Cell<usize>,
}

impl Batch {
    /// A session of this home has ended on that host. It is written down when there is time.
    pub fn remember(&self, daemon: &Rc<Daemon>, host: &str, id: u64, mut told: EndedSession) {
        let Ok(id) = JobId::new(id) else { return };
        // Of users that nobody knows here there are no sessions.
        if daemon.uid_of(&told.user).is_err() {
            return;
        }
        // Another host's clock may be wrong, and its words may be anything.
        let past = &mut told.past;
        past.ended_us = past.ended_us.clamp(0, now_us());
        past.started_us = past.started_us.clamp(0, past.ended_us);
        past.command = shortened(&past.command);
        told.queue = shortened(&told.queue);
        if let Some(Outcome::Killed { signal, .. }) = past.end.as_mut().map(|end| &mut end.outcome) {
            *signal = shortened(signal);
        }
        let daemon = daemon.clone();
        let session = Box::new(PastSession { id, host: host.to_owned(), told });
        tokio::task::spawn_local(async move {
            if let Err(error) = daemon.batch.store.write(vec![Change::Session(session)]).await {
                tracing::warn!("a session that has ended is not remembered: {error}");
            }
        });
    }

    /// A page of what has ended, in the order of the ends.
    pub async fn list_past(
        &self,
        daemon: &Rc<Daemon>,
        user: &str,
        request: &ListRequest,
        after: EndPlace,
    ) -> Result<ListAnswer, Refusal> {
        let which = lists::which(user, &request.select)?;
        let (most, now) = (request.most, now_us());
        // An end that was told just now is behind those that are being written.
        let written = self.store.write_for(Vec::new(), true).await;
        written.map_err(|error| spool_failed(&error))?;
        let page = self.store.ask_long(move |reader| reader.past(&which, after, most, now)).await;
        let (mut jobs, more_by_end) = page.map_err(|error| spool_failed(&error))?;
        for job in &mut jobs {
            job.home.clone_from(&daemon.host);
        }
        Ok(ListAnswer { jobs, more_by_end, ..ListAnswer::default() })
    }
}

/// A home could not be told of the end of a session: it is tried again for some minutes. Other notes are of no
/// use any more.
pub async fn tell_later(daemon: &Rc<Daemon>, home: &str, note: Note) {
    let Note::Ended { job_id, session: Some(session), .. } = note else { return };
    let untold = &daemon.batch.past.count;
    if untold.get() >= MOST_UNTOLD {
        return;
    }
    untold.set(untold.get() + 1);
    // What the slot was like then is no news.
    let note = Note::Ended { job_id, rank: None, session: Some(session) };
    for seconds in PAUSES_S {
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        if daemon.peers.ask::<()>(daemon, home, "/v1/notes", &note, NOTE).await.is_ok() {
            break;
        }
    }
    untold.set(untold.get() - 1);
}

fn shortened(text: &str) -> String {
    text.chars().take(LONGEST).collect()
}

/// Ends that are told later.
const MOST_UNTOLD: usize = 1000;
/// Seconds before each time: a daemon that is started anew is back after the first of them, a host after the last.
const PAUSES_S: [u64; 5] = [1, 5, 25, 120, 600];
/// How long it may take.
const NOTE: Duration = Duration::from_secs(2);
/// Characters of a text that is remembered.
const LONGEST: usize = 1000;
