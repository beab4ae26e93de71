//! The tables in the crate's document, cell by cell: every pair of state and event is there,
//! and the transition functions do what they say.

use std::collections::{BTreeMap, BTreeSet};

use spool::home::{
    Cancel, Contact, Death, Event, Loss, Lost, NeverStarted, NotAllowed, Output, Record, Report, Run, Stage, Starts,
    State, Step,
};
use spool::hosted;

use crate::names::{events, hosted_events, hosted_name, name_of};
use crate::samples::{attempt, end, id, lost, other_spool, own_spool, place};

/// Column, then event, then cell.
type Table = BTreeMap<String, BTreeMap<String, String>>;

#[test]
fn a_job_follows_the_table_of_its_state() {
    let table = table(0);
    for starts in [Starts::Once, Starts::UntilEnd] {
        let states = [
            ("held", State::Held { lost: None }),
            ("pending", State::Pending { lost: None }),
            ("placed", running(placed(Cancel::No, None))),
            ("accepted", running(accepted(Cancel::No, None))),
            ("started", running(started(Cancel::No))),
            ("delivering", running(Stage::Delivering(end(3)))),
            ("finished", finished()),
            ("never started", never_started()),
            ("cancelled", State::Cancelled),
        ];
        let columns: Vec<_> = states.iter().map(|(column, _)| *column).collect();
        assert_complete(&table, &columns, &events(1).map(|(name, _)| name));
        for (column, state) in &states {
            compare(&table, column, starts, state, events(1));
        }
    }
}

#[test]
fn a_job_that_is_to_be_cancelled_follows_its_table() {
    let plain = table(0);
    let mut table = table(1);
    for (column, rows) in &plain {
        if let Some(changed) = table.get_mut(column) {
            for (event, cell) in rows {
                changed.entry(event.clone()).or_insert(cell.clone());
            }
        }
    }
    let states = [
        ("placed", running(placed(Cancel::Asked, None))),
        ("accepted", running(accepted(Cancel::Asked, None))),
        ("started", running(started(Cancel::Asked))),
    ];
    let columns: Vec<_> = states.iter().map(|(column, _)| *column).collect();
    assert_complete(&table, &columns, &events(1).map(|(name, _)| name));
    for starts in [Starts::Once, Starts::UntilEnd] {
        for (column, state) in &states {
            compare(&table, column, starts, state, events(1));
        }
    }
}

#[test]
fn a_job_with_a_lost_attempt_follows_its_tables() {
    let (about_attempt, about_job) = (table(2), table(3));
    let losses = [
        ("given up", Loss::GivenUp),
        ("other spool", Loss::OtherSpool),
        ("lease over", Loss::LeaseOver),
        ("gone", Loss::Gone),
    ];
    let is_about_attempt = |event: &Event| event.attempt().is_some();
    let mut seen = [BTreeSet::new(), BTreeSet::new()];
    for (known, loss) in losses {
        let behind = || Some(lost(1, loss));
        let second = |stage| State::Running(Run { place: place(2), stage, contact: Contact::Heard });
        let states = [
            ("held", State::Held { lost: behind() }),
            ("pending", State::Pending { lost: behind() }),
            ("placed", second(placed(Cancel::No, behind()))),
            ("accepted", second(accepted(Cancel::No, behind()))),
            ("lost", State::Dead(Death::LostHost(lost(1, loss)))),
        ];
        for (word, state) in states {
            for (name, event) in events(1) {
                let cell = if is_about_attempt(&event) {
                    seen[0].insert(name.to_owned());
                    let cell = about_attempt[known][name].as_str();
                    match (cell, word) {
                        ("accepted" | "started" | "delivering", "placed" | "accepted") => "later",
                        ("settled", "lost") => "never started",
                        ("settled" | "noted", _) => word,
                        (cell, _) => cell,
                    }
                } else {
                    let in_doubt = if loss.is_process_gone() { "gone" } else { "in doubt" };
                    let row = match event {
                        Event::CancelAsked => format!("{name}, {in_doubt}"),
                        _ => name.to_owned(),
                    };
                    let cell = about_job[word][&row].as_str();
                    seen[1].insert(row);
                    cell
                };
                for starts in [Starts::Once, Starts::UntilEnd] {
                    compare_cell(cell, (name, &event), starts, &state);
                }
            }
        }
    }
    let [attempt_rows, job_rows] = seen.each_ref().map(|rows| rows.iter().map(String::as_str).collect::<Vec<_>>());
    assert_complete(&about_attempt, &losses.map(|(known, _)| known), &attempt_rows);
    assert_complete(&about_job, &["held", "pending", "placed", "accepted", "lost"], &job_rows);
}

