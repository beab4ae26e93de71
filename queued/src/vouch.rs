//! Asking the voucher, which holds the signing key in system mode: one byte for the kind of
//! certificate and the 32 bytes of the public key; it takes the user from the kernel and answers
//! the certificate, or closes.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail};
use wire::identity::{Certificate, Kind};
use wire::places;

/// Gets a certificate of `kind` for `public_key` and the uid of this process.
///
/// # Errors
/// When the voucher does not answer or refuses.
pub fn ask(runtime: &Path, kind: Kind, public_key: &[u8; 32]) -> anyhow::Result<Certificate> {
    let path = places::voucher_socket(runtime);
    let asked = || -> std::io::Result<Vec<u8>> {
        let mut stream = UnixStream::connect(&path)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let mut question = [0; 33];
        question[0] = match kind {
            Kind::Client => b'c',
            Kind::Runner => b'r',
            Kind::Host => b'h',
        };
        question[1..].copy_from_slice(public_key);
        stream.write_all(&question)?;
        let mut answer = Vec::new();
        stream.take(MOST_BYTES).read_to_end(&mut answer)?;
        Ok(answer)
    };
    let answer = asked().with_context(|| format!("cannot ask the voucher at {}", path.display()))?;
    if answer.is_empty() {
        bail!("the voucher at {} refuses", path.display());
    }
    Ok(Certificate(answer))
}

/// The voucher asks NSS at most.
const PATIENCE: Duration = Duration::from_secs(5);
/// More than any certificate.
const MOST_BYTES: u64 = 64 * 1024;
