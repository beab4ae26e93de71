//! Runs each scenario in a fresh process with one thread, under a deadline.

use std::env;
use std::process::{Child, Command, ExitCode, ExitStatus};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// A promise and the function that panics if it is not kept.
pub type Scenario = (&'static str, fn());

/// Lists the functions given as scenarios of their own names.
macro_rules! scenarios {
    ($($name:ident),* $(,)?) => {
        pub const SCENARIOS: &[$crate::harness::Scenario] = &[$((stringify!($name), $name)),*];
    };
}
pub(crate) use scenarios;

/// Understands enough of the usual harness's arguments: `--list` and parts of names.
pub fn main(scenarios: &[Scenario], roles: &[Scenario]) -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["--scenario", name] => run(scenarios, name),
        ["--role", name, ..] => run(roles, name),
        _ if arguments.iter().any(|argument| argument == "--list") => {
            for (name, _) in scenarios {
                println!("{name}: test");
            }
        }
        _ => return run_all(scenarios, &arguments),
    }
    ExitCode::SUCCESS
}

/// Waits for a condition, with a deadline.
pub fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        sleep(Duration::from_millis(1));
    }
}

/// How long anything that should happen may take on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(20);

fn run(list: &[Scenario], name: &str) {
    let (_, function) = list.iter().find(|(known, _)| *known == name).unwrap_or_else(|| panic!("there is no {name}"));
    function();
}

fn run_all(scenarios: &[Scenario], arguments: &[String]) -> ExitCode {
    let filters: Vec<&String> = arguments.iter().filter(|argument| !argument.starts_with('-')).collect();
    let chosen = scenarios
        .iter()
        .filter(|(name, _)| filters.is_empty() || filters.iter().any(|filter| name.contains(filter.as_str())));
    let mut failed = Vec::new();
    for (name, _) in chosen {
        let kept = run_alone(name);
        println!("scenario {name} ... {}", if kept { "ok" } else { "FAILED" });
        if !kept {
            failed.push(name);
        }
    }
    if failed.is_empty() {
        return ExitCode::SUCCESS;
    }
    println!("failed: {failed:?}");
    ExitCode::FAILURE
}

fn run_alone(name: &str) -> bool {
    let program = env::current_exe().expect("a test knows its own file");
    let mut child = Command::new(program).args(["--scenario", name]).spawn().expect("it was executable a moment ago");
    match wait(&mut child, 2 * PATIENCE) {
        Some(status) => status.success(),
        None => {
            println!("scenario {name} does not end");
            let _ = child.kill();
            let _ = child.wait();
            false
        }
    }
}

fn wait(child: &mut Child, patience: Duration) -> Option<ExitStatus> {
    let deadline = Instant::now() + patience;
    while Instant::now() < deadline {
        if let Some(status) = child.try_wait().expect("it is our child") {
            return Some(status);
        }
        sleep(Duration::from_millis(1));
    }
    None
}
