//! The version of a playlist.

use std::borrow::Cow;

use super::lenient::{Lenient, LenientValue};

/// Longer texts are no versions. If they were cut, two of them could look the same.
const MAX_VERSION_BYTES: usize = 1024;

/// The version of a playlist. A blank text and a number are none: they could stay the same while the playlist changes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct JsonVersion<'a>(pub Cow<'a, str>);

impl std::ops::Deref for JsonVersion<'_> {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl<'de: 'a, 'a> LenientValue<'de> for JsonVersion<'a> {
    fn from_borrowed_text(text: &'de str) -> Lenient<Self> {
        if is_version(text) { Lenient::Expected(JsonVersion(Cow::Borrowed(text))) } else { Lenient::Unreadable }
    }

    fn from_text(text: &str) -> Lenient<Self> {
        if is_version(text) { Lenient::Expected(JsonVersion(Cow::Owned(text.to_owned()))) } else { Lenient::Unreadable }
    }
}

fn is_version(text: &str) -> bool {
    !text.trim().is_empty() && text.len() <= MAX_VERSION_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blank_and_long_texts_are_no_versions() {
        for (text, is_one) in [("MTYsZTM0", true), (" ", false), ("", false), (&"v".repeat(1025), false)] {
            assert_eq!(matches!(JsonVersion::from_text(text), Lenient::Expected(_)), is_one, "{text}");
        }
    }
}
