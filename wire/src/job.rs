//! The description of a job: what to run and with what surroundings.
//!
//! [`Job::digest`] is the leaf of the hash tree that a warrant signs. Fields that may be
//! changed later without the owner (priority, hold, tags, mail) do not belong in it.

use serde::{Deserialize, Serialize};

use crate::ByteString;
use crate::batch::Batch;
pub use crate::limits::{TimeLimit, Warn};
use crate::needs::Needs;

/// What to run and with what surroundings. All of it is covered by the warrant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// The command and its arguments; never empty, passed without a shell.
    pub argv: Vec<ByteString>,
    /// The environment as `NAME=VALUE` entries. A secret: never in listings or logs.
    pub environment: Vec<ByteString>,
    /// The working directory, absolute.
    pub directory: ByteString,
    /// The file mode creation mask, 0 to 0o777.
    pub umask: u32,
    /// The nice value, -20 to 19; a host may refuse to go below its own.
    pub nice: i32,
    /// Soft resource limits by name (`nofile`, `stack`, ...); a missing name is left alone.
    pub limits: Vec<Limit>,
    /// Signals that the caller ignores, by name without `SIG` (`HUP`, `RTMIN+3`).
    pub ignored_signals: Vec<String>,
    /// What the job's descriptors 0, 1 and 2 are connected to.
    pub descriptors: [Descriptor; 3],
    /// The queue, such as `now`.
    pub queue: String,
    /// Hosts that may run it; empty means any.
    #[serde(default)]
    pub hosts: Vec<String>,
    /// The home: the host whose daemon took the job.
    pub home: String,
    /// The key the client made for this submission, so that repeating it is recognised.
    pub submit_key: String,
    /// A file on the job's host, absolute, that gets a copy of all it writes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tee: Option<ByteString>,
    /// So many bytes of each output pipe are put aside on the job's host while nobody takes them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spill: Option<u64>,
    /// What it needs of its host; none: as the queue says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub needs: Option<Needs>,
    /// How long it may run; none: as its queue says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<TimeLimit>,
    /// How many bytes of memory it may have, all of its processes together; none: as its queue says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<u64>,
    /// What makes it a batch job; a session has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch: Option<Batch>,
}

/// One soft resource limit in the unit of setrlimit(2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limit {
    /// Lower-case name without `RLIMIT_`.
    pub name: String,
    /// The soft limit; `None` is unlimited.
    pub soft: Option<u64>,
}

/// What one of the job's standard descriptors is connected to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Descriptor {
    /// The job's controlling terminal.
    Pty,
    /// A pipe whose other end the runner holds.
    Pipe,
    /// The client's own descriptor, handed over on the same host.
    Client,
}

impl Job {
    /// Whether the job gets a controlling terminal.
    pub fn has_terminal(&self) -> bool {
        self.descriptors.contains(&Descriptor::Pty)
    }

    /// The command as a shell would read it, cut to what a line shows.
    pub fn command_line(&self) -> String {
        command_line(&self.argv)
    }

    /// SHA-256 over a fixed encoding of all fields: each is preceded by its length (or count)
    /// as eight bytes, big end first, in the order of the declaration. For the environment stands
    /// its own hash.
    pub fn digest(&self) -> [u8; 32] {
        self.digest_with(&self.environment_digest())
    }

    /// The part of the digest that many jobs have in common and that takes the longest.
    pub fn environment_digest(&self) -> [u8; 32] {
        let mut hash = FieldHash(ring::digest::Context::new(&ring::digest::SHA256));
        hash.list(self.environment.iter().map(|entry| entry.0.as_slice()));
        hash.finish()
    }

    /// The digest, where that of the environment is known already.
    pub fn digest_with(&self, environment: &[u8; 32]) -> [u8; 32] {
        let mut hash = FieldHash(ring::digest::Context::new(&ring::digest::SHA256));
        hash.bytes(b"queue job 2");
        hash.list(self.argv.iter().map(|argument| argument.0.as_slice()));
        hash.bytes(environment);
        hash.bytes(&self.directory.0);
        hash.number(u64::from(self.umask));
        hash.bytes(&self.nice.to_be_bytes());
        hash.number(self.limits.len() as u64);
        for limit in &self.limits {
            hash.bytes(limit.name.as_bytes());
            match limit.soft {
                Some(soft) => hash.bytes(&soft.to_be_bytes()),
                None => hash.bytes(b""),
            }
        }
        hash.list(self.ignored_signals.iter().map(String::as_bytes));
        for descriptor in self.descriptors {
            hash.bytes(match descriptor {
                Descriptor::Pty => b"pty",
                Descriptor::Pipe => b"pipe",
                Descriptor::Client => b"client",
            });
        }
        hash.bytes(self.queue.as_bytes());
        hash.list(self.hosts.iter().map(String::as_bytes));
        hash.bytes(self.home.as_bytes());
        hash.bytes(self.submit_key.as_bytes());
        // Later fields have names, and leave the digest as it was where they are absent.
        if let Some(tee) = &self.tee {
            hash.bytes(b"tee");
            hash.bytes(&tee.0);
        }
        if let Some(spill) = self.spill {
            hash.bytes(b"spill");
            hash.number(spill);
        }
        if let Some(time) = &self.time {
            hash.bytes(b"time");
            hash.time(time);
        }
        if let Some(memory) = self.memory {
            hash.bytes(b"memory");
            hash.number(memory);
        }
        if let Some(batch) = &self.batch {
            hash.bytes(b"batch");
            hash.batch(batch);
        }
        if let Some(needs) = &self.needs {
            hash.bytes(b"needs");
            hash.number(needs.cpus.map_or(0, |cpus| u64::from(cpus) + 1));
            let named = needs.named.iter().map(ToString::to_string).collect::<Vec<_>>();
            hash.list(named.iter().map(String::as_bytes));
        }
        hash.finish()
    }
}

