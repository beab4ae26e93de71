//! What this host offers to jobs: all that its profiles and `queued.toml` say, as one pool. It must not count
//! anything: admission does.

use std::collections::BTreeMap;

use crate::core::resources::{Amount, Offers};
use crate::profile::offer::{self, Offers as Said};

/// What is offered.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Gathered {
    /// By name.
    pub offers: Offers,
    /// What an admin should know, a sentence each.
    pub doubts: Vec<String>,
}

/// The same name in two places is one thing; where they differ, the smaller holds.
pub fn gather<'a>(sources: impl Iterator<Item = (&'a str, &'a Said)>) -> Gathered {
    let mut gathered = Gathered::default();
    let mut first: BTreeMap<String, &str> = BTreeMap::new();
    for (source, said) in sources {
        for offer in &said.0 {
            let amount = match &offer.amount {
                offer::Amount::Number(number) => Amount::Count(*number),
                offer::Amount::Size(size) => Amount::Bytes(size.0),
                offer::Amount::Flag(true) => Amount::Flag,
                offer::Amount::Flag(false) => Amount::Count(0),
                offer::Amount::Devices(names) => Amount::Devices(names.clone()),
                offer::Amount::Shared { counted_by, .. } => {
                    gathered.doubts.push(format!(
                        "offer {} of {source} is counted by {counted_by}, which is not done yet: it is not offered",
                        offer.name
                    ));
                    continue;
                }
            };
            match gathered.offers.remove(&offer.name) {
                None => {
                    first.insert(offer.name.clone(), source);
                    gathered.offers.insert(offer.name.clone(), amount);
                }
                Some(before) => {
                    if before != amount {
                        let other = first.get(&offer.name).copied().unwrap_or_default();
                        gathered.doubts.push(format!(
                            "{other} and {source} offer different amounts of {}: the smaller holds",
                            offer.name
                        ));
                    }
                    gathered.offers.insert(offer.name.clone(), before.smaller(amount));
                }
            }
        }
    }
    // "false" says that it is not there.
    gathered.offers.retain(|_, amount| amount.total() > 0);
    gathered
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::{self, HostFacts};

    fn said(text: &str) -> Said {
        let host = HostFacts { name: "redfish".into(), cpus: 4 };
        profile::parse(text).expect("as an admin writes it").effective("wait", &host).offer.value
    }

    #[test]
    fn one_name_in_two_places_is_one_thing_and_the_smaller_holds() {
        let one = said("offer = { gpu = [\"0\", \"1\"], licence = 4, scratch = \"1TiB\", raid = true, tape = true }");
        let other =
            said("offer = { gpu = [\"1\", \"2\"], licence = 3, scratch = \"1TiB\", raid = true, tape = false }");
        let gathered = gather([("night", &one), ("wait", &other)].into_iter());
        let expected = [
            ("gpu", Amount::Devices(vec!["1".into()])),
            ("licence", Amount::Count(3)),
            ("raid", Amount::Flag),
            ("scratch", Amount::Bytes(1 << 40)),
        ];
        assert_eq!(gathered.offers, expected.map(|(name, amount)| (name.to_owned(), amount)).into());
        let doubts = ["gpu", "licence", "tape"]
            .map(|name| format!("night and wait offer different amounts of {name}: the smaller holds"));
        assert_eq!(gathered.doubts, doubts);
        assert_eq!(gather([("a", &one), ("b", &one)].into_iter()).doubts, Vec::<String>::new());
    }
}
