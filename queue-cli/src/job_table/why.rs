//! `queue why`: for what a job waits, host by host, and when that may change.

use jiff::Zoned;
use wire::batch::{JobRow, WhyAnswer};

use super::document::{map, value};
use super::fields::{age, name, run_time, state};
use super::spans::words;
use super::{Look, Style};
use crate::failure::printable;
use crate::table::{Align, lay_out};

/// The answer in the style that is asked for.
pub fn why(answer: &WhyAnswer, look: &Look, now: &Zoned) -> String {
    match look.style {
        Style::Table => sentences(answer, look, now),
        Style::Json | Style::Yaml | Style::Parsable => map(
            look.style,
            &[
                ("job", value(look.style, &answer.job)),
                ("summary", value(look.style, &answer.summary)),
                ("hosts", value(look.style, &answer.hosts)),
                ("earliest", value(look.style, &answer.earliest)),
            ],
        ),
    }
}

fn sentences(answer: &WhyAnswer, look: &Look, now: &Zoned) -> String {
    let job = &answer.job;
    let condition = printable(&condition(job, now));
    let mut text = format!("job {} ({}, {condition})", name(job, &look.own_host), printable(&job.queue));
    if !answer.summary.is_empty() {
        // What the job needs goes on with the sentence; whatever else is said is one of its own.
        let joint = if answer.summary.starts_with("needs ") { " " } else { ": " };
        text.push_str(&format!("{joint}{}", printable(&answer.summary)));
    }
    text.push('\n');
    let row = |(host, why): &(String, String)| vec![String::new(), printable(host), printable(why)];
    let rows = answer.hosts.iter().map(row).collect::<Vec<_>>();
    text.push_str(&lay_out(&[Align::Left, Align::Left, Align::Left], &rows));
    if let Some(earliest) = &answer.earliest {
        text.push_str(&format!("earliest: {}\n", printable(earliest)));
    }
    text
}

/// `pending 6 min`: the state, and for how long it has been so where the job says it.
fn condition(job: &JobRow, now: &Zoned) -> String {
    match (job.state.as_str(), run_time(job, now)) {
        ("pending" | "held", _) => format!("{} {}", job.state, words(age(job, now))),
        ("running", Some(us)) => format!("running {}", words(us)),
        _ => state(job),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;
    use jiff::tz::TimeZone;

    fn answer() -> WhyAnswer {
        let host = |name: &str, why: &str| (name.to_owned(), why.to_owned());
        WhyAnswer {
            job: JobRow { id: 23, state: "pending".into(), queue: "wait".into(), ..JobRow::default() },
            summary: "needs gpu=1 and 64 GiB of memory".into(),
            hosts: vec![host("bluefish", "no gpu offered"), host("redfish", "15 GiB in all")],
            earliest: Some("when job 21 ends (at most 15:10) on onefish".into()),
        }
    }

    fn now() -> Zoned {
        Timestamp::from_second(400).expect("a time").to_zoned(TimeZone::UTC)
    }

    #[test]
    fn each_host_has_its_reason_and_the_end_says_when_it_may_change() {
        assert_eq!(
            why(&answer(), &Look::default(), &now()),
            "job 23 (wait, pending 6 min) needs gpu=1 and 64 GiB of memory\n\
             \x20 bluefish  no gpu offered\n\
             \x20 redfish   15 GiB in all\n\
             earliest: when job 21 ends (at most 15:10) on onefish\n"
        );
        let dead = JobRow { id: 3, home: "a".into(), state: "dead".into(), detail: "lost host".into(), ..answer().job };
        let dead = WhyAnswer { job: dead, summary: "it is not started again".into(), ..WhyAnswer::default() };
        let text = why(&dead, &Look { own_host: "b".into(), ..Look::default() }, &now());
        assert_eq!(text, "job 3@a (wait, dead: lost host): it is not started again\n");
    }

    #[test]
    fn programs_get_the_whole_answer() {
        let style = |style| why(&answer(), &Look { style, ..Look::default() }, &now());
        assert_eq!(serde_json::from_str::<WhyAnswer>(&style(Style::Json)).expect("JSON"), answer());
        assert_eq!(serde_saphyr::from_str::<WhyAnswer>(&style(Style::Yaml)).expect("YAML"), answer());
    }
}
