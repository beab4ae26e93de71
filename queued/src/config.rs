//! Where a daemon keeps its things, and what `queued.toml` says.
//!
//! Read-only knowledge: nothing here creates or changes a file.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::de::{self, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use wire::places;

pub mod keep;
pub mod mail;

use crate::profile::offer::{self, Offers};
use keep::Keep;
use mail::MailSettings;

/// The directories and files of one daemon.
#[derive(Debug, Clone)]
pub struct Places {
    /// What survives: lock, authority, ids.
    pub state: PathBuf,
    /// Sockets.
    pub runtime: PathBuf,
    /// The directory of `queued.toml`.
    pub config: PathBuf,
}

impl Places {
    /// The places of a personal daemon, by the user's environment.
    ///
    /// # Errors
    /// Without `HOME` and the XDG variables there is no place.
    pub fn personal(environment: impl Fn(&str) -> Option<std::ffi::OsString>) -> anyhow::Result<Self> {
        let uid = sys::credentials::own_uid();
        let set = |name: &str| environment(name).filter(|value| !value.is_empty());
        let home = set("HOME").map(PathBuf::from).or_else(|| sys::credentials::home_directory(uid));
        let in_home = |name: &str, rest: &str| {
            set(name)
                .map(PathBuf::from)
                .or_else(|| home.as_ref().map(|home| home.join(rest)))
                .ok_or_else(|| anyhow::anyhow!("neither {name} nor HOME is set, and uid {uid} has no home directory"))
        };
        let runtime = places::runtime(set(places::RUNTIME_VARIABLE).as_deref(), set("XDG_RUNTIME_DIR").as_deref(), uid);
        Ok(Self {
            state: in_home("XDG_STATE_HOME", ".local/state")?.join("queue"),
            config: in_home("XDG_CONFIG_HOME", ".config")?.join("queue"),
            runtime,
        })
    }

    /// The same with the state of one host: several may share a home directory.
    pub fn of_host(mut self, host: &str) -> Self {
        self.state = self.state.join(host);
        self
    }

    /// The configuration file.
    pub fn configuration(&self) -> PathBuf {
        self.config.join("queued.toml")
    }

    /// The daemon's socket.
    pub fn socket(&self) -> PathBuf {
        places::daemon_socket(&self.runtime)
    }

    /// The socket of a user's runner.
    pub fn runner_socket(&self, uid: u32) -> PathBuf {
        self.runtime.join(format!("runner-{uid}.sock"))
    }

    /// The public half of the authority, for runners.
    pub fn authority(&self) -> PathBuf {
        self.state.join("authority")
    }

    /// Eight hex digits that tell daemons of one user on one machine apart in abstract names.
    pub fn tag(&self) -> String {
        use std::os::unix::ffi::OsStrExt;
        let digest = ring::digest::digest(&ring::digest::SHA256, self.state.as_os_str().as_bytes());
        digest.as_ref()[..4].iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// What `queued.toml` says for this host.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The host's name (the kernel's when absent), or tables that override for one host each.
    #[serde(default)]
    pub host: HostField,
    /// Where to listen for other hosts: `address:port`. Absent: nowhere.
    pub listen: Option<String>,
    /// What other hosts shall connect to, where it differs from `listen`.
    pub advertise: Option<String>,
    /// Hosts to learn the others from, `address:port`.
    pub peers: Option<Vec<String>>,
    /// The file with the cluster's key.
    pub key: Option<PathBuf>,
    /// This host's speed relative to the others.
    pub speed: Option<f64>,
    /// How long a session with a terminal is kept when its client has gone: `"24h"`, or `"none"` for
    /// no limit.
    #[serde(default, deserialize_with = "linger")]
    pub linger: Option<Linger>,
    /// The starter's socket, in system mode.
    pub starter: Option<PathBuf>,
    /// The file with the cluster's authority, in system mode.
    pub authority: Option<PathBuf>,
    /// How long jobs that have ended stay in the spool: `"30d"`, or `"forever"`, as without it.
    pub keep: Option<Keep>,
    /// How reports are mailed.
    pub mail: Option<MailSettings>,
    /// What this host offers to jobs. It is read as a profile is, into the next one.
    pub offer: Option<de::IgnoredAny>,
    /// What is offered.
    #[serde(skip)]
    pub offers: Offers,
}

/// How long a session with a terminal is kept when its client has gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Linger {
    /// So long.
    For(Duration),
    /// For ever.
    NoLimit,
}

