//! One line of GNU Queue's format, without the `host NAME` that may stand before it.

use spool::query::suggest;

use super::super::hours::Hours;
use super::super::written::{list, quoted};
use super::{Value, Word, shown};

/// What a line becomes.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Translated {
    /// The name and value of a directive; none where it has to be left out.
    pub directive: Option<(&'static str, Value)>,
    /// What is to be said about it.
    pub remark: Option<String>,
}

/// The column and the sentence about what cannot be understood.
type Misunderstood = (usize, String);

/// Translates the words of a line, of which there is at least one.
pub(super) fn translate(words: &[Word<'_>]) -> Result<Translated, Misunderstood> {
    let Some((first, arguments)) = words.split_first() else {
        return Ok(Translated::default());
    };
    let Some(line) = Line::of(first, arguments) else {
        return Err((first.column, unknown(first.text)));
    };
    let translated = line.translated()?;
    if let Some((name, value)) = &translated.directive {
        line.check(name, value)?;
    }
    Ok(translated)
}

struct Line<'a> {
    directive: &'static Directive,
    first: Word<'a>,
    arguments: &'a [Word<'a>],
}

/// How the arguments of a directive are written.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Kind {
    /// `on`, `off`, `drain`, or nothing.
    Exec,
    /// A whole number.
    Number,
    /// One or two of them.
    Numbers,
    /// One word as it is.
    Word,
    /// Nothing.
    Flag,
    /// A path and KiB.
    Free,
    /// Times in GNU Queue's language.
    Hours,
    /// A word of which only three letters count, or nothing.
    Letters,
    /// An address or a file.
    Supervisor,
    /// 0, 1 or 2.
    Mode,
}

struct Directive {
    original: &'static str,
    ours: &'static str,
    kind: Kind,
}

impl<'a> Line<'a> {
    fn of(first: &Word<'a>, arguments: &'a [Word<'a>]) -> Option<Self> {
        let directive = DIRECTIVES.iter().find(|directive| directive.original == first.text)?;
        Some(Self { directive, first: *first, arguments })
    }

    fn translated(&self) -> Result<Translated, Misunderstood> {
        let name = self.directive.ours;
        let plain = |value: String| Translated { directive: Some((name, Value::Toml(value))), remark: None };
        let remarked = |value: String, remark: String| Translated { remark: Some(remark), ..plain(value) };
        let left_out = |remark: String| Translated { directive: None, remark: Some(remark) };
        Ok(match self.directive.kind {
            Kind::Exec => plain(quoted(self.at_most_one()?.map_or("on", |word| word.text))),
            Kind::Number => plain(self.number(self.one()?)?.to_string()),
            Kind::Numbers => match self.arguments {
                [_] => plain(self.number(self.one()?)?.to_string()),
                [soft, hard] => plain(format!("[{}, {}]", self.number(*soft)?, self.number(*hard)?)),
                _ => return Err(self.wrong("one or two numbers are expected")),
            },
            Kind::Flag => match self.arguments {
                [] => plain("true".to_owned()),
                [word, ..] => return Err((word.column, format!("{}: nothing is expected behind it", self.first.text))),
            },
            Kind::Word => {
                let word = self.one()?;
                if name == "program" && !word.text.starts_with('/') {
                    return Ok(left_out(format!(
                        "program {}: left out, because only a program with an absolute path is run",
                        shown(word.text)
                    )));
                }
                plain(quoted(word.text))
            }
            Kind::Free => match self.arguments {
                [path, kib] if path.text.starts_with('/') => {
                    let size = quoted(&format!("{}KiB", self.number(*kib)?));
                    Translated { directive: Some((name, Value::Path(path.text.to_owned(), size))), remark: None }
                }
                _ => return Err(self.wrong("an absolute path and a number of KiB are expected")),
            },
            Kind::Hours => self.hours(name)?,
            Kind::Letters => {
                let word = self.at_most_one()?.map_or("", |word| word.text);
                let letters: String = ['s', 'e', 'c'].into_iter().filter(|letter| word.contains(*letter)).collect();
                let odd = word.chars().any(|letter| !"sec".contains(letter));
                let value = if letters.is_empty() { quoted("none") } else { quoted(&letters) };
                if odd {
                    let text = self.first.text;
                    let of = shown(word);
                    let remark = format!("{text} {of}: of this GNU Queue took only the letters s, e and c: {value}");
                    remarked(value, remark)
                } else {
                    plain(value)
                }
            }
            Kind::Supervisor => {
                let word = self.one()?;
                if word.text.starts_with('/') || crate::config::mail::mailbox(word.text).is_ok() {
                    plain(quoted(word.text))
                } else {
                    left_out(format!(
                        "supervisor {}: left out, because it is neither an address with an @ nor an absolute path",
                        shown(word.text)
                    ))
                }
            }
            Kind::Mode => match self.number(self.one()?)? {
                1 => left_out(format!(
                    "{} 1: left out, because no kernel saves processes the way GNU Queue's did; 2 has a job save itself",
                    self.first.text
                )),
                mode => plain(mode.to_string()),
            },
        })
    }

    /// The words behind the directive are one specification; a day with a clock range has got its meaning back.
    fn hours(&self, name: &'static str) -> Result<Translated, Misunderstood> {
        let Some(first) = self.arguments.first() else {
            return Err(self.wrong("days and hours such as Wk1800-0700 are expected"));
        };
        let words: Vec<&str> = self.arguments.iter().map(|word| word.text).collect();
        let text = words.join(" ");
        if let Err(item) = Hours::parse(&text) {
            let message = format!(
                "{}: {} is not understood; days and hours such as Wk1800-0700 are expected",
                self.first.text,
                shown(&item)
            );
            return Err((first.column, message));
        }
        let both = |item: &str| {
            let item = item.trim();
            let day = item.starts_with(|c: char| c.is_alphabetic()) && !item.to_ascii_lowercase().starts_with("any");
            day && item.contains(|c: char| c.is_ascii_digit())
        };
        let remark = text.split(',').find(|item| both(item)).map(|item| {
            format!(
                "{}: in {} both day and hours must fit; GNU Queue forgot the day",
                self.first.text,
                shown(item.trim())
            )
        });
        Ok(Translated { directive: Some((name, Value::Toml(quoted(&text)))), remark })
    }

    /// What our own reader says about the value.
    fn check(&self, name: &str, value: &Value) -> Result<(), Misunderstood> {
        let toml = match value {
            Value::Toml(value) => value.clone(),
            Value::Path(path, size) => list([format!("{path} {}", size.trim_matches('"')).as_str()]),
        };
        match super::super::parse(&format!("{name} = {toml}")) {
            Ok(_) => Ok(()),
            Err(faults) => {
                let expected = faults[0].message.rsplit_once(": ").map_or("", |(_, expected)| expected);
                Err(self.wrong(expected))
            }
        }
    }

    /// The line as it stands and what is expected of it, at its first argument.
    fn wrong(&self, expected: &str) -> Misunderstood {
        let words: Vec<&str> = std::iter::once(&self.first).chain(self.arguments).map(|word| word.text).collect();
        let line = shown(&words.join(" "));
        let column = self.arguments.first().unwrap_or(&self.first).column;
        (column, format!("{}: {expected}", line.trim_matches('"')))
    }

    fn one(&self) -> Result<Word<'a>, Misunderstood> {
        match self.arguments {
            [word] => Ok(*word),
            [] => Err(self.wrong("one word is expected behind it")),
            [_, second, ..] => Err((second.column, format!("{}: one word is expected behind it", self.first.text))),
        }
    }

