//! `qsh`: the same program under the name that callers of rsh and ssh expect.
//!
//! Options are read as ssh reads them, before and after HOST, up to the first word of the command.
//! What has no meaning here and harms nobody is taken; what would be missed is refused. The words of
//! the command go to the user's shell, joined, in the home directory.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use wire::api::{HostChoice, OnFull};

use super::{Invocation, Run, checked_host, checked_queue};
use crate::account;
use crate::environment::Wish;
use crate::failure::Failure;
use crate::modes::Pty;

/// Whether this program was called by the name `qsh`.
pub fn is_qsh(arguments: &[OsString]) -> bool {
    arguments.first().is_some_and(|name| Path::new(name).file_name() == Some(OsStr::new("qsh")))
}

/// What was said, before it is put together.
#[derive(Default)]
struct Said {
    host: Option<OsString>,
    user: Option<OsString>,
    command: Vec<OsString>,
    queue: Option<String>,
    pty: Option<Pty>,
    on_full: OnFull,
    null_input: bool,
    subsystem: bool,
    prints_host: bool,
    no_shell: bool,
    verbose: bool,
    directory: Option<PathBuf>,
    environment: Wish,
}

/// Reads the arguments behind the program's name.
pub fn parse(arguments: &[OsString]) -> Result<Invocation, Failure> {
    let mut said = Said::default();
    let mut words = arguments.iter();
    let mut options_end = false;
    while let Some(word) = words.next() {
        let bytes = word.as_bytes();
        if word == "--" && !options_end {
            // Before HOST, which may then begin with a dash, or between HOST and the command.
            options_end = true;
        } else if bytes.starts_with(b"--") && !options_end {
            if let Some(text) = said.long(word, &mut words)? {
                return Ok(Invocation::Print(text));
            }
        } else if bytes.len() > 1 && bytes[0] == b'-' && !options_end {
            said.cluster(&bytes[1..], &mut words)?;
        } else if said.host.is_none() {
            said.take_host(word);
            options_end = false;
        } else {
            said.command.push(word.clone());
            said.command.extend(words.by_ref().cloned());
        }
    }
    said.invocation()
}

