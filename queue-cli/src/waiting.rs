//! The one line that says what a session waits for. It goes to a terminal only, replaces
//! itself when the reason changes, and is gone when the wait is over.

use std::io::{IsTerminal, Write, stderr};
use std::os::fd::AsFd;

use crate::failure::printable;

/// What was last shown.
#[derive(Default)]
pub struct Waiting {
    shown: String,
}

impl Waiting {
    /// Shows `what`, unless it stands there already or standard error is no terminal.
    pub fn show(&mut self, what: &str) {
        if self.shown == what || !stderr().is_terminal() {
            return;
        }
        let columns = sys::terminal::size(stderr().as_fd()).map_or(0, |size| size.columns);
        self.shown = what.to_owned();
        let line = line(what, usize::from(columns));
        let _ = write!(stderr(), "\r\x1b[K{line}");
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if !self.shown.is_empty() {
            let _ = write!(stderr(), "\r\x1b[K");
        }
    }
}

/// The line, cut so that it can be replaced: only one that was not wrapped can.
fn line(what: &str, columns: usize) -> String {
    let room = match columns {
        0 => 80,
        columns => columns,
    } - 1;
    let what = printable(what);
    // A daemon that says so itself need not be repeated.
    let before = if what.contains("waiting") { "queue: " } else { "queue: waiting: " };
    let most = room.saturating_sub(before.len() + AFTER.len());
    let cut = what.chars().take(most).collect::<String>();
    format!("{before}{cut}{AFTER}").chars().take(room).collect()
}

const AFTER: &str = " ...  ^C gives up";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_never_wraps_and_says_how_to_leave_where_there_is_room() {
        for columns in [1, 2, 20, 40, 80, 200] {
            for what in ["queue \"big\": 4 of 4 slots are taken", "b: full; waiting (1 ahead of you)"] {
                let line = line(what, columns);
                assert!(line.chars().count() < columns.max(2), "{columns}: {line}");
                assert!(columns < 40 || line.ends_with("^C gives up"), "{columns}: {line}");
                assert!(columns < 80 || line.matches("waiting").count() == 1, "{columns}: {line}");
            }
        }
    }
}
