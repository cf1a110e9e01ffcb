use super::*;

fn utc(text: &str) -> DateTime<Utc> {
    text.parse().expect("an instant")
}

#[test]
fn a_plain_line_fires_when_it_says() {
    let schedule = Schedule::parse("15 6 * * 1-5").expect("a line");
    assert_eq!(schedule.next_after(utc("2026-11-20T06:15:00Z")), Some(utc("2026-11-23T06:15:00Z")));
}
