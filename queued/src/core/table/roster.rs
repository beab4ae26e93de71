//! Every host that was heard of, and how what is heard is merged.
//!
//! Merging takes the newest: of each host and address the record with the highest incarnation
//! and sequence number, of each host the latest departure, which voids what it covers. So it
//! does not matter in which order, how often and over whom news arrives.

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use wire::exchange::{Figures, Introduction, Key, Manner};

use super::claim::{Claim, ClaimId, Instant, version_of};
use super::clock::ClockDifference;
use super::dials::Way;
use super::pace::MOST_HOSTS;
use super::slots::Slots;
use crate::core::time::Millis;

/// All hosts by name, and all claims by place and key.
#[derive(Debug, Default)]
pub(super) struct Roster {
    hosts: BTreeMap<Arc<str>, Host>,
    claims: Vec<Option<Claim>>,
    free: Vec<ClaimId>,
    /// Both keys of every claim. Never iterated: its order is not repeatable.
    keys: HashMap<Key, ClaimId>,
}

/// What goes by one name.
#[derive(Debug, Default)]
pub(super) struct Host {
    /// By incarnation, then address: the last is the newest. More than one where the host has
    /// moved, or where two hosts use one name.
    pub claims: Vec<ClaimId>,
    pub gone: Option<Gone>,
    pub way: Way,
    pub clock: Option<ClockDifference>,
}

/// That a host left the cluster, and whom we still have to tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Gone {
    /// What is heard of this and earlier lives is void.
    pub incarnation: u64,
    pub manner: Manner,
    pub since: Instant,
    pub due: Slots,
    pub known: Slots,
}

/// What became of something heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Merge {
    /// A host, or an address of one, that was not known.
    Appeared(ClaimId),
    /// Later than what was known.
    Newer(ClaimId, Change),
    /// What was known.
    Same(ClaimId),
    /// Earlier than what is known.
    Older(ClaimId),
    /// Of a life of this host that is over.
    Void,
    /// Figures for a card that is not known.
    Unknown,
    /// Out of bounds, or beyond the number of hosts that are remembered.
    Refused,
}

/// What a later record changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Change {
    /// The card: address, queues, gates.
    pub card: bool,
    /// The host had been doubted.
    pub doubt_ended: bool,
    /// A job less runs there than before.
    pub room: bool,
}

impl Roster {
    /// Merges a record with its card.
    pub fn introduce(&mut self, now: Millis, introduction: Introduction) -> Merge {
        let card = &introduction.card;
        let host = self.hosts.get(card.host.as_str());
        if host.and_then(|host| host.gone).is_some_and(|gone| card.incarnation <= gone.incarnation) {
            return Merge::Void;
        }
        let same_address = |id: &ClaimId| self[*id].card.address == card.address;
        let known = host.and_then(|host| host.claims.iter().copied().find(same_address));
        // Most of what is told is known: it need not be examined.
        if let Some(id) = known {
            match version_of(card, &introduction.figures).cmp(&self[id].version()) {
                Ordering::Less => return Merge::Older(id),
                Ordering::Equal => return Merge::Same(id),
                Ordering::Greater => {}
            }
        }
        if !card.is_sound() || !introduction.figures.is_sound() {
            return Merge::Refused;
        }
        match known {
            Some(id) => self.renew(now, id, introduction),
            None => self.add(now, introduction),
        }
    }

    /// Merges figures that continue a card.
    pub fn update(&mut self, now: Millis, key: Key, figures: Figures) -> Merge {
        let Some(id) = self.find(key) else {
            return Merge::Unknown;
        };
        let claim = &self[id];
        if claim.key != key || figures.step < claim.figures.step {
            return Merge::Older(id);
        }
        if figures.step == claim.figures.step {
            return Merge::Same(id);
        }
        if !figures.is_sound() {
            return Merge::Refused;
        }
        let card = Arc::clone(&claim.card);
        self.renew(now, id, Introduction { card, figures })
    }

    /// Merges a departure; whether it is news.
    pub fn depart(&mut self, name: &str, departure: Gone) -> bool {
        if !self.hosts.contains_key(name) && !self.make_room() {
            return false;
        }
        let host = self.hosts.entry(name.into()).or_default();
        let known = host.gone.map(|gone| (gone.incarnation, gone.manner));
        if known >= Some((departure.incarnation, departure.manner)) {
            return false;
        }
        host.gone = Some(departure);
        for id in host.claims.clone() {
            if self[id].card.incarnation <= departure.incarnation {
                self.drop_claim(id);
            }
        }
        true
    }

