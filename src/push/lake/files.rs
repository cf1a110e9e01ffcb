//! The files of a lake, wherever they are.

use bytes::Bytes;

use super::LakeTarget;
use super::bucket::{LakeBucket, ObjectTag};
use super::folder::LakeFolder;
use super::manifest::{LakeManifest, MANIFEST, ManifestFlaw, sha256};
use crate::push::PushError;
use crate::store::FileAccess;
use crate::target::LakeAddress;

/// A larger manifest was not written by a push.
const MAX_MANIFEST_BYTES: u64 = 64 << 20;

/// A larger file was not written by a push.
const MAX_FILE_BYTES: u64 = 256 << 20;

#[derive(Debug)]
pub(super) enum LakeFiles {
    Folder(LakeFolder),
    Bucket(Box<LakeBucket>),
}

/// A file that exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct LakeFile {
    /// Below the prefix.
    pub path: String,
    pub bytes: u64,
}

/// The contents of the folders of pushes.
#[derive(Debug, Default)]
pub(super) struct LakeListing {
    pub files: Vec<LakeFile>,
    /// What no push has written: links, folders and other names. It is never followed and never deleted.
    pub others: Vec<String>,
}

/// A manifest as it was read.
#[derive(Debug)]
pub(super) struct FoundManifest {
    pub manifest: LakeManifest,
    tag: Option<ObjectTag>,
}

impl LakeFiles {
    pub(super) fn to_read(target: LakeTarget<'_>) -> Result<LakeFiles, PushError> {
        Ok(match target.address {
            LakeAddress::Folder(root) => LakeFiles::Folder(LakeFolder::to_read(target.name, root, target.store)),
            LakeAddress::Bucket(place) => LakeFiles::Bucket(Box::new(LakeBucket::open(target.name, place)?)),
        })
    }

    pub(super) fn to_write(target: LakeTarget<'_>, access: FileAccess) -> Result<LakeFiles, PushError> {
        match target.address {
            LakeAddress::Folder(root) => {
                LakeFolder::to_write(target.name, root, target.store, access).map(LakeFiles::Folder)
            }
            LakeAddress::Bucket(_) => LakeFiles::to_read(target),
        }
    }

    /// The manifest; none before the first push.
    pub(super) async fn manifest(&self, target: &str) -> Result<Option<FoundManifest>, PushError> {
        let (bytes, tag) = match self {
            LakeFiles::Folder(folder) => (folder.read(MANIFEST, MAX_MANIFEST_BYTES)?, None),
            LakeFiles::Bucket(bucket) => match bucket.read(MANIFEST, MAX_MANIFEST_BYTES).await? {
                Some((bytes, tag)) => (Some(bytes), Some(tag)),
                None => (None, None),
            },
        };
        let Some(bytes) = bytes else { return Ok(None) };
        let refused = |why: String, hint: &str| PushError::Refused {
            target: target.to_owned(),
            why: format!("{MANIFEST} {why}"),
            hint: Some(hint.to_owned()),
        };
        match LakeManifest::parse(&bytes) {
            Ok(manifest) => Ok(Some(FoundManifest { manifest, tag })),
            Err(ManifestFlaw::Newer) => {
                Err(refused("was written by a later version of cratedigger".into(), "update this program"))
            }
            Err(ManifestFlaw::Unreadable(why)) => Err(refused(
                format!("is no manifest of cratedigger: {why}"),
                "name another place in the target file, or delete this file: the next push then writes all rows",
            )),
        }
    }

    /// Writes a manifest in place of the one that was found. Returns false if another push has written one meanwhile.
    pub(super) async fn replace_manifest(
        &self,
        target: &str,
        manifest: &LakeManifest,
        found: Option<&FoundManifest>,
    ) -> Result<bool, PushError> {
        let mut bytes = serde_json::to_vec_pretty(manifest).map_err(|error| PushError::Refused {
            target: target.to_owned(),
            why: error.to_string(),
            hint: None,
        })?;
        bytes.push(b'\n');
        match self {
            LakeFiles::Folder(folder) => folder.replace(MANIFEST, &bytes).map(|()| true),
            LakeFiles::Bucket(bucket) => {
                let before = found.and_then(|found| found.tag.as_ref());
                let written = bucket.replace(MANIFEST, bytes.into(), before).await;
                if matches!(written, Ok(true)) {
                    return written;
                }
                // The answer to an earlier attempt may be lost.
                match self.manifest(target).await {
                    Ok(Some(now)) if now.manifest.push == manifest.push => Ok(true),
                    _ => written,
                }
            }
        }
    }

    /// Writes a file that does not exist. A file of a killed push with the same content counts as written. Returns the path,
    /// which is another one if a file with other content has that name.
    pub(super) async fn create(&self, target: &str, path: String, bytes: &Bytes) -> Result<String, PushError> {
        let hash = sha256(bytes);
        let other = format!("{}-{}.parquet", path.trim_end_matches(".parquet"), &hash[..12]);
        for path in [path, other] {
            let is_new = match self {
                LakeFiles::Folder(folder) => folder.create(&path, bytes)?,
                LakeFiles::Bucket(bucket) => bucket.create(&path, bytes.clone()).await?,
            };
            if is_new || self.read(&path).await?.is_some_and(|found| sha256(&found) == hash) {
                return Ok(path);
            }
        }
        Err(PushError::Refused {
            target: target.to_owned(),
            why: "its files have the names of ours, and other content".into(),
            hint: Some("name another place in the target file".into()),
        })
    }

    async fn read(&self, path: &str) -> Result<Option<Bytes>, PushError> {
        match self {
            LakeFiles::Folder(folder) => folder.read(path, MAX_FILE_BYTES),
            LakeFiles::Bucket(bucket) => Ok(bucket.read(path, MAX_FILE_BYTES).await?.map(|(bytes, _)| bytes)),
        }
    }

    /// The files of pushes, with those that killed pushes have left, and what else is in their folders.
    pub(super) async fn list(&self) -> Result<LakeListing, PushError> {
        match self {
            LakeFiles::Folder(folder) => folder.list(),
            LakeFiles::Bucket(bucket) => bucket.list().await,
        }
    }

    /// Deletes files. Those that do not exist are no error.
    pub(super) async fn delete(&self, paths: &[String]) -> Result<(), PushError> {
        let deleted = match self {
            LakeFiles::Folder(folder) => folder.delete(paths),
            LakeFiles::Bucket(bucket) => bucket.delete(paths).await,
        };
        deleted.map_err(|error| error.while_deleting(paths.len()))
    }
}

impl PushError {
    /// The same error, of files that have to be deleted.
    fn while_deleting(self, count: usize) -> PushError {
        let text = |why: String| format!("failed to delete {count} files that are no longer read: {why}");
        match self {
            PushError::Unreachable { target, why } => PushError::Unreachable { target, why: text(why) },
            PushError::Refused { target, why, hint } => PushError::Refused { target, why: text(why), hint },
            PushError::Credentials { target, why, hint } => PushError::Credentials { target, why: text(why), hint },
            other => other,
        }
    }
}
