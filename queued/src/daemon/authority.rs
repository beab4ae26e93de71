//! Whose word counts: the cluster's authority, this host's key, and who signs.
//!
//! In a key cluster, and without any cluster, this process signs by itself. In system mode it
//! holds no signing key: users and runners ask the voucher, and so does this host for itself.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;

use anyhow::{Context, bail};
use wire::identity::{Authority, Certificate, ClusterKey, Identity, Kind, SecretKey, Trust, Validity};

use crate::config::{Places, Settings};

/// What this daemon can prove and whom it believes.
pub struct Standing {
    /// Whose certificates count.
    pub trust: Trust,
    /// This host's key for TLS, made at each start.
    pub key: SecretKey,
    /// The certificate for it.
    pub certificate: Certificate,
    signer: Option<Authority>,
    host: String,
}

impl Standing {
    /// Reads or makes the authority, and certifies this host.
    ///
    /// # Errors
    /// A key that cannot be read, is readable by others, or is not a key.
    pub fn establish(places: &Places, settings: &Settings, host: &str) -> anyhow::Result<Self> {
        let key = SecretKey::generate();
        if let Some(path) = &settings.authority {
            let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
            let trust: Trust = text.trim().parse().with_context(|| path.display().to_string())?;
            let certificate = crate::vouch::ask(&places.runtime, Kind::Host, &key.public_key())?;
            return Ok(Self { trust, key, certificate, signer: None, host: host.to_owned() });
        }
        let authority = match &settings.key {
            Some(path) => Authority::from_cluster_key(&read_cluster_key(path)?),
            None => Authority::from_secret(own_secret(&places.state.join("authority-key"))?),
        };
        let trust = authority.trust();
        let path = places.authority();
        replace_file(&path, format!("{trust}\n"), 0o644)?;
        let identity =
            Identity { kind: Kind::Host, cluster: authority.cluster(), host: host.to_owned(), user: String::new() };
        let certificate = authority.certify(&key.public_key(), &identity, Validity::host());
        Ok(Self { trust, key, certificate, signer: Some(authority), host: host.to_owned() })
    }

    /// Whether this process signs for users and runners.
    pub fn signs(&self) -> bool {
        self.signer.is_some()
    }

    /// A certificate for a client's or a runner's key; `None` where the voucher signs.
    pub fn certify(&self, kind: Kind, public_key: &[u8; 32], user: &str, now_unix: i64) -> Option<Certificate> {
        let signer = self.signer.as_ref()?;
        let validity = if kind == Kind::Runner { Validity::runner(now_unix) } else { Validity::client(now_unix) };
        let identity = Identity { kind, cluster: signer.cluster(), host: self.host.clone(), user: user.to_owned() };
        Some(signer.certify(public_key, &identity, validity))
    }
}

/// Reads a cluster's key; nobody but its owner may be able to.
pub fn read_cluster_key(path: &Path) -> anyhow::Result<ClusterKey> {
    let text = fs::read_to_string(path).with_context(|| format!("cannot read the cluster's key {}", path.display()))?;
    let metadata = fs::metadata(path)?;
    if metadata.mode() & 0o077 != 0 {
        bail!("{}: others can read the cluster's key; chmod 600 {0}", path.display());
    }
    ClusterKey::parse(&text).with_context(|| path.display().to_string())
}

/// The authority of a host without a cluster: made once, kept.
fn own_secret(path: &Path) -> anyhow::Result<SecretKey> {
    match fs::read(path) {
        Ok(bytes) => SecretKey::from_pkcs8(&bytes).with_context(|| format!("{} is damaged", path.display())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            let secret = SecretKey::generate();
            replace_file(path, secret.to_pkcs8(), 0o600)?;
            Ok(secret)
        }
        Err(error) => bail!("cannot read {}: {error}", path.display()),
    }
}

/// Writes a small file so that it is there whole or not at all; nothing is done where it is like that already.
pub fn replace_file(path: &Path, content: impl AsRef<[u8]>, mode: u32) -> anyhow::Result<()> {
    if fs::read(path).is_ok_and(|now| now == content.as_ref()) {
        return Ok(());
    }
    write_file(path, content, mode)
}

/// As [`replace_file`], and safe on disk also where it is like that already: the sync of a try before may have
/// failed.
pub fn write_file(path: &Path, content: impl AsRef<[u8]>, mode: u32) -> anyhow::Result<()> {
    let temporary = path.with_extension("new");
    let write = || -> std::io::Result<()> {
        let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(&temporary)?;
        file.set_permissions(fs::Permissions::from_mode(mode))?;
        file.write_all(content.as_ref())?;
        file.sync_all()?;
        fs::rename(&temporary, path)?;
        fs::File::open(path.parent().unwrap_or(Path::new("/")))?.sync_all()
    };
    write().with_context(|| format!("cannot write {}", path.display()))
}
