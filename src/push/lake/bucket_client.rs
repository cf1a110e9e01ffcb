//! Opens a bucket with the credentials of the environment or of systemd. They are in no file of the project.

use std::sync::Arc;
use std::time::Duration;

use object_store::aws::AmazonS3Builder;
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::{BackoffConfig, ObjectStore, RetryConfig};
use secrecy::zeroize::Zeroizing;
use spotify_client::state::credential_path;
use url::{Host, Url};

use super::direct_connector::{DirectConnector, REQUEST_TIMEOUT, client_options};
use crate::input_file;
use crate::push::PushError;
use crate::target::{BucketAddress, CloudKind};

/// A larger credential was not written by a person.
const MAX_CREDENTIAL_BYTES: u64 = 64 * 1024;

/// How often a request is repeated that the server did not answer or could not serve.
const RETRIES: usize = 4;

/// Names and values as in the environment. Later ones win.
type Options = Vec<(String, Zeroizing<String>)>;

pub(super) fn connect(target: &str, place: &BucketAddress) -> Result<Arc<dyn ObjectStore>, PushError> {
    spotify_client::http::transport::use_ring();
    let refused = |why: String| PushError::Credentials {
        target: target.to_owned(),
        why,
        hint: place.cloud.credentials_hint().replace("target_NAME", &format!("target_{target}")),
    };
    let options = options(target, place.cloud).map_err(refused)?;
    let allows_http = check_endpoints(&options).map_err(|why| PushError::Credentials {
        target: target.to_owned(),
        why,
        hint: "write an address such as https://minio.example.com:9000; http:// is possible on this machine only"
            .into(),
    })?;
    let client = client_options(allows_http);
    let retry = RetryConfig {
        max_retries: RETRIES,
        retry_timeout: REQUEST_TIMEOUT,
        backoff: BackoffConfig { init_backoff: Duration::from_millis(200), ..BackoffConfig::default() },
    };
    // Values are not shown: they may be secrets.
    let wrong = |error: &dyn std::error::Error| refused(super::bucket_error::deepest(error));
    macro_rules! with_options {
        ($builder:expr) => {{
            let mut builder = $builder;
            for (name, value) in &options {
                if let Ok(key) = name.to_ascii_lowercase().parse() {
                    check_value(name, value).map_err(refused)?;
                    builder = builder.with_config(key, value.as_str());
                }
            }
            builder.with_client_options(client).with_http_connector(DirectConnector).with_retry(retry)
        }};
    }
    match place.cloud {
        CloudKind::S3 => {
            let builder = with_options!(AmazonS3Builder::new()).with_bucket_name(&place.bucket);
            builder.build().map(|store| Arc::new(store) as Arc<dyn ObjectStore>).map_err(|error| wrong(&error))
        }
        CloudKind::Gcs => {
            let builder = with_options!(GoogleCloudStorageBuilder::new()).with_bucket_name(&place.bucket);
            builder.build().map(|store| Arc::new(store) as Arc<dyn ObjectStore>).map_err(|error| wrong(&error))
        }
        CloudKind::Azure => {
            let builder = with_options!(MicrosoftAzureBuilder::new()).with_container_name(&place.bucket);
            builder.build().map(|store| Arc::new(store) as Arc<dyn ObjectStore>).map_err(|error| wrong(&error))
        }
    }
}

/// The options of a cloud, from the environment and then from the credential of systemd.
fn options(target: &str, cloud: CloudKind) -> Result<Options, String> {
    let prefix = match cloud {
        CloudKind::S3 => "AWS_",
        CloudKind::Gcs => "GOOGLE_",
        CloudKind::Azure => "AZURE_",
    };
    let is_usual = |(name, _): &(String, Zeroizing<String>)| {
        let name = name.to_ascii_uppercase();
        // These would weaken what a push promises.
        let weakens = ["ALLOW_HTTP", "ALLOW_INVALID_CERTIFICATES", "CONDITIONAL_PUT"];
        name.starts_with(prefix) && !weakens.iter().any(|part| name.ends_with(part))
    };
    let of_environment = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, Zeroizing::new(value.into_string().ok()?))));
    let mut options: Options = of_environment.filter(|(_, value)| !value.is_empty()).filter(is_usual).collect();
    if let Some(text) = credential(target)? {
        options.extend(parse_credential(&text, cloud)?.into_iter().filter(is_usual));
    }
    Ok(options)
}

