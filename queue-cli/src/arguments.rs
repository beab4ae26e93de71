//! The command line: one parser, and one sentence for each way to be wrong.
//!
//! `-h` is a host, as it has been since 1994, so help is `--help`. The last option of a
//! group wins. A command stands behind `--`: what is not an option and not a subcommand is
//! refused with the line that was probably meant, because a word that becomes a subcommand
//! in the next release must not run as a program in this one.

use std::ffi::OsString;

use clap::builder::ValueParser;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, ArgAction, ArgMatches, Command};
use wire::api::{HostChoice, OnFull};

use crate::failure::Failure;
use crate::modes::Pty;

/// What the person wants.
#[derive(Debug, PartialEq)]
pub enum Invocation {
    /// Run a command.
    Run(Run),
    /// `queue hosts`.
    Hosts(Listing),
    /// `queue cluster init`.
    ClusterInit {
        /// Where to listen.
        listen: Option<String>,
    },
    /// `--help`, `--version`: text for standard output.
    Print(String),
}

/// How a list is to be shown.
#[derive(Debug, PartialEq, Eq)]
pub struct Listing {
    /// `--json`: the daemon's answer as it is.
    pub json: bool,
    /// `--utc`: times in UTC.
    pub utc: bool,
}

/// A command and how to run it.
#[derive(Debug, PartialEq)]
pub struct Run {
    /// `-h`, `-H` or neither.
    pub choice: HostChoice,
    /// `-i`, `-q` or `-d`.
    pub queue: String,
    /// `-p`, `-o`, `-n` or none of them.
    pub pty: Pty,
    /// `--on-full`.
    pub on_full: OnFull,
    /// `--verbose`.
    pub verbose: bool,
    /// Never empty.
    pub command: Vec<OsString>,
}

/// Reads the arguments, the program's name among them.
pub fn parse(arguments: Vec<OsString>) -> Result<Invocation, Failure> {
    let matches = match command().try_get_matches_from(&arguments) {
        Ok(matches) => matches,
        Err(error) => return explain(&error, &arguments),
    };
    match matches.subcommand() {
        Some(("hosts", hosts)) => {
            Ok(Invocation::Hosts(Listing { json: hosts.get_flag("json"), utc: hosts.get_flag("utc") }))
        }
        Some(("cluster", cluster)) => {
            let init = cluster.subcommand_matches("init");
            let listen = init.and_then(|init| init.get_one::<String>("listen").cloned());
            Ok(Invocation::ClusterInit { listen })
        }
        _ => run(&matches).map(Invocation::Run),
    }
}

fn run(matches: &ArgMatches) -> Result<Run, Failure> {
    if matches.get_flag("batch") {
        return Err(Failure::usage(
            "-r: batch jobs come with the durable spool, which this version does not have yet; \
             without -r the command runs at once and queue waits for its end",
        ));
    }
    let command = matches.get_many::<OsString>("command").unwrap_or_default();
    let command = command.cloned().collect::<Vec<_>>();
    if command.is_empty() {
        return Err(Failure::usage("no command was given; say: queue [options] -- COMMAND [ARGS...] (queue --help)"));
    }
    let text = |name: &str| matches.get_one::<String>(name).map(String::as_str);
    let choice = match (text("host"), text("robust-host")) {
        (Some("+"), _) | (_, Some("+")) | (None, None) => HostChoice::Any,
        (Some(host), _) => HostChoice::Only(checked_host(host)?),
        (_, Some(host)) => HostChoice::Rather(checked_host(host)?),
    };
    let queue = match (text("queuedir"), matches.get_flag("queue")) {
        (Some(queue), _) => checked_queue(queue)?,
        (None, true) => "wait".to_owned(),
        (None, false) => "now".to_owned(),
    };
    if text("job-name").is_some_and(|name| name.len() > LONGEST_JOB_NAME) {
        return Err(Failure::usage(format!("-j: a name has at most {LONGEST_JOB_NAME} bytes")));
    }
    let pty = if matches.get_flag("no-pty") {
        Pty::None
    } else if matches.get_flag("half-pty") {
        Pty::Half
    } else if matches.get_flag("full-pty") {
        Pty::Full
    } else {
        Pty::AsNeeded
    };
    let on_full = match text("on-full") {
        Some("fail") => OnFull::Fail,
        Some("local") => OnFull::Local,
        _ => OnFull::Wait,
    };
    Ok(Run { choice, queue, pty, on_full, verbose: matches.get_flag("verbose"), command })
}

