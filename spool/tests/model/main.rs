//! A home, three hosts and everything that can go wrong between them: messages are lost,
//! doubled and reordered, every program stops before or after each durable step, hosts go
//! down, disks are replaced, clocks differ, people change their minds. After each action all
//! promises are checked; in the end the weather clears, and the job has to end.

mod home;
mod host;
mod promises;
mod world;

use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use spool::home::Starts;
use world::{Action, Crash, World};

proptest! {
    #![proptest_config(config())]

    #[test]
    fn all_promises_hold_for_a_job_that_is_started_at_most_once(
        actions in actions(), rates in rates(),
    ) {
        run(Starts::Once, rates, &actions);
    }

    #[test]
    fn all_promises_hold_for_a_restartable_job(actions in actions(), rates in rates()) {
        run(Starts::UntilEnd, rates, &actions);
    }
}

/// A model in which nothing happens would keep every promise.
#[test]
fn the_model_gets_everywhere() {
    let mut runner = TestRunner::deterministic();
    let (mut seen, mut later, mut found_again) = (BTreeSet::new(), 0, 0);
    for _ in 0..250 {
        for starts in [Starts::Once, Starts::UntilEnd] {
            let actions = actions().new_tree(&mut runner).expect("nothing is filtered").current();
            let rates = rates().new_tree(&mut runner).expect("nothing is filtered").current();
            let mut world = World::new(starts, rates);
            for action in &actions {
                world.act(action);
                seen.extend(promises::landmarks(&world));
            }
            later += world.truth.later;
            found_again += world.truth.found_again;
        }
    }
    let everywhere = BTreeSet::from(promises::ALL_LANDMARKS);
    assert_eq!(seen, everywhere);
    assert!(later > 0 && found_again > 0);
}

fn run(starts: Starts, rates: [u64; 4], actions: &[Action]) {
    let mut world = World::new(starts, rates);
    for action in actions {
        world.act(action);
        promises::check(&world);
    }
    world.clear_up();
    promises::check_outcome(&world);
}

/// As many cases as take a few seconds; PROPTEST_CASES asks for more or fewer.
fn config() -> ProptestConfig {
    let cases = match std::env::var_os("PROPTEST_CASES") {
        Some(_) => ProptestConfig::default().cases,
        None => 500,
    };
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

fn actions() -> impl Strategy<Value = Vec<Action>> {
    prop::collection::vec(action(), 1..150)
}

/// Clock rates of home and hosts, at most a tenth apart.
fn rates() -> impl Strategy<Value = [u64; 4]> {
    prop::array::uniform4(prop_oneof![Just(100), 100..=110_u64, Just(110)])
}

fn action() -> impl Strategy<Value = Action> {
    let pick = any::<u8>;
    prop_oneof![
        30 => (pick(), any::<bool>(), crash(), pick())
            .prop_map(|(pick, keep, crash, choice)| Action::Deliver { pick, keep, crash, choice }),
        4 => pick().prop_map(|pick| Action::Drop { pick }),
        12 => (pick(), crash()).prop_map(|(choice, crash)| Action::HomeActs { choice, crash }),
        40 => (pick(), pick(), crash())
            .prop_map(|(pick, choice, crash)| Action::HostActs { pick, choice, crash }),
        8 => pick().prop_map(|pick| Action::ProcessEnds { pick }),
        10 => prop_oneof![4 => 0..40_u64, 1 => 100..150_u64].prop_map(|by| Action::TimePasses { by }),
        3 => pick().prop_map(|host| Action::HostGoesDown { host }),
        1 => (pick(), any::<bool>())
            .prop_map(|(host, goes_down)| Action::DiskIsReplaced { host, goes_down }),
        1 => Just(Action::Hold),
        2 => Just(Action::Release),
        1 => Just(Action::Cancel),
        2 => Just(Action::GiveUp),
        6 => Just(Action::Resubmit),
        1 => Just(Action::NoHostCan),
        1 => Just(Action::AwaitedInVain),
        1 => Just(Action::HostIsSilent),
        1 => Just(Action::HostIsHeard),
    ]
}

fn crash() -> impl Strategy<Value = Crash> {
    prop_oneof![
        12 => Just(Crash::No),
        1 => Just(Crash::BeforeWriting),
        1 => Just(Crash::AfterWriting),
    ]
}
