//! Sessions whose clients did not release their jobs in time. Such a client may come hours later, when it
//! is continued, and must hear that nothing has run, so that it may look for another place.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use wire::session::NOT_RELEASED;

/// The last of these sessions.
#[derive(Debug, Default)]
pub struct GivenAway(Mutex<VecDeque<String>>);

impl GivenAway {
    /// Before the session is taken out of the register: it is always in one of the two.
    pub fn add(&self, session: &str) {
        let mut sessions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if sessions.len() == MOST {
            sessions.pop_front();
        }
        sessions.push_back(session.to_owned());
    }

    /// What a client is told that comes to a session which is not in the register.
    pub fn why_not_here(&self, session: &str) -> &'static str {
        let sessions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if sessions.iter().any(|one| one == session) { NOT_RELEASED } else { NOT_HERE }
    }
}

/// For a session that is not remembered here.
const NOT_HERE: &str = "the session is not here: it has ended, or its host was restarted";
/// Clients are rarely stopped in the millisecond between their place and their release.
const MOST: usize = 1000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_thousand_are_remembered() {
        let given_away = GivenAway::default();
        for number in 0..=MOST {
            given_away.add(&number.to_string());
        }
        assert_eq!(given_away.why_not_here("0"), NOT_HERE);
        assert_eq!(given_away.why_not_here("1"), NOT_RELEASED);
        assert_eq!(given_away.why_not_here("1000"), NOT_RELEASED);
    }
}
