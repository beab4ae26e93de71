//! Control messages that the session has no room for now.
//!
//! The runner acknowledges nothing while the link is down, and the control stream is bounded.
//! What waits here is bounded too, by the kernel's own rule for pending signals: one of each
//! kind, and of size, modes and foreground only the newest.

use std::mem::discriminant;

use wire::session::{Control, Endpoint};

/// Messages in order.
#[derive(Default)]
pub struct Outbox {
    waiting: Vec<Control>,
}

impl Outbox {
    /// Sends `control` behind what waits.
    pub fn say(&mut self, control: Control, endpoint: &mut Endpoint) {
        if self.waiting.is_empty() && endpoint.control(&control).is_ok() {
            return;
        }
        match control {
            Control::Signal(_) | Control::Closed(_) if self.waiting.contains(&control) => {}
            Control::Resize(_) | Control::Modes(_) | Control::Foreground(_) => {
                self.waiting.retain(|waiting| discriminant(waiting) != discriminant(&control));
                self.waiting.push(control);
            }
            _ => self.waiting.push(control),
        }
    }

    /// Sends what has room now.
    pub fn push(&mut self, endpoint: &mut Endpoint) {
        let sent = self.waiting.iter().take_while(|control| endpoint.control(control).is_ok());
        let sent = sent.count();
        self.waiting.drain(..sent);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::session::{Side, Size, Stream};

    #[test]
    fn a_flood_of_messages_stays_bounded_and_the_newest_size_arrives() {
        let mut endpoint = Endpoint::new(Side::Client);
        let mut outbox = Outbox::default();
        for round in 0..100_000u32 {
            let size = Size { rows: (round % 200) as u16, ..Size::default() };
            outbox.say(Control::Resize(size), &mut endpoint);
            outbox.say(Control::Signal(sys::signal::name((round % 64 + 1) as i32)), &mut endpoint);
            outbox.say(Control::Closed(Stream::Stdout), &mut endpoint);
        }
        assert!(outbox.waiting.len() <= 64 + 3 + 3, "{}", outbox.waiting.len());
        let newest = Size { rows: 199, ..Size::default() };
        assert!(outbox.waiting.contains(&Control::Resize(newest)));
    }
}