    fn at_most_one(&self) -> Result<Option<Word<'a>>, Misunderstood> {
        if self.arguments.is_empty() { Ok(None) } else { self.one().map(Some) }
    }

    fn number(&self, word: Word<'_>) -> Result<i64, Misunderstood> {
        word.text
            .parse()
            .map_err(|_| (word.column, format!("{} {}: a whole number is expected", self.first.text, shown(word.text))))
    }
}

fn unknown(word: &str) -> String {
    let text = shown(word);
    if RESERVED.contains(&word) {
        return format!("{text}: GNU Queue had reserved this word and given it no meaning");
    }
    if word == "host" {
        return "host: a host's name stands before a directive, once".to_owned();
    }
    // The manual's own misprint.
    let nearest = match word {
        "maxfree" => Some("maxexec"),
        _ => suggest::nearest(word, DIRECTIVES.iter().map(|directive| directive.original).chain(["host"])),
    };
    match nearest {
        Some(nearest) => format!("{text}: no directive of GNU Queue's; did you mean \"{nearest}\"?"),
        None => format!("{text}: no directive of GNU Queue's"),
    }
}

const fn same(name: &'static str, kind: Kind) -> Directive {
    Directive { original: name, ours: name, kind }
}

static DIRECTIVES: [Directive; 29] = [
    same("exec", Kind::Exec),
    same("maxexec", Kind::Number),
    same("vmaxexec", Kind::Number),
    same("pfactor", Kind::Number),
    same("loadsched", Kind::Number),
    same("loadstop", Kind::Number),
    same("loadcheckpoint", Kind::Number),
    same("checkpointmode", Kind::Mode),
    same("restartmode", Kind::Mode),
    same("restartflag", Kind::Word),
    same("minfree", Kind::Free),
    same("timesched", Kind::Hours),
    same("timestop", Kind::Hours),
    same("program", Kind::Word),
    same("nice", Kind::Number),
    same("rlimitcpu", Kind::Numbers),
    Directive { original: "cpulimit", ours: "rlimitcpu", kind: Kind::Numbers },
    same("rlimitfsize", Kind::Numbers),
    same("rlimitdata", Kind::Numbers),
    same("rlimitstack", Kind::Numbers),
    same("rlimitcore", Kind::Numbers),
    same("rlimitrss", Kind::Numbers),
    same("rlimitnofile", Kind::Numbers),
    same("rlimitvmem", Kind::Numbers),
    Directive { original: "rlimitas", ours: "rlimitvmem", kind: Kind::Numbers },
    same("restart", Kind::Flag),
    same("supervisor", Kind::Supervisor),
    same("mail", Kind::Letters),
    same("mailsupervisor", Kind::Letters),
];

const RESERVED: [&str; 3] = ["maxqueue", "console", "day"];