fn checked_host(host: &str) -> Result<String, Failure> {
    if host.is_empty() || host.len() > LONGEST_HOST {
        return Err(Failure::usage(format!("\"{host}\" is not the name of a host: it has 1 to {LONGEST_HOST} bytes")));
    }
    Ok(host.to_owned())
}

fn checked_queue(queue: &str) -> Result<String, Failure> {
    if queue.is_empty() || queue.len() > LONGEST_QUEUE || queue.contains('/') || queue.starts_with('.') {
        return Err(Failure::usage(format!(
            "\"{queue}\" is not the name of a queue: it has 1 to {LONGEST_QUEUE} bytes, no \"/\" and \
             no \".\" at its start"
        )));
    }
    Ok(queue.to_owned())
}

/// The whole surface.
fn command() -> Command {
    let flag = |name: &'static str| Arg::new(name).long(name).action(ArgAction::SetTrue);
    let value = |name: &'static str| Arg::new(name).long(name).num_args(1);
    Command::new("queue")
        .about("Run a command on the best host as if it were here")
        .version(concat!(env!("CARGO_PKG_VERSION"), "\nNo warranty; MIT or Apache-2.0, as you like."))
        .override_usage(
            "queue [OPTIONS] -- COMMAND [ARGS...]\n       queue hosts [--json] [--utc]\n       \
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
            flag("verbose").help("Say on which host it runs, and why"),
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
            Command::new("hosts")
                .about("Show all hosts, their load and their slots")
                .args([flag("json").help("The same facts as JSON"), flag("utc").help("Times in UTC")]),
        ))
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

/// `-h` is no help for subcommands either.
fn plain(command: Command) -> Command {
    command.disable_help_flag(true).arg(Arg::new("help").long("help").action(ArgAction::Help).help("This text"))
}

/// One sentence for what is wrong; help and version are not wrong.
fn explain(error: &clap::Error, arguments: &[OsString]) -> Result<Invocation, Failure> {
    let context = |kind: ContextKind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.as_str()),
        Some(ContextValue::Strings(texts)) => texts.first().map(String::as_str),
        _ => None,
    };
    let invalid = context(ContextKind::InvalidArg).or(context(ContextKind::InvalidSubcommand));
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            return Ok(Invocation::Print(error.to_string()));
        }
        ErrorKind::UnknownArgument | ErrorKind::InvalidSubcommand
            if invalid.is_some_and(|word| !word.starts_with('-')) =>
        {
            if let Some(meant) = with_dashes(arguments) {
                return Err(Failure::usage(format!("a command stands behind --; say: {meant}")));
            }
        }
        ErrorKind::InvalidValue if arguments.last().is_some_and(|last| last == "-h") => {
            return Err(Failure::usage("-h names a host: -h HOST; for help type: queue --help"));
        }
        ErrorKind::MissingSubcommand | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            return Err(Failure::usage("say: queue cluster init (queue cluster --help)"));
        }
        _ => {}
    }
    let whole = error.to_string();
    let first = whole.lines().next().unwrap_or("wrong usage");
    let first = first.strip_prefix("error: ").unwrap_or(first);
    let suggested = context(ContextKind::SuggestedArg).or(context(ContextKind::SuggestedValue));
    Err(Failure::usage(match suggested {
        Some(suggested) => format!("{first}; did you mean {suggested}? (queue --help)"),
        None => format!("{first} (queue --help)"),
    }))
}

