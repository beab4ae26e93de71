//! Dispatchers and admissions together: bursts, and what must hold whatever happens.

use std::collections::{HashMap, HashSet};

use proptest::prelude::*;

use super::cluster::{Cluster, name, number};
use super::*;
use crate::core::admission::Key;

/// Submits fifty jobs at once from so many homes and counts where they run.
fn fifty(homes: usize, cpus: &[u32], seed: u64) -> Vec<u32> {
    let mut cluster = Cluster::new(homes, cpus, None, seed);
    for job in 0..50 {
        cluster.submit(job % homes, submission(job as u64));
    }
    // Each host's record comes in between and shows some of the starts.
    for host in 0..cpus.len() {
        let until = cluster.now + Duration::from_millis(cluster.random.below(8));
        while cluster.step(until) {}
        cluster.tell_news(host);
    }
    let until = cluster.now + Duration::from_secs(1);
    while cluster.step(until) {}
    let mut counts = vec![0; cpus.len()];
    for ends in cluster.ends.values() {
        match &ends[..] {
            [Action::Place { host, .. }] => counts[number(host)] += 1,
            other => panic!("{other:?}"),
        }
    }
    counts
}

/// From several homes at once it is chance where the last few go that every home has seen
/// refused elsewhere: one burst in a hundred is one job above.
#[test]
fn of_fifty_started_at_once_no_host_gets_more_than_its_share_and_a_fifth() {
    let clusters: [&[u32]; 6] =
        [&[2; 4], &[4; 5], &[8; 10], &[4, 8, 16, 4, 8], &[4, 16, 64, 16], &[16, 16, 32, 8, 8, 4, 4, 4]];
    for (homes, bursts_above) in [(1, 0), (3, 4)] {
        let mut above = 0;
        for (cpus, seed) in clusters.into_iter().flat_map(|cpus| (0..70).map(move |seed| (cpus, seed))) {
            let all: u32 = cpus.iter().sum();
            let counts = fifty(homes, cpus, seed);
            assert_eq!(counts.iter().sum::<u32>(), 50);
            let too_many = counts.iter().zip(cpus).map(|(count, cpus_there)| {
                let share = 50.0 * f64::from(*cpus_there) / f64::from(all);
                // No host can take a part of a job.
                f64::from(*count) - (share * 1.2).ceil()
            });
            let too_many = too_many.fold(0.0, f64::max);
            assert!(too_many <= 1.0, "{counts:?} on {cpus:?}, {homes} homes");
            above += i32::from(too_many > 0.0);
        }
        assert!(above <= bursts_above, "{above} bursts of 420 from {homes} homes");
    }
}

#[test]
fn hostname_repeated_on_an_idle_cluster_visits_all_hosts() {
    for cpus in [[4, 4, 4, 4], [4, 16, 64, 2]] {
        let mut cluster = Cluster::new(1, &cpus, None, 5);
        let mut visited = HashSet::new();
        for id in 0..40 {
            cluster.submit(0, submission(id));
            let until = cluster.now + Duration::from_millis(50);
            while cluster.step(until) {}
            let Some([Action::Place { host, .. }]) = cluster.ends.get(&(0, JobId(id))).map(Vec::as_slice) else {
                panic!("job {id} is not placed");
            };
            let host = number(host);
            visited.insert(host);
            cluster.ends(host, &Key { home: name(0), id: JobId(id) });
            cluster.now = cluster.now + Duration::from_millis(500);
        }
        assert_eq!(visited.len(), 4, "{cpus:?}");
    }
}

/// One step of a random history.
#[derive(Debug, Clone)]
enum Step {
    Submit { home: usize, user: u64, choice: u8, on_full: u8, batch: bool },
    Cancel { home: usize, job: u64 },
    End { job: usize },
    News { host: usize },
    Pass { ms: u64 },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let submit = (0..3usize, 0..3u64, any::<u8>(), any::<u8>(), proptest::bool::weighted(0.1));
    let submit =
        submit.prop_map(|(home, user, choice, on_full, batch)| Step::Submit { home, user, choice, on_full, batch });
    let step = prop_oneof![
        6 => submit,
        1 => (0..3usize, 0..60u64).prop_map(|(home, job)| Step::Cancel { home, job }),
        4 => (0..1000usize).prop_map(|job| Step::End { job }),
        2 => (0..4usize).prop_map(|host| Step::News { host }),
        4 => (0..400u64).prop_map(|ms| Step::Pass { ms }),
        1 => (0..7000u64).prop_map(|ms| Step::Pass { ms }),
    ];
    proptest::collection::vec(step, 1..120)
}

