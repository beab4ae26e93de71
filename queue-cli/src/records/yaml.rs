//! YAML: lists of maps, in any number of documents.
//!
//! One element of the list is in memory at a time besides the file. What rq prints looks like YAML and is
//! not always; that is [`super::rq`].

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_saphyr::{Error, Location, Spanned};

use super::Sink;
use super::source::{Problem, Source};
use super::value::{Entry, Shape, Value};

/// Gives each element of each list to `sink`.
pub fn each<'a>(source: &Source<'a>, sink: &mut Sink<'a, '_>) -> Result<(), Problem> {
    let text = source.text()?;
    let mut start = 0;
    for end in document_ends(text) {
        document(&text[start..end], start, source.guess, sink)?;
        start = end;
    }
    Ok(())
}

/// Where documents end: before a line `---` that something stands before. At the start of a line this is
/// the mark of a new document wherever it is, even in quotes.
fn document_ends(text: &str) -> impl Iterator<Item = usize> {
    let mut offset = 0;
    let mut has_begun = false;
    let starts = text.split_inclusive('\n').filter_map(move |line| {
        let start = offset;
        offset += line.len();
        let is_mark = line.strip_prefix("---").is_some_and(|rest| rest.chars().next().is_none_or(char::is_whitespace));
        let is_next = is_mark && has_begun;
        has_begun |= is_mark || !(line.trim_start().is_empty() || line.trim_start().starts_with(['#', '%']));
        is_next.then_some(start)
    });
    starts.chain([text.len()])
}

fn document<'a>(text: &'a str, base: usize, guess: &str, sink: &mut Sink<'a, '_>) -> Result<(), Problem> {
    let mut problem = None;
    let root = Root { text, base, sink, problem: &mut problem };
    let read = serde_saphyr::with_deserializer_from_str_with_options(text, options(), |yaml| root.deserialize(yaml));
    match (problem, read) {
        (Some(problem), _) => Err(problem),
        (None, Err(error)) => Err(refusal(&error, text, base, guess)),
        (None, Ok(())) => Ok(()),
    }
}

/// The parser's bounds are for small files of settings. Here the number of jobs is bounded, and what
/// aliases can unfold to.
fn options() -> serde_saphyr::Options {
    serde_saphyr::options! {
        with_snippet: false,
        // Keys that are said twice are refused where a map is used, in our words.
        duplicate_keys: serde_saphyr::DuplicateKeyPolicy::PassThrough,
        non_finite_float_policy: serde_saphyr::options::NonFiniteFloatPolicy::PassThrough,
        budget: serde_saphyr::budget! {
            max_events: usize::MAX,
            max_nodes: usize::MAX,
            max_total_scalar_bytes: usize::MAX,
            max_aliases: usize::MAX,
            max_merge_keys: usize::MAX,
            enforce_alias_anchor_ratio: false,
            max_depth: 32,
            max_recorded_anchor_events: 200_000,
        },
        alias_limits: serde_saphyr::alias_limits! { max_total_replayed_events: 5_000_000 },
    }
}

fn refusal(error: &Error, text: &str, base: usize, guess: &str) -> Problem {
    let place = error.location().map_or(0, |location| byte(&location, text).unwrap_or(0));
    if is_bound(error) {
        return Problem::at(base + place, "this stands too deep in something, or its aliases unfold to too much");
    }
    let words = error.to_string();
    let words = words.split_once(" at line ").map_or(words.as_str(), |(words, _)| words);
    Problem::at(base + place, format!("this cannot be read as YAML: {words}{guess}"))
}

fn is_bound(error: &Error) -> bool {
    match error {
        Error::AliasError { error, .. } => is_bound(error),
        Error::Budget { .. }
        | Error::AliasReplayLimitExceeded { .. }
        | Error::AliasExpansionLimitExceeded { .. }
        | Error::AliasReplayStackDepthExceeded { .. } => true,
        _ => false,
    }
}

/// Where a location is. The parser counts bytes where it can, and else lines and columns.
fn byte(location: &Location, text: &str) -> Option<usize> {
    location.span().byte_offset().and_then(|offset| usize::try_from(offset).ok()).or_else(|| {
        let line = usize::try_from(location.line()).ok()?.checked_sub(1)?;
        let column = usize::try_from(location.column()).ok()?.checked_sub(1)?;
        let start = text.split_inclusive('\n').take(line).map(str::len).sum::<usize>();
        let characters = text[start..].char_indices();
        Some(start + characters.skip(column).map(|(at, _)| at).next().unwrap_or(0))
    })
}

/// The root of a document.
struct Root<'a, 's, 'f> {
    text: &'a str,
    base: usize,
    sink: &'s mut Sink<'a, 'f>,
    problem: &'s mut Option<Problem>,
}

impl<'a> Root<'a, '_, '_> {
    fn give<E: serde::de::Error>(&mut self, element: Spanned<Tree<'a>>) -> Result<(), E> {
        let given = value(element, self.text, self.base).and_then(|value| (self.sink)(value));
        given.map_err(|problem| {
            *self.problem = Some(problem);
            E::custom("refused")
        })
    }
}

