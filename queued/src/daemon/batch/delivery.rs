//! The output of an attempt that ended on another host is brought home, a piece at a time, before the job is
//! finished. It goes from that user's runner there to that user's runner here.

use std::rc::Rc;
use std::time::Duration;

use spool::JobId;
use spool::home::{Event, Place};
use spool::store::{Change, Outcome, StepChange};
use wire::attempts::{AttemptAnswer, Want};
use wire::batch::OutputStream;

use super::{Batch, now_us};
use crate::daemon::Daemon;
use crate::link::AttemptKey;

impl Batch {
    /// Brings the output home, however often it takes; then the job is finished.
    pub fn deliver(&self, daemon: &Rc<Daemon>, job: JobId, place: Place, user: String, key: AttemptKey) {
        if !self.delivering.borrow_mut().insert(key.clone()) {
            return;
        }
        let daemon = daemon.clone();
        tokio::task::spawn_local(async move {
            let mut pause = FIRST_PAUSE;
            while let Err(error) = daemon.batch.fetch(&daemon, job, &place, &user, &key).await {
                tracing::info!(job = job.number(), host = %place.host, "its output is not here yet: {error:#}");
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
                // Somebody may have given the host up.
                if !daemon.batch.still_delivers(job, &place) {
                    break;
                }
            }
            daemon.batch.delivering.borrow_mut().remove(&key);
        });
    }

    fn still_delivers(&self, job: JobId, place: &Place) -> bool {
        use spool::store::Reader;
        let brief = self.store.ask(|reader| reader.brief(job)).ok().flatten();
        brief.is_some_and(|brief| brief.record.unsettled().any(|one| one == place))
    }

    async fn fetch(
        &self,
        daemon: &Rc<Daemon>,
        job: JobId,
        place: &Place,
        user: &str,
        key: &AttemptKey,
    ) -> anyhow::Result<()> {
        let uid = daemon.uid_of(user).map_err(|error| anyhow::anyhow!(error))?;
        let runner = daemon.runners.of(uid).await?;
        let here = runner.lengths(key).await?;
        let mut kept = [true; 2];
        for (index, stream) in [OutputStream::Stdout, OutputStream::Stderr].into_iter().enumerate() {
            let mut offset = here[index].unwrap_or(0);
            loop {
                let want = Want::Output { stream, offset, wait_ms: 0 };
                match self.tell(daemon, job, place, user, want, PIECE).await? {
                    AttemptAnswer::Output { bytes, is_last } => {
                        offset = runner.write_output(key, stream, offset, &bytes).await?;
                        if is_last {
                            break;
                        }
                    }
                    AttemptAnswer::NotKept => {
                        kept[index] = false;
                        break;
                    }
                    other => anyhow::bail!("{} answers {other:?}", place.host),
                }
            }
        }
        let mut paths = self.paths(daemon, key);
        for (path, kept) in paths.iter_mut().zip(kept) {
            if !kept {
                path.0.clear();
            }
        }
        let delivered = StepChange::new(job, Event::Delivered { attempt: place.attempt }, now_us());
        let change = Change::Step(StepChange { output: Some(paths), ..delivered });
        match self.store.write(vec![change]).await.as_deref() {
            Ok([Outcome::Job { brief, .. }]) => self.has_changed(daemon, brief),
            Ok(_) => {}
            Err(error) => anyhow::bail!("{error}"),
        }
        // Should this be lost, it is asked for by the host's next report.
        drop(self.tell(daemon, job, place, user, Want::Acknowledge, PIECE).await);
        Ok(())
    }
}

const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// How long a piece of output may take.
const PIECE: Duration = Duration::from_secs(30);
