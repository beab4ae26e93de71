//! Large buffers that belong to a link only while there is something in them.

use std::cell::RefCell;

use crate::session::CHUNK;

/// The size of a buffer: the largest frame, encrypted, and what was gathered before it.
pub(super) const SIZE: usize = CHUNK + 64 * 1024;

/// How many unused buffers a thread keeps, so that a busy link does not clear a new one each
/// time.
const SPARE: usize = 2;

thread_local! {
    static POOL: RefCell<Vec<Box<[u8]>>> = const { RefCell::new(Vec::new()) };
}

/// Bytes that are appended behind and taken in front.
#[derive(Debug, Default)]
pub(super) struct Buffer {
    /// Empty while nothing is kept.
    bytes: Box<[u8]>,
    start: usize,
    end: usize,
}

impl Buffer {
    /// What is in it.
    pub(super) fn filled(&self) -> &[u8] {
        &self.bytes[self.start..self.end]
    }

    /// What is in it, for decryption in place.
    pub(super) fn filled_mut(&mut self) -> &mut [u8] {
        &mut self.bytes[self.start..self.end]
    }

    /// Space behind what is in it, at least `least` bytes.
    pub(super) fn space(&mut self, least: usize) -> &mut [u8] {
        if self.bytes.is_empty() {
            self.bytes = take_from_pool();
        }
        if self.bytes.len() - self.end < least {
            self.bytes.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        if self.bytes.len() - self.end < least {
            let mut larger = std::mem::take(&mut self.bytes).into_vec();
            larger.resize(self.end + least, 0);
            self.bytes = larger.into_boxed_slice();
        }
        &mut self.bytes[self.end..]
    }

    /// The first `count` bytes of the last [`Buffer::space`] were filled.
    pub(super) fn extend(&mut self, count: usize) {
        self.end = (self.end + count).min(self.bytes.len());
    }

    /// Adds a copy.
    pub(super) fn append(&mut self, bytes: &[u8]) {
        if !bytes.is_empty() {
            self.space(bytes.len())[..bytes.len()].copy_from_slice(bytes);
            self.extend(bytes.len());
        }
    }

    /// Takes `count` bytes in front.
    pub(super) fn take(&mut self, count: usize) {
        self.start = (self.start + count).min(self.end);
        if self.start == self.end {
            self.clear();
        }
    }

    /// Takes everything.
    pub(super) fn clear(&mut self) {
        (self.start, self.end) = (0, 0);
        give_to_pool(std::mem::take(&mut self.bytes));
    }
}

#[cfg(test)]
impl Buffer {
    /// Bytes of memory that belong to it now.
    pub(super) fn allocated(&self) -> usize {
        self.bytes.len()
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        give_to_pool(std::mem::take(&mut self.bytes));
    }
}

fn take_from_pool() -> Box<[u8]> {
    let spare = POOL.try_with(|pool| pool.borrow_mut().pop());
    spare.ok().flatten().unwrap_or_else(|| vec![0; SIZE].into_boxed_slice())
}

fn give_to_pool(bytes: Box<[u8]>) {
    if bytes.len() == SIZE {
        // No pool any more: the thread ends, and the buffer with it.
        let _ = POOL.try_with(|pool| {
            let mut pool = pool.borrow_mut();
            if pool.len() < SPARE {
                pool.push(bytes);
            }
        });
    }
}
