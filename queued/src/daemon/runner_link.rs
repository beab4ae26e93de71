//! The daemon's connection to one user's runner.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use anyhow::Context;
use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest};
use tokio::net::UnixStream;
use tokio::sync::{Mutex, oneshot, watch};
use wire::api::{Opening, Refusal, RefusalKind, SessionRow};
use wire::batch::OutputStream;
use wire::history::Past;

use crate::core::resources::Taken;
use crate::link::{
    self, AttemptKey, AttemptWord, Decoder, FromRunner, Held, Notify, Prepare, PrepareAttempt, ToRunner,
};

/// A connected runner.
pub struct RunnerLink {
    /// The user.
    pub uid: u32,
    stream: UnixStream,
    /// Messages go out one after the other, whole.
    writing: Mutex<()>,
    next_request: Cell<u64>,
    prepared: RefCell<HashMap<u64, oneshot::Sender<Option<Refusal>>>>,
    taken: RefCell<HashMap<u64, oneshot::Sender<()>>>,
    listed: RefCell<HashMap<u64, oneshot::Sender<Vec<SessionRow>>>>,
    transferred: RefCell<HashMap<u64, oneshot::Sender<Result<u64, String>>>>,
    measured: RefCell<HashMap<u64, oneshot::Sender<[Option<u64>; 2]>>>,
    old_contents: RefCell<HashMap<u64, oneshot::Sender<Vec<String>>>>,
    introduced: watch::Sender<bool>,
}

/// What a runner says unasked.
#[derive(Debug)]
pub enum Word {
    /// It has come, with these sessions; its key wants a certificate.
    Hello {
        /// The key.
        public_key: [u8; 32],
        /// The sessions.
        sessions: Vec<Held>,
        /// Attempts of batch jobs.
        attempts: Vec<(AttemptKey, AttemptWord)>,
        /// The queue of each.
        queues: Vec<(AttemptKey, String)>,
        /// When it began, milliseconds since boot.
        since_boot_ms: u64,
        /// What these attempts have of this host.
        holds: Vec<(AttemptKey, Taken)>,
        /// Sessions that have ended meanwhile.
        past: Vec<(Held, Past)>,
    },
    /// Something about an attempt.
    Attempt(AttemptKey, AttemptWord),
    /// A job runs.
    Released(String),
    /// A slot is free; the job kept so many CPUs busy. What is to be remembered of it, if it ran.
    Ended(String, f64, Option<Box<(Held, Past)>>),
}

impl RunnerLink {
    /// Connects to the runner that listens at `path`, which must be the user's.
    pub async fn connect(path: &Path, uid: u32) -> io::Result<Rc<Self>> {
        let stream = UnixStream::connect(path).await?;
        // The kernel names whoever made the socket: the user, or root's starter for the user.
        let maker = sys::credentials::peer(stream.as_fd())?.uid;
        if maker != uid && maker != 0 {
            return Err(io::Error::new(
                io::ErrorKind::PermissionDenied,
                "somebody else listens on the runner's socket",
            ));
        }
        let runner = Rc::new(Self {
            uid,
            stream,
            writing: Mutex::new(()),
            next_request: Cell::new(0),
            prepared: RefCell::default(),
            taken: RefCell::default(),
            listed: RefCell::default(),
            transferred: RefCell::default(),
            measured: RefCell::default(),
            old_contents: RefCell::default(),
            introduced: watch::Sender::new(false),
        });
        runner.write(&Opening::Daemon.encode(), &[]).await?;
        Ok(runner)
    }

    /// What the runner holds is settled with what the daemon thought.
    pub fn introduce(&self) {
        self.introduced.send_replace(true);
    }

