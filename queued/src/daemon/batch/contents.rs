//! Bytes that jobs need: their standard input and their data directories. They are kept by the owner's runner at
//! home; a host that has to run such a job and does not have them gets them from there.

use std::rc::Rc;
use std::time::Duration;

use wire::api::{Refusal, RefusalKind};
use wire::attempts::{AttemptAnswer, ContentRequest};
use wire::job::Job;

use super::{Batch, failed};
use crate::daemon::Daemon;
use crate::daemon::runner_link::RunnerLink;

impl Batch {
    /// Sees to it that the runner has what the job needs.
    pub async fn provide_contents(
        &self,
        daemon: &Rc<Daemon>,
        runner: &Rc<RunnerLink>,
        home: &str,
        user: &str,
        job: &Job,
    ) -> Result<(), Refusal> {
        let Some(batch) = &job.batch else { return Ok(()) };
        for content in [&batch.stdin, &batch.data].into_iter().flatten() {
            if runner.has_content(&content.sha256).await {
                continue;
            }
            if home == daemon.host {
                let message = format!("the bytes {} that it needs are not in the spool any more", content.sha256);
                return Err(Refusal { kind: RefusalKind::Failed, message });
            }
            let fetched = self.fetch_content(daemon, runner, home, user, &content.sha256).await;
            fetched.map_err(|error| failed(format!("what the job needs cannot be had from {home}: {error:#}")))?;
        }
        Ok(())
    }

    async fn fetch_content(
        &self,
        daemon: &Rc<Daemon>,
        runner: &Rc<RunnerLink>,
        home: &str,
        user: &str,
        sha256: &str,
    ) -> anyhow::Result<()> {
        let mut writer = runner.write_content(sha256).await?;
        let mut offset = 0;
        loop {
            let request = ContentRequest { user: user.to_owned(), sha256: sha256.to_owned(), offset };
            match daemon.peers.ask::<AttemptAnswer>(daemon, home, "/v1/contents", &request, PIECE).await? {
                AttemptAnswer::Output { bytes, is_last } => {
                    offset += bytes.len() as u64;
                    writer.write(&bytes).await?;
                    if is_last {
                        return writer.finish().await.map(drop);
                    }
                }
                AttemptAnswer::Failed(refusal) => anyhow::bail!("{}", refusal.message),
                other => anyhow::bail!("{home} answers {other:?}"),
            }
        }
    }

    /// A piece of such bytes, for a host that needs them.
    pub async fn content_piece(&self, daemon: &Rc<Daemon>, request: ContentRequest) -> AttemptAnswer {
        let read = async {
            let uid = daemon.uid_of(&request.user).map_err(|error| anyhow::anyhow!(error))?;
            let runner = daemon.runners.of(uid).await?;
            runner.content_piece(&request.sha256, request.offset).await
        };
        match read.await {
            Ok((bytes, is_last)) => AttemptAnswer::Output { bytes, is_last },
            Err(error) => AttemptAnswer::Failed(super::failed(format!("{error:#}"))),
        }
    }
}

/// How long a piece may take.
const PIECE: Duration = Duration::from_secs(30);
