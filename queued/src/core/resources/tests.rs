//! Never more is out than is offered, whatever is taken, given back and offered anew.

use proptest::collection::vec;
use proptest::prelude::*;
use wire::news::HostState;

use super::*;

fn needs(texts: &[&str]) -> Needs {
    let named = texts.iter().map(|text| Need::parse(text).expect(text)).collect();
    Needs { named, ..Needs::default() }
}

fn devices(names: &[&str]) -> Amount {
    Amount::Devices(names.iter().map(|name| (*name).to_owned()).collect())
}

/// Two GPUs, four licences, 1 TiB of scratch, RAID, 16 GiB of memory.
fn pool() -> Pool<String> {
    let mut pool = Pool::default();
    let facts = [("os", "linux"), ("arch", "x86_64")];
    pool.found(16 << 30, facts.map(|(name, fact)| (name.to_owned(), fact.to_owned())).into());
    let offers = [
        ("gpu", devices(&["0", "1"])),
        ("licence", Amount::Count(4)),
        ("scratch", Amount::Bytes(1 << 40)),
        ("raid", Amount::Flag),
        ("none", Amount::Count(0)),
    ];
    pool.offer(offers.map(|(name, offer)| (name.to_owned(), offer)).into());
    pool
}

fn given(pool: &mut Pool<String>, key: &str, texts: &[&str]) -> Vec<String> {
    pool.take(key.into(), &needs(texts)).expect("it is free").devices["gpu"].clone()
}

#[test]
fn devices_are_handed_out_by_name_lowest_free_first() {
    let mut pool = pool();
    assert_eq!(given(&mut pool, "a", &["gpu=1"]), ["0"]);
    assert_eq!(given(&mut pool, "b", &["gpu=1"]), ["1"]);
    pool.give_back(&"a".to_owned());
    assert_eq!(given(&mut pool, "c", &["gpu=1"]), ["0"]);
    assert_eq!(given(&mut pool, "c", &["gpu=2"]), ["0"], "who asks again has what it had");
    pool.give_back(&"b".to_owned());
    pool.give_back(&"c".to_owned());
    pool.offer([("gpu".to_owned(), devices(&["x", "y", "z"]))].into());
    assert_eq!(given(&mut pool, "d", &["gpu=1", "gpu=y"]), ["x", "y"], "in the order of the offer");
    let lack = pool.take("e".into(), &needs(&["gpu=y"])).expect_err("it is one");
    assert_eq!(lack, Lack::Taken("gpu: y is taken by d".into()));
}

#[test]
fn a_lack_says_what_is_missing_and_who_has_it() {
    let mut pool = pool();
    pool.take("job 1@redfish".into(), &needs(&["gpu=1", "licence=3", "scratch=600GiB"])).expect("all is free");
    pool.take("job 2@redfish".into(), &Needs { memory: 12 << 30, ..needs(&["gpu=1"]) }).expect("one is left");
    let mut says = |texts: &[&str], memory: u64| {
        let lack = pool.take("x".into(), &Needs { memory, ..needs(texts) }).expect_err("somebody has it");
        assert_eq!(pool.held(&"x".to_owned()), None, "all or nothing");
        lack
    };
    for (need, words) in [
        ("gpu=1", "gpu: 2 of 2 taken by job 1@redfish and job 2@redfish"),
        ("licence=2", "licence: 3 of 4 taken by job 1@redfish, 2 needed"),
        ("scratch=500GiB", "scratch: 600 GiB of 1 TiB taken by job 1@redfish, 500 GiB needed"),
    ] {
        assert_eq!(says(&["raid", need], 0), Lack::Taken(words.into()), "{need}");
    }
    assert_eq!(says(&[], 5 << 30), Lack::Taken("memory: 12 GiB of 16 GiB taken by job 2@redfish, 5 GiB needed".into()));
    for (need, memory, words) in [
        ("tape=1", 0, "no tape is offered"),
        ("none", 0, "no none is offered"),
        ("gpu=3", 0, "gpu: 2 offered, 3 needed"),
        ("gpu>=3", 0, "gpu: 2 offered, 3 needed"),
        ("gpu=x", 0, "no gpu \"x\" is offered"),
        ("scratch>=2TiB", 0, "scratch: 1 TiB offered, 2 TiB needed"),
        ("os=darwin", 0, "os is linux, not darwin"),
        ("raid", 17 << 30, "memory: 16 GiB in all, 17 GiB needed"),
    ] {
        assert_eq!(says(&[need], memory), Lack::Never(words.into()), "{need}");
    }
}

#[test]
fn what_is_only_looked_at_is_not_taken() {
    let mut pool = pool();
    let looks = needs(&["raid", "scratch>=1TiB", "gpu>=2", "gpu", "os=linux", "arch=x86_64"]);
    for key in ["a", "b", "c"] {
        assert_eq!(pool.take(key.into(), &looks), Ok(Taken { cpus: 1, ..Taken::default() }));
    }
    assert!(pool.state().iter().all(|offer| offer.free == offer.total));
}

