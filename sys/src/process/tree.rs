//! What `/proc` tells about the relations between processes.

use std::fs;
use std::io;
use std::os::fd::AsFd;

/// Whether this process's group is orphaned: no member's parent is in another group of the same
/// session, and so nobody could continue it; the kernel discards its stop signals.
pub fn group_is_orphaned() -> bool {
    // SAFETY: getpgid and getsid take plain numbers; 0 means this process.
    let (group, session) = unsafe { (libc::getpgid(0), libc::getsid(0)) };
    let could_continue = |parent: i32| {
        // Asked from the kernel, not from /proc, where other users' processes may be hidden.
        // SAFETY: as above.
        let (its_group, its_session) = unsafe { (libc::getpgid(parent), libc::getsid(parent)) };
        parent > 0 && its_group != group && its_session == session && !(parent == 1 && sees_the_real_init())
    };
    if could_continue(nix::unistd::getppid().as_raw()) {
        return false;
    }
    !all()
        .unwrap_or_default()
        .iter()
        .any(|stat| stat.group == group && !stat.has_ended() && could_continue(stat.parent))
}

/// Whether pid 1 is the host's init, which the kernel does not count as somebody who could
/// continue a group; the first process of a container, often a shell, it does count.
fn sees_the_real_init() -> bool {
    // The number of the host's pid name space is part of the kernel's interface.
    fs::read_link("/proc/self/ns/pid").is_ok_and(|link| link.as_os_str() == "pid:[4026531836]")
}

/// All living descendants of a process, parents before children.
///
/// A snapshot: to end a tree stop or kill what this names and ask again until it names nobody.
pub fn descendants(pid: i32) -> io::Result<Vec<i32>> {
    Ok(walk(pid)?.into_iter().map(|stat| stat.pid).collect())
}

/// Sends a signal to all living descendants of a process that are in `group`, or in any with `None`;
/// answers who got it.
///
/// A number that is given to another process during the walk is noticed, and that one is left alone.
pub fn signal_descendants(pid: i32, group: Option<i32>, number: i32) -> io::Result<Vec<i32>> {
    let mut reached = Vec::new();
    for stat in walk(pid)? {
        if group.is_some_and(|group| group != stat.group) {
            continue;
        }
        if stat.signal(number) {
            reached.push(stat.pid);
        }
    }
    Ok(reached)
}

/// Processes that were suspended, and nobody else.
#[derive(Debug, Default)]
pub struct Suspended {
    /// By number, and when it started, in the order in which they were stopped.
    processes: Vec<(i32, u64)>,
}

impl Suspended {
    /// Stops all living descendants of a process, parents first, so that no shell among them sees its children
    /// stop. Those that somebody has stopped before are left to him.
    pub fn suspend(&mut self, pid: i32) -> io::Result<()> {
        // One that forks faster than it can be walked is caught in the end.
        for _ in 0..MOST_ROUNDS {
            let mut is_new = false;
            for stat in walk(pid)? {
                let known = (stat.pid, stat.start_time);
                if stat.state == b'T' || self.processes.contains(&known) {
                    continue;
                }
                if stat.signal(libc::SIGSTOP) {
                    self.processes.push(known);
                    is_new = true;
                }
            }
            if !is_new {
                break;
            }
        }
        Ok(())
    }

    /// Lets them go on, children first.
    pub fn resume(&mut self) {
        for (pid, start_time) in std::mem::take(&mut self.processes).into_iter().rev() {
            if let Ok(stat) = Stat::read(pid)
                && stat.start_time == start_time
            {
                stat.signal(libc::SIGCONT);
            }
        }
    }
}

/// The process that a process is a child of.
pub fn parent(pid: i32) -> io::Result<i32> {
    Stat::read(pid).map(|stat| stat.parent)
}

/// Every process that can be seen, at one moment.
#[derive(Debug)]
pub struct Snapshot(Vec<Stat>);

impl Snapshot {
    /// Of this moment.
    pub fn take() -> io::Result<Self> {
        all().map(Self)
    }

    /// Bytes that all living descendants of a process have in memory. What they share counts for each of them.
    pub fn resident(&self, pid: i32) -> u64 {
        let pages = below(self.0.clone(), pid).iter().fold(0u64, |sum, stat| sum.saturating_add(stat.resident_pages));
        pages.saturating_mul(crate::memory::page_size())
    }

    /// The same, where what processes share counts once; it takes longer. Of one that may not be looked at, what is
    /// known without that.
    pub fn proportional(&self, pid: i32) -> u64 {
        let of_one = |stat: &Stat| {
            let resident = stat.resident_pages.saturating_mul(crate::memory::page_size());
            fs::read_to_string(format!("/proc/{}/smaps_rollup", stat.pid))
                .ok()
                .and_then(|text| proportional_bytes(&text))
                .map_or(resident, |bytes| bytes.min(resident))
        };
        below(self.0.clone(), pid).iter().map(of_one).fold(0, u64::saturating_add)
    }
}

