//! The public half of an authority, and the one place where certificates are judged.
//!
//! A certificate is good when the authority itself signed it (there are no intermediates) and its one name is a
//! `queue://` name of the authority's cluster. Its dates are read but judged elsewhere, with [`Verified::at`]: a
//! session outlives the ten minutes of its client's certificate, and hosts' clocks differ.

use std::collections::VecDeque;
use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ring::digest::{SHA256, digest};
use rustls::pki_types::{CertificateDer, Der, TrustAnchor, UnixTime};
use serde::{Deserialize, Serialize};
use webpki::{EndEntityCert, KeyUsage};

use super::authority::BACKDATED_S;
use super::encoding::{from_hex, hex};
use super::{Certificate, Identity, IdentityError};

/// The public half of an authority. As text `queue-authority-1 <64 hexadecimal digits>`. Cheap to clone.
#[derive(Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Trust(Arc<Parts>);

struct Parts {
    public_key: [u8; 32],
    cluster: String,
    anchor: TrustAnchor<'static>,
    /// The last good certificates by their SHA-256, newest first: a session's is judged with its
    /// warrant, in its TLS handshake and behind it.
    good: Mutex<VecDeque<([u8; 32], Verified)>>,
}

impl Trust {
    /// Trust in the authority with this public key.
    pub(super) fn in_public_key(public_key: [u8; 32]) -> Self {
        let cluster = hex(&digest(&SHA256, &public_key).as_ref()[..8]);
        let anchor = TrustAnchor {
            subject: Der::from([&ISSUER[..], cluster.as_bytes()].concat()),
            subject_public_key_info: Der::from([&SPKI[..], &public_key].concat()),
            name_constraints: None,
        };
        Self(Arc::new(Parts { public_key, cluster, anchor, good: Mutex::default() }))
    }

    /// The cluster's name: the first 16 hexadecimal digits of the SHA-256 of the authority's public key.
    pub fn cluster(&self) -> String {
        self.0.cluster.clone()
    }

    /// Whether our authority signed this certificate, and for whom. The dates are the caller's: [`Verified::at`].
    pub fn verify(&self, certificate: &Certificate) -> Result<Verified, IdentityError> {
        self.verify_der(&CertificateDer::from(certificate.0.as_slice()))
    }

    /// As [`Trust::verify`], for the verifiers of TLS.
    pub(super) fn verify_der(&self, certificate: &CertificateDer<'_>) -> Result<Verified, IdentityError> {
        if certificate.len() > Certificate::MOST_BYTES {
            return Err(IdentityError::TooLarge(certificate.len()));
        }
        let hash: [u8; 32] = digest(&SHA256, certificate).as_ref().try_into().expect("SHA-256 has 32 bytes");
        let known = self.good().iter().find(|(other, _)| *other == hash).map(|(_, verified)| verified.clone());
        if let Some(verified) = known {
            return Ok(verified);
        }
        let verified = self.judge(certificate)?;
        let mut good = self.good();
        good.truncate(MOST_REMEMBERED - 1);
        good.push_front((hash, verified.clone()));
        Ok(verified)
    }

    fn good(&self) -> MutexGuard<'_, VecDeque<([u8; 32], Verified)>> {
        // What is in it is good whoever panicked.
        self.0.good.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn judge(&self, certificate: &CertificateDer<'_>) -> Result<Verified, IdentityError> {
        let parsed = EndEntityCert::try_from(certificate).map_err(IdentityError::Unreadable)?;
        let identity = name(&parsed)?;
        if identity.cluster != self.0.cluster {
            return Err(IdentityError::OtherCluster { theirs: identity.cluster, ours: self.cluster() });
        }
        let (not_before_unix, not_after_unix) = self.chain(&parsed)?;
        Ok(Verified { identity, public_key: public_key(&parsed)?, not_before_unix, not_after_unix })
    }

    /// Verifies the signature and returns the dates.
    ///
    /// webpki does not give out dates, but its errors name them, and it looks at them before it computes a signature.
    /// So we ask for the end of all time, for 1970, and then for the certificate's own first second, when only the
    /// signature is left to be wrong. Were the order different the answer would be the same, only slower.
    fn chain(&self, certificate: &EndEntityCert<'_>) -> Result<(i64, i64), IdentityError> {
        let not_after = match self.chain_at(certificate, u64::MAX) {
            Err(webpki::Error::CertExpired { not_after, .. }) => not_after.as_secs(),
            Err(error) => return Err(self.explain(error)),
            Ok(()) => u64::MAX,
        };
        let not_before = match self.chain_at(certificate, 0) {
            Err(webpki::Error::CertNotValidYet { not_before, .. }) => {
                self.chain_at(certificate, not_before.as_secs()).map_err(|error| self.explain(error))?;
                not_before.as_secs()
            }
            Err(error) => return Err(self.explain(error)),
            Ok(()) => 0,
        };
        Ok((seconds(not_before), seconds(not_after)))
    }

