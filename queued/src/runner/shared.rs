//! What the threads of a runner share: the way to the daemon, the TLS identity, the sessions.

use std::collections::{BTreeMap, HashMap};
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixStream;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use nix::sys::eventfd::{EfdFlags, EventFd};
use rustls::ServerConfig;
use wire::api::{SessionRow, SessionState};
use wire::history::Past;
use wire::identity::{SecretKey, Trust};
use wire::session::{Control, End};

use super::about::About;
use super::arrival::Arrival;
use super::batch::Board;
use super::ended::Ended;
use super::given_away::GivenAway;
use super::maker::Maker;
use super::{Options, session};
use crate::link::{self, FromRunner, Held};

/// Shared by all threads of a runner.
pub struct Shared {
    /// The command line.
    pub options: Options,
    /// Where leaders come from.
    pub maker: Maker,
    /// This runner's key for TLS.
    pub key: SecretKey,
    /// Ends TLS; absent until the daemon has brought the certificate.
    tls: RwLock<Option<Arc<ServerConfig>>>,
    /// Sessions that were not released in time.
    pub given_away: GivenAway,
    /// What there is to say about batch jobs.
    pub board: Board,
    /// The host's name, as the daemon said.
    host: RwLock<String>,
    trust: Mutex<Option<(Stamp, Trust)>>,
    daemon: Mutex<Option<UnixStream>>,
    sessions: Mutex<HashMap<String, Handle>>,
    /// Sessions that have ended, for the next daemon.
    past: Mutex<Ended>,
    /// Queues whose jobs are suspended, and why.
    suspended: Mutex<BTreeMap<String, String>>,
}

/// Which file: device, number, and when it was changed, in seconds and nanoseconds.
type Stamp = (u64, u64, i64, i64);

/// How the main thread reaches a session's thread.
pub struct Handle {
    held: Held,
    /// Known once the job runs, and since when it does.
    about: Option<About>,
    begun: Instant,
    state: SessionState,
    since: Instant,
    /// It began: there is something to be remembered.
    has_run: bool,
    ended: bool,
    arrivals: SyncSender<Arrival>,
    wake: Arc<EventFd>,
}

impl Handle {
    fn turn(&mut self, state: SessionState) {
        self.state = state;
        self.since = Instant::now();
    }

    fn row(&self, host: &str) -> Option<SessionRow> {
        let about = self.about.as_ref()?;
        Some(SessionRow {
            job_id: self.held.job_id,
            home: self.held.home.clone(),
            host: host.to_owned(),
            queue: self.held.queue.clone(),
            command: about.command.clone(),
            session: self.held.session.clone(),
            descriptors: about.descriptors,
            age_ms: self.begun.elapsed().as_millis() as u64,
            state: self.state.clone(),
            since_ms: self.since.elapsed().as_millis() as u64,
        })
    }
}

impl Handle {
    /// What there is to be remembered of it; nothing if its command has never begun.
    fn past(&self, end: Option<&End>) -> Option<Past> {
        let about = self.about.as_ref().filter(|_| self.has_run)?;
        let ended_us = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros() as i64);
        // Who was adopted began before this runner did.
        let here = self.begun.elapsed().as_micros() as i64;
        let ran_us = end.map_or(here, |end| i64::try_from(end.usage.wall_us).unwrap_or(here));
        let (command, started_us) = (about.command.clone(), ended_us.saturating_sub(ran_us));
        Some(Past { command, started_us, ended_us, end: end.cloned() })
    }
}

impl Shared {
    /// Nothing in hand yet.
    pub fn new(options: Options, maker: Maker) -> Self {
        Self {
            options,
            maker,
            key: SecretKey::generate(),
            tls: RwLock::new(None),
            given_away: GivenAway::default(),
            board: Board::begin(),
            host: RwLock::new(String::new()),
            trust: Mutex::new(None),
            daemon: Mutex::new(None),
            sessions: Mutex::new(HashMap::new()),
            past: Mutex::default(),
            suspended: Mutex::default(),
        }
    }

