//! `queue status`: how many jobs are in which state, how long, and how those ended that did.

use wire::batch::{StateCount, StatusAnswer};

use super::document::{map, value};
use super::exits::{ExitClass, Exits};
use super::spans::{clock, count};
use super::{Look, Style};
use crate::failure::printable;
use crate::table::{Align, lay_out};

/// The status in the style that is asked for.
pub fn status(answer: &StatusAnswer, classes: &[ExitClass], look: &Look) -> String {
    let exits = Exits::count(answer, classes);
    match look.style {
        Style::Table => table(answer, classes, &exits, look.is_terminal),
        Style::Parsable => {
            let line = |state: &StateCount| format!("{} {}\n", printable(&state.state), state.jobs);
            answer.states.iter().map(line).collect()
        }
        Style::Json | Style::Yaml => document(answer, classes, &exits, look.style),
    }
}

fn table(answer: &StatusAnswer, classes: &[ExitClass], exits: &Exits, for_people: bool) -> String {
    let count = |number| count(number, for_people);
    let mut rows = vec![["STATE", "JOBS", "SHORTEST", "LONGEST"].map(str::to_owned).to_vec()];
    rows.extend(answer.states.iter().map(|state| {
        let one = |job: Option<(u64, u64)>| job.map_or(String::new(), |(id, us)| format!("{} (job {id})", clock(us)));
        vec![printable(&state.state), count(state.jobs), one(state.shortest), one(state.longest)]
    }));
    let states = lay_out(&[Align::Left, Align::Right, Align::Left, Align::Left], &rows);

    let mut rows = Vec::new();
    let mut say = |what: String, how_many: String, more: String| rows.push(vec![what, how_many, more]);
    for (hours, ended) in HOURS.iter().zip(answer.ended_in) {
        say(format!("ended in {hours} h"), count(ended), String::new());
    }
    say("mean run time".into(), answer.mean_us.map_or("-".into(), clock), String::new());
    let share = exits.permille().map_or(String::new(), |tenths| format!("{}.{} %", tenths / 10, tenths % 10));
    say("successes".into(), count(exits.successes), share);
    let dead = answer.states.iter().find(|state| state.state == "dead" && state.jobs > 0);
    let more = dead.map_or(String::new(), |dead| format!("{} of them dead (queue list dead)", count(dead.jobs)));
    say("failures".into(), count(exits.failures), more);
    for (class, jobs) in classes.iter().zip(&exits.classes) {
        let codes = class.codes.iter().map(u8::to_string).collect::<Vec<_>>().join(", ");
        say(class.name.clone(), count(*jobs), format!("exit {codes}"));
    }
    if answer.owed > 0 {
        say("reports owed".into(), count(answer.owed), String::new());
    }
    format!("{states}\n{}", lay_out(&[Align::Left, Align::Right, Align::Left], &rows))
}

fn document(answer: &StatusAnswer, classes: &[ExitClass], exits: &Exits, style: Style) -> String {
    let mut by_class = vec![("successes", exits.successes), ("failures", exits.failures)];
    by_class.extend(classes.iter().map(|class| class.name.as_str()).zip(exits.classes.iter().copied()));
    // Names of classes are letters, digits, `-` and `_`, and each is there once.
    let by_class =
        serde_json::Value::Object(by_class.into_iter().map(|(name, jobs)| (name.into(), jobs.into())).collect());
    map(
        style,
        &[
            ("home", value(style, &answer.home)),
            ("states", value(style, &answer.states)),
            ("ended_in", value(style, &answer.ended_in)),
            ("mean_us", value(style, &answer.mean_us)),
            ("exit_status", value(style, &by_class)),
            ("exits", value(style, &answer.exits)),
            ("signals", value(style, &answer.signals)),
            ("owed", value(style, &answer.owed)),
        ],
    )
}

/// The spans that [`StatusAnswer::ended_in`] is about.
const HOURS: [u64; 3] = [1, 12, 24];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::job_table::exits::classes;

    const SECOND: u64 = 1_000_000;

    fn answer() -> StatusAnswer {
        let state = |state: &str, jobs, shortest, longest| StateCount { state: state.into(), jobs, shortest, longest };
        StatusAnswer {
            home: "redfish".into(),
            states: vec![
                state("pending", 12, Some((31, 2 * SECOND)), Some((23, 370 * SECOND))),
                state("running", 0, None, None),
                state("finished", 18_377, Some((17, SECOND)), Some((19, 93_600 * SECOND))),
                state("dead", 1, None, None),
            ],
            ended_in: [1_204, 9_300, 18_377],
            mean_us: Some(41 * SECOND),
            exits: vec![(0, 18_230), (42, 12), (3, 134)],
            signals: vec![("KILL".into(), 1)],
            owed: 2,
        }
    }

    #[test]
    fn the_table_counts_states_ends_and_classes() {
        let look = Look { is_terminal: true, ..Look::default() };
        assert_eq!(
            status(&answer(), &classes(Some("ok=42,43")).expect("a map"), &look),
            "\
STATE       JOBS  SHORTEST       LONGEST
pending       12  0:02 (job 31)  6:10 (job 23)
running        0
finished  18,377  0:01 (job 17)  1d 2:00 (job 19)
dead           1

ended in 1 h    1,204
ended in 12 h   9,300
ended in 24 h  18,377
mean run time    0:41
successes      18,230  99.1 %
failures          148  1 of them dead (queue list dead)
ok                 12  exit 42, 43
reports owed        2
"
        );
    }

    #[test]
    fn programs_get_numbers_as_they_are() {
        let classes = classes(None).expect("the usual ones");
        let style = |style| status(&answer(), &classes, &Look { style, is_terminal: true, ..Look::default() });
        assert_eq!(style(Style::Parsable), "pending 12\nrunning 0\nfinished 18377\ndead 1\n");
        let json = serde_json::from_str::<serde_json::Value>(&style(Style::Json)).expect("JSON");
        assert_eq!(json["exit_status"], serde_json::json!({"successes": 18_230, "failures": 148, "ok": 12}));
        assert_eq!(serde_json::from_value::<StatusAnswer>(json).expect("the answer is in it"), answer());
        let yaml = style(Style::Yaml);
        assert!(yaml.starts_with("home: redfish\nstates: [{"), "{yaml}");
        assert_eq!(serde_saphyr::from_str::<StatusAnswer>(&yaml).expect("YAML"), answer());
    }

    #[test]
    fn a_spool_without_jobs_has_a_status_too() {
        let text = status(&StatusAnswer::default(), &[], &Look::default());
        assert!(text.contains("mean run time  -\nsuccesses      0\nfailures       0\n"), "{text}");
    }
}
