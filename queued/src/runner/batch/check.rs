//! What is checked, as the user, before an attempt is made ready. Every failure is a refusal before the
//! start, with its reason.
//!
//! Thousands of jobs of one submission differ in little: what they have in common is checked once.

use std::path::PathBuf;

use wire::ByteString;
use wire::api::{Refusal, RefusalKind};
use wire::batch::Batch;
use wire::identity::{IdentityError, Trust, Verified, Warrant};
use wire::job::Job;

use crate::link::Terms;
use crate::runner::prepare::{self, refusal};
use crate::runner::terms;

/// Checks jobs and remembers the last.
#[derive(Default)]
pub struct Checker {
    verified: Option<Known>,
    /// The last environment and its hash.
    environment: Option<(Vec<ByteString>, [u8; 32])>,
}

struct Known {
    trust: Trust,
    warrant: Warrant,
    verified: Verified,
}

/// A job that may run here.
pub struct Checked {
    /// With the command and PATH that it has here, and without `batch`.
    pub job: Job,
    /// Its hard limits by name.
    pub hard_limits: Vec<(String, u64)>,
    /// What `batch` was.
    pub batch: Batch,
    /// Whose it is.
    pub verified: Verified,
    /// The command's file.
    pub program: PathBuf,
}

impl Checker {
    /// The job, if it may run here.
    pub fn check(
        &mut self,
        mut job: Job,
        warrant: Warrant,
        bin: Option<&ByteString>,
        terms: &Terms,
        trust: &Trust,
    ) -> Result<Checked, Refusal> {
        let verified = self
            .whose(&job, warrant, trust)
            .map_err(|error| refusal(RefusalKind::Failed, format!("the job's warrant is refused: {error}")))?;
        let Some(mut batch) = job.batch.take() else {
            return Err(refusal(RefusalKind::Usage, "it is not a batch job".to_owned()));
        };
        choose_variant(&mut job, &mut batch)?;
        if let Some(bin) = bin {
            put_first_in_path(&mut job.environment, bin);
        }
        let hard_limits = terms::apply(terms, &mut job)?;
        prepare::reasonable(&job).map_err(|message| refusal(RefusalKind::Usage, message))?;
        prepare::enter(&job)?;
        let program = prepare::find(&job)?;
        Ok(Checked { job, hard_limits, batch, verified, program })
    }

    /// Whose word this job is.
    pub fn whose(&mut self, job: &Job, warrant: Warrant, trust: &Trust) -> Result<Verified, IdentityError> {
        let digest = job.digest_with(&self.environment_digest(job));
        self.verify(&digest, warrant, trust)
    }

    fn environment_digest(&mut self, job: &Job) -> [u8; 32] {
        match &self.environment {
            Some((last, digest)) if *last == job.environment => *digest,
            _ => {
                let digest = job.environment_digest();
                self.environment = Some((job.environment.clone(), digest));
                digest
            }
        }
    }

    /// Dates were judged when it was submitted.
    fn verify(&mut self, digest: &[u8; 32], warrant: Warrant, trust: &Trust) -> Result<Verified, IdentityError> {
        let same = |known: &&Known| {
            let last = &known.warrant;
            (last.root, last.signature) == (warrant.root, warrant.signature)
                && last.certificate == warrant.certificate
                && known.trust == *trust
        };
        if let Some(known) = self.verified.as_ref().filter(same)
            && warrant.leads_from(digest)
        {
            return Ok(known.verified.clone());
        }
        let verified = warrant.verify_undated(digest, trust)?;
        self.verified = Some(Known { trust: trust.clone(), warrant, verified: verified.clone() });
        Ok(verified)
    }
}

/// The first variant for this kind of host takes the place of the command.
fn choose_variant(job: &mut Job, batch: &mut Batch) -> Result<(), Refusal> {
    use std::env::consts::{ARCH, OS};
    let fits = |wanted: &str, here: &str| wanted.is_empty() || wanted == here;
    let chosen = batch.variants.iter().position(|variant| fits(&variant.os, OS) && fits(&variant.arch, ARCH));
    match chosen {
        Some(index) => job.argv = batch.variants.swap_remove(index).argv,
        None if !batch.variants.is_empty() && job.argv.is_empty() => {
            let message = format!("the job has no command for {OS} on {ARCH}");
            return Err(refusal(RefusalKind::NotExecutable, message));
        }
        None => {}
    }
    Ok(())
}

fn put_first_in_path(environment: &mut Vec<ByteString>, bin: &ByteString) {
    let path = |rest: &[u8]| ByteString([b"PATH=", bin.0.as_slice(), b":", rest].concat());
    let found = environment.iter_mut().find_map(|entry| {
        let rest = entry.0.strip_prefix(b"PATH=")?.to_vec();
        Some((entry, rest))
    });
    match found {
        Some((entry, rest)) => *entry = path(&rest),
        None => environment.push(path(prepare::USUAL_PATH)),
    }
}
