//! Jobs and ids as a person or another program wrote them: the input of `queue submit` and of every
//! command that takes ids.
//!
//! Bytes go in, records come out. Nothing here opens a file, asks a daemon or fills in a default. A file is
//! refused as a whole, with line and column; what could be two things is refused with both of them named.
//!
//! | begins with | is |
//! |---|---|
//! | `{` or `[` | JSON: objects one after the other, or in lists |
//! | `---`, `- ` or a bare `-` | YAML: lists of maps; or what rq prints, which is nearly YAML |
//! | anything else | a shell command on each line, or an id |

mod fields;
mod ids;
mod json;
mod lines;
mod record;
mod rq;
mod source;
#[cfg(test)]
mod tests;
mod value;
mod wishes;
mod yaml;

use wire::api::JobName;

use crate::failure::Failure;
pub use ids::job_name;
pub use record::{Command, Record};
use source::{LineCounter, Problem, Source};
use value::Value;

/// How jobs are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// A shell command on each line.
    Lines,
    /// Lists of maps.
    Yaml,
    /// Objects.
    Json,
}

impl Format {
    /// By the word for it on the command line.
    pub fn named(word: &str) -> Option<Self> {
        match word {
            "lines" => Some(Self::Lines),
            "yaml" => Some(Self::Yaml),
            "json" => Some(Self::Json),
            _ => None,
        }
    }

    /// By how it begins.
    fn of(bytes: &[u8]) -> Self {
        if matches!(bytes.trim_ascii_start().first(), Some(b'{' | b'[')) {
            return Self::Json;
        }
        let mut lines = bytes.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii_end);
        let first = lines.find(|line| !matches!(line.trim_ascii_start().first(), None | Some(b'#')));
        let line = first.unwrap_or_default();
        let is_yaml = line == b"---"
            || line == b"-"
            || [&b"- "[..], b"--- ", b"%YAML "].iter().any(|mark| line.starts_with(mark));
        if is_yaml { Self::Yaml } else { Self::Lines }
    }
}

/// Reads jobs. `name` is what messages call the file; `forced` is what the person says it is. A file without
/// jobs is no error here.
pub fn read(name: &str, bytes: &[u8], forced: Option<Format>) -> Result<Vec<Record>, Failure> {
    let mut source = Source::of(name, bytes, "Nothing was submitted.")?;
    let format = forced.unwrap_or_else(|| Format::of(source.bytes));
    let records = match format {
        Format::Lines => lines::commands(&source, forced.is_some()),
        Format::Yaml => {
            source.guess = if forced.is_some() { "" } else { GUESSED_YAML };
            yaml_or_rq(&source, forced.is_some())
        }
        Format::Json => {
            source.guess = if forced.is_some() { "" } else { GUESSED_JSON };
            jobs(&source, json::each)
        }
    };
    records.map_err(|problem| source.failure(&problem))
}

/// Which jobs a listing names.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Named {
    /// The jobs, in its order.
    pub jobs: Vec<JobName>,
    /// How many sessions it has besides: `queue history` shows them, and no command takes them.
    pub sessions: usize,
}

/// Reads which jobs are meant, from any listing of ours, from rq's, or from plain ids.
pub fn read_ids(name: &str, bytes: &[u8]) -> Result<Named, Failure> {
    let source = Source::of(name, bytes, "Nothing was done.")?;
    let names = match Format::of(source.bytes) {
        Format::Lines => ids::of_lines(&source),
        Format::Json => names(&source, json::each),
        Format::Yaml => source.text().and_then(|text| match rq::has_its_shape(text) {
            true => names(&source, rq::each).or_else(|_| names(&source, yaml::each)),
            false => names(&source, yaml::each),
        }),
    };
    names.map_err(|problem| source.failure(&problem))
}

/// What a reader gives its elements to.
type Sink<'a, 'f> = dyn FnMut(Value<'a>) -> Result<(), Problem> + 'f;

/// A reader of a format.
type Each = for<'a> fn(&Source<'a>, &mut Sink<'a, '_>) -> Result<(), Problem>;

/// A person may write YAML in the shape that rq prints. Then both readings are tried, and have to agree.
fn yaml_or_rq(source: &Source, forced: bool) -> Result<Vec<Record>, Problem> {
    let text = source.text()?;
    if !rq::has_its_shape(text) {
        return jobs(source, yaml::each);
    }
    if rq::is_certain(text) {
        return jobs(source, rq::each);
    }
    match (jobs(source, yaml::each), jobs(source, rq::each)) {
        (Err(_), Ok(records)) => Ok(records),
        (Ok(records), Ok(other)) if !forced => {
            let difference = records.iter().zip(&other).find(|(one, other)| one != other);
            match difference {
                Some((record, _)) => Err(Problem::at(
                    source.offset(record.line, 1),
                    "this job is one thing as YAML and another as rq's listing, where quotes and \"#\" are part of a \
                     value; write it with two blanks before each field, or say --format yaml",
                )),
                None => Ok(records),
            }
        }
        (records, _) => records,
    }
}

fn jobs(source: &Source, each: Each) -> Result<Vec<Record>, Problem> {
    let mut counter = LineCounter::of(source.bytes);
    collect(source, each, |value| {
        let line = counter.line(value.offset);
        record::of_value(value, line)
    })
}

fn names(source: &Source, each: Each) -> Result<Named, Problem> {
    let all = collect(source, each, ids::of_value)?;
    let length = all.len();
    let jobs = all.into_iter().flatten().collect::<Vec<_>>();
    Ok(Named { sessions: length - jobs.len(), jobs })
}

fn collect<T>(
    source: &Source,
    each: Each,
    mut made: impl FnMut(Value) -> Result<T, Problem>,
) -> Result<Vec<T>, Problem> {
    let mut all = Vec::new();
    each(source, &mut |value| {
        if all.len() == MOST {
            return Err(too_many(value.offset));
        }
        all.push(made(value)?);
        Ok(())
    })?;
    Ok(all)
}

fn too_many(offset: usize) -> Problem {
    Problem::at(offset, "at most 10,000,000 jobs are read at once, and this is one more")
}

/// Jobs, or ids, that are read at once.
const MOST: usize = 10_000_000;

/// Bytes of a line, and of a command.
const LONGEST_LINE: usize = 1 << 20;

const GUESSED_JSON: &str = " (it is read as JSON because of its first letter; for shell commands say --format lines)";

const GUESSED_YAML: &str = " (it is read as YAML because of its first line; for shell commands say --format lines)";
