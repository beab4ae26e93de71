//! TLS as queue speaks it: version 1.3 only, both ends show a certificate of the cluster, no tickets, no early data.
//!
//! The verifiers ask [`Trust::verify`] who the peer is and compare that with whom they expect. Names in the sense of
//! the web (DNS) play no part: the server name that a client sends is the session, for the daemon that passes the
//! connection on. Dates are not judged here, so that resuming a session needs its key and nothing else.

use std::fmt;
use std::sync::{Arc, LazyLock};

use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::ring::cipher_suite::{
    TLS13_AES_128_GCM_SHA256, TLS13_AES_256_GCM_SHA384, TLS13_CHACHA20_POLY1305_SHA256,
};
use rustls::crypto::ring::kx_group::{SECP256R1, SECP384R1, X25519};
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, SubjectPublicKeyInfoDer, UnixTime, alg_id};
use rustls::server::NoServerSessionStorage;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::sign::{CertifiedKey, Signer, SigningKey, SingleCertAndKey, public_key_to_spki};
use rustls::version::TLS13;
use rustls::{
    AlertDescription, CertificateError, ClientConfig, DigitallySignedStruct, DistinguishedName, Error, OtherError,
    ServerConfig, SignatureAlgorithm, SignatureScheme,
};

pub use super::client_hello::{HelloError, server_name};
use super::{Certificate, IdentityError, Kind, SecretKey, Trust, Verified};

/// Whom a client wants to talk to, in its own cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    /// What the server is.
    pub kind: Kind,
    /// The host that it must be on; `None`: any.
    pub host: Option<String>,
    /// The user whose it must be; `None`: anybody's.
    pub user: Option<String>,
}

impl Expected {
    /// Whether the server is the expected one.
    fn check(&self, server: Verified) -> Result<(), IdentityError> {
        let found = server.identity;
        if found.kind != self.kind {
            return Err(IdentityError::OtherKind { found: found.kind, wanted: vec![self.kind] });
        }
        if let Some(wanted) = self.host.as_ref().filter(|wanted| **wanted != found.host) {
            return Err(IdentityError::OtherHost { found: found.host, wanted: wanted.clone() });
        }
        if let Some(wanted) = self.user.as_ref().filter(|wanted| **wanted != found.user) {
            return Err(IdentityError::OtherUser { found: found.user, wanted: wanted.clone() });
        }
        Ok(())
    }
}

