//! Unpacking an archive into a folder, with a check of every file.

use std::fs::{self, DirBuilder, File, Permissions};
use std::io::{self, BufWriter, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use anyhow::{Context as _, anyhow, bail};
use sha2::{Digest as _, Sha256};

use super::moves::STORE;
use super::scan::{self, BROKEN, NoSpace, files_by_name, scan};
use crate::cli::backup::archive::{ArchiveContents, ArchivedFile, ENV_FILE, hex};
use crate::cli::{CommandError, ExitStatus};

pub(super) struct Unpacked {
    pub(super) contents: ArchiveContents,
    /// The names of the files in the state folder.
    pub(super) state_files: Vec<String>,
}

impl Unpacked {
    pub(super) fn has_grants(&self) -> bool {
        self.state_files.iter().any(|name| name == "grants.db")
    }

    pub(super) fn has_env(&self) -> bool {
        self.contents.files.iter().any(|file| file.name == format!("project/{ENV_FILE}"))
    }
}

/// Unpacks an archive. Its files are complete and as they were archived, or there is an error.
pub(super) fn unpack(file: &Path, folder: &Path) -> Result<Unpacked, CommandError> {
    read(file, folder).map_err(|e| {
        let hint = hint(&e, file, folder);
        let error = e.context(format!("{} cannot be restored, and nothing was changed", file.display()));
        CommandError::new(ExitStatus::Storage, error).with_hint(hint)
    })
}

/// What to do about an archive that was not unpacked.
fn hint(error: &anyhow::Error, file: &Path, folder: &Path) -> String {
    if error.is::<FailedToWrite>() {
        return match is_full_disk(error) {
            true => FREE_SPACE.to_owned(),
            false => format!("check that this user may write to {}", folder.display()),
        };
    }
    if error.is::<NoSpace>() {
        return FREE_SPACE.to_owned();
    }
    if error.is::<CopyOfStore>() {
        return format!(
            "put it in the place of the store of its project while nothing runs: remove the store with its -wal and -shm files, and \
             copy {} there; see \"Backups\" in docs/operations.md",
            file.display()
        );
    }
    "name a file that `cratedigger backup --all` wrote".to_owned()
}

/// What to do about a full disk.
pub(super) const FREE_SPACE: &str = "free up space on that disk, and restore again";

/// Whether a file could not be written since the disk is full.
pub(super) fn is_full_disk(error: &anyhow::Error) -> bool {
    use io::ErrorKind::{QuotaExceeded, StorageFull};
    let mut kinds = error.chain().filter_map(|cause| cause.downcast_ref::<io::Error>()).map(io::Error::kind);
    kinds.any(|kind| matches!(kind, StorageFull | QuotaExceeded))
}

/// The disk, and not the archive, is the reason.
#[derive(Debug, thiserror::Error)]
#[error("{0} cannot be written")]
struct FailedToWrite(String);

/// The file is what `backup` writes without `--all`.
#[derive(Debug, thiserror::Error)]
#[error(
    "it is a copy of the store alone, which `cratedigger backup` writes without --all, and not an archive of a project"
)]
struct CopyOfStore;

/// How each SQLite database begins.
const SQLITE: &[u8] = b"SQLite format 3\0";

fn is_copy_of_store(file: &Path) -> bool {
    let mut start = [0; SQLITE.len()];
    File::open(file).and_then(|mut file| file.read_exact(&mut start)).is_ok() && start == SQLITE
}

