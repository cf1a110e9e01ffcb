use super::*;

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

#[test]
fn what_lasts_is_news_once_and_its_end_is_news_once() {
    let folder = tempfile::tempdir().unwrap();
    let memory = Memory::new(folder.path(), Path::new("/p/output/cratedigger.db"));
    let now = at("2026-11-23T12:00:00Z");
    assert!(memory.begins("x", Trouble::Failed, "status 503 after 4 attempts, 17 s", now));
    assert!(!memory.begins("x", Trouble::Failed, "status 503 after 4 attempts, 2041 s", now));
    assert!(memory.begins("y", Trouble::Failed, "status 503 after 4 attempts, 17 s", now));
    assert!(memory.begins("x", Trouble::Failed, "the disk is full", now), "another reason is news");
    let ended = memory.ends("x", &[Trouble::Failed, Trouble::Partial]);
    assert_eq!(ended, [Ended { trouble: Trouble::Failed, since: now }]);
    assert_eq!(memory.ends("x", &[Trouble::Failed]), []);
    assert_eq!(memory.open(), [("y".to_owned(), Trouble::Failed, now)]);
}

#[test]
fn each_way_is_tried_until_it_has_taken_the_message_and_never_after() {
    let folder = tempfile::tempdir().unwrap();
    let memory = Memory::new(folder.path(), Path::new("/p/output/cratedigger.db"));
    let now = at("2026-11-23T12:00:00Z");
    let later = |minutes| now + TimeDelta::minutes(minutes);
    let message = Message {
        event: crate::notify::Event::Failure,
        job: "x".into(),
        text: "it failed".into(),
        details: Vec::new(),
        run: None,
        state: None,
        exit_code: None,
        project: "/p".into(),
        at: now,
    };
    memory.to_deliver(message.clone(), &Way::ALL, now);
    let ways = |minutes| -> Vec<Vec<Way>> {
        memory.undelivered(&Way::ALL, later(minutes)).into_iter().map(|(_, ways)| ways).collect()
    };
    assert_eq!(ways(0), [Way::ALL.to_vec()]);
    memory.delivered(&message, Way::Command);
    assert_eq!(ways(4), Vec::<Vec<Way>>::new(), "not so soon");
    assert_eq!(ways(5), [[Way::Webhook]]);
    assert_eq!(ways(10), [[Way::Webhook]]);
    memory.delivered(&message, Way::Webhook);
    assert_eq!(ways(15), Vec::<Vec<Way>>::new());
    // A way that the settings no longer name is waited for no more, and none for over a day.
    memory.to_deliver(message.clone(), &Way::ALL, now);
    assert_eq!(memory.undelivered(&[Way::Webhook], now).len(), 1);
    assert_eq!(ways(24 * 60), Vec::<Vec<Way>>::new());
    assert!(!memory.has_undelivered(later(25 * 60)));
}

#[test]
fn a_ping_that_waits_gives_way_to_that_of_a_later_run() {
    let folder = tempfile::tempdir().unwrap();
    let memory = Memory::new(folder.path(), Path::new("/p/output/cratedigger.db"));
    let now = at("2026-11-23T12:00:00Z");
    let end = |rid: &str| EndPing { what: "1".into(), rid: rid.into(), body: String::new() };
    memory.keep_ping("x", end("first"), now);
    assert_eq!(memory.waiting_pings(now), [], "it has just been tried");
    memory.keep_ping("x", end("second"), now);
    let later = now + PAUSE;
    assert_eq!(memory.waiting_pings(later), [("x".to_owned(), end("second"))]);
    assert_eq!(memory.waiting_pings(later), [], "another process has it");
    memory.forget_ping("x", Some("first"));
    assert!(memory.has_undelivered(later + PAUSE));
    memory.forget_ping("x", Some("second"));
    assert!(!memory.has_undelivered(later + PAUSE));
    memory.keep_ping("x", end("third"), now);
    memory.forget_ping("x", None);
    assert!(!memory.has_undelivered(later));
}

#[test]
fn where_nothing_can_be_written_it_is_told_once_a_day() {
    let folder = tempfile::tempdir().unwrap();
    let memory = Memory::new(folder.path(), Path::new("/p/output/cratedigger.db"));
    // A folder stands where the file should: nothing can be written down, as on a full disk.
    std::fs::create_dir(&memory.file).unwrap();
    let now = at("2026-11-23T12:00:00Z");
    assert!(memory.begins("x", Trouble::Failed, "no space left", now));
    assert!(!memory.begins("x", Trouble::Failed, "no space left", now));
    let yesterday = SystemTime::now() - FORGETFUL - Duration::from_secs(60);
    memory.lock_file().unwrap().set_modified(yesterday).unwrap();
    assert!(memory.begins("x", Trouble::Failed, "no space left", now));
}
