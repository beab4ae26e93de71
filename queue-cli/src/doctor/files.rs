//! What the files of jobs and the spool say of each other. The layout is the runner's: `HOME/ID÷1000/ID.ATTEMPT`,
//! and `content/` with what was put there before a submission.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use wire::api::JobName;
use wire::batch::{JobRow, ListAnswer, ListRequest, Select};
use wire::keeping::Finding;

use crate::daemon::Daemon;
use crate::failure::Failure;

/// The user's part of a spool.
pub struct Spool<'a> {
    /// Who knows the jobs.
    pub daemon: &'a Daemon,
    /// The directory of their files.
    pub directory: &'a Path,
    /// Their home.
    pub host: &'a str,
}

impl Spool<'_> {
    /// Files whose jobs nobody knows.
    pub fn without_jobs(&self) -> Result<Finding, Failure> {
        let here = self.directory.join(self.host);
        let found = attempts(&here, SystemTime::now(), SETTLED);
        let mut unknown = BTreeMap::new();
        let ids = found.keys().copied().collect::<Vec<_>>();
        for some in ids.chunks(AT_ONCE) {
            let mut open = some.iter().copied().collect::<BTreeSet<_>>();
            let jobs = some.iter().map(|id| JobName { id: *id, home: None }).collect();
            let request = ListRequest { select: Select { jobs, ..Select::default() }, ..ListRequest::default() };
            self.each(request, |row| {
                open.remove(&row.id);
            })?;
            for id in open {
                // Those of a job that was deleted meanwhile are gone by now, or soon.
                if let Some(path) = found.get(&id).filter(|path| path.exists()) {
                    unknown.insert(id, path.clone());
                }
            }
        }
        Ok(orphans(&here, &unknown, found.len()))
    }

    /// Jobs whose output ought to be here and is not.
    pub fn without_files(&self) -> Result<Finding, Failure> {
        let mut missing = Vec::new();
        let mut looked = 0_usize;
        let query = Some(format!("state=finished ended>{RECENT}"));
        let request = ListRequest { select: Select { query, ..Select::default() }, ..ListRequest::default() };
        self.each(request, |row| {
            looked += 1;
            if is_missing(row, self.directory) {
                missing.push(row.id);
            }
        })?;
        Ok(lost(&missing, looked))
    }

    fn each(&self, mut request: ListRequest, mut see: impl FnMut(&JobRow)) -> Result<(), Failure> {
        for _ in 0..MOST_PAGES {
            let page: ListAnswer = crate::batch::ask(self.daemon, "/v1/jobs/list", &request)?;
            page.jobs.iter().for_each(&mut see);
            match page.more {
                Some(after) => request.after = after,
                None => break,
            }
        }
        Ok(())
    }
}

/// The jobs that have a directory which was not touched for a while.
fn attempts(home: &Path, now: SystemTime, settled: Duration) -> BTreeMap<u64, PathBuf> {
    let entries = |path: &Path| fs::read_dir(path).into_iter().flatten().flatten();
    let mut found = BTreeMap::new();
    for thousand in entries(home) {
        for attempt in entries(&thousand.path()) {
            let name = attempt.file_name();
            let id = name.to_str().and_then(|name| name.split('.').next()).and_then(|id| id.parse::<u64>().ok());
            let touched = attempt.metadata().and_then(|found| found.modified()).ok();
            let age = touched.and_then(|touched| now.duration_since(touched).ok());
            if let Some(id) = id.filter(|_| age.is_some_and(|age| age >= settled)) {
                found.insert(id, attempt.path());
            }
        }
    }
    found
}

fn orphans(here: &Path, unknown: &BTreeMap<u64, PathBuf>, looked: usize) -> Finding {
    let Some((first, path)) = unknown.iter().next() else {
        return Finding::fine(
            "files of jobs",
            format!("whatever has files is in the spool: {}", counted(looked, "job")),
        );
    };
    let is_one = unknown.len() == 1;
    let whose = if is_one { format!("job {first}") } else { format!("{} jobs", unknown.len()) };
    Finding::fault(
        "files of jobs",
        format!(
            "{} has files of {whose} that the spool does not know (deleted, or moved by queue rotate)",
            here.display()
        ),
        format!("remove what nobody needs{}: {}", if is_one { "" } else { ", such as" }, path.display()),
    )
}

/// Whether the kept output of a job that finished is not where it ought to be.
fn is_missing(row: &JobRow, directory: &Path) -> bool {
    let path = Path::new(row.stdout.as_os_str());
    let is_kept = path.starts_with(directory) && row.detail.is_empty();
    is_kept && fs::symlink_metadata(path).is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
}

fn lost(missing: &[u64], looked: usize) -> Finding {
    let Some(first) = missing.first() else {
        return Finding::fine("output", format!("whatever finished lately has its own: {}", counted(looked, "job")));
    };
    let what = match missing.len() {
        1 => format!("that of job {first} is gone"),
        more => format!("that of {more} jobs is gone, the first is {first}"),
    };
    Finding::fault("output", what, format!("if it was not removed on purpose: restore it, or queue resubmit {first}"))
}

