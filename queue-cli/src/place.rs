//! Asking the own daemon for a place: key, warrant, `POST /v1/sessions`, the wait for a slot.
//!
//! Until the client releases the job nothing runs, so the request may be repeated as often as
//! needed: after the daemon died, and with hosts excluded that gave the client no answer. The
//! submit key makes it the same submission each time. The key pair lives in this process only.

use std::time::{Duration, Instant};

use wire::api::{Placement, Refusal, SessionAnswer, SessionRequest};
use wire::identity::{SecretKey, Warrant};
use wire::job::Job;

use crate::arguments::Run;
use crate::daemon::Daemon;
use crate::failure::{Failure, printable};
use crate::http::{Exchange, HttpError};
use crate::voucher;
use crate::waiting::Waiting;

/// A submission that can be placed, again and again until it is released.
pub struct Submission<'a> {
    daemon: &'a Daemon,
    request: SessionRequest,
    key: SecretKey,
}

impl<'a> Submission<'a> {
    /// Signs `job` with a fresh key.
    pub fn new(daemon: &'a Daemon, run: &Run, job: Job) -> Result<Self, Failure> {
        let key = SecretKey::generate();
        let mut warrant = Warrant::one(&key, job.digest());
        warrant.certificate = voucher::certificate(daemon.runtime(), &key.public_key())?;
        let request = SessionRequest {
            job,
            choice: run.choice.clone(),
            public_key: key.public_key(),
            warrant,
            excluded: Vec::new(),
            on_full: run.on_full,
        };
        Ok(Self { daemon, request, key })
    }

    /// The key that the session will know this client by.
    pub fn key(&self) -> &SecretKey {
        &self.key
    }

    /// The next placement leaves this host out: it gave no answer.
    pub fn exclude(&mut self, host: String) {
        self.request.excluded.push(host);
    }

    /// Waits until a host has made everything ready, or until it is certain that none will.
    pub fn place(&self) -> Result<Placement, Failure> {
        let body = serde_json::to_vec(&self.request)
            .map_err(|error| Failure::own(format!("cannot write the request: {error}")))?;
        let mut waiting = Waiting::default();
        let mut pause = FIRST_PAUSE;
        let mut attempts = 0;
        loop {
            let exchange = self.daemon.try_ask("POST", "/v1/sessions", &body)?;
            let broken = match exchange.and_then(|exchange| self.follow(exchange, &mut waiting)) {
                Ok(outcome) => return outcome,
                Err(error) => error,
            };
            attempts += 1;
            // A silent daemon has been looked at twice by now.
            if attempts == MOST_ATTEMPTS || matches!(broken, HttpError::Silent) {
                return Err(self.daemon.said(&broken));
            }
            std::thread::sleep(pause);
            pause *= 2;
        }
    }

    /// Reads the answer to its last line. The outer error is a connection that broke, after
    /// which the request is repeated.
    fn follow(&self, mut exchange: Exchange, waiting: &mut Waiting) -> Result<Result<Placement, Failure>, HttpError> {
        let status = match exchange.status(Instant::now() + LOOK) {
            Err(HttpError::Silent) if self.daemon.answers() => exchange.status(Instant::now() + LOOK),
            other => other,
        }?;
        if status != 200 {
            let text = exchange.whole(Instant::now() + LOOK)?;
            return Ok(Err(refused(status, &text)));
        }
        loop {
            let line = match exchange.line(Instant::now() + LOOK) {
                // Waiting takes as long as it takes; only a dead daemon must be noticed.
                Err(HttpError::Silent) => {
                    if !self.daemon.answers() {
                        waiting.show("the queued of this host does not answer (stopped?)");
                    }
                    continue;
                }
                other => other?.ok_or(HttpError::Closed)?,
            };
            match serde_json::from_slice(&line) {
                Ok(SessionAnswer::Waiting(what)) => waiting.show(&what),
                Ok(SessionAnswer::Placed(placement)) => return Ok(Ok(placement)),
                Ok(SessionAnswer::Refused(refusal)) => return Ok(Err(refusal.into())),
                // A line that a newer daemon says in between.
                Err(_) => {}
            }
        }
    }
}

/// The sentence for an answer that is not a success.
pub fn refused(status: u16, body: &[u8]) -> Failure {
    if let Ok(refusal) = serde_json::from_slice::<Refusal>(body) {
        return refusal.into();
    }
    let text = String::from_utf8_lossy(body);
    let text = printable(text.trim());
    match (status, text.is_empty()) {
        (404, _) => Failure::own("the queued of this host is older than this queue; restart it"),
        (_, true) => Failure::own(format!("the queued of this host answers with status {status}")),
        (_, false) => Failure::own(format!("the queued of this host refuses: {text}")),
    }
}

/// How long an answer may stay out before the daemon is looked at.
const LOOK: Duration = Duration::from_secs(5);
/// A daemon that dies while it answers is asked again so often.
const MOST_ATTEMPTS: u32 = 5;
const FIRST_PAUSE: Duration = Duration::from_millis(50);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_keeps_its_exit_code_and_anything_else_is_our_failure() {
        let full = br#"{"message":"host b: full","kind":"full"}"#;
        assert_eq!(refused(503, full), Failure { code: 75, message: "host b: full".into() });
        assert_eq!(refused(500, b"").code, 125);
        assert_eq!(refused(500, b" no\n").message, "the queued of this host refuses: no");
    }
}