    fn chain_at(&self, certificate: &EndEntityCert<'_>, unix: u64) -> Result<(), webpki::Error> {
        let time = UnixTime::since_unix_epoch(Duration::from_secs(unix));
        let anchors = std::slice::from_ref(&self.0.anchor);
        // Ours carry no extended key usage, the kind in the name says it; one that has it must at least allow this.
        let usage = KeyUsage::client_auth();
        certificate.verify_for_usage(&[webpki::ring::ED25519], anchors, &[], time, usage, None, None).map(|_| ())
    }

    fn explain(&self, error: webpki::Error) -> IdentityError {
        match error {
            webpki::Error::UnknownIssuer
            | webpki::Error::InvalidSignatureForPublicKey
            | webpki::Error::UnsupportedSignatureAlgorithmContext(_)
            | webpki::Error::UnsupportedSignatureAlgorithmForPublicKeyContext(_) => {
                IdentityError::Forged(self.cluster())
            }
            error => IdentityError::Unreadable(error),
        }
    }
}

/// The one name, which must be one of ours. Not yet verified!
fn name(certificate: &EndEntityCert<'_>) -> Result<Identity, IdentityError> {
    let mut names = certificate.valid_uri_names();
    match (names.next().and_then(Identity::from_uri), names.next()) {
        (Some(identity), None) => Ok(identity),
        _ => Err(IdentityError::Nameless),
    }
}

fn public_key(certificate: &EndEntityCert<'_>) -> Result<[u8; 32], IdentityError> {
    let info = certificate.subject_public_key_info();
    // The outer SEQUENCE { is two bytes: for an Ed25519 key the length fits in one.
    let inside = info.get(2..).and_then(|inside| inside.strip_prefix(&SPKI));
    inside.and_then(|key| key.try_into().ok()).ok_or(IdentityError::OtherKey)
}

/// How many good certificates are remembered; those of sessions that begin at the same time.
const MOST_REMEMBERED: usize = 32;

fn seconds(unix: u64) -> i64 {
    i64::try_from(unix).unwrap_or(i64::MAX)
}

impl PartialEq for Trust {
    fn eq(&self, other: &Self) -> bool {
        self.0.public_key == other.0.public_key
    }
}

impl Eq for Trust {}

impl fmt::Debug for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Trust({})", self.0.cluster)
    }
}

impl fmt::Display for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{MAGIC}{}", hex(&self.0.public_key))
    }
}

impl FromStr for Trust {
    type Err = TrustTextError;

    /// Reads the text of an authority. White space after it is allowed, as in a file.
    fn from_str(text: &str) -> Result<Self, TrustTextError> {
        let digits = text.trim_end().strip_prefix(MAGIC).ok_or(TrustTextError)?;
        from_hex(digits).map(Self::in_public_key).ok_or(TrustTextError)
    }
}

impl TryFrom<String> for Trust {
    type Error = TrustTextError;

    fn try_from(text: String) -> Result<Self, TrustTextError> {
        text.parse()
    }
}

impl From<Trust> for String {
    fn from(trust: Trust) -> Self {
        trust.to_string()
    }
}

/// A text is not that of an authority.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "this is not the public key of an authority, which is \"queue-authority-1\" and 64 hexadecimal digits in one line"
)]
pub struct TrustTextError;

/// What a certificate says, signed by our authority.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// Whose it is.
    pub identity: Identity,
    /// The Ed25519 key of its owner.
    pub public_key: [u8; 32],
    /// Its first second, since 1970.
    pub not_before_unix: i64,
    /// Its last second, since 1970.
    pub not_after_unix: i64,
}

impl Verified {
    /// Whether its dates hold now.
    pub fn at(&self, now_unix: i64) -> Result<(), IdentityError> {
        // What its maker's clock said, for all kinds that have dates at all.
        let made_unix = self.not_before_unix.saturating_add(BACKDATED_S);
        if now_unix < self.not_before_unix {
            let begins_s = self.not_before_unix.abs_diff(now_unix);
            return Err(IdentityError::NotYet { begins_s, behind_s: made_unix.abs_diff(now_unix) });
        }
        if now_unix > self.not_after_unix {
            let ended_s = now_unix.abs_diff(self.not_after_unix);
            return Err(IdentityError::Stale { ended_s, ahead_s: now_unix.abs_diff(made_unix) });
        }
        Ok(())
    }
}

const MAGIC: &str = "queue-authority-1 ";

/// What stands before the key in a SubjectPublicKeyInfo: SEQUENCE { id-Ed25519 }, BIT STRING of 33 bytes.
const SPKI: [u8; 10] = *b"\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00";

/// What stands before the cluster in the authority's name: SET { SEQUENCE { commonName, UTF8String of 16 bytes } }.
const ISSUER: [u8; 11] = *b"\x31\x19\x30\x17\x06\x03\x55\x04\x03\x0c\x10";
