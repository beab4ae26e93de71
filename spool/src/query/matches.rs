//! The answer for a row in memory. What it says, the expression of [`sql`](super::sql) says too.

use wire::batch::JobRow;

use super::field::{Number, Text};
use super::{Node, Test, TextTest};

impl Node {
    /// Whether it is true of the job.
    pub(super) fn matches(&self, row: &JobRow) -> bool {
        match self {
            Self::All => true,
            Self::Test(test) => test.matches(row),
            Self::Not(node) => !node.matches(row),
            Self::And(nodes) => nodes.iter().all(|node| node.matches(row)),
            Self::Or(nodes) => nodes.iter().any(|node| node.matches(row)),
        }
    }
}

impl Test {
    fn matches(&self, row: &JobRow) -> bool {
        match self {
            Self::State(states) => states.contains(&row.state.as_str()),
            Self::Number(field, range) => field.of(row).is_some_and(|number| range.contains(&number)),
            Self::Text(field, test) => field.of(row).is_some_and(|text| test.is_true_of(text)),
            Self::Tag(test) => row.tags.iter().any(|tag| test.is_true_of(tag.as_bytes())),
            Self::Restartable => row.restartable,
        }
    }
}

impl TextTest {
    /// Whether it is true of a text that is there.
    pub(super) fn is_true_of(&self, text: &[u8]) -> bool {
        match self {
            Self::Present => true,
            Self::Equal(wanted) => text == wanted.as_bytes(),
            Self::Less(bound) => text < bound.as_bytes(),
            Self::AtMost(bound) => text <= bound.as_bytes(),
            Self::Greater(bound) => text > bound.as_bytes(),
            Self::AtLeast(bound) => text >= bound.as_bytes(),
            Self::Contains(part) => part.is_empty() || text.windows(part.len()).any(|window| window == part.as_bytes()),
            Self::Like(glob) => glob.matches(text),
        }
    }
}

impl Number {
    fn of(self, row: &JobRow) -> Option<i64> {
        let usage = row.usage.as_ref();
        match self {
            Self::Id => Some(signed(row.id)),
            Self::Priority => Some(i64::from(row.priority)),
            Self::Attempt => Some(signed(row.attempt)),
            Self::Exit => row.exit.map(i64::from),
            Self::Submitted => Some(row.submitted_us),
            Self::Started => row.started_us,
            Self::Ended => row.ended_us,
            Self::Wall => usage.map(|usage| signed(usage.wall_us)),
            Self::Cpu => usage.map(|usage| signed(usage.user_us.saturating_add(usage.system_us))),
            Self::Memory => usage.map(|usage| signed(usage.max_rss_kib)),
        }
    }
}

impl Text {
    fn of(self, row: &JobRow) -> Option<&[u8]> {
        match self {
            Self::Queue => Some(row.queue.as_bytes()),
            Self::User => Some(row.user.as_bytes()),
            Self::Name => row.name.as_deref().map(str::as_bytes),
            Self::Host => row.host.as_deref().map(str::as_bytes),
            Self::Signal => row.signal.as_deref().map(str::as_bytes),
            Self::Command => Some(row.command.as_bytes()),
            Self::Directory => Some(&row.directory.0),
            Self::Report => Some(row.report.as_bytes()).filter(|report| !report.is_empty()),
            Self::Notice => Some(row.notice.as_bytes()).filter(|notice| !notice.is_empty()),
        }
    }
}

/// What SQLite can hold of it.
fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
