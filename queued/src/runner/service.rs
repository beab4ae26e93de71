//! The runner's main thread: one loop over the listening socket, the daemon's connection and the
//! connections that have not said yet what they are.

use std::io;
use std::net::TcpStream;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use wire::api::{Opening, Refusal, RefusalKind};
use wire::identity::{Certificate, Kind, tls};

use super::arrival::Arrival;
use super::batch::{Desk, Order};
use super::maker::Maker;
use super::session;
use super::shared::Shared;
use super::{Options, adopt, batch, farewell};
use crate::link::{Decoder, FromRunner, Held, ToRunner};
use crate::vouch;

/// The main thread's state.
pub struct Service {
    shared: Arc<Shared>,
    batch: Desk,
    listener: UnixListener,
    entering: Vec<Entering>,
    daemon: Option<Daemon>,
    /// Since when there is no daemon, and when it is started again next.
    orphaned: Option<Orphaned>,
    /// When to look whether there is a spare leader that nobody needs.
    look_at_spare: Option<Instant>,
}

/// A connection that has not said what it is.
struct Entering {
    stream: UnixStream,
    until: Instant,
}

struct Daemon {
    stream: UnixStream,
    decoder: Decoder,
    descriptors: std::collections::VecDeque<OwnedFd>,
}

struct Orphaned {
    since: Instant,
    next_start: Instant,
    pause: Duration,
}

impl Service {
    /// Adopts what a dead runner left and is ready to listen.
    pub fn new(options: Options, listener: UnixListener, maker: Maker) -> anyhow::Result<Self> {
        listener.set_nonblocking(true)?;
        let shared = Arc::new(Shared::new(options, maker));
        if let Some(runtime) = &shared.options.voucher {
            // Who we are the voucher takes from the kernel; the daemon has no say in it.
            let certificate = vouch::ask(runtime, Kind::Runner, &shared.key.public_key())?;
            certified(&shared, &certificate);
        }
        let (batch, inbox) = Desk::new()?;
        adopt::adopt_all(&shared, &batch)?;
        batch::start(shared.clone(), batch.clone(), inbox)?;
        Ok(Self {
            shared,
            batch,
            listener,
            entering: Vec::new(),
            daemon: None,
            orphaned: Some(Orphaned::now()),
            look_at_spare: None,
        })
    }

    /// Serves until there is neither daemon nor session.
    pub fn run(mut self) -> anyhow::Result<()> {
        loop {
            if let Some(orphaned) = &mut self.orphaned {
                let now = Instant::now();
                if self.shared.is_idle() {
                    if now >= orphaned.since + LONELY {
                        return Ok(());
                    }
                } else if self.shared.options.revive_daemon && now >= orphaned.next_start {
                    orphaned.next_start = now + orphaned.pause;
                    orphaned.pause = (orphaned.pause * 2).min(LONGEST_PAUSE);
                    start_daemon();
                }
            }
            if self.look_at_spare.is_some_and(|at| at <= Instant::now()) {
                self.look_at_spare = self.shared.maker.dismiss();
            }
            self.turn()?;
        }
    }

    fn turn(&mut self) -> anyhow::Result<()> {
        let mut polled = vec![PollFd::new(self.listener.as_fd(), PollFlags::POLLIN)];
        polled.extend(self.entering.iter().map(|one| PollFd::new(one.stream.as_fd(), PollFlags::POLLIN)));
        if let Some(daemon) = &self.daemon {
            polled.push(PollFd::new(daemon.stream.as_fd(), PollFlags::POLLIN));
        }
        match poll(&mut polled, self.timeout()) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
        let ready = polled.iter().map(|one| one.any().unwrap_or(false)).collect::<Vec<_>>();
        let waiting = self.entering.len();
        if self.daemon.is_some() && ready[waiting + 1] {
            self.hear_daemon();
        }
        for index in (0..waiting).rev() {
            if ready[index + 1] {
                let entering = self.entering.swap_remove(index);
                self.admit(entering.stream);
            } else if self.entering[index].until <= Instant::now() {
                self.entering.swap_remove(index);
            }
        }
        if ready[0] {
            self.accept();
        }
        Ok(())
    }

