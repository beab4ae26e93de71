//! How the client ends on its own account: an exit code and one sentence.
//!
//! The codes are those of `queue(1)`, section EXIT STATUS. A job's own code or signal is
//! not a failure; it is in [`crate::end`].

use std::fmt;

use wire::api::Refusal;

/// Wrong usage: an option, a name or a command line that cannot be meant.
pub const USAGE: u8 = 64;

/// queue itself could not do it; the sentence says why and what can be done.
pub const OWN: u8 = 125;

/// Why the client ends without a job's end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The exit code.
    pub code: u8,
    /// One sentence without the program's name.
    pub message: String,
}

impl Failure {
    /// Wrong usage.
    pub fn usage(message: impl Into<String>) -> Self {
        Self { code: USAGE, message: message.into() }
    }

    /// queue itself could not.
    pub fn own(message: impl Into<String>) -> Self {
        Self { code: OWN, message: message.into() }
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self { code: refusal.kind.exit_code(), message: refusal.message }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "queue: {}", printable(&self.message))
    }
}

/// Text that came from elsewhere, fit for a terminal: control characters are escaped.
pub fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_control() {
            shown.extend(character.escape_default());
        } else {
            shown.push(character);
        }
    }
    shown
}

/// The kernel's words for an error, in the middle of a sentence: without Rust's
/// `(os error 2)` and without the capital letter.
pub fn words(error: &std::io::Error) -> String {
    let text = match error.raw_os_error() {
        Some(number) => nix::errno::Errno::from_raw(number).desc().to_owned(),
        None => error.to_string(),
    };
    let mut letters = text.chars();
    match (letters.next(), letters.clone().next()) {
        // "I/O error" and the like keep their capital.
        (Some(first), Some(second)) if second.is_lowercase() => first.to_lowercase().chain(letters).collect(),
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_from_elsewhere_cannot_drive_the_terminal() {
        let failure = Failure::own("host \x1b[2Jb: no");
        assert_eq!(failure.to_string(), "queue: host \\u{1b}[2Jb: no");
    }

    #[test]
    fn errors_read_like_a_part_of_a_sentence() {
        let refused = std::io::Error::from_raw_os_error(nix::libc::ECONNREFUSED);
        assert_eq!(words(&refused), "connection refused");
        assert_eq!(words(&std::io::Error::from_raw_os_error(nix::libc::EIO)), "I/O error");
    }
}
