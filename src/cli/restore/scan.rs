//! A look through a whole archive before anything of it is written. A forged one must neither fill the disk nor the memory.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read as _};
use std::path::{Component, Path};

use anyhow::{Context as _, anyhow, bail};
use flate2::read::GzDecoder;
use tar::EntryType;

use crate::cli::backup::archive::{
    ArchiveContents, ArchivedFile, CONTENTS, ENV_FILE, FORMAT, PROJECT_PARTS, is_state_file,
};
use crate::store::free_bytes;

/// A longer list of files was not written by this program.
const MAX_CONTENTS_BYTES: u64 = 64 * 1024 * 1024;

/// The longest name. The library reads a name into memory before anyone can look at it.
const MAX_NAME_BYTES: u64 = 4 * 1024;

/// The number of folders in a name.
const MAX_DEPTH: usize = 64;

pub(super) const BROKEN: &str = "the archive is damaged or incomplete";

#[derive(Debug, thiserror::Error)]
#[error("its files need {needed} bytes, and {free} are free on the disk of the project")]
pub(super) struct NoSpace {
    needed: u64,
    free: u64,
}

pub(super) type PackedFiles = tar::Archive<GzDecoder<BufReader<File>>>;

pub(super) fn open(file: &Path) -> std::io::Result<PackedFiles> {
    Ok(tar::Archive::new(GzDecoder::new(BufReader::new(File::open(file)?))))
}

/// Returns the list of an archive that has exactly the files of its list, and fits into a folder.
pub(super) fn scan(file: &Path, folder: &Path) -> anyhow::Result<ArchiveContents> {
    let mut archive = open(file)?;
    let mut entries = archive.entries()?.raw(true);
    let mut first = entries.next().ok_or_else(|| anyhow!(BROKEN))?.context(BROKEN)?;
    if first.path_bytes() != CONTENTS.as_bytes() {
        bail!("it is not an archive of a project");
    }
    let mut text = String::new();
    first.by_ref().take(MAX_CONTENTS_BYTES).read_to_string(&mut text).context(BROKEN)?;
    let contents: ArchiveContents = serde_json::from_str(&text).context("its list of files cannot be read")?;
    if contents.format != FORMAT {
        bail!("it has the format {}, and this version reads the format {FORMAT}", contents.format);
    }
    let mut listed = files_by_name(&contents)?;
    let needed = contents.files.iter().fold(0_u64, |sum, file| sum.saturating_add(file.bytes));
    if let Some(free) = free_bytes(folder).filter(|free| needed > *free) {
        bail!(NoSpace { needed, free });
    }
    let mut long_name = None;
    for entry in entries {
        let mut entry = entry.context(BROKEN)?;
        let name = long_name.take().unwrap_or_else(|| entry.path_bytes().into_owned());
        match entry.header().entry_type() {
            EntryType::GNULongName if entry.size() <= MAX_NAME_BYTES => {
                let mut name = Vec::new();
                entry.read_to_end(&mut name).context(BROKEN)?;
                name.truncate(name.iter().position(|byte| *byte == 0).unwrap_or(name.len()));
                long_name = Some(name);
            }
            EntryType::Regular => {
                let name = String::from_utf8(name).context(BROKEN)?;
                let file =
                    listed.remove(name.as_str()).ok_or_else(|| anyhow!("{name:?} is not in its list of files"))?;
                if entry.size() != file.bytes {
                    bail!("{name}: {BROKEN}: its size is wrong");
                }
            }
            _ => bail!("{:?} does not belong in a backup", String::from_utf8_lossy(&name)),
        }
    }
    match listed.keys().next() {
        Some(name) => bail!("{BROKEN}: {name} is missing"),
        None => Ok(contents),
    }
}

/// The files of a list, each once and at a place of its own.
pub(super) fn files_by_name(contents: &ArchiveContents) -> anyhow::Result<BTreeMap<&str, &ArchivedFile>> {
    let mut files = BTreeMap::new();
    for file in &contents.files {
        if !is_expected(&file.name) {
            bail!("{:?} does not belong in a backup", file.name);
        }
        if files.insert(file.name.as_str(), file).is_some() {
            bail!("{:?} is in its list of files twice", file.name);
        }
    }
    Ok(files)
}

