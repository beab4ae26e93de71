//! Keeping the spool small and safe: jobs that ended long ago are forgotten, with what only they needed; copies
//! and archives are made for who asks.
//!
//! All of it is slow on purpose: small portions, and never a long read on a thread that others wait for. Files of
//! users are opened in personal mode only, where the daemon is the user.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use spool::JobId;
use spool::store::{Change, Ended, Outcome, Reader, Rotation, SpoolError, SqliteReader, Unused, find_archive};
use wire::ByteString;
use wire::api::Refusal;
use wire::batch::{ListAnswer, ListRequest};
use wire::keeping::{BackupAnswer, BackupRequest, RotateAnswer, RotateRequest};

use super::store::apart;
use super::{Batch, failed, lists, now_us, spool_failed};
use crate::config::keep::Keep;
use crate::daemon::Daemon;
use crate::link::{AttemptKey, ToRunner};

/// What is being done besides the daily work.
#[derive(Default)]
pub struct Keeping {
    /// A copy or an archive is being made: one at a time.
    busy: Cell<bool>,
}

/// Whoever has it makes the only copy or archive.
struct Turn(Rc<Daemon>);

impl Turn {
    fn take(daemon: &Rc<Daemon>) -> Result<Self, Refusal> {
        if daemon.batch.keeping.busy.replace(true) {
            return Err(failed("another copy or archive of the spool is being made; try again when it is done"));
        }
        Ok(Self(daemon.clone()))
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.batch.keeping.busy.set(false);
    }
}

impl Batch {
    /// A page out of an archive or a copy.
    pub async fn archived(&self, daemon: &Rc<Daemon>, uid: u32, request: ListRequest) -> Result<ListAnswer, Refusal> {
        let named = request.archive.unwrap_or_default();
        let path = own_file(daemon, uid, &named, "reads no archives")?;
        // Whose jobs they were does not matter: whoever can read the file is the user.
        let which = spool::store::Which { user: None, ..lists::which("", &request.select)? };
        let wanted = which.ids.clone().unwrap_or_default();
        let (after, most, by_end) = (request.after, request.most, request.by_end);
        let page = apart(move || {
            let reader = SqliteReader::of_copy(&path)?;
            match by_end {
                Some(after) => reader.past(&which, after, most, now_us()).map(|(jobs, more)| (jobs, None, more)),
                None => reader.page(&which, after, most, now_us()).map(|(jobs, more)| (jobs, more, None)),
            }
        });
        let (mut jobs, more, more_by_end) = page.await.map_err(|error| spool_failed(&error))?;
        for job in &mut jobs {
            job.home.clone_from(&daemon.host);
        }
        let is_missing = |id: &u64| *id > after && more.is_none() && jobs.iter().all(|job| job.id != *id);
        let named = named.display();
        let missing = wanted.iter().filter(|id| is_missing(id)).map(|id| {
            let name = wire::api::JobName { id: *id, home: Some(daemon.host.clone()) };
            (name, format!("there is no job {id} in {named}"))
        });
        Ok(ListAnswer { missing: missing.collect(), jobs, more, more_by_end })
    }

    /// Keeps the spool small, for ever.
    pub async fn keep(&self, daemon: &Rc<Daemon>) {
        if let Err(error) = self.go_on_rotating(daemon).await {
            tracing::error!("jobs that are in an archive are still in the spool: {error}");
        }
        let mut pause = FIRST_PAUSE;
        loop {
            tokio::time::sleep(pause).await;
            let keep = daemon.settings.borrow().keep;
            let queues = daemon.queues.keep();
            let all = queues.values().copied().chain(keep).collect::<Vec<_>>();
            pause = all.iter().map(|keep| pause_before_next(Some(*keep))).min().unwrap_or(LONGEST_PAUSE);
            let done = async {
                if all.iter().any(|keep| matches!(keep, Keep::For(_))) {
                    self.expire(daemon, keep, queues).await?;
                }
                self.sweep().await?;
                self.remove_unneeded(daemon).await
            };
            if let Err(error) = done.await {
                tracing::error!("the spool is not kept small: {error}");
            }
        }
    }

