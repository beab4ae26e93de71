//! Judges the code that ships by simulating whole clusters: `simulate scheduler` where jobs
//! are placed, `simulate table` how hosts hear of each other.

mod host_table;
mod scheduler;

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (what, rest) = arguments.split_first().map_or(("", &[][..]), |(what, rest)| (what.as_str(), rest));
    let done = match what {
        "scheduler" => scheduler::run(rest),
        "table" => {
            host_table::run(rest);
            Ok(())
        }
        other => Err(format!("what is to be simulated? \"scheduler\" or \"table\", not {other:?}")),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!(
                "simulate: {message}\nusage: simulate scheduler [--seeds N] [--hosts N] [--from ROW] [--quick]\n       simulate table [--quick]"
            );
            ExitCode::from(64)
        }
    }
}
