//! Starting a daemon: detached or not, one for each state directory, ready when its socket is.

use std::cell::{Cell, RefCell};
use std::fs::{self, File, OpenOptions};
use std::io::{IsTerminal, Read, Seek, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::os::fd::AsFd;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, bail};
use tokio::net::{TcpListener, UnixListener};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use super::authority::Standing;
use super::hosting::Hosting;
use super::ids::Ids;
use super::memory::Memory;
use super::peers::Peers;
use super::placing::Placing;
use super::queues::Queues;
use super::runners::Runners;
use super::{Daemon, batch, mail, port, socket};
use crate::config::{Places, Settings};
use crate::core::names::HostName;
use crate::core::table::{Event, OwnHost, Table};
use crate::core::time::Millis;

/// How `queued` was started.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Leave the caller's session and go to the background.
    pub detach: bool,
    /// Set for the process that `--detach` starts: standard output says when it is ready.
    pub detached: bool,
    /// The descriptor on which one byte says that a daemon can be asked.
    pub ready_fd: Option<i32>,
}

/// Runs the daemon in the role that the options say.
///
/// # Errors
/// What kept it from starting.
pub fn run(options: &Options) -> anyhow::Result<()> {
    let places = Places::personal(|name| std::env::var_os(name))?;
    if options.detach {
        return launch(&places, options);
    }
    if options.detached {
        sys::daemonize::detach_from_caller()?;
    }
    sys::memory::few_arenas();
    start_log();
    let kernel_name = sys::host::name();
    let settings = Settings::read(&places.configuration(), &kernel_name)?;
    let host = settings.host_name().unwrap_or(&kernel_name).to_owned();
    let places = places.of_host(&host);
    fs::DirBuilder::new()
        .mode(0o700)
        .recursive(true)
        .create(&places.state)
        .with_context(|| format!("cannot make {}", places.state.display()))?;
    if options.detached && sys::daemonize::is_unheard() {
        // A runner started us: nobody but the log hears why we cannot start.
        sys::daemonize::log_to(open_log(&places)?.as_fd())?;
    }
    let lock = match Lock::take(&places)? {
        Taken::Ours(lock) => lock,
        Taken::Held { pid } => {
            if options.detached {
                // Whoever asked for a daemon has one.
                return say_ready();
            }
            bail!(
                "another queued holds {} (process {pid}); one state directory has one daemon",
                places.state.display()
            );
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, serve(places, settings, host, options.detached))?;
    drop(lock);
    Ok(())
}

/// Starts the daemon proper with nothing of the caller's but a few variables.
fn launch(places: &Places, options: &Options) -> anyhow::Result<()> {
    let ready = match options.ready_fd {
        // The number names a descriptor of ours; opening it anew needs no trust in it.
        Some(number) => Stdio::from(OpenOptions::new().write(true).open(format!("/proc/self/fd/{number}"))?),
        None => Stdio::null(),
    };
    fs::create_dir_all(&places.state).with_context(|| format!("cannot make {}", places.state.display()))?;
    let mut command = Command::new("/proc/self/exe");
    command.arg0("queued").arg("--detached").env_clear();
    for name in KEPT_VARIABLES {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command.env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
    // What goes wrong before there is a log is said to whoever started us.
    command.stdin(Stdio::null()).stdout(ready).spawn().context("cannot start the daemon")?;
    Ok(())
}

/// Variables that say where the user's things are, and how much the daemon before logged: one that a runner starts in
/// its place says as much.
const KEPT_VARIABLES: [&str; 10] = [
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "TZ",
    "XDG_STATE_HOME",
    "XDG_CONFIG_HOME",
    "XDG_RUNTIME_DIR",
    wire::places::RUNTIME_VARIABLE,
    LOG_VARIABLE,
];

/// How much is logged: info or debug.
const LOG_VARIABLE: &str = "QUEUED_LOG";

/// The lock on a state directory, held for life.
struct Lock(#[allow(dead_code, reason = "held, not read")] File);

enum Taken {
    Ours(Lock),
    Held { pid: String },
}

impl Lock {
    fn take(places: &Places) -> anyhow::Result<Taken> {
        let path = places.state.join("lock");
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .with_context(|| format!("cannot open {}", path.display()))?;
        match file.try_lock() {
            Ok(()) => {
                file.set_len(0)?;
                file.rewind()?;
                writeln!(file, "{}", std::process::id())?;
                Ok(Taken::Ours(Lock(file)))
            }
            Err(fs::TryLockError::WouldBlock) => {
                let mut pid = String::new();
                file.read_to_string(&mut pid)?;
                Ok(Taken::Held { pid: pid.trim().to_owned() })
            }
            Err(fs::TryLockError::Error(error)) => {
                Err(error).with_context(|| format!("cannot lock {}", path.display()))
            }
        }
    }
}

/// Tells whoever started us, on standard output, that a daemon can be asked.
fn say_ready() -> anyhow::Result<()> {
    let mut output = std::io::stdout();
    // Nobody may be listening any more.
    let _ = output.write_all(b"\n").and_then(|()| output.flush());
    Ok(())
}

/// Lets go of the caller's pipes; what is logged from now on goes to a file of the state directory.
fn let_go(places: &Places) -> anyhow::Result<()> {
    sys::daemonize::let_go(open_log(places)?.as_fd())?;
    Ok(())
}

/// The log; a large one is put aside as `log.old`.
fn open_log(places: &Places) -> anyhow::Result<File> {
    let path = places.state.join("log");
    if fs::metadata(&path).is_ok_and(|found| found.len() > LARGE_LOG) {
        fs::rename(&path, places.state.join("log.old"))?;
    }
    let log = OpenOptions::new().append(true).create(true).mode(0o600).open(&path);
    log.with_context(|| format!("cannot open {}", path.display()))
}

/// A log of this size is put aside at the next start.
const LARGE_LOG: u64 = 1 << 20;

/// One line for each event on standard error.
fn start_log() {
    let level = match std::env::var(LOG_VARIABLE).as_deref() {
        Ok("debug") => tracing::Level::DEBUG,
        Ok("info") => tracing::Level::INFO,
        _ => tracing::Level::WARN,
    };
    tracing_subscriber::fmt()
        .with_max_level(level)
        .with_target(false)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        // It would panic on a disk that is full, and what was to be done would not be.
        .log_internal_errors(false)
        .init();
}

async fn serve(places: Places, settings: Settings, host: String, detached: bool) -> anyhow::Result<()> {
    let unix_us = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_micros() as u64;
    let standing = Standing::establish(&places, &settings, &host)?;
    let incarnation = stored_incarnation(&places)?.map_or(unix_us, |stored| unix_us.max(stored + 1));
    let for_all_users = !standing.signs();
    let listener = listen(&settings).await?;
    let address = advertised(&settings, listener.as_ref());
    let (words, mut heard) = mpsc::unbounded_channel();
    let runners = Rc::new(Runners::new(places.clone(), host.clone(), &settings, words));
    let own = HostName::from(host.as_str());
    let now = Millis::from(sys::host::since_boot());
    let memory = Memory::of(&places.state);
    let mut peers = settings.peers.clone().unwrap_or_default();
    peers.extend(memory.addresses().map(str::to_owned));
    let table = Table::new(OwnHost { name: host.clone(), address: address.clone(), incarnation }, peers, unix_us);
    let store = batch::Store::open(&places.state)?;
    let mailer = mail::Mailer::new(settings.mail.as_ref(), &host, &places.state);
    let daemon = Rc::new(Daemon {
        batch: batch::Batch::new(store, mailer),
        ids: Ids::open(&places.state)?,
        hosting: Hosting::new(settings.speed.unwrap_or(1.0), now),
        queues: Queues::new(&places, &host)?,
        placing: Placing::new(own, unix_us),
        peers: Peers::default(),
        acceptor: RefCell::new(None),
        port: RefCell::new(None),
        table: RefCell::new(table),
        incarnation: Cell::new(incarnation),
        words: Cell::new(0),
        names: RefCell::default(),
        measured: Cell::new(Millis(0)),
        settings: RefCell::new(settings),
        standing: RefCell::new(standing),
        rearmed: tokio::sync::Notify::new(),
        memory,
        heard: tokio::sync::Notify::new(),
        started: Millis::from(sys::host::since_boot()),
        host,
        places,
        runners,
    });
    daemon.keep_incarnation(incarnation);
    daemon.queues.look_now(&daemon);
    let hearing = daemon.clone();
    tokio::task::spawn_local(async move {
        while let Some((uid, event)) = heard.recv().await {
            hearing.hosting.runner_said(&hearing, uid, event);
        }
    });
    daemon.batch.begin(&daemon).await?;
    // Nothing is dispatched before every runner has said what it holds.
    for uid in runners_left(&daemon.places) {
        daemon.runners.find(uid).await;
    }
    daemon.batch.resume(&daemon).await;
    let socket = socket::bind(&daemon.places, &daemon.host, for_all_users)?;
    if detached {
        say_ready()?;
        let_go(&daemon.places)?;
    }
    daemon.open_port(listener);
    daemon.publish();
    tokio::task::spawn_local(daemon.clone().keep_time());
    live(daemon, socket).await
}

/// Serves until a signal ends it.
async fn live(daemon: Rc<Daemon>, socket: UnixListener) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    // Runners are not waited for: their connections tell.
    sys::signal::ignore(nix::libc::SIGCHLD)?;
    let serving = socket::serve(daemon.clone(), socket);
    tokio::pin!(serving);
    loop {
        tokio::select! {
            ended = &mut serving => return ended,
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            _ = hang_up.recv() => {
                if let Err(error) = daemon.reload().await {
                    tracing::error!("what was read before stays in force: {error:#}");
                }
            }
        }
    }
    daemon.table_event(Event::Leave);
    // The farewell is on its way when the tasks have had a turn.
    tokio::time::sleep(FAREWELL).await;
    let _ = fs::remove_file(daemon.places.socket());
    Ok(())
}

impl Daemon {
    /// Reads the configuration again. With an error nothing changes.
    pub(super) async fn reload(self: &Rc<Self>) -> anyhow::Result<()> {
        let settings = Settings::read(&self.places.configuration(), &sys::host::name())?;
        let standing = Standing::establish(&self.places, &settings, &self.host)?;
        let same_cluster = standing.trust == self.standing.borrow().trust;
        let same_port = settings.listen == self.settings.borrow().listen;
        let listener = if same_port { None } else { listen(&settings).await? };
        *self.standing.borrow_mut() = standing;
        *self.acceptor.borrow_mut() = None;
        let peers = settings.peers.clone().unwrap_or_default();
        if !same_port {
            let address = advertised(&settings, listener.as_ref());
            self.open_port(listener);
            self.table_event(Event::Address(address));
        }
        self.batch.reports.replace(mail::Mailer::new(settings.mail.as_ref(), &self.host, &self.places.state));
        *self.settings.borrow_mut() = settings;
        if !same_cluster {
            self.peers.forget_all();
            self.hosting.certify_all(self);
        }
        self.table_event(Event::Peers(peers));
        self.queues.look_now(self);
        Ok(())
    }

    /// Serves this port instead of the one before.
    fn open_port(self: &Rc<Self>, listener: Option<TcpListener>) {
        let before = self.port.borrow_mut().take();
        if let Some(before) = before {
            before.abort();
        }
        if let Some(listener) = listener {
            let task = tokio::task::spawn_local(port::serve(self.clone(), listener));
            *self.port.borrow_mut() = Some(task.abort_handle());
        }
    }
}

async fn listen(settings: &Settings) -> anyhow::Result<Option<TcpListener>> {
    match settings.listen_address()? {
        None => Ok(None),
        Some(address) => {
            let bound = TcpListener::bind(address).await.with_context(|| format!("cannot listen on {address}"))?;
            Ok(Some(bound))
        }
    }
}

/// What the others are told: as configured, else the address listened on; when that is "all", the
/// first address of this host that is not the loopback's.
fn advertised(settings: &Settings, listener: Option<&TcpListener>) -> String {
    let Some(address) = listener.and_then(|listener| listener.local_addr().ok()) else {
        return String::new();
    };
    match &settings.advertise {
        Some(advertise) => advertise.clone(),
        None if address.ip().is_unspecified() => {
            let ip = own_addresses().into_iter().find(|ip| !ip.is_loopback());
            SocketAddr::new(ip.unwrap_or(Ipv4Addr::LOCALHOST.into()), address.port()).to_string()
        }
        None => address.to_string(),
    }
}

/// The addresses of this host's interfaces, version 4 first.
fn own_addresses() -> Vec<IpAddr> {
    let storages = nix::ifaddrs::getifaddrs().into_iter().flatten().filter_map(|interface| interface.address);
    let mut addresses = storages
        .filter_map(|storage| match (storage.as_sockaddr_in(), storage.as_sockaddr_in6()) {
            (Some(four), _) => Some(IpAddr::from(four.ip())),
            // A link-local address means nothing on another link.
            (_, Some(six)) if !six.ip().is_unicast_link_local() => Some(IpAddr::from(six.ip())),
            _ => None,
        })
        .collect::<Vec<_>>();
    addresses.sort_by_key(IpAddr::is_ipv6);
    addresses
}

fn stored_incarnation(places: &Places) -> anyhow::Result<Option<u64>> {
    let path = places.state.join("incarnation");
    match fs::read_to_string(&path) {
        Ok(text) => Ok(text.trim().parse().ok()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}

/// The uids whose runners an earlier daemon may have left.
fn runners_left(places: &Places) -> Vec<u32> {
    let entries = fs::read_dir(&places.runtime).into_iter().flatten().flatten();
    let name = |entry: fs::DirEntry| entry.file_name().into_string().ok();
    entries
        .filter_map(name)
        .filter_map(|name| name.strip_prefix("runner-")?.strip_suffix(".sock")?.parse().ok())
        .collect()
}

/// How long a daemon that ends lets its farewell travel.
const FAREWELL: Duration = Duration::from_millis(50);
