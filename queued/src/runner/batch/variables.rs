//! Variables that a batch job finds besides its own.

use std::path::Path;

use wire::ByteString;
use wire::batch::{Batch, Wishes};
use wire::job::Job;

use super::files::Place;
use crate::link::AttemptKey;

/// What the variables say.
pub struct Facts<'a> {
    /// Which attempt.
    pub key: &'a AttemptKey,
    /// The job as it runs here.
    pub job: &'a Job,
    /// What it has as a batch job.
    pub batch: &'a Batch,
    /// What its owner wishes.
    pub wishes: &'a Wishes,
    /// When it was submitted, microseconds since 1970.
    pub submitted_us: i64,
    /// This host.
    pub host: &'a str,
    /// The runner's directory of jobs.
    pub jobs: &'a Path,
    /// The attempt's own.
    pub place: &'a Place,
    /// The files of standard input, output and error.
    pub files: [ByteString; 3],
}

impl Facts<'_> {
    /// All of them, as `NAME=VALUE`.
    pub fn variables(&self) -> Vec<ByteString> {
        let mut all = Variables(Vec::with_capacity(32));
        let Self { key, job, wishes, .. } = self;
        all.set("QUEUE", "r");
        all.set("QUEUE_JOB_ID", key.job_id.to_string());
        all.set("QUEUE_QUEUE", &job.queue);
        all.set("QUEUE_HOST", self.host);
        all.set("QUEUE_HOME_HOST", &key.home);
        all.set("QUEUE_SUBMIT_HOST", &key.home);
        all.set("QUEUE_ATTEMPT", key.attempt.to_string());
        all.set("QUEUE_JOB_NAME", wishes.name.as_deref().unwrap_or_default());
        all.set("QUEUE_JOB_TAGS", wishes.tags.join(" "));
        all.set("QUEUE_JOB_DIR", path(&self.place.directory));
        if let Some(data) = self.data() {
            all.set("QUEUE_DATA", data);
        }
        if self.batch.rq_variables {
            self.rq(&mut all);
        }
        all.0
    }

    /// Those of Ruby Queue.
    fn rq(&self, all: &mut Variables) {
        let [stdin, stdout, stderr] = &self.files;
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let now_us = now.map_or(0, |since| i64::try_from(since.as_micros()).unwrap_or(i64::MAX));
        all.set("RQ", path(self.jobs));
        all.set("RQ_JID", self.key.job_id.to_string());
        all.set("RQ_PRIORITY", self.wishes.priority.to_string());
        all.set("RQ_STATE", "running");
        all.set("RQ_SUBMITTED", rq_time(self.submitted_us));
        all.set("RQ_STARTED", rq_time(now_us));
        all.set("RQ_SUBMITTER", &self.key.home);
        all.set("RQ_RUNNER", self.host);
        all.set("RQ_STDIN", &stdin.0);
        all.set("RQ_STDOUT", &stdout.0);
        all.set("RQ_STDERR", &stderr.0);
        all.set("RQ_DATA", self.data().unwrap_or_default());
        all.set("RQ_TAG", self.wishes.tags.first().map_or("", String::as_str));
        all.set("RQ_RESTARTABLE", if self.batch.restartable { "true" } else { "" });
        all.set("RQ_COMMAND", command(&self.job.argv));
    }

    fn data(&self) -> Option<Vec<u8>> {
        self.batch.data.as_ref().map(|_| path(&self.place.directory.join(DATA)))
    }
}

/// The copy of the data directory, in the attempt's.
pub const DATA: &str = "data";

struct Variables(Vec<ByteString>);

impl Variables {
    fn set(&mut self, name: &str, value: impl AsRef<[u8]>) {
        let mut entry = Vec::with_capacity(name.len() + value.as_ref().len() + 1);
        entry.extend_from_slice(name.as_bytes());
        entry.push(b'=');
        // execve could not take it.
        entry.extend(value.as_ref().iter().filter(|byte| **byte != 0));
        self.0.push(ByteString(entry));
    }
}

fn path(path: &Path) -> Vec<u8> {
    path.as_os_str().as_encoded_bytes().to_vec()
}

/// The text that a shell runs; any other command as its words.
fn command(argv: &[ByteString]) -> Vec<u8> {
    match argv {
        [_, flag, text] if flag.0 == b"-c" => text.0.clone(),
        words => words.iter().map(|word| word.0.as_slice()).collect::<Vec<_>>().join(&b' '),
    }
}

/// Local time as Ruby Queue writes it.
fn rq_time(us: i64) -> String {
    jiff::Timestamp::from_microsecond(us)
        .map(|time| time.to_zoned(jiff::tz::TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S%.6f").to_string())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shells_text_is_the_command_and_other_words_are_joined() {
        let argv = |words: &[&str]| words.iter().map(|word| ByteString::from(*word)).collect::<Vec<_>>();
        assert_eq!(command(&argv(&["bash", "-c", "a | b"])), b"a | b");
        assert_eq!(command(&argv(&["make", "-c"])), b"make -c");
    }

    #[test]
    fn times_are_rqs() {
        let text = rq_time(1_700_000_000_000_001);
        assert_eq!((text.len(), &text[19..]), (26, ".000001"), "{text}");
    }
}
