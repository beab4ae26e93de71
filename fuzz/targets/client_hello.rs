//! The first bytes of a connection, before anybody is known.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::identity::tls::server_name;

fuzz_target!(|bytes: &[u8]| {
    // More bytes may turn "not yet" into an answer, but never one answer into another.
    let whole = server_name(bytes);
    for length in [bytes.len() / 2, bytes.len().saturating_sub(1)] {
        match server_name(&bytes[..length]) {
            Ok(None) => {}
            Ok(Some(name)) => assert_eq!(whole, Ok(Some(name))),
            Err(_) => assert!(whole.is_err()),
        }
    }
});
