//! The command line: one parser, and one sentence for each way to be wrong.
//!
//! `-h` is a host, as it has been since 1994, so help is `--help`. The last option of a
//! group wins. A command stands behind `--`: what is not an option and not a subcommand is
//! refused with the line that was probably meant, because a word that becomes a subcommand
//! in the next release must not run as a program in this one.

pub mod batch;
mod explain;
pub mod keeping;
pub mod limits;
pub mod needs;
mod qsh;
pub mod queues;
mod surface;

use std::ffi::OsString;
use std::path::PathBuf;

use clap::ArgMatches;
use wire::api::{HostChoice, JobName, OnFull};
use wire::needs::Needs;

use wire::job::TimeLimit;

use crate::environment::Wish;
use crate::failure::Failure;
use crate::modes::Pty;
pub use qsh::is_qsh;

use explain::explain;
use surface::command;

/// What the person wants.
#[derive(Debug, PartialEq)]
pub enum Invocation {
    /// Run a command.
    Run(Run),
    /// `queue -r`, `queue submit`.
    Submit(Box<batch::Submit>),
    /// A command about jobs.
    Jobs(batch::JobCommand),
    /// `queue mail`.
    Mail {
        /// Which; none: a list.
        which: Option<crate::mailbox::Which>,
        /// They are to be deleted.
        delete: bool,
    },
    /// `queue backup`, `queue rotate`, `queue doctor`.
    Keeping(keeping::Keeping),
    /// `queue queues`, `queue config`, `queue drain` and the like.
    Queues(queues::QueueCommand),
    /// `queue keepalive`.
    Keepalive(crate::keepalive::Action),
    /// `queue hosts`.
    Hosts(Listing),
    /// `queue sessions`.
    Sessions(Listing),
    /// `queue attach`.
    Attach {
        /// Which; `None`: the only one that nobody is with.
        job: Option<JobName>,
        /// Only to look.
        view: bool,
    },
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
#[derive(Debug, Clone, PartialEq)]
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
    /// `--tee`.
    pub tee: Option<PathBuf>,
    /// `--spill`, bytes.
    pub spill: Option<u64>,
    /// `--need` and `--cpus`; none: nothing was said.
    pub needs: Option<Needs>,
    /// `--time` and what belongs to it.
    pub time: Option<TimeLimit>,
    /// `--mem`, bytes.
    pub memory: Option<u64>,
    /// `--chdir`; else the working directory.
    pub directory: Option<PathBuf>,
    /// `--env`.
    pub environment: Wish,
    /// `qsh -n`: the null device instead of standard input.
    pub null_input: bool,
    /// What children of the job write after its end belongs to it, for a while: `qsh`.
    pub drains: bool,
    /// Never empty.
    pub command: Vec<OsString>,
}

