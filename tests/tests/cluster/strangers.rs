//! What comes to a host's port and is not from the cluster, or says nothing. None of it may be
//! felt by those who are.

use std::io::{Read, Write};
use std::net::TcpStream;

use queue_tests::cluster::Cluster;
use queue_tests::process::PATIENCE;
use queue_tests::wait::until;
use wire::identity::session_name;

use crate::flow::Flow;
use crate::outsider::{DAEMON, client_hello, closes, dial, host};

#[test]
fn a_thousand_silent_connections_disturb_nobody() {
    let cluster = Cluster::up(2);
    let flow = Flow::start(&cluster, "redfish", "bluefish");
    // From the very address that the honest client has.
    let silent: Vec<TcpStream> = cluster.in_network_of("redfish", || (0..1000).map(|_| dial(&cluster)).collect());
    flow.goes_on();
    new_sessions_run(&cluster);
    cluster.until_all_are_open();
    // In the end each of them is closed.
    until("the daemon has closed them", PATIENCE, || silent.iter().all(is_closed).then_some(()));
    let log = cluster.log("bluefish");
    assert!(log.contains("closed the oldest silent connection: too many"), "{log}");
    flow.goes_on();
    new_sessions_run(&cluster);
    flow.ends_well();
}

#[test]
fn a_thousand_calls_for_sessions_that_nobody_knows_disturb_nobody() {
    let cluster = Cluster::up(2);
    let flow = Flow::start(&cluster, "redfish", "bluefish");
    let calls: Vec<TcpStream> = cluster.in_network_of("redfish", || {
        let call = |number: u16| {
            let mut random = [0; 16];
            random[..2].copy_from_slice(&number.to_be_bytes());
            let mut stream = dial(&cluster);
            // The runner would have to answer; nothing more comes from here.
            let hello = client_hello(&mut host(&cluster, &session_name(&random, 0)));
            stream.write_all(&hello).expect("a fresh connection takes that much");
            stream
        };
        (0..1000).map(call).collect()
    });
    flow.goes_on();
    new_sessions_run(&cluster);
    until("they are closed", PATIENCE, || calls.iter().all(is_closed_after_words).then_some(()));
    new_sessions_run(&cluster);
    flow.ends_well();
}

#[test]
fn what_is_not_tls_ends_its_own_connection_only() {
    let cluster = Cluster::up(2);
    let flow = Flow::start(&cluster, "redfish", "bluefish");
    let hello = client_hello(&mut host(&cluster, DAEMON));
    let (other, unfinished) = ("this is not TLS", "no complete ClientHello within 5 s");
    // It says that it is longer than any may be.
    let endless = [0x16, 3, 1, 0x40, 0, 1, 0x01, 0, 0, 3, 3];
    let garbage: [(&[u8], &str); 9] = [
        (&endless, "this ClientHello has more than 16384 bytes"),
        (b"GET /v1/hosts HTTP/1.1\r\nHost: bluefish\r\n\r\n", other),
        (b"SSH-2.0-OpenSSH_9.2\r\n", other),
        (b"\n", other),
        (&[0; 100_000], other),
        (&[0x16; 40_000], other),
        // A record that promises more than there may be, and one that does not go on.
        (&[0x16, 0x03, 0x01, 0xff, 0xff, 1, 2, 3], other),
        (&[0x16, 0x03, 0x01, 0x01, 0x00, 0x01], unfinished),
        (&hello[..hello.len() / 2], unfinished),
    ];
    for (number, (bytes, _)) in garbage.iter().enumerate() {
        cluster.in_network_of("redfish", || {
            let mut stream = dial(&cluster);
            // It may be closed while we still write.
            let _ = stream.write_all(bytes);
            assert!(closes(stream), "garbage {number} was not turned away");
        });
        cluster.queue("redfish", &["-n", "-h", "bluefish", "--", "true"]).success();
    }
    let told = until("the log names each of them", PATIENCE, || {
        let log = cluster.log("bluefish");
        let lines = log.lines().filter_map(|line| line.split("INFO connection closed: ").nth(1).map(str::to_owned));
        Some(lines.collect::<Vec<_>>()).filter(|told| told.len() == garbage.len())
    });
    for ((_, reason), line) in garbage.iter().zip(told) {
        assert!(line.starts_with(&format!("{reason} from={}:", cluster.address("redfish"))), "{line}");
    }
    flow.goes_on();
    flow.ends_well();
}

#[test]
fn a_client_hello_that_comes_byte_by_byte_is_put_together() {
    let cluster = Cluster::up(2);
    cluster.in_network_of("redfish", || {
        let mut client = host(&cluster, DAEMON);
        let mut stream = dial(&cluster);
        let hello = client_hello(&mut client);
        for byte in &hello {
            stream.write_all(&[*byte]).expect("the daemon waits for more");
        }
        while client.is_handshaking() {
            client.complete_io(&mut stream).expect("the handshake goes well");
        }
        // It is a daemon that has answered.
        let request = b"POST /v1/notes HTTP/1.1\r\nhost: queued\r\ncontent-length: 2\r\n\r\n{}";
        client.writer().write_all(request).expect("a buffer");
        client.complete_io(&mut stream).expect("it is taken");
        let mut answer = [0; 8];
        rustls::Stream::new(&mut client, &mut stream).read_exact(&mut answer).expect("an answer");
        assert_eq!(&answer, b"HTTP/1.1");
    });
    cluster.queue("redfish", &["-n", "-h", "bluefish", "--", "true"]).success();
}

#[test]
fn a_session_that_nobody_knows_is_turned_away_and_disturbs_nobody() {
    let cluster = Cluster::up(2);
    let flow = Flow::start(&cluster, "redfish", "bluefish");
    for name in [session_name(&[7; 16], 0), session_name(&[8; 16], 12345)] {
        cluster.in_network_of("redfish", || {
            let mut client = host(&cluster, &name);
            let mut stream = dial(&cluster);
            // As far as it gets.
            while client.is_handshaking() && client.complete_io(&mut stream).is_ok() {}
            assert!(closes(stream), "{name} was not turned away");
        });
    }
    let said = "connection closed: a session of uid 12345, whom this daemon does not serve";
    until("the log says so", PATIENCE, || cluster.log("bluefish").contains(said).then_some(()));
    flow.goes_on();
    new_sessions_run(&cluster);
    flow.ends_well();
}

fn new_sessions_run(cluster: &Cluster) {
    for (home, host) in [("redfish", "bluefish"), ("bluefish", "redfish")] {
        assert_eq!(cluster.queue(home, &["-n", "-h", host, "--", "hostname"]).success().text(), host);
    }
}

/// Whether the other side has closed it.
fn is_closed(stream: &TcpStream) -> bool {
    stream.set_nonblocking(true).expect("a socket");
    !matches!(stream.peek(&mut [0]), Err(error) if error.kind() == std::io::ErrorKind::WouldBlock)
}

/// The same for one that has said something before.
fn is_closed_after_words(mut stream: &TcpStream) -> bool {
    stream.set_nonblocking(true).expect("a socket");
    !matches!(stream.read_to_end(&mut Vec::new()), Err(error) if error.kind() == std::io::ErrorKind::WouldBlock)
}
