//! Who this user is: as the login said it in the environment, else as the local file of users has it.
//! The client never asks NSS.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

/// Fields of a line of passwd(5).
const NAME: usize = 0;
const UID: usize = 2;
const HOME: usize = 5;
const SHELL: usize = 6;

/// The user's name, if it can be told.
pub fn name() -> Option<OsString> {
    let said = ["LOGNAME", "USER"].into_iter().find_map(std::env::var_os).filter(|name| !name.is_empty());
    said.or_else(|| recorded(NAME))
}

/// The home directory.
pub fn home() -> OsString {
    absolute("HOME", HOME).unwrap_or_else(|| "/".into())
}

/// The user's shell.
pub fn shell() -> OsString {
    absolute("SHELL", SHELL).unwrap_or_else(|| "/bin/sh".into())
}

/// What sshd(8) and login(1) tell a command of its user.
pub fn variables() -> Vec<(&'static str, OsString)> {
    let mut all = vec![("HOME", home()), ("SHELL", shell())];
    all.extend(name().into_iter().flat_map(|name| [("USER", name.clone()), ("LOGNAME", name)]));
    all
}

/// A whole path.
fn absolute(variable: &str, field: usize) -> Option<OsString> {
    let is_whole = |path: &OsString| path.as_bytes().starts_with(b"/");
    std::env::var_os(variable).filter(is_whole).or_else(|| recorded(field).filter(is_whole))
}

fn recorded(field: usize) -> Option<OsString> {
    let users = std::fs::read("/etc/passwd").ok()?;
    found(&users, sys::credentials::own_uid(), field)
}

fn found(users: &[u8], uid: u32, field: usize) -> Option<OsString> {
    let uid = uid.to_string();
    users.split(|byte| *byte == b'\n').find_map(|line| {
        let fields = line.split(|byte| *byte == b':').collect::<Vec<_>>();
        let is_ours = fields.get(UID).is_some_and(|said| *said == uid.as_bytes());
        let value = fields.get(field).filter(|value| is_ours && !value.is_empty())?;
        Some(OsStr::from_bytes(value).to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_the_local_file() {
        let users = b"root:x:0:0:root:/root:/bin/bash\n+::::::\nshort:x:7\na:x:70:1:,,:/home/a:\n";
        assert_eq!(found(users, 0, SHELL), Some("/bin/bash".into()));
        assert_eq!(found(users, 70, NAME), Some("a".into()));
        assert_eq!(found(users, 70, HOME), Some("/home/a".into()));
        assert_eq!((found(users, 70, SHELL), found(users, 7, HOME), found(users, 1, NAME)), (None, None, None));
    }
}
