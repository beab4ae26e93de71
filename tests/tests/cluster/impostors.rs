//! Who says he is somebody else: certificates and warrants that are forged, stale, altered or
//! another's. What they ask for does not happen, and nobody else notices.

use std::time::{SystemTime, UNIX_EPOCH};

use nix::sys::signal::Signal;
use queue_tests::cluster::Cluster;
use queue_tests::process::PATIENCE;
use queue_tests::wait::until;
use wire::api::{ReservationAnswer, ReservationRequest};
use wire::identity::{Authority, Certificate, Identity, Kind, SecretKey, Validity, Warrant, session_name};
use wire::job::{Descriptor, Job};

use crate::flow::Flow;
use crate::outsider::{self, DAEMON, authority, closes, dial, identity};

#[test]
fn a_certificate_that_the_cluster_did_not_sign_opens_no_connection() {
    let cluster = Cluster::up(2);
    let flow = Flow::start(&cluster, "redfish", "bluefish");
    let (ours, theirs) = (authority(&cluster), Authority::from_secret(SecretKey::generate()));
    let forged = format!(
        "this certificate says that it is of our cluster ({}), but the authority of the cluster did not sign it",
        ours.cluster()
    );
    let other = format!("signed by another cluster ({}), ours is {}", theirs.cluster(), ours.cluster());
    let client = "this is the certificate of a client, not of a host".to_owned();
    let as_signed: fn(&mut Certificate) = |_| ();
    let host = identity(Kind::Host, &ours.cluster());
    for (signer, identity, change, sentence) in [
        (&ours, host.clone(), change_signature as fn(&mut Certificate), forged),
        (&theirs, host, as_signed, other),
        (&ours, identity(Kind::Client, &ours.cluster()), as_signed, client),
    ] {
        cluster.in_network_of("redfish", || {
            let mut client = outsider::client(&ours, signer, &identity, DAEMON, change);
            let mut stream = dial(&cluster);
            let answer = outsider::ask(&mut client, &mut stream, "/v1/news", "{}");
            assert!(answer.is_err() || answer.is_ok_and(|answer| answer.is_empty()), "{identity:?} was answered");
        });
        let line = format!("connection closed: {sentence} from={}:", cluster.address("redfish"));
        until(&line, PATIENCE, || cluster.log("bluefish").contains(&line).then_some(()));
    }
    flow.goes_on();
    flow.ends_well();
}

#[test]
fn a_warrant_that_is_not_the_owners_word_for_this_job_starts_nothing() {
    let cluster = Cluster::up(2);
    let (ours, theirs) = (authority(&cluster), Authority::from_secret(SecretKey::generate()));
    let proof = cluster.shared().join("it-ran");
    let good = job(&["touch", &proof.to_string_lossy()]);
    let mut altered = good.clone();
    altered.argv[0] = "rm".into();
    let client = identity(Kind::Client, &ours.cluster());
    let cases: [(&str, &Authority, Identity, i64, &Job); 5] = [
        (
            "this warrant is not for this job, or the job was changed after it was signed",
            &ours,
            client.clone(),
            0,
            &altered,
        ),
        ("this certificate ended 10 min ago", &ours, client.clone(), -20 * 60, &good),
        ("this certificate begins in ", &ours, client.clone(), 20 * 60, &good),
        ("signed by another cluster", &theirs, client, 0, &good),
        ("this is the certificate of a host, not of a client", &ours, identity(Kind::Host, &ours.cluster()), 0, &good),
    ];
    for (sentence, signer, identity, offset_s, asked) in cases {
        let key = SecretKey::generate();
        let mut warrant = Warrant::one(&key, good.digest());
        let validity = Validity::client(now_unix() + offset_s);
        warrant.certificate = Some(signer.certify(&key.public_key(), &identity, validity));
        let refusal = reserve(&cluster, asked.clone(), warrant);
        assert!(refusal.starts_with("the job's warrant is refused: ") && refusal.contains(sentence), "{refusal}");
    }
    let key = SecretKey::generate();
    let refusal = reserve(&cluster, good.clone(), Warrant::one(&key, good.digest()));
    assert!(refusal.contains("this warrant has no certificate"), "{refusal}");
    assert!(!proof.exists(), "something ran");
    cluster.queue("redfish", &["-n", "-h", "bluefish", "--", "true"]).success();
}

