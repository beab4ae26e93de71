//! What is known of one host at one address: the newest record, and the account of who among
//! the neighbours knows it already. Two hosts that use one name are two claims.

use std::sync::Arc;
use std::time::Duration;

use wire::exchange::{Card, Figures, Introduction, Key};

use super::peers::position;
use super::slots::{Slot, Slots};
use crate::core::time::Millis;

/// The place of a claim in the roster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct ClaimId(pub u32);

/// Orders the records of one host: a higher one replaces a lower one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Version {
    pub incarnation: u64,
    pub sequence: u64,
}

/// A host's name, one address, and the newest record under both.
#[derive(Debug)]
pub(super) struct Claim {
    pub card: Arc<Card>,
    pub key: Key,
    /// The key of the card before, which a neighbour may still use.
    pub earlier_key: Option<Key>,
    pub figures: Figures,
    /// When this address was first heard to have the name.
    pub first: Millis,
    /// When the card was first heard.
    pub card_heard: Millis,
    /// When this record was first heard. This, by the own clock, is its age.
    pub heard: Millis,
    /// How long before it the record it replaced was heard; `None` for the first.
    pub interval: Option<Duration>,
    /// Decides where the host stands on the rings of peers.
    pub position: u64,
    /// Somebody lost the host after this record.
    pub doubt: Option<Doubt>,
    /// The last doubt that a record ended. Echoes of it are still under way.
    pub refuted: Option<u64>,
    pub account: Account,
}

/// That somebody lost a host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Doubt {
    /// The last record before; a later one ends the doubt.
    pub sequence: u64,
    /// Since when; it may be before this daemon's start.
    pub since: Instant,
}

/// An instant that may lie before this daemon's start: what others say has an age.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Instant(i64);

/// Which neighbours know a claim's newest record, and how news of it travels.
#[derive(Debug, Default)]
pub(super) struct Account {
    /// They have the record: told by us, or it by them.
    pub known: Slots,
    /// They have the card, so that figures suffice.
    pub card_known: Slots,
    /// They are still to be told.
    pub due: Slots,
    /// They are still to be told of the doubt.
    pub doubt_due: Slots,
    /// They hear of this host sooner from somebody else and asked to be spared.
    pub spared: Slots,
    /// We asked them to spare us.
    pub sparing: Slots,
    /// How the newest record came.
    pub track: Track,
    /// Who was first to push a record of this host, the last time one was pushed.
    pub source: Option<Slot>,
}

/// How a record came here from its host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Track {
    /// Every daemon on its way sent it on in a request of its own, as soon as it had it.
    #[default]
    Pushed,
    /// Somebody got it as an answer. That may have been quicker, but by luck: answers come only
    /// when something is asked.
    Pulled,
}

/// Who told something, and how it came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Teller {
    pub slot: Slot,
    pub track: Track,
}

impl Claim {
    /// The claim that an introduction makes.
    pub fn new(now: Millis, introduction: Introduction) -> Self {
        Self {
            key: introduction.card.key(),
            earlier_key: None,
            position: position(&introduction.card.host),
            card: introduction.card,
            figures: introduction.figures,
            first: now,
            card_heard: now,
            heard: now,
            interval: None,
            doubt: None,
            refuted: None,
            account: Account::default(),
        }
    }

    /// The order of its record.
    pub fn version(&self) -> Version {
        version_of(&self.card, &self.figures)
    }

    /// The key of a card that follows this claim's, or is the same.
    pub fn key_of(&self, card: &Card) -> Key {
        let same = (card.incarnation, card.sequence) == (self.card.incarnation, self.card.sequence);
        if same { self.key } else { card.key() }
    }

    /// All there is to tell.
    pub fn introduction(&self) -> Introduction {
        Introduction { card: Arc::clone(&self.card), figures: self.figures.clone() }
    }

    /// How old the record is by the own clock.
    pub fn age(&self, now: Millis) -> Duration {
        now.since(self.heard)
    }
}

impl Instant {
    /// So long before `now`.
    pub fn before(now: Millis, age: Duration) -> Self {
        Self(i64::try_from(now.0).unwrap_or(i64::MAX).saturating_sub_unsigned(age.as_millis() as u64))
    }

    /// How long ago it was.
    pub fn age(self, now: Millis) -> Duration {
        let now = i64::try_from(now.0).unwrap_or(i64::MAX);
        Duration::from_millis(now.saturating_sub(self.0).max(0) as u64)
    }

    /// When so much time has passed since, but not before the own start.
    pub fn after(self, length: Duration) -> Millis {
        Millis(self.0.saturating_add_unsigned(length.as_millis() as u64).max(0) as u64)
    }
}

/// The order of the record that these two make.
pub(super) fn version_of(card: &Card, figures: &Figures) -> Version {
    Version { incarnation: card.incarnation, sequence: card.sequence.saturating_add(figures.step) }
}
