use super::*;
use jiff::Timestamp;
use wire::ByteString;
use wire::batch::MailWish;
use wire::session::Usage;

fn now() -> Zoned {
    Timestamp::from_second(1_000_000).expect("a time").to_zoned(TimeZone::UTC)
}

fn row(id: u64, state: &str, command: &str) -> JobRow {
    JobRow {
        id,
        home: "redfish".into(),
        state: state.into(),
        queue: "wait".into(),
        command: command.into(),
        submitted_us: 1_000_000_000_000 - 2_000_000,
        ..JobRow::default()
    }
}

fn written(look: &Look, rows: &[JobRow]) -> String {
    let mut text = Vec::new();
    let mut writer = JobWriter::new(&mut text, look.clone(), now()).expect("these fields exist");
    for row in rows {
        writer.row(row).expect("memory");
    }
    writer.finish().expect("memory");
    String::from_utf8(text).expect("UTF-8")
}

fn look(style: Style) -> Look {
    Look { style, own_host: "redfish".into(), ..Look::default() }
}

fn some_rows() -> [JobRow; 3] {
    let mut running = row(17, "running", "./night-run.sh");
    running.host = Some("bluefish".into());
    running.started_us = Some(1_000_000_000_000 - 1_000_000);
    let mut failed = row(8, "finished", "make\n\x1b[2J");
    failed.home = "onefish".into();
    failed.exit = Some(3);
    [running, failed, row(19, "pending", "true")]
}

const TABLE: &str = "       ID  STATE       QUEUE  HOST       AGE  TIME  COMMAND
       17  running     wait   bluefish  0:02  0:01  ./night-run.sh