fn credential(target: &str) -> Result<Option<Zeroizing<String>>, String> {
    let Some(folder) = std::env::var_os("CREDENTIALS_DIRECTORY") else { return Ok(None) };
    let name = format!("cratedigger_target_{target}");
    let failed = |why: &dyn std::fmt::Display| format!("failed to read the credential {name}: {why}");
    let Some(path) = credential_path(&folder, &name).map_err(|e| failed(&e))? else { return Ok(None) };
    let file = input_file::open_file(&path).map_err(|e| failed(&e))?;
    let bytes = input_file::read_limited(&file, MAX_CREDENTIAL_BYTES).map_err(|e| failed(&e))?;
    String::from_utf8(bytes).map(|text| Some(Zeroizing::new(text))).map_err(|_| failed(&"it is not UTF-8"))
}

/// A credential is the key of a Google service account as it was downloaded, or lines as in the environment.
fn parse_credential(text: &str, cloud: CloudKind) -> Result<Options, String> {
    if cloud == CloudKind::Gcs && text.trim_start().starts_with('{') {
        return Ok(vec![("GOOGLE_SERVICE_ACCOUNT_KEY".into(), Zeroizing::new(text.to_owned()))]);
    }
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines
        .map(|line| {
            let (name, value) = line.split_once('=').ok_or("a line of the credential is not NAME=VALUE")?;
            Ok((name.trim().to_owned(), Zeroizing::new(value.trim().trim_matches('"').to_owned())))
        })
        .collect()
}

/// Whether an endpoint without TLS is used. It must be on this machine.
fn check_endpoints(options: &Options) -> Result<bool, String> {
    let of_emulator =
        std::env::var("AZURITE_BLOB_STORAGE_URL").ok().map(|url| ("AZURITE_BLOB_STORAGE_URL".to_owned(), url));
    let is_of_rows = |name: &str| {
        let name = name.to_ascii_uppercase();
        !["METADATA", "MSI", "IDENTITY", "CREDENTIALS", "FABRIC", "AUTHORITY"].iter().any(|part| name.contains(part))
    };
    let named = options.iter().filter(|(name, _)| is_address(name)).map(|(name, url)| (name.clone(), url.to_string()));
    let mut allows_http = false;
    for (name, url) in named.chain(of_emulator) {
        let url = parse_address(&name, &url)?;
        if url.scheme() != "http" || !is_of_rows(&name) {
            continue;
        }
        let is_near = match url.host() {
            Some(Host::Domain(name)) => name == "localhost",
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        };
        if !is_near {
            return Err(format!("{name} would send all rows readable through the network"));
        }
        allows_http = true;
    }
    Ok(allows_http)
}

/// Whether the value of a variable is an address. Others with such a name are switches of other programs.
fn is_address(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    let ends =
        ["ENDPOINT", "ENDPOINT_URL", "ENDPOINT_URL_S3", "ENDPOINT_URL_STS", "BASE_URL", "AUTHORITY_HOST", "FULL_URI"];
    let is_switch = ["USE_", "REGIONAL"].iter().any(|part| name.contains(part));
    (ends.iter().any(|end| name.ends_with(end)) || name.ends_with("TOKEN_SERVICE_URL")) && !is_switch
}

/// Parses an address as strictly as the library that uses it, which panics otherwise. The value is not shown.
fn parse_address(name: &str, text: &str) -> Result<Url, String> {
    let failed = |why: &dyn std::fmt::Display| format!("{name} is no address: {why}");
    if !text.bytes().all(|b| b.is_ascii_graphic()) {
        return Err(failed(&"it contains a space or a character that no address has"));
    }
    let start = text.get(..8).unwrap_or(text).to_ascii_lowercase();
    let rest = ["https://", "http://"].into_iter().find(|scheme| start.starts_with(scheme)).map(|s| &text[s.len()..]);
    match rest {
        None => return Err(failed(&"it does not start with https://")),
        Some(rest) if rest.is_empty() || rest.starts_with(['/', '\\', '?', '#']) => {
            return Err(failed(&"it has no host"));
        }
        Some(_) => {}
    }
    Url::parse(text).map_err(|error| failed(&error))
}

