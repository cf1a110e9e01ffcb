//! The formats of the files that jobs write. The ending of its name decides the format of a file.

use serde::Deserialize;

/// The format of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FileFormat {
    /// Comma-separated values; every ending that belongs to no other format.
    Csv,
    /// One JSON object a line (`.jsonl`, `.ndjson`), with typed values.
    JsonL,
    /// Apache Parquet (`.parquet`).
    Parquet,
    /// A workbook, with the rows of all fetches and queries of a job.
    Xlsx,
    /// A report page. It has no rows of its own.
    Html,
}

impl FileFormat {
    /// Every format that a fetch or query can write.
    pub const OF_ROWS: [FileFormat; 3] = [FileFormat::Csv, FileFormat::JsonL, FileFormat::Parquet];

    /// The name in settings, which is also the key in job files and the usual ending of the files.
    pub fn as_str(self) -> &'static str {
        match self {
            FileFormat::Csv => "csv",
            FileFormat::JsonL => "jsonl",
            FileFormat::Parquet => "parquet",
            FileFormat::Xlsx => "xlsx",
            FileFormat::Html => "html",
        }
    }

    /// The format of a file with this name.
    pub fn of_path(path: &str) -> FileFormat {
        match extension(path).to_ascii_lowercase().as_str() {
            "jsonl" | "ndjson" => FileFormat::JsonL,
            "parquet" => FileFormat::Parquet,
            "xlsx" => FileFormat::Xlsx,
            "html" => FileFormat::Html,
            _ => FileFormat::Csv,
        }
    }

    /// The path with the usual ending of this format instead of its own.
    pub fn replace_extension(self, path: &str) -> String {
        let stem = match extension(path) {
            "" => path,
            end => &path[..path.len() - end.len() - 1],
        };
        format!("{stem}.{}", self.as_str())
    }
}

/// What follows the last dot of a file name; empty if there is none.
pub fn extension(path: &str) -> &str {
    let name = path.rsplit('/').next().unwrap_or(path);
    name.rsplit_once('.').map_or("", |(_, end)| end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ending_decides_the_format() {
        for (path, format) in [
            ("a.csv", FileFormat::Csv),
            ("a.tsv", FileFormat::Csv),
            ("jsonl", FileFormat::Csv),
            ("a.jsonl/b", FileFormat::Csv),
            ("a.jsonl", FileFormat::JsonL),
            ("x/A.NDJSON", FileFormat::JsonL),
            ("a.Parquet", FileFormat::Parquet),
            ("a.xlsx", FileFormat::Xlsx),
            ("report.html", FileFormat::Html),
        ] {
            assert_eq!(FileFormat::of_path(path), format, "{path}");
        }
    }

    #[test]
    fn ending_is_replaced_in_the_name_only() {
        for (path, other) in [("a.csv", "a.jsonl"), ("v1.2/a", "v1.2/a.jsonl"), ("a.b.csv", "a.b.jsonl")] {
            assert_eq!(FileFormat::JsonL.replace_extension(path), other);
        }
    }
}
