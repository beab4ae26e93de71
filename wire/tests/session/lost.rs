//! Connections that are lost at every possible place, and sessions that do not notice.

use wire::session::{Control, Greeting, HelloKind, Side, Size, Stream};

use super::order::{end, start};
use super::pair::{Heard, Pair, SESSION};

/// What happens in the dialogue, one step after the other; each is followed by whatever frames
/// it causes.
const STEPS: [fn(&mut Pair); 12] = [
    |pair| pair.client.say(start()),
    |pair| pair.runner.say(Control::Started),
    |pair| assert_eq!(pair.client.write(Stream::Stdin, b"input"), 5),
    |pair| pair.client.say(Control::Signal("INT".into())),
    |pair| assert_eq!(pair.runner.write(Stream::Stdout, b"some output"), 11),
    |pair| assert_eq!(pair.runner.write(Stream::Tty, b"\x1b[2J"), 4),
    |pair| assert_eq!(pair.client.write(Stream::Tty, b"\r"), 1),
    |pair| pair.client.endpoint.finish(Stream::Stdin),
    |pair| pair.client.say(Control::Resize(Size { rows: 25, columns: 80, ..Size::default() })),
    |pair| assert_eq!(pair.runner.write(Stream::Stderr, b"error"), 5),
    |pair| pair.runner.endpoint.finish(Stream::Stdout),
    |pair| pair.runner.say(end()),
];

/// What both have heard at the end.
fn heard(pair: &mut Pair) -> [(Vec<Vec<u8>>, Heard); 2] {
    pair.acknowledge();
    assert!(pair.client.endpoint.sent_all_acknowledged());
    assert!(pair.runner.endpoint.sent_all_acknowledged());
    [&mut pair.client, &mut pair.runner].map(|end| {
        end.check_ends();
        for resumed in end.heard.resumed.drain(..) {
            assert_eq!((resumed.missing, resumed.lost_input), ([0; 5], [0; 5]));
        }
        let bytes = Stream::ALL.map(|stream| end.got(stream).to_vec()).to_vec();
        (bytes, std::mem::take(&mut end.heard))
    })
}

/// Plays the dialogue over a wire that carries `piece` bytes at a time and breaks after so many
/// pieces, each time anew; the last connection lasts. Answers how many cuts happened.
fn play(pair: &mut Pair, piece: usize, cuts: &[usize]) -> usize {
    let mut happened = 0;
    let mut left = cuts.first().copied();
    pair.connect(HelloKind::Start);
    for step in STEPS {
        step(pair);
        while let Some(frames) = next_frames(pair) {
            let mut pieces = frames.iter().flat_map(|(to_runner, frame)| {
                frame.chunks(piece.min(frame.len())).map(move |piece| (*to_runner, piece))
            });
            let cut = loop {
                let Some((to_runner, piece)) = pieces.next() else { break false };
                match &mut left {
                    Some(0) => break true,
                    Some(left) => *left -= 1,
                    None => {}
                }
                let end = if to_runner { &mut pair.runner } else { &mut pair.client };
                end.hear(piece).expect("our own frames are in order");
            };
            if cut {
                happened += 1;
                left = cuts.get(happened).copied();
                pair.cut();
                // A client that has heard nothing asks too: the job may run.
                pair.connect(HelloKind::Resume);
            }
        }
    }
    happened
}

/// What both have heard of a dialogue that nothing disturbs.
fn undisturbed() -> [(Vec<Vec<u8>>, Heard); 2] {
    let mut pair = Pair::new();
    play(&mut pair, usize::MAX, &[]);
    heard(&mut pair)
}

fn next_frames(pair: &mut Pair) -> Option<Vec<(bool, Vec<u8>)>> {
    let frames: Vec<_> = [pair.client.frame().map(|f| (true, f)), pair.runner.frame().map(|f| (false, f))]
        .into_iter()
        .flatten()
        .collect();
    (!frames.is_empty()).then_some(frames)
}

/// Cuts after each number of pieces; answers how many pieces the dialogue has.
fn cut_everywhere(piece: usize) -> usize {
    let expected = undisturbed();
    for slow in [false, true] {
        for cut in 0.. {
            let mut pair = Pair::new();
            pair.client.slow = slow;
            pair.runner.slow = slow;
            let cuts = play(&mut pair, piece, &[cut]);
            assert_eq!(heard(&mut pair), expected, "cut after {cut}");
            if cuts == 0 {
                if slow {
                    return cut;
                }
                break;
            }
        }
    }
    0
}

#[test]
fn a_connection_lost_after_any_frame_loses_and_doubles_nothing() {
    let frames = cut_everywhere(usize::MAX);
    assert!(frames > 15, "{frames} frames are no dialogue");
}

#[test]
fn a_connection_lost_at_any_byte_loses_and_doubles_nothing() {
    let bytes = cut_everywhere(1);
    assert!(bytes > 500, "{bytes} bytes are no dialogue");
}