/// A command as a shell would read it, cut to what a line shows.
pub fn command_line(argv: &[ByteString]) -> String {
    let mut line = String::new();
    for argument in argv {
        if line.len() > LONGEST_LINE {
            break;
        }
        if !line.is_empty() {
            line.push(' ');
        }
        let text = argument.display();
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"%+,-./:=@_".contains(&byte);
        if !text.is_empty() && text.bytes().all(plain) {
            line.push_str(&text);
        } else {
            line.push_str(&format!("'{}'", text.replace('\'', "'\\''")));
        }
    }
    if line.len() > LONGEST_LINE {
        line.truncate(line.floor_char_boundary(LONGEST_LINE));
        line.push('…');
    }
    line
}

/// Bytes of a command that are shown.
const LONGEST_LINE: usize = 200;

struct FieldHash(ring::digest::Context);

impl FieldHash {
    fn number(&mut self, number: u64) {
        self.0.update(&number.to_be_bytes());
    }

    fn bytes(&mut self, bytes: &[u8]) {
        self.number(bytes.len() as u64);
        self.0.update(bytes);
    }

    fn time(&mut self, time: &TimeLimit) {
        self.number(time.seconds);
        self.number(u64::from(time.warn.is_some()));
        if let Some(Warn { signal, before_s }) = &time.warn {
            self.bytes(signal.as_bytes());
            self.number(*before_s);
        }
        self.number(u64::from(time.grace_s.is_some()));
        self.number(time.grace_s.unwrap_or(0));
    }

    fn batch(&mut self, batch: &Batch) {
        self.number(u64::from(batch.restartable));
        self.number(u64::from(batch.retries));
        self.number(u64::from(batch.backoff_s));
        for content in [&batch.stdin, &batch.data] {
            self.bytes(content.as_ref().map_or(b"", |content| content.sha256.as_bytes()));
        }
        for file in [&batch.stdout, &batch.stderr] {
            self.bytes(file.as_ref().map_or(b"", |file| &file.0));
        }
        self.number(batch.variants.len() as u64);
        for variant in &batch.variants {
            self.bytes(variant.os.as_bytes());
            self.bytes(variant.arch.as_bytes());
            self.list(variant.argv.iter().map(|argument| argument.0.as_slice()));
        }
        self.number(u64::from(batch.rq_variables));
        // As above: later fields have names.
        if let Some(notify) = &batch.notify {
            self.bytes(b"notify");
            self.bytes(&notify.0);
        }
        if let Some(array) = &batch.array {
            self.bytes(b"array");
            for number in [array.first, array.last, array.step, array.at_most.unwrap_or(0)] {
                self.number(number);
            }
        }
    }

    fn finish(self) -> [u8; 32] {
        self.0.finish().as_ref().try_into().expect("SHA-256 has 32 bytes")
    }

