//! What queues and jobs say of limits, as jobs feel it.

use std::fs;

use queued::link::{Bounds, Directory, Terms};
use wire::job::{Descriptor, Limit};
use wire::session::{Outcome, StartInfo};

use crate::batch::{directory, ended, job, key, preparation, release};
use crate::host::Host;

fn terms() -> Terms {
    let nofile = Bounds { name: "nofile".into(), soft: Some(60), hard: Some(80) };
    let core = Bounds { name: "core".into(), soft: Some(7 << 10), hard: None };
    let chdir = Some(Directory::Path("/usr".into()));
    Terms { nice: Some(11), limits: vec![nofile, core], chdir, ..Terms::default() }
}

const SHOW: &str = "pwd; nice; ulimit -n; ulimit -Hn; ulimit -c; ulimit -n 81 2>/dev/null || echo not raised";
const SHOWN: &str = "/usr\n11\n50\n80\n14\nnot raised\n";

#[test]
fn a_batch_job_runs_on_the_terms_of_its_queue() {
    let mut host = Host::new("terms-batch");
    let mut job = job(&host, SHOW);
    job.limits = vec![Limit { name: "nofile".into(), soft: Some(50) }];
    let mut preparation = preparation(&host, job, &key(1));
    preparation.terms = terms();
    release(&mut host, preparation);
    assert_eq!(ended(&mut host, &key(1)).0, Outcome::Exited(0));
    assert_eq!(fs::read_to_string(directory(&host, &key(1)).join("stdout")).expect("its output"), SHOWN);
    host.tell(&queued::link::ToRunner::Settle(key(1)));
}

#[test]
fn a_session_runs_on_the_terms_of_its_queue() {
    let mut host = Host::new("terms-session");
    let mut job = host.job(&["sh", "-c", SHOW], [Descriptor::Pipe; 3]);
    job.limits = vec![Limit { name: "nofile".into(), soft: Some(50) }];
    let warrant = host.warrant(&job);
    let session = host.prepare_with(job, warrant, terms()).expect("a good job");
    let mut client = host.client(&session, &[]);
    client.start(StartInfo::default());
    assert_eq!(String::from_utf8_lossy(&client.see_it_through().stdout), SHOWN);
}
