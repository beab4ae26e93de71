//! Bytes from outside: never a panic, never more memory than the bounds, always an error of
//! the connection.

use proptest::prelude::*;
use wire::session::{Control, Endpoint, HelloKind, ProtocolError, STREAMS, Side, Stream};

use super::pair::{End, Pair, SESSION};

fn frame(kind: u8, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_be_bytes();
    [&[kind], &length[1..], payload].concat()
}

fn hello(fields: &str) -> Vec<u8> {
    frame(0x01, format!(r#"{{"version":1,"session":"{SESSION}",{fields}}}"#).as_bytes())
}

fn message(body: &str) -> Vec<u8> {
    frame(0x10, &[&(body.len() as u32).to_be_bytes()[..], body.as_bytes()].concat())
}

fn offsets(stream: Stream, offset: u64) -> String {
    let mut offsets = [0; STREAMS];
    offsets[stream as usize] = offset;
    format!("{offsets:?}")
}

/// What is not a HELLO, each at the start of a connection.
fn bad_hellos() -> Vec<Vec<u8>> {
    let mut bad = vec![
        frame(0x00, b""),
        frame(0xff, b""),
        frame(0x15, b"no such stream"),
        b"\x01\x01\x00\x01".to_vec(),
        b"\x01\x00\x00\x00".to_vec(),
        b"\x02\x00\x10\x01".to_vec(),
        b"\x10\x04\x00\x01".to_vec(),
        b"\x10\x00\x00\x00".to_vec(),
        b"\x21\x00\x00\x01".to_vec(),
        b"\x32\x00\x00\x07".to_vec(),
        b"\x42\x00\x00\x09".to_vec(),
        frame(0x11, b"data before HELLO"),
        frame(0x21, b""),
        frame(0x32, &[0; 8]),
        frame(0x44, &[0; 8]),
        b"GET / HTTP/1.1\r\n\r\n".to_vec(),
        b"\x16\x03\x01\x02\x00\x01".to_vec(),
        frame(0x01, b"{}"),
        frame(0x01, b"\xff\xff"),
        frame(0x01, "[".repeat(60_000).as_bytes()),
        frame(0x01, br#"{"version":0,"session":"","kind":"start"}"#),
        frame(0x01, br#"{"version":1,"session":"another","kind":"start"}"#),
        frame(0x01, br#"{"version":-1,"session":"","kind":"start"}"#),
        hello(r#""kind":"conquer""#),
        hello(r#""kind":"resume","received":[0,0,0,0]"#),
        hello(r#""kind":"resume","received":[0,0,0,0,-1]"#),
        hello(r#""kind":"resume","received":[1e300,0,0,0,0]"#),
    ];
    for offset in [1, 1 << 40, u64::MAX] {
        for stream in Stream::ALL {
            let offsets = offsets(stream, offset);
            bad.push(hello(&format!(r#""kind":"resume","consumed":{offsets}"#)));
            bad.push(hello(&format!(r#""kind":"resume","oldest":{offsets}"#)));
            if stream.is_sent_by(Side::Runner) || offset == u64::MAX {
                bad.push(hello(&format!(r#""kind":"resume","received":{offsets}"#)));
            }
        }
    }
    bad
}

/// What may not follow the client's HELLO.
fn bad_frames() -> Vec<Vec<u8>> {
    let mut bad = vec![
        hello(r#""kind":"start""#),
        frame(0x02, b"a client does not refuse"),
        frame(0x12, b"output from the client"),
        frame(0x13, b"output from the client"),
        frame(0x20, b""),
        frame(0x22, b""),
        frame(0x31, &[0; 8]),
        frame(0x32, &1u64.to_be_bytes()),
        frame(0x34, &u64::MAX.to_be_bytes()),
        frame(0x40, &5u64.to_be_bytes()),
        frame(0x41, &0u64.to_be_bytes()),
        frame(0x42, &5u64.to_be_bytes()),
        [frame(0x21, b""), frame(0x21, b"")].concat(),
        [frame(0x21, b""), frame(0x11, b"after the end")].concat(),
        [frame(0x21, b""), frame(0x41, &5u64.to_be_bytes())].concat(),
        frame(0x10, &[0x00, 0x00, 0xff, 0xfd]),
        frame(0x10, &[0xff; 4]),
        message(""),
        message("1"),
        message("{"),
        message("{}"),
        message(r#"{"signal":5}"#),
        message(r#"{"start":{"foreground":"yes"}}"#),
        message(r#"{"resize":{"rows":70000,"columns":1}}"#),
        message(r#"{"closed":"stdfoo"}"#),
        message(r#""signal""#),
        message(r#"{"signal":"INT","resize":{"rows":1,"columns":1}}"#),
        message(r#"{"signal":"INT"} x"#),
    ];
    for stream in [Stream::Stdin, Stream::Tty] {
        let mut flood = Vec::new();
        while flood.len() <= stream.window() + 64 * 1024 {
            flood.extend(frame(0x10 | stream as u8, &[0; 64 * 1024]));
        }
        bad.push(flood);
    }
    bad
}

/// Feeds bytes in pieces of every given size; answers the error, the same for all.
fn error_of(make: impl Fn() -> End, bytes: &[u8]) -> Option<ProtocolError> {
    let mut errors: Vec<Option<ProtocolError>> = Vec::new();
    for piece in [bytes.len(), 1 << 16, 4096, 5, 1] {
        if piece < 4096 && bytes.len() > 100_000 {
            continue;
        }
        let mut end = make();
        end.slow = true;
        let error = bytes.chunks(piece).find_map(|piece| end.hear(piece).err());
        assert!(end.endpoint.allocated() < 8 << 20);
        errors.push(error);
    }
    let text = |error: &Option<ProtocolError>| error.as_ref().map(ToString::to_string);
    assert!(errors.iter().all(|error| text(error) == text(&errors[0])), "{errors:?}");
    errors.swap_remove(0)
}

fn waiting_runner() -> End {
    let mut runner = End::new(Side::Runner);
    runner.endpoint.connect(SESSION, HelloKind::Resume, 1);
    runner
}

#[test]
fn a_malformed_hello_is_an_error_of_the_connection() {
    for bytes in bad_hellos() {
        let error = error_of(waiting_runner, &bytes);
        assert!(error.is_some(), "accepted: {:?}", String::from_utf8_lossy(&bytes));
    }
}

#[test]
fn a_malformed_frame_is_an_error_of_the_connection() {
    for bytes in bad_frames() {
        let error = error_of(|| Pair::started().runner, &bytes);
        assert!(error.is_some(), "accepted: {:?}", String::from_utf8_lossy(&bytes[..bytes.len().min(99)]));
    }
}

#[test]
fn nothing_is_allocated_for_what_was_only_announced() {
    for header in [b"\x01\x01\x00\x00", b"\x02\x00\x10\x00", b"\x11\x04\x00\x00"] {
        let mut client = Pair::started().client;
        if header[0] == 0x01 {
            client = End::new(Side::Client);
            client.endpoint.connect(SESSION, HelloKind::Resume, 1);
        }
        let _ = client.hear(header);
        assert_eq!(client.endpoint.allocated(), 0);
    }
    let mut runner = Pair::started().runner;
    runner.hear(&frame(0x10, &[0, 0, 0xff, 0xf0])).expect("a long message may come");
    assert!(runner.endpoint.allocated() < 1024);
}

#[test]
fn messages_and_fields_of_a_newer_release_are_skipped() {
    let mut runner = Pair::started().runner;
    let bytes = [
        message(r#""wave""#),
        message(r#"{"wave":{"how":["often"]}}"#),
        message(r#"{"start":{"foreground":true,"colour":"red"}}"#),
        message(r#""detach""#),
    ];
    runner.hear(&bytes.concat()).expect("tolerant");
    let start = Control::Start(wire::session::StartInfo { foreground: true, ..Default::default() });
    assert_eq!(runner.heard.messages, [start, Control::Detach]);

    let mut runner = waiting_runner();
    runner.hear(&hello(r#""kind":"resume","colour":"red""#)).expect("tolerant");
    assert!(runner.endpoint.established());
}

#[test]
fn a_session_survives_a_peer_that_broke_the_protocol() {
    let mut pair = Pair::started();
    pair.runner.write(Stream::Stdout, b"output");
    pair.settle();
    assert!(pair.runner.hear(&frame(0x12, b"x")).is_err());
    pair.reconnect();
    pair.runner.write(Stream::Stdout, b" and more");
    pair.settle();
    assert_eq!(pair.client.got(Stream::Stdout), b"output and more");
}

#[test]
fn bytes_without_a_connection_are_an_error() {
    let mut endpoint = Endpoint::new(Side::Runner);
    assert!(endpoint.receive(&mut &hello(r#""kind":"start""#)[..]).is_err());
    assert!(endpoint.receive(&mut &frame(0x21, b"")[..]).is_err());
}

/// All the bytes of a dialogue that reach the runner.
fn dialogue() -> Vec<u8> {
    let mut pair = Pair::new();
    pair.connect(HelloKind::Start);
    pair.client.say(super::order::start());
    pair.client.say(Control::Resize(Default::default()));
    pair.client.write(Stream::Stdin, b"input");
    pair.client.write(Stream::Tty, b"keys");
    pair.client.endpoint.finish(Stream::Stdin);
    let mut bytes = Vec::new();
    while let Some(frame) = pair.client.frame() {
        bytes.extend(frame);
    }
    bytes
}

proptest! {
    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300), started: bool) {
        let mut runner = if started { Pair::started().runner } else { waiting_runner() };
        let _ = runner.hear(&bytes);
        prop_assert!(runner.endpoint.allocated() < 128 * 1024);
    }

    #[test]
    fn a_dialogue_with_wrong_bytes_never_panics(
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..5),
        piece in 1..200usize,
    ) {
        let mut bytes = dialogue();
        for (index, byte) in changes {
            let index = index.index(bytes.len());
            bytes[index] = byte;
        }
        let mut runner = waiting_runner();
        let _ = bytes.chunks(piece).try_for_each(|piece| runner.hear(piece));
        let _ = runner.frame();
        runner.consume_all();
        runner.endpoint.lost();
    }

    #[test]
    fn any_offsets_in_hello_never_panic(
        numbers in proptest::array::uniform20(prop_oneof![0..40u64, Just(1 << 62), any::<u64>()]),
        fresh: bool,
        client: bool,
        lost: bool,
    ) {
        let fields = format!(
            r#""kind":"resume","received":{:?},"consumed":{:?},"oldest":{:?},"next":{:?},"fresh":{fresh}"#,
            &numbers[..5], &numbers[5..10], &numbers[10..15], &numbers[15..],
        );
        let mut pair = Pair::started();
        pair.client.write(Stream::Stdin, b"some input");
        pair.client.write(Stream::Tty, b"some keys");
        pair.runner.write(Stream::Stdout, b"some output");
        pair.runner.say(Control::Started);
        pair.settle();
        pair.client.write(Stream::Stdin, b"more input");
        pair.cut();
        if lost {
            pair.runner = End::new(Side::Runner);
            pair.runner.endpoint.mark_fresh();
            pair.runner.write(Stream::Stdout, b"some output");
        }
        pair.connect(HelloKind::Resume);
        let end = if client { &mut pair.client } else { &mut pair.runner };
        if client {
            prop_assert!(end.frame().is_some());
        }
        if end.hear(&hello(&fields)).is_ok() {
            while end.frame().is_some() {}
            end.endpoint.replace(Stream::Tty, b"screen");
            while end.frame().is_some() {}
            let _ = end.hear(&frame(0x14, b"data"));
            let _ = end.hear(&frame(0x34, &7u64.to_be_bytes()));
        }
        pair.cut();
    }
}
