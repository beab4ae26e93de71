//! `POST /v1/sessions`: the client's certificate, the submission, and its answer as it comes.

use std::rc::Rc;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::{Response, StatusCode};
use tokio::sync::mpsc::UnboundedReceiver;
use wire::api::{Refusal, RefusalKind, SessionAnswer, SessionRequest};
use wire::identity::Kind;

use super::server::{Answer, Lines, json, respond};
use super::{Daemon, newcomer};
use crate::core::names::JobId;

/// Places a job of the user `uid` and answers.
pub async fn open(daemon: &Rc<Daemon>, uid: u32, mut request: SessionRequest) -> Response<Answer> {
    let refusal = |refusal: Refusal| {
        let line = json(&SessionAnswer::Refused(refusal)).unwrap_or_default();
        respond(StatusCode::OK, Answer::whole(line))
    };
    let refused = |message: String| refusal(Refusal { kind: RefusalKind::Failed, message });
    if let Err(stranger) = daemon.must_serve(uid) {
        return refusal(stranger);
    }
    let user = daemon.user_of(uid);
    let certificate = match &request.warrant.certificate {
        Some(_) => None,
        None => daemon.standing.borrow().certify(Kind::Client, &request.public_key, &user, daemon.unix_time()),
    };
    if certificate.is_none() && request.warrant.certificate.is_none() {
        return refused("the warrant has no certificate; the voucher gives one".to_owned());
    }
    if let Err(unknown) = newcomer::know(daemon, &mut request.choice).await {
        return refusal(unknown);
    }
    let id = match daemon.ids.next() {
        Ok(number) => JobId(number),
        Err(error) => return refused(format!("no number can be given to the job: {error:#}")),
    };
    let receiver = daemon.placing.submit(daemon, id, user, certificate, request);
    let mut waiting = Waiting { daemon: daemon.clone(), id, receiver, over: false };
    let Some(first) = waiting.receiver.recv().await else {
        return refused("the dispatcher has lost the job".to_owned());
    };
    let line = json(&first).unwrap_or_default();
    if matches!(first, SessionAnswer::Waiting(_)) {
        respond(StatusCode::OK, Answer::lines(line, Box::new(waiting)))
    } else {
        waiting.over = true;
        respond(StatusCode::OK, Answer::whole(line))
    }
}

/// A submission without its final answer. Dropping it, which happens when the client goes,
/// takes the job out of the line.
struct Waiting {
    daemon: Rc<Daemon>,
    id: JobId,
    receiver: UnboundedReceiver<SessionAnswer>,
    over: bool,
}

impl Lines for Waiting {
    fn poll_line(&mut self, context: &mut Context<'_>) -> Poll<Option<std::io::Result<Bytes>>> {
        if self.over {
            return Poll::Ready(None);
        }
        self.receiver.poll_recv(context).map(|answer| {
            self.over = !matches!(answer, Some(SessionAnswer::Waiting(_)));
            answer.map(|answer| Ok(json(&answer).unwrap_or_default()))
        })
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if !self.over {
            self.daemon.placing.cancel(&self.daemon, self.id);
        }
    }
}
