//! How a queue divides its slots among users, as its profile at home says: who is next among them, and how many jobs of
//! one user may run at a time. Exact for what this home has placed, and for nothing else.

use std::collections::HashMap;

use crate::core::names::{QueueName, UserName};

/// What the profile of a queue says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Share {
    /// How many jobs of a user may run at a time; `None`: any number.
    pub per_user: Option<u32>,
    /// Whoever came first is next, however much his user has under way.
    pub fifo: bool,
}

/// The shares of all queues, and what is under way.
#[derive(Debug, Default)]
pub struct Shares {
    rules: HashMap<QueueName, Share>,
    /// Jobs that are asked for or run, by user.
    users: HashMap<UserName, u32>,
    /// The same in queues, whether they count users now or not.
    in_queues: HashMap<(QueueName, UserName), u32>,
}

impl Shares {
    /// What the profiles say now; queues that are not named have no rule.
    pub fn set(&mut self, rules: HashMap<QueueName, Share>) {
        self.rules = rules;
    }

    /// What is said of a queue.
    pub fn of(&self, queue: &QueueName) -> Share {
        self.rules.get(queue).copied().unwrap_or_default()
    }

    /// One more of this user's jobs is being asked for or runs.
    pub fn begin(&mut self, queue: &QueueName, user: &UserName) {
        *self.users.entry(user.clone()).or_default() += 1;
        *self.in_queues.entry((queue.clone(), user.clone())).or_default() += 1;
    }

    /// One less.
    pub fn end(&mut self, queue: &QueueName, user: &UserName) {
        if let Some(count) = self.users.get_mut(user) {
            *count -= 1;
            if *count == 0 {
                self.users.remove(user);
            }
        }
        let place = (queue.clone(), user.clone());
        if let Some(count) = self.in_queues.get_mut(&place) {
            *count -= 1;
            if *count == 0 {
                self.in_queues.remove(&place);
            }
        }
    }

    /// How much of a user is under way, as far as that counts in a queue: less goes first.
    pub fn weight(&self, queue: &QueueName, user: &UserName) -> u32 {
        if self.of(queue).fifo { 0 } else { self.users.get(user).copied().unwrap_or_default() }
    }

    /// Why no more jobs of a user run in a queue at this moment, in words.
    pub fn is_used_up(&self, queue: &QueueName, user: &UserName) -> Option<String> {
        let most = self.of(queue).per_user?;
        let count = self.in_queues.get(&(queue.clone(), user.clone())).copied().unwrap_or_default();
        let words = || format!("queue \"{queue}\": {user} may run {most} at a time, {count} are running");
        (count >= most).then(words)
    }
}
