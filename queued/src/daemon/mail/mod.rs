//! The ways a letter leaves this host: a mail server, the local sendmail, else a maildir.
//!
//! What is sent, when and how often is [`crate::core::reports`]'s. A delivery ends within its deadline with
//! one of three answers; in doubt it is "later", and the letter that then comes twice has one Message-ID.
//!
//! Mail libraries block, and a server may be slow for ever: they work on threads of their own, at most
//! [`THREADS`]; one that its deadline has left behind keeps its place until it gives up by itself. They are
//! not tokio's blocking threads, for whose end a daemon that is to stop would wait.

mod maildir;
mod message;
mod sendmail;
mod smtp;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};

use crate::config::mail::{MailSettings, NO_PROGRAM};
pub use crate::core::reports::outbox::Outcome;
use crate::core::reports::{Letter, outbox};
pub use message::Addresses;
pub use smtp::SmtpSettings;

/// Where letters go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sink {
    /// To a mail server.
    Smtp(SmtpSettings),
    /// Into this program.
    Sendmail(PathBuf),
    /// Into maildirs in this directory, one for each user: `DIRECTORY/ada/new/...`.
    Maildir(PathBuf),
}

impl Sink {
    /// The first that there is: the configured server, the program, the maildirs in the state directory.
    pub fn choose(settings: &MailSettings, host: &str, state: &Path) -> Self {
        if let Some(smtp) = SmtpSettings::of(settings, host) {
            return Sink::Smtp(smtp);
        }
        let program = match &settings.sendmail {
            Some(none) if none.as_os_str() == NO_PROGRAM => None,
            Some(program) => Some(program.clone()),
            None => PROGRAMS.iter().map(PathBuf::from).find(|program| sendmail::is_program(program)),
        };
        program.map_or_else(|| Sink::Maildir(state.join("mail")), Sink::Sendmail)
    }
}

impl fmt::Display for Sink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Sink::Smtp(settings) => settings.fmt(f),
            Sink::Sendmail(program) => program.display().fmt(f),
            Sink::Maildir(directory) => directory.display().fmt(f),
        }
    }
}

/// Delivers letters.
#[derive(Debug, Clone)]
pub struct Mailer {
    sink: Sink,
    addresses: Addresses,
    threads: Arc<Semaphore>,
}

impl Mailer {
    /// The mailer of a host, as it is configured.
    pub fn new(settings: Option<&MailSettings>, host: &str, state: &Path) -> Self {
        let settings = settings.cloned().unwrap_or_default();
        Self {
            sink: Sink::choose(&settings, host, state),
            addresses: Addresses::of(&settings, host),
            threads: Arc::new(Semaphore::new(THREADS)),
        }
    }

    /// Where letters go.
    pub fn sink(&self) -> &Sink {
        &self.sink
    }

    /// Gives a letter to the sink; answers within the deadline ([`DEADLINE`] is usual).
    pub async fn deliver(&self, letter: &Letter, deadline: Duration) -> Outcome {
        let until = Instant::now() + deadline;
        let delivering = async {
            // Nobody closes it.
            let Ok(place) = self.threads.clone().acquire_owned().await else {
                return Outcome::Later("this daemon stops".to_owned());
            };
            self.deliver_in(place, letter, until).await
        };
        match tokio::time::timeout(deadline, delivering).await {
            Ok(outcome) => outcome,
            Err(_) => Outcome::Later(format!("{} gave no answer within {} s", self.sink, deadline.as_secs())),
        }
    }

    async fn deliver_in(&self, place: OwnedSemaphorePermit, letter: &Letter, until: Instant) -> Outcome {
        let posted = match message::post(letter, &self.addresses) {
            Ok(posted) => posted,
            Err(why) => return Outcome::Refused(why),
        };
        match &self.sink {
            Sink::Smtp(settings) => {
                let settings = settings.clone();
                on_thread(place, move |tell| smtp::send(&settings, &posted, until, tell)).await
            }
            Sink::Sendmail(program) => {
                let outcome = sendmail::send(program, &posted).await;
                drop(place);
                outcome
            }
            Sink::Maildir(directory) => {
                let (directory, user) = (directory.clone(), letter.user.clone());
                on_thread(place, move |tell| tell(maildir::keep(&directory, &user, &posted))).await
            }
        }
    }
}

/// Has a thread of its own do it; the thread may go on when it has told the outcome.
async fn on_thread(
    place: OwnedSemaphorePermit,
    work: impl FnOnce(&mut dyn FnMut(Outcome)) + Send + 'static,
) -> Outcome {
    let (sender, receiver) = oneshot::channel();
    let mut sender = Some(sender);
    let started = std::thread::Builder::new().name("queue-mail".to_owned()).spawn(move || {
        work(&mut |outcome| {
            if let Some(sender) = sender.take() {
                // Nobody listens any more when the deadline has passed.
                let _ = sender.send(outcome);
            }
        });
        drop(place);
    });
    if let Err(error) = started {
        return Outcome::Later(format!("this host cannot start a thread for mail: {error}"));
    }
    receiver.await.unwrap_or_else(|_| Outcome::Later("the thread for mail ended without an outcome".to_owned()))
}

/// How long a delivery usually may take.
pub const DEADLINE: Duration = Duration::from_secs(60);
/// How many deliveries there are at the same time, those that were given up and still go on included.
pub const THREADS: usize = outbox::AT_ONCE;
/// Where a sendmail usually is.
const PROGRAMS: [&str; 2] = ["/usr/sbin/sendmail", "/usr/lib/sendmail"];

#[cfg(test)]
mod tests;
