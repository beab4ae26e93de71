//! Handshakes in memory: each combination of two ends that may talk to each other, and those that may not.

use std::sync::Arc;

use rustls::{ClientConfig, ClientConnection, Connection, Error, ServerConfig, ServerConnection};

use super::tls::{Expected, client_config, explain, refusal, server_config};
use super::*;

/// Long ago, so that every handshake here also shows that dates are not judged.
const THEN: i64 = 1_000_000;

const KINDS: [Kind; 3] = [Kind::Client, Kind::Runner, Kind::Host];

struct End {
    trust: Trust,
    key: SecretKey,
    certificate: Certificate,
}

fn authority() -> Authority {
    Authority::from_secret(SecretKey::from_seed(&[1; 32]))
}

fn end(authority: &Authority, kind: Kind, host: &str, user: &str) -> End {
    let identity = Identity { kind, cluster: String::new(), host: host.into(), user: user.into() };
    let key = SecretKey::generate();
    let certificate = authority.certify(&key.public_key(), &identity, Validity::client(THEN));
    End { trust: authority.trust(), key, certificate }
}

fn runner_of(host: &str, user: &str) -> Expected {
    Expected { kind: Kind::Runner, host: Some(host.into()), user: Some(user.into()) }
}

impl End {
    fn connecting(&self, expected: Expected) -> Arc<ClientConfig> {
        client_config(&self.trust, &self.key, &self.certificate, expected).expect("they belong together")
    }

    fn listening(&self, kinds: &[Kind]) -> Arc<ServerConfig> {
        server_config(&self.trust, &self.key, &self.certificate, kinds, &[]).expect("they belong together")
    }
}

struct Met {
    client: ClientConnection,
    server: ServerConnection,
    /// Bytes that the server sent after the handshake was over for it.
    rest: usize,
}

/// Who gave up, and why; and what the client then hears of it.
#[derive(Debug)]
enum Failed {
    Client(Error),
    Server(Error, Option<Box<Error>>),
}

/// Carries bytes between both ends until neither has more to say.
fn handshake(client: Arc<ClientConfig>, server: Arc<ServerConfig>) -> Result<Met, Failed> {
    let name = session_name(&[5; 16], 1000).try_into().expect("a valid server name");
    let mut client = ClientConnection::new(client, name).expect("a good configuration");
    let mut server = ServerConnection::new(server).expect("a good configuration");
    let mut rest = 0;
    loop {
        let to_server = match carry(&mut client, |bytes| feed(&mut server, bytes)) {
            Ok(count) => count,
            Err(error) => {
                return Err(Failed::Server(
                    error,
                    carry(&mut server, |bytes| feed(&mut client, bytes)).err().map(Box::new),
                ));
            }
        };
        let over = !server.is_handshaking();
        let to_client = carry(&mut server, |bytes| feed(&mut client, bytes)).map_err(Failed::Client)?;
        rest += if over { to_client } else { 0 };
        if to_server + to_client == 0 {
            assert!(!client.is_handshaking() && !server.is_handshaking(), "the handshake stands still");
            return Ok(Met { client, server, rest });
        }
    }
}

fn carry<D>(
    from: &mut rustls::ConnectionCommon<D>,
    to: impl FnOnce(&[u8]) -> Result<(), Error>,
) -> Result<usize, Error> {
    let mut bytes = Vec::new();
    while from.wants_write() {
        from.write_tls(&mut bytes).expect("a vector takes everything");
    }
    to(&bytes)?;
    Ok(bytes.len())
}

fn feed<D>(to: &mut rustls::ConnectionCommon<D>, mut bytes: &[u8]) -> Result<(), Error> {
    while !bytes.is_empty() {
        to.read_tls(&mut bytes).expect("a slice does not fail");
        to.process_new_packets()?;
    }
    Ok(())
}

/// The sentence of our verifier at the end that gave up.
fn sentence(result: Result<Met, Failed>) -> (&'static str, IdentityError) {
    let (who, error) = match result {
        Ok(_) => panic!("the handshake should have failed"),
        Err(Failed::Client(error)) => ("client", error),
        Err(Failed::Server(error, _)) => ("server", error),
    };
    let refusal = refusal(&error).unwrap_or_else(|| panic!("not by our verifier: {error}")).clone();
    assert!(error.to_string().contains(&refusal.to_string()), "{error}");
    assert_eq!(explain(&error), refusal.to_string());
    (who, refusal)
}

