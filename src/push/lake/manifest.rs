//! The manifest: the file that says which files of the lake are read, and which version of the store they have.

use chrono::{DateTime, TimeDelta, Utc};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::LakeTarget;
use super::folder::DRAFT;
use crate::store::{FEED_TABLES, FeedSnapshot, FeedTable, FeedType, timestamp};

/// Its name below the prefix.
pub(super) const MANIFEST: &str = "_cratedigger.json";

/// The format that this program writes.
const FORMAT: u32 = 1;

/// With more files than this, reading them costs more than writing all rows again.
const MAX_FILES: usize = 5_000;

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct LakeManifest {
    pub format: u32,
    pub written_by: String,
    /// A random name of the push that wrote it.
    pub push: String,
    pub pushed_at: String,
    /// The id of the store. Earlier programs did not write it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub store_id: Option<String>,
    /// The epoch of the store's feed.
    pub feed_epoch: String,
    /// The version of the store that the files have together.
    pub version: i64,
    /// The folder of the files in each table.
    pub epoch: String,
    pub epoch_began_at: String,
    /// When the epoch got its first deleted row. The files before still contain the row.
    pub first_deletion_at: Option<String>,
    pub tables: Vec<ManifestTable>,
    pub files: Vec<ManifestFile>,
    /// Earlier epochs with files that are still there.
    pub superseded: Vec<SupersededEpoch>,
}

/// A table as its files have it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ManifestTable {
    pub name: String,
    pub key: Vec<String>,
    pub columns: Vec<ManifestColumn>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ManifestColumn {
    pub name: String,
    #[serde(rename = "type")]
    pub kind: ColumnKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum ColumnKind {
    String,
    Int64,
    Boolean,
    Timestamp,
}

/// A file of the current epoch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct ManifestFile {
    pub table: String,
    /// Below the prefix.
    pub path: String,
    /// It has what changed after this version; 0 for all rows.
    pub from: i64,
    pub to: i64,
    pub rows: u64,
    pub deleted: u64,
    pub bytes: u64,
    pub sha256: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct SupersededEpoch {
    pub epoch: String,
    pub delete_after: String,
}

/// Why a manifest cannot be used.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum ManifestFlaw {
    /// This is no manifest.
    Unreadable(String),
    /// A later program wrote it.
    Newer,
}

impl LakeManifest {
    pub(super) fn parse(bytes: &[u8]) -> Result<LakeManifest, ManifestFlaw> {
        #[derive(Deserialize)]
        struct OnlyFormat {
            format: u32,
        }
        // The error repeats text of the file, however long it is.
        let unreadable =
            |error: serde_json::Error| ManifestFlaw::Unreadable(error.to_string().chars().take(200).collect());
        let OnlyFormat { format } = serde_json::from_slice(bytes).map_err(unreadable)?;
        if format > FORMAT {
            return Err(ManifestFlaw::Newer);
        }
        let manifest: LakeManifest = serde_json::from_slice(bytes).map_err(unreadable)?;
        match manifest.oddity() {
            Some(odd) => Err(ManifestFlaw::Unreadable(odd.to_owned())),
            None => Ok(manifest),
        }
    }

