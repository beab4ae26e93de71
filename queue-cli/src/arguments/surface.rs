//! All options and subcommands, for the parser and for its help alike.

use clap::builder::ValueParser;
use clap::{Arg, ArgAction, Command};

/// The whole surface.
pub fn command() -> Command {
    let flag = |name: &'static str| Arg::new(name).long(name).action(ArgAction::SetTrue);
    let value = |name: &'static str| Arg::new(name).long(name).num_args(1);
    Command::new("queue")
        .about("Run a command on the best host as if it were here")
        .version(concat!(env!("CARGO_PKG_VERSION"), "\nNo warranty; MIT or Apache-2.0, as you like."))
        .override_usage(
            "queue [OPTIONS] -- COMMAND [ARGS...]\n       queue -r [OPTIONS] -- COMMAND [ARGS...]\n       \
             queue submit [OPTIONS] [FILE | -- COMMAND [ARGS...]]\n       \
             queue list|query|show|status|why|wait|logs|history ...\n       \
             queue cancel|hold|release|update|resubmit|signal|give-up|delete ...\n       \
             queue mail [N...]\n       queue keepalive install|remove|print\n       queue attach [--view] [JOB]\n       \
             queue backup [PATH]\n       queue rotate [--prune] [PATH]\n       queue doctor [--json] [--verbose]\n       \
             queue sessions [--json] [--utc]\n       queue hosts [--json] [--utc]\n       \
             queue queues [--json] [HOST]\n       queue config check|show|import ...\n       \
             queue drain|undrain|pause|resume|evacuate [HOST] [QUEUE]\n       \
             queue cluster init [--listen ADDRESS[:PORT]]",
        )
        .after_help(EXAMPLES)
        .disable_help_flag(true)
        .disable_version_flag(true)
        .disable_help_subcommand(true)
        .args_override_self(true)
        .args_conflicts_with_subcommands(true)
        .infer_long_args(false)
        .args([
            value("host")
                .short('h')
                .value_name("HOST")
                .overrides_with("robust-host")
                .help("Only this host may run it; + is any"),
            value("robust-host")
                .short('H')
                .value_name("HOST")
                .overrides_with("host")
                .help("Rather this host; another when it cannot"),
            flag("immediate")
                .short('i')
                .overrides_with_all(["queue", "queuedir"])
                .help("Use the queue \"now\" (default)"),
            flag("queue").short('q').overrides_with_all(["immediate", "queuedir"]).help("Use the queue \"wait\""),
            value("queuedir")
                .short('d')
                .alias("spooldir")
                .value_name("QUEUE")
                .overrides_with_all(["immediate", "queue"])
                .help("Use this queue"),
            value("job-name").short('j').value_name("NAME").help("Name of the job in reports"),
            flag("full-pty")
                .short('p')
                .overrides_with_all(["half-pty", "no-pty"])
                .help("Terminal as the descriptors allow, taken from the start"),
            flag("half-pty")
                .short('o')
                .overrides_with_all(["full-pty", "no-pty"])
                .help("Terminal for input only; output by pipes"),
            flag("no-pty").short('n').overrides_with_all(["full-pty", "half-pty"]).help("No terminal; pipes only"),
            flag("wait").short('w').overrides_with("batch").help("Stay until the job ends (default)"),
            flag("batch").short('r').overrides_with("wait").help("Leave it in the spool and return"),
            value("on-full")
                .value_name("WHAT")
                .value_parser(["wait", "fail", "local"])
                .hide_possible_values(true)
                .help("No slot free: wait (default), fail (exit 75) or local"),
            value("chdir").value_name("DIR").value_parser(ValueParser::os_string()).help("Run it in this directory"),
            value("env")
                .value_name("WHAT")
                .action(ArgAction::Append)
                .value_parser(ValueParser::os_string())
                .help("Environment: copy (default), login or clean; or NAME=VALUE"),
            value("tee")
                .value_name("FILE")
                .value_parser(ValueParser::os_string())
                .help("Copy all output into FILE on the host where it runs"),
            value("spill")
                .value_name("SIZE")
                .num_args(0..=1)
                .require_equals(true)
                .default_missing_value("1G")
                .help("Put output aside there while nobody takes it (1G)"),
            flag("verbose").help("Say on which host it runs, and why"),
        ])
        .args(super::needs::options())
        .args(super::limits::options())
        .args(super::batch::options())
        .args([
            Arg::new("help").long("help").action(ArgAction::Help).help("This text"),
            Arg::new("version").short('v').long("version").action(ArgAction::Version).help("Version and warranty"),
            Arg::new("command")
                .value_name("COMMAND")
                .last(true)
                .num_args(1..)
                .value_parser(ValueParser::os_string())
                .help("What to run; no shell is between"),
        ])
        .subcommand(plain(
            Command::new("submit")
                .about("Submit jobs: a command, a file, or standard input")
                .args(submit_options())
                .args(super::needs::options())
                .args(super::limits::options())
                .args(super::batch::options())
                .args([
                    flag("wait").short('w').help("Stay until all of them have ended"),
                    value("format").value_name("FORMAT").value_parser(["lines", "yaml", "json"]).help("Of the file"),
                    Arg::new("file").value_name("FILE").value_parser(ValueParser::os_string()).help("- is standard input"),
                    Arg::new("command")
                        .value_name("COMMAND")
                        .last(true)
                        .num_args(1..)
                        .value_parser(ValueParser::os_string())
                        .help("One job"),
                ]),
        ))
        .subcommands(super::batch::commands())
        .subcommands(super::keeping::commands())
        .subcommands(super::queues::commands())
        .subcommand(plain(Command::new("mail").about("Read the reports that no mailer took").args([
            Arg::new("number").value_name("N").num_args(0..).help("These; without any, a list"),
            flag("all").help("All of them"),
            flag("delete").help("Delete instead of showing"),
        ])))
        .subcommand(plain(
            Command::new("keepalive")
                .about("Have the daemon brought back after a logout or a reboot")
                .arg(Arg::new("what").value_name("WHAT").required(true).value_parser(["install", "remove", "print"])),
        ))
        .subcommand(plain(
            Command::new("hosts")
                .about("Show all hosts, their load and their slots")
                .args([flag("json").help("The same facts as JSON"), flag("utc").help("Times in UTC")]),
        ))
        .subcommand(plain(
            Command::new("sessions")
                .about("Show your sessions on all hosts, and who is with them")
                .args([flag("json").help("The same facts as JSON"), flag("utc").help("Times in UTC")]),
        ))
        .subcommand(plain(Command::new("attach").about("Go on with a session that runs, from here").args([
            Arg::new("job").value_name("JOB").help("Such as 17 or 17@redfish; without it the only one detached"),
            flag("view").help("Only look; the client that is there stays"),
        ])))
        .subcommand(plain(
            Command::new("cluster")
                .about("Make this host part of a cluster")
                .subcommand_required(true)
                .disable_help_subcommand(true)
                .subcommand(plain(
                    Command::new("init").about("Make key, port and configuration").arg(
                        value("listen")
                            .value_name("ADDRESS[:PORT]")
                            .help("Where to listen; without it all addresses, a free port"),
                    ),
                )),
        ))
}

