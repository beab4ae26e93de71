//! Somebody at the port of a host who speaks TLS: with a certificate of the cluster, which only
//! who has its key can make, or with one of his own.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;

use queue_tests::cluster::Cluster;
use queue_tests::process::PATIENCE;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection};
use wire::identity::tls::{Expected, client_config};
use wire::identity::{Authority, Certificate, ClusterKey, Identity, Kind, SecretKey, Validity};

/// Where daemons are spoken to.
pub const DAEMON: &str = "queued.queue";

/// A fresh connection to bluefish, from the network of the caller's thread.
pub fn dial(cluster: &Cluster) -> TcpStream {
    let stream = TcpStream::connect((cluster.address("bluefish"), 7117)).expect("it listens");
    stream.set_nodelay(true).expect("a socket");
    stream.set_read_timeout(Some(PATIENCE)).expect("a socket");
    stream
}

/// The authority of the cluster.
pub fn authority(cluster: &Cluster) -> Authority {
    let text = std::fs::read_to_string(cluster.key()).expect("the cluster has a key");
    Authority::from_cluster_key(&ClusterKey::parse(&text).expect("it is one"))
}

/// The client's end of TLS as a host of the cluster that nobody has heard of.
pub fn host(cluster: &Cluster, server: &str) -> ClientConnection {
    let authority = authority(cluster);
    let identity = identity(Kind::Host, &authority.cluster());
    client(&authority, &authority, &identity, server, |_| ())
}

/// Who an outsider says he is.
pub fn identity(kind: Kind, cluster: &str) -> Identity {
    let user = if kind == Kind::Host { "" } else { "mallory" };
    Identity { kind, cluster: cluster.to_owned(), host: "stranger".into(), user: user.into() }
}

/// The client's end of TLS with a certificate that `signer` has made and `change` has changed; it believes
/// `cluster`.
pub fn client(
    cluster: &Authority,
    signer: &Authority,
    identity: &Identity,
    server: &str,
    change: fn(&mut Certificate),
) -> ClientConnection {
    let key = SecretKey::generate();
    let mut certificate = signer.certify(&key.public_key(), identity, Validity::host());
    change(&mut certificate);
    let expected = Expected { kind: Kind::Host, host: Some("bluefish".into()), user: None };
    let config: Arc<ClientConfig> =
        client_config(&cluster.trust(), &key, &certificate, expected).expect("they belong together");
    ClientConnection::new(config, ServerName::try_from(server.to_owned()).expect("a name")).expect("a good config")
}

/// What the client would say first.
pub fn client_hello(client: &mut ClientConnection) -> Vec<u8> {
    let mut hello = Vec::new();
    client.write_tls(&mut hello).expect("a vector");
    hello
}

/// Asks a daemon over its port; the body of its answer.
pub fn ask(client: &mut ClientConnection, stream: &mut TcpStream, path: &str, body: &str) -> std::io::Result<String> {
    let request = format!(
        "POST {path} HTTP/1.1\r\nhost: queued\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut tls = rustls::Stream::new(client, stream);
    tls.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    match tls.read_to_end(&mut answer) {
        Err(error) if error.kind() != std::io::ErrorKind::UnexpectedEof => return Err(error),
        _ => {}
    }
    let answer = String::from_utf8_lossy(&answer).into_owned();
    Ok(answer.split_once("\r\n\r\n").map_or(answer.clone(), |(_, body)| body.to_owned()))
}

/// Whether the other side closes it in time, whatever it says before.
pub fn closes(mut stream: TcpStream) -> bool {
    match stream.read_to_end(&mut Vec::new()) {
        Ok(_) => true,
        Err(error) => error.kind() == std::io::ErrorKind::ConnectionReset,
    }
}
