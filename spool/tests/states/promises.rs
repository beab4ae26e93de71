//! The promises of a job's life, each as a short story.

use spool::home::{Death, Event, Loss, NotAllowed, Record, Report, Stage, Starts, State, Step, WaitingFor};
use spool::hosted;
use wire::session::{End, Outcome};

use crate::samples::{attempt, end, id, lost, no_host_can, own_spool, placed, says, says_other_spool};

#[test]
fn a_job_runs_and_its_output_comes_home_before_it_is_finished() {
    let mut job = job(Starts::Once);
    job.hears(placed(1));
    job.hears(says(1, Report::Accepted));
    job.hears(says(1, Report::Started));
    job.hears(says(1, Report::Ended(end(7))));
    assert_eq!(job.waits_for(), [WaitingFor::Delivery]);
    assert!(!job.0.is_settled(attempt(1)), "the host still keeps the output");
    job.hears(Event::Delivered { attempt: attempt(1) });
    assert_eq!(job.finished_with(), Some(7));
    assert!(job.0.is_settled(attempt(1)));
}

#[test]
fn silence_changes_only_what_is_shown() {
    let mut job = job(Starts::Once);
    job.hears(placed(1));
    job.hears(Event::HostSilent { attempt: attempt(1), since_unix: 1_000 });
    // The second notice does not make the silence younger.
    job.ignores(Event::HostSilent { attempt: attempt(1), since_unix: 2_000 });
    job.hears(Event::CancelAsked);
    let silent = WaitingFor::Host { host: "redfish", since_unix: 1_000 };
    assert_eq!(job.waits_for(), [silent, WaitingFor::Cancel]);
    job.hears(Event::HostHeard { attempt: attempt(1) });
    assert_eq!(job.waits_for(), [WaitingFor::Cancel]);
}

#[test]
fn a_late_true_end_wins_over_a_lost_host() {
    let mut job = job(Starts::Once);
    job.hears(placed(1));
    job.hears(Event::GivenUp);
    assert_eq!(job.word(), "dead");
    job.hears(says(1, Report::Ended(end(0))));
    job.hears(Event::Delivered { attempt: attempt(1) });
    assert_eq!(job.finished_with(), Some(0));
}

#[test]
fn a_late_true_end_counts_if_the_next_attempt_is_refused() {
    let mut job = given_up_and_placed_again();
    job.defers(says(1, Report::Ended(end(0))));
    job.hears(says(2, Report::Accepted));
    job.defers(says(1, Report::Ended(end(0))));
    job.hears(says(2, Report::Refused));
    job.hears(says(1, Report::Ended(end(0))));
    job.hears(Event::Delivered { attempt: attempt(1) });
    assert_eq!(job.finished_with(), Some(0));
}

#[test]
fn a_late_true_end_counts_no_more_when_the_next_attempt_has_been_started() {
    let mut job = given_up_and_placed_again();
    job.hears(says(2, Report::Started));
    job.ignores(says(1, Report::Ended(end(0))));
    assert!(job.0.is_settled(attempt(1)), "its host may forget it");
    job.hears(says(2, Report::Ended(end(5))));
    job.hears(Event::Delivered { attempt: attempt(2) });
    assert_eq!(job.finished_with(), Some(5));
}

#[test]
fn a_job_that_was_given_up_and_runs_all_the_same_reads_running() {
    let mut job = job(Starts::Once);
    job.hears(placed(1));
    job.hears(Event::GivenUp);
    job.hears(says(1, Report::Started));
    assert_eq!(job.word(), "running");
}

#[test]
fn cancelled_is_said_only_when_the_process_is_gone() {
    for report in [Report::Gone, Report::Refused] {
        let mut job = job(Starts::Once);
        job.hears(placed(1));
        job.hears(Event::CancelAsked);
        assert_eq!(job.word(), "running");
        job.hears(says(1, report));
        assert_eq!(job.word(), "cancelled");
    }
}

#[test]
fn a_cancel_between_resubmit_and_start_does_not_hide_a_process_that_may_still_run() {
    let mut job = job(Starts::Once);
    job.hears(placed(1));
    job.hears(Event::GivenUp);
    job.hears(Event::Resubmitted);
    job.hears(Event::CancelAsked);
    assert_eq!(job.0.state(), &State::Dead(Death::LostHost(lost(1, Loss::GivenUp))));
}

