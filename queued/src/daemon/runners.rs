//! The runners of this host: found, started, started again when they died.

use std::cell::RefCell;
use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::mpsc;

use super::runner_link::{RunnerLink, Word};
use crate::config::{Linger, Places, Settings};
use crate::link::ToRunner;

/// All runners, by uid.
pub struct Runners {
    places: Places,
    host: String,
    linger: Option<Linger>,
    /// In system mode runners are started by the starter.
    starter: Option<PathBuf>,
    links: RefCell<HashMap<u32, Rc<RunnerLink>>>,
    /// One start at a time: a second asker waits for the first's runner.
    starting: tokio::sync::Mutex<()>,
    words: mpsc::UnboundedSender<(u32, Event)>,
}

/// What happens with a runner, for the daemon's core.
#[derive(Debug)]
pub enum Event {
    /// It said something.
    Said(Word),
    /// It has gone.
    Gone,
}

impl Runners {
    /// None yet. Events come out of the other end of `words`; what can be said is bounded by the
    /// sessions that this daemon asked for.
    pub fn new(places: Places, host: String, settings: &Settings, words: mpsc::UnboundedSender<(u32, Event)>) -> Self {
        let (starter, linger) = (settings.starter.clone(), settings.linger);
        Self { places, host, linger, starter, links: RefCell::default(), starting: Default::default(), words }
    }

    /// The user's runner, if it is connected.
    pub fn connected(&self, uid: u32) -> Option<Rc<RunnerLink>> {
        self.links.borrow().get(&uid).cloned()
    }

    /// All that are connected.
    pub fn all(&self) -> Vec<Rc<RunnerLink>> {
        self.links.borrow().values().cloned().collect()
    }

    /// The user's runner; found or started where needed.
    ///
    /// # Errors
    /// When none could be started.
    pub async fn of(self: &Rc<Self>, uid: u32) -> anyhow::Result<Rc<RunnerLink>> {
        let link = self.find_or_start(uid).await?;
        link.introduced().await?;
        Ok(link)
    }

    async fn find_or_start(self: &Rc<Self>, uid: u32) -> anyhow::Result<Rc<RunnerLink>> {
        if let Some(link) = self.connected(uid) {
            return Ok(link);
        }
        let _one = self.starting.lock().await;
        if let Some(link) = self.connected(uid) {
            return Ok(link);
        }
        let path = self.places.runner_socket(uid);
        if let Ok(link) = RunnerLink::connect(&path, uid).await {
            return self.welcome(link).await;
        }
        match &self.starter {
            None => self.start_own(uid)?,
            Some(starter) => ask_starter(starter, uid).await?,
        }
        let link = RunnerLink::connect(&path, uid)
            .await
            .with_context(|| format!("cannot reach the runner at {}", path.display()))?;
        self.welcome(link).await
    }

    /// Connects to a runner that an earlier daemon left, if there is one, and hears what it holds.
    pub async fn find(self: &Rc<Self>, uid: u32) {
        if let Ok(link) = RunnerLink::connect(&self.places.runner_socket(uid), uid).await {
            // One that goes at this moment is like one that is not there.
            if let Ok(link) = self.welcome(link).await {
                let _ = link.introduced().await;
            }
        }
    }

    /// The runtime directory was made anew: runners get a new socket there.
    pub async fn listen_again(&self) {
        let links = self.links.borrow().values().cloned().collect::<Vec<_>>();
        for link in links {
            if let Ok(listener) = self.bind(link.uid) {
                // A runner that goes at this moment needs no socket.
                let _ = link.tell(&ToRunner::Listen, &[listener.as_fd()]).await;
            }
        }
    }

    async fn welcome(self: &Rc<Self>, link: Rc<RunnerLink>) -> anyhow::Result<Rc<RunnerLink>> {
        link.tell(&ToRunner::Hello { host: self.host.clone() }, &[]).await?;
        self.links.borrow_mut().insert(link.uid, link.clone());
        let (runners, listening) = (self.clone(), link.clone());
        tokio::task::spawn_local(async move {
            let uid = listening.uid;
            let words = runners.words.clone();
            // The receiver lives as long as the daemon.
            let ended = listening.listen(|word| drop(words.send((uid, Event::Said(word))))).await;
            if let Err(error) = ended {
                tracing::warn!(uid, %error, "the runner's connection broke");
            }
            listening.close();
            runners.links.borrow_mut().remove(&uid);
            drop(words.send((uid, Event::Gone)));
        });
        Ok(link)
    }

    fn bind(&self, uid: u32) -> io::Result<UnixListener> {
        let path = self.places.runner_socket(uid);
        match std::fs::remove_file(&path) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        UnixListener::bind(path)
    }

    /// Starts a runner with this daemon's own uid.
    fn start_own(&self, uid: u32) -> anyhow::Result<()> {
        if uid != sys::credentials::own_uid() {
            bail!("this daemon serves uid {} only", sys::credentials::own_uid());
        }
        let listener = self.bind(uid).context("cannot make the runner's socket")?;
        let mut command = Command::new("/proc/self/exe");
        command
            .arg0("queued")
            .args(["--role", "runner", "--revive-daemon"])
            .arg("--authority")
            .arg(self.places.authority())
            .arg("--jobs")
            .arg(self.places.state.join("jobs"))
            .args(["--place", &self.places.tag(), "--daemon-uid", &uid.to_string()])
            .args(match self.linger {
                Some(Linger::For(length)) => vec!["--linger".to_owned(), length.as_secs().to_string()],
                Some(Linger::NoLimit) => vec!["--linger".to_owned(), "none".to_owned()],
                None => Vec::new(),
            })
            .stdin(Stdio::from(OwnedFd::from(listener)))
            .stdout(Stdio::null())
            .process_group(0);
        // The runner is not waited for: SIGCHLD is ignored, and its end is seen on its connection.
        command.spawn().context("cannot start the runner")?;
        Ok(())
    }
}

/// Has the starter start a runner: the uid in decimal and a line feed; answered "ok" or a reason.
async fn ask_starter(path: &std::path::Path, uid: u32) -> anyhow::Result<()> {
    let asked = async {
        let mut stream = tokio::net::UnixStream::connect(path).await?;
        stream.write_all(format!("{uid}\n").as_bytes()).await?;
        let mut answer = String::new();
        stream.take(1024).read_to_string(&mut answer).await?;
        Ok::<_, io::Error>(answer)
    };
    let answer = tokio::time::timeout(STARTER_PATIENCE, asked)
        .await
        .context("the starter does not answer")?
        .with_context(|| format!("cannot ask the starter at {}", path.display()))?;
    match answer.trim() {
        "ok" => Ok(()),
        reason => bail!("the starter refuses: {reason}"),
    }
}

/// The starter opens a PAM session at most.
const STARTER_PATIENCE: Duration = Duration::from_secs(20);