#[test]
fn an_attempt_follows_the_table_of_its_host() {
    let table = table(4);
    let endings =
        [hosted::Ending::Itself(end(3)), hosted::Ending::Cancelled, hosted::Ending::LeaseOver, hosted::Ending::Lost];
    let mut states = vec![
        ("unseen", hosted::State::Unseen),
        ("accepted", hosted::State::Accepted),
        ("refused", hosted::State::Refused),
        ("started", hosted::State::Started),
        ("acknowledged", hosted::State::Acknowledged),
    ];
    for ending in &endings {
        states.push(("ended", hosted::State::Ended(ending.clone())));
    }
    let columns: Vec<_> = states.iter().map(|(column, _)| *column).collect();
    assert_complete(&table, &columns, &hosted_events().map(|(name, _)| name));
    for (column, state) in &states {
        let record = |state| hosted::Record::stored("redfish".into(), id(), attempt(1), own_spool(), state);
        let before = record(state.clone());
        for (name, event) in hosted_events() {
            let found = match before.step(&event) {
                Err(_) => "no",
                Ok(hosted::Step::Nothing) => "=",
                Ok(hosted::Step::To(after)) => hosted_name(after.state()),
            };
            assert_eq!(found, table[*column][name], "{name} in {column}");
        }
    }
}

#[test]
fn an_older_attempt_that_no_longer_matters_changes_nothing() {
    for starts in [Starts::Once, Starts::UntilEnd] {
        let second = |stage| Run { place: place(2), stage, contact: Contact::Heard };
        let states = [
            State::Held { lost: None },
            State::Pending { lost: None },
            State::Running(second(placed(Cancel::No, None))),
            State::Running(second(accepted(Cancel::Asked, None))),
            State::Running(second(started(Cancel::No))),
            State::Running(second(Stage::Delivering(end(3)))),
            State::Finished { end: end(3), place: place(2), output: Output::Safe },
            State::Dead(Death::LostHost(lost(2, Loss::GivenUp))),
            never_started(),
            State::Cancelled,
        ];
        for state in states {
            let record = Record::stored(id(), starts, Some(attempt(2)), state);
            for (name, event) in events(1) {
                if event.attempt().is_none() {
                    continue;
                }
                match (name, record.step(&event)) {
                    ("lease asked", Err(_)) => {}
                    (_, Ok(Step::Nothing)) => {}
                    (_, other) => panic!("{name}: {other:?} of {record:?}"),
                }
            }
            assert!(record.is_settled(attempt(1)));
        }
    }
}

#[test]
fn nobody_speaks_for_an_attempt_that_was_never_placed() {
    for (_, state) in [("pending", State::Pending { lost: None }), ("finished", finished())] {
        let record = Record::stored(id(), Starts::Once, Some(attempt(1)), state);
        for (name, event) in events(2) {
            if event.attempt().is_some() {
                let error = record.step(&event).expect_err(name);
                assert_eq!(error.to_string(), "job 17 has no attempt 2: it was never placed");
            }
        }
        assert!(!record.is_settled(attempt(2)));
    }
}

#[test]
fn a_report_counts_only_out_of_the_spool_in_which_the_attempt_was_placed() {
    let lost = lost(1, Loss::GivenUp);
    let states = [
        running(placed(Cancel::No, None)),
        State::Pending { lost: Some(lost.clone()) },
        State::Dead(Death::LostHost(lost)),
    ];
    for state in states {
        let record = Record::stored(id(), Starts::Once, Some(attempt(1)), state);
        let (attempt, spool) = (attempt(1), other_spool());
        let report = Report::Ended(end(3));
        let error = record.step(&Event::Reported { attempt, spool, report }).expect_err("forged");
        assert!(error.to_string().starts_with("job 17 placed attempt 1 in spool 01"), "{error}");
    }
}

