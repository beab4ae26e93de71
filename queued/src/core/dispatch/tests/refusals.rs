//! Which host is next, and what is said when none is left.

use super::*;

#[test]
fn the_best_host_is_asked_with_the_rank_of_the_second() {
    let mut home = Home::knowing(&[news("redfish", 4, 5.0), news("bluefish", 8, 0.12), news("onefish", 4, 4.0)]);
    home.submit(1);
    assert_eq!(home.asks(1), ("bluefish".into(), Some(1.25)));
    home.reserve(1, "bluefish", 1.0);
    assert_eq!(home.places(1), ("bluefish".into(), "0.12 of 8 CPUs busy; onefish was 4.00".into()));
}

#[test]
fn the_reason_tells_what_the_host_said_itself() {
    let mut home = Home::knowing(&[news("redfish", 4, 0.0)]);
    home.submit(1);
    assert_eq!(home.asks(1), ("redfish".into(), None));
    home.reserve(1, "redfish", 2.5);
    assert_eq!(home.places(1), ("redfish".into(), "9.00 of 4 CPUs busy".into()));
}

#[test]
fn after_three_refusals_as_worse_the_best_by_the_answers_is_asked_without_comparison() {
    let hosts = ["redfish", "bluefish", "onefish", "twofish"].map(|host| news(host, 4, 0.0));
    let mut home = Home::knowing(&hosts);
    home.submit(1);
    let mut asked = Vec::new();
    for rank in [3.0, 2.0, 4.0] {
        let (host, runner_up_rank) = home.asks(1);
        assert_eq!(runner_up_rank, Some(1.0));
        home.refuse(1, &host, RefusalKind::Worse, rank);
        asked.push(host);
    }
    assert_eq!(home.asks(1), (asked[1].clone(), None));
    home.reserve(1, &asked[1], 2.0);
    assert_eq!(home.places(1).0, asked[1]);
    asked.dedup();
    assert_eq!(asked.len(), 3, "three different hosts");
}

#[test]
fn with_two_hosts_the_better_answer_wins_after_both_refused() {
    let mut home = Home::knowing(&[news("redfish", 4, 0.0), news("bluefish", 4, 0.0)]);
    home.submit(1);
    let (first, _) = home.asks(1);
    home.refuse(1, &first, RefusalKind::Worse, 1.5);
    let (second, runner_up_rank) = home.asks(1);
    assert_ne!(first, second);
    assert_eq!(runner_up_rank, Some(1.5), "compared with what the first said itself");
    home.refuse(1, &second, RefusalKind::Worse, 1.75);
    assert_eq!(home.asks(1), (first.clone(), None));
    home.reserve(1, &first, 1.5);
    home.places(1);
}

#[test]
fn a_host_that_is_worse_than_nothing_is_not_asked_for_ever() {
    let mut home = Home::knowing(&[news("redfish", 4, 0.0)]);
    home.submit(1);
    assert_eq!(home.asks(1).1, None);
    home.refuse(1, "redfish", RefusalKind::Worse, 1.0);
    assert_eq!(home.refuses(1), (RefusalKind::Failed, "redfish: 4.00 of 4 CPUs busy".into()));
}

#[test]
fn after_a_refusal_as_worse_the_freshest_word_counts() {
    let hosts = ["onefish", "twofish", "redfish", "bluefish"].map(|host| news(host, 4, 3.0));
    let mut home = Home::knowing(&hosts);
    home.submit(1);
    let (ended_on, _) = home.asks(1);
    home.reserve(1, &ended_on, 1.0);
    home.places(1);
    home.now = home.now + Duration::from_secs(60);
    home.feed(Event::Ended { id: JobId(1), host: ended_on.as_str().into(), rank: Some(own_rank(1.0)) });
    for id in 2..20 {
        home.submit(id);
        let (first, _) = home.asks(id);
        home.refuse(id, &first, RefusalKind::Worse, 1.25);
        if first != ended_on {
            assert_eq!(home.asks(id).0, ended_on);
            home.feed(Event::Cancelled { id: JobId(id) });
            return;
        }
        home.asks(id);
        home.feed(Event::Cancelled { id: JobId(id) });
    }
    panic!("another host is asked first sooner or later");
}

