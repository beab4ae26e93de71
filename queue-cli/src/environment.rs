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

/// One line of the deny-list: a name, or with `*` at its end all names that begin so.
pub struct Denied {
    /// What it is about.
    pub subject: &'static str,
    /// Names and beginnings of names.
    pub names: &'static [&'static str],
}

/// Variables that are not copied to the job.
pub const DENIED: &[Denied] = &[
    Denied { subject: "the shell's own", names: &["_", "OLDPWD", "SHLVL"] },
    Denied { subject: "an outer job of queue or rq", names: &["QUEUE_*", "RQ_*"] },
    Denied {
        subject: "message bus and runtime directory",
        names: &[
            "DBUS_*",
            "XDG_RUNTIME_DIR",
            "WAYLAND_DISPLAY",
            "WAYLAND_SOCKET",
            "PULSE_SERVER",
            "PIPEWIRE_*",
            "SESSION_MANAGER",
            "GNOME_KEYRING_CONTROL",
        ],
    },
    Denied {
        subject: "agents' sockets",
        names: &["SSH_AUTH_SOCK", "SSH_AGENT_PID", "GPG_AGENT_INFO", "GPG_TTY"],
    },
    Denied {
        subject: "multiplexers and editors around us",
        names: &["TMUX", "TMUX_PANE", "STY", "ZELLIJ*", "NVIM", "NVIM_LISTEN_ADDRESS", "VSCODE_*"],
    },
    Denied {
        subject: "the terminal emulator's window",
        names: &[
            "WINDOW",
            "WINDOWID",
            "KITTY_*",
            "ALACRITTY_*",
            "KONSOLE_DBUS_*",
            "GNOME_TERMINAL_*",
            "WEZTERM_*",
            "ITERM_SESSION_ID",
            "TERM_SESSION_ID",
            "DESKTOP_STARTUP_ID",
            "XDG_ACTIVATION_TOKEN",
        ],
    },
    Denied {
        subject: "the login session",
        names: &[
            "XDG_SESSION_*",
            "XDG_SEAT*",
            "XDG_VTNR",
            "SSH_CLIENT",
            "SSH_CONNECTION",
            "SSH_TTY",
        ],
    },
    Denied {
        subject: "the service manager's descriptors",
        names: &[
            "INVOCATION_ID",
            "JOURNAL_STREAM",
            "LISTEN_FDS",
            "LISTEN_FDNAMES",
            "LISTEN_PID",
            "MANAGERPID",
            "NOTIFY_SOCKET",
            "SYSTEMD_EXEC_PID",
            "WATCHDOG_PID",
            "WATCHDOG_USEC",
        ],
    },
];

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
    DENIED.iter().flat_map(|denied| denied.names).any(|pattern| match pattern.strip_suffix('*') {
        Some(beginning) => name.starts_with(beginning.as_bytes()),
        None => name == pattern.as_bytes(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

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
        for name in DENIED.iter().flat_map(|denied| denied.names) {
            assert!(seen.insert(name), "{name}");
        }
    }
}
