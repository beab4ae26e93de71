//! Peers that remember nothing: a runner after a crash, a client that attaches.

use wire::session::{Control, End as JobEnd, HelloKind, Outcome, Side, Stream, Usage};

use super::order::start;
use super::pair::{End, Pair};

/// A session in which input was consumed, input was lost with the runner and input was not sent
/// yet; the runner is new.
fn crashed() -> Pair {
    let mut pair = Pair::started();
    pair.client.say(start());
    pair.client.write(Stream::Stdin, b"consumed ");
    pair.runner.write(Stream::Stdout, b"seen ");
    pair.settle();
    pair.acknowledge();
    pair.runner.slow = true;
    pair.client.write(Stream::Stdin, b"in the runner's memory ");
    pair.settle();
    pair.client.write(Stream::Stdin, b"on the wire ");
    assert!(pair.client.frame().is_some());
    pair.client.write(Stream::Stdin, b"not sent");
    pair.cut();
    pair.runner = End::new(Side::Runner);
    pair.runner.endpoint.mark_fresh();
    pair
}

const LOST: u64 = b"in the runner's memory on the wire ".len() as u64;

#[test]
fn a_fresh_runner_gets_nothing_twice_and_the_loss_is_named() {
    let mut pair = crashed();
    // It has read from the job before the client came back.
    pair.runner.write(Stream::Stdout, b"new ");
    pair.runner.say(Control::Notice("the runner was started again".into()));
    pair.connect(HelloKind::Resume);
    pair.settle();
    assert_eq!(pair.runner.got(Stream::Stdin), b"not sent");
    assert_eq!(pair.client.got(Stream::Stdout), b"seen new ");
    let resumed = pair.client.heard.resumed[1];
    assert_eq!(resumed.lost_input, [0, LOST, 0, 0, 0]);
    assert_eq!(resumed.missing, [0; 5]);
    assert_eq!(pair.runner.heard.resumed.len(), 1);
    assert_eq!(pair.client.heard.messages, [Control::Notice("the runner was started again".into())]);

    pair.client.write(Stream::Stdin, b", later");
    pair.client.endpoint.finish(Stream::Stdin);
    pair.runner.write(Stream::Stdout, b"later");
    pair.reconnect();
    pair.acknowledge();
    assert_eq!(pair.runner.got(Stream::Stdin), b"not sent, later");
    assert_eq!(pair.client.got(Stream::Stdout), b"seen new later");
    assert_eq!(pair.client.heard.resumed[2].lost_input, [0; 5], "named once");
    assert!(pair.client.endpoint.sent_all_acknowledged());
    assert!(pair.runner.endpoint.sent_all_acknowledged());
}

#[test]
fn a_fresh_runner_whose_hello_is_lost_is_still_fresh() {
    let mut pair = crashed();
    for _ in 0..3 {
        pair.connect(HelloKind::Resume);
        let hello = pair.client.frame().expect("HELLO");
        pair.runner.hear(&hello).expect("it may resume");
        assert!(pair.runner.frame().is_some(), "HELLO, which is lost");
        pair.cut();
    }
    pair.connect(HelloKind::Resume);
    pair.settle();
    assert_eq!(pair.runner.got(Stream::Stdin), b"not sent");
    assert_eq!(pair.client.heard.resumed[1].lost_input, [0, LOST, 0, 0, 0]);
}

#[test]
fn a_client_that_knows_of_the_loss_hears_of_it_once() {
    let mut pair = crashed();
    pair.runner.write(Stream::Stdout, b"new ");
    pair.connect(HelloKind::Resume);
    for to_runner in [true, false, false] {
        let (from, to) =
            if to_runner { (&mut pair.client, &mut pair.runner) } else { (&mut pair.runner, &mut pair.client) };
        let frame = from.frame().expect("HELLO or output");
        to.hear(&frame).expect("in order");
    }
    // The runner has heard nothing but HELLO, so that it must take itself for unknown.
    assert_eq!(pair.client.got(Stream::Stdout), b"seen new ");
    pair.reconnect();
    assert_eq!(pair.client.heard.resumed[1].lost_input, [0, LOST, 0, 0, 0]);
    assert_eq!(pair.client.heard.resumed[2].lost_input, [0; 5]);
    assert_eq!(pair.client.got(Stream::Stdout), b"seen new ");
    assert_eq!(pair.runner.got(Stream::Stdin), b"not sent");
}

