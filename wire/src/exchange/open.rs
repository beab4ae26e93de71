//! How the parts of a message are written: arrays, because their names would be longer than
//! their values. An array may be longer than known here (a later release) and, where a default
//! makes sense, shorter (an earlier one).

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use serde::de::value::SeqAccessDeserializer;
use serde::de::{self, SeqAccess, Visitor};
use serde::ser::SerializeSeq;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use super::{Card, Departure, Figures, Greeting, Introduction, Key, Manner, OfferCard, QueueCard, Rumour, Update};
use super::{MAX_KEYS, MAX_RECORDS};
use crate::news::OfferUnit;

/// The elements known here, and those of a later release.
struct Open<T> {
    known: T,
    rest: Vec<Value>,
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Open<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Elements<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Elements<T> {
            type Value = Open<T>;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("an array")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Open<T>, A::Error> {
                let known = T::deserialize(SeqAccessDeserializer::new(&mut elements))?;
                let mut rest = Vec::new();
                while let Some(element) = elements.next_element()? {
                    rest.push(element);
                }
                Ok(Open { known, rest })
            }
        }

        deserializer.deserialize_seq(Elements(PhantomData))
    }
}

/// A list of records, refused as soon as it is longer than any honest sender's.
pub(super) fn records<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
    deserializer.deserialize_seq(Bounded { most: MAX_RECORDS, element: PhantomData })
}

/// A list of keys, likewise.
pub(super) fn keys<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Key>, D::Error> {
    deserializer.deserialize_seq(Bounded { most: MAX_KEYS, element: PhantomData })
}

struct Bounded<T> {
    most: usize,
    element: PhantomData<T>,
}

impl<'de, T: Deserialize<'de>> Visitor<'de> for Bounded<T> {
    type Value = Vec<T>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "at most {} elements", self.most)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Vec<T>, A::Error> {
        let mut list = Vec::new();
        while let Some(element) = elements.next_element()? {
            if list.len() == self.most {
                return Err(de::Error::invalid_length(self.most + 1, &self));
            }
            list.push(element);
        }
        Ok(list)
    }
}

impl Serialize for Key {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text())
    }
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Letters;

        impl Visitor<'_> for Letters {
            type Value = Key;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a key of eight letters")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Key, E> {
                Key::parse(text).ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
            }
        }

        deserializer.deserialize_str(Letters)
    }
}

impl Serialize for Greeting {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (self.incarnation, self.known).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Greeting {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (incarnation, known) = Open::deserialize(deserializer)?.known;
        Ok(Self { incarnation, known })
    }
}

impl Serialize for QueueCard {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.shut {
            Some(shut) => (&self.queue, self.limit, shut).serialize(serializer),
            None => (&self.queue, self.limit).serialize(serializer),
        }
    }
}

#[derive(Deserialize)]
struct QueueElements(String, #[serde(default)] Option<u32>, #[serde(default)] Option<String>);

impl<'de> Deserialize<'de> for QueueCard {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let QueueElements(queue, limit, shut) = Open::deserialize(deserializer)?.known;
        Ok(Self { queue, limit, shut })
    }
}

impl Serialize for OfferCard {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let unit: u8 = match self.unit {
            OfferUnit::Count => 0,
            OfferUnit::Bytes => 1,
            OfferUnit::Flag => 2,
        };
        (&self.name, self.total, unit).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for OfferCard {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (name, total, unit): (_, _, u64) = Open::deserialize(deserializer)?.known;
        let unit = match unit {
            1 => OfferUnit::Bytes,
            2 => OfferUnit::Flag,
            // What a later release counts is counted here all the same.
            _ => OfferUnit::Count,
        };
        Ok(Self { name, total, unit })
    }
}

impl Serialize for Figures {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut array = serializer.serialize_seq(None)?;
        array.serialize_element(&self.step)?;
        array.serialize_element(&self.load1_hundredths)?;
        array.serialize_element(&self.runnable_tenths)?;
        array.serialize_element(&self.memory_free_mib)?;
        array.serialize_element(&self.starting)?;
        array.serialize_element(&self.running)?;
        // Most hosts offer nothing; what stands behind keeps its place all the same.
        if !self.free.is_empty() || !self.rest.is_empty() {
            array.serialize_element(&self.free)?;
        }
        for element in &self.rest {
            array.serialize_element(element)?;
        }
        array.end()
    }
}

#[derive(Deserialize)]
struct FigureElements(
    u64,
    #[serde(default)] u32,
    #[serde(default)] u32,
    #[serde(default)] u64,
    #[serde(default)] u32,
    #[serde(default)] Vec<u32>,
    #[serde(default)] Vec<u64>,
);

impl<'de> Deserialize<'de> for Figures {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Open { known, rest } = Open::deserialize(deserializer)?;
        let FigureElements(step, load1_hundredths, runnable_tenths, memory_free_mib, starting, running, free) = known;
        Ok(Self { step, load1_hundredths, runnable_tenths, memory_free_mib, starting, running, free, rest })
    }
}

impl Serialize for Introduction {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let card = &self.card;
        let mut array = serializer.serialize_seq(None)?;
        array.serialize_element(&card.host)?;
        array.serialize_element(&card.address)?;
        array.serialize_element(&card.incarnation)?;
        array.serialize_element(&card.sequence)?;
        array.serialize_element(&card.cpus)?;
        array.serialize_element(&card.speed_thousandths)?;
        array.serialize_element(&card.memory_mib)?;
        array.serialize_element(&card.platform)?;
        array.serialize_element(&card.version)?;
        array.serialize_element(&card.queues)?;
        array.serialize_element(&self.figures)?;
        if !card.offers.is_empty() || !card.rest.is_empty() {
            array.serialize_element(&card.offers)?;
        }
        for element in &card.rest {
            array.serialize_element(element)?;
        }
        array.end()
    }
}

#[derive(Deserialize)]
struct IntroductionElements(
    String,
    String,
    u64,
    u64,
    u32,
    u32,
    u64,
    String,
    String,
    Vec<QueueCard>,
    Figures,
    #[serde(default)] Vec<OfferCard>,
);

impl<'de> Deserialize<'de> for Introduction {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Open { known, rest } = Open::deserialize(deserializer)?;
        let IntroductionElements(
            host,
            address,
            incarnation,
            sequence,
            cpus,
            speed_thousandths,
            memory_mib,
            platform,
            version,
            queues,
            figures,
            offers,
        ) = known;
        let card = Card {
            host,
            address,
            incarnation,
            sequence,
            cpus,
            speed_thousandths,
            memory_mib,
            platform,
            version,
            queues,
            offers,
            rest,
        };
        Ok(Self { card: Arc::new(card), figures })
    }
}

impl Serialize for Update {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (self.key, &self.figures).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Update {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (key, figures) = Open::deserialize(deserializer)?.known;
        Ok(Self { key, figures })
    }
}

impl Serialize for Rumour {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (&self.host, self.incarnation, self.sequence, self.age_ms).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Rumour {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (host, incarnation, sequence, age_ms) = Open::deserialize(deserializer)?.known;
        Ok(Self { host, incarnation, sequence, age_ms })
    }
}

impl Serialize for Departure {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let manner: u8 = match self.manner {
            Manner::Left => 0,
            Manner::Removed => 1,
        };
        (&self.host, self.incarnation, manner, self.age_s).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Departure {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (host, incarnation, manner, age_s): (_, _, u64, _) = Open::deserialize(deserializer)?.known;
        // A manner of a later release is at least as final as leaving.
        let manner = if manner == 1 { Manner::Removed } else { Manner::Left };
        Ok(Self { host, incarnation, manner, age_s })
    }
}
