//! `backup --all`: one archive with everything that another machine needs to go on.
//!
//! Grants stay encrypted: the key and `.env` are left out, unless they are asked for. CSV files are left out, since
//! `export` writes them again. The first entry lists all others with their checksums.

use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Read, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use chrono::{DateTime, SubsecRound as _, Utc};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sha2::{Digest as _, Sha256};

use super::secret_files::SecretFiles;
use super::secret_origins::SecretOrigins;
use crate::cli::args::BackupArgs;
use crate::cli::error_exits::store_error;
use crate::cli::store_file::require_store;
use crate::cli::{CommandContext, CommandError, ExitStatus, OrExit, print};
use crate::document::printable;
use crate::store::{FileAccess, backup, copy_database, create_draft, remove_abandoned_drafts};

/// The first entry of an archive.
pub(in crate::cli) const CONTENTS: &str = "contents.json";
/// The format of archives that this version writes and reads.
pub(in crate::cli) const FORMAT: u32 = 1;

/// The folders and files of a project that are archived, if they exist.
pub(in crate::cli) const PROJECT_PARTS: [&str; 6] =
    ["config", "jobs", "targets", ".env.example", ".gitignore", ".taplo.toml"];
pub(in crate::cli) const ENV_FILE: &str = ".env";
/// The key of the grants.
pub(in crate::cli) const KEY_FILE: &str = "key";
/// The folder from which the units for systemd take the key and the credentials.
pub(in crate::cli) const UNIT_SECRETS: &str = "/etc/cratedigger";

