//! What a peer says in a session, to either end, in pieces, over several connections.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::session::{Endpoint, Event, HelloKind, Side};

/// What an end may hold, whatever it is sent: its windows, and a few blocks.
const MOST_HELD: usize = 32 * 1024 * 1024;

fuzz_target!(|input: &[u8]| {
    let Some((&choice, rest)) = input.split_first() else {
        return;
    };
    let side = if choice & 1 == 0 { Side::Client } else { Side::Runner };
    let kind = match choice >> 1 & 3 {
        0 => HelloKind::Start,
        1 => HelloKind::Resume,
        _ => HelloKind::Attach,
    };
    let mut endpoint = Endpoint::new(side);
    // 0xff begins the next connection.
    for (number, connection) in rest.split(|byte| *byte == 0xff).take(4).enumerate() {
        endpoint.connect("s", if number == 0 { kind } else { HelloKind::Resume }, number as u64);
        say(&mut endpoint);
        for piece in connection.chunks(1 + usize::from(choice >> 3)) {
            if !hear(&mut endpoint, piece) {
                endpoint.lost();
                break;
            }
            say(&mut endpoint);
            assert!(endpoint.allocated() < MOST_HELD);
        }
    }
});

fn say(endpoint: &mut Endpoint) {
    while endpoint.transmit().is_some() {}
}

/// False: the connection is to be given up.
fn hear(endpoint: &mut Endpoint, piece: &[u8]) -> bool {
    let mut rest = piece;
    loop {
        match endpoint.receive(&mut rest) {
            Ok(None) => return true,
            Ok(Some(Event::Data { stream, bytes })) => {
                assert!(!bytes.is_empty());
                let taken = bytes.len() / 2;
                endpoint.consumed(stream, taken);
                endpoint.keep(stream, &bytes[taken..]);
            }
            Ok(Some(_)) => {}
            Err(_) => return false,
        }
    }
}
