//! Who is next: jobs in line at their home, in one order. Priority (high first), then the
//! user with least under way, then the time of submission.
//!
//! Jobs that may run on the same hosts and need the same share a lane: when the first of a lane finds no host,
//! none behind it will, and one lane's full hosts never hold up another lane.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::shares::Shares;
use crate::core::names::{HostName, JobId, QueueName, UserName};
use crate::core::resources::Needs;

/// Which hosts the jobs of a lane may run on.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct LaneKey {
    pub queue: QueueName,
    pub target: Target,
    /// Sorted; empty means any.
    pub allowed: Vec<HostName>,
    /// Sorted; hosts that cannot run it or were given up by the client.
    pub barred: Vec<HostName>,
    pub needs: Needs,
}

impl LaneKey {
    /// Leaves these hosts out.
    pub fn bar<'a>(&mut self, hosts: impl Iterator<Item = &'a HostName>) {
        for host in hosts {
            if let Err(place) = self.barred.binary_search(host) {
                self.barred.insert(place, host.clone());
            }
        }
    }
}

/// The host the person named.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Target {
    Any,
    Only(HostName),
    Rather(HostName),
}

/// A job's place in the order, less its user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Counts submissions.
    pub turn: u64,
    pub id: JobId,
}

/// The jobs in line.
#[derive(Debug, Default)]
pub struct Lanes {
    lanes: HashMap<LaneKey, Lane>,
    pub shares: Shares,
    waiting: usize,
}

#[derive(Debug, Default)]
struct Lane {
    /// Who came since the lane was last found without a host.
    new: Vec<JobId>,
    levels: BTreeMap<Reverse<i32>, BTreeMap<UserName, BTreeSet<Place>>>,
}

/// The first of a lane, to be compared with those of others: lowest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct First {
    priority: Reverse<i32>,
    under_way: u32,
    pub place: Place,
}

impl Lanes {
    pub fn len(&self) -> usize {
        self.waiting
    }

    pub fn insert(&mut self, key: &LaneKey, priority: i32, user: &UserName, place: Place) {
        let lane = self.lanes.entry(key.clone()).or_default();
        let users = lane.levels.entry(Reverse(priority)).or_default();
        if users.entry(user.clone()).or_default().insert(place) {
            self.waiting += 1;
            lane.new.push(place.id);
        }
    }

    pub fn remove(&mut self, key: &LaneKey, priority: i32, user: &UserName, place: Place) {
        let Some(lane) = self.lanes.get_mut(key) else { return };
        let Some(users) = lane.levels.get_mut(&Reverse(priority)) else { return };
        let Some(places) = users.get_mut(user) else { return };
        if places.remove(&place) {
            self.waiting -= 1;
        }
        if places.is_empty() {
            users.remove(user);
        }
        if users.is_empty() {
            lane.levels.remove(&Reverse(priority));
        }
        if lane.levels.is_empty() {
            self.lanes.remove(key);
        }
    }

    /// Who is next in a lane.
    pub fn first(&self, key: &LaneKey) -> Option<First> {
        // Whoever may run no more holds up nobody, of whatever priority.
        self.lanes.get(key)?.levels.iter().find_map(|(priority, users)| {
            let may = users.iter().filter(|(user, _)| self.shares.is_used_up(&key.queue, user).is_none());
            let firsts = may.filter_map(|(user, places)| {
                let under_way = self.shares.weight(&key.queue, user);
                places.first().map(|place| First { priority: *priority, under_way, place: *place })
            });
            firsts.min()
        })
    }

    /// The lanes with somebody in line.
    pub fn keys(&self) -> impl Iterator<Item = &LaneKey> {
        self.lanes.keys()
    }

    /// Who came since this was last asked, and may have left again.
    pub fn take_new(&mut self, key: &LaneKey) -> Vec<JobId> {
        self.lanes.get_mut(key).map(|lane| std::mem::take(&mut lane.new)).unwrap_or_default()
    }

    /// As if all had come just now.
    pub fn all_are_new(&mut self, key: &LaneKey) {
        if let Some(lane) = self.lanes.get_mut(key) {
            let places = lane.levels.values().flat_map(|users| users.values()).flatten();
            lane.new = places.map(|place| place.id).collect();
        }
    }

    /// How many of a lane are of higher priority or came before.
    pub fn ahead(&self, key: &LaneKey, priority: i32, place: Place) -> usize {
        let levels = self.lanes.get(key).into_iter().flat_map(|lane| lane.levels.range(..=Reverse(priority)));
        let before = |(level, users): (&Reverse<i32>, &BTreeMap<UserName, BTreeSet<Place>>)| -> usize {
            if *level == Reverse(priority) {
                users.values().map(|places| places.range(..place).count()).sum()
            } else {
                users.values().map(BTreeSet::len).sum()
            }
        };
        levels.map(before).sum()
    }
}
