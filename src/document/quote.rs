//! Showing what somebody wrote, safely: no control characters, no secrets, no endless text.

/// Longer values are cut in messages.
const SHOWN: usize = 60;

/// A value as messages show it: in backticks, short, printable, and without what may be a secret.
pub fn quote(value: &str) -> String {
    let mut shown: String = mask(value).chars().take(SHOWN).collect();
    if shown.len() < value.len() && value.chars().count() > SHOWN {
        shown.push('…');
    }
    format!("`{}`", printable(&shown))
}

/// Control characters and bidirectional overrides as escapes, so that text from outside cannot
/// drive a terminal.
pub fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c if c.is_control() || is_steering(c) => out.extend(c.escape_unicode()),
            c => out.push(c),
        }
    }
    out
}

/// Characters that reorder or hide what follows them.
fn is_steering(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}' | '\u{feff}')
}

/// The text with whatever looks like a secret replaced by asterisks of the same length in bytes, so
/// that carets keep their places: words of 32 hex digits (Spotify's client secrets), words longer
/// than 60 characters (tokens), and all that follows a key whose name says secret.
pub(super) fn mask(text: &str) -> String {
    text.split_inclusive('\n').map(mask_line).collect()
}

fn mask_line(line: &str) -> String {
    if let Some((key, value)) = line.split_once('=')
        && names_a_secret(key)
    {
        let (value, end) = match value.strip_suffix('\n') {
            Some(value) => (value, "\n"),
            None => (value, ""),
        };
        return format!("{key}={}{end}", "*".repeat(value.len()));
    }
    let mut out = String::with_capacity(line.len());
    let mut word = String::new();
    for c in line.chars() {
        if c.is_ascii_alphanumeric() || c == '_' || c == '-' {
            word.push(c);
        } else {
            flush(&mut out, &mut word);
            out.push(c);
        }
    }
    flush(&mut out, &mut word);
    out
}

fn flush(out: &mut String, word: &mut String) {
    let hex = word.len() == 32 && word.chars().all(|c| c.is_ascii_hexdigit());
    if hex || word.len() > 60 {
        out.push_str(&"*".repeat(word.len()));
    } else {
        out.push_str(word);
    }
    word.clear();
}

/// Whether a key of this name may hold a secret.
pub(super) fn names_a_secret(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    ["secret", "token", "password", "passwd", "client_id", "api_key", "credential"]
        .iter()
        .any(|word| key.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_masked_byte_for_byte() {
        let line = "client_secret = \"abc\"\nx = \"0123456789abcdef0123456789abcdef\"\n";
        let masked = mask(line);
        assert_eq!(masked.len(), line.len());
        assert!(!masked.contains("abc"), "{masked}");
        assert!(!masked.contains("0123"), "{masked}");
    }

    #[test]
    fn an_id_is_shown() {
        assert_eq!(quote("37i9dQZF1DXcBWIGoYBM5M"), "`37i9dQZF1DXcBWIGoYBM5M`");
    }

    #[test]
    fn escape_sequences_do_not_reach_the_terminal() {
        assert_eq!(quote("a\u{1b}[31m\u{202e}"), "`a\\u{1b}[31m\\u{202e}`");
    }
}