fn linger<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Linger>, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text == "none" {
        return Ok(Some(Linger::NoLimit));
    }
    let parsed = humantime::parse_duration(&text);
    parsed.map(|length| Some(Linger::For(length))).map_err(|_| {
        de::Error::custom(format!("linger = {text:?}: a length of time such as \"24h\", or \"none\", is expected"))
    })
}

/// `host = "name"` and `[host.NAME]` share one key.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum HostField {
    /// Not there.
    #[default]
    Absent,
    /// This host's name.
    Name(String),
    /// Settings of hosts that share this file.
    Tables(BTreeMap<String, Settings>),
}

impl<'de> Deserialize<'de> for HostField {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(HostFieldVisitor)
    }
}

struct HostFieldVisitor;

impl<'de> Visitor<'de> for HostFieldVisitor {
    type Value = HostField;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a host's name, or tables such as [host.redfish]")
    }

    fn visit_str<E: de::Error>(self, name: &str) -> Result<HostField, E> {
        Ok(HostField::Name(name.to_owned()))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<HostField, A::Error> {
        let mut tables = BTreeMap::new();
        while let Some((name, table)) = map.next_entry::<String, Settings>()? {
            if table.host != HostField::Absent {
                return Err(de::Error::custom(format!("\"host\" has no meaning inside [host.{name}]")));
            }
            tables.insert(name, table);
        }
        Ok(HostField::Tables(tables))
    }
}

impl Settings {
    /// Reads a file for the host whose kernel says `kernel_name`; a missing file is empty.
    ///
    /// # Errors
    /// The sentence cites file, line, column and text.
    pub fn read(path: &Path, kernel_name: &str) -> anyhow::Result<Self> {
        match std::fs::read_to_string(path) {
            Ok(text) => Self::parse(&text, path, kernel_name),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => anyhow::bail!("cannot read {}: {error}", path.display()),
        }
    }

    fn parse(text: &str, path: &Path, kernel_name: &str) -> anyhow::Result<Self> {
        let mut settings: Settings = match toml::from_str(text) {
            Ok(settings) => settings,
            Err(error) => anyhow::bail!("{}", cite(text, path, &error)),
        };
        settings.offers = offer::in_settings(text, kernel_name).map_err(|faults| {
            let told = faults.iter().map(|fault| format!("{}:{fault}", path.display())).collect::<Vec<_>>();
            anyhow::anyhow!("{}", told.join("; "))
        })?;
        if let HostField::Tables(tables) = &mut settings.host {
            if let Some(own) = tables.remove(kernel_name) {
                settings.overlay(own);
            }
            settings.host = HostField::Absent;
        }
        let bad = |message: String| anyhow::anyhow!("{}: {message}", path.display());
        if settings.speed.is_some_and(|speed| !(speed.is_finite() && speed > 0.0)) {
            return Err(bad("speed: a number above 0 is expected, 1 is usual".to_owned()));
        }
        if let Some(name) = settings.host_name().filter(|name| !is_host_name(name)) {
            return Err(bad(format!(
                "host = {name:?}: a host's name has letters, digits, dots and hyphens, at most 64"
            )));
        }
        settings.listen_address().map_err(|error| bad(error.to_string()))?;
        settings.mail.as_ref().map_or(Ok(()), MailSettings::check).map_err(bad)?;
        Ok(settings)
    }

    /// What `own` says goes before what stands here.
    fn overlay(&mut self, own: Settings) {
        self.listen = own.listen.or(self.listen.take());
        self.advertise = own.advertise.or(self.advertise.take());
        self.peers = own.peers.or(self.peers.take());
        self.key = own.key.or(self.key.take());
        self.speed = own.speed.or(self.speed.take());
        self.linger = own.linger.or(self.linger.take());
        self.starter = own.starter.or(self.starter.take());
        self.authority = own.authority.or(self.authority.take());
        self.keep = own.keep.or(self.keep.take());
        self.mail = own.mail.or(self.mail.take());
    }

    /// The name given to this host.
    pub fn host_name(&self) -> Option<&str> {
        match &self.host {
            HostField::Name(name) => Some(name),
            _ => None,
        }
    }

    /// The address to listen on.
    ///
    /// # Errors
    /// When it is not an address with a port.
    pub fn listen_address(&self) -> anyhow::Result<Option<SocketAddr>> {
        let Some(text) = &self.listen else {
            return Ok(None);
        };
        match text.parse() {
            Ok(address) => Ok(Some(address)),
            Err(_) => anyhow::bail!("listen = {text:?}: an address and a port such as \"10.0.0.1:7117\" are expected"),
        }
    }
}

