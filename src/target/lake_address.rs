//! The address of a lake: a folder, or a bucket and a prefix in it.

use std::path::{Path, PathBuf};

use url::Url;

use super::address::percent_decoded;
use crate::document::{RuleViolation, quote};

/// Where the files of a lake are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LakeAddress {
    /// A folder of this machine.
    Folder(PathBuf),
    /// A bucket of a cloud.
    Bucket(BucketAddress),
}

/// A bucket, and where in it the files are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketAddress {
    pub cloud: CloudKind,
    /// The bucket, or the container in Azure.
    pub bucket: String,
    /// Names with `/` between them, or nothing.
    pub prefix: String,
}

/// The interface of a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CloudKind {
    S3,
    Gcs,
    Azure,
}

impl CloudKind {
    /// The scheme of addresses.
    pub fn scheme(self) -> &'static str {
        match self {
            CloudKind::S3 => "s3",
            CloudKind::Gcs => "gs",
            CloudKind::Azure => "az",
        }
    }

    /// How its credentials are found.
    pub fn credentials_hint(self) -> &'static str {
        match self {
            CloudKind::S3 => {
                "set AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_REGION, or use the credential cratedigger_target_NAME of systemd or the role of the machine"
            }
            CloudKind::Gcs => {
                "set GOOGLE_SERVICE_ACCOUNT to the file of a key, or use the credential cratedigger_target_NAME of systemd or the account of the machine"
            }
            CloudKind::Azure => {
                "set AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY or AZURE_STORAGE_SAS_KEY, or use the credential cratedigger_target_NAME of systemd or the identity of the machine"
            }
        }
    }
}

impl LakeAddress {
    /// Parses an address.
    ///
    /// # Errors
    /// If it is neither a folder nor a bucket, or contains credentials.
    pub fn parse(text: &str) -> Result<LakeAddress, RuleViolation> {
        let Some((scheme, rest)) = text.split_once("://") else {
            return folder(text);
        };
        let cloud = match scheme {
            "s3" => CloudKind::S3,
            "gs" => CloudKind::Gcs,
            "az" => CloudKind::Azure,
            "file" if rest.starts_with('/') => return folder(&percent_decoded(rest)),
            "file" => {
                return Err(RuleViolation::new("the address has a host").with_hint("write file:///FOLDER"));
            }
            _ => return Err(unknown_scheme(scheme)),
        };
        let url = Url::parse(text).map_err(|error| RuleViolation::new(format!("invalid address: {error}")))?;
        if !url.username().is_empty() || url.password().is_some() {
            return Err(RuleViolation::new("the address contains credentials")
                .with_hint(format!("remove them; {}", cloud.credentials_hint())));
        }
        if url.query().is_some() || url.fragment().is_some() || url.port().is_some() {
            return Err(RuleViolation::new("the address has more than a bucket and a prefix")
                .with_hint("an endpoint of your own is set in the environment, such as AWS_ENDPOINT_URL"));
        }
        let bucket = url.host_str().unwrap_or_default().to_owned();
        let has_unusual = |c: char| !(c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'));
        if bucket.is_empty() || bucket.contains(has_unusual) {
            return Err(RuleViolation::new("the address has no bucket")
                .with_hint(format!("write {}://BUCKET/PREFIX", cloud.scheme())));
        }
        let prefix = percent_decoded(url.path().trim_matches('/'));
        // A bucket has no folders, so these are names like others, which tools that copy it to a disk cannot keep.
        let is_odd = |name: &str| name.is_empty() || name == "." || name == ".." || name.contains(is_unusual_in_path);
        if !prefix.is_empty() && prefix.split('/').any(is_odd) {
            return Err(RuleViolation::new(format!("invalid prefix {}", quote(&prefix)))
                .with_hint("it has names of letters, digits, spaces, `.`, `_`, `-` and `=`, with `/` between them"));
        }
        Ok(LakeAddress::Bucket(BucketAddress { cloud, bucket, prefix }))
    }

    /// The address with a folder that is relative to another one, and below it the part of one store.
    pub(super) fn beneath(self, folder: &Path, store: Option<&str>) -> LakeAddress {
        match self {
            LakeAddress::Folder(path) => {
                let path = folder.join(path);
                // Other programs read these paths in other folders.
                let path = std::path::absolute(&path).unwrap_or(path);
                LakeAddress::Folder(store.map_or_else(|| path.clone(), |store| path.join(store)))
            }
            LakeAddress::Bucket(mut place) => {
                if let Some(store) = store {
                    place.prefix = [&*place.prefix, store].join("/").trim_start_matches('/').to_owned();
                }
                LakeAddress::Bucket(place)
            }
        }
    }

    /// The address for messages.
    pub fn shown(&self) -> String {
        match self {
            LakeAddress::Folder(path) => path.display().to_string(),
            LakeAddress::Bucket(place) => {
                format!("{}://{}/{}", place.cloud.scheme(), place.bucket, place.prefix).trim_end_matches('/').to_owned()
            }
        }
    }
}

fn is_unusual_in_path(c: char) -> bool {
    !(c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | '=' | ' '))
}

