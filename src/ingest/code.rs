//! Codes of recordings and releases: whether a hit of a search is what its code names.

use serde_json::{Map, Value};

use super::IngestError;
use super::other_kind::find_other_kind;
use crate::store::{StoreError, WriteTx, freshness};
use spotify_client::{EntityKind, Reference};

/// A code that was searched for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SearchedCode {
    /// The kind of entity that it names: a track or an album.
    pub kind: EntityKind,
    pub code: String,
}

/// What the codes of a hit say about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CodeCheck {
    /// It names the code that was searched for.
    Same,
    /// It names other codes.
    Different(Vec<String>),
    /// It names none.
    Unknown,
}

impl SearchedCode {
    /// The code of a reference, if it has one.
    pub fn from_reference(reference: &Reference) -> Option<SearchedCode> {
        match reference {
            Reference::Id(_) => None,
            Reference::Isrc(code) => Some(SearchedCode { kind: EntityKind::Track, code: code.clone() }),
            Reference::Upc(code) => Some(SearchedCode { kind: EntityKind::Album, code: code.clone() }),
        }
    }

    /// The codes in a search expression, such as `isrc:USRC17607839`.
    pub fn in_query(query: &str) -> Vec<SearchedCode> {
        let mut words = query.split_whitespace().peekable();
        let mut found = Vec::new();
        let mut is_excluded = false;
        while let Some(word) = words.next() {
            let Some((field, code)) = word.split_once(':').filter(|_| !std::mem::take(&mut is_excluded)) else {
                is_excluded = word.eq_ignore_ascii_case("not");
                continue;
            };
            // A blank after the colon is common.
            let code = if code.is_empty() { words.peek().copied().unwrap_or_default() } else { code };
            let code = code.trim_matches(['"', '\'']);
            let kind = match field.to_ascii_lowercase().as_str() {
                "isrc" => EntityKind::Track,
                "upc" => EntityKind::Album,
                _ => continue,
            };
            let reference = Reference::parse(&format!("{}:{code}", field.to_ascii_lowercase()), kind);
            found.extend(reference.ok().as_ref().and_then(SearchedCode::from_reference));
        }
        found
    }

    /// The name of the code's kind in a search expression.
    pub fn field(&self) -> &'static str {
        if self.kind == EntityKind::Track { "isrc" } else { "upc" }
    }

    /// The search expression for the code.
    pub fn query(&self) -> String {
        format!("{}:{}", self.field(), self.code)
    }

    /// Compares the code with those that a thing names.
    pub fn compare(&self, codes: &[String]) -> CodeCheck {
        check_codes(std::slice::from_ref(self), codes)
    }
}

/// Compares codes that were searched for, of one kind, with those that a hit names.
fn check_codes(wanted: &[SearchedCode], codes: &[String]) -> CodeCheck {
    let Some(first) = wanted.first() else { return CodeCheck::Unknown };
    let canonical = |code: &str| canonical_code(first.kind, code);
    let named: Vec<String> = codes.iter().filter(|code| !canonical(code).is_empty()).cloned().collect();
    if named.is_empty() {
        CodeCheck::Unknown
    } else if named.iter().any(|code| wanted.iter().any(|it| canonical(&it.code) == canonical(code))) {
        CodeCheck::Same
    } else {
        CodeCheck::Different(named)
    }
}

/// A code without regard to case, dashes and blanks; a UPC and its EAN-13 differ in leading zeros only.
fn canonical_code(kind: EntityKind, code: &str) -> String {
    let code: String = code.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_uppercase()).collect();
    if kind == EntityKind::Album { code.trim_start_matches('0').to_owned() } else { code }
}

/// What the codes of a hit say: those that the answer names, else those that are stored of it. An answer about albums
/// that a search returns names no codes, but one about the album itself does.
///
/// # Errors
/// If the store cannot be read.
pub(super) fn check_hit(
    s: &WriteTx,
    kind: EntityKind,
    raw: &str,
    wanted: &[SearchedCode],
) -> Result<CodeCheck, StoreError> {
    let wanted: Vec<SearchedCode> = wanted.iter().filter(|code| code.kind == kind).cloned().collect();
    match check_codes(&wanted, &codes_in_hit(kind, raw)) {
        CodeCheck::Unknown => {
            let Some(id) = hit_object(raw).get("id").and_then(Value::as_str).map(str::to_owned) else {
                return Ok(CodeCheck::Unknown);
            };
            Ok(check_codes(&wanted, &freshness::stored_codes(s, kind, &id)?))
        }
        known => Ok(known),
    }
}

