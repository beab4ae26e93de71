//! `queued`: the daemon and, with `--role`, the processes it is made of.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::{Parser, ValueEnum};
use queued::{daemon, leader, runner};

/// The daemon of queue: places jobs on the least loaded host and runs those placed here.
///
/// Usually nobody starts it by hand: the first `queue` of a user does.
#[derive(Parser)]
#[command(name = "queued", version, after_help = "Configuration: queued.toml(5). Manual: queued(8).")]
struct Arguments {
    /// Leave the caller's session and terminal and go to the background.
    #[arg(long)]
    detach: bool,
    /// Write one byte to this descriptor when a daemon can be asked.
    #[arg(long, value_name = "FD")]
    ready_fd: Option<i32>,
    /// Make a new cluster key in FILE and end.
    #[arg(long, value_name = "FILE")]
    new_key: Option<PathBuf>,
    #[arg(long, hide = true)]
    detached: bool,
    #[arg(long, hide = true)]
    role: Option<Role>,
    #[arg(long, hide = true)]
    authority: Option<PathBuf>,
    #[arg(long, hide = true)]
    place: Option<String>,
    #[arg(long, hide = true)]
    daemon_uid: Option<u32>,
    #[arg(long, hide = true)]
    voucher: Option<PathBuf>,
    /// Seconds, or "none".
    #[arg(long, hide = true)]
    linger: Option<String>,
    #[arg(long, hide = true)]
    jobs: Option<PathBuf>,
    #[arg(long, hide = true)]
    revive_daemon: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Role {
    Runner,
    Leaders,
    Unpack,
    Notify,
}

fn main() -> ExitCode {
    // The leaders' process is copied with every job: it should not even have parsed arguments.
    let leaders = std::env::args_os().skip(1).eq(["--role", "leaders"]);
    let result = if leaders { leaders_role() } else { run(Arguments::parse()) };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // A full disk must not make it another end.
            let _ = writeln!(std::io::stderr(), "queued: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn leaders_role() -> anyhow::Result<()> {
    use std::os::fd::AsFd;
    let runner = std::io::stdin().as_fd().try_clone_to_owned()?;
    Ok(leader::maker::run(runner)?)
}

fn run(arguments: Arguments) -> anyhow::Result<()> {
    if let Some(path) = arguments.new_key {
        return daemon::cluster::write_new_key(&path);
    }
    match arguments.role {
        Some(Role::Runner) => {
            let (Some(authority), Some(place), Some(daemon_uid)) =
                (arguments.authority, arguments.place, arguments.daemon_uid)
            else {
                anyhow::bail!("a runner is started by queued, not by hand");
            };
            let Arguments { voucher, revive_daemon, linger, .. } = arguments;
            let linger = match linger.as_deref().map(str::parse) {
                Some(seconds) => seconds.ok().map(Duration::from_secs),
                None => voucher.is_some().then_some(runner::LINGER),
            };
            let jobs = arguments.jobs.or_else(runner::usual_jobs).context("neither --jobs nor HOME is set")?;
            runner::run(runner::Options { authority, place, daemon_uid, voucher, linger, jobs, revive_daemon })
        }
        Some(Role::Leaders) => leaders_role(),
        Some(Role::Unpack) => runner::batch::unpack::run(),
        Some(Role::Notify) => runner::notice::run(),
        None => {
            let Arguments { detach, detached, ready_fd, .. } = arguments;
            daemon::start::run(&daemon::start::Options { detach, detached, ready_fd })
        }
    }
}
