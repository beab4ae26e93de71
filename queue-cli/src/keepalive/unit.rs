//! The unit for the user's service manager, as text.

use std::ffi::OsStr;
use std::path::Path;

use crate::failure::Failure;

/// The unit that starts `queued` with these variables.
pub fn text(queued: &Path, variables: &[(&str, impl AsRef<OsStr>)]) -> Result<String, Failure> {
    let program = quoted(queued.as_os_str())?;
    // With the colon a dollar sign means itself.
    let literal = if program.contains('$') { ":" } else { "" };
    let mut environment = String::new();
    for (name, value) in variables.iter().filter(|(name, _)| *name != MANAGERS_OWN) {
        let setting = [OsStr::new(name), OsStr::new("="), value.as_ref()];
        let setting = setting.into_iter().collect::<std::ffi::OsString>();
        environment.push_str(&format!("Environment={}\n", quoted(&setting)?));
    }
    Ok(format!(
        "{MARK}\n\
         [Unit]\n\
         Description=queued: runs jobs on the least loaded host\n\
         Documentation=man:queued(8)\n\
         # Another queued may run already, started by the first queue: this one tries until that has ended.\n\
         StartLimitIntervalSec=0\n\
         \n\
         [Service]\n\
         Type=exec\n\
         ExecStart={literal}{program}\n\
         {environment}\
         Restart=on-failure\n\
         RestartSec=60\n\
         # Jobs outlive the daemon that started them, also when one of them has used up the memory.\n\
         KillMode=process\n\
         OOMPolicy=continue\n\
         TasksMax=infinity\n\
         \n\
         [Install]\n\
         WantedBy=default.target\n"
    ))
}

/// Whether such a text is ours, of whichever release.
pub fn is_ours(text: &[u8]) -> bool {
    text.starts_with(MARK.as_bytes())
}

/// A word of a unit, in quotes.
fn quoted(text: &OsStr) -> Result<String, Failure> {
    let refused = |why: &str| Failure::own(format!("\"{}\" cannot stand in a unit: it has {why}", text.display()));
    let word = text.to_str().ok_or_else(|| refused("bytes that are not UTF-8"))?;
    if word.chars().any(char::is_control) {
        return Err(refused("control characters"));
    }
    Ok(format!("\"{}\"", word.replace('\\', r"\\").replace('"', "\\\"").replace('%', "%%")))
}

/// The first line, by which it is found again.
const MARK: &str = "# Written by queue keepalive install; queue keepalive remove takes it away.";

/// The manager sets it to the directory that is right.
const MANAGERS_OWN: &str = "XDG_RUNTIME_DIR";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_unit_has_the_program_and_the_places() {
        let variables = [("XDG_STATE_HOME", "/a b%"), ("XDG_RUNTIME_DIR", "/run/user/7")];
        let unit = text(Path::new("/opt/my \"q\"/queued"), &variables).expect("plain words");
        assert!(
            unit.contains("\nExecStart=\"/opt/my \\\"q\\\"/queued\"\nEnvironment=\"XDG_STATE_HOME=/a b%%\"\nRestart=")
        );
        assert!(!unit.contains("/run/user/7"));
        assert!(is_ours(unit.as_bytes()));
        assert!(!is_ours(b"[Unit]\n"));
    }

    #[test]
    fn the_jobs_stay_when_the_daemon_is_stopped() {
        let unit = text(Path::new("/q$x/queued"), &[("TZ", "UTC")]).expect("plain words");
        assert!(unit.contains("\nKillMode=process\n") && unit.contains("\nExecStart=:\"/q$x/queued\"\n"), "{unit}");
        assert!(text(Path::new("/a\nExecStart=b"), &[("TZ", "UTC")]).is_err());
    }
}