    /// Forgets what ended long enough ago: jobs as their queues say, sessions as the host does.
    async fn expire(
        &self,
        daemon: &Rc<Daemon>,
        usual: Option<Keep>,
        queues: BTreeMap<String, Keep>,
    ) -> Result<(), SpoolError> {
        let now_us = now_us();
        let before = move |keep: Option<Keep>| match keep {
            Some(Keep::For(length)) => now_us.saturating_sub(i64::try_from(length.as_micros()).unwrap_or(i64::MAX)),
            Some(Keep::Forever) | None => i64::MIN,
        };
        let queues =
            Rc::new(queues.into_iter().map(|(queue, keep)| (queue, before(Some(keep)))).collect::<BTreeMap<_, _>>());
        let mut after = 0;
        loop {
            let queues = BTreeMap::clone(&queues);
            let is_old = move |queue: &str, ended_us| ended_us < queues.get(queue).copied().unwrap_or(before(usual));
            let Some((old, next)) = self.store.ask_long(move |reader| reader.ended(after, LOOK, is_old)).await? else {
                break;
            };
            after = next;
            for some in old.chunks(PORTION) {
                self.forget(daemon, some.to_vec(), true).await?;
                tokio::time::sleep(PORTION_PAUSE).await;
            }
            tokio::time::sleep(LOOK_PAUSE).await;
        }
        let (mut after, before_us) = (0, before(usual));
        loop {
            let look = move |reader: &mut SqliteReader| reader.past_session_ids(after, PORTION as u32, before_us);
            let old = self.store.ask_long(look).await?;
            let Some(last) = old.last() else { return Ok(()) };
            after = *last;
            self.store.write(vec![Change::ForgetSessions(old)]).await?;
            tokio::time::sleep(PORTION_PAUSE).await;
        }
    }

    /// Forgets those jobs that are still as they were seen, and their files where that is wanted.
    async fn forget(&self, daemon: &Rc<Daemon>, jobs: Vec<Ended>, prune: bool) -> Result<(), SpoolError> {
        let outcomes = self.store.write(vec![Change::Forget(jobs)]).await?;
        let mut by_user: BTreeMap<String, Vec<AttemptKey>> = BTreeMap::new();
        for outcome in outcomes {
            let Outcome::Forgotten { jobs } = outcome else { continue };
            for (job, user, attempts) in jobs {
                self.waiters.ended(job.number());
                by_user.entry(user).or_default().extend(keys(&daemon.host, job, attempts));
            }
        }
        for (user, keys) in by_user {
            let Ok(uid) = daemon.uid_of(&user) else { continue };
            if !prune || keys.is_empty() {
                continue;
            }
            // What is left behind here, the doctor finds.
            if let Ok(runner) = daemon.runners.of(uid).await {
                for some in keys.chunks(MOST_ATTEMPTS) {
                    drop(runner.tell(&ToRunner::Prune(some.to_vec()), &[]).await);
                }
            }
        }
        Ok(())
    }

    /// Forgets what no job refers to any more: environments above all.
    async fn sweep(&self) -> Result<(), SpoolError> {
        let begun = self.store.write(vec![Change::Look]).await?;
        if !matches!(begun[..], [Outcome::LookBegun { worthwhile: true }]) {
            return Ok(());
        }
        let mut look = self.store.ask_long(|reader| reader.look()).await?;
        let mut more = true;
        while more {
            let looked = self.store.ask_long(move |reader| {
                let mut look = look;
                let more = reader.look_on(&mut look, LOOK)?;
                Ok((look, more))
            });
            (look, more) = looked.await?;
            tokio::time::sleep(LOOK_PAUSE).await;
        }
        let unused = self.store.ask_long(move |reader| reader.unused(&look)).await?;
        for commons in unused.commons.chunks(PORTION) {
            self.sweep_some(Unused { commons: commons.to_vec(), ..Unused::default() }).await?;
        }
        for submissions in unused.submissions.chunks(PORTION) {
            self.sweep_some(Unused { submissions: submissions.to_vec(), ..Unused::default() }).await?;
        }
        for arrays in unused.arrays.chunks(PORTION) {
            self.sweep_some(Unused { arrays: arrays.to_vec(), ..Unused::default() }).await?;
        }
        for lanes in unused.lanes.chunks(PORTION) {
            self.sweep_some(Unused { lanes: lanes.to_vec(), ..Unused::default() }).await?;
        }
        Ok(())
    }

