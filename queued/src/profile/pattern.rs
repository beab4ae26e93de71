//! Names with `*` for anything and `?` for one character, for hosts, users, groups and commands.

/// A pattern for a whole name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern(String);

impl Pattern {
    /// What was written, if it can be one: neither empty nor long nor with control characters.
    pub(super) fn new(text: &str) -> Option<Self> {
        let good = !text.is_empty() && text.len() <= LONGEST && !text.chars().any(char::is_control);
        good.then(|| Self(text.to_owned()))
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is no pattern but one name.
    pub(super) fn is_exact(&self) -> bool {
        !self.0.contains(['*', '?'])
    }

    /// How many characters must be just these.
    pub(super) fn literals(&self) -> usize {
        self.0.chars().filter(|c| !matches!(c, '*' | '?')).count()
    }

    /// Whether the name fits.
    pub fn fits(&self, name: &str) -> bool {
        fits(&self.0.chars().collect::<Vec<_>>(), &name.chars().collect::<Vec<_>>())
    }

    /// The same for names in which case says nothing.
    pub(super) fn fits_any_case(&self, name: &str) -> bool {
        let [pattern, name] = [&self.0, name].map(|text| text.chars().map(|c| c.to_ascii_lowercase()).collect());
        let (pattern, name): (Vec<_>, Vec<_>) = (pattern, name);
        fits(&pattern, &name)
    }
}

/// In time that is at most the product of the lengths: only the last `*` is ever tried again.
fn fits(pattern: &[char], name: &[char]) -> bool {
    let (mut piece, mut at) = (0, 0);
    let mut star = None;
    loop {
        match pattern.get(piece) {
            Some('*') => {
                piece += 1;
                star = Some((piece, at));
                continue;
            }
            Some('?') if at < name.len() => (piece, at) = (piece + 1, at + 1),
            Some(literal) if name.get(at) == Some(literal) => (piece, at) = (piece + 1, at + 1),
            None if at == name.len() => return true,
            _ => match star {
                Some((behind, reach)) if reach < name.len() => {
                    star = Some((behind, reach + 1));
                    (piece, at) = (behind, reach + 1);
                }
                _ => return false,
            },
        }
    }
}

const LONGEST: usize = 1024;
