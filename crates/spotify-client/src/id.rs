//! Spotify ids in every form that people paste: bare, as a `spotify:` URI, or as a link; and the two
//! codes that can be searched for, ISRC and UPC.
//!
//! An id becomes part of a request path, so only 22 base-62 characters are accepted (an id with `../` in
//! it once reached another endpoint: CVE-2023-23608). User ids are free text and are percent-encoded. `.`
//! and `..` are refused, because URL parsers resolve them even when they are encoded. No crate accepts all
//! of these forms, so they are recognized here; `url` parses the links.

use std::fmt;

use url::Url;

use super::EntityKind;

/// Characters of an id: 128 bits in base 62.
const LENGTH: usize = 22;
/// User ids are free text, but not endless.
const LONGEST_USER: usize = 128;

/// An id that is safe in the path of a request.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SpotifyId {
    kind: EntityKind,
    text: String,
}

/// An id, or a code that a search turns into one.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reference {
    /// An id.
    Id(SpotifyId),
    /// A recording's code: 12 characters, upper case, no dashes.
    Isrc(String),
    /// A release's code: 8 to 14 digits.
    Upc(String),
}

/// Why a text is not an id of the expected kind.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct InvalidId {
    /// The problem.
    pub why: String,
    /// What would have been right.
    pub expected: String,
}

/// A text without the characters around it that nobody sees: blanks, and marks that programs copy along, such as a
/// zero-width space.
pub fn trim_invisible(text: &str) -> &str {
    text.trim_matches(|c: char| {
        c.is_whitespace()
            || matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
    })
}

impl SpotifyId {
    /// Reads an id of `kind` in any of its forms.
    ///
    /// # Errors
    ///
    /// If it is none, or one of another kind; the error names the expected kind.
    pub fn parse(text: &str, kind: EntityKind) -> Result<SpotifyId, InvalidId> {
        let written = trim_invisible(text);
        let refused = |why: String| InvalidId { why, expected: expected(kind) };
        let id = if let Some(rest) = strip_prefix_ignoring_case(written, "spotify:") {
            parse_uri(rest, kind).map_err(refused)?
        } else if looks_like_a_link(written) {
            parse_link(written, kind).map_err(refused)?
        } else {
            written.to_owned()
        };
        check(&id, kind).map_err(refused)?;
        Ok(SpotifyId { kind, text: id })
    }

    /// The kind of thing it names.
    pub fn kind(&self) -> EntityKind {
        self.kind
    }

    /// The id itself.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The id as one segment of a path.
    pub fn path_segment(&self) -> String {
        super::path_segment(&self.text)
    }

    /// Its `spotify:` URI.
    pub fn uri(&self) -> String {
        format!("spotify:{}:{}", self.kind.as_str(), self.path_segment())
    }

    /// The link to it.
    pub fn link(&self) -> String {
        format!("https://open.spotify.com/{}/{}", self.kind.as_str(), self.path_segment())
    }
}

impl fmt::Display for SpotifyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Reference {
    /// Reads an id, or where the kind has one, a code: an ISRC for tracks, a UPC for albums, with or without
    /// `isrc:` or `upc:` in front of it.
    ///
    /// # Errors
    ///
    /// As [`SpotifyId::parse`], and for an invalid code.
    pub fn parse(text: &str, kind: EntityKind) -> Result<Reference, InvalidId> {
        let refused = |why: String| InvalidId { why, expected: expected(kind) };
        let written = trim_invisible(text);
        if let Some(code) = strip_prefix_ignoring_case(written, "isrc:") {
            if kind != EntityKind::Track {
                return Err(refused(format!("an ISRC names a track, not {}", article(kind))));
            }
            return parse_isrc(code).map(Reference::Isrc).map_err(refused);
        }
        if let Some(code) = strip_prefix_ignoring_case(written, "upc:") {
            if kind != EntityKind::Album {
                return Err(refused(format!("a UPC names an album, not {}", article(kind))));
            }
            return parse_upc(code).map(Reference::Upc).map_err(refused);
        }
        // No id of a track or an album looks like a code, so a column of bare codes is understood.
        match kind {
            EntityKind::Track if parse_isrc(written).is_ok() => {
                parse_isrc(written).map(Reference::Isrc).map_err(refused)
            }
            EntityKind::Album if parse_upc(written).is_ok() => parse_upc(written).map(Reference::Upc).map_err(refused),
            _ => SpotifyId::parse(written, kind).map(Reference::Id),
        }
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reference::Id(id) => id.fmt(f),
            Reference::Isrc(code) => write!(f, "isrc:{code}"),
            Reference::Upc(code) => write!(f, "upc:{code}"),
        }
    }
}

fn parse_isrc(code: &str) -> Result<String, String> {
    let code: String =
        code.trim().chars().filter(|c| !matches!(c, '-' | ' ')).map(|c| c.to_ascii_uppercase()).collect();
    let bytes = code.as_bytes();
    let fits = bytes.len() == 12
        && bytes[..2].iter().all(u8::is_ascii_uppercase)
        && bytes[2..5].iter().all(u8::is_ascii_alphanumeric)
        && bytes[5..].iter().all(u8::is_ascii_digit);
    if fits { Ok(code) } else { Err("not an ISRC: two letters, three letters or digits, seven digits".to_owned()) }
}

fn parse_upc(code: &str) -> Result<String, String> {
    let code: String = code.chars().filter(|c| !matches!(c, '-' | ' ')).collect();
    // Programs that take a code for a number write it so.
    let code = code.strip_suffix(".0").unwrap_or(&code);
    if (8..=14).contains(&code.len()) && code.bytes().all(|b| b.is_ascii_digit()) {
        Ok(code.to_owned())
    } else {
        Err("not a UPC: 8 to 14 digits".to_owned())
    }
}