    /// The authority in force. Its file is looked at each time, since it is replaced when a cluster is
    /// made or joined, and read when it is another one.
    pub fn trust(&self) -> anyhow::Result<Trust> {
        let path = &self.options.authority;
        let unreadable = |error| anyhow::anyhow!("cannot read {}: {error}", path.display());
        let found = std::fs::metadata(path).map_err(unreadable)?;
        let stamp = (found.dev(), found.ino(), found.ctime(), found.ctime_nsec());
        let mut known = lock(&self.trust);
        if let Some((_, trust)) = known.as_ref().filter(|(of, _)| *of == stamp) {
            return Ok(trust.clone());
        }
        let text = std::fs::read_to_string(path).map_err(unreadable)?;
        let trust: Trust = text.trim().parse().map_err(|error| anyhow::anyhow!("{}: {error}", path.display()))?;
        *known = Some((stamp, trust.clone()));
        Ok(trust)
    }

    /// The host's name, as the daemon said; empty before that.
    pub fn host_name(&self) -> String {
        self.host.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The daemon has said the host's name.
    pub fn set_host_name(&self, name: String) {
        *self.host.write().unwrap_or_else(PoisonError::into_inner) = name;
    }

    /// What ends TLS; `None` until there is a certificate.
    pub fn tls_config(&self) -> Option<Arc<ServerConfig>> {
        self.tls.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Ends TLS like this from now on.
    pub fn set_tls_config(&self, config: Arc<ServerConfig>) {
        *self.tls.write().unwrap_or_else(PoisonError::into_inner) = Some(config);
    }

    /// Puts the new way to the daemon in force.
    pub fn set_daemon(&self, stream: Option<UnixStream>) {
        *lock(&self.daemon) = stream;
    }

    /// Tells the daemon. One that is away asks for everything when it comes back, so what cannot
    /// be sent is not kept.
    pub fn tell(&self, message: &FromRunner) {
        send(&mut lock(&self.daemon), message);
    }

    /// The sessions that have ended of which the last daemon may not know.
    pub fn tell_past(&self) -> Vec<(Held, Past)> {
        lock(&self.past).tell()
    }

    /// Starts the thread of a session. Returns false when one of this name is there already.
    pub fn open(self: &Arc<Self>, held: Held, start: session::Start) -> bool {
        let Ok(wake) = EventFd::from_value_and_flags(0, EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK) else {
            return false;
        };
        let wake = Arc::new(wake);
        let (arrivals, inbox) = sync_channel(MOST_ARRIVALS);
        let name = held.session.clone();
        {
            let mut sessions = lock(&self.sessions);
            if sessions.contains_key(&name) {
                return false;
            }
            let now = Instant::now();
            let (state, wake) = (SessionState::Detached, wake.clone());
            let (has_run, ended) = (false, false);
            let handle = Handle { held, about: None, begun: now, state, since: now, has_run, ended, arrivals, wake };
            sessions.insert(name.clone(), handle);
        }
        let shared = self.clone();
        let spawned = std::thread::Builder::new().name("session".into()).stack_size(STACK).spawn(move || {
            // It lets pipes fill for microseconds.
            sys::process::fine_timers();
            let guard = Registered { shared: shared.clone(), session: name.clone() };
            session::run(&shared, name, start, inbox, &wake);
            drop(guard);
        });
        if spawned.is_err() {
            // The closure with its guard was dropped unrun: nothing to close but the entry.
            return false;
        }
        true
    }

    /// Hands something to a session; gives it back when there is no such session or it is busy
    /// with too many.
    pub fn bring(&self, session: &str, arrival: Arrival) -> Result<(), Arrival> {
        let sessions = lock(&self.sessions);
        let Some(handle) = sessions.get(session) else {
            return Err(arrival);
        };
        handle.arrivals.try_send(arrival).map_err(|error| match error {
            std::sync::mpsc::TrySendError::Full(arrival) | std::sync::mpsc::TrySendError::Disconnected(arrival) => {
                arrival
            }
        })?;
        // The counter cannot overflow before the thread reads it; there is nothing else to fail.
        let _ = handle.wake.write(1);
        Ok(())
    }

    /// All sessions in hand whose jobs have not ended.
    pub fn held(&self) -> Vec<Held> {
        lock(&self.sessions).values().filter(|handle| !handle.ended).map(|handle| handle.held.clone()).collect()
    }

    /// The job of a session runs.
    pub fn is_about(&self, session: &str, about: &About) {
        self.note(session, |handle| {
            handle.about = Some(about.clone());
            handle.begun = Instant::now();
        });
    }

    /// The command of a session has begun.
    pub fn begins(&self, session: &str) {
        self.note(session, |handle| handle.has_run = true);
    }

    /// A client on this host is with a session.
    pub fn attached(&self, session: &str, from: &str) {
        self.note(session, |handle| {
            if !matches!(handle.state, SessionState::Ended(_)) {
                handle.turn(SessionState::Attached(from.to_owned()));
            }
        });
    }

    /// Nobody is with it any more.
    pub fn detached(&self, session: &str) {
        self.note(session, |handle| {
            if let SessionState::Attached(_) = handle.state {
                handle.turn(SessionState::Detached);
            }
        });
    }

    /// The job of a session has ended: its slot is free, though its end is not delivered yet.
    pub fn ended(&self, session: &str, busy: f64, last: &Control) {
        let mut past = None;
        self.note(session, |handle| {
            let end = if let Control::End(end) = last { Some(end) } else { None };
            past = handle.past(end);
            match end {
                Some(end) => handle.turn(SessionState::Ended(end.outcome.clone())),
                None => handle.about = None,
            }
        });
        self.free(session, busy, past);
    }

    fn free(&self, session: &str, busy: f64, past: Option<Past>) {
        let held = {
            let mut sessions = lock(&self.sessions);
            let first = sessions.get_mut(session).filter(|handle| !handle.ended);
            first.map(|handle| {
                handle.ended = true;
                handle.held.clone()
            })
        };
        let Some(held) = held else { return };
        // Locked until it is kept: a daemon that comes in between is told of it.
        let mut daemon = lock(&self.daemon);
        let past = past.map(|past| Box::new((held, past)));
        let message = FromRunner::Ended { session: session.to_owned(), busy, past: past.clone() };
        let is_told = send(&mut daemon, &message);
        if let Some(past) = past {
            lock(&self.past).add(*past, is_told);
        }
    }

    /// These queues are suspended, and no others; every session is told to look.
    pub fn set_suspended(&self, queues: BTreeMap<String, String>) {
        *lock(&self.suspended) = queues;
        let names = lock(&self.sessions).keys().cloned().collect::<Vec<_>>();
        for name in names {
            // One that has ended meanwhile, or is busy with too many callers, looks when its job starts.
            let _ = self.bring(&name, Arrival::Suspended);
        }
    }

    /// Every session in these queues is asked to end.
    pub fn terminate(&self, queues: &[String]) {
        let held = lock(&self.sessions).values().map(|handle| handle.held.clone()).collect::<Vec<_>>();
        for held in held.into_iter().filter(|held| queues.contains(&held.queue)) {
            let _ = self.bring(&held.session, Arrival::Terminate);
        }
    }

    /// Why the jobs of a queue are suspended, in words that follow its name; none: they are not.
    pub fn suspended(&self, queue: &str) -> Option<String> {
        lock(&self.suspended).get(queue).cloned()
    }

    fn note(&self, session: &str, change: impl FnOnce(&mut Handle)) {
        if let Some(handle) = lock(&self.sessions).get_mut(session) {
            change(handle);
        }
    }

    /// All sessions whose jobs have started, as their owner is told of them.
    pub fn rows(&self) -> Vec<SessionRow> {
        let host = self.host_name();
        lock(&self.sessions).values().filter_map(|handle| handle.row(&host)).collect()
    }

    /// Whether there is none, no batch job, and nothing to be told.
    pub fn is_idle(&self) -> bool {
        lock(&self.sessions).is_empty() && !lock(&self.past).has_untold() && self.board.is_empty()
    }
}

/// Takes a session out of the register when its thread ends, a panic included.
struct Registered {
    shared: Arc<Shared>,
    session: String,
}

impl Drop for Registered {
    fn drop(&mut self) {
        self.shared.free(&self.session, 0.0, None);
        lock(&self.shared.sessions).remove(&self.session);
    }
}

/// Says whether it was sent.
fn send(daemon: &mut Option<UnixStream>, message: &FromRunner) -> bool {
    let sent = match (&mut *daemon, link::encode(message)) {
        (Some(stream), Ok(bytes)) => stream.write_all(&bytes).is_ok(),
        _ => false,
    };
    if !sent {
        *daemon = None;
    }
    sent
}

/// A panic in one session's thread must not take the others with it.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Connections on their way to one session at the same time.
const MOST_ARRIVALS: usize = 8;

/// A session's thread has no deep calls; what it does not touch costs nothing.
const STACK: usize = 512 * 1024;
