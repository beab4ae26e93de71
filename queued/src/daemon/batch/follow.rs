//! `POST /v1/jobs/output`: the bytes of a stream from wherever they are, to a client.

use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use spool::JobId;
use spool::home::{Output, State};
use spool::store::{Brief, Reader};
use tokio::sync::mpsc;
use wire::api::Refusal;
use wire::attempts::{AttemptAnswer, ContentRequest, Want};
use wire::batch::{OutputRequest, OutputStream};

use super::{api, failed, spool_failed};
use crate::daemon::Daemon;
use crate::daemon::server::{Answer, Lines};
use crate::link::AttemptKey;

/// Opens a stream for a client. The body is the bytes; with `follow` it ends when the attempt has.
pub async fn open(daemon: &Rc<Daemon>, user: &str, mut request: OutputRequest) -> Result<Answer, Refusal> {
    if let Some(home) = &mut request.job.home {
        *home = api::home_of(daemon, home).await?;
    }
    // The first piece says whether there is anything to be had.
    let first = any_piece(daemon, user, &request, Duration::ZERO).await?;
    let (sender, pieces) = mpsc::channel(2);
    let (daemon, user, mut request) = (daemon.clone(), user.to_owned(), request);
    let (bytes, mut is_last) = first;
    request.offset += bytes.len() as u64;
    tokio::task::spawn_local(async move {
        while !is_last {
            let wait = if request.follow { WAIT } else { Duration::ZERO };
            match any_piece(&daemon, &user, &request, wait).await {
                Ok((bytes, last)) => {
                    if bytes.is_empty() && !last && !request.follow {
                        // What runs has written no more than this.
                        break;
                    }
                    is_last = last;
                    request.offset += bytes.len() as u64;
                    if !bytes.is_empty() && sender.send(Ok(Bytes::from(bytes))).await.is_err() {
                        return;
                    }
                }
                // The client sees an answer that breaks off, and asks again.
                Err(refusal) => {
                    tracing::info!("output breaks off: {}", refusal.message);
                    drop(sender.send(Err(())).await);
                    return;
                }
            }
            if sender.is_closed() {
                return;
            }
        }
    });
    Ok(Answer::lines(Bytes::from(bytes), Box::new(Pieces(pieces))))
}

/// A piece of a job of this home, for another daemon.
pub async fn piece(daemon: &Rc<Daemon>, user: &str, request: &OutputRequest, wait: Duration) -> AttemptAnswer {
    match any_piece(daemon, user, request, wait).await {
        Ok((bytes, is_last)) => AttemptAnswer::Output { bytes, is_last },
        Err(refusal) => AttemptAnswer::Failed(refusal),
    }
}

async fn any_piece(
    daemon: &Rc<Daemon>,
    user: &str,
    request: &OutputRequest,
    wait: Duration,
) -> Result<(Vec<u8>, bool), Refusal> {
    let answer = match request.job.home.as_deref() {
        Some(home) if home != daemon.host => {
            api::pass_output(daemon, home, user, request.clone(), wait.as_millis() as u64).await?
        }
        _ => own_piece(daemon, user, request, wait).await?,
    };
    match answer {
        AttemptAnswer::Output { bytes, is_last } => Ok((bytes, is_last)),
        AttemptAnswer::NotKept => Ok((Vec::new(), true)),
        AttemptAnswer::Failed(refusal) => Err(refusal),
        AttemptAnswer::Known(_) => Err(failed("the host answers something else")),
    }
}

