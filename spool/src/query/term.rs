//! What a single term asks: a word by itself, or a field compared with a value.

use std::ops::RangeInclusive;

use super::error::{Expected, Why};
use super::field::{Field, Number, Text};
use super::pattern;
use super::scan::{Operator, Written};
use super::time::{self, Moment};
use super::{Node, Now, STATES, Test, TextTest, amount, suggest};
use crate::JobId;

/// A word by itself: a state, a word for several, an id, a range of ids.
pub(super) fn alone(word: &str) -> Result<Node, Why> {
    if let Some(node) = state(word) {
        return Ok(node);
    }
    if word.starts_with(|c: char| c.is_ascii_digit()) {
        let ids = ids(word).ok_or_else(|| Why::NoId { word: suggest::shown(word) })?;
        return Ok(number(Number::Id, ids));
    }
    match Field::named(word) {
        Ok(field) => Err(Why::FieldAlone { field: field.name(), example: field.example() }),
        Err(Why::Ambiguous { name, fields }) => Err(Why::Ambiguous { name, fields }),
        Err(_) => Err(Why::NoWord {
            nearest: suggest::nearest(word, STATES.into_iter().chain(SEVERAL).chain(Field::names())),
            word: suggest::shown(word),
        }),
    }
}

/// A field compared with a value.
pub(super) fn comparison(field: Field, operator: Operator, value: &Written, now: Now) -> Result<Node, Why> {
    let (positive, negated) = operator.positive();
    let is_none = !value.quoted && matches!(&*value.text, "none" | "null");
    if is_none && positive == Operator::Equal {
        return Ok(absent(field, value)?.negated_if(negated));
    }
    let wrong_operator = |expected| Why::NoOperator { field: field.name(), operator, expected };
    let node = match (field, positive) {
        (Field::State, Operator::Equal) => state(&value.text).ok_or_else(|| Why::NoState {
            nearest: suggest::nearest(&value.text, STATES.into_iter().chain(SEVERAL)),
            word: suggest::shown(&value.text),
        })?,
        (Field::State, Operator::Like) => {
            let wanted = pattern::wanted(&value.text)?;
            states(|state| wanted.is_true_of(state.as_bytes()))
        }
        (Field::State, _) => return Err(wrong_operator("= != =~ !~")),
        (Field::Restartable, Operator::Equal) => {
            let flag = flag(&value.text).ok_or_else(|| no_fit(field, value, Expected::Flag))?;
            Node::Test(Test::Restartable).negated_if(!flag)
        }
        (Field::Restartable, _) => return Err(wrong_operator("= !=")),
        (Field::Tag, Operator::Equal | Operator::Like) => {
            Node::Test(Test::Tag(text(positive, value.text.clone().into_owned())?))
        }
        (Field::Tag, _) => return Err(wrong_operator("= != =~ !~")),
        (Field::Number(_), Operator::Like) => return Err(wrong_operator("= != < <= > >=")),
        (Field::Number(number), _) => compared(field, number, positive, value, now)?,
        (Field::Text(column), _) => {
            let mut wanted = value.text.clone().into_owned();
            if column == Text::Signal && positive == Operator::Equal {
                wanted = signal(&wanted).ok_or_else(|| no_fit(field, value, Expected::Signal))?;
            }
            Node::Test(Test::Text(column, text(positive, wanted)?))
        }
    };
    Ok(node.negated_if(negated))
}

fn absent(field: Field, value: &Written) -> Result<Node, Why> {
    let present = match field {
        Field::Number(Number::Attempt) => return Ok(number(Number::Attempt, 0..=0)),
        Field::Number(column) if column.may_be_absent() => number(column, i64::MIN..=i64::MAX),
        Field::Text(column) if column.may_be_absent() => Node::Test(Test::Text(column, TextTest::Present)),
        Field::Tag => Node::Test(Test::Tag(TextTest::Present)),
        Field::State | Field::Restartable | Field::Number(_) | Field::Text(_) => {
            return Err(Why::NeverAbsent { field: field.name(), value: value.text.clone().into_owned() });
        }
    };
    Ok(present.not())
}

