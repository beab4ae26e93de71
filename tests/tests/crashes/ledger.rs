//! What jobs have really done, written by themselves, and what that must be for the promises to hold.
//!
//! A job appends `HOME ID ATTEMPT start PID` and `... end PID`, each in one write. It holds a lock while anything of
//! it lives, and writes `overlap` when somebody else does.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use queue_tests::cluster::Cluster;
use queue_tests::process::{PATIENCE, Process};
use queue_tests::wait::until;
use serde_json::Value;

/// Jobs of one home, and what they do.
pub struct Ledger<'a> {
    cluster: &'a Cluster,
    home: &'a str,
    directory: PathBuf,
    /// All ids that were printed.
    printed: BTreeSet<u64>,
    /// Submissions of which nobody heard the ids.
    unheard: usize,
}

/// What may become of a job besides an end of its own.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum May {
    /// Nothing: it ends by itself.
    End,
    /// Its leader was killed, so it may be lost.
    BeLost,
    /// Somebody killed it.
    BeKilled,
}

impl<'a> Ledger<'a> {
    /// An empty one.
    pub fn new(cluster: &'a Cluster, home: &'a str) -> Self {
        let directory = cluster.shared();
        fs::write(directory.join("gate"), "").expect("it is ours");
        Self { cluster, home, directory, printed: BTreeSet::new(), unheard: 0 }
    }

    /// Jobs wait in their middle from now on.
    pub fn close_gate(&self) {
        // It may be closed already.
        let _ = fs::remove_file(self.directory.join("gate"));
    }

    /// They do not.
    pub fn open_gate(&self) {
        fs::write(self.directory.join("gate"), "").expect("it is ours");
    }

    /// Starts the submission of a job, with these options of `queue -r`.
    pub fn submit(&self, options: &[&str]) -> Process {
        let mut words = vec!["queue", "-r", "--parsable"];
        words.extend(options);
        let script = format!("L={}; {JOB}", self.directory.display());
        words.extend(["--", "sh", "-c", &script]);
        self.cluster.spawn(self.home, &words)
    }

    /// Waits for the answer to a submission; its id.
    pub fn id(&mut self, submission: Process) -> u64 {
        let id = submission.end().success().text().parse().expect("an id");
        assert!(self.printed.insert(id), "the id {id} was given twice");
        id
    }

    /// The answer to a submission is not heard: its client is killed.
    pub fn never_hear(&mut self, submission: Process) {
        for client in self.cluster.pids(self.home, "client") {
            self.cluster.signal(client, Signal::SIGKILL);
        }
        drop(submission);
        self.unheard += 1;
    }

    /// Waits until a job has said that it has started.
    pub fn until_started(&self, id: u64) {
        until(&format!("job {id} starts"), PATIENCE, || (self.lines(id, "start") > 0).then_some(()));
    }

    /// Waits until a job has said that it ends.
    pub fn until_over(&self, id: u64) {
        until(&format!("job {id} ends"), PATIENCE, || (self.lines(id, "end") > 0).then_some(()));
    }

    /// How often a job has said this.
    pub fn lines(&self, id: u64, word: &str) -> usize {
        self.entries().iter().filter(|entry| entry.id == id && entry.word == word).count()
    }

    /// Whether these have ended, as far as somebody tells.
    pub fn have_ended(&self, ids: &[u64]) -> bool {
        ids.iter().all(|id| matches!(self.state(*id).0.as_str(), "finished" | "dead" | "cancelled"))
    }

    /// Waits for the end of a job.
    pub fn until_ended(&self, id: u64) -> Value {
        self.until_all_ended(&[id]).remove(0)
    }

    /// Waits for the end of jobs, and checks every promise about them.
    pub fn check(&self, ids: &[u64], may: May) {
        for row in self.until_all_ended(ids) {
            self.check_one(&row, may);
        }
    }

    /// The spool has the jobs whose ids were printed, and no others.
    pub fn check_all_are_there(&self) {
        let rows = self.rows(&["list", "all", "--json"]).expect("the daemon answers");
        let there = rows.iter().filter_map(|row| row["id"].as_u64()).collect::<BTreeSet<_>>();
        assert!(there.is_superset(&self.printed), "printed {:?}, in the spool {there:?}", self.printed);
        assert_eq!(there.len(), self.printed.len() + self.unheard, "printed {:?}, there {there:?}", self.printed);
    }

    /// The state of a job, in a word, and its detail.
    pub fn state(&self, id: u64) -> (String, String) {
        let rows = self.rows(&["show", "--json", &id.to_string()]).unwrap_or_default();
        let text = |name: &str| rows.first().and_then(|row| row[name].as_str()).unwrap_or_default().to_owned();
        (text("state"), text("detail"))
    }