#[test]
fn a_runner_may_crash_again() {
    let mut pair = crashed();
    pair.connect(HelloKind::Resume);
    pair.settle();
    pair.client.write(Stream::Stdin, b"once more");
    pair.settle();
    pair.cut();
    pair.runner = End::new(Side::Runner);
    pair.runner.endpoint.mark_fresh();
    pair.connect(HelloKind::Resume);
    pair.client.write(Stream::Stdin, b" and on");
    pair.settle();
    assert_eq!(pair.runner.got(Stream::Stdin), b" and on");
    assert_eq!(pair.client.heard.resumed[2].lost_input, [0, 17, 0, 0, 0]);
}

#[test]
fn an_end_of_input_is_said_to_a_fresh_runner_again() {
    for acknowledged in [false, true] {
        let mut pair = Pair::started();
        pair.client.write(Stream::Stdin, b"all");
        pair.client.endpoint.finish(Stream::Stdin);
        pair.settle();
        if acknowledged {
            pair.acknowledge();
            assert!(pair.client.endpoint.sent_all_acknowledged());
        }
        pair.cut();
        pair.runner = End::new(Side::Runner);
        pair.runner.endpoint.mark_fresh();
        pair.connect(HelloKind::Resume);
        pair.settle();
        assert_eq!(pair.runner.got(Stream::Stdin), b"");
        assert_eq!(pair.runner.heard.ends, [Stream::Stdin]);
        let lost = if acknowledged { 0 } else { 3 };
        assert_eq!(pair.client.heard.resumed[1].lost_input, [0, lost, 0, 0, 0]);
        pair.acknowledge();
        assert!(pair.client.endpoint.sent_all_acknowledged());
    }
}

#[test]
fn an_end_of_output_may_come_again_from_a_fresh_runner() {
    let mut pair = Pair::started();
    pair.runner.write(Stream::Stdout, b"all");
    pair.runner.endpoint.finish(Stream::Stdout);
    pair.settle();
    pair.cut();
    pair.runner = End::new(Side::Runner);
    pair.runner.endpoint.mark_fresh();
    pair.runner.endpoint.finish(Stream::Stdout);
    pair.runner.say(Control::End(JobEnd {
        outcome: Outcome::Exited(0),
        usage: Usage::default(),
        incomplete: None,
        limit: None,
    }));
    pair.connect(HelloKind::Resume);
    pair.settle();
    assert_eq!(pair.client.heard.ends, [Stream::Stdout], "said once");
    assert_eq!(pair.client.heard.messages.len(), 1);
    pair.acknowledge();
    assert!(pair.runner.endpoint.sent_all_acknowledged());
}

#[test]
fn a_fresh_runner_holds_back_the_end_and_nothing_before_it() {
    let mut pair = Pair::started();
    pair.runner.say(Control::Started);
    pair.settle();
    pair.cut();
    pair.runner = End::new(Side::Runner);
    pair.runner.endpoint.mark_fresh();
    pair.client.slow = true;
    let output = vec![1; Stream::Tty.window()];
    pair.runner.write(Stream::Tty, &output);
    pair.runner.say(Control::Continued);
    pair.runner.say(Control::End(JobEnd {
        outcome: Outcome::Exited(0),
        usage: Usage::default(),
        incomplete: None,
        limit: None,
    }));
    pair.connect(HelloKind::Resume);
    pair.settle();
    let heard = &pair.client.heard.messages;
    assert_eq!(*heard, [Control::Started, Control::Continued], "output is held up by its reader");
    while pair.client.got(Stream::Tty).len() < output.len() {
        let all = pair.client.arrived[Stream::Tty as usize] == output.len();
        assert_eq!(pair.client.heard.messages.len() == 3, all);
        pair.client.consume_all();
        pair.settle();
    }
    assert_eq!(pair.client.heard.messages.len(), 3);
}