    fn list<'a>(&mut self, entries: impl ExactSizeIterator<Item = &'a [u8]>) {
        self.number(entries.len() as u64);
        for entry in entries {
            self.bytes(entry);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::{Content, Variant};
    use crate::needs::Need;

    fn job() -> Job {
        Job {
            argv: vec!["printf".into(), "%s".into()],
            environment: vec!["HOME=/".into()],
            directory: "/tmp".into(),
            umask: 0o22,
            nice: 0,
            limits: vec![Limit { name: "nofile".into(), soft: Some(1024) }],
            ignored_signals: vec!["HUP".into()],
            descriptors: [Descriptor::Pty; 3],
            queue: "now".into(),
            hosts: vec![],
            home: "redfish".into(),
            submit_key: "k".into(),
            tee: None,
            spill: None,
            needs: None,
            time: None,
            memory: None,
            batch: None,
        }
    }

    #[test]
    fn a_command_is_shown_as_a_shell_would_read_it() {
        let line = |argv: &[&str]| Job { argv: argv.iter().map(|one| (*one).into()).collect(), ..job() }.command_line();
        assert_eq!(line(&["make", "-j8", "CFLAGS=-O2"]), "make -j8 CFLAGS=-O2");
        assert_eq!(line(&["echo", "two words", "", "it's"]), "echo 'two words' '' 'it'\\''s'");
        assert_eq!(line(&["x", &"y".repeat(500)]).chars().count(), LONGEST_LINE + 1);
    }

    #[test]
    fn every_hashed_field_changes_the_digest() {
        let batch = |job: &mut Job, change: fn(&mut Batch)| change(job.batch.get_or_insert_default());
        let content = || Some(Content { sha256: "0".into(), bytes: 1 });
        let time = |warn, grace_s| Some(TimeLimit { seconds: 60, warn, grace_s });
        let warn = |signal: &str, before_s| Some(Warn { signal: signal.into(), before_s });
        let changes: [&dyn Fn(&mut Job); 38] = [
            &|job: &mut Job| job.argv = vec!["printf%s".into()],
            &|job: &mut Job| job.environment.push("A=".into()),
            &|job: &mut Job| job.directory = "/".into(),
            &|job: &mut Job| job.umask = 0o77,
            &|job: &mut Job| job.nice = 1,
            &|job: &mut Job| job.limits[0].soft = None,
            &|job: &mut Job| job.limits.clear(),
            &|job: &mut Job| job.ignored_signals.clear(),
            &|job: &mut Job| job.descriptors[2] = Descriptor::Pipe,
            &|job: &mut Job| job.queue = "wait".into(),
            &|job: &mut Job| job.hosts.push("gold".into()),
            &|job: &mut Job| job.home = "bluefish".into(),
            &|job: &mut Job| job.submit_key = "l".into(),
            &|job: &mut Job| job.tee = Some("/log".into()),
            &|job: &mut Job| job.spill = Some(1 << 30),
            &|job: &mut Job| job.needs = Some(Needs::default()),
            &|job: &mut Job| job.needs = Some(Needs { cpus: Some(2), named: vec![] }),
            &|job: &mut Job| job.needs = Some(Needs { cpus: None, named: Need::parse("gpu=1").into_iter().collect() }),
            &|job: &mut Job| job.time = time(None, None),
            &|job: &mut Job| job.time = Some(TimeLimit { seconds: 61, warn: None, grace_s: None }),
            &|job: &mut Job| job.time = time(warn("USR1", 5), None),
            &|job: &mut Job| job.time = time(warn("USR2", 5), None),
            &|job: &mut Job| job.time = time(warn("USR1", 6), None),
            &|job: &mut Job| job.time = time(None, Some(0)),
            &|job: &mut Job| job.memory = Some(1 << 30),
            &|job: &mut Job| job.batch = Some(Batch::default()),
            &|job: &mut Job| batch(job, |batch| batch.restartable = true),
            &|job: &mut Job| batch(job, |batch| batch.retries = 1),
            &|job: &mut Job| batch(job, |batch| batch.backoff_s = 1),
            &|job: &mut Job| job.batch = Some(Batch { stdin: content(), ..Batch::default() }),
            &|job: &mut Job| job.batch = Some(Batch { data: content(), ..Batch::default() }),
            &|job: &mut Job| batch(job, |batch| batch.stdout = Some("o".into())),
            &|job: &mut Job| batch(job, |batch| batch.stderr = Some("o".into())),
            &|job: &mut Job| {
                batch(job, |batch| batch.variants.push(Variant { os: "a".into(), arch: "b".into(), argv: vec![] }))
            },
            &|job: &mut Job| batch(job, |batch| batch.rq_variables = true),
            &|job: &mut Job| batch(job, |batch| batch.notify = Some("true".into())),
            &|job: &mut Job| batch(job, |batch| batch.array = "1-9".parse().ok()),
            &|job: &mut Job| batch(job, |batch| batch.array = "1-9%2".parse().ok()),
        ];
        let mut seen = std::collections::BTreeSet::from([job().digest()]);
        for change in changes {
            let mut changed = job();
            change(&mut changed);
            assert!(seen.insert(changed.digest()), "two different jobs with one digest: {changed:?}");
        }
    }

    #[test]
    fn what_was_signed_before_a_field_came_reads_and_is_still_signed() {
        let old = r#"{"restartable":true,"retries":0,"backoff_s":0,"stdin":null,"data":null,"stdout":null,
            "stderr":null,"variants":[],"rq_variables":false}"#;
        let batch: Batch = serde_json::from_str(old).expect("an older job");
        assert_eq!(batch, Batch { restartable: true, ..Batch::default() });
        let digest = Job { batch: Some(batch), ..job() }.digest();
        let hexadecimal = digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        assert_eq!(hexadecimal, "d0ff002663c2233f6b325cb42089e6eaefd166a575a1fec15b446007251b2ab7");
    }
}
