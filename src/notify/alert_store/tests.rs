//! Which alerts are reported, over many checks.

use std::os::unix::fs::PermissionsExt;

use chrono::TimeDelta;

use super::outbox::RETRY_PAUSE;
use super::*;
use crate::notify::AlertMessage;

fn private_folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o700)).unwrap();
    folder
}

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

#[test]
fn lasting_alert_and_its_end_are_reported_once() {
    let folder = private_folder();
    let memory = AlertStore::new(folder.path(), Path::new("/p/output/cratedigger.db"));
    let now = at("2026-11-23T12:00:00Z");
    assert_eq!(
        memory.start(AlertScope::Job("x"), AlertKind::Failed, "status 503 after 4 attempts, 17 s", now),
        AlertTransition::New
    );
    assert_eq!(
        memory.start(AlertScope::Job("x"), AlertKind::Failed, "status 503 after 4 attempts, 2041 s", now),
        AlertTransition::Repeated
    );
    assert_eq!(
        memory.start(AlertScope::Job("y"), AlertKind::Failed, "status 503 after 4 attempts, 17 s", now),
        AlertTransition::New
    );
    assert_eq!(
        memory.start(AlertScope::Job("x"), AlertKind::Failed, "the disk is full", now),
        AlertTransition::New,
        "another reason is news"
    );
    let ended = memory.resolve(AlertScope::Job("x"), &[AlertKind::Failed, AlertKind::Partial]);
    assert_eq!(ended, [ResolvedAlert { kind: AlertKind::Failed, since: now, jobs: Vec::new() }]);
    assert_eq!(memory.resolve(AlertScope::Job("x"), &[AlertKind::Failed]), []);
    assert_eq!(memory.open_alerts(), [("y".to_owned(), AlertKind::Failed, now)]);
}

#[test]
fn each_channel_delivers_a_message_once() {
    let folder = private_folder();
    let memory = AlertStore::new(folder.path(), Path::new("/p/output/cratedigger.db"));
    let now = at("2026-11-23T12:00:00Z");
    let later = |minutes| now + TimeDelta::minutes(minutes);
    let message = AlertMessage {
        event: crate::notify::AlertEvent::Failure,
        job: "x".into(),
        text: "it failed".into(),
        details: Vec::new(),
        run: None,
        state: None,
        exit_code: None,
        project: "/p".into(),
        at: now,
    };
    memory.queue_message(&message, &DeliveryChannel::ALL, now);
    let ways = |minutes| -> Vec<Vec<DeliveryChannel>> {
        memory.take_messages(&DeliveryChannel::ALL, later(minutes)).into_iter().map(|(_, ways)| ways).collect()
    };
    assert_eq!(ways(0), [DeliveryChannel::ALL.to_vec()]);
    memory.mark_delivered(&message, DeliveryChannel::Command);
    assert_eq!(ways(4), Vec::<Vec<DeliveryChannel>>::new(), "not so soon");
    assert_eq!(ways(5), [[DeliveryChannel::Webhook]]);
    assert_eq!(ways(10), [[DeliveryChannel::Webhook]]);
    memory.mark_delivered(&message, DeliveryChannel::Webhook);
    assert_eq!(ways(15), Vec::<Vec<DeliveryChannel>>::new());
    // A way that the settings no longer name is waited for no more, and none for over a day.
    memory.queue_message(&message, &DeliveryChannel::ALL, now);
    assert_eq!(memory.take_messages(&[DeliveryChannel::Webhook], now).len(), 1);
    assert_eq!(ways(24 * 60), Vec::<Vec<DeliveryChannel>>::new());
    assert!(!memory.has_undelivered(later(25 * 60)));
}

#[test]
fn waiting_ping_is_replaced_by_a_later_one() {
    let folder = private_folder();
    let memory = AlertStore::new(folder.path(), Path::new("/p/output/cratedigger.db"));
    let now = at("2026-11-23T12:00:00Z");
    let end = |rid: &str| RunPing { what: "1".into(), rid: rid.into(), body: String::new() };
    memory.keep_ping("x", end("first"), now);
    assert_eq!(memory.take_pings(now), [], "it has just been tried");
    memory.keep_ping("x", end("second"), now);
    let later = now + RETRY_PAUSE;
    assert_eq!(memory.take_pings(later), [("x".to_owned(), end("second"))]);
    assert_eq!(memory.take_pings(later), [], "another process has it");
    memory.forget_ping("x", Some("first"));
    assert!(memory.has_undelivered(later + RETRY_PAUSE));
    memory.forget_ping("x", Some("second"));
    assert!(!memory.has_undelivered(later + RETRY_PAUSE));
    memory.keep_ping("x", end("third"), now);
    memory.forget_ping("x", None);
    assert!(!memory.has_undelivered(later));
}

