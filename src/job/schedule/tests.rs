use std::str::FromStr;

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use super::*;

fn utc(text: &str) -> DateTime<Utc> {
    text.parse().expect("an instant")
}

fn schedule(line: &str, zone: &str) -> Schedule {
    Schedule::parse(line).expect(line).in_zone(zone.parse().expect("a zone"))
}

fn fires(schedule: &Schedule, from: &str, until: &str) -> Vec<String> {
    let until = utc(until);
    std::iter::successors(schedule.next_after(utc(from)), |fire| schedule.next_after(*fire))
        .take_while(|fire| *fire < until)
        .map(|fire| fire.with_timezone(&schedule.zone()).format("%d %H:%M %z").to_string())
        .collect()
}

#[test]
fn a_plain_line_fires_when_it_says() {
    let schedule = Schedule::parse("15 6 * * 1-5").expect("a line");
    assert_eq!(schedule.next_after(utc("2026-11-20T06:15:00Z")), Some(utc("2026-11-23T06:15:00Z")));
    assert_eq!(schedule.next_after(utc("2026-11-20T06:14:59.5Z")), Some(utc("2026-11-20T06:15:00Z")));
}

#[test]
fn zero_seven_and_sun_are_sunday() {
    for line in ["0 9 * * 0", "0 9 * * 7", "0 9 * * sun", "0 9 * * SUN"] {
        assert_eq!(
            schedule(line, "UTC").next_after(utc("2026-11-23T00:00:00Z")),
            Some(utc("2026-11-29T09:00:00Z")),
            "{line}"
        );
    }
    for line in ["0 9 * * 6-7", "0 9 * * sat-sun", "0 9 * * 0,6"] {
        let schedule = schedule(line, "UTC");
        assert_eq!(
            fires(&schedule, "2026-11-23T00:00:00Z", "2026-12-05T00:00:00Z"),
            ["28 09:00 +0000", "29 09:00 +0000"],
            "{line}"
        );
    }
    assert_eq!(
        schedule("0 0 1 FEB *", "UTC").next_after(utc("2026-11-23T00:00:00Z")),
        Some(utc("2027-02-01T00:00:00Z"))
    );
}

#[test]
fn both_day_fields_mean_either() {
    let schedule = schedule("0 0 13 * 5", "UTC");
    assert_eq!(
        fires(&schedule, "2026-11-01T00:00:00Z", "2026-11-21T00:00:00Z"),
        ["06 00:00 +0000", "13 00:00 +0000", "20 00:00 +0000"]
    );
}

#[test]
fn named_lines_are_lines() {
    for (name, line) in [
        ("@daily", "0 0 * * *"),
        ("@Hourly", "0 * * * *"),
        ("@weekly", "0 0 * * 0"),
        ("@monthly", "0 0 1 * *"),
        ("@yearly", "0 0 1 1 *"),
    ] {
        let (named, plain) = (schedule(name, "UTC"), schedule(line, "UTC"));
        let at = utc("2026-11-23T12:34:56Z");
        assert_eq!(named.next_after(at), plain.next_after(at), "{name}");
    }
}

#[test]
fn ambiguous_line_is_refused_with_a_hint() {
    for (line, message, hint) in [
        ("0 15 6 * * *", "6 fields", "did you mean \"15 6 * * *\"?"),
        ("15 6 * *", "4 fields", "minute, hour"),
        ("", "0 fields", "minute, hour"),
        ("0 0 30 2 *", "does not exist", "28"),
        ("0 0 31 4,6,9,11 *", "does not exist", "28"),
        ("0 0 30 2 1", "does not exist", "28"),
        ("0 0 */2 * 1", "cron programs disagree", "1-31/2"),
        ("0 0 13 * */2", "cron programs disagree", "0-6/2"),
        ("0 0 */2 * */2", "cron programs disagree", "1-31/2"),
        ("60 0 * * *", "60 is not between 0 and 59", ""),
        ("0 24 * * *", "24 is not between 0 and 23", ""),
        ("0 0 0 * *", "0 is not between 1 and 31", ""),
        ("0 0 * 13 *", "13 is not between 1 and 12", ""),
        ("0 0 * * 8", "8 is not between 0 and 7", ""),
        ("0 22-4 * * *", "is backwards", "22-23,0-4"),
        ("0 0 * * fri-mon", "is backwards", "5-6,0-1"),
        ("5/10 * * * *", "a step needs", "5-59/10"),
        ("*/0 * * * *", "a whole number from 1", ""),
        ("*/99 * * * *", "wider than the field", ""),
        ("0 0 L * *", "not part of crontab(5)", ""),
        ("0 0 ? * 1", "not part of crontab(5)", ""),
        ("0 0 * * 1#2", "not part of crontab(5)", ""),
        ("0 0 * * monday", "three letters", "write mon"),
        ("0 0 * * mo", "not a number", ""),
        ("0, 0 * * *", "not a number", ""),
        ("+5 0 * * *", "not a number", ""),
        ("@dayly", "invalid schedule", "`@daily`"),
        ("@reboot", "invalid schedule", "due at once"),
    ] {
        let error = Schedule::parse(line).expect_err(line);
        assert!(error.message.contains(message), "{line}: {}", error.message);
        assert!(error.hint.unwrap_or_default().contains(hint), "{line}: no hint {hint}");
    }
}