    /// The claim whose card has, or had, this key.
    pub fn find(&self, key: Key) -> Option<ClaimId> {
        self.keys.get(&key).copied()
    }

    /// The host of this name, departed ones included.
    pub fn host(&self, name: &str) -> Option<&Host> {
        self.hosts.get(name)
    }

    /// The host of this name, to be changed.
    pub fn host_mut(&mut self, name: &str) -> Option<&mut Host> {
        self.hosts.get_mut(name)
    }

    /// The newest claim to this name.
    pub fn newest(&self, name: &str) -> Option<ClaimId> {
        self.hosts.get(name)?.claims.last().copied()
    }

    /// Every host with its name, departed ones included.
    pub fn hosts(&self) -> impl Iterator<Item = (&Arc<str>, &Host)> {
        self.hosts.iter()
    }

    /// Every host with its name, to be changed.
    pub fn hosts_mut(&mut self) -> impl Iterator<Item = (&Arc<str>, &mut Host)> {
        self.hosts.iter_mut()
    }

    /// The newest claim to every name, by name.
    pub fn newest_claims(&self) -> impl Iterator<Item = ClaimId> {
        self.hosts.values().filter_map(|host| host.claims.last().copied())
    }

    /// Every claim.
    pub fn claims(&self) -> impl Iterator<Item = (ClaimId, &Claim)> {
        let numbered = (0..).map(ClaimId).zip(&self.claims);
        numbered.filter_map(|(id, claim)| Some((id, claim.as_ref()?)))
    }

    /// Every claim, to be changed.
    pub fn claims_mut(&mut self) -> impl Iterator<Item = (ClaimId, &mut Claim)> {
        let numbered = (0..).map(ClaimId).zip(&mut self.claims);
        numbered.filter_map(|(id, claim)| Some((id, claim.as_mut()?)))
    }

    /// A claim that may have been dropped since.
    pub fn get(&self, id: ClaimId) -> Option<&Claim> {
        self.claims.get(id.0 as usize)?.as_ref()
    }

    /// A claim that may have been dropped since, to be changed.
    pub fn get_mut(&mut self, id: ClaimId) -> Option<&mut Claim> {
        self.claims.get_mut(id.0 as usize)?.as_mut()
    }

    /// How many hosts are part of the cluster, as far as is known.
    pub fn count(&self) -> usize {
        self.claims.len() - self.free.len()
    }

    /// Forgets what has been over for long.
    pub fn sweep(&mut self, now: Millis) {
        let over = |claim: &Claim, newest: bool| match claim.doubt {
            Some(doubt) => doubt.since.age(now) > SILENT_REMEMBERED,
            None => !newest && claim.age(now) > MOVED_REMEMBERED,
        };
        let mut forgotten = Vec::new();
        for (id, claim) in self.claims() {
            let name: &str = &claim.card.host;
            if over(claim, self.newest(name) == Some(id)) {
                forgotten.push(id);
            }
        }
        for id in forgotten {
            self.drop_claim(id);
        }
        for host in self.hosts.values_mut() {
            host.gone = host.gone.filter(|gone| gone.since.age(now) <= remembered(gone.manner));
        }
        self.hosts.retain(|_, host| !host.claims.is_empty() || host.gone.is_some());
    }

    fn add(&mut self, now: Millis, introduction: Introduction) -> Merge {
        let name: Arc<str> = introduction.card.host.as_str().into();
        let claims = self.hosts.get(&name).map_or(&[][..], |host| &host.claims);
        if claims.len() == MOST_CLAIMS {
            let lowest = claims[0];
            let order = |claim: &wire::exchange::Card| (claim.incarnation, claim.address.clone());
            if order(&introduction.card) < order(&self[lowest].card) {
                return Merge::Refused;
            }
            self.drop_claim(lowest);
        } else if claims.is_empty() && !self.hosts.contains_key(&name) && !self.make_room() {
            return Merge::Refused;
        }
        let claim = Claim::new(now, introduction);
        let key = claim.key;
        let id = match self.free.pop() {
            Some(id) => {
                self.claims[id.0 as usize] = Some(claim);
                id
            }
            None => {
                self.claims.push(Some(claim));
                ClaimId(self.claims.len() as u32 - 1)
            }
        };
        self.keys.insert(key, id);
        self.hosts.entry(Arc::clone(&name)).or_default().claims.push(id);
        self.order_claims(&name);
        Merge::Appeared(id)
    }

