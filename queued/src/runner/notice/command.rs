//! Running the owner's command at the end of a job.

use std::io::{BufRead, BufReader, Read, Write, pipe};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::channel;
use std::time::Duration;

use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::Pid;
use wire::ByteString;

use super::Errand;
use crate::core::reports::notice;

/// How long a command may take.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// Runs it in the job's directory and environment, with the text as its standard input. Only exit status 0 is
/// success; the sentence has the first line of what it wrote. At the end nothing of its process group is left.
pub fn run(errand: Errand, deadline: Duration) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("cannot run it: {error}");
    enter(&errand);
    nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(errand.umask));
    if let Some(soft) = errand.open_files {
        // It was possible when the job was submitted, and is no reason not to tell of its end.
        let _ = sys::limits::set_soft_limit("nofile", soft);
    }
    let (output, writer) = pipe().map_err(failed)?;
    let mut command = Command::new("/bin/sh");
    command.arg("-c").arg(errand.wish.as_os_str()).env_clear().process_group(0);
    command.stdin(Stdio::piped()).stdout(writer.try_clone().map_err(failed)?).stderr(writer);
    for (name, value) in errand.environment.iter().filter_map(split) {
        command.env(name.as_os_str(), value.as_os_str());
    }
    for (name, value) in notice::variables(&errand.row) {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    let mut child = command.spawn().map_err(failed)?;
    // It has copies of the writer.
    drop(command);
    let (pid, text) = (child.id() as i32, errand.text);
    if let Some(mut input) = child.stdin.take() {
        // One that does not read it is a command like any other.
        std::thread::spawn(move || input.write_all(text.as_bytes()));
    }
    let (tell_line, line) = channel();
    std::thread::spawn(move || {
        let (mut output, mut first) = (BufReader::new(output), Vec::new());
        let _ = (&mut output).take(LONGEST_LINE).read_until(b'\n', &mut first);
        let _ = tell_line.send(String::from_utf8_lossy(&first).trim_end().to_owned());
        let _ = std::io::copy(&mut output, &mut std::io::sink());
    });
    let (tell_end, ended) = channel();
    std::thread::spawn(move || {
        // Not reaped yet: its number stays its own until its group was killed.
        let waited = waitid(Id::Pid(Pid::from_raw(pid)), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT);
        let _ = tell_end.send(waited.is_ok());
    });
    let is_late = ended.recv_timeout(deadline).is_err();
    let _ = sys::process::signal_group(pid, nix::libc::SIGKILL);
    let status = child.wait().map_err(failed)?;
    if status.success() && !is_late {
        return Ok(());
    }
    let how = match (is_late, status.code(), status.signal()) {
        (true, ..) => format!("it took longer than {} s", deadline.as_secs()),
        (_, Some(code), _) => format!("exit {code}"),
        (_, _, signal) => format!("signal {}", sys::signal::name(signal.unwrap_or_default())),
    };
    // What left its group may hold the pipe open for ever.
    match line.recv_timeout(LAST_WORDS) {
        Ok(line) if !line.is_empty() => Err(format!("{how}: {line}")),
        _ => Err(how),
    }
}

/// Into the job's directory; its user's home where that is not here any more.
fn enter(errand: &Errand) {
    let home = errand.environment.iter().filter_map(split).find(|(name, _)| name.0 == b"HOME").map(|(_, home)| home);
    let account =
        sys::credentials::home_directory(sys::credentials::own_uid()).map(|path| path.into_os_string().into());
    let places = [Some(errand.directory.clone()), home, account, Some(ByteString::from("/"))];
    // The last is always there.
    let _ = places.iter().flatten().any(|place| std::env::set_current_dir(Path::new(place.as_os_str())).is_ok());
}

/// An entry of an environment; nothing where execve could not take it.
fn split(entry: &ByteString) -> Option<(ByteString, ByteString)> {
    let at = entry.0.iter().position(|byte| *byte == b'=').filter(|at| *at > 0 && !entry.0.contains(&0))?;
    Some((ByteString(entry.0[..at].to_vec()), ByteString(entry.0[at + 1..].to_vec())))
}

/// Bytes of the line that is kept.
const LONGEST_LINE: u64 = 500;
/// How long its output is waited for when it has ended.
const LAST_WORDS: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use wire::batch::JobRow;

    use super::*;

    fn tell(wish: &str, deadline: Duration) -> Result<(), String> {
        let row = JobRow { id: 17, state: "cancelled".into(), ..JobRow::default() };
        let errand = Errand {
            wish: wish.into(),
            environment: vec![
                "PATH=/usr/bin:/bin".into(),
                "QUEUE_EXIT=9".into(),
                "odd".into(),
                ByteString(b"A=\xff".into()),
            ],
            directory: std::env::current_dir().expect("there is one").into_os_string().into(),
            umask: 0o22,
            open_files: None,
            row,
            text: "report\n".repeat(100_000),
        };
        run(errand, deadline)
    }

    #[test]
    fn only_status_0_is_success_and_the_first_line_says_why_not() {
        assert_eq!(tell("true", DEADLINE), Ok(()), "it need not read");
        assert_eq!(tell("test $(wc -l) = 100000 && yes | head -c 1000000", DEADLINE), Ok(()));
        assert_eq!(tell("test \"$QUEUE_JOB_ID${QUEUE_EXIT-none}\" = 17none", DEADLINE), Ok(()));
        assert_eq!(tell("echo one >&2; echo two; exit 3", DEADLINE), Err("exit 3: one".into()));
        assert_eq!(tell("kill -9 $$", DEADLINE), Err("signal KILL".into()));
    }

    #[test]
    fn what_takes_too_long_is_killed_with_its_group() {
        let begun = Instant::now();
        let late = tell("echo slow; sleep 1000 & sleep 1000", Duration::from_millis(300));
        assert_eq!(late, Err("it took longer than 0 s: slow".into()));
        // The one in the background has gone too, or the pipe would be open.
        assert_eq!(tell("sleep 1000 & exit 1", DEADLINE), Err("exit 1".into()));
        assert!(begun.elapsed() < DEADLINE / 2);
    }
}
