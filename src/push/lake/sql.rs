//! Views of the files of a lake: for each row its newest version, unless that is a deletion.

use super::LakeTarget;
use super::files::LakeFiles;
use super::manifest::{ColumnKind, LakeManifest, ManifestTable};
use crate::push::{PushError, SqlEngine};
use crate::target::{BucketAddress, CloudKind, LakeAddress};

/// The views of the files that the manifest names now.
pub(in crate::push) async fn feed_sql(target: LakeTarget<'_>, engine: SqlEngine) -> Result<String, PushError> {
    let Some(found) = LakeFiles::to_read(target)?.manifest(target.name).await? else {
        return Err(PushError::Refused {
            target: target.name.to_owned(),
            why: "nothing was pushed to it yet, so there are no files to name".into(),
            hint: Some(format!("run `cratedigger push {}` first", target.name)),
        });
    };
    Ok(views(target.name, target.address, &found.manifest, engine))
}

fn views(name: &str, address: &LakeAddress, manifest: &LakeManifest, engine: SqlEngine) -> String {
    let mut out = format!(
        "-- The tables of target {name} as of version {} of the store ({}): views of the files of epoch {}.\n\
         -- A view has the newest version of each row, unless that is a deletion. The files of a view never change, so print\n\
         -- it again after a push: cratedigger schema feed --sql {} --target {name}\n",
        manifest.version,
        manifest.pushed_at,
        manifest.epoch,
        engine.as_str()
    );
    out.push_str(&preamble(address, engine));
    for table in &manifest.tables {
        let files: Vec<&str> = manifest.files_of(&table.name).map(|file| file.path.as_str()).collect();
        out.push_str(&view(table, &files, address, engine));
    }
    out
}

/// What an engine needs before the views.
fn preamble(address: &LakeAddress, engine: SqlEngine) -> String {
    let is = |cloud: CloudKind| matches!(address, LakeAddress::Bucket(place) if place.cloud == cloud);
    match engine {
        SqlEngine::Duckdb if is(CloudKind::Azure) => "INSTALL azure; LOAD azure;\n".to_owned(),
        SqlEngine::Duckdb if matches!(address, LakeAddress::Bucket(_)) => "INSTALL httpfs; LOAD httpfs;\n".to_owned(),
        SqlEngine::Bigquery if !is(CloudKind::Gcs) => {
            "-- BigQuery itself reads gs:// only. For other places it needs a connection of BigQuery Omni.\n".to_owned()
        }
        SqlEngine::Snowflake => format!(
            "-- An administrator creates the stage for {}: CREATE STAGE cratedigger URL = '{}' STORAGE_INTEGRATION = …;\n\
             CREATE FILE FORMAT IF NOT EXISTS cratedigger_parquet TYPE = PARQUET USE_LOGICAL_TYPE = TRUE;\n",
            address.shown(),
            location(address, engine)
        ),
        SqlEngine::Duckdb | SqlEngine::Bigquery | SqlEngine::Spark => String::new(),
    }
}

fn view(table: &ManifestTable, files: &[&str], address: &LakeAddress, engine: SqlEngine) -> String {
    let name = identifier(&table.name, engine);
    let columns = table.columns.iter().map(|column| identifier(&column.name, engine)).collect::<Vec<_>>().join(", ");
    let key = table.key.iter().map(|column| identifier(column, engine)).collect::<Vec<_>>().join(", ");
    let [op, version, row_version, newest, of_files] =
        ["_op", "_version", "row_version", "_newest", &format!("{}_files", table.name)]
            .map(|name| identifier(name, engine));
    let base = location(address, engine);
    let paths = |separator: &str| {
        files.iter().map(|file| literal(&format!("{base}{file}"), engine)).collect::<Vec<_>>().join(separator)
    };
    let (before, source) = match engine {
        SqlEngine::Duckdb => {
            (String::new(), format!("read_parquet([\n  {}\n], hive_partitioning = false)", paths(",\n  ")))
        }
        SqlEngine::Bigquery => {
            let options = format!("format = 'PARQUET', uris = [\n  {}\n]", paths(",\n  "));
            (format!("CREATE OR REPLACE EXTERNAL TABLE {of_files} OPTIONS ({options});\n"), of_files)
        }
        SqlEngine::Spark => {
            let options = format!("path {}", literal(&format!("{base}{}", glob(files)), engine));
            (format!("CREATE OR REPLACE TEMPORARY VIEW {of_files} USING parquet OPTIONS ({options});\n"), of_files)
        }
        SqlEngine::Snowflake => (String::new(), staged_files(table, files)),
    };
    let temporary = if engine == SqlEngine::Spark { "TEMPORARY " } else { "" };
    format!(
        "\n{before}CREATE OR REPLACE {temporary}VIEW {name} AS SELECT {columns}, {version} AS {row_version} FROM (\n\
         SELECT *, row_number() OVER (PARTITION BY {key} ORDER BY {version} DESC) AS {newest} FROM {source}\n\
         ) AS {all} WHERE {newest} = 1 AND {op} = 'u';\n",
        all = identifier("versions", engine),
    )
}

