//! The state of a session's screen, from which it is repainted when bytes had to be forgotten.
//!
//! Emulating a terminal costs more than moving its bytes. Long stretches of plain lines are
//! therefore skipped: what scrolls off is not seen in the state, so of a run of printable text
//! only the last screenful (and a bit) is fed.

use std::num::NonZero;

use sys::terminal::Size;

/// A screen as the user would see it.
pub struct Screen {
    parser: vt100::Parser,
}

impl Screen {
    /// An empty screen.
    pub fn new(size: &Size) -> Self {
        let (rows, columns) = bounded(size);
        Self { parser: vt100::Parser::new(rows, columns, 0) }
    }

    /// The terminal has a new size.
    pub fn resize(&mut self, size: &Size) {
        let (rows, columns) = bounded(size);
        self.parser.screen_mut().set_size(rows, columns);
    }

    /// Its size.
    pub fn size(&self) -> Size {
        let (rows, columns) = self.parser.screen().size();
        Size { rows: rows.get(), columns: columns.get(), x_pixels: 0, y_pixels: 0 }
    }

    /// Takes output of the job.
    pub fn feed(&mut self, bytes: &[u8]) {
        let (rows, _) = self.parser.screen().size();
        // What the last piece may have begun ends here: a sequence, a character.
        let (head, rest) = bytes.split_at(bytes.len().min(HEAD));
        self.process(head);
        self.process(&rest[invisible(rest, usize::from(rows.get()))..]);
    }

    /// A terminal ignores NUL wherever it comes, and the parser takes its time to.
    fn process(&mut self, mut bytes: &[u8]) {
        while let Some(start) = bytes.iter().position(|byte| *byte != 0) {
            let rest = &bytes[start..];
            let (visible, after) = rest.split_at(rest.iter().position(|byte| *byte == 0).unwrap_or(rest.len()));
            self.parser.process(visible);
            bytes = after;
        }
    }

    /// What shows the last line of this screen where something else stands, and nothing else.
    pub fn last_line(&self) -> Vec<u8> {
        let screen = self.parser.screen();
        let (rows, columns) = screen.size();
        let line = screen.rows_formatted(0, columns.get()).last().unwrap_or_default();
        let place = format!("\x1b[{rows};1H\x1b[0m\x1b[2K");
        [place, line, screen.cursor_state_formatted(), screen.attributes_formatted()].concat().into_bytes()
    }

    /// What makes a terminal of the same size show this screen, whatever it showed before.
    pub fn repaint(&self) -> Vec<u8> {
        let screen = self.parser.screen();
        // Out of what the lost bytes may have left open: a string, colours, a scrolling region, the
        // other of the two screens. Entering the one that is shown already changes nothing but what
        // is painted next.
        let switch = if screen.alternate_screen() { "\x1b[?1049h" } else { "\x1b[?1049l" };
        ["\x1b\\\x1b[0m\x1b[r", switch, &screen.state_formatted()].concat().into_bytes()
    }
}

/// How many bytes at the front of `bytes` leave no trace on a screen of `rows` rows.
///
/// Only plain text counts: with a control character other than CR, LF and tab in it nothing is
/// skipped. What is skipped ends with CR LF, hence in column one, and at least `rows` line feeds
/// follow, which scroll every line away (or, with a scrolling region, every line of the region).
fn invisible(bytes: &[u8], rows: usize) -> usize {
    if bytes.len() < WORTH_LOOKING || bytes.iter().any(|byte| *byte < b' ' && !matches!(*byte, b'\r' | b'\n' | b'\t')) {
        return 0;
    }
    let mut feeds = 0;
    for at in (1..bytes.len()).rev() {
        if bytes[at] == b'\n' {
            feeds += 1;
            if feeds > rows && bytes[at - 1] == b'\r' {
                return at + 1;
            }
        }
    }
    0
}

/// vt100 keeps a grid of cells; a terminal of absurd size gets a smaller one.
fn bounded(size: &Size) -> (NonZero<u16>, NonZero<u16>) {
    let or = |value: u16, other: NonZero<u16>| NonZero::new(value.min(1000)).unwrap_or(other);
    (or(size.rows, const { NonZero::new(24).unwrap() }), or(size.columns, const { NonZero::new(80).unwrap() }))
}

