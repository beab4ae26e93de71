//! What the client of a terminal has been shown: the screen, what of it has to be painted anew, and
//! how room is made for a job's output while nobody takes it.
//!
//! A terminal never holds up its job while nobody is there: within the window everything is
//! replayed, and what had to be forgotten is replaced by the screen. A client that is there and slow
//! does hold it up.

use std::time::{Duration, Instant};

use sys::terminal::Size;
use wire::session::{Endpoint, Stream};

use super::screen::Screen;

/// Who takes a session's output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Audience {
    /// A client that may be slow.
    There,
    /// A client whose kernel owes an acknowledgement and has sent none for so long: the link is cut,
    /// or the machine asleep.
    Silent(Duration),
    /// No client.
    Away,
}

/// The screen of a session with a terminal; without one all of it does nothing.
pub struct Display {
    screen: Option<Screen>,
    /// Whether output was forgotten since a client saw all of it.
    forgotten: bool,
    /// Whether the client that is there has got all output, and none came since it has.
    quiet: bool,
    /// What it is to be shown as soon as there is room for it.
    repaint: Option<Repaint>,
    /// Since when the window is full, and when that was last looked at.
    full: Option<(Instant, Instant)>,
    /// When the screen was last sent instead of what a silent client did not take.
    replaced: Option<Instant>,
}

/// What of a screen something else was written over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Repaint {
    LastLine,
    All,
}

impl Display {
    /// A screen of this size, if there is a terminal.
    pub fn new(size: Option<&Size>) -> Self {
        Self { screen: size.map(Screen::new), forgotten: false, quiet: true, repaint: None, full: None, replaced: None }
    }

    /// The terminal has a new size.
    pub fn resize(&mut self, size: &Size) {
        if let Some(screen) = &mut self.screen {
            screen.resize(size);
        }
    }

    /// The job has written this, and it is about to be sent.
    pub fn feed(&mut self, bytes: &[u8]) {
        if let Some(screen) = &mut self.screen {
            screen.feed(bytes);
            self.quiet = false;
        }
    }

    /// The client is back. What it has to be shown after output was forgotten.
    pub fn greeted(&mut self, endpoint: &Endpoint) -> Option<Vec<u8>> {
        self.quiet = endpoint.unacknowledged(Stream::Tty) == 0;
        let screen = self.screen.as_ref()?;
        std::mem::take(&mut self.forgotten).then(|| screen.repaint())
    }

    /// Another client looks at the terminal from now on, and has seen nothing of it.
    pub fn new_eyes(&mut self) {
        self.forgotten = false;
    }

    /// What shows all of the screen.
    pub fn repaint(&self) -> Option<Vec<u8>> {
        self.screen.as_ref().map(Screen::repaint)
    }

    /// The screen, if there is a terminal.
    pub fn screen(&self) -> Option<&Screen> {
        self.screen.as_ref()
    }

    /// Anything may stand where the client shows the screen.
    pub fn ask_for_repaint(&mut self, endpoint: &mut Endpoint) {
        self.repaint = Some(Repaint::All);
        self.show_repaint(endpoint);
    }

    /// The client has taken a line of its own from the last line, where it stood since the last output
    /// that it has got. Output that it has not got yet may move what is left, or begin in the middle of
    /// a sequence.
    pub fn ask_for_last_line(&mut self, endpoint: &mut Endpoint) {
        let alone = self.quiet && self.repaint != Some(Repaint::All);
        self.repaint = Some(if alone { Repaint::LastLine } else { Repaint::All });
        self.show_repaint(endpoint);
    }

    /// The job has ended: the terminal goes back to its shell, and the last output is worth more.
    pub fn give_up_repaint(&mut self) {
        self.repaint = None;
    }

