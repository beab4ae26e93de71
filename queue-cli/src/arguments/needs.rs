//! `--need` and `--cpus`: what a job takes of its host, whether it runs at once or waits in a spool.

use clap::{Arg, ArgAction, ArgMatches};
use wire::needs::{MOST_NEEDS, Need, Needs};

use crate::failure::Failure;

/// The options.
pub fn options() -> [Arg; 2] {
    let value = |name: &'static str| Arg::new(name).long(name).num_args(1);
    [
        value("need")
            .value_name("NEED")
            .action(ArgAction::Append)
            .help("Something its host offers: gpu=1, 'scratch>=500GiB', raid; may be repeated"),
        value("cpus").value_name("N").help("Take so many slots of the queue (1)"),
    ]
}

/// Reads them; none: nothing was said.
pub fn read(matches: &ArgMatches) -> Result<Option<Needs>, Failure> {
    let named = matches.get_many::<String>("need").unwrap_or_default();
    let mut named = named.map(|text| need(text)).collect::<Result<Vec<_>, _>>()?;
    if named.len() > MOST_NEEDS {
        return Err(Failure::usage(format!("--need: at most {MOST_NEEDS} may be said")));
    }
    named.sort();
    let cpus = matches.get_one::<String>("cpus").map(|text| cpus(text)).transpose()?;
    let needs = Needs { cpus, named };
    Ok((!needs.is_empty()).then_some(needs))
}

fn need(text: &str) -> Result<Need, Failure> {
    let wrong = || Failure::usage(format!("--need: gpu=1, 'scratch>=500GiB' or raid is expected, not \"{text}\""));
    Need::parse(text).ok_or_else(wrong)
}

fn cpus(text: &str) -> Result<u32, Failure> {
    let cpus = text.parse().ok().filter(|cpus| (1..=MOST_CPUS).contains(cpus));
    cpus.ok_or_else(|| {
        Failure::usage(format!("--cpus: a whole number from 1 to {MOST_CPUS} is expected, not \"{text}\""))
    })
}

/// No host has more.
pub const MOST_CPUS: u32 = 1_000_000;

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;
    use crate::arguments::{Invocation, parse};

    fn needs(line: &str) -> Result<Option<Needs>, Failure> {
        match parse(line.split(' ').map(OsString::from).collect())? {
            Invocation::Run(run) => Ok(run.needs),
            Invocation::Submit(submit) => Ok(submit.run.needs),
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn needs_are_said_alike_of_all_jobs() {
        for before in ["queue", "queue -r", "queue submit"] {
            let said = needs(&format!("{before} --need scratch>=500GiB --need gpu=1 --cpus 4 -- x")).expect(before);
            let said = said.expect("something was said");
            assert_eq!(said.cpus, Some(4), "{before}");
            let named = said.named.iter().map(ToString::to_string).collect::<Vec<_>>();
            assert_eq!(named, ["gpu=1", "scratch>=500GiB"], "{before}");
            assert_eq!(needs(&format!("{before} -- x")).expect(before), None);
        }
        for (line, sentence) in [
            ("queue --need GPU=1 -- x", "--need: gpu=1, 'scratch>=500GiB' or raid is expected, not \"GPU=1\""),
            ("queue --cpus 0 -- x", "--cpus: a whole number from 1"),
            ("queue submit --cpus many -- x", "--cpus: a whole number from 1"),
        ] {
            let failure = needs(line).expect_err(line);
            assert!(failure.code == 64 && failure.message.starts_with(sentence), "{line}: {}", failure.message);
        }
    }
}