/// Reads the arguments, the program's name among them.
pub fn parse(arguments: Vec<OsString>) -> Result<Invocation, Failure> {
    if is_qsh(&arguments) {
        return qsh::parse(&arguments[1..]);
    }
    let matches = match command().try_get_matches_from(&arguments) {
        Ok(matches) => matches,
        Err(error) => return explain(&error, &arguments),
    };
    match matches.subcommand() {
        Some(("hosts", hosts)) => Ok(Invocation::Hosts(listing(hosts))),
        Some(("sessions", sessions)) => Ok(Invocation::Sessions(listing(sessions))),
        Some(("attach", attach)) => {
            let job = attach.get_one::<String>("job").map(|job| job_name(job)).transpose()?;
            Ok(Invocation::Attach { job, view: attach.get_flag("view") })
        }
        Some(("cluster", cluster)) => {
            let init = cluster.subcommand_matches("init");
            let listen = init.and_then(|init| init.get_one::<String>("listen").cloned());
            Ok(Invocation::ClusterInit { listen })
        }
        Some(("mail", mail)) => {
            let numbers = mail.get_many::<String>("number").unwrap_or_default();
            let number = |text: &String| {
                text.parse().map_err(|_| Failure::usage(format!("queue mail: a number is expected, not \"{text}\"")))
            };
            let numbers = numbers.map(number).collect::<Result<Vec<usize>, _>>()?;
            let delete = mail.get_flag("delete");
            let which = match (mail.get_flag("all"), numbers.is_empty()) {
                (true, _) => Some(crate::mailbox::Which::All),
                (false, false) => Some(crate::mailbox::Which::Numbers(numbers)),
                (false, true) if delete => {
                    return Err(Failure::usage("queue mail --delete: which? Say numbers, or --all"));
                }
                (false, true) => None,
            };
            Ok(Invocation::Mail { which, delete })
        }
        Some(("keepalive", keepalive)) => {
            Ok(Invocation::Keepalive(match keepalive.get_one::<String>("what").map(String::as_str) {
                Some("install") => crate::keepalive::Action::Install,
                Some("remove") => crate::keepalive::Action::Remove,
                _ => crate::keepalive::Action::Print,
            }))
        }
        Some(("submit", submit)) => read_submit(submit).map(|submit| Invocation::Submit(Box::new(submit))),
        Some((name, command)) if let Some(command) = queues::read_command(name, command)? => {
            Ok(Invocation::Queues(command))
        }
        Some((name, command)) if let Some(command) = keeping::read_command(name, command) => {
            Ok(Invocation::Keeping(command))
        }
        Some((name, command)) if let Some(command) = batch::read_command(name, command)? => {
            Ok(Invocation::Jobs(command))
        }
        _ if matches.get_flag("batch") => batch_of(&matches).map(|submit| Invocation::Submit(Box::new(submit))),
        _ => {
            if let Some(option) = batch::given(&matches) {
                return Err(Failure::usage(format!("--{option} is about batch jobs: say -r too, or queue submit")));
            }
            run(&matches).map(Invocation::Run)
        }
    }
}

/// `queue -r -- COMMAND`.
fn batch_of(matches: &ArgMatches) -> Result<batch::Submit, Failure> {
    for (option, is_given) in [
        ("--tee", matches.contains_id("tee")),
        ("--spill", matches.contains_id("spill")),
        ("--on-full", matches.contains_id("on-full")),
    ] {
        if is_given {
            return Err(Failure::usage(format!(
                "{option} is about commands that run at once, not about batch jobs (-r)"
            )));
        }
    }
    let mut run = run(matches)?;
    let has_queue = matches.get_flag("immediate") || matches.get_one::<String>("queuedir").is_some();
    if !has_queue {
        run.queue = "wait".to_owned();
    }
    let source = batch::Source::Command(run.command.clone());
    Ok(batch::Submit { options: batch::read_options(matches)?, run, source, format: None })
}

/// `queue submit`.
fn read_submit(matches: &ArgMatches) -> Result<batch::Submit, Failure> {
    let command = matches.get_many::<OsString>("command").unwrap_or_default().cloned().collect::<Vec<_>>();
    let source = match (matches.get_one::<OsString>("file"), command.is_empty()) {
        (Some(_), false) => return Err(Failure::usage("queue submit: a file or a command, not both")),
        (None, false) => batch::Source::Command(command.clone()),
        (Some(file), true) if file == "-" => batch::Source::Input,
        (Some(file), true) => batch::Source::File(PathBuf::from(file)),
        (None, true) => batch::Source::Input,
    };
    let queue = matches.get_one::<String>("queuedir").map_or("wait", String::as_str);
    let mut environment = Wish::default();
    for wish in matches.get_many::<OsString>("env").unwrap_or_default() {
        environment.add(wish)?;
    }
    let run = Run {
        choice: HostChoice::Any,
        queue: checked_queue(queue)?,
        pty: Pty::None,
        on_full: OnFull::Wait,
        verbose: false,
        tee: None,
        spill: None,
        needs: needs::read(matches)?,
        time: limits::read(matches)?,
        memory: limits::memory(matches)?,
        directory: matches.get_one::<OsString>("chdir").map(PathBuf::from),
        environment,
        null_input: false,
        drains: false,
        command,
    };
    let format = matches.get_one::<String>("format").and_then(|word| crate::records::Format::named(word));
    let options = batch::BatchOptions { wait: matches.get_flag("wait"), ..batch::read_options(matches)? };
    Ok(batch::Submit { run, options, source, format })
}

