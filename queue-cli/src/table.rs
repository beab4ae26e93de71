//! Tables for people: columns as wide as their widest cell, two blanks between.

/// How a column stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Align {
    /// Words.
    Left,
    /// Numbers.
    Right,
}

/// Lays `rows` out in columns; the last column is not padded.
pub fn lay_out(columns: &[Align], rows: &[Vec<String>]) -> String {
    let widths = widths(columns.len(), rows);
    rows.iter().map(|row| line(columns, &widths, row) + "\n").collect()
}

/// How wide the widest cell of each column is.
pub fn widths(columns: usize, rows: &[Vec<String>]) -> Vec<usize> {
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    (0..columns).map(|column| width(column).unwrap_or(0)).collect()
}

/// One row, without the end of the line; a cell that is wider than its column pushes those behind it.
pub fn line(columns: &[Align], widths: &[usize], cells: &[String]) -> String {
    let mut line = String::new();
    for (column, cell) in cells.iter().enumerate() {
        if column > 0 {
            line.push_str("  ");
        }
        line.push_str(&padded(cell, columns[column], widths[column]));
    }
    line.truncate(line.trim_end().len());
    line
}

/// A cell as wide as its column.
pub fn padded(cell: &str, align: Align, width: usize) -> String {
    match align {
        Align::Left => format!("{cell:<width$}"),
        Align::Right => format!("{cell:>width$}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_lines_have_no_blanks_at_their_end() {
        let row = |cells: [&str; 3]| cells.map(str::to_owned).to_vec();
        let rows = [row(["HOST", "LOAD", "STATE"]), row(["b", "10.2", ""]), row(["long", "1", "ö"])];
        assert_eq!(
            lay_out(&[Align::Left, Align::Right, Align::Left], &rows),
            "HOST  LOAD  STATE\nb     10.2\nlong     1  ö\n"
        );
    }
}
