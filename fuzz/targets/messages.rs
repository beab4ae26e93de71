//! JSON from clients, other hosts and runners; what was understood is said and understood again.
#![no_main]

mod both_ways;

use both_ways::both_ways;
use libfuzzer_sys::fuzz_target;

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
