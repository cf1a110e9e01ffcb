//! Environment variables `CRATEDIGGER__SECTION__KEY`. Unknown ones are refused, as unknown keys
//! are: a typo that is silently ignored is found out at night.

use super::keys::{self, SECTIONS};
use crate::document::{Diagnostic, ValueShape, nearest, or_list, printable};

const PREFIX: &str = "CRATEDIGGER__";

/// A variable that sets a setting.
pub(super) struct EnvVariable {
    /// Its name.
    pub name: String,
    /// The setting, dotted.
    pub setting: String,
    /// Its value, of the setting's type.
    pub value: config::Value,
}

/// What the environment says.
pub(super) struct EnvLayer {
    /// The variables, in the order of their names.
    pub variables: Vec<EnvVariable>,
    /// All that is wrong with them.
    pub problems: Vec<Diagnostic>,
}

/// Reads the variables with our prefix; a value is none where it isn't Unicode.
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
        let problem = Diagnostic::for_file(&shown, "no setting has this environment variable");
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

/// A variable is text; its setting says of what type. It is written as TOML, so that one check
/// serves file and environment.
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