    /// What no push writes. Files below names of the manifest are deleted, and names and times become SQL, so they must be what
    /// they seem: others may write to the lake.
    fn oddity(&self) -> Option<&'static str> {
        let earlier = self.superseded.iter().map(|earlier| &earlier.epoch);
        if !earlier.chain([&self.epoch]).all(|epoch| is_epoch(epoch)) {
            return Some("invalid epoch");
        }
        if DateTime::parse_from_rfc3339(&self.pushed_at).is_err() || self.version < 0 {
            return Some("invalid time or version");
        }
        let names = self.tables.iter().flat_map(|table| {
            let columns = table.columns.iter().map(|column| &column.name);
            [&table.name].into_iter().chain(&table.key).chain(columns)
        });
        if !names.into_iter().all(|name| is_name(name)) {
            return Some("invalid name of a table or column");
        }
        let is_ours = |file: &ManifestFile| {
            let name = file.path.strip_prefix(&format!("{}/epoch={}/", file.table, self.epoch));
            name.is_some_and(|name| {
                name.ends_with(".parquet") && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-.".contains(&b))
            })
        };
        (!self.files.iter().all(|file| is_name(&file.table) && is_ours(file))).then_some("invalid path of a file")
    }

    /// The manifest of a push, which has no tables and files yet. Without `before` it begins a new epoch.
    pub(super) fn next(
        snapshot: &FeedSnapshot,
        continued: Option<&LakeManifest>,
        replaced: Option<&LakeManifest>,
        now: DateTime<Utc>,
    ) -> LakeManifest {
        let (feed_epoch, version) = (snapshot.state.epoch.clone(), snapshot.state.version);
        // A push that is repeated after a kill finds its files again.
        let named = format!("{feed_epoch} {version} {}", replaced.map_or("", |replaced| &replaced.push));
        LakeManifest {
            format: FORMAT,
            written_by: concat!("cratedigger ", env!("CARGO_PKG_VERSION")).to_owned(),
            push: random_name(),
            pushed_at: timestamp(now),
            store_id: Some(snapshot.store_id.clone()),
            feed_epoch,
            version,
            epoch: continued.map_or_else(|| sha256(named.as_bytes())[..16].to_owned(), |same| same.epoch.clone()),
            epoch_began_at: continued.map_or_else(|| timestamp(now), |same| same.epoch_began_at.clone()),
            first_deletion_at: continued.and_then(|same| same.first_deletion_at.clone()),
            tables: Vec::new(),
            files: Vec::new(),
            superseded: Vec::new(),
        }
    }

    /// Whether the rows are those of the store, as it is or was.
    pub(super) fn is_of(&self, snapshot: &FeedSnapshot) -> bool {
        snapshot.is_source_of(self.store_id.as_deref(), &self.feed_epoch)
    }

    pub(super) fn table(&self, name: &str) -> Option<&ManifestTable> {
        self.tables.iter().find(|table| table.name == name)
    }

    pub(super) fn files_of<'m>(&'m self, table: &'m str) -> impl Iterator<Item = &'m ManifestFile> {
        self.files.iter().filter(move |file| file.table == table)
    }

    /// Why the next push has to write all rows into a new epoch; none if it can continue this one.
    pub(super) fn ends_because(
        &self,
        snapshot: &FeedSnapshot,
        target: LakeTarget<'_>,
        forget_before: Option<&str>,
        now: DateTime<Utc>,
    ) -> Option<&'static str> {
        let state = &snapshot.state;
        let is_changed = |table: &FeedTable| {
            let known = self.table(table.name);
            known.is_some_and(|known| *known != ManifestTable::of(table, target.store))
        };
        if self.version < state.since {
            return Some("rows were purged, or deleted too long ago");
        }
        if state.needs_full_read(&self.feed_epoch, self.version) {
            return Some("the store was replaced");
        }
        if snapshot.tables.iter().any(is_changed) {
            return Some("the columns of a table changed");
        }
        let began = DateTime::parse_from_rfc3339(&self.epoch_began_at).map(|at| at.to_utc());
        if began.is_err() || began.is_ok_and(|at| now.signed_duration_since(at) >= time_delta(target.full_every)) {
            return Some("the files have the age of `full_every`");
        }
        if self.first_deletion_at.as_deref().zip(forget_before).is_some_and(|(first, before)| first < before) {
            return Some("they contain rows that were deleted before `retention.tombstones`");
        }
        (self.files.len() > MAX_FILES).then_some("there are too many files")
    }
}

impl ManifestTable {
    pub(super) fn of(table: &FeedTable, store: Option<&str>) -> ManifestTable {
        let of_store = store.map(|_| ManifestColumn { name: STORE.to_owned(), kind: ColumnKind::String });
        let columns = table.columns.iter().map(|column| {
            let kind = match column.kind {
                FeedType::Text => ColumnKind::String,
                FeedType::Integer => ColumnKind::Int64,
                FeedType::Boolean => ColumnKind::Boolean,
                FeedType::Time => ColumnKind::Timestamp,
            };
            ManifestColumn { name: column.name.clone(), kind }
        });
        let key = store.map(|_| STORE.to_owned()).into_iter().chain(table.key.iter().cloned()).collect();
        ManifestTable { name: table.name.to_owned(), key, columns: of_store.into_iter().chain(columns).collect() }
    }
}

/// The column with the name of the store.
pub(super) const STORE: &str = "store";

/// The table and the epoch of a file below the prefix, if it is one that pushes write or leave behind.
pub(super) fn table_and_epoch(path: &str) -> Option<(&str, &str)> {
    let mut parts = path.split('/');
    let (table, epoch, name) = (parts.next()?, parts.next()?.strip_prefix("epoch=")?, parts.next()?);
    let is_ours = parts.next().is_none()
        && FEED_TABLES.contains(&table)
        && is_epoch(epoch)
        && (is_file_name(name) || is_draft(name));
    is_ours.then_some((table, epoch))
}

/// Whether a push may have named a file so: two versions, and perhaps the number of a part and the start of a hash.
fn is_file_name(name: &str) -> bool {
    let Some(stem) = name.strip_suffix(".parquet") else { return false };
    let is_version = |part: &str| part.len() >= 12 && part.bytes().all(|b| b.is_ascii_digit());
    let is_more = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_hexdigit());
    let parts: Vec<&str> = stem.split('-').collect();
    matches!(parts.len(), 2..=4) && parts[..2].iter().all(|p| is_version(p)) && parts[2..].iter().all(|p| is_more(p))
}

/// Whether a push may have given this name to a file that is not finished.
pub(super) fn is_draft(name: &str) -> bool {
    let rest = name.strip_prefix(DRAFT);
    rest.is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-'))
}

/// Whether this can be the name of a table or column.
fn is_name(text: &str) -> bool {
    let is_word = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_';
    text.starts_with(|c: char| c.is_ascii_lowercase()) && text.bytes().all(is_word)
}

