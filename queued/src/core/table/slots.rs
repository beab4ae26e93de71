//! Sets of neighbours, one bit each: for every host the table keeps half a dozen of them.

use super::pace::MOST_NEIGHBOURS;

/// The place of a neighbour in the list of neighbours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Slot(u8);

/// A set of neighbours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Slots(u64);

impl Slot {
    /// Every slot there is.
    pub fn all() -> impl Iterator<Item = Slot> {
        (0..MOST_NEIGHBOURS as u8).map(Slot)
    }

    /// Its place.
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

impl Slots {
    /// Whether the neighbour is in the set.
    pub fn contains(self, slot: Slot) -> bool {
        self.0 & (1 << slot.0) != 0
    }

    /// Puts the neighbour in.
    pub fn insert(&mut self, slot: Slot) {
        self.0 |= 1 << slot.0;
    }

    /// Takes the neighbour out; whether it was in.
    pub fn remove(&mut self, slot: Slot) -> bool {
        let was = self.contains(slot);
        self.0 &= !(1 << slot.0);
        was
    }

    /// Those of either set.
    pub fn with(self, other: Slots) -> Slots {
        Slots(self.0 | other.0)
    }

    /// Those of this set that are not in the other.
    pub fn without(self, other: Slots) -> Slots {
        Slots(self.0 & !other.0)
    }

    /// Empties the set and gives what was in it.
    pub fn take(&mut self) -> Slots {
        std::mem::take(self)
    }

    /// The neighbours in the set, by place.
    pub fn iter(self) -> impl Iterator<Item = Slot> {
        let mut left = self.0;
        std::iter::from_fn(move || {
            let slot = (left != 0).then(|| Slot(left.trailing_zeros() as u8))?;
            left &= left - 1;
            Some(slot)
        })
    }
}

impl From<Slot> for Slots {
    fn from(slot: Slot) -> Self {
        Slots(1 << slot.0)
    }
}

impl FromIterator<Slot> for Slots {
    fn from_iter<I: IntoIterator<Item = Slot>>(slots: I) -> Self {
        slots.into_iter().fold(Slots::default(), |mut set, slot| {
            set.insert(slot);
            set
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_put_in_comes_out_in_order() {
        let picked: Vec<Slot> = Slot::all().filter(|slot| slot.0 % 9 == 0).collect();
        let mut set: Slots = picked.iter().copied().collect();
        assert_eq!(set.iter().collect::<Vec<_>>(), picked);
        assert!(set.remove(picked[2]));
        assert!(!set.remove(picked[2]));
        assert_eq!(set.without(picked[0].into()).iter().count(), picked.len() - 2);
        assert_eq!(set.take().iter().count(), picked.len() - 1);
        assert_eq!(set, Slots::default());
    }
}