#[test]
fn half_a_message_of_a_dead_runner_is_forgotten() {
    for cut in 5..20 {
        let mut pair = Pair::started();
        pair.runner.say(Control::Stopped("TSTP".into()));
        let frame = pair.runner.frame().expect("Stopped");
        pair.client.hear(&frame[..cut]).expect("so far");
        pair.cut();
        pair.runner = End::new(Side::Runner);
        pair.runner.endpoint.mark_fresh();
        pair.runner.say(Control::Continued);
        pair.connect(HelloKind::Resume);
        pair.settle();
        assert_eq!(pair.client.heard.messages, [Control::Continued]);
        pair.acknowledge();
        assert!(pair.runner.endpoint.sent_all_acknowledged());
    }
}

#[test]
fn a_signal_that_may_have_arrived_is_not_said_twice() {
    let mut pair = Pair::started();
    pair.client.say(Control::Signal("USR1".into()));
    assert!(pair.client.frame().is_some(), "it may have arrived");
    pair.client.say(Control::Signal("USR2".into()));
    pair.cut();
    pair.runner = End::new(Side::Runner);
    pair.runner.endpoint.mark_fresh();
    pair.connect(HelloKind::Resume);
    pair.settle();
    assert_eq!(pair.runner.heard.messages, [Control::Signal("USR2".into())]);
    assert!(pair.client.heard.resumed[1].lost_input[0] > 0);
}

#[test]
fn half_a_message_to_a_dead_runner_is_said_again_as_a_whole() {
    let mut pair = Pair::started();
    let long = Control::Signal("x".repeat(20_000));
    pair.client.say(long.clone());
    let frame = pair.client.frame().expect("its beginning");
    assert!(frame.len() < 20_000);
    pair.runner.hear(&frame).expect("so far");
    pair.cut();
    pair.runner = End::new(Side::Runner);
    pair.runner.endpoint.mark_fresh();
    pair.connect(HelloKind::Resume);
    pair.settle();
    assert_eq!(pair.runner.heard.messages, [long]);
    assert_eq!(pair.client.heard.resumed[1].lost_input, [0; 5]);
}

#[test]
fn a_client_that_attaches_sees_what_comes_from_now_on() {
    let mut pair = Pair::started();
    pair.client.say(start());
    pair.client.write(Stream::Tty, b"ls\r");
    pair.runner.write(Stream::Tty, b"old screen");
    pair.settle();
    pair.cut();
    pair.runner.endpoint.discard_oldest(Stream::Tty, 4);
    pair.client = End::new(Side::Client);
    pair.client.write(Stream::Tty, b"q");
    for _ in 0..2 {
        // The runner's HELLO is lost once.
        pair.cut();
        pair.connect(HelloKind::Attach);
        let hello = pair.client.frame().expect("HELLO");
        pair.runner.hear(&hello).expect("it may attach");
        assert!(pair.runner.endpoint.established());
        pair.runner.endpoint.replace(Stream::Tty, b"new screen");
        assert!(pair.runner.frame().is_some(), "HELLO");
    }
    pair.cut();
    pair.connect(HelloKind::Attach);
    pair.settle();
    assert_eq!(pair.client.got(Stream::Tty), b"new screen");
    assert_eq!(pair.client.heard.messages, [], "it has missed nothing");
    assert_eq!(pair.runner.got(Stream::Tty), b"ls\rq");
    pair.client.write(Stream::Tty, b"!");
    pair.reconnect();
    assert_eq!(pair.runner.got(Stream::Tty), b"ls\rq!");
    pair.acknowledge();
    assert!(pair.runner.endpoint.sent_all_acknowledged());
    assert!(pair.client.endpoint.sent_all_acknowledged());
}

#[test]
fn a_client_may_attach_to_a_runner_that_is_fresh_too() {
    let mut pair = Pair::new();
    pair.runner.endpoint.mark_fresh();
    pair.runner.write(Stream::Tty, b"screen");
    pair.client.write(Stream::Tty, b"q");
    pair.connect(HelloKind::Attach);
    pair.settle();
    assert_eq!(pair.client.got(Stream::Tty), b"screen");
    assert_eq!(pair.runner.got(Stream::Tty), b"q");
    pair.runner.write(Stream::Tty, b"!");
    pair.reconnect();
    assert_eq!(pair.client.got(Stream::Tty), b"screen!");
}