/// The hit as an object. Its other fields are read, and found to be wrong, where it is written.
fn hit_object(raw: &str) -> Map<String, Value> {
    serde_json::from_str(raw).unwrap_or_default()
}

/// The codes that a hit names itself.
fn codes_in_hit(kind: EntityKind, raw: &str) -> Vec<String> {
    let text = |value: &Value| match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    };
    let fields: &[&str] = if kind == EntityKind::Track { &["isrc"] } else { &["upc", "ean"] };
    let hit = hit_object(raw);
    let Some(ids) = hit.get("external_ids") else { return Vec::new() };
    fields.iter().filter_map(|field| text(ids.get(field)?)).collect()
}

/// What a search for a code found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CodeHit {
    /// The id of the first hit that names the code, else of the first that names none.
    Found { id: String, is_verified: bool },
    /// All hits name other codes.
    Different(Vec<String>),
    /// There is no hit.
    Nothing,
}

/// Writes the best of the hits of a search for a code.
///
/// # Errors
/// If the store cannot be written, or the response has another shape.
pub fn write_code_hit(
    s: &mut WriteTx,
    body: &str,
    code: &SearchedCode,
    asked: &super::IngestContext,
) -> Result<CodeHit, IngestError> {
    let hits = super::search::hits_of_kind(body, code.kind)?;
    let (mut same, mut unknown, mut outdated, mut different) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let wanted = std::slice::from_ref(code);
    for raw in hits.into_iter().filter(|raw| find_other_kind(code.kind, raw).is_none()) {
        let stored = check_hit(s, code.kind, raw, wanted)?;
        match (check_codes(wanted, &codes_in_hit(code.kind, raw)), stored) {
            (CodeCheck::Different(codes), _) => different.extend(codes),
            (_, CodeCheck::Same) => same.push((raw, true)),
            (_, CodeCheck::Unknown) => unknown.push((raw, false)),
            // Another code is stored, which may have been corrected since then. The entity's own answer tells.
            (_, CodeCheck::Different(_)) => outdated.push((raw, false)),
        }
    }
    for (raw, is_verified) in same.into_iter().chain(unknown).chain(outdated) {
        match super::search::write_hit(s, code.kind, raw, asked) {
            Ok(id) => return Ok(CodeHit::Found { id, is_verified }),
            Err(IngestError::Malformed(_)) => {}
            Err(e) => return Err(e),
        }
    }
    Ok(if different.is_empty() { CodeHit::Nothing } else { CodeHit::Different(different) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_compared_by_what_they_mean() {
        let isrc = SearchedCode { kind: EntityKind::Track, code: "USRC17607839".into() };
        let upc = SearchedCode { kind: EntityKind::Album, code: "602445790098".into() };
        let check = |code: &SearchedCode, named: &str| code.compare(&[named.to_owned()]);
        for same in ["USRC17607839", "us-rc1-76-07839", "usrc17607839", "US RC1 76 07839"] {
            assert_eq!(check(&isrc, same), CodeCheck::Same, "{same}");
        }
        for same in ["602445790098", "0602445790098", "00602445790098"] {
            assert_eq!(check(&upc, same), CodeCheck::Same, "{same}");
        }
        assert_eq!(check(&isrc, "USRC17607830"), CodeCheck::Different(vec!["USRC17607830".into()]));
        assert_eq!(check(&upc, "602445790099"), CodeCheck::Different(vec!["602445790099".into()]));
        assert_eq!(check(&upc, ""), CodeCheck::Unknown);
        assert_eq!(upc.compare(&["1".into(), "0602445790098".into()]), CodeCheck::Same, "upc or ean");
    }

    #[test]
    fn a_search_expression_names_codes() {
        let codes =
            |query: &str| -> Vec<String> { SearchedCode::in_query(query).iter().map(SearchedCode::query).collect() };
        assert_eq!(codes("isrc:us-rc1-76-07839"), ["isrc:USRC17607839"]);
        assert_eq!(codes("ISRC:\"USRC17607839\" artist:x"), ["isrc:USRC17607839"]);
        assert_eq!(codes("upc: 0602445790098"), ["upc:0602445790098"]);
        for none in ["NOT isrc:USRC17607839", "isrc:USRC", "artist:isrc", "year:2020 upc:1", "a b"] {
            assert_eq!(codes(none), [""; 0], "{none}");
        }
    }
}
