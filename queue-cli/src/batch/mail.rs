//! `queue mail`: the maildir of this user on this host, whose place the daemon knows.

use std::io::{Write, stdout};
use std::path::Path;
use std::time::Duration;

use jiff::Zoned;
use wire::batch::PlacesAnswer;

use crate::daemon::Daemon;
use crate::failure::Failure;
use crate::listing;
use crate::mailbox::{self, Which};

/// Lists, shows or deletes reports.
pub fn run(which: Option<&Which>, delete: bool) -> Result<(), Failure> {
    let answer = Daemon::of_user().answer("GET", "/v1/jobs/places", b"", PATIENCE)?;
    let places: PlacesAnswer = serde_json::from_slice(&answer)
        .map_err(|error| Failure::own(format!("the answer of the daemon makes no sense: {error}")))?;
    let directory = Path::new(places.mail.as_os_str());
    match which {
        None => {
            let list = mailbox::list(directory, &Zoned::now())?;
            if list.is_empty() { listing::print(b"no mail\n") } else { listing::print(list.as_bytes()) }
        }
        Some(which) if delete => listing::print(mailbox::delete(directory, which)?.as_bytes()),
        Some(which) => {
            let mut text = Vec::new();
            mailbox::read(directory, which, &Zoned::now(), &mut text)?;
            stdout().write_all(&text).map_err(|error| Failure::own(format!("cannot write: {error}")))
        }
    }
}

/// How many reports nobody has read. Where they cannot be counted there are none to be mentioned.
pub fn unread(daemon: &Daemon) -> usize {
    let answer = daemon.answer("GET", "/v1/jobs/places", b"", PATIENCE).ok();
    let places = answer.and_then(|answer| serde_json::from_slice::<PlacesAnswer>(&answer).ok());
    places.map_or(0, |places| mailbox::unread(Path::new(places.mail.as_os_str())))
}

const PATIENCE: Duration = Duration::from_secs(10);
