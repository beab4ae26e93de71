//! What texts are read as, shown by the expression with its values put in.

use super::super::{Query, Value};
use super::{NOW, good, parse};

/// The expression as one would write it by hand.
fn shown(query: &Query) -> String {
    let (sql, values) = query.sql();
    let mut parts = sql.split('?');
    let mut shown = parts.next().unwrap_or_default().to_owned();
    let mut values = values.iter();
    for part in parts {
        match values.next() {
            Some(Value::Int(number)) => shown += &number.to_string(),
            Some(Value::Text(text)) => shown += &format!("{text:?}"),
            None => panic!("{sql}: fewer values than places"),
        }
        shown += part;
    }
    assert_eq!(values.next(), None, "{sql}: more values than places");
    shown
}

fn check(table: &[(&str, &str)]) {
    for (text, expected) in table {
        assert_eq!(shown(&good(text)), *expected, "{text}");
    }
}

#[test]
fn not_binds_closer_than_and_and_and_closer_than_or() {
    check(&[
        ("held", r#"state = "held""#),
        ("held 17", r#"(state = "held" AND id = 17)"#),
        ("held and 17", r#"(state = "held" AND id = 17)"#),
        ("held AND 17", r#"(state = "held" AND id = 17)"#),
        ("dead or held 17", r#"(state = "dead" OR (state = "held" AND id = 17))"#),
        ("(dead or held) 17", r#"((state = "dead" OR state = "held") AND id = 17)"#),
        ("not dead held or 17", r#"((NOT (state = "dead") AND state = "held") OR id = 17)"#),
        ("not(dead held)or(17)", r#"(NOT ((state = "dead" AND state = "held")) OR id = 17)"#),
        ("not not dead", r#"NOT (NOT (state = "dead"))"#),
        ("\theld\n17 ", r#"(state = "held" AND id = 17)"#),
        ("1 2 3 4 5", "((id = 1 AND id = 2) AND (id = 3 AND id = 4 AND id = 5))"),
    ]);
}

#[test]
fn states_are_compared_so_that_an_index_serves() {
    check(&[
        ("all", "1"),
        ("waiting", r#"state IN ("held", "pending")"#),
        ("ended", r#"state IN ("finished", "dead", "cancelled")"#),
        ("ok", "exit IS 0"),
        ("failed", r#"(state = "finished" AND (NOT (exit IS 0) OR signal IS NOT NULL))"#),
        ("state=finished", r#"state = "finished""#),
        ("state == 'finished'", r#"state = "finished""#),
        ("state!=finished", r#"NOT (state = "finished")"#),
        ("state=waiting", r#"state IN ("held", "pending")"#),
        ("state=~*n*ing", r#"state IN ("pending", "running")"#),
        ("state=~nin", r#"state = "running""#),
        ("state=~x", "0"),
        ("state!~x", "NOT (0)"),
    ]);
}

#[test]
fn ids_and_numbers_become_ranges() {
    check(&[
        ("17", "id = 17"),
        ("17-30", "id BETWEEN 17 AND 30"),
        ("id=17-30", "id BETWEEN 17 AND 30"),
        ("jid!=17", "NOT (id = 17)"),
        ("id>17", "id >= 18"),
        ("priority=-3", "priority = -3"),
        ("priority >= 5", "priority >= 5"),
        ("priority<5", "priority <= 4"),
        ("priority<=5", "priority <= 5"),
        ("priority<-9223372036854775808", "0"),
        ("attempt=none", "attempt = 0"),
        ("exit!=0", "NOT (exit IS 0)"),
        ("exit_status>3", "(exit IS NOT NULL AND exit >= 4)"),
        ("exit=none", "NOT (exit IS NOT NULL)"),
        ("exit!=null", "NOT (NOT (exit IS NOT NULL))"),
        ("restartable=true", "restartable <> 0"),
        ("restartable!=yes", "NOT (restartable <> 0)"),
        ("restartable=false", "NOT (restartable <> 0)"),
    ]);
}

#[test]
fn texts_are_compared_and_looked_through() {
    check(&[
        ("user=anna", r#"user = "anna""#),
        ("user!=anna", r#"NOT (user = "anna")"#),
        ("name=night", r#"name IS "night""#),
        ("name='two words'", r#"name IS "two words""#),
        ("name=\"it's\"", r#"name IS "it's""#),
        ("name='it''s'", r#"name IS "it's""#),
        ("name=''", r#"name IS """#),
        ("name='none'", r#"name IS "none""#),
        ("name=none", "NOT (name IS NOT NULL)"),
        ("name<m", r#"(name IS NOT NULL AND name < "m")"#),
        ("command=~make", r#"instr(command, "make") > 0"#),
        ("command!~'make *.o'", r#"NOT (command GLOB "make *.o")"#),
        ("command=~a[b]*", r#"command GLOB "a[[]b]*""#),
        ("command=~a=b<c", r#"instr(command, "a=b<c") > 0"#),
        ("runner=~red*", r#"(host IS NOT NULL AND host GLOB "red*")"#),
        ("directory=/home/anna", r#"directory = CAST("/home/anna" AS BLOB)"#),
        ("directory=~/home/*", r#"CAST(directory AS TEXT) GLOB "/home/*""#),
        ("directory=~anna", r#"instr(directory, CAST("anna" AS BLOB)) > 0"#),
        ("signal=sigkill", r#"signal IS "KILL""#),
        ("report=owed", r#"NULLIF(report, '') IS "owed""#),
        ("tag=night", r#"EXISTS (SELECT 1 FROM json_each(tags) WHERE json_each.value = "night")"#),
        ("tag!~n*", r#"NOT (EXISTS (SELECT 1 FROM json_each(tags) WHERE json_each.value GLOB "n*"))"#),
        ("tag=none", "NOT (EXISTS (SELECT 1 FROM json_each(tags)))"),
    ]);
}

#[test]
fn names_of_fields_may_be_shortened() {
    check(&[
        ("p=1", "priority = 1"),
        ("exit_=1", "exit IS 1"),
        ("fin<=0s", "(ended_us IS NOT NULL AND ended_us <= 1795613415000000)"),
        ("mem>1K", "(max_rss_kib IS NOT NULL AND max_rss_kib >= 2)"),
        ("ru=red", r#"host IS "red""#),
    ]);
}

#[test]
fn a_time_is_as_long_as_it_is_written() {
    let day = 86_400_000_000_i64;
    // 25 November began at 23:00 of the day before, in UTC.
    let midnight = 1_795_561_200_000_000_i64;
    let afternoon = midnight + (14 * 3600 + 2 * 60) * 1_000_000;
    let between = |first: i64, length: i64| format!("submitted_us BETWEEN {first} AND {}", first + length - 1);
    for (text, expected) in [
        ("submitted=2026-11-25", between(midnight, day)),
        ("submitted=2026-11-25T14:02", between(afternoon, 60_000_000)),
        ("submitted='2026-11-25 14:02'", between(afternoon, 60_000_000)),
        ("submitted=2026-11-25T14:02:00", between(afternoon, 1_000_000)),
        ("submitted=2026-11-25T13:02Z", between(afternoon, 60_000_000)),
        ("submitted=14:02", between(afternoon, 60_000_000)),
        ("submitted=1970-01-01", between(-3_600_000_000, day)),
        ("submitted=2024-02-29", between(1_709_161_200_000_000, day)),
        ("submitted<2026-11-25", format!("submitted_us <= {}", midnight - 1)),
        ("submitted<=2026-11-25", format!("submitted_us <= {}", midnight + day - 1)),
        ("submitted>=2026-11-25", format!("submitted_us >= {midnight}")),
        ("submitted>2026-11-25", format!("submitted_us >= {}", midnight + day)),
        ("submitted>2h", format!("submitted_us >= {}", NOW.unix_us - 7_200_000_000 + 1)),
        ("submitted>=30min", format!("submitted_us >= {}", NOW.unix_us - 1_800_000_000)),
        ("submitted<3d", format!("submitted_us <= {}", NOW.unix_us - 3 * day - 1)),
        ("submitted<=1w2d", format!("submitted_us <= {}", NOW.unix_us - 9 * day)),
    ] {
        assert_eq!(shown(&good(text)), expected, "{text}");
    }
}

#[test]
fn today_is_the_day_where_the_question_is_asked() {
    // It is 23:30 on the 24th in UTC, and half past midnight on the 25th an hour to the east.
    let evening = NOW.unix_us - (14 * 3600 + 15) * 1_000_000;
    let at = |utc_offset_s| super::Now { unix_us: evening, utc_offset_s };
    let (west, east) = (at(-3600), at(3600));
    assert_eq!(Query::parse("started>=00:10", east), Query::parse("started>=2026-11-25T00:10", east),);
    assert_eq!(Query::parse("started>=00:10", west), Query::parse("started>=2026-11-24T00:10", west),);
}

#[test]
fn durations_and_sizes_have_units() {
    check(&[
        ("wall>2h", "(wall_us IS NOT NULL AND wall_us >= 7201000000)"),
        ("wall=41s", "(wall_us IS NOT NULL AND wall_us BETWEEN 41000000 AND 41999999)"),
        ("wall=41", "(wall_us IS NOT NULL AND wall_us BETWEEN 41000000 AND 41999999)"),
        ("wall<0.5", "(wall_us IS NOT NULL AND wall_us <= 499999)"),
        ("wall=1.25s", "(wall_us IS NOT NULL AND wall_us BETWEEN 1250000 AND 1259999)"),
        ("wall=20ms", "(wall_us IS NOT NULL AND wall_us BETWEEN 20000 AND 20999)"),
        ("wall=7us", "wall_us IS 7"),
        ("wall<=1h30min", "(wall_us IS NOT NULL AND wall_us <= 5400999999)"),
        ("cpu>=1.5h", "(user_us + system_us IS NOT NULL AND user_us + system_us >= 5400000000)"),
        ("cpu=0us", "user_us + system_us IS 0"),
        ("memory>500M", "(max_rss_kib IS NOT NULL AND max_rss_kib >= 512001)"),
        ("memory=4GiB", "max_rss_kib IS 4194304"),
        ("memory<1.5g", "(max_rss_kib IS NOT NULL AND max_rss_kib <= 1572863)"),
    ]);
}

#[test]
fn ids_are_told_when_nothing_else_is_asked() {
    for (text, expected) in [
        ("17", Some(vec![17..=17])),
        ("20-30 or 17 or 31 or 25-28", Some(vec![17..=17, 20..=31])),
        ("(1-10 or 20-30) 5-25", Some(vec![5..=10, 20..=25])),
        ("17 18", Some(vec![])),
        ("id=17-30", Some(vec![17..=30])),
        ("17 held", None),
        ("17 or held", None),
        ("id>17", None),
        ("id<17", None),
        ("not 17", None),
        ("all", None),
    ] {
        assert_eq!(good(text).ids(), expected, "{text}");
    }
}

#[test]
fn bounds_are_reached_and_not_passed() {
    let terms = |count| vec!["exit!=0"; count].join(" or ");
    assert!(parse(&terms(Query::MOST_TERMS)).is_ok());
    assert!(parse(&terms(Query::MOST_TERMS + 1)).is_err());
    let nested = |depth| format!("{}17{}", "(".repeat(depth), ")".repeat(depth));
    assert!(parse(&nested(Query::MOST_DEPTH)).is_ok());
    assert!(parse(&nested(Query::MOST_DEPTH + 1)).is_err());
    let nots = |depth| format!("{}17", "not ".repeat(depth));
    assert!(parse(&nots(Query::MOST_DEPTH)).is_ok());
    assert!(parse(&nots(Query::MOST_DEPTH + 1)).is_err());
    let long = |bytes: usize| format!("name='{}'", "x".repeat(bytes - "name=''".len()));
    assert!(parse(&long(Query::MOST_BYTES)).is_ok());
    assert!(parse(&long(Query::MOST_BYTES + 1)).is_err());
}
