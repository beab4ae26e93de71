//! Variables that a batch job finds besides its own.

use std::path::Path;

use wire::ByteString;
use wire::array::Array;
use wire::batch::{Batch, Wishes};
use wire::job::Job;

use super::files::Place;
use crate::core::resources::Taken;
use crate::link::AttemptKey;
use crate::runner::given;

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
    /// What it has of this host.
    pub taken: &'a Taken,
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
        for (name, value) in given::variables(self.taken) {
            all.set(&name, value);
        }
        if let (Some(array), Some(number)) = (&self.batch.array, Array::number(&job.submit_key))
            && let (Some(index), Some(count)) = (array.index(number), array.count())
        {
            all.set("QUEUE_ARRAY_INDEX", index.to_string());
            all.set("QUEUE_ARRAY_ID", key.job_id.saturating_sub(number).to_string());
            all.set("QUEUE_ARRAY_COUNT", count.to_string());
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
        let text = |text: &str| Some(text.as_bytes().to_vec());
        // In rq's order, and with the names that follow `RQ_`; what only an end knows has no variable.
        let fields = [
            ("jid", text(&self.key.job_id.to_string())),
            ("priority", text(&self.wishes.priority.to_string())),
            ("state", text("running")),
            ("submitted", text(&rq_time(self.submitted_us))),
            ("started", text(&rq_time(now_us))),
            ("finished", None),
            ("elapsed", None),
            ("submitter", text(&self.key.home)),
            ("runner", text(self.host)),
            ("stdin", Some(stdin.0.clone())),
            ("stdout", Some(stdout.0.clone())),
            ("stderr", Some(stderr.0.clone())),
            ("data", Some(self.data().unwrap_or_default())),
            ("pid", None),
            ("exit_status", None),
            ("tag", text(self.wishes.tags.first().map_or("", String::as_str))),
            ("restartable", text(if self.batch.restartable { "true" } else { "" })),
            ("command", Some(command(&self.job.argv))),
        ];
        all.set("RQ", path(self.jobs));
        all.set("RQ_JOB", record(&fields));
        for (name, value) in &fields {
            if let Some(value) = value {
                all.set(&format!("RQ_{}", name.to_uppercase()), value);
            }
        }
    }

    fn data(&self) -> Option<Vec<u8>> {
        self.batch.data.as_ref().map(|_| path(&self.place.directory.join(DATA)))
    }
}

/// The copy of the data directory, in the attempt's.
pub const DATA: &str = "data";

/// Bytes of an entry of the environment from which the kernel takes none.
const LONGEST_ENTRY: usize = 128 * 1024;

struct Variables(Vec<ByteString>);

impl Variables {
    fn set(&mut self, name: &str, value: impl AsRef<[u8]>) {
        let mut entry = Vec::with_capacity(name.len() + value.as_ref().len() + 1);
        entry.extend_from_slice(name.as_bytes());
        entry.push(b'=');
        // execve could not take it.
        entry.extend(value.as_ref().iter().filter(|byte| **byte != 0));
        // Neither could it take a longer one: the job would not start.
        if entry.len() < LONGEST_ENTRY {
            self.0.push(ByteString(entry));
        }
    }
}

fn path(path: &Path) -> Vec<u8> {
    path.as_os_str().as_encoded_bytes().to_vec()
}

/// The whole record as a map in YAML, each value as JSON writes it, which YAML contains.
fn record(fields: &[(&str, Option<Vec<u8>>)]) -> Vec<u8> {
    let mut yaml = b"---\n".to_vec();
    for (name, value) in fields {
        let value = value.as_deref().map(String::from_utf8_lossy).filter(|value| !value.is_empty());
        let is_number = matches!(*name, "jid" | "priority");
        let is_truth = *name == "restartable";
        let value = match value {
            None => "null".to_owned(),
            Some(value) if is_number || is_truth => value.into_owned(),
            // Plain text always serialises.
            Some(value) => serde_json::to_string(&value).unwrap_or_default(),
        };
        yaml.extend(format!("{name}: {value}\n").bytes());
    }
    yaml
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
    fn a_record_is_yaml_whatever_stands_in_it() {
        let fields =
            [("jid", Some(b"17".to_vec())), ("tag", Some(Vec::new())), ("command", Some(b"a: 'b' #\n\xff".to_vec()))];
        let text = String::from_utf8(record(&fields)).expect("UTF-8");
        assert_eq!(text, "---\njid: 17\ntag: null\ncommand: \"a: 'b' #\\n\u{fffd}\"\n");
    }

    #[test]
    fn what_the_kernel_does_not_take_is_left_out() {
        let mut all = Variables(Vec::new());
        all.set("LONG", vec![b'x'; LONGEST_ENTRY]);
        all.set("SHORT", b"a\0b");
        assert_eq!(all.0, [ByteString::from("SHORT=ab")]);
    }

    #[test]
    fn times_are_rqs() {
        let text = rq_time(1_700_000_000_000_001);
        assert_eq!((text.len(), &text[19..]), (26, ".000001"), "{text}");
    }
}
