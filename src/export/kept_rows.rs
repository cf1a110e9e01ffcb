//! Files of lines without the rows of a user.

use std::io::{BufReader, Read, Seek, SeekFrom};
use std::ops::Range;

use super::user_files::USER_COLUMN;
use crate::settings::FileFormat;
use crate::store::purge::PurgedUser;

/// Copies a file of lines without the rows of a user. Returns how many rows were kept and how many not; none if no column
/// names the user of a row.
pub(super) fn copy_lines(
    file: &mut std::fs::File,
    path: &str,
    user: &PurgedUser,
    out: &mut impl std::io::Write,
) -> std::io::Result<Option<(u64, u64)>> {
    let length = file.metadata()?.len();
    let kept = match FileFormat::of_path(path) {
        FileFormat::JsonL => lines_to_keep(&*file, user)?,
        _ => rows_to_keep(&*file, length, user)?,
    };
    let Some(kept) = kept else { return Ok(None) };
    for part in kept.parts.iter().filter(|_| kept.dropped > 0) {
        file.seek(SeekFrom::Start(part.start))?;
        std::io::copy(&mut (&*file).take(part.end - part.start), out)?;
    }
    Ok(Some((kept.rows, kept.dropped)))
}

/// The parts of a file without the rows of a user.
#[derive(Debug, Default, PartialEq, Eq)]
struct KeptRows {
    parts: Vec<Range<u64>>,
    rows: u64,
    dropped: u64,
}

impl KeptRows {
    fn add_part(&mut self, next: Range<u64>) {
        match self.parts.last_mut().filter(|part| part.end == next.start) {
            Some(part) => part.end = next.end,
            None => self.parts.push(next),
        }
    }
}

/// Finds the rows of other users in a file of this length. `None` if the file has no column with the user of a row.
fn rows_to_keep(file: impl Read, length: u64, user: &PurgedUser) -> std::io::Result<Option<KeptRows>> {
    let mut file = BufReader::with_capacity(1 << 16, file);
    let delimiter = find_delimiter(std::io::BufRead::fill_buf(&mut file)?);
    let Some(delimiter) = delimiter else { return Ok(None) };
    let mut reader = csv::ReaderBuilder::new().delimiter(delimiter).has_headers(false).flexible(true).from_reader(file);
    let mut record = csv::ByteRecord::new();
    let mut kept = KeptRows::default();
    let (mut column, mut from) = (None, 0);
    while reader.read_byte_record(&mut record)? {
        let until = reader.position().byte();
        let Some(column) = column else {
            column = record.iter().position(|name| name == USER_COLUMN.as_bytes());
            if column.is_none() {
                return Ok(None);
            }
            kept.parts.push(0..until);
            from = until;
            continue;
        };
        let name = record.get(column).and_then(|name| std::str::from_utf8(name).ok()).unwrap_or_default();
        if user.is_recorded_as(name) {
            kept.dropped += 1;
        } else {
            kept.rows += 1;
            kept.add_part(from..until);
        }
        from = until;
    }
    // A record ends with the return, so the line feed of the last one is left.
    if from < length {
        kept.add_part(from..length);
    }
    Ok(column.is_some().then_some(kept))
}

/// Finds the lines of other users in a file of JSON Lines. `None` if an object does not name its user.
fn lines_to_keep(file: impl Read, user: &PurgedUser) -> std::io::Result<Option<KeptRows>> {
    let mut file = BufReader::with_capacity(1 << 16, file);
    let mut kept = KeptRows::default();
    let (mut line, mut from) = (Vec::new(), 0);
    while std::io::BufRead::read_until(&mut file, b'\n', &mut line)? > 0 {
        let until = from + line.len() as u64;
        let row: serde_json::Value = serde_json::from_slice(&line).unwrap_or_default();
        let Some(name) = row.get(USER_COLUMN) else { return Ok(None) };
        if name.as_str().is_some_and(|name| user.is_recorded_as(name)) {
            kept.dropped += 1;
        } else {
            kept.rows += 1;
            kept.add_part(from..until);
        }
        line.clear();
        from = until;
    }
    Ok(Some(kept))
}

/// The delimiter with which the header has a column for the user.
fn find_delimiter(start: &[u8]) -> Option<u8> {
    let start = start.strip_prefix("\u{feff}".as_bytes()).unwrap_or(start);
    let header = start.split(|byte| matches!(byte, b'\n' | b'\r')).next()?;
    b",;\t|".iter().copied().find(|delimiter| {
        let plain = |name: &[u8]| {
            name.strip_prefix(b"\"").and_then(|n| n.strip_suffix(b"\"")).unwrap_or(name) == USER_COLUMN.as_bytes()
        };
        header.split(|byte| byte == delimiter).any(plain)
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn shortened(text: &str) -> Option<(String, u64, u64)> {
        let user = PurgedUser { local_names: BTreeSet::from(["home".to_owned()]), ..PurgedUser::default() };
        let kept = rows_to_keep(text.as_bytes(), text.len() as u64, &user).unwrap()?;
        let parts = kept.parts.iter().map(|part| {
            let at = |n: u64| usize::try_from(n).unwrap();
            &text[at(part.start)..at(part.end)]
        });
        Some((parts.collect(), kept.rows, kept.dropped))
    }

    #[test]
    fn lines_of_others_keep_their_bytes() {
        let user = PurgedUser { local_names: BTreeSet::from(["home".to_owned()]), ..PurgedUser::default() };
        let (ours, theirs) = ("{\"user\":\"home\",\"n\":1}\n", "{\"user\":\"studio\",\"n\":2}\n");
        let text = format!("{ours}{theirs}{theirs}{ours}{theirs}");
        let kept = lines_to_keep(text.as_bytes(), &user).unwrap().unwrap();
        let parts: String = kept.parts.iter().map(|part| &text[part.start as usize..part.end as usize]).collect();
        assert_eq!((parts, kept.rows, kept.dropped), (theirs.repeat(3), 3, 2));
        assert_eq!(lines_to_keep("{\"n\":1}\n".as_bytes(), &user).unwrap(), None);
        assert_eq!(lines_to_keep("".as_bytes(), &user).unwrap(), Some(KeptRows::default()));
    }

    #[test]
    fn rows_of_others_keep_their_bytes() {
        let table = [
            ("user,n\nhome,1\nstudio,2\nhome,3\n", "user,n\nstudio,2\n", 1, 2),
            (
                "user,n\nstudio,2\nhome,\"a\nb\"\nstudio,\"c\nhome,d\"\n",
                "user,n\nstudio,2\nstudio,\"c\nhome,d\"\n",
                2,
                1,
            ),
            ("\u{feff}n;user\r\n1;\"home\"\r\n2;\"studio\"\r\n", "\u{feff}n;user\r\n2;\"studio\"\r\n", 1, 1),
            ("user|n\nhome|1\n", "user|n\n", 0, 1),
            ("\"n\"\t\"user\"\n1\thomely\n2\thome\n3\t\n", "\"n\"\t\"user\"\n1\thomely\n3\t\n", 2, 1),
            ("user,n\nhome,1", "user,n\n", 0, 1),
        ];
        for (text, expected, rows, dropped) in table {
            assert_eq!(shortened(text), Some((expected.to_owned(), rows, dropped)), "{text:?}");
        }
        assert_eq!(shortened("n,users\n1,home\n"), None);
        assert_eq!(shortened(""), None);
    }
}
