//! Sizes in bytes as people write them: `10GiB`, `10G`, `1.5 GB`. Units are powers of 1024, all of them.

use std::fmt;

/// So many bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Size(pub u64);

impl Size {
    /// Reads `10GiB`, `10G`, `1.5 GB`; a bare number is bytes.
    pub fn parse(text: &str) -> Option<Self> {
        let length = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
        let (number, unit) = text.split_at(length);
        let power = match unit.trim_start().to_ascii_lowercase().as_str() {
            "" | "b" => 0,
            "k" | "kb" | "kib" => 1,
            "m" | "mb" | "mib" => 2,
            "g" | "gb" | "gib" => 3,
            "t" | "tb" | "tib" => 4,
            "p" | "pb" | "pib" => 5,
            _ => return None,
        };
        let (whole, fraction) = match number.split_once('.') {
            Some((_, "")) => return None,
            Some(_) if power == 0 => return None,
            Some(split) => split,
            None => (number, ""),
        };
        if whole.is_empty() || whole.len() > 19 || fraction.len() > 6 || fraction.contains('.') {
            return None;
        }
        let scale = 10_u128.pow(u32::try_from(fraction.len()).ok()?);
        let digits: u128 = format!("{whole}{fraction}").parse().ok()?;
        let bytes = (digits << (10 * power)) / scale;
        u64::try_from(bytes).ok().filter(|&bytes| bytes <= MOST_BYTES).map(Self)
    }
}

/// Exactly, in the largest unit of which it is a whole number.
impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [("PiB", 50), ("TiB", 40), ("GiB", 30), ("MiB", 20), ("KiB", 10)];
        let fits = |&&(_, shift): &&(&str, u32)| self.0 != 0 && self.0.trailing_zeros() >= shift;
        match units.iter().find(fits) {
            Some((unit, shift)) => write!(f, "{}{unit}", self.0 >> shift),
            None => write!(f, "{}B", self.0),
        }
    }
}

/// TOML has no greater integers.
const MOST_BYTES: u64 = i64::MAX as u64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_shown_is_read_as_the_same() {
        for bytes in [0, 1, 1000, 1024, 3 << 20, (5 << 30) + 1, 7 << 40, 1 << 50, MOST_BYTES] {
            assert_eq!(Size::parse(&Size(bytes).to_string()), Some(Size(bytes)));
        }
        assert_eq!(Size::parse("1.5 GB"), Some(Size(3 << 29)));
        for bad in ["", "G", "1.5", "-1", "1e3", "1.G", "99999999999P"] {
            assert_eq!(Size::parse(bad), None, "{bad}");
        }
    }
}
