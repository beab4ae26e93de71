//! `queue queues`, `queue config` and an admin's orders: the daemon knows, here it is shown.

use std::fs;
use std::io::Read;
use std::path::Path;
use std::time::Duration;

use wire::queues::{
    CheckAnswer, CheckRequest, CheckedFile, EffectiveAnswer, EffectiveRequest, ImportAnswer, ImportRequest, Order,
    OrderAnswer, OrderRequest, QueueRow, QueuesAnswer, QueuesRequest,
};

use crate::arguments::queues::QueueCommand;
use crate::batch::ask_for;
use crate::daemon::Daemon;
use crate::end::Ending;
use crate::failure::{Failure, printable, words};
use crate::listing::print;
use crate::table::{Align, lay_out};

/// Carries a command out.
pub fn run(command: &QueueCommand) -> Result<Ending, Failure> {
    let daemon = Daemon::of_user();
    match command {
        QueueCommand::List { host, json } => {
            let answer: QueuesAnswer =
                ask_for(&daemon, "/v1/queues/list", &QueuesRequest { host: host.clone() }, PATIENCE)?;
            if *json { print_json(&answer)? } else { print(queues(&answer).as_bytes())? }
        }
        QueueCommand::Show { host, queue, effective, json } => {
            let request = EffectiveRequest { host: host.clone(), queue: queue.clone() };
            let answer: EffectiveAnswer = ask_for(&daemon, "/v1/queues/effective", &request, PATIENCE)?;
            if *json { print_json(&answer)? } else { print(directives(&answer, *effective).as_bytes())? }
        }
        QueueCommand::Check { files } => return check(&daemon, files),
        QueueCommand::Import { file } => {
            let request = ImportRequest { text: text(file)? };
            let answer: ImportAnswer = ask_for(&daemon, "/v1/queues/import", &request, PATIENCE)?;
            let place = |line: &String| format!("{}:{}", file.display(), printable(line));
            for line in answer.remarks.iter().chain(&answer.faults) {
                eprintln!("queue: {}", place(line));
            }
            if !answer.faults.is_empty() {
                return Ok(Ending::Code(1));
            }
            print(answer.text.as_bytes())?;
        }
        QueueCommand::Order { order, host, queue } => {
            let request = OrderRequest { host: host.clone(), queue: queue.clone(), order: *order };
            let answer: OrderAnswer = ask_for(&daemon, "/v1/queues/order", &request, PATIENCE)?;
            print(ordered(&answer, *order, queue.as_deref()).as_bytes())?;
        }
    }
    Ok(Ending::Code(0))
}

fn print_json(answer: &impl serde::Serialize) -> Result<(), Failure> {
    let mut text = serde_json::to_vec(answer).map_err(|error| Failure::own(format!("cannot write it: {error}")))?;
    text.push(b'\n');
    print(&text)
}

/// The table of `queue queues`.
fn queues(answer: &QueuesAnswer) -> String {
    let mut rows = vec![["QUEUE", "RUNNING", "OF", "WAITING", "STATE"].map(str::to_owned).to_vec()];
    for row in &answer.queues {
        rows.push(vec![
            printable(&row.queue),
            row.running.to_string(),
            row.limit.map_or("-".to_owned(), |limit| limit.to_string()),
            row.waiting.to_string(),
            state(row),
        ]);
    }
    let mut text = lay_out(&[Align::Left, Align::Right, Align::Right, Align::Right, Align::Left], &rows);
    for row in answer.queues.iter().filter(|row| row.alias_of.is_none()) {
        for fault in &row.faults {
            let path = Path::new(&answer.spool).join(&row.queue).join("profile.toml");
            text.push_str(&format!("{}:{}\n", path.display(), printable(fault)));
        }
    }
    text
}

fn state(row: &QueueRow) -> String {
    if let (Some(other), None) = (&row.alias_of, &row.shut) {
        return format!("another name of {}", printable(other));
    }
    let full = row.limit.is_some_and(|limit| row.running >= limit);
    match (&row.shut, full) {
        (Some(words), _) => printable(words),
        (None, true) => "full".to_owned(),
        (None, false) => "open".to_owned(),
    }
}

