//! A disk that is full: what was accepted still ends, nothing new is accepted, and both change when there is room.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use queue_tests::process::PATIENCE;
use queue_tests::wait::until;

use crate::here::Here;

/// A file system of its own with so little room, gone when it is dropped.
struct Disk(PathBuf);

impl Disk {
    fn mount(at: &Path, mebibytes: u32) -> Self {
        fs::create_dir_all(at).expect("ours");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={mebibytes}m,mode=700"), "queue-test"]).arg(at);
        assert!(mount.status().expect("mount is there").success());
        Self(at.to_owned())
    }

    /// Takes all room but so many KiB.
    fn fill(&self, left_kib: u64) {
        let mut filler = fs::File::create(self.0.join("filler")).expect("ours");
        // Written and not only promised: a hole takes no room.
        while self.free_kib() > left_kib {
            let piece = (self.free_kib() - left_kib).clamp(4, 1024) as usize;
            if filler.write_all(&vec![1; piece * 1024]).is_err() {
                break;
            }
        }
    }

    fn free_kib(&self) -> u64 {
        let found = nix::sys::statvfs::statvfs(&self.0).expect("it is mounted");
        found.blocks_available() * found.fragment_size() / 1024
    }

    fn make_room(&self) {
        fs::remove_file(self.0.join("filler")).expect("ours");
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Whoever still has a file open there is killed a moment later.
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

#[test]
fn a_full_disk_refuses_what_is_new_and_takes_the_ends_of_what_runs() {
    let here = Here::new();
    let disk = Disk::mount(&here.path(".local/state"), 32);
    here.gate("gate");
    let running = here.script(&["--mail", "none"], "read line <gate; exit 7");
    here.until(running, "running");
    let held = here.script(&["--mail", "none", "--hold"], "exit 3");
    disk.fill(2048);
    let refused = here.queue(&["-r", "--", "true"]);
    assert_eq!(refused.code(), Some(75), "{}", refused.errors());
    let said = refused.errors();
    assert!(said.contains("the disk of the spool is nearly full") && said.contains("nothing was submitted"), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    here.open("gate");
    assert_eq!(here.wait(&[running]), 7);
    here.queue(&["release", &held.to_string()]).success();
    assert_eq!(here.wait(&[held]), 3);
    disk.make_room();
    let after = here.script(&["--mail", "none"], "exit 0");
    assert_eq!(here.wait(&[after]), 0);
}

/// The daemon's log lies on the same disk. What could not be said there once ended the work that said it, and the
/// end was never written down, however much room there was later.
#[test]
fn an_end_for_which_there_is_no_room_is_kept_until_there_is() {
    let here = Here::new();
    let disk = Disk::mount(&here.path(".local/state"), 32);
    here.gate("gate");
    let running = here.script(&["--mail", "none"], "read line <gate; exit 7");
    here.until(running, "running");
    disk.fill(0);
    here.open("gate");
    // Whatever can be written now, what is listed is true: it runs, or it ended with 7.
    let listed = here.queue(&["list", "--json"]);
    assert!(listed.code().is_some());
    disk.make_room();
    assert_eq!(here.wait(&[running]), 7);
    until("new ones are accepted", PATIENCE, || here.queue(&["-r", "--", "true"]).status.success().then_some(()));
}