/// The line with `--` before its first word that is neither an option nor an option's value.
fn with_dashes(arguments: &[OsString]) -> Option<String> {
    let shape = command();
    let takes_value = |argument: &str| {
        let known = |found: &dyn Fn(&Arg) -> bool| {
            shape.get_arguments().any(|arg| !arg.is_last_set() && arg.get_action().takes_values() && found(arg))
        };
        match argument.strip_prefix("--") {
            Some(long) => known(&|arg| {
                arg.get_long() == Some(long) || arg.get_all_aliases().is_some_and(|names| names.contains(&long))
            }),
            // In a cluster such as -nh the last letter takes the value that stands apart.
            None => known(&|arg| arg.get_short().is_some_and(|short| argument.ends_with(short))),
        }
    };
    let mut words = arguments.iter().enumerate().skip(1);
    let mut first_word = None;
    while let Some((index, word)) = words.next() {
        match word.to_str() {
            Some(option) if option.starts_with('-') && option.len() > 1 => {
                if takes_value(option) {
                    words.next();
                }
            }
            _ => {
                first_word = Some(index);
                break;
            }
        }
    }
    let first_word = first_word?;
    let mut line = "queue".to_owned();
    for (index, word) in arguments.iter().enumerate().skip(1) {
        if index == first_word {
            line.push_str(" --");
        }
        // A "--" that came too late is not needed twice.
        if index > first_word && word == "--" {
            continue;
        }
        line.push(' ');
        line.push_str(&quoted(&word.to_string_lossy()));
    }
    Some(line)
}

