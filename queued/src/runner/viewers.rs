//! Those who look at a session's terminal and do nothing else. They get what the job writes as long as
//! they take it; one that falls behind gets the newest screen instead, and never holds anybody up.

use std::os::fd::{AsFd, BorrowedFd};

use sys::terminal::Size;
use wire::link::{Link, LinkError, Received};
use wire::session::{Control, Endpoint, Event, Hello, HelloKind, Side, Stream};

use super::arrival::Socket;
use super::screen::Screen;
use super::{convert, farewell};

/// All who look.
#[derive(Default)]
pub struct Viewers {
    all: Vec<Viewer>,
}

struct Viewer {
    link: Link<Socket>,
    endpoint: Endpoint,
    /// It was not given all: the screen is due.
    behind: bool,
}

impl Viewers {
    /// Lets somebody look at this screen.
    pub fn add(&mut self, session: &str, link: Link<Socket>, hello: &Hello, screen: &Screen) {
        if self.all.len() == MOST {
            farewell::refuse(link, &format!("{MOST} others look at it already"));
            return;
        }
        let mut endpoint = Endpoint::new(Side::Runner);
        endpoint.connect(session, HelloKind::View, 0);
        if endpoint.accept(hello).is_err() {
            return;
        }
        // A fresh end has room for both.
        let _ = endpoint.control(&Control::Resize(convert::wire_size(&screen.size())));
        endpoint.replace(Stream::Tty, &screen.repaint());
        self.all.push(Viewer { link, endpoint, behind: false });
    }

    /// The terminal has a new size.
    pub fn resized(&mut self, size: &Size) {
        for viewer in &mut self.all {
            // One that acknowledges nothing sees the size when it looks again.
            let _ = viewer.endpoint.control(&Control::Resize(convert::wire_size(size)));
        }
    }

    /// The job has written this.
    pub fn feed(&mut self, bytes: &[u8]) {
        for viewer in &mut self.all {
            let mut rest = bytes;
            while !viewer.behind && !rest.is_empty() {
                let room = viewer.endpoint.room(Stream::Tty);
                let count = room.len().min(rest.len());
                room[..count].copy_from_slice(&rest[..count]);
                viewer.endpoint.filled(Stream::Tty, count);
                viewer.behind = count == 0;
                rest = &rest[count..];
            }
        }
    }

    /// What to wait for: descriptor and whether to write.
    pub fn waits(&self) -> impl Iterator<Item = (BorrowedFd<'_>, bool)> {
        self.all.iter().map(|viewer| {
            let speaks = viewer.link.wants_write() || viewer.endpoint.wants_transmit();
            (viewer.link.socket().as_fd(), speaks)
        })
    }

    /// Reads and writes what there is; those who have gone are forgotten.
    pub fn advance(&mut self, screen: Option<&Screen>) {
        self.all.retain_mut(|viewer| viewer.advance(screen).is_ok());
    }

    /// The job has ended like this, or nobody can look any more.
    pub fn end(&mut self, last: Option<&Control>) {
        for mut viewer in self.all.drain(..) {
            viewer.endpoint.finish(Stream::Tty);
            if let Some(last) = last {
                // It finds room even where nothing else does.
                let _ = viewer.endpoint.control(last);
            }
            farewell::see_off(viewer.link, viewer.endpoint);
        }
    }
}

impl Viewer {
    fn advance(&mut self, screen: Option<&Screen>) -> Result<(), LinkError> {
        let Self { link, endpoint, behind } = self;
        let received = link.receive(READ_BUDGET, &mut |bytes| {
            let mut rest = bytes;
            while let Some(event) = endpoint.receive(&mut rest)? {
                match event {
                    // Whatever a viewer types is nobody's.
                    Event::Data { stream, bytes } => endpoint.consumed(stream, bytes.len()),
                    Event::Control(Control::Repaint) => *behind = true,
                    _ => {}
                }
            }
            Ok(())
        })?;
        if received == Received::Closed {
            return Err(LinkError::Cut);
        }
        if self.behind && self.endpoint.unacknowledged(Stream::Tty) < Stream::Tty.window() as u64 / 2 {
            if let Some(screen) = screen {
                self.endpoint.replace(Stream::Tty, &screen.repaint());
            }
            self.behind = false;
        }
        self.link.transmit(&mut self.endpoint)
    }
}

/// At one session at the same time.
const MOST: usize = 8;
const READ_BUDGET: usize = 64 * 1024;
