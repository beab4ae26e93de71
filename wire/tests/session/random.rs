//! Random schedules: whatever the order of writes, deliveries, cuts and slow readers, the bytes
//! that come out are the bytes that went in.

use proptest::prelude::*;
use wire::session::{Control, HelloKind, Side, Stream};

use super::order::end;
use super::pair::{End, Pair};

/// Something that happens.
#[derive(Debug, Clone)]
enum Step {
    Write(Stream, Side, usize),
    Say(Side),
    Finish(Stream, Side),
    /// The job ends.
    End,
    /// An end puts a frame on the wire.
    Transmit(Side),
    /// So many bytes on the wire reach this end.
    Arrive(Side, usize),
    Consume(Side, Stream, usize),
    /// An end keeps what comes, or takes it at once again.
    Slow(Side, bool),
    Acknowledge(Side),
    Cut,
}

fn side() -> impl Strategy<Value = Side> {
    prop_oneof![Just(Side::Client), Just(Side::Runner)]
}

fn outgoing() -> impl Strategy<Value = (Stream, Side)> {
    prop_oneof![
        Just((Stream::Stdin, Side::Client)),
        Just((Stream::Tty, Side::Client)),
        Just((Stream::Stdout, Side::Runner)),
        Just((Stream::Stderr, Side::Runner)),
        Just((Stream::Tty, Side::Runner)),
    ]
}

fn length() -> impl Strategy<Value = usize> {
    prop_oneof![1..20usize, 1..10_000usize, 1..900_000usize]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (outgoing(), length()).prop_map(|((stream, side), count)| Step::Write(stream, side, count)),
        3 => side().prop_map(Step::Say),
        1 => outgoing().prop_map(|(stream, side)| Step::Finish(stream, side)),
        1 => Just(Step::End),
        20 => side().prop_map(Step::Transmit),
        20 => (side(), length()).prop_map(|(side, count)| Step::Arrive(side, count)),
        8 => (outgoing(), length()).prop_map(|((stream, side), count)| Step::Consume(side.other(), stream, count)),
        2 => (side(), any::<bool>()).prop_map(|(side, slow)| Step::Slow(side, slow)),
        2 => side().prop_map(Step::Acknowledge),
        2 => Just(Step::Cut),
    ]
}

/// What the tests know of one end: how much it wrote of each stream, what it said and ended.
#[derive(Debug, Default)]
struct Wrote {
    bytes: [usize; 5],
    messages: Vec<Control>,
    ends: Vec<Stream>,
    ended: bool,
}

#[derive(Debug)]
struct Model {
    pair: Pair,
    client: Wrote,
    runner: Wrote,
}

/// The byte at an offset of a stream.
fn byte(stream: Stream, offset: usize) -> u8 {
    (offset ^ (offset >> 8) ^ (offset >> 16) ^ (stream as usize * 57)) as u8
}

impl Model {
    fn new() -> Self {
        let mut pair = Pair::new();
        pair.connect(HelloKind::Start);
        Self { pair, client: Wrote::default(), runner: Wrote::default() }
    }

    fn at(&mut self, side: Side) -> (&mut End, &mut Wrote) {
        match side {
            Side::Client => (&mut self.pair.client, &mut self.client),
            Side::Runner => (&mut self.pair.runner, &mut self.runner),
        }
    }

