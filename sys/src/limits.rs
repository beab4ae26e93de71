//! Resource limits, file mode mask, niceness, and how much room there is for arguments.

use std::io;

use crate::check;

/// Soft limits by name (`nofile`, `stack`, ...) in the unit of setrlimit(2); `None` is unlimited.
pub fn soft_limits() -> Vec<(String, Option<u64>)> {
    NAMES
        .iter()
        .filter_map(|(name, resource)| {
            let limit = both(*resource).ok()?;
            Some(((*name).to_owned(), finite(limit.rlim_cur)))
        })
        .collect()
}

/// Sets a soft limit, or the hard limit where that is lower. `EINVAL` for an unknown name.
pub fn set_soft_limit(name: &str, soft: Option<u64>) -> io::Result<()> {
    let resource = resource(name).ok_or_else(|| io::Error::from_raw_os_error(libc::EINVAL))?;
    let mut limit = both(resource)?;
    limit.rlim_cur = soft.unwrap_or(libc::RLIM_INFINITY).min(limit.rlim_max);
    // SAFETY: setrlimit reads one rlimit.
    check(unsafe { libc::setrlimit(resource as _, &limit) })?;
    Ok(())
}

/// The kernel's number (`RLIMIT_...`) of a limit by its name.
pub fn resource(name: &str) -> Option<i32> {
    let (_, resource) = NAMES.iter().find(|(known, _)| *known == name)?;
    Some(*resource)
}

/// The file mode creation mask. Read without setting it, which would be seen by other threads.
pub fn umask() -> u32 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status
        .lines()
        .find_map(|line| line.strip_prefix("Umask:"))
        .and_then(|mask| u32::from_str_radix(mask.trim(), 8).ok())
        .unwrap_or(0o022)
}

/// The niceness of this process, -20 to 19.
pub fn nice() -> i32 {
    // SAFETY: getpriority takes plain numbers. -1 is a value like others: for oneself it cannot fail.
    unsafe { libc::getpriority(libc::PRIO_PROCESS, 0) }
}

/// Sets the niceness of this process.
pub fn set_nice(nice: i32) -> io::Result<()> {
    // SAFETY: setpriority takes plain numbers.
    check(unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, nice) })?;
    Ok(())
}

/// How many bytes execve(2) takes under the given soft stack limit: the path once, and all of
/// arguments and environment, each with its zero byte and 8 bytes for its address.
///
/// Besides, a single string must not be longer than [`LONGEST_ARGUMENT`].
pub fn argument_space(stack_soft: Option<u64>) -> usize {
    let quarter = stack_soft.unwrap_or(u64::MAX) / 4;
    // As in the kernel's bprm_stack_limits: at most three quarters of its usual stack of 8 MiB,
    // at least what Linux has always given.
    let space = quarter.clamp(128 * 1024, 6 * 1024 * 1024);
    usize::try_from(space).unwrap_or(usize::MAX)
}

/// The longest single argument or environment entry, with its zero byte: 32 pages of 4 KiB.
pub const LONGEST_ARGUMENT: usize = 32 * 4096;

/// Soft and hard limit.
pub(crate) fn both(resource: i32) -> io::Result<libc::rlimit> {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: getrlimit writes one rlimit.
    check(unsafe { libc::getrlimit(resource as _, &mut limit) })?;
    Ok(limit)
}

fn finite(value: libc::rlim_t) -> Option<u64> {
    (value != libc::RLIM_INFINITY).then_some(value)
}

const NAMES: [(&str, i32); 16] = [
    ("as", libc::RLIMIT_AS as i32),
    ("core", libc::RLIMIT_CORE as i32),
    ("cpu", libc::RLIMIT_CPU as i32),
    ("data", libc::RLIMIT_DATA as i32),
    ("fsize", libc::RLIMIT_FSIZE as i32),
    ("locks", libc::RLIMIT_LOCKS as i32),
    ("memlock", libc::RLIMIT_MEMLOCK as i32),
    ("msgqueue", libc::RLIMIT_MSGQUEUE as i32),
    ("nice", libc::RLIMIT_NICE as i32),
    ("nofile", libc::RLIMIT_NOFILE as i32),
    ("nproc", libc::RLIMIT_NPROC as i32),
    ("rss", libc::RLIMIT_RSS as i32),
    ("rtprio", libc::RLIMIT_RTPRIO as i32),
    ("rttime", libc::RLIMIT_RTTIME as i32),
    ("sigpending", libc::RLIMIT_SIGPENDING as i32),
    ("stack", libc::RLIMIT_STACK as i32),
];
