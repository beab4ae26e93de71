//! The signing half of a cluster. In a *key* cluster every host derives it from the cluster key; in others one process
//! holds it and does nothing else.

use std::fmt;
use std::time::Duration;

use rcgen::string::Ia5String;
use rcgen::{CertificateParams, DistinguishedName, DnType, DnValue, Issuer, PKCS_ED25519, SanType, SerialNumber};
use ring::hkdf::{HKDF_SHA256, Salt};

use super::secret_key::random;
use super::{Certificate, ClusterKey, Identity, SecretKey, Trust};

/// Signs certificates. Never shown by `Debug`.
pub struct Authority {
    issuer: Issuer<'static, Signer>,
    trust: Trust,
}

impl Authority {
    /// The authority that every holder of this cluster key derives.
    pub fn from_cluster_key(key: &ClusterKey) -> Self {
        let mut seed = [0; 32];
        Salt::new(HKDF_SHA256, b"queue cluster key 1")
            .extract(key.bytes())
            .expand(&[b"authority, ed25519"], HKDF_SHA256)
            .and_then(|bytes| bytes.fill(&mut seed))
            .expect("HKDF-SHA-256 gives up to 8160 bytes");
        Self::from_secret(SecretKey::from_seed(&seed))
    }

    /// The authority with this key.
    pub fn from_secret(secret: SecretKey) -> Self {
        let trust = Trust::in_public_key(secret.public_key());
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, DnValue::Utf8String(trust.cluster()));
        let public_key = PublicKey(secret.public_key());
        Self { issuer: Issuer::new(params, Signer { secret, public_key }), trust }
    }

    /// What verifies its certificates.
    pub fn trust(&self) -> Trust {
        self.trust.clone()
    }

    /// The cluster's name: the first 16 hexadecimal digits of the SHA-256 of the authority's public key.
    pub fn cluster(&self) -> String {
        self.trust.cluster()
    }

    /// Signs that this key belongs to this host and user, without asking anybody: the caller knows.
    ///
    /// The certificate names the authority's own cluster whatever `identity.cluster` says, because an authority cannot
    /// speak for another. Dates before 1970 and after 9999 are moved there.
    pub fn certify(&self, public_key: &[u8; 32], identity: &Identity, validity: Validity) -> Certificate {
        let uri = Identity { cluster: self.cluster(), ..identity.clone() }.to_uri();
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.subject_alt_names =
            vec![SanType::URI(Ia5String::try_from(uri).expect("what is percent-encoded is ASCII"))];
        let epoch = rcgen::date_time_ymd(1970, 1, 1);
        params.not_before = epoch + since_epoch(validity.not_before_unix);
        params.not_after = epoch + since_epoch(validity.not_after_unix);
        params.serial_number = Some(serial_number());
        let certificate = params
            .signed_by(&PublicKey(*public_key), &self.issuer)
            .expect("nothing in it depends on the caller except names in ASCII, dates in range and 32 bytes of key");
        Certificate(certificate.der().to_vec())
    }
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Authority({})", self.trust.cluster())
    }
}

/// From when until when a certificate is dated, in seconds since 1970, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    /// Its first second.
    pub not_before_unix: i64,
    /// Its last second.
    pub not_after_unix: i64,
}

impl Validity {
    /// For one run of the client: five minutes back, for clocks that differ, and ten on.
    pub fn client(now_unix: i64) -> Self {
        Self::around(now_unix, 600)
    }

    /// For a runner, which renews it when half is over: five minutes back and 30 days on.
    pub fn runner(now_unix: i64) -> Self {
        Self::around(now_unix, 30 * 86_400)
    }

    /// For a host's daemon: always.
    pub fn host() -> Self {
        Self { not_before_unix: 0, not_after_unix: END_OF_9999 }
    }

    fn around(now_unix: i64, seconds_on: i64) -> Self {
        Self {
            not_before_unix: now_unix.saturating_sub(BACKDATED_S),
            not_after_unix: now_unix.saturating_add(seconds_on),
        }
    }
}

/// How far back a certificate with an end is dated.
pub(super) const BACKDATED_S: i64 = 300;

const END_OF_9999: i64 = 253_402_300_799;

fn since_epoch(unix: i64) -> Duration {
    Duration::from_secs(unix.clamp(0, END_OF_9999).unsigned_abs())
}

/// 126 random bits: positive, and never the same twice.
fn serial_number() -> SerialNumber {
    let mut bytes: [u8; 16] = random();
    // A first byte of 0x40 to 0x7f: a positive number in DER, with no leading zero to be cut.
    bytes[0] = bytes[0] & 0x3f | 0x40;
    SerialNumber::from_slice(&bytes)
}

/// The authority's key as rcgen wants it.
struct Signer {
    secret: SecretKey,
    public_key: PublicKey,
}

impl rcgen::PublicKeyData for Signer {
    fn der_bytes(&self) -> &[u8] {
        &self.public_key.0
    }

    fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
        &PKCS_ED25519
    }
}

impl rcgen::SigningKey for Signer {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        Ok(self.secret.sign(message).to_vec())
    }
}

/// A public key as rcgen wants it.
struct PublicKey([u8; 32]);

impl rcgen::PublicKeyData for PublicKey {
    fn der_bytes(&self) -> &[u8] {
        &self.0
    }

    fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
        &PKCS_ED25519
    }
}
