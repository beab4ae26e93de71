//! Ed25519 secret keys, of clients, runners, hosts and authorities alike.

use std::fmt;
use std::sync::Arc;

use ring::rand::{SecureRandom, SystemRandom};
use ring::signature::{Ed25519KeyPair, KeyPair};

/// An Ed25519 secret key. Cheap to clone; never shown by `Debug`.
#[derive(Clone)]
pub struct SecretKey(Arc<Parts>);

struct Parts {
    seed: [u8; 32],
    pair: Ed25519KeyPair,
}

impl SecretKey {
    /// A new key from the kernel's random bytes.
    pub fn generate() -> Self {
        Self::from_seed(&random())
    }

    /// The key that belongs to 32 secret bytes.
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed).expect("any 32 bytes are a seed");
        Self(Arc::new(Parts { seed: *seed, pair }))
    }

    /// Reads the unencrypted PKCS#8 form that [`SecretKey::to_pkcs8`] and `openssl genpkey` write.
    pub fn from_pkcs8(der: &[u8]) -> Result<Self, NotAKey> {
        let seed = der.strip_prefix(&PKCS8).and_then(|seed| seed.try_into().ok()).ok_or(NotAKey)?;
        Ok(Self::from_seed(seed))
    }

    /// The key as unencrypted PKCS#8 (version 1, without the public half): for a file that only its owner reads.
    pub fn to_pkcs8(&self) -> Vec<u8> {
        [&PKCS8[..], &self.0.seed].concat()
    }

    /// The public half.
    pub fn public_key(&self) -> [u8; 32] {
        self.0.pair.public_key().as_ref().try_into().expect("an Ed25519 public key has 32 bytes")
    }

    /// Signs a message of any length. It must begin with something that no other use of the key begins with.
    pub fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.0.pair.sign(message).as_ref().try_into().expect("an Ed25519 signature has 64 bytes")
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey(..)")
    }
}

/// These bytes are not an Ed25519 secret key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this is not an Ed25519 secret key in unencrypted PKCS#8 form (48 bytes of DER)")]
pub struct NotAKey;

/// Bytes from the kernel.
pub(super) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    // getrandom(2) waits until the kernel has entropy and then does not fail; without it no key can be made at all.
    SystemRandom::new().fill(&mut bytes).expect("the kernel gives random bytes");
    bytes
}

/// What stands before the seed: PrivateKeyInfo { version 0, algorithm id-Ed25519, OCTET STRING { OCTET STRING } }.
const PKCS8: [u8; 16] = *b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_the_key_of_rfc_8032() {
        let seed = super::super::encoding::from_hex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60");
        let key = SecretKey::from_seed(&seed.expect("64 digits"));
        let public = super::super::encoding::hex(&key.public_key());
        assert_eq!(public, "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a");
        assert_eq!(key.sign(b"")[..4], [0xe5, 0x56, 0x43, 0x00]);
    }

    #[test]
    fn pkcs8_round_trip_keeps_the_key_and_ring_reads_it() {
        let key = SecretKey::generate();
        let read = SecretKey::from_pkcs8(&key.to_pkcs8()).expect("what we wrote reads back");
        assert_eq!(read.public_key(), key.public_key());
        let ring = Ed25519KeyPair::from_pkcs8_maybe_unchecked(&key.to_pkcs8()).expect("the standard form");
        assert_eq!(ring.public_key().as_ref(), key.public_key());
    }

    #[test]
    fn other_bytes_are_not_a_key() {
        let whole = SecretKey::generate().to_pkcs8();
        for length in 0..whole.len() {
            assert_eq!(SecretKey::from_pkcs8(&whole[..length]).err(), Some(NotAKey), "{length} bytes");
        }
        let longer = [&whole[..], b"\0"].concat();
        assert_eq!(SecretKey::from_pkcs8(&longer).err(), Some(NotAKey));
    }

    #[test]
    fn debug_shows_nothing_of_the_key() {
        assert_eq!(format!("{:?}", SecretKey::from_seed(&[0x41; 32])), "SecretKey(..)");
    }
}
