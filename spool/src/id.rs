//! Numbers and names that must not be mixed up: of a job, of an attempt, of a spool.
//!
//! They are parsed once, at the edge; inside they are types. None of them is ever used
//! again for something else, also not after a restore.

use std::fmt;
use std::num::NonZeroU64;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The number of a job in its home's spool, as printed by `queue -r`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u64", into = "u64")]
pub struct JobId(NonZeroU64);

impl JobId {
    /// The id with this number: 1 to [`LARGEST`], what every store can hold.
    pub fn new(number: u64) -> Result<Self, BadId> {
        numbered(number).map(Self).ok_or_else(|| BadId::Job(number.to_string()))
    }

    /// The bare number.
    pub fn number(self) -> u64 {
        self.0.get()
    }
}

impl FromStr for JobId {
    type Err = BadId;

    fn from_str(text: &str) -> Result<Self, BadId> {
        digits(text).map(Self).ok_or_else(|| BadId::Job(text.to_owned()))
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One start of a job, counted from 1 over the job's whole life, resubmits included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u64", into = "u64")]
pub struct Attempt(NonZeroU64);

impl Attempt {
    /// A job's first attempt.
    pub const FIRST: Self = Self(NonZeroU64::MIN);

    /// The attempt with this number: 1 to [`LARGEST`].
    pub fn new(number: u64) -> Result<Self, BadId> {
        numbered(number).map(Self).ok_or_else(|| BadId::Attempt(number.to_string()))
    }

    /// The attempt after `last`; `None` when the numbers are used up.
    pub fn after(last: Option<Self>) -> Option<Self> {
        match last {
            None => Some(Self::FIRST),
            Some(last) => numbered(last.number().checked_add(1)?).map(Self),
        }
    }

    /// The bare number.
    pub fn number(self) -> u64 {
        self.0.get()
    }
}

impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Which spool a host has: random, made with the spool and gone with it.
///
/// A host whose disk was replaced has another one and so cannot take its ignorance of an
/// attempt for knowledge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SpoolId([u8; 16]);

impl SpoolId {
    /// The id made of 16 random bytes.
    pub fn new(random: [u8; 16]) -> Self {
        Self(random)
    }
}

impl FromStr for SpoolId {
    type Err = BadId;

    fn from_str(text: &str) -> Result<Self, BadId> {
        let bad = || BadId::Spool(text.to_owned());
        let lower_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if text.len() != 32 || !text.bytes().all(lower_hex) {
            return Err(bad());
        }
        let number = u128::from_str_radix(text, 16).map_err(|_| bad())?;
        Ok(Self(number.to_be_bytes()))
    }
}

impl fmt::Display for SpoolId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

/// Something that is no id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadId {
    /// Not a job's.
    #[error("{0:?} is no job id: a number from 1 to {LARGEST} is expected")]
    Job(String),
    /// Not an attempt's.
    #[error("{0:?} is no attempt: a number from 1 to {LARGEST} is expected")]
    Attempt(String),
    /// Not a spool's.
    #[error("{0:?} is no spool id: 32 hexadecimal digits in lower case are expected")]
    Spool(String),
}

impl TryFrom<u64> for JobId {
    type Error = BadId;

    fn try_from(number: u64) -> Result<Self, BadId> {
        Self::new(number)
    }
}

impl From<JobId> for u64 {
    fn from(id: JobId) -> u64 {
        id.number()
    }
}

impl TryFrom<u64> for Attempt {
    type Error = BadId;

    fn try_from(number: u64) -> Result<Self, BadId> {
        Self::new(number)
    }
}

impl From<Attempt> for u64 {
    fn from(attempt: Attempt) -> u64 {
        attempt.number()
    }
}

impl TryFrom<String> for SpoolId {
    type Error = BadId;

    fn try_from(text: String) -> Result<Self, BadId> {
        text.parse()
    }
}

impl From<SpoolId> for String {
    fn from(id: SpoolId) -> String {
        id.to_string()
    }
}

/// The largest number of a job or an attempt: SQL has signed integers only.
pub const LARGEST: u64 = i64::MAX as u64;

fn numbered(number: u64) -> Option<NonZeroU64> {
    NonZeroU64::new(number).filter(|number| number.get() <= LARGEST)
}

/// Only digits: the standard parser would also take `+17`.
fn digits(text: &str) -> Option<NonZeroU64> {
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    numbered(text.parse().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn job_ids_come_back_as_they_were_printed() {
        for text in ["1", "17", "9223372036854775807"] {
            assert_eq!(text.parse::<JobId>().map(|id| id.to_string()), Ok(text.to_owned()));
        }
    }

    #[test]
    fn what_is_no_job_id_is_refused_in_words() {
        for text in ["", "0", "-1", "+1", " 1", "1a", "9223372036854775808", "99999999999999999999"] {
            let error = text.parse::<JobId>().expect_err("no id");
            assert!(error.to_string().contains(&format!("{text:?} is no job id")), "{error}");
        }
        assert!(JobId::new(0).is_err() && JobId::new(u64::MAX).is_err());
    }

    #[test]
    fn attempts_count_from_one_and_end_at_the_largest() {
        assert_eq!(Attempt::after(None), Some(Attempt::FIRST));
        assert_eq!(Attempt::after(Some(Attempt::FIRST)), Attempt::new(2).ok());
        assert_eq!(Attempt::after(Attempt::new(LARGEST).ok()), None);
    }

    #[test]
    fn spool_ids_have_one_spelling() {
        let id = SpoolId::new([0, 1, 0xfe, 0xff, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15]);
        assert_eq!(id.to_string(), "0001feff0405060708090a0b0c0d0e0f");
        assert_eq!(id.to_string().parse(), Ok(id));
        for text in ["", "0", &"A".repeat(32), &"0".repeat(31), &"é".repeat(16), &format!("+{}", "0".repeat(31))] {
            assert!(text.parse::<SpoolId>().is_err(), "{text:?}");
        }
    }
}