#[test]
fn a_client_meets_the_runner_it_expects() {
    let authority = authority();
    let client = end(&authority, Kind::Client, "redfish", "alice");
    let runner = end(&authority, Kind::Runner, "bluefish", "alice");
    let met = handshake(client.connecting(runner_of("bluefish", "alice")), runner.listening(&[Kind::Client]));
    let met = met.expect("both are as expected");
    for (connection, peer) in [(Connection::from(met.client), runner), (Connection::from(met.server), client)] {
        assert_eq!(connection.protocol_version(), Some(rustls::ProtocolVersion::TLSv1_3));
        let suite = connection.negotiated_cipher_suite().expect("agreed").suite();
        assert_eq!(suite, rustls::CipherSuite::TLS13_AES_128_GCM_SHA256);
        let group = connection.negotiated_key_exchange_group().expect("agreed").name();
        assert_eq!(group, rustls::NamedGroup::X25519);
        assert_eq!(connection.handshake_kind(), Some(rustls::HandshakeKind::Full));
        let shown = connection.peer_certificates().expect("both show one");
        assert_eq!(shown[0].as_ref(), peer.certificate.0);
    }
    assert_eq!(met.rest, 0, "the server sent tickets");
}

#[test]
fn kinds_are_never_confused() {
    let authority = authority();
    for client_kind in KINDS {
        let client = end(&authority, client_kind, "redfish", "alice");
        for server_kind in KINDS {
            let server = end(&authority, server_kind, "bluefish", "alice");
            for expected in KINDS {
                for allowed in KINDS {
                    let connecting = client.connecting(Expected { kind: expected, host: None, user: None });
                    let met = handshake(connecting, server.listening(&[allowed]));
                    // The client is the first to see the other's certificate.
                    if server_kind != expected {
                        let (found, wanted) = (server_kind, vec![expected]);
                        assert_eq!(sentence(met), ("client", IdentityError::OtherKind { found, wanted }));
                    } else if client_kind != allowed {
                        let (found, wanted) = (client_kind, vec![allowed]);
                        assert_eq!(sentence(met), ("server", IdentityError::OtherKind { found, wanted }));
                    } else {
                        assert!(met.is_ok());
                    }
                }
            }
        }
    }
}

#[test]
fn a_server_can_take_several_kinds_or_none() {
    let authority = authority();
    let server = end(&authority, Kind::Host, "bluefish", "");
    for kind in KINDS {
        let client = end(&authority, kind, "redfish", "alice");
        let expected = Expected { kind: Kind::Host, host: Some("bluefish".into()), user: None };
        let taken = handshake(client.connecting(expected.clone()), server.listening(&[Kind::Client, Kind::Host]));
        assert_eq!(taken.is_ok(), kind != Kind::Runner);
        assert!(handshake(client.connecting(expected), server.listening(&[])).is_err());
    }
}

#[test]
fn the_runner_of_another_host_or_user_is_refused() {
    let authority = authority();
    let client = end(&authority, Kind::Client, "redfish", "alice");
    let runner = end(&authority, Kind::Runner, "bluefish", "alice");
    let meet = |expected| sentence(handshake(client.connecting(expected), runner.listening(&[Kind::Client])));
    let (who, error) = meet(runner_of("redfish", "alice"));
    assert_eq!((who, &*error.to_string()), ("client", "this certificate belongs to host bluefish, not redfish"));
    let (who, error) = meet(runner_of("bluefish", "bob"));
    assert_eq!((who, &*error.to_string()), ("client", "this certificate belongs to user alice, not bob"));
    for near in ["", "Bluefish", "bluefish.", "bluefis"] {
        assert!(matches!(meet(runner_of(near, "alice")).1, IdentityError::OtherHost { .. }), "{near:?}");
    }
}

