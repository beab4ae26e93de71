//! `queue`: runs a command on the best host as if it were here.
//!
//! A small synchronous program over poll(2): it asks the user's own `queued` for a place,
//! speaks to the runner there, and is the job's proxy in the local shell until the job ends.
//! It is never setuid, never reads a cluster's key and never asks NSS; no other program of the
//! project is linked into it.

mod account;
mod arguments;
mod attach;
mod batch;
mod cluster;
mod connection;
mod daemon;
mod description;
mod doctor;
mod end;
mod environment;
mod escape;
mod failure;
mod hosts;
mod http;
mod input;
mod insertions;
mod job;
mod job_control;
mod job_table;
mod keepalive;
mod listing;
mod mailbox;
mod modes;
mod newlines;
mod notice;
mod output;
mod place;
mod queues;
#[allow(dead_code)]
mod records;
mod run;
mod session;
mod sessions;
mod socket;
mod table;
mod terminal;
mod traces;
mod view;
mod voucher;
mod waiting;

use arguments::Invocation;
use arguments::keeping::Keeping;
use daemon::Daemon;
use end::Ending;
use failure::Failure;

fn main() {
    let arguments = std::env::args_os().collect::<Vec<_>>();
    let is_qsh = arguments::is_qsh(&arguments);
    let ending = match arguments::parse(arguments) {
        Ok(invocation) => carry_out(invocation).unwrap_or_else(Ending::Failed),
        Err(failure) => Ending::Failed(failure),
    };
    if is_qsh { ending.into_rsh().leave() } else { ending.leave() }
}

fn carry_out(invocation: Invocation) -> Result<Ending, Failure> {
    match invocation {
        Invocation::Run(run) => return run::run(&run),
        Invocation::Submit(submit) => return batch::submit(&submit),
        Invocation::Jobs(command) => return batch::run_command(&command),
        Invocation::Mail { which, delete } => batch::read_mail(which.as_ref(), delete)?,
        Invocation::Keeping(Keeping::Backup { path }) => batch::keeping::backup(path.as_deref())?,
        Invocation::Keeping(Keeping::Rotate { path, prune }) => batch::keeping::rotate(path.as_deref(), prune)?,
        Invocation::Keeping(Keeping::Doctor { json, verbose }) => return doctor::run(json, verbose),
        Invocation::Queues(command) => return queues::run(&command),
        Invocation::Keepalive(action) => keepalive::run(action)?,
        Invocation::Attach { job, view } => return attach::run(job, view),
        Invocation::Sessions(listing) => sessions::run(&Daemon::of_user(), &listing)?,
        Invocation::Hosts(listing) => hosts::run(&Daemon::of_user(), &listing)?,
        Invocation::ClusterInit { listen } => cluster::init(&Daemon::of_user(), listen)?,
        Invocation::Print(text) => listing::print(text.as_bytes())?,
    }
    Ok(Ending::Code(0))
}