    fn timeout(&self) -> PollTimeout {
        let orphan = self
            .orphaned
            .as_ref()
            .map(|orphaned| if self.shared.is_idle() { orphaned.since + LONELY } else { orphaned.next_start });
        let earliest = self.entering.iter().map(|one| one.until).chain(orphan).chain(self.look_at_spare).min();
        match earliest {
            Some(at) => {
                let left = at.saturating_duration_since(Instant::now()).as_millis() + 1;
                PollTimeout::try_from(left).unwrap_or(PollTimeout::MAX)
            }
            None => PollTimeout::NONE,
        }
    }

    fn accept(&mut self) {
        while let Ok((stream, _)) = self.listener.accept() {
            let own = sys::credentials::own_uid();
            let allowed = sys::credentials::peer(stream.as_fd())
                .is_ok_and(|peer| peer.uid == own || peer.uid == self.shared.options.daemon_uid);
            if allowed && self.entering.len() < MOST_ENTERING && stream.set_nonblocking(true).is_ok() {
                self.entering.push(Entering { stream, until: Instant::now() + OPENING });
            }
        }
    }

    /// Reads the opening, which comes in one message, and lets the connection in.
    fn admit(&mut self, stream: UnixStream) {
        let mut buffer = [0; Opening::LENGTH];
        let Ok((count, descriptors)) = sys::descriptors::receive(stream.as_fd(), &mut buffer, 3) else {
            return;
        };
        let Some(opening) = Opening::decode(&buffer[..count]) else {
            return;
        };
        let Ok(peer) = sys::credentials::peer(stream.as_fd()) else {
            return;
        };
        match opening {
            Opening::Session { session, handed } if peer.uid == sys::credentials::own_uid() => {
                let handed = handed.into_iter().filter(|number| *number < 3).zip(descriptors).collect();
                if let Err(Arrival::Local { stream, .. }) =
                    self.shared.bring(&session, Arrival::Local { stream, handed })
                {
                    farewell::turn_away_here(stream, self.shared.given_away.why_not_here(&session));
                }
            }
            Opening::Daemon if peer.uid == self.shared.options.daemon_uid => self.welcome(stream),
            _ => {}
        }
    }

    /// A daemon has come; it replaces one that was there before.
    fn welcome(&mut self, stream: UnixStream) {
        // Writes come from many threads and are short; a daemon that does not read for long is
        // taken for gone.
        let Ok(writer) = stream.try_clone() else {
            return;
        };
        if stream.set_nonblocking(false).is_err() || writer.set_write_timeout(Some(PATIENCE)).is_err() {
            return;
        }
        let (sender, welcomed) = channel();
        self.batch.give(Order::NewDaemon(writer, sender));
        // That thread waits for nothing slow; without it the runner ends.
        let _ = welcomed.recv();
        self.daemon = Some(Daemon { stream, decoder: Decoder::default(), descriptors: Default::default() });
        self.orphaned = None;
    }