#[test]
fn a_message_for_another_spool_is_refused_by_a_host() {
    let record = hosted::Record::unseen("redfish".into(), id(), attempt(1), own_spool());
    let spool = other_spool();
    for event in [
        hosted::Event::StartAsked { spool },
        hosted::Event::Asked { spool },
        hosted::Event::CancelAsked { spool },
        hosted::Event::Acknowledged { spool },
    ] {
        let error = record.step(&event).expect_err("another spool");
        assert!(error.to_string().ends_with("nobody can know whether it ran"), "{error}");
    }
}

fn compare<const N: usize>(
    table: &Table,
    column: &str,
    starts: Starts,
    state: &State,
    events: [(&'static str, Event); N],
) {
    for (name, event) in events {
        compare_cell(&table[column][name], (name, &event), starts, state);
    }
}

fn compare_cell(cell: &str, (name, event): (&str, &Event), starts: Starts, state: &State) {
    let last = match state {
        State::Running(run) => run.place.attempt,
        _ => attempt(1),
    };
    let before = Record::stored(id(), starts, Some(last), state.clone());
    let expected = match (cell.split_once(" / "), starts) {
        (None, _) => cell,
        (Some((once, _)), Starts::Once) => once,
        (Some((_, until_end)), Starts::UntilEnd) => until_end,
    };
    let after = before.step(event);
    let found = match &after {
        Err(_) => "no",
        Ok(Step::Nothing) => "=",
        Ok(Step::Later) => "later",
        Ok(Step::To(after)) => name_of(after.state()),
    };
    assert_eq!(found, expected, "{name} in {state:?} ({starts:?})");
    check_words(&after);
    if let Ok(Step::To(after)) = after {
        assert_ne!(after, before, "{name} in {state:?}: a step that changes nothing");
        assert!(after.last() >= before.last(), "{name} in {state:?}: attempts are used again");
    }
}

fn check_words(after: &Result<Step, NotAllowed>) {
    if let Err(error) = after {
        let text = error.to_string();
        assert!(text.starts_with("job 17 "), "{text}");
        assert!(text.len() < 160 && !text.contains(['\n', '{']), "{text}");
    }
}

fn assert_complete(table: &Table, columns: &[&str], events: &[&str]) {
    let columns: BTreeSet<&str> = columns.iter().copied().collect();
    let named: BTreeSet<&str> = table.keys().map(String::as_str).collect();
    assert_eq!(named, columns, "columns");
    let events: BTreeSet<&str> = events.iter().copied().collect();
    for (column, rows) in table {
        let named: BTreeSet<&str> = rows.keys().map(String::as_str).collect();
        assert_eq!(named, events, "rows of {column}");
    }
}

/// The table with this number in the crate's document.
fn table(number: usize) -> Table {
    let mut tables: Vec<Vec<Vec<String>>> = Vec::new();
    let mut within = false;
    for line in include_str!("../../src/lib.rs").lines() {
        let Some(row) = line.strip_prefix("//! |").and_then(|row| row.strip_suffix('|')) else {
            within = false;
            continue;
        };
        if !within {
            tables.push(Vec::new());
            within = true;
        }
        let rows = tables.last_mut().expect("one was pushed");
        rows.push(row.split('|').map(|cell| cell.trim().to_owned()).collect());
    }
    let rows = &tables[number];
    let mut table = Table::new();
    for row in &rows[2..] {
        assert_eq!(row.len(), rows[0].len(), "{row:?}");
        for (column, cell) in rows[0].iter().zip(row).skip(1) {
            table.entry(column.clone()).or_default().insert(row[0].clone(), cell.clone());
        }
    }
    table
}

fn running(stage: Stage) -> State {
    State::Running(Run { place: place(1), stage, contact: Contact::Heard })
}

fn placed(cancel: Cancel, earlier: Option<Lost>) -> Stage {
    Stage::Placed { cancel, earlier }
}

fn accepted(cancel: Cancel, earlier: Option<Lost>) -> Stage {
    Stage::Accepted { cancel, earlier }
}

fn started(cancel: Cancel) -> Stage {
    Stage::Started { cancel }
}

fn finished() -> State {
    State::Finished { end: end(3), place: place(1), output: Output::Safe }
}

fn never_started() -> State {
    State::Dead(Death::NeverStarted(NeverStarted::GivenUp))
}
