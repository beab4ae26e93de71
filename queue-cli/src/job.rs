//! The job's description: the command, and everything of this process that a local program
//! would have inherited.

use std::env;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use ring::rand::{SecureRandom, SystemRandom};
use wire::ByteString;
use wire::api::HostChoice;
use wire::job::{Job, Limit};

use crate::arguments::Run;
use crate::failure::{Failure, words};
use crate::modes::Plan;

/// Describes the job for `run`.
pub fn describe(run: &Run, plan: &Plan, home: String) -> Result<Job, Failure> {
    let here = working_directory();
    let mut environment = run.environment.fulfilled(env::vars_os());
    if let Ok(here) = &here {
        let entry = [b"QUEUE_SUBMIT_DIR=", here.as_os_str().as_bytes()].concat();
        environment.push(ByteString(entry));
    }
    let directory = directory(run, here)?;
    Ok(Job {
        argv: run.environment.command(&run.command).into_iter().map(ByteString::from).collect(),
        environment,
        tee: run.tee.as_ref().map(|tee| ByteString::from(directory.join(tee).into_os_string())),
        spill: run.spill,
        needs: run.needs.clone(),
        time: run.time.clone(),
        memory: run.memory,
        batch: None,
        directory: ByteString::from(directory.into_os_string()),
        umask: umask(),
        nice: sys::limits::nice(),
        limits: sys::limits::soft_limits().into_iter().map(|(name, soft)| Limit { name, soft }).collect(),
        ignored_signals: sys::signal::ignored_at_start(),
        descriptors: plan.descriptors,
        queue: run.queue.clone(),
        hosts: match &run.choice {
            HostChoice::Only(host) => vec![host.clone()],
            HostChoice::Any | HostChoice::Rather(_) => Vec::new(),
        },
        home,
        submit_key: submit_key()?,
    })
}

/// The file mode creation mask. It can only be read by setting it; no other thread of this
/// process is there to see that, and it is much cheaper than reading it from proc.
fn umask() -> u32 {
    let mask = nix::sys::stat::umask(nix::sys::stat::Mode::empty());
    nix::sys::stat::umask(mask);
    mask.bits()
}

/// Where the job runs: what was said is meant from here.
fn directory(run: &Run, here: Result<PathBuf, Failure>) -> Result<PathBuf, Failure> {
    match &run.directory {
        Some(directory) if directory.is_absolute() => Ok(directory.clone()),
        Some(directory) => Ok(here?.join(directory)),
        None => here,
    }
}

/// The working directory, by the name that the person gave it where that still is its name:
/// `/home/me`, not `/export/disk7/me`, is what other hosts have too.
fn working_directory() -> Result<PathBuf, Failure> {
    let here = env::current_dir().map_err(|error| {
        Failure::own(format!("the working directory cannot be named ({}); go to another one", words(&error)))
    })?;
    Ok(env::var_os("PWD").map(PathBuf::from).filter(|pwd| is_same(pwd, &here)).unwrap_or(here))
}

/// Whether `pwd` is an absolute name of `here` without `.` and `..` in it.
fn is_same(pwd: &Path, here: &Path) -> bool {
    use std::path::Component;
    if pwd == here {
        return true;
    }
    let plain = pwd.components().all(|part| matches!(part, Component::RootDir | Component::Normal(_)));
    let inode = |path: &Path| std::fs::metadata(path).ok().map(|found| (found.dev(), found.ino()));
    pwd.is_absolute() && plain && inode(pwd).is_some_and(|pwd| inode(here) == Some(pwd))
}

/// A key under which this submission is known wherever it is repeated.
pub fn submit_key() -> Result<String, Failure> {
    let mut random = [0; 16];
    SystemRandom::new().fill(&mut random).map_err(|_| Failure::own("the kernel gives no random bytes"))?;
    Ok(random.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pwd_is_believed_only_where_it_names_the_same_directory() {
        let root = env::temp_dir().join(format!("queue-cli-pwd-{}", std::process::id()));
        let real = root.join("real");
        let link = root.join("link");
        std::fs::create_dir_all(&real).expect("a directory in temp");
        std::os::unix::fs::symlink(&real, &link).expect("a link in temp");
        assert!(is_same(&real, &real));
        assert!(is_same(&link, &real));
        assert!(!is_same(&root, &real));
        assert!(!is_same(&root.join("gone"), &real));
        assert!(!is_same(&link.join("..").join("real"), &real));
        assert!(!is_same(Path::new("real"), &real));
        std::fs::remove_dir_all(&root).expect("ours");
    }

    #[test]
    fn no_two_submissions_have_one_key() {
        let keys = [submit_key().expect("random"), submit_key().expect("random")];
        assert_ne!(keys[0], keys[1]);
        assert!(keys.iter().all(|key| key.len() == 32));
    }
}
