//! Reads the files within compressed files and archives.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

use flate2::read::MultiGzDecoder;
use zip::ZipArchive;

/// How many bytes from the start of a file show its format.
pub(super) const START_BYTES: u64 = 512;

/// How other files are packed in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PackedFormat {
    Gzip,
    Zip,
    Tar,
    /// A format that this program cannot read.
    Other,
}

/// Where each format has which bytes.
const MARKS: [(usize, &[u8], PackedFormat); 10] = [
    (0, b"\x1f\x8b\x08", PackedFormat::Gzip),
    (0, b"PK\x03\x04", PackedFormat::Zip),
    (257, b"ustar", PackedFormat::Tar),
    (0, b"\x28\xb5\x2f\xfd", PackedFormat::Other),
    (0, b"\xfd7zXZ\0", PackedFormat::Other),
    (0, b"BZh", PackedFormat::Other),
    (0, b"7z\xbc\xaf\x27\x1c", PackedFormat::Other),
    (0, b"Rar!\x1a\x07", PackedFormat::Other),
    (0, b"age-encryption.org/", PackedFormat::Other),
    (0, b"-----BEGIN PGP MESSAGE-----", PackedFormat::Other),
];

impl PackedFormat {
    /// The format of a file that starts with these bytes.
    pub(super) fn of_start(start: &[u8]) -> Option<PackedFormat> {
        let has = |at: usize, mark: &[u8]| start.get(at..).is_some_and(|rest| rest.starts_with(mark));
        MARKS.iter().find(|(at, mark, _)| has(*at, mark)).map(|(_, _, format)| *format)
    }
}

/// Hands over each file within a file with its name, until one is enough.
///
/// # Errors
/// If a part cannot be read.
pub(super) fn packed_parts(
    format: PackedFormat,
    name: &Path,
    file: File,
    mut is_enough: impl FnMut(&Path, &mut dyn Read) -> bool,
) -> io::Result<()> {
    let file = BufReader::new(file);
    match format {
        PackedFormat::Gzip => {
            is_enough(&name.with_extension(""), &mut MultiGzDecoder::new(file));
        }
        PackedFormat::Zip => {
            let mut archive = ZipArchive::new(file).map_err(io::Error::other)?;
            for n in 0..archive.len() {
                let mut part = archive.by_index(n).map_err(io::Error::other)?;
                let name = part.name().map_err(io::Error::other)?.into_owned();
                if is_enough(Path::new(&name), &mut part) {
                    break;
                }
            }
        }
        PackedFormat::Tar => {
            for part in tar::Archive::new(file).entries()? {
                let mut part = part?;
                let name = part.path()?.into_owned();
                if is_enough(&name, &mut part) {
                    break;
                }
            }
        }
        PackedFormat::Other => {}
    }
    Ok(())
}