impl Said {
    /// Letters behind one dash.
    fn cluster<'a>(&mut self, letters: &[u8], words: &mut impl Iterator<Item = &'a OsString>) -> Result<(), Failure> {
        for (at, letter) in letters.iter().enumerate() {
            let mut value = || match &letters[at + 1..] {
                [] => words.next().cloned().ok_or_else(|| usage(format!("-{}: a value is missing", *letter as char))),
                rest => Ok(OsString::from_vec(rest.to_vec())),
            };
            match letter {
                b'n' => self.null_input = true,
                b's' => self.subsystem = true,
                b'G' => self.prints_host = true,
                b't' => self.pty = Some(Pty::Full),
                b'T' => self.pty = Some(Pty::None),
                // Also the letters of GNU Queue's qsh that ssh does not use otherwise.
                b'4' | b'6' | b'a' | b'A' | b'C' | b'g' | b'k' | b'K' | b'q' | b'v' | b'x' | b'X' | b'y' | b'Y' => {}
                b'd' => {
                    self.queue = Some(checked_queue(&text(value()?)?)?);
                    return Ok(());
                }
                b'l' => {
                    self.user = Some(value()?);
                    return Ok(());
                }
                b'b' | b'B' | b'c' | b'e' | b'E' | b'F' | b'i' | b'I' | b'j' | b'm' | b'o' | b'p' | b'P' | b'S' => {
                    value()?;
                    return Ok(());
                }
                b'W' | b'J' | b'L' | b'R' | b'D' | b'w' | b'f' | b'M' | b'N' | b'O' | b'Q' => {
                    return Err(usage(format!(
                        "-{}: qsh forwards no connections and keeps none; use ssh for that",
                        *letter as char
                    )));
                }
                _ => return Err(usage(format!("-{} is not an option (qsh --help)", letter.escape_ascii()))),
            }
        }
        Ok(())
    }

    /// A long option; the text of those that only print one.
    fn long<'a>(
        &mut self,
        word: &OsStr,
        words: &mut impl Iterator<Item = &'a OsString>,
    ) -> Result<Option<String>, Failure> {
        let bytes = word.as_bytes();
        let (name, given) = match bytes.iter().position(|byte| *byte == b'=') {
            Some(at) => (&bytes[..at], Some(OsString::from_vec(bytes[at + 1..].to_vec()))),
            None => (bytes, None),
        };
        let shown = String::from_utf8_lossy(name).into_owned();
        let mut value = || {
            given.clone().or_else(|| words.next().cloned()).ok_or_else(|| usage(format!("{shown}: a value is missing")))
        };
        match name {
            b"--help" => return Ok(Some(HELP.to_owned())),
            b"--version" => return Ok(Some(concat!("qsh ", env!("CARGO_PKG_VERSION"), "\n").to_owned())),
            b"--no-shell" => self.no_shell = true,
            b"--no-pty" => self.pty = Some(Pty::None),
            b"--half-pty" => self.pty = Some(Pty::Half),
            b"--full-pty" => self.pty = Some(Pty::Full),
            b"--verbose" => self.verbose = true,
            b"--username" => self.user = Some(value()?),
            b"--queuedir" | b"--spooldir" => self.queue = Some(checked_queue(&text(value()?)?)?),
            b"--chdir" => self.directory = Some(value()?.into()),
            b"--env" => self.environment.add(&value()?)?,
            b"--on-full" => {
                self.on_full = match value()?.as_bytes() {
                    b"wait" => OnFull::Wait,
                    b"fail" => OnFull::Fail,
                    b"local" => OnFull::Local,
                    _ => return Err(usage("--on-full: wait, fail or local is expected")),
                }
            }
            _ => return Err(usage(format!("{shown} is not an option (qsh --help)"))),
        }
        Ok(None)
    }

    /// `HOST` or `USER@HOST`.
    fn take_host(&mut self, word: &OsStr) {
        let bytes = word.as_bytes();
        match bytes.iter().rposition(|byte| *byte == b'@') {
            Some(at) => {
                self.user = Some(OsString::from_vec(bytes[..at].to_vec()));
                self.host = Some(OsString::from_vec(bytes[at + 1..].to_vec()));
            }
            None => self.host = Some(word.to_owned()),
        }
    }

    fn invocation(self) -> Result<Invocation, Failure> {
        let Some(host) = self.host else {
            return Err(usage("a host is missing; say: qsh HOST COMMAND (or + for the best host)"));
        };
        let host = text(host)?;
        let own = account::name();
        if let Some(user) = self.user
            && own.as_ref() != Some(&user)
        {
            let user = user.to_string_lossy();
            return Err(Failure::own(format!("{user}: a job runs as its owner, {}", own_words(own.as_deref()))));
        }
        if self.prints_host {
            let user = own.unwrap_or_default();
            return Ok(Invocation::Print(format!("hostname {host}\nuser {}\nport 22\n", user.to_string_lossy())));
        }
        let interactive = self.command.is_empty();
        let command = if self.subsystem {
            if self.command != ["sftp"] {
                return Err(Failure::own("-s: there is one subsystem, sftp"));
            }
            vec!["/bin/sh".into(), "-c".into(), SFTP_SERVER.into()]
        } else if interactive {
            vec![account::shell(), "-l".into()]
        } else if self.no_shell {
            self.command
        } else {
            vec![account::shell(), "-c".into(), self.command.join(OsStr::new(" "))]
        };
        Ok(Invocation::Run(Run {
            choice: if host == "+" { HostChoice::Any } else { HostChoice::Only(checked_host(&host)?) },
            queue: self.queue.unwrap_or_else(|| "now".to_owned()),
            pty: self.pty.unwrap_or(if interactive { Pty::AsNeeded } else { Pty::None }),
            on_full: self.on_full,
            verbose: self.verbose,
            tee: None,
            spill: None,
            needs: None,
            time: None,
            memory: None,
            directory: Some(self.directory.unwrap_or_else(|| account::home().into())),
            environment: self.environment.naming_user(),
            null_input: self.null_input,
            drains: true,
            command,
        }))
    }
}

fn usage(message: impl Into<String>) -> Failure {
    Failure::usage(message)
}

fn text(word: OsString) -> Result<String, Failure> {
    word.into_string().map_err(|word| usage(format!("{} is not text", word.to_string_lossy())))
}

fn own_words(own: Option<&OsStr>) -> String {
    own.map_or_else(|| "whose name is not known here".to_owned(), |own| format!("here {}", own.to_string_lossy()))
}

/// sshd's own file transfer, where distributions put it.
const SFTP_SERVER: &str = "for d in /usr/lib/openssh /usr/libexec/openssh /usr/lib/ssh /usr/libexec; do \
    [ -x $d/sftp-server ] && exec $d/sftp-server; done; echo 'qsh: no sftp-server on this host' >&2; exit 127";

const HELP: &str = "\
Run a command on another host, or the best one, as rsh and ssh do

Usage: qsh [OPTIONS] [USER@]HOST [COMMAND...]

