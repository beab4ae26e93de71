//! A simulated host, and how it ends.

use queued::core::table::Table;

use super::load::Load;

/// One host.
pub struct Host {
    /// What its daemon knows; that of a dead host is of no interest.
    pub table: Table,
    /// Whether its daemon runs.
    pub state: State,
    /// How its load goes.
    pub load: Load,
    /// Bytes sent, with all headers.
    pub sent: u64,
    /// Messages sent.
    pub messages: u64,
    /// Times the daemon had something to do.
    pub wakes: u64,
    /// Its name.
    pub name: String,
    /// Where it can be reached.
    pub address: String,
    /// When its daemon wants to be woken.
    pub wake: Option<u64>,
    /// When its daemon started.
    pub started: u64,
}

/// Whether a host answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// All is well.
    Up,
    /// The daemon is gone; the kernel refuses connections.
    Crashed,
    /// Nothing answers.
    Dead,
}

/// How a host dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// Its power fails.
    Power,
    /// Its daemon is killed.
    Crash,
    /// Its daemon says goodbye.
    Leave,
}
