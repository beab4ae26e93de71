//! Bytes in order, kept in blocks: what a sender may have to repeat, what a receiver could not
//! deliver yet.
//!
//! A ring would have to be copied to grow, and would walk through all of its window even where
//! the peer keeps up. Blocks are allocated as bytes come, small ones first, and reused while hot. A
//! few large ones outlast the moments when nothing is kept, since fresh memory costs a stream half
//! of its speed; [`Backlog::release`] gives them back.

use std::collections::VecDeque;

use super::CHUNK;

/// The first block of an empty backlog; each further one is four times larger, up to
/// [`CHUNK`].
const FIRST_BLOCK: usize = 4 * 1024;

/// How many emptied large blocks are kept for reuse: what is under way in a fast stream.
const MOST_SPARE: usize = 4;

/// Bytes in order.
#[derive(Debug, Default)]
pub(super) struct Backlog {
    /// Only the last one may be empty.
    blocks: VecDeque<Block>,
    /// Large blocks that were emptied, for reuse; the last one is the hottest.
    spare: Vec<Box<[u8]>>,
    len: usize,
}

#[derive(Debug)]
struct Block {
    bytes: Box<[u8]>,
    start: usize,
    end: usize,
}

impl Block {
    fn kept(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }
}

impl Backlog {
    /// How many bytes are kept.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// Contiguous space behind the last byte, at most `limit` and [`CHUNK`] bytes; empty only if
    /// `limit` is 0.
    pub(super) fn room(&mut self, limit: usize) -> &mut [u8] {
        if limit == 0 {
            return &mut [];
        }
        let (size, free) = match self.blocks.back() {
            Some(last) => (last.bytes.len(), last.bytes.len() - last.end),
            None => (0, 0),
        };
        // The last quarter of a block is not worth a system call of its own.
        if free < limit.min((size / 4).max(1)) {
            self.grow(size);
        }
        match self.blocks.back_mut() {
            Some(last) => {
                let free = last.bytes.len() - last.end;
                &mut last.bytes[last.end..][..free.min(limit)]
            }
            None => &mut [],
        }
    }

    fn grow(&mut self, last_size: usize) {
        let size = (last_size * 4).clamp(FIRST_BLOCK, CHUNK);
        let bytes = match self.spare.pop() {
            Some(block) => block,
            None => vec![0; size].into_boxed_slice(),
        };
        self.blocks.push_back(Block { bytes, start: 0, end: 0 });
    }

    /// The first `count` bytes of the last [`Backlog::room`] are to be kept.
    pub(super) fn filled(&mut self, count: usize) {
        if let Some(last) = self.blocks.back_mut() {
            let count = count.min(last.bytes.len() - last.end);
            last.end += count;
            self.len += count;
        }
        self.release_if_empty();
    }

