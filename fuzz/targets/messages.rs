//! JSON from clients, other hosts and runners; what was understood is said and understood again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use serde::Serialize;
use serde::de::DeserializeOwned;

fuzz_target!(|input: &[u8]| {
    let Some((&choice, json)) = input.split_first() else {
        return;
    };
    match choice % 8 {
        0 => both_ways::<wire::api::SessionRequest>(json),
        1 => both_ways::<wire::api::ReservationRequest>(json),
        2 => both_ways::<wire::api::ReservationAnswer>(json),
        3 => both_ways::<wire::api::Note>(json),
        4 => both_ways::<wire::api::HostsAnswer>(json),
        5 => both_ways::<wire::exchange::Message>(json),
        6 => {
            let _ = wire::api::Opening::decode(json);
        }
        _ => {
            let mut decoder = queued::link::Decoder::default();
            for piece in json.chunks(7) {
                decoder.extend(piece);
                while let Ok(Some(_)) = decoder.message::<queued::link::FromRunner>() {}
            }
        }
    }
});

fn both_ways<T: DeserializeOwned + Serialize>(json: &[u8]) {
    let Ok(value) = serde_json::from_slice::<T>(json) else {
        return;
    };
    let again = serde_json::to_vec(&value).expect("what was read can be written");
    let value = serde_json::from_slice::<T>(&again).expect("what was written can be read");
    assert_eq!(serde_json::to_vec(&value).expect("again"), again);
}
