//! Lengths of time, sizes and counts as a person reads them: `41 s`, `2 h 10 min`, `1.4 GiB`, `9,812`.

/// A length of time, in the two units that matter.
pub fn duration(us: u64) -> String {
    let seconds = us / 1_000_000;
    match seconds {
        0 if us < 10_000 => "0 s".to_owned(),
        0 => format!("0.{:02} s", us / 10_000),
        1..10 => format!("{}.{} s", seconds, us / 100_000 % 10),
        10..60 => format!("{seconds} s"),
        60..3600 => two(seconds / 60, "min", seconds % 60, "s"),
        3600..86_400 => two(seconds / 3600, "h", seconds / 60 % 60, "min"),
        _ => two(seconds / 86_400, "d", seconds / 3600 % 24, "h"),
    }
}

fn two(large: u64, large_unit: &str, small: u64, small_unit: &str) -> String {
    if small == 0 { format!("{large} {large_unit}") } else { format!("{large} {large_unit} {small} {small_unit}") }
}

/// A size in the unit that fits.
pub fn size(bytes: u64) -> String {
    let tenths = |unit: u64| {
        let tenths = (u128::from(bytes) * 10 + u128::from(unit) / 2) / u128::from(unit);
        format!("{}.{}", tenths / 10, tenths % 10)
    };
    match bytes {
        1 => "1 byte".to_owned(),
        0..1024 => format!("{bytes} bytes"),
        1024..MIB => format!("{} KiB", tenths(1024)),
        MIB..GIB => format!("{} MiB", tenths(MIB)),
        _ => format!("{} GiB", tenths(GIB)),
    }
}

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// A count with separators.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_have_the_two_units_that_matter() {
        let seconds = |seconds: u64| duration(seconds * 1_000_000);
        assert_eq!(duration(9_999), "0 s");
        assert_eq!(duration(43_000), "0.04 s");
        assert_eq!(duration(3_250_000), "3.2 s");
        assert_eq!(seconds(41), "41 s");
        assert_eq!(seconds(60), "1 min");
        assert_eq!(seconds(125), "2 min 5 s");
        assert_eq!(seconds(7_800), "2 h 10 min");
        assert_eq!(seconds(4 * 86_400 + 3 * 3600), "4 d 3 h");
    }

    #[test]
    fn sizes_are_in_the_unit_that_fits() {
        assert_eq!(size(1), "1 byte");
        assert_eq!(size(1023), "1023 bytes");
        assert_eq!(size(1536), "1.5 KiB");
        assert_eq!(size(3 << 29), "1.5 GiB");
        assert_eq!(size(u64::MAX), "17179869184.0 GiB");
    }

    #[test]
    fn counts_have_separators() {
        assert_eq!(count(0), "0");
        assert_eq!(count(812), "812");
        assert_eq!(count(10_000), "10,000");
        assert_eq!(count(1_234_567), "1,234,567");
    }
}