/// The sum in `/proc/PID/smaps_rollup`.
fn proportional_bytes(text: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

/// The living descendants, parents before children.
fn walk(pid: i32) -> io::Result<Vec<Stat>> {
    all().map(|all| below(all, pid))
}

fn below(mut rest: Vec<Stat>, pid: i32) -> Vec<Stat> {
    let (mut found, mut parents) = (Vec::new(), vec![pid]);
    // Each is taken out when it is found, so that a ring, as reused pids could make it look, ends.
    while !parents.is_empty() {
        let children = rest.extract_if(.., |stat| parents.contains(&stat.parent)).collect::<Vec<_>>();
        parents = children.iter().map(|stat| stat.pid).collect();
        found.extend(children);
    }
    found.retain(|stat| !stat.has_ended());
    found
}

/// The part of `/proc/PID/stat` that is of use here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stat {
    pid: i32,
    state: u8,
    parent: i32,
    group: i32,
    pub(super) start_time: u64,
    resident_pages: u64,
}

impl Stat {
    pub(super) fn read(pid: i32) -> io::Result<Stat> {
        let gone = || io::Error::from_raw_os_error(libc::ESRCH);
        match fs::read(format!("/proc/{pid}/stat")) {
            Ok(text) => Stat::parse(&text).ok_or_else(gone),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(gone()),
            Err(error) => Err(error),
        }
    }

    /// Understands `PID (NAME) STATE PARENT GROUP ...`. The name may hold anything, spaces, line
    /// breaks and parentheses included: it ends at the last one.
    fn parse(text: &[u8]) -> Option<Stat> {
        let start = text.iter().position(|byte| *byte == b' ')?;
        let end = text.iter().rposition(|byte| *byte == b')')?;
        let pid = str::from_utf8(&text[..start]).ok()?.parse().ok()?;
        let fields: Vec<&str> = str::from_utf8(&text[end + 1..]).ok()?.split_ascii_whitespace().collect();
        // The first of these is field 3 of proc(5).
        Some(Stat {
            pid,
            state: *fields.first()?.as_bytes().first()?,
            parent: fields.get(4 - 3)?.parse().ok()?,
            group: fields.get(5 - 3)?.parse().ok()?,
            start_time: fields.get(22 - 3)?.parse().ok()?,
            resident_pages: fields.get(24 - 3).and_then(|pages| pages.parse().ok()).unwrap_or(0),
        })
    }

    /// Sends it a signal; whether it got it. Another process that has its number by now does not.
    fn signal(&self, number: i32) -> bool {
        // First the pidfd, then the comparison: if it is the right one now, the pidfd is too.
        let Ok(descriptor) = super::pidfd(self.pid) else {
            return false;
        };
        let is_same = Stat::read(self.pid).is_ok_and(|now| now.start_time == self.start_time);
        is_same && super::pidfd_signal(descriptor.as_fd(), number).is_ok()
    }

    /// Dead already, only waiting to be reaped.
    fn has_ended(&self) -> bool {
        matches!(self.state, b'Z' | b'X')
    }
}

/// Every process that can be seen.
fn all() -> io::Result<Vec<Stat>> {
    let mut all = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        // One that ended meanwhile is no error.
        all.extend(Stat::read(pid).ok());
    }
    Ok(all)
}

/// Each round halves what can fork; what is missed goes on until the next look.
const MOST_ROUNDS: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    const AFTER_NAME: &str = " S 7 42 42 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 9876 1 2 3";

    #[test]
    fn any_name_is_survived() {
        for name in ["sh", "", ")", "a b", "a) R 1 2 3", "((", "a\nb", "\u{fffd}"] {
            let text = format!("42 ({name}){AFTER_NAME}");
            let stat = Stat::parse(text.as_bytes()).expect(name);
            let expected = Stat { pid: 42, state: b'S', parent: 7, group: 42, start_time: 9876, resident_pages: 2 };
            assert_eq!(stat, expected, "{name:?}");
        }
        let text = [b"42 (\xff\xfe)".as_slice(), AFTER_NAME.as_bytes()].concat();
        assert!(Stat::parse(&text).is_some());
    }

    #[test]
    fn the_memory_of_a_tree_is_that_of_the_living_below_and_not_of_others() {
        let stat =
            |pid, parent, state, resident_pages| Stat { pid, state, parent, group: pid, start_time: 1, resident_pages };
        let all = [
            stat(2, 1, b'S', 1000),
            stat(3, 2, b'R', 10),
            stat(4, 3, b'T', 5),
            stat(5, 2, b'Z', 7),
            stat(6, 1, b'S', 3),
        ];
        assert_eq!(Snapshot(all.to_vec()).resident(2), 15 * crate::memory::page_size());
        let rollup = "00400000-7fff r--p 00000000 00:00 0 [rollup]\nRss:  912 kB\nPss:   87 kB\nPss_Dirty: 1 kB\n";
        assert_eq!((proportional_bytes(rollup), proportional_bytes("Pss: x kB\n")), (Some(87 * 1024), None));
    }

    #[test]
    fn a_text_cut_short_is_nothing() {
        let text = format!("42 (sh){AFTER_NAME}");
        for length in 0..text.find(" 9876").unwrap() + 1 {
            assert_eq!(Stat::parse(&text.as_bytes()[..length]), None, "{length}");
        }
    }
}
