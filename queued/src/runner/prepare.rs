//! What a runner checks, as the user, before it makes a leader ready: the warrant, the working
//! directory, the command. Every failure is a refusal before the start, with its reason.

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::unistd::{AccessFlags, access};
use wire::ByteString;
use wire::api::{Refusal, RefusalKind};
use wire::identity::{Trust, Verified};
use wire::job::{Descriptor, Job};

use crate::core::resources::Taken;
use crate::leader::Assignment;
use crate::link::Prepare;
use crate::runner::convert::words;
use crate::runner::given;
use crate::runner::tee::Tee;
use crate::runner::terms;

/// The assignment for a job that may run here, else the refusal.
///
/// # Errors
/// The sentence to be shown and its kind.
pub fn check(prepare: Prepare, host: &str, place: &str, trust: &Trust, now_unix: i64) -> Result<Assignment, Refusal> {
    let Prepare { session, job_id, mut job, warrant, taken, terms, .. } = prepare;
    let verified: Verified = warrant
        .verify(&job.digest(), trust, now_unix)
        .map_err(|error| refusal(RefusalKind::Failed, format!("the job's warrant is refused: {error}")))?;
    let hard_limits = terms::apply(&terms, &mut job)?;
    reasonable(&job).map_err(|message| refusal(RefusalKind::Usage, message))?;
    enter(&job)?;
    let program = find(&job)?;
    if let Some(path) = &job.tee {
        Tee::check(Path::new(path.as_os_str())).map_err(|why| refusal(RefusalKind::NoDirectory, why))?;
    }
    // A descriptor of the client's exists only on its own host and comes with its connection;
    // until then it is a pipe.
    for descriptor in &mut job.descriptors {
        if *descriptor == Descriptor::Client {
            *descriptor = Descriptor::Pipe;
        }
    }
    let variables = variables(&job, job_id, host, &taken);
    Ok(Assignment {
        session,
        place: place.to_owned(),
        job_id,
        user: verified.identity.user,
        session_key: verified.public_key,
        program: program.into_os_string().into(),
        variables,
        job,
        hard_limits,
        attempt: None,
        taken,
    })
}

/// Variables that every job finds besides its own.
fn variables(job: &Job, job_id: u64, host: &str, taken: &Taken) -> Vec<ByteString> {
    let own = [
        ("QUEUE", "i".to_owned()),
        ("QUEUE_JOB_ID", job_id.to_string()),
        ("QUEUE_QUEUE", job.queue.clone()),
        ("QUEUE_HOST", host.to_owned()),
        ("QUEUE_HOME_HOST", job.home.clone()),
        ("QUEUE_SUBMIT_HOST", job.home.clone()),
        ("QUEUE_ATTEMPT", "1".to_owned()),
    ];
    let own = own.into_iter().map(|(name, value)| (name.to_owned(), value));
    let all = own.chain(given::variables(taken));
    all.map(|(name, value)| ByteString(format!("{name}={value}").into_bytes())).collect()
}

/// A refusal in these words.
pub(super) fn refusal(kind: RefusalKind, message: String) -> Refusal {
    Refusal { kind, message }
}

/// What execve could not take in any case.
pub(super) fn reasonable(job: &Job) -> Result<(), String> {
    if job.argv.first().is_none_or(|name| name.0.is_empty()) {
        return Err("no command was given".to_owned());
    }
    let all = || job.argv.iter().chain(&job.environment);
    if all().any(|text| text.0.contains(&0)) {
        return Err("an argument or variable contains a NUL byte".to_owned());
    }
    let stack = job.limits.iter().find(|limit| limit.name == "stack").and_then(|limit| limit.soft);
    let space = sys::limits::argument_space(stack);
    let needed = all().map(|text| text.0.len() + 1 + size_of::<usize>()).sum::<usize>();
    if needed > space {
        return Err(format!("arguments and environment take {needed} bytes; the kernel allows {space}"));
    }
    Ok(())
}

/// Whether its directory can be entered.
pub(super) fn enter(job: &Job) -> Result<(), Refusal> {
    let directory = Path::new(job.directory.as_os_str());
    let shown = job.directory.display();
    let why = match std::fs::metadata(directory) {
        Ok(found) if !found.is_dir() => "it is not a directory".to_owned(),
        Ok(_) => match access(directory, AccessFlags::X_OK) {
            Ok(()) => return Ok(()),
            Err(error) => words(&error.into()),
        },
        Err(error) => words(&error),
    };
    Err(refusal(RefusalKind::NoDirectory, format!("cannot enter {shown}: {why}")))
}

/// Looks for the command as execvp(3) does, from the job's directory and with the job's PATH.
pub(super) fn find(job: &Job) -> Result<PathBuf, Refusal> {
    let name = &job.argv[0];
    let shown = name.display();
    let directory = Path::new(job.directory.as_os_str());
    let mut forbidden = None;
    for candidate in candidates(job) {
        match executable(&directory.join(&candidate)) {
            Ok(()) => return Ok(candidate),
            Err(Errno::ENOENT | Errno::ENOTDIR) => {}
            Err(error) => forbidden = forbidden.or(Some((candidate, error))),
        }
    }
    Err(match forbidden {
        Some((path, error)) => refusal(
            RefusalKind::NotExecutable,
            format!("cannot execute {}: {}", ByteString::from(path.into_os_string()).display(), words(&error.into())),
        ),
        None => refusal(RefusalKind::NotFound, format!("{shown}: command not found")),
    })
}

fn candidates(job: &Job) -> Vec<PathBuf> {
    let name = Path::new(job.argv[0].as_os_str());
    if name.as_os_str().as_bytes().contains(&b'/') {
        return vec![name.to_owned()];
    }
    let path = job.environment.iter().find_map(|entry| entry.0.strip_prefix(b"PATH=")).unwrap_or(USUAL_PATH);
    path.split(|byte| *byte == b':')
        .map(|part| if part.is_empty() { Path::new(".") } else { Path::new(std::ffi::OsStr::from_bytes(part)) })
        .map(|part| part.join(name))
        .collect()
}

fn executable(path: &Path) -> Result<(), Errno> {
    let text = CString::new(path.as_os_str().as_bytes()).map_err(|_| Errno::ENOENT)?;
    let found = nix::sys::stat::stat(text.as_c_str())?;
    if found.st_mode & nix::libc::S_IFMT == nix::libc::S_IFDIR {
        return Err(Errno::EISDIR);
    }
    access(text.as_c_str(), AccessFlags::X_OK)
}

/// Where commands are looked for in an environment without PATH.
pub(super) const USUAL_PATH: &[u8] = b"/usr/local/bin:/usr/bin:/bin";
