//! Quotes user input safely in messages: without control characters and secrets, and of limited length.

use std::borrow::Cow;

/// Maximum length of a quoted value in characters.
const MAX_SHOWN: usize = 60;

/// Quotes a value for messages: in backticks, shortened, printable, and with possible secrets masked.
pub fn quote(value: &str) -> String {
    format!("`{}`", shorten(value))
}

/// Makes a value fit for messages as [`quote`] does, without the backticks.
pub fn shorten(value: &str) -> String {
    // The end of a long value is not shown, so it need not be searched for secrets. A token has a few hundred characters.
    let start = value.char_indices().nth(MAX_SHOWN * 20).map_or(value, |(end, _)| &value[..end]);
    let mut shown: String = mask(start).chars().take(MAX_SHOWN).collect();
    if value.chars().nth(MAX_SHOWN).is_some() {
        shown.push('…');
    }
    printable(&shown)
}

/// Escapes control characters and bidirectional overrides, so that text from outside cannot
/// control a terminal.
pub fn printable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c if controls_terminal(c) => out.extend(c.escape_unicode()),
            c => out.push(c),
        }
    }
    out
}

/// Escapes the same characters in a line of JSON, where they occur only in strings.
pub fn printable_json(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    for c in line.chars() {
        if controls_terminal(c) {
            out.push_str(&format!("\\u{:04x}", u32::from(c)));
        } else {
            out.push(c);
        }
    }
    out
}

/// The text for a terminal: like [`printable`], but lines and tabs stay. What a program composed of several texts
/// passes through here last.
pub fn terminal_safe(text: &str) -> Cow<'_, str> {
    let is_unsafe = |c: char| !matches!(c, '\n' | '\t') && controls_terminal(c);
    if !text.contains(is_unsafe) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if is_unsafe(c) { out.extend(c.escape_unicode()) } else { out.push(c) }
    }
    Cow::Owned(out)
}

/// Whether a terminal may do something else than show this character.
pub(super) fn controls_terminal(c: char) -> bool {
    c.is_control() || is_steering(c)
}

