//! `queue backup` and `queue rotate`: the daemon makes the file; here it gets its name.

use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Zoned;
use wire::keeping::{BackupAnswer, BackupRequest, RotateAnswer, RotateRequest};

use crate::daemon::Daemon;
use crate::failure::{Failure, words};
use crate::listing::print;

/// Copies the spool.
pub fn backup(path: Option<&Path>) -> Result<(), Failure> {
    let daemon = Daemon::of_user();
    let path = named(&daemon, path, "")?;
    let request = BackupRequest { path: path.clone().into_os_string().into() };
    let answer: BackupAnswer = super::jobs::ask_for(&daemon, "/v1/jobs/backup", &request, PATIENCE)?;
    print(format!("{}: {}\n", path.display(), size(answer.bytes)).as_bytes())
}

/// Moves what has ended into an archive.
pub fn rotate(path: Option<&Path>, prune: bool) -> Result<(), Failure> {
    let daemon = Daemon::of_user();
    let path = named(&daemon, path, "ended-")?;
    let request = RotateRequest { path: path.clone().into_os_string().into(), prune };
    let answer: RotateAnswer = super::jobs::ask_for(&daemon, "/v1/jobs/rotate", &request, PATIENCE)?;
    print(told(&path, answer.jobs, answer.sessions).as_bytes())
}

fn told(path: &Path, jobs: u64, sessions: u64) -> String {
    let what = |count, one: &str| match count {
        0 => None,
        1 => Some(format!("1 {one}")),
        _ => Some(format!("{count} {one}s")),
    };
    let moved = [what(jobs, "job"), what(sessions, "session")].into_iter().flatten().collect::<Vec<_>>();
    if moved.is_empty() {
        return "no job has ended whose report is not still owed: nothing to move\n".to_owned();
    }
    format!("{}: {}\n", path.display(), moved.join(", "))
}

/// The file that is meant, from the root on: the daemon has another working directory.
fn named(daemon: &Daemon, path: Option<&Path>, what: &str) -> Result<PathBuf, Failure> {
    let here = std::env::current_dir();
    let here = here.map_err(|error| Failure::own(format!("cannot find the working directory: {}", words(&error))))?;
    Ok(place(&here, path, &usual_name(&daemon.host(), what, &Zoned::now())))
}

/// In a directory the usual name, else the one that was said.
fn place(here: &Path, path: Option<&Path>, usual: &str) -> PathBuf {
    let path = here.join(path.unwrap_or(Path::new("")));
    if path.is_dir() { path.join(usual) } else { path }
}

fn usual_name(host: &str, what: &str, now: &Zoned) -> String {
    format!("queue-{host}-{what}{}.sqlite", now.strftime("%Y%m%dT%H%M%S"))
}

fn size(bytes: u64) -> String {
    match bytes {
        0..1_048_576 => format!("{} KiB", bytes.div_ceil(1024)),
        _ => format!("{:.1} MiB", bytes as f64 / 1_048_576.0),
    }
}

/// A spool may be large; a daemon that ends breaks the wait off.
const PATIENCE: Duration = Duration::from_secs(3600);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_a_name_is_called_after_host_and_time() {
        let now = "2026-11-22T14:16:30Z".parse::<jiff::Timestamp>().expect("a time").to_zoned(jiff::tz::TimeZone::UTC);
        let usual = usual_name("redfish", "", &now);
        assert_eq!(usual, "queue-redfish-20261122T141630.sqlite");
        assert_eq!(usual_name("redfish", "ended-", &now), "queue-redfish-ended-20261122T141630.sqlite");
        let here = std::env::temp_dir();
        assert_eq!(place(&here, None, &usual), here.join(&usual));
        assert_eq!(place(Path::new("/nowhere"), Some(&here), &usual), here.join(&usual), "a directory");
        assert_eq!(place(&here, Some(Path::new("no-such-thing")), &usual), here.join("no-such-thing"));
    }

    #[test]
    fn what_was_done_is_told_in_a_line() {
        assert_eq!(told(Path::new("/x"), 12, 0), "/x: 12 jobs\n");
        assert_eq!(told(Path::new("/x"), 1, 3), "/x: 1 job, 3 sessions\n");
        assert_eq!(told(Path::new("/x"), 0, 1), "/x: 1 session\n");
        assert!(told(Path::new("/x"), 0, 0).starts_with("no job has ended"));
        assert_eq!([size(1), size(4096), size(3 << 20)], ["1 KiB", "4 KiB", "3.0 MiB"]);
    }
}
