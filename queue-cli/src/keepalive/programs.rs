//! The programs that keep the daemon alive for us: `crontab` and `systemctl --user`.

use std::env;
use std::ffi::OsStr;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use crate::failure::{Failure, printable, words};

/// The program of this name in the directories of `path`.
pub fn find(path: &OsStr, name: &str) -> Option<PathBuf> {
    let can_run = |file: &PathBuf| {
        std::fs::metadata(file).is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
    };
    env::split_paths(path)
        .filter(|directory| directory.is_absolute())
        .map(|directory| directory.join(name))
        .find(can_run)
}

/// The user's crontab; empty if there is none.
///
/// Any other failure is an error: whoever takes it for an empty crontab loses the user's lines.
pub fn read_crontab(crontab: &Path) -> Result<Vec<u8>, Failure> {
    let output = run(crontab, &["-l"], None)?;
    match output.status.success() {
        true => Ok(output.stdout),
        false if has_none(&output.stderr) => Ok(Vec::new()),
        false => Err(refused(crontab, "-l", &output)),
    }
}

/// Puts another crontab in its place.
pub fn write_crontab(crontab: &Path, text: &[u8]) -> Result<(), Failure> {
    let output = run(crontab, &["-"], Some(text))?;
    if output.status.success() { Ok(()) } else { Err(refused(crontab, "-", &output)) }
}

/// Asks the user's service manager for something.
pub fn manage(systemctl: &Path, arguments: &[&str]) -> Result<(), Failure> {
    let arguments = [&["--user"], arguments].concat();
    let output = run(systemctl, &arguments, None)?;
    if output.status.success() { Ok(()) } else { Err(refused(systemctl, &arguments.join(" "), &output)) }
}

/// As the crons of Vixie, cronie, dcron and systemd-cron say it, and that of busybox.
fn has_none(stderr: &[u8]) -> bool {
    let said = String::from_utf8_lossy(stderr).to_lowercase();
    said.contains("no crontab for") || said.contains("can't open") && said.contains("no such file")
}

fn run(program: &Path, arguments: &[&str], input: Option<&[u8]>) -> Result<Output, Failure> {
    let failed = |error: io::Error| Failure::own(format!("cannot run {}: {}", program.display(), words(&error)));
    let mut child = Command::new(program)
        .args(arguments)
        // Its words are looked at.
        .env("LC_ALL", "C")
        .stdin(if input.is_some() { Stdio::piped() } else { Stdio::null() })
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    let sent = child.stdin.take().zip(input).map_or(Ok(()), |(mut stdin, input)| stdin.write_all(input));
    let output = child.wait_with_output().map_err(failed)?;
    match sent {
        // One that ends before it has read all says itself why.
        Err(error) if output.status.success() => Err(failed(error)),
        _ => Ok(output),
    }
}

fn refused(program: &Path, arguments: &str, output: &Output) -> Failure {
    let said = String::from_utf8_lossy(&output.stderr);
    let said = said.lines().map(str::trim).find(|line| !line.is_empty());
    let why = said.map_or_else(|| output.status.to_string(), printable);
    Failure::own(format!("{} {arguments}: {why}; nothing was changed by it", program.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_words_for_no_crontab_mean_an_empty_one() {
        assert!(has_none(b"no crontab for alice\n"));
        assert!(has_none(b"crontab: can't open 'alice': No such file or directory\n"));
        assert!(!has_none(b"You (alice) are not allowed to use this program (crontab)\n"));
        assert!(!has_none(b"crontab: can't open 'alice': Permission denied\n"));
        assert!(!has_none(b""));
    }

    #[test]
    fn programs_are_found_in_order_and_never_in_the_current_directory() {
        assert_eq!(find(OsStr::new("/nowhere:/bin:/usr/bin"), "sh"), Some("/bin/sh".into()));
        assert_eq!(find(OsStr::new(":.:bin"), "sh"), None);
        assert_eq!(find(OsStr::new("/etc"), "passwd"), None);
    }
}