/// What a batch job is told as a command that runs at once is.
fn submit_options() -> Vec<Arg> {
    let value = |name: &'static str| Arg::new(name).long(name).num_args(1);
    vec![
        value("host").short('h').value_name("HOSTS").help("Only these hosts may run it: names or patterns"),
        value("queuedir").short('d').alias("queue").value_name("QUEUE").help("The queue (wait)"),
        value("job-name").short('j').value_name("NAME").help("Name of the job in reports"),
        value("chdir").value_name("DIR").value_parser(ValueParser::os_string()).help("Run it in this directory"),
        value("env")
            .value_name("WHAT")
            .action(ArgAction::Append)
            .value_parser(ValueParser::os_string())
            .help("Environment: copy (default), login or clean; or NAME=VALUE"),
    ]
}

/// `-h` is no help for subcommands either.
pub fn plain(command: Command) -> Command {
    command.disable_help_flag(true).arg(Arg::new("help").long("help").action(ArgAction::Help).help("This text"))
}

const EXAMPLES: &str = "\
Examples:
  queue -- hostname                 on the best host
  queue -h bluefish -- octave       there and nowhere else
  queue -q -- make -j8 | tee log    when a slot of the queue \"wait\" is free
  queue hosts                       who is there and how busy
  queue attach                      go on with the session that you left with ~d
  queue -r -- ./night-run.sh        leave it in the spool; its end is mailed
  queue list                        your batch jobs

Exit status: the command's own, or death by its signal; 64 wrong usage, 75 no slot
(--on-full fail), 125 queue itself failed, 126 not executable, 127 not found.";
