//! Random schedules in which the runner also crashes: nothing comes twice or out of order, and
//! what is lost is named.

use proptest::prelude::*;
use wire::session::{Control, HelloKind, Side, Stream};

use super::pair::{End, Pair};

#[derive(Debug, Clone)]
enum Step {
    /// This end writes a few bytes to its pipe.
    Write(Side, u8),
    Say(Side),
    Transmit(Side),
    Arrive(Side, usize),
    Acknowledge(Side),
    Cut,
    Crash,
}

fn side() -> impl Strategy<Value = Side> {
    prop_oneof![Just(Side::Client), Just(Side::Runner)]
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (side(), 1..5u8).prop_map(|(side, count)| Step::Write(side, count)),
        2 => side().prop_map(Step::Say),
        12 => side().prop_map(Step::Transmit),
        12 => (side(), prop_oneof![1..10usize, 1..1000usize]).prop_map(|(side, count)| Step::Arrive(side, count)),
        2 => side().prop_map(Step::Acknowledge),
        2 => Just(Step::Cut),
        1 => Just(Step::Crash),
    ]
}

/// A session in which each byte and each message is the next number.
#[derive(Debug)]
struct Model {
    pair: Pair,
    /// By side: how many bytes and messages it has written in all its lives.
    bytes: [u8; 2],
    messages: [u8; 2],
    /// What the dead runners had consumed and heard.
    consumed: Vec<u8>,
    heard: Vec<Control>,
}

fn pipe(side: Side) -> Stream {
    if side == Side::Client { Stream::Stdin } else { Stream::Stdout }
}

impl Model {
    fn end(&mut self, side: Side) -> &mut End {
        if side == Side::Client { &mut self.pair.client } else { &mut self.pair.runner }
    }

    fn happens(&mut self, step: &Step) {
        match *step {
            Step::Write(side, count) => {
                let before = self.bytes[side as usize];
                let Some(after) = before.checked_add(count) else { return };
                self.bytes[side as usize] = after;
                let bytes: Vec<u8> = (before..after).collect();
                self.end(side).write(pipe(side), &bytes);
            }
            Step::Say(side) => {
                let Some(number) = self.messages[side as usize].checked_add(1) else { return };
                self.messages[side as usize] = number;
                self.end(side).say(Control::Notice(format!("{number:03}")));
            }
            Step::Transmit(side) => {
                if let Some(frame) = self.end(side).frame() {
                    self.end(side.other()).arriving.extend(frame);
                }
            }
            Step::Arrive(side, count) => {
                let count = count.min(self.end(side).arriving.len());
                self.end(side).arrive(count).expect("our own frames are in order");
            }
            Step::Acknowledge(side) => self.end(side).endpoint.acknowledge_now(),
            Step::Cut => {
                self.pair.cut();
                self.pair.connect(HelloKind::Resume);
            }
            Step::Crash => {
                self.pair.cut();
                let dead = std::mem::replace(&mut self.pair.runner, End::new(Side::Runner));
                self.consumed.extend(dead.got(Stream::Stdin));
                self.heard.extend(dead.heard.messages);
                self.pair.runner.endpoint.mark_fresh();
                self.pair.connect(HelloKind::Resume);
            }
        }
    }

    fn finish(mut self) {
        self.happens(&Step::Cut);
        self.pair.settle();
        self.pair.acknowledge();
        self.happens(&Step::Crash);
        self.pair.acknowledge();
        let Pair { client, runner } = &self.pair;
        assert!(client.endpoint.sent_all_acknowledged() && runner.endpoint.sent_all_acknowledged());

        let rises = |numbers: &[u8]| numbers.windows(2).all(|pair| pair[0] < pair[1]);
        assert!(rises(client.got(Stream::Stdout)), "{:?}", client.got(Stream::Stdout));
        assert!(rises(&self.consumed), "{:?}", self.consumed);
        for heard in [&client.heard.messages, &self.heard] {
            let texts = heard.iter().map(|message| match message {
                Control::Notice(text) => text,
                other => panic!("{other:?} was not said"),
            });
            assert!(texts.is_sorted_by(|before, after| before < after), "{heard:?}");
        }
        let lost: u64 = client.heard.resumed.iter().map(|resumed| resumed.lost_input[1]).sum();
        let not_consumed = u64::from(self.bytes[0]) - self.consumed.len() as u64;
        assert!(not_consumed <= lost, "{not_consumed} bytes of input are gone, {lost} are named");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn nothing_comes_twice_however_often_the_runner_crashes(
        steps in proptest::collection::vec(step(), 0..200),
        optimistic: bool,
    ) {
        let mut pair = Pair::new();
        pair.connect(HelloKind::Start);
        if !optimistic {
            pair.settle();
        }
        let mut model =
            Model { pair, bytes: [0; 2], messages: [0; 2], consumed: Vec::new(), heard: Vec::new() };
        for step in &steps {
            model.happens(step);
        }
        model.finish();
    }
}
