//! The version of a playlist.

use std::borrow::Cow;

use super::lenient::{Lenient, LenientValue};

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
        if text.trim().is_empty() { Lenient::Unreadable } else { Lenient::Expected(JsonVersion(Cow::Borrowed(text))) }
    }

    fn from_text(text: &str) -> Lenient<Self> {
        let is_blank = text.trim().is_empty();
        if is_blank { Lenient::Unreadable } else { Lenient::Expected(JsonVersion(Cow::Owned(text.to_owned()))) }
    }
}
