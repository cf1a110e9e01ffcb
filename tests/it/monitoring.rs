//! docs/monitoring.md names what there is: every metric, event and field.

use cratedigger::notify::{Event, Message, Metrics};

fn page() -> String {
    std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/monitoring.md")).unwrap()
}

#[test]
fn every_metric_stands_on_the_page_and_every_metric_of_the_page_is_written() {
    let (page, written) = (page(), Metrics::default().text());
    let there: Vec<&str> = written.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    assert!(there.len() > 10, "{written}");
    for name in &there {
        assert!(page.contains(&format!("`{name}`")), "{name} is not in docs/monitoring.md");
    }
    for name in page.split('`').filter(|word| word.starts_with("cratedigger_")) {
        assert!(there.contains(&name), "{name} is not written");
    }
}

#[test]
fn every_event_and_every_field_of_a_message_stands_on_the_page() {
    let page = page();
    let message = Message {
        event: Event::Failure,
        job: "x".into(),
        text: String::new(),
        details: Vec::new(),
        run: None,
        state: None,
        exit_code: None,
        project: String::new(),
        at: chrono::DateTime::UNIX_EPOCH,
    };
    let json = serde_json::to_value(message).unwrap();
    for field in json.as_object().unwrap().keys() {
        assert!(page.contains(&format!("`{field}`")), "{field}");
    }
    for event in [Event::Failure, Event::Partial, Event::SignIn, Event::Overdue, Event::Recovery] {
        assert!(page.contains(&format!("| `{}` |", event.word())), "{}", event.word());
    }
}