fn read(file: &Path, folder: &Path) -> anyhow::Result<Unpacked> {
    let found = fs::metadata(file)?;
    if !found.is_file() {
        bail!("it is not a regular file");
    }
    if is_copy_of_store(file) {
        bail!(CopyOfStore);
    }
    let contents = scan(file, folder)?;
    let mut listed = files_by_name(&contents)?;
    let mut archive = scan::open(file)?;
    for entry in archive.entries()?.skip(1) {
        let mut entry = entry.context(BROKEN)?;
        let name = String::from_utf8(entry.path_bytes().into_owned()).context(BROKEN)?;
        let file = listed.remove(name.as_str()).ok_or_else(|| anyhow!("{name:?} is not in its list of files"))?;
        let path = if name.contains('/') { folder.join(&name) } else { folder.join(STORE).join(&name) };
        write_checked(&mut entry, file, &path).map_err(|e| match e.is::<FailedToWrite>() {
            true => e,
            false => e.context(format!("{name}: {BROKEN}")),
        })?;
    }
    if let Some(name) = listed.keys().next() {
        bail!("{BROKEN}: {name} is missing");
    }
    let state_files = contents.files.iter().filter_map(|file| file.name.strip_prefix("state/"));
    let state_files = state_files.map(str::to_owned).collect();
    Ok(Unpacked { contents, state_files })
}

fn write_checked(data: &mut impl io::Read, listed: &ArchivedFile, path: &Path) -> anyhow::Result<()> {
    let failed = || FailedToWrite(listed.name.clone());
    if let Some(folder) = path.parent() {
        DirBuilder::new().recursive(true).mode(0o755).create(folder).with_context(failed)?;
    }
    let mode = mode(listed)?;
    let file = File::options().write(true).create_new(true).mode(0o600).open(path).with_context(failed)?;
    let mut out = BufWriter::new(file);
    let (mut hash, mut bytes, mut part) = (Sha256::new(), 0_u64, vec![0; 64 * 1024]);
    loop {
        let size = data.read(&mut part)?;
        bytes += size as u64;
        // A damaged or forged archive must not fill the disk.
        if size == 0 || bytes > listed.bytes {
            break;
        }
        hash.update(&part[..size]);
        out.write_all(&part[..size]).with_context(failed)?;
    }
    out.flush().with_context(failed)?;
    if bytes != listed.bytes {
        bail!("its size is wrong");
    }
    if hex(&hash.finalize()) != listed.sha256 {
        bail!("its checksum is wrong");
    }
    out.get_ref().set_permissions(Permissions::from_mode(mode)).with_context(failed)?;
    out.get_ref().sync_all().with_context(failed)?;
    Ok(())
}

/// The mode of a restored file: the one that it had. Without a record of it, only the owner may read the file.
fn mode(listed: &ArchivedFile) -> anyhow::Result<u32> {
    let mode = listed.mode.unwrap_or(0o600);
    if mode & !0o775 != 0 {
        bail!("its mode {mode:04o} lets every user write");
    }
    Ok(if listed.name.starts_with("state/") { 0o600 } else { mode })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use super::*;

    fn listed(name: &str, text: &str, mode: Option<u32>) -> ArchivedFile {
        let sha256 = hex(&Sha256::digest(text));
        ArchivedFile { name: name.to_owned(), bytes: text.len() as u64, sha256, mode }
    }

    #[test]
    fn no_more_is_written_than_is_listed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let error = write_checked(&mut io::repeat(b'x'), &listed("project/jobs/a", "text", None), &path).unwrap_err();
        assert_eq!(error.to_string(), "its size is wrong");
        assert!(fs::metadata(&path).unwrap().len() <= 4);
    }

    #[test]
    fn files_get_no_wider_mode_than_they_had() {
        let folder = tempfile::tempdir().unwrap();
        let cases = [
            ("project/config/key", Some(0o600), Some(0o600)),
            ("project/jobs/a.toml", Some(0o644), Some(0o644)),
            ("project/config/alert.sh", Some(0o750), Some(0o750)),
            ("project/.env", None, Some(0o600)),
            ("state/state.db", Some(0o644), Some(0o600)),
            ("project/jobs/a.toml", Some(0o666), None),
            ("project/jobs/a.toml", Some(0o4755), None),
        ];
        for (n, (name, recorded, wanted)) in cases.into_iter().enumerate() {
            let path = folder.path().join(n.to_string());
            let written = write_checked(&mut "text".as_bytes(), &listed(name, "text", recorded), &path);
            let mode = written.map(|()| fs::metadata(&path).unwrap().mode() & 0o7777).ok();
            assert_eq!(mode, wanted, "{name} {recorded:?}");
        }
    }
}
