//! SHA-256 of files in hex, by which the record, the data package and the journal identify a file.

use std::io::{self, Read};

use sha2::{Digest, Sha256};

/// The size and the hash of everything that is left to read.
pub(super) fn sha256_of(mut file: impl Read) -> io::Result<(u64, String)> {
    let (mut hash, mut bytes) = (Sha256::new(), 0);
    let mut buffer = vec![0; 1 << 16];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok((bytes, hex(&hash.finalize()))),
            n => {
                hash.update(&buffer[..n]);
                bytes += n as u64;
            }
        }
    }
}

/// A hash in hex.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}
