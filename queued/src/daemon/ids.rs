//! Numbers for jobs: never used twice, also not after a crash, and without a sync for each.

use std::cell::RefCell;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;

use super::authority::write_file;

/// Gives out numbers from a block that was reserved on disk.
pub struct Ids {
    path: PathBuf,
    block: RefCell<std::ops::Range<u64>>,
}

impl Ids {
    /// Goes on behind the last reserved block.
    ///
    /// # Errors
    /// A file that is not a number: guessing could give a number out again.
    pub fn open(state: &Path) -> anyhow::Result<Self> {
        let path = state.join("ids");
        let next = match fs::read_to_string(&path) {
            Ok(text) => text.trim().parse().with_context(|| format!("{} holds no number", path.display()))?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => 1,
            Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
        };
        Ok(Self { path, block: RefCell::new(next..next) })
    }

    /// So many numbers in a row.
    ///
    /// # Errors
    /// When they cannot be reserved.
    pub fn take(&self, count: u64) -> anyhow::Result<std::ops::Range<u64>> {
        let mut block = self.block.borrow_mut();
        if block.end - block.start < count {
            let end = block.end + count.next_multiple_of(BLOCK);
            write_file(&self.path, format!("{end}\n"), 0o600)?;
            block.end = end;
        }
        let taken = block.start..block.start + count;
        block.start += count;
        Ok(taken)
    }

    /// Numbers below this one are never given: the spool knows one that high.
    ///
    /// # Errors
    /// When the next block cannot be reserved.
    pub fn skip_to(&self, next: u64) -> anyhow::Result<()> {
        let mut block = self.block.borrow_mut();
        if block.start < next {
            let end = next + BLOCK;
            write_file(&self.path, format!("{end}\n"), 0o600)?;
            *block = next..end;
        }
        Ok(())
    }

    /// The next number.
    ///
    /// # Errors
    /// When the next block cannot be reserved.
    pub fn next(&self) -> anyhow::Result<u64> {
        Ok(self.take(1)?.start)
    }
}

/// How many are reserved at once; so many are lost with a crash.
const BLOCK: u64 = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_never_comes_back_after_a_crash() {
        let directory = std::env::temp_dir().join(format!("queue-ids-{}", std::process::id()));
        fs::create_dir_all(&directory).expect("temp is writable");
        let mut last = 0;
        for _ in 0..3 {
            let ids = Ids::open(&directory).expect("a good file");
            for _ in 0..1500 {
                let number = ids.next().expect("writable");
                assert!(number > last);
                last = number;
            }
        }
        fs::write(directory.join("ids"), "x").expect("writable");
        assert!(Ids::open(&directory).is_err(), "a damaged file must not start over");
        fs::remove_dir_all(&directory).expect("ours");
    }
}
