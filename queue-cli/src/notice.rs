//! The line that says that there is no contact: on the last line of a full terminal only,
//! with the cursor put back, and gone again when there is contact.

use std::time::{Duration, Instant};

use crate::failure::printable;

/// The line as it stands on the terminal.
#[derive(Default)]
pub struct Notice {
    shown: Option<Shown>,
}

struct Shown {
    row: u16,
    /// When its seconds are to be counted on.
    next: Instant,
}

impl Notice {
    /// When [`Notice::update`] has something to do, for a link that was lost then.
    pub fn deadline(&self, silent_since: Option<Instant>) -> Option<Instant> {
        match (&self.shown, silent_since) {
            (Some(shown), Some(_)) => Some(shown.next),
            (None, Some(since)) => Some(since + PATIENCE),
            (Some(shown), None) => Some(shown.next - STEP),
            (None, None) => None,
        }
    }

    /// What is to be written to the terminal now, if anything.
    pub fn update(
        &mut self,
        host: &str,
        silent_since: Option<Instant>,
        now: Instant,
        (rows, columns): (u16, u16),
    ) -> Option<String> {
        let Some(since) = silent_since else {
            return self.shown.take().map(|shown| at_row(shown.row, ""));
        };
        if self.deadline(silent_since).is_some_and(|deadline| deadline > now) {
            return None;
        }
        if rows == 0 || columns < 2 {
            return None;
        }
        let seconds = now.saturating_duration_since(since).as_secs();
        let text = format!(
            "[queue: no contact with {} for {}; your job runs on; ~. ends, ~d detaches]",
            printable(host),
            duration(seconds)
        );
        let text = text.chars().take(usize::from(columns) - 1).collect::<String>();
        // After a change of size the old line is wherever the terminal has moved it.
        self.shown = Some(Shown { row: rows, next: now + STEP });
        Some(at_row(rows, &text))
    }
}

/// Puts `text` alone on a row: cursor and colours saved, plain, row cleared, all restored.
fn at_row(row: u16, text: &str) -> String {
    format!("\x1b7\x1b[{row};1H\x1b[0m\x1b[2K{text}\x1b8")
}

fn duration(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
    }
}

/// A link that is back before nobody needs to know about.
const PATIENCE: Duration = Duration::from_secs(2);
const STEP: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_comes_after_two_seconds_counts_and_goes() {
        let start = Instant::now();
        let at = |milliseconds| start + Duration::from_millis(milliseconds);
        let mut notice = Notice::default();
        let mut update = |since, now| notice.update("bluefish", since, now, (24, 80));
        assert_eq!(update(None, at(0)), None);
        assert_eq!(update(Some(start), at(1_900)), None);
        let first = update(Some(start), at(2_000)).expect("two seconds have passed");
        assert!(first.starts_with("\x1b7\x1b[24;1H") && first.ends_with("\x1b8"), "{first:?}");
        assert!(first.contains("no contact with bluefish for 2 s;"), "{first:?}");
        assert_eq!(update(Some(start), at(2_500)), None);
        let later = update(Some(start), at(62_000)).expect("it counts");
        assert!(later.contains("for 1 min 2 s;"), "{later:?}");
        assert_eq!(update(None, at(62_100)).as_deref(), Some("\x1b7\x1b[24;1H\x1b[0m\x1b[2K\x1b8"));
        assert_eq!(update(None, at(62_200)), None);
    }

    #[test]
    fn a_narrow_terminal_gets_a_line_that_does_not_wrap() {
        let now = Instant::now();
        let text = Notice::default().update("bluefish", Some(now), now + PATIENCE, (5, 20));
        assert!(
            text.is_some_and(|text| text.contains("[queue: no contact\x1b8") || text.contains("[queue: no contact "))
        );
        assert_eq!(Notice::default().update("b", Some(now), now + PATIENCE, (0, 0)), None);
    }
}
