//! Who a process is, and becoming somebody else.

use std::os::fd::AsFd;

use sys::postfork::start;
use sys::process::{self, Change, Fork};
use sys::{credentials, descriptors};

use crate::harness::{scenarios, until};
use crate::leader::{plan, ready, role};

scenarios![
    a_process_with_a_strange_name_is_identified,
    a_dead_process_is_not_opened_by_its_number,
    a_process_descriptor_signals_and_tells_of_the_end,
    a_peer_is_who_connected,
    becoming_a_user_is_final,
    becoming_oneself_is_no_error,
];

fn a_process_with_a_strange_name_is_identified() {
    let (input, keep) = descriptors::pipe().unwrap();
    let (output, write) = descriptors::pipe().unwrap();
    let argv = role(&["named"]);
    let pid = start(&plan(&argv, [input.as_fd(), write.as_fd(), write.as_fd()])).unwrap();
    ready(output.as_fd(), "the job has its name");
    let comm = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap();
    assert_eq!(comm, "a) S 1 (b\n2 3\n");

    let (own, other) = (process::identify(std::process::id() as i32).unwrap(), process::identify(pid).unwrap());
    assert_eq!(other, process::identify(pid).unwrap());
    assert_eq!(own.boot_id, other.boot_id);
    assert!(other.start_time >= own.start_time, "{own} {other}");
    assert!(process::descendants(own.pid).unwrap().contains(&pid));
    drop(keep);
}

fn a_dead_process_is_not_opened_by_its_number() {
    let pid = match process::fork().unwrap() {
        Fork::Child => std::process::exit(0),
        Fork::Parent(pid) => pid,
    };
    let id = process::identify(pid).unwrap();
    until("the end of the child", || process::wait_any().unwrap().is_some());
    assert_eq!(id.open().unwrap_err().raw_os_error(), Some(libc::ESRCH));
    assert_eq!(process::identify(pid).unwrap_err().raw_os_error(), Some(libc::ESRCH));
    let mut own = process::identify(std::process::id() as i32).unwrap();
    own.open().unwrap();
    own.start_time += 1;
    assert_eq!(own.open().unwrap_err().raw_os_error(), Some(libc::ESRCH));
}

fn a_process_descriptor_signals_and_tells_of_the_end() {
    let (_input, keep) = descriptors::pipe().unwrap();
    let argv = role(&["named"]);
    let job = start(&plan(&argv, [_input.as_fd(), keep.as_fd(), keep.as_fd()])).unwrap();
    let descriptor = process::pidfd(job).unwrap();
    process::pidfd_signal(descriptor.as_fd(), libc::SIGTERM).unwrap();
    ready(descriptor.as_fd(), "the end of the job");
    let (pid, change, _) = process::wait_any().unwrap().unwrap();
    assert_eq!((pid, change), (job, Change::Killed { signal: libc::SIGTERM, core: false }));
    let error = process::pidfd_signal(descriptor.as_fd(), libc::SIGTERM).unwrap_err();
    assert_eq!(error.raw_os_error(), Some(libc::ESRCH));
}

fn a_peer_is_who_connected() {
    let name = format!("queue-test-peer-{}", std::process::id());
    let listener = sys::unix::abstract_listener(name.as_bytes()).unwrap();
    let child = match process::fork().unwrap() {
        Fork::Child => {
            let stream = sys::unix::abstract_connect(name.as_bytes()).unwrap();
            let peer = credentials::peer(stream.as_fd()).unwrap();
            std::process::exit((peer.pid != std::os::unix::process::parent_id() as i32).into())
        }
        Fork::Parent(pid) => pid,
    };
    let (stream, _) = listener.accept().unwrap();
    let peer = credentials::peer(stream.as_fd()).unwrap();
    assert_eq!((peer.pid, peer.uid), (child, credentials::own_uid()));
    let mut end = None;
    until("the end of the child", || {
        end = process::wait_any().unwrap();
        end.is_some()
    });
    assert_eq!(end.unwrap().1, Change::Exited(0));
}

fn becoming_a_user_is_final() {
    if credentials::own_uid() != 0 {
        println!("skipped: only root can become somebody else");
        return;
    }
    // A number that no user has, and one that has a name.
    for (uid, gid) in [(54_321, 54_322), (65_534, 65_534)] {
        match process::fork().unwrap() {
            Fork::Child => {
                credentials::become_user(uid, gid).unwrap();
                assert_eq!(credentials::own_uid(), uid);
                assert!(nix::unistd::setuid(nix::unistd::Uid::from_raw(0)).is_err());
                assert!(nix::unistd::setgid(nix::unistd::Gid::from_raw(0)).is_err());
                let groups = nix::unistd::getgroups().unwrap();
                assert!(groups.iter().all(|group| group.as_raw() == gid), "{groups:?}");
                // Again is no error: it is that user already.
                credentials::become_user(uid, gid).unwrap();
                assert!(credentials::become_user(uid + 1, gid).is_err());
                std::process::exit(0)
            }
            Fork::Parent(_) => {
                let mut end = None;
                until("the end of the child", || {
                    end = process::wait_any().unwrap();
                    end.is_some()
                });
                assert_eq!(end.unwrap().1, Change::Exited(0));
            }
        }
    }
}

fn becoming_oneself_is_no_error() {
    // SAFETY: the two have no arguments and cannot fail.
    let (uid, gid) = unsafe { (libc::getuid(), libc::getgid()) };
    credentials::become_user(uid, gid).unwrap();
}
