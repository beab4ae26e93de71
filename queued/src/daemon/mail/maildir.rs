//! Letters on a host without a mail system: a maildir for each user, which any mail reader can open.
//!
//! A letter is written and synced in `tmp` and then renamed into `new`: it is there whole or not at all.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use super::Outcome;
use super::message::Posted;

/// Puts a letter into the user's maildir.
pub fn keep(directory: &Path, user: &str, posted: &Posted) -> Outcome {
    let Some(maildir) = of_user(directory, user) else {
        return Outcome::Refused(format!("{user:?} cannot be the name of a maildir"));
    };
    match write(&maildir, &posted.with_local_lines()) {
        Ok(()) => Outcome::Accepted,
        Err(error) => Outcome::Later(format!("cannot write into {}: {error}", maildir.display())),
    }
}

/// Where a user's letters are. A name that would lead elsewhere has none.
fn of_user(directory: &Path, user: &str) -> Option<PathBuf> {
    let plain = !user.is_empty() && !user.starts_with('.') && !user.contains(['/', '\0']);
    plain.then(|| directory.join(user))
}

fn write(maildir: &Path, message: &[u8]) -> io::Result<()> {
    if !maildir.join("new").is_dir() {
        // The last that is made is the one that is looked for.
        for part in ["tmp", "cur", "new"] {
            DirBuilder::new().recursive(true).mode(0o700).create(maildir.join(part))?;
        }
        for made in maildir.ancestors().take(3) {
            File::open(made)?.sync_all()?;
        }
    }
    let name = unique_name();
    let temporary = maildir.join("tmp").join(&name);
    let place = || -> io::Result<()> {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
        file.write_all(message)?;
        file.sync_all()?;
        fs::rename(&temporary, maildir.join("new").join(&name))?;
        File::open(maildir.join("new"))?.sync_all()
    };
    place().inspect_err(|_| {
        // It is gone, or it is in the way of nobody: the next has another name.
        let _ = fs::remove_file(&temporary);
    })
}

/// A name that no other letter has: the time, this process, a number that only grows, and the host.
fn unique_name() -> String {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    // In a maildir's name a colon begins the flags.
    let host = sys::host::name().replace(['/', ':'], "_");
    format!("{}.M{}P{}Q{number}.{host}", since.as_secs(), since.subsec_micros(), std::process::id())
}