#[test]
fn a_live_session_is_not_taken_over_without_its_key() {
    let cluster = Cluster::up(2);
    let script = "echo $QUEUE_JOB_ID; read line; echo got $line";
    let mut session = cluster.spawn("redfish", &["queue", "-n", "-h", "bluefish", "--", "sh", "-c", script]);
    session.until_it_says("\n");
    // Its address is no secret: the thief has seen it, and has a certificate of the same owner.
    let name = session_of(&cluster);
    cluster.in_network_of("redfish", || {
        let ours = authority(&cluster);
        let mut client = outsider::client(&ours, &ours, &identity(Kind::Client, &ours.cluster()), &name, |_| ());
        let mut stream = dial(&cluster);
        while client.is_handshaking() && client.complete_io(&mut stream).is_ok() {}
        let _ = std::io::Write::write_all(&mut client.writer(), &[0; 64]);
        let _ = client.complete_io(&mut stream);
        assert!(closes(stream), "the thief was let in");
    });
    session.send(b"word\n");
    let ended = session.end().success();
    assert!(ended.text().ends_with("got word"), "{}", ended.text());
}

#[test]
fn a_client_that_stops_reading_holds_up_nobody_else() {
    let cluster = Cluster::up(2);
    let mut stuck = cluster.spawn("redfish", &["queue", "-n", "-h", "bluefish", "--", "yes"]);
    until("it writes", PATIENCE, || (!stuck.stdout().is_empty()).then_some(()));
    for pid in cluster.pids("redfish", "client") {
        cluster.signal(pid, Signal::SIGSTOP);
    }
    let flow = Flow::start(&cluster, "redfish", "bluefish");
    for (home, host) in [("redfish", "bluefish"), ("bluefish", "redfish"), ("bluefish", "bluefish")] {
        assert_eq!(cluster.queue(home, &["-n", "-h", host, "--", "hostname"]).success().text(), host);
    }
    flow.goes_on();
    // What waits for it is bounded by the windows of its session.
    let runner = cluster.pids("bluefish", "runner")[0];
    let status = std::fs::read_to_string(format!("/proc/{runner}/status")).expect("it runs");
    let anonymous = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).expect("the kernel says it");
    let kib: u64 = anonymous.trim().trim_end_matches(" kB").parse().expect("a number");
    assert!(kib < 32 * 1024, "the runner holds {kib} KiB for somebody who does not read");
    flow.ends_well();
    for pid in cluster.pids("redfish", "client") {
        cluster.signal(pid, Signal::SIGKILL);
    }
    // What stands for it here has stopped with it.
    cluster.signal(stuck.id(), Signal::SIGCONT);
    until("its end is seen", PATIENCE, || (!stuck.runs()).then_some(()));
}

/// Asks bluefish for a reservation as a host of the cluster; the sentence of its refusal.
fn reserve(cluster: &Cluster, job: Job, warrant: Warrant) -> String {
    let request = ReservationRequest {
        job_id: 1,
        job,
        warrant,
        user: "mallory".into(),
        priority: 0,
        runner_up_rank: None,
        without_slot: false,
        remember: false,
        attempt: None,
    };
    let body = serde_json::to_string(&request).expect("plain data");
    let answer = cluster.in_network_of("redfish", || {
        outsider::ask(&mut outsider::host(cluster, DAEMON), &mut dial(cluster), "/v1/reservations", &body)
    });
    match serde_json::from_str(&answer.expect("an answer")).expect("as documented") {
        ReservationAnswer::Refused { refusal, .. } => refusal.message,
        ReservationAnswer::Reserved { .. } => panic!("it was accepted"),
    }
}

fn job(argv: &[&str]) -> Job {
    Job {
        argv: argv.iter().map(|word| (*word).into()).collect(),
        environment: vec!["PATH=/usr/bin:/bin".into()],
        directory: "/".into(),
        umask: 0o022,
        nice: 0,
        limits: Vec::new(),
        ignored_signals: Vec::new(),
        descriptors: [Descriptor::Pipe; 3],
        queue: "now".into(),
        hosts: Vec::new(),
        home: "stranger".into(),
        submit_key: "key".into(),
        tee: None,
        spill: None,
        needs: None,
        time: None,
        memory: None,
        batch: None,
    }
}

/// The address of the one session on bluefish, as its leader's socket shows it to everybody there.
fn session_of(cluster: &Cluster) -> String {
    let sockets = cluster.exec("bluefish", &["cat", "/proc/net/unix"]).success().text();
    let name = sockets.lines().find_map(|line| line.split('/').find(|part| part.ends_with(".queue")));
    let name = name.unwrap_or_else(|| panic!("no leader among\n{sockets}")).to_owned();
    assert!(name.len() >= session_name(&[0; 16], 0).len(), "{name}");
    name
}

/// Its last byte is the last of the signature.
fn change_signature(certificate: &mut Certificate) {
    *certificate.0.last_mut().expect("it is not empty") ^= 1;
}

fn now_unix() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs() as i64
}