    fn happens(&mut self, step: Step) {
        match step {
            Step::Write(stream, side, count) => {
                let (end, wrote) = self.at(side);
                if wrote.ends.contains(&stream) || wrote.ended {
                    return;
                }
                let before = wrote.bytes[stream as usize];
                let bytes: Vec<u8> = (before..before + count).map(|offset| byte(stream, offset)).collect();
                wrote.bytes[stream as usize] += end.write(stream, &bytes);
            }
            Step::Say(side) => {
                let (end, wrote) = self.at(side);
                let message = Control::Notice("x".repeat(wrote.messages.len() * 97 % 5000));
                if !wrote.ended && end.endpoint.control(&message).is_ok() {
                    wrote.messages.push(message);
                }
            }
            Step::Finish(stream, side) => {
                let (end, wrote) = self.at(side);
                if wrote.ended {
                    return;
                }
                end.endpoint.finish(stream);
                if !wrote.ends.contains(&stream) {
                    wrote.ends.push(stream);
                }
            }
            Step::End => {
                let (runner, wrote) = self.at(Side::Runner);
                if !wrote.ended {
                    runner.say(end());
                    wrote.messages.push(end());
                    wrote.ended = true;
                }
            }
            Step::Transmit(side) => {
                let (end, _) = self.at(side);
                if let Some(frame) = end.frame() {
                    self.at(side.other()).0.arriving.extend(frame);
                }
            }
            Step::Arrive(side, count) => {
                let (end, _) = self.at(side);
                let count = count.min(end.arriving.len());
                end.arrive(count).expect("our own frames are in order");
            }
            Step::Consume(side, stream, count) => self.at(side).0.consume(stream, count),
            Step::Slow(side, slow) => {
                let (end, _) = self.at(side);
                end.consume_all();
                end.slow = slow;
            }
            Step::Acknowledge(side) => self.at(side).0.endpoint.acknowledge_now(),
            Step::Cut => {
                self.pair.cut();
                self.pair.connect(HelloKind::Resume);
            }
        }
    }

    fn check(&self) {
        for (wrote, sender, receiver) in
            [(&self.client, &self.pair.client, &self.pair.runner), (&self.runner, &self.pair.runner, &self.pair.client)]
        {
            for stream in Stream::ALL {
                let unacknowledged = sender.endpoint.unacknowledged(stream);
                assert!(unacknowledged <= stream.window() as u64 + 1, "{stream:?}: {unacknowledged}");
                let got = receiver.got(stream).len();
                assert!(got <= wrote.bytes[stream as usize]);
                if stream != Stream::Control {
                    let not_consumed = (wrote.bytes[stream as usize] - got) as u64;
                    let eof = wrote.ends.contains(&stream) && !receiver.endpoint.finished(stream);
                    assert!(not_consumed + u64::from(eof) <= unacknowledged, "{stream:?} is acknowledged too early");
                }
            }
            receiver.check_ends();
            let heard = &receiver.heard.messages;
            assert_eq!(*heard, wrote.messages[..heard.len()], "messages come in order");
        }
        self.end_is_last();
    }

    /// When the end is heard, everything else has been.
    fn end_is_last(&self) {
        let client = &self.pair.client;
        if client.heard.messages.last() == Some(&end()) {
            assert_eq!(client.arrived, self.runner.bytes, "the end overtakes output");
            for stream in &self.runner.ends {
                assert!(client.heard.ends.contains(stream), "the end overtakes that of {stream:?}");
            }
        }
    }

    fn finish(&mut self) {
        self.happens(Step::Cut);
        loop {
            self.pair.settle();
            self.pair.acknowledge();
            let sent = [&self.pair.client, &self.pair.runner].map(|end| end.endpoint.sent_all_acknowledged());
            if sent == [true, true] {
                break;
            }
        }
        self.check();
        for (wrote, receiver) in [(&self.client, &self.pair.runner), (&self.runner, &self.pair.client)] {
            for stream in Stream::ALL {
                let got = receiver.got(stream);
                assert_eq!(got.len(), wrote.bytes[stream as usize], "{stream:?}");
                let wrong = got.iter().enumerate().find(|(offset, got)| **got != byte(stream, *offset));
                assert_eq!(wrong, None, "{stream:?} at this offset");
            }
            assert_eq!(receiver.heard.messages, wrote.messages);
            assert_eq!(receiver.heard.ends.len(), wrote.ends.len());
            for resumed in &receiver.heard.resumed {
                assert_eq!((resumed.missing, resumed.lost_input), ([0; 5], [0; 5]));
            }
        }
        for end in [&mut self.pair.runner, &mut self.pair.client] {
            end.endpoint.release();
            assert_eq!(end.endpoint.allocated(), 0);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn no_schedule_loses_doubles_or_reorders(steps in proptest::collection::vec(step(), 0..250)) {
        let mut model = Model::new();
        for step in steps {
            model.happens(step);
            model.check();
        }
        model.finish();
    }
}
