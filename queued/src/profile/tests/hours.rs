//! The hours of a week.

use jiff::civil::Weekday::{self, *};
use proptest::prelude::*;

use super::super::hours::Hours;
use super::faults;

fn hours(text: &str) -> Hours {
    Hours::parse(text).unwrap_or_else(|item| panic!("{item}"))
}

/// Whether it is open at `HHMM` on each of these.
fn open(text: &str, moments: &[(Weekday, u16)]) -> Vec<bool> {
    let hours = hours(text);
    moments.iter().map(|&(day, hhmm)| hours.is_open(day, hhmm / 100 * 60 + hhmm % 100)).collect()
}

#[test]
fn a_clock_range_begins_with_its_first_minute_and_ends_before_its_last() {
    let moments = [(Monday, 759), (Monday, 800), (Sunday, 1759), (Sunday, 1800)];
    for text in ["0800-1800", "08:00-18:00", "8:00 - 18:00", "Any0800-1800", "any 0800-1800"] {
        assert_eq!(open(text, &moments), [false, true, true, false], "{text}");
    }
    assert_eq!(open("0000-2400", &[(Monday, 0), (Monday, 2359)]), [true, true]);
}

#[test]
fn a_clock_range_goes_over_midnight() {
    assert_eq!(
        open("2200-0600", &[(Monday, 2159), (Monday, 2200), (Tuesday, 0), (Tuesday, 559), (Tuesday, 600)]),
        [false, true, true, true, false]
    );
}

/// GNU Queue forgot the day when there was a clock range.
#[test]
fn a_day_and_a_clock_range_must_both_hold() {
    let moments = [(Friday, 1759), (Friday, 1800), (Saturday, 100), (Saturday, 1900), (Monday, 659), (Monday, 700)];
    assert_eq!(open("Wk1800-0700", &moments), [false, true, false, false, true, false]);
    assert_eq!(open("Mo-Fr 1800-0700", &moments), [false, true, false, false, true, false]);
}

#[test]
fn days_have_short_and_long_names_and_ranges() {
    let week = [Monday, Tuesday, Wednesday, Thursday, Friday, Saturday, Sunday].map(|day| (day, 1200));
    let on = |text: &str| open(text, &week).iter().map(|open| if *open { 'x' } else { '.' }).collect::<String>();
    assert_eq!(on("Sa,Su"), ".....xx");
    assert_eq!(on("saturday, SUNDAY"), ".....xx");
    assert_eq!(on("Wk"), "xxxxx..");
    assert_eq!(on("Mo-Fr"), "xxxxx..");
    assert_eq!(on("Fri - Mon"), "x...xxx");
    assert_eq!(on("Tu-Tu"), ".x.....");
    assert_eq!(on("Any"), "xxxxxxx");
    assert_eq!(on("We1100-1300,Th1300-1400"), "..x....");
}

#[test]
fn evening_and_night_are_those_of_gnu_queue() {
    let moments = [
        (Monday, 759),
        (Monday, 800),
        (Monday, 1659),
        (Monday, 1700),
        (Monday, 2259),
        (Monday, 2300),
        (Saturday, 1200),
        (Sunday, 1659),
        (Sunday, 1700),
        (Sunday, 2300),
    ];
    let expected = [true, false, false, true, true, true, true, true, true, true];
    assert_eq!(open("Evening", &moments), expected);
    let expected = [true, false, false, false, false, true, true, true, false, true];
    assert_eq!(open("Night", &moments), expected);
    assert_eq!(open("Night,1200-1300", &[(Monday, 1230), (Monday, 1330)]), [true, false]);
}

#[test]
fn what_cannot_be_understood_is_cited() {
    for text in [
        "",
        "Wk,",
        "Xy",
        "0800",
        "0800-2500",
        "0860-0900",
        "0800-0800",
        "2400-0800",
        "0000-0000",
        "2400-2400",
        "Mo-",
        "Mo-Fr-Sa",
        "0800-1800 Mo",
        "8-18",
        "Wk-Sa",
        "T",
        "Mon day",
        "0800-1200-1300",
        "+800-1200",
        "ü",
    ] {
        assert!(Hours::parse(text).is_err(), "{text:?} was understood");
    }
    assert_eq!(Hours::parse("Sa, Xy0800-1200"), Err("Xy0800-1200".to_owned()));
    assert_eq!(
        faults("timestop = [\"Sa\", \"Xy\"]"),
        ["1:19: timestop = \"Xy\": \"Xy\" is not understood; days and hours such as \"Wk1800-0700\", \"Sa,Su\" or \
         \"Mo-Fr 08:00-18:00\" are expected"]
    );
}

#[test]
fn what_never_changes_has_no_next_change() {
    for text in ["Any", "0000-2400", "Mo-Su", "0800-1200,1200-0800"] {
        assert_eq!(hours(text).next_change(Wednesday, 700), None, "{text}");
    }
    assert_eq!(Hours::always().next_change(Sunday, 1439), None);
    assert_eq!(hours("Sa").next_change(Sunday, 0), Some(6 * 1440));
    assert_eq!(hours("Sa").next_change(Saturday, 1439), Some(1));
    assert_eq!(hours("Sa0000-0001").next_change(Saturday, 1), Some(7 * 1440 - 1));
}

fn item() -> impl Strategy<Value = String> {
    let days = ["", "Any", "Wk", "Evening", "Night", "Sa", "Su", "Mo", "Fr-Mo", "Tu-Th"];
    let clock = (0..1440_u16, 1..1440_u16).prop_map(|(from, length)| {
        let to = (from + length) % 1440;
        format!("{:02}{:02}-{:02}:{:02}", from / 60, from % 60, to / 60, to % 60).replace(':', "")
    });
    (proptest::sample::select(days.to_vec()), proptest::option::of(clock)).prop_map(|(days, clock)| match clock {
        None if days.is_empty() => "Any".to_owned(),
        clock => format!("{days}{}", clock.unwrap_or_default()),
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn the_next_change_is_where_a_walk_finds_it(
        items in proptest::collection::vec(item(), 1..4),
        day in 0..7_i8,
        minute in 0..1440_u16,
    ) {
        let hours = hours(&items.join(","));
        let first = Weekday::from_monday_zero_offset(day).expect("a day of the week");
        let now = hours.is_open(first, minute);
        let walk = (1..=7 * 1440_u32).find(|&step| {
            let later = u32::from(minute) + step;
            let day = first.wrapping_add(i64::from(later / 1440));
            hours.is_open(day, u16::try_from(later % 1440).expect("less than a day")) != now
        });
        prop_assert_eq!(hours.next_change(first, minute), walk);
    }
}