/// What was being put into the spool when its client died.
pub fn parts(content: &Path) -> Finding {
    let names = fs::read_dir(content).into_iter().flatten().flatten();
    let left = names.filter_map(|entry| {
        let name = entry.file_name();
        let process = name.to_str()?.strip_prefix("part-")?.split('-').next()?.parse::<u32>().ok()?;
        let is_over = !Path::new("/proc").join(process.to_string()).exists();
        is_over.then(|| entry.path())
    });
    let mut left = left.collect::<Vec<_>>();
    left.sort();
    match left.first() {
        None => Finding::fine("unfinished files", "there are none"),
        Some(_) => Finding::fault(
            "unfinished files",
            format!("{} has {} that a client did not finish", content.display(), counted(left.len(), "file")),
            format!(
                "rm {}",
                left.iter().take(MOST_NAMED).map(|path| path.display().to_string()).collect::<Vec<_>>().join(" ")
            ),
        ),
    }
}

/// `1 file`, `2 files`.
fn counted(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

/// The daemon did not say enough.
pub fn unknown(failure: &Failure) -> Finding {
    Finding::fault("jobs", format!("they cannot be looked at: {}", failure.message), "try again in a moment")
}

/// Jobs that are asked for at once.
const AT_ONCE: usize = 1000;
/// Of the list of jobs.
const MOST_PAGES: usize = 200;
/// Files of a job that is being deleted go after it.
const SETTLED: Duration = Duration::from_secs(600);
/// Older jobs are not looked at one by one.
const RECENT: &str = "7d";
/// Files in one line.
const MOST_NAMED: usize = 5;

#[cfg(test)]
mod tests {
    use super::*;

    struct Directory(PathBuf);

    impl Directory {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("queue-doctor-{name}-{}", std::process::id()));
            fs::create_dir_all(&path).expect("temp is writable");
            Self(path)
        }
    }

    impl Drop for Directory {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn files_without_a_job_are_found_when_they_have_been_there_for_a_while() {
        let directory = Directory::new("orphans");
        let home = directory.0.join("redfish");
        for path in ["0/17.1", "0/17.2", "1/1003.1.new", "0/notes"] {
            fs::create_dir_all(home.join(path)).expect("writable");
        }
        let now = SystemTime::now();
        assert_eq!(attempts(&home, now, SETTLED).len(), 0, "they are fresh");
        let found = attempts(&home, now + SETTLED * 2, SETTLED);
        assert_eq!(found.keys().copied().collect::<Vec<_>>(), [17, 1003]);
        let finding = orphans(&home, &found, 2);
        assert!(finding.what.contains("files of 2 jobs that the spool does not know"), "{}", finding.what);
        assert!(finding.cure.is_some_and(|cure| cure.contains("/0/17.")));
        assert!(!orphans(&home, &BTreeMap::new(), 2).is_fault());
        assert_eq!(attempts(&directory.0.join("nobody"), now, Duration::ZERO).len(), 0);
    }

    #[test]
    fn a_job_without_its_output_is_found_unless_it_is_elsewhere_or_known_to_be_lost() {
        let directory = Directory::new("output");
        let path = directory.0.join("redfish/0/17.1/stdout");
        let row = JobRow { id: 17, stdout: path.clone().into_os_string().into(), ..JobRow::default() };
        assert!(is_missing(&row, &directory.0));
        assert!(!is_missing(&JobRow { detail: "its output is lost".into(), ..row.clone() }, &directory.0));
        assert!(!is_missing(&JobRow { stdout: "/home/me/out".into(), ..row.clone() }, &directory.0));
        fs::create_dir_all(path.parent().expect("it has one")).and_then(|()| fs::write(&path, "")).expect("writable");
        assert!(!is_missing(&row, &directory.0));
        assert!(lost(&[17], 3).what.contains("job 17") && lost(&[17, 18], 3).what.contains("2 jobs"));
        assert!(!lost(&[], 3).is_fault());
    }

    #[test]
    fn what_a_dead_client_has_left_unfinished_is_found() {
        let directory = Directory::new("parts");
        assert!(!parts(&directory.0.join("nothing")).is_fault());
        fs::write(directory.0.join(format!("part-{}-x", std::process::id())), "").expect("writable");
        fs::write(directory.0.join("0123abcd"), "").expect("writable");
        assert!(!parts(&directory.0).is_fault(), "its client lives");
        // No process has this number: the kernel's largest is 4194304.
        fs::write(directory.0.join("part-4200000-x"), "").expect("writable");
        let finding = parts(&directory.0);
        assert!(finding.what.contains("has 1 file that"), "{}", finding.what);
        assert!(finding.cure.is_some_and(|cure| cure.ends_with("part-4200000-x")));
    }
}
