//! Stands in for voucher and starter of a system installation, for tests across users: signs for
//! whoever the kernel says connects, and starts runners as the user that the daemon names.
//!
//! `root-helper DIRECTORY HOST SERVICE-UID QUEUED`: sockets `voucher.sock` and `starter.sock` in DIRECTORY, the
//! authority's public half in `DIRECTORY/authority`, its secret in `DIRECTORY/secret` (made if
//! there is none, so that several hosts can share it). Ends when its standard input does.

use std::fs;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, bail};
use wire::identity::{Authority, Identity, Kind, SecretKey, Validity};

fn main() -> anyhow::Result<()> {
    let words = std::env::args().skip(1).collect::<Vec<_>>();
    let [directory, host, service_uid, queued] = &words[..] else {
        bail!("usage: root-helper DIRECTORY HOST SERVICE-UID QUEUED");
    };
    let directory = PathBuf::from(directory);
    let service_uid = service_uid.parse()?;
    let secret = directory.join("secret");
    if !secret.exists() {
        fs::write(&secret, SecretKey::generate().to_pkcs8())?;
        fs::set_permissions(&secret, fs::Permissions::from_mode(0o600))?;
    }
    let authority = Authority::from_secret(SecretKey::from_pkcs8(&fs::read(&secret)?)?);
    fs::write(directory.join("authority"), format!("{}\n", authority.trust()))?;
    let runtime = directory.join("run");
    let voucher = listen(&runtime.join("voucher.sock"))?;
    let starter = listen(&runtime.join("starter.sock"))?;
    let helper = Helper { authority, host: host.clone(), service_uid, directory, queued: queued.into() };
    std::thread::scope(|scope| {
        scope.spawn(|| helper.vouch(&voucher));
        scope.spawn(|| helper.start(&starter));
        println!("ready");
        // Whoever started us holds the other end of this.
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(0);
    })
}

struct Helper {
    authority: Authority,
    host: String,
    service_uid: u32,
    directory: PathBuf,
    queued: PathBuf,
}

impl Helper {
    fn vouch(&self, listener: &UnixListener) {
        for stream in listener.incoming().flatten() {
            // A refused client sees the connection close.
            if let Err(error) = self.certify(stream) {
                eprintln!("root-helper: no certificate: {error:#}");
            }
        }
    }

    fn certify(&self, mut stream: UnixStream) -> anyhow::Result<()> {
        let uid = sys::credentials::peer(stream.as_fd())?.uid;
        let mut question = [0; 33];
        stream.read_exact(&mut question)?;
        let public_key = question[1..].try_into()?;
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_secs() as i64;
        let user = sys::credentials::user_name(uid).with_context(|| format!("uid {uid} has no name"))?;
        let (kind, user, validity) = match question[0] {
            b'c' => (Kind::Client, user, Validity::client(now)),
            b'r' => (Kind::Runner, user, Validity::runner(now)),
            b'h' if uid == self.service_uid => (Kind::Host, String::new(), Validity::host()),
            other => bail!("kind {other} for uid {uid}"),
        };
        let identity = Identity { kind, cluster: self.authority.cluster(), host: self.host.clone(), user };
        stream.write_all(&self.authority.certify(&public_key, &identity, validity).0)?;
        Ok(())
    }

    fn start(&self, listener: &UnixListener) {
        for mut stream in listener.incoming().flatten() {
            let answer = match self.start_runner(&mut stream) {
                Ok(()) => "ok".to_owned(),
                Err(error) => format!("{error:#}"),
            };
            // The daemon may have gone meanwhile.
            let _ = stream.write_all(answer.as_bytes());
        }
    }

    fn start_runner(&self, stream: &mut UnixStream) -> anyhow::Result<()> {
        if sys::credentials::peer(stream.as_fd())?.uid != self.service_uid {
            bail!("only the service may ask");
        }
        let mut line = [0; 16];
        let count = stream.read(&mut line)?;
        let uid: u32 = std::str::from_utf8(&line[..count])?.trim().parse().context("not a uid")?;
        if uid == 0 || uid == self.service_uid {
            bail!("uid {uid} has no runner");
        }
        let runtime = self.directory.join("run");
        let listener = listen(&runtime.join(format!("runner-{uid}.sock")))?;
        Command::new(&self.queued)
            .args(["--role", "runner", "--place", &self.host])
            .arg("--authority")
            .arg(self.directory.join("authority"))
            .arg("--voucher")
            .arg(&runtime)
            .args(["--daemon-uid", &self.service_uid.to_string()])
            .env_clear()
            .uid(uid)
            .gid(uid)
            .current_dir("/")
            .stdin(Stdio::from(OwnedFd::from(listener)))
            .stdout(Stdio::null())
            .spawn()?;
        Ok(())
    }
}

fn listen(path: &Path) -> anyhow::Result<UnixListener> {
    let _ = fs::remove_file(path);
    let listener = UnixListener::bind(path).with_context(|| format!("cannot listen on {}", path.display()))?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o666))?;
    Ok(listener)
}
