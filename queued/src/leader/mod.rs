//! The leader: session leader and parent of one job, with the job's user.
//!
//! It is forked without exec by the [`maker`], mostly before there is a job for it (then it is called
//! queue-spare), makes the pseudo-terminal and the pipes, starts the job when the runner releases it, mirrors the client's foreground on the remote terminal, waits
//! for stopped, continued and ended, and keeps status and descriptors until the end was
//! acknowledged. A new runner finds it by its abstract socket and adopts it. One of a batch job, of
//! which nothing is left then, may be given another.
//!
//! It must not be shared between jobs at a time, use the network, or allocate once the job runs.

mod allowance;
pub mod assignment;
mod custody;
pub mod directories;
mod job;
pub mod maker;
pub mod message;
mod name;
mod supervise;
mod suspension;

pub use allowance::Time;
pub use assignment::Assignment;

/// The abstract socket under which a new runner finds the leader of `session`.
///
/// `place` tells hosts on one machine apart; see [`crate::config::Places::tag`].
pub fn socket_name(uid: u32, place: &str, session: &str) -> Vec<u8> {
    let mut name = socket_prefix(uid, place);
    name.extend_from_slice(session.as_bytes());
    name
}

/// What the socket names of all leaders of one user on one host begin with.
pub fn socket_prefix(uid: u32, place: &str) -> Vec<u8> {
    format!("queue/{uid}/{place}/").into_bytes()
}