#[test]
fn two_clusters_do_not_meet() {
    let (ours, theirs) = (authority(), Authority::from_secret(SecretKey::generate()));
    let client = end(&ours, Kind::Client, "redfish", "alice");
    let runner = end(&theirs, Kind::Runner, "bluefish", "alice");
    let (who, error) =
        sentence(handshake(client.connecting(runner_of("bluefish", "alice")), runner.listening(&[Kind::Client])));
    let (theirs_name, ours_name) = (theirs.cluster(), ours.cluster());
    assert_eq!((who, error), ("client", IdentityError::OtherCluster { theirs: theirs_name, ours: ours_name }));
    // A client that trusts both is still a stranger to the server.
    let traveller = End { trust: theirs.trust(), ..client };
    let (who, error) =
        sentence(handshake(traveller.connecting(runner_of("bluefish", "alice")), runner.listening(&[Kind::Client])));
    assert_eq!(who, "server");
    assert_eq!(error, IdentityError::OtherCluster { theirs: ours.cluster(), ours: theirs.cluster() });
}

#[test]
fn a_client_that_is_refused_hears_a_sentence() {
    let authority = authority();
    let host = end(&authority, Kind::Host, "redfish", "");
    let runner = end(&authority, Kind::Runner, "bluefish", "alice");
    let met = handshake(host.connecting(runner_of("bluefish", "alice")), runner.listening(&[Kind::Client]));
    let Err(Failed::Server(_, Some(heard))) = met else { panic!("the server should have said something") };
    assert!(explain(&heard).starts_with("the other end did not accept our certificate"), "{heard}");
    assert_eq!(refusal(&heard), None);
}

#[test]
fn a_certificate_without_its_key_is_of_no_use() {
    let authority = authority();
    let alice = end(&authority, Kind::Client, "redfish", "alice");
    let thief = End { key: SecretKey::generate(), ..end(&authority, Kind::Client, "redfish", "alice") };
    let expected = runner_of("bluefish", "alice");
    // Our own functions notice it,
    let error = client_config(&thief.trust, &thief.key, &alice.certificate, expected.clone()).expect_err("not its key");
    assert!(matches!(error, Error::InconsistentKeys(_)), "{error}");
    let error = server_config(&thief.trust, &thief.key, &alice.certificate, &KINDS, &[]).expect_err("not its key");
    assert!(matches!(error, Error::InconsistentKeys(_)), "{error}");
    // and a thief who does not use them is noticed by the other end.
    let mut config = (*alice.connecting(expected)).clone();
    config.client_auth_cert_resolver = Arc::new(rustls::sign::SingleCertAndKey::from(rustls::sign::CertifiedKey::new(
        vec![alice.certificate.0.clone().into()],
        rustls::crypto::ring::sign::any_eddsa_type(&thief.key.to_pkcs8().into()).expect("a good key"),
    )));
    let runner = end(&authority, Kind::Runner, "bluefish", "alice");
    let failed = handshake(Arc::new(config), runner.listening(&[Kind::Client])).err().expect("not its key");
    let bad_signature = Error::InvalidCertificate(rustls::CertificateError::BadSignature);
    assert!(matches!(&failed, Failed::Server(error, _) if *error == bad_signature), "{failed:?}");
}

#[test]
fn a_client_without_certificate_is_refused() {
    let authority = authority();
    let client = end(&authority, Kind::Client, "redfish", "alice");
    let runner = end(&authority, Kind::Runner, "bluefish", "alice");
    let mut config = (*client.connecting(runner_of("bluefish", "alice"))).clone();
    config.client_auth_cert_resolver = Arc::new(NoCertificate);
    let failed = handshake(Arc::new(config), runner.listening(&KINDS)).err().expect("nothing was shown");
    assert!(matches!(&failed, Failed::Server(Error::NoCertificatesPresented, _)), "{failed:?}");
}

#[derive(Debug)]
struct NoCertificate;

impl rustls::client::ResolvesClientCert for NoCertificate {
    fn resolve(
        &self,
        _root_hint_subjects: &[&[u8]],
        _schemes: &[rustls::SignatureScheme],
    ) -> Option<Arc<rustls::sign::CertifiedKey>> {
        None
    }

    fn has_certs(&self) -> bool {
        false
    }
}

#[test]
fn the_application_protocol_is_agreed() {
    let authority = authority();
    let client = end(&authority, Kind::Host, "redfish", "");
    let server = end(&authority, Kind::Host, "bluefish", "");
    let listening = server_config(&server.trust, &server.key, &server.certificate, &[Kind::Host], &[b"http/1.1"]);
    let listening = listening.expect("they belong together");
    let expected = Expected { kind: Kind::Host, host: Some("bluefish".into()), user: None };
    let mut config = (*client.connecting(expected)).clone();
    let met = handshake(Arc::new(config.clone()), listening.clone()).expect("none is asked for");
    assert_eq!(met.server.alpn_protocol(), None);
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    let met = handshake(Arc::new(config.clone()), listening.clone()).expect("the same one");
    assert_eq!(met.server.alpn_protocol(), Some(&b"http/1.1"[..]));
    config.alpn_protocols = vec![b"h2".to_vec()];
    assert!(handshake(Arc::new(config), listening).is_err());
}