    /// Keeps a copy of `bytes`.
    pub(super) fn append(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let room = self.room(bytes.len());
            let (piece, rest) = bytes.split_at(room.len());
            room.copy_from_slice(piece);
            self.filled(piece.len());
            bytes = rest;
        }
    }

    /// The contiguous piece that begins `position` bytes behind the front.
    pub(super) fn piece(&self, mut position: usize) -> &[u8] {
        for block in &self.blocks {
            let kept = block.kept();
            if position < kept.len() {
                return &kept[position..];
            }
            position -= kept.len();
        }
        &[]
    }

    /// Forgets the first `count` bytes.
    pub(super) fn forget(&mut self, count: usize) {
        let mut left = count.min(self.len);
        self.len -= left;
        while let Some(first) = self.blocks.front_mut() {
            let taken = left.min(first.kept().len());
            first.start += taken;
            left -= taken;
            if first.start < first.end || self.blocks.len() == 1 {
                break;
            }
            self.retire_front();
        }
        self.release_if_empty();
    }

    fn retire_front(&mut self) {
        if let Some(block) = self.blocks.pop_front()
            && block.bytes.len() == CHUNK
            && self.spare.len() < MOST_SPARE
        {
            self.spare.push(block.bytes);
        }
    }

    fn release_if_empty(&mut self) {
        if self.len == 0 {
            while !self.blocks.is_empty() {
                self.retire_front();
            }
        }
    }

    /// Whether memory is kept for reuse only.
    pub(super) fn has_spare(&self) -> bool {
        !self.spare.is_empty()
    }

    /// Gives memory back that is kept for reuse only.
    pub(super) fn release(&mut self) {
        self.spare = Vec::new();
        if self.blocks.is_empty() {
            self.blocks = VecDeque::new();
        }
    }

    /// Heap bytes held.
    pub(super) fn allocated(&self) -> usize {
        let blocks: usize = self.blocks.iter().map(|block| block.bytes.len()).sum();
        blocks + self.spare.len() * CHUNK + self.blocks.capacity() * size_of::<Block>()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What a test does to a backlog.
    #[derive(Debug, Clone)]
    enum Step {
        Append(usize),
        Read { limit: usize, filled: usize },
        Forget(usize),
    }

    fn step() -> impl Strategy<Value = Step> {
        let count = || prop_oneof![0..10usize, 0..9000usize, 0..600_000usize];
        prop_oneof![
            count().prop_map(Step::Append),
            (count(), count()).prop_map(|(limit, filled)| Step::Read { limit, filled }),
            count().prop_map(Step::Forget),
        ]
    }

    fn whole(backlog: &Backlog) -> Vec<u8> {
        let mut bytes = Vec::new();
        while bytes.len() < backlog.len() {
            let piece = backlog.piece(bytes.len());
            assert!(!piece.is_empty() && piece.len() <= CHUNK);
            bytes.extend_from_slice(piece);
        }
        assert_eq!(backlog.piece(bytes.len()), b"");
        bytes
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

        #[test]
        fn bytes_come_out_in_the_order_they_went_in(steps in proptest::collection::vec(step(), 0..40)) {
            let (mut backlog, mut model) = (Backlog::default(), Vec::new());
            let mut numbers = (0..=250u8).cycle();
            for step in steps {
                match step {
                    Step::Append(count) => {
                        let bytes: Vec<u8> = numbers.by_ref().take(count).collect();
                        backlog.append(&bytes);
                        model.extend_from_slice(&bytes);
                    }
                    Step::Read { limit, filled } => {
                        let room = backlog.room(limit);
                        prop_assert!(room.len() >= limit.min(1024) && room.len() <= limit.min(CHUNK));
                        let filled = filled.min(room.len());
                        room[..filled].fill_with(|| numbers.next().expect("it never ends"));
                        model.extend_from_slice(&room[..filled]);
                        backlog.filled(filled);
                    }
                    Step::Forget(count) => {
                        backlog.forget(count);
                        model.drain(..count.min(model.len()));
                    }
                }
                prop_assert_eq!(backlog.len(), model.len());
                prop_assert!(whole(&backlog) == model);
                prop_assert!(backlog.allocated() <= 2 * backlog.len() + (MOST_SPARE + 3) * CHUNK);
                if backlog.len() == 0 {
                    backlog.release();
                    prop_assert_eq!(backlog.allocated(), 0, "nothing is kept, so nothing is held");
                }
            }
        }
    }

    #[test]
    fn a_few_bytes_cost_one_small_block() {
        let mut backlog = Backlog::default();
        backlog.append(b"$ ");
        assert!(backlog.allocated() < FIRST_BLOCK + 1024);
    }

    #[test]
    fn emptied_blocks_are_used_again_while_there_is_more() {
        let mut backlog = Backlog::default();
        backlog.append(&[0; 1 << 20]);
        let held = backlog.allocated();
        for _ in 0..100 {
            backlog.forget(1 << 18);
            backlog.append(&[0; 1 << 18]);
        }
        assert!(backlog.allocated() <= held + 2 * CHUNK);
    }
}
