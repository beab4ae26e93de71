//! How the allocator of this process behaves, and how much memory a process has.

use std::io;

/// Keeps the allocator small: at most two arenas, and freed memory goes back to the kernel.
///
/// Naming thresholds also stops glibc from raising them by itself; so a buffer of 128 KiB or
/// more is always a mapping of its own that is gone when freed. Other allocators do so anyway.
pub fn few_arenas() {
    #[cfg(target_env = "gnu")]
    for (option, value) in
        [(libc::M_ARENA_MAX, 2), (libc::M_TRIM_THRESHOLD, 128 * 1024), (libc::M_MMAP_THRESHOLD, 128 * 1024)]
    {
        // SAFETY: mallopt takes two numbers and locks the allocator itself.
        unsafe { libc::mallopt(option, value) };
    }
}

/// Bytes of a page.
pub fn page_size() -> u64 {
    // SAFETY: sysconf takes a plain number.
    let bytes = unsafe { libc::sysconf(libc::_SC_PAGESIZE) };
    u64::try_from(bytes).unwrap_or(4096)
}

/// Resident memory of a process in KiB: (anonymous, shared memory).
pub fn resident_kib(pid: i32) -> io::Result<(u64, u64)> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    // A process without memory of its own (a zombie, a kernel thread) has no such lines.
    Ok((kib(&status, "RssAnon:"), kib(&status, "RssShmem:")))
}

fn kib(status: &str, name: &str) -> u64 {
    status
        .lines()
        .find_map(|line| line.strip_prefix(name))
        .and_then(|rest| rest.trim().strip_suffix(" kB"))
        .and_then(|number| number.parse().ok())
        .unwrap_or(0)
}
