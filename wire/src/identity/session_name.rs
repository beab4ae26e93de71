//! The address of a session for its whole life: random bytes that nobody else chose, and the uid whose runner has it.

use super::encoding::{from_hex, hex};

/// `r<32 hexadecimal digits>.u<uid>.queue`, which is also a valid server name for TLS. Not a secret.
pub fn session_name(random: &[u8; 16], uid: u32) -> String {
    format!("r{}.u{uid}.queue", hex(random))
}

/// The reverse of [`session_name`]; `None` for any text that it does not write, other spellings of a number included.
pub fn parse_session_name(name: &str) -> Option<([u8; 16], u32)> {
    let (random, uid) = name.strip_prefix('r')?.strip_suffix(".queue")?.split_once(".u")?;
    let session = (from_hex(random)?, uid.parse().ok()?);
    // `parse` takes "+5" and "005" too.
    (session_name(&session.0, session.1) == name).then_some(session)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn session_names_read_back() {
        for (random, uid) in [([0; 16], 0), ([0xff; 16], u32::MAX), (*b"0123456789abcdef", 1000)] {
            assert_eq!(parse_session_name(&session_name(&random, uid)), Some((random, uid)));
        }
        assert_eq!(session_name(&[0xa5; 16], 1000), "ra5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5.u1000.queue");
    }

    #[test]
    fn session_names_are_server_names() {
        let name = session_name(&[0xff; 16], u32::MAX);
        assert!(rustls::pki_types::ServerName::try_from(name).is_ok());
    }

    #[test]
    fn other_texts_are_not_session_names() {
        let good = session_name(&[0xa5; 16], 1000);
        for end in 0..good.len() {
            assert_eq!(parse_session_name(&good[..end]), None);
        }
        for (from, to) in [
            ("r", "s"),
            ("a5", "A5"),
            ("a5", "é"),
            ("a5", "a5a5"),
            ("u1000", "u"),
            ("u1000", "u-1"),
            ("u1000", "u+1000"),
            ("u1000", "u01000"),
            ("u1000", "u4294967296"),
            ("u1000", "u1000 "),
            ("queue", "queue."),
            ("queue", "Queue"),
            (".u", "u"),
        ] {
            let wrong = good.replacen(from, to, 1);
            assert_eq!(parse_session_name(&wrong), None, "{wrong:?}");
        }
    }
}
