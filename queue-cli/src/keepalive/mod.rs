//! `queue keepalive`: makes the daemon come back after a logout, a reboot or its own death.
//!
//! Where the user has a service manager, by a unit of it; else by one line of the user's crontab. Both
//! start `queued` again and again: the daemon's lock makes a second one end at once, under cron without
//! a word. What others have written, in the crontab or beside the unit, is never touched. The texts are
//! made in [`crontab`] and [`unit`]; here they are put where they belong.

mod crontab;
mod programs;
mod unit;

use std::env;
use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use wire::places;

use crate::account;
use crate::failure::{Failure, words};
use crate::listing;
pub use programs::find;

/// What is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Have the daemon brought back.
    Install,
    /// No longer.
    Remove,
    /// Only show what would be written.
    Print,
}

/// Does it for this user and says what was done.
pub fn run(action: Action) -> Result<(), Failure> {
    listing::print(carry_out(action, &Surroundings::of_user()?)?.as_bytes())
}

/// What it depends on.
#[derive(Debug, Clone)]
pub struct Surroundings {
    /// The program to be started.
    queued: PathBuf,
    /// Where programs are looked for.
    path: OsString,
    /// The user's configuration, of which the units are a part.
    configuration: PathBuf,
    /// The user's runtime directory.
    runtime: Option<PathBuf>,
    /// Variables that say where the daemon's things are: it must find the same places as `queue` does.
    variables: Vec<(&'static str, OsString)>,
    /// A file that is there when the user's services outlive the login.
    linger: PathBuf,
}

impl Surroundings {
    /// Those of the caller.
    fn of_user() -> Result<Self, Failure> {
        let own = env::current_exe().map_err(|error| Failure::own(format!("cannot find itself: {}", words(&error))))?;
        let queued = own.with_file_name("queued");
        if !queued.is_file() {
            return Err(Failure::own(format!("{}: there is no such program to be kept alive", queued.display())));
        }
        let set = |name: &str| env::var_os(name).filter(|value| !value.is_empty());
        let absolute = |name: &str| set(name).map(PathBuf::from).filter(|path| path.is_absolute());
        let configuration = absolute("XDG_CONFIG_HOME").unwrap_or_else(|| Path::new(&account::home()).join(".config"));
        Ok(Self {
            queued,
            path: set("PATH").unwrap_or_default(),
            configuration,
            runtime: absolute("XDG_RUNTIME_DIR"),
            variables: VARIABLES.iter().filter_map(|name| Some((*name, set(name)?))).collect(),
            linger: Path::new("/var/lib/systemd/linger").join(account::name().unwrap_or_default()),
        })
    }

    /// The program that speaks to the user's service manager, if there is one.
    fn service_manager(&self) -> Option<PathBuf> {
        let runs = self.runtime.as_ref().is_some_and(|runtime| runtime.join("systemd").is_dir());
        programs::find(&self.path, "systemctl").filter(|_| runs)
    }

    fn crontab(&self) -> Option<PathBuf> {
        programs::find(&self.path, "crontab")
    }