/// For the end that connects. The server must be the expected one; the client shows its certificate. Who wants an
/// application protocol (ALPN) adds it to a clone.
///
/// An error means that key and certificate do not belong together.
pub fn client_config(
    trust: &Trust,
    key: &SecretKey,
    certificate: &Certificate,
    expected: Expected,
) -> Result<Arc<ClientConfig>, Error> {
    let own = own(key, certificate)?;
    let mut config = ClientConfig::builder_with_provider(PROVIDER.clone())
        .with_protocol_versions(&[&TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(ServerVerifier { trust: trust.clone(), expected }))
        .with_client_cert_resolver(own);
    // A client is a new process with a new key: there is nothing to resume with.
    config.resumption = Resumption::disabled();
    Ok(Arc::new(config))
}

/// For the end that listens. A client must show a certificate of one of these kinds; who it is, and since when, is for
/// the caller to judge from the certificate after the handshake.
///
/// An error means that key and certificate do not belong together.
pub fn server_config(
    trust: &Trust,
    key: &SecretKey,
    certificate: &Certificate,
    kinds: &[Kind],
    alpn: &[&[u8]],
) -> Result<Arc<ServerConfig>, Error> {
    let own = own(key, certificate)?;
    let mut config = ServerConfig::builder_with_provider(PROVIDER.clone())
        .with_protocol_versions(&[&TLS13])?
        .with_client_cert_verifier(Arc::new(ClientVerifier { trust: trust.clone(), kinds: kinds.to_vec() }))
        .with_cert_resolver(own);
    config.alpn_protocols = alpn.iter().map(|protocol| protocol.to_vec()).collect();
    // A resumed connection would show the certificate of an earlier one.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    config.max_early_data_size = 0;
    Ok(Arc::new(config))
}

/// What our verifier at this end found wrong with the peer's certificate, if that is why the handshake failed.
pub fn refusal(error: &Error) -> Option<&IdentityError> {
    match error {
        Error::InvalidCertificate(CertificateError::Other(OtherError(cause))) => {
            cause.downcast_ref::<Refused>().map(|refused| &refused.0)
        }
        _ => None,
    }
}

/// Why a connection failed, in words for a person.
///
/// In TLS 1.3 the client is through with the handshake before the server has seen its certificate, and then learns only
/// that it was not taken: with what it reads first, and without the reason, which is in the server's log.
pub fn explain(error: &Error) -> String {
    if let Some(refusal) = refusal(error) {
        return refusal.to_string();
    }
    match error {
        Error::AlertReceived(AlertDescription::CertificateUnknown | AlertDescription::BadCertificate) => {
            "the other end did not accept our certificate: it may be of another cluster, or want another kind"
                .to_owned()
        }
        Error::NoCertificatesPresented | Error::AlertReceived(AlertDescription::CertificateRequired) => {
            "a certificate was asked for and none was shown".to_owned()
        }
        other => other.to_string(),
    }
}

/// Given explicitly to every configuration: a process-wide default could be set twice, or to another library's.
static PROVIDER: LazyLock<Arc<CryptoProvider>> = LazyLock::new(|| {
    Arc::new(CryptoProvider {
        cipher_suites: vec![TLS13_AES_128_GCM_SHA256, TLS13_AES_256_GCM_SHA384, TLS13_CHACHA20_POLY1305_SHA256],
        kx_groups: vec![X25519, SECP256R1, SECP384R1],
        signature_verification_algorithms: ED25519_ONLY,
        ..rustls::crypto::ring::default_provider()
    })
});

const ED25519_ONLY: WebPkiSupportedAlgorithms = WebPkiSupportedAlgorithms {
    all: &[webpki::ring::ED25519],
    mapping: &[(SignatureScheme::ED25519, &[webpki::ring::ED25519])],
};

/// Key and certificate as this end shows them.
fn own(key: &SecretKey, certificate: &Certificate) -> Result<Arc<SingleCertAndKey>, Error> {
    let chain = vec![CertificateDer::from(certificate.0.clone())];
    let own = CertifiedKey::new(chain, Arc::new(TlsKey(key.clone())));
    own.keys_match()?;
    Ok(Arc::new(own.into()))
}

/// Our key as rustls wants it: its own loader would take the key apart and compute the public half again.
#[derive(Debug, Clone)]
struct TlsKey(SecretKey);

impl SigningKey for TlsKey {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        offered.contains(&SignatureScheme::ED25519).then(|| Box::new(self.clone()) as Box<dyn Signer>)
    }

    fn public_key(&self) -> Option<SubjectPublicKeyInfoDer<'_>> {
        Some(public_key_to_spki(&alg_id::ED25519, self.0.public_key()))
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        SignatureAlgorithm::ED25519
    }
}

impl Signer for TlsKey {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, Error> {
        Ok(self.0.sign(message).to_vec())
    }

    fn scheme(&self) -> SignatureScheme {
        SignatureScheme::ED25519
    }
}

/// An [`IdentityError`] inside rustls' error, which shows what is inside it with `Debug`: so that is the sentence too.
struct Refused(IdentityError);

impl fmt::Debug for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl std::error::Error for Refused {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source()
    }
}

impl From<Refused> for Error {
    fn from(refused: Refused) -> Self {
        Self::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(refused))))
    }
}

fn never_tls12() -> Error {
    Error::General("TLS 1.2 is not offered".to_owned())
}

/// The client's judgement of a server.
#[derive(Debug)]
struct ServerVerifier {
    trust: Trust,
    expected: Expected,
}

impl ServerCertVerifier for ServerVerifier {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let server = self.trust.verify_der(certificate).map_err(Refused)?;
        self.expected.check(server).map_err(Refused)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(never_tls12())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &ED25519_ONLY)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }
}

/// The server's judgement of a client.
#[derive(Debug)]
struct ClientVerifier {
    trust: Trust,
    kinds: Vec<Kind>,
}

impl ClientCertVerifier for ClientVerifier {
    /// No hints: a client of queue has one certificate only.
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        certificate: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let found = self.trust.verify_der(certificate).map_err(Refused)?.identity.kind;
        if !self.kinds.contains(&found) {
            return Err(Refused(IdentityError::OtherKind { found, wanted: self.kinds.clone() }).into());
        }
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _certificate: &CertificateDer<'_>,
        _signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(never_tls12())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &ED25519_ONLY)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ED25519]
    }
}