/// Whether a name is one that `backup --all` gives, so that no file is written anywhere else.
fn is_expected(name: &str) -> bool {
    let parts: Vec<Component<'_>> = Path::new(name).components().collect();
    let texts: Vec<&str> = name.split('/').collect();
    if texts.len() != parts.len()
        || texts.len() > MAX_DEPTH
        || !parts.iter().all(|part| matches!(part, Component::Normal(_)))
    {
        return false;
    }
    match texts.as_slice() {
        ["store.db" | "raw.db"] => true,
        ["state", name] => is_state_file(name),
        ["project", part, ..] => PROJECT_PARTS.contains(part) || *part == ENV_FILE && texts.len() == 2,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use serde_json::json;
    use tar::{Builder, Header};

    use super::*;

    /// An entry: its type, its name, and the number of its bytes.
    type Entry<'a> = (EntryType, &'a str, u64);

    /// Why an archive of these entries, with these names and sizes in its list, is refused.
    fn refusal(entries: &[Entry<'_>], listed: &[(&str, u64)]) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.tar.gz");
        let mut out = Builder::new(GzEncoder::new(File::create(&path).unwrap(), Compression::fast()));
        let files: Vec<_> =
            listed.iter().map(|(name, bytes)| json!({"name": name, "bytes": bytes, "sha256": ""})).collect();
        let list = json!({"format": FORMAT, "written_at": "2026-01-01T00:00:00Z", "program": "p", "project": "/p",
            "state_folder": "/s", "files": files});
        let list = list.to_string();
        let mut add = |kind, name: &str, size: u64, data: &mut dyn std::io::Read| {
            let mut header = Header::new_gnu();
            header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
            header.set_entry_type(kind);
            header.set_size(size);
            header.set_cksum();
            out.append(&header, data).unwrap();
        };
        add(EntryType::Regular, CONTENTS, list.len() as u64, &mut list.as_bytes());
        for (kind, name, size) in entries {
            add(*kind, name, *size, &mut std::io::repeat(b'x').take(*size));
        }
        out.into_inner().unwrap().finish().unwrap();
        scan(&path, folder.path()).map_or_else(|error| format!("{error:#}"), |_| "nothing".to_owned())
    }

    #[test]
    fn forged_archives_are_refused_unread() {
        use EntryType::{Char, Directory, Fifo, GNULongLink, GNULongName, Link, Regular, Symlink, XHeader};
        let (name, list) = ("project/jobs/a", &[("project/jobs/a", 4)][..]);
        let file = (Regular, name, 4);
        assert_eq!(refusal(&[file], list), "nothing");
        for kind in [Symlink, Link, Directory, Fifo, Char, GNULongLink, XHeader] {
            assert_eq!(refusal(&[(kind, name, 0)], list), format!("{name:?} does not belong in a backup"), "{kind:?}");
        }
        let long = (GNULongName, "././@LongLink", 16 << 20);
        assert_eq!(refusal(&[long, file], list), "\"././@LongLink\" does not belong in a backup");
        assert_eq!(refusal(&[file, file], list), format!("{name:?} is not in its list of files"));
        assert_eq!(refusal(&[file], &[list[0], list[0]]), format!("{name:?} is in its list of files twice"));
        assert_eq!(refusal(&[(Regular, name, 5)], list), format!("{name}: {BROKEN}: its size is wrong"));
        assert_eq!(refusal(&[], list), format!("{BROKEN}: {name} is missing"));
        assert!(refusal(&[file], &[(name, 1 << 60)]).starts_with("its files need 1152921504606846976 bytes, and "));
        assert!(refusal(&[file], &[list[0], ("store.db", u64::MAX)]).starts_with("its files need "));
        for place in ["/etc/x", "project/jobs/../../x", "x"] {
            let entries = [(Regular, place, 4)];
            assert_eq!(refusal(&entries, &[(place, 4)]), format!("{place:?} does not belong in a backup"));
            assert_eq!(refusal(&entries, list), format!("{place:?} is not in its list of files"));
        }
    }

    #[test]
    fn only_names_of_a_backup_are_unpacked() {
        for name in ["store.db", "raw.db", "state/state.db", "state/alerts-13db66bd02bf7ead.json", "project/jobs/a/b"] {
            assert!(is_expected(name), "{name}");
        }
        let deep = format!("project/jobs/{}", "a/".repeat(100) + "b");
        for name in
            ["state/.bashrc", "state/x.lock", "state/a/b", "project/x", "project/jobs/../x", "/etc/x", "x", &deep]
        {
            assert!(!is_expected(name), "{name}");
        }
    }
}
