//! `POST /v1/jobs`: a submission is read line by line, written down as a whole, and only then answered.

use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use spool::store::{Change, NewJob, Outcome, Submission};
use wire::api::{Refusal, RefusalKind};
use wire::batch::{SubmitHeader, SubmitLine, Submitted};
use wire::identity::{Kind, Warrant};
use wire::job::Job;

use super::arrays::{self, Elements};
use super::store::apart;
use super::{Batch, failed, now_us, spool_failed};
use crate::daemon::Daemon;

impl Batch {
    /// Takes the jobs of the user `uid`.
    pub async fn submit(&self, daemon: &Rc<Daemon>, uid: u32, body: Incoming) -> Result<Submitted, Refusal> {
        daemon.must_serve(uid)?;
        let user = daemon.user_of(uid);
        has_room(&daemon.places.state)?;
        let (header, mut jobs, array) = read(body).await?;
        let elements = match array {
            // Up to a million: nobody else is to wait for that.
            Some(array) => apart(move || Ok(array.digests())).await.map_err(|error| spool_failed(&error))?,
            None => Vec::new(),
        };
        let certificate = match &header.certificate {
            Some(certificate) => Some(certificate.clone()),
            None => daemon.standing.borrow().certify(Kind::Client, &header.public_key, &user, daemon.unix_time()),
        };
        let certificate =
            certificate.ok_or_else(|| failed("the submission has no certificate; the voucher gives one"))?;
        for common in &header.commons {
            if common.home != daemon.host {
                return Err(failed(format!("the jobs are meant for {}, this is {}", common.home, daemon.host)));
            }
            if common.batch.is_none() {
                return Err(failed("these are no batch jobs"));
            }
            self.could_run_somewhere(daemon, common)?;
        }
        let first = jobs.first().ok_or_else(|| Refusal { kind: RefusalKind::Usage, message: "no jobs".into() })?;
        let count = jobs.len().max(elements.len());
        self.judge(daemon, &header, first, count, &certificate, &user)?;
        self.heed_queues(daemon, uid, &header.submit_key, &header.commons, &mut jobs, elements.len() as u64)?;
        let ids = daemon.ids.take(count as u64).map_err(|error| failed(format!("no number is left: {error:#}")))?;
        let submission = Submission {
            user,
            key: header.submit_key,
            root: header.root,
            signature: header.signature,
            certificate,
            at_us: now_us(),
            first_id: ids.start,
            commons: header.commons,
            jobs,
            elements,
        };
        let written = self.store.write(vec![Change::Submit(Arc::new(submission))]).await;
        match written.map_err(|error| spool_failed(&error))?.pop() {
            Some(Outcome::Submitted { ids, lanes, .. }) => {
                for lane in lanes {
                    self.feed(daemon, lane);
                }
                Ok(Submitted { ids, home: daemon.host.clone() })
            }
            Some(Outcome::Refused(why)) => Err(failed(why)),
            _ => Err(failed("the spool answers something else")),
        }
    }

    /// The dates of the certificate are judged now; the runner that starts a job a week later cannot. Whether
    /// every job fits is the runner's to say; the first is looked at so that nonsense is not stored.
    fn judge(
        &self,
        daemon: &Rc<Daemon>,
        header: &SubmitHeader,
        first: &NewJob,
        count: usize,
        certificate: &wire::identity::Certificate,
        user: &str,
    ) -> Result<(), Refusal> {
        let verified = daemon
            .standing
            .borrow()
            .trust
            .verify(certificate)
            .map_err(|error| failed(format!("the certificate is refused: {error}")))?;
        verified.at(daemon.unix_time()).map_err(|error| failed(format!("the certificate is refused: {error}")))?;
        if verified.identity.user != user {
            return Err(failed(format!("the certificate is {}'s, not {user}'s", verified.identity.user)));
        }
        if count == 1 {
            let signature = header.signature.as_slice().try_into().map_err(|_| failed("the signature has 64 bytes"))?;
            let certificate = Some(certificate.clone());
            let warrant = Warrant { root: header.root, path: Vec::new(), signature, certificate };
            let refused = |error| failed(format!("the warrant is refused: {error}"));
            warrant.verify_undated(&first.digest, &daemon.standing.borrow().trust).map_err(refused)?;
        }
        Ok(())
    }
}

