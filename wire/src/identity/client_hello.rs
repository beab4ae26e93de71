//! For whom a connection is, read from its first bytes without taking them: the daemon peeks at the ClientHello and
//! passes the socket on to the runner whose session is named there.

use rustls::server::Acceptor;

/// More than this is never read in search of the end of a ClientHello.
const MOST_BYTES: usize = 16 * 1024;

/// The server name in a peeked ClientHello.
///
/// `Ok(None)`: so far it can be one, but it is not complete. `Ok(Some(None))`: complete, and names nobody. Bytes that
/// are not TLS are an error with the first byte that shows it; what follows the ClientHello does not matter.
pub fn server_name(record: &[u8]) -> Result<Option<Option<String>>, HelloError> {
    let record = &record[..record.len().min(MOST_BYTES)];
    check_beginning(record)?;
    let mut acceptor = Acceptor::default();
    let mut rest = record;
    while !rest.is_empty() {
        acceptor.read_tls(&mut rest).map_err(|_| HelloError::TooLong)?;
        if let Some(accepted) = acceptor.accept().map_err(|(error, _alert)| HelloError::Refused(error))? {
            return Ok(Some(accepted.client_hello().server_name().map(str::to_owned)));
        }
    }
    if record.len() == MOST_BYTES { Err(HelloError::TooLong) } else { Ok(None) }
}

/// What rustls says only once it has the whole first record.
///
/// A record is type (0x16, handshake), version (3, 0 to 4), length (two bytes, at most 16 KiB); a handshake message is
/// type (1, ClientHello), length (three bytes).
fn check_beginning(record: &[u8]) -> Result<(), HelloError> {
    let good = record.iter().take(6).enumerate().all(|(index, byte)| match index {
        0 => *byte == 0x16,
        1 => *byte == 3,
        2 => *byte <= 4,
        3 => *byte <= 0x40,
        4 => true,
        _ => *byte == 1,
    });
    if !good {
        return Err(HelloError::NotTls);
    }
    // Where the first record holds the message's length, one that cannot fit need not be waited for.
    if let Some(&[_, _, _, high, low, _, top, middle, bottom]) = record.first_chunk::<9>() {
        let message_length = u32::from_be_bytes([0, top, middle, bottom]) as usize;
        if u16::from_be_bytes([high, low]) >= 4 && 9 + message_length > MOST_BYTES {
            return Err(HelloError::TooLong);
        }
    }
    Ok(())
}

/// Why bytes are not the beginning of a connection for us.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum HelloError {
    /// It is another protocol.
    #[error("this is not TLS")]
    NotTls,
    /// It does not end.
    #[error("this ClientHello has more than {MOST_BYTES} bytes")]
    TooLong,
    /// It is TLS, but not as it should be.
    #[error("this ClientHello is wrong: {0}")]
    Refused(#[source] rustls::Error),
}

#[cfg(test)]
mod tests {
    use super::super::tls::{Expected, client_config};
    use super::super::{Authority, Identity, Kind, SecretKey, Validity, session_name};
    use super::*;

    /// What a client of queue sends first.
    fn hello(name: &str) -> Vec<u8> {
        let authority = Authority::from_secret(SecretKey::generate());
        let key = SecretKey::generate();
        let identity =
            Identity { kind: Kind::Client, cluster: String::new(), host: "redfish".into(), user: "alice".into() };
        let certificate = authority.certify(&key.public_key(), &identity, Validity::client(1_000_000));
        let expected = Expected { kind: Kind::Runner, host: None, user: None };
        let config = client_config(&authority.trust(), &key, &certificate, expected).expect("they belong together");
        let name = name.to_owned().try_into().expect("a valid server name");
        let mut connection = rustls::ClientConnection::new(config, name).expect("a good configuration");
        let mut bytes = Vec::new();
        connection.write_tls(&mut bytes).expect("a vector takes everything");
        bytes
    }

