//! What must fit together within a profile. Of what depends on the host, `effective` takes care.

use super::Profile;
use super::directives::Said;
use super::fault::{Fault, Place};
use super::written::Written;

/// Everything that does not.
pub(super) fn faults(profile: &Profile) -> Vec<Fault> {
    let top = &profile.top;
    let tables = || std::iter::once(top).chain(profile.hosts.iter().map(|table| &table.said));
    let stops_somewhere = tables().any(|said| matches!(said.loadstop, Some((_, Some(_)))));
    tables().flat_map(|said| resume(said, top, stops_somewhere).into_iter().chain(limits(said))).collect()
}

/// A `loadresume` needs a `loadstop` above it: that beside it, else that outside of tables, else any.
fn resume(said: &Said, top: &Said, stops_somewhere: bool) -> Option<Fault> {
    let (place, Some(resume)) = said.loadresume.as_ref()? else {
        return None;
    };
    let beside = said.loadstop.as_ref().or(top.loadstop.as_ref());
    let fault = |expected: String| Some(place.fault(format!("loadresume = {}: {expected}", resume.written())));
    match beside {
        Some((stop_place, Some(stop))) if resume.is_below(*stop) == Some(false) => {
            let line = stop_place.line;
            fault(format!("less than loadstop is expected, which is {} in line {line}", stop.written()))
        }
        Some((_, Some(_))) => None,
        None if stops_somewhere => None,
        _ => fault("has no meaning without loadstop, the load from which jobs are suspended".to_owned()),
    }
}

/// What a table gives to jobs that say nothing, it must let them have.
fn limits(said: &Said) -> Vec<Fault> {
    let cpus = said.cpus_per_job.as_ref().map(|(place, cpus)| (*place, Some(*cpus)));
    let faults = [
        above("time-limit", said.time_limit.as_ref(), said.max_time_limit.as_ref()),
        above("memory", said.memory.as_ref(), said.max_memory.as_ref()),
        above("cpus", cpus.as_ref(), said.max_cpus.as_ref()),
    ];
    faults.into_iter().flatten().collect()
}

fn above<T: PartialOrd + Written>(
    name: &str,
    value: Option<&(Place, Option<T>)>,
    most: Option<&(Place, Option<T>)>,
) -> Option<Fault> {
    let ((place, Some(value)), (most_place, Some(most))) = (value?, most?) else {
        return None;
    };
    (value > most).then(|| {
        let (value, most, line) = (value.written(), most.written(), most_place.line);
        place.fault(format!("{name} = {value}: at most max-{name} is expected, which is {most} in line {line}"))
    })
}
