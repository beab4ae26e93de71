//! Which jobs a query means, asked of both evaluators.

use wire::ByteString;
use wire::batch::JobRow;
use wire::session::Usage;

use super::super::Query;
use super::database::Database;
use super::{NOW, good};

const HOUR_US: i64 = 3_600_000_000;

/// 1 is held and has nothing; 2 runs; 3 finished well an hour ago; 4 failed three hours ago; 5 was killed; 6
/// was lost with its host.
fn rows() -> Vec<JobRow> {
    let job = |id, state: &str| JobRow {
        id,
        state: state.to_owned(),
        user: "anna".to_owned(),
        queue: "wait".to_owned(),
        command: "make -j4 'all of it'".to_owned(),
        directory: ByteString::from("/home/anna"),
        submitted_us: NOW.unix_us - 24 * HOUR_US,
        ..JobRow::default()
    };
    let started = |id, state: &str, host: &str| JobRow {
        host: Some(host.to_owned()),
        attempt: 1,
        started_us: Some(NOW.unix_us - 4 * HOUR_US),
        ..job(id, state)
    };
    let usage = |seconds: u64| Usage {
        wall_us: seconds * 1_000_000,
        user_us: seconds * 900_000,
        system_us: seconds * 200_000,
        max_rss_kib: 512 * 1024,
    };
    let ended = |hours: i64| Some(NOW.unix_us - hours * HOUR_US);
    vec![
        job(1, "held"),
        JobRow { name: Some("night".to_owned()), priority: 5, ..started(2, "running", "redfish") },
        JobRow {
            exit: Some(0),
            ended_us: ended(1),
            usage: Some(usage(41)),
            tags: vec!["night".to_owned(), "nightly".to_owned()],
            report: "sent".to_owned(),
            notice: "owed".to_owned(),
            ..started(3, "finished", "redfish")
        },
        JobRow {
            exit: Some(7),
            ended_us: ended(3),
            usage: Some(usage(7200)),
            tags: vec!["day".to_owned()],
            report: "owed".to_owned(),
            directory: ByteString(b"/scratch/\xff[1]".to_vec()),
            ..started(4, "finished", "bluefish")
        },
        JobRow {
            signal: Some("KILL".to_owned()),
            ended_us: ended(5),
            restartable: true,
            ..started(5, "finished", "bluefish")
        },
        started(6, "dead", "bluefish"),
    ]
}

