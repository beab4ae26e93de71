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
    /// What it was written upon first.
    ground: Ground,
}

/// What the line is written upon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ground {
    /// Rows and columns of the terminal.
    pub size: (u16, u16),
    /// How much of the job's output the terminal has taken.
    pub taken: u64,
    /// How much has come in; the terminal is given the rest behind the line.
    pub received: u64,
}

/// What is to be written to the terminal.
#[derive(Debug, PartialEq, Eq)]
pub enum Stroke {
    /// The line.
    Line(String),
    /// Nothing in its place.
    Gone {
        /// What clears it.
        text: String,
        /// Whether nothing can have moved it: no output of the job's, no change of size.
        stood_still: bool,
    },
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
        ground: Ground,
    ) -> Option<Stroke> {
        let Some(since) = silent_since else {
            let shown = self.shown.take()?;
            let stood_still = shown.ground.size == ground.size && shown.ground.taken == ground.received;
            return Some(Stroke::Gone { text: at_row(shown.row, ""), stood_still });
        };
        if self.deadline(silent_since).is_some_and(|deadline| deadline > now) {
            return None;
        }
        let (rows, columns) = ground.size;
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
        let first = self.shown.as_ref().map_or(ground, |shown| shown.ground);
        self.shown = Some(Shown { row: rows, next: now + STEP, ground: first });
        Some(Stroke::Line(at_row(rows, &text)))
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

    const GROUND: Ground = Ground { size: (24, 80), taken: 100, received: 100 };

    fn line(stroke: Option<Stroke>) -> String {
        match stroke {
            Some(Stroke::Line(text)) => text,
            other => panic!("{other:?} is not the line"),
        }
    }

    #[test]
    fn the_line_comes_after_two_seconds_counts_and_goes() {
        let start = Instant::now();
        let at = |milliseconds| start + Duration::from_millis(milliseconds);
        let mut notice = Notice::default();
        let mut update = |since, now| notice.update("bluefish", since, now, GROUND);
        assert_eq!(update(None, at(0)), None);
        assert_eq!(update(Some(start), at(1_900)), None);
        let first = line(update(Some(start), at(2_000)));
        assert!(first.starts_with("\x1b7\x1b[24;1H") && first.ends_with("\x1b8"), "{first:?}");
        assert!(first.contains("no contact with bluefish for 2 s;"), "{first:?}");
        assert_eq!(update(Some(start), at(2_500)), None);
        let later = line(update(Some(start), at(62_000)));
        assert!(later.contains("for 1 min 2 s;"), "{later:?}");
        let text = "\x1b7\x1b[24;1H\x1b[0m\x1b[2K\x1b8".to_owned();
        assert_eq!(update(None, at(62_100)), Some(Stroke::Gone { text, stood_still: true }));
        assert_eq!(update(None, at(62_200)), None);
    }

    /// Whether the line stood still on grounds that changed like this.
    fn stood_still(grounds: &[Ground]) -> bool {
        let (start, mut notice) = (Instant::now(), Notice::default());
        let (last, before) = grounds.split_last().expect("there are some");
        for (second, ground) in (2..).zip(before) {
            line(notice.update("bluefish", Some(start), start + STEP * second, *ground));
        }
        match notice.update("bluefish", None, start + PATIENCE * 9, *last) {
            Some(Stroke::Gone { stood_still, .. }) => stood_still,
            other => panic!("{other:?} does not clear the line"),
        }
    }

    #[test]
    fn output_and_sizes_that_changed_under_the_line_have_moved_it() {
        let more = Ground { taken: 101, received: 101, ..GROUND };
        let kept = Ground { received: 101, ..GROUND };
        let wide = Ground { size: (24, 81), ..GROUND };
        assert!(stood_still(&[GROUND, GROUND, GROUND]));
        assert!(!stood_still(&[GROUND, more]), "it came while the line stood");
        assert!(!stood_still(&[GROUND, more, more]), "it came before the line was written anew");
        assert!(!stood_still(&[GROUND, kept]), "it comes as soon as the terminal takes it");
        assert!(!stood_still(&[kept, more]), "it waited behind the line");
        assert!(!stood_still(&[GROUND, wide, wide]));
    }

    #[test]
    fn a_narrow_terminal_gets_a_line_that_does_not_wrap() {
        let now = Instant::now();
        let narrow = Ground { size: (5, 20), ..GROUND };
        let text = line(Notice::default().update("bluefish", Some(now), now + PATIENCE, narrow));
        assert!(text.contains("[queue: no contact\x1b8") || text.contains("[queue: no contact "), "{text:?}");
        let none = Ground { size: (0, 0), ..GROUND };
        assert_eq!(Notice::default().update("b", Some(now), now + PATIENCE, none), None);
    }
}