/// Every value of a number field stands for a range: a whole number for itself, a day for all its moments.
fn compared(field: Field, column: Number, operator: Operator, value: &Written, now: Now) -> Result<Node, Why> {
    let text = &*value.text;
    let fits = |range: Option<RangeInclusive<i64>>, expected| range.ok_or_else(|| no_fit(field, value, expected));
    let range = match column {
        Number::Id if operator == Operator::Equal => fits(ids(text), Expected::Ids)?,
        Number::Id | Number::Priority | Number::Attempt | Number::Exit => fits(integer(text), Expected::Integer)?,
        Number::Wall | Number::Cpu => fits(amount::duration(text), Expected::Duration)?,
        Number::Memory => fits(amount::size_kib(text), Expected::Size)?,
        Number::Submitted | Number::Started | Number::Ended => match time::moment(text, now) {
            Some(Moment::Ago(_)) if operator == Operator::Equal => {
                return Err(Why::Moment { field: field.name(), value: suggest::shown(text) });
            }
            Some(Moment::Ago(moment)) => moment..=moment,
            Some(Moment::Within(range)) => range,
            None => return Err(no_fit(field, value, Expected::Time)),
        },
    };
    let (first, last) = range.into_inner();
    // There may be no number below or above: then nothing is.
    let nothing = RangeInclusive::new(1, 0);
    let range = match operator {
        Operator::Less => first.checked_sub(1).map_or(nothing, |last| i64::MIN..=last),
        Operator::AtMost => i64::MIN..=last,
        Operator::Greater => last.checked_add(1).map_or(nothing, |first| first..=i64::MAX),
        Operator::AtLeast => first..=i64::MAX,
        Operator::Equal | Operator::NotEqual | Operator::Like | Operator::Unlike => first..=last,
    };
    Ok(number(column, range))
}

fn text(operator: Operator, wanted: String) -> Result<TextTest, Why> {
    Ok(match operator {
        Operator::Less => TextTest::Less(wanted),
        Operator::AtMost => TextTest::AtMost(wanted),
        Operator::Greater => TextTest::Greater(wanted),
        Operator::AtLeast => TextTest::AtLeast(wanted),
        Operator::Like | Operator::Unlike => pattern::wanted(&wanted)?,
        Operator::Equal | Operator::NotEqual => TextTest::Equal(wanted),
    })
}

/// The state with this name, or what the word for several means.
fn state(word: &str) -> Option<Node> {
    let signalled = || Node::Test(Test::Text(Text::Signal, TextTest::Present));
    let exit_0 = || number(Number::Exit, 0..=0);
    Some(match word {
        "all" => Node::All,
        "ok" => exit_0(),
        "failed" => {
            let failure = Node::Or(vec![exit_0().not(), signalled()]);
            Node::And(vec![states(|state| state == "finished"), failure])
        }
        "waiting" => states(|state| matches!(state, "held" | "pending")),
        "ended" => states(|state| matches!(state, "finished" | "dead" | "cancelled")),
        _ if STATES.contains(&word) => states(|state| state == word),
        _ => return None,
    })
}

fn states(is_meant: impl Fn(&str) -> bool) -> Node {
    Node::Test(Test::State(STATES.into_iter().filter(|state| is_meant(state)).collect()))
}

fn number(column: Number, range: RangeInclusive<i64>) -> Node {
    Node::Test(Test::Number(column, range))
}

fn no_fit(field: Field, value: &Written, expected: Expected) -> Why {
    Why::NoFit { field: field.name(), value: suggest::shown(&value.text), expected }
}

fn ids(text: &str) -> Option<RangeInclusive<i64>> {
    let id = |text: &str| i64::try_from(text.parse::<JobId>().ok()?.number()).ok();
    let (first, last) = match text.split_once('-') {
        Some((first, last)) => (id(first)?, id(last)?),
        None => (id(text)?, id(text)?),
    };
    (first <= last).then_some(first..=last)
}

fn integer(text: &str) -> Option<RangeInclusive<i64>> {
    let number = text.parse().ok()?;
    Some(number..=number)
}

fn flag(text: &str) -> Option<bool> {
    match text {
        "true" | "yes" => Some(true),
        "false" | "no" => Some(false),
        _ => None,
    }
}

/// As it is kept: without `SIG`, in capitals.
fn signal(text: &str) -> Option<String> {
    let name = text.to_ascii_uppercase();
    let name = name.strip_prefix("SIG").unwrap_or(&name);
    let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic());
    is_name.then(|| name.to_owned())
}

/// The words for several states, and the like.
const SEVERAL: [&str; 5] = ["waiting", "ended", "ok", "failed", "all"];