fn listing(matches: &ArgMatches) -> Listing {
    Listing { json: matches.get_flag("json"), utc: matches.get_flag("utc") }
}

/// `17` or `17@redfish`.
pub fn job_name(text: &str) -> Result<JobName, Failure> {
    let (id, home) = match text.split_once('@') {
        Some((id, home)) => (id, Some(checked_host(home)?)),
        None => (text, None),
    };
    let id =
        id.parse().map_err(|_| Failure::usage(format!("\"{text}\" is not a job: 17 or 17@redfish is expected")))?;
    Ok(JobName { id, home })
}

fn run(matches: &ArgMatches) -> Result<Run, Failure> {
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
    let mut environment = Wish::default();
    for wish in matches.get_many::<OsString>("env").unwrap_or_default() {
        environment.add(wish)?;
    }
    let directory = matches.get_one::<OsString>("chdir").map(PathBuf::from);
    let verbose = matches.get_flag("verbose");
    let tee = matches.get_one::<OsString>("tee").map(PathBuf::from);
    let spill = text("spill").map(size).transpose()?;
    let needs = needs::read(matches)?;
    let time = limits::read(matches)?;
    let (null_input, drains) = (false, false);
    Ok(Run {
        choice,
        queue,
        pty,
        on_full,
        verbose,
        tee,
        spill,
        needs,
        time,
        memory: limits::memory(matches)?,
        directory,
        environment,
        null_input,
        drains,
        command,
    })
}