    /// Whether the job's output may be read now, as far as the window is concerned. Makes room in it
    /// where nobody takes what is there.
    pub fn makes_room(&mut self, endpoint: &mut Endpoint, audience: Audience, now: Instant) -> bool {
        if audience != Audience::Away && !self.show_repaint(endpoint) {
            return false;
        }
        if endpoint.has_room(Stream::Tty) {
            self.full = None;
            return true;
        }
        let since = self.full.map_or(now, |(since, _)| since);
        self.full = Some((since, now));
        match (audience, &self.screen) {
            (Audience::Away, _) => {
                endpoint.discard_oldest(Stream::Tty, FORGOTTEN_AT_ONCE);
                self.forgotten = true;
            }
            // What is owed may be younger than the last acknowledgement: it has its time too, once.
            (Audience::Silent(length), Some(screen))
                if now.saturating_duration_since(since) >= SILENT
                    || self.replaced.is_some_and(|at| length >= now.saturating_duration_since(at)) =>
            {
                endpoint.replace(Stream::Tty, &screen.repaint());
                self.replaced = Some(now);
            }
            _ => return false,
        }
        self.full = None;
        endpoint.has_room(Stream::Tty)
    }

    /// When to look again whether the client that holds up the job is silent.
    pub fn next_look(&self) -> Option<Instant> {
        self.full.map(|(_, looked)| looked + LOOK)
    }

    /// Shows what is to be repainted, behind all output that the screen has seen; false when there
    /// is no room for it yet.
    fn show_repaint(&mut self, endpoint: &mut Endpoint) -> bool {
        let (Some(what), Some(screen)) = (self.repaint, &self.screen) else {
            return true;
        };
        let bytes = match what {
            Repaint::LastLine => screen.last_line(),
            Repaint::All => screen.repaint(),
        };
        if bytes.len() as u64 + endpoint.unacknowledged(Stream::Tty) > Stream::Tty.window() as u64 {
            return false;
        }
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            let room = endpoint.room(Stream::Tty);
            let count = room.len().min(rest.len());
            if count == 0 {
                break;
            }
            room[..count].copy_from_slice(&rest[..count]);
            endpoint.filled(Stream::Tty, count);
            rest = &rest[count..];
        }
        self.repaint = None;
        true
    }
}

