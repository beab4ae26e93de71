//! Terminals that nobody looks at: bytes are forgotten, the screen is sent instead, and the
//! client knows how much it has not seen.

use wire::session::{Control, Gap, HelloKind, Side, Stream};

use super::order::end;
use super::pair::{End, Pair};

const WINDOW: usize = Stream::Tty.window();

/// A session whose client has seen 100 bytes and is away; 50 more are lost on the wire.
fn away() -> Pair {
    let mut pair = Pair::started();
    pair.runner.write(Stream::Tty, &[b'a'; 100]);
    pair.settle();
    pair.runner.write(Stream::Tty, &[b'b'; 50]);
    assert!(pair.runner.frame().is_some());
    pair.cut();
    pair
}

#[test]
fn within_the_window_everything_is_replayed() {
    let mut pair = away();
    assert_eq!(pair.runner.write(Stream::Tty, &[b'c'; WINDOW]), WINDOW - 150);
    pair.reconnect();
    assert_eq!(pair.client.got(Stream::Tty).len(), WINDOW);
    assert_eq!(pair.client.heard.resumed[1].missing, [0; 5]);
}

#[test]
fn bytes_forgotten_while_nobody_looks_are_counted() {
    let mut pair = away();
    pair.runner.endpoint.discard_oldest(Stream::Tty, 120);
    assert_eq!(pair.runner.endpoint.unacknowledged(Stream::Tty), 30);
    pair.runner.write(Stream::Tty, &[b'c'; 70]);
    pair.reconnect();
    assert_eq!(pair.client.heard.resumed[1].missing, [0, 0, 0, 0, 20]);
    assert_eq!(pair.client.got(Stream::Tty)[100..130], [b'b'; 30]);
    assert_eq!(pair.client.got(Stream::Tty).len(), 200);
    pair.acknowledge();
    assert!(pair.runner.endpoint.sent_all_acknowledged());
}

#[test]
fn what_was_forgotten_but_had_arrived_is_not_missing() {
    let mut pair = away();
    pair.runner.endpoint.discard_oldest(Stream::Tty, 90);
    pair.reconnect();
    assert_eq!(pair.client.heard.resumed[1].missing, [0; 5]);
    assert_eq!(pair.client.got(Stream::Tty).len(), 150);
}

#[test]
fn a_screen_sent_instead_counts_what_it_replaces() {
    for after_hello in [false, true] {
        let mut pair = away();
        let screen = |pair: &mut Pair| pair.runner.endpoint.replace(Stream::Tty, b"screen");
        for _ in 0..40 {
            pair.runner.endpoint.discard_oldest(Stream::Tty, WINDOW / 2);
            pair.runner.write(Stream::Tty, &[b'c'; WINDOW / 2]);
        }
        if !after_hello {
            screen(&mut pair);
        }
        pair.connect(HelloKind::Resume);
        let hello = pair.client.frame().expect("HELLO");
        pair.runner.hear(&hello).expect("it may resume");
        if after_hello {
            screen(&mut pair);
        }
        pair.settle();
        let missing = 50 + 40 * (WINDOW as u64 / 2);
        assert_eq!(pair.client.heard.resumed[1].missing, [0, 0, 0, 0, missing]);
        assert_eq!(pair.client.got(Stream::Tty)[100..], *b"screen");
        // Flow control goes on as if nothing had been forgotten.
        for _ in 0..10 {
            assert_eq!(pair.runner.write(Stream::Tty, &[b'd'; WINDOW / 2]), WINDOW / 2);
            pair.settle();
        }
        pair.acknowledge();
        assert!(pair.runner.endpoint.sent_all_acknowledged());
        assert_eq!(pair.client.got(Stream::Tty).len(), 106 + 5 * WINDOW);
        assert_eq!(pair.client.heard.messages, []);
    }
}

#[test]
fn a_screen_may_be_replaced_while_somebody_looks() {
    let mut pair = Pair::started();
    pair.client.slow = true;
    pair.runner.write(Stream::Tty, &[b'a'; WINDOW]);
    pair.settle();
    let sent = 64 * 1024;
    pair.runner.endpoint.replace(Stream::Tty, b"screen");
    pair.runner.endpoint.finish(Stream::Tty);
    pair.runner.say(end());
    pair.settle();
    assert_eq!(pair.client.heard.messages.len(), 1, "a gap, then the screen waits for room");
    let bytes = Some((WINDOW - sent) as u64);
    assert_eq!(pair.client.heard.messages[0], Control::Gap(Gap { stream: Stream::Tty, bytes }));
    pair.acknowledge();
    pair.acknowledge();
    assert_eq!(pair.client.got(Stream::Tty).len(), sent + 6);
    assert_eq!(pair.client.heard.messages[1], end());
    assert_eq!(pair.client.heard.ends, [Stream::Tty]);
    assert!(pair.runner.endpoint.sent_all_acknowledged());
}

