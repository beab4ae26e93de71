//! The daemon's socket and the directory it lies in, made again when somebody deletes them (the
//! service manager does at the last logout).

use std::fs;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, bail};
use sys::watch::PathWatch;
use tokio::io::unix::AsyncFd;
use tokio::net::UnixListener;
use tokio::time::Instant;
use wire::places;

use super::Daemon;
use super::server::{self, Caller};
use crate::config::Places;

/// Makes the runtime directory and binds the socket in it. Only the holder of the state's lock
/// may call this: it removes a socket that is there.
///
/// # Errors
/// A directory that is not this user's alone, or a path that is too long for a socket.
pub fn bind(places: &Places, host: &str, for_all_users: bool) -> anyhow::Result<UnixListener> {
    let directory = &places.runtime;
    let mode = if for_all_users { 0o755 } else { 0o700 };
    match fs::DirBuilder::new().mode(mode).recursive(true).create(directory) {
        Ok(()) => {}
        Err(error) => return Err(error).with_context(|| format!("cannot make {}", directory.display())),
    }
    let found = fs::symlink_metadata(directory)?;
    if !found.is_dir() || found.uid() != sys::credentials::own_uid() || found.mode() & 0o022 != 0 {
        bail!(
            "{}: this must be a directory that belongs to uid {} and that nobody else can write to",
            directory.display(),
            sys::credentials::own_uid()
        );
    }
    let path = places.socket();
    if path.as_os_str().len() > LONGEST_SOCKET_PATH {
        bail!(
            "{}: longer than a socket's path may be ({LONGEST_SOCKET_PATH}); set XDG_RUNTIME_DIR to a shorter one",
            path.display()
        );
    }
    match fs::remove_file(&path) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error).with_context(|| format!("cannot replace {}", path.display())),
    }
    fs::write(places::host_file(directory), format!("{host}\n"))?;
    let listener = UnixListener::bind(&path).with_context(|| format!("cannot listen on {}", path.display()))?;
    fs::set_permissions(&path, fs::Permissions::from_mode(if for_all_users { 0o666 } else { 0o600 }))?;
    Ok(listener)
}

/// Accepts local users for ever; binds again when the socket disappears.
pub async fn serve(daemon: Rc<Daemon>, mut listener: UnixListener) -> anyhow::Result<()> {
    let path = daemon.places.socket();
    let mut watch = Watch::new(&path);
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    let Ok(peer) = sys::credentials::peer(stream.as_fd()) else {
                        continue;
                    };
                    let caller = Caller::Local { uid: peer.uid };
                    tokio::task::spawn_local(server::serve(daemon.clone(), stream, caller));
                }
                Err(error) => {
                    // Out of descriptors, most likely: what is open has to end first.
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            },
            gone = watch.looked() => {
                if gone
                    && let Some(again) = bind_again(&daemon, &path) {
                        listener = again;
                        daemon.runners.listen_again().await;
                    }
            }
        }
    }
}

/// Tells when the socket may have disappeared: by the kernel's word, and by looking while the
/// kernel has none to give (it gives 128 watches to a user, and any program may have them).
struct Watch<'a> {
    path: &'a Path,
    events: Option<AsyncFd<PathWatch>>,
    look_at: Instant,
}

impl<'a> Watch<'a> {
    fn new(path: &'a Path) -> Self {
        let mut watch = Self { path, events: None, look_at: Instant::now() };
        watch.begin();
        watch
    }

    fn begin(&mut self) {
        #[expect(deprecated, reason = "the other way needs unsafe code; a PathWatch keeps one descriptor for life")]
        let begun = PathWatch::new(self.path).and_then(AsyncFd::new);
        self.events = self.take(begun);
    }

    /// Waits for a reason to look; whether the socket is gone.
    async fn looked(&mut self) -> bool {
        let Some(events) = &mut self.events else {
            tokio::time::sleep_until(self.look_at).await;
            self.begin();
            return !self.path.exists();
        };
        let gone = events.readable_mut().await.and_then(|mut ready| {
            ready.clear_ready();
            ready.get_inner_mut().changed()
        });
        self.take(gone).unwrap_or_else(|| !self.path.exists())
    }

    /// Goes on without the kernel's word where that fails.
    fn take<T>(&mut self, tried: io::Result<T>) -> Option<T> {
        if let Err(error) = &tried {
            let path = self.path.display();
            tracing::warn!(%path, %error, "the socket cannot be watched; it is looked at now and then");
            self.events = None;
            self.look_at = Instant::now() + LOOK;
        }
        tried.ok()
    }
}

/// Without a parent directory there is nothing to bind in; its return wakes the watch.
fn bind_again(daemon: &Rc<Daemon>, path: &Path) -> Option<UnixListener> {
    if !daemon.places.runtime.parent().is_some_and(Path::exists) {
        return None;
    }
    match bind(&daemon.places, &daemon.host, !daemon.standing.borrow().signs()) {
        Ok(listener) => {
            tracing::info!(path = %path.display(), "the socket had disappeared; made again");
            Some(listener)
        }
        Err(error) => {
            tracing::error!("the socket has disappeared: {error:#}");
            None
        }
    }
}

/// How often the socket is looked at while it cannot be watched.
const LOOK: Duration = Duration::from_secs(10);
/// sun_path with its closing NUL has 108 bytes; runners' sockets have somewhat longer names.
const LONGEST_SOCKET_PATH: usize = 90;
