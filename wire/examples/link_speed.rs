//! How fast one session streams: MB/s of a job's output from a runner to a client, each a
//! thread, through TLS on loopback, through plain sockets, and through memory alone.
//!
//! `cargo run --release -p wire --example link_speed [MIB [FILTER]]`
//!
//! The runner reads `/dev/zero` into the endpoint, the client writes to `/dev/null`. Sockets
//! are polled by trying again, so that an idle thread keeps its CPU busy: give it two.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::thread;
use std::time::Instant;

use rustls::pki_types::ServerName;
use wire::identity::tls::{Expected, client_config, server_config};
use wire::identity::{Authority, Identity, Kind, SecretKey, Validity};
use wire::link::{Link, LinkError, Received};
use wire::session::{Control, End, Endpoint, Event, HelloKind, Outcome, Side, Stream, Usage};

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let mib: u64 = arguments.next().map_or(Ok(2048), |text| text.parse())?;
    let filter = arguments.next().unwrap_or_default();
    let bytes = mib * 1024 * 1024;
    let measured = |name: &str, run: &dyn Fn() -> Result<(), Failure>| -> Result<(), Failure> {
        if name.contains(&filter) {
            let start = Instant::now();
            run()?;
            let speed = bytes as f64 / 1e6 / start.elapsed().as_secs_f64();
            println!("{name:<16} {speed:6.0} MB/s");
        }
        Ok(())
    };
    for _ in 0..3 {
        measured("memory", &|| memory(bytes))?;
        measured("unix, plain", &|| {
            let (runner, client) = UnixStream::pair()?;
            runner.set_nonblocking(true)?;
            client.set_nonblocking(true)?;
            session(Link::plain(runner), Link::plain(client), bytes)
        })?;
        measured("tcp, plain", &|| {
            let (runner, client) = tcp()?;
            session(Link::plain(runner), Link::plain(client), bytes)
        })?;
        measured("tcp, tls", &|| {
            let (runner, client) = tcp()?;
            let (server, own) = tls()?;
            let name = ServerName::try_from("r0.u0.queue")?;
            session(Link::tls_server(runner, server)?, Link::tls_client(client, own, name)?, bytes)
        })?;
    }
    Ok(())
}

fn tcp() -> Result<(TcpStream, TcpStream), Failure> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let client = TcpStream::connect(listener.local_addr()?)?;
    let (runner, _) = listener.accept()?;
    for socket in [&runner, &client] {
        socket.set_nonblocking(true)?;
        socket.set_nodelay(true)?;
    }
    Ok((runner, client))
}

fn tls() -> Result<(Arc<rustls::ServerConfig>, Arc<rustls::ClientConfig>), Failure> {
    let authority = Authority::from_secret(SecretKey::generate());
    let trust = authority.trust();
    let certified = |kind| {
        let key = SecretKey::generate();
        let identity = Identity { kind, cluster: authority.cluster(), host: "redfish".into(), user: "alice".into() };
        let certificate = authority.certify(&key.public_key(), &identity, Validity::runner(0));
        (key, certificate)
    };
    let (key, certificate) = certified(Kind::Runner);
    let server = server_config(&trust, &key, &certificate, &[Kind::Client], &[])?;
    let (key, certificate) = certified(Kind::Client);
    let expected = Expected { kind: Kind::Runner, host: None, user: None };
    Ok((server, client_config(&trust, &key, &certificate, expected)?))
}

fn session<S>(runner: Link<S>, client: Link<S>, bytes: u64) -> Result<(), Failure>
where
    S: Read + Write + Send + 'static,
{
    let runner = thread::spawn(move || serve(runner, bytes));
    let received = receive(client)?;
    runner.join().map_err(|_| "the runner's thread panicked")??;
    if received == bytes { Ok(()) } else { Err(format!("{received} bytes instead of {bytes}").into()) }
}

