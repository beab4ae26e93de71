//! GNU Queue's own `profile` as a profile of ours.
//!
//! A line is translated to a line of TOML and read by the same reader as any other, so whatever comes out is a
//! good profile. What cannot be taken over is said with its line: a remark where the rest stands without it, a
//! fault where nobody can tell what was meant.

mod line;

use std::collections::BTreeMap;

use super::fault::{Fault, Place};
use super::written;
use line::{Translated, translate};

/// What became of an original profile.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Import {
    /// The text of a `profile.toml`, without what is in `faults`.
    pub toml: String,
    /// What was left out or changed, and why, in the order of the lines.
    pub remarks: Vec<Remark>,
    /// What could not be understood.
    pub faults: Vec<Fault>,
}

/// Something about a line of the original.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remark {
    /// The line, from 1.
    pub line: usize,
    /// A sentence about it.
    pub message: String,
}

/// Reads GNU Queue's own format. At most as long as a profile may be, and with at most as many faults told.
pub fn import(original: &str) -> Import {
    let mut import = Importer::default();
    if original.len() > super::LONGEST {
        let message = format!("the file has {} bytes; at most {} are read", original.len(), super::LONGEST);
        return Import { faults: vec![Place { line: 1, column: 1 }.fault(message)], ..Import::default() };
    }
    for (at, text) in original.lines().enumerate() {
        import.line(at + 1, text);
    }
    import.finish()
}

/// What has been read so far.
#[derive(Default)]
struct Importer {
    result: Import,
    comments: Vec<String>,
    top: Vec<Taken>,
    /// By host, in lower case, in the order of their names.
    hosts: BTreeMap<String, Vec<Taken>>,
}

/// A directive with the value that holds so far.
struct Taken {
    name: &'static str,
    /// Where it was said, unless it is about a file system.
    line: Option<usize>,
    value: String,
    /// File systems are gathered, each with its line; of everything else the last counts.
    paths: Vec<(usize, String, String)>,
}

impl Importer {
    fn line(&mut self, line: usize, text: &str) {
        if let Some(comment) = text.strip_prefix('#') {
            self.comments.push(format!("#{}", comment.trim_end().replace(char::is_control, " ")));
            return;
        }
        let code = match text.split_once('#') {
            Some((code, _)) => {
                self.remark(line, "what stands behind # is taken for a comment; to GNU Queue it was an error");
                code
            }
            None => text,
        };
        let mut words = words(code).peekable();
        let Some(&first) = words.peek() else {
            return;
        };
        let mut host = None;
        if first.text == "host" {
            words.next();
            let Some(name) = words.next() else {
                return self.fault(line, first.column, "host: a host's name and a directive are expected".to_owned());
            };
            if !crate::config::is_host_name(name.text) {
                let message = format!("host {}: a host's name is expected", shown(name.text));
                return self.fault(line, name.column, message);
            }
            host = Some(name.text.to_lowercase());
            if words.peek().is_none() {
                let message = format!("host {}: a directive is expected behind it", name.text);
                return self.fault(line, name.column, message);
            }
        }
        let words: Vec<Word<'_>> = words.collect();
        match translate(&words) {
            Ok(Translated { directive, remark }) => {
                if let Some(remark) = remark {
                    self.remark(line, &remark);
                }
                if let Some((name, value)) = directive {
                    self.take(line, host, name, value);
                }
            }
            Err((column, message)) => self.fault(line, column, message),
        }
    }

    fn take(&mut self, line: usize, host: Option<String>, name: &'static str, value: Value) {
        if host.is_none() {
            let before = self.hosts.iter().filter(|(_, said)| said.iter().any(|taken| taken.name == name));
            let before: Vec<&str> = before.map(|(host, _)| host.as_str()).take(MOST_SHOWN).collect();
            if !before.is_empty() {
                let message = format!(
                    "{name}: to GNU Queue this line, being the later one, stood for {} too; here what is said for a host goes first",
                    before.join(", ")
                );
                self.remark(line, &message);
            }
        }
        let said = match host {
            None => &mut self.top,
            Some(host) => self.hosts.entry(host).or_default(),
        };
        let index = said.iter().position(|taken| taken.name == name);
        let index = index.unwrap_or_else(|| {
            said.push(Taken { line: None, name, value: String::new(), paths: Vec::new() });
            said.len() - 1
        });
        let taken = &mut said[index];
        let before = match value {
            Value::Path(path, size) => {
                let same = taken.paths.iter().position(|(_, before, _)| *before == path);
                let replaced = same.map(|at| taken.paths.remove(at).0);
                taken.paths.push((line, path, size));
                taken.value = written::table(taken.paths.iter().map(|(_, path, size)| (path.clone(), size.clone())));
                replaced
            }
            Value::Toml(value) => {
                taken.value = value;
                taken.line.replace(line)
            }
        };
        if let Some(before) = before {
            self.remark(line, &format!("{name}: replaces what line {before} says, as it did for GNU Queue"));
        }
    }

    fn remark(&mut self, line: usize, message: &str) {
        self.result.remarks.push(Remark { line, message: message.to_owned() });
    }

    fn fault(&mut self, line: usize, column: usize, message: String) {
        if self.result.faults.len() < super::MOST_FAULTS {
            self.result.faults.push(Place { line, column }.fault(message));
        }
    }

    fn finish(mut self) -> Import {
        let mut toml = String::new();
        let mut push = |line: &str| {
            toml.push_str(line);
            toml.push('\n');
        };
        for comment in &self.comments {
            push(comment);
        }
        for taken in &self.top {
            push(&format!("{} = {}", taken.name, taken.value));
        }
        for (host, said) in &self.hosts {
            push("");
            push(&format!("[host.{}]", written::key(host)));
            for taken in said {
                push(&format!("{} = {}", taken.name, taken.value));
            }
        }
        // Every line is good by itself; together they may have become too long.
        if let Err(faults) = super::parse(&toml) {
            let message = format!("what it would become is no profile: {}", faults[0].message);
            self.result.faults.push(Place { line: 1, column: 1 }.fault(message));
            return Import { toml: String::new(), ..self.result };
        }
        self.result.toml = toml;
        self.result
    }
}

/// What a line says, before it is told for whom.
#[derive(Debug, PartialEq)]
enum Value {
    Toml(String),
    Path(String, String),
}

/// A word and where it begins, from 1.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Word<'a> {
    text: &'a str,
    column: usize,
}

fn words(line: &str) -> impl Iterator<Item = Word<'_>> {
    let mut rest = line;
    let mut column = 1;
    std::iter::from_fn(move || {
        let start = rest.find(|c: char| !c.is_whitespace())?;
        let (blank, behind) = rest.split_at(start);
        let end = behind.find(char::is_whitespace).unwrap_or(behind.len());
        let (text, behind) = behind.split_at(end);
        column += blank.chars().count();
        let word = Word { text, column };
        column += text.chars().count();
        rest = behind;
        Some(word)
    })
}

/// A word, short enough and harmless in a sentence.
fn shown(word: &str) -> String {
    written::quoted(&word.chars().take(60).collect::<String>())
}

const MOST_SHOWN: usize = 8;