/// Bytes, with K, M, G or T behind them in powers of 1024.
fn size(text: &str) -> Result<u64, Failure> {
    let unit = match text.bytes().last().map(|byte| byte.to_ascii_uppercase()) {
        Some(b'K') => 10,
        Some(b'M') => 20,
        Some(b'G') => 30,
        Some(b'T') => 40,
        _ => 0,
    };
    let digits = if unit > 0 { &text[..text.len() - 1] } else { text };
    let bytes = digits.parse::<u64>().ok().and_then(|number| number.checked_mul(1 << unit)).filter(|bytes| *bytes > 0);
    bytes.ok_or_else(|| Failure::usage(format!("--spill: a size such as 500M or 4G is expected, not \"{text}\"")))
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
            ("queue -r --tee log -- x", "--tee is about commands that run at once"),
            ("queue --tag a -- x", "--tag is about batch jobs"),
            ("queue -r --priority much -- x", "a number, or high, normal or low"),
            ("queue -r --backoff soon -- x", "a time such as 10s"),
            ("queue -r --notify= -- x", "a command or an address"),
            ("queue -r --array 9-1 -- x", "9-1 goes backwards"),
            ("queue -r --array 1-1000000000 -- x", "are more than 1000000 elements"),
            ("queue -r --after soon -- x", "a job such as 17, 17:any, 17:fail or 101-600 is expected"),
            ("queue update 17 after=18", "has a job wait for no other"),
            ("queue wait --tag=", "a tag is expected"),
            ("queue -r --mail never -- x", "start, end, failure, none or an address"),
            ("queue submit a -- x", "a file or a command, not both"),
            ("queue cancel", "which jobs?"),
            ("queue delete", "which jobs?"),
            ("queue update 17", "what?"),
            ("queue logs failed", "ids such as 17 are expected"),
            ("queue why", "a job is expected"),
            ("queue signal NOPE 17", "is no signal"),
            ("queue mail x", "a number is expected"),
            ("queue mail --delete", "which?"),
            ("queue -d a/b -- x", "is not the name of a queue"),
            ("queue -d .. -- x", "is not the name of a queue"),
            ("queue --on-full never -- x", "never"),
            ("queue --verbos -- x", "did you mean --verbose?"),
            ("queue -z -- x", "-z"),
            ("queue attach x", "\"x\" is not a job"),
            ("queue attach 1@", "is not the name of a host"),
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
        let job = |id, home: Option<&str>| Some(JobName { id, home: home.map(str::to_owned) });
        for (line, job, view) in [
            ("queue attach", None, false),
            ("queue attach 17", job(17, None), false),
            ("queue attach --view 17@redfish", job(17, Some("redfish")), true),
        ] {
            assert_eq!(parsed(line), Ok(Invocation::Attach { job, view }), "{line}");
        }
        assert_eq!(parsed("queue sessions --utc"), Ok(Invocation::Sessions(Listing { json: false, utc: true })));
        assert_eq!(parsed("queue cluster init"), Ok(Invocation::ClusterInit { listen: None }));
        assert_eq!(
            parsed("queue cluster init --listen [::1]:7117"),
            Ok(Invocation::ClusterInit { listen: Some("[::1]:7117".to_owned()) })
        );
        assert_eq!(run_of("queue -- hosts").command, ["hosts"]);
    }

    #[test]
    fn a_batch_job_waits_in_the_queue_wait_unless_another_is_named() {
        for (line, queue) in [
            ("queue -r -- x", "wait"),
            ("queue -r -i -- x", "now"),
            ("queue -r -d night -- x", "night"),
            ("queue submit -- x", "wait"),
            ("queue submit -d night -- x", "night"),
        ] {
            match parsed(line) {
                Ok(Invocation::Submit(submit)) => assert_eq!(submit.run.queue, queue, "{line}"),
                other => panic!("{line}: {other:?}"),
            }
        }
    }

    #[test]
    fn jobs_are_named_by_ids_states_and_queries() {
        let meant = |line: &str| match parsed(line) {
            Ok(Invocation::Jobs(batch::JobCommand::List { meant, .. } | batch::JobCommand::History { meant, .. })) => {
                meant
            }
            other => panic!("{line}: {other:?}"),
        };
        assert_eq!(meant("queue list"), batch::Meant::default());
        assert_eq!(meant("queue list held pending").query.as_deref(), Some("held or pending"));
        assert_eq!(meant("queue query exit!=0 tag=a").query.as_deref(), Some("exit!=0 tag=a"));
        assert_eq!(meant("queue history tag=a").query.as_deref(), Some("(ended) tag=a"));
        let job = |id, home: Option<&str>| JobName { id, home: home.map(str::to_owned) };
        assert_eq!(meant("queue list 17 18@redfish").jobs, [job(17, None), job(18, Some("redfish"))]);
        let session = parsed("queue cancel s18").expect_err("no job").message;
        assert_eq!(session, "s18 is a session that has ended; only jobs are meant here");
        assert!(meant("queue list -").input);
    }

    #[test]
    fn sizes_have_units() {
        for (line, bytes) in [
            ("queue --spill -- x", 1 << 30),
            ("queue --spill=10 -- x", 10),
            ("queue --spill=3k -- x", 3072),
            ("queue --spill=2G -- x", 2 << 30),
        ] {
            assert_eq!(run_of(line).spill, Some(bytes), "{line}");
        }
        for line in
            ["queue --spill=x -- x", "queue --spill=0 -- x", "queue --spill=99999999999T -- x", "queue --spill= -- x"]
        {
            assert!(parsed(line).is_err_and(|failure| failure.code == 64), "{line}");
        }
        assert_eq!(run_of("queue --tee log -- x").tee, Some(PathBuf::from("log")));
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
