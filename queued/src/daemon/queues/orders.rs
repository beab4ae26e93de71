//! What an admin has ordered, for the host or for a queue: on disk before it is answered, and in force until it is
//! taken back, also after a restart.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context;
use serde::{Deserialize, Serialize};
use wire::queues::Order as Word;

use crate::core::gates::Order;
use crate::daemon::authority::replace_file;

/// All orders of this host.
pub struct Orders {
    path: PathBuf,
    standing: RefCell<Standing>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Standing {
    /// For every queue.
    #[serde(skip_serializing_if = "Stands::is_empty")]
    host: Stands,
    /// For one.
    queue: BTreeMap<String, Stands>,
}

/// A drain and a pause may stand beside each other: each is taken back by its own word.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Stands {
    drain: bool,
    pause: bool,
    /// Of a host: its spool takes no more jobs.
    evacuate: bool,
}

impl Stands {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    fn order(self, word: Word) -> Self {
        match word {
            Word::Drain => Self { drain: true, ..self },
            Word::Undrain => Self { drain: false, evacuate: false, ..self },
            Word::Evacuate => Self { drain: true, evacuate: true, ..self },
            Word::Pause => Self { pause: true, ..self },
            Word::Resume => Self { pause: false, ..self },
        }
    }
}

impl Orders {
    /// Those of the life before. Without a file there are none.
    ///
    /// # Errors
    /// The file is there and cannot be understood: what an admin has drained must not start jobs.
    pub fn read(state: &Path) -> anyhow::Result<Self> {
        let path = state.join("orders.json");
        let standing = match std::fs::read_to_string(&path) {
            Ok(text) => serde_json::from_str(&text)
                .with_context(|| format!("{} makes no sense; correct or remove it", path.display()))?,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Standing::default(),
            Err(error) => return Err(error).with_context(|| format!("cannot read {}", path.display())),
        };
        Ok(Self { path, standing: RefCell::new(standing) })
    }

    /// What is in force in a queue: a pause goes before a drain.
    pub fn of(&self, queue: &str) -> Option<Order> {
        let standing = self.standing.borrow();
        let own = standing.queue.get(queue).copied().unwrap_or_default();
        match (standing.host.pause || own.pause, standing.host.drain || own.drain) {
            (true, _) => Some(Order::Pause),
            (false, true) => Some(Order::Drain),
            (false, false) => None,
        }
    }

    /// Writes an order down; whether it changes anything.
    ///
    /// # Errors
    /// It is not on disk, and not in force.
    pub fn give(&self, queue: Option<&str>, word: Word) -> anyhow::Result<bool> {
        let mut next = self.standing.borrow().clone();
        match queue {
            Some(queue) => {
                let stands = next.queue.get(queue).copied().unwrap_or_default().order(word);
                match stands.is_empty() {
                    true => drop(next.queue.remove(queue)),
                    false => drop(next.queue.insert(queue.to_owned(), stands)),
                }
            }
            None => next.host = next.host.order(word),
        }
        if next == *self.standing.borrow() {
            return Ok(false);
        }
        let text = serde_json::to_string_pretty(&next).context("orders are plain tables")?;
        replace_file(&self.path, text, 0o600)?;
        *self.standing.borrow_mut() = next;
        Ok(true)
    }

    /// Whether this host is to be emptied.
    pub fn is_evacuated(&self) -> bool {
        self.standing.borrow().host.evacuate
    }

    /// What is in force for the whole host.
    pub fn of_host(&self) -> Option<Order> {
        let host = self.standing.borrow().host;
        if host.pause { Some(Order::Pause) } else { host.drain.then_some(Order::Drain) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state(name: &str) -> PathBuf {
        let state = std::env::temp_dir().join(format!("queued-orders-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&state);
        std::fs::create_dir_all(&state).expect("a directory");
        state
    }

    #[test]
    fn orders_are_in_force_after_a_restart_until_they_are_taken_back() {
        let state = state("restart");
        let read = || Orders::read(&state).expect("readable");
        let orders = read();
        assert_eq!(orders.of("night"), None);
        assert!(orders.give(Some("night"), Word::Drain).expect("written"));
        assert!(!orders.give(Some("night"), Word::Drain).expect("nothing to write"));
        assert_eq!((read().of("night"), read().of("wait")), (Some(Order::Drain), None));
        assert!(orders.give(None, Word::Pause).expect("written"));
        assert_eq!((read().of("night"), read().of("wait")), (Some(Order::Pause), Some(Order::Pause)));
        assert!(read().give(None, Word::Resume).expect("written"));
        assert_eq!((read().of("night"), read().of("wait")), (Some(Order::Drain), None));
        assert!(read().give(Some("night"), Word::Undrain).expect("written"));
        assert_eq!(read().of("night"), None);
    }

    #[test]
    fn orders_that_cannot_be_understood_keep_the_daemon_from_starting() {
        let state = state("nonsense");
        std::fs::write(state.join("orders.json"), "{\"host\": 7}").expect("written");
        let error = Orders::read(&state).map(drop).expect_err("no sense");
        assert!(format!("{error:#}").contains("correct or remove it"), "{error:#}");
    }
}