#[test]
fn three_connections_lost_in_a_row_lose_and_double_nothing() {
    let expected = undisturbed();
    for first in 0..30 {
        for second in 0..10 {
            for third in 0..5 {
                let mut pair = Pair::new();
                pair.client.slow = first % 2 == 0;
                play(&mut pair, usize::MAX, &[first, second, third]);
                assert_eq!(heard(&mut pair), expected, "cut after {first}, {second}, {third}");
            }
        }
    }
}

#[test]
fn frames_may_be_cut_anywhere() {
    let mut pair = Pair::started();
    pair.runner.write(Stream::Stdout, b"abc");
    pair.runner.endpoint.finish(Stream::Stdout);
    pair.runner.say(Control::Stopped("TSTP".into()));
    let mut bytes = Vec::new();
    while let Some(frame) = pair.runner.frame() {
        bytes.extend(frame);
    }
    for cut in 0..=bytes.len() {
        let mut pair = Pair::started();
        pair.client.hear(&bytes[..cut]).expect("in order");
        pair.client.hear(&bytes[cut..]).expect("in order");
        assert_eq!(pair.client.got(Stream::Stdout), b"abc");
        assert_eq!(pair.client.heard.ends, [Stream::Stdout]);
        assert_eq!(pair.client.heard.messages, [Control::Stopped("TSTP".into())]);
    }
}

#[test]
fn what_was_kept_is_not_sent_again() {
    let mut pair = Pair::started();
    pair.client.slow = true;
    pair.runner.write(Stream::Stdout, &[1; 1_000_000]);
    pair.settle();
    pair.cut();
    pair.client.consume(Stream::Stdout, 300_000);
    pair.connect(HelloKind::Resume);
    let mut frames = 0;
    while let Some(frames_now) = next_frames(&mut pair) {
        for (to_runner, frame) in frames_now {
            assert!(frame[0] < 0x10, "only HELLO: {frame:?}");
            frames += 1;
            let end = if to_runner { &mut pair.runner } else { &mut pair.client };
            end.hear(&frame).expect("HELLO");
        }
    }
    assert_eq!(frames, 2);
    assert_eq!(pair.runner.endpoint.unacknowledged(Stream::Stdout), 700_000, "HELLO acknowledges");
}

#[test]
fn an_acknowledgement_lost_with_its_connection_is_said_again() {
    let mut pair = Pair::started();
    let window = vec![2; Stream::Stdout.window()];
    pair.runner.write(Stream::Stdout, &window);
    while let Some(frame) = pair.runner.frame() {
        pair.client.hear(&frame).expect("in order");
    }
    assert!(pair.client.frame().is_some(), "an ACK, which is lost");
    assert!(pair.runner.endpoint.room(Stream::Stdout).is_empty());
    pair.reconnect();
    assert!(!pair.runner.endpoint.room(Stream::Stdout).is_empty());
    assert_eq!(pair.client.got(Stream::Stdout), window);
}

#[test]
fn a_runner_reads_the_greeting_before_it_touches_the_session() {
    let mut pair = Pair::started();
    pair.runner.write(Stream::Stdout, b"lost on its way");
    assert!(pair.runner.frame().is_some());
    // The new connection comes while the runner still has the old one.
    pair.client.endpoint.connect(SESSION, HelloKind::Resume, 1);
    pair.client.write(Stream::Stdin, b"input");
    let hello = pair.client.frame().expect("HELLO");
    let mut greeting = Greeting::new();
    let mut input = &hello[..hello.len() - 1];
    assert_eq!(greeting.receive(&mut input).expect("so far"), None);
    let rest = [&hello[hello.len() - 1..], b"\x31"].concat();
    let mut input = &rest[..];
    let hello = greeting.receive(&mut input).expect("HELLO").expect("complete");
    assert_eq!(input, b"\x31", "what follows is for the endpoint");
    assert_eq!((hello.session.as_str(), hello.generation), (SESSION, 1));
    pair.runner.endpoint.connect(SESSION, hello.kind, hello.generation);
    pair.runner.endpoint.accept(&hello).expect("it may resume");
    pair.settle();
    assert_eq!(pair.client.got(Stream::Stdout), b"lost on its way");
    assert_eq!(pair.runner.got(Stream::Stdin), b"input");
}

#[test]
fn a_refused_hello_changes_nothing() {
    let mut pair = Pair::started();
    pair.runner.write(Stream::Stdout, b"output");
    pair.settle();
    pair.cut();
    let mut stranger = super::pair::End::new(Side::Client);
    stranger.endpoint.connect(SESSION, HelloKind::Start, 1);
    let hello = stranger.frame().expect("HELLO");
    pair.runner.endpoint.connect(SESSION, HelloKind::Start, 1);
    assert!(pair.runner.hear(&hello).is_err(), "the session was started before");
    pair.connect(HelloKind::Resume);
    pair.runner.write(Stream::Stdout, b" and more");
    pair.settle();
    assert_eq!(pair.client.got(Stream::Stdout), b"output and more");
}
