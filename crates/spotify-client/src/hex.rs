//! Hexadecimal names for hashes and random numbers.

use std::fmt::Write as _;

/// The first `bytes` bytes in lower-case hexadecimal digits.
pub(crate) fn prefix(data: &[u8], bytes: usize) -> String {
    data.iter().take(bytes).fold(String::with_capacity(bytes * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