#[test]
fn every_connection_is_a_full_handshake() {
    let authority = authority();
    let client = end(&authority, Kind::Client, "redfish", "alice").connecting(runner_of("bluefish", "alice"));
    let server = end(&authority, Kind::Runner, "bluefish", "alice").listening(&[Kind::Client]);
    for _ in 0..2 {
        let met = handshake(client.clone(), server.clone()).expect("both are as expected");
        assert_eq!(met.server.handshake_kind(), Some(rustls::HandshakeKind::Full));
        assert_eq!(met.client.handshake_kind(), Some(rustls::HandshakeKind::Full));
    }
    assert!(!server.ticketer.enabled());
    assert_eq!((server.send_tls13_tickets, server.max_early_data_size), (0, 0));
    assert!(!client.enable_early_data);
}

#[test]
fn a_certificate_of_the_cluster_signs_no_other() {
    // Even if the authority had been tricked into signing one that says it may.
    let ours = authority();
    let of_authority = rcgen::KeyPair::from_pkcs8_der_and_sign_algo(
        &SecretKey::from_seed(&[1; 32]).to_pkcs8().into(),
        &rcgen::PKCS_ED25519,
    );
    let of_authority = of_authority.expect("the standard form");
    let mut root = rcgen::CertificateParams::default();
    root.distinguished_name = rcgen::DistinguishedName::new();
    root.distinguished_name.push(rcgen::DnType::CommonName, ours.cluster());
    let mut between = rcgen::CertificateParams::default();
    between.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let of_between = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).expect("ring makes keys");
    let signed = between.signed_by(&of_between, &rcgen::Issuer::from_params(&root, of_authority));
    let intermediate = signed.expect("good parameters").der().clone();

    let key = SecretKey::generate();
    let mut leaf = rcgen::CertificateParams::default();
    let name = format!("queue://{}/client/redfish/alice", ours.cluster());
    leaf.subject_alt_names = vec![rcgen::SanType::URI(name.try_into().expect("ASCII"))];
    let public = rcgen::KeyPair::from_pkcs8_der_and_sign_algo(&key.to_pkcs8().into(), &rcgen::PKCS_ED25519);
    let leaf = leaf.signed_by(&public.expect("the standard form"), &rcgen::Issuer::from_params(&between, of_between));
    let leaf = leaf.expect("good parameters").der().clone();

    let client = end(&ours, Kind::Client, "redfish", "alice");
    let mut config = (*client.connecting(runner_of("bluefish", "alice"))).clone();
    config.client_auth_cert_resolver = Arc::new(rustls::sign::SingleCertAndKey::from(rustls::sign::CertifiedKey::new(
        vec![leaf, intermediate],
        rustls::crypto::ring::sign::any_eddsa_type(&key.to_pkcs8().into()).expect("a good key"),
    )));
    let runner = end(&ours, Kind::Runner, "bluefish", "alice");
    let refused = sentence(handshake(Arc::new(config), runner.listening(&[Kind::Client])));
    assert_eq!(refused, ("server", IdentityError::Forged(ours.cluster())));
}

#[test]
fn debug_of_a_configuration_shows_no_key() {
    let authority = authority();
    let key = SecretKey::from_seed(&[0x41; 32]);
    let client = End { key, ..end(&authority, Kind::Client, "redfish", "alice") };
    let identity = Identity { kind: Kind::Client, cluster: String::new(), host: String::new(), user: String::new() };
    let certificate = authority.certify(&client.key.public_key(), &identity, Validity::host());
    let shown = format!("{:?}", End { certificate, ..client }.connecting(runner_of("bluefish", "alice")));
    assert!(shown.contains("SecretKey(..)"), "{shown}");
    for bytes in ["AAAA", "65, 65", "41, 41", "4141"] {
        assert!(!shown.contains(bytes), "{shown}");
    }
}