/// Whether `name` may be a host's: it becomes part of paths, certificates and messages.
pub fn is_host_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.' || byte == b'_';
    !name.is_empty() && name.len() <= 64 && name.bytes().all(plain) && !name.starts_with('.')
}

/// `file:line:column: message`, the line, and what in it is meant.
fn cite(text: &str, path: &Path, error: &toml::de::Error) -> String {
    let span = error.span().unwrap_or(0..0);
    let start = span.start.min(text.len());
    let before = &text[..text.floor_char_boundary(start)];
    let line_number = before.matches('\n').count() + 1;
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    let column = before[line_start..].chars().count() + 1;
    let line = text[line_start..].lines().next().unwrap_or("");
    let width = span.end.saturating_sub(span.start).clamp(1, line.len().saturating_sub(column - 1).max(1));
    let margin = " ".repeat(line_number.to_string().len());
    format!(
        "{}:{line_number}:{column}: {}\n  {line_number} | {line}\n  {margin}   {}{}",
        path.display(),
        error.message().replace('\n', ", "),
        " ".repeat(column - 1),
        "^".repeat(width),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> anyhow::Result<Settings> {
        Settings::parse(text, Path::new("queued.toml"), "redfish")
    }

    #[test]
    fn a_host_table_overrides_for_its_host_only() {
        let text =
            "peers = [\"a:1\"]\nspeed = 2.0\n[host.redfish]\nlisten = \"127.0.0.1:7117\"\n[host.b]\nspeed = 9.0\n";
        let settings = parse(text).expect("well formed");
        assert_eq!(settings.listen.as_deref(), Some("127.0.0.1:7117"));
        assert_eq!(settings.speed, Some(2.0));
        assert_eq!(settings.peers.as_deref(), Some(&["a:1".to_owned()][..]));
    }

    #[test]
    fn an_unknown_key_is_cited_with_line_column_and_text() {
        let error = parse("speed = 1.0\nprioirty = 3\n").expect_err("no such key").to_string();
        assert!(error.starts_with("queued.toml:2:1: unknown field `prioirty`"), "{error}");
        assert!(error.contains("  2 | prioirty = 3\n      ^^^^^^^^"), "{error}");
    }

    #[test]
    fn a_wrong_type_is_cited_where_it_stands() {
        let error = parse("speed = \"fast\"\n").expect_err("not a number").to_string();
        assert!(error.starts_with("queued.toml:1:9: "), "{error}");
    }

    #[test]
    fn how_long_sessions_linger_is_a_length_of_time() {
        let linger = |text: &str| parse(text).map(|settings| settings.linger);
        assert_eq!(linger("linger = \"90m\"").expect("a length"), Some(Linger::For(Duration::from_secs(5400))));
        assert_eq!(linger("linger = \"none\"").expect("a word"), Some(Linger::NoLimit));
        let error = linger("linger = \"long\"").expect_err("no length").to_string();
        assert!(error.starts_with("queued.toml:1:10: linger = \"long\": a length of time"), "{error}");
    }

    #[test]
    fn what_is_offered_is_read_as_in_a_profile() {
        let names = |settings: Settings| settings.offers.0.into_iter().map(|offer| offer.name).collect::<Vec<_>>();
        let text = "speed = 2.0\n[offer]\ngpu = [\"0\", \"1\"]\nraid = true\n";
        assert_eq!(names(parse(text).expect("well formed")), ["gpu", "raid"]);
        let own = "[offer]\nraid = true\n[host.redfish]\noffer = { licence = 3 }\n[host.b.offer]\ntape = 1\n";
        assert_eq!(names(parse(own).expect("well formed")), ["licence"]);
        let error = parse("[offer]\ngpu = -1\n").expect_err("no amount").to_string();
        assert!(error.starts_with("queued.toml:2:7: offer.gpu = -1: a whole number"), "{error}");
    }

    #[test]
    fn odd_names_speeds_and_addresses_are_refused() {
        for text in [
            "host = \"../x\"",
            "host = \"\"",
            "speed = -1.0",
            "speed = nan",
            "listen = \"somewhere\"",
            "[host.a]\nhost = \"b\"",
            "[mail]\nport = 25",
            "[mail]\nfrom = \"nobody\"",
        ] {
            assert!(parse(text).is_err(), "{text} was accepted");
        }
    }
}
