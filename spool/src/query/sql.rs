//! The same question for SQLite, over the columns of the table `jobs`.
//!
//! Every part of the expression is 0 or 1, never NULL: columns that may be NULL are compared with `IS`, or
//! behind `IS NOT NULL`, so that `NOT` may stand before everything. States, ids and whatever else may have
//! an index are compared plainly with a bound value.

use std::fmt::Write;
use std::ops::RangeInclusive;

use super::field::{Number, Text};
use super::{Node, Test, TextTest, Value};

/// The expression and what is bound to it.
pub(super) fn expression(root: &Node) -> (String, Vec<Value>) {
    let mut expression = Expression::default();
    expression.node(root);
    (expression.sql, expression.values)
}

#[derive(Default)]
struct Expression {
    sql: String,
    values: Vec<Value>,
}

impl Expression {
    fn node(&mut self, node: &Node) {
        match node {
            Node::All => self.sql += "1",
            Node::Test(test) => self.test(test),
            Node::Not(node) => {
                self.sql += "NOT (";
                self.node(node);
                self.sql += ")";
            }
            Node::And(nodes) => self.joined(nodes, " AND "),
            Node::Or(nodes) => self.joined(nodes, " OR "),
        }
    }

    /// A long list becomes a tree: SQLite bounds how deep an expression is, and a list is as deep as long.
    fn joined(&mut self, nodes: &[Node], joint: &str) {
        self.sql += "(";
        if nodes.len() <= FLAT {
            for (index, node) in nodes.iter().enumerate() {
                if index > 0 {
                    self.sql += joint;
                }
                self.node(node);
            }
        } else {
            let (left, right) = nodes.split_at(nodes.len() / 2);
            self.joined(left, joint);
            self.sql += joint;
            self.joined(right, joint);
        }
        self.sql += ")";
    }

    fn test(&mut self, test: &Test) {
        match test {
            Test::State(states) => self.states(states),
            Test::Number(field, range) => self.number(*field, range),
            Test::Text(field, test) => self.text(*field, test),
            Test::Tag(test) => {
                self.sql += "EXISTS (SELECT 1 FROM json_each(tags)";
                if *test != TextTest::Present {
                    self.sql += " WHERE ";
                    self.compared("json_each.value", "?", test);
                }
                self.sql += ")";
            }
            Test::Restartable => self.sql += "restartable <> 0",
        }
    }

    fn states(&mut self, states: &[&'static str]) {
        match states {
            [] => self.sql += "0",
            [state] => self.bound("state = ?", Value::Text((*state).to_owned())),
            [first, others @ ..] => {
                self.bound("state IN (?", Value::Text((*first).to_owned()));
                for state in others {
                    self.bound(", ?", Value::Text((*state).to_owned()));
                }
                self.sql += ")";
            }
        }
    }

    fn number(&mut self, field: Number, range: &RangeInclusive<i64>) {
        let column = field.column();
        let (first, last) = (*range.start(), *range.end());
        if first > last {
            self.sql += "0";
        } else if first == last {
            let equal = if field.may_be_absent() { "IS" } else { "=" };
            self.bound(&format!("{column} {equal} ?"), Value::Int(first));
        } else if (first, last) == (i64::MIN, i64::MAX) {
            self.present(field.may_be_absent(), column);
        } else {
            self.if_present(field.may_be_absent(), column, |sql| match (first, last) {
                (i64::MIN, _) => sql.bound(&format!("{column} <= ?"), Value::Int(last)),
                (_, i64::MAX) => sql.bound(&format!("{column} >= ?"), Value::Int(first)),
                _ => {
                    sql.bound(&format!("{column} BETWEEN ? AND "), Value::Int(first));
                    sql.bound("?", Value::Int(last));
                }
            });
        }
    }

    fn text(&mut self, field: Text, test: &TextTest) {
        let column = field.column();
        match (field, test) {
            (_, TextTest::Present) => self.present(field.may_be_absent(), column),
            (_, TextTest::Equal(wanted)) if field.may_be_absent() => {
                self.bound(&format!("{column} IS ?"), Value::Text(wanted.clone()));
            }
            // Bytes and text are never equal to SQLite, but it has no patterns for bytes.
            (Text::Directory, TextTest::Like(_)) => self.compared("CAST(directory AS TEXT)", "?", test),
            (Text::Directory, _) => self.compared(column, "CAST(? AS BLOB)", test),
            _ => self.if_present(field.may_be_absent(), column, |sql| sql.compared(column, "?", test)),
        }
    }

    fn present(&mut self, may_be_absent: bool, column: &str) {
        if may_be_absent {
            self.sql += column;
            self.sql += " IS NOT NULL";
        } else {
            self.sql += "1";
        }
    }

    /// A comparison that is NULL for NULL, and 0 for it instead.
    fn if_present(&mut self, may_be_absent: bool, column: &str, comparison: impl FnOnce(&mut Self)) {
        if !may_be_absent {
            return comparison(self);
        }
        _ = write!(self.sql, "({column} IS NOT NULL AND ");
        comparison(self);
        self.sql += ")";
    }

    /// `mark` is what stands for the value.
    fn compared(&mut self, column: &str, mark: &str, test: &TextTest) {
        let (sql, value) = match test {
            TextTest::Present => {
                self.sql += "1";
                return;
            }
            TextTest::Equal(wanted) => (format!("{column} = {mark}"), wanted.clone()),
            TextTest::Less(bound) => (format!("{column} < {mark}"), bound.clone()),
            TextTest::AtMost(bound) => (format!("{column} <= {mark}"), bound.clone()),
            TextTest::Greater(bound) => (format!("{column} > {mark}"), bound.clone()),
            TextTest::AtLeast(bound) => (format!("{column} >= {mark}"), bound.clone()),
            TextTest::Contains(part) => (format!("instr({column}, {mark}) > 0"), part.clone()),
            TextTest::Like(glob) => (format!("{column} GLOB {mark}"), glob.sqlite()),
        };
        self.bound(&sql, Value::Text(value));
    }

    fn bound(&mut self, sql: &str, value: Value) {
        self.sql += sql;
        self.values.push(value);
    }
}

impl Number {
    fn column(self) -> &'static str {
        match self {
            Self::Id => "id",
            Self::Priority => "priority",
            Self::Attempt => "attempt",
            Self::Exit => "exit",
            Self::Submitted => "submitted_us",
            Self::Started => "started_us",
            Self::Ended => "ended_us",
            Self::Wall => "wall_us",
            Self::Cpu => "user_us + system_us",
            Self::Memory => "max_rss_kib",
        }
    }
}

impl Text {
    fn column(self) -> &'static str {
        match self {
            Self::Queue => "queue",
            Self::User => "user",
            Self::Name => "name",
            Self::Host => "host",
            Self::Signal => "signal",
            Self::Command => "command",
            Self::Directory => "directory",
            // It is '' when there is none.
            Self::Report => "NULLIF(report, '')",
            Self::Notice => "NULLIF(notice, '')",
        }
    }
}

/// The longest list that is written as one. With the bounds on depth and terms this keeps well below
/// SQLite's thousand levels.
const FLAT: usize = 4;
