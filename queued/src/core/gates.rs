//! May a queue of this host start jobs now, and may those that run go on? The gates of its profile and the orders of
//! an admin, judged by what was measured. Who measures, and who suspends, is the daemon.
//!
//! | gate | starts nothing | suspends what runs |
//! |---|---|---|
//! | `exec`: drain, off | yes | no; off ends it |
//! | an admin's drain, pause | yes | a pause |
//! | `timestop`, outside | yes | yes |
//! | `loadstop`, at or above | yes | yes, until the load is below `loadresume` |
//! | `program`: 1, 2, anything else | yes | 1 |
//! | `timesched`, outside | yes | no |
//! | `loadsched`, at or above | yes | no |
//! | `minfree`, less is free | yes | no |

use super::reports::figures::size;

/// What a profile demands; loads are those of the whole host.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Gates {
    /// `exec`.
    pub exec: Exec,
    /// Jobs start while the load is below it.
    pub loadsched: Option<f64>,
    /// Jobs are suspended when the load reaches it.
    pub loadstop: Option<f64>,
    /// Then they go on when it is below this one.
    pub loadresume: Option<f64>,
    /// So much must be free, bytes, in each of these places.
    pub minfree: Vec<(String, u64)>,
    /// The program that is asked, for messages.
    pub program: Option<String>,
}

/// Whether a queue runs jobs on this host at all.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Exec {
    /// As every queue.
    #[default]
    On,
    /// What runs may end.
    Drain,
    /// What runs is ended.
    Off,
}

/// What was measured.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Facts {
    /// Tasks that want a CPU, smoothed over seconds: what the load is now.
    pub runnable: f64,
    /// The load average over one minute.
    pub load1: f64,
    /// `timesched` at this moment.
    pub timesched: Hours,
    /// `timestop` at this moment.
    pub timestop: Hours,
    /// What is free in each place of `minfree`, in that order; an error says why that is not known.
    pub free: Vec<Result<u64, String>>,
    /// What `program` said last; none: it has not been asked yet, or there is none.
    pub program: Option<Said>,
    /// What an admin has ordered.
    pub order: Option<Order>,
}

/// A time specification at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hours {
    /// Whether it fits.
    pub open: bool,
    /// Minutes until that changes; none: it never does.
    pub changes_in: Option<u32>,
}

impl Default for Hours {
    fn default() -> Self {
        Self { open: true, changes_in: None }
    }
}

/// What a queue's program said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// 0: run.
    Run,
    /// 1: suspend.
    Suspend,
    /// 2 or 4: start nothing.
    Drain,
    /// Anything else, in words: `exited with 7`, `did not answer within 10 s`.
    Failed(String),
}

/// What an admin has ordered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    /// Start nothing.
    Drain,
    /// Start nothing, and suspend what runs.
    Pause,
}

/// What follows for a queue.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Verdict {
    /// Why nothing is started, in words that follow the queue's name.
    pub shut: Option<String>,
    /// Why what runs is suspended, in such words.
    pub suspended: Option<String>,
    /// Whether what runs is ended.
    pub ends: bool,
    /// Whether the load suspends it, which takes less load to end than to begin.
    pub by_load: bool,
}

/// Judges a queue; `by_load` is what the last verdict said of that.
pub fn judge(gates: &Gates, facts: &Facts, by_load: bool) -> Verdict {
    let load = over_load(gates, facts, by_load);
    let suspended = paused(facts).or_else(|| outside_timestop(facts)).or_else(|| load.clone());
    let suspended = suspended.or_else(|| told_to_suspend(gates, facts));
    let shut = exec(gates).or_else(|| drained(facts)).or_else(|| suspended.clone());
    let shut = shut.or_else(|| told_to_drain(gates, facts)).or_else(|| outside_timesched(facts));
    let shut = shut.or_else(|| busy(gates, facts)).or_else(|| lacks_room(gates, facts));
    Verdict { shut, suspended, ends: gates.exec == Exec::Off, by_load: load.is_some() }
}

fn exec(gates: &Gates) -> Option<String> {
    match gates.exec {
        Exec::On => None,
        Exec::Drain => Some("is draining here (exec = \"drain\")".to_owned()),
        Exec::Off => Some("is off here (exec = \"off\")".to_owned()),
    }
}

