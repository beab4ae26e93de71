//! Parents, children, groups.

use std::io::Read;
use std::os::fd::AsFd;

use sys::process::{self, Change, Fork};

use crate::harness::{scenarios, until};

scenarios![
    a_subreaper_gets_its_orphans,
    descendants_are_named_parents_first,
    a_group_is_not_orphaned_under_a_parent_in_its_session,
    a_group_signal_never_reaches_everybody,
    no_children_is_not_an_error,
];

fn a_subreaper_gets_its_orphans() {
    process::become_subreaper().unwrap();
    let child = match process::fork().unwrap() {
        Fork::Child => match process::fork().unwrap() {
            Fork::Child => std::process::exit(5),
            Fork::Parent(_) => std::process::exit(4),
        },
        Fork::Parent(pid) => pid,
    };
    let mut ends = Vec::new();
    until("both ends", || {
        ends.extend(process::wait_any().unwrap().map(|(pid, change, _)| (pid == child, change)));
        ends.len() == 2
    });
    assert!(ends.contains(&(true, Change::Exited(4))), "{ends:?}");
    assert!(ends.contains(&(false, Change::Exited(5))), "{ends:?}");
}

fn descendants_are_named_parents_first() {
    let script = "sleep 100 & sleep 100 & echo $$; wait";
    let mut shell = std::process::Command::new("/bin/sh")
        .args(["-c", "sh -c \"$1\"; true", "sh", script])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let mut first = [0];
    shell.stdout.as_mut().unwrap().read_exact(&mut first).unwrap();
    let own = std::process::id() as i32;
    let found = process::descendants(own).unwrap();
    assert_eq!(found.len(), 4, "{found:?}");
    assert_eq!(found[0], shell.id() as i32);
    assert_eq!(process::descendants(found[1]).unwrap(), found[2..]);
    for pid in found.iter().rev() {
        // A shell may end by itself when those it waited for are killed.
        if let Ok(descriptor) = process::pidfd(*pid) {
            let _ = process::pidfd_signal(descriptor.as_fd(), libc::SIGKILL);
        }
    }
    shell.wait().unwrap();
    until("none is left", || process::descendants(own).unwrap().is_empty());
}

fn a_group_is_not_orphaned_under_a_parent_in_its_session() {
    process::new_session().unwrap();
    assert!(process::group_is_orphaned());
    match process::fork().unwrap() {
        Fork::Child => {
            nix::unistd::setpgid(nix::unistd::Pid::from_raw(0), nix::unistd::Pid::from_raw(0)).unwrap();
            assert!(!process::group_is_orphaned());
            // A member of the group whose own parent is in the group asks, too.
            match process::fork().unwrap() {
                Fork::Child => std::process::exit(process::group_is_orphaned().into()),
                Fork::Parent(_) => std::process::exit(end_of_child()),
            }
        }
        Fork::Parent(_) => assert_eq!(end_of_child(), 0),
    }
}

fn a_group_signal_never_reaches_everybody() {
    for group in [1, 0, -1, i32::MIN] {
        let error = process::signal_group(group, 0).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::EINVAL));
    }
}

fn no_children_is_not_an_error() {
    assert_eq!(process::wait_any().unwrap(), None);
}

fn end_of_child() -> i32 {
    let mut end = None;
    until("the end of the child", || {
        end = process::wait_any().unwrap();
        end.is_some()
    });
    match end {
        Some((_, Change::Exited(code), _)) => code,
        other => panic!("{other:?}"),
    }
}