8@onefish  finished 3  wait   -         0:02     -  make\\n\\u{1b}[2J
       19  pending     wait   -         0:02     -  true
";

#[test]
fn the_table_is_the_one_people_were_promised() {
    assert_eq!(written(&look(Style::Table), &some_rows()), TABLE);
    assert_eq!(written(&look(Style::Table), &[]), "");
}

#[test]
fn a_session_is_marked_and_no_command_is_given_its_number() {
    let mut rows = some_rows();
    rows[0].kind = RowKind::Session;
    rows[1].kind = RowKind::Session;
    let table = written(&look(Style::Table), &rows);
    let ids = table.lines().map(|line| line.split_whitespace().next().unwrap_or_default()).collect::<Vec<_>>();
    assert_eq!(ids, ["ID", "s17", "s8@onefish", "19"]);
    assert_eq!(written(&look(Style::Parsable), &rows), "19\n");
    assert!(written(&look(Style::Json), &rows).contains("{\"id\":17,\"kind\":\"session\","));
}

#[test]
fn colours_are_calm_and_change_no_place() {
    let plain = written(&look(Style::Table), &some_rows());
    let coloured = written(&Look { colour: true, ..look(Style::Table) }, &some_rows());
    assert!(coloured.contains("  \x1b[32mrunning\x1b[0m     wait"), "{coloured:?}");
    assert!(coloured.contains("  \x1b[31mfinished 3\x1b[0m  wait"), "{coloured:?}");
    let bare = ["\x1b[32m", "\x1b[31m", "\x1b[0m"].iter().fold(coloured, |text, code| text.replace(code, ""));
    assert_eq!(bare, plain);
}

#[test]
fn only_a_terminal_cuts_lines() {
    let terminal = Look { width: Some(50), is_terminal: true, ..look(Style::Table) };
    for (line, whole) in
        written(&terminal, &some_rows()).lines().zip(written(&look(Style::Table), &some_rows()).lines())
    {
        assert!(line.chars().count() <= 50, "{line}");
        assert!(line == whole || line.ends_with('…') && whole.starts_with(line.trim_end_matches('…')), "{line}");
    }
    let narrow_state = Look { width: Some(14), colour: true, ..terminal };
    assert!(written(&narrow_state, &some_rows()).contains("       17  ru…\n"));
    let file = Look { width: Some(50), ..look(Style::Table) };
    assert_eq!(written(&file, &some_rows()), written(&look(Style::Table), &some_rows()));
}

#[test]
fn a_long_table_goes_on_with_the_widths_of_its_beginning() {
    let rows = (1..=300).map(|id| row(id, "pending", "true")).collect::<Vec<_>>();
    let mut text = Vec::new();
    let mut writer = JobWriter::new(&mut text, look(Style::Table), now()).expect("no fields");
    for row in &rows {
        writer.row(row).expect("memory");
    }
    assert!(!writer.columns.holds_rows(), "nothing is kept once the widths are known");
    writer.row(&row(1_234_567, "running", "true")).expect("memory");
    writer.finish().expect("memory");
    let text = String::from_utf8(text).expect("UTF-8");
    assert_eq!(text.lines().count(), 302);
    assert!(text.contains("\n  1  pending  wait   -     0:02     -  true\n"), "{text}");
    assert!(text.contains("\n300  pending  wait   -     0:02     -  true\n"));
    assert!(text.ends_with("\n1234567  running  wait   -     0:02     -  true\n"));
}

/// Every byte, alone and as an argument of its own, and words that YAML would like to read as something else.
fn awkward_rows() -> Vec<JobRow> {
    let mut rows = (0..=255u8)
        .map(|byte| JobRow {
            argv: vec![ByteString(vec![byte]), ByteString(vec![byte, b' ', byte]), ByteString(vec![0xc2, byte])],
            directory: ByteString(vec![b'/', byte]),
            tags: vec![String::from(char::from(byte))],
            ..row(u64::from(byte), "pending", "x")
        })
        .collect::<Vec<_>>();
    for text in [
        "no", "~", "1e3", "0o17", "- a", "a: b", "#x", "", " ", "'", "\"", "\\", "\r\n", "\u{feff}", "\u{2029}", "=",
        "<<",
    ] {
        let name = Some(text.to_owned());
        rows.push(JobRow { command: text.into(), name, argv: vec![text.into()], ..row(1, "running", "") });
    }
    rows.push(JobRow {
        priority: -3,
        usage: Some(Usage { wall_us: u64::MAX, ..Usage::default() }),
        mail: Some(MailWish { end: true, to: Some("a@b".into()), ..MailWish::default() }),
        ended_us: Some(i64::MIN),
        ..row(u64::MAX, "finished", "y")
    });
    rows
}

#[test]
fn json_is_one_array_with_a_job_on_each_line() {
    let rows = awkward_rows();
    let text = written(&look(Style::Json), &rows);
    assert_eq!(text.lines().count(), rows.len() + 2);
    assert_eq!(serde_json::from_str::<Vec<JobRow>>(&text).expect("JSON"), rows);
    assert_eq!(written(&look(Style::Json), &[]), "[]\n");
}

#[test]
fn yaml_gives_back_every_byte() {
    let rows = awkward_rows();
    let text = written(&look(Style::Yaml), &rows);
    assert!(text.starts_with("- id: 0\n  kind: job\n  home: redfish\n  state: pending\n  detail: \"\"\n"), "{text}");
    assert_eq!(serde_saphyr::from_str::<Vec<JobRow>>(&text).expect("YAML"), rows);
    assert_eq!(written(&look(Style::Yaml), &[]), "[]\n");
}

#[test]
fn only_the_fields_asked_for_in_the_order_asked_for() {
    let with = |style, fields: &str| Look { fields: Some(vec![fields.to_owned()]), ..look(style) };
    let rows = some_rows();
    assert_eq!(written(&with(Style::Json, "state,id"), &rows[..1]), "[\n{\"state\":\"running\",\"id\":17}\n]\n");
    assert_eq!(written(&with(Style::Yaml, "age,id"), &rows[..1]), "- age_us: 2000000\n  id: 17\n");
    assert_eq!(
        written(&with(Style::Table, "id,submitted,tags"), &rows[..1]),
        "ID  SUBMITTED            TAGS\n17  1970-01-12 13:46:38  -\n"
    );
    assert!(JobWriter::new(Vec::new(), with(Style::Table, "colour"), now()).is_err());
    assert!(JobWriter::new(Vec::new(), with(Style::Parsable, "id"), now()).is_err());
}

#[test]
fn parsable_is_ids_that_can_be_passed_on() {
    assert_eq!(written(&look(Style::Parsable), &some_rows()), "17\n8@onefish\n19\n");
    assert_eq!(written(&look(Style::Parsable), &[]), "");
}

#[test]
fn a_table_tells_the_kind_of_death_and_the_sheet_its_story() {
    let mut dead = row(9, "dead", "nosuch");
    dead.detail = "never started: no host can run \"nosuch\": not found on bluefish, redfish".into();
    let table = written(&look(Style::Table), &[dead.clone()]);
    assert!(table.contains("dead: never started  wait"), "{table}");
    let sheet = show::show(&dead, &look(Style::Table), &now());
    assert!(sheet.contains("not found on bluefish"), "{sheet}");
}
