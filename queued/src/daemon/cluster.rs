//! `queue cluster init`: key, port and configuration of a new cluster, and this host in it.

use std::fmt::Write as _;
use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::rc::Rc;

use anyhow::{Context, bail};
use wire::api::{ClusterInit, ClusterMade, Refusal, RefusalKind};
use wire::identity::ClusterKey;

use super::Daemon;
use super::authority::replace_file;
use crate::config::Settings;

/// Makes a cluster of this one host, to be joined by copying the key.
///
/// # Errors
/// A sentence: not this user's daemon, a cluster that exists, an address that cannot be used.
pub async fn init(daemon: &Rc<Daemon>, uid: u32, asked: &ClusterInit) -> Result<ClusterMade, Refusal> {
    let made = async {
        if uid != sys::credentials::own_uid() {
            bail!("only uid {} may do that", sys::credentials::own_uid());
        }
        let made = make(daemon, asked)?;
        daemon.reload().await?;
        Ok(made)
    };
    made.await.map_err(|error| Refusal { kind: RefusalKind::Usage, message: format!("{error:#}") })
}

fn make(daemon: &Rc<Daemon>, asked: &ClusterInit) -> anyhow::Result<ClusterMade> {
    let configuration = daemon.places.configuration();
    let settings = Settings::read(&configuration, &sys::host::name())?;
    if let Some(key) = &settings.key {
        bail!("there is a cluster already: {} names the key {}", configuration.display(), key.display());
    }
    let address = choose_address(asked.listen.as_deref())?;
    fs::create_dir_all(&daemon.places.config)
        .with_context(|| format!("cannot make {}", daemon.places.config.display()))?;
    let key = daemon.places.config.join("cluster.key");
    write_new_key(&key)?;
    let mut text = match fs::read_to_string(&configuration) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", configuration.display())),
    };
    // Before what is there: keys of the file come before its tables.
    let mut head = String::new();
    writeln!(head, "# Made by `queue cluster init`. On the other hosts: the same key, their own address, and")?;
    writeln!(head, "# peers = [\"{address}\"]")?;
    writeln!(head, "key = {:?}", key.to_string_lossy())?;
    if settings.listen.is_none() {
        writeln!(head, "listen = \"{address}\"")?;
    }
    text.insert_str(0, &head);
    replace_file(&configuration, &text, 0o644)?;
    Ok(ClusterMade {
        configuration: configuration.to_string_lossy().into_owned(),
        key: key.to_string_lossy().into_owned(),
        listen: settings.listen.unwrap_or_else(|| address.to_string()),
    })
}

/// Writes a new key where there is none.
///
/// # Errors
/// A key that is there is never replaced: it may be all that a cluster has.
pub fn write_new_key(path: &Path) -> anyhow::Result<()> {
    if path.exists() {
        bail!("{} exists and is not replaced", path.display());
    }
    replace_file(path, ClusterKey::generate().to_string(), 0o600)
}

/// The address as asked for, with a free port: the usual one if it is free.
fn choose_address(asked: Option<&str>) -> anyhow::Result<SocketAddr> {
    let any = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
    let (ip, port) = match asked {
        None => (any, None),
        Some(text) => match (text.parse::<SocketAddr>(), text.parse::<IpAddr>()) {
            (Ok(address), _) => (address.ip(), Some(address.port())),
            (_, Ok(ip)) => (ip, None),
            _ => bail!("--listen {text}: an address such as 10.0.0.1 or 10.0.0.1:7117 is expected"),
        },
    };
    if let Some(port) = port {
        let address = SocketAddr::new(ip, port);
        TcpListener::bind(address).with_context(|| format!("cannot listen on {address}"))?;
        return Ok(address);
    }
    let free = |port| TcpListener::bind((ip, port)).and_then(|listener| listener.local_addr());
    free(USUAL_PORT).or_else(|_| free(0)).with_context(|| format!("cannot listen on {ip}"))
}

/// The port that queue uses where it is free.
const USUAL_PORT: u16 = 7117;
