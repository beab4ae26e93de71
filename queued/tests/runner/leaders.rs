//! A leader alone: its runner has died, and the test is the next one.

use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use queued::leader::message::{self, FromLeader, ToLeader};
use wire::job::Descriptor;
use wire::session::{Control, StartInfo};

use crate::host::{Client, Host};

/// A leader with a running `cat`, and its adopter, who came when the runner was already dead and the
/// leader had not seen it.
struct Adopted {
    leader: OwnedFd,
    job: OwnedFd,
    adopter: UnixStream,
    _slots: Vec<OwnedFd>,
    _client: Client,
    _host: Host,
}

impl Adopted {
    fn new(name: &str) -> Self {
        let mut host = Host::new(name);
        let job = host.job(&["cat"], [Descriptor::Pipe; 3]);
        let warrant = host.warrant(&job);
        let session = host.prepare(job, warrant).expect("a good job");
        let mut client = host.client(&session, &[]);
        client.start(StartInfo::default());
        assert!(client.until(|seen| seen.control.contains(&Control::Started)));
        let name = host.leaders().pop().expect("the job's leader");
        let connect = || sys::unix::abstract_connect(&name).expect("the leader listens");
        let mut early = connect();
        let leader = sys::credentials::peer(early.as_fd()).expect("a socket").pid;
        let leader = sys::process::pidfd(leader).expect("it is there");
        assert_eq!(early.read(&mut [0]).expect("an end"), 0, "the runner lives, so nobody else may have the job");
        signal(&leader, nix::libc::SIGSTOP);
        host.kill_runner();
        let adopter = connect();
        adopter.set_read_timeout(Some(PATIENCE)).expect("a socket");
        signal(&leader, nix::libc::SIGCONT);
        let (word, slots) = hear(&adopter);
        let Some(FromLeader::Adopted { pid, .. }) = word else { panic!("{word:?} instead of Adopted") };
        let job = sys::process::pidfd(pid).expect("it runs");
        Self { leader, job, adopter, _slots: slots, _client: client, _host: host }
    }

    fn tell(&self, told: &ToLeader) {
        message::send(self.adopter.as_fd(), &told.encode(), &[]).expect("room");
    }
}

#[test]
fn an_adopter_that_comes_together_with_the_runners_death_stops_the_leader() {
    // The leader adopted first and then read for the dead runner: from the new one, which had
    // said nothing, and for ever. The job's end was never seen.
    let adopted = Adopted::new("together");
    signal(&adopted.job, nix::libc::SIGTERM);
    let (word, _) = hear(&adopted.adopter);
    assert!(matches!(word, Some(FromLeader::Ended(ended)) if ended.signal == nix::libc::SIGTERM), "{word:?}");
    adopted.tell(&ToLeader::Acknowledge);
}

#[test]
fn the_last_word_of_a_runner_that_hears_no_answer_counts() {
    // The answer to an order could not be sent any more, the leader took its runner for dead and
    // never read the acknowledgement that lay behind the order: it stayed for an hour.
    let adopted = Adopted::new("last");
    signal(&adopted.job, nix::libc::SIGTERM);
    let (word, _) = hear(&adopted.adopter);
    assert!(matches!(word, Some(FromLeader::Ended(_))), "{word:?}");
    signal(&adopted.leader, nix::libc::SIGSTOP);
    adopted.tell(&ToLeader::Signal(nix::libc::SIGHUP));
    adopted.tell(&ToLeader::Acknowledge);
    let Adopted { adopter, leader, .. } = adopted;
    drop(adopter);
    signal(&leader, nix::libc::SIGCONT);
    let mut polled = [PollFd::new(leader.as_fd(), PollFlags::POLLIN)];
    let timeout = PollTimeout::try_from(PATIENCE).expect("short");
    assert_eq!(poll(&mut polled, timeout), Ok(1), "the leader is still there");
}

fn signal(process: &OwnedFd, number: i32) {
    sys::process::pidfd_signal(process.as_fd(), number).expect("ours");
}

fn hear(adopter: &UnixStream) -> (Option<FromLeader>, Vec<OwnedFd>) {
    let (record, descriptors) = message::receive(adopter).expect("in time").expect("the leader lives");
    (FromLeader::decode(&record), descriptors)
}

const PATIENCE: Duration = Duration::from_secs(20);
