//! The `fields` filter of playlists: `total,next,items(added_at,track(name,!album))`.
//!
//! Dots and parentheses select inside an object, a filter applies to each element of a list, and `!` removes a
//! field. Unknown names are ignored, so a client can request `item` and `track` at once and gets the one that
//! its quota mode has.

use serde_json::{Map, Value};

/// A parsed `fields` filter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct FieldsFilter {
    keep: Vec<(String, FieldsFilter)>,
    drop: Vec<String>,
}

impl FieldsFilter {
    /// Parses a filter.
    ///
    /// # Errors
    /// If parentheses do not match or a name is missing.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut rest = text;
        let fields = Self::parse_list(&mut rest)?;
        match rest {
            "" => Ok(fields),
            rest => Err(format!("Invalid fields parameter at \"{rest}\"")),
        }
    }

    fn parse_list(rest: &mut &str) -> Result<Self, String> {
        let mut fields = Self::default();
        loop {
            if let Some(after) = rest.strip_prefix('!') {
                *rest = after;
                fields.drop.push(parse_name(rest)?);
            } else {
                let (name, inner) = Self::parse_term(rest)?;
                match fields.keep.iter_mut().find(|(key, _)| *key == name) {
                    Some((_, existing)) => existing.merge(inner),
                    None => fields.keep.push((name, inner)),
                }
            }
            match rest.strip_prefix(',') {
                Some(after) => *rest = after,
                None => return Ok(fields),
            }
        }
    }

    fn parse_term(rest: &mut &str) -> Result<(String, Self), String> {
        let name = parse_name(rest)?;
        if let Some(after) = rest.strip_prefix('.') {
            *rest = after;
            let (inner_name, inner) = Self::parse_term(rest)?;
            return Ok((name, Self { keep: vec![(inner_name, inner)], drop: Vec::new() }));
        }
        let Some(after) = rest.strip_prefix('(') else {
            return Ok((name, Self::default()));
        };
        *rest = after;
        let inner = Self::parse_list(rest)?;
        *rest = rest.strip_prefix(')').ok_or_else(|| "Invalid fields parameter: a parenthesis is open".to_owned())?;
        Ok((name, inner))
    }

    fn merge(&mut self, other: Self) {
        self.keep.extend(other.keep);
        self.drop.extend(other.drop);
    }

    /// Applies the filter to a value.
    pub(crate) fn apply(&self, value: Value) -> Value {
        match value {
            Value::Array(items) => items.into_iter().map(|item| self.apply(item)).collect(),
            Value::Object(mut object) => {
                object.retain(|key, _| !self.drop.contains(key));
                if self.keep.is_empty() {
                    return Value::Object(object);
                }
                let selected =
                    self.keep.iter().filter_map(|(key, inner)| Some((key.clone(), inner.apply(object.remove(key)?))));
                Value::Object(selected.collect::<Map<_, _>>())
            }
            plain => plain,
        }
    }
}

fn parse_name(rest: &mut &str) -> Result<String, String> {
    let end = rest.find([',', '.', '(', ')', '!']).unwrap_or(rest.len());
    let (name, after) = rest.split_at(end);
    *rest = after;
    match name.trim() {
        "" => Err("Invalid fields parameter: a name is missing".to_owned()),
        name => Ok(name.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn filtered(fields: &str) -> Value {
        let value = json!({
            "total": 2, "next": null, "name": "x",
            "items": [
                {"added_at": "a", "added_by": {"id": "u", "uri": "v"}, "item": {"name": "n", "album": {"id": 1}}},
                {"added_at": "b", "added_by": null, "item": null},
            ],
        });
        FieldsFilter::parse(fields).unwrap().apply(value)
    }

    #[test]
    fn dots_and_parentheses_select_fields() {
        assert_eq!(filtered("total,next"), json!({"total": 2, "next": null}));
        assert_eq!(
            filtered("items(added_by.id,item(name))"),
            json!({"items": [{"added_by": {"id": "u"}, "item": {"name": "n"}}, {"added_by": null, "item": null}]})
        );
        assert_eq!(filtered("items.added_at"), json!({"items": [{"added_at": "a"}, {"added_at": "b"}]}));
        assert_eq!(filtered("nothing"), json!({}));
    }

    #[test]
    fn exclamation_mark_removes_fields() {
        assert_eq!(
            filtered("items(item(!album),!added_by)"),
            json!({"items": [{"item": {"name": "n"}}, {"item": null}]})
        );
        assert_eq!(filtered("!items,!name"), json!({"total": 2, "next": null}));
    }

    #[test]
    fn invalid_filter_is_refused() {
        for bad in ["items(", "items(a", "a)", ",", "a,,b", "items()"] {
            assert!(FieldsFilter::parse(bad).is_err(), "{bad}");
        }
    }
}