fn folder(text: &str) -> Result<LakeAddress, RuleViolation> {
    // These are the parts of an address of a server.
    if text.contains(['@', ':', '?']) {
        return Err(RuleViolation::new(format!("{} is neither a folder nor an address", quote(text)))
            .with_hint("write postgres://USER@HOST/DATABASE, s3://BUCKET/PREFIX, gs://BUCKET/PREFIX, az://CONTAINER/PREFIX or a folder"));
    }
    if text.contains(char::is_control) {
        return Err(RuleViolation::new(format!("invalid folder {}", quote(text))));
    }
    let path: PathBuf = Path::new(text).components().collect();
    if !path.components().any(|part| matches!(part, std::path::Component::Normal(_))) {
        return Err(RuleViolation::new(format!("{} cannot be a lake", quote(text)))
            .with_hint("name a folder of its own, such as \"lake\""));
    }
    Ok(LakeAddress::Folder(path))
}

fn unknown_scheme(scheme: &str) -> RuleViolation {
    let hint = match scheme {
        "s3a" | "s3n" => "write s3://BUCKET/PREFIX",
        "gcs" => "write gs://BUCKET/PREFIX",
        "azure" | "abfs" | "abfss" | "adl" | "wasb" | "wasbs" => {
            "write az://CONTAINER/PREFIX, and set AZURE_STORAGE_ACCOUNT_NAME"
        }
        "http" | "https" => "write s3://BUCKET/PREFIX, and set AWS_ENDPOINT_URL for a server of your own",
        _ => {
            "write postgres://USER@HOST/DATABASE, s3://BUCKET/PREFIX, gs://BUCKET/PREFIX, az://CONTAINER/PREFIX or a folder"
        }
    };
    RuleViolation::new(format!("{} is not a target", quote(&format!("{scheme}://")))).with_hint(hint)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_and_buckets_are_understood() {
        let root = Path::new("/project");
        let table = [
            ("s3://music/lake/", None, "s3://music/lake"),
            ("s3://music", None, "s3://music"),
            ("s3://music", Some("berlin"), "s3://music/berlin"),
            ("gs://my.bucket/a/b=c/d%20e", Some("berlin"), "gs://my.bucket/a/b=c/d e/berlin"),
            ("az://container/x", None, "az://container/x"),
            ("file:///srv/the%20lake", None, "/srv/the lake"),
            ("lake", None, "/project/lake"),
            ("./out/lake/", Some("berlin"), "/project/out/lake/berlin"),
            ("../lake", None, "/project/../lake"),
        ];
        for (text, store, shown) in table {
            assert_eq!(LakeAddress::parse(text).unwrap().beneath(root, store).shown(), shown, "{text}");
        }
    }

    #[test]
    fn credentials_and_unclear_addresses_are_refused() {
        let table = [
            ("s3://AKIA:secret@music/lake", "the address contains credentials"),
            ("az://music/lake?sig=secret", "the address has more than a bucket and a prefix"),
            ("s3:///lake", "the address has no bucket"),
            ("s3://music/a/../b#x", "the address has more than a bucket and a prefix"),
            ("s3://music/a//b", "invalid prefix `a//b`"),
            ("s3a://music/a", "`s3a://` is not a target"),
            ("mysql://music", "`mysql://` is not a target"),
            ("file://host/lake", "the address has a host"),
            ("loader@db/music", "`loader@db/music` is neither a folder nor an address"),
            (".", "`.` cannot be a lake"),
            ("/", "`/` cannot be a lake"),
        ];
        for (text, expected) in table {
            let refused = LakeAddress::parse(text).unwrap_err();
            assert_eq!(refused.message, expected, "{text}");
            assert!(!format!("{refused:?}").contains("secret"));
        }
    }
}
