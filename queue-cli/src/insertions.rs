//! Our own words between what the job writes on the terminal: each stands behind those of the job's
//! bytes that came before it, and whole, however little a terminal takes at a time.

use std::collections::VecDeque;

/// Bytes of our own that wait for their turn.
#[derive(Debug, Default)]
pub struct Insertions {
    waiting: VecDeque<Insertion>,
    /// How many of the job's bytes were written.
    written: u64,
}

#[derive(Debug)]
struct Insertion {
    /// How many of the job's bytes go before it.
    at: u64,
    bytes: Vec<u8>,
    done: usize,
}

impl Insertions {
    /// The place behind what was written and `kept` bytes more.
    pub fn place(&self, kept: usize) -> u64 {
        self.written + kept as u64
    }

    /// Puts bytes at a place, behind what stands there already. A terminal that has been stopped for
    /// long enough to make all that wait too much misses some of it.
    pub fn put(&mut self, at: u64, bytes: &[u8]) {
        let waiting = self.waiting.iter().map(|insertion| insertion.bytes.len()).sum::<usize>();
        if waiting + bytes.len() <= MOST {
            let index = self.waiting.partition_point(|insertion| insertion.at <= at);
            self.waiting.insert(index, Insertion { at, bytes: bytes.to_vec(), done: 0 });
        }
    }

    /// What is to be written before any more of the job's bytes.
    pub fn due(&self) -> Option<&[u8]> {
        let first = self.waiting.front().filter(|insertion| insertion.at <= self.written)?;
        Some(&first.bytes[first.done..])
    }

    /// So much of what was due was written.
    pub fn advance(&mut self, count: usize) {
        if let Some(first) = self.waiting.front_mut() {
            first.done += count;
            if first.done >= first.bytes.len() {
                self.waiting.pop_front();
            }
        }
    }

    /// How many of the next `count` bytes of the job may be written before the next insertion.
    pub fn allowed(&self, count: usize) -> usize {
        let Some(first) = self.waiting.front() else {
            return count;
        };
        let left = first.at.saturating_sub(self.written);
        usize::try_from(left).map_or(count, |left| left.min(count))
    }

    /// So many of the job's bytes were written.
    pub fn job_wrote(&mut self, count: usize) {
        self.written += count as u64;
    }

    /// Nothing can be written any more.
    pub fn clear(&mut self) {
        self.waiting.clear();
    }

    /// Whether all was written.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }
}

/// Bytes that wait at most; a line has 100.
const MOST: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes both kinds of bytes, `step` at a time.
    fn written(insertions: &mut Insertions, mut job: &[u8], step: usize) -> String {
        let mut all = Vec::new();
        loop {
            if let Some(due) = insertions.due() {
                let count = due.len().min(step);
                all.extend_from_slice(&due[..count]);
                insertions.advance(count);
                continue;
            }
            let count = insertions.allowed(job.len()).min(step);
            if count == 0 {
                assert!(job.is_empty() && insertions.is_empty());
                return String::from_utf8(all).expect("ASCII");
            }
            all.extend_from_slice(&job[..count]);
            insertions.job_wrote(count);
            job = &job[count..];
        }
    }

    #[test]
    fn each_stands_at_its_place_and_whole() {
        for step in 1..10 {
            let mut insertions = Insertions::default();
            insertions.put(insertions.place(4), b"[two]");
            insertions.put(insertions.place(4), b"[three]");
            insertions.put(insertions.place(0), b"[one]");
            insertions.put(insertions.place(6), b"[end]");
            assert_eq!(written(&mut insertions, b"abcdef", step), "[one]abcd[two][three]ef[end]");
            insertions.put(insertions.place(1), b"!");
            assert_eq!(written(&mut insertions, b"gh", step), "g!h");
        }
    }

    #[test]
    fn what_a_stopped_terminal_makes_wait_is_bounded() {
        let mut insertions = Insertions::default();
        for _ in 0..1000 {
            insertions.put(0, &[b'x'; 100]);
        }
        assert!(written(&mut insertions, b"", 1000).len() <= MOST);
    }
}
