//! The host: its name, processors, load and time since boot.

use std::io;
use std::time::Duration;

use nix::time::ClockId;

/// The host's name as the kernel has it, qualified or not.
pub fn name() -> String {
    nix::unistd::gethostname().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

/// How many processors this process may run on; at least 1.
pub fn cpus() -> u32 {
    // Room for 8192; with less room than the kernel has processors the call fails.
    let mut mask = [0u64; 128];
    // SAFETY: the kernel writes at most the given number of bytes into the mask.
    let written = unsafe { libc::syscall(libc::SYS_sched_getaffinity, 0, size_of_val(&mask), mask.as_mut_ptr()) };
    if written <= 0 {
        return 1;
    }
    mask.iter().map(|word| word.count_ones()).sum::<u32>().max(1)
}

/// Load averages and task counts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LoadAverage {
    /// Over one minute.
    pub one: f64,
    /// Over five minutes.
    pub five: f64,
    /// Over fifteen minutes.
    pub fifteen: f64,
    /// Tasks that run or could run at this moment, without the one that is asking.
    pub runnable: u32,
    /// All tasks (threads) of the host.
    pub total: u32,
}

/// The load of the host.
pub fn load_average() -> io::Result<LoadAverage> {
    let text = std::fs::read_to_string("/proc/loadavg")?;
    parse(&text).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, format!("/proc/loadavg reads {text:?}")))
}

/// The time since boot, with time asleep: what leases are counted on.
pub fn since_boot() -> Duration {
    match nix::time::clock_gettime(ClockId::CLOCK_BOOTTIME) {
        Ok(time) => Duration::from(time),
        // Every kernel since 2.6.39 has this clock.
        Err(_) => unreachable!("CLOCK_BOOTTIME is always there"),
    }
}

/// Understands `0.20 0.18 0.12 3/412 11206`.
fn parse(text: &str) -> Option<LoadAverage> {
    let mut words = text.split_ascii_whitespace();
    let one = words.next()?.parse().ok()?;
    let five = words.next()?.parse().ok()?;
    let fifteen = words.next()?.parse().ok()?;
    let (runnable, total) = words.next()?.split_once('/')?;
    Some(LoadAverage {
        one,
        five,
        fifteen,
        runnable: runnable.parse::<u32>().ok()?.saturating_sub(1),
        total: total.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reader_is_subtracted_from_the_runnable() {
        let load = parse("0.20 1.18 12.00 3/412 11206\n").unwrap();
        assert_eq!((load.one, load.five, load.fifteen), (0.2, 1.18, 12.0));
        assert_eq!((load.runnable, load.total), (2, 412));
        assert_eq!(parse("0.20 0.18 0.12 0/412 11206\n").unwrap().runnable, 0);
    }

    #[test]
    fn what_is_no_load_is_refused() {
        for text in ["", "0.20 0.18", "0.20 0.18 0.12 3", "a b c 1/2 3", "0.2 0.1 0.1 x/2 3"] {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }
}
