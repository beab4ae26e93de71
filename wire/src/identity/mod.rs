//! Who is who: keys, certificates, warrants and the TLS made of them.
//!
//! Nothing here reads a file, a clock or a socket: keys come as text or bytes, the time as seconds. The verifiers check
//! who signed and for whom; whether a certificate's dates hold is asked with [`Verified::at`], where work is submitted
//! or a session starts. The paper is `docs/security.md`.

mod authority;
mod certificate;
mod client_hello;
mod cluster_key;
mod encoding;
mod error;
mod hash_tree;
mod name;
mod secret_key;
mod session_name;
pub mod tls;
mod trust;
mod warrant;

pub use authority::{Authority, Validity};
pub use certificate::Certificate;
pub use cluster_key::{ClusterKey, ClusterKeyError};
pub use error::IdentityError;
pub use hash_tree::{HashTree, Step};
pub use name::{Identity, Kind};
pub use secret_key::{NotAKey, SecretKey};
pub use session_name::{parse_session_name, session_name};
pub use trust::{Trust, TrustTextError, Verified};
pub use warrant::Warrant;

#[cfg(test)]
mod certificate_tests;
#[cfg(test)]
mod tls_tests;