fn check(id: &str, kind: EntityKind) -> Result<(), String> {
    if kind == EntityKind::User {
        return match id {
            "" => Err("the user id is empty".to_owned()),
            "." | ".." => Err(format!("`{id}` cannot be a user id")),
            _ if id.len() > LONGEST_USER => Err(format!("a user id has at most {LONGEST_USER} bytes")),
            _ if id.chars().any(char::is_control) => Err("a user id holds no control characters".to_owned()),
            _ => Ok(()),
        };
    }
    if let Some(odd) = id.chars().find(|c| !c.is_ascii_alphanumeric()) {
        let odd = odd.escape_debug();
        return Err(format!("not an id: `{odd}` is neither a letter from a to z nor a digit"));
    }
    match id.len() {
        LENGTH => Ok(()),
        0 => Err("the id is empty".to_owned()),
        n => Err(format!("not an id: {n} characters, where an id has {LENGTH}")),
    }
}

/// The id in what follows `spotify:`.
fn parse_uri(rest: &str, kind: EntityKind) -> Result<String, String> {
    let parts: Vec<&str> = rest.split(':').collect();
    match parts.as_slice() {
        ["user", _, "playlist", id] => check_named_id("playlist", id, kind),
        ["user", name] => check_named_id("user", &decode_name(name)?, kind),
        ["local", ..] => Err("a local file is known to its owner's computer only".to_owned()),
        // Some tools write the word in upper case. The id is case-sensitive.
        [word, id] => check_named_id(&word.to_ascii_lowercase(), id, kind),
        _ => Err("not a spotify: URI of the form spotify:KIND:ID".to_owned()),
    }
}

fn looks_like_a_link(text: &str) -> bool {
    text.contains("://")
        || ["open.spotify.com/", "play.spotify.com/", "spotify.com/", "spotify.link/", "spoti.fi/", "www."]
            .iter()
            .any(|host| strip_prefix_ignoring_case(text, host).is_some())
}

fn parse_link(text: &str, kind: EntityKind) -> Result<String, String> {
    let whole = if text.contains("://") { text.to_owned() } else { format!("https://{text}") };
    let url = Url::parse(&whole).map_err(|e| format!("not a link: {e}"))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(format!("a link begins with https, not {}", url.scheme()));
    }
    match url.host_str() {
        Some("open.spotify.com" | "play.spotify.com" | "www.spotify.com" | "spotify.com") => {}
        Some("spotify.link" | "spoti.fi" | "link.tospotify.com") => {
            return Err("a short link: open it in a browser and copy the address it leads to".to_owned());
        }
        host => {
            let host = host.unwrap_or("no host");
            return Err(format!("a link to {host}, not to open.spotify.com"));
        }
    }
    let mut parts: Vec<&str> = url.path_segments().map(|s| s.filter(|p| !p.is_empty()).collect()).unwrap_or_default();
    if parts.first().is_some_and(|p| p.starts_with("intl-")) {
        parts.remove(0);
    }
    if parts.first().is_some_and(|p| *p == "embed") {
        parts.remove(0);
    }
    match parts.as_slice() {
        ["user", _, "playlist", id] => check_named_id("playlist", id, kind),
        ["user", name] => check_named_id("user", &decode_name(name)?, kind),
        [word, id] => check_named_id(word, id, kind),
        _ => Err("a link without a kind and an id".to_owned()),
    }
}

/// The id, if the word before it says the kind that is wanted.
fn check_named_id(word: &str, id: &str, kind: EntityKind) -> Result<String, String> {
    if word == kind.as_str() {
        return Ok(id.to_owned());
    }
    match EntityKind::ALL.into_iter().find(|k| k.as_str() == word) {
        Some(other) => Err(format!("this is {}, not {}", article(other), article(kind))),
        None => {
            let word: String = word.chars().take(20).flat_map(char::escape_debug).collect();
            Err(format!("`{word}` is no kind of thing that has an id here"))
        }
    }
}

/// A user's name in a URI or link is percent-encoded.
fn decode_name(name: &str) -> Result<String, String> {
    let mut bytes = Vec::with_capacity(name.len());
    let mut rest = name.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let digits = [rest.next(), rest.next()].map(|d| d.and_then(|d| char::from(d).to_digit(16)));
        let [Some(high), Some(low)] = digits else {
            return Err("a broken percent-encoding".to_owned());
        };
        bytes.push(u8::try_from(high * 16 + low).map_err(|e| e.to_string())?);
    }
    String::from_utf8(bytes).map_err(|_| "a percent-encoding that is not UTF-8".to_owned())
}

fn article(kind: EntityKind) -> String {
    let an = matches!(kind, EntityKind::Album | EntityKind::Artist | EntityKind::Episode | EntityKind::Audiobook);
    format!("{} {kind}", if an { "an" } else { "a" })
}

/// What would have been right for this kind.
fn expected(kind: EntityKind) -> String {
    let word = kind.as_str();
    let code = match kind {
        EntityKind::Track => ", or isrc:CODE",
        EntityKind::Album => ", or upc:CODE",
        _ => "",
    };
    match kind {
        EntityKind::User => "a user's id, spotify:user:ID, or a link https://open.spotify.com/user/ID".to_owned(),
        _ => format!(
            "the 22 characters of {}'s id, spotify:{word}:ID, a link https://open.spotify.com/{word}/ID{code}",
            article(kind)
        ),
    }
}

fn strip_prefix_ignoring_case<'t>(text: &'t str, prefix: &str) -> Option<&'t str> {
    let head = text.get(..prefix.len())?;
    head.eq_ignore_ascii_case(prefix).then(|| &text[prefix.len()..])
}

#[cfg(test)]
mod tests;
