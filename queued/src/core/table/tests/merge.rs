//! Merging does not depend on order, repetition or grouping.

use std::collections::BTreeMap;

use proptest::prelude::*;
use wire::exchange::{Card, Figures, Introduction, Manner};
use wire::news::HostState;

use super::super::claim::Instant;
use super::super::roster::{Gone, Merge, Roster};
use crate::core::time::Millis;

/// Something that can be heard.
#[derive(Debug, Clone)]
enum Heard {
    Record { host: u8, address: u8, incarnation: u64, sequence: u64 },
    Departure { host: u8, incarnation: u64, removed: bool },
}

fn heard() -> impl Strategy<Value = Heard> {
    prop_oneof![
        5 => (0..3u8, 0..5u8, 1..6u64, 1..6u64).prop_map(|(host, address, incarnation, sequence)| {
            Heard::Record { host, address, incarnation, sequence }
        }),
        1 => (0..3u8, 1..6u64, any::<bool>()).prop_map(|(host, incarnation, removed)| {
            Heard::Departure { host, incarnation, removed }
        }),
    ]
}

/// A record whose every part follows from who made it when, as in life.
fn introduction(host: u8, address: u8, incarnation: u64, sequence: u64) -> Introduction {
    // Every other record of a life has a new card.
    let card_sequence = sequence - sequence % 2;
    let state = HostState { cpus: (incarnation * 100 + card_sequence) as u32, ..HostState::default() };
    let card = Card::of(&format!("h{host}"), &format!("a{address}"), incarnation, card_sequence, &state);
    let figures = Figures { memory_free_mib: incarnation * 100 + sequence, ..Figures::of(sequence % 2, &state) };
    Introduction { card: card.into(), figures }
}

fn merge(roster: &mut Roster, heard: &Heard) {
    match *heard {
        Heard::Record { host, address, incarnation, sequence } => {
            roster.introduce(Millis(1), introduction(host, address, incarnation, sequence));
        }
        Heard::Departure { host, incarnation, removed } => {
            let gone = Gone {
                incarnation,
                manner: if removed { Manner::Removed } else { Manner::Left },
                since: Instant::before(Millis(1), Default::default()),
                due: Default::default(),
                known: Default::default(),
            };
            roster.depart(&format!("h{host}"), gone);
        }
    }
}

fn merged<'a>(all: impl IntoIterator<Item = &'a Heard>) -> Roster {
    let mut roster = Roster::default();
    all.into_iter().for_each(|heard| merge(&mut roster, heard));
    roster
}

/// What a table knows, as it could be told to another.
type Facts = BTreeMap<String, (Option<(u64, Manner)>, Vec<(u64, String, u64, u64)>)>;

fn facts(roster: &Roster) -> Facts {
    let of_host = |(name, host): (&std::sync::Arc<str>, &super::super::roster::Host)| {
        let claims = host.claims.iter().map(|&id| {
            let claim = &roster[id];
            let version = claim.version();
            (version.incarnation, claim.card.address.clone(), version.sequence, claim.figures.memory_free_mib)
        });
        (name.to_string(), (host.gone.map(|gone| (gone.incarnation, gone.manner)), claims.collect()))
    };
    roster.hosts().map(of_host).collect()
}

/// Everything that `other` knows is told to `roster`.
fn absorb(mut roster: Roster, other: &Roster) -> Roster {
    for (name, host) in other.hosts() {
        if let Some(gone) = host.gone {
            roster.depart(name, gone);
        }
        for &id in &host.claims {
            roster.introduce(Millis(1), other[id].introduction());
        }
    }
    roster
}

proptest! {
    #[test]
    fn order_and_repetition_do_not_matter(
        (all, shuffled) in prop::collection::vec(heard(), 0..40).prop_flat_map(|all| {
            let twice: Vec<Heard> = all.iter().chain(&all).cloned().collect();
            (Just(all), Just(twice).prop_shuffle())
        })
    ) {
        prop_assert_eq!(facts(&merged(&all)), facts(&merged(&shuffled)));
    }

    #[test]
    fn grouping_does_not_matter(
        one in prop::collection::vec(heard(), 0..15),
        two in prop::collection::vec(heard(), 0..15),
        three in prop::collection::vec(heard(), 0..15),
    ) {
        let left = absorb(absorb(merged(&one), &merged(&two)), &merged(&three));
        let right = absorb(merged(&one), &absorb(merged(&two), &merged(&three)));
        let reverse = absorb(merged(&three), &absorb(merged(&one), &merged(&two)));
        prop_assert_eq!(facts(&left), facts(&right));
        prop_assert_eq!(facts(&left), facts(&reverse));
    }

    #[test]
    fn figures_never_meet_the_card_of_another_life(
        all in prop::collection::vec((0..2u8, 0..2u8, 1..5u64, 1..9u64, any::<bool>()), 0..60)
    ) {
        let mut roster = Roster::default();
        for (host, address, incarnation, sequence, whole) in all {
            let introduction = introduction(host, address, incarnation, sequence);
            let key = introduction.card.key();
            if whole {
                roster.introduce(Millis(1), introduction);
            } else {
                let known = roster.claims().any(|(_, claim)| claim.key == key || claim.earlier_key == Some(key));
                let merge = roster.update(Millis(1), key, introduction.figures);
                prop_assert_eq!(known, merge != Merge::Unknown);
            }
            for (_, claim) in roster.claims() {
                let made_by = claim.figures.memory_free_mib;
                prop_assert_eq!(made_by, claim.version().incarnation * 100 + claim.version().sequence);
                prop_assert_eq!(u64::from(claim.card.cpus), claim.card.incarnation * 100 + claim.card.sequence);
            }
        }
    }
}