    fn hear_daemon(&mut self) {
        let Some(daemon) = &mut self.daemon else {
            return;
        };
        let mut buffer = [0; 65536];
        let heard = match sys::descriptors::receive(daemon.stream.as_fd(), &mut buffer, MOST_AT_ONCE) {
            Ok((0, _)) => Err(io::Error::from(io::ErrorKind::UnexpectedEof)),
            Ok((count, descriptors)) => {
                daemon.decoder.extend(&buffer[..count]);
                daemon.descriptors.extend(descriptors);
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(()),
            Err(error) => Err(error),
        };
        if heard.and_then(|()| self.obey_all()).is_err() {
            self.daemon = None;
            self.shared.set_daemon(None);
            self.batch.give(Order::NoDaemon);
            self.orphaned = Some(Orphaned::now());
        }
    }

    fn obey_all(&mut self) -> io::Result<()> {
        while let Some(daemon) = &mut self.daemon {
            let Some(message) = daemon.decoder.message::<ToRunner>()? else {
                break;
            };
            let descriptor = match message {
                ToRunner::Connection { .. }
                | ToRunner::Listen
                | ToRunner::ReadOutput { .. }
                | ToRunner::WriteOutput { .. }
                | ToRunner::ReadContent { .. }
                | ToRunner::WriteContent { .. } => daemon.descriptors.pop_front(),
                _ => None,
            };
            self.obey(message, descriptor);
        }
        Ok(())
    }

    fn obey(&mut self, message: ToRunner, descriptor: Option<OwnedFd>) {
        match message {
            ToRunner::Hello { host } => self.shared.set_host_name(host),
            ToRunner::Certificate(certificate) => certified(&self.shared, &certificate),
            ToRunner::Prepare(prepare) => {
                // When its job starts, a leader is made ready for the next.
                self.look_at_spare.get_or_insert(Instant::now() + SPARE);
                let (request, session) = (prepare.request, prepare.session.clone());
                let held = Held {
                    session,
                    job_id: prepare.job_id,
                    home: prepare.job.home.clone(),
                    queue: prepare.job.queue.clone(),
                    taken: prepare.taken.clone(),
                };
                if !self.shared.open(held, session::Start::Prepare(prepare)) {
                    let message = "the runner cannot open another session".to_owned();
                    let refusal = Some(Refusal { kind: RefusalKind::Failed, message });
                    self.shared.tell(&FromRunner::Prepared { request, refusal });
                }
            }
            ToRunner::Connection { request, session } => {
                self.shared.tell(&FromRunner::Taken { request });
                if let Some(descriptor) = descriptor {
                    let arrival = Arrival::Remote(TcpStream::from(descriptor));
                    if let Err(Arrival::Remote(stream)) = self.shared.bring(&session, arrival) {
                        farewell::turn_away(&self.shared, stream, self.shared.given_away.why_not_here(&session));
                    }
                }
            }
            ToRunner::List { request } => {
                self.shared.tell(&FromRunner::Listed { request, sessions: self.shared.rows() });
            }
            ToRunner::Void { session } => {
                let _ = self.shared.bring(&session, Arrival::Void);
            }
            ToRunner::Suspended(ref queues) => {
                self.shared.set_suspended(queues.clone());
                self.batch.give(Order::Said(message, None));
            }
            ToRunner::Terminate(ref queues) => {
                self.shared.terminate(queues);
                self.batch.give(Order::Said(message, None));
            }
            ToRunner::Listen => {
                if let Some(descriptor) = descriptor {
                    let listener = UnixListener::from(descriptor);
                    if listener.set_nonblocking(true).is_ok() {
                        self.listener = listener;
                    }
                }
            }
            ToRunner::PrepareAttempt(_) | ToRunner::Settle(_) => {
                self.look_at_spare.get_or_insert(Instant::now() + SPARE);
                self.batch.give(Order::Said(message, None));
            }
            ToRunner::Release(_)
            | ToRunner::Withdraw(_)
            | ToRunner::Stop { .. }
            | ToRunner::SignalAttempt { .. }
            | ToRunner::Time { .. }
            | ToRunner::Lease { .. }
            | ToRunner::ReadOutput { .. }
            | ToRunner::WriteOutput { .. }
            | ToRunner::AskLengths { .. }
            | ToRunner::ReadContent { .. }
            | ToRunner::WriteContent { .. }
            | ToRunner::AskContent { .. }
            | ToRunner::AskOldContents { .. }
            | ToRunner::RemoveContents { .. }
            | ToRunner::Notify(_)
            | ToRunner::Prune(_) => self.batch.give(Order::Said(message, descriptor)),
        }
    }
}

/// Puts a certificate for this runner's key in force.
fn certified(shared: &Shared, certificate: &Certificate) {
    let made = shared
        .trust()
        .and_then(|trust| Ok(tls::server_config(&trust, &shared.key, certificate, &[Kind::Client], &[])?));
    match made {
        Ok(config) => shared.set_tls_config(config),
        Err(error) => super::complain(format_args!("the certificate is of no use: {error:#}")),
    }
}

impl Orphaned {
    fn now() -> Self {
        let now = Instant::now();
        Self { since: now, next_start: now + FIRST_PAUSE, pause: FIRST_PAUSE }
    }
}

/// Starts the daemon's program again, detached from this process.
fn start_daemon() {
    let _ = Command::new("/proc/self/exe")
        .arg0("queued")
        .arg("--detach")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
}

/// Connections that may be silent at the same time.
const MOST_ENTERING: usize = 64;
/// How long a connection may take to say what it is.
const OPENING: Duration = Duration::from_secs(2);
/// By then a session that begins now has a successor's leader ready, and nobody has taken it.
const SPARE: Duration = Duration::from_secs(15);
/// Descriptors in one message of the daemon.
const MOST_AT_ONCE: usize = 8;
/// How long the daemon may leave our words unread.
const PATIENCE: Duration = Duration::from_secs(2);
/// Without daemon and sessions the runner leaves after this.
const LONELY: Duration = Duration::from_secs(10);
/// A dead daemon is started after this, then after twice as long, up to the longest.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
