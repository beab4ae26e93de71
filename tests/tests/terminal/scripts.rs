//! What scripts do with a program: loops, traps, `set -e`, `time`, `nohup`, `xargs -P`.

use crate::place::Place;
use crate::same::with_and_without_queue;

promises![
    what_scripts_do_with_a_program_works,
    a_trap_runs_when_the_key_has_ended_the_job,
    a_key_ends_the_script_around_the_job_too,
];

fn what_scripts_do_with_a_program_works(place: &Place) {
    with_and_without_queue(place, |_, terminal| {
        [
            "printf 'a b\\nc d\\n' | while read -r one two; do run echo \"$two\" </dev/null; done",
            "seq 6 | xargs -P3 -n1 run echo | sort",
            "sh -c 'set -e; run false; echo not reached'",
            "TIMEFORMAT=timed; time run true",
            "nohup run echo kept >out 2>&1; tail -n 1 out",
            "for code in 1 2; do run sh -c \"exit $code\" || echo \"was $?\"; done",
            "if run test -d /; then echo yes; fi; ! run false && echo no",
            "echo \"$(run echo in quotes; run echo twice)\"",
            "run sh -c 'exit 6' | run cat | run sh -c 'exit 4'; echo ${PIPESTATUS[@]}",
            "run cat <<<here; run sort < <(printf 'b\\na\\n')",
            "(run sh -c 'echo one; echo two >&2') 2>&1 | sort",
        ]
        .map(|line| terminal.run(line))
    });
}

fn a_key_ends_the_script_around_the_job_too(place: &Place) {
    with_and_without_queue(place, |_, terminal| {
        let mut statuses = Vec::new();
        for key in ["\x03", "\x1c"] {
            terminal.type_line("bash -c \"run sh -c 'echo ready; exec sleep 1000'; echo after\"");
            terminal.wait_for_line("ready");
            terminal.type_keys(key);
            statuses.push(terminal.wait_for_prompt());
            assert_eq!(key == "\x03", !terminal.picture().has_line("after"), "{:?}", terminal.picture());
            // What bash says of a quit job has its number in it.
            terminal.run("clear");
        }
        statuses
    });
}

fn a_trap_runs_when_the_key_has_ended_the_job(place: &Place) {
    with_and_without_queue(place, |_, terminal| {
        terminal
            .type_line("bash -c \"trap 'echo trapped' INT; run sh -c 'echo ready; exec sleep 1000'; echo after \\$?\"");
        terminal.wait_for_line("ready");
        terminal.type_keys("\x03");
        assert_eq!(terminal.wait_for_prompt(), 0);
        assert!(terminal.picture().text.contains("trapped\nafter 130"), "{:?}", terminal.picture());
    });
}
