//! Environment variables `CRATEDIGGER__SECTION__KEY`. Unknown variables are refused like unknown keys,
//! because a typo that is silently ignored is hard to find.

use super::keys::{self, SECTIONS};
use crate::document::{Diagnostic, ValueShape, nearest, or_list, printable};

const PREFIX: &str = "CRATEDIGGER__";

/// A variable that sets a setting.
pub(super) struct EnvVariable {
    /// The name of the variable.
    pub name: String,
    /// The dotted name of the setting.
    pub setting: String,
    /// The value, in the type of the setting.
    pub value: config::Value,
}

/// The settings from the environment.
pub(super) struct EnvLayer {
    /// The valid variables, sorted by name.
    pub variables: Vec<EnvVariable>,
    /// Everything that is wrong with the variables.
    pub problems: Vec<Diagnostic>,
}

/// Reads the variables with the prefix. A value is none if it is not Unicode.
pub(super) fn read(vars: impl Iterator<Item = (String, Option<String>)>) -> EnvLayer {
    let mut layer = EnvLayer { variables: Vec::new(), problems: Vec::new() };
    let mut ours: Vec<_> = vars.filter(|(name, _)| name.starts_with(PREFIX)).collect();
    ours.sort();
    for (name, value) in ours {
        match read_variable(&name, value) {
            Ok(variable) => layer.variables.push(variable),
            Err(problem) => layer.problems.push(*problem),
        }
    }
    layer
}

fn read_variable(name: &str, value: Option<String>) -> Result<EnvVariable, Box<Diagnostic>> {
    let shown = printable(name);
    let lower = name[PREFIX.len()..].to_ascii_lowercase();
    let found = lower.split_once("__").and_then(|(section, key)| keys::find(section, key));
    let Some((section, key)) = found else {
        let all: Vec<String> =
            SECTIONS.iter().flat_map(|s| s.keys.iter().map(|k| format!("{}__{}", s.name, k.name))).collect();
        let near: Vec<String> = nearest(&lower, all.iter().map(String::as_str))
            .into_iter()
            .map(|n| format!("{PREFIX}{}", n.to_ascii_uppercase()))
            .collect();
        let problem = Diagnostic::for_file(&shown, "no setting belongs to this environment variable");
        return Err(Box::new(if near.is_empty() {
            problem.with_hint("the form is CRATEDIGGER__SECTION__KEY, as in CRATEDIGGER__LIMITS__MAX_WAIT")
        } else {
            problem.with_hint(format!("did you mean {}?", or_list(&near)))
        }));
    };
    let setting = keys::dotted(section, key);
    let fails = |message: String| Box::new(Diagnostic::for_file(&shown, message).for_key(setting.clone()));
    let Some(value) = value else {
        return Err(fails("the value is not Unicode".to_owned()));
    };
    let value = parse_typed(&key.shape, &value).map_err(|(message, hint)| {
        let mut problem = fails(message);
        problem.hint = hint;
        problem
    })?;
    Ok(EnvVariable { name: name.to_owned(), setting: setting.clone(), value })
}

/// Converts the text of a variable into the type of its setting. The text goes through TOML, so that the same check
/// works for the file and the environment.
fn parse_typed(shape: &ValueShape, text: &str) -> Result<config::Value, (String, Option<String>)> {
    let expected = || (format!("expected {}", shape.what()), None);
    let quoted = || serde_json::Value::from(text).to_string();
    let written = match shape {
        ValueShape::Flag | ValueShape::Integer { .. } | ValueShape::Decimal { .. } => text.trim().to_owned(),
        ValueShape::Either(..) if text.trim().parse::<i64>().is_ok() => text.trim().to_owned(),
        ValueShape::List(_) => {
            let items: Vec<_> = text.split(',').map(str::trim).filter(|i| !i.is_empty()).collect();
            serde_json::Value::from(items).to_string()
        }
        _ => quoted(),
    };
    let value = toml::de::DeValue::parse(&written).map_err(|_| expected())?;
    match shape.check(&value).into_iter().next() {
        Some(finding) => Err((finding.message, finding.hint.or(finding.label))),
        None => Ok(to_config(value.get_ref())),
    }
}

fn to_config(value: &toml::de::DeValue<'_>) -> config::Value {
    use toml::de::DeValue;
    match value {
        DeValue::Boolean(flag) => config::Value::from(*flag),
        DeValue::Integer(number) => {
            config::Value::from(i64::from_str_radix(number.as_str(), number.radix()).unwrap_or_default())
        }
        DeValue::Float(number) => config::Value::from(number.as_str().parse::<f64>().unwrap_or_default()),
        DeValue::Array(items) => {
            let items: Vec<config::Value> = items.iter().map(|i| to_config(i.get_ref())).collect();
            config::Value::from(items)
        }
        other => config::Value::from(other.as_str().unwrap_or_default().to_owned()),
    }
}