    /// Waits for that. Before it nothing may be given to the runner: it would be missing in the
    /// runner's list and taken for lost.
    pub async fn introduced(&self) -> io::Result<()> {
        let mut told = self.introduced.subscribe();
        match tokio::time::timeout(INTRODUCTION, told.wait_for(|yes| *yes)).await {
            Ok(_) => Ok(()),
            Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, "the runner does not say what it holds")),
        }
    }

    /// Has a job checked and a leader made ready.
    pub async fn prepare(&self, mut prepare: Prepare) -> Result<(), Refusal> {
        let request = self.number();
        prepare.request = request;
        let (sender, answer) = oneshot::channel();
        self.prepared.borrow_mut().insert(request, sender);
        let sent = self.tell(&ToRunner::Prepare(Box::new(prepare)), &[]).await;
        let answered = match sent {
            Ok(()) => tokio::time::timeout(PREPARATION, answer).await,
            Err(_) => Ok(Ok(Some(failed("the runner has gone")))),
        };
        self.prepared.borrow_mut().remove(&request);
        match answered {
            Ok(Ok(None)) => Ok(()),
            Ok(Ok(Some(refusal))) => Err(refusal),
            Ok(Err(_)) => Err(failed("the runner has gone")),
            Err(_) => Err(failed("the runner does not answer (a directory on a server that is away?)")),
        }
    }

    /// Has an attempt checked and a leader made ready.
    pub async fn prepare_attempt(&self, mut prepare: PrepareAttempt) -> Result<(), Refusal> {
        let request = self.number();
        prepare.request = request;
        let message = ToRunner::PrepareAttempt(Box::new(prepare));
        let asked = self.ask(request, &self.prepared, &message, &[], PREPARATION).await;
        match asked {
            Ok(None) => Ok(()),
            Ok(Some(refusal)) => Err(refusal),
            Err(error) => Err(failed(&error.to_string())),
        }
    }

    /// How much this host has of the streams of an attempt.
    pub async fn lengths(&self, key: &AttemptKey) -> io::Result<[Option<u64>; 2]> {
        let request = self.number();
        let message = ToRunner::AskLengths { request, key: key.clone() };
        self.ask(request, &self.measured, &message, &[], PREPARATION).await
    }

    /// Whether bytes with this name are here.
    pub async fn has_content(&self, sha256: &str) -> bool {
        let request = self.number();
        let message = ToRunner::AskContent { request, sha256: sha256.to_owned() };
        matches!(self.ask(request, &self.transferred, &message, &[], PREPARATION).await, Ok(Ok(_)))
    }

    /// Some bytes behind this name that nobody has put here or asked for so long.
    pub async fn old_contents(&self, after: String, age: Duration) -> io::Result<Vec<String>> {
        let request = self.number();
        let message = ToRunner::AskOldContents { request, after, older_s: age.as_secs() };
        self.ask(request, &self.old_contents, &message, &[], TRANSFER).await
    }

    /// Has the owner told of the end of a job. The sentence says why that did not go well.
    pub async fn notify(&self, mut notify: Notify) -> Result<(), String> {
        let request = self.number();
        notify.request = request;
        let message = ToRunner::Notify(Box::new(notify));
        match self.ask(request, &self.transferred, &message, &[], NOTICE).await {
            Ok(answer) => answer.map(drop),
            Err(error) => Err(error.to_string()),
        }
    }

    /// A stream of an attempt from a byte on, as it comes.
    pub async fn read_output(
        &self,
        key: &AttemptKey,
        stream: OutputStream,
        offset: u64,
        follow: bool,
    ) -> io::Result<UnixStream> {
        let (ours, theirs) = pair()?;
        let request = self.number();
        let message = ToRunner::ReadOutput { request, key: key.clone(), stream, offset, follow };
        self.tell(&message, &[theirs.as_fd()]).await?;
        Ok(ours)
    }

    /// Appends bytes to a stream of an attempt at its home; says how long it is then.
    pub async fn write_output(
        &self,
        key: &AttemptKey,
        stream: OutputStream,
        offset: u64,
        bytes: &[u8],
    ) -> io::Result<u64> {
        let (mut ours, theirs) = pair()?;
        let request = self.number();
        let message = ToRunner::WriteOutput { request, key: key.clone(), stream, offset };
        let written = async {
            ours.write_all(bytes).await?;
            ours.shutdown().await
        };
        let descriptors = [theirs.as_fd()];
        let asked = self.ask(request, &self.transferred, &message, &descriptors, TRANSFER);
        let (answer, written) = tokio::join!(asked, written);
        let length = answer?.map_err(io::Error::other)?;
        written?;
        Ok(length)
    }

    /// A piece of bytes with this name, and whether it is the last.
    pub async fn content_piece(&self, sha256: &str, offset: u64) -> anyhow::Result<(Vec<u8>, bool)> {
        let (mut ours, theirs) = pair()?;
        let request = self.number();
        let message = ToRunner::ReadContent { request, sha256: sha256.to_owned() };
        self.tell(&message, &[theirs.as_fd()]).await?;
        drop(theirs);
        let (mut bytes, mut skipped, mut buffer) = (Vec::new(), 0, vec![0; 64 * 1024]);
        while bytes.len() < PIECE {
            let read = tokio::time::timeout(PREPARATION, ours.read(&mut buffer));
            match read.await.context("the runner is silent")?? {
                0 => return Ok((bytes, true)),
                count => {
                    let skip = usize::try_from(offset - skipped).unwrap_or(usize::MAX).min(count);
                    skipped += skip as u64;
                    bytes.extend_from_slice(&buffer[skip..count]);
                }
            }
        }
        Ok((bytes, false))
    }

    /// Takes bytes with this name, piece by piece.
    pub async fn write_content(self: &Rc<Self>, sha256: &str) -> anyhow::Result<ContentWriter> {
        let (stream, theirs) = pair()?;
        let request = self.number();
        let (sender, answer) = oneshot::channel();
        self.transferred.borrow_mut().insert(request, sender);
        let message = ToRunner::WriteContent { request, sha256: sha256.to_owned() };
        self.tell(&message, &[theirs.as_fd()]).await?;
        Ok(ContentWriter { stream, answer })
    }

    /// Asks something that is answered by one message with the same number.
    async fn ask<T>(
        &self,
        request: u64,
        open: &RefCell<HashMap<u64, oneshot::Sender<T>>>,
        message: &ToRunner,
        descriptors: &[BorrowedFd<'_>],
        patience: Duration,
    ) -> io::Result<T> {
        let (sender, answer) = oneshot::channel();
        open.borrow_mut().insert(request, sender);
        let sent = self.tell(message, descriptors).await;
        let answered = match sent {
            Ok(()) => tokio::time::timeout(patience, answer).await,
            Err(error) => {
                open.borrow_mut().remove(&request);
                return Err(error);
            }
        };
        open.borrow_mut().remove(&request);
        match answered {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(_)) => Err(io::Error::new(io::ErrorKind::BrokenPipe, "the runner has gone")),
            Err(_) => Err(io::Error::new(
                io::ErrorKind::TimedOut,
                "the runner does not answer (a directory on a server that is away?)",
            )),
        }
    }

    /// Passes a client's connection on. The caller keeps its copy until this returns.
    pub async fn pass(&self, connection: BorrowedFd<'_>, session: String) -> io::Result<()> {
        let request = self.number();
        let (sender, answer) = oneshot::channel();
        self.taken.borrow_mut().insert(request, sender);
        let sent = self.tell(&ToRunner::Connection { request, session }, &[connection]).await;
        let answered = tokio::time::timeout(HANDING_OVER, answer).await;
        self.taken.borrow_mut().remove(&request);
        sent?;
        match answered {
            Ok(Ok(())) => Ok(()),
            _ => Err(io::Error::new(io::ErrorKind::TimedOut, "the runner does not take the connection")),
        }
    }

    /// The runner's sessions; `None` when it does not answer.
    pub async fn list(&self) -> Option<Vec<SessionRow>> {
        let request = self.number();
        let (sender, answer) = oneshot::channel();
        self.listed.borrow_mut().insert(request, sender);
        let sent = self.tell(&ToRunner::List { request }, &[]).await;
        let answered = tokio::time::timeout(LISTING, answer).await;
        self.listed.borrow_mut().remove(&request);
        sent.ok()?;
        answered.ok()?.ok()
    }

    /// Sends one message.
    pub async fn tell(&self, message: &ToRunner, descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
        self.write(&link::encode(message)?, descriptors).await
    }

    /// Hears the runner until it has gone; words go to `heard`, answers to who asked.
    pub async fn listen(&self, heard: impl Fn(Word)) -> io::Result<()> {
        let mut decoder = Decoder::default();
        let mut buffer = vec![0; 16 * 1024];
        loop {
            self.stream.readable().await?;
            // Reading has no room for descriptors: they flow only towards the runner.
            match self.stream.try_read(&mut buffer) {
                Ok(0) => return Ok(()),
                Ok(count) => decoder.extend(&buffer[..count]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
                Err(error) => return Err(error),
            }
            while let Some(message) = decoder.message::<FromRunner>()? {
                match message {
                    FromRunner::Prepared { request, refusal } => {
                        if let Some(sender) = self.prepared.borrow_mut().remove(&request) {
                            // Whoever asked may have lost patience.
                            let _ = sender.send(refusal);
                        }
                    }
                    FromRunner::Taken { request } => {
                        if let Some(sender) = self.taken.borrow_mut().remove(&request) {
                            let _ = sender.send(());
                        }
                    }
                    FromRunner::Listed { request, sessions } => {
                        if let Some(sender) = self.listed.borrow_mut().remove(&request) {
                            let _ = sender.send(sessions);
                        }
                    }
                    FromRunner::Hello { public_key, sessions, attempts, queues, since_boot_ms, holds, past } => {
                        heard(Word::Hello { public_key, sessions, attempts, queues, since_boot_ms, holds, past });
                    }
                    FromRunner::Released { session } => heard(Word::Released(session)),
                    FromRunner::Ended { session, busy, past } => heard(Word::Ended(session, busy, past)),
                    FromRunner::Attempt { key, word } => heard(Word::Attempt(key, word)),
                    FromRunner::Transferred { request, bytes, error } => {
                        if let Some(sender) = self.transferred.borrow_mut().remove(&request) {
                            let _ = sender.send(error.map_or(Ok(bytes), Err));
                        }
                    }
                    FromRunner::Contents { request, names } => {
                        if let Some(sender) = self.old_contents.borrow_mut().remove(&request) {
                            let _ = sender.send(names);
                        }
                    }
                    FromRunner::Lengths { request, lengths } => {
                        if let Some(sender) = self.measured.borrow_mut().remove(&request) {
                            let _ = sender.send(lengths);
                        }
                    }
                }
            }
        }
    }

    /// Nobody will answer any more: everybody who waits is told.
    pub fn close(&self) {
        self.prepared.borrow_mut().clear();
        self.taken.borrow_mut().clear();
        self.listed.borrow_mut().clear();
        self.transferred.borrow_mut().clear();
        self.measured.borrow_mut().clear();
        self.old_contents.borrow_mut().clear();
        self.introduce();
    }

    fn number(&self) -> u64 {
        let number = self.next_request.get() + 1;
        self.next_request.set(number);
        number
    }

    async fn write(&self, bytes: &[u8], descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
        let _whole = self.writing.lock().await;
        let mut sent = 0;
        while sent < bytes.len() {
            // They ride on the first byte.
            let riding = if sent == 0 { descriptors } else { &[] };
            sent += self
                .stream
                .async_io(Interest::WRITABLE, || sys::descriptors::send(self.stream.as_fd(), &bytes[sent..], riding))
                .await?;
        }
        Ok(())
    }
}