fn is_epoch(text: &str) -> bool {
    text.len() == 16 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

pub(super) fn time_delta(time: std::time::Duration) -> TimeDelta {
    TimeDelta::from_std(time).unwrap_or(TimeDelta::MAX)
}

pub(super) fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A name that no other push has.
pub(super) fn random_name() -> String {
    let mut bytes = [0; 8];
    match getrandom::fill(&mut bytes) {
        Ok(()) => u64::from_ne_bytes(bytes),
        // The time differs too.
        Err(_) => u64::from(std::process::id()) ^ Utc::now().timestamp_micros().unsigned_abs(),
    }
    .to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_of_pushes_are_ours() {
        let table = [
            ("tracks/epoch=0123456789abcdef/000000000000-000000000812.parquet", true),
            ("tracks/epoch=0123456789abcdef/000000000000-000000000812-2-0123456789ab.parquet", true),
            ("tracks/epoch=0123456789abcdef/.push-Xy1", true),
            ("tracks/epoch=0123456789abcdef/.push-", false),
            ("tracks/epoch=0123456789abcdef/.hidden", false),
            ("tracks/epoch=0123456789abcdef/thesis.odt", false),
            ("tracks/epoch=0123456789abcdef/mine.parquet", false),
            ("tracks/epoch=0123456789abcdef/000000000000-000000000812-mine.parquet", false),
            ("tracks/epoch=0123456789abcdef/000000000000-000000000812.csv", false),
            ("tracks/epoch=0123456789abcdef/x/y.parquet", false),
            ("tracks/epoch=../y.parquet", false),
            ("others/epoch=0123456789abcdef/y.parquet", false),
            ("tracks/y.parquet", false),
            (MANIFEST, false),
        ];
        for (path, expected) in table {
            assert_eq!(table_and_epoch(path).is_some(), expected, "{path}");
        }
    }

    #[test]
    fn odd_manifests_are_not_used() {
        assert_eq!(LakeManifest::parse(br#"{"format": 2, "new": []}"#), Err(ManifestFlaw::Newer));
        for odd in ["", "[]", "{}", r#"{"format": 1}"#] {
            assert!(matches!(LakeManifest::parse(odd.as_bytes()), Err(ManifestFlaw::Unreadable(_))), "{odd}");
        }
        let long = format!("{{\"format\": {:?}}}", "x".repeat(1 << 20));
        assert!(matches!(LakeManifest::parse(long.as_bytes()), Err(ManifestFlaw::Unreadable(why)) if why.len() < 300));

        let file = |path: &str| {
            serde_json::json!([{ "table": "tracks", "path": path, "from": 0, "to": 1, "rows": 1, "deleted": 0, "bytes": 1,
                "sha256": "" }])
        };
        let epoch = "0123456789abcdef";
        let sound = serde_json::json!({ "format": 1, "written_by": "", "push": "", "pushed_at": "2026-11-30T00:00:00Z",
            "feed_epoch": "", "version": 1, "epoch": epoch, "epoch_began_at": "2026-11-30T00:00:00Z",
            "first_deletion_at": null, "superseded": [{ "epoch": epoch, "delete_after": "" }],
            "files": file("tracks/epoch=0123456789abcdef/000000000000-000000000812-2.parquet"),
            "tables": [{ "name": "tracks", "key": ["track_id"], "columns": [{ "name": "track_id", "type": "string" }] }],
        });
        let parse = |value: &serde_json::Value| LakeManifest::parse(value.to_string().as_bytes());
        assert!(parse(&sound).is_ok());
        // Each leads out of the lake, or changes the SQL of views.
        for (at, odd, says) in [
            ("/superseded/0/epoch", "../../x", "invalid epoch"),
            ("/epoch", "0123456789abcde'", "invalid epoch"),
            ("/pushed_at", "2026-11-30\nDROP TABLE tracks; --", "invalid time"),
            ("/tables/0/name", "x\"; DROP TABLE tracks; --", "invalid name"),
            ("/tables/0/key/0", "x`", "invalid name"),
            ("/tables/0/columns/0/name", "", "invalid name"),
            ("/files/0/table", "../tracks", "invalid path"),
            ("/files/0/path", "tracks/epoch=0123456789abcdef/../../../x.parquet", "invalid path"),
            ("/files/0/path", "tracks/epoch=0123456789abcdef/x'.parquet", "invalid path"),
            ("/files/0/path", "tracks/epoch=fedcba9876543210/x.parquet", "invalid path"),
            ("/files/0/path", "/etc/passwd", "invalid path"),
        ] {
            let mut value = sound.clone();
            *value.pointer_mut(at).unwrap() = odd.into();
            let flaw = parse(&value).unwrap_err();
            assert!(matches!(&flaw, ManifestFlaw::Unreadable(why) if why.starts_with(says)), "{at} {odd}: {flaw:?}");
        }
        let mut value = sound;
        value["version"] = i64::MIN.into();
        assert!(parse(&value).is_err());
    }
}
