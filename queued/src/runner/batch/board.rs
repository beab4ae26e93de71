//! The last word about each attempt that was released and not settled, for a daemon that comes new.
//!
//! A word is told while the board is locked, and so is the whole board to a new daemon: none is missed
//! between the two, and none comes twice.

use std::collections::HashMap;
use std::os::unix::net::UnixStream;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::core::resources::Taken;
use crate::link::{AttemptKey, AttemptWord, FromRunner};
use crate::runner::shared::Shared;

/// All such words.
pub struct Board {
    notes: Mutex<HashMap<AttemptKey, Note>>,
    /// What they have of this host.
    holds: Mutex<HashMap<AttemptKey, Taken>>,
    since_boot_ms: u64,
}

struct Note {
    queue: String,
    word: AttemptWord,
}

impl Board {
    /// The runner begins.
    pub fn begin() -> Self {
        let since_boot_ms = sys::host::since_boot().as_millis() as u64;
        Self { notes: Mutex::default(), holds: Mutex::default(), since_boot_ms }
    }

    /// What a new daemon would be told, and this one knows.
    pub fn note(&self, key: &AttemptKey, queue: &str, word: AttemptWord) {
        self.lock().insert(key.clone(), Note { queue: queue.to_owned(), word });
    }

    /// What an attempt has of this host, before the first word about it.
    pub fn hold(&self, key: &AttemptKey, taken: Taken) {
        self.holds().insert(key.clone(), taken);
    }

    /// Tells the daemon, and any that comes later.
    pub fn tell(&self, shared: &Shared, key: &AttemptKey, queue: &str, word: AttemptWord) {
        let mut notes = self.lock();
        shared.tell(&FromRunner::Attempt { key: key.clone(), word: word.clone() });
        notes.insert(key.clone(), Note { queue: queue.to_owned(), word });
    }

    /// Nothing is told of it again.
    pub fn settle(&self, key: &AttemptKey) {
        self.lock().remove(key);
        self.holds().remove(key);
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    /// Puts a new way to the daemon in force, with all there is to say as the first word on it.
    pub fn welcome(&self, shared: &Shared, daemon: UnixStream) {
        let notes = self.lock();
        shared.set_daemon(Some(daemon));
        shared.tell(&FromRunner::Hello {
            public_key: shared.key.public_key(),
            sessions: shared.held(),
            attempts: notes.iter().map(|(key, note)| (key.clone(), note.word.clone())).collect(),
            queues: notes.iter().map(|(key, note)| (key.clone(), note.queue.clone())).collect(),
            since_boot_ms: self.since_boot_ms,
            holds: self.holds().iter().map(|(key, taken)| (key.clone(), taken.clone())).collect(),
            past: shared.tell_past(),
        });
    }

    fn holds(&self) -> MutexGuard<'_, HashMap<AttemptKey, Taken>> {
        // As below.
        self.holds.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<AttemptKey, Note>> {
        // Each change is a single call; whoever panicked left nothing half done.
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