fn drained(facts: &Facts) -> Option<String> {
    (facts.order == Some(Order::Drain)).then(|| "is drained by its admin, until queue undrain".to_owned())
}

fn paused(facts: &Facts) -> Option<String> {
    (facts.order == Some(Order::Pause)).then(|| "is paused by its admin, until queue resume".to_owned())
}

fn outside_timestop(facts: &Facts) -> Option<String> {
    (!facts.timestop.open).then(|| format!("is outside its hours (timestop){}", until(facts.timestop)))
}

fn outside_timesched(facts: &Facts) -> Option<String> {
    (!facts.timesched.open).then(|| format!("is outside its hours (timesched){}", until(facts.timesched)))
}

fn until(hours: Hours) -> String {
    hours.changes_in.map_or(String::new(), |minutes| match (minutes / 60, minutes % 60) {
        (0, minutes) => format!("; it opens in {minutes} min"),
        (hours, 0) => format!("; it opens in {hours} h"),
        (hours, minutes) => format!("; it opens in {hours} h {minutes} min"),
    })
}

/// The load average lags by a minute: that is what keeps jobs from being suspended and woken every few seconds.
fn over_load(gates: &Gates, facts: &Facts, by_load: bool) -> Option<String> {
    let stop = gates.loadstop?;
    let below = if by_load { gates.loadresume.unwrap_or(stop) } else { stop };
    (facts.load1 >= below).then(|| format!("is suspended until the load is below {below:.1} (now {:.1})", facts.load1))
}

/// Of a load average that lags behind an idle host and a burst that is over in a moment, neither keeps it shut.
fn busy(gates: &Gates, facts: &Facts) -> Option<String> {
    let below = gates.loadsched?;
    let load = facts.load1.min(facts.runnable);
    (load >= below).then(|| format!("waits for a load below {below:.1} (now {load:.1})"))
}

fn told_to_suspend(gates: &Gates, facts: &Facts) -> Option<String> {
    let program = gates.program.as_ref()?;
    (facts.program == Some(Said::Suspend)).then(|| format!("is suspended by its program {program}"))
}

fn told_to_drain(gates: &Gates, facts: &Facts) -> Option<String> {
    let program = gates.program.as_ref()?;
    match facts.program.as_ref() {
        None => Some(format!("waits for the first answer of its program {program}")),
        Some(Said::Drain) => Some(format!("is drained by its program {program}")),
        Some(Said::Failed(how)) => Some(format!("starts nothing because its program {program} {how}")),
        Some(Said::Run | Said::Suspend) => None,
    }
}

