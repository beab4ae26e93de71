//! `simulate scheduler [--seeds N] [--quick]`: judges the code that places jobs.
//!
//! A discrete-event simulation of whole clusters. The dispatchers and admissions are those
//! that ship (`queued::core`); simulated are machines, messages, news and time. The table is
//! explained in `docs/scheduler.md`.

mod cluster;
mod load;
mod machine;
mod news;
mod shipped;
mod simple;
mod statistics;
mod table;
mod workload;

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match plan(&arguments) {
        Ok(plan) => {
            table::print(&plan);
            ExitCode::SUCCESS
        }
        Err(message) => {
            eprintln!("simulate: {message}\nusage: simulate scheduler [--seeds N] [--quick]");
            ExitCode::from(64)
        }
    }
}

fn plan(arguments: &[String]) -> Result<table::Plan, String> {
    let mut arguments = arguments.iter().map(String::as_str);
    if arguments.next() != Some("scheduler") {
        return Err("what is to be simulated? so far there is only \"scheduler\"".into());
    }
    let (mut seeds, mut plan) = (None, table::Plan::full());
    while let Some(argument) = arguments.next() {
        match argument {
            "--quick" => plan = table::Plan::quick(),
            "--seeds" => {
                let number = arguments.next().unwrap_or_default();
                let parsed = number.parse().ok().filter(|seeds| *seeds > 0);
                seeds = Some(parsed.ok_or_else(|| format!("--seeds {number:?}: a number from 1 on is expected"))?);
            }
            other => return Err(format!("unknown argument {other:?}")),
        }
    }
    plan.seeds = seeds.unwrap_or(plan.seeds);
    Ok(plan)
}