    fn unit(&self) -> PathBuf {
        self.configuration.join("systemd/user").join(UNIT)
    }
}

/// Does it; the answer is what is to be said.
fn carry_out(action: Action, surroundings: &Surroundings) -> Result<String, Failure> {
    match (action, surroundings.service_manager(), surroundings.crontab()) {
        (Action::Install, Some(systemctl), _) => install_unit(surroundings, &systemctl),
        (Action::Install, None, Some(crontab)) => install_line(surroundings, &crontab),
        (Action::Print, Some(_), _) => unit::text(&surroundings.queued, &surroundings.variables),
        // What would be written can be shown where nothing can write it.
        (Action::Print, None, _) => {
            crontab::line(&surroundings.queued, &surroundings.variables).map(|line| format!("{line}\n"))
        }
        (Action::Remove, systemctl, crontab) => remove(surroundings, systemctl.as_deref(), crontab.as_deref()),
        (Action::Install, None, None) => Err(Failure::own(format!(
            "nothing here could bring queued back: there is neither a user's systemd nor the program crontab in PATH; \
             install cron, or have {} --detach started at every login",
            surroundings.queued.display()
        ))),
    }
}

fn install_unit(surroundings: &Surroundings, systemctl: &Path) -> Result<String, Failure> {
    let path = surroundings.unit();
    let text = unit::text(&surroundings.queued, &surroundings.variables)?;
    let before = own_unit(&path)?;
    if before.as_deref() != Some(text.as_bytes()) {
        write(&path, text.as_bytes()).map_err(|error| failed("write", &path, &error))?;
    }
    let enabled = programs::manage(systemctl, &["daemon-reload"])
        .and_then(|()| programs::manage(systemctl, &["enable", "--now", UNIT]));
    if let Err(failure) = enabled {
        if before.is_none() {
            // Half of it would come to life at some later login.
            let _ = fs::remove_file(&path);
        }
        return Err(failure);
    }
    let mut said = format!("{} is enabled: queued is started at login and when it has died\n", path.display());
    if !surroundings.linger.exists() {
        said.push_str("without a login nobody starts it; for that, once: loginctl enable-linger\n");
    }
    Ok(said)
}

fn install_line(surroundings: &Surroundings, program: &Path) -> Result<String, Failure> {
    let line = crontab::line(&surroundings.queued, &surroundings.variables)?;
    let before = programs::read_crontab(program)?;
    let after = crontab::with(&before, &line);
    let mut said = if after == before {
        "your crontab has the line already; it was left as it is\n".to_owned()
    } else {
        programs::write_crontab(program, &after)?;
        "your crontab has one line more: queued is started every ten minutes unless it runs\n".to_owned()
    };
    if let Some(directory) = crontab::condition(&surroundings.variables) {
        said.push_str(&format!(
            "only while there is {}, where it is looked for; set {} to a directory that is always there, in your \
             profile too, and install again\n",
            Path::new(directory).display(),
            places::RUNTIME_VARIABLE
        ));
    }
    Ok(said)
}

/// Removes both: another login may have had another way.
fn remove(
    surroundings: &Surroundings,
    systemctl: Option<&Path>,
    crontab_program: Option<&Path>,
) -> Result<String, Failure> {
    let mut said = String::new();
    let path = surroundings.unit();
    if own_unit(&path)?.is_some() {
        // Without a manager there is nothing but the file, and its link.
        if let Some(systemctl) = systemctl {
            programs::manage(systemctl, &["disable", UNIT])?;
        } else {
            let _ = fs::remove_file(path.with_file_name("default.target.wants").join(UNIT));
        }
        fs::remove_file(&path).map_err(|error| failed("remove", &path, &error))?;
        if let Some(systemctl) = systemctl {
            programs::manage(systemctl, &["daemon-reload"])?;
        }
        said.push_str(&format!("{} is removed\n", path.display()));
    }
    if let Some(program) = crontab_program {
        let before = programs::read_crontab(program)?;
        let after = crontab::without(&before);
        if after != before {
            programs::write_crontab(program, &after)?;
            said.push_str("the line in your crontab is removed\n");
        }
    }
    Ok(match said.is_empty() {
        true => "there was nothing to remove\n".to_owned(),
        false => said + "a queued that runs goes on\n",
    })
}

/// The unit as it stands; an error if somebody else has written one of this name.
fn own_unit(path: &Path) -> Result<Option<Vec<u8>>, Failure> {
    match fs::read(path) {
        Ok(text) if unit::is_ours(&text) => Ok(Some(text)),
        Ok(_) => Err(Failure::own(format!(
            "{} was not written by queue keepalive; it is left alone: move it away first",
            path.display()
        ))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed("read", path, &error)),
    }
}

/// Whole or not at all.
fn write(path: &Path, text: &[u8]) -> io::Result<()> {
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory)?;
    }
    let fresh = path.with_extension(format!("new-{}", std::process::id()));
    let written = fs::OpenOptions::new().write(true).create_new(true).mode(0o644).open(&fresh).and_then(|mut file| {
        io::Write::write_all(&mut file, text)?;
        file.sync_all()?;
        fs::rename(&fresh, path)
    });
    if written.is_err() {
        let _ = fs::remove_file(&fresh);
    }
    written
}

fn failed(verb: &str, path: &Path, error: &io::Error) -> Failure {
    Failure::own(format!("cannot {verb} {}: {}", path.display(), words(error)))
}

const UNIT: &str = "queued.service";

/// Variables that neither cron nor a service manager knows of by itself.
const VARIABLES: [&str; 5] =
    [places::RUNTIME_VARIABLE, "XDG_CONFIG_HOME", "XDG_STATE_HOME", crontab::RUNTIME_DIRECTORY, "TZ"];

#[cfg(test)]
mod tests;
