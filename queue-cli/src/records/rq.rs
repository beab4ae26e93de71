//! What rq prints: a line `---`, then for each job a line `-` and a line ` field: value` for each field.
//!
//! Values are not quoted, so that a strict reader of YAML refuses some of them and misreads others: the key
//! ends at the first colon, and the rest of the line is the value, whatever is in it.

use super::source::{Problem, Source};
use super::value::{Entry, Shape, Value};
use super::{LONGEST_LINE, Sink};

/// Whether it has the shape: the first line that says something is a bare `-`, and the next a key behind
/// exactly one blank. A person may write YAML like that too; see [`is_certain`].
pub fn has_its_shape(text: &str) -> bool {
    let mut lines = text.lines().filter(|line| !line.trim().is_empty()).map(str::trim_end);
    let is_dash = lines.by_ref().find(|line| *line != "---").is_some_and(|line| line == "-");
    is_dash && lines.next().is_some_and(|line| key(line).is_some())
}

/// Whether a field is in it that only rq has.
pub fn is_certain(text: &str) -> bool {
    text.lines().any(|line| key(line).is_some_and(|(key, _)| ITS_OWN.contains(&key)))
}

/// Gives each record to `sink`.
pub fn each<'a>(source: &Source<'a>, sink: &mut Sink<'a, '_>) -> Result<(), Problem> {
    let mut record = None::<Value>;
    let mut offset = 0;
    for line in source.text()?.split_inclusive('\n') {
        let start = offset;
        offset += line.len();
        let line = line.strip_suffix('\n').unwrap_or(line);
        let line = line.strip_suffix('\r').unwrap_or(line);
        if line.len() > LONGEST_LINE {
            return Err(Problem::at(start, "this line is longer than 1 MiB"));
        }
        match line.trim_end() {
            "" | "---" => {}
            "-" => {
                if let Some(complete) = record.replace(Value { offset: start, shape: Shape::Map(Vec::new()) }) {
                    sink(complete)?;
                }
            }
            _ => {
                let Some((key, value)) = key(line) else {
                    let message = "in rq's format a line is \"---\", \"-\" or \" field: value\"; this is none of them";
                    return Err(Problem::at(start, message));
                };
                let Some(Value { offset: begin, shape: Shape::Map(entries) }) = &mut record else {
                    return Err(Problem::at(start, "a field stands here before the \"-\" that begins a job"));
                };
                if entries.is_empty() {
                    *begin = start + 1;
                }
                let place = start + line.len() - value.len();
                let shape = if value.is_empty() { Shape::Nothing } else { Shape::Text(value.into()) };
                entries.push(Entry { key: key.into(), offset: start + 1, value: Value { offset: place, shape } });
            }
        }
    }
    record.map_or(Ok(()), sink)
}

/// ` key: value`, with exactly one blank before the key.
fn key(line: &str) -> Option<(&str, &str)> {
    let (key, value) = line.strip_prefix(' ')?.split_once(':')?;
    let is_key = !key.is_empty() && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    is_key.then(|| (key, value.strip_prefix(' ').unwrap_or(value)))
}

const ITS_OWN: [&str; 9] =
    ["jid", "submitted", "started", "finished", "elapsed", "submitter", "runner", "pid", "exit_status"];
