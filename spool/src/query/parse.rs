//! The grammar: how terms are joined. Recursion is only as deep as [`Query::MOST_DEPTH`].

use super::error::{BadQuery, Why};
use super::field::Field;
use super::scan::Scanner;
use super::{Node, Now, Query, term};

/// The whole text.
pub(super) fn parse(text: &str, now: Now) -> Result<Node, BadQuery> {
    let mut parser = Parser { scanner: Scanner::new(text)?, now, terms: 0, depth: 0 };
    let root = parser.any_of()?;
    let at = parser.scanner.next_at();
    match parser.scanner.peek() {
        None => Ok(root),
        // Whatever else there is would have been taken for the next term.
        Some(_) => Err(parser.scanner.bad(at, Why::ClosesNothing)),
    }
}

struct Parser<'a> {
    scanner: Scanner<'a>,
    now: Now,
    terms: usize,
    depth: usize,
}

impl Parser<'_> {
    fn any_of(&mut self) -> Result<Node, BadQuery> {
        let mut nodes = vec![self.all_of()?];
        while self.scanner.take_word("or") {
            nodes.push(self.all_of()?);
        }
        Ok(joined(nodes, Node::Or))
    }

    fn all_of(&mut self) -> Result<Node, BadQuery> {
        let mut nodes = vec![self.one()?];
        while self.goes_on() {
            nodes.push(self.one()?);
        }
        Ok(joined(nodes, Node::And))
    }

    /// Whether another term is to follow in a list whose terms must all be true.
    fn goes_on(&mut self) -> bool {
        let mut ahead = self.scanner.clone();
        match ahead.peek() {
            None | Some(')') => false,
            Some(_) if ahead.take_word("or") => false,
            Some(_) => {
                self.scanner.take_word("and");
                true
            }
        }
    }

    fn one(&mut self) -> Result<Node, BadQuery> {
        let at = self.scanner.next_at();
        if self.scanner.take_word("not") {
            return Ok(self.deeper(at, Self::one)?.not());
        }
        if !self.scanner.take('(') {
            return self.term();
        }
        let node = self.deeper(at, Self::any_of)?;
        if self.scanner.take(')') { Ok(node) } else { Err(self.scanner.bad(at, Why::NeverClosed { opening: '(' })) }
    }

    fn deeper(&mut self, at: usize, part: impl FnOnce(&mut Self) -> Result<Node, BadQuery>) -> Result<Node, BadQuery> {
        if self.depth == Query::MOST_DEPTH {
            return Err(self.scanner.bad(at, Why::TooDeep));
        }
        self.depth += 1;
        let node = part(self);
        self.depth -= 1;
        node
    }

    fn term(&mut self) -> Result<Node, BadQuery> {
        let at = self.scanner.next_at();
        let found = self.scanner.found();
        let word = self.scanner.word();
        if word.is_empty() || ["and", "or"].iter().any(|joint| word.eq_ignore_ascii_case(joint)) {
            return Err(self.scanner.bad(at, Why::NoTerm(found)));
        }
        if self.terms == Query::MOST_TERMS {
            return Err(self.scanner.bad(at, Why::TooManyTerms));
        }
        self.terms += 1;
        let Some(operator) = self.scanner.operator()? else {
            return term::alone(word).map_err(|why| self.scanner.bad(at, why));
        };
        let field = Field::named(word).map_err(|why| self.scanner.bad(at, why))?;
        let value_at = self.scanner.next_at();
        let Some(value) = self.scanner.value()? else {
            let why = Why::NoValue { field: field.name(), operator, found: self.scanner.found() };
            return Err(self.scanner.bad(value_at, why));
        };
        term::comparison(field, operator, &value, self.now).map_err(|why| {
            let about_value = !matches!(why, Why::NoOperator { .. });
            self.scanner.bad(if about_value { value.at } else { at }, why)
        })
    }
}

fn joined(mut nodes: Vec<Node>, join: impl FnOnce(Vec<Node>) -> Node) -> Node {
    match nodes.pop() {
        Some(only) if nodes.is_empty() => only,
        last => {
            nodes.extend(last);
            join(nodes)
        }
    }
}
