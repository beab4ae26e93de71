//! Where a session is, and opening a socket to it.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;

use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, SockaddrStorage, connect, socket};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use wire::api::{Opening, Placement, Route};
use wire::identity::tls::{self, Expected};
use wire::identity::{Kind, SecretKey, Trust};
use wire::places;

use crate::daemon::connect_unix;

/// The address of a session for life.
pub enum Address {
    /// The runner's socket on this host.
    Unix(PathBuf),
    /// A host's port, and how to speak TLS with the runner behind it.
    Tls {
        /// Where to connect to.
        address: SocketAddr,
        /// Our certificate, and whom we expect.
        config: Arc<ClientConfig>,
        /// The session, by which the daemon there finds the runner.
        name: ServerName<'static>,
    },
}

impl Address {
    /// The address of a placement; the error says what is wrong with it.
    pub fn of(placement: &Placement, key: &SecretKey) -> Result<Self, String> {
        match &placement.route {
            Route::Unix(path) => Ok(Self::Unix(PathBuf::from(path))),
            Route::Tls(address) => over_tls(placement, address, key),
        }
    }
}

fn over_tls(placement: &Placement, address: &str, key: &SecretKey) -> Result<Address, String> {
    // Names would have to be asked for, and a small program that starts fast does not ask.
    let address = address.parse().map_err(|_| format!("\"{address}\" is not an address with a port"))?;
    let trust = authority(placement)?;
    let certificate = placement.certificate.as_ref().ok_or("queued gave no certificate")?;
    let expected =
        Expected { kind: Kind::Runner, host: Some(placement.host.clone()), user: Some(placement.user.clone()) };
    let config = tls::client_config(&trust, key, certificate, expected)
        .map_err(|error| format!("the certificate from queued is of no use: {error}"))?;
    let name = ServerName::try_from(placement.session.clone())
        .map_err(|_| format!("\"{}\" is not a session", placement.session))?;
    Ok(Address::Tls { address, config, name })
}

/// Who signs runners: one's own daemon says so; a daemon of another user's is not believed, but a
/// file that root wrote.
fn authority(placement: &Placement) -> Result<Trust, String> {
    match &placement.authority {
        Some(authority) => Ok(authority.clone()),
        None => {
            let path = std::env::var_os(places::AUTHORITY_VARIABLE);
            let path = path.map_or_else(|| PathBuf::from(places::SYSTEM_AUTHORITY), PathBuf::from);
            let text =
                std::fs::read_to_string(&path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
            text.trim().parse().map_err(|error| format!("{}: {error}", path.display()))
        }
    }
}

/// Begins a TCP connection; poll says when it is there or has failed.
pub fn dial_tcp(address: &SocketAddr) -> io::Result<std::net::TcpStream> {
    let family = if address.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    let flags = SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK;
    let descriptor = socket(family, SockType::Stream, flags, None)?;
    sys::tcp::for_session(descriptor.as_fd())?;
    sys::tcp::retry_steadily(descriptor.as_fd())?;
    watch(descriptor.as_fd(), Watch::Closely)?;
    match connect(descriptor.as_raw_fd(), &SockaddrStorage::from(*address)) {
        Ok(()) | Err(Errno::EINPROGRESS) => Ok(descriptor.into()),
        Err(error) => Err(error.into()),
    }
}

/// How the kernel watches a connection, whether something was sent on it or not. One that it gives up
/// costs a resume, which takes a millisecond and loses nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Watch {
    /// A person is at work: a cut is noticed within three seconds.
    Closely,
    /// Nothing has happened for a while.
    NowAndThen,
}

/// Has the kernel watch a connection.
pub fn watch(descriptor: BorrowedFd, how: Watch) -> io::Result<()> {
    let (idle_s, pause_s, count) = match how {
        Watch::Closely => (1, 1, 2),
        Watch::NowAndThen => (30, 3, 3),
    };
    sys::tcp::keepalive(descriptor, idle_s, pause_s, count)
}

/// Connects to a runner of our own on this host and says for which session; `handed` rides along.
pub fn dial_unix(path: &std::path::Path, session: &str, handed: &[(usize, BorrowedFd)]) -> io::Result<UnixStream> {
    let stream = connect_unix(path)?;
    // The kernel names whoever made the socket: ourselves, or root's starter for us.
    let maker = sys::credentials::peer(stream.as_fd())?.uid;
    if maker != sys::credentials::own_uid() && maker != 0 {
        return Err(io::Error::other("its runner is not yours"));
    }
    let numbers = handed.iter().map(|(number, _)| *number).collect();
    let opening = Opening::Session { session: session.to_owned(), handed: numbers };
    let descriptors = handed.iter().map(|(_, own)| *own).collect::<Vec<_>>();
    // It is shorter than any socket's buffer, which is empty: all of it is taken at once.
    sys::descriptors::send(stream.as_fd(), &opening.encode(), &descriptors)?;
    Ok(stream)
}