#[test]
fn a_command_that_no_host_has_is_refused_with_all_of_them() {
    let mut home = Home::knowing(&["redfish", "bluefish", "onefish"].map(|host| news(host, 4, 0.0)));
    home.submit(1);
    for _ in 0..3 {
        let (host, _) = home.asks(1);
        home.refuse(1, &host, RefusalKind::NotFound, 1.0);
    }
    let words = "no host can run \"matlab\": not found on bluefish, onefish, redfish";
    assert_eq!(home.refuses(1), (RefusalKind::NotFound, words.into()));
    assert_eq!(RefusalKind::NotFound.exit_code(), 127);
}

#[test]
fn a_command_that_one_host_could_not_execute_is_126() {
    let mut home = Home::knowing(&["redfish", "bluefish", "onefish"].map(|host| news(host, 4, 0.0)));
    home.submit(1);
    let mut refuser = Vec::new();
    for kind in [RefusalKind::NoDirectory, RefusalKind::NotFound, RefusalKind::NotExecutable] {
        let (host, _) = home.asks(1);
        home.refuse(1, &host, kind, 1.0);
        refuser.push(host);
    }
    let (kind, message) = home.refuses(1);
    assert_eq!(kind, RefusalKind::NotExecutable);
    for words in [
        format!("no directory /scratch/run on {}", refuser[0]),
        format!("not found on {}", refuser[1]),
        format!("not executable on {}", refuser[2]),
    ] {
        assert!(message.contains(&words), "{message}");
    }
}

#[test]
fn a_host_that_has_the_command_is_found_after_those_that_have_not() {
    let mut home = Home::knowing(&["redfish", "bluefish"].map(|host| news(host, 4, 0.0)));
    home.submit(1);
    let (without, _) = home.asks(1);
    home.refuse(1, &without, RefusalKind::NotFound, 1.0);
    let (with, runner_up_rank) = home.asks(1);
    assert_ne!(with, without);
    assert_eq!(runner_up_rank, None, "a host that cannot run it is no runner-up");
    home.reserve(1, &with, 1.0);
    home.places(1);
}

#[test]
fn a_named_host_answers_in_its_own_words() {
    let mut home = Home::knowing(&[news("redfish", 4, 0.0), news("bluefish.lab", 4, 0.0)]);
    home.feed(Event::Submitted(Submission { choice: HostChoice::Only("BlueFish".into()), ..submission(1) }));
    assert_eq!(home.asks(1), ("bluefish.lab".into(), None));
    home.refuse(1, "bluefish.lab", RefusalKind::NoDirectory, 1.0);
    assert_eq!(home.refuses(1), (RefusalKind::NoDirectory, "bluefish.lab: no directory /scratch/run".into()));
}

#[test]
fn an_unknown_host_is_refused_with_the_known_ones() {
    let mut home = Home::knowing(&["twofish", "redfish", "bluefish", "onefish"].map(|host| news(host, 4, 0.0)));
    for choice in [HostChoice::Only("gold".into()), HostChoice::Rather("gold".into())] {
        home.feed(Event::Submitted(Submission { choice, ..submission(1) }));
        let words = "no host named \"gold\"; known: bluefish onefish redfish twofish";
        assert_eq!(home.refuses(1), (RefusalKind::Usage, words.into()));
    }
}

#[test]
fn a_named_host_that_is_silent_is_refused_with_since_when() {
    let words = "is silent since 14:02 (no answer on 10.0.0.9:7117: connection refused)";
    let mut home = Home::knowing(&[news("redfish", 4, 0.0), unavailable("twofish", words)]);
    home.feed(Event::Submitted(Submission { choice: HostChoice::Only("twofish".into()), ..submission(1) }));
    assert_eq!(home.refuses(1), (RefusalKind::Failed, format!("twofish {words}")));
    home.feed(Event::Submitted(Submission { choice: HostChoice::Rather("twofish".into()), ..submission(2) }));
    assert_eq!(home.asks(2).0, "redfish");
    home.feed(Event::Cancelled { id: JobId(2) });
}

#[test]
fn the_rather_host_is_asked_first_although_it_is_worse() {
    let mut home = Home::knowing(&[news("redfish", 4, 0.0), news("bluefish", 4, 9.0)]);
    home.feed(Event::Submitted(Submission { choice: HostChoice::Rather("bluefish".into()), ..submission(1) }));
    assert_eq!(home.asks(1), ("bluefish".into(), None));
    home.refuse(1, "bluefish", RefusalKind::NotFound, 2.5);
    assert_eq!(home.asks(1), ("redfish".into(), None));
    home.reserve(1, "redfish", 1.0);
    home.places(1);
}