#[test]
fn a_process_that_ended_before_the_cancel_reached_it_has_finished() {
    let mut job = job(Starts::Once);
    job.hears(placed(1));
    job.hears(Event::CancelAsked);
    job.hears(says(1, Report::Ended(end(0))));
    assert_eq!(job.refuses(Event::CancelAsked), "job 17 has ended already; its output is on its way from redfish",);
    job.hears(Event::Delivered { attempt: attempt(1) });
    assert_eq!(job.finished_with(), Some(0));
}

#[test]
fn a_restartable_job_starts_again_when_its_attempt_is_known_to_be_gone() {
    for event in [says(1, Report::Gone), Event::LeaseExpired { attempt: attempt(1) }] {
        let mut job = job(Starts::UntilEnd);
        job.hears(placed(1));
        job.hears(Event::LeaseAsked { attempt: attempt(1) });
        job.ignores(Event::LeaseAsked { attempt: attempt(1) });
        job.ignores(says_other_spool(1));
        job.hears(event);
        assert_eq!(job.word(), "pending");
        assert_eq!(
            job.refuses(Event::LeaseAsked { attempt: attempt(1) }),
            "job 17 does not wait for attempt 1 any more; its lease is not renewed",
        );
        job.hears(placed(2));
    }
}

#[test]
fn a_lease_is_not_renewed_for_a_job_that_is_to_be_cancelled() {
    let mut job = job(Starts::UntilEnd);
    job.hears(placed(1));
    job.hears(Event::CancelAsked);
    assert_eq!(
        job.refuses(Event::LeaseAsked { attempt: attempt(1) }),
        "job 17 is to be cancelled; the lease of attempt 1 is not renewed",
    );
    job.hears(Event::LeaseExpired { attempt: attempt(1) });
    assert_eq!(job.word(), "cancelled");
}

/// Attempt 1 ran until its lease was over, 2 was accepted; a refusal of 2 that came after its
/// lease was over too made home forget that 1 had been started.
#[test]
fn a_job_that_was_once_started_is_not_called_never_started() {
    let mut job = job(Starts::UntilEnd);
    job.hears(placed(1));
    job.hears(says(1, Report::Started));
    job.hears(Event::LeaseExpired { attempt: attempt(1) });
    job.hears(placed(2));
    job.hears(says(2, Report::Accepted));
    job.hears(Event::LeaseExpired { attempt: attempt(2) });
    job.ignores(says(2, Report::Refused));
    job.hears(no_host_can());
    assert_eq!(job.0.state(), &State::Dead(Death::LostHost(lost(2, Loss::LeaseOver))));
}

#[test]
fn a_restartable_attempt_that_never_asked_for_its_lease_has_not_been_started() {
    let mut job = job(Starts::UntilEnd);
    job.hears(placed(1));
    job.hears(Event::LeaseExpired { attempt: attempt(1) });
    assert_eq!(job.0.state(), &State::Pending { lost: None });
    job.refuses(Event::LeaseAsked { attempt: attempt(1) });
}

/// Given up, resubmitted, given up again: when the second attempt turned out to be refused,
/// the first was forgotten, and a cancel read `cancelled` while it ran.
#[test]
fn of_two_lost_attempts_the_older_is_not_forgotten() {
    let mut job = given_up_and_placed_again();
    job.hears(Event::GivenUp);
    job.hears(Event::Resubmitted);
    job.defers(says(1, Report::Ended(end(0))));
    assert!(!job.0.is_settled(attempt(1)));
    job.hears(says(2, Report::Refused));
    job.hears(Event::CancelAsked);
    assert_eq!(job.0.state(), &State::Dead(Death::LostHost(lost(1, Loss::GivenUp))));
    job.hears(says(1, Report::Ended(end(0))));
    job.hears(Event::Delivered { attempt: attempt(1) });
    assert_eq!(job.finished_with(), Some(0));
}

#[test]
fn a_job_is_not_resubmitted_without_end_while_nothing_is_known_of_it() {
    let mut job = job(Starts::Once);
    for number in 1..=8 {
        job.hears(placed(number));
        job.hears(Event::GivenUp);
        if number < 8 {
            job.hears(Event::Resubmitted);
        }
    }
    assert_eq!(
        job.refuses(Event::Resubmitted),
        "job 17 was lost 8 times and nothing is known of any of them; submit it as a new job",
    );
    job.hears(says(1, Report::Refused));
    job.hears(Event::Resubmitted);
}