/// Takes bytes that jobs need.
pub struct ContentWriter {
    stream: UnixStream,
    answer: oneshot::Receiver<Result<u64, String>>,
}

impl ContentWriter {
    /// More of them.
    pub async fn write(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        Ok(tokio::time::timeout(TRANSFER, self.stream.write_all(bytes)).await.context("the runner is silent")??)
    }

    /// These were all: they are on disk when this returns.
    pub async fn finish(mut self) -> anyhow::Result<u64> {
        self.stream.shutdown().await?;
        drop(self.stream);
        let answer = tokio::time::timeout(TRANSFER, self.answer).await.context("the runner is silent")?;
        answer.context("the runner has gone")?.map_err(|why| anyhow::anyhow!(why))
    }
}

fn pair() -> io::Result<(UnixStream, std::os::unix::net::UnixStream)> {
    let (ours, theirs) = std::os::unix::net::UnixStream::pair()?;
    ours.set_nonblocking(true)?;
    Ok((UnixStream::from_std(ours)?, theirs))
}

fn failed(message: &str) -> Refusal {
    Refusal { kind: RefusalKind::Failed, message: message.to_owned() }
}

/// A command at the end of a job has a minute, and waits for another user's disk before and after.
const NOTICE: Duration = Duration::from_secs(90);
/// How long a transfer may take.
const TRANSFER: Duration = Duration::from_secs(60);
/// A piece has about so many bytes.
const PIECE: usize = 512 * 1024;
/// A runner's first word takes as long as its start.
const INTRODUCTION: Duration = Duration::from_secs(10);
/// A runner looks at a directory and a file; a network file system may take its time.
const PREPARATION: Duration = Duration::from_secs(5);
/// A runner's main thread never waits for anything slow.
const HANDING_OVER: Duration = Duration::from_secs(2);
/// The same, and less than another host waits.
const LISTING: Duration = Duration::from_millis(1500);
