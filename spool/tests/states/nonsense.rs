//! Whatever hosts and people say, in any order: a record stays a record.

use proptest::prelude::*;
use spool::home::{Event, Record, Starts, State, Step};

use crate::names::events;
use crate::samples::{id, placed};

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nonsense_never_reuses_an_attempt_nor_leaves_an_end_without_reason(
        starts in prop_oneof![Just(Starts::Once), Just(Starts::UntilEnd)],
        picks in prop::collection::vec((1..5_u64, 0..events(1).len()), 0..200),
    ) {
        let mut record = Record::pending(id(), starts);
        for (number, index) in picks {
            let event = match &events(number)[index] {
                (_, Event::Placed(_)) => placed(number),
                (_, other) => other.clone(),
            };
            match record.step(&event) {
                Ok(Step::To(next)) => {
                    prop_assert!(next.last() >= record.last());
                    prop_assert_eq!(next.id(), record.id());
                    prop_assert_eq!(next.starts(), starts);
                    check_way(&record, &event, &next);
                    record = next;
                }
                Ok(Step::Nothing | Step::Later) => {}
                Err(error) => prop_assert!(error.to_string().starts_with("job 17 ")),
            }
        }
    }
}

/// Ends are left only by a resubmit, or by the truth about a lost attempt; and a job is
/// finished only by way of `delivering`.
fn check_way(before: &Record, event: &Event, after: &Record) {
    match before.state() {
        State::Finished { .. } | State::Cancelled => assert_eq!(event, &Event::Resubmitted),
        State::Dead(_) => assert!(matches!(event, Event::Resubmitted | Event::Reported { .. })),
        State::Held { .. } | State::Pending { .. } | State::Running(_) => {}
    }
    if let State::Finished { .. } = after.state() {
        let State::Running(run) = before.state() else { panic!("finished out of {before:?}") };
        assert!(matches!(run.stage, spool::home::Stage::Delivering(_)));
    }
}
