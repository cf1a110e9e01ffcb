//! Unpacking an archive into a folder, with a check of every file.

use std::collections::BTreeMap;
use std::fs::{self, DirBuilder, File};
use std::io::{self, BufReader, BufWriter, Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Component, Path};

use anyhow::{Context as _, anyhow, bail};
use flate2::read::GzDecoder;
use sha2::{Digest as _, Sha256};

use crate::cli::backup::archive::{ArchiveContents, ArchivedFile, CONTENTS, ENV_FILE, FORMAT, PROJECT_PARTS, hex};
use crate::cli::{CommandError, ExitStatus};

/// A longer list of files was not written by this program.
const MAX_CONTENTS_BYTES: u64 = 64 * 1024 * 1024;

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
        let error = e.context(format!("{} cannot be restored, and nothing was changed", file.display()));
        CommandError::new(ExitStatus::Storage, error).with_hint("name a file that `cratedigger backup --all` wrote")
    })
}

fn read(file: &Path, folder: &Path) -> anyhow::Result<Unpacked> {
    let found = fs::metadata(file)?;
    if !found.is_file() {
        bail!("it is not a regular file");
    }
    let mut archive = tar::Archive::new(GzDecoder::new(BufReader::new(File::open(file)?)));
    let mut entries = archive.entries()?;
    let broken = "the archive is damaged or incomplete";
    let mut first = entries.next().ok_or_else(|| anyhow!(broken))?.context(broken)?;
    if first.path_bytes() != CONTENTS.as_bytes() {
        bail!("it is not an archive of a project");
    }
    let mut text = String::new();
    first.by_ref().take(MAX_CONTENTS_BYTES).read_to_string(&mut text).context(broken)?;
    let contents: ArchiveContents = serde_json::from_str(&text).context("its list of files cannot be read")?;
    if contents.format != FORMAT {
        bail!("it has the format {}, and this version reads the format {FORMAT}", contents.format);
    }
    let mut listed: BTreeMap<&str, &ArchivedFile> =
        contents.files.iter().map(|file| (file.name.as_str(), file)).collect();
    for entry in entries {
        let mut entry = entry.context(broken)?;
        let name = String::from_utf8(entry.path_bytes().into_owned()).context(broken)?;
        let file = listed.remove(name.as_str()).ok_or_else(|| anyhow!("{name:?} is not in its list of files"))?;
        if !entry.header().entry_type().is_file() || !is_expected(&name) {
            bail!("{name:?} does not belong in a backup");
        }
        write_checked(&mut entry, file, &folder.join(&name)).with_context(|| format!("{name}: {broken}"))?;
    }
    if let Some(name) = listed.keys().next() {
        bail!("{broken}: {name} is missing");
    }
    let state_files = contents.files.iter().filter_map(|file| file.name.strip_prefix("state/"));
    let state_files = state_files.map(str::to_owned).collect();
    Ok(Unpacked { contents, state_files })
}

/// Whether a name is one that `backup --all` gives, so that no file is written anywhere else.
fn is_expected(name: &str) -> bool {
    let parts: Vec<Component<'_>> = Path::new(name).components().collect();
    let texts: Vec<&str> = name.split('/').collect();
    if texts.len() != parts.len() || !parts.iter().all(|part| matches!(part, Component::Normal(_))) {
        return false;
    }
    match texts.as_slice() {
        ["store.db" | "raw.db"] => true,
        ["state", _] => true,
        ["project", part, ..] => PROJECT_PARTS.contains(part) || *part == ENV_FILE && texts.len() == 2,
        _ => false,
    }
}

fn write_checked(data: &mut impl io::Read, listed: &ArchivedFile, path: &Path) -> anyhow::Result<()> {
    if let Some(folder) = path.parent() {
        DirBuilder::new().recursive(true).mode(0o755).create(folder)?;
    }
    // Files of the project may be read by others, as `init` writes them. The store, the state and secrets are private.
    let is_open = listed.name.starts_with("project/") && !listed.name.ends_with(ENV_FILE);
    let mode = if is_open { 0o644 } else { 0o600 };
    let file = File::options().write(true).create_new(true).mode(mode).open(path)?;
    let mut out = BufWriter::new(file);
    let (mut hash, mut bytes, mut part) = (Sha256::new(), 0_u64, vec![0; 64 * 1024]);
    loop {
        let size = data.read(&mut part)?;
        if size == 0 {
            break;
        }
        hash.update(&part[..size]);
        out.write_all(&part[..size])?;
        bytes += size as u64;
    }
    out.flush()?;
    out.get_ref().sync_all()?;
    if bytes != listed.bytes || hex(&hash.finalize()) != listed.sha256 {
        bail!("its checksum is wrong");
    }
    Ok(())
}