#[test]
fn a_viewer_that_never_reads_is_never_sent_more_than_the_flight() {
    let mut pair = Pair::started();
    pair.client.slow = true;
    let mut arrived = 0;
    for _ in 0..100 {
        pair.runner.endpoint.replace(Stream::Tty, &[b's'; 20_000]);
        while let Some(frame) = pair.runner.frame() {
            arrived += frame.len();
            pair.client.hear(&frame).expect("in order");
        }
        while let Some(frame) = pair.client.frame() {
            pair.runner.hear(&frame).expect("in order");
        }
    }
    assert!(arrived < 66 * 1024, "{arrived} bytes");
    pair.client.consume_all();
    pair.settle();
    pair.acknowledge();
    assert_eq!(pair.client.got(Stream::Tty)[arrived / 20_000 * 20_000..][..4], *b"ssss");
    assert!(pair.runner.endpoint.sent_all_acknowledged());
}

#[test]
fn connections_lost_amid_replacements_lose_no_count() {
    // Cut after each frame of a resumption with a gap, then resume undisturbed.
    for cut in 0..8 {
        let mut pair = away();
        pair.runner.endpoint.replace(Stream::Tty, b"first screen ");
        pair.connect(HelloKind::Resume);
        let mut left = cut;
        while left > 0 && pair.transmit_once() > 0 {
            pair.deliver();
            left -= 1;
        }
        pair.cut();
        pair.runner.write(Stream::Tty, b"more ");
        pair.runner.endpoint.replace(Stream::Tty, b"second screen");
        pair.reconnect();
        pair.acknowledge();
        let missing: u64 = pair.client.heard.resumed.iter().map(|resumed| resumed.missing[4]).sum();
        let seen = pair.client.got(Stream::Tty).len() as u64;
        assert_eq!(missing + seen, 150 + 13 + 5 + 13, "cut after {cut}");
        assert!(pair.client.got(Stream::Tty).ends_with(b"second screen"));
        assert!(pair.runner.endpoint.sent_all_acknowledged());
    }
}

#[test]
fn a_client_may_forget_too() {
    for late in [0, 2] {
        let mut pair = Pair::started();
        pair.client.write(Stream::Tty, b"typed ");
        pair.settle();
        pair.cut();
        pair.client.write(Stream::Tty, b"forgotten remembered");
        pair.client.endpoint.discard_oldest(Stream::Tty, 16);
        pair.connect(HelloKind::Resume);
        let hello = pair.client.frame().expect("HELLO");
        pair.runner.hear(&hello).expect("it may resume");
        // Some more is forgotten while HELLO is on its way: a gap in the live stream.
        pair.client.endpoint.discard_oldest(Stream::Tty, late);
        pair.settle();
        assert_eq!(pair.runner.got(Stream::Tty), [b"typed ", &b"remembered"[late..]].concat());
        assert_eq!(pair.runner.heard.resumed[1].missing, [0, 0, 0, 0, 10]);
        let gap = Control::Gap(Gap { stream: Stream::Tty, bytes: Some(late as u64) });
        assert_eq!(pair.runner.heard.messages, [gap][..late.min(1)]);
        pair.acknowledge();
        assert!(pair.client.endpoint.sent_all_acknowledged());
    }
}

#[test]
fn a_large_screen_reaches_a_client_that_attaches_after_much_was_forgotten() {
    let mut pair = away();
    for _ in 0..10 {
        pair.runner.endpoint.discard_oldest(Stream::Tty, WINDOW / 2);
        pair.runner.write(Stream::Tty, &[b'c'; WINDOW / 2]);
    }
    pair.client = End::new(Side::Client);
    pair.connect(HelloKind::Attach);
    let hello = pair.client.frame().expect("HELLO");
    pair.runner.hear(&hello).expect("it may attach");
    pair.runner.endpoint.replace(Stream::Tty, &[b's'; 100_000]);
    pair.settle();
    assert!(pair.client.got(Stream::Tty) == [b's'; 100_000]);
}