/// The files of a stage. Their columns have no types of their own.
fn staged_files(table: &ManifestTable, files: &[&str]) -> String {
    let typed = |name: &str, of_type: &str| format!("$1:\"{name}\"::{of_type} AS {name}");
    let columns = table.columns.iter().map(|column| {
        let of_type = match column.kind {
            ColumnKind::String => "VARCHAR",
            ColumnKind::Int64 => "BIGINT",
            ColumnKind::Boolean => "BOOLEAN",
            ColumnKind::Timestamp => "TIMESTAMP_TZ",
        };
        typed(&column.name, of_type)
    });
    let columns: Vec<String> = columns.chain([typed("_op", "VARCHAR"), typed("_version", "BIGINT")]).collect();
    let (folder, _) = files.first().and_then(|file| file.rsplit_once('/')).unwrap_or((&table.name, ""));
    let names = files
        .iter()
        .map(|file| literal(file.rsplit('/').next().unwrap_or(file), SqlEngine::Snowflake))
        .collect::<Vec<_>>()
        .join(",\n  ");
    format!(
        "(\nSELECT {} FROM '@cratedigger/{folder}/' (FILE_FORMAT => 'cratedigger_parquet')\n\
         WHERE split_part(METADATA$FILENAME, '/', -1) IN (\n  {names}))",
        columns.join(", ")
    )
}

/// The files of one folder as a pattern of Hadoop.
fn glob(files: &[&str]) -> String {
    match files {
        [one] => (*one).to_owned(),
        files => {
            let (folder, _) = files.first().and_then(|file| file.rsplit_once('/')).unwrap_or_default();
            let names: Vec<&str> = files.iter().map(|file| file.rsplit('/').next().unwrap_or(file)).collect();
            format!("{folder}/{{{}}}", names.join(","))
        }
    }
}

/// Where the paths of the manifest begin, as an engine writes it.
fn location(address: &LakeAddress, engine: SqlEngine) -> String {
    let place = match address {
        LakeAddress::Folder(path) if engine == SqlEngine::Spark => return format!("file://{}/", path.display()),
        LakeAddress::Folder(path) => return format!("{}/", path.display()),
        LakeAddress::Bucket(place) => place,
    };
    let BucketAddress { cloud, bucket, prefix } = place;
    let prefix = if prefix.is_empty() { String::new() } else { format!("{prefix}/") };
    match (cloud, engine) {
        (CloudKind::S3, SqlEngine::Spark) => format!("s3a://{bucket}/{prefix}"),
        (CloudKind::Gcs, SqlEngine::Snowflake) => format!("gcs://{bucket}/{prefix}"),
        (CloudKind::Azure, SqlEngine::Spark) => format!("abfss://{bucket}@ACCOUNT.dfs.core.windows.net/{prefix}"),
        (CloudKind::Azure, SqlEngine::Snowflake) => format!("azure://ACCOUNT.blob.core.windows.net/{bucket}/{prefix}"),
        (cloud, _) => format!("{}://{bucket}/{prefix}", cloud.scheme()),
    }
}

fn literal(text: &str, engine: SqlEngine) -> String {
    match engine {
        SqlEngine::Bigquery | SqlEngine::Spark => format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'")),
        SqlEngine::Duckdb => format!("'{}'", text.replace('\'', "''")),
        SqlEngine::Snowflake => format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''")),
    }
}

fn identifier(name: &str, engine: SqlEngine) -> String {
    match engine {
        SqlEngine::Duckdb => format!("\"{name}\""),
        SqlEngine::Bigquery | SqlEngine::Spark => format!("`{name}`"),
        // A name in quotes would be another one than the same name without.
        SqlEngine::Snowflake => name.to_owned(),
    }
}
