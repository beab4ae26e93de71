//! The user's crontab as text: one line of ours is put in or taken out, every other byte stays.
//!
//! The line is put first, not last: so a last line without its end stays as it is, and settings that
//! the user makes for the own lines, such as another `SHELL`, do not concern ours. `@reboot` would not bring
//! back a daemon that died, hence every ten minutes.

use std::ffi::OsStr;
use std::path::Path;

use wire::places;

use crate::failure::Failure;

/// The line that starts `queued` with these variables, without its end.
pub fn line(queued: &Path, variables: &[(&str, impl AsRef<OsStr>)]) -> Result<String, Failure> {
    let mut line = String::from("*/10 * * * * ");
    if let Some(directory) = condition(variables) {
        line.push_str(&format!("test -d {} && ", quoted(directory)?));
    }
    let is_needless = |name: &str| name == RUNTIME_DIRECTORY && condition(variables).is_none();
    for (name, value) in variables.iter().filter(|(name, _)| !is_needless(name)) {
        line.push_str(&format!("{name}={} ", quoted(value.as_ref())?));
    }
    line.push_str(&format!("{}{OPTION} {MARK}", quoted(queued.as_os_str())?));
    if line.len() > LONGEST {
        return Err(Failure::own(format!("cron takes lines of {LONGEST} bytes, this one would have {}", line.len())));
    }
    Ok(line)
}

/// A directory that comes and goes with the login, without which the daemon could not be found.
pub fn condition<'a, V: AsRef<OsStr>>(variables: &'a [(&str, V)]) -> Option<&'a OsStr> {
    let value = |wanted: &str| variables.iter().find(|(name, _)| *name == wanted).map(|(_, value)| value.as_ref());
    match value(places::RUNTIME_VARIABLE) {
        Some(_) => None,
        None => value(RUNTIME_DIRECTORY),
    }
}

/// The crontab with this line as the only one of ours.
pub fn with(crontab: &[u8], line: &str) -> Vec<u8> {
    let ours = format!("{line}\n");
    let mut is_there = false;
    let mut text = Vec::with_capacity(crontab.len() + ours.len());
    for present in lines(crontab) {
        if !is_ours(present) {
            text.extend_from_slice(present);
        } else if !is_there {
            is_there = true;
            // One that already says it is left, whatever its end is.
            let same = present.trim_ascii_end() == line.as_bytes();
            text.extend_from_slice(if same { present } else { ours.as_bytes() });
        }
    }
    if is_there { text } else { [ours.as_bytes(), crontab].concat() }
}

/// The crontab without ours.
pub fn without(crontab: &[u8]) -> Vec<u8> {
    lines(crontab).filter(|line| !is_ours(line)).flatten().copied().collect()
}

/// With their ends.
fn lines(crontab: &[u8]) -> impl Iterator<Item = &[u8]> {
    crontab.split_inclusive(|byte| *byte == b'\n')
}

/// Whether we have written it; one that the user has commented out is the user's.
fn is_ours(line: &[u8]) -> bool {
    let line = line.trim_ascii();
    let command = line.strip_suffix(MARK.as_bytes()).map(<[u8]>::trim_ascii_end);
    command.is_some_and(|command| command.ends_with(OPTION.as_bytes())) && !line.starts_with(b"#")
}

/// A word for the shell in a line of cron, for which a percent sign is the end of the command.
fn quoted(text: &OsStr) -> Result<String, Failure> {
    let refused = |why: &str| Failure::own(format!("\"{}\" cannot stand in a crontab: it has {why}", text.display()));
    let word = text.to_str().ok_or_else(|| refused("bytes that are not UTF-8"))?;
    if word.chars().any(char::is_control) {
        return Err(refused("control characters"));
    }
    let is_plain = |letter: char| letter.is_ascii_alphanumeric() || "/._-+:,@".contains(letter);
    if !word.is_empty() && word.chars().all(is_plain) {
        return Ok(word.to_owned());
    }
    Ok(format!("'{}'", word.replace('\'', r"'\''").replace('%', r"\%")))
}

/// The end of the line, by which it is found again.
const MARK: &str = "# queue keepalive";

/// Before it.
const OPTION: &str = " --detach";

/// The variable that names the user's runtime directory.
pub const RUNTIME_DIRECTORY: &str = "XDG_RUNTIME_DIR";

/// Vixie's cron reads no longer ones.
const LONGEST: usize = 990;

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: &[(&str, &str)] = &[];
    const LINE: &str = "*/10 * * * * /usr/bin/queued --detach # queue keepalive";

    #[test]
    fn the_line_starts_the_daemon_where_the_client_looks_for_it() {
        assert_eq!(line(Path::new("/usr/bin/queued"), NONE), Ok(LINE.to_owned()));
        let variables = [("XDG_STATE_HOME", "/s t"), ("XDG_RUNTIME_DIR", "/run/user/7")];
        assert_eq!(
            line(Path::new("/q'%/queued"), &variables),
            Ok(r"*/10 * * * * test -d /run/user/7 && XDG_STATE_HOME='/s t' XDG_RUNTIME_DIR=/run/user/7 '/q'\''\%/queued' --detach # queue keepalive"
                .to_owned())
        );
        let named = [("QUEUE_RUNTIME", "/var/q"), ("XDG_RUNTIME_DIR", "/run/user/7")];
        let text = line(Path::new("/q"), &named).expect("plain words");
        assert_eq!(text, "*/10 * * * * QUEUE_RUNTIME=/var/q /q --detach # queue keepalive");
    }

    #[test]
    fn what_would_break_the_crontab_is_refused() {
        assert!(line(Path::new("/a\nb"), NONE).is_err());
        assert!(line(Path::new(&"/x".repeat(600)), NONE).is_err());
    }

    #[test]
    fn every_other_byte_of_any_crontab_stays_and_a_removal_undoes_an_installation() {
        let crontabs: [&[u8]; 8] = [
            b"",
            b"\n",
            b"MAILTO=a@b\n0 1 * * * foreign\n",
            b"0 1 * * * without an end",
            b"0 1 * * * dos\r\n\r\n0 2 * * * dos\r\n",
            b"# m h\n#*/10 * * * * /old/queued --detach # queue keepalive\n",
            b"0 1 * * * echo # not queue keepalive\n0 1 * * * echo # queue keepalive\n",
            b"0 1 * * * caf\xe9 # queue keepalive or so\n\n\n",
        ];
        for before in crontabs {
            let installed = with(before, LINE);
            assert_eq!(installed, [LINE.as_bytes(), b"\n", before].concat());
            assert_eq!(with(&installed, LINE), installed, "a second installation changes nothing");
            assert_eq!(without(&installed), before);
            assert_eq!(without(before), before, "nothing of ours, nothing to remove");
        }
    }

    #[test]
    fn an_older_line_is_replaced_where_it_stands_and_doubles_go() {
        let old = "*/10 * * * * X=1 /old/queued --detach # queue keepalive";
        let before = format!("a\n{old}\r\nb\n{LINE}\nc");
        assert_eq!(with(before.as_bytes(), LINE), format!("a\n{LINE}\nb\nc").as_bytes());
        assert_eq!(without(before.as_bytes()), b"a\nb\nc");
        let carriage = format!("a\r\n{LINE}\r\n");
        assert_eq!(with(carriage.as_bytes(), LINE), carriage.as_bytes(), "it says what it should");
    }
}
