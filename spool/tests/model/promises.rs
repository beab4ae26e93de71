//! The promises, as what must be true of the model at any moment and in the end.

use spool::Attempt;
use spool::home::{Contact, Death, Loss, Lost, NeverStarted, Output, Stage, Starts, State};
use spool::hosted::{self, Ending};
use wire::session::End;

use crate::world::{Fate, Process, World};

/// After every action.
pub fn check(world: &World) {
    starts_are_counted(world);
    refusals_are_for_ever(world);
    the_state_is_true(world);
}

/// An attempt is started once. A job that is not restartable is started at most once per
/// submission or resubmit; a restartable one never runs twice at the same time.
fn starts_are_counted(world: &World) {
    let processes = &world.truth.processes;
    for (index, process) in processes.iter().enumerate() {
        let again = processes[index + 1..].iter().any(|other| other.attempt == process.attempt);
        assert!(!again, "attempt {} was started twice", process.attempt);
        assert!(world.home.record.last() >= Some(process.attempt), "not placed, but started");
    }
    match world.starts {
        Starts::Once => {
            for submission in 1..=world.truth.submission {
                let started = of_submission(world, submission).count();
                assert!(started <= 1, "submission {submission} was started {started} times");
            }
        }
        Starts::UntilEnd => assert!(world.alive().count() <= 1, "it runs twice at once"),
    }
}

fn refusals_are_for_ever(world: &World) {
    for attempt in &world.truth.refused {
        let started = world.truth.processes.iter().any(|process| process.attempt == *attempt);
        assert!(!started, "attempt {attempt} was refused and started");
    }
}

fn the_state_is_true(world: &World) {
    let submission = world.truth.submission;
    let mut of_this = of_submission(world, submission);
    match world.home.record.state() {
        State::Held { lost } | State::Pending { lost } => match world.starts {
            Starts::Once => assert_eq!(of_this.count(), 0, "it waits, and was started"),
            Starts::UntilEnd => {
                let certain = lost.as_ref().is_none_or(|lost| lost.loss.is_process_gone());
                assert!(certain, "a restartable job waits, and the last attempt is in doubt");
                assert_eq!(world.alive().count(), 0, "it waits, and runs");
                assert!(lost.is_some() || of_this.next().is_none(), "it was started, and home forgot it");
            }
        },
        State::Running(run) => {
            if let Stage::Delivering(end) = &run.stage {
                ended_truly(world, run.place.attempt, end);
            }
            if let Stage::Started { .. } = &run.stage {
                let process = process(world, run.place.attempt);
                assert!(process.is_some(), "it reads started, and is not");
            }
        }
        State::Finished { end, place, output } => {
            ended_truly(world, place.attempt, end);
            let delivered = world.truth.delivered.contains(&place.attempt);
            assert!(delivered || *output == Output::Lost, "its output is not at home");
        }
        State::Dead(Death::LostHost(lost)) => {
            let process = process(world, lost.place.attempt);
            let fate = process.map(|process| process.fate.clone());
            match lost.loss {
                Loss::Gone => {
                    assert!(matches!(fate, None | Some(Fate::Killed | Fate::Ended(_))));
                    assert!(!end_is_known(world, lost.place.attempt), "the end is there");
                }
                Loss::LeaseOver => assert!(fate != Some(Fate::Alive), "it is dead, and runs"),
                Loss::GivenUp | Loss::OtherSpool => {}
            }
        }
        State::Dead(Death::NeverStarted(_)) => {
            assert_eq!(of_this.count(), 0, "it was never started, and was");
        }
        State::Cancelled => {
            assert!(of_this.all(|process| process.fate != Fate::Alive), "it is cancelled, and runs");
            let runs = newest_accepted(world).and_then(|newest| process(world, newest));
            assert!(
                runs.is_none_or(|process| process.fate != Fate::Alive),
                "it is cancelled, and what was lost before the resubmit runs",
            );
        }
    }
}

/// Everything that [`landmarks`] can see.
pub const ALL_LANDMARKS: [&str; 22] = [
    "held",
    "held after a loss",
    "pending",
    "pending after a loss",
    "placed",
    "placed after a loss",
    "accepted",
    "accepted after a loss",
    "started",
    "delivering",
    "finished",
    "finished, output lost",
    "dead",
    "never started: no host can",
    "never started: awaited in vain",
    "never started: given up",
    "lost: gone",
    "lost: lease over",
    "lost: given up",
    "lost: other spool",
    "cancelled",
    "host silent",
];

