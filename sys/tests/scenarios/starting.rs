//! A job starts with exactly the surroundings it was given, or it is said why not.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsFd, AsRawFd};

use sys::postfork::{Bound, Stage, start};
use sys::process::{Change, wait_any};
use sys::{descriptors, limits, signal};

use crate::harness::scenarios;
use crate::leader::{output_of, plan, rest_of, role, standard, words};
use crate::roles::dumpable;

scenarios![
    a_missing_program_is_said_to_be_missing,
    a_missing_directory_is_said_to_be_missing,
    a_limit_that_does_not_exist_is_an_error,
    a_job_has_the_surroundings_it_was_given,
    a_job_inherits_no_other_descriptor,
    a_job_does_not_inherit_ignored_or_blocked_signals,
    ignored_signals_are_those_the_job_was_given,
    descriptors_may_be_exchanged,
    closed_standard_descriptors_do_no_harm,
    the_argument_space_is_what_the_kernel_gives,
    what_a_job_used_comes_with_its_end,
    a_start_leaves_no_descriptor_open,
    job_and_starter_may_dump_core,
];

fn a_missing_program_is_said_to_be_missing() {
    let argv = words(&[c"/does/not/exist"]);
    let error = start(&plan(&argv, standard())).unwrap_err();
    assert_eq!(error.stage, Stage::Exec);
    assert_eq!(error.source.raw_os_error(), Some(libc::ENOENT));
    assert!(error.to_string().starts_with("cannot execute the program: "), "{error}");
    assert_eq!(wait_any().unwrap(), None, "the child was not reaped");
}

fn a_missing_directory_is_said_to_be_missing() {
    let argv = words(&[c"/bin/true"]);
    let mut plan = plan(&argv, standard());
    plan.directory = c"/does/not/exist";
    let error = start(&plan).unwrap_err();
    assert_eq!(error.stage, Stage::Directory);
    assert_eq!(error.source.raw_os_error(), Some(libc::ENOENT));
    assert_eq!(wait_any().unwrap(), None, "the child was not reaped");
}

fn a_limit_that_does_not_exist_is_an_error() {
    let argv = words(&[c"/bin/true"]);
    let mut plan = plan(&argv, standard());
    plan.limits = &[Bound { resource: 99, soft: 1, hard: 1 }];
    let error = start(&plan).unwrap_err();
    assert_eq!(error.stage, Stage::Limits);
    assert_eq!(error.source.raw_os_error(), Some(libc::EINVAL));
}

fn a_job_has_the_surroundings_it_was_given() {
    let argv = role(&["describe", "with space", ""]);
    let environment: [CString; 1] = [c"COLOUR=green blue".into()];
    let directory = std::env::temp_dir();
    let place = CString::new(directory.to_str().unwrap()).unwrap();
    let nofile = limits::resource("nofile").unwrap();
    let core = limits::resource("core").unwrap();
    let bound = |resource, soft| Bound { resource, soft, hard: u64::MAX };
    let limits = [bound(nofile, 123), bound(core, u64::MAX)];
    let (text, change) = output_of(|output| {
        let mut plan = plan(&argv, [output; 3]);
        plan.environment = &environment;
        plan.directory = &place;
        plan.umask = 0o137;
        plan.nice = 7;
        plan.limits = &limits;
        start(&plan)
    });
    assert_eq!(change, Change::Exited(0), "{text}");
    for line in [
        "arguments [\"with space\", \"\"]",
        "environment [(\"COLOUR\", \"green blue\")]",
        &format!("directory {}", directory.display()),
        "umask 137",
        "nice 7",
        "limit nofile Some(123)",
        "ignored []",
        "blocked 0000000000000000",
        "own group true",
    ] {
        assert!(text.lines().any(|found| found == line), "no {line:?} in {text}");
    }
}

fn a_job_inherits_no_other_descriptor() {
    let argv = role(&["describe"]);
    let (read, _write) = descriptors::pipe().unwrap();
    for number in [10, 500] {
        // Open and to be inherited, like what some library forgot.
        // SAFETY: dup2 takes plain numbers; nobody owns these two.
        assert_eq!(unsafe { libc::dup2(read.as_raw_fd(), number) }, number);
    }
    let (text, _) = output_of(|output| start(&plan(&argv, [output; 3])));
    assert!(text.contains("descriptors [\"0\", \"1\", \"2\"]"), "{text}");
}

fn a_job_does_not_inherit_ignored_or_blocked_signals() {
    signal::ignore(libc::SIGHUP).unwrap();
    signal::ignore(signal::number("RTMIN+5").unwrap()).unwrap();
    signal::ignore(signal::number("RTMIN-1").unwrap()).unwrap();
    let _signals = signal::Signals::block(&[libc::SIGTERM, libc::SIGCHLD]).unwrap();
    let argv = role(&["describe"]);
    let (text, _) = output_of(|output| start(&plan(&argv, [output; 3])));
    assert!(text.contains("ignored []\nblocked 0000000000000000\n"), "{text}");
}

