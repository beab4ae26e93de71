//! What comes before what, windows, and what an end costs that does nothing.

use wire::session::{
    CHUNK, Control, End, Endpoint, Full, Gap, HelloKind, Outcome, Side, Size, StartInfo, Stream, Usage,
};

use super::pair::Pair;

pub fn end() -> Control {
    Control::End(End {
        outcome: Outcome::Exited(3),
        usage: Usage { wall_us: 7, ..Usage::default() },
        incomplete: None,
        limit: None,
    })
}

pub fn start() -> Control {
    Control::Start(StartInfo {
        size: Some(Size { rows: 24, columns: 80, ..Size::default() }),
        modes: None,
        foreground: true,
        drain_ms: 10_000,
    })
}

#[test]
fn nothing_but_hello_goes_out_before_the_peers_hello() {
    let mut pair = Pair::new();
    pair.connect(HelloKind::Resume);
    pair.client.say(start());
    pair.runner.say(Control::Started);
    pair.runner.write(Stream::Stdout, b"early");
    assert_eq!(pair.runner.frame(), None, "a runner speaks after the client");
    let hello = pair.client.frame().expect("the client's HELLO");
    assert_eq!(pair.client.frame(), None);
    assert!(!pair.runner.endpoint.established());
    pair.runner.hear(&hello).expect("HELLO");
    assert!(pair.runner.endpoint.established());
    pair.settle();
    assert_eq!(pair.client.got(Stream::Stdout), b"early");
    assert_eq!(pair.runner.heard.messages, [start()]);
    assert_eq!(pair.client.heard.messages, [Control::Started]);
}

#[test]
fn a_client_that_starts_a_session_does_not_wait_for_the_answer() {
    let mut pair = Pair::new();
    pair.connect(HelloKind::Start);
    pair.client.say(start());
    pair.client.write(Stream::Stdin, b"input");
    for _ in ["HELLO", "Start", "stdin"] {
        let frame = pair.client.frame().expect("sent at once");
        pair.runner.hear(&frame).expect("in order");
    }
    assert_eq!(pair.runner.heard.messages, [start()]);
    assert_eq!(pair.runner.got(Stream::Stdin), b"input");
    pair.settle();
    assert_eq!(pair.runner.got(Stream::Stdin), b"input", "nothing is sent twice");
    assert_eq!(pair.client.heard.resumed.len(), 1);
    pair.acknowledge();
    assert!(pair.client.endpoint.sent_all_acknowledged());
}

#[test]
fn exit_status_arrives_after_all_output() {
    let mut pair = Pair::started();
    pair.runner.say(end());
    pair.runner.say(Control::Notice("behind the end".into()));
    pair.runner.write(Stream::Stdout, &[1; 600_000]);
    pair.runner.endpoint.finish(Stream::Stdout);
    pair.runner.write(Stream::Stderr, b"error");
    while let Some(frame) = pair.runner.frame() {
        assert_eq!(pair.client.heard.messages, [], "nothing follows the end");
        pair.client.hear(&frame).expect("in order");
    }
    assert_eq!(pair.client.got(Stream::Stdout).len(), 600_000);
    assert_eq!(pair.client.got(Stream::Stderr), b"error");
    assert_eq!(pair.client.heard.messages, [end(), Control::Notice("behind the end".into())]);
    assert!(!pair.runner.endpoint.sent_all_acknowledged());
    pair.settle();
    assert!(pair.runner.endpoint.sent_all_acknowledged(), "the end is acknowledged at once");
}

#[test]
fn the_end_waits_for_output_that_the_window_holds_back() {
    let mut pair = Pair::started();
    pair.client.slow = true;
    let much = vec![2; Stream::Tty.window()];
    assert_eq!(pair.runner.write(Stream::Tty, &much), much.len());
    pair.runner.say(end());
    pair.settle();
    assert_eq!(pair.client.heard.messages, []);
    while pair.client.heard.messages.is_empty() {
        assert!(!pair.client.endpoint.kept(Stream::Tty).is_empty(), "the end is held up for ever");
        pair.client.consume(Stream::Tty, 10_000);
        pair.settle();
    }
    pair.client.consume_all();
    assert_eq!(pair.client.got(Stream::Tty), much);
}

#[test]
fn a_signal_overtakes_input_that_nobody_reads() {
    let mut pair = Pair::started();
    pair.runner.slow = true;
    let much = vec![3; 5 << 20];
    assert_eq!(pair.client.write(Stream::Stdin, &much), Stream::Stdin.window());
    pair.settle();
    assert!(pair.client.endpoint.room(Stream::Stdin).is_empty());
    pair.client.say(Control::Signal("INT".into()));
    pair.settle();
    assert_eq!(pair.runner.heard.messages, [Control::Signal("INT".into())]);
}

#[test]
fn streams_go_out_by_precedence_and_pipes_in_turn() {
    let mut pair = Pair::started();
    for stream in [Stream::Stdout, Stream::Stderr] {
        pair.runner.write(stream, &[4; 1_000_000]);
    }
    pair.runner.write(Stream::Tty, b"screen");
    pair.runner.say(Control::Continued);
    let mut types = Vec::new();
    while let Some(frame) = pair.runner.frame() {
        types.push(frame[0]);
    }
    assert_eq!(types[..2], [0x10, 0x14]);
    for neighbours in types[2..8].windows(2) {
        assert_ne!(neighbours[0], neighbours[1], "one pipe waits for the other: {types:x?}");
    }
}