/// Zone; spring night with the last offset before it and the first after; autumn night likewise.
/// Lines with `30 H`, in the middle of the skipped and the repeated hour.
#[test]
fn fixed_hours_fire_once_on_dst_nights() {
    for (zone, line, day, expected) in [
        ("Europe/Berlin", "30 2 * * *", "2026-03-29", "29 03:00 +0200"),
        ("Europe/Berlin", "30 2 * * *", "2026-10-25", "25 02:30 +0200"),
        ("America/New_York", "30 2 * * *", "2026-03-08", "08 03:00 -0400"),
        ("America/New_York", "30 1 * * *", "2026-11-01", "01 01:30 -0400"),
        // Midnight itself is skipped.
        ("America/Santiago", "30 0 * * *", "2026-09-06", "06 01:00 -0300"),
        ("America/Santiago", "30 23 * * *", "2026-04-04", "04 23:30 -0300"),
        // Half an hour only.
        ("Australia/Lord_Howe", "15 2 * * *", "2026-10-04", "04 02:30 +1100"),
        ("Australia/Lord_Howe", "45 1 * * *", "2026-04-05", "05 01:45 +1100"),
        // Summer time of negative length, in Dublin's law; on the wall it's like elsewhere.
        ("Europe/Dublin", "30 1 * * *", "2026-03-29", "29 02:00 +0100"),
        ("Europe/Dublin", "30 1 * * *", "2026-10-25", "25 01:30 +0100"),
        ("Africa/Cairo", "30 0 * * *", "2026-04-24", "24 01:00 +0300"),
        ("Africa/Cairo", "30 23 * * *", "2026-10-29", "29 23:30 +0300"),
    ] {
        let schedule = schedule(line, zone);
        let day: chrono::NaiveDate = day.parse().expect("a day");
        let noon = day.and_hms_opt(12, 0, 0).expect("noon");
        let (from, until) = (noon - TimeDelta::hours(36), noon + TimeDelta::hours(36));
        let all = fires(&schedule, &format!("{}Z", from.format("%FT%T")), &format!("{}Z", until.format("%FT%T")));
        let that_day: Vec<_> = all.iter().filter(|f| f.starts_with(&expected[..2])).collect();
        assert_eq!(that_day, [expected], "{zone} {line}: {all:?}");
        assert!((2..=4).contains(&all.len()), "{zone} {line}: {all:?}");
    }
}

#[test]
fn star_hours_keep_their_interval_over_dst() {
    for (zone, from) in [
        ("Europe/Berlin", "2026-03-28T20:00:00Z"),
        ("Europe/Berlin", "2026-10-24T20:00:00Z"),
        ("America/New_York", "2026-03-08T00:00:00Z"),
        ("America/New_York", "2026-11-01T00:00:00Z"),
        ("America/Santiago", "2026-09-05T20:00:00Z"),
        ("America/Santiago", "2026-04-04T20:00:00Z"),
        ("Europe/Dublin", "2026-10-24T20:00:00Z"),
        ("Africa/Cairo", "2026-10-29T14:00:00Z"),
    ] {
        let schedule = schedule("*/30 * * * *", zone);
        let mut at = utc(from);
        for _ in 0..40 {
            let next = schedule.next_after(at).expect("a fire");
            assert_eq!(next - at, TimeDelta::minutes(30), "{zone} {at}");
            at = next;
        }
    }
}

#[test]
fn every_second_hour_is_local_time() {
    let schedule = schedule("0 */2 * * *", "Europe/Berlin");
    assert_eq!(
        fires(&schedule, "2026-10-24T21:59:00Z", "2026-10-25T04:00:00Z"),
        ["25 00:00 +0200", "25 02:00 +0200", "25 02:00 +0100", "25 04:00 +0100"]
    );
    assert_eq!(
        fires(&schedule, "2026-03-28T22:59:00Z", "2026-03-29T05:00:00Z"),
        ["29 00:00 +0100", "29 04:00 +0200", "29 06:00 +0200"]
    );
}

