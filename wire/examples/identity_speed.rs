//! How long a client waits for its key, its certificate and its TLS configuration, which are new for each command, and
//! what else a session costs in cryptography.
//!
//! `cargo run --release -p wire --example identity_speed`. Every line is the median and the worst of one in a hundred,
//! in microseconds.

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use rustls::{ClientConnection, ServerConnection};
use wire::identity::tls::{Expected, client_config, server_config, server_name};
use wire::identity::{Authority, Certificate, ClusterKey, Identity, Kind, SecretKey, Validity, Warrant, session_name};

const NOW: i64 = 1_800_000_000;

fn main() {
    let authority = Authority::from_cluster_key(&ClusterKey::generate());
    let trust = authority.trust();
    let alice = |kind| Identity { kind, cluster: authority.cluster(), host: "redfish".into(), user: "alice".into() };
    let certify = |key: &SecretKey, kind| authority.certify(&key.public_key(), &alice(kind), Validity::client(NOW));
    let expected = || Expected { kind: Kind::Runner, host: Some("redfish".into()), user: Some("alice".into()) };
    let client = || {
        let key = SecretKey::generate();
        let certificate = certify(&key, Kind::Client);
        client_config(&trust, &key, &certificate, expected()).expect("they belong together")
    };

    let first = Instant::now();
    black_box(client());
    println!("{:44} {:8.1}", "the first key, certificate, configuration", first.elapsed().as_secs_f64() * 1e6);
    measure("key, certificate, configuration together", client);

    let key = SecretKey::generate();
    let certificate = certify(&key, Kind::Client);
    measure("  key", SecretKey::generate);
    measure("  certificate", || certify(&key, Kind::Client));
    measure("  configuration", || client_config(&trust, &key, &certificate, expected()));
    let cluster_key = ClusterKey::generate();
    measure("authority from a cluster key", || Authority::from_cluster_key(&cluster_key));
    measure("verify a certificate", || trust.verify(&certificate));
    let signed = Warrant { certificate: Some(certificate.clone()), ..Warrant::one(&key, [7; 32]) };
    measure("sign a warrant", || Warrant::one(&key, [7; 32]));
    measure("verify a warrant", || signed.verify(&[7; 32], &trust, NOW));

    let runner_key = SecretKey::generate();
    let runner: Certificate = certify(&runner_key, Kind::Runner);
    let server = server_config(&trust, &runner_key, &runner, &[Kind::Client], &[]).expect("they belong together");
    let client = client();
    let name = session_name(&[5; 16], 1000);
    let connect = || ClientConnection::new(client.clone(), name.clone().try_into().expect("a name")).expect("good");
    let mut hello = Vec::new();
    connect().write_tls(&mut hello).expect("a vector takes everything");
    measure("read the session from a ClientHello", || server_name(&hello));
    measure("a handshake, both ends", || {
        handshake(connect(), ServerConnection::new(Arc::clone(&server)).expect("good"))
    });
}

fn handshake(mut client: ClientConnection, mut server: ServerConnection) {
    while client.is_handshaking() || server.is_handshaking() {
        let mut bytes = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut bytes).expect("a vector takes everything");
        }
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            server.read_tls(&mut rest).expect("a slice does not fail");
            server.process_new_packets().expect("a good handshake");
        }
        bytes.clear();
        while server.wants_write() {
            server.write_tls(&mut bytes).expect("a vector takes everything");
        }
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            client.read_tls(&mut rest).expect("a slice does not fail");
            client.process_new_packets().expect("a good handshake");
        }
    }
}

fn measure<T>(what: &str, mut work: impl FnMut() -> T) {
    let mut times: Vec<f64> = (0..2000)
        .map(|_| {
            let start = Instant::now();
            black_box(work());
            start.elapsed().as_secs_f64() * 1e6
        })
        .collect();
    times.sort_by(f64::total_cmp);
    println!("{what:44} {:8.1} {:8.1}", times[times.len() / 2], times[times.len() * 99 / 100]);
}