#[test]
fn at_most_64_kib_of_a_terminal_are_in_flight() {
    let mut pair = Pair::started();
    pair.client.slow = true;
    pair.runner.write(Stream::Tty, &[5; 200_000]);
    pair.settle();
    assert_eq!(pair.runner.endpoint.unacknowledged(Stream::Tty), 200_000);
    pair.client.consume(Stream::Tty, 16 * 1024 - 1);
    pair.settle();
    assert_eq!(pair.runner.endpoint.unacknowledged(Stream::Tty), 200_000);
    pair.client.consume(Stream::Tty, 1);
    pair.settle();
    assert_eq!(pair.runner.endpoint.unacknowledged(Stream::Tty), 200_000 - 16 * 1024);
    pair.client.consume_all();
    assert_eq!(pair.client.got(Stream::Tty).len(), 80 * 1024);
}

#[test]
fn an_acknowledgement_waits_for_company_or_a_chunk() {
    let mut pair = Pair::started();
    pair.runner.write(Stream::Stdout, &[6; 1 << 20]);
    pair.runner.write(Stream::Stderr, b"x");
    pair.settle();
    assert!(pair.runner.endpoint.unacknowledged(Stream::Stdout) < CHUNK as u64);
    assert_eq!(pair.runner.endpoint.unacknowledged(Stream::Stderr), 1);
    pair.client.write(Stream::Stdin, b"company");
    pair.settle();
    assert_eq!(pair.runner.endpoint.unacknowledged(Stream::Stdout), 0);
    assert_eq!(pair.runner.endpoint.unacknowledged(Stream::Stderr), 0);
    assert_eq!(pair.client.endpoint.unacknowledged(Stream::Stdin), 7);
    pair.runner.endpoint.acknowledge_now();
    pair.settle();
    assert_eq!(pair.client.endpoint.unacknowledged(Stream::Stdin), 0);
}

#[test]
fn ends_of_streams_come_behind_what_was_kept() {
    let mut pair = Pair::started();
    pair.client.slow = true;
    pair.runner.write(Stream::Stdout, b"last words");
    for _ in 0..2 {
        pair.runner.endpoint.finish(Stream::Stdout);
        pair.settle();
    }
    assert_eq!(pair.client.heard.ends, [Stream::Stdout]);
    pair.client.check_ends();
    assert!(pair.runner.endpoint.room(Stream::Stdout).is_empty(), "no room behind the end");
    assert_eq!(pair.runner.endpoint.unacknowledged(Stream::Stdout), 11);
    pair.acknowledge();
    pair.client.check_ends();
    assert!(pair.client.endpoint.finished(Stream::Stdout));
    assert!(pair.runner.endpoint.sent_all_acknowledged());
}

#[test]
fn control_messages_are_bounded_but_the_end_finds_room() {
    let mut pair = Pair::new();
    let notice = Control::Notice("x".repeat(1000));
    let mut count = 0;
    while pair.runner.endpoint.control(&notice) == Ok(()) {
        count += 1;
    }
    assert!((55..64).contains(&count), "{count}");
    assert_eq!(pair.runner.endpoint.control(&Control::Closed(Stream::Stdin)), Ok(()));
    assert_eq!(pair.runner.endpoint.control(&end()), Ok(()));
    pair.connect(HelloKind::Start);
    pair.settle();
    assert_eq!(pair.client.heard.messages.len(), count + 2);
    assert_eq!(Pair::new().runner.endpoint.control(&Control::Notice("x".repeat(70_000))), Err(Full));
}

#[test]
fn refused_is_the_last_that_is_said() {
    let mut pair = Pair::new();
    pair.client.endpoint.connect(super::pair::SESSION, HelloKind::Attach, 2);
    pair.runner.endpoint.refuse(&"ü".repeat(3000));
    let refusal = pair.runner.frame().expect("the refusal");
    pair.client.hear(&refusal).expect("a refusal may be the first frame");
    assert_eq!(pair.client.heard.refused, ["ü".repeat(2048)]);
    assert!(!pair.client.endpoint.established());
    assert_eq!(pair.runner.frame(), None);
}

#[test]
fn an_idle_session_costs_next_to_nothing() {
    let mut pair = Pair::started();
    pair.runner.write(Stream::Tty, &[7; 100_000]);
    pair.runner.write(Stream::Stdout, &[8; 3 << 20]);
    pair.client.write(Stream::Stdin, &[9; 100_000]);
    pair.client.say(Control::Gap(Gap { stream: Stream::Tty, bytes: None }));
    pair.settle();
    pair.acknowledge();
    for end in [&mut pair.client, &mut pair.runner] {
        assert!(end.endpoint.allocated() < 8 * CHUNK, "what is kept for a stream that goes on has a bound");
        end.endpoint.release();
        assert_eq!(end.endpoint.allocated(), 0);
    }
    // A prompt that nobody has answered, and a word on each pipe.
    for stream in [Stream::Tty, Stream::Stdout, Stream::Stderr] {
        pair.runner.write(stream, b"$ ");
    }
    pair.client.write(Stream::Tty, b"l");
    pair.client.say(Control::Resize(Size::default()));
    pair.settle();
    for end in [&pair.client, &pair.runner] {
        let size = end.endpoint.allocated() + size_of::<Endpoint>();
        assert!(size < 32 * 1024, "{size} bytes");
    }
    assert!(Endpoint::new(Side::Runner).allocated() == 0);
}

#[test]
fn a_gone_reader_is_told_and_its_bytes_are_thrown_away() {
    let mut pair = Pair::started();
    pair.client.slow = true;
    pair.runner.write(Stream::Stdout, b"nobody reads");
    pair.settle();
    pair.client.say(Control::Closed(Stream::Stdout));
    pair.client.endpoint.consumed(Stream::Stdout, b"nobody reads".len());
    pair.settle();
    assert_eq!(pair.runner.heard.messages, [Control::Closed(Stream::Stdout)]);
    assert!(pair.runner.endpoint.sent_all_acknowledged());
}
