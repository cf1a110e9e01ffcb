//! The table of keys of a target file.

use super::OnDelete;
use super::address::ServerAddress;
use super::lake_address::LakeAddress;
use crate::document::{KeySpec, RuleViolation, TextRule, ValueShape, quote};
use crate::settings::rules::DURATION;
use crate::store::FEED_TABLES;

static URL: TextRule = TextRule {
    what: "an address such as \"postgres://loader@db.example.com/music\" or \"s3://bucket/prefix\", or a folder",
    pattern: Some("^((postgres(ql)?|s3|gs|az|file)://.+|[^:@?]+)$"),
    blank: false,
    check: |text| match is_database(text) {
        true => ServerAddress::parse(text).map(drop),
        false => LakeAddress::parse(text).map(drop),
    },
};

/// Whether an address is that of a database, and not of a lake.
pub(super) fn is_database(url: &str) -> bool {
    url.starts_with("postgres:") || url.starts_with("postgresql:")
}

static SCHEMA: TextRule = TextRule {
    what: "a name of lower-case letters, digits and `_` that starts with a letter",
    pattern: Some("^(?!pg_)[a-z][a-z0-9_]{0,62}$"),
    blank: false,
    check: |text| {
        let first = text.chars().next().is_some_and(|c| c.is_ascii_lowercase());
        let rest = text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
        match first && rest && text.len() <= 63 {
            true if text.starts_with("pg_") || text == "information_schema" => Err(RuleViolation::new(
                "information_schema and schemas whose name starts with pg_ belong to PostgreSQL",
            )),
            true => Ok(()),
            false => Err(RuleViolation::new(format!("invalid name of a schema {}", quote(text)))),
        }
    },
};

static STORE: TextRule = TextRule {
    what: "a name of letters, digits, `.`, `_` and `-`",
    pattern: Some("^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"),
    blank: false,
    check: |text| {
        let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        match text.starts_with(|c: char| c.is_ascii_alphanumeric()) && text.chars().all(is_part) && text.len() <= 64 {
            true => Ok(()),
            false => Err(RuleViolation::new(format!("invalid name of a store {}", quote(text)))),
        }
    },
};

/// Keys of a target file.
pub static TARGET: &[KeySpec] = &[
    KeySpec::new(
        "url",
        ValueShape::Text(&URL),
        "",
        "Where the rows go. A lake is a folder, `s3://BUCKET/PREFIX`, `gs://BUCKET/PREFIX` or `az://CONTAINER/PREFIX`. A database is `postgres://USER@HOST:PORT/DATABASE`, or `postgres:///DATABASE?host=/var/run/postgresql` for a socket. `sslmode` is `verify-full`; on this machine it may be `disable`, which is the default there. `sslrootcert` names a file with the certificate of your own authority. The password comes from `PGPASSWORD`, from the credential `cratedigger_target_NAME` of systemd, or from the file `PGPASSFILE` (`~/.pgpass`). The credentials of a bucket come from the environment of its cloud, or from that credential of systemd.",
    ),
    KeySpec::new(
        "schema",
        ValueShape::Text(&SCHEMA),
        "\"spotify\"",
        "PostgreSQL: the schema of the tables. It is created if the user may do that.",
    ),
    KeySpec::new(
        "tables",
        ValueShape::List(&ValueShape::OneOf(|| FEED_TABLES.to_vec())),
        "",
        "The tables of the store that are pushed. Default: all.",
    ),
    KeySpec::new(
        "store",
        ValueShape::Text(&STORE),
        "",
        "If several stores are pushed to the same schema or lake: the name of this one. It becomes the column `store`, the first part of every key. In a lake it is also the folder below the prefix. With `--shard`, the shard is a part of it by itself, such as `shard-3-of-16` or `NAME-shard-3-of-16`.",
    ),
    KeySpec::new(
        "after",
        ValueShape::OneOf(|| vec!["run", "never"]),
        "\"run\"",
        "Whether rows are pushed after each run, or only by `cratedigger push NAME`.",
    ),
    KeySpec::new(
        "on_delete",
        ValueShape::OneOf(|| OnDelete::ALL.map(OnDelete::as_str).to_vec()),
        "\"delete\"",
        "PostgreSQL: what happens to rows that were deleted in the store: `delete` deletes them, `mark` keeps their key, sets `deleted_at` and makes the other columns null, for `retention.tombstones`. A push of everything deletes them in any case.",
    ),
    KeySpec::new(
        "full_every",
        ValueShape::Text(&DURATION),
        "\"90d\"",
        "Lake: how old the files get before a push writes all rows again, as a new epoch.",
    ),
    KeySpec::new(
        "keep",
        ValueShape::Text(&DURATION),
        "\"7d\"",
        "Lake: how long the files of an earlier epoch stay, for readers that have begun to read them. After a purge they are deleted at once.",
    ),
];

/// The keys that only a database has, and those that only a lake has.
pub const ONLY_POSTGRES: [&str; 2] = ["schema", "on_delete"];
pub const ONLY_LAKE: [&str; 2] = ["full_every", "keep"];
