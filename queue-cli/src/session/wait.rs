//! What a session waits for, and for how long.

use std::os::fd::AsFd;
use std::time::Instant;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use wire::session::Stream;

use super::{Progress, Session};
use crate::terminal::Terminal;

impl Session {
    /// Waits until something can be done; says what.
    pub(super) fn wait(&mut self) -> Ready {
        let timeout = self.timeout();
        let reads_keys = self.in_foreground
            && self.connection.was_answered()
            && self.terminal.as_ref().is_some_and(Terminal::is_raw)
            && self.keys.wants(&mut self.endpoint);
        // What was read for a runner that then turns us away would be missing elsewhere.
        let reads_stdin = (!self.plan.reads_terminal || self.in_foreground) && self.connection.was_answered();
        let Self { endpoint, connection, signals, terminal, input, output, progress, .. } = self;
        let running = matches!(progress, Progress::Running);
        // A descriptor is polled only where something would be done about it: a hang-up is
        // reported unasked, and a loop that cannot act on it would spin.
        let mut polled = vec![PollFd::new(signals.as_fd(), PollFlags::POLLIN)];
        let stdin = input.wait(endpoint).filter(|_| running && reads_stdin);
        let stdin = push(&mut polled, stdin.map(|stdin| PollFd::new(stdin, PollFlags::POLLIN)));
        let keys = terminal.as_ref().filter(|_| running && reads_keys);
        let keys = keys.map(|terminal| PollFd::new(terminal.as_fd(), PollFlags::POLLIN));
        let keys = push(&mut polled, keys);
        let first_link = polled.len();
        polled.extend(connection.interests(endpoint).map(|(socket, flags)| PollFd::new(socket, flags)));
        let outputs = output.waits(endpoint);
        let links = first_link..polled.len();
        let first_output = polled.len();
        polled.extend(outputs.iter().map(|(_, sink)| PollFd::new(*sink, PollFlags::POLLOUT)));
        match poll(&mut polled, timeout) {
            Ok(_) | Err(Errno::EINTR) => {}
            // Only a descriptor that is not one could make it fail, and all here are open.
            Err(_) => return Ready::default(),
        }
        let is_ready = |index: usize| polled[index].any().unwrap_or(false);
        Ready {
            signal: is_ready(0),
            stdin: stdin.is_some_and(is_ready),
            keys: keys.is_some_and(is_ready),
            connection: links.into_iter().any(is_ready) || connection.has_early(),
            outputs: outputs
                .iter()
                .enumerate()
                .filter(|(index, _)| is_ready(first_output + index))
                .map(|(_, (stream, _))| *stream)
                .collect(),
        }
    }

    fn timeout(&self) -> PollTimeout {
        if self.more {
            return PollTimeout::ZERO;
        }
        let closing = match self.progress {
            Progress::Closing { until, .. } => Some(until),
            Progress::Running | Progress::Ended(_) => None,
        };
        let look = self.watches_foreground().then_some(self.next_look);
        let deadlines = [
            closing,
            look,
            self.connection.deadline(),
            self.notice.deadline(self.silence_to_show()),
            self.patience_ends(),
            self.let_in.as_ref().and_then(|let_in| let_in.deadline(&self.connection)),
            self.idle.deadline(),
        ];
        match deadlines.into_iter().flatten().min() {
            Some(at) => {
                let left = at.saturating_duration_since(Instant::now()).as_millis();
                // One more, because a rest below a millisecond would be waited for in a busy loop.
                PollTimeout::try_from(left.saturating_add(1)).unwrap_or(PollTimeout::MAX)
            }
            None => PollTimeout::NONE,
        }
    }
}

/// Adds what there is to wait for; says where it stands.
fn push<'a>(polled: &mut Vec<PollFd<'a>>, one: Option<PollFd<'a>>) -> Option<usize> {
    let index = one.is_some().then_some(polled.len());
    polled.extend(one);
    index
}

/// Where something can be done.
#[derive(Default)]
pub(super) struct Ready {
    pub(super) signal: bool,
    pub(super) stdin: bool,
    pub(super) keys: bool,
    pub(super) connection: bool,
    pub(super) outputs: Vec<Stream>,
}