/// What is checked after every step.
fn check(cluster: &Cluster, cancelled: &HashSet<(usize, JobId)>) {
    for (job, ends) in &cluster.ends {
        assert!(ends.len() == 1, "{job:?} ended more than once: {ends:?}");
    }
    for home in &cluster.homes {
        let in_line = home.jobs.values().filter(|job| matches!(job.phase, Phase::InLine)).count();
        assert_eq!(in_line, home.in_line(), "a job is in line exactly when its phase says so");
        let asked = home.jobs.values().filter(|job| matches!(job.phase, Phase::Asking { .. })).count();
        assert_eq!(asked, home.hosts.iter().map(|(_, host)| host.open_questions()).sum::<usize>());
    }
    for job in cancelled {
        assert!(!cluster.homes[job.0].jobs.contains_key(&job.1));
    }
}

/// Ends whatever runs until all is quiet; nothing is lost any more.
fn settle(cluster: &mut Cluster) {
    cluster.loses = 0;
    for _ in 0..400 {
        let until = cluster.now + Duration::from_secs(7);
        while cluster.step(until) {}
        let running: Vec<(Key, usize)> =
            cluster.held.iter().flat_map(|(key, hosts)| hosts.iter().map(|host| (key.clone(), *host))).collect();
        if running.is_empty() && cluster.homes.iter().all(|home| home.jobs.is_empty()) {
            return;
        }
        for (key, host) in running {
            cluster.ends(host, &key);
        }
    }
    let left: Vec<_> = cluster.homes.iter().flat_map(|home| home.jobs.values()).collect();
    panic!("these never end: {left:?}");
}

fn play(steps: Vec<Step>, limit: Option<u32>, loses: u64, seed: u64) {
    let mut cluster = Cluster::new(3, &[1, 2, 4, 4], limit, seed);
    cluster.loses = loses;
    let (mut submitted, mut cancelled) = (HashMap::new(), HashSet::new());
    let mut next = [0u64; 3];
    for step in steps {
        match step {
            Step::Submit { home, user, choice, on_full, batch } => {
                let id = JobId(next[home]);
                next[home] += 1;
                let choice = match choice % 8 {
                    0 => HostChoice::Only(name(usize::from(choice) / 8 % 4).to_string()),
                    1 => HostChoice::Rather(name(usize::from(choice) / 8 % 4).to_string()),
                    _ => HostChoice::Any,
                };
                let on_full = [OnFull::Wait, OnFull::Wait, OnFull::Fail, OnFull::Local][usize::from(on_full) % 4];
                // A batch job waits for an answer for ever, so it is only tried where none is lost.
                let work = if batch && loses == 0 { Work::Batch } else { Work::Session };
                let user = format!("u{user}").as_str().into();
                submitted.insert((home, id), work);
                cluster.submit(home, Submission { id, user, choice, on_full, work, ..submission(0) });
            }
            Step::Cancel { home, job } => {
                let job = (home, JobId(job));
                if submitted.contains_key(&job) && !cluster.ends.contains_key(&job) {
                    cancelled.insert(job);
                    cluster.home_does(home, Event::Cancelled { id: job.1 });
                }
            }
            Step::End { job } => {
                let mut held: Vec<(Key, usize)> = cluster
                    .held
                    .iter()
                    .flat_map(|(key, hosts)| hosts.iter().map(|host| (key.clone(), *host)))
                    .collect();
                held.sort();
                if !held.is_empty() {
                    let (key, host) = held[job % held.len()].clone();
                    cluster.ends(host, &key);
                }
            }
            Step::News { host } => cluster.tell_news(host),
            Step::Pass { ms } => {
                let until = Millis(cluster.now.0 + ms);
                while cluster.step(until) {
                    check(&cluster, &cancelled);
                }
            }
        }
        check(&cluster, &cancelled);
    }
    // What nobody needs is given back, or void after 5 s at the latest: of what is held then,
    // each is where its home placed it, and nowhere else.
    cluster.loses = 0;
    let until = cluster.now + Duration::from_secs(13);
    while cluster.step(until) {
        check(&cluster, &cancelled);
    }
    for (key, hosts) in &cluster.held {
        let home = number(&key.home);
        if cluster.homes[home].jobs.contains_key(&key.id) {
            // It has waited for this slot; the answer is under way.
            continue;
        }
        assert!(hosts.len() <= 1, "{key:?} is held at {hosts:?}");
        for host in hosts {
            let ends = &cluster.ends[&(home, key.id)];
            assert!(matches!(&ends[..], [Action::Place { host: placed, .. }] if number(placed) == *host));
        }
    }
    settle(&mut cluster);
    for job in submitted.keys() {
        let ended = cluster.ends.contains_key(job);
        assert!(ended != cancelled.contains(job), "{job:?} ended: {ended}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_each_submission_ends_once_and_no_host_is_over_its_limit(
        steps in steps(), limit in prop_oneof![Just(None), (1..4u32).prop_map(Some)],
        loses in prop_oneof![Just(0u64), Just(8), Just(3)], seed in any::<u64>(),
    ) {
        play(steps, limit, loses, seed);
    }
}
