//! Letters to a mail server.
//!
//! lettre's transport would do, but it waits for the answer to QUIT before it says that the letter was
//! taken, and has one bound for every read rather than for all. So its connection is used step by step.

use std::fmt;
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{SmtpConnection, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::transport::smtp::response::{Category, Code, Detail, Severity};

use super::Outcome;
use super::message::Posted;
use crate::config::mail::{MailSettings, Security};
use crate::core::reports::plain;

/// A mail server and how it is spoken to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SmtpSettings {
    /// Its name or number.
    pub server: String,
    /// Its port.
    pub port: u16,
    /// How the connection is protected.
    pub security: Security,
    /// As whom to log in, and the file with the password.
    pub login: Option<(String, PathBuf)>,
    /// What this host calls itself.
    pub hello: String,
}

impl SmtpSettings {
    /// What the settings say, if they name a server.
    pub fn of(settings: &MailSettings, host: &str) -> Option<Self> {
        let security = settings.security();
        Some(Self {
            server: settings.smtp.clone()?,
            port: settings.port.unwrap_or(security.port()),
            security,
            login: settings.user.clone().zip(settings.password_file.clone()),
            hello: host.to_owned(),
        })
    }
}

impl fmt::Display for SmtpSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.server, self.port)
    }
}

type Error = lettre::transport::smtp::Error;

/// Sends it, tells the outcome as soon as there is one, and takes leave of the server.
pub fn send(settings: &SmtpSettings, posted: &Posted, until: Instant, tell: &mut dyn FnMut(Outcome)) {
    let mut connection = match connect(settings, until) {
        Ok(connection) => connection,
        // Whatever the server thinks of us, it knows nothing of the letter yet.
        Err(why) => return tell(Outcome::Later(format!("{settings}: {why}"))),
    };
    if let Err(error) = connection.set_timeout(Some(left(until))) {
        return tell(Outcome::Later(format!("{settings}: {error}")));
    }
    match connection.send(&posted.envelope, &posted.message) {
        Ok(_) => {
            tell(Outcome::Accepted);
            if connection.set_timeout(Some(FAREWELL)).is_ok() {
                let _ = connection.quit();
            }
        }
        Err(error) => {
            let words = format!("{settings}: {}", words(&error));
            tell(if is_final(&error) { Outcome::Refused(words) } else { Outcome::Later(words) });
        }
    }
}

fn connect(settings: &SmtpSettings, until: Instant) -> Result<SmtpConnection, String> {
    let said = |error: Error| words(&error);
    // Before the server is bothered.
    let login = settings.login.as_ref();
    let credentials = login.map(|(user, file)| Ok::<_, String>(Credentials::new(user.clone(), password(file)?)));
    let credentials = credentials.transpose()?;
    let tls = match settings.security {
        Security::None => None,
        Security::Starttls | Security::Tls => Some(TlsParameters::new(settings.server.clone()).map_err(said)?),
    };
    let hello = ClientId::Domain(settings.hello.clone());
    let at_once = tls.as_ref().filter(|_| settings.security == Security::Tls);
    let address = (&settings.server[..], settings.port);
    let mut connection = SmtpConnection::connect(address, Some(left(until)), &hello, at_once, None).map_err(said)?;
    if let (Security::Starttls, Some(tls)) = (settings.security, &tls) {
        connection.set_timeout(Some(left(until))).map_err(|error| error.to_string())?;
        connection.starttls(tls, &hello).map_err(said)?;
    }
    if let Some(credentials) = credentials {
        connection.set_timeout(Some(left(until))).map_err(|error| error.to_string())?;
        connection.auth(DEFAULT_MECHANISMS, &credentials).map_err(said)?;
    }
    Ok(connection)
}

/// The password in a file that only its owner can read.
fn password(path: &Path) -> Result<String, String> {
    let cannot = |error| format!("cannot read the password in {}: {error}", path.display());
    let metadata = std::fs::metadata(path).map_err(cannot)?;
    if metadata.mode() & 0o077 != 0 {
        return Err(format!("{}: others can read the password; chmod 600 {0}", path.display()));
    }
    if metadata.len() > LONGEST_PASSWORD {
        return Err(format!("{} is too large to be a password", path.display()));
    }
    let text = std::fs::read_to_string(path).map_err(cannot)?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}

/// Whether no later attempt can help. What is said about who we are (RFC 4954) is about the settings, not
/// about the letter.
fn is_final(error: &Error) -> bool {
    let about_us = |code: Code| {
        let number = (code.severity, code.category, code.detail);
        let authentication = [Detail::Zero, Detail::Four, Detail::Five, Detail::Eight];
        matches!(number, (Severity::PermanentNegativeCompletion, Category::Unspecified3, detail)
            if authentication.contains(&detail))
    };
    // A client's error here: an address for which the server lacks the extension.
    error.is_permanent() && !error.status().is_some_and(about_us) || error.is_client()
}

/// What the server said, or what happened to the connection, in one line.
fn words(error: &Error) -> String {
    let cause = std::error::Error::source(error);
    let silence = |error: &std::io::Error| matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut);
    let cause = match cause {
        // A read that has waited long enough says that it would block.
        Some(cause) if cause.downcast_ref().is_some_and(silence) => "no answer".to_owned(),
        Some(cause) => cause.to_string(),
        None => error.to_string(),
    };
    let code = error.status().map(|code| format!("{code} ")).unwrap_or_default();
    plain::line(&format!("{code}{cause}"), WORDS)
}

/// What is left of the deadline; a socket takes no bound of zero.
fn left(until: Instant) -> Duration {
    until.saturating_duration_since(Instant::now()).max(Duration::from_millis(1))
}

/// How long a server that has taken the letter may think about our farewell.
const FAREWELL: Duration = Duration::from_secs(5);
/// How much of what a server says is told.
const WORDS: usize = 200;
/// More bytes than any password has.
const LONGEST_PASSWORD: u64 = 4096;