/// Characters that reorder or hide what follows them, or that some programs take for the end of a line.
fn is_steering(c: char) -> bool {
    matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// Replaces everything that looks like a secret with asterisks of the same length in bytes, so
/// that carets keep their position: words of 32 hex digits (Spotify's client secrets), words longer
/// than 60 characters (tokens), the value of a key with a secret-sounding name, and the contents of the
/// table with hook addresses, under any key and in any notation.
pub(super) fn mask(text: &str) -> String {
    let mut secret_table = false;
    let each = |line: &str| {
        let start = line.trim_start();
        if start.starts_with('[') && start.trim_end().ends_with(']') && !start.contains('"') {
            secret_table = start.trim_matches(|c: char| c == '[' || c == ']' || c.is_whitespace()) == SECRET_TABLE;
            return line.to_owned();
        }
        mask_line(line, secret_table)
    };
    text.split_inclusive('\n').map(each).collect()
}

/// This table contains hook addresses, and everyone who knows such an address can use it.
const SECRET_TABLE: &str = "notify";

/// The keys of that table that are not secret.
const OPEN_KEYS: [&str; 3] = ["on", "timeout", "prometheus_file"];

fn mask_line(line: &str, secret_table: bool) -> String {
    let (text, end) = match line.strip_suffix('\n') {
        Some(text) => (text, "\n"),
        None => (line, ""),
    };
    let found = text.split_once('=');
    let name = found.map_or("", |(key, _)| key.trim());
    let in_table = name == SECRET_TABLE || name.starts_with("notify.") || secret_table;
    let is_secret = in_table && !OPEN_KEYS.contains(&name.trim_start_matches("notify."));
    match found {
        _ if text.trim_start().starts_with('#') && !is_secret => {}
        Some((key, value)) if is_secret || names_a_secret(key) || names_a_hook(key) || is_odd_address(key, value) => {
            return format!("{key}={}{end}", "*".repeat(value.len()));
        }
        // The rest of a value that started on an earlier line, or a line without `=`.
        None if is_secret && !matches!(text.trim(), "" | "[" | "]") => {
            return format!("{}{end}", "*".repeat(text.len()));
        }
        _ => {}
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
    mask_url_password(out)
}

/// Whether a value that should be the address of a target is none, and so may contain a password anywhere.
fn is_odd_address(key: &str, value: &str) -> bool {
    let value = value.trim();
    let value = value.strip_prefix(['"', '\'']).and_then(|rest| rest.strip_suffix(['"', '\''])).unwrap_or(value);
    let has_odd_character =
        value.contains(|c: char| c.is_whitespace() || "\"';`#".contains(c)) || value.contains("%3A");
    key.trim() == "url" && (has_odd_character || !value.contains("://") && value.contains(['@', ':']))
}

/// Parameters of an address that have no secret values.
const OPEN_PARAMETERS: [&str; 5] = ["host", "port", "sslmode", "sslrootcert", "si"];

/// What may be secret in the query of an address: the values of all parameters but some, and parameters without a name.
fn secret_parameters(text: &str, start: usize, end: usize) -> Vec<std::ops::Range<usize>> {
    let Some(query) = text[start..end].find('?').map(|at| start + at + 1) else { return Vec::new() };
    let mut from = query;
    let mut spans = Vec::new();
    for parameter in text[query..end].split('&') {
        let value = parameter.find('=').map_or(0, |at| at + 1);
        let name = parameter[..value].trim_end_matches('=').to_ascii_lowercase();
        if !OPEN_PARAMETERS.contains(&&*name) {
            spans.push(from + value..from + parameter.len());
        }
        from += parameter.len() + 1;
    }
    spans
}

/// Replaces the password in `scheme://user:password@host`, and in `?password=…` and `&sig=…`.
fn mask_url_password(mut text: String) -> String {
    let Some(start) = text.find("://").map(|at| at + 3) else { return text };
    let is_end = |c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '`');
    let end = text[start..].find(is_end).map_or(text.len(), |at| start + at);
    // A password may contain any of these characters, so the last `@` counts.
    let login = text[start..end].rfind('@').map(|at| start..start + at);
    let of_login = login.and_then(|login| Some(login.start + text[login.clone()].find(':')? + 1..login.end));
    let of_query = ["password=", "sig="].map(|name| {
        let from = start + text[start..end].find(name)? + name.len();
        Some(from..text[from..end].find('&').map_or(end, |at| from + at))
    });
    let of_parameters = secret_parameters(&text, start, end);
    for span in of_query.into_iter().chain([of_login]).flatten().chain(of_parameters) {
        let stars = "*".repeat(span.len());
        text.replace_range(span, &stars);
    }
    text
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

/// Whether a key with this name may contain a secret.
pub(super) fn names_a_secret(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    ["secret", "token", "pass", "pwd", "client_id", "api_key", "credential"].iter().any(|word| key.contains(word))
}

/// Whether a key with this name may contain a hook address, in any table.
fn names_a_hook(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    ["webhook", "ping_url"].iter().any(|word| key.contains(word))
}

/// A text as one word of a shell command: as it is if it is plain, otherwise in single quotes.
pub fn shell_word(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "/._-+@".contains(c);
    match !text.is_empty() && text.chars().all(is_plain) {
        true => text.to_owned(),
        // A single quote ends the quotes, is written with a backslash, and starts them again.
        false => format!("'{}'", text.replace('\'', "'\\''")),
    }
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
    fn hook_address_is_masked_in_every_form() {
        for text in [
            "[notify]\nwebhook_url = \"htps://hooks.example/T0/B0/key\"\n",
            "[notify]\nping_ur = \"https://ping.example/key\"\n",
            "[notify]\nwebhook_url \"https://ping.example/key\"\n",
            "[notify]\ncommand = [\n  \"curl\", \"https://hooks.example/key\",\n]\n",
            "notify.slack = \"https://hooks.example/key\"\n",
            "notify = { webhook = \"https://hooks.example/key\" }\n",
            "[ notify ]\n# webhook_url = \"https://hooks.example/key\"\n",
        ] {
            let masked = mask(text);
            assert!(!masked.contains("key") && !masked.contains("example"), "{masked}");
            assert_eq!(masked.len(), text.len());
        }
        let open = "[notify]\non = [\"failure\"]\ntimeout = \"1s\"\n[output]\ndatabase = \"here\"\n";
        assert_eq!(mask(open), open);
    }

    #[test]
    fn password_in_an_address_is_masked() {
        let table = [
            ("url = \"postgres://me:pass@db/music\"", "url = \"postgres://me:****@db/music\""),
            ("url = \"postgres://me:p:a@s/@db/music?x=1\"", "url = \"postgres://me:******@db/music?x=*\""),
            ("url = \"postgres://db/music?password=pass&x=1\"", "url = \"postgres://db/music?password=****&x=*\""),
            ("url = \"gs://b/p?private_key=hunter2\"", "url = \"gs://b/p?private_key=*******\""),
            ("url = \"s3://b/p?hunter2&X-Amz-Sig=abc\"", "url = \"s3://b/p?*******&X-Amz-Sig=***\""),
            ("url = \"postgres:///m?host=/run/pg&sslmode=x\"", "url = \"postgres:///m?host=/run/pg&sslmode=x\""),
            ("url = \"postgres://me@db:5432/music\"", "url = \"postgres://me@db:5432/music\""),
            ("url = \"/srv/lake\"", "url = \"/srv/lake\""),
        ];
        for (text, expected) in table {
            assert_eq!(mask(text), expected);
        }
        let odd = [
            "url = \"host=db user=me password=hunter2\"",
            "url = 'Server=db;Password=hunter2;'",
            "url = \"postgres://me:hun ter2@db/music\"",
            "url = 'postgres://me:\"hunter2@db/music'",
            "url = \"me:hunter2@db\"",
            "url = \"postgres://db/music\" password=\"hunter2\"",
            "url = \"postgres://me%3Ahunter2@db/music\"",
            "url = \"postgres://db/music#password=hunter2\"",
            "pass = \"hunter2\"",
            "passwort = \"hunter2\"",
        ];
        for text in odd {
            assert!(!mask(text).contains("ter2"), "{text}");
        }
    }

    #[test]
    fn an_id_is_shown() {
        assert_eq!(quote("37i9dQZF1DXcBWIGoYBM5M"), "`37i9dQZF1DXcBWIGoYBM5M`");
    }

    #[test]
    fn escape_sequences_are_not_printed() {
        assert_eq!(quote("a\u{1b}[31m\u{202e}"), "`a\\u{1b}[31m\\u{202e}`");
    }
}
