//! What of the caller's environment the job gets: everything but the table below.
//!
//! The table names variables that speak of this login, this terminal emulator or this
//! host's sockets and would mislead a program elsewhere. It is the only place where they
//! are named; `queue(1)`, section ENVIRONMENT, prints it. The environment is a secret: it
//! goes into the job and nowhere else.
//!
//! `DISPLAY` and `XAUTHORITY` are kept. `DISPLAY=host:0` is good everywhere, and a local
//! `:0` is what a program on the own host needs; elsewhere it is refused there as it would
//! be without it. `TERM`, `COLORTERM` and `LANG` describe the person's terminal and are
//! kept because that is where the output goes.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};

use wire::ByteString;

use crate::account;
use crate::failure::Failure;

/// Variables that are not copied to the job: names, and with `*` at the end all names that
/// begin so.
pub const DENIED: &[&str] = &[
    // The shell's own.
    "_",
    "OLDPWD",
    "SHLVL",
    // An outer job of queue or rq.
    "QUEUE_*",
    "RQ_*",
    // Message bus and runtime directory.
    "DBUS_*",
    "GNOME_KEYRING_CONTROL",
    "PIPEWIRE_*",
    "PULSE_SERVER",
    "SESSION_MANAGER",
    "WAYLAND_DISPLAY",
    "WAYLAND_SOCKET",
    "XDG_RUNTIME_DIR",
    // Agents' sockets.
    "GPG_AGENT_INFO",
    "GPG_TTY",
    "SSH_AGENT_PID",
    "SSH_AUTH_SOCK",
    // Multiplexers and editors around us.
    "NVIM",
    "NVIM_LISTEN_ADDRESS",
    "STY",
    "TMUX",
    "TMUX_PANE",
    "VSCODE_*",
    "ZELLIJ*",
    // The terminal emulator's window.
    "ALACRITTY_*",
    "DESKTOP_STARTUP_ID",
    "GNOME_TERMINAL_*",
    "ITERM_SESSION_ID",
    "KITTY_*",
    "KONSOLE_DBUS_*",
    "TERM_SESSION_ID",
    "WEZTERM_*",
    "WINDOW",
    "WINDOWID",
    "XDG_ACTIVATION_TOKEN",
    // The login session.
    "SSH_CLIENT",
    "SSH_CONNECTION",
    "SSH_TTY",
    "XDG_SEAT*",
    "XDG_SESSION_*",
    "XDG_VTNR",
    // The service manager's descriptors.
    "INVOCATION_ID",
    "JOURNAL_STREAM",
    "LISTEN_FDNAMES",
    "LISTEN_FDS",
    "LISTEN_PID",
    "MANAGERPID",
    "NOTIFY_SOCKET",
    "SYSTEMD_EXEC_PID",
    "WATCHDOG_PID",
    "WATCHDOG_USEC",
];

/// Which environment a job is to have.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wish {
    base: Base,
    /// `NAME=VALUE`, which win over the base.
    set: Vec<OsString>,
    /// Whether who the user is is told also where the caller's environment does not.
    names_user: bool,
}

/// What a job's environment begins with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Base {
    /// The caller's, less the table.
    #[default]
    Copy,
    /// That of a login on the host where the job runs.
    Login,
    /// Nearly none.
    Clean,
}

impl Wish {
    /// Takes one `--env`.
    pub fn add(&mut self, wish: &OsStr) -> Result<(), Failure> {
        match wish.as_bytes() {
            b"copy" => self.base = Base::Copy,
            b"login" => self.base = Base::Login,
            b"clean" => self.base = Base::Clean,
            setting if setting.iter().position(|byte| *byte == b'=').is_some_and(|at| at > 0) => {
                self.set.push(wish.to_owned());
            }
            _ => {
                return Err(Failure::usage(format!(
                    "--env: copy, login, clean or NAME=VALUE is expected, not \"{}\"",
                    wish.to_string_lossy()
                )));
            }
        }
        Ok(())
    }

    /// The same, but who the user is is always told, as sshd(8) does.
    pub fn naming_user(self) -> Self {
        Self { names_user: true, ..self }
    }

    /// The environment, out of the caller's.
    pub fn fulfilled(&self, environment: impl Iterator<Item = (OsString, OsString)>) -> Vec<ByteString> {
        let mut entries = for_job(environment.filter(|(name, _)| match self.base {
            Base::Copy => true,
            Base::Login | Base::Clean => {
                let name = name.as_bytes();
                KEPT_WHEN_CLEAN.iter().any(|kept| kept.as_bytes() == name) || name.starts_with(b"LC_")
            }
        }));
        if self.base != Base::Copy {
            entries.push(ByteString(CLEAN_PATH.to_vec()));
        }
        if self.names_user || self.base == Base::Login {
            let told = account::variables().into_iter().map(|(name, value)| (name.into(), value));
            let missing = |(name, _): &(OsString, _)| !entries.iter().any(|entry| is_named(&entry.0, name.as_bytes()));
            let missing = for_job(told.filter(missing));
            entries.extend(missing);
        }
        for setting in &self.set {
            let setting = setting.as_bytes();
            let name = setting.split(|byte| *byte == b'=').next().unwrap_or_default();
            entries.retain(|entry| !is_named(&entry.0, name));
            entries.push(ByteString(setting.to_vec()));
        }
        entries
    }

