//! What OpenSSH's own regression tests ask of a remote shell, asked of `qsh`: on this host and on another.
//! The names are those of its scripts.

use std::fs;

use queue_tests::cluster::Cluster;
use queue_tests::process::{Ended, Process};
use queue_tests::programs;

struct Ground {
    cluster: Cluster,
}

impl Ground {
    fn new() -> Self {
        let cluster = Cluster::up(2);
        cluster.until_all_are_open();
        let bin = cluster.shared().join("bin");
        fs::create_dir(&bin).expect("ours");
        std::os::unix::fs::symlink(programs::queue(), bin.join("qsh")).expect("ours");
        let data = (0..250_000u32).flat_map(u32::to_le_bytes).collect::<Vec<_>>();
        fs::write(cluster.shared().join("data"), data).expect("ours");
        Self { cluster }
    }

    /// Runs a script here; in it `$HOST` is the host that is meant.
    fn script(&self, host: &str, script: &str) -> Ended {
        let shared = self.cluster.shared();
        let script = format!("export PATH={0}/bin:$PATH HOME={0} HOST={host}; cd {0}; {script}", shared.display());
        Process::start(self.cluster.command("redfish", &["bash", "-c", &script])).end()
    }

    /// The script ends well, with this as its output, for both hosts.
    fn says(&self, script: &str, text: &str) {
        for host in ["redfish", "bluefish"] {
            let ended = self.script(host, script);
            assert_eq!((ended.code(), ended.text().as_str()), (Some(0), text), "{host}: {script}: {}", ended.errors());
        }
    }
}

#[test]
fn yes_head() {
    let ground = Ground::new();
    ground.says(
        "qsh $HOST 'while true; do echo yes; done | _POSIX2_VERSION=199209 head -2000' | (sleep 1; wc -l)",
        "2000",
    );
    ground.says("qsh $HOST 'while true; do echo yes; done' | head -2000 | wc -l", "2000");
}

#[test]
fn stderr_after_eof() {
    let ground = Ground::new();
    for options in ["", "-n"] {
        ground.says(
            &format!("qsh {options} $HOST \"sh -c 'exec >/dev/null; exec <&-; sleep 0.5; cat data 1>&2'\" 2>copy; cmp data copy"),
            "",
        );
    }
}

#[test]
fn stderr_data() {
    let ground = Ground::new();
    for options in ["", "-n"] {
        ground.says(&format!("qsh {options} $HOST \"sh -c 'sleep 0.2; exec >/dev/null; sleep 0.2; cat data 1>&2'\" 2>copy; cmp data copy"), "");
        ground.says(&format!("qsh {options} $HOST \"sh -c 'echo a; exec >/dev/null; sleep 0.2; cat data 1>&2'\" >out 2>copy; cmp data copy; cat out"), "a");
    }
}

#[test]
fn exit_status() {
    let ground = Ground::new();
    for status in [0, 1, 4, 5, 44, 255] {
        ground.says(&format!("qsh $HOST exit {status}; echo $?"), &status.to_string());
        ground.says(&format!("qsh -n $HOST exit {status}; echo $?"), &status.to_string());
        ground.says(
            &format!("qsh $HOST \"sh -c 'exec >/dev/null 2>&1; sleep 0.2; exit {status}'\"; echo $?"),
            &status.to_string(),
        );
    }
}

#[test]
fn exit_status_signal() {
    let ground = Ground::new();
    for (signal, number) in [("TERM", 15), ("KILL", 9), ("SEGV", 11)] {
        ground.says(
            &format!("qsh $HOST 'ulimit -c 0; kill -{signal} $$' 2>/dev/null; echo $?"),
            &(128 + number).to_string(),
        );
    }
}

#[test]
fn transfer() {
    let ground = Ground::new();
    ground.says("qsh -n $HOST cat data >copy; cmp data copy", "");
    for size in ["100", "1k", "32k", "64k", "128k", "256k"] {
        ground.says(&format!("dd if=data obs={size} 2>/dev/null | qsh $HOST 'cat >copy'; cmp data copy; rm copy"), "");
        ground.says(&format!("qsh -n $HOST 'dd if=data obs={size} 2>/dev/null' >copy; cmp data copy; rm copy"), "");
    }
}

#[test]
fn broken_pipe() {
    let ground = Ground::new();
    for word in 1..5 {
        ground.says(&format!("qsh $HOST echo {word} 2>/dev/null | true; echo ${{PIPESTATUS[1]}}"), "0");
    }
}