    /// The same ClientHello, in records of so many bytes.
    fn in_records_of(size: usize, hello: &[u8]) -> Vec<u8> {
        let records = hello[5..].chunks(size).map(|piece| {
            let length = u16::try_from(piece.len()).expect("pieces are small").to_be_bytes();
            [&hello[..3], &length, piece].concat()
        });
        records.collect::<Vec<_>>().concat()
    }

    #[test]
    fn the_session_is_read_from_a_client_hello() {
        let session = session_name(&[0xa5; 16], 1000);
        assert_eq!(server_name(&hello(&session)), Ok(Some(Some(session))));
    }

    #[test]
    fn an_address_instead_of_a_session_names_nobody() {
        assert_eq!(server_name(&hello("127.0.0.1")), Ok(Some(None)));
    }

    #[test]
    fn split_at_every_byte_asks_for_more() {
        let session = session_name(&[0xa5; 16], 1000);
        let whole = hello(&session);
        for size in [1, 3, 4, 50, 16_000] {
            let hello = in_records_of(size, &whole);
            for end in 0..hello.len() {
                assert_eq!(server_name(&hello[..end]), Ok(None), "{end} of {} in records of {size}", hello.len());
            }
            assert_eq!(server_name(&hello), Ok(Some(Some(session.clone()))), "records of {size}");
        }
    }

    #[test]
    fn what_follows_the_client_hello_does_not_matter() {
        let session = session_name(&[0xa5; 16], 1000);
        let mut bytes = hello(&session);
        bytes.extend([0xff; 20_000]);
        assert_eq!(server_name(&bytes), Ok(Some(Some(session))));
    }

    #[test]
    fn other_protocols_are_refused_at_the_first_byte() {
        for other in
            ["GET / HTTP/1.1\r\n", "SSH-2.0-OpenSSH_9.6\r\n", "{\"session\": 1}\n", "\0\0\0\0", "\x16\x03\x01GET"]
        {
            let first = other.bytes().zip(hello("a.queue")).position(|(theirs, ours)| theirs != ours);
            let first = first.expect("they differ") + 1;
            if other.as_bytes()[0] != 0x16 {
                assert_eq!(server_name(&other.as_bytes()[..first]), Err(HelloError::NotTls), "{other:?}");
            }
            assert_eq!(server_name(other.as_bytes()), Err(HelloError::NotTls), "{other:?}");
        }
    }

    #[test]
    fn another_message_than_a_client_hello_is_refused() {
        let mut bytes = hello("a.queue");
        bytes[5] = 2;
        assert_eq!(server_name(&bytes), Err(HelloError::NotTls));
        // An alert, and application data.
        assert_eq!(server_name(b"\x15\x03\x03\x00\x02\x02\x28"), Err(HelloError::NotTls));
        assert_eq!(server_name(b"\x17\x03\x03"), Err(HelloError::NotTls));
    }

    #[test]
    fn a_hello_that_is_too_long_is_not_waited_for() {
        let announced = b"\x16\x03\x01\x40\x00\x01\x00\x40\x00";
        assert_eq!(server_name(announced), Err(HelloError::TooLong));
        assert_eq!(server_name(&announced[..8]), Ok(None));
        // Told in pieces so small that the length is in another record.
        let mut long = vec![1, 0, 0xff, 0xff];
        long.resize(20_000, 0);
        let long = in_records_of(2, &[&[0x16, 3, 1, 0, 0], &long[..]].concat());
        for end in (0..MOST_BYTES).step_by(1000).chain([MOST_BYTES - 1]) {
            assert_eq!(server_name(&long[..end]), Ok(None), "{end} bytes");
        }
        assert_eq!(server_name(&long), Err(HelloError::TooLong));
    }

    #[test]
    fn a_damaged_hello_is_refused_or_read_but_never_panics() {
        let whole = hello(&session_name(&[0xa5; 16], 1000));
        for index in 0..whole.len() {
            for bit in [1, 0x80] {
                let mut damaged = whole.clone();
                damaged[index] ^= bit;
                let _ = server_name(&damaged);
            }
        }
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_read_without_panic(bytes: Vec<u8>) {
            let _ = server_name(&bytes);
            let _ = server_name(&[b"\x16\x03\x01", &bytes[..]].concat());
        }
    }
}
