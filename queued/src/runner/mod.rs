//! The runner: a user's end of all that user's sessions on this host, with that user's rights.
//!
//! It ends TLS, checks warrants, keeps what a client has not acknowledged and the state of each
//! screen. Its main thread ([`service`]) talks to the daemon and lets connections in; every
//! session has a thread of its own ([`session`]), so that one that fails harms no other. Batch jobs, which
//! nobody looks at while they run, have one thread together ([`batch`]).
//!
//! It must not listen on the network, and must not be big: leaders are forked from the small
//! process of [`maker`].

mod about;
mod adopt;
mod arrival;
pub mod batch;
mod batching;
mod client_link;
mod convert;
mod departure;
mod display;
mod ended;
mod entrance;
mod farewell;
mod given;
mod given_away;
mod leader_link;
mod maker;
mod memory;
pub mod notice;
mod prepare;
mod screen;
mod service;
mod session;
mod shared;
mod spill;
mod streams;
mod tee;
mod terms;
mod viewers;

use std::io::Write;
use std::os::fd::AsFd;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// How long a session with a terminal is kept in system mode when its client has gone. In personal mode
/// it is a person's own machine, and nothing is ended without being told to.
pub const LINGER: Duration = Duration::from_secs(24 * 3600);

/// What the runner is told on its command line.
#[derive(Debug, Clone)]
pub struct Options {
    /// The file with the authority that warrants are checked against.
    pub authority: PathBuf,
    /// Tells hosts on one machine apart in socket names.
    pub place: String,
    /// The uid of the daemon, which may connect besides the runner's own.
    pub daemon_uid: u32,
    /// The runtime directory of a voucher, where one certifies (system mode).
    pub voucher: Option<PathBuf>,
    /// How long a session with a terminal is kept when its client has gone; `None`: for ever.
    pub linger: Option<Duration>,
    /// Where the files of batch jobs are.
    pub jobs: PathBuf,
    /// Whether the runner starts a dead daemon again (personal mode).
    pub revive_daemon: bool,
}

/// Where the files of batch jobs are when nobody says so.
pub fn usual_jobs() -> Option<PathBuf> {
    let home = std::env::var_os("HOME").filter(|home| !home.is_empty()).map(PathBuf::from);
    let home = home.or_else(|| sys::credentials::home_directory(sys::credentials::own_uid()));
    home.map(|home| home.join(".local/state/queue/jobs"))
}

/// Runs until there is neither daemon nor session. Standard input is the listening socket.
///
/// # Errors
/// What kept it from starting.
pub fn run(options: Options) -> anyhow::Result<()> {
    let listener = UnixListener::from(std::io::stdin().as_fd().try_clone_to_owned()?);
    let address = listener.local_addr()?;
    let parent = |path: Option<&Path>| path.and_then(Path::parent).unwrap_or(Path::new("/")).to_owned();
    let maker = maker::Maker::start(&parent(Some(&options.authority)), &parent(address.as_pathname()))?;
    sys::process::set_name("queue-runner");
    // It holds descriptors for each job; the leaders, which jobs inherit from, keep the limit they had.
    let _ = sys::limits::set_soft_limit("nofile", None);
    sys::memory::few_arenas();
    sys::process::become_subreaper()?;
    // What jobs leave behind is adopted here and ends unseen.
    sys::signal::ignore(nix::libc::SIGCHLD)?;
    for number in [nix::libc::SIGHUP, nix::libc::SIGINT, nix::libc::SIGQUIT, nix::libc::SIGPIPE] {
        sys::signal::ignore(number)?;
    }
    service::Service::new(options, listener, maker)?.run()
}

/// Says something in the daemon's log. A disk without room for it is no reason to end.
fn complain(words: std::fmt::Arguments<'_>) {
    let _ = writeln!(std::io::stderr(), "queue-runner: {words}");
}
