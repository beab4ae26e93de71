//! Who may use a queue, and for what: `allow-*` and `deny-*`. What is said about somebody is decided here, from
//! names that are given; nobody is looked up.

use super::fault::Faults;
use super::pattern::Pattern;
use super::value::Value;
use super::words::absolute;
use super::written::{Written, list, quoted};

/// Names and patterns of them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Names(pub Vec<Pattern>);

impl Names {
    /// Whether a name is among them.
    pub fn have(&self, name: &str) -> bool {
        self.0.iter().any(|pattern| pattern.fits(name))
    }

    /// Whether a command is: a pattern with a slash is about the whole path, one without is about what stands
    /// behind the last slash.
    pub fn have_command(&self, command: &str) -> bool {
        let name = command.rsplit('/').next().unwrap_or(command);
        self.0.iter().any(|pattern| pattern.fits(if pattern.as_str().contains('/') { command } else { name }))
    }
}

/// Who may: all, or those.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Allowed {
    /// No restriction.
    #[default]
    All,
    /// Those; with an empty list nobody.
    Only(Names),
}

/// Who speaks against a user of a queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Objection {
    /// `deny-users` has the user.
    DeniedUser,
    /// `deny-groups` has a group of the user.
    DeniedGroup,
    /// There is an `allow-users` or `allow-groups`, and none has the user.
    NotAllowed,
}

/// Whether a user in these groups may use a queue. What is denied is denied; where there are `allow-users` and
/// `allow-groups`, one of the two is enough.
pub(super) fn objection<'g>(
    (allow_users, allow_groups): (&Allowed, &Allowed),
    (deny_users, deny_groups): (&Names, &Names),
    user: &str,
    groups: impl IntoIterator<Item = &'g str>,
) -> Option<Objection> {
    let (mut denied, mut allowed) = (false, false);
    for group in groups {
        denied |= deny_groups.have(group);
        allowed |= matches!(allow_groups, Allowed::Only(names) if names.have(group));
    }
    allowed |= matches!(allow_users, Allowed::Only(names) if names.have(user));
    allowed |= (allow_users, allow_groups) == (&Allowed::All, &Allowed::All);
    match () {
        () if deny_users.have(user) => Some(Objection::DeniedUser),
        () if denied => Some(Objection::DeniedGroup),
        () if !allowed => Some(Objection::NotAllowed),
        () => None,
    }
}

pub(super) fn denied(value: &Value<'_>) -> Result<Names, Faults> {
    let names = value.each(MOST, "a list of names such as [\"ada\", \"x-*\"] is expected", name);
    names.map(Names)
}

pub(super) fn allowed(value: &Value<'_>) -> Result<Allowed, Faults> {
    if value.is("all") {
        return Ok(Allowed::All);
    }
    let expected = "a list of names such as [\"ada\", \"x-*\"], or \"all\", is expected";
    value.each(MOST, expected, name).map(|names| Allowed::Only(Names(names)))
}

pub(super) fn commands(value: &Value<'_>) -> Result<Allowed, Faults> {
    if value.is("all") {
        return Ok(Allowed::All);
    }
    let expected = "a list of commands such as [\"/usr/bin/make\", \"sas*\"], or \"all\", is expected";
    let command = |value: &Value<'_>| match value.text().and_then(Pattern::new) {
        Some(pattern) if !pattern.as_str().contains('/') || absolute(pattern.as_str()) => Ok(pattern),
        _ => value.refuse("an absolute path, or a name without a slash, is expected"),
    };
    value.each(MOST, expected, command).map(|names| Allowed::Only(Names(names)))
}

fn name(value: &Value<'_>) -> Result<Pattern, Faults> {
    let plain = |text: &&str| !text.contains(|c: char| c.is_whitespace() || c == ',' || c == ':');
    value
        .text()
        .filter(plain)
        .and_then(Pattern::new)
        .map_or_else(|| value.refuse("a name, in which * is anything and ? one character, is expected"), Ok)
}

impl Written for Names {
    fn written(&self) -> String {
        list(self.0.iter().map(Pattern::as_str))
    }
}

impl Written for Allowed {
    fn written(&self) -> String {
        match self {
            Self::All => quoted("all"),
            Self::Only(names) => names.written(),
        }
    }
}

const MOST: usize = 1024;