#[test]
fn only_allowed_hosts_are_asked_and_never_those_the_client_gave_up() {
    let mut home = Home::knowing(&["redfish", "bluefish", "onefish"].map(|host| news(host, 4, 0.0)));
    let allowed = vec!["bluefish".into(), "onefish".into()];
    let excluded = vec!["onefish".into()];
    home.feed(Event::Submitted(Submission { allowed, excluded, ..submission(1) }));
    assert_eq!(home.asks(1), ("bluefish".into(), None));
    home.refuse(1, "bluefish", RefusalKind::Failed, 1.0);
    let words = "no host takes this: no user \"alice\" on bluefish; no answer from onefish";
    assert_eq!(home.refuses(1), (RefusalKind::Failed, words.into()));
}

#[test]
fn silence_for_300_ms_leads_to_the_next_host_and_the_late_reservation_is_given_back() {
    let mut home = Home::knowing(&["redfish", "bluefish"].map(|host| news(host, 4, 0.0)));
    home.submit(1);
    let (silent, _) = home.asks(1);
    assert_eq!(home.dispatcher.next_deadline(), Some(home.now + ANSWER));
    home.wait(ANSWER);
    let (next, _) = home.asks(1);
    assert_ne!(next, silent);
    home.reserve(1, &next, 1.0);
    assert_eq!(home.places(1).0, next);
    home.reserve(1, &silent, 1.0);
    assert_eq!(home.releases(1), silent);
    home.reserve(1, &next, 1.0);
}

#[test]
fn a_late_reservation_is_taken_while_the_job_has_no_other() {
    let mut home = Home::knowing(&["redfish", "bluefish"].map(|host| news(host, 4, 0.0)));
    home.submit(1);
    let (late, _) = home.asks(1);
    home.wait(ANSWER);
    let (next, _) = home.asks(1);
    home.reserve(1, &late, 1.0);
    assert_eq!(home.places(1).0, late);
    home.reserve(1, &next, 1.0);
    assert_eq!(home.releases(1), next);
}

/// On a single busy machine the first start can take longer than 300 ms: there is no next host
/// then, and giving up would be wrong.
#[test]
fn without_another_host_a_late_answer_is_waited_for() {
    let mut home = Home::knowing(&[news("redfish", 4, 0.0)]);
    home.submit(1);
    home.asks(1);
    home.wait(ANSWER);
    home.wait(Duration::from_secs(2));
    home.reserve(1, "redfish", 1.0);
    home.places(1);

    home.submit(2);
    home.asks(2);
    home.wait(ANSWER);
    assert_eq!(home.dispatcher.next_deadline(), Some(home.now + RESERVATION));
    home.wait(RESERVATION);
    assert_eq!(home.refuses(2), (RefusalKind::Failed, "redfish does not answer; last heard 7 s ago".into()));
}

#[test]
fn a_late_refusal_counts_as_well() {
    let mut home = Home::knowing(&[news("redfish", 4, 0.0)]);
    home.submit(1);
    home.asks(1);
    home.wait(ANSWER);
    home.refuse(1, "redfish", RefusalKind::NotFound, 1.0);
    assert_eq!(home.refuses(1), (RefusalKind::NotFound, "redfish: \"matlab\" is not found".into()));
}

#[test]
fn a_host_that_was_silent_is_the_last_to_be_asked_until_it_is_heard() {
    let mut home = Home::knowing(&["redfish", "bluefish"].map(|host| news(host, 4, 0.0)));
    home.submit(1);
    let (silent, _) = home.asks(1);
    home.wait(ANSWER);
    let (other, _) = home.asks(1);
    home.reserve(1, &other, 1.0);
    home.places(1);
    for id in 2..10 {
        home.submit(id);
        assert_eq!(home.asks(id), (other.clone(), None));
        home.reserve(id, &other, 1.0);
        home.places(id);
    }
    let heard = home.now;
    home.feed(Event::HostsChanged { changed: vec![HostNews { heard, ..news(&silent, 4, 0.0) }], gone: Vec::new() });
    home.submit(10);
    assert_eq!(home.asks(10).0, silent);
    home.feed(Event::Cancelled { id: JobId(10) });
}

#[test]
fn a_connection_that_breaks_leads_to_the_next_host_at_once() {
    let mut home = Home::knowing(&[news("redfish", 4, 0.0)]);
    home.submit(1);
    home.asks(1);
    home.feed(Event::Silent { id: JobId(1), host: "redfish".into() });
    assert_eq!(home.refuses(1), (RefusalKind::Failed, "redfish does not answer; last heard 0 s ago".into()));
}

