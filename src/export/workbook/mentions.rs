//! Whether a workbook mentions a user. The rows of this user are to be deleted.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader};

use zip::ZipArchive;

/// How many bytes of text are looked at together.
const TEXT_BYTES: usize = 1 << 20;

/// Whether `is_mentioned` is true of the texts and addresses in a workbook, which it gets a line each.
pub(in crate::export) fn workbook_mentions(
    file: File,
    mut is_mentioned: impl FnMut(&[u8]) -> io::Result<bool>,
) -> io::Result<bool> {
    let mut archive = ZipArchive::new(BufReader::new(file)).map_err(io::Error::other)?;
    let (mut texts, mut part) = (Vec::new(), Vec::new());
    for n in 0..archive.len() {
        let mut entry = BufReader::new(archive.by_index(n).map_err(io::Error::other)?);
        loop {
            part.clear();
            // A text, then the tag that ends it.
            if entry.read_until(b'>', &mut part)? == 0 {
                break;
            }
            let end = part.iter().position(|byte| *byte == b'<').unwrap_or(part.len());
            texts.extend_from_slice(decoded(&part[..end]).as_bytes());
            texts.push(b'\n');
            texts.extend_from_slice(decoded(&part[end..]).as_bytes());
            texts.push(b'\n');
            if texts.len() > TEXT_BYTES {
                if is_mentioned(&texts)? {
                    return Ok(true);
                }
                texts.clear();
            }
        }
    }
    is_mentioned(&texts)
}

/// A part of an XML file as a person reads it.
fn decoded(xml: &[u8]) -> String {
    let text = String::from_utf8_lossy(xml);
    if !text.contains('&') {
        return text.into_owned();
    }
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&amp;", "&")
}