/// How much of a terminal's oldest output is forgotten when its window is full.
const FORGOTTEN_AT_ONCE: usize = 64 * 1024;
/// A client that takes nothing and whose kernel acknowledges nothing for so long is not waited for.
pub const SILENT: Duration = Duration::from_secs(2);
/// Between two looks at a client that does not take what there is.
const LOOK: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use wire::session::Side;

    use super::*;

    const SIZE: Size = Size { rows: 5, columns: 20, x_pixels: 0, y_pixels: 0 };

    /// A display that was told of a screen, and an end whose window is full.
    fn full() -> (Display, Endpoint) {
        let (mut display, mut endpoint) = (Display::new(Some(&SIZE)), Endpoint::new(Side::Runner));
        display.feed(b"$ ");
        fill(&mut endpoint);
        (display, endpoint)
    }

    fn fill(endpoint: &mut Endpoint) {
        while endpoint.has_room(Stream::Tty) {
            let count = endpoint.room(Stream::Tty).len();
            endpoint.filled(Stream::Tty, count);
        }
    }

    #[test]
    fn a_slow_client_holds_the_job_up_and_is_looked_at_now_and_then() {
        let (mut display, mut endpoint) = full();
        let begin = Instant::now();
        for seconds in 0..10 {
            let now = begin + Duration::from_secs(seconds);
            assert!(!display.makes_room(&mut endpoint, Audience::There, now));
            assert_eq!(display.next_look(), Some(now + LOOK));
        }
        assert_eq!(endpoint.unacknowledged(Stream::Tty), Stream::Tty.window() as u64, "nothing was forgotten");
    }

    #[test]
    fn a_silent_client_gets_the_screen_instead_after_two_seconds() {
        let (mut display, mut endpoint) = full();
        let begin = Instant::now();
        assert!(!display.makes_room(&mut endpoint, silent(3600), begin), "it was idle for an hour before");
        assert!(!display.makes_room(&mut endpoint, silent(3601), begin + LOOK));
        assert!(display.makes_room(&mut endpoint, silent(3602), begin + SILENT));
        assert!(endpoint.unacknowledged(Stream::Tty) < 200, "the screen alone is on its way");
        assert_eq!(display.next_look(), None);
        assert_eq!(display.greeted(&endpoint), None, "the screen is in the stream already");
        // Nothing was acknowledged since: the next windowful is not waited for.
        fill(&mut endpoint);
        assert!(display.makes_room(&mut endpoint, silent(3603), begin + SILENT + LOOK));
        // It is back, and away once more.
        fill(&mut endpoint);
        assert!(!display.makes_room(&mut endpoint, silent(2), begin + SILENT * 9));
    }

    fn silent(seconds: u64) -> Audience {
        Audience::Silent(Duration::from_secs(seconds))
    }

    #[test]
    fn nobody_is_not_waited_for_and_who_comes_back_is_shown_the_screen() {
        let (mut display, mut endpoint) = full();
        assert!(display.makes_room(&mut endpoint, Audience::Away, Instant::now()));
        assert!(display.greeted(&endpoint).is_some());
        assert_eq!(display.greeted(&endpoint), None, "once");
    }

    /// What is on its way to the client after it has asked for its last line, compared with it.
    fn asks_for_last_line(display: &mut Display, endpoint: &mut Endpoint) -> Repaint {
        let before = endpoint.unacknowledged(Stream::Tty);
        display.ask_for_last_line(endpoint);
        let count = endpoint.unacknowledged(Stream::Tty) - before;
        let screen = display.screen().expect("there is a terminal");
        match count {
            count if count == screen.last_line().len() as u64 => Repaint::LastLine,
            count if count == screen.repaint().len() as u64 => Repaint::All,
            count => panic!("neither is {count} bytes long"),
        }
    }

    /// Whoever had ever seen output was painted everything.
    #[test]
    fn a_line_is_enough_for_a_client_that_has_got_all_output_and_nothing_less_than_all_for_others() {
        let (mut display, mut endpoint) = (Display::new(Some(&SIZE)), Endpoint::new(Side::Runner));
        display.feed(b"one\r\ntwo\r\n$ ");
        assert_eq!(asks_for_last_line(&mut display, &mut endpoint), Repaint::All, "is it there already?");
        assert!(display.greeted(&endpoint).is_none());
        assert_eq!(asks_for_last_line(&mut display, &mut endpoint), Repaint::All, "that is still under way");
        endpoint.discard_oldest(Stream::Tty, Stream::Tty.window());
        assert!(display.greeted(&endpoint).is_none());
        assert_eq!(asks_for_last_line(&mut display, &mut endpoint), Repaint::LastLine);
        display.feed(b"three");
        assert_eq!(asks_for_last_line(&mut display, &mut endpoint), Repaint::All, "it came since");
    }

    #[test]
    fn all_that_was_asked_for_is_painted_though_a_line_is_asked_for_behind() {
        let (mut display, mut endpoint) = full();
        endpoint.discard_oldest(Stream::Tty, Stream::Tty.window());
        assert!(display.greeted(&endpoint).is_none());
        fill(&mut endpoint);
        display.ask_for_repaint(&mut endpoint);
        display.ask_for_last_line(&mut endpoint);
        assert_eq!(display.repaint, Some(Repaint::All));
    }

    #[test]
    fn a_repaint_waits_for_room_and_holds_up_what_would_come_before_it() {
        let (mut display, mut endpoint) = full();
        display.ask_for_repaint(&mut endpoint);
        assert!(!display.makes_room(&mut endpoint, Audience::There, Instant::now()));
        endpoint.discard_oldest(Stream::Tty, 1000);
        assert!(display.makes_room(&mut endpoint, Audience::There, Instant::now()));
        let left = Stream::Tty.window() as u64 - endpoint.unacknowledged(Stream::Tty);
        assert!(left < 1000, "the repaint is in the stream");
    }
}
