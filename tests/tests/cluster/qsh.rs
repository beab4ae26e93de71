//! `qsh` in place of ssh and rsh, with the real programs that call them.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use queue_tests::cluster::Cluster;
use queue_tests::process::{Ended, Process};
use queue_tests::programs;

/// Two hosts and a directory that both see, with `qsh` in `bin`.
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
        fs::create_dir(cluster.shared().join("tree")).expect("ours");
        let ground = Self { cluster };
        for (name, bytes) in [("one", &b"1\n"[..]), ("two words", b""), ("binary", &[0, 255, 10, 13, 27])] {
            fs::write(ground.path("tree").join(name), bytes).expect("ours");
        }
        fs::write(ground.path("tree/large"), (0..3_000_000u32).flat_map(u32::to_le_bytes).collect::<Vec<_>>())
            .expect("ours");
        ground
    }

    fn path(&self, name: &str) -> PathBuf {
        self.cluster.shared().join(name)
    }

    /// Runs a script on redfish, in the shared directory.
    fn shell(&self, script: &str) -> Ended {
        let shared = self.cluster.shared();
        let script = format!("export PATH={0}/bin:$PATH HOME={0}; cd {0}; {script}", shared.display());
        Process::start(self.cluster.command("redfish", &["bash", "-c", &script])).end()
    }

    fn same(&self, one: &str, other: &str) {
        let differs = self.shell(&format!("diff -r {one} {other}"));
        assert_eq!((differs.code(), differs.text()), (Some(0), String::new()));
    }
}

/// What a caller of `qsh` waits for children at most.
const LONGEST_DRAIN: Duration = Duration::from_secs(10);

fn exists(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

#[test]
fn words_go_to_the_shell_and_statuses_come_back() {
    let ground = Ground::new();
    for (script, code, text) in [
        ("qsh bluefish hostname", 0, "bluefish"),
        ("qsh bluefish 'hostname; exit 3'", 3, "bluefish"),
        ("qsh bluefish echo '$((1+1))' '|' cat", 0, "2"),
        ("qsh bluefish pwd", 0, &*ground.path("").display().to_string().trim_end_matches('/').to_owned()),
        ("qsh --chdir /usr bluefish pwd", 0, "/usr"),
        ("qsh bluefish --chdir /usr -- pwd", 0, "/usr"),
        ("qsh --no-shell bluefish echo '$HOME'", 0, "$HOME"),
        ("qsh localhost hostname", 0, "redfish"),
        ("echo input | qsh bluefish cat", 0, "input"),
        ("echo input | qsh -n bluefish cat", 0, ""),
        ("qsh + echo anywhere", 0, "anywhere"),
        ("qsh bluefish no-such-command 2>/dev/null", 127, ""),
        ("env -u SHELL -u USER -u LOGNAME qsh bluefish 'printenv SHELL USER LOGNAME'", 0, "/bin/bash\nroot\nroot"),
        ("qsh --env clean --env A=b bluefish 'echo $A$B'", 0, "b"),
        ("B=c queue --env A=b -n -- sh -c 'echo $A$B'", 0, "bc"),
        ("B=c queue --env login --env A='b  b' -n -- sh -c 'echo \"$A$B\" $0 $1' x y", 0, "b  b x y"),
        ("queue --chdir bin -n -- sh -c 'basename $PWD'", 0, "bin"),
    ] {
        let ended = ground.shell(script);
        assert_eq!((ended.code(), ended.text().trim_end()), (Some(code), text), "{script}: {}", ended.errors());
    }
    for (script, words) in [
        ("qsh gold true", "queue: no host named \"gold\""),
        ("qsh -W a:1 bluefish", "queue: -W: qsh forwards no connections"),
        ("qsh somebody@bluefish true", "queue: somebody: a job runs as its owner"),
        ("qsh", "queue: a host is missing"),
    ] {
        let ended = ground.shell(script);
        assert_eq!(ended.code(), Some(255), "{script}: its own failures are 255");
        assert!(ended.errors().starts_with(words), "{script}: {}", ended.errors());
    }
}

#[test]
fn the_end_waits_for_children_that_still_write() {
    let ground = Ground::new();
    let ended =
        ground.shell("qsh bluefish '(until [ -e go ]; do sleep .01; done; echo late) & echo early; touch go' | cat");
    assert_eq!(ended.text().lines().collect::<Vec<_>>(), ["early", "late"]);
    // Nothing is waited for that cannot come.
    let begun = std::time::Instant::now();
    ground.shell("qsh bluefish '(exec >/dev/null 2>&1; sleep 100) & echo early' | cat").success();
    assert!(begun.elapsed() < LONGEST_DRAIN, "the pipes were closed by all who had them");
    let alone = ground.shell("queue -h bluefish -n -- sh -c '(sleep 100; echo late) & echo early' | cat");
    assert_eq!(alone.text().lines().collect::<Vec<_>>(), ["early"], "queue itself ends with the job");
}

#[test]
fn rsync_goes_both_ways() {
    let ground = Ground::new();
    ground.shell("rsync -a -e qsh tree/ bluefish:there/").success();
    ground.same("tree", "there");
    ground.shell("rsync -a --checksum -e qsh bluefish:there/ back/").success();
    ground.same("tree", "back");
}

#[test]
fn scp_and_sftp_copy() {
    let ground = Ground::new();
    ground.shell("scp -q -r -S qsh tree bluefish:copied").success();
    ground.same("tree", "copied");
    ground.shell("scp -q -S qsh 'bluefish:tree/two words' tree/large .").success();
    assert!(exists(&ground.path("two words")) && exists(&ground.path("large")));
    ground.shell("echo 'get tree/large got' | sftp -q -b - -S qsh bluefish").success();
    ground.same("tree/large", "got");
}

#[test]
fn git_clones_and_pushes() {
    let ground = Ground::new();
    let prepare = "export GIT_SSH=qsh GIT_CONFIG_GLOBAL=/dev/null GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@b \
        GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@b; set -e; ";
    let ended = ground.shell(&format!(
        "{prepare} git init -q --bare repository; git clone -q bluefish:repository work 2>/dev/null; cd work; cp -r ../tree .; \
         git add .; git commit -qm first; git push -q origin HEAD; cd ..; git clone -q bluefish:repository again; diff -r tree again/tree"
    ));
    assert_eq!(ended.code(), Some(0), "{}", ended.errors());
}

#[test]
fn tar_and_parallel_work_through_it() {
    let ground = Ground::new();
    ground.shell("tar c tree | qsh bluefish 'mkdir tarred && tar x -C tarred'").success();
    ground.same("tree", "tarred/tree");
    let ended = ground.shell(
        "env -u SHELL parallel --will-cite --ssh qsh -S 2/bluefish,2/redfish 'echo {}-$(hostname)' ::: $(seq 12)",
    );
    assert_eq!(ended.code(), Some(0), "{}{}", ended.text(), ended.errors());
    let text = ended.text();
    assert_eq!(text.lines().count(), 12, "{text}");
    assert!(text.contains("-bluefish") && text.contains("-redfish"), "{text}");
}