/// Most values become headers of a request, which have only some characters. The value is not shown.
fn check_value(name: &str, value: &str) -> Result<(), String> {
    let upper = name.to_ascii_uppercase();
    if upper.ends_with("SERVICE_ACCOUNT_KEY") {
        return Ok(());
    }
    let files = ["_FILE", "SERVICE_ACCOUNT", "SERVICE_ACCOUNT_PATH", "APPLICATION_CREDENTIALS"];
    let is_file = files.iter().any(|end| upper.ends_with(end));
    match value.chars().find(|c| c.is_control() || !(is_file || c.is_ascii())) {
        Some('\n' | '\r') => Err(format!("{name} contains a line break")),
        Some(c) if c.is_control() => Err(format!("{name} contains a control character")),
        Some(_) => Err(format!("{name} contains a character that is not ASCII")),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(pairs: &[(&str, &str)]) -> Options {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), Zeroizing::new((*value).to_owned()))).collect()
    }

    #[test]
    fn http_is_for_this_machine_only() {
        for (url, expected) in [
            ("https://minio.example.com", Ok(false)),
            ("http://127.0.0.1:9000", Ok(true)),
            ("http://localhost:9000", Ok(true)),
            ("http://[::1]:9000", Ok(true)),
            ("http://minio.example.com", Err(())),
            ("http://localhost.example.com", Err(())),
        ] {
            for name in ["AWS_ENDPOINT_URL", "aws_endpoint", "GOOGLE_BASE_URL", "AZURE_STORAGE_ENDPOINT"] {
                assert_eq!(check_endpoints(&of(&[(name, url)])).map_err(drop), expected, "{name} {url}");
            }
        }
    }

    #[test]
    fn wrong_addresses_and_values_are_named() {
        for (url, why) in [
            ("minio.example:9000", "it does not start with https://"),
            ("//evil.example", "it does not start with https://"),
            ("é.example", "it contains a space or a character that no address has"),
            (" ", "it contains a space or a character that no address has"),
            ("https://a b", "it contains a space or a character that no address has"),
            ("https://a\n", "it contains a space or a character that no address has"),
            ("https://", "it has no host"),
            ("https:///x", "it has no host"),
            ("https://x:99999", "invalid port number"),
            ("https://[::1", "invalid IPv6 address"),
        ] {
            for name in ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3", "google_base_url", "AZURE_AUTHORITY_HOST"] {
                let refused = check_endpoints(&of(&[(name, url)]));
                assert_eq!(refused, Err(format!("{name} is no address: {why}")), "{url}");
            }
        }
        // Other programs have these.
        let switches = [("AWS_STS_REGIONAL_ENDPOINTS", "regional"), ("AZURE_USE_FABRIC_ENDPOINT", "true")];
        assert_eq!(check_endpoints(&of(&switches)), Ok(false));
        assert_eq!(check_endpoints(&of(&[("AWS_METADATA_ENDPOINT", "http://169.254.169.254")])), Ok(false));
        for (name, value, why) in [
            ("AWS_REGION", "us\n", Some("AWS_REGION contains a line break")),
            ("AWS_SESSION_TOKEN", "a\u{1}b", Some("AWS_SESSION_TOKEN contains a control character")),
            ("AWS_ACCESS_KEY_ID", "é", Some("AWS_ACCESS_KEY_ID contains a character that is not ASCII")),
            ("AZURE_FEDERATED_TOKEN_FILE", "/é", None),
            ("AZURE_FEDERATED_TOKEN_FILE", "/x\n", Some("AZURE_FEDERATED_TOKEN_FILE contains a line break")),
            ("GOOGLE_SERVICE_ACCOUNT_KEY", "{\n}", None),
        ] {
            assert_eq!(check_value(name, value).err().as_deref(), why);
        }
    }

    #[test]
    fn credentials_are_lines_or_a_key() {
        let names = |text: &str, cloud| {
            parse_credential(text, cloud)
                .map(|options| options.into_iter().map(|(n, v)| format!("{n}={}", *v)).collect::<Vec<_>>())
        };
        let lines = "# the loader\nAWS_ACCESS_KEY_ID = AKIA\n\nAWS_SECRET_ACCESS_KEY=\"a=b\"\n";
        assert_eq!(
            names(lines, CloudKind::S3),
            Ok(vec!["AWS_ACCESS_KEY_ID=AKIA".into(), "AWS_SECRET_ACCESS_KEY=a=b".into()])
        );
        assert_eq!(
            names("{\"type\": 1}\n", CloudKind::Gcs),
            Ok(vec!["GOOGLE_SERVICE_ACCOUNT_KEY={\"type\": 1}\n".into()])
        );
        let refused = names("AKIA secret", CloudKind::S3).unwrap_err();
        assert!(!refused.contains("secret"), "{refused}");
    }
}
