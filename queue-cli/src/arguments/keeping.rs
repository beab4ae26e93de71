//! The command line of what keeps a spool small and safe, and of the doctor.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::ValueParser;
use clap::{Arg, ArgAction, ArgMatches, Command};

use super::surface::plain;

/// A command of these.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Keeping {
    /// `queue backup`.
    Backup {
        /// The file, or a directory for it; none: the working directory.
        path: Option<PathBuf>,
    },
    /// `queue rotate`.
    Rotate {
        /// As for a backup.
        path: Option<PathBuf>,
        /// `--prune`.
        prune: bool,
    },
    /// `queue doctor`.
    Doctor {
        /// `--json`.
        json: bool,
        /// `--verbose`: what is fine too.
        verbose: bool,
    },
}

/// The commands.
pub fn commands() -> Vec<Command> {
    let flag = |name: &'static str| Arg::new(name).long(name).action(ArgAction::SetTrue);
    let path = || {
        let path = Arg::new("path").value_name("PATH").value_parser(ValueParser::os_string());
        path.help("A new file, or a directory for it")
    };
    vec![
        plain(Command::new("backup").about("Copy the spool of this host into a new file").arg(path())),
        plain(
            Command::new("rotate")
                .about("Move jobs that have ended out of the spool into an archive")
                .args([path(), flag("prune").help("Remove their kept output and data too")]),
        ),
        plain(
            Command::new("doctor")
                .about("Look for what is wrong, and say what to do about it")
                .args([flag("json").help("For programs"), flag("verbose").help("What is fine too")]),
        ),
    ]
}

/// `--archive` of commands that show jobs.
pub fn archive() -> Arg {
    let archive = Arg::new("archive").long("archive").value_name("FILE").num_args(1);
    archive.value_parser(ValueParser::os_string()).help("Out of this archive or copy of a spool")
}

/// What `--archive` says, of a command that may have it.
pub fn archive_of(matches: &ArgMatches) -> Option<PathBuf> {
    matches.try_get_one::<OsString>("archive").ok().flatten().map(PathBuf::from)
}

/// Reads one of these commands.
pub fn read_command(name: &str, matches: &ArgMatches) -> Option<Keeping> {
    let path = || matches.get_one::<OsString>("path").map(PathBuf::from);
    match name {
        "backup" => Some(Keeping::Backup { path: path() }),
        "rotate" => Some(Keeping::Rotate { path: path(), prune: matches.get_flag("prune") }),
        "doctor" => Some(Keeping::Doctor { json: matches.get_flag("json"), verbose: matches.get_flag("verbose") }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arguments::batch::JobCommand;
    use crate::arguments::{Invocation, parse};
    use crate::failure::Failure;

    fn parsed(line: &str) -> Result<Invocation, Failure> {
        parse(line.split(' ').map(OsString::from).collect())
    }

    #[test]
    fn copies_and_archives_have_a_path_or_none() {
        let keeping = |line| match parsed(line) {
            Ok(Invocation::Keeping(keeping)) => keeping,
            other => panic!("{line}: {other:?}"),
        };
        assert_eq!(keeping("queue backup"), Keeping::Backup { path: None });
        assert_eq!(keeping("queue backup /x/y"), Keeping::Backup { path: Some("/x/y".into()) });
        assert_eq!(keeping("queue rotate --prune old"), Keeping::Rotate { path: Some("old".into()), prune: true });
        assert_eq!(keeping("queue doctor --json"), Keeping::Doctor { json: true, verbose: false });
        assert!(parsed("queue backup one two").is_err());
        assert!(parsed("queue doctor 17").is_err());
    }

    #[test]
    fn only_what_shows_jobs_reads_archives() {
        let line = "queue list --archive old.sqlite failed";
        match parsed(line) {
            Ok(Invocation::Jobs(JobCommand::List { meant, .. })) => {
                assert_eq!((meant.archive, meant.query), (Some("old.sqlite".into()), Some("failed".into())));
            }
            other => panic!("{line}: {other:?}"),
        }
        for command in ["query", "show", "history"] {
            assert!(parsed(&format!("queue {command} --archive old.sqlite 17")).is_ok(), "{command}");
        }
        for command in ["delete", "cancel", "resubmit", "wait", "logs", "status"] {
            assert!(parsed(&format!("queue {command} --archive old.sqlite 17")).is_err(), "{command}");
        }
    }
}
