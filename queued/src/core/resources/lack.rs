//! What is missing on a host, in words for whoever waits for it. They follow the host's name.

use wire::size::Size;

use super::Amount;

/// What is missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lack {
    /// Others have it now.
    Taken(String),
    /// It was never there.
    Never(String),
}

impl Lack {
    /// What is missing, and who has it.
    pub fn words(&self) -> &str {
        match self {
            Self::Taken(words) | Self::Never(words) => words,
        }
    }

    pub(super) fn taken(name: &str, out: u64, total: u64, wanted: u64, holders: &[String]) -> Self {
        let needed = if wanted > 1 && out < total { format!(", {wanted} needed") } else { String::new() };
        Self::Taken(format!("{name}: {} of {total} taken{}{needed}", out.min(total), by(holders)))
    }

    pub(super) fn bytes_taken(name: &str, out: u64, total: u64, wanted: u64, holders: &[String]) -> Self {
        let (out, total, wanted) = (round(out), round(total), round(wanted));
        Self::Taken(format!("{name}: {out} of {total} taken{}, {wanted} needed", by(holders)))
    }

    pub(super) fn device_taken(name: &str, device: &str, holders: &[String]) -> Self {
        Self::Taken(format!("{name}: {device} is taken{}", by(holders)))
    }

    pub(super) fn no_device(name: &str, device: &str) -> Self {
        Self::Never(format!("no {name} \"{device}\" is offered"))
    }

    pub(super) fn not_offered(name: &str) -> Self {
        Self::Never(format!("no {name} is offered"))
    }

    pub(super) fn other_fact(name: &str, fact: &str, wanted: &str) -> Self {
        Self::Never(format!("{name} is {fact}, not {wanted}"))
    }

    pub(super) fn too_little(name: &str, offer: &Amount, wanted: u64) -> Self {
        let total = offer.total();
        Self::Never(match offer {
            Amount::Bytes(_) => format!("{name}: {} offered, {} needed", round(total), round(wanted)),
            Amount::Flag | Amount::Count(_) | Amount::Devices(_) => {
                format!("{name}: {total} offered, {wanted} needed")
            }
        })
    }

    pub(super) fn too_little_memory(total: u64, wanted: u64) -> Self {
        Self::Never(format!("memory: {} in all, {} needed", round(total), round(wanted)))
    }
}

/// The first few of those who have it.
fn by(holders: &[String]) -> String {
    match holders {
        [] => String::new(),
        [one] => format!(" by {one}"),
        [first @ .., last] if first.len() < NAMED => format!(" by {} and {last}", first.join(", ")),
        _ => format!(" by {} and {} more", holders[..NAMED].join(", "), holders.len() - NAMED),
    }
}

/// As a person says it: to a tenth of a unit, unless it is a whole number of one.
pub(super) fn round(bytes: u64) -> String {
    let units = [("PiB", 50), ("TiB", 40), ("GiB", 30), ("MiB", 20), ("KiB", 10)];
    let unit = units.iter().find(|(_, shift)| bytes >> shift > 0);
    match unit {
        Some((unit, shift)) if bytes.trailing_zeros() >= *shift => format!("{} {unit}", bytes >> shift),
        Some((unit, shift)) => format!("{:.1} {unit}", bytes as f64 / (1u64 << shift) as f64),
        None => Size(bytes).to_string(),
    }
}

/// How many holders a sentence names.
const NAMED: usize = 3;