    /// Replaces a claim's record by a later one.
    fn renew(&mut self, now: Millis, id: ClaimId, introduction: Introduction) -> Merge {
        let claim = &mut self[id];
        let Introduction { card, figures } = introduction;
        let key = claim.key_of(&card);
        // A host may be doubted after a record that comes here only now.
        let version = version_of(&card, &figures);
        let same_life = version.incarnation == claim.card.incarnation;
        let ended = claim.doubt.take_if(|doubt| !same_life || version.sequence > doubt.sequence);
        let change = Change {
            card: key != claim.key,
            doubt_ended: ended.is_some(),
            room: jobs(&figures) < jobs(&claim.figures),
        };
        if let Some(doubt) = ended {
            claim.refuted = Some(doubt.sequence);
        }
        claim.figures = figures;
        claim.interval = Some(now.since(claim.heard));
        claim.heard = now;
        if change.card {
            let forgotten = claim.earlier_key.replace(claim.key);
            let replaced = std::mem::replace(&mut claim.card, card);
            claim.key = key;
            claim.card_heard = now;
            if claim.card.incarnation != replaced.incarnation {
                claim.refuted = None;
            }
            if let Some(forgotten) = forgotten {
                self.keys.remove(&forgotten);
            }
            self.keys.insert(key, id);
            if self[id].card.incarnation != replaced.incarnation {
                self.order_claims(&Arc::from(replaced.host.as_str()));
            }
        }
        Merge::Newer(id, change)
    }

    fn order_claims(&mut self, name: &Arc<str>) {
        let Some(host) = self.hosts.get_mut(name) else {
            return;
        };
        let mut claims = std::mem::take(&mut host.claims);
        claims.sort_by(|&one, &other| {
            let (one, other) = (&self[one].card, &self[other].card);
            (one.incarnation, &one.address).cmp(&(other.incarnation, &other.address))
        });
        if let Some(host) = self.hosts.get_mut(name) {
            host.claims = claims;
        }
    }

    fn drop_claim(&mut self, id: ClaimId) {
        let Some(claim) = self.claims[id.0 as usize].take() else {
            return;
        };
        for key in [Some(claim.key), claim.earlier_key].into_iter().flatten() {
            self.keys.remove(&key);
        }
        if let Some(host) = self.hosts.get_mut(claim.card.host.as_str()) {
            host.claims.retain(|&other| other != id);
        }
        self.free.push(id);
    }

    /// Makes room for one more host, at the expense of one that departed or fell silent long
    /// ago; whether there is room.
    fn make_room(&mut self) -> bool {
        if self.hosts.len() < MOST_HOSTS {
            return true;
        }
        let dispensable = |host: &Host| -> Option<Instant> {
            match (host.claims.as_slice(), host.gone) {
                ([], gone) => gone.map(|gone| gone.since),
                (claims, _) => claims.iter().map(|&id| self[id].doubt.map(|doubt| doubt.since)).max()?,
            }
        };
        let oldest = self.hosts.iter().filter_map(|(name, host)| Some((dispensable(host)?, name))).min();
        let Some(name) = oldest.map(|(_, name)| Arc::clone(name)) else {
            return false;
        };
        for id in self.hosts[&name].claims.clone() {
            self.drop_claim(id);
        }
        self.hosts.remove(&name);
        true
    }
}

impl std::ops::Index<ClaimId> for Roster {
    type Output = Claim;

    fn index(&self, id: ClaimId) -> &Claim {
        self.get(id).expect("a claim id is used only while its claim stands")
    }
}

impl std::ops::IndexMut<ClaimId> for Roster {
    fn index_mut(&mut self, id: ClaimId) -> &mut Claim {
        let claim = self.claims.get_mut(id.0 as usize).and_then(Option::as_mut);
        claim.expect("a claim id is used only while its claim stands")
    }
}

fn jobs(figures: &Figures) -> u64 {
    figures.running.iter().copied().map(u64::from).sum()
}

/// How long a departure is remembered.
pub(super) fn remembered(manner: Manner) -> Duration {
    match manner {
        Manner::Left => DAY,
        Manner::Removed => 30 * DAY,
    }
}

const DAY: Duration = Duration::from_secs(86_400);
/// How long a host that fell silent is shown.
const SILENT_REMEMBERED: Duration = Duration::from_secs(30 * 86_400);
/// How long the address is remembered that a host had before.
const MOVED_REMEMBERED: Duration = Duration::from_secs(3_600);
/// Claims of one name that are remembered, the newest ones.
const MOST_CLAIMS: usize = 3;
