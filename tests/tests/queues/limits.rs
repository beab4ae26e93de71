//! What a queue's profile says that its jobs may use.

use queue_tests::process::Process;

use crate::here::Here;
use crate::queue::profile;

const SHOW: &str = "pwd; nice; ulimit -n; ulimit -Hn";

#[test]
fn jobs_and_sessions_run_on_the_terms_of_their_queue() {
    let here = Here::new();
    profile(&here, "night", "loadsched = \"none\"\nnice = 7\nrlimitnofile = [64, 128]\nchdir = \"home\"\n");
    let shown = format!("{}\n7\n64\n128\n", here.path("").display().to_string().trim_end_matches('/'));
    let id = here.script(&["-d", "night", "--chdir", "/"], SHOW);
    assert_eq!(here.wait(&[id]), 0);
    assert_eq!(String::from_utf8_lossy(&here.output(id)), shown);
    let mut command = here.login.command(queue_tests::programs::queue());
    command.args(["-n", "-d", "night", "--", "sh", "-c", SHOW]).current_dir("/");
    assert_eq!(Process::start(command).end().success().text(), shown.trim_end());
    // Without a word of its queue a job has what its caller has.
    let own = here.shell(SHOW).success().text();
    assert_eq!(here.queue(&["-n", "--", "sh", "-c", SHOW]).success().text(), own);
}
