//! What a job waits for before it may start: the ends of other jobs of the same home and owner.
//!
//! In the API, in listings and in records each is a text such as `17`, `17:any` or `17:fail`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// One job that another waits for, and how it has to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct After {
    /// Its number.
    pub job: u64,
    /// How.
    pub condition: Condition,
}

/// Which ends of a job let one start that waits for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Condition {
    /// It finished with exit status 0.
    #[default]
    Ok,
    /// Whatever comes, a cancel too.
    Any,
    /// It finished otherwise, or is dead.
    Fail,
}

impl Condition {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Ok, Self::Any, Self::Fail];

    /// As it is written.
    pub fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Any => "any",
            Self::Fail => "fail",
        }
    }

    /// The one that is written like this.
    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|condition| condition.word() == word)
    }
}

impl fmt::Display for After {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.condition {
            Condition::Ok => write!(to, "{}", self.job),
            other => write!(to, "{}:{}", self.job, other.word()),
        }
    }
}

impl From<After> for String {
    fn from(after: After) -> Self {
        after.to_string()
    }
}

impl TryFrom<String> for After {
    type Error = BadAfter;

    fn try_from(text: String) -> Result<Self, BadAfter> {
        match text.parse::<Written>()? {
            Written { first, last, condition, home: None } if first == last => Ok(Self { job: first, condition }),
            _ => Err(BadAfter(text)),
        }
    }
}

/// What a person writes: several at once, perhaps with their home.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// The first of them.
    pub first: u64,
    /// The last.
    pub last: u64,
    /// How they have to end.
    pub condition: Condition,
    /// Their home, if it is said.
    pub home: Option<String>,
}

impl Written {
    /// Each by itself.
    ///
    /// # Errors
    /// They are more than [`MOST`].
    pub fn each(&self) -> Result<impl Iterator<Item = After>, String> {
        if self.last - self.first >= MOST as u64 {
            return Err(format!("{}-{}: a job waits for at most {MOST} others", self.first, self.last));
        }
        let condition = self.condition;
        Ok((self.first..=self.last).map(move |job| After { job, condition }))
    }
}

impl FromStr for Written {
    type Err = BadAfter;

    fn from_str(text: &str) -> Result<Self, BadAfter> {
        let bad = || BadAfter(text.to_owned());
        let (jobs, condition) = match text.split_once(':') {
            Some((jobs, word)) => (jobs, Condition::of(word).ok_or_else(bad)?),
            None => (text, Condition::Ok),
        };
        let (jobs, home) = match jobs.split_once('@') {
            Some((_, "")) => return Err(bad()),
            Some((jobs, home)) => (jobs, Some(home.to_owned())),
            None => (jobs, None),
        };
        let (first, last) = jobs.split_once('-').unwrap_or((jobs, jobs));
        // A plus sign is a number to the library.
        let number = |text: &str| {
            let digits = text.bytes().all(|letter| letter.is_ascii_digit());
            text.parse::<u64>().ok().filter(|number| digits && *number > 0).ok_or_else(bad)
        };
        let (first, last) = (number(first)?, number(last)?);
        if first > last {
            return Err(bad());
        }
        Ok(Self { first, last, condition, home })
    }
}

/// This is no job with a condition.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a job such as 17, 17:any, 17:fail or 101-600 is expected, not \"{0}\"")]
pub struct BadAfter(String);

/// Jobs that a job may wait for.
pub const MOST: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_nothing_else() {
        let read = |text: &str| text.parse::<Written>().ok().map(|said| (said.first, said.last, said.condition));
        assert_eq!(read("17"), Some((17, 17, Condition::Ok)));
        assert_eq!(read("17:ok"), Some((17, 17, Condition::Ok)));
        assert_eq!(read("17@redfish:any"), Some((17, 17, Condition::Any)));
        assert_eq!(read("101-600:fail"), Some((101, 600, Condition::Fail)));
        for wrong in ["", ":ok", "17:", "17:maybe", "+17", "0", "20-17", "17@", "17-", "x", "17:ok:any", "-17"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
        let many = "1-10001".parse::<Written>().expect("a range");
        assert!(many.each().is_err_and(|why| why.contains("at most 10000")));
    }

    #[test]
    fn in_json_each_is_a_text() {
        let all = Condition::ALL.map(|condition| After { job: 17, condition });
        let text = serde_json::to_string(&all).expect("JSON");
        assert_eq!(text, r#"["17","17:any","17:fail"]"#);
        assert_eq!(serde_json::from_str::<[After; 3]>(&text).expect("JSON"), all);
        let wrong = serde_json::from_str::<After>("\"17-18\"").expect_err("two jobs").to_string();
        assert!(wrong.contains("is expected, not \"17-18\""), "{wrong}");
    }
}
