//! The places of a chart's points: what the values of the column `x` are, and one kind of label for all of them.

use chrono::{DateTime, NaiveDate, Utc};
use rusqlite::types::Value;

use super::chart::number_text;
use super::dates::{short_day, short_month, time_of};

/// What the values of a column `x` are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PlaceKind {
    Number,
    Month,
    Day,
    /// A time, to the minute.
    Minute,
    /// Texts, at least some of them.
    Text,
}

/// Times that are further apart are labeled by their days.
const DAYS_APART: f64 = 2.0 * 86_400.0;

impl PlaceKind {
    /// The kind of all these values.
    pub(super) fn of<'v>(values: impl Iterator<Item = &'v Value> + Clone) -> PlaceKind {
        if values.clone().all(|value| matches!(value, Value::Integer(_) | Value::Real(_))) {
            return PlaceKind::Number;
        }
        let texts = values.clone().map(|value| if let Value::Text(text) = value { text.as_str() } else { "" });
        let all = |is_it: fn(&str) -> bool| texts.clone().all(is_it);
        if all(is_month) {
            return PlaceKind::Month;
        }
        if all(is_day) {
            return PlaceKind::Day;
        }
        let places = values.map(|value| if matches!(value, Value::Text(_)) { place_of(value) } else { None });
        let ends = places.map(|place| place.map(|at| (at, at))).reduce(|ends, next| {
            let ((low, high), (from, to)) = (ends?, next?);
            Some((f64::min(low, from), f64::max(high, to)))
        });
        match ends.flatten() {
            Some((low, high)) if high - low >= DAYS_APART => PlaceKind::Day,
            Some(_) => PlaceKind::Minute,
            None => PlaceKind::Text,
        }
    }

    pub(super) fn is_time(self) -> bool {
        matches!(self, PlaceKind::Month | PlaceKind::Day | PlaceKind::Minute)
    }

    /// A heading for a column of such values.
    pub(super) fn heading(self) -> &'static str {
        match self {
            PlaceKind::Number => "number",
            PlaceKind::Month => "month",
            PlaceKind::Day => "day",
            PlaceKind::Minute => "time",
            PlaceKind::Text => "name",
        }
    }

    /// The value as a label, which has the form of all other labels of the axis.
    pub(super) fn label(self, value: &Value) -> String {
        let at = place_of(value).and_then(|at| DateTime::<Utc>::from_timestamp(at as i64, 0));
        match (self, at) {
            (PlaceKind::Month, Some(at)) => at.format("%Y-%m").to_string(),
            (PlaceKind::Day, Some(at)) => at.format("%Y-%m-%d").to_string(),
            (PlaceKind::Minute, Some(at)) => at.format("%Y-%m-%d %H:%M").to_string(),
            _ => cell_text(value),
        }
    }

    /// A label that fits below a bar, if there is one.
    pub(super) fn short_label(self, value: &Value) -> Option<String> {
        let label = self.label(value);
        match self {
            PlaceKind::Day => Some(short_day(&label)),
            PlaceKind::Month => Some(short_month(&label)),
            PlaceKind::Number | PlaceKind::Minute | PlaceKind::Text => (label.chars().count() <= 4).then_some(label),
        }
    }
}

/// The place of a value on the axis: a number, or the seconds of a time.
pub(super) fn place_of(value: &Value) -> Option<f64> {
    match value {
        Value::Integer(n) => Some(*n as f64),
        Value::Real(n) => n.is_finite().then_some(*n),
        Value::Text(text) => {
            let day = |text: &str| text.parse::<NaiveDate>().ok()?.and_hms_opt(0, 0, 0).map(|at| at.and_utc());
            let at = text.parse::<DateTime<Utc>>().ok().or_else(|| day(text)).or_else(|| day(&format!("{text}-01")))?;
            Some(at.timestamp() as f64)
        }
        Value::Null | Value::Blob(_) => None,
    }
}

/// The value as a table shows it.
pub(super) fn cell_text(value: &Value) -> String {
    match value {
        Value::Integer(n) => n.to_string(),
        Value::Real(n) => number_text(*n),
        Value::Text(text) => time_of(text).unwrap_or_else(|| text.clone()),
        Value::Null | Value::Blob(_) => "–".to_owned(),
    }
}

fn is_day(text: &str) -> bool {
    text.parse::<NaiveDate>().is_ok()
}

/// `2026-11`
fn is_month(text: &str) -> bool {
    is_day(&format!("{text}-01"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_of_an_axis_have_one_kind() {
        let text = |text: &str| Value::Text(text.to_owned());
        for (values, kind, labels) in [
            (vec![Value::Integer(2026), Value::Real(0.5)], PlaceKind::Number, ["2026", "0.5"]),
            (vec![text("2026-09"), text("2026-11")], PlaceKind::Month, ["2026-09", "2026-11"]),
            (vec![text("2026-09-01"), text("2026-11-30")], PlaceKind::Day, ["2026-09-01", "2026-11-30"]),
            (vec![text("2026-09"), text("2026-11-30")], PlaceKind::Day, ["2026-09-01", "2026-11-30"]),
            (vec![text("2026-09-01"), text("2026-11-30T06:17:02Z")], PlaceKind::Day, ["2026-09-01", "2026-11-30"]),
            (
                vec![text("2026-11-30"), text("2026-11-30T06:17:02.5Z")],
                PlaceKind::Minute,
                ["2026-11-30 00:00", "2026-11-30 06:17"],
            ),
            (vec![text("2026-09-01"), text("DE")], PlaceKind::Text, ["2026-09-01", "DE"]),
            (vec![text("2026-09-01"), Value::Integer(3)], PlaceKind::Text, ["2026-09-01", "3"]),
        ] {
            assert_eq!(PlaceKind::of(values.iter()), kind, "{values:?}");
            let found: Vec<String> = values.iter().map(|value| kind.label(value)).collect();
            assert_eq!(found, labels);
        }
    }
}
