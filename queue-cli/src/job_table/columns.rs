//! The table while rows still come: the first ones are measured, the rest goes on with their widths.

use std::io::{self, Write};

use super::Look;
use super::fields::{Field, Picked, is_failed};
use crate::table::{Align, line, padded, widths};

/// A table that is being written.
pub struct Columns {
    fields: Vec<Field>,
    aligns: Vec<Align>,
    /// Rows that wait for the widths, the headings first.
    measured: Vec<Vec<String>>,
    paints: Vec<Paint>,
    /// Known when the first rows were measured.
    widths: Option<Vec<usize>>,
}

/// The colour of a state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Paint {
    Plain,
    Running,
    Failed,
}

impl Paint {
    fn on(self, text: &str) -> String {
        match self {
            Self::Plain => text.to_owned(),
            Self::Running => format!("\x1b[32m{text}\x1b[0m"),
            Self::Failed => format!("\x1b[31m{text}\x1b[0m"),
        }
    }
}

impl Columns {
    /// A table with these columns.
    pub fn new(fields: &[Field]) -> Self {
        let aligns = fields.iter().map(|field| field.align()).collect();
        let heading = fields.iter().map(|field| field.heading()).collect();
        let fields = fields.to_vec();
        Self { fields, aligns, measured: vec![heading], paints: vec![Paint::Plain], widths: None }
    }

    /// The next job.
    pub fn row(&mut self, out: &mut impl Write, picked: &Picked<'_>, look: &Look) -> io::Result<()> {
        let cells = picked.cells(&look.own_host);
        let paint = match picked.row.state.as_str() {
            _ if is_failed(picked.row) => Paint::Failed,
            "running" => Paint::Running,
            _ => Paint::Plain,
        };
        if let Some(widths) = &self.widths {
            return self.write(out, widths, &cells, paint, look);
        }
        self.measured.push(cells);
        self.paints.push(paint);
        if self.measured.len() > MEASURED { self.write_measured(out, look) } else { Ok(()) }
    }

    /// There are no more; a table without jobs has no headings either.
    pub fn finish(&mut self, out: &mut impl Write, look: &Look) -> io::Result<()> {
        if self.measured.len() > 1 { self.write_measured(out, look) } else { Ok(()) }
    }

    /// Whether rows still wait.
    #[cfg(test)]
    pub fn holds_rows(&self) -> bool {
        !self.measured.is_empty()
    }

    fn write_measured(&mut self, out: &mut impl Write, look: &Look) -> io::Result<()> {
        let rows = std::mem::take(&mut self.measured);
        let paints = std::mem::take(&mut self.paints);
        let widths = widths(self.fields.len(), &rows);
        for (cells, paint) in rows.iter().zip(paints) {
            self.write(out, &widths, cells, paint, look)?;
        }
        self.widths = Some(widths);
        Ok(())
    }

    fn write(
        &self,
        out: &mut impl Write,
        widths: &[usize],
        cells: &[String],
        paint: Paint,
        look: &Look,
    ) -> io::Result<()> {
        let mut text = line(&self.aligns, widths, cells);
        if let Some(width) = look.width.filter(|_| look.is_terminal) {
            text = cut(text, width);
        }
        if look.colour && paint != Paint::Plain {
            text = self.painted(&text, widths, cells, paint);
        }
        writeln!(out, "{text}")
    }

    /// The line with its state in colour: the lengths above count what is seen.
    fn painted(&self, text: &str, widths: &[usize], cells: &[String], paint: Paint) -> String {
        let Some(place) = self.fields.iter().position(|field| *field == Field::state) else {
            return text.to_owned();
        };
        let before = (0..place)
            .map(|column| padded(&cells[column], self.aligns[column], widths[column]).len() + 2)
            .sum::<usize>();
        let after = before + cells[place].len();
        match (text.get(..before), text.get(before..after), text.get(after..)) {
            (Some(before), Some(state), Some(after)) => format!("{before}{}{after}", paint.on(state)),
            // Cut off within it.
            _ => text.to_owned(),
        }
    }
}

/// At most so many characters; that there were more is said by the last of them.
fn cut(text: String, width: usize) -> String {
    if width == 0 || text.chars().count() <= width {
        return text;
    }
    text.chars().take(width - 1).chain(['…']).collect()
}

/// The heading and so many jobs are measured.
const MEASURED: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_never_wider_than_the_terminal() {
        assert_eq!(cut("abcdef".into(), 6), "abcdef");
        assert_eq!(cut("abcdef".into(), 5), "abcd…");
        assert_eq!(cut("äöüß".into(), 3), "äö…");
        assert_eq!(cut("abc".into(), 0), "abc");
    }
}