#[test]
fn skipped_day_fires_at_its_end() {
    // Samoa went from 29 to 31 December 2011.
    let schedule = schedule("0 6 30 12 *", "Pacific/Apia");
    assert_eq!(schedule.next_after(utc("2011-12-01T00:00:00Z")), Some(utc("2011-12-30T10:00:00Z")));
}

#[test]
fn leap_day_is_found_after_eight_years() {
    let schedule = schedule("0 0 29 2 *", "UTC");
    assert_eq!(schedule.next_after(utc("2026-11-23T00:00:00Z")), Some(utc("2028-02-29T00:00:00Z")));
    assert_eq!(schedule.last_at_or_before(utc("2026-11-23T00:00:00Z")), Some(utc("2024-02-29T00:00:00Z")));
}

/// Lines of crontab(5) with one meaning for every program: no star with a step next to another day field.
fn lines() -> impl Strategy<Value = String> {
    fn field(min: u32, max: u32) -> BoxedStrategy<String> {
        let number = min..=max;
        let range = (min..=max, min..=max).prop_map(|(a, b)| format!("{}-{}", a.min(b), a.max(b)));
        let stepped = (range.clone(), 1..=max / 2).prop_map(|(r, n)| format!("{r}/{n}"));
        let list = prop::collection::vec(min..=max, 2..5)
            .prop_map(|ns| ns.iter().map(u32::to_string).collect::<Vec<_>>().join(","));
        prop_oneof![2 => Just("*".to_owned()), 3 => number.prop_map(|n| n.to_string()), 1 => range, 1 => stepped, 1 => list]
            .boxed()
    }
    fn every(max: u32) -> BoxedStrategy<String> {
        (1..=max).prop_map(|n| format!("*/{n}")).boxed()
    }
    let star = || Just("*".to_owned());
    let days = prop_oneof![
        8 => (field(1, 31), field(0, 6)),
        1 => (every(15), star().boxed()),
        1 => (star().boxed(), every(3)),
        1 => (field(1, 31), Just("7".to_owned()).boxed()),
    ];
    let (minutes, hours) =
        (prop_oneof![6 => field(0, 59), 1 => every(29)], prop_oneof![6 => field(0, 23), 1 => every(11)]);
    (minutes, hours, days, prop_oneof![6 => field(1, 12), 1 => every(6)])
        .prop_map(|(m, h, (d, w), mo)| format!("{m} {h} {d} {mo} {w}"))
        .prop_filter("some days are in no calendar", |line| match Schedule::parse(line) {
            Err(error) => !error.message.contains("does not exist"),
            Ok(_) => true,
        })
}

/// The zones of the table of DST nights, and two without.
const ZONES: [Tz; 8] = [
    Tz::Europe__Berlin,
    Tz::America__New_York,
    Tz::America__Santiago,
    Tz::Australia__Lord_Howe,
    Tz::Europe__Dublin,
    Tz::Africa__Cairo,
    Tz::Asia__Kolkata,
    Tz::UTC,
];

/// A line in two crons.
struct Both {
    ours: Schedule,
    theirs: croner::Cron,
    zone: Tz,
}

impl Both {
    /// The next fire, if they agree on it; `Err` says how they do not.
    fn next_after(&self, at: DateTime<Utc>) -> Result<Option<DateTime<Utc>>, String> {
        let ours = self.ours.next_after(at);
        let theirs = self.theirs.find_next_occurrence(&at.with_timezone(&self.zone), false).ok().map(|t| t.to_utc());
        let near = |fire: Option<DateTime<Utc>>| fire.is_some_and(|fire| near_a_change(self.zone, fire));
        if ours == theirs || near(ours) || near(theirs) {
            return Ok(ours);
        }
        Err(format!("after {at} in {}: {ours:?}, and {theirs:?}", self.zone))
    }

    /// The last instant of the local day.
    fn end_of_day(&self, at: DateTime<Utc>) -> DateTime<Utc> {
        let tomorrow = at.with_timezone(&self.zone).date_naive() + TimeDelta::days(1);
        let end = tomorrow.and_time(chrono::NaiveTime::MIN).and_local_timezone(self.zone).earliest();
        end.map_or(at + TimeDelta::hours(12), |end| end.to_utc() - TimeDelta::seconds(1))
    }
}

