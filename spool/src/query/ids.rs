//! Which ids a query is about, when it names them and asks nothing else.

use std::ops::RangeInclusive;

use super::field::Number;
use super::{Node, Test};

/// Rising and apart; none when something else is asked or ids are not named but bounded on one side.
pub(super) fn named(node: &Node) -> Option<Vec<RangeInclusive<u64>>> {
    match node {
        Node::Test(Test::Number(Number::Id, range)) if range.is_empty() => Some(Vec::new()),
        Node::Test(Test::Number(Number::Id, range)) => {
            let first = u64::try_from(*range.start()).ok()?;
            let last = u64::try_from(*range.end()).ok()?;
            (first > 0 && *range.end() < i64::MAX).then(|| vec![first..=last])
        }
        Node::Or(nodes) => {
            let mut ranges = Vec::new();
            for node in nodes {
                ranges.extend(named(node)?);
            }
            Some(apart(ranges))
        }
        Node::And(nodes) => {
            let mut nodes = nodes.iter();
            let mut ranges = named(nodes.next()?)?;
            for node in nodes {
                ranges = both(&ranges, &named(node)?);
            }
            Some(ranges)
        }
        Node::All | Node::Test(_) | Node::Not(_) => None,
    }
}

fn apart(mut ranges: Vec<RangeInclusive<u64>>) -> Vec<RangeInclusive<u64>> {
    ranges.sort_by_key(|range| *range.start());
    let mut apart: Vec<RangeInclusive<u64>> = Vec::with_capacity(ranges.len());
    for range in ranges {
        match apart.last_mut() {
            Some(last) if *range.start() <= last.end().saturating_add(1) => {
                *last = *last.start()..=*last.end().max(range.end());
            }
            _ => apart.push(range),
        }
    }
    apart
}

/// What is in one of the left and in one of the right, each rising and apart.
fn both(left: &[RangeInclusive<u64>], right: &[RangeInclusive<u64>]) -> Vec<RangeInclusive<u64>> {
    let (mut l, mut r, mut both) = (0, 0, Vec::new());
    while let (Some(one), Some(other)) = (left.get(l), right.get(r)) {
        let common = *one.start().max(other.start())..=*one.end().min(other.end());
        if !common.is_empty() {
            both.push(common);
        }
        if one.end() < other.end() { l += 1 } else { r += 1 }
    }
    both
}