/// What is remarkable about the model as it is.
pub fn landmarks(world: &World) -> Vec<&'static str> {
    let loss = |lost: &Lost| match lost.loss {
        Loss::Gone => "lost: gone",
        Loss::LeaseOver => "lost: lease over",
        Loss::GivenUp => "lost: given up",
        Loss::OtherSpool => "lost: other spool",
    };
    let after = |lost: &Option<Lost>, plain, after| match lost {
        None => vec![plain],
        Some(lost) => vec![after, loss(lost)],
    };
    match world.home.record.state() {
        State::Held { lost } => after(lost, "held", "held after a loss"),
        State::Pending { lost } => after(lost, "pending", "pending after a loss"),
        State::Running(run) if run.contact != Contact::Heard => vec!["host silent"],
        State::Running(run) => match &run.stage {
            Stage::Placed { earlier, .. } => after(earlier, "placed", "placed after a loss"),
            Stage::Accepted { earlier, .. } => after(earlier, "accepted", "accepted after a loss"),
            Stage::Started { .. } => vec!["started"],
            Stage::Delivering(_) => vec!["delivering"],
        },
        State::Finished { output: Output::Safe, .. } => vec!["finished"],
        State::Finished { output: Output::Lost, .. } => vec!["finished, output lost"],
        State::Dead(Death::LostHost(lost)) => vec!["dead", loss(lost)],
        State::Dead(Death::NeverStarted(NeverStarted::NoHostCan(_))) => {
            vec!["never started: no host can"]
        }
        State::Dead(Death::NeverStarted(NeverStarted::AwaitedInVain(_))) => vec!["never started: awaited in vain"],
        State::Dead(Death::NeverStarted(NeverStarted::GivenUp)) => vec!["never started: given up"],
        State::Cancelled => vec!["cancelled"],
    }
}

/// When the weather has cleared.
pub fn check_outcome(world: &World) {
    check(world);
    let record = &world.home.record;
    match record.state() {
        State::Finished { .. } | State::Dead(_) | State::Cancelled => {}
        State::Held { .. } | State::Pending { .. } | State::Running(_) => {
            panic!("job 17 does not end: {record:?}")
        }
    }
    for host in &world.hosts {
        for (attempt, hosted) in &host.records {
            match hosted.state() {
                hosted::State::Acknowledged | hosted::State::Refused => {}
                state => panic!("attempt {attempt} is owed for ever: {state:?}, {record:?}"),
            }
        }
    }
    a_late_true_end_has_won(world);
}

/// Whatever home had to assume meanwhile and whatever people did: if the newest attempt that
/// was not refused ended by itself, and its host wrote that down, then so the job ended.
fn a_late_true_end_has_won(world: &World) {
    if world.starts == Starts::UntilEnd || world.truth.disk_replaced {
        return;
    }
    let Some(newest) = newest_accepted(world) else {
        return;
    };
    // After that a resubmit may have led elsewhere.
    let has_won = world.truth.finished.contains(&newest);
    let is_known = world.truth.ends_known.contains(&newest);
    assert!(has_won || !is_known, "its end was known to its host: {:?}", world.home.record);
}

/// The newest attempt that a host accepted and that was not refused after that.
fn newest_accepted(world: &World) -> Option<Attempt> {
    let refused = |attempt: &&Attempt| world.truth.refused.contains(attempt);
    world.truth.accepted.iter().filter(|attempt| !refused(attempt)).max().copied()
}

fn ended_truly(world: &World, attempt: Attempt, end: &End) {
    let process = process(world, attempt).expect("what ended was started");
    assert_eq!(process.fate, Fate::Ended(end.clone()), "it did not end like this");
    let later = world.truth.processes.iter().find(|process| process.attempt > attempt);
    assert!(later.is_none(), "the end of attempt {attempt} counts, and a later one was started");
}

fn end_is_known(world: &World, attempt: Attempt) -> bool {
    world.hosts.iter().any(|host| matches!(host.stands(attempt), Some(hosted::State::Ended(Ending::Itself(_)))))
}

fn process(world: &World, attempt: Attempt) -> Option<&Process> {
    world.truth.processes.iter().find(|process| process.attempt == attempt)
}

fn of_submission(world: &World, submission: u32) -> impl Iterator<Item = &Process> {
    let placed_in = &world.truth.placed_in;
    let of = move |process: &&Process| placed_in.get(&process.attempt) == Some(&submission);
    world.truth.processes.iter().filter(of)
}