/// A line fires on some days of the year, and at the same times on each. So days are looked at by their
/// first fire, and some by all of their fires and by what was newest before, or by as many as make no test
/// long. Which days, each line has of its own, over the whole year; with `CRATEDIGGER_EVERY_DAY=1` it is
/// every day on which the line fires (`make check-schedules`).
#[test]
fn random_lines_agree_with_another_cron() {
    let every_day = std::env::var_os("CRATEDIGGER_EVERY_DAY").is_some();
    let config = Config { cases: crate::random_cases(5_000), failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let (start, end) = (utc("2025-12-31T00:00:00Z"), utc("2027-01-02T00:00:00Z"));
    let (days, fires) = (std::cell::Cell::new(0_u64), std::cell::Cell::new(0_u64));
    let gaps = prop::collection::vec(0i64..25, 12);
    runner
        .run(&(lines(), 0..ZONES.len(), gaps), |(line, zone, gaps)| {
            let zone = ZONES[zone];
            let fail = |why: String| TestCaseError::fail(format!("{line}: {why}"));
            let ours = Schedule::parse(&line).map_err(|e| fail(e.message))?.in_zone(zone);
            let theirs = croner::Cron::from_str(&line).map_err(|e| fail(e.to_string()))?;
            let both = Both { ours, theirs, zone };
            let (mut at, mut seen) = (start, 0_u64);
            for gap in gaps.iter().cycle() {
                let Some(first) = both.next_after(at).map_err(fail)?.filter(|first| *first < end) else { break };
                let until = both.end_of_day(first);
                if gap % 10 == 0 {
                    let before = both.ours.last_at_or_before(first - TimeDelta::seconds(1));
                    prop_assert_eq!(both.ours.last_at_or_before(first), Some(first), "{} in {}", line, zone);
                    prop_assert!(
                        before.is_none_or(|b| b <= at || near_a_change(zone, b)),
                        "{line} in {zone} before {first}: {before:?}"
                    );
                    let mut fire = first;
                    for _ in 0..60 {
                        match both.next_after(fire).map_err(fail)? {
                            Some(next) if next <= until => fire = next,
                            _ => break,
                        }
                        fires.set(fires.get() + 1);
                    }
                }
                at = if every_day { until } else { until + TimeDelta::days(*gap) };
                seen += 1;
            }
            days.set(days.get() + seen);
            Ok(())
        })
        .expect("our schedules and croner's are the same");
    let (days, fires) = (days.get(), fires.get() + days.get());
    println!("{days} days, {fires} fires");
    assert!(days > if every_day { 200_000 } else { 40_000 }, "{days} days, {fires} fires");
}

fn near_a_change(zone: Tz, at: DateTime<Utc>) -> bool {
    let offset = |hours| {
        use chrono::{Offset, TimeZone};
        zone.offset_from_utc_datetime(&(at + TimeDelta::hours(hours)).naive_utc()).fix()
    };
    offset(-26) != offset(26)
}

#[test]
fn what_a_hint_says_to_write_can_be_written() {
    for (line, says) in [
        ("0 6 * * 7-1", "write 0-1"),
        ("0 6 * * 1-0", "write 1-7"),
        ("0 6 * * 5-1", "write 5-6,0-1"),
        ("50-10 6 * * *", "write 50-59,0-10"),
        ("*/60 6 * * *", "write 0:"),
        ("0 6 1,15 * */2", "(`0-6/2`:"),
        ("0 6 */2 * 1", "(`1-31/2`:"),
        ("0 6 *,1 * 1", "leave it out"),
        ("0 6 * * foo", "`fri`"),
        ("0 6 * * holiday", "names are sun, mon"),
        ("0 6 * jna *", "did you mean `jan`"),
        ("TZ=Europe/Berlin 0 6 * * *", "timezone = \"Europe/Berlin\""),
        ("0 6 * * * root /bin/true", "did you mean \"0 6 * * *\"?"),
        ("0 6 * * * /bin/true", "did you mean \"0 6 * * *\"?"),
        ("0 0 6 * * *", "seconds are not part of crontab(5): did you mean \"0 6 * * *\"?"),
    ] {
        let hint = Schedule::parse(line).expect_err(line).hint.expect(line);
        assert!(hint.contains(says), "{line}: {hint}");
    }
    for line in
        ["0 6 * * 0-1", "0 6 * * 1-7", "0 6 * * 5-6,0-1", "50-59,0-10 6 * * *", "0 6 1,15 * 0-6/2", "0 6 1-31/2 * 1"]
    {
        assert!(Schedule::parse(line).is_ok(), "{line}");
    }
}
