//! The one table of all directives: name, type, how it is read, and what holds where nothing is said.
//! A directive that is not here does not exist; the manual and the example are tested against it.

use std::time::Duration;

use super::access::{self, Allowed, Names};
use super::effective::{usual_loadsched, usual_maxexec};
use super::fault::{Faults, Place};
use super::hours::{self, Hours};
use super::limits::{self, Rlimit, Warning};
use super::load::{self, Backlog, Load, Slots};
use super::offer::{self, Needs, Offers};
use super::program::{self, Directory, MinFrees, Program};
use super::size::{self, After, DAY, LONGEST, MINUTE, SECOND, Size};
use super::value::{self, Value};
use super::words::{self, Ageing, Exec, KeepRule, Letters, LingerRule, MailRule, Order, RestartMode, Supervisor};
use super::written::Written;
use super::{Origin, Set};

macro_rules! directives {
    ($(
        $(#[$document:meta])*
        $name:literal $(| $alias:literal)? => $field:ident: $type:ty = $read:expr, or $default:expr;
    )*) => {
        /// The names of all directives, other spellings included.
        pub const NAMES: &[&str] = &[$($name, $($alias,)?)*];

        /// What one table says: each value with its place.
        #[derive(Debug, Clone, Default, PartialEq)]
        pub(super) struct Said {
            $(pub $field: Option<(Place, $type)>,)*
        }

        /// What holds for a queue on one host.
        #[derive(Debug, Clone, PartialEq)]
        pub struct Effective {
            $($(#[$document])* pub $field: Set<$type>,)*
            /// The CPUs of the host.
            pub cpus: u32,
        }

        impl Said {
            /// What it says something about, with the lines.
            pub fn said(&self) -> Vec<(usize, &'static str)> {
                let mut said = Vec::new();
                $(said.extend(self.$field.as_ref().map(|(place, _)| (place.line, $name)));)*
                said
            }

            /// Takes a value; `None` when no directive has this name.
            pub fn take(&mut self, name: &str, value: &Value<'_>) -> Option<Result<(), Faults>> {
                let result = match name {
                    $($name $(| $alias)? => {
                        if let Some((before, _)) = &self.$field {
                            let line = before.line;
                            value.refuse(format_args!("line {line} says the same in the other spelling"))
                        } else {
                            let read: fn(&Value<'_>) -> Result<$type, Faults> = $read;
                            read(value).map(|read| self.$field = Some((value.place(), read)))
                        }
                    })*
                    _ => return None,
                };
                Some(result)
            }
        }

        impl Effective {
            /// The first of these tables that says something about a directive has the word.
            pub(super) fn of<'a>(
                tables: &[(&'a Said, Option<&'a str>)],
                queue: &str,
                cpus: u32,
            ) -> Self {
                $(
                    let said = tables.iter().find_map(|(said, host)| Some((said.$field.as_ref()?, host)));
                    let $field = match said {
                        Some(((place, value), Some(pattern))) => {
                            Set::new(value.clone(), Origin::Host { pattern: (*pattern).to_owned(), line: place.line })
                        }
                        Some(((place, value), None)) => Set::new(value.clone(), Origin::Line(place.line)),
                        None => {
                            let usual: fn(&str) -> $type = $default;
                            Set::new(usual(queue), Origin::Default)
                        }
                    };
                )*
                Self { $($field,)* cpus }.complete()
            }

            /// Every directive, its value as one would write it, and where it was said.
            pub fn lines(&self) -> Vec<(String, String, Origin)> {
                vec![$(($name.to_owned(), self.$field.value.written(), self.$field.origin.clone()),)*]
            }
        }
    };
}

directives! {
    /// Whether the queue runs jobs here.
    "exec" => exec: Exec = words::exec, or |_| Exec::On;
    /// How many run here at a time.
    "maxexec" => maxexec: Option<Slots> = load::slots, or usual_maxexec;
    /// The capacity in GNU Queue's formula.
    "vmaxexec" => vmaxexec: Option<u32> = |value| value::count_or_none(value, 0), or |_| None;
    /// The power in GNU Queue's formula.
    "pfactor" => pfactor: Option<f64> = words::power, or |_| None;
    /// Nothing is started from this load on.
    "loadsched" => loadsched: Option<Load> = load::load_or_none, or usual_loadsched;
    /// Jobs are suspended from this load on.
    "loadstop" => loadstop: Option<Load> = load::load_or_none, or |_| None;
    /// They go on below this load.
    "loadresume" => loadresume: Option<Load> = |value| load::load(value).map(Some), or |_| None;
    /// What must be free on file systems for a start.
    "minfree" => minfree: MinFrees = program::minfree, or |_| MinFrees::default();
    /// When jobs are started.
    "timesched" => timesched: Hours = hours::hours, or |_| Hours::always();
    /// When jobs run; outside they are suspended.
    "timestop" => timestop: Hours = hours::hours, or |_| Hours::always();
    /// A program that says whether jobs run.
    "program" => program: Option<Program> = program::program, or |_| None;
    /// How long it may take.
    "program-time-limit" => program_time_limit: Duration =
        |value| size::length(value, SECOND..=10 * MINUTE, "10s"), or |_| 10 * SECOND;
    /// How often it is asked.
    "program-every" => program_every: Duration =
        |value| size::length(value, 5 * SECOND..=DAY, "1m"), or |_| MINUTE;
    /// Jobs are at least this nice.
    "nice" => nice: i32 = |value| value::whole(value, -40..=40).map(|nice| nice as i32), or |_| 0;
    /// CPU time.
    "rlimitcpu" => rlimitcpu: Option<Rlimit> = limits::seconds, or |_| None;
    /// The size of a file.
    "rlimitfsize" => rlimitfsize: Option<Rlimit> = limits::bytes, or |_| None;
    /// Data.
    "rlimitdata" => rlimitdata: Option<Rlimit> = limits::bytes, or |_| None;
    /// The stack.
    "rlimitstack" => rlimitstack: Option<Rlimit> = limits::bytes, or |_| None;
    /// A core dump.
    "rlimitcore" => rlimitcore: Option<Rlimit> = limits::bytes, or |_| None;
    /// Memory in use.
    "rlimitrss" => rlimitrss: Option<Rlimit> = limits::bytes, or |_| None;
    /// Open files.
    "rlimitnofile" => rlimitnofile: Option<Rlimit> = limits::number, or |_| None;
    /// Address space.
    "rlimitvmem" | "rlimitas" => rlimitvmem: Option<Rlimit> = limits::bytes, or |_| None;
    /// Processes of the user.
    "rlimitnproc" => rlimitnproc: Option<Rlimit> = limits::number, or |_| None;
    /// Locked memory.
    "rlimitmemlock" => rlimitmemlock: Option<Rlimit> = limits::bytes, or |_| None;
    /// Whether jobs may be started again when their host crashed.
    "restart" => restart: bool = value::truth, or |_| false;
    /// Whether jobs that save themselves are moved.
    "restartmode" => restartmode: RestartMode = words::restart_mode, or |_| RestartMode::Off;
    /// The argument such a job gets when it is run again.
    "restartflag" => restartflag: String = words::argument, or |_| String::new();
    /// GNU Queue's name for the other half of `restartmode`.
    "checkpointmode" => checkpointmode: RestartMode = words::restart_mode, or |_| RestartMode::Off;
    /// Such jobs are asked to move from this load on.
    "loadcheckpoint" => loadcheckpoint: Option<Load> = load::load_or_none, or |_| None;
    /// Who is told about the queue.
    "supervisor" => supervisor: Option<Supervisor> = words::supervisor, or |_| None;
    /// When owners are told about their jobs.
    "mail" => mail: MailRule = words::letters_or_job, or |_| MailRule(None);
    /// When the supervisor is told about a job.
    "mailsupervisor" => mailsupervisor: Letters =
        words::letters, or |_| Letters { crash: true, ..Letters::default() };
    /// The host where all jobs of the queue wait.
    "home" => home: Option<String> = words::host, or |_| None;
    /// How many run in the whole cluster.
    "maxglobal" => maxglobal: Option<u32> = |value| value::count_or_none(value, 1), or |_| None;
    /// The host that counts them.
    "counted-by" => counted_by: Option<String> = words::host, or |_| None;
    /// How many may wait.
    "maxqueue" => maxqueue: Option<Backlog> = load::backlog, or |_| None;
    /// How many jobs of a user run at a time.
    "max-running-per-user" => max_running_per_user: Option<u32> = |value| value::count_or_none(value, 0), or |_| None;
    /// How many jobs of a user may wait.
    "max-queued-per-user" => max_queued_per_user: Option<u32> = |value| value::count_or_none(value, 0), or |_| None;
    /// How much of a user may lie in the spool.
    "max-spool-per-user" => max_spool_per_user: Option<Size> = size::size_or_none, or |_| None;
    /// Which of the waiting is next.
    "order" => order: Order = words::order, or |_| Order::Fair;
    /// How waiting raises priority.
    "ageing" => ageing: Option<Ageing> = words::ageing, or |_| None;
    /// Users who may use the queue.
    "allow-users" => allow_users: Allowed = access::allowed, or |_| Allowed::All;
    /// Groups who may.
    "allow-groups" => allow_groups: Allowed = access::allowed, or |_| Allowed::All;
    /// Users who may not.
    "deny-users" => deny_users: Names = access::denied, or |_| Names::default();
    /// Groups who may not.
    "deny-groups" => deny_groups: Names = access::denied, or |_| Names::default();
    /// What may be run.
    "allow-commands" => allow_commands: Allowed = access::commands, or |_| Allowed::All;
    /// How long a host is silent before its restartable jobs are started elsewhere.
    "lost-after" => lost_after: After = |value| size::after(value, "10m"), or |_| After::For(10 * MINUTE);
    /// How long a host is silent before its other jobs are given up.
    "give-up-after" => give_up_after: After = |value| size::after(value, "7d"), or |_| After::Never;
    /// How long ended jobs stay in the spool.
    "keep" => keep: KeepRule = words::keep, or |_| KeepRule(None);
    /// How long a session whose client has gone stays.
    "linger" => linger: LingerRule = words::linger, or |_| LingerRule(None);
    /// How long a session may be idle.
    "idle-limit" => idle_limit: Option<Duration> =
        |value| size::length_or("none", value, SECOND..=LONGEST, "2h"), or |_| None;
    /// Where jobs begin.
    "chdir" => chdir: Option<Directory> = program::directory, or |_| None;
    /// How long a job may run that says nothing.
    "time-limit" => time_limit: Option<Duration> =
        |value| size::length_or("none", value, SECOND..=LONGEST, "12h"), or |_| None;
    /// From TERM to KILL.
    "grace" => grace: Duration = |value| size::length(value, Duration::ZERO..=DAY, "10s"), or |_| 10 * SECOND;
    /// A signal before the time is up.
    "warn" => warn: Option<Warning> = limits::warning, or |_| None;
    /// Memory of a job that says nothing.
    "memory" => memory: Option<Size> = size::size_or_none, or |_| None;
    /// CPUs of a job that says nothing.
    "cpus" => cpus_per_job: u32 = |value| value::count(value, 1), or |_| 1;
    /// The longest time a job may ask for.
    "max-time-limit" => max_time_limit: Option<Duration> =
        |value| size::length_or("none", value, SECOND..=LONGEST, "7d"), or |_| None;
    /// The most memory a job may ask for.
    "max-memory" => max_memory: Option<Size> = size::size_or_none, or |_| None;
    /// The most CPUs a job may ask for.
    "max-cpus" => max_cpus: Option<u32> = |value| value::count_or_none(value, 1), or |_| None;
    /// What jobs need besides what they say.
    "needs" => needs: Needs = offer::needs, or |_| Needs::default();
    /// What the host offers.
    "offer" => offer: Offers = offer::offers, or |_| Offers::default();
    /// A program before each attempt.
    "prolog" => prolog: Option<Program> = program::program, or |_| None;
    /// How long it may take.
    "prolog-time-limit" => prolog_time_limit: Duration =
        |value| size::length(value, SECOND..=DAY, "1m"), or |_| MINUTE;
    /// A program after each attempt.
    "epilog" => epilog: Option<Program> = program::program, or |_| None;
    /// How long it may take.
    "epilog-time-limit" => epilog_time_limit: Duration =
        |value| size::length(value, SECOND..=DAY, "1m"), or |_| MINUTE;
    /// Added to the priority of each job.
    "priority" => priority: i32 =
        |value| value::whole(value, -1000..=1000).map(|priority| priority as i32), or |_| 0;
    /// The highest priority a job may ask for.
    "max-priority" => max_priority: Option<i32> = |value| {
        value::whole_or_none(value, -1000..=1000).map(|priority| priority.map(|priority| priority as i32))
    }, or |_| None;
}