#[test]
fn an_offer_that_shrinks_takes_nothing_back_and_gives_nothing_more() {
    let mut pool = pool();
    pool.take("a".into(), &needs(&["licence=3", "gpu=2"])).expect("all is free");
    pool.offer([("licence".to_owned(), Amount::Count(2)), ("gpu".to_owned(), devices(&["1", "2"]))].into());
    assert_eq!(pool.held(&"a".to_owned()).expect("still").amounts["licence"], 3);
    assert!(matches!(pool.take("b".into(), &needs(&["licence=1"])), Err(Lack::Taken(_))));
    assert_eq!(given(&mut pool, "b", &["gpu=1"]), ["2"]);
    let free = pool.state().iter().map(|offer| offer.free).collect::<Vec<_>>();
    assert_eq!(free, [0, 0]);
    pool.give_back(&"a".to_owned());
    pool.take("c".into(), &needs(&["licence=2", "gpu=1"])).expect("it came back");
}

#[test]
fn news_say_what_the_host_would_without_the_names() {
    let mut pool = pool();
    pool.take("a".into(), &needs(&["gpu=1", "licence=4"])).expect("all is free");
    let state = HostState {
        memory_mib: 16 << 10,
        platform: "linux/x86_64".into(),
        offers: pool.state(),
        ..HostState::default()
    };
    for text in [
        "gpu=1",
        "gpu=2",
        "gpu=3",
        "gpu>=2",
        "gpu>=3",
        "licence=1",
        "licence=5",
        "raid",
        "tape",
        "none",
        "os=linux",
        "os=darwin",
        "arch=x86_64",
        "scratch=1TiB",
        "scratch=2TiB",
        "scratch>=2TiB",
    ] {
        let (news, host) = (lack_by_news(&state, &needs(&[text])), pool.try_take(&needs(&[text])).map(drop));
        let without = |lack: Lack| match lack {
            Lack::Taken(words) => Lack::Taken(words.replace(" by a", "")),
            never => never,
        };
        assert_eq!(news, host.map_err(without), "{text}");
    }
}

#[derive(Debug, Clone)]
enum Step {
    Take(u8, Vec<(u8, u64)>, u64),
    GiveBack(u8),
    Offer(u64, u64, usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0..20u8, vec((0..4u8, 0..5u64), 0..4), 0..9u64).prop_map(|(key, named, memory)| Step::Take(key, named, memory)),
        3 => (0..20u8).prop_map(Step::GiveBack),
        1 => (0..9u64, 0..9u64, 0..6usize).prop_map(|(count, bytes, devices)| Step::Offer(count, bytes, devices)),
    ];
    vec(step, 0..200)
}

proptest! {
    #[test]
    fn never_more_is_out_than_is_offered(steps in steps()) {
        let mut pool: Pool<u8> = Pool::default();
        pool.found(16, BTreeMap::new());
        let mut held: BTreeMap<u8, Taken> = BTreeMap::new();
        for step in steps {
            match step {
                Step::Take(key, named, memory) => {
                    let need = |(which, wanted): (u8, u64)| {
                        let text = match which {
                            0 => format!("licence={wanted}"),
                            1 => format!("scratch={wanted}B"),
                            2 => format!("gpu={wanted}"),
                            _ => format!("gpu=g{wanted}"),
                        };
                        Need::parse(&text).expect("as a person writes it")
                    };
                    let wanted = Needs { memory, named: named.into_iter().map(need).collect(), ..Needs::default() };
                    let before = pool.held(&key).cloned();
                    let result = pool.take(key, &wanted);
                    match (before, result) {
                        (Some(before), result) => prop_assert_eq!(result, Ok(before)),
                        (None, Ok(taken)) => {
                            // What is given now is within what is offered now.
                            for (name, device) in taken.devices.iter().flat_map(|(name, all)| all.iter().map(move |one| (name, one))) {
                                prop_assert!(!held.values().any(|other| has_device(other, name, device)), "one device for two");
                                let Some(Amount::Devices(list)) = pool.offers.get(name) else { panic!("of an offer") };
                                prop_assert!(list.contains(device));
                            }
                            held.insert(key, taken.clone());
                            for (name, amount) in taken.amounts.iter().filter(|(_, amount)| **amount > 0) {
                                prop_assert!(*amount <= pool.offers[name].total());
                                let out: u64 = held.values().filter_map(|held| held.amounts.get(name)).sum();
                                prop_assert!(out <= pool.offers[name].total(), "{} of {} are out", out, name);
                            }
                            let memory: u64 = held.values().map(|held| held.memory).sum();
                            prop_assert!(taken.memory == 0 || memory <= 16);
                        }
                        (None, Err(Lack::Never(_))) => prop_assert!(pool.could_ever(&wanted).is_err()),
                        (None, Err(Lack::Taken(_))) => {
                            prop_assert!(!held.is_empty(), "nobody has anything");
                            prop_assert!(pool.could_ever(&wanted).is_ok());
                        }
                    }
                }
                Step::GiveBack(key) => {
                    pool.give_back(&key);
                    held.remove(&key);
                }
                Step::Offer(count, bytes, number) => {
                    let names = (0..number).map(|at| format!("g{at}")).collect();
                    let offers = [
                        ("licence", Amount::Count(count)),
                        ("scratch", Amount::Bytes(bytes)),
                        ("gpu", Amount::Devices(names)),
                    ];
                    pool.offer(offers.map(|(name, offer)| (name.to_owned(), offer)).into());
                }
            }
            for (key, taken) in &held {
                prop_assert_eq!(pool.held(key), Some(taken), "what was given stays given");
            }
            for state in pool.state() {
                prop_assert!(state.free <= state.total);
            }
        }
    }
}
