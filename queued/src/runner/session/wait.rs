//! What a session waits for, and for how long.

use std::os::fd::{AsFd, BorrowedFd};
use std::time::Instant;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::eventfd::EventFd;
use nix::sys::time::TimeSpec;
use wire::session::Stream;

use super::{Phase, Session};
use crate::leader::message::Slot;
use crate::runner::memory::Watch;
use crate::runner::streams::OUTPUTS;

impl Session {
    /// Waits until something can be done; says where.
    pub(super) fn wait(&mut self, wake: &EventFd) -> Ready {
        let audience = self.client.audience(&self.endpoint);
        let busy = matches!(self.phase, Phase::Running)
            || matches!(self.phase, Phase::Draining { until, .. } if until > Instant::now());
        let timeout = self.timeout();
        let wanted = OUTPUTS
            .map(|(slot, stream)| busy && self.streams.wants(slot, stream, &self.leader, &mut self.endpoint, audience));
        let mut polled = Vec::with_capacity(12);
        polled.push(PollFd::new(wake.as_fd(), PollFlags::POLLIN));
        let both = |(socket, write)| {
            PollFd::new(socket, if write { PollFlags::POLLIN | PollFlags::POLLOUT } else { PollFlags::POLLIN })
        };
        let client = self.client.waits().map(|(socket, write)| (socket, write || self.endpoint.wants_transmit()));
        polled.extend(client.map(both));
        let others_at = polled.len();
        polled.extend(self.entrance.waits().chain(self.streams.viewers.waits()).map(both));
        let leader_at = polled.len();
        polled.extend(self.leader.connection().map(|leader| PollFd::new(leader, PollFlags::POLLIN)));
        let job_at = polled.len();
        for (index, (slot, _)) in OUTPUTS.iter().enumerate() {
            let mut flags = PollFlags::empty();
            flags.set(PollFlags::POLLIN, wanted[index]);
            let waits = *slot != Slot::Tty || self.streams.must_wait(Stream::Tty);
            flags.set(PollFlags::POLLOUT, !waits && !self.endpoint.kept(Stream::Tty).is_empty());
            push(&mut polled, self.leader.slot(*slot).map(|slot| slot.as_fd()), flags);
        }
        let mut flags = PollFlags::empty();
        flags.set(PollFlags::POLLOUT, !self.endpoint.kept(Stream::Stdin).is_empty());
        push(&mut polled, self.leader.slot(Slot::Stdin).map(|slot| slot.as_fd()), flags);
        match ppoll(&mut polled, timeout, None) {
            Ok(_) | Err(Errno::EINTR) => {}
            // Only a descriptor that is not one could make it fail, and all here are open.
            Err(_) => return Ready::default(),
        }
        let any = |range: std::ops::Range<usize>| polled[range].iter().any(|one| one.any().unwrap_or(false));
        Ready {
            wake: any(0..1),
            client: any(1..others_at),
            others: any(others_at..leader_at),
            leader: any(leader_at..job_at),
            job: any(job_at..polled.len()),
        }
    }

    fn timeout(&self) -> Option<TimeSpec> {
        let final_at = self.departure.is_final_at(self.client.lost);
        let phase = match self.phase {
            Phase::Reserved { until } => Some(until),
            Phase::Delivering { until } => Some(final_at.map_or(until, |at| at.min(until))),
            Phase::Running => self.departure.deadline(self.client.lost),
            Phase::Draining { until, .. } => {
                let waits = until > Instant::now();
                final_at.into_iter().chain(waits.then_some(until)).min()
            }
            Phase::Over => None,
        };
        let look = match self.phase {
            Phase::Running => self.streams.display.next_look().into_iter().chain(self.streams.next_look()).min(),
            Phase::Draining { .. } => self.streams.display.next_look(),
            _ => None,
        };
        let memory = self.watch.as_ref().map(Watch::next);
        let others = [self.entrance.deadline(), look, memory, self.idle.deadline()];
        let earliest = phase.into_iter().chain(others.into_iter().flatten()).min();
        earliest.map(|at| at.saturating_duration_since(Instant::now()).into())
    }
}

/// Where something can be done.
#[derive(Default)]
pub(super) struct Ready {
    pub(super) wake: bool,
    pub(super) client: bool,
    /// Connections on their way in, or those who look.
    pub(super) others: bool,
    pub(super) leader: bool,
    pub(super) job: bool,
}

/// Waits on a descriptor only where there is something to wait for: a hang-up is reported
/// unasked, and a loop that cannot act on it would spin.
fn push<'a>(polled: &mut Vec<PollFd<'a>>, descriptor: Option<BorrowedFd<'a>>, flags: PollFlags) {
    if let (Some(descriptor), false) = (descriptor, flags.is_empty()) {
        polled.push(PollFd::new(descriptor, flags));
    }
}