/// The word as it may be pasted into a shell.
fn quoted(word: &str) -> String {
    let plain = |character: char| character.is_ascii_alphanumeric() || "-_./:=+,@%".contains(character);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

const EXAMPLES: &str = "\
Examples:
  queue -- hostname                 on the best host
  queue -h bluefish -- octave       there and nowhere else
  queue -q -- make -j8 | tee log    when a slot of the queue \"wait\" is free
  queue hosts                       who is there and how busy

Exit status: the command's own, or death by its signal; 64 wrong usage, 75 no slot
(--on-full fail), 125 queue itself failed, 126 not executable, 127 not found.";

const LONGEST_HOST: usize = 64;
const LONGEST_QUEUE: usize = 31;
const LONGEST_JOB_NAME: usize = 254;

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Invocation, Failure> {
        parse(line.split(' ').map(OsString::from).collect())
    }

    fn run_of(line: &str) -> Run {
        match parsed(line) {
            Ok(Invocation::Run(run)) => run,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn the_surface_is_consistent() {
        command().debug_assert();
    }

    #[test]
    fn defaults_are_those_of_gnu_queue() {
        let run = run_of("queue -- ls -l --help");
        assert_eq!(run.choice, HostChoice::Any);
        assert_eq!(run.queue, "now");
        assert_eq!(run.pty, Pty::AsNeeded);
        assert_eq!(run.on_full, OnFull::Wait);
        assert!(!run.verbose);
        assert_eq!(run.command, ["ls", "-l", "--help"]);
    }

    #[test]
    fn the_last_option_of_a_group_wins() {
        let only = |host: &str| HostChoice::Only(host.to_owned());
        let rather = |host: &str| HostChoice::Rather(host.to_owned());
        let hosts = [
            ("queue -h a -- x", only("a")),
            ("queue -h a -h b -- x", only("b")),
            ("queue -h a -H b -- x", rather("b")),
            ("queue -H b -h a -- x", only("a")),
            ("queue -h a -h + -- x", HostChoice::Any),
            ("queue -H + -- x", HostChoice::Any),
            ("queue --host=a -- x", only("a")),
            ("queue --robust-host a -- x", rather("a")),
        ];
        for (line, choice) in hosts {
            assert_eq!(run_of(line).choice, choice, "{line}");
        }
        let queues = [
            ("queue -i -- x", "now"),
            ("queue -q -- x", "wait"),
            ("queue -q -i -- x", "now"),
            ("queue -i -q -- x", "wait"),
            ("queue -q -d night -- x", "night"),
            ("queue -d night -q -- x", "wait"),
            ("queue --immediate --queuedir night -- x", "night"),
            ("queue --spooldir night -- x", "night"),
            ("queue --queue -- x", "wait"),
        ];
        for (line, queue) in queues {
            assert_eq!(run_of(line).queue, queue, "{line}");
        }
        let ptys = [
            ("queue -p -- x", Pty::Full),
            ("queue -o -- x", Pty::Half),
            ("queue -n -- x", Pty::None),
            ("queue -pon -- x", Pty::None),
            ("queue -nop -- x", Pty::Full),
            ("queue -n --half-pty -- x", Pty::Half),
        ];
        for (line, pty) in ptys {
            assert_eq!(run_of(line).pty, pty, "{line}");
        }
        assert_eq!(run_of("queue -r -w -- x").command, ["x"]);
        assert_eq!(run_of("queue -j name --on-full local -- x").on_full, OnFull::Local);
    }

    #[test]
    fn wrong_usage_is_exit_64_and_says_what_to_type() {
        let rows = [
            ("queue", "no command was given"),
            ("queue --", "no command was given"),
            ("queue ls", "say: queue -- ls"),
            ("queue ls -l", "say: queue -- ls -l"),
            ("queue -n ls -l", "say: queue -n -- ls -l"),
            ("queue -h ls ls", "say: queue -h ls -- ls"),
            ("queue -nh ls ls", "say: queue -nh ls -- ls"),
            ("queue --on-full fail make -- all", "say: queue --on-full fail -- make all"),
            ("queue --verbose echo a;b", "say: queue --verbose -- echo 'a;b'"),
            ("queue -h", "-h names a host"),
            ("queue -r -- x", "batch jobs come with the durable spool"),
            ("queue -w -r -- x", "batch jobs"),
            ("queue -d a/b -- x", "is not the name of a queue"),
            ("queue -d .. -- x", "is not the name of a queue"),
            ("queue --on-full never -- x", "never"),
            ("queue --verbos -- x", "did you mean --verbose?"),
            ("queue -z -- x", "-z"),
            ("queue cluster", "queue cluster init"),
            ("queue cluster ini", "ini"),
            ("queue hosts now", "now"),
        ];
        for (line, sentence) in rows {
            let failure = parsed(line).expect_err(line);
            assert_eq!(failure.code, 64, "{line}");
            assert!(failure.message.contains(sentence), "{line}: {}", failure.message);
            assert!(!failure.message.contains('\n'), "{line}: {}", failure.message);
        }
    }

    #[test]
    fn subcommands_are_words_before_any_option() {
        assert_eq!(parsed("queue hosts"), Ok(Invocation::Hosts(Listing { json: false, utc: false })));
        assert_eq!(parsed("queue hosts --json --utc"), Ok(Invocation::Hosts(Listing { json: true, utc: true })));
        assert_eq!(parsed("queue cluster init"), Ok(Invocation::ClusterInit { listen: None }));
        assert_eq!(
            parsed("queue cluster init --listen [::1]:7117"),
            Ok(Invocation::ClusterInit { listen: Some("[::1]:7117".to_owned()) })
        );
        assert_eq!(run_of("queue -- hosts").command, ["hosts"]);
    }

    #[test]
    fn help_and_version_are_no_errors() {
        for line in ["queue --help", "queue -v", "queue --version", "queue hosts --help"] {
            assert!(matches!(parsed(line), Ok(Invocation::Print(_))), "{line}");
        }
    }

    #[test]
    fn bytes_that_are_not_utf8_reach_the_command() {
        use std::os::unix::ffi::OsStringExt;
        let odd = OsString::from_vec(vec![0xff, 0xfe]);
        let line = vec!["queue".into(), "--".into(), odd.clone()];
        let Ok(Invocation::Run(run)) = parse(line) else { panic!("odd bytes are allowed") };
        assert_eq!(run.command, [odd]);
    }
}
