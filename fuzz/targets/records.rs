//! Fixed records between runner and leader, which may be of two versions of the program.
#![no_main]

use libfuzzer_sys::fuzz_target;
use queued::leader::message::{FromLeader, RECORD, ToLeader};

fuzz_target!(|input: &[u8]| {
    let Some(record) = input.first_chunk::<RECORD>() else {
        return;
    };
    if let Some(message) = ToLeader::decode(record) {
        assert_eq!(ToLeader::decode(&message.encode()), Some(message));
    }
    if let Some(message) = FromLeader::decode(record) {
        assert_eq!(FromLeader::decode(&message.encode()), Some(message));
    }
});