impl<'a> DeserializeSeed<'a> for Root<'a, '_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'a>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'a> Visitor<'a> for Root<'a, '_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of jobs")
    }

    fn visit_seq<A: SeqAccess<'a>>(mut self, mut list: A) -> Result<(), A::Error> {
        while let Some(element) = list.next_element::<Spanned<Tree>>()? {
            self.give(element)?;
        }
        Ok(())
    }

    /// A single job, or the answer of a daemon with its list in it.
    fn visit_map<A: MapAccess<'a>>(mut self, mut map: A) -> Result<(), A::Error> {
        let mut entries = Vec::<(Spanned<Tree>, Spanned<Tree>)>::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        let jobs = entries.iter().position(|(key, _)| matches!(&key.value, Tree::Text(key) if key == "jobs"));
        if let Some(jobs) = jobs
            && matches!(entries[jobs].1.value, Tree::List(_))
            && let Tree::List(elements) = entries.swap_remove(jobs).1.value
        {
            return elements.into_iter().try_for_each(|element| self.give(element));
        }
        let Some(first) = entries.first() else {
            return Err(A::Error::custom("a job is expected, and this is empty"));
        };
        let (referenced, defined) = (first.0.referenced, first.0.defined);
        self.give(Spanned::new(Tree::Map(entries), referenced, defined))
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        Ok(())
    }
}

/// A value as the parser gives it.
enum Tree<'a> {
    Nothing,
    Truth(bool),
    Number,
    Text(Cow<'a, str>),
    List(Vec<Spanned<Tree<'a>>>),
    Map(Vec<(Spanned<Tree<'a>>, Spanned<Tree<'a>>)>),
}

impl<'a> Deserialize<'a> for Tree<'a> {
    fn deserialize<D: Deserializer<'a>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TreeVisitor)
    }
}

struct TreeVisitor;

impl<'a> Visitor<'a> for TreeVisitor {
    type Value = Tree<'a>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Tree<'a>, E> {
        Ok(Tree::Nothing)
    }

    fn visit_bool<E>(self, truth: bool) -> Result<Tree<'a>, E> {
        Ok(Tree::Truth(truth))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Tree<'a>, E> {
        Ok(Tree::Number)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Tree<'a>, E> {
        Ok(Tree::Number)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Tree<'a>, E> {
        Ok(Tree::Number)
    }

    fn visit_borrowed_str<E>(self, text: &'a str) -> Result<Tree<'a>, E> {
        Ok(Tree::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Tree<'a>, E> {
        Ok(Tree::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_string<E>(self, text: String) -> Result<Tree<'a>, E> {
        Ok(Tree::Text(Cow::Owned(text)))
    }

    fn visit_seq<A: SeqAccess<'a>>(self, mut list: A) -> Result<Tree<'a>, A::Error> {
        let mut values = Vec::new();
        while let Some(value) = list.next_element()? {
            values.push(value);
        }
        Ok(Tree::List(values))
    }

    fn visit_map<A: MapAccess<'a>>(self, mut map: A) -> Result<Tree<'a>, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Tree::Map(entries))
    }
}

/// The value with its place and, where the parser has made something else of it, its spelling.
fn value<'a>(tree: Spanned<Tree<'a>>, text: &'a str, base: usize) -> Result<Value<'a>, Problem> {
    let offset = base + byte(&tree.referenced, text).unwrap_or(0);
    let written = || {
        let span = tree.defined.span();
        let start = usize::try_from(span.byte_offset()?).ok()?;
        let end = start.checked_add(usize::try_from(span.byte_len()?).ok()?)?;
        Some(text.get(start..end)?.trim())
    };
    let unclear = || Problem::at(offset, "this value cannot be told from a number or a truth; put it in quotes");
    let shape = match tree.value {
        Tree::Nothing => Shape::Nothing,
        Tree::Truth(truth) => Shape::Truth(truth, written().ok_or_else(unclear)?),
        Tree::Number => Shape::Number(written().ok_or_else(unclear)?),
        Tree::Text(text) => Shape::Text(text),
        Tree::List(values) => {
            Shape::List(values.into_iter().map(|one| value(one, text, base)).collect::<Result<_, _>>()?)
        }
        Tree::Map(entries) => {
            let entry = |(key, one): (Spanned<Tree<'a>>, _)| {
                let key = value(key, text, base)?;
                let offset = key.offset;
                let key = match key.shape {
                    Shape::Text(key) => key,
                    Shape::Truth(_, written) | Shape::Number(written) => Cow::Borrowed(written),
                    _ => return Err(Problem::at(offset, "a key is expected here")),
                };
                Ok(Entry { key, offset, value: value(one, text, base)? })
            };
            Shape::Map(entries.into_iter().map(entry).collect::<Result<_, _>>()?)
        }
    };
    Ok(Value { offset, shape })
}
