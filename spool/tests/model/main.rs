//! A home, three hosts and everything that can go wrong between them: messages are lost,
//! doubled and reordered, every program stops before or after each durable step, hosts go
//! down, disks are replaced, clocks differ, people change their minds. After each action all
//! promises are checked; in the end the weather clears, and the job has to end.

mod promises;
mod world;

use std::collections::BTreeMap;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;
use spool::home::Starts;
use world::{Action, Crash, World};

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

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
    let mut visits: BTreeMap<&str, usize> = BTreeMap::new();
    for _ in 0..1_000 {
        for starts in [Starts::Once, Starts::UntilEnd] {
            let actions = actions().new_tree(&mut runner).expect("no filter").current();
            let rates = rates().new_tree(&mut runner).expect("no filter").current();
            let mut world = World::new(starts, rates);
            for action in &actions {
                world.act(action);
                for place in promises::places(&world) {
                    *visits.entry(place).or_default() += 1;
                }
            }
            for (name, count) in &world.truth.counts {*visits.entry(name).or_default() += count;}
        }
    }
    eprintln!("{visits:#?}");
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

fn actions() -> impl Strategy<Value = Vec<Action>> {
    prop::collection::vec(action(), 1..150)
}

/// Clock rates of home and hosts, at most a tenth apart.
fn rates() -> impl Strategy<Value = [u64; 4]> {
    prop::array::uniform4(100..=110_u64)
}

fn action() -> impl Strategy<Value = Action> {
    let pick = any::<u8>;
    prop_oneof![
        30 => (pick(), any::<bool>(), crash(), pick())
            .prop_map(|(pick, keep, crash, choice)| Action::Deliver { pick, keep, crash, choice }),
        4 => pick().prop_map(|pick| Action::Drop { pick }),
        16 => (pick(), crash()).prop_map(|(choice, crash)| Action::HomeActs { choice, crash }),
        30 => (pick(), pick(), crash())
            .prop_map(|(host, choice, crash)| Action::HostActs { host, choice, crash }),
        4 => pick().prop_map(|pick| Action::ProcessEnds { pick }),
        10 => (0..80_u64).prop_map(|by| Action::TimePasses { by }),
        3 => pick().prop_map(|host| Action::HostGoesDown { host }),
        1 => (pick(), any::<bool>())
            .prop_map(|(host, goes_down)| Action::DiskIsReplaced { host, goes_down }),
        1 => Just(Action::Hold),
        2 => Just(Action::Release),
        1 => Just(Action::Cancel),
        1 => Just(Action::GiveUp),
        2 => Just(Action::Resubmit),
        1 => Just(Action::NoHostCan),
        1 => Just(Action::HostSilent),
        1 => Just(Action::HostHeard),
    ]
}

fn crash() -> impl Strategy<Value = Crash> {
    prop_oneof![
        12 => Just(Crash::No),
        1 => Just(Crash::BeforeWriting),
        1 => Just(Crash::AfterWriting),
    ]
}