/// What an archive contains.
#[derive(Debug, Serialize, Deserialize)]
pub(in crate::cli) struct ArchiveContents {
    pub format: u32,
    pub written_at: DateTime<Utc>,
    pub program: String,
    /// Where the project and its state folder were.
    pub project: PathBuf,
    pub state_folder: PathBuf,
    /// Where the key of the sign-ins was. Archives of earlier versions do not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_file: Option<PathBuf>,
    /// Where the id and the secret of the app came from.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub credentials_from: Vec<String>,
    pub files: Vec<ArchivedFile>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(in crate::cli) struct ArchivedFile {
    /// `project/…`, `state/…`, `store.db` or `raw.db`.
    pub name: String,
    pub bytes: u64,
    pub sha256: String,
    /// Its mode in the project, without the right of every user to write.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<u32>,
}

/// A file on its way into the archive.
struct Source {
    name: String,
    path: PathBuf,
    mode: u32,
}

/// A file that is not archived, and why.
struct LeftOut {
    path: PathBuf,
    why: &'static str,
}

const IS_A_LINK: &str = "is a link";
const IS_A_SECRET: &str = "may contain a secret, which --with-keys adds,";

/// Whether a name is one of a file in the state folder that outlives a run.
pub(in crate::cli) fn is_state_file(name: &str) -> bool {
    let is_alert = |name: &str| {
        let short = name.strip_prefix("alerts-").and_then(|name| name.strip_suffix(".json"));
        short.is_some_and(|short| !short.is_empty() && short.bytes().all(|c| c.is_ascii_alphanumeric()))
    };
    ["state.db", "grants.db", "id", KEY_FILE].contains(&name) || is_alert(name)
}

/// Writes the archive.
pub(super) fn write(args: &BackupArgs, context: &CommandContext) -> Result<ExitStatus, CommandError> {
    let settings = context.settings()?;
    require_store(context, &settings)?;
    let state = context.state_dir(&settings).or_exit(ExitStatus::Storage)?;
    let failed = |what: &str| {
        let text = format!("{} {what}", args.file.display());
        move |e: io::Error| CommandError::new(ExitStatus::Storage, anyhow::Error::new(e).context(text))
    };
    if args.file.symlink_metadata().is_ok() {
        return Err(failed("was not written")(io::Error::new(
            io::ErrorKind::AlreadyExists,
            "a file with this name already exists",
        )));
    }
    let folder = args.file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    remove_abandoned_drafts(folder);
    let (draft, _alive) = create_draft(folder).map_err(failed("cannot be written"))?;

    let mut left_out = Vec::new();
    let mut sources = Vec::new();
    let mut projects = ProjectFiles { secrets: None, sources: &mut sources, left_out: &mut left_out };
    if !args.with_secrets {
        projects.secrets = Some(SecretFiles::of(context, &settings));
    }
    for part in PROJECT_PARTS {
        projects.add(&context.project.root.join(part), part).map_err(failed("cannot be written"))?;
    }
    let database = context.project.database(&settings);
    let copy = draft.path().join("store.db");
    backup(&database, &copy, FileAccess::from_mode(0o600)).map_err(store_error)?;
    sources.push(Source { name: "store.db".to_owned(), path: copy, mode: mode_of(&database) });
    let raw = database.with_extension("raw.db");
    if raw.exists() {
        let copy = draft.path().join("raw.db");
        copy_database(&raw, &copy).map_err(store_error)?;
        sources.push(Source { name: "raw.db".to_owned(), path: copy, mode: mode_of(&raw) });
    }
    if args.with_secrets && context.project.env_file.is_file() {
        let path = context.project.env_file.clone();
        sources.push(Source { name: format!("project/{ENV_FILE}"), mode: mode_of(&path), path });
    }
    add_state(state.path(), args.with_secrets, draft.path(), &mut sources)?;

    let origins = SecretOrigins::of(context, &settings, state.path());
    let mut contents = ArchiveContents {
        format: FORMAT,
        written_at: Utc::now().trunc_subsecs(0),
        program: env!("CARGO_PKG_VERSION").to_owned(),
        project: std::path::absolute(&context.project.root).or_exit(ExitStatus::Storage)?,
        state_folder: state.path().to_owned(),
        key_file: origins.key.clone(),
        credentials_from: origins.credentials.clone(),
        files: Vec::new(),
    };
    for source in &sources {
        contents.files.push(checksum(source).map_err(failed("cannot be written"))?);
    }
    let bytes = write_archive(&draft.path().join("archive"), &contents, &sources)
        .and_then(|bytes| {
            let draft = draft.path().join("archive");
            // As for a copy of the store, a file that was created meanwhile is not replaced.
            fs::hard_link(&draft, &args.file).and_then(|()| fs::remove_file(&draft)).map(|()| bytes)
        })
        .and_then(|bytes| File::open(folder)?.sync_all().map(|()| bytes))
        .map_err(failed("cannot be written"))?;
    let archived: Vec<PathBuf> = sources.iter().map(|source| source.path.clone()).collect();
    let secrets = origins.text(args.with_secrets, &contents, &archived);
    let outside = origins.outside(args.with_secrets, &context.project, state.path(), &archived);
    report(args, context, &contents, bytes, &left_out, &secrets, &outside)
}

fn report(
    args: &BackupArgs,
    context: &CommandContext,
    contents: &ArchiveContents,
    bytes: u64,
    left_out: &[LeftOut],
    secrets: &str,
    outside: &[PathBuf],
) -> Result<ExitStatus, CommandError> {
    for LeftOut { path, why } in left_out {
        context.warn(None, &format!("{} {why} and was left out", printable(&path.display().to_string())));
    }
    if context.json {
        let names: Vec<&str> = contents.files.iter().map(|file| file.name.as_str()).collect();
        let left_out: Vec<&Path> = left_out.iter().map(|file| file.path.as_path()).collect();
        let result = json!({ "archive": args.file, "bytes": bytes, "files": names, "left_out": left_out, "not_included": outside });
        print::json(&result).or_exit(ExitStatus::Storage)?;
    } else if !context.quiet {
        let files = print::count(contents.files.len(), "file");
        context.notice(&format!("wrote {} ({files}, {bytes} bytes); {secrets}", args.file.display()));
        if !outside.is_empty() {
            let names: Vec<String> = outside.iter().map(|path| printable(&path.display().to_string())).collect();
            context.notice(&format!("not in the archive, so copy it yourself: {}", names.join(", ")));
        }
    }
    Ok(ExitStatus::Complete)
}

/// The files of a project on their way into the archive.
struct ProjectFiles<'a> {
    /// The secret files, which are left out.
    secrets: Option<SecretFiles>,
    sources: &'a mut Vec<Source>,
    left_out: &'a mut Vec<LeftOut>,
}

