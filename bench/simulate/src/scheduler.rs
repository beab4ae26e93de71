//! `simulate scheduler [--seeds N] [--hosts N] [--from ROW] [--quick]`: a discrete-event simulation of whole clusters.
//!
//! The dispatchers and admissions are those that ship (`queued::core`); simulated are
//! machines, messages, news and time. What is printed stands, explained, in
//! `docs/scheduler.md`.

mod cluster;
mod load;
mod machine;
mod news;
mod shipped;
mod simple;
mod statistics;
mod table;
mod workload;

use table::Plan;

/// Prints the table, or says what is wrong with the arguments.
pub fn run(arguments: &[String]) -> Result<(), String> {
    let mut arguments = arguments.iter().map(String::as_str);
    let (mut seeds, mut hosts, mut first, mut plan) = (None, None, 1, Plan::full());
    while let Some(argument) = arguments.next() {
        match argument {
            "--quick" => plan = Plan::quick(),
            "--seeds" => seeds = Some(number(argument, arguments.next())?),
            "--hosts" => hosts = Some(number(argument, arguments.next())?),
            "--from" => first = number(argument, arguments.next())?,
            other => return Err(format!("unknown argument {other:?}")),
        }
    }
    plan.seeds = seeds.unwrap_or(plan.seeds);
    if let Some(hosts) = hosts {
        plan.only_clusters_of(hosts as usize);
    }
    plan.begin_with(first as usize);
    table::print(&plan);
    Ok(())
}

fn number(option: &str, text: Option<&str>) -> Result<u64, String> {
    let parsed = text.and_then(|text| text.parse().ok()).filter(|number| *number > 0);
    parsed.ok_or_else(|| format!("{option} {:?}: a number from 1 on is expected", text.unwrap_or_default()))
}
