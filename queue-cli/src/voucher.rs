//! Asking the voucher of a system installation for a certificate: it takes the user from the kernel.
//!
//! In personal mode there is none, and the daemon certifies.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use wire::identity::Certificate;
use wire::places;

use crate::failure::{Failure, words};

/// The certificate for `public_key`; `None` where there is no voucher.
pub fn certificate(runtime: &Path, public_key: &[u8; 32]) -> Result<Option<Certificate>, Failure> {
    let path = places::voucher_socket(runtime);
    let asked = match UnixStream::connect(&path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => Err(error),
        Ok(stream) => ask(stream, public_key),
    };
    match asked {
        Ok(answer) if answer.is_empty() => {
            Err(Failure::own(format!("the voucher on {} gives you no certificate", path.display())))
        }
        Ok(answer) => Ok(Some(Certificate(answer))),
        Err(error) => Err(Failure::own(format!("cannot ask the voucher on {}: {}", path.display(), words(&error)))),
    }
}

fn ask(mut stream: UnixStream, public_key: &[u8; 32]) -> io::Result<Vec<u8>> {
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut question = [b'c'; 33];
    question[1..].copy_from_slice(public_key);
    stream.write_all(&question)?;
    let mut answer = Vec::new();
    stream.take(MOST_BYTES).read_to_end(&mut answer)?;
    Ok(answer)
}

/// The voucher asks for a name at most.
const PATIENCE: Duration = Duration::from_secs(5);
/// More than any certificate.
const MOST_BYTES: u64 = 64 * 1024;
