//! The command line of queues: what is in force, whether a profile is right, and an admin's orders.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::ValueParser;
use clap::{Arg, ArgAction, ArgMatches, Command};
use wire::queues::Order;

use super::surface::plain;
use super::{checked_host, checked_queue};
use crate::failure::Failure;

/// A command of these.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum QueueCommand {
    /// `queue queues`.
    List {
        /// Of this host; none: the own one.
        host: Option<String>,
        /// `--json`.
        json: bool,
    },
    /// `queue config check`.
    Check {
        /// These files; none: all of the spool.
        files: Vec<PathBuf>,
    },
    /// `queue config show`.
    Show {
        /// On this host; none: the own one.
        host: Option<String>,
        /// Which queue.
        queue: String,
        /// `--effective`: the defaults too.
        effective: bool,
        /// `--json`.
        json: bool,
    },
    /// `queue config import`.
    Import {
        /// The original's profile.
        file: PathBuf,
    },
    /// `queue drain` and its like.
    Order {
        /// What.
        order: Order,
        /// On this host; none: the own one.
        host: Option<String>,
        /// Only this queue.
        queue: Option<String>,
    },
}

/// The commands.
pub fn commands() -> Vec<Command> {
    let flag = |name: &'static str| Arg::new(name).long(name).action(ArgAction::SetTrue);
    let host = || Arg::new("host").value_name("HOST");
    let file = || Arg::new("file").value_name("FILE").value_parser(ValueParser::os_string());
    let order = |name: &'static str, about: &'static str| {
        plain(Command::new(name).about(about).args([
            host().help("This host; without it the own one"),
            Arg::new("queue").value_name("QUEUE").help("Only this queue"),
            Arg::new("queuedir").short('d').long("queuedir").value_name("QUEUE").help("The same, of the own host"),
        ]))
    };
    let config = Command::new("config")
        .about("Check, show and import the profiles of queues")
        .subcommand_required(true)
        .subcommand(plain(
            Command::new("check")
                .about("Look for errors in profiles")
                .arg(file().num_args(0..).help("A profile; without any, all in the spool")),
        ))
        .subcommand(plain(Command::new("show").about("Show what is in force in a queue, and where it stands").args([
            Arg::new("names").value_name("[HOST] QUEUE").num_args(1..=2).required(true).help("Which"),
            flag("effective").help("The defaults too"),
            flag("json").help("For programs"),
        ])))
        .subcommand(plain(
            Command::new("import")
                .about("Write a profile of GNU Queue's as a profile.toml")
                .arg(file().value_name("PROFILE").required(true).help("The original; - is standard input")),
        ));
    vec![
        plain(
            Command::new("queues")
                .about("Show the queues of a host, and why one starts nothing")
                .args([host().help("Another host's"), flag("json").help("For programs")]),
        ),
        plain(config),
        order("drain", "Start nothing more; what runs goes on"),
        order("undrain", "Take a drain back"),
        order("evacuate", "Drain a host, move away what can be started elsewhere, and take no more jobs"),
        order("pause", "Start nothing more, and suspend what runs"),
        order("resume", "Take a pause back"),
    ]
}

/// Reads one of these commands.
pub fn read_command(name: &str, matches: &ArgMatches) -> Result<Option<QueueCommand>, Failure> {
    let order = match name {
        "queues" => {
            let host = matches.get_one::<String>("host").map(|host| checked_host(host)).transpose()?;
            return Ok(Some(QueueCommand::List { host, json: matches.get_flag("json") }));
        }
        "config" => return read_config(matches).map(Some),
        "drain" => Order::Drain,
        "undrain" => Order::Undrain,
        "evacuate" => Order::Evacuate,
        "pause" => Order::Pause,
        "resume" => Order::Resume,
        _ => return Ok(None),
    };
    let text = |name: &str| matches.get_one::<String>(name);
    let host = text("host").map(|host| checked_host(host)).transpose()?;
    let queue = text("queue").or(text("queuedir")).map(|queue| checked_queue(queue)).transpose()?;
    Ok(Some(QueueCommand::Order { order, host, queue }))
}

fn read_config(matches: &ArgMatches) -> Result<QueueCommand, Failure> {
    match matches.subcommand() {
        Some(("show", show)) => {
            let names = show.get_many::<String>("names").unwrap_or_default().collect::<Vec<_>>();
            let (host, queue) = match names[..] {
                [host, queue] => (Some(checked_host(host)?), queue),
                [queue] => (None, queue),
                _ => return Err(Failure::usage("queue config show: which queue? Say: [HOST] QUEUE")),
            };
            let queue = checked_queue(queue)?;
            Ok(QueueCommand::Show { host, queue, effective: show.get_flag("effective"), json: show.get_flag("json") })
        }
        Some(("import", import)) => {
            let file = import.get_one::<OsString>("file").map(PathBuf::from);
            Ok(QueueCommand::Import { file: file.unwrap_or_default() })
        }
        Some(("check", check)) => {
            let files = check.get_many::<OsString>("file").unwrap_or_default();
            Ok(QueueCommand::Check { files: files.map(PathBuf::from).collect() })
        }
        _ => Err(Failure::usage("say: queue config check, queue config show QUEUE or queue config import PROFILE")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arguments::{Invocation, parse};

    fn parsed(line: &str) -> Result<QueueCommand, Failure> {
        match parse(line.split(' ').map(OsString::from).collect())? {
            Invocation::Queues(command) => Ok(command),
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn orders_are_for_a_host_a_queue_or_both() {
        let order = |line: &str| match parsed(line) {
            Ok(QueueCommand::Order { order, host, queue }) => (order, host, queue),
            other => panic!("{line}: {other:?}"),
        };
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(order("queue drain"), (Order::Drain, None, None));
        assert_eq!(order("queue undrain redfish"), (Order::Undrain, some("redfish"), None));
        assert_eq!(order("queue pause redfish night"), (Order::Pause, some("redfish"), some("night")));
        assert_eq!(order("queue resume -d night"), (Order::Resume, None, some("night")));
        assert_eq!(parsed("queue drain a b c").map(drop).expect_err("too many").code, 64);
        assert_eq!(parsed("queue drain a ../b").map(drop).expect_err("no queue").code, 64);
    }

    #[test]
    fn profiles_are_checked_shown_and_imported() {
        assert_eq!(parsed("queue config check"), Ok(QueueCommand::Check { files: vec![] }));
        assert_eq!(parsed("queue config check a b"), Ok(QueueCommand::Check { files: vec!["a".into(), "b".into()] }));
        let show = QueueCommand::Show { host: None, queue: "night".into(), effective: false, json: false };
        assert_eq!(parsed("queue config show night"), Ok(show));
        let show = QueueCommand::Show { host: Some("b".into()), queue: "night".into(), effective: true, json: false };
        assert_eq!(parsed("queue config show --effective b night"), Ok(show));
        assert_eq!(parsed("queue config import p"), Ok(QueueCommand::Import { file: "p".into() }));
        for line in ["queue config", "queue config show", "queue config import", "queue config what"] {
            assert_eq!(parsed(line).map(drop).expect_err(line).code, 64, "{line}");
        }
        assert_eq!(parsed("queue queues --json"), Ok(QueueCommand::List { host: None, json: true }));
    }
}