/// What is in force: as a profile would have it, each line with where it stands.
fn directives(answer: &EffectiveAnswer, effective: bool) -> String {
    let mut text =
        format!("# {} on {}: {}\n", printable(&answer.queue), printable(&answer.host), printable(&answer.path));
    let shown = answer.directives.iter().filter(|directive| effective || directive.from.is_some());
    let rows = shown.map(|directive| {
        let from = directive.from.as_deref().unwrap_or("default");
        vec![format!("{} = {}", directive.name, printable(&directive.value)), format!("# {}", printable(from))]
    });
    let rows = rows.collect::<Vec<_>>();
    if rows.is_empty() {
        text.push_str("# all directives have their defaults; --effective shows them\n");
    }
    text.push_str(&lay_out(&[Align::Left, Align::Left], &rows));
    for fault in &answer.faults {
        text.push_str(&format!("# not in force: {}\n", printable(fault)));
    }
    text
}

/// Exit status 1 when something is wrong.
fn check(daemon: &Daemon, files: &[std::path::PathBuf]) -> Result<Ending, Failure> {
    let mut checked = Vec::new();
    if files.is_empty() {
        let answer: CheckAnswer = ask_for(daemon, "/v1/queues/check", &CheckRequest::default(), PATIENCE)?;
        checked = answer.files;
    }
    for file in files {
        let request = CheckRequest { text: Some(text(file)?) };
        let answer: CheckAnswer = ask_for(daemon, "/v1/queues/check", &request, PATIENCE)?;
        let path = file.display().to_string();
        checked.extend(answer.files.into_iter().map(|found| CheckedFile { path: path.clone(), ..found }));
    }
    let wrong = checked.iter().any(|file| !file.faults.is_empty());
    print(told(&checked).as_bytes())?;
    Ok(Ending::Code(u8::from(wrong)))
}

fn told(files: &[CheckedFile]) -> String {
    if files.is_empty() {
        return "no queue has a profile: all defaults are in force\n".to_owned();
    }
    let mut text = String::new();
    for file in files {
        let path = printable(&file.path);
        if file.faults.is_empty() && file.idle.is_empty() {
            text.push_str(&format!("{path}: fine\n"));
        }
        for idle in &file.idle {
            text.push_str(&format!("{path}:{}\n", printable(idle)));
        }
        for fault in &file.faults {
            text.push_str(&format!("{path}:{}\n", printable(&fault.to_string())));
            if fault.line > 0 {
                let number = format!("{:>5}", fault.line);
                text.push_str(&format!("{number} | {}\n", printable(&fault.text)));
                text.push_str(&format!("{:5}   {:>column$}\n", "", "^", column = fault.column.clamp(1, WIDEST)));
            }
        }
        if !file.faults.is_empty() && file.in_force_since_us.is_some() {
            let since = file.in_force_since_us.and_then(|since| jiff::Timestamp::from_microsecond(since).ok());
            let since = since.map(|since| since.to_zoned(jiff::tz::TimeZone::system()).strftime("%H:%M:%S on %F"));
            let since = since.map_or(String::new(), |since| format!(" at {since}"));
            text.push_str(&format!("the version read{since} stays in force\n"));
        }
    }
    text
}

fn ordered(answer: &OrderAnswer, order: Order, queue: Option<&str>) -> String {
    let host = printable(&answer.host);
    let place = queue.map_or(host.clone(), |queue| format!("queue {queue} on {host}"));
    let jobs = match answer.running {
        0 => "nothing runs".to_owned(),
        1 => "1 job".to_owned(),
        more => format!("{more} jobs"),
    };
    let was = if answer.changed { "" } else { " already" };
    match (order, answer.running) {
        (Order::Drain, 0) => format!("{place} is drained{was}: nothing is started any more, and nothing runs\n"),
        (Order::Drain, _) => format!("{place} is drained{was}: nothing is started any more; {jobs} may end\n"),
        (Order::Pause, 0) => format!("{place} is paused{was}: nothing is started any more, and nothing runs\n"),
        (Order::Pause, _) => format!("{place} is paused{was}: nothing is started any more; {jobs} suspended\n"),
        (Order::Evacuate, _) => {
            let open = match answer.open.unwrap_or(0) {
                0 => "its spool has no open jobs".to_owned(),
                1 => "1 job of its spool is still open".to_owned(),
                open => format!("{open} jobs of its spool are still open"),
            };
            format!("{place} is evacuated{was}: {jobs} still there, restartable ones go elsewhere; {open}\n")
        }
        (Order::Undrain | Order::Resume, _) if let Some(still) = &answer.still => {
            let undo = if still == "pause" { "resume" } else { "undrain" };
            let word = if still == "pause" { "paused" } else { "drained" };
            format!(
                "{place} is still {word}, by an order of its own or for the whole host; queue {undo} takes it back\n"
            )
        }
        (Order::Undrain, _) if answer.changed => format!("{place} is not drained any more\n"),
        (Order::Undrain, _) => format!("{place} was not drained\n"),
        (Order::Resume, _) if answer.changed => format!("{place} is not paused any more\n"),
        (Order::Resume, _) => format!("{place} was not paused\n"),
    }
}