#[test]
fn queries_mean_the_jobs_they_should() {
    let rows = rows();
    let database = Database::of(&rows);
    for (text, expected) in [
        ("all", &[1, 2, 3, 4, 5, 6][..]),
        ("state=finished exit!=0 tag=night", &[]),
        ("state=finished exit!=0 tag=day", &[4]),
        ("failed", &[4, 5]),
        ("ok", &[3]),
        ("waiting or running", &[1, 2]),
        ("ended", &[3, 4, 5, 6]),
        // Later than two hours ago, although the sign points to more hours.
        ("ended>2h", &[3]),
        ("ended<2h", &[4, 5]),
        ("finished<=3h", &[4, 5]),
        ("submitted=2026-11-24", &[1, 2, 3, 4, 5, 6]),
        ("submitted>2026-11-24", &[]),
        ("started<11:00 2-4", &[2, 3, 4]),
        // Absent is not equal, not less, not greater; "not" turns even that around.
        ("exit=0", &[3]),
        ("exit!=0", &[1, 2, 4, 5, 6]),
        ("exit<5", &[3]),
        ("exit>=5", &[4]),
        ("not exit<5", &[1, 2, 4, 5, 6]),
        ("not exit!=0", &[3]),
        ("exit=none", &[1, 2, 5, 6]),
        ("exit!=none", &[3, 4]),
        ("ended=none", &[1, 2, 6]),
        ("not ended>2h", &[1, 2, 4, 5, 6]),
        ("attempt=none", &[1]),
        ("name=night", &[2]),
        ("name!=night", &[1, 3, 4, 5, 6]),
        ("name!~n*", &[1, 3, 4, 5, 6]),
        ("name=~''", &[2]),
        ("host=~red", &[2, 3]),
        ("host=~*fish", &[2, 3, 4, 5, 6]),
        ("host=~*Fish", &[]),
        ("host=~red?ish", &[2, 3]),
        ("host!~?edfish", &[1, 4, 5, 6]),
        ("host>blue host<red", &[4, 5, 6]),
        ("tag=night", &[3]),
        ("tag=nigh", &[]),
        ("tag=~nigh", &[3]),
        ("tag!=night", &[1, 2, 4, 5, 6]),
        ("tag=none", &[1, 2, 5, 6]),
        ("signal=SIGKILL or signal=~k*", &[5]),
        ("restartable=true", &[5]),
        ("restartable!=true", &[1, 2, 3, 4, 6]),
        ("report=none", &[1, 2, 5, 6]),
        ("report!=sent", &[1, 2, 4, 5, 6]),
        ("report=~*", &[3, 4]),
        ("notice=owed", &[3]),
        ("notice=none", &[1, 2, 4, 5, 6]),
        ("command=~'make *all of*'", &[1, 2, 3, 4, 5, 6]),
        ("command=~make*all", &[]),
        ("directory=/home/anna host=none", &[1]),
        ("directory=~/scratch/*", &[4]),
        ("directory=~/scratch/?[1]", &[4]),
        ("directory=~/scratch/?1", &[]),
        ("directory=~[1]", &[4]),
        ("directory>/home/anna", &[4]),
        ("priority>0", &[2]),
        ("wall=41s", &[3]),
        ("wall<=41", &[3]),
        ("wall>41", &[4]),
        ("cpu>2h", &[4]),
        ("cpu<2h", &[3]),
        ("cpu=45", &[3]),
        ("memory=512M", &[3, 4]),
        ("memory>0.5GiB", &[]),
        ("2 or 4-5", &[2, 4, 5]),
        ("not 2-5 dead", &[6]),
        ("user=anna and (exit=7 or signal!=none) and not queue=now", &[4, 5]),
    ] {
        let query = good(text);
        let matched: Vec<u64> = rows.iter().filter(|row| query.matches(row)).map(|row| row.id).collect();
        assert_eq!(matched, expected, "{text}");
        assert_eq!(database.select(&query).0, expected, "{text}: {}", query.sql().0);
    }
}

#[test]
fn indexes_serve_states_and_times() {
    let database = Database::of(&[]);
    for (text, index) in [
        ("failed", "USING INDEX jobs_by_state (state=?)"),
        ("ended exit!=0 tag=night", "USING INDEX jobs_by_state (state=?)"),
        ("ended>2h", "USING INDEX jobs_by_ended (ended_us>?)"),
        ("name=night", "USING INDEX jobs_by_name (name=?)"),
        ("17 or 20", "USING INTEGER PRIMARY KEY (rowid=?)"),
    ] {
        let plan = database.plan(&good(text));
        assert!(plan.contains(index), "{text}: {plan}");
    }
}

/// SQLite bounds the depth of an expression, what it stacks up while it reads one, and the values bound.
#[test]
fn the_largest_queries_are_not_too_large_for_sqlite() {
    let rows = rows();
    let database = Database::of(&rows);
    let flat = vec!["wall=41s"; Query::MOST_TERMS].join(" or ");
    let failed = vec!["failed"; Query::MOST_TERMS].join(" ");
    let bushy = (0..Query::MOST_DEPTH).fold("failed".to_owned(), |inner, _| {
        format!("tag!=a or wall=1 or exit>3 or name=~*b* or ended>2h tag=c host!=none cpu=7 signal=none ({inner})")
    });
    let negated = (1..Query::MOST_DEPTH / 2).fold("failed".to_owned(), |inner, _| {
        let side = ["not wall=41s exit=none or tag=~?b"; 5].join(" or ");
        format!("{side} or not ({side} {inner})")
    });
    let pattern = format!("command=~{}", "[*".repeat(32));
    for text in [flat, failed, bushy, negated, pattern] {
        let query = good(&text);
        let (yes, no) = database.select(&query);
        let (matched, others): (Vec<_>, Vec<_>) = rows.iter().partition(|row| query.matches(row));
        assert_eq!(yes, matched.iter().map(|row| row.id).collect::<Vec<_>>());
        assert_eq!(no, others.iter().map(|row| row.id).collect::<Vec<_>>());
    }
}
