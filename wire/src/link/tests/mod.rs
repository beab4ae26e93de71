//! Promises of a link, over sockets in memory.

mod ends;

use std::os::unix::net::UnixStream;

use proptest::prelude::*;
use rustls::unbuffered::{ConnectionState, UnbufferedStatus};

use super::*;
use crate::identity::Kind;
use crate::session::{Control, Side, Stream};
use ends::{End, Socket, configs, established, name, plain, sockets, tls};

/// Makes both ends with or without TLS.
type Make = fn(usize, usize) -> (End<Socket>, End<Socket>);

const BOTH: [Make; 2] = [tls, plain];

#[test]
fn a_session_goes_through_whatever_the_socket_takes_at_once() {
    let output: Vec<u8> = (0..700_000u32).map(|number| (number ^ (number >> 8)) as u8).collect();
    for make in BOTH {
        for (capacity, piece) in [(1 << 20, 1 << 20), (100_000, 1 << 16), (5000, 999), (70, 7)] {
            let (mut client, mut runner) = established(make(capacity, piece));
            let output = if capacity > 1000 { &output } else { &output[..50_000] };
            let mut sent = 0;
            while client.got.len() < output.len() {
                sent += runner.write(Stream::Stdout, &output[sent..]);
                runner.turn().expect("the runner goes on");
                client.turn().expect("the client goes on");
            }
            assert!(client.got == *output);
        }
    }
}

#[test]
fn the_peers_certificate_is_known_after_the_handshake() {
    let (mut client, runner) = tls(1 << 20, 1 << 20);
    assert!(client.link.handshaking() && client.link.wants_write());
    assert_eq!(runner.link.peer_certificate(), None);
    client.link.transmit(&mut client.endpoint).expect("it goes on");
    let (client, runner) = established((client, runner));
    assert!(!client.link.handshaking() && !runner.link.handshaking());
    let (ours, theirs) = (client.link.peer_certificate(), runner.link.peer_certificate());
    assert!(ours.is_some() && theirs.is_some() && ours != theirs);
    let (client, _) = established(plain(1 << 20, 1 << 20));
    assert_eq!(client.link.peer_certificate(), None);
}

#[test]
fn an_idle_link_holds_no_buffer() {
    for make in BOTH {
        let (mut client, mut runner) = established(make(1 << 20, 1 << 20));
        runner.write(Stream::Stdout, &[1; 200_000]);
        for _ in 0..3 {
            runner.turn().expect("the runner goes on");
            client.turn().expect("the client goes on");
        }
        assert_eq!(client.got.len(), 200_000);
        for link in [&client.link, &runner.link] {
            assert_eq!(link.partial.capacity() + link.output.allocated(), 0);
        }
    }
}

#[test]
fn a_close_is_told_from_a_cut() {
    let (mut client, mut runner) = established(tls(1 << 20, 1 << 20));
    runner.link.close().expect("closed");
    runner.link.close().expect("closed again");
    assert!(!runner.link.wants_write());
    assert_eq!(client.turn().expect("in order"), Received::Closed);
    drop(runner);
    assert_eq!(client.turn().expect("still"), Received::Closed);

    let (mut client, runner) = established(tls(1 << 20, 1 << 20));
    drop(runner);
    assert!(matches!(client.turn(), Err(LinkError::Cut)));

    let (client, mut runner) = tls(1 << 20, 1 << 20);
    drop(client);
    assert!(matches!(runner.turn(), Err(LinkError::Cut)), "cut in the handshake");

    let (mut client, runner) = established(plain(1 << 20, 1 << 20));
    drop(runner);
    assert_eq!(client.turn().expect("in order"), Received::Closed);
}

#[test]
fn nothing_is_sent_behind_the_close() {
    let (mut client, mut runner) = established(tls(1 << 20, 1 << 20));
    runner.link.close().expect("closed");
    runner.write(Stream::Stdout, b"too late");
    runner.link.transmit(&mut runner.endpoint).expect("nothing happens");
    assert_eq!(client.turn().expect("in order"), Received::Closed);
    assert_eq!(client.got, b"");
    client.link.close().expect("closed too");
    assert_eq!(runner.turn().expect("in order"), Received::Closed);
}

#[test]
fn a_write_to_a_closed_peer_does_not_hide_what_it_said_before() {
    for make in BOTH {
        let (mut client, mut runner) = established(make(1 << 20, 1 << 20));
        runner.endpoint.control(&Control::Continued).expect("room");
        runner.link.transmit(&mut runner.endpoint).expect("the runner goes on");
        drop(runner);
        client.write(Stream::Stdin, b"nobody reads");
        client.link.transmit(&mut client.endpoint).expect("the error comes with what is there to read");
        assert!(!client.link.wants_write());
        let _ = client.receive(1 << 20);
        assert_eq!(client.messages, [Control::Continued]);
    }
    // The peer's end of the socket still stands, but takes nothing.
    let (mut client, runner) = established(plain(1 << 20, 1 << 20));
    client.link.socket().outgoing.borrow_mut().reader_gone = true;
    client.write(Stream::Stdin, b"nobody reads");
    client.link.transmit(&mut client.endpoint).expect("said by receive");
    assert!(matches!(client.receive(1 << 20), Err(LinkError::Io(_))));
    drop(runner);
}