    fn until_all_ended(&self, ids: &[u64]) -> Vec<Value> {
        let names = ids.iter().map(u64::to_string).collect::<Vec<_>>();
        let mut words = vec!["show", "--json"];
        words.extend(names.iter().map(String::as_str));
        let deadline = Instant::now() + ENDS;
        until(&format!("the daemon tells how the jobs {ids:?} are"), ENDS + PATIENCE, || {
            // A daemon that dies at this moment is asked again.
            let rows = self.rows(&words)?;
            assert_eq!(rows.len(), ids.len(), "jobs are not in the spool: {ids:?}, {rows:?}");
            let ended = |row: &Value| matches!(row["state"].as_str(), Some("finished" | "dead" | "cancelled"));
            let open = rows.iter().filter(|row| !ended(row)).map(|row| self.why(row)).collect::<Vec<_>>();
            assert!(open.is_empty() || Instant::now() < deadline, "they have not ended in time: {open:?}");
            open.is_empty().then_some(rows)
        })
    }

    /// Why a job has not ended.
    fn why(&self, row: &Value) -> String {
        let id = row["id"].to_string();
        format!("{row}: {}", self.cluster.queue(self.home, &["why", &id]).text())
    }

    fn check_one(&self, row: &Value, may: May) {
        let id = row["id"].as_u64().expect("a row has an id");
        let entries = self.entries().into_iter().filter(|entry| entry.id == id).collect::<Vec<_>>();
        let with = |word: &str| entries.iter().filter(|entry| entry.word == word).collect::<Vec<_>>();
        let story = format!("{row}\n{entries:?}");
        assert!(with("overlap").is_empty(), "two attempts at the same time: {story}");
        let (starts, ends) = (with("start"), with("end"));
        let mut by_attempt = BTreeMap::<u64, usize>::new();
        starts.iter().for_each(|entry| *by_attempt.entry(entry.attempt).or_default() += 1);
        assert!(by_attempt.values().all(|count| *count == 1), "an attempt was started twice: {story}");
        if row["restartable"] == false {
            assert!(starts.len() <= 1, "it was started more than once: {story}");
        }
        let attempt = row["attempt"].as_u64().unwrap_or_default();
        match row["state"].as_str() {
            Some("finished") => {
                assert!(starts.iter().any(|entry| entry.attempt == attempt), "finished and never started: {story}");
                if may == May::BeKilled && row["signal"] == "KILL" {
                    return;
                }
                assert_eq!(row["exit"], 3, "{story}");
                assert!(ends.iter().any(|entry| entry.attempt == attempt), "finished without an end: {story}");
                let output = self.cluster.queue(self.home, &["logs", "--stdout", &id.to_string()]).success();
                let whole = (1..=400).map(|number| format!("{number}\n")).collect::<String>();
                assert_eq!(String::from_utf8_lossy(&output.stdout), whole, "its output is not whole: {story}");
            }
            Some("dead") => assert!(may == May::BeLost && row["detail"] == "lost host", "{story}"),
            _ => panic!("nobody cancelled it: {story}"),
        }
    }

    fn rows(&self, words: &[&str]) -> Option<Vec<Value>> {
        let answer = self.cluster.queue(self.home, words);
        (answer.code() == Some(0)).then(|| serde_json::from_slice(&answer.stdout).expect("JSON"))
    }

    fn entries(&self) -> Vec<Entry> {
        let text = fs::read_to_string(self.directory.join("ledger")).unwrap_or_default();
        let read = |line: &str| {
            let words = line.split(' ').collect::<Vec<_>>();
            let [home, id, attempt, word, _] = words[..] else { panic!("a line of the ledger is broken: {line}") };
            let number = |text: &str| text.parse().expect("numbers are written by the shell");
            (home == self.home).then(|| Entry { id: number(id), attempt: number(attempt), word: word.to_owned() })
        };
        text.lines().filter_map(read).collect()
    }
}

#[derive(Debug)]
struct Entry {
    id: u64,
    attempt: u64,
    word: String,
}

/// What every job does; the directory of the ledger is in `L`.
const JOB: &str = r#"
exec 9>>"$L/lock.$QUEUE_HOME_HOST.$QUEUE_JOB_ID"
log() { echo "$QUEUE_HOME_HOST $QUEUE_JOB_ID $QUEUE_ATTEMPT $1 $$" >>"$L/ledger"; }
flock -n 9 || log overlap
log start
seq 1 200
until [ -e "$L/gate" ]; do sleep 0.02; done
seq 201 400
log end
exit 3"#;
/// A home that is in doubt asks every two seconds, and a runner that misses its daemon waits before it starts one.
const ENDS: Duration = Duration::from_secs(40);
