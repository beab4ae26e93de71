//! The bytes that jobs have written, passed on from the runner that has them.

use std::rc::Rc;
use std::time::Duration;

use tokio::io::AsyncReadExt;
use wire::attempts::AttemptAnswer;
use wire::batch::OutputStream;

use super::Batch;
use crate::daemon::Daemon;
use crate::link::AttemptKey;

impl Batch {
    /// A piece of what an attempt that ran or runs on this host has written.
    pub async fn piece(
        &self,
        daemon: &Rc<Daemon>,
        user: &str,
        key: &AttemptKey,
        stream: OutputStream,
        offset: u64,
        wait: Duration,
    ) -> AttemptAnswer {
        let read = async {
            let uid = daemon.uid_of(user).map_err(|error| anyhow::anyhow!(error))?;
            let runner = daemon.runners.of(uid).await?;
            if self.uid_of_attempt(key).is_none() {
                let index = usize::from(stream == OutputStream::Stderr);
                if runner.lengths(key).await?[index].is_none() {
                    return Ok(AttemptAnswer::NotKept);
                }
            }
            let runs = self.uid_of_attempt(key).is_some();
            let follow = runs && !wait.is_zero();
            let mut bytes = Vec::new();
            let mut pipe = runner.read_output(key, stream, offset, follow).await?;
            let mut buffer = vec![0; 64 * 1024];
            let mut is_last = false;
            while bytes.len() < PIECE_BYTES {
                let patience = match (follow, bytes.is_empty()) {
                    (true, true) => wait,
                    (true, false) => GATHER,
                    (false, _) => MORE,
                };
                match tokio::time::timeout(patience, pipe.read(&mut buffer)).await {
                    Ok(Ok(0)) => {
                        is_last = follow || !runs;
                        break;
                    }
                    Ok(Ok(count)) => bytes.extend_from_slice(&buffer[..count]),
                    Ok(Err(error)) => return Err(error.into()),
                    Err(_) if follow => break,
                    Err(_) => anyhow::bail!("the runner is silent"),
                }
            }
            Ok::<_, anyhow::Error>(AttemptAnswer::Output { bytes, is_last })
        };
        match read.await {
            Ok(answer) => answer,
            Err(error) => AttemptAnswer::Failed(super::failed(format!("{error:#}"))),
        }
    }
}

/// A piece has about so many bytes.
const PIECE_BYTES: usize = 512 * 1024;
/// Bytes that are there come within this.
const MORE: Duration = Duration::from_secs(5);
/// What a job that runs has not written by then is in the next piece.
const GATHER: Duration = Duration::from_millis(5);