fn text(file: &Path) -> Result<String, Failure> {
    let read = match file.to_str() {
        Some("-") => {
            let mut text = String::new();
            std::io::stdin().take(LONGEST).read_to_string(&mut text).map(|_| text)
        }
        _ => fs::File::open(file).and_then(|opened| {
            let mut text = String::new();
            opened.take(LONGEST).read_to_string(&mut text).map(|_| text)
        }),
    };
    read.map_err(|error| Failure::own(format!("cannot read {}: {}", file.display(), words(&error))))
}

/// Another host may have to be asked.
const PATIENCE: Duration = Duration::from_secs(20);
/// The daemon says of a longer one that it is too long.
const LONGEST: u64 = 300 * 1024;
/// A line that is longer has its mark no further.
const WIDEST: usize = 500;

#[cfg(test)]
mod tests {
    use super::*;
    use wire::queues::Fault;

    #[test]
    fn a_queue_that_starts_nothing_says_why() {
        let row = |queue: &str, limit, shut: Option<&str>| QueueRow {
            queue: queue.to_owned(),
            running: 2,
            limit,
            shut: shut.map(str::to_owned),
            ..QueueRow::default()
        };
        let alias = QueueRow { queue: "over".into(), alias_of: Some("night".into()), ..QueueRow::default() };
        let night = QueueRow {
            faults: vec!["4:12: loadsched = \"two\": a number is expected".into()],
            waiting: 12,
            ..row("night", Some(4), Some("is outside its hours (timesched); it opens in 3 h"))
        };
        let queues_of = vec![row("now", None, None), row("wait", Some(2), None), night, alias];
        let answer = QueuesAnswer { host: "redfish".into(), spool: "/s".into(), queues: queues_of };
        let expected = "\
QUEUE  RUNNING  OF  WAITING  STATE
now          2   -        0  open
wait         2   2        0  full
night        2   4       12  is outside its hours (timesched); it opens in 3 h
over         0   -        0  another name of night
/s/night/profile.toml:4:12: loadsched = \"two\": a number is expected
";
        assert_eq!(queues(&answer), expected);
    }

    #[test]
    fn a_fault_is_shown_with_its_line_and_place() {
        let fault = Fault {
            line: 4,
            column: 13,
            message: "loadsched = \"two\": a number is expected".into(),
            text: "loadsched = \"two\"".into(),
        };
        let files = [
            CheckedFile { path: "/s/now/profile.toml".into(), ..CheckedFile::default() },
            CheckedFile { path: "p".into(), faults: vec![fault], ..CheckedFile::default() },
        ];
        let expected = "\
/s/now/profile.toml: fine
p:4:13: loadsched = \"two\": a number is expected
    4 | loadsched = \"two\"
                    ^
";
        assert_eq!(told(&files), expected);
    }

    #[test]
    fn an_order_says_what_goes_on() {
        let answer =
            |running, changed| OrderAnswer { host: "redfish".into(), running, changed, open: None, still: None };
        let text = ordered(&answer(3, true), Order::Drain, Some("night"));
        assert_eq!(text, "queue night on redfish is drained: nothing is started any more; 3 jobs may end\n");
        let text = ordered(&answer(1, false), Order::Pause, None);
        assert_eq!(text, "redfish is paused already: nothing is started any more; 1 job suspended\n");
        assert_eq!(ordered(&answer(0, true), Order::Resume, None), "redfish is not paused any more\n");
        assert_eq!(ordered(&answer(0, false), Order::Undrain, None), "redfish was not drained\n");
    }

    #[test]
    fn only_what_differs_from_the_defaults_is_shown_unless_all_is_wanted() {
        use wire::queues::Directive;
        let directive = |name: &str, value: &str, from: Option<&str>| Directive {
            name: name.into(),
            value: value.into(),
            from: from.map(str::to_owned),
        };
        let answer = EffectiveAnswer {
            host: "redfish".into(),
            queue: "night".into(),
            path: "/s/night/profile.toml".into(),
            directives: vec![directive("maxexec", "4", Some("line 3")), directive("nice", "0", None)],
            faults: vec![],
        };
        assert_eq!(directives(&answer, false), "# night on redfish: /s/night/profile.toml\nmaxexec = 4  # line 3\n");
        assert!(directives(&answer, true).ends_with("nice = 0     # default\n"));
    }
}