HOST is a name that `queue hosts` shows; + is the best one. The words of COMMAND go to
your shell there, in your home directory; without any you get a login shell.

Options:
  -n                   Standard input is the null device
  -t                   A terminal for the command
  -d, --queuedir QUEUE Use this queue
  -s                   The command is a subsystem: sftp
  -G                   Print what HOST means and exit
  -l, --username USER  Must be yourself
      --no-shell       Run COMMAND itself; no shell is between
      --half-pty       A terminal for input only
      --chdir DIR      Run it in this directory
      --env WHAT       Environment: copy (default), login or clean; or NAME=VALUE
      --on-full WHAT   No slot free: wait (default), fail or local
      --verbose        Say on which host it runs, and why
      --help           This text
      --version        Version

ssh's other options are taken and mean nothing here; -D -J -L -R -W are refused.
Exit status: the command's own, or death by its signal; 255 qsh itself failed.
";

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Invocation, Failure> {
        parse(&line.split(' ').map(OsString::from).collect::<Vec<_>>())
    }

    fn run_of(line: &str) -> Run {
        match parsed(line) {
            Ok(Invocation::Run(run)) => run,
            other => panic!("{line}: {other:?}"),
        }
    }

    /// What the shell is given.
    fn line_of(line: &str) -> String {
        let run = run_of(line);
        assert_eq!(run.command[1], "-c", "{line}");
        run.command[2].to_string_lossy().into_owned()
    }

    #[test]
    fn callers_of_ssh_are_understood() {
        let own = account::name().expect("this user has a name").into_string().expect("text");
        for (line, command) in [
            ("bluefish rsync --server -e.LsfxC . /there", "rsync --server -e.LsfxC . /there"),
            (&format!("-l {own} bluefish rsync --server"), "rsync --server"),
            (&format!("bluefish -l {own} ls"), "ls"),
            (&format!("{own}@bluefish ls -l"), "ls -l"),
            ("-x -o ForwardAgent=no -oPermitLocalCommand=no -o RemoteCommand=none bluefish -- tar c .", "tar c ."),
            ("-p 22 -4 bluefish git-upload-pack '/repository'", "git-upload-pack '/repository'"),
            ("-o SendEnv=GIT_PROTOCOL bluefish x", "x"),
            ("-tt -F /dev/null bluefish tmux a", "tmux a"),
            ("-- bluefish ls", "ls"),
            ("bluefish exec --no-shell -n", "exec --no-shell -n"),
        ] {
            assert_eq!(line_of(line), command, "{line}");
            assert_eq!(run_of(line).choice, HostChoice::Only("bluefish".to_owned()));
        }
        assert_eq!(run_of("+ ls").choice, HostChoice::Any);
    }

    #[test]
    fn subsystems_stand_after_the_host() {
        for line in ["-s bluefish sftp", "bluefish -s sftp", "-x -a bluefish -s sftp", "-oPort=22 -s -- bluefish sftp"]
        {
            assert!(line_of(line).contains("sftp-server"), "{line}");
        }
        assert!(parsed("bluefish -s netconf").is_err_and(|failure| failure.message.contains("one subsystem")));
    }

    #[test]
    fn what_would_be_missed_is_refused() {
        for (line, words) in [
            ("-J gate bluefish ls", "-J: qsh forwards no connections"),
            ("-W a:22 bluefish", "-W: qsh forwards"),
            ("-l nobody-here bluefish ls", "nobody-here: a job runs as its owner"),
            ("nobody-here@bluefish ls", "nobody-here: a job runs as its owner"),
            ("-z bluefish ls", "-z is not an option"),
            ("--bogus bluefish ls", "--bogus is not an option"),
            ("-n", "a host is missing"),
            ("-o", "-o: a value is missing"),
        ] {
            let message = parsed(line).expect_err(line).message;
            assert!(message.starts_with(words), "{line}: {message}");
        }
    }

    #[test]
    fn terminals_and_input_are_as_with_ssh() {
        assert_eq!(run_of("bluefish ls").pty, Pty::None);
        assert_eq!(run_of("-t bluefish top").pty, Pty::Full);
        let shell = run_of("bluefish");
        assert_eq!((shell.pty, shell.command[1].as_os_str()), (Pty::AsNeeded, OsStr::new("-l")));
        assert!(run_of("-n bluefish cat").null_input);
        assert_eq!(run_of("--no-shell bluefish echo a b").command, ["echo", "a", "b"]);
        assert!(
            matches!(parsed("-G bluefish"), Ok(Invocation::Print(text)) if text.starts_with("hostname bluefish\n"))
        );
    }
}
