//! Classes of exit codes, as `--exit` names them: `ok=42,43 warned=3`.

use wire::batch::StatusAnswer;

use crate::failure::Failure;

/// Exit codes that have a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExitClass {
    /// The name.
    pub name: String,
    /// The codes.
    pub codes: Vec<u8>,
}

/// The classes that the map names, and rq's `ok=42` if it says nothing of `ok`.
///
/// # Errors
/// It is not a map of names to codes.
pub fn classes(map: Option<&str>) -> Result<Vec<ExitClass>, Failure> {
    let mut classes = Vec::<ExitClass>::new();
    for word in map.unwrap_or_default().split_whitespace() {
        let wrong = |why: &str| Failure::usage(format!("--exit: \"{word}\": {why}"));
        let (name, codes) =
            word.split_once('=').ok_or_else(|| wrong("NAME=CODE,CODE is expected, such as ok=42,43"))?;
        if name.is_empty() || !name.chars().all(|letter| letter.is_ascii_alphanumeric() || "_-".contains(letter)) {
            return Err(wrong("a name has letters, digits, - and _"));
        }
        if TAKEN.contains(&name) {
            return Err(wrong("this name is taken: successes are exit code 0, failures all others and dead jobs"));
        }
        if classes.iter().any(|class| class.name == name) {
            return Err(wrong("this name is there twice; its codes go in one list"));
        }
        let code = |text: &str| text.trim().parse::<u8>().map_err(|_| wrong("an exit code is a number from 0 to 255"));
        let codes = codes.split(',').map(code).collect::<Result<Vec<_>, _>>()?;
        classes.push(ExitClass { name: name.to_owned(), codes });
    }
    if !classes.iter().any(|class| class.name == "ok") {
        classes.insert(0, ExitClass { name: "ok".to_owned(), codes: vec![42] });
    }
    Ok(classes)
}

/// How many jobs ended how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exits {
    /// With exit code 0.
    pub successes: u64,
    /// With another code, by a signal, or dead.
    pub failures: u64,
    /// In each class, in their order.
    pub classes: Vec<u64>,
}

impl Exits {
    /// What the answer says.
    pub fn count(answer: &StatusAnswer, classes: &[ExitClass]) -> Self {
        let sum = |wanted: &dyn Fn(u8) -> bool| {
            let found = answer.exits.iter().filter(|(code, _)| wanted(*code));
            found.fold(0u64, |sum, (_, jobs)| sum.saturating_add(*jobs))
        };
        let killed = answer.signals.iter().fold(0u64, |sum, (_, jobs)| sum.saturating_add(*jobs));
        let dead = answer.states.iter().filter(|count| count.state == "dead").map(|count| count.jobs).sum::<u64>();
        Self {
            successes: sum(&|code| code == 0),
            failures: sum(&|code| code != 0).saturating_add(killed).saturating_add(dead),
            classes: classes.iter().map(|class| sum(&|code| class.codes.contains(&code))).collect(),
        }
    }

    /// How many of all were successes, in tenths of a percent, rounded down: 100 means all.
    pub fn permille(&self) -> Option<u64> {
        let all = u128::from(self.successes) + u128::from(self.failures);
        let share = (u128::from(self.successes) * 1000).checked_div(all)?;
        u64::try_from(share).ok()
    }
}

/// Names that every status has.
const TAKEN: [&str; 2] = ["successes", "failures"];

#[cfg(test)]
mod tests {
    use super::*;
    use wire::batch::StateCount;

    #[test]
    fn a_map_has_names_with_codes_and_ok_is_42_unless_it_says_otherwise() {
        let class = |name: &str, codes: &[u8]| ExitClass { name: name.into(), codes: codes.to_vec() };
        assert_eq!(classes(None), Ok(vec![class("ok", &[42])]));
        assert_eq!(classes(Some("ok=42,43 warned=3")), Ok(vec![class("ok", &[42, 43]), class("warned", &[3])]));
        assert_eq!(classes(Some("warned=3")), Ok(vec![class("ok", &[42]), class("warned", &[3])]));
    }

    #[test]
    fn what_is_no_map_is_answered_with_the_word_and_what_is_expected() {
        for (map, said) in [
            ("ok", "--exit: \"ok\": NAME=CODE,CODE is expected"),
            ("ok=42 bad=256", "--exit: \"bad=256\": an exit code is a number from 0 to 255"),
            ("ok=", "--exit: \"ok=\": an exit code"),
            ("=1", "--exit: \"=1\": a name has"),
            ("a:b=1", "--exit: \"a:b=1\": a name has"),
            ("failures=1", "--exit: \"failures=1\": this name is taken"),
            ("a=1 a=2", "--exit: \"a=2\": this name is there twice"),
        ] {
            let failure = classes(Some(map)).expect_err(map);
            assert!(failure.message.starts_with(said), "{}", failure.message);
        }
    }

    #[test]
    fn dead_jobs_and_signals_are_failures_and_one_failure_is_not_100_percent() {
        let answer = StatusAnswer {
            states: vec![StateCount { state: "dead".into(), jobs: 1, ..StateCount::default() }],
            exits: vec![(0, 99_996), (42, 1), (3, 1)],
            signals: vec![("KILL".into(), 1)],
            ..StatusAnswer::default()
        };
        let exits = Exits::count(&answer, &classes(None).expect("the usual ones"));
        assert_eq!(exits, Exits { successes: 99_996, failures: 4, classes: vec![1] });
        assert_eq!(exits.permille(), Some(999));
        assert_eq!(Exits { successes: 0, failures: 0, classes: vec![] }.permille(), None);
    }
}
