//! CSV files that people make, mostly in spreadsheets: with a byte order mark, semicolons or tabs,
//! quoted cells, empty lines.

use std::path::Path;

/// A larger file is not a list of ids.
const MAX_BYTES: u64 = 64 * 1024 * 1024;

/// One row of the file, with its line number.
pub(super) struct InputRow {
    /// Line, from 1.
    pub line: usize,
    /// The cells without surrounding blanks.
    pub cells: Vec<String>,
}

/// Which encodings a file may have. UTF-16 with a byte order mark is always read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TextEncoding {
    /// UTF-8: wrongly decoded letters would be searched for, and would cost calls.
    Unicode,
    /// Also Latin-1: ids consist of letters that all encodings share.
    Any,
}

/// Reads all rows that are not empty. The separator is the one of `;`, tab, `|` and `,` that is most frequent in the
/// first line.
///
/// # Errors
///
/// The line (0 for the whole file) and the reason.
pub(super) fn read_rows(path: &Path, encoding: TextEncoding) -> Result<Vec<InputRow>, (usize, String)> {
    let fails = |e: std::io::Error| (0, format!("cannot be read ({e})"));
    let length = std::fs::metadata(path).map_err(fails)?.len();
    if length > MAX_BYTES {
        return Err((0, format!("is {length} bytes long; at most {MAX_BYTES} are read")));
    }
    let bytes = std::fs::read(path).map_err(fails)?;
    let bytes = to_utf8(bytes, encoding);
    let mut text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
    let mut skipped = 0;
    let mut separator = None;
    // Excel writes this line for itself.
    if let Some(rest) = text.strip_prefix(b"sep=")
        && let Some(end) = rest.iter().position(|b| *b == b'\n')
    {
        separator = rest.first().copied();
        text = &rest[end + 1..];
        skipped = 1;
    }
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(separator.unwrap_or_else(|| guess_delimiter(text)))
        .from_reader(text);
    let mut rows = Vec::new();
    for record in reader.byte_records() {
        let record = record.map_err(|e| {
            let line = e.position().map_or(0, csv::Position::line);
            (usize::try_from(line).unwrap_or(0) + skipped, "is not a valid CSV row".to_owned())
        })?;
        let line = record.position().map_or(0, |at| line_of(at, text)) + skipped;
        let text_of = |cell| std::str::from_utf8(cell).map(|cell| cell.trim().to_owned());
        let cells: Result<Vec<String>, _> = record.iter().map(text_of).collect();
        let cells = cells.map_err(|_| (line, "is not UTF-8; save the file as CSV UTF-8".to_owned()))?;
        if cells.iter().any(|cell| !cell.is_empty()) {
            rows.push(InputRow { line, cells });
        }
    }
    Ok(rows)
}

/// The text of a file as UTF-8, as far as its encoding is known.
fn to_utf8(bytes: Vec<u8>, encoding: TextEncoding) -> Vec<u8> {
    let pairs = |of: fn([u8; 2]) -> u16| -> Vec<u16> { bytes[2..].chunks_exact(2).map(|c| of([c[0], c[1]])).collect() };
    let words = match bytes.get(..2) {
        Some([0xff, 0xfe]) => pairs(u16::from_le_bytes),
        Some([0xfe, 0xff]) => pairs(u16::from_be_bytes),
        _ if encoding == TextEncoding::Any && std::str::from_utf8(&bytes).is_err() => {
            return bytes.iter().map(|byte| char::from(*byte)).collect::<String>().into_bytes();
        }
        _ => return bytes,
    };
    String::from_utf16_lossy(&words).into_bytes()
}

/// The line of a record. The reader counts the empty lines before a record as part of it.
fn line_of(at: &csv::Position, text: &[u8]) -> usize {
    let from = usize::try_from(at.byte()).unwrap_or(0);
    let empty = text.iter().skip(from).take_while(|b| matches!(b, b'\n' | b'\r')).filter(|b| **b == b'\n').count();
    usize::try_from(at.line()).unwrap_or(0) + empty
}

fn guess_delimiter(text: &[u8]) -> u8 {
    let line = text.split(|b| *b == b'\n').find(|l| !l.trim_ascii().is_empty()).unwrap_or(&[]);
    let count = |separator: u8| {
        let mut quoted = false;
        line.iter()
            .filter(|b| {
                quoted ^= **b == b'"';
                !quoted && **b == separator
            })
            .count()
    };
    // Rows with a single cell contain no separator; a comma then works as well as any.
    [b';', b'\t', b'|'].into_iter().filter(|s| count(*s) > count(b',')).max_by_key(|s| count(*s)).unwrap_or(b',')
}
