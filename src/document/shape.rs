//! What a value may look like: one description for the check, the JSON Schema and the docs.

use std::ops::Range;

use serde_json::{Value as Json, json};
use toml::de::DeValue;

use super::nearest::{nearest, or_list};
use super::quote::quote;
use super::value::{Value, as_text};

/// Text with rules of its own.
#[derive(Debug)]
pub struct TextRule {
    /// What it is, with its article: `a length of time such as "30d"`.
    pub what: &'static str,
    /// As much of the rule as a regular expression can say, for editors.
    pub pattern: Option<&'static str>,
    /// Whether the empty text, or one of blanks only, may be right.
    pub blank: bool,
    /// The whole rule: why a text is refused, and what to do about it.
    pub check: fn(&str) -> Result<(), Refusal>,
}

/// Why a text is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// What is wrong: a lower-case fragment.
    pub message: String,
    /// What to do.
    pub hint: Option<String>,
}

impl Refusal {
    /// A refusal without a hint.
    pub fn new(message: impl Into<String>) -> Refusal {
        Refusal { message: message.into(), hint: None }
    }

    /// The same with a hint.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Refusal {
        self.hint = Some(hint.into());
        self
    }
}

/// What a value may look like.
#[derive(Debug)]
pub enum Shape {
    /// Text that isn't empty and keeps a rule.
    Text(&'static TextRule),
    /// `true` or `false`.
    Flag,
    /// `false` only, as one way of [`Shape::Either`].
    False,
    /// A whole number.
    Integer {
        /// Smallest.
        min: i64,
        /// Largest.
        max: i64,
    },
    /// A number, whole or not.
    Decimal {
        /// More than this.
        above: f64,
        /// At most this.
        max: f64,
    },
    /// A date without quotes.
    Date,
    /// One of some names.
    OneOf(fn() -> Vec<&'static str>),
    /// A list of at least one.
    List(&'static Shape),
    /// Any of these, named together.
    Either(&'static str, &'static [Shape]),
    /// A table with keys of its own (`[name]`).
    Table,
    /// Tables with keys of their own (`[[name]]`).
    Tables,
}

/// Something wrong with a value.
#[derive(Debug)]
pub struct Finding {
    /// Where in the file.
    pub span: Range<usize>,
    /// What is wrong.
    pub message: String,
    /// What was expected, for the caret.
    pub label: Option<String>,
    /// What to do.
    pub hint: Option<String>,
}

impl Finding {
    /// A finding of a message only.
    pub fn new(span: Range<usize>, message: impl Into<String>) -> Finding {
        Finding { span, message: message.into(), label: None, hint: None }
    }
}

impl Shape {
    /// What is wrong with a value; empty if nothing is.
    pub fn check(&self, value: &Value<'_>) -> Vec<Finding> {
        let fits = match (self, value.get_ref()) {
            (Shape::Text(rule), DeValue::String(text)) => return check_text(rule, text, value.span()),
            (Shape::OneOf(names), DeValue::String(text)) => {
                return check_name(&names(), text, value.span());
            }
            (Shape::Integer { min, max }, DeValue::Integer(number)) => {
                return check_integer(*min, *max, number, value.span());
            }
            (Shape::Decimal { above, max }, DeValue::Integer(_) | DeValue::Float(_)) => {
                return check_decimal(*above, *max, value);
            }
            (Shape::List(each), DeValue::Array(items)) => {
                if items.is_empty() {
                    return vec![Finding::new(value.span(), "the list is empty")];
                }
                return items.iter().flat_map(|item| each.check(item)).collect();
            }
            (Shape::Either(_, ways), _) => return self.check_ways(ways, value),
            (Shape::Flag, DeValue::Boolean(_))
            | (Shape::False, DeValue::Boolean(false))
            | (Shape::Table, DeValue::Table(_)) => true,
            (Shape::Tables, DeValue::Array(items)) if items.is_empty() => {
                return vec![Finding::new(value.span(), "the list is empty")];
            }
            (Shape::Tables, DeValue::Array(items)) => items.iter().all(|i| i.get_ref().is_table()),
            (Shape::Date, DeValue::Datetime(at)) => at.date.is_some() && at.time.is_none(),
            _ => false,
        };
        if fits { Vec::new() } else { vec![self.wrong_type(value)] }
    }

    /// The way that fits the value's type decides what is said about it.
    fn check_ways(&self, ways: &[Shape], value: &Value<'_>) -> Vec<Finding> {
        let mut told = None;
        for way in ways {
            let found = way.check(value);
            if found.is_empty() {
                return found;
            }
            if way.takes_type_of(value) && told.is_none() {
                told = Some(found);
            }
        }
        told.unwrap_or_else(|| vec![self.wrong_type(value)])
    }

    fn takes_type_of(&self, value: &Value<'_>) -> bool {
        matches!(
            (self, value.get_ref()),
            (Shape::Text(_) | Shape::OneOf(_), DeValue::String(_))
                | (Shape::List(_), DeValue::Array(_))
                | (Shape::Integer { .. }, DeValue::Integer(_))
                | (Shape::Date, DeValue::Datetime(_))
        )
    }

    fn wrong_type(&self, value: &Value<'_>) -> Finding {
        let found = match value.get_ref() {
            DeValue::String(_) => "text",
            DeValue::Integer(_) => "a whole number",
            DeValue::Float(_) => "a number with a point",
            DeValue::Boolean(true) => "`true`",
            DeValue::Boolean(false) => "`false`",
            DeValue::Datetime(_) => "a date or time",
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => "a table",
        };
        let expected = self.what();
        let mut finding = Finding::new(value.span(), format!("expected {expected}, found {found}"));
        finding.label = Some(format!("expected {expected}"));
        finding.hint = self.retyped(value);
        finding
    }

    /// How the same value would be written in the right type.
    fn retyped(&self, value: &Value<'_>) -> Option<String> {
        match (self, value.get_ref()) {
            (Shape::Integer { .. } | Shape::Decimal { .. }, DeValue::String(text))
                if text.trim().parse::<f64>().is_ok() =>
            {
                Some(format!("write {} without quotes", text.trim()))
            }
            (Shape::Flag, DeValue::String(text)) if matches!(&**text, "true" | "false") => {
                Some(format!("write {text} without quotes"))
            }
            (Shape::List(_), DeValue::String(_)) => Some("write a list: [\"…\"]".to_owned()),
            (Shape::Text(_), DeValue::Integer(_) | DeValue::Float(_) | DeValue::Datetime(_)) => {
                Some("write it in quotes: \"…\"".to_owned())
            }
            (Shape::Tables, DeValue::Table(_)) => Some("write [[…]] in double brackets".to_owned()),
            _ => None,
        }
    }

    /// What it is, with its article.
    pub fn what(&self) -> String {
        match self {
            Shape::Text(rule) => rule.what.to_owned(),
            Shape::Flag => "`true` or `false`".to_owned(),
            Shape::False => "`false`".to_owned(),
            Shape::Integer { min, max } if *max == i64::MAX => {
                format!("a whole number from {min}")
            }
            Shape::Integer { min, max } => format!("a whole number from {min} to {max}"),
            Shape::Decimal { above, max } => format!("a number above {above}, at most {max}"),
            Shape::Date => "a date".to_owned(),
            Shape::OneOf(names) => or_list(&names()),
            Shape::List(each) => format!("a list of which each is {}", each.what()),
            Shape::Either(what, _) => (*what).to_owned(),
            Shape::Table => "a table".to_owned(),
            Shape::Tables => "tables in double brackets".to_owned(),
        }
    }

    /// The JSON Schema of it, as far as one can say it.
    pub fn schema(&self) -> Json {
        match self {
            Shape::Text(rule) => match rule.pattern {
                Some(pattern) => json!({ "type": "string", "pattern": pattern }),
                None => json!({ "type": "string", "pattern": "\\S" }),
            },
            Shape::Flag => json!({ "type": "boolean" }),
            Shape::False => json!({ "const": false }),
            Shape::Integer { min, max } if *max == i64::MAX => {
                json!({ "type": "integer", "minimum": min })
            }
            Shape::Integer { min, max } => {
                json!({ "type": "integer", "minimum": min, "maximum": max })
            }
            Shape::Decimal { above, max } => {
                json!({ "type": "number", "exclusiveMinimum": above, "maximum": max })
            }
            Shape::Date => json!({ "type": "string", "pattern": "^\\d{4}-\\d{2}-\\d{2}$" }),
            Shape::OneOf(names) => json!({ "type": "string", "enum": names() }),
            Shape::List(each) => {
                json!({ "type": "array", "minItems": 1, "items": each.schema() })
            }
            Shape::Either(_, ways) => {
                json!({ "anyOf": ways.iter().map(Shape::schema).collect::<Vec<_>>() })
            }
            Shape::Table => json!({ "type": "object" }),
            Shape::Tables => json!({ "type": "array", "items": { "type": "object" } }),
        }
    }
}

fn check_text(rule: &TextRule, text: &str, span: Range<usize>) -> Vec<Finding> {
    let refusal =
        if text.trim().is_empty() && !rule.blank { Err(Refusal::new("the text is empty")) } else { (rule.check)(text) };
    match refusal {
        Ok(()) => Vec::new(),
        Err(refusal) => vec![Finding {
            span,
            message: refusal.message,
            label: Some(format!("expected {}", rule.what)),
            hint: refusal.hint,
        }],
    }
}

fn check_name(names: &[&'static str], text: &str, span: Range<usize>) -> Vec<Finding> {
    if names.contains(&text) {
        return Vec::new();
    }
    let near = nearest(text, names.iter().copied());
    if text.is_empty() {
        return vec![Finding::new(span, "nothing is named here")];
    }
    let mut finding = Finding::new(span, format!("{} is not known here", quote(text)));
    let from_utc = text.strip_prefix("UTC").or(text.strip_prefix("GMT")).filter(|rest| rest.starts_with(['+', '-']));
    if let Some(rest) = from_utc.filter(|_| names.contains(&"Etc/GMT-1")) {
        let other_way = if rest.starts_with('+') { rest.replacen('+', "-", 1) } else { rest.replacen('-', "+", 1) };
        let fixed = format!("Etc/GMT{other_way}");
        finding.hint = Some(match names.iter().find(|name| **name == fixed) {
            Some(_) => {
                format!("name a place, such as Europe/Berlin; `{fixed}` (with that sign) is always at this distance")
            }
            None => "name a place, such as Europe/Berlin".to_owned(),
        });
    } else if near.is_empty() && names.len() > 40 {
        finding.label = Some("not a known name".to_owned());
    } else if near.is_empty() {
        finding.label = Some(format!("expected {}", or_list(names)));
    } else {
        finding.hint = Some(format!("did you mean {}?", or_list(&near)));
    }
    vec![finding]
}

fn check_integer(min: i64, max: i64, number: &toml::de::DeInteger<'_>, span: Range<usize>) -> Vec<Finding> {
    match i64::from_str_radix(number.as_str(), number.radix()) {
        Ok(n) if (min..=max).contains(&n) => Vec::new(),
        _ => {
            let what = Shape::Integer { min, max }.what();
            let mut finding = Finding::new(span, format!("{number} is out of range"));
            finding.label = Some(format!("expected {what}"));
            vec![finding]
        }
    }
}

fn check_decimal(above: f64, max: f64, value: &Value<'_>) -> Vec<Finding> {
    let number = match value.get_ref() {
        DeValue::Integer(n) => n.as_str().parse::<f64>().ok(),
        DeValue::Float(n) => n.as_str().parse::<f64>().ok(),
        _ => None,
    };
    match number {
        Some(n) if n > above && n <= max => Vec::new(),
        _ => {
            let mut finding = Finding::new(value.span(), "the number is out of range");
            finding.label = Some(format!("expected {}", Shape::Decimal { above, max }.what()));
            vec![finding]
        }
    }
}

/// The strings of a value that is a string or a list of strings.
pub fn texts<'v>(value: &'v Value<'_>) -> Vec<(&'v str, Range<usize>)> {
    match value.get_ref() {
        DeValue::Array(items) => items.iter().filter_map(|i| Some((as_text(i)?, i.span()))).collect(),
        _ => as_text(value).map(|t| (t, value.span())).into_iter().collect(),
    }
}
