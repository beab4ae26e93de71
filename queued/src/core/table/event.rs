//! What the table is told and what it asks for.

use wire::exchange::Message;
use wire::news::HostState;

/// This daemon's host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnHost {
    /// Its name, unique in the cluster.
    pub name: String,
    /// Where others can reach it, `address:port`; empty while it listens nowhere.
    pub address: String,
    /// This life of it: microseconds since 1970 at the start, or later than any stored.
    pub incarnation: u64,
}

/// A connection between two daemons. The driver counts them and never uses a number twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u64);

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// This host's state of now, with its wall clock in `clock_us`. Whether it is told to
    /// others is the table's business.
    OwnState(HostState),
    /// A verified connection with the daemon of another host stands.
    Connected {
        /// The connection.
        connection: ConnectionId,
        /// The other host's name, from its certificate.
        host: String,
        /// The address it was asked for with [`Action::Connect`]; the remote address of one
        /// that came in, which is only shown.
        address: String,
        /// Whether the other side began it. This side sends requests only on its own.
        incoming: bool,
    },
    /// A connection asked for with [`Action::Connect`] did not come about.
    ConnectFailed {
        /// The address, as it was asked for.
        address: String,
        /// Why, in words for a person: `connection refused`.
        reason: String,
    },
    /// A connection died: reset, timed out, or ended without a farewell.
    Lost {
        /// The connection.
        connection: ConnectionId,
    },
    /// A connection was closed in order (TLS `close_notify`), by the other side or after
    /// [`Action::Disconnect`]: no reason to fear for the host.
    Closed {
        /// The connection.
        connection: ConnectionId,
    },
    /// A request came in; exactly one [`Action::Answer`] is among the actions of this call.
    Exchange {
        /// The connection.
        connection: ConnectionId,
        /// The request.
        message: Message,
    },
    /// The answer to an [`Action::Send`].
    ExchangeAnswer {
        /// The connection.
        connection: ConnectionId,
        /// The answer.
        message: Message,
        /// From sending the request to reading the answer, milliseconds.
        round_trip_ms: u64,
    },
    /// The dispatcher spoke with this host over a connection of its own.
    Reached {
        /// The host.
        host: String,
    },
    /// The dispatcher could not get through to this host.
    Unreachable {
        /// The host.
        host: String,
        /// Why, in words for a person.
        reason: String,
    },
    /// Somebody removes this host from the cluster.
    Remove {
        /// The host.
        host: String,
    },
    /// The configured peers changed.
    Peers(Vec<String>),
    /// This host can be reached somewhere else now; empty: nowhere.
    Address(String),
    /// This daemon ends: say goodbye. The driver lets the sends go out before it exits.
    Leave,
    /// [`Table::next_deadline`](super::Table::next_deadline) has come.
    Deadline,
}

/// What the driver shall do.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Connect to this address, giving up after a second; report `Connected` or
    /// `ConnectFailed`. Never asked twice at a time for one address.
    Connect {
        /// The address: a configured peer as it was written, or what a host advertises.
        address: String,
    },
    /// Close this connection in order. The table has forgotten it already; a report of its end
    /// is ignored.
    Disconnect {
        /// The connection.
        connection: ConnectionId,
    },
    /// Send this as a request on a connection that this side began; one is under way at a time.
    Send {
        /// The connection.
        connection: ConnectionId,
        /// The request.
        message: Message,
    },
    /// Answer the request of this very call.
    Answer {
        /// The connection.
        connection: ConnectionId,
        /// The answer.
        message: Message,
    },
    /// Hosts appeared, vanished, opened, shut or have room: the dispatcher may choose anew.
    Changed,
    /// This host lives on under this incarnation: store it, the next start must be later.
    Incarnation(u64),
    /// Somebody removed this host from the cluster; it is not told about any more.
    Expelled,
}
