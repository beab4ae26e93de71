//! Waiting for a condition with a deadline.

use std::time::{Duration, Instant};

/// Looks at `condition` until it gives something.
///
/// # Panics
/// When it has not within `patience`; the message is `what`.
pub fn until<T>(what: &str, patience: Duration, mut condition: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + patience;
    loop {
        if let Some(found) = condition() {
            return found;
        }
        assert!(Instant::now() < deadline, "not within {patience:?}: {what}");
        std::thread::sleep(PAUSE);
    }
}

/// Between two looks at something that cannot be waited for.
const PAUSE: Duration = Duration::from_millis(5);