    async fn sweep_some(&self, unused: Unused) -> Result<(), SpoolError> {
        self.store.write(vec![Change::Sweep(unused)]).await?;
        tokio::time::sleep(PORTION_PAUSE).await;
        Ok(())
    }

    /// What an earlier life has begun is finished: what is in the archive leaves the spool.
    async fn go_on_rotating(&self, daemon: &Rc<Daemon>) -> Result<(), SpoolError> {
        let Some(rotation) = self.store.ask(SqliteReader::rotation)? else { return Ok(()) };
        let Ok(_turn) = Turn::take(daemon) else { return Ok(()) };
        let found = rotation.clone();
        if apart(move || find_archive(&found).map(|archive| archive.is_some())).await? {
            self.empty_into(daemon, &rotation).await?;
        }
        self.store.write(vec![Change::Rotation(None)]).await.map(drop)
    }

    /// All jobs and sessions of the archive leave the spool.
    async fn empty_into(&self, daemon: &Rc<Daemon>, rotation: &Rotation) -> Result<(), SpoolError> {
        let mut after = 0;
        loop {
            let path = PathBuf::from(&rotation.path);
            let page = move || SqliteReader::of_copy(&path)?.ended(after, ROTATED, |_, _| true);
            let Some((jobs, next)) = apart(page).await? else { break };
            after = next;
            self.forget(daemon, jobs, rotation.prune).await?;
        }
        let mut after = 0;
        loop {
            let path = PathBuf::from(&rotation.path);
            let page = move || SqliteReader::of_copy(&path)?.past_session_ids(after, ROTATED, i64::MAX);
            let sessions = apart(page).await?;
            let Some(last) = sessions.last() else { return Ok(()) };
            after = *last;
            self.store.write(vec![Change::ForgetSessions(sessions)]).await?;
        }
    }

    async fn rotate_into(&self, daemon: &Rc<Daemon>, path: PathBuf, prune: bool) -> Result<RotateAnswer, SpoolError> {
        let name = path.to_str().map(str::to_owned);
        let name = name.ok_or_else(|| SpoolError::Refused("the archive's path is not UTF-8".to_owned()))?;
        if let Some(rotation) = self.store.ask(SqliteReader::rotation)? {
            let path = rotation.path;
            return Err(SpoolError::Refused(format!(
                "jobs are still to be moved into {path}, which the next start of this daemon tries again"
            )));
        }
        let Some(archive) = self.store.ask_apart(move |reader| reader.archive(&path)).await? else {
            return Ok(RotateAnswer { jobs: 0, sessions: 0 });
        };
        let rotation = Rotation { path: name, archive: archive.id, prune };
        let (jobs, sessions) = (archive.jobs, archive.sessions);
        // From here on the next life of the daemon finishes it.
        self.store.write(vec![Change::Rotation(Some(rotation.clone()))]).await?;
        if let Err(error) = apart(move || archive.keep()).await {
            self.store.write(vec![Change::Rotation(None)]).await?;
            return Err(error);
        }
        self.empty_into(daemon, &rotation).await?;
        self.store.write(vec![Change::Rotation(None)]).await?;
        Ok(RotateAnswer { jobs, sessions })
    }
}

/// Copies the spool into a file of the user's.
pub async fn backup(daemon: &Rc<Daemon>, uid: u32, request: &BackupRequest) -> Result<BackupAnswer, Refusal> {
    let path = own_file(daemon, uid, &request.path, "writes no copies")?;
    let copying = daemon.clone();
    in_turn(daemon, async move { copying.batch.store.ask_apart(move |reader| reader.backup(&path)).await })
        .await
        .map(|bytes| BackupAnswer { bytes })
}