    /// The command that finds itself in this environment: for a login the user's shell makes it.
    pub fn command(&self, command: &[OsString]) -> Vec<OsString> {
        if self.base != Base::Login {
            return command.to_vec();
        }
        let mut all: Vec<OsString> = vec![account::shell(), "-l".into(), "-c".into()];
        // What was set goes past the start-up files.
        let set = self.set.len();
        let settings = (1..=set).map(|number| format!("\"${{{number}}}\" ")).collect::<String>();
        let shift = format!("shift {set}; ");
        all.push(match set {
            0 => "exec \"$@\"".into(),
            _ => format!("export {settings}; {shift}exec \"$@\"").into(),
        });
        all.push("queue".into());
        all.extend(self.set.iter().cloned());
        all.extend(command.iter().cloned());
        all
    }
}

/// Whether an entry is the variable of this name.
fn is_named(entry: &[u8], name: &[u8]) -> bool {
    entry.strip_prefix(name).is_some_and(|rest| rest.starts_with(b"="))
}

/// Kept with `--env clean` and `--env login`: who this is, and what the terminal can show.
const KEPT_WHEN_CLEAN: &[&str] = &["COLORTERM", "HOME", "LANG", "LANGUAGE", "LOGNAME", "SHELL", "TERM", "TZ", "USER"];
/// What a login begins with.
const CLEAN_PATH: &[u8] = b"PATH=/usr/local/bin:/usr/bin:/bin";

/// The job's environment as `NAME=VALUE` entries, in the order of the caller's.
///
/// No length is checked here: the kernel has just let this very environment through
/// execve(2) under the limits that are copied with it, and the host checks it for its own.
pub fn for_job(environment: impl Iterator<Item = (OsString, OsString)>) -> Vec<ByteString> {
    environment
        .filter(|(name, _)| !is_denied(name))
        .map(|(name, value)| {
            let mut entry = name.into_vec();
            entry.push(b'=');
            entry.extend_from_slice(value.as_bytes());
            ByteString(entry)
        })
        .collect()
}

/// Whether the table names this variable.
pub fn is_denied(name: &OsStr) -> bool {
    let name = name.as_bytes();
    DENIED.iter().any(|pattern| match pattern.strip_suffix('*') {
        Some(beginning) => name.starts_with(beginning.as_bytes()),
        None => name == pattern.as_bytes(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(wishes: &[&str]) -> Vec<String> {
        let mut wish = Wish::default();
        wishes.iter().for_each(|one| wish.add(OsStr::new(one)).expect(one));
        let caller = [("HOME", "/h"), ("PATH", "/x"), ("A", "1"), ("LC_ALL", "C"), ("AB", "2")];
        let caller = caller.into_iter().map(|(name, value)| (OsString::from(name), OsString::from(value)));
        wish.fulfilled(caller).iter().map(|entry| String::from_utf8_lossy(&entry.0).into_owned()).collect()
    }

    #[test]
    fn an_environment_is_copied_or_clean_and_what_is_set_wins() {
        assert_eq!(entries(&[]), ["HOME=/h", "PATH=/x", "A=1", "LC_ALL=C", "AB=2"]);
        assert_eq!(entries(&["A=3", "N="]), ["HOME=/h", "PATH=/x", "LC_ALL=C", "AB=2", "A=3", "N="]);
        let clean = ["HOME=/h", "LC_ALL=C", "PATH=/usr/local/bin:/usr/bin:/bin"];
        assert_eq!(entries(&["clean"]), clean);
        assert_eq!(entries(&["clean", "PATH=/p"]), ["HOME=/h", "LC_ALL=C", "PATH=/p"]);
        assert!(Wish::default().add(OsStr::new("=x")).is_err() && Wish::default().add(OsStr::new("bogus")).is_err());
    }

    #[test]
    fn what_the_table_names_stays_behind_and_the_rest_goes_along() {
        let rows = [
            ("HOME", true),
            ("PATH", true),
            ("PWD", true),
            ("TERM", true),
            ("DISPLAY", true),
            ("XAUTHORITY", true),
            ("LC_ALL", true),
            ("QUEUE", true),
            ("QUEUED", true),
            ("_JAVA_OPTIONS", true),
            ("STYLE", true),
            ("_", false),
            ("SHLVL", false),
            ("OLDPWD", false),
            ("QUEUE_JOB_ID", false),
            ("RQ_Q", false),
            ("DBUS_SESSION_BUS_ADDRESS", false),
            ("XDG_RUNTIME_DIR", false),
            ("XDG_SESSION_ID", false),
            ("SSH_AUTH_SOCK", false),
            ("TMUX", false),
            ("STY", false),
            ("WINDOWID", false),
            ("NOTIFY_SOCKET", false),
        ];
        for (name, kept) in rows {
            assert_eq!(!is_denied(OsStr::new(name)), kept, "{name}");
        }
    }

    #[test]
    fn every_byte_of_a_value_arrives() {
        let value = (1..=255).collect::<Vec<u8>>();
        let entry = (OsString::from("A"), OsString::from_vec(value.clone()));
        assert_eq!(for_job([entry].into_iter()), [ByteString([b"A=", &value[..]].concat())]);
    }

    #[test]
    fn no_name_stands_in_the_table_twice() {
        let mut seen = std::collections::BTreeSet::new();
        for name in DENIED {
            assert!(seen.insert(name), "{name}");
        }
    }
}