async fn own_piece(
    daemon: &Rc<Daemon>,
    user: &str,
    request: &OutputRequest,
    wait: Duration,
) -> Result<AttemptAnswer, Refusal> {
    let batch = &daemon.batch;
    let row = batch.row(daemon, user, request.job.id)?;
    let job = JobId::new(row.id).map_err(|error| failed(error.to_string()))?;
    let brief = batch.store.ask(|reader| reader.brief(job)).map_err(|error| spool_failed(&error))?;
    let brief = brief.ok_or_else(|| failed(format!("there is no job {job}")))?;
    match piece_of(daemon, user, request, &brief, wait).await? {
        // Its start is on its way, or its end is: only home says when there is no more.
        AttemptAnswer::NotKept if matches!(brief.state(), State::Running(_)) && request.attempt.is_none() => {
            Ok(nothing_yet(wait).await)
        }
        answer => Ok(answer),
    }
}

async fn piece_of(
    daemon: &Rc<Daemon>,
    user: &str,
    request: &OutputRequest,
    brief: &Brief,
    wait: Duration,
) -> Result<AttemptAnswer, Refusal> {
    let (batch, job) = (&daemon.batch, brief.id());
    if request.stream == OutputStream::Stdin {
        return input(daemon, user, job, request.offset).await;
    }
    let newest = brief.record.last().map_or(0, |attempt| attempt.number());
    let attempt = request.attempt.unwrap_or(newest);
    if attempt == 0 {
        if request.follow && !is_over(brief) {
            return Ok(nothing_yet(wait).await);
        }
        return Ok(AttemptAnswer::NotKept);
    }
    let key = AttemptKey { home: daemon.host.clone(), job_id: job.number(), attempt };
    if let State::Running(run) = brief.state()
        && run.place.attempt.number() == attempt
        && run.place.host != daemon.host
    {
        let want = Want::Output { stream: request.stream, offset: request.offset, wait_ms: wait.as_millis() as u64 };
        let told = batch.tell(daemon, job, &run.place, user, want, wait + PIECE).await;
        return told.map_err(|error| failed(format!("{} cannot be asked: {error:#}", run.place.host)));
    }
    if let State::Finished { output: Output::Lost, .. } = brief.state() {
        return Err(failed(format!("the output of job {job} is lost with the host that kept it")));
    }
    if let State::Pending { .. } | State::Held { .. } = brief.state()
        && request.attempt.is_none()
        && request.follow
    {
        return Ok(nothing_yet(wait).await);
    }
    Ok(batch.piece(daemon, user, &key, request.stream, request.offset, wait).await)
}

/// Whoever asks is to ask again.
async fn nothing_yet(wait: Duration) -> AttemptAnswer {
    tokio::time::sleep(wait.min(NOT_STARTED)).await;
    AttemptAnswer::Output { bytes: Vec::new(), is_last: false }
}

/// What a job was given to read, as its submission put it into the spool.
async fn input(daemon: &Rc<Daemon>, user: &str, job: JobId, offset: u64) -> Result<AttemptAnswer, Refusal> {
    let found = daemon.batch.store.ask(|reader| reader.description(job)).map_err(|error| spool_failed(&error))?;
    let content = found.and_then(|description| description.job.batch).and_then(|batch| batch.stdin);
    let Some(content) = content else { return Ok(AttemptAnswer::NotKept) };
    let request = ContentRequest { user: user.to_owned(), sha256: content.sha256, offset };
    Ok(daemon.batch.content_piece(daemon, request).await)
}

fn is_over(brief: &Brief) -> bool {
    matches!(brief.state(), State::Finished { .. } | State::Dead(_) | State::Cancelled)
}

struct Pieces(mpsc::Receiver<Result<Bytes, ()>>);

impl Lines for Pieces {
    fn poll_line(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Bytes, std::io::Error>>> {
        self.0
            .poll_recv(context)
            .map(|piece| piece.map(|piece| piece.map_err(|()| std::io::ErrorKind::BrokenPipe.into())))
    }
}

/// How long a question about more waits for it.
const WAIT: Duration = Duration::from_secs(10);
/// A job that has not started is looked at again after so long.
const NOT_STARTED: Duration = Duration::from_millis(500);
/// How long a piece may take besides.
const PIECE: Duration = Duration::from_secs(10);
