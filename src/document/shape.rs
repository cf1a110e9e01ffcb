//! The shape of a value: one description for the check, the JSON Schema and the docs.

use std::ops::Range;

use serde_json::{Value as Json, json};
use toml::de::DeValue;

use super::nearest::{nearest, or_list};
use super::quote::quote;
use super::value::{TomlValue, as_text};

/// A rule for texts.
#[derive(Debug)]
pub struct TextRule {
    /// The expected value, with its article: `a length of time such as "30d"`.
    pub what: &'static str,
    /// The part of the rule that a regular expression can express, for editors.
    pub pattern: Option<&'static str>,
    /// Whether an empty or blank text is allowed.
    pub blank: bool,
    /// The full rule. The error explains why a text is refused.
    pub check: fn(&str) -> Result<(), RuleViolation>,
}

/// Why a rule refuses a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleViolation {
    /// The problem, as a lower-case fragment.
    pub message: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl RuleViolation {
    /// A violation without a hint.
    pub fn new(message: impl Into<String>) -> RuleViolation {
        RuleViolation { message: message.into(), hint: None }
    }

    /// Adds a hint.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> RuleViolation {
        self.hint = Some(hint.into());
        self
    }
}

/// The shape of a value.
#[derive(Debug)]
pub enum ValueShape {
    /// Text that is not empty and follows a rule.
    Text(&'static TextRule),
    /// `true` or `false`.
    Flag,
    /// Only `false`, as one alternative of [`ValueShape::Either`].
    False,
    /// A whole number.
    Integer {
        /// The smallest value.
        min: i64,
        /// The largest value.
        max: i64,
    },
    /// Any number.
    Decimal {
        /// The value must be greater than this.
        above: f64,
        /// The largest value.
        max: f64,
    },
    /// A date without quotes.
    Date,
    /// One of these names.
    OneOf(fn() -> Vec<&'static str>),
    /// A list with at least one value.
    List(&'static ValueShape),
    /// Any of these shapes, with a common description.
    Either(&'static str, &'static [ValueShape]),
    /// A table with its own keys (`[name]`).
    Table,
    /// Tables with their own keys (`[[name]]`).
    Tables,
}

/// One problem of a value.
#[derive(Debug)]
pub struct ValueFinding {
    /// Its place in the file.
    pub span: Range<usize>,
    /// The problem.
    pub message: String,
    /// The expected value, for the text after the caret.
    pub label: Option<String>,
    /// What to do about it.
    pub hint: Option<String>,
}

impl ValueFinding {
    /// A finding with only a message.
    pub fn new(span: Range<usize>, message: impl Into<String>) -> ValueFinding {
        ValueFinding { span, message: message.into(), label: None, hint: None }
    }
}

impl ValueShape {
    /// Everything that is wrong with a value; empty if the value is valid.
    pub fn check(&self, value: &TomlValue<'_>) -> Vec<ValueFinding> {
        let fits = match (self, value.get_ref()) {
            (ValueShape::Text(rule), DeValue::String(text)) => return check_text(rule, text, value.span()),
            (ValueShape::OneOf(names), DeValue::String(text)) => {
                return check_name(&names(), text, value.span());
            }
            (ValueShape::Integer { min, max }, DeValue::Integer(number)) => {
                return check_integer(*min, *max, number, value.span());
            }
            (ValueShape::Decimal { above, max }, DeValue::Integer(_) | DeValue::Float(_)) => {
                return check_decimal(*above, *max, value);
            }
            (ValueShape::List(each), DeValue::Array(items)) => {
                if items.is_empty() {
                    return vec![ValueFinding::new(value.span(), "the list is empty")];
                }
                return items.iter().flat_map(|item| each.check(item)).collect();
            }
            (ValueShape::Either(_, ways), _) => return self.check_ways(ways, value),
            (ValueShape::Flag, DeValue::Boolean(_))
            | (ValueShape::False, DeValue::Boolean(false))
            | (ValueShape::Table, DeValue::Table(_)) => true,
            (ValueShape::Tables, DeValue::Array(items)) if items.is_empty() => {
                return vec![ValueFinding::new(value.span(), "the list is empty")];
            }
            (ValueShape::Tables, DeValue::Array(items)) => items.iter().all(|i| i.get_ref().is_table()),
            (ValueShape::Date, DeValue::Datetime(at)) => at.date.is_some() && at.time.is_none(),
            _ => false,
        };
        if fits { Vec::new() } else { vec![self.wrong_type(value)] }
    }

    /// Checks alternatives. The first one that accepts the type of the value decides the message.
    fn check_ways(&self, ways: &[ValueShape], value: &TomlValue<'_>) -> Vec<ValueFinding> {
        let mut chosen = None;
        for way in ways {
            let found = way.check(value);
            if found.is_empty() {
                return found;
            }
            if way.takes_type_of(value) && chosen.is_none() {
                chosen = Some(found);
            }
        }
        chosen.unwrap_or_else(|| vec![self.wrong_type(value)])
    }

    fn takes_type_of(&self, value: &TomlValue<'_>) -> bool {
        matches!(
            (self, value.get_ref()),
            (ValueShape::Text(_) | ValueShape::OneOf(_), DeValue::String(_))
                | (ValueShape::List(_), DeValue::Array(_))
                | (ValueShape::Integer { .. }, DeValue::Integer(_))
                | (ValueShape::Date, DeValue::Datetime(_))
        )
    }

    fn wrong_type(&self, value: &TomlValue<'_>) -> ValueFinding {
        let found = match value.get_ref() {
            DeValue::String(_) => "text",
            DeValue::Integer(_) => "a whole number",
            DeValue::Float(_) => "a decimal number",
            DeValue::Boolean(true) => "`true`",
            DeValue::Boolean(false) => "`false`",
            DeValue::Datetime(_) => "a date or time",
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => "a table",
        };
        let expected = self.what();
        let mut finding = ValueFinding::new(value.span(), format!("expected {expected}, found {found}"));
        finding.label = Some(format!("expected {expected}"));
        finding.hint = self.retyped(value);
        finding
    }

    /// A hint how to write the same value in the right type.
    fn retyped(&self, value: &TomlValue<'_>) -> Option<String> {
        match (self, value.get_ref()) {
            (ValueShape::Integer { .. } | ValueShape::Decimal { .. }, DeValue::String(text))
                if text.trim().parse::<f64>().is_ok() =>
            {
                Some(format!("write {} without quotes", text.trim()))
            }
            (ValueShape::Flag, DeValue::String(text)) if matches!(&**text, "true" | "false") => {
                Some(format!("write {text} without quotes"))
            }
            (ValueShape::List(_), DeValue::String(_)) => Some("write a list: [\"…\"]".to_owned()),
            (ValueShape::Text(_), DeValue::Integer(_) | DeValue::Float(_) | DeValue::Datetime(_)) => {
                Some("write it in quotes: \"…\"".to_owned())
            }
            (ValueShape::Tables, DeValue::Table(_)) => Some("write [[…]] in double brackets".to_owned()),
            _ => None,
        }
    }

    /// The expected value, with its article.
    pub fn what(&self) -> String {
        match self {
            ValueShape::Text(rule) => rule.what.to_owned(),
            ValueShape::Flag => "`true` or `false`".to_owned(),
            ValueShape::False => "`false`".to_owned(),
            ValueShape::Integer { min, max } if *max == i64::MAX => {
                format!("a whole number from {min}")
            }
            ValueShape::Integer { min, max } => format!("a whole number from {min} to {max}"),
            ValueShape::Decimal { above, max } => format!("a number above {above} and at most {max}"),
            ValueShape::Date => "a date".to_owned(),
            ValueShape::OneOf(names) => or_list(&names()),
            ValueShape::List(each) => format!("a list; each entry is {}", each.what()),
            ValueShape::Either(what, _) => (*what).to_owned(),
            ValueShape::Table => "a table".to_owned(),
            ValueShape::Tables => "tables in double brackets".to_owned(),
        }
    }

    /// The JSON Schema of the shape, as far as a schema can express it.
    pub fn schema(&self) -> Json {
        match self {
            ValueShape::Text(rule) => match rule.pattern {
                Some(pattern) => json!({ "type": "string", "pattern": pattern }),
                None => json!({ "type": "string", "pattern": "\\S" }),
            },
            ValueShape::Flag => json!({ "type": "boolean" }),
            ValueShape::False => json!({ "const": false }),
            ValueShape::Integer { min, max } if *max == i64::MAX => {
                json!({ "type": "integer", "minimum": min })
            }
            ValueShape::Integer { min, max } => {
                json!({ "type": "integer", "minimum": min, "maximum": max })
            }
            ValueShape::Decimal { above, max } => {
                json!({ "type": "number", "exclusiveMinimum": above, "maximum": max })
            }
            ValueShape::Date => json!({ "type": "string", "pattern": "^\\d{4}-\\d{2}-\\d{2}$" }),
            ValueShape::OneOf(names) => json!({ "type": "string", "enum": names() }),
            ValueShape::List(each) => {
                json!({ "type": "array", "minItems": 1, "items": each.schema() })
            }
            ValueShape::Either(_, ways) => {
                json!({ "anyOf": ways.iter().map(ValueShape::schema).collect::<Vec<_>>() })
            }
            ValueShape::Table => json!({ "type": "object" }),
            ValueShape::Tables => json!({ "type": "array", "items": { "type": "object" } }),
        }
    }
}

fn check_text(rule: &TextRule, text: &str, span: Range<usize>) -> Vec<ValueFinding> {
    let refusal = if text.trim().is_empty() && !rule.blank {
        Err(RuleViolation::new("the text is empty"))
    } else {
        (rule.check)(text)
    };
    match refusal {
        Ok(()) => Vec::new(),
        Err(refusal) => vec![ValueFinding {
            span,
            message: refusal.message,
            label: Some(format!("expected {}", rule.what)),
            hint: refusal.hint,
        }],
    }
}

fn check_name(names: &[&'static str], text: &str, span: Range<usize>) -> Vec<ValueFinding> {
    if names.contains(&text) {
        return Vec::new();
    }
    let near = nearest(text, names.iter().copied());
    if text.is_empty() {
        return vec![ValueFinding::new(span, "the name is empty")];
    }
    let mut finding = ValueFinding::new(span, format!("unknown name {}", quote(text)));
    let from_utc = text.strip_prefix("UTC").or(text.strip_prefix("GMT")).filter(|rest| rest.starts_with(['+', '-']));
    if let Some(rest) = from_utc.filter(|_| names.contains(&"Etc/GMT-1")) {
        let other_way = if rest.starts_with('+') { rest.replacen('+', "-", 1) } else { rest.replacen('-', "+", 1) };
        let fixed = format!("Etc/GMT{other_way}");
        finding.hint = Some(match names.iter().find(|name| **name == fixed) {
            Some(_) => {
                format!("write a place, such as Europe/Berlin; `{fixed}` (with that sign) has this fixed offset")
            }
            None => "write a place, such as Europe/Berlin".to_owned(),
        });
    } else if near.is_empty() && names.len() > 40 {
        finding.label = Some("unknown name".to_owned());
    } else if near.is_empty() {
        finding.label = Some(format!("expected {}", or_list(names)));
    } else {
        finding.hint = Some(format!("did you mean {}?", or_list(&near)));
    }
    vec![finding]
}

fn check_integer(min: i64, max: i64, number: &toml::de::DeInteger<'_>, span: Range<usize>) -> Vec<ValueFinding> {
    match i64::from_str_radix(number.as_str(), number.radix()) {
        Ok(n) if (min..=max).contains(&n) => Vec::new(),
        _ => {
            let what = ValueShape::Integer { min, max }.what();
            let mut finding = ValueFinding::new(span, format!("{number} is out of range"));
            finding.label = Some(format!("expected {what}"));
            vec![finding]
        }
    }
}

fn check_decimal(above: f64, max: f64, value: &TomlValue<'_>) -> Vec<ValueFinding> {
    let number = match value.get_ref() {
        DeValue::Integer(n) => n.as_str().parse::<f64>().ok(),
        DeValue::Float(n) => n.as_str().parse::<f64>().ok(),
        _ => None,
    };
    match number {
        Some(n) if n > above && n <= max => Vec::new(),
        _ => {
            let mut finding = ValueFinding::new(value.span(), "the number is out of range");
            finding.label = Some(format!("expected {}", ValueShape::Decimal { above, max }.what()));
            vec![finding]
        }
    }
}

/// The texts of a value that is a text or a list of texts, with their places.
pub fn texts<'v>(value: &'v TomlValue<'_>) -> Vec<(&'v str, Range<usize>)> {
    match value.get_ref() {
        DeValue::Array(items) => items.iter().filter_map(|i| Some((as_text(i)?, i.span()))).collect(),
        _ => as_text(value).map(|t| (t, value.span())).into_iter().collect(),
    }
}
