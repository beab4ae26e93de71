//! The cluster key: one secret on all hosts, and whoever has it is the cluster.
//!
//! Its file is one line, `queue-key-1 <64 hexadecimal digits> <8 digits of checksum>`. A pass phrase in its place is
//! refused: anyone who connects sees a signature of the authority made of it, and could try phrases against that.

use std::fmt;

use ring::digest::{Context, SHA256};

use super::encoding::{from_hex, hex};
use super::secret_key::random;

/// 32 random bytes from which each host derives the same [`Authority`](super::Authority).
///
/// `Display` is the text of the key file, secret and with its newline; `Debug` shows nothing.
#[derive(Clone)]
pub struct ClusterKey([u8; 32]);

impl ClusterKey {
    /// A new key from the kernel's random bytes.
    pub fn generate() -> Self {
        Self(random())
    }

    /// Reads the text of a key file. White space after it is allowed, anything else is not.
    pub fn parse(text: &str) -> Result<Self, ClusterKeyError> {
        let (form, rest) = text.trim_end().split_once(' ').ok_or(ClusterKeyError::NotAKey)?;
        match form.strip_prefix("queue-key-") {
            Some("1") => (),
            Some(_) => return Err(ClusterKeyError::OtherRelease),
            None => return Err(ClusterKeyError::NotAKey),
        }
        let (digits, checksum) = rest.split_once(' ').ok_or(ClusterKeyError::NotAKey)?;
        let key = Self(from_hex(digits).ok_or(ClusterKeyError::NotAKey)?);
        if key.checksum() == checksum { Ok(key) } else { Err(ClusterKeyError::Checksum) }
    }

    pub(super) fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Against slips of the hand; not a secret's protection.
    fn checksum(&self) -> String {
        let mut hash = Context::new(&SHA256);
        hash.update(MAGIC.as_bytes());
        hash.update(&self.0);
        hex(&hash.finish().as_ref()[..4])
    }
}

impl fmt::Display for ClusterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{MAGIC}{} {}", hex(&self.0), self.checksum())
    }
}

impl fmt::Debug for ClusterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClusterKey(..)")
    }
}

/// Why a text is not a cluster key. None of these shows the text: it may be a secret all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ClusterKeyError {
    /// It looks like something else, perhaps a pass phrase.
    #[error(
        "this is not a cluster key, which is \"queue-key-1\", 64 hexadecimal digits and a checksum in one line; a pass \
         phrase will not do, because anyone who can connect could guess it (`queue cluster init` makes a key)"
    )]
    NotAKey,
    /// A form that this release does not know.
    #[error("this cluster key has a form that this release of queue does not know")]
    OtherRelease,
    /// A digit is wrong.
    #[error("the checksum of this cluster key is wrong: a digit was changed or lost on its way")]
    Checksum,
}

const MAGIC: &str = "queue-key-1 ";

#[cfg(test)]
mod tests {
    use super::*;

    const GOLDEN: &str = "queue-key-1 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f 65b5d10c\n";

    fn error(text: &str) -> ClusterKeyError {
        ClusterKey::parse(text).expect_err("must be refused")
    }

    #[test]
    fn text_of_a_key_reads_back() {
        let key = ClusterKey::generate();
        assert_eq!(ClusterKey::parse(&key.to_string()).expect("what we wrote").0, key.0);
        assert_ne!(key.0, ClusterKey::generate().0);
    }

    #[test]
    fn the_form_of_the_file_stays() {
        let key = ClusterKey(std::array::from_fn(|index| index as u8));
        assert_eq!(key.to_string(), GOLDEN);
        assert_eq!(ClusterKey::parse(GOLDEN).expect("golden").0, key.0);
        for allowed in [GOLDEN.trim_end(), &GOLDEN.replace('\n', "\r\n"), &format!("{GOLDEN}\n")] {
            assert!(ClusterKey::parse(allowed).is_ok(), "{allowed:?}");
        }
    }

    #[test]
    fn every_changed_digit_is_noticed() {
        for (index, digit) in GOLDEN.trim_end().char_indices().skip(MAGIC.len()).filter(|(_, digit)| *digit != ' ') {
            let other = if digit == '0' { "1" } else { "0" };
            let mut changed = GOLDEN.to_owned();
            changed.replace_range(index..=index, other);
            assert_eq!(error(&changed), ClusterKeyError::Checksum, "digit {index}");
        }
    }

    #[test]
    fn a_pass_phrase_is_refused_with_a_reason() {
        for phrase in [
            "",
            "correct horse battery staple",
            "queue-key-1",
            "queue-key-1 ",
            "queue-key-1 hunter2",
            "queue-key-1 hunter2 hunter3",
            " ",
        ] {
            assert_eq!(error(phrase), ClusterKeyError::NotAKey, "{phrase:?}");
        }
        let sentence = error("correct horse battery staple").to_string();
        assert!(sentence.contains("pass phrase will not do"), "{sentence}");
        assert!(!sentence.contains("horse"), "{sentence}");
    }

    #[test]
    fn key_of_a_later_release_is_named_as_such() {
        assert_eq!(error("queue-key-2 abc"), ClusterKeyError::OtherRelease);
    }

    #[test]
    fn debug_shows_nothing_of_the_key() {
        assert_eq!(format!("{:?}", ClusterKey([0x41; 32])), "ClusterKey(..)");
    }
}
