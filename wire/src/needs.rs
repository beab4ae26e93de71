//! What a job needs of its host, besides room in the queue: CPUs, and things that hosts offer under a name.
//!
//! What a host has is decided there; here is only how a need is said, and how it travels.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::size::Size;

/// What a job says that it needs.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Needs {
    /// How many slots of its queue it takes; none: as the queue says, which is one unless it says more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpus: Option<u32>,
    /// What is offered under a name.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "few")]
    pub named: Vec<Need>,
}

/// One thing that is needed. As text it is `raid`, `gpu=1` or `scratch>=500GiB`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Need {
    /// The name of an offer.
    pub name: String,
    /// How much of it.
    pub test: NeedTest,
}

/// How much is needed.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum NeedTest {
    /// It is there.
    There,
    /// So much is taken while the job runs; of a word: it is this one.
    Equal(NeedValue),
    /// At least so much is offered; nothing is taken.
    AtLeast(NeedValue),
}

/// The right side of a need.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum NeedValue {
    /// How many.
    Number(u64),
    /// How many bytes.
    Size(Size),
    /// A word, such as the name of a device.
    Word(String),
}

impl Needs {
    /// Whether nothing is said at all.
    pub fn is_empty(&self) -> bool {
        self.cpus.is_none() && self.named.is_empty()
    }
}

impl Need {
    /// Reads `raid`, `gpu=1`, `scratch>=500GiB`.
    pub fn parse(text: &str) -> Option<Self> {
        let end = text.find(['=', '>', '<', '!', ' ']).unwrap_or(text.len());
        let (name, rest) = text.split_at(end);
        let test = match rest.trim() {
            "" => NeedTest::There,
            rest => match rest.strip_prefix(">=") {
                Some(value) => match NeedValue::parse(value.trim())? {
                    NeedValue::Word(_) => return None,
                    value => NeedTest::AtLeast(value),
                },
                None => NeedTest::Equal(NeedValue::parse(rest.strip_prefix('=')?.trim())?),
            },
        };
        is_offer_name(name).then(|| Self { name: name.to_owned(), test })
    }
}

impl NeedValue {
    fn parse(text: &str) -> Option<Self> {
        let word = !text.is_empty() && text.len() <= LONGEST_WORD && text.chars().all(is_plain);
        match (text.parse(), Size::parse(text)) {
            (Ok(number), _) => Some(Self::Number(number)),
            (_, Some(size)) => Some(Self::Size(size)),
            // What begins like a number or an operator is a mistyped one.
            _ => {
                (word && text.starts_with(|c: char| c.is_alphabetic() || c == '/')).then(|| Self::Word(text.to_owned()))
            }
        }
    }
}

/// Whether something may be offered under this name.
pub fn is_offer_name(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_.-".contains(&byte);
    text.len() <= LONGEST_NAME && text.starts_with(|c: char| c.is_ascii_lowercase()) && text.bytes().all(plain)
}

/// Whether it may stand in the name of a device.
pub fn is_plain(character: char) -> bool {
    !character.is_whitespace() && !character.is_control()
}

impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.test {
            NeedTest::There => f.write_str(&self.name),
            NeedTest::Equal(value) => write!(f, "{}={value}", self.name),
            NeedTest::AtLeast(value) => write!(f, "{}>={value}", self.name),
        }
    }
}

impl fmt::Display for NeedValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Size(size) => size.fmt(f),
            Self::Word(word) => f.write_str(word),
        }
    }
}

impl Serialize for Need {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Need {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| de::Error::custom(format!("{text:?} is not a need such as \"gpu=1\"")))
    }
}

/// Not more than a host would go through for one start.
fn few<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Need>, D::Error> {
    let needs = Vec::deserialize(deserializer)?;
    match needs.len() <= MOST_NEEDS {
        true => Ok(needs),
        false => Err(de::Error::custom(format!("a job has at most {MOST_NEEDS} needs"))),
    }
}

/// The most needs of one job.
pub const MOST_NEEDS: usize = 64;
/// Bytes of the name of an offer.
const LONGEST_NAME: usize = 63;
/// Bytes of the name of a device.
pub const LONGEST_WORD: usize = 255;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_need_travels_as_its_text() {
        let texts = ["raid", "gpu=2", "gpu=GPU-8f3", "scratch=10GiB", "scratch>=512GiB", "tokens=1B", "arch=x86_64"];
        let needs = Needs { cpus: Some(4), named: texts.iter().map(|text| Need::parse(text).expect(text)).collect() };
        let json = serde_json::to_string(&needs).expect("plain");
        assert!(json.starts_with(r#"{"cpus":4,"named":["raid","gpu=2","#), "{json}");
        assert_eq!(serde_json::from_str::<Needs>(&json).expect("what was written"), needs);
        assert!(serde_json::from_str::<Needs>(r#"{"named":["GPU=1"]}"#).is_err());
        let many = format!(r#"{{"named":[{}]}}"#, [r#""raid""#; MOST_NEEDS + 1].join(","));
        assert!(serde_json::from_str::<Needs>(&many).is_err());
        assert_eq!(serde_json::from_str::<Needs>("{}").expect("nothing is said"), Needs::default());
    }
}