#[test]
fn a_batch_job_is_never_tried_elsewhere_because_of_silence() {
    let mut home = Home::knowing(&["redfish", "bluefish"].map(|host| news(host, 4, 0.0)));
    home.feed(Event::Submitted(Submission { work: Work::Batch, ..submission(1) }));
    let (host, _) = home.asks(1);
    home.wait(Duration::from_secs(3600));
    home.feed(Event::Silent { id: JobId(1), host: host.as_str().into() });
    home.refuse(1, &host, RefusalKind::NotFound, 1.0);
    let (other, _) = home.asks(1);
    home.reserve(1, &other, 1.0);
    home.places(1);
}

#[test]
fn a_cancelled_job_gives_back_what_comes_for_it() {
    let mut home = Home::knowing(&[news("redfish", 4, 0.0)]);
    home.submit(1);
    home.asks(1);
    home.feed(Event::Cancelled { id: JobId(1) });
    home.reserve(1, "redfish", 1.0);
    assert_eq!(home.releases(1), "redfish");
    home.refuse(1, "redfish", RefusalKind::NotFound, 1.0);
}

#[test]
fn a_wrong_request_is_refused_at_once() {
    let mut home = Home::knowing(&["redfish", "bluefish"].map(|host| news(host, 4, 0.0)));
    home.submit(1);
    let (host, _) = home.asks(1);
    home.refuse(1, &host, RefusalKind::Usage, 1.0);
    assert_eq!(home.refuses(1), (RefusalKind::Usage, "the warrant is not valid".into()));
}

#[test]
fn without_any_host_there_is_an_answer() {
    let mut home = Home::knowing(&[]);
    home.submit(1);
    assert_eq!(home.refuses(1), (RefusalKind::Failed, "no host has a queue \"now\"".into()));
}

/// In a burst the records that show half of it come while its other half is placed. A start that
/// such a record shows must not count beside it: the host would look twice as busy as it is.
#[test]
fn a_record_shows_a_start_exactly_if_it_was_published_after_it() {
    for (sequence, runnable, busy) in [(1, 0.0, "1.00"), (2, 1.0, "1.00"), (2, 3.0, "3.00")] {
        let mut home = Home::knowing(&[news("bluefish", 4, 0.0)]);
        home.submit(1);
        home.asks(1);
        home.reserve(1, "bluefish", 1.0);
        home.places(1);
        home.now = home.now + Duration::from_millis(500);
        let (heard, edition) = (home.now, edition(sequence));
        let record = HostNews { heard, edition, ..news("bluefish", 4, runnable) };
        home.feed(Event::HostsChanged { changed: vec![record], gone: Vec::new() });
        home.submit(2);
        home.asks(2);
        home.reserve(2, "bluefish", 1.0);
        assert_eq!(home.places(2).1, format!("{busy} of 4 CPUs busy"), "record {sequence}");
    }
}

#[test]
fn own_figures_are_not_taken_while_a_question_may_be_in_them() {
    let mut home = Home::knowing(&[news("redfish", 4, 0.0)]);
    home.submit(1);
    home.asks(1);
    let heard = home.now;
    home.feed(Event::HostsChanged { changed: vec![HostNews { heard, ..news("redfish", 4, 1.0) }], gone: Vec::new() });
    home.submit(2);
    home.asks(2);
    home.reserve(1, "redfish", 1.0);
    home.places(1);
    home.reserve(2, "redfish", 1.0);
    assert_eq!(home.places(2).1, "1.00 of 4 CPUs busy");
}

#[test]
fn a_host_that_left_the_cluster_is_not_asked() {
    let mut home = Home::knowing(&["redfish", "bluefish"].map(|host| news(host, 4, 0.0)));
    home.feed(Event::HostsChanged { changed: Vec::new(), gone: vec!["bluefish".into()] });
    home.submit(1);
    assert_eq!(home.asks(1), ("redfish".into(), None));
    home.feed(Event::Cancelled { id: JobId(1) });
    home.feed(Event::Submitted(Submission { choice: HostChoice::Only("bluefish".into()), ..submission(2) }));
    assert_eq!(home.refuses(2).1, "no host named \"bluefish\"; known: redfish");
    home.feed(Event::HostsChanged { changed: vec![news("onefish", 4, 0.0)], gone: Vec::new() });
    home.feed(Event::Submitted(Submission { choice: HostChoice::Only("onefish".into()), ..submission(3) }));
    assert_eq!(home.asks(3), ("onefish".into(), None), "it has the number of the one that left");
    home.feed(Event::Cancelled { id: JobId(3) });
}
