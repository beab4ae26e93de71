//! One runner in a directory of its own, with the test as its daemon and its clients.

use std::fs;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use queued::link::{Decoder, FromRunner, Prepare, Terms, ToRunner, encode};
use wire::ByteString;
use wire::api::{Opening, Refusal};
use wire::identity::{Authority, Identity, Kind, SecretKey, Validity, Warrant};
use wire::job::{Descriptor, Job};
use wire::link::{Link, Received};
use wire::session::{Control, Endpoint, Event, HelloKind, Side, StartInfo, Stream};

/// A runner and what is needed to talk to it. Everything is gone when it is dropped.
pub struct Host {
    directory: PathBuf,
    pub authority: Authority,
    runner: Child,
    daemon: UnixStream,
    decoder: Decoder,
    next: u64,
}

/// The end of a session, as the client saw it.
#[derive(Debug, Default)]
pub struct Seen {
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
    pub tty: Vec<u8>,
    pub control: Vec<Control>,
}

impl Host {
    pub fn new(name: &str) -> Self {
        let directory = std::env::temp_dir().join(format!("queue-runner-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&directory);
        fs::create_dir_all(&directory).expect("temp is writable");
        let authority = Authority::from_secret(SecretKey::generate());
        fs::write(directory.join("authority"), authority.trust().to_string()).expect("writable");
        let (runner, daemon, decoder) = start(&directory);
        let mut host = Self { directory, authority, runner, daemon, decoder, next: 1 };
        host.tell(&ToRunner::Hello { host: "redfish".into() });
        let hello = host.hear();
        assert!(matches!(hello, FromRunner::Hello { .. }), "{hello:?} instead of Hello");
        host
    }

    /// Kills the runner and starts another in its place; returns the sessions it has adopted.
    pub fn replace_runner(&mut self) -> Vec<String> {
        self.kill_runner();
        match self.start_runner() {
            FromRunner::Hello { sessions, .. } => sessions.into_iter().map(|held| held.session).collect(),
            other => panic!("{other:?} instead of Hello"),
        }
    }

    /// Starts another runner where one was killed; its first word.
    pub fn start_runner(&mut self) -> FromRunner {
        let (runner, daemon, decoder) = start(&self.directory);
        (self.runner, self.daemon, self.decoder) = (runner, daemon, decoder);
        self.tell(&ToRunner::Hello { host: "redfish".into() });
        self.hear()
    }

    pub fn kill_runner(&mut self) {
        self.runner.kill().expect("it is our child");
        self.runner.wait().expect("it is our child");
    }

    /// The sockets of this host's leaders.
    pub fn leaders(&self) -> Vec<Vec<u8>> {
        let place = self.directory.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let prefix = queued::leader::socket_prefix(sys::credentials::own_uid(), place);
        sys::unix::abstract_names(&prefix).expect("proc is mounted")
    }

    pub fn tell(&mut self, message: &ToRunner) {
        self.daemon.write_all(&encode(message).expect("small")).expect("the runner listens");
    }

    /// The same with a descriptor.
    pub fn hand(&mut self, message: &ToRunner, descriptor: &impl AsFd) {
        let bytes = encode(message).expect("small");
        let sent = sys::descriptors::send(self.daemon.as_fd(), &bytes, &[descriptor.as_fd()]);
        assert_eq!(sent.expect("the runner listens"), bytes.len());
    }

    /// Another daemon comes in place of this one; the runner's first word to it.
    pub fn replace_daemon(&mut self) -> FromRunner {
        (self.daemon, self.decoder) = connect(&self.directory);
        self.tell(&ToRunner::Hello { host: "redfish".into() });
        self.hear()
    }

    /// A path in the directory of this host.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    pub fn hear(&mut self) -> FromRunner {
        let mut buffer = [0; 4096];
        loop {
            if let Some(message) = self.decoder.message().expect("well formed") {
                return message;
            }
            let count = self.daemon.read(&mut buffer).expect("the runner speaks within its time");
            assert!(count > 0, "the runner has gone");
            self.decoder.extend(&buffer[..count]);
        }
    }

    pub fn job(&self, argv: &[&str], descriptors: [Descriptor; 3]) -> Job {
        Job {
            argv: argv.iter().map(|word| ByteString::from(*word)).collect(),
            environment: vec!["PATH=/usr/bin:/bin".into(), "GREETING=hello".into()],
            directory: "/tmp".into(),
            umask: 0o027,
            nice: 0,
            limits: vec![],
            ignored_signals: vec![],
            descriptors,
            queue: "now".into(),
            hosts: vec![],
            home: "bluefish".into(),
            submit_key: "k".into(),
            tee: None,
            spill: None,
            needs: None,
            time: None,
            memory: None,
            batch: None,
        }
    }

    pub fn warrant(&self, job: &Job) -> Warrant {
        let key = SecretKey::generate();
        let user = Identity {
            kind: Kind::Client,
            cluster: self.authority.cluster(),
            host: "bluefish".into(),
            user: "alice".into(),
        };
        let mut warrant = Warrant::one(&key, job.digest());
        warrant.certificate = Some(self.authority.certify(&key.public_key(), &user, Validity::client(now())));
        warrant
    }

    /// Has a job made ready; its session, or the refusal.
    pub fn prepare(&mut self, job: Job, warrant: Warrant) -> Result<String, Refusal> {
        self.prepare_with(job, warrant, Terms::default())
    }

    /// The same in a queue that has terms.
    pub fn prepare_with(&mut self, job: Job, warrant: Warrant, terms: Terms) -> Result<String, Refusal> {
        self.next += 1;
        let session = wire::identity::session_name(&[self.next as u8; 16], sys::credentials::own_uid());
        let prepare = Prepare {
            request: self.next,
            session: session.clone(),
            job_id: self.next,
            job,
            warrant,
            taken: Default::default(),
            terms,
        };
        self.tell(&ToRunner::Prepare(Box::new(prepare)));
        loop {
            match self.hear() {
                FromRunner::Prepared { refusal: None, .. } => return Ok(session),
                FromRunner::Prepared { refusal: Some(refusal), .. } => return Err(refusal),
                _ => {}
            }
        }
    }

    /// A client of the session, not started yet.
    pub fn client(&self, session: &str, handed: &[(usize, OwnedFd)]) -> Client {
        let stream = UnixStream::connect(self.directory.join("runner.sock")).expect("the runner listens");
        let opening =
            Opening::Session { session: session.into(), handed: handed.iter().map(|(number, _)| *number).collect() };
        let descriptors = handed.iter().map(|(_, descriptor)| descriptor.as_fd()).collect::<Vec<_>>();
        sys::descriptors::send(stream.as_fd(), &opening.encode(), &descriptors).expect("room in the socket");
        stream.set_nonblocking(true).expect("a socket");
        Client {
            link: Link::plain(stream),
            endpoint: Endpoint::new(Side::Client),
            session: session.into(),
            seen: Seen::default(),
        }
    }

    /// Runs a job of pipes to its end with this input.
    pub fn run(&mut self, argv: &[&str], input: &[u8]) -> Seen {
        let job = self.job(argv, [Descriptor::Pipe; 3]);
        let warrant = self.warrant(&job);
        let session = self.prepare(job, warrant).expect("a good job");
        let mut client = self.client(&session, &[]);
        client.start(StartInfo::default());
        client.send(Stream::Stdin, input);
        client.endpoint.finish(Stream::Stdin);
        client.see_it_through()
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        // Leaders outlive a runner that is killed: each must have been acknowledged before.
        let deadline = Instant::now() + Duration::from_secs(10);
        while !self.leaders().is_empty() {
            if Instant::now() > deadline {
                eprintln!("a leader of this test is still there");
                break;
            }
            std::thread::yield_now();
        }
        let _ = self.runner.kill();
        let _ = self.runner.wait();
        // One of a batch job would stay for ever, and its job after it.
        let leaders = self.leaders();
        let leaders = leaders.iter().filter_map(|name| {
            let connection = sys::unix::abstract_connect(name).ok()?;
            let pid = sys::credentials::peer(connection.as_fd()).ok()?.pid;
            Some((pid, sys::process::pidfd(pid).ok()?))
        });
        for (pid, leader) in leaders.collect::<Vec<_>>() {
            // It could start no other process meanwhile, and would hear of no end.
            let _ = sys::process::pidfd_signal(leader.as_fd(), nix::libc::SIGSTOP);
            for number in [nix::libc::SIGSTOP, nix::libc::SIGKILL] {
                let _ = sys::process::signal_descendants(pid, None, number);
            }
            let _ = sys::process::pidfd_signal(leader.as_fd(), nix::libc::SIGKILL);
            // Readable when it has ended.
            let mut ended = [nix::poll::PollFd::new(leader.as_fd(), nix::poll::PollFlags::POLLIN)];
            let _ = nix::poll::poll(&mut ended, 10_000u16);
        }
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// A client of one session.
pub struct Client {
    link: Link<UnixStream>,
    pub endpoint: Endpoint,
    session: String,
    pub seen: Seen,
}

impl Client {
    pub fn start(&mut self, info: StartInfo) {
        self.endpoint.connect(&self.session, HelloKind::Start, 0);
        self.endpoint.control(&Control::Start(info)).expect("room");
    }

    /// Goes on with this session over a connection to another runner.
    pub fn resume(&mut self, host: &Host) {
        self.link = host.client(&self.session, &[]).link;
        self.endpoint.connect(&self.session, HelloKind::Resume, 1);
    }

    /// Says bytes of no protocol, and hears the runner hang up.
    pub fn babble(&mut self, bytes: &[u8]) {
        let _ = self.link.transmit(&mut self.endpoint);
        self.link.socket().write_all(bytes).expect("room in the socket");
        assert!(!self.until(|_| false), "the runner puts up with it");
        self.endpoint.lost();
    }

    pub fn send(&mut self, stream: Stream, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let room = self.endpoint.room(stream);
            let count = room.len().min(bytes.len());
            room[..count].copy_from_slice(&bytes[..count]);
            self.endpoint.filled(stream, count);
            bytes = &bytes[count..];
            if count == 0 {
                self.turn();
            }
        }
    }

    /// Moves bytes until `done` or the connection ends; false when it has ended.
    pub fn until(&mut self, done: impl Fn(&Seen) -> bool) -> bool {
        let deadline = Instant::now() + Duration::from_secs(20);
        while !done(&self.seen) {
            assert!(Instant::now() < deadline, "nothing more came: {:?}", self.seen);
            if !self.turn() {
                return done(&self.seen);
            }
        }
        true
    }

    pub fn see_it_through(mut self) -> Seen {
        let is_last = |control: &Control| matches!(control, Control::End(_) | Control::StartFailed(_));
        assert!(self.until(|seen| seen.control.iter().any(is_last)), "cut before the end: {:?}", self.seen);
        self.endpoint.acknowledge_now();
        let _ = self.link.transmit(&mut self.endpoint);
        self.seen
    }

    fn turn(&mut self) -> bool {
        if self.link.transmit(&mut self.endpoint).is_err() {
            return false;
        }
        let (endpoint, seen) = (&mut self.endpoint, &mut self.seen);
        let received = self.link.receive(1 << 20, &mut |plain| {
            let mut rest = plain;
            while let Some(event) = endpoint.receive(&mut rest)? {
                match event {
                    Event::Data { stream, bytes } => {
                        let place = match stream {
                            Stream::Stdout => &mut seen.stdout,
                            Stream::Stderr => &mut seen.stderr,
                            _ => &mut seen.tty,
                        };
                        place.extend_from_slice(bytes);
                        endpoint.consumed(stream, bytes.len());
                    }
                    Event::Control(control) => seen.control.push(control),
                    _ => {}
                }
            }
            Ok(())
        });
        match received {
            Ok(Received::Closed) | Err(_) => return false,
            Ok(_) => {}
        }
        let mut flags = nix::poll::PollFlags::POLLIN;
        flags.set(nix::poll::PollFlags::POLLOUT, self.link.wants_write());
        let mut polled = [nix::poll::PollFd::new(self.link.socket().as_fd(), flags)];
        nix::poll::poll(&mut polled, 100u8).expect("a socket");
        true
    }
}

fn start(directory: &std::path::Path) -> (Child, UnixStream, Decoder) {
    let path = directory.join("runner.sock");
    let _ = fs::remove_file(&path);
    let listener = UnixListener::bind(&path).expect("a free path");
    let runner = Command::new(env!("CARGO_BIN_EXE_queued"))
        .args(["--role", "runner", "--authority"])
        .arg(directory.join("authority"))
        .args(["--place", directory.file_name().and_then(|name| name.to_str()).expect("made of letters")])
        .args(["--daemon-uid", &sys::credentials::own_uid().to_string(), "--jobs"])
        .arg(directory.join("jobs"))
        .stdin(Stdio::from(OwnedFd::from(listener)))
        .stdout(Stdio::null())
        .spawn()
        .expect("queued is built with its tests");
    let (daemon, decoder) = connect(directory);
    (runner, daemon, decoder)
}

fn connect(directory: &std::path::Path) -> (UnixStream, Decoder) {
    let mut daemon = UnixStream::connect(directory.join("runner.sock")).expect("somebody listens");
    daemon.set_read_timeout(Some(Duration::from_secs(20))).expect("a socket");
    daemon.write_all(&Opening::Daemon.encode()).expect("room");
    (daemon, Decoder::default())
}

pub fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.expect("after 1970").as_secs() as i64
}