#[test]
fn attempts_are_not_used_again_after_a_resubmit() {
    let mut job = job(Starts::Once);
    job.hears(placed(1));
    job.hears(says(1, Report::Refused));
    assert_eq!(job.refuses(placed(1)), "job 17 cannot place attempt 1: it is not the next one",);
    job.hears(Event::CancelAsked);
    job.hears(Event::Resubmitted);
    assert_eq!(job.0.next_attempt(), Some(attempt(2)));
    job.hears(placed(2));
    assert_eq!(job.0.last(), Some(attempt(2)));
}

#[test]
fn a_refusal_says_in_words_what_is_in_the_way() {
    let mut job = job(Starts::Once);
    job.hears(Event::Held);
    assert_eq!(job.refuses(placed(1)), "job 17 is held; only a release lets it start");
    assert_eq!(job.refuses(Event::GivenUp), "job 17 is held and no host has it; cancel it instead",);
    job.hears(Event::Released);
    job.hears(placed(1));
    assert_eq!(job.refuses(Event::Held), "job 17 is running (attempt 1 on redfish); that must be settled first",);
    assert_eq!(job.refuses(Event::Resubmitted), "job 17 is running; only a job that has ended can be resubmitted",);
    job.hears(says(1, Report::Ended(end(0))));
    job.hears(Event::Delivered { attempt: attempt(1) });
    assert_eq!(job.refuses(Event::Released), "job 17 is finished; only a resubmit starts it again",);
}

#[test]
fn never_seen_is_a_refusal_for_ever() {
    let mut hosted = hosted::Record::unseen("onefish".into(), id(), attempt(1), own_spool());
    assert_eq!(hosted.report(), None, "an unseen attempt is not spoken of");
    for event in [hosted::Event::Asked { spool: own_spool() }, hosted::Event::StartAsked { spool: own_spool() }] {
        if let hosted::Step::To(record) = hosted.step(&event).expect("home may say this") {
            hosted = record;
        }
        assert_eq!(hosted.report(), Some(Report::Refused));
    }
    let error = hosted.step(&hosted::Event::Started).expect_err("it was refused");
    assert_eq!(error.to_string(), "attempt 1 of job 17@onefish was refused, which is for ever");
}

#[test]
fn a_start_message_after_the_end_starts_nothing() {
    let ended = hosted::State::Ended(hosted::Ending::Itself(end(0)));
    for state in [ended, hosted::State::Acknowledged] {
        let hosted = hosted::Record::stored("onefish".into(), id(), attempt(1), own_spool(), state);
        let again = hosted::Event::StartAsked { spool: own_spool() };
        assert_eq!(hosted.step(&again), Ok(hosted::Step::Nothing));
    }
}

/// A job whose stories are told event by event.
struct Job(Record);

impl Job {
    fn hears(&mut self, event: Event) {
        match self.0.step(&event) {
            Ok(Step::To(record)) => self.0 = record,
            other => panic!("{event:?} does {other:?} to {:?}", self.0),
        }
    }

    fn ignores(&self, event: Event) {
        assert_eq!(self.0.step(&event), Ok(Step::Nothing), "{event:?}");
    }

    fn defers(&self, event: Event) {
        assert_eq!(self.0.step(&event), Ok(Step::Later), "{event:?}");
    }

    fn refuses(&self, event: Event) -> String {
        let refused: Result<Step, NotAllowed> = self.0.step(&event);
        refused.expect_err("it is not allowed").to_string()
    }

    fn word(&self) -> &'static str {
        self.0.state().word()
    }

    fn waits_for(&self) -> Vec<WaitingFor<'_>> {
        match self.0.state() {
            State::Running(run) => run.waiting_for(),
            other => panic!("it does not run: {other:?}"),
        }
    }

    fn finished_with(&self) -> Option<u8> {
        match self.0.state() {
            State::Finished { end: End { outcome: Outcome::Exited(code), .. }, .. } => Some(*code),
            _ => None,
        }
    }
}

fn job(starts: Starts) -> Job {
    Job(Record::pending(id(), starts))
}

fn given_up_and_placed_again() -> Job {
    let mut job = job(Starts::Once);
    job.hears(placed(1));
    job.hears(Event::GivenUp);
    job.hears(Event::Resubmitted);
    job.hears(placed(2));
    assert!(matches!(job.0.state(), State::Running(run) if matches!(run.stage, Stage::Placed { .. })));
    job
}