#[test]
fn receive_keeps_to_its_budget() {
    for make in BOTH {
        let (mut client, mut runner) = established(make(1 << 22, 1 << 20));
        for _ in 0..4 {
            runner.write(Stream::Stdout, &[1; 1 << 18]);
        }
        runner.turn().expect("the runner goes on");
        let mut turns = 0;
        while client.receive(100_000).expect("in order") == Received::More {
            turns += 1;
            let most = turns * (100_000 + 2 * super::tls::LONGEST_RECORD);
            assert!(client.got.len() <= most, "{} after {turns}", client.got.len());
        }
        assert!(turns > 5);
    }
}

#[test]
fn a_changed_byte_ends_the_connection() {
    let (mut client, mut runner) = established(tls(1 << 20, 1 << 20));
    runner.write(Stream::Stdout, b"output");
    runner.turn().expect("the runner goes on");
    if let Some(byte) = client.link.socket().incoming.borrow_mut().bytes.back_mut() {
        *byte ^= 1;
    }
    assert!(matches!(client.turn(), Err(LinkError::Tls(_))));
    assert!(matches!(runner.turn(), Err(LinkError::Tls(rustls::Error::AlertReceived(_)))), "it is told");
}

#[test]
fn a_peer_of_the_wrong_kind_is_refused_and_told() {
    let (client, server) = configs(Kind::Host);
    let (ours, theirs) = sockets(1 << 20, 1 << 20);
    let mut client = End::new(Link::tls_client(ours, client, name()).expect("a client"), Side::Client);
    let mut runner = End::new(Link::tls_server(theirs, server).expect("a server"), Side::Runner);
    client.turn().expect("ClientHello");
    runner.turn().expect("its answer");
    client.turn().expect("the certificate");
    assert!(matches!(runner.turn(), Err(LinkError::Tls(_))));
    assert!(!runner.endpoint.established());
    assert!(matches!(client.turn(), Err(LinkError::Tls(rustls::Error::AlertReceived(_)))));
}

#[test]
fn an_error_of_the_session_ends_the_connection() {
    let (mut client, mut runner) = established(tls(1 << 20, 1 << 20));
    runner.write(Stream::Stdout, b"output");
    runner.turn().expect("the runner goes on");
    let refuse = &mut |_: &[u8]| Err(ProtocolError::SecondHello);
    assert!(matches!(client.link.receive(1 << 20, refuse), Err(LinkError::Protocol(_))));
}

#[test]
fn keys_may_change_on_the_way() {
    let (mut client, mut runner) = established(tls(1 << 20, 1 << 20));
    for round in 1..4 {
        let tls = runner.link.tls.as_mut().expect("TLS");
        tls.with_server(|connection| {
            let UnbufferedStatus { state, .. } = connection.process_tls_records(&mut []);
            match state {
                Ok(ConnectionState::WriteTraffic(traffic)) => traffic.refresh_traffic_keys(),
                other => panic!("not ready: {other:?}"),
            }
        })
        .expect("keys can change");
        runner.write(Stream::Stdout, &[1; 50_000]);
        client.write(Stream::Stdin, &[2; 50_000]);
        for _ in 0..2 {
            runner.turn().expect("the runner goes on");
            client.turn().expect("the client goes on");
        }
        assert_eq!((client.got.len(), runner.got.len()), (round * 50_000, round * 50_000));
    }
}

#[test]
fn real_sockets_serve_too() {
    let (ours, theirs) = UnixStream::pair().expect("a pair of sockets");
    for socket in [&ours, &theirs] {
        socket.set_nonblocking(true).expect("they can be non-blocking");
    }
    let mut client = End::new(Link::plain(ours), Side::Client);
    let mut runner = End::new(Link::plain(theirs), Side::Runner);
    let output = vec![7; 3_000_000];
    let mut sent = 0;
    while client.got.len() < output.len() {
        sent += runner.write(Stream::Stdout, &output[sent..]);
        runner.turn().expect("the runner goes on");
        client.turn().expect("the client goes on");
    }
    assert!(client.got == output);
}

proptest! {
    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 1..600), kind: u8, early: bool) {
        let mut ends = tls(1 << 20, 100);
        if !early {
            ends = established(ends);
        }
        for end in [&mut ends.0, &mut ends.1] {
            let mut bytes = bytes.clone();
            // Something like a record, so that it is read further.
            bytes.splice(..0, [20 + kind % 5, 3, 3, 0, 64]);
            end.link.socket().incoming.borrow_mut().bytes.extend(bytes);
            while end.turn().is_ok_and(|received| received == Received::More) {}
            let _ = end.link.transmit(&mut end.endpoint);
            let _ = end.link.close();
        }
    }

    #[test]
    fn a_handshake_with_a_wrong_byte_never_panics(place in 0..3000usize, byte: u8, piece in 1..3000usize) {
        let (mut client, mut runner) = tls(1 << 20, piece);
        let mut left = Some(place);
        for _ in 0..6 {
            for end in [&mut client, &mut runner] {
                let mut pipe = end.link.socket().incoming.borrow_mut();
                left = match left {
                    Some(place) if place < pipe.bytes.len() => {
                        pipe.bytes[place] = byte;
                        None
                    }
                    Some(place) => Some(place - pipe.bytes.len()),
                    None => None,
                };
                drop(pipe);
                let _ = end.turn();
            }
        }
    }
}
