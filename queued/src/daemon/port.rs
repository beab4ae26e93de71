//! The one TCP port: what comes in is either a client's connection to its session, which is
//! passed on to the user's runner unread, or another daemon's, which is answered here.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::fd::AsFd;
use std::rc::Rc;
use std::time::Duration;

use tokio::io::Interest;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;
use wire::identity::{parse_session_name, tls};

use super::Daemon;
use super::server::{self, Caller};

/// Accepts connections for ever.
pub async fn serve(daemon: Rc<Daemon>, listener: TcpListener) {
    let strangers = Rc::new(Strangers::default());
    loop {
        let (stream, from) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of descriptors, most likely: what is open has to end first.
                tracing::warn!(%error, "cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let place = strangers.enter(from.ip());
        let number = place.number;
        let daemon = daemon.clone();
        let task = tokio::task::spawn_local(async move {
            if let Err(error) = meet(&daemon, stream, from, place).await {
                tracing::info!(%from, "connection closed: {error:#}");
            }
        });
        strangers.started(number, task.abort_handle());
    }
}

async fn meet(daemon: &Rc<Daemon>, stream: TcpStream, from: SocketAddr, place: Place) -> anyhow::Result<()> {
    let name = tokio::time::timeout(GREETING, server_name(&stream))
        .await
        .map_err(|_| anyhow::anyhow!("no complete ClientHello within {} s", GREETING.as_secs()))??;
    if let Some((_, uid)) = name.as_deref().and_then(parse_session_name) {
        drop(place);
        return pass_on(daemon, &stream, name.unwrap_or_default(), uid).await;
    }
    stream.set_nodelay(true)?;
    sys::tcp::keepalive(stream.as_fd(), 1, 1, 3)?;
    let acceptor = daemon.acceptor()?;
    let stream = tokio::time::timeout(GREETING, acceptor.accept(stream))
        .await
        .map_err(|_| anyhow::anyhow!("the TLS handshake took more than {} s", GREETING.as_secs()))?
        .map_err(explain)?;
    drop(place);
    let host = daemon.peer_host(stream.get_ref().1.peer_certificates())?;
    server::serve(daemon.clone(), stream, Caller::Host { host, address: from }).await;
    Ok(())
}

/// What our own verifier found is better than what TLS calls it.
pub fn explain(error: io::Error) -> anyhow::Error {
    let found = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()).map(tls::explain);
    match found {
        Some(sentence) => anyhow::anyhow!(sentence),
        None => error.into(),
    }
}

/// Peeks until the ClientHello is complete. Nothing is consumed.
async fn server_name(stream: &TcpStream) -> anyhow::Result<Option<String>> {
    let mut buffer = vec![0; 2048];
    let mut seen = 0;
    loop {
        let count = stream
            .async_io(Interest::READABLE, || {
                let count = sys::tcp::peek(stream.as_fd(), &mut buffer)?;
                // What was seen before stays there: only more of it is news.
                if count > 0 && count <= seen { Err(io::ErrorKind::WouldBlock.into()) } else { Ok(count) }
            })
            .await?;
        if count == 0 {
            anyhow::bail!("closed before a ClientHello");
        }
        if let Some(name) = tls::server_name(&buffer[..count])? {
            return Ok(name);
        }
        seen = count;
        if count == buffer.len() {
            if count >= LONGEST_HELLO {
                anyhow::bail!("the ClientHello is larger than {LONGEST_HELLO} bytes");
            }
            buffer.resize(count * 2, 0);
        }
    }
}

async fn pass_on(daemon: &Rc<Daemon>, stream: &TcpStream, session: String, uid: u32) -> anyhow::Result<()> {
    if !daemon.serves(uid) {
        anyhow::bail!("a session of uid {uid}, whom this daemon does not serve");
    }
    // A session of a runner that died is found by the new one.
    let runner = daemon.runners.of(uid).await?;
    runner.pass(stream.as_fd(), session).await?;
    Ok(())
}

/// Connections that have not said who they are. There is room for so many in all and from one
/// address; one more closes the one that has been silent longest, since honest ones speak within
/// milliseconds.
#[derive(Default)]
struct Strangers {
    next: Cell<u64>,
    waiting: RefCell<BTreeMap<u64, Stranger>>,
}

struct Stranger {
    address: IpAddr,
    task: Option<AbortHandle>,
}

impl Strangers {
    fn enter(self: &Rc<Self>, address: IpAddr) -> Place {
        let mut waiting = self.waiting.borrow_mut();
        let oldest_of_address = (waiting.values().filter(|one| one.address == address).count() >= MOST_OF_ADDRESS)
            .then(|| waiting.iter().find(|(_, one)| one.address == address).map(|(number, _)| *number))
            .flatten();
        let oldest = (waiting.len() >= MOST_STRANGERS).then(|| waiting.keys().next().copied()).flatten();
        if let Some(Stranger { task: Some(task), .. }) =
            oldest_of_address.or(oldest).and_then(|number| waiting.remove(&number))
        {
            tracing::info!(%address, "closed the oldest silent connection: too many");
            task.abort();
        }
        let number = self.next.get();
        self.next.set(number + 1);
        waiting.insert(number, Stranger { address, task: None });
        Place { strangers: self.clone(), number }
    }

    fn started(&self, number: u64, task: AbortHandle) {
        if let Some(stranger) = self.waiting.borrow_mut().get_mut(&number) {
            stranger.task = Some(task);
        }
    }
}

/// A stranger's place; given up when it is known or gone.
struct Place {
    strangers: Rc<Strangers>,
    number: u64,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.strangers.waiting.borrow_mut().remove(&self.number);
    }
}

/// How long a connection may take to say who it is.
const GREETING: Duration = Duration::from_secs(5);
/// Connections that have not said who they are.
const MOST_STRANGERS: usize = 512;
/// The same from one address. A host's address may be shared by many clients.
const MOST_OF_ADDRESS: usize = 256;
/// As the parser's bound.
const LONGEST_HELLO: usize = 16 * 1024;
