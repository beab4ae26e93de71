//! Promises about processes: job control on a real terminal, starting, stopping and dying.
//!
//! Every scenario runs in a process of its own with one thread (see [`harness`]), because it
//! changes what belongs to the whole process. A scenario starts this program again in a *role*
//! where it needs a job of a certain behaviour.

// Some of what is tested here has no other way in than the bare system call.
#![allow(unsafe_code)]

mod harness;
mod leader;

mod daemon;
mod identity;
mod job_control;
mod relations;
mod roles;
mod signals;
mod starting;
mod terminals;

use std::process::ExitCode;

fn main() -> ExitCode {
    let scenarios = [
        daemon::SCENARIOS,
        identity::SCENARIOS,
        job_control::SCENARIOS,
        relations::SCENARIOS,
        signals::SCENARIOS,
        starting::SCENARIOS,
        terminals::SCENARIOS,
    ];
    harness::main(&scenarios.concat(), roles::ROLES)
}