/// The header, the jobs, and the array that the only one of them is, if it is one.
type Read = (SubmitHeader, Vec<NewJob>, Option<Elements>);

/// The body as it comes: a header and a line for each job. Bounded by the number of bytes.
async fn read(mut body: Incoming) -> Result<Read, Refusal> {
    let mut reader = LineReader::default();
    let mut total = 0;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| failed(format!("the submission broke off: {error}")))?;
        let Ok(data) = frame.into_data() else { continue };
        total += data.len();
        if total > MOST_BYTES {
            return Err(failed(format!("a submission has at most {} MiB", MOST_BYTES >> 20)));
        }
        reader.take(&data)?;
        // Other requests have a turn between two pieces of a large submission.
        tokio::task::yield_now().await;
    }
    reader.finish()
}

/// Cuts lines out of pieces and reads them.
#[derive(Default)]
struct LineReader {
    rest: Vec<u8>,
    header: Option<SubmitHeader>,
    environments: Vec<[u8; 32]>,
    jobs: Vec<NewJob>,
    array: Option<Elements>,
    /// One of each common part, into which the command of each job is put for its digest.
    samples: Vec<Job>,
}

impl LineReader {
    fn take(&mut self, data: &Bytes) -> Result<(), Refusal> {
        let mut from = 0;
        while let Some(end) = data[from..].iter().position(|byte| *byte == b'\n') {
            let piece = &data[from..from + end];
            if self.rest.is_empty() {
                self.line(piece)?;
            } else {
                let mut line = std::mem::take(&mut self.rest);
                line.extend_from_slice(piece);
                self.line(&line)?;
            }
            from += end + 1;
        }
        self.rest.extend_from_slice(&data[from..]);
        Ok(())
    }

    fn line(&mut self, line: &[u8]) -> Result<(), Refusal> {
        let wrong = |error: serde_json::Error| failed(format!("the submission makes no sense: {error}"));
        let Some(header) = &self.header else {
            let header: SubmitHeader = serde_json::from_slice(line).map_err(wrong)?;
            self.environments = header.commons.iter().map(Job::environment_digest).collect();
            self.samples = header.commons.clone();
            self.header = Some(header);
            return Ok(());
        };
        let line: SubmitLine = serde_json::from_slice(line).map_err(wrong)?;
        let (Some(sample), Some(environment)) = (self.samples.get_mut(line.common), self.environments.get(line.common))
        else {
            return Err(failed("a job names a common part that is not there"));
        };
        if let Some(count) = arrays::elements(sample, header.count, &line.wishes)? {
            let sample = Job { argv: line.argv.clone(), ..sample.clone() };
            self.array =
                Some(Elements { sample, environment: *environment, submit_key: header.submit_key.clone(), count });
        }
        sample.submit_key = format!("{}/{}", header.submit_key, self.jobs.len());
        sample.argv = line.argv;
        let digest = sample.digest_with(environment);
        let argv = std::mem::take(&mut sample.argv);
        self.jobs.push(NewJob { common: line.common, argv, wishes: line.wishes, digest });
        Ok(())
    }

    fn finish(mut self) -> Result<Read, Refusal> {
        let rest = std::mem::take(&mut self.rest);
        if !rest.is_empty() {
            self.line(&rest)?;
        }
        let header = self.header.ok_or_else(|| failed("the submission is empty"))?;
        if header.count != self.jobs.len() as u64 {
            return Err(failed(format!("{} jobs were announced and {} came", header.count, self.jobs.len())));
        }
        Ok((header, self.jobs, self.array))
    }
}

/// Room is kept for the ends of what was accepted.
fn has_room(state: &std::path::Path) -> Result<(), Refusal> {
    let Ok(found) = nix::sys::statvfs::statvfs(state) else { return Ok(()) };
    let free = found.blocks_available() * found.fragment_size();
    let all = found.blocks() * found.fragment_size();
    if free < ROOM_FOR_ENDS.max(all / 100).min(all / 4) {
        let message = format!(
            "the disk of the spool is nearly full: {} MiB are left in {}; nothing was submitted",
            free >> 20,
            state.display()
        );
        return Err(Refusal { kind: RefusalKind::Full, message });
    }
    Ok(())
}

/// The largest submission, as JSON.
const MOST_BYTES: usize = 256 << 20;
/// Less than this, or a hundredth of the disk, is left to ends and reports.
const ROOM_FOR_ENDS: u64 = 64 << 20;