fn lacks_room(gates: &Gates, facts: &Facts) -> Option<String> {
    let mut places = gates.minfree.iter().zip(&facts.free);
    places.find_map(|((path, least), free)| match free {
        Ok(free) if free >= least => None,
        Ok(free) => Some(format!("waits for {} free on {path} (now {})", size(*least), size(*free))),
        Err(why) => Some(format!("cannot tell how much is free on {path}: {why}")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shut(gates: &Gates, facts: &Facts) -> String {
        judge(gates, facts, false).shut.unwrap_or_default()
    }

    #[test]
    fn without_gates_a_queue_is_open() {
        assert_eq!(
            judge(&Gates::default(), &Facts { load1: 99.0, runnable: 99.0, ..Facts::default() }, false),
            Verdict::default()
        );
    }

    #[test]
    fn exec_drain_starts_nothing_and_off_ends_what_runs() {
        let of = |exec| judge(&Gates { exec, ..Gates::default() }, &Facts::default(), false);
        assert_eq!(of(Exec::Drain).shut.as_deref(), Some("is draining here (exec = \"drain\")"));
        assert_eq!((of(Exec::Drain).ends, of(Exec::Drain).suspended), (false, None));
        assert!(of(Exec::Off).ends && of(Exec::Off).shut.is_some());
    }

    #[test]
    fn an_order_to_pause_suspends_and_one_to_drain_does_not() {
        let of = |order| judge(&Gates::default(), &Facts { order: Some(order), ..Facts::default() }, false);
        assert_eq!(of(Order::Drain).suspended, None);
        assert_eq!(of(Order::Drain).shut.as_deref(), Some("is drained by its admin, until queue undrain"));
        assert_eq!(of(Order::Pause).suspended.as_deref(), Some("is paused by its admin, until queue resume"));
        assert_eq!(of(Order::Pause).shut, of(Order::Pause).suspended);
    }

    #[test]
    fn loadsched_shuts_only_while_average_and_moment_agree() {
        let gates = Gates { loadsched: Some(4.0), ..Gates::default() };
        let of = |load1, runnable| shut(&gates, &Facts { load1, runnable, ..Facts::default() });
        assert_eq!(of(9.0, 1.0), "", "the average lags behind");
        assert_eq!(of(1.0, 9.0), "", "a moment");
        assert_eq!(of(9.25, 5.0), "waits for a load below 4.0 (now 5.0)");
        assert_eq!(of(4.0, 4.0), "waits for a load below 4.0 (now 4.0)");
    }

    #[test]
    fn loadstop_takes_less_load_to_end_than_to_begin() {
        let gates = Gates { loadstop: Some(8.0), loadresume: Some(6.0), ..Gates::default() };
        let of = |load1, by_load| judge(&gates, &Facts { load1, ..Facts::default() }, by_load);
        assert!(of(7.9, false).suspended.is_none());
        let stopped = of(8.0, false);
        assert_eq!(stopped.suspended.as_deref(), Some("is suspended until the load is below 8.0 (now 8.0)"));
        assert!(stopped.by_load && stopped.shut == stopped.suspended);
        assert!(of(6.5, true).by_load);
        assert_eq!(of(5.9, true), Verdict::default());
    }

    #[test]
    fn hours_say_when_they_open() {
        let closed = |minutes| Hours { open: false, changes_in: minutes };
        let facts = |timesched, timestop| Facts { timesched, timestop, ..Facts::default() };
        let gates = Gates::default();
        assert_eq!(
            shut(&gates, &facts(closed(Some(200)), Hours::default())),
            "is outside its hours (timesched); it opens in 3 h 20 min"
        );
        assert!(shut(&gates, &facts(closed(Some(59)), Hours::default())).ends_with("in 59 min"));
        assert!(shut(&gates, &facts(closed(None), Hours::default())).ends_with("(timesched)"));
        let stopped = judge(&gates, &facts(Hours::default(), closed(Some(60))), false);
        assert_eq!(stopped.suspended.as_deref(), Some("is outside its hours (timestop); it opens in 1 h"));
    }

    #[test]
    fn minfree_names_the_place_and_what_is_there() {
        let minfree = vec![("/".to_owned(), 1 << 20), ("/scratch".to_owned(), 10 << 30)];
        let gates = Gates { minfree, ..Gates::default() };
        let of = |free| shut(&gates, &Facts { free, ..Facts::default() });
        assert_eq!(of(vec![Ok(1 << 30), Ok(10 << 30)]), "");
        assert_eq!(of(vec![Ok(1 << 30), Ok(3 << 29)]), "waits for 10.0 GiB free on /scratch (now 1.5 GiB)");
        assert_eq!(
            of(vec![Ok(1 << 30), Err("no such file or directory".to_owned())]),
            "cannot tell how much is free on /scratch: no such file or directory"
        );
    }

    #[test]
    fn a_program_is_asked_before_anything_starts() {
        let gates = Gates { program: Some("/etc/busy".to_owned()), ..Gates::default() };
        let of = |said| judge(&gates, &Facts { program: said, ..Facts::default() }, false);
        assert!(of(None).shut.is_some_and(|words| words.starts_with("waits for the first answer")));
        assert_eq!(of(Some(Said::Run)), Verdict::default());
        assert!(of(Some(Said::Suspend)).suspended.is_some());
        assert_eq!(of(Some(Said::Drain)).shut.as_deref(), Some("is drained by its program /etc/busy"));
        let failed = of(Some(Said::Failed("exited with 7".to_owned())));
        assert_eq!(failed.shut.as_deref(), Some("starts nothing because its program /etc/busy exited with 7"));
        assert_eq!(failed.suspended, None);
    }
}
