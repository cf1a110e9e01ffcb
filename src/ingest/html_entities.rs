//! Decodes the HTML entities in descriptions of playlists. Spotify escapes what users type there.

use std::borrow::Cow;

/// The longest entity that is decoded, such as `&#x10ffff;`.
const MAX_LENGTH: usize = 10;

/// The text with its entities decoded, once. Other text is not changed.
pub(super) fn decode_html_entities(text: &str) -> Cow<'_, str> {
    if !text.contains('&') {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find('&') {
        out.push_str(&rest[..start]);
        rest = &rest[start..];
        let end = rest.find(';').filter(|end| *end < MAX_LENGTH);
        match end.and_then(|end| Some((entity(&rest[1..end])?, end))) {
            Some((character, end)) => {
                out.push(character);
                rest = &rest[end + 1..];
            }
            None => {
                out.push('&');
                rest = &rest[1..];
            }
        }
    }
    out.push_str(rest);
    Cow::Owned(out)
}

fn entity(name: &str) -> Option<char> {
    Some(match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        "nbsp" => '\u{a0}',
        _ => {
            let digits = name.strip_prefix('#')?;
            let code = match digits.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16),
                None => digits.parse(),
            };
            char::from_u32(code.ok()?).filter(|character| !character.is_control())?
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entities_are_decoded_once() {
        let cases = [
            ("plain", "plain"),
            ("Rock &amp; Roll", "Rock & Roll"),
            ("&quot;It&#x27;s&#39; &lt;b&gt;&quot;", "\"It's' <b>\""),
            ("&amp;lt;", "&lt;"),
            ("R&B; A & B", "R&B; A & B"),
            ("&#0; &#xd800; &#x1F600; &", "&#0; &#xd800; \u{1f600} &"),
        ];
        for (text, want) in cases {
            assert_eq!(decode_html_entities(text), want);
        }
    }
}