/// `nohup queue` works by this. PIPE is the one that the Rust runtime changes before main.
fn ignored_signals_are_those_the_job_was_given() {
    let argv = role(&["describe"]);
    let last = signal::number("RTMAX").unwrap();
    let ignored = [libc::SIGHUP, libc::SIGPIPE, last];
    let (text, _) = output_of(|output| {
        let mut plan = plan(&argv, [output; 3]);
        plan.ignored = &ignored;
        start(&plan)
    });
    assert!(text.contains("ignored [\"HUP\", \"PIPE\", \"RTMIN+30\"]\n"), "{text}");
}

fn descriptors_may_be_exchanged() {
    let (read, write) = descriptors::pipe().unwrap();
    let (error_read, error_write) = descriptors::pipe().unwrap();
    // SAFETY: dup2 takes plain numbers; 0, 1 and 2 stay open.
    unsafe {
        libc::dup2(error_write.as_raw_fd(), 0);
        libc::dup2(write.as_raw_fd(), 2);
    }
    let argv = words(&[c"/bin/sh", c"-c", c"echo output; echo error >&2"]);
    let (input, error) = (io::stdin(), io::stderr());
    let job = start(&plan(&argv, [input.as_fd(), error.as_fd(), input.as_fd()])).unwrap();
    // The copies that this process has would hide the end of the output.
    // SAFETY: as above.
    unsafe {
        libc::dup2(1, 0);
        libc::dup2(1, 2);
    }
    drop((write, error_write));
    assert_eq!(rest_of(read), "output\n");
    assert_eq!(rest_of(error_read), "error\n");
    crate::harness::until("the end of the job", || wait_any().unwrap().is_some_and(|(pid, ..)| pid == job));
}

fn closed_standard_descriptors_do_no_harm() {
    let (read, write) = descriptors::pipe().unwrap();
    for number in 0..=2 {
        // SAFETY: close takes a plain number, and nobody owns these.
        unsafe { libc::close(number) };
    }
    let argv = words(&[c"/bin/echo", c"hello"]);
    let job = start(&plan(&argv, [read.as_fd(), write.as_fd(), write.as_fd()]));
    assert!(job.is_ok());
    drop(write);
    assert_eq!(rest_of(read), "hello\n");
}

fn the_argument_space_is_what_the_kernel_gives() {
    let stack = limits::resource("stack").unwrap();
    for soft in [256 << 10, 1 << 20, 8 << 20, 40 << 20] {
        let room = limits::argument_space(Some(soft));
        let stack_limit = [Bound { resource: stack, soft, hard: u64::MAX }];
        for (bytes, fits) in [(room, true), (room + 1, false)] {
            let argv = arguments_of(bytes);
            let mut plan = plan(&argv, standard());
            plan.limits = &stack_limit;
            match start(&plan) {
                Ok(_) => assert!(fits, "{bytes} bytes fit into {soft}"),
                Err(error) => {
                    assert!(!fits, "{bytes} bytes into {soft}: {error}");
                    assert_eq!(error.source.raw_os_error(), Some(libc::E2BIG));
                }
            }
        }
    }
    assert_eq!(limits::argument_space(None), limits::argument_space(Some(1 << 40)));
}

/// A command line that takes exactly so many bytes of the argument space.
fn arguments_of(bytes: usize) -> Vec<CString> {
    let mut argv = words(&[c"/bin/true"]);
    let path = c"/bin/true".count_bytes() + 1;
    let mut left = bytes - path - (path + size_of::<usize>());
    while left > 0 {
        let overhead = 1 + size_of::<usize>();
        // Never leaves less than one more argument needs.
        let piece = if left > 2 * 60_000 {
            60_000
        } else if left > 60_000 {
            left / 2
        } else {
            left
        };
        argv.push(CString::new(vec![b'x'; piece - overhead]).unwrap());
        left -= piece;
    }
    argv
}

fn what_a_job_used_comes_with_its_end() {
    let argv = role(&["busy"]);
    start(&plan(&argv, standard())).unwrap();
    let mut end = None;
    crate::harness::until("the end of the job", || {
        end = wait_any().unwrap();
        end.is_some()
    });
    let (_, change, usage) = end.unwrap();
    assert_eq!(change, Change::Exited(7));
    assert!(usage.user_us + usage.system_us > 10_000, "{usage:?}");
    assert!(usage.max_rss_kib > 20 << 10, "{usage:?}");
}

fn a_start_leaves_no_descriptor_open() {
    let count = || std::fs::read_dir("/proc/self/fd").unwrap().count();
    let before = count();
    for path in [c"/bin/true", c"/does/not/exist"] {
        let argv = words(&[path]);
        let _ = start(&plan(&argv, standard()));
    }
    assert_eq!(count(), before);
}

/// During the start nobody may; see `without_core_dumps`.
fn job_and_starter_may_dump_core() {
    let argv = role(&["describe"]);
    let (text, _) = output_of(|output| start(&plan(&argv, [output; 3])));
    assert!(text.contains("dumpable 1\n"), "{text}");
    assert_eq!(dumpable(), 1);
}
