//! How jobs are shown: as a table for people, as JSON or YAML for programs, as ids for `xargs`.
//!
//! Rows are written as they come, since there may be a million of them; nothing here asks the daemon or
//! knows a command line. What comes from a job is bytes of somebody else: no control character of it
//! reaches the terminal.

pub mod changed;
mod columns;
mod document;
pub mod exits;
mod fields;
pub mod show;
mod spans;
pub mod status;
pub mod why;

use std::io::{self, BufWriter, Write};

use jiff::Zoned;
use jiff::tz::TimeZone;
use wire::batch::JobRow;
use wire::history::RowKind;

use crate::failure::Failure;
use columns::Columns;
use fields::{Field, Picked};

/// For whom it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Style {
    /// People.
    #[default]
    Table,
    /// Programs: one array, with a job on each line.
    Json,
    /// Programs: a list of maps.
    Yaml,
    /// Programs: ids only, one on each line.
    Parsable,
}

/// How it is to look.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Look {
    /// For whom.
    pub style: Style,
    /// Times in UTC, not in the person's zone.
    pub utc: bool,
    /// Only these fields, by their names or what these begin with; none: the usual ones.
    pub fields: Option<Vec<String>>,
    /// The host whose jobs need no host behind their number.
    pub own_host: String,
    /// Whether it goes to a terminal.
    pub is_terminal: bool,
    /// Whether colours are wanted.
    pub colour: bool,
    /// The terminal's columns.
    pub width: Option<usize>,
}

impl Look {
    /// The same time in the zone in which times are shown.
    fn zoned(&self, now: &Zoned) -> Zoned {
        if self.utc { now.with_time_zone(TimeZone::UTC) } else { now.clone() }
    }
}

/// Writes jobs as they come.
pub struct JobWriter<W: Write> {
    out: BufWriter<W>,
    look: Look,
    fields: Vec<Field>,
    columns: Columns,
    now: Zoned,
    rows: u64,
}

impl<W: Write> JobWriter<W> {
    /// Nothing is written yet. `now` is what ages are counted to, and its zone that of the times.
    ///
    /// # Errors
    /// `fields` names one that jobs do not have.
    pub fn new(out: W, look: Look, now: Zoned) -> Result<Self, Failure> {
        let fields = match (&look.fields, look.style) {
            (Some(_), Style::Parsable) => {
                return Err(Failure::usage("--parsable prints ids only: leave out --fields, or take --json"));
            }
            (Some(names), _) => fields::named(names)?,
            (None, Style::Table) => fields::USUAL.to_vec(),
            (None, _) => fields::PLAIN.to_vec(),
        };
        let now = look.zoned(&now);
        let columns = Columns::new(&fields);
        Ok(Self { out: BufWriter::with_capacity(BUFFER, out), look, fields, columns, now, rows: 0 })
    }

    /// The next job.
    pub fn row(&mut self, row: &JobRow) -> io::Result<()> {
        // Where only ids are wanted, they are wanted for a command, and none takes a session's.
        if self.look.style == Style::Parsable && row.kind == RowKind::Session {
            return Ok(());
        }
        self.rows += 1;
        let is_first = self.rows == 1;
        let picked = Picked { row, fields: &self.fields, now: &self.now };
        match self.look.style {
            Style::Table => self.columns.row(&mut self.out, &picked, &self.look),
            Style::Json => {
                self.out.write_all(if is_first { b"[\n" } else { b",\n" })?;
                document::write_json(&mut self.out, &picked)
            }
            Style::Yaml => document::write_yaml_item(&mut self.out, &picked),
            Style::Parsable => writeln!(self.out, "{}", fields::name(row, &self.look.own_host)),
        }
    }

    /// The next job, for a reader who waits for it.
    pub fn row_at_once(&mut self, row: &JobRow) -> io::Result<()> {
        self.row(row).and_then(|()| self.out.flush())
    }

    /// There are no more.
    pub fn finish(mut self) -> io::Result<()> {
        match (self.look.style, self.rows) {
            (Style::Table, _) => self.columns.finish(&mut self.out, &self.look)?,
            (Style::Json | Style::Yaml, 0) => self.out.write_all(b"[]\n")?,
            (Style::Json, _) => self.out.write_all(b"\n]\n")?,
            (Style::Yaml | Style::Parsable, _) => {}
        }
        self.out.flush()
    }
}

const BUFFER: usize = 64 << 10;

#[cfg(test)]
mod tests;