#[test]
fn unwritable_state_reports_once_a_day() {
    let folder = private_folder();
    let memory = AlertStore::new(folder.path(), Path::new("/p/output/cratedigger.db"));
    // A folder in the place of the file, so that nothing can be saved, as on a full disk.
    std::fs::create_dir(&memory.file).unwrap();
    let now = at("2026-11-23T12:00:00Z");
    assert_eq!(memory.start(AlertScope::Job("x"), AlertKind::Failed, "no space left", now), AlertTransition::New);
    assert_eq!(memory.start(AlertScope::Job("x"), AlertKind::Failed, "no space left", now), AlertTransition::Repeated);
    let yesterday = SystemTime::now() - UNSAVED_REPEAT - Duration::from_secs(60);
    memory.lock_file().unwrap().set_modified(yesterday).unwrap();
    assert_eq!(memory.start(AlertScope::Job("x"), AlertKind::Failed, "no space left", now), AlertTransition::New);
}

#[test]
fn shared_cause_is_reported_and_resolved_once() {
    let folder = private_folder();
    let memory = AlertStore::new(folder.path(), Path::new("/p/output/cratedigger.db"));
    let now = at("2026-11-23T12:00:00Z");
    let starts =
        |job| memory.start(AlertScope::Shared { cause: "home has to sign in", job }, AlertKind::Person, "", now);
    assert_eq!(
        [starts("a"), starts("b"), starts("a")],
        [AlertTransition::New, AlertTransition::Joins, AlertTransition::Repeated]
    );
    assert_eq!(memory.open_alerts().len(), 2, "both wait");
    assert_eq!(memory.resolve(AlertScope::Job("c"), &[AlertKind::Person]), [], "it never met it");
    let over = [ResolvedAlert { kind: AlertKind::Person, since: now, jobs: vec!["a".into(), "b".into()] }];
    assert_eq!(memory.resolve(AlertScope::Job("b"), &[AlertKind::Person]), over);
    assert_eq!(memory.resolve(AlertScope::Job("a"), &[AlertKind::Person]), []);
    assert_eq!(starts("a"), AlertTransition::New);
}

#[test]
fn unwritable_state_reports_every_job() {
    let folder = private_folder();
    let memory = AlertStore::new(folder.path(), Path::new("/p/output/cratedigger.db"));
    std::fs::create_dir(&memory.file).unwrap();
    let now = at("2026-11-23T12:00:00Z");
    let begins = |job, trouble| memory.start(AlertScope::Job(job), trouble, "no space left", now);
    for _ in 0..2 {
        let transitions =
            [begins("x", AlertKind::Failed), begins("y", AlertKind::Failed), begins("x", AlertKind::Overdue)];
        assert!(
            transitions == [AlertTransition::New; 3] || transitions == [AlertTransition::Repeated; 3],
            "{transitions:?}"
        );
    }
    assert_eq!(begins("z", AlertKind::Failed), AlertTransition::New);
}

#[test]
fn alerts_of_older_versions_are_kept() {
    let folder = private_folder();
    let store = AlertStore::new(folder.path(), Path::new("/p/output/cratedigger.db"));
    let now = at("2026-11-23T12:00:00Z");
    let shared = |cause, job| AlertScope::Shared { cause, job };
    store.start(AlertScope::Job("x"), AlertKind::Failed, "an old wording", now);
    store.start(shared("the old cause", "y"), AlertKind::Person, "", now);
    std::fs::rename(&store.file, &store.old_file).unwrap();
    assert_eq!(store.open_alerts().len(), 2);
    let again = |scope, kind, text| store.start(scope, kind, text, now);
    assert_eq!(again(AlertScope::Job("x"), AlertKind::Failed, "a new wording"), AlertTransition::Repeated);
    assert!(store.file.exists() && !store.old_file.exists());
    assert_eq!(again(shared("the new cause", "y"), AlertKind::Person, ""), AlertTransition::Repeated);
    assert_eq!(again(AlertScope::Job("x"), AlertKind::Failed, "another reason"), AlertTransition::New);
    assert_eq!(store.resolve(AlertScope::Job("y"), &[AlertKind::Person]).len(), 1);
}
