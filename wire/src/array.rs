//! Many jobs that differ in a number: the elements of an array.
//!
//! An array is a submission of its own. The element with the number `i` in it (from 0) has the index
//! `first + step * i`, so that neither needs a word of the owner for itself.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Which indexes there are. Part of [`crate::batch::Batch`], and covered by the warrant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Array {
    /// The first index.
    pub first: u64,
    /// The last may be up to here.
    pub last: u64,
    /// From one index to the next.
    pub step: u64,
    /// At most so many run at a time, on all hosts together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at_most: Option<u64>,
}

impl Array {
    /// How many elements there are. None: it is no array, or a larger one than [`MOST`].
    pub fn count(&self) -> Option<u64> {
        let count = self.last.checked_sub(self.first)?.checked_div(self.step)?.checked_add(1)?;
        (count <= MOST && self.at_most != Some(0)).then_some(count)
    }

    /// The index of an element.
    pub fn index(&self, number: u64) -> Option<u64> {
        (number < self.count()?).then(|| self.first + self.step * number)
    }

    /// The number of an element in its submission: what its submit key ends with.
    pub fn number(submit_key: &str) -> Option<u64> {
        submit_key.rsplit_once('/')?.1.parse().ok()
    }
}

impl fmt::Display for Array {
    fn fmt(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(to, "{}-{}", self.first, self.last)?;
        if self.step != 1 {
            write!(to, ":{}", self.step)?;
        }
        self.at_most.map_or(Ok(()), |most| write!(to, "%{most}"))
    }
}

impl FromStr for Array {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("a range such as 1-1000, 0-99:3 or 1-1000%50 is expected, not \"{text}\"");
        // A plus sign is a number to the library.
        let number = |part: &str| {
            let digits = !part.is_empty() && part.bytes().all(|letter| letter.is_ascii_digit());
            if digits { part.parse::<u64>().map_err(|_| format!("{part} is too large a number")) } else { Err(wrong()) }
        };
        let (range, at_most) = match text.split_once('%') {
            Some((range, most)) => (range, Some(number(most)?)),
            None => (text, None),
        };
        let (range, step) = match range.split_once(':') {
            Some((range, step)) => (range, number(step)?),
            None => (range, 1),
        };
        let (first, last) = range.split_once('-').ok_or_else(wrong)?;
        let (first, last) = (number(first)?, number(last)?);
        if first > last {
            return Err(format!("{first}-{last} goes backwards: \"{last}-{first}\"?"));
        }
        if step == 0 {
            return Err(format!("\"{text}\": a step of 0 leads nowhere; leave out \":0\" for every number"));
        }
        if at_most == Some(0) {
            return Err(format!("\"{text}\": with \"%0\" none of it would ever run; leave it out, or take --hold"));
        }
        let array = Self { first, last, step, at_most };
        array.count().map(|_| array).ok_or_else(|| {
            format!("{first}-{last} are more than {MOST} elements, which is the most; a range in parts, or jobs that do more each?")
        })
    }
}

/// Which element of an array a job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Element {
    /// The number of the first of its jobs.
    pub id: u64,
    /// Its index.
    pub index: u64,
    /// How many there are.
    pub count: u64,
    /// In a listing that shows elements as one: what the row stands for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stands_for: Option<Group>,
}

/// Elements of one array in one state, which a row stands for; its own number is the first of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// How many.
    pub count: u64,
    /// The number of the last of them.
    pub last: u64,
}

/// Elements that an array may have.
pub const MOST: u64 = 1_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_and_written_and_have_their_indexes() {
        let array = "1-1000:2%50".parse::<Array>().expect("a range");
        assert_eq!(array, Array { first: 1, last: 1000, step: 2, at_most: Some(50) });
        assert_eq!((array.count(), array.to_string().as_str()), (Some(500), "1-1000:2%50"));
        assert_eq!([array.index(0), array.index(499), array.index(500)], [Some(1), Some(999), None]);
        assert_eq!("5-5".parse::<Array>().map(|array| array.count()), Ok(Some(1)));
        let large = format!("{}-{}", u64::MAX - 1, u64::MAX).parse::<Array>().expect("two numbers");
        assert_eq!((large.count(), large.index(1)), (Some(2), Some(u64::MAX)));
        assert_eq!("0-999999".parse::<Array>().map(|array| array.count()), Ok(Some(MOST)));
        assert_eq!(Array::number("ab12/17"), Some(17));
    }

    #[test]
    fn what_is_no_range_is_refused_with_what_is_meant() {
        for (text, words) in [
            ("", "a range such as 1-1000"),
            ("7", "a range such as 1-1000"),
            ("1-", "a range such as 1-1000"),
            ("+1-2", "a range such as 1-1000"),
            ("1-2:", "a range such as 1-1000"),
            ("1-2%x", "a range such as 1-1000"),
            ("10-1", "10-1 goes backwards: \"1-10\"?"),
            ("1-10:0", "a step of 0 leads nowhere"),
            ("1-10%0", "none of it would ever run"),
            ("1-1000000000", "more than 1000000 elements"),
            ("0-18446744073709551615", "more than 1000000 elements"),
            ("0-18446744073709551616", "18446744073709551616 is too large a number"),
        ] {
            let refused = text.parse::<Array>().expect_err(text);
            assert!(refused.contains(words), "{text}: {refused}");
        }
        for wrong in [
            Array { first: 2, last: 1, step: 1, at_most: None },
            Array { first: 1, last: 2, step: 0, at_most: None },
            Array { first: 0, last: u64::MAX, step: 1, at_most: None },
            Array { first: 1, last: 2, step: 1, at_most: Some(0) },
        ] {
            assert_eq!((wrong.count(), wrong.index(0)), (None, None), "{wrong:?}");
        }
    }
}