/// Moves what has ended into an archive.
pub async fn rotate(daemon: &Rc<Daemon>, uid: u32, request: RotateRequest) -> Result<RotateAnswer, Refusal> {
    let path = own_file(daemon, uid, &request.path, "writes no archives")?;
    let rotating = daemon.clone();
    in_turn(daemon, async move { rotating.batch.rotate_into(&rotating, path, request.prune).await }).await
}

/// Does something that is not done twice at a time. It is finished also when nobody waits for it any more.
async fn in_turn<T: 'static>(
    daemon: &Rc<Daemon>,
    work: impl Future<Output = Result<T, SpoolError>> + 'static,
) -> Result<T, Refusal> {
    let turn = Turn::take(daemon)?;
    let task = tokio::task::spawn_local(async move {
        let done = work.await;
        drop(turn);
        done
    });
    let done = task.await.map_err(|error| failed(format!("it broke off: {error}")))?;
    done.map_err(|error| spool_failed(&error))
}

/// So that nothing is kept much longer than was said.
fn pause_before_next(keep: Option<Keep>) -> Duration {
    match keep {
        Some(Keep::For(length)) => (length / 24).clamp(SHORTEST_PAUSE, LONGEST_PAUSE),
        Some(Keep::Forever) | None => LONGEST_PAUSE,
    }
}

/// A file of the user's, which this daemon may open because it is the user.
fn own_file(daemon: &Rc<Daemon>, uid: u32, path: &ByteString, what: &str) -> Result<PathBuf, Refusal> {
    if !daemon.standing.borrow().signs() || uid != sys::credentials::own_uid() {
        return Err(failed(format!(
            "{}: this daemon serves all users of the host and opens no files of theirs, so it {what}; \
             ask whoever administers it",
            daemon.host
        )));
    }
    let path = Path::new(path.as_os_str());
    if !path.is_absolute() {
        return Err(failed(format!("{}: an absolute path is expected", path.display())));
    }
    Ok(path.to_owned())
}

/// The files of a job: those of its newest attempts.
fn keys(home: &str, job: JobId, attempts: u64) -> impl Iterator<Item = AttemptKey> {
    let key = move |attempt| AttemptKey { home: home.to_owned(), job_id: job.number(), attempt };
    (1..=attempts).rev().take(MOST_ATTEMPTS).map(key)
}

/// After the start, before the first look.
const FIRST_PAUSE: Duration = Duration::from_secs(60);
/// Between two looks.
const SHORTEST_PAUSE: Duration = Duration::from_secs(60);
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);
/// Jobs looked at in one read, and the pause after it.
const LOOK: u32 = 2000;
const LOOK_PAUSE: Duration = Duration::from_millis(20);
/// Jobs forgotten with one sync, and the pause after it.
const PORTION: usize = 200;
const PORTION_PAUSE: Duration = Duration::from_secs(1);
/// Jobs that leave the spool with one sync when somebody waits for it.
const ROTATED: u32 = 500;
/// Attempts whose files are removed by one message.
const MOST_ATTEMPTS: usize = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_for_a_short_time_is_looked_at_more_often() {
        let pause = |seconds| pause_before_next(Some(Keep::For(Duration::from_secs(seconds)))).as_secs();
        assert_eq!([pause(60), pause(36_000), pause(30 * 86_400)], [60, 1500, 3600]);
        assert_eq!(pause_before_next(None), LONGEST_PAUSE);
    }

    #[test]
    fn of_a_job_the_files_of_its_newest_attempts_are_removed() {
        let job = JobId::new(17).expect("a number");
        let attempts = |attempts| keys("redfish", job, attempts).map(|key| key.attempt).collect::<Vec<_>>();
        assert_eq!(attempts(0), [0; 0]);
        assert_eq!(attempts(2), [2, 1]);
        assert_eq!(attempts(5000).len(), MOST_ATTEMPTS);
    }
}
