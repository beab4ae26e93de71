//! `[host.NAME]`: which tables a host has a part in, and which of them goes first.

use std::cmp::Reverse;

use super::directives::Said;
use super::pattern::Pattern;
use super::written::quoted;

/// What is said for some hosts.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct HostTable {
    pub pattern: Pattern,
    pub said: Said,
}

impl HostTable {
    /// The hosts that a name means, unless it means none, or the same as one before.
    pub fn pattern(name: &str, before: &[HostTable]) -> Result<Pattern, String> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._*?".contains(&byte);
        if name.is_empty() || name.len() > LONGEST || !name.bytes().all(plain) {
            return Err(format!(
                "[host.{}]: a host's name, in which * is anything and ? one character, is expected",
                quoted(&name.chars().take(LONGEST).collect::<String>())
            ));
        }
        if before.iter().any(|table| table.pattern.as_str().eq_ignore_ascii_case(name)) {
            return Err(format!("[host.{name}]: stands twice, capital letters or not"));
        }
        Pattern::new(name).ok_or_else(|| format!("[host.{name}]: a host's name is expected"))
    }
}

/// The tables of a host: an exact name first, then the pattern that says more, then the one that stands first.
pub(super) fn fitting<'a>(tables: &'a [HostTable], host: &str) -> impl Iterator<Item = &'a HostTable> + use<'a> {
    let mut fitting: Vec<&HostTable> = tables.iter().filter(|table| table.pattern.fits_any_case(host)).collect();
    fitting.sort_by_key(|table| (!table.pattern.is_exact(), Reverse(table.pattern.literals())));
    fitting.into_iter()
}

/// Of a host's name.
const LONGEST: usize = 64;