/// Longer than any sequence but a string, which does not end without a control character.
const HEAD: usize = 64;
/// Shorter pieces are fed as they are.
const WORTH_LOOKING: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: Size = Size { rows: 5, columns: 20, x_pixels: 0, y_pixels: 0 };

    fn plain(pieces: &[&[u8]]) -> String {
        let mut parser = vt100::Parser::new(bounded(&SIZE).0, bounded(&SIZE).1, 0);
        for piece in pieces {
            parser.process(piece);
        }
        parser.screen().contents()
    }

    #[test]
    fn skipped_lines_leave_the_screen_as_if_they_had_been_fed() {
        let mut long = (0..2000).map(|line| format!("line {line}\r\n")).collect::<String>();
        long.push_str("the last");
        let pieces: [&[u8]; 3] = [b"\x1b[31mred", long.as_bytes(), b" words"];
        let mut screen = Screen::new(&SIZE);
        for piece in pieces {
            screen.feed(piece);
        }
        assert!(invisible(long.as_bytes(), 5) > 15_000, "nothing was skipped");
        assert_eq!(screen.parser.screen().contents(), plain(&pieces));
        assert_eq!(plain(&[&screen.repaint()]), plain(&pieces));
    }

    #[test]
    fn a_sequence_that_two_pieces_share_is_not_skipped_with_the_lines() {
        let long = format!("1mred\r\n{}end\0s", "line\r\n".repeat(2000));
        let pieces: [&[u8]; 2] = [b"\x1b[3", long.as_bytes()];
        let (mut screen, mut parser) = (Screen::new(&SIZE), vt100::Parser::new(bounded(&SIZE).0, bounded(&SIZE).1, 0));
        for piece in pieces {
            screen.feed(piece);
            parser.process(piece);
        }
        assert_eq!(screen.parser.screen().state_formatted(), parser.screen().state_formatted());
    }

    #[test]
    fn a_repaint_finds_the_screen_that_the_job_is_on() {
        let (plain, full) = ("one\r\ntwo\r\n$ ", "one\r\n\x1b[?1049h\x1b[2J\x1b[1;1Hfull\x1b[3;4Hscreen");
        for (before, now) in [(plain, full), (full, plain), (plain, plain), (full, full), ("\x1b]0;tit", plain)] {
            let mut screen = Screen::new(&SIZE);
            screen.feed(now.as_bytes());
            let mut terminal = Screen::new(&SIZE);
            terminal.feed(before.as_bytes());
            terminal.feed(&screen.repaint());
            let (shown, meant) = (terminal.parser.screen(), screen.parser.screen());
            assert_eq!(shown.state_formatted(), meant.state_formatted(), "{now:?} after {before:?}");
            assert_eq!(shown.alternate_screen(), meant.alternate_screen(), "{now:?} after {before:?}");
        }
    }

    #[test]
    fn the_last_line_comes_back_and_all_else_stays() {
        let screens = [
            "\x1b[31mred\x1b[5;1H\x1b[1mbold\x1b[0m plain\x1b[2;3H\x1b[4m",
            "\x1b[5;1Hfull to the last one",
            "\x1b[4;10Hwrapped over the edge",
        ];
        for bytes in screens {
            let mut screen = Screen::new(&SIZE);
            screen.feed(bytes.as_bytes());
            let mut terminal = Screen::new(&SIZE);
            terminal.feed(bytes.as_bytes());
            terminal.feed(b"\x1b7\x1b[5;1H\x1b[0m\x1b[2K[queue: no contact]\x1b8");
            terminal.feed(&screen.last_line());
            assert_eq!(
                terminal.parser.screen().state_formatted(),
                screen.parser.screen().state_formatted(),
                "{bytes:?}"
            );
        }
    }

    #[test]
    fn nothing_is_skipped_that_could_change_what_follows() {
        let mut colours = "x\r\n".repeat(2000);
        colours.insert_str(10, "\x1b[31m");
        assert_eq!(invisible(colours.as_bytes(), 5), 0);
        assert_eq!(invisible("y".repeat(5000).as_bytes(), 5), 0);
        assert_eq!(invisible("y\n".repeat(5000).as_bytes(), 5), 0, "bare line feeds keep the column");
    }
}
