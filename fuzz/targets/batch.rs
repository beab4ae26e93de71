//! JSON about batch jobs, from clients and from daemons of other hosts; and all that daemon and runner say to each other.
#![no_main]

mod both_ways;

use both_ways::both_ways;
use libfuzzer_sys::fuzz_target;
use queued::link::{Decoder, FromRunner, ToRunner};
use serde::Serialize;
use serde::de::DeserializeOwned;
use wire::{attempts, batch, keeping};

fuzz_target!(|input: &[u8]| {
    let Some((&choice, json)) = input.split_first() else {
        return;
    };
    match choice % 16 {
        0 => both_ways::<attempts::AttemptRequest>(json),
        1 => both_ways::<attempts::AttemptAnswer>(json),
        2 => both_ways::<attempts::AttemptReport>(json),
        3 => both_ways::<attempts::LeaseRequest>(json),
        4 => both_ways::<attempts::ContentRequest>(json),
        5 => both_ways::<batch::SubmitHeader>(json),
        6 => both_ways::<batch::SubmitLine>(json),
        7 => both_ways::<batch::ListRequest>(json),
        8 => both_ways::<batch::ListAnswer>(json),
        9 => both_ways::<batch::ChangeRequest>(json),
        10 => both_ways::<batch::OutputRequest>(json),
        11 => both_ways::<batch::StatusAnswer>(json),
        12 => both_ways::<keeping::RotateRequest>(json),
        13 => linked::<ToRunner>(json),
        14 => linked::<FromRunner>(json),
        _ => {
            // The length of each message too is whatever comes.
            let mut decoder = Decoder::default();
            for piece in json.chunks(7) {
                decoder.extend(piece);
                while let Ok(Some(_)) = decoder.message::<ToRunner>() {}
            }
        }
    }
});

/// A message of the link comes out of its stream as it went in, wherever that is cut.
fn linked<T: DeserializeOwned + Serialize>(json: &[u8]) {
    let Ok(message) = serde_json::from_slice::<T>(json) else {
        return;
    };
    let bytes = queued::link::encode(&message).expect("it is small");
    let mut decoder = Decoder::default();
    for piece in bytes.chunks(1 + json.len() % 13) {
        decoder.extend(piece);
    }
    let again = decoder.message::<T>().expect("well formed").expect("it is whole");
    assert_eq!(queued::link::encode(&again).expect("it is small"), bytes);
    assert!(decoder.message::<T>().expect("nothing is left").is_none());
}