impl ProjectFiles<'_> {
    /// Adds a file, or all files below a folder. Links are left out, since they may lead anywhere.
    fn add(&mut self, path: &Path, name: &str) -> io::Result<()> {
        let found = match path.symlink_metadata() {
            Ok(found) => found,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(e) => return Err(e),
        };
        if found.is_dir() {
            let mut entries = fs::read_dir(path)?.collect::<Result<Vec<_>, _>>()?;
            entries.sort_by_key(fs::DirEntry::file_name);
            for entry in entries {
                match entry.file_name().to_str() {
                    Some(part) => self.add(&entry.path(), &format!("{name}/{part}"))?,
                    None => self.left_out.push(LeftOut { path: entry.path(), why: "has a name that is not UTF-8" }),
                }
            }
        } else if !found.is_file() {
            self.left_out.push(LeftOut { path: path.to_owned(), why: IS_A_LINK });
        } else if self.secrets.as_ref().is_some_and(|secrets| secrets.contain(path, name, &found)) {
            self.left_out.push(LeftOut { path: path.to_owned(), why: IS_A_SECRET });
        } else {
            let name = format!("project/{name}");
            self.sources.push(Source { name, path: path.to_owned(), mode: mode_to_record(&found) });
        }
        Ok(())
    }
}

/// Adds the files of the state folder. Locks belong to processes, and the mark of a copy to the folder; what does not
/// belong to the program is left where it is.
fn add_state(folder: &Path, with_secrets: bool, draft: &Path, sources: &mut Vec<Source>) -> Result<(), CommandError> {
    let entries = fs::read_dir(folder).and_then(|entries| entries.collect::<Result<Vec<_>, _>>());
    let mut entries = entries.or_exit(ExitStatus::Storage)?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let Some(name) = entry.file_name().to_str().map(str::to_owned) else { continue };
        let is_left_out = !is_state_file(&name) || name == KEY_FILE && !with_secrets;
        if is_left_out || !entry.file_type().or_exit(ExitStatus::Storage)?.is_file() {
            continue;
        }
        let mut path = entry.path();
        if name.ends_with(".db") {
            let copy = draft.join(format!("state-{name}"));
            copy_database(&path, &copy).map_err(store_error)?;
            path = copy;
        }
        sources.push(Source { name: format!("state/{name}"), path, mode: 0o600 });
    }
    Ok(())
}

fn mode_of(path: &Path) -> u32 {
    fs::metadata(path).map_or(0o600, |found| mode_to_record(&found))
}

/// The mode that a restored file gets. A right to write that every user has is not restored.
fn mode_to_record(found: &fs::Metadata) -> u32 {
    found.mode() & 0o775
}

fn checksum(source: &Source) -> io::Result<ArchivedFile> {
    let mut hash = Sha256::new();
    let mut file = BufReader::new(File::open(&source.path)?);
    let mut part = vec![0; 64 * 1024];
    let mut bytes = 0;
    loop {
        let size = file.read(&mut part)?;
        if size == 0 {
            break;
        }
        hash.update(&part[..size]);
        bytes += size as u64;
    }
    let (name, sha256) = (source.name.clone(), hex(&hash.finalize()));
    Ok(ArchivedFile { name, bytes, sha256, mode: Some(source.mode) })
}

pub(in crate::cli) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn write_archive(path: &Path, contents: &ArchiveContents, sources: &[Source]) -> io::Result<u64> {
    use std::os::unix::fs::OpenOptionsExt as _;
    let file = File::options().write(true).create_new(true).mode(0o600).open(path)?;
    let mut archive = tar::Builder::new(GzEncoder::new(BufWriter::new(file), Compression::default()));
    let text = serde_json::to_vec_pretty(contents)?;
    append(&mut archive, CONTENTS, text.len() as u64, &*text)?;
    for (source, listed) in sources.iter().zip(&contents.files) {
        // A file that grows meanwhile is cut, and the checksum of a changed one does not match: neither is restored.
        append(&mut archive, &source.name, listed.bytes, File::open(&source.path)?.take(listed.bytes))?;
    }
    let mut file = archive.into_inner()?.finish()?;
    file.flush()?;
    let file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
    file.sync_all()?;
    Ok(file.metadata()?.len())
}

fn append<W: io::Write>(archive: &mut tar::Builder<W>, name: &str, bytes: u64, data: impl Read) -> io::Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_size(bytes);
    header.set_mode(0o600);
    archive.append_data(&mut header, name, data)
}
