//! What a queue says of how its jobs run, applied to a job whose warrant was verified: it gets the lower one of what
//! it asked for and what its queue gives, and begins where the queue says.

use wire::ByteString;
use wire::api::{Refusal, RefusalKind};
use wire::job::{Job, Limit, TimeLimit};
use wire::limits::size;

use crate::link::{Directory, Terms};
use crate::runner::prepare::refusal;

/// Has the job run as its queue says. Its hard limits, by name, which the job has no word for.
///
/// # Errors
/// It asks for more than the queue gives.
pub fn apply(terms: &Terms, job: &mut Job) -> Result<Vec<(String, u64)>, Refusal> {
    if let Some(nice) = terms.nice {
        job.nice = job.nice.max(nice).clamp(-20, 19);
    }
    for bounds in &terms.limits {
        let Some(soft) = bounds.soft.into_iter().chain(bounds.hard).min() else { continue };
        lower(&mut job.limits, &bounds.name, soft);
    }
    if let Some(directory) = &terms.chdir {
        begin_in(job, directory)?;
    }
    job.time = time(terms, job)?;
    job.memory = memory(terms, job)?;
    let mut hard =
        terms.limits.iter().filter_map(|bounds| Some((bounds.name.clone(), bounds.hard?))).collect::<Vec<_>>();
    if let Some(memory) = job.memory {
        // What no single process can ask for, it need not be ended for.
        lower(&mut job.limits, ADDRESS_SPACE, memory);
        let queue = hard.iter().position(|(name, _)| name == ADDRESS_SPACE).map(|at| hard.swap_remove(at).1);
        hard.push((ADDRESS_SPACE.to_owned(), queue.map_or(memory, |queue| queue.min(memory))));
    }
    Ok(hard)
}

/// The name of the limit that stands for memory where there is no other.
const ADDRESS_SPACE: &str = "as";

fn lower(limits: &mut Vec<Limit>, name: &str, soft: u64) {
    match limits.iter_mut().find(|limit| limit.name == name) {
        Some(limit) => limit.soft = Some(limit.soft.map_or(soft, |own| own.min(soft))),
        None => limits.push(Limit { name: name.to_owned(), soft: Some(soft) }),
    }
}

/// How much memory the job may have: as it says, or as its queue does.
fn memory(terms: &Terms, job: &Job) -> Result<Option<u64>, Refusal> {
    match (job.memory, terms.most_memory) {
        (Some(asked), Some(most)) if asked > most => {
            let (asked, most, queue) = (size(asked), size(most), &job.queue);
            let message =
                format!("a memory limit of {asked} is more than queue \"{queue}\" gives here (at most {most})");
            Err(refusal(RefusalKind::Usage, message))
        }
        (Some(asked), _) => Ok(Some(asked)),
        (None, most) => Ok(terms.memory.into_iter().chain(most).min()),
    }
}

/// A shell believes `PWD` where it names the directory, and tools that are none believe it anyway.
fn begin_in(job: &mut Job, directory: &Directory) -> Result<(), Refusal> {
    job.directory = match directory {
        Directory::Path(path) => path.clone(),
        Directory::Home => home().ok_or_else(|| {
            let message = format!("queue \"{}\" has its jobs begin at home, and you have no home directory", job.queue);
            refusal(RefusalKind::NoDirectory, message)
        })?,
    };
    let pwd = ByteString([b"PWD=", job.directory.0.as_slice()].concat());
    for entry in job.environment.iter_mut().filter(|entry| entry.0.starts_with(b"PWD=")) {
        entry.clone_from(&pwd);
    }
    Ok(())
}

/// As this process knows it, which began with what the user has.
fn home() -> Option<ByteString> {
    let own = std::env::var_os("HOME").filter(|home| home.as_encoded_bytes().starts_with(b"/"));
    let known = || sys::credentials::home_directory(sys::credentials::own_uid()).map(Into::into);
    own.or_else(known).map(ByteString::from)
}

