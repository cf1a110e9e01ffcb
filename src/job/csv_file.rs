//! CSV files that people make, mostly in spreadsheets: with a byte order mark, semicolons or tabs,
//! quoted cells, empty lines.
//!
//! The rows are not kept: a file of 20 MB can have ten million cells. A caller that needs the rows twice reads the file
//! twice.

use std::path::Path;

use csv_core::ReadRecordResult;

use crate::input_file::{self, InputFileError};
use spotify_client::trim_invisible;

/// A larger file is not a list of ids.
const MAX_BYTES: u64 = 64 * 1024 * 1024;
/// More rows than anyone could read from Spotify within a reasonable time.
pub(super) const MAX_ROWS: usize = 1_000_000;
/// As many columns as a spreadsheet has.
const MAX_COLUMNS: usize = 16_384;
const MAX_ROW_BYTES: usize = 1024 * 1024;

/// Why a file, or a line of it, cannot be used.
#[derive(Debug)]
pub(super) struct CsvFault {
    /// Line, from 1, or 0 for the whole file.
    pub line: usize,
    /// Continues a sentence that starts with the file or the line.
    pub why: String,
    /// What to do, if that is known.
    pub hint: Option<String>,
}

/// One row of the file.
pub(super) struct InputRow<'a> {
    /// Line, from 1.
    pub line: usize,
    /// The cells without surrounding blanks.
    pub cells: Vec<&'a str>,
}

/// Which encodings a file may have. UTF-16 with a byte order mark is always read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum TextEncoding {
    /// UTF-8: wrongly decoded letters would be searched for, and would cost calls.
    Unicode,
    /// Also Latin-1: ids consist of letters that all encodings share.
    Any,
}

/// A file in memory that can be read row by row.
pub(super) struct CsvFile {
    text: Vec<u8>,
    delimiter: u8,
    /// Where the first row starts, and the lines before it.
    start: (usize, usize),
}

impl CsvFile {
    /// Reads the file `name` beneath `folder`. The separator is the one of `;`, tab, `|` and `,` that is most frequent
    /// in the first line.
    ///
    /// # Errors
    /// What prevents it.
    pub(super) fn read(folder: &Path, name: &str, encoding: TextEncoding) -> Result<CsvFile, CsvFault> {
        let opened = input_file::open_beneath(folder, Path::new(name));
        let bytes = opened.and_then(|file| input_file::read_limited(&file, MAX_BYTES)).map_err(|error| {
            let hint = match &error {
                InputFileError::LeadsOut => {
                    format!("copy the file itself to {}", folder.join(name).display())
                }
                _ => format!("the program looks for the file at {}", folder.join(name).display()),
            };
            CsvFault { line: 0, why: error.to_string(), hint: Some(hint) }
        })?;
        Ok(CsvFile::new(to_utf8(bytes, encoding)))
    }

    fn new(text: Vec<u8>) -> CsvFile {
        let mut start = (if text.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 }, 0);
        let mut separator = None;
        // Excel writes this line for itself.
        if let Some(rest) = text[start.0..].strip_prefix(b"sep=")
            && let Some(end) = rest.iter().position(|b| *b == b'\n')
        {
            separator = rest.first().copied();
            start = (start.0 + "sep=".len() + end + 1, 1);
        }
        let delimiter = separator.unwrap_or_else(|| guess_delimiter(&text[start.0..]));
        CsvFile { text, delimiter, start }
    }

    /// The text of the file, without regard to its rows.
    pub(super) fn text(&self) -> &[u8] {
        &self.text
    }

    /// Calls `each` with all rows that are not empty, until it returns an error.
    ///
    /// # Errors
    /// The error of `each`, or the problem with a line: it is too long, has too many cells, is not UTF-8, or is one row
    /// too many.
    pub(super) fn for_each_row<'a>(
        &'a self,
        mut each: impl FnMut(&InputRow<'_>) -> Result<(), CsvFault>,
    ) -> Result<(), CsvFault> {
        let mut reader = csv_core::ReaderBuilder::new().delimiter(self.delimiter).build();
        let (mut bytes, mut ends) = (vec![0; MAX_ROW_BYTES], vec![0; MAX_COLUMNS]);
        let mut rest: &'a [u8] = &self.text[self.start.0..];
        let mut count = 0;
        loop {
            let line = usize::try_from(reader.line()).unwrap_or(0) + self.start.1 + empty_lines(rest);
            let fault = |why: String| CsvFault { line, why, hint: None };
            let (mut length, mut cells) = (0, 0);
            loop {
                let (result, read, written, ended) = reader.read_record(rest, &mut bytes[length..], &mut ends[cells..]);
                rest = &rest[read..];
                length += written;
                cells += ended;
                match result {
                    // The reader wants to see the end of the file.
                    ReadRecordResult::InputEmpty => {}
                    ReadRecordResult::OutputFull => {
                        return Err(fault(format!(
                            "is longer than {MAX_ROW_BYTES} bytes, which is the limit for a row"
                        )));
                    }
                    ReadRecordResult::OutputEndsFull => {
                        return Err(fault(format!("has more than {MAX_COLUMNS} cells, which is the limit for a row")));
                    }
                    ReadRecordResult::Record => break,
                    ReadRecordResult::End => return Ok(()),
                }
            }
            let text = std::str::from_utf8(&bytes[..length])
                .map_err(|_| fault("is not UTF-8; save the file as CSV UTF-8".to_owned()))?;
            let mut from = 0;
            let mut cell = |end: &usize| Some(trim_invisible(text.get(std::mem::replace(&mut from, *end)..*end)?));
            let row: Option<Vec<&str>> = ends[..cells].iter().map(&mut cell).collect();
            let row = row.ok_or_else(|| fault("is not UTF-8; save the file as CSV UTF-8".to_owned()))?;
            if row.iter().all(|cell| cell.is_empty()) {
                continue;
            }
            count += 1;
            // One more may be a header.
            if count > MAX_ROWS + 1 {
                let why = format!("exceeds the limit of {MAX_ROWS} rows");
                return Err(CsvFault {
                    line,
                    why,
                    hint: Some("divide the file, and use a fetch for each part".into()),
                });
            }
            each(&InputRow { line, cells: row })?;
        }
    }
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

/// The number of empty lines at the start of a text. The reader counts them as part of the record that follows.
fn empty_lines(text: &[u8]) -> usize {
    text.iter().take_while(|b| matches!(b, b'\n' | b'\r')).filter(|b| **b == b'\n').count()
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
