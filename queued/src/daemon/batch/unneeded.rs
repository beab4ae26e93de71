//! Standard inputs and data directories that no job needs any more: their owner's runner removes them.
//!
//! A client puts them beside the spool before it submits, and a crash comes between; jobs are deleted and forgotten;
//! and a host that ran a job of another home has them from there. The runner names some old ones, the spool says which
//! of them jobs refer to, and the runner is told of the others. It removes none that was put there or asked for within
//! a day.

use std::cell::RefCell;
use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;
use std::time::Duration;

use spool::hosted;
use spool::store::{Reader, SpoolError};

use super::Batch;
use crate::daemon::Daemon;
use crate::link::ToRunner;

/// How far each user's directory has been looked through.
#[derive(Default)]
pub struct Unneeded {
    after: RefCell<HashMap<u32, String>>,
    /// The last whose runner was started only for this.
    turn: RefCell<u32>,
}

impl Batch {
    /// Looks at a part of what each user has. A runner that is not there is started for one user at a time.
    pub async fn remove_unneeded(&self, daemon: &Rc<Daemon>) -> Result<(), SpoolError> {
        let owners = self.store.ask_long(|reader| reader.owners()).await?;
        let mut uids = owners.iter().filter_map(|owner| daemon.uid_of(owner).ok()).collect::<BTreeSet<_>>();
        let own = sys::credentials::own_uid();
        let is_personal = daemon.standing.borrow().signs();
        if is_personal {
            uids.insert(own);
        }
        let turn = *self.unneeded.turn.borrow();
        let is_away = |uid: &u32| daemon.runners.connected(*uid).is_none() && !(is_personal && has_none(daemon));
        let next = uids.range(turn.saturating_add(1)..).chain(uids.range(..=turn)).copied().find(is_away);
        if let Some(next) = next {
            *self.unneeded.turn.borrow_mut() = next;
        }
        for uid in uids {
            if daemon.runners.connected(uid).is_some() || next == Some(uid) {
                self.remove_unneeded_of(daemon, uid).await?;
                tokio::time::sleep(PAUSE).await;
            }
        }
        Ok(())
    }

    async fn remove_unneeded_of(&self, daemon: &Rc<Daemon>, uid: u32) -> Result<(), SpoolError> {
        let Ok(runner) = daemon.runners.of(uid).await else { return Ok(()) };
        let age = self.age_of_the_unneeded(daemon)?;
        let after = self.unneeded.after.borrow_mut().remove(&uid).unwrap_or_default();
        // What is not removed now is looked at again in a while.
        let Ok(found) = runner.old_contents(after, age).await else { return Ok(()) };
        if let Some(last) = found.last() {
            self.unneeded.after.borrow_mut().insert(uid, last.clone());
        }
        let mut unneeded = found.into_iter().collect::<BTreeSet<_>>();
        let mut next = (!unneeded.is_empty()).then_some(0);
        while let Some(after) = next {
            let page = self.store.ask_long(move |reader| reader.contents(after, ROWS)).await?;
            for needed in page.0 {
                unneeded.remove(&needed);
            }
            next = page.1.filter(|_| !unneeded.is_empty());
            tokio::time::sleep(PAUSE).await;
        }
        if !unneeded.is_empty() {
            tracing::info!(uid, "{} inputs of jobs are removed that no job needs", unneeded.len());
            let message = ToRunner::RemoveContents { names: unneeded.into_iter().collect(), older_s: age.as_secs() };
            drop(runner.tell(&message, &[]).await);
        }
        Ok(())
    }

    /// What jobs of other homes use here is not in this spool. It was asked for shortly before the oldest of them was
    /// accepted, or later.
    fn age_of_the_unneeded(&self, daemon: &Rc<Daemon>) -> Result<Duration, SpoolError> {
        let in_hand = self.store.ask(|reader| reader.attempts())?;
        let running = in_hand
            .iter()
            .filter(|one| one.record.home() != daemon.host && !matches!(one.record.state(), hosted::State::Ended(_)));
        let oldest = running.map(|one| daemon.now().0.saturating_sub(one.accepted_ms)).max().unwrap_or(0);
        Ok(YOUNG.max(Duration::from_millis(oldest) + PREPARATION))
    }
}

/// Whether the user that this daemon is has nothing there at all.
fn has_none(daemon: &Rc<Daemon>) -> bool {
    let directory = daemon.places.state.join("jobs").join("content");
    std::fs::read_dir(directory).map_or(true, |mut entries| entries.next().is_none())
}

/// What is younger may belong to a submission that is still to come.
const YOUNG: Duration = Duration::from_secs(24 * 3600);
/// Between the question whether a host has what a job needs and the word that it is accepted.
const PREPARATION: Duration = Duration::from_secs(3600);
/// Rows of the spool that are read at once.
const ROWS: u32 = 500;
/// Others read meanwhile.
const PAUSE: Duration = Duration::from_millis(20);