fn serve<S: Read + Write>(mut link: Link<S>, bytes: u64) -> Result<(), Failure> {
    let mut source = File::open("/dev/zero")?.take(bytes);
    let mut endpoint = Endpoint::new(Side::Runner);
    endpoint.connect("r0.u0.queue", HelloKind::Start, 1);
    loop {
        let received = link.receive(256 * 1024, &mut |mut input| {
            while endpoint.receive(&mut input)?.is_some() {}
            Ok(())
        })?;
        if received == Received::Closed {
            assert!(endpoint.sent_all_acknowledged());
            return Ok(());
        }
        fill(&mut endpoint, &mut source)?;
        let wanted = endpoint.wants_transmit();
        link.transmit(&mut endpoint)?;
        if !wanted || link.wants_write() {
            thread::yield_now();
        }
    }
}

/// Reads once, as a runner does that has just been told that a pipe is readable.
fn fill(endpoint: &mut Endpoint, source: &mut impl Read) -> Result<(), Failure> {
    if endpoint.unacknowledged(Stream::Control) > 0 {
        return Ok(());
    }
    let room = endpoint.room(Stream::Stdout);
    if room.is_empty() {
        return Ok(());
    }
    let count = source.read(room)?;
    endpoint.filled(Stream::Stdout, count);
    if count == 0 && endpoint.established() && endpoint.unacknowledged(Stream::Control) == 0 {
        endpoint.finish(Stream::Stdout);
        endpoint.control(&Control::End(End {
            outcome: Outcome::Exited(0),
            usage: Usage::default(),
            incomplete: None,
            limit: None,
        }))?;
    }
    Ok(())
}

fn receive<S: Read + Write>(mut link: Link<S>) -> Result<u64, Failure> {
    let mut sink = File::create("/dev/null")?;
    let mut endpoint = Endpoint::new(Side::Client);
    endpoint.connect("r0.u0.queue", HelloKind::Start, 1);
    let (mut bytes, mut ended) = (0, false);
    while !ended {
        let received = link.receive(1024 * 1024, &mut |mut input| {
            while let Some(event) = endpoint.receive(&mut input)? {
                match event {
                    Event::Data { stream, bytes: data } => {
                        sink.write_all(data).expect("/dev/null takes everything");
                        endpoint.consumed(stream, data.len());
                        bytes += data.len() as u64;
                    }
                    Event::Control(Control::End(_)) => ended = true,
                    _ => {}
                }
            }
            Ok(())
        })?;
        link.transmit(&mut endpoint)?;
        if received == Received::Closed {
            return Err(LinkError::Cut.into());
        }
        if received == Received::Blocked {
            thread::yield_now();
        }
    }
    link.close()?;
    while link.wants_write() {
        link.close()?;
    }
    Ok(bytes)
}

/// Both ends in one thread, frames handed over without a socket.
fn memory(bytes: u64) -> Result<(), Failure> {
    let mut source = File::open("/dev/zero")?.take(bytes);
    let mut sink = File::create("/dev/null")?;
    let (mut runner, mut client) = (Endpoint::new(Side::Runner), Endpoint::new(Side::Client));
    runner.connect("r0.u0.queue", HelloKind::Start, 1);
    client.connect("r0.u0.queue", HelloKind::Start, 1);
    let (mut received, mut ended) = (0, false);
    while !ended {
        fill(&mut runner, &mut source)?;
        while let Some(frame) = client.transmit() {
            for mut input in [&frame.header, frame.payload] {
                while runner.receive(&mut input)?.is_some() {}
            }
        }
        while let Some(frame) = runner.transmit() {
            for mut input in [&frame.header, frame.payload] {
                while let Some(event) = client.receive(&mut input)? {
                    match event {
                        Event::Data { stream, bytes: data } => {
                            sink.write_all(data)?;
                            client.consumed(stream, data.len());
                            received += data.len() as u64;
                        }
                        Event::Control(Control::End(_)) => ended = true,
                        _ => {}
                    }
                }
            }
        }
    }
    if received == bytes { Ok(()) } else { Err(format!("{received} bytes instead of {bytes}").into()) }
}