/// How long the job may run: as it says, or as its queue does. What is limited is limited also for who says nothing.
fn time(terms: &Terms, job: &Job) -> Result<Option<TimeLimit>, Refusal> {
    if let Some(limit) = &job.time
        && let Some(words) = terms.too_long(&job.queue, limit.seconds)
    {
        return Err(refusal(RefusalKind::Usage, words));
    }
    let own = job.time.clone().or_else(|| {
        let seconds = terms.time_s.into_iter().chain(terms.most_time_s).min()?;
        Some(TimeLimit { seconds, warn: None, grace_s: None })
    });
    Ok(own.map(|limit| TimeLimit {
        seconds: limit.seconds,
        warn: limit.warn.or_else(|| terms.warn.clone()).filter(|warn| warn.before_s < limit.seconds),
        grace_s: limit.grace_s.or(terms.grace_s),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link::Bounds;
    use wire::job::Warn;

    fn job() -> Job {
        let text = r#"{"argv":["true"],"environment":["PWD=/tmp","A=b"],"directory":"/tmp","umask":18,"nice":3,
            "limits":[{"name":"nofile","soft":1024},{"name":"core","soft":null}],"ignored_signals":[],
            "descriptors":["pipe","pipe","pipe"],"queue":"night","home":"h","submit_key":"k"}"#;
        serde_json::from_str(text).expect("a job")
    }

    fn limit(job: &Job, name: &str) -> Option<u64> {
        job.limits.iter().find(|limit| limit.name == name).and_then(|limit| limit.soft)
    }

    #[test]
    fn terms_that_say_nothing_change_nothing() {
        let mut changed = job();
        assert_eq!(apply(&Terms::default(), &mut changed), Ok(vec![]));
        assert_eq!(changed, job());
    }

    #[test]
    fn the_lower_limit_and_the_greater_niceness_count() {
        let bounds = |name: &str, soft, hard| Bounds { name: name.to_owned(), soft, hard };
        let limits = vec![
            bounds("nofile", Some(2000), Some(3000)),
            bounds("core", Some(0), None),
            bounds("cpu", None, Some(60)),
            bounds("nproc", None, None),
        ];
        let terms = Terms { nice: Some(40), limits, ..Terms::default() };
        let mut limited = job();
        let hard = apply(&terms, &mut limited).expect("nothing is asked for");
        assert_eq!(hard, [("nofile".to_owned(), 3000), ("cpu".to_owned(), 60)]);
        let soft = ["nofile", "core", "cpu", "nproc"].map(|name| limit(&limited, name));
        assert_eq!(soft, [Some(1024), Some(0), Some(60), None]);
        assert_eq!(limited.nice, 19);
        let mut kept = job();
        apply(&Terms { nice: Some(-5), ..Terms::default() }, &mut kept).expect("nothing is asked for");
        assert_eq!(kept.nice, 3);
    }

    #[test]
    fn a_queue_says_where_its_jobs_begin_and_pwd_follows() {
        let mut moved = job();
        let terms = Terms { chdir: Some(Directory::Path("/srv".into())), ..Terms::default() };
        apply(&terms, &mut moved).expect("nothing is asked for");
        assert_eq!((moved.directory.display(), moved.environment[0].display()), ("/srv".into(), "PWD=/srv".into()));
    }

    #[test]
    fn a_memory_limit_is_one_of_the_address_space_too() {
        let terms = |memory, most_memory| Terms { memory, most_memory, ..Terms::default() };
        let given = |terms: &Terms, own| {
            let mut job = Job { memory: own, ..job() };
            apply(terms, &mut job).map(|hard| (job.memory, limit(&job, "as"), hard))
        };
        let all = |bytes: u64| Ok((Some(bytes), Some(bytes), vec![("as".to_owned(), bytes)]));
        assert_eq!(given(&terms(None, None), None), Ok((None, None, vec![])));
        assert_eq!(given(&terms(Some(5 << 20), Some(9 << 20)), None), all(5 << 20));
        assert_eq!(given(&terms(Some(5 << 20), Some(9 << 20)), Some(8 << 20)), all(8 << 20));
        assert_eq!(given(&terms(None, Some(9 << 20)), None), all(9 << 20));
        let words = "a memory limit of 8 GiB is more than queue \"night\" gives here (at most 1 GiB)";
        let refused = given(&terms(None, Some(1 << 30)), Some(8 << 30)).expect_err("too much");
        assert_eq!((refused.kind, refused.message), (RefusalKind::Usage, words.to_owned()));
        let soft = Bounds { name: "as".into(), soft: Some(3), hard: Some(4) };
        let both = Terms { limits: vec![soft], ..terms(Some(5), None) };
        assert_eq!(given(&both, None), Ok((Some(5), Some(3), vec![("as".to_owned(), 4)])));
    }

    #[test]
    fn the_time_is_the_jobs_own_or_the_queues_and_never_above_the_most() {
        let terms = |time_s, most_time_s| {
            let warn = Some(Warn { signal: "USR1".into(), before_s: 60 });
            Terms { time_s, most_time_s, warn, grace_s: Some(5), ..Terms::default() }
        };
        let given = |terms: &Terms, own: Option<u64>| {
            let mut job = job();
            job.time = own.map(|seconds| TimeLimit { seconds, warn: None, grace_s: Some(1) });
            apply(terms, &mut job).map(|_| job.time.map(|time| (time.seconds, time.warn.is_some(), time.grace_s)))
        };
        assert_eq!(given(&terms(None, None), None), Ok(None));
        assert_eq!(given(&terms(Some(600), None), None), Ok(Some((600, true, Some(5)))));
        assert_eq!(given(&terms(Some(600), None), Some(7200)), Ok(Some((7200, true, Some(1)))));
        assert_eq!(given(&terms(None, Some(3600)), None), Ok(Some((3600, true, Some(5)))));
        assert_eq!(given(&terms(Some(30), Some(3600)), None), Ok(Some((30, false, Some(5)))), "no time to warn");
        let words = "a time limit of 2 h is more than queue \"night\" gives here (at most 1 h)";
        let refused = given(&terms(None, Some(3600)), Some(7200)).expect_err("too long");
        assert_eq!((refused.kind, refused.message), (RefusalKind::Usage, words.to_owned()));
    }
}
