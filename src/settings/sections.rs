//! The settings by section, as the rest of the program uses them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use chrono_tz::Tz;
use serde::{Deserialize, Deserializer};
use url::Url;

use super::csv::CsvOptions;
use super::file_format::FileFormat;
use super::origin::SettingOrigin;
use super::policy::{DigestInterval, FirstRunPolicy, MissedPolicy, OverlapPolicy};
use super::shard::Shard;
use crate::document::{self, Diagnostic};
use spotify_client::AppClass;

/// All settings.
#[derive(Debug, Clone, Deserialize)]
pub struct Settings {
    /// `[spotify]`
    pub spotify: SpotifySettings,
    /// `[limits]`; see [`Settings::limits_for`].
    pub limits: LimitSettings,
    /// `[output]`
    pub output: OutputSettings,
    /// `[report]`
    pub report: ReportSettings,
    /// `[state]`
    pub state: StateSettings,
    /// `[defaults]`
    pub defaults: JobDefaults,
    /// `[csv]`
    pub csv: CsvOptions,
    /// `[refresh_after]`
    pub refresh_after: RefreshAges,
    /// `[retention]`
    pub retention: RetentionSettings,
    /// `[notify]`
    pub notify: NotifySettings,
    /// `[schedule]`
    pub schedule: ScheduleSettings,
    /// The origin of each setting that is not a default, by dotted name.
    #[serde(skip)]
    pub origins: BTreeMap<String, SettingOrigin>,
    /// Problems with the files of hook addresses. Commands that send messages refuse to start, `check` and `doctor`
    /// report the problems, and the other commands ignore them.
    #[serde(skip)]
    pub hook_problems: Vec<Diagnostic>,
    /// The part of the users that this process reads (`--shard`).
    #[serde(skip)]
    pub shard: Option<Shard>,
}

/// The app class according to the operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AppMode {
    /// Found out from Spotify's answers.
    Auto,
    /// Development Mode.
    Development,
    /// Extended Quota.
    Extended,
}

impl AppMode {
    /// The class, if the operator set one.
    pub fn class(self) -> Option<AppClass> {
        match self {
            AppMode::Auto => None,
            AppMode::Development => Some(AppClass::Development),
            AppMode::Extended => Some(AppClass::Extended),
        }
    }
}

/// `[spotify]`: the servers and the app.
#[derive(Debug, Clone, Deserialize)]
pub struct SpotifySettings {
    /// Base address of the Web API, without a slash at the end.
    #[serde(deserialize_with = "url")]
    pub api_url: Url,
    /// Base address of the accounts service.
    #[serde(deserialize_with = "url")]
    pub accounts_url: Url,
    /// App class.
    pub app_mode: AppMode,
    /// Name of the developer account that the client id belongs to; by default the client id.
    #[serde(default)]
    pub account: Option<String>,
    /// Address that Spotify sends users back to.
    #[serde(deserialize_with = "url")]
    pub redirect_uri: Url,
}

/// `[limits]` as written. Missing values depend on the app class; see [`Settings::limits_for`].
#[derive(Debug, Clone, Deserialize)]
pub struct LimitSettings {
    /// Calls per second.
    #[serde(default)]
    pub requests_per_second: Option<f64>,
    /// Calls in flight.
    #[serde(default)]
    pub concurrency: Option<u32>,
    /// Calls in 24 hours.
    #[serde(default, deserialize_with = "optional_calls")]
    pub calls_per_day: Option<CallsSetting>,
    /// Calls in 24 hours to one endpoint family.
    #[serde(default, deserialize_with = "optional_calls")]
    pub calls_per_family: Option<CallsSetting>,
    /// Share of the daily calls that is never spent, 0 to 1.
    #[serde(deserialize_with = "share")]
    pub reserve: f64,
    /// A run that would have to wait longer is deferred.
    #[serde(deserialize_with = "duration")]
    pub max_wait: Duration,
    /// Most seconds before the second attempt of a call that failed.
    pub retry_pause: f64,
    /// Whether the pace adapts to Spotify's answers.
    pub adaptive: bool,
}

/// A number of calls, or no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallsSetting {
    /// At most this many.
    AtMost(u64),
    /// `"unlimited"`.
    Unlimited,
}

/// `[output]`: where results are written.
#[derive(Debug, Clone, Deserialize)]
pub struct OutputSettings {
    /// The database, relative to the project folder.
    pub database: PathBuf,
    /// Folder for CSV files, relative to the project folder.
    pub csv_dir: PathBuf,
    /// Formats of the files of fetches and queries that name none.
    pub formats: Vec<FileFormat>,
    /// Whether jobs that do not say so write a workbook.
    pub xlsx: bool,
    /// Mode of the files. Folders also get `x` wherever this has `r`.
    #[serde(deserialize_with = "mode")]
    pub mode: u32,
    /// Group of the files.
    #[serde(default)]
    pub group: Option<String>,
    /// Whether a partial run writes CSV files.
    pub publish_partial: bool,
    /// Maximum size of the database's `-wal` file in MiB.
    pub wal_limit_mib: u64,
    /// Whether objects are also kept exactly as Spotify sent them.
    pub keep_raw: bool,
}

/// `[report]`: pages to look at.
#[derive(Debug, Clone, Deserialize)]
pub struct ReportSettings {
    /// Whether there is a page about all jobs.
    pub overview: bool,
    /// The logo of Spotify for pages, relative to the project folder.
    #[serde(default)]
    pub logo: Option<PathBuf>,
    /// The same for dark pages.
    #[serde(default)]
    pub logo_dark: Option<PathBuf>,
}

/// `[state]`
#[derive(Debug, Clone, Deserialize)]
pub struct StateSettings {
    /// The state folder as written. The command line resolves it.
    #[serde(default)]
    pub dir: Option<PathBuf>,
}

/// `[defaults]`: defaults for jobs.
#[derive(Debug, Clone, Deserialize)]
pub struct JobDefaults {
    /// Time zone of schedules and dates.
    #[serde(deserialize_with = "zone")]
    pub timezone: Tz,
    /// Default market of fetches.
    #[serde(default)]
    pub market: Option<String>,
}

/// `[refresh_after]`: the age at which rows are read again, per stream.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(transparent)]
pub struct RefreshAges {
    by_stream: BTreeMap<String, DurationSetting>,
}

impl RefreshAges {
    /// The age at which a row of this stream is read again; none for streams that are read with
    /// every fire.
    pub fn for_stream(&self, stream: &str) -> Option<Duration> {
        self.by_stream.get(stream).map(|span| span.0)
    }
}

/// `[retention]`: how long data is kept; without a value forever.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct RetentionSettings {
    /// Personal and catalog rows.
    #[serde(default, deserialize_with = "optional_duration")]
    pub rows: Option<Duration>,
    /// Records of past runs.
    #[serde(default, deserialize_with = "optional_duration")]
    pub history: Option<Duration>,
    /// CSV files with a date in their name.
    #[serde(default, deserialize_with = "optional_duration")]
    pub dated_csv: Option<Duration>,
    /// Backups of the database from before a migration.
    #[serde(default, deserialize_with = "optional_duration")]
    pub backups: Option<Duration>,
    /// Keys of deleted rows.
    #[serde(default, deserialize_with = "optional_duration")]
    pub tombstones: Option<Duration>,
}

/// `[notify]`: how people are notified.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct NotifySettings {
    /// Base address for pings in the style of healthchecks.io.
    #[serde(deserialize_with = "optional_hook")]
    pub ping_url: Option<HookUrl>,
    /// Address that receives one JSON message per event.
    #[serde(deserialize_with = "optional_hook")]
    pub webhook_url: Option<HookUrl>,
    /// File with the address for pings. It is in `ping_url` once the settings are loaded.
    pub ping_url_file: Option<PathBuf>,
    /// File with the address of the webhook. It is in `webhook_url` once the settings are loaded.
    pub webhook_url_file: Option<PathBuf>,
    /// Program that runs once per event, with the message on its standard input.
    pub command: Option<Vec<String>>,
    /// The events that are reported.
    pub on: Vec<String>,
    /// How often a digest is sent, if `on` names it.
    pub digest: DigestInterval,
    /// Time limit for a ping, webhook or command.
    #[serde(deserialize_with = "duration")]
    pub timeout: Duration,
    /// Text file with metrics for Prometheus, written after each run.
    pub prometheus_file: Option<PathBuf>,
}

/// An address that receives messages. Everyone who knows it can use it, so messages show only its
/// host.
#[derive(Clone)]
pub struct HookUrl(Url);

impl HookUrl {
    /// An address that follows the rule for such addresses.
    pub(super) fn new(url: Url) -> HookUrl {
        HookUrl(url)
    }
}

impl std::ops::Deref for HookUrl {
    type Target = Url;

    fn deref(&self) -> &Url {
        &self.0
    }
}

impl std::fmt::Debug for HookUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "HookUrl({})", self.0.host_str().unwrap_or_default())
    }
}

/// `[schedule]`: schedule defaults for jobs, and the behavior of `schedule`.
#[derive(Debug, Clone, Deserialize)]
pub struct ScheduleSettings {
    /// What happens to missed fires after downtime.
    pub missed: MissedPolicy,
    /// When a job that has never run is due.
    pub first_run: FirstRunPolicy,
    /// Share of the daily calls for new jobs, 0 to 1.
    #[serde(deserialize_with = "share")]
    pub first_run_share: f64,
    /// A fire older than this is never run.
    #[serde(default, deserialize_with = "optional_duration")]
    pub grace: Option<Duration>,
    /// What happens to a fire while the job is still running.
    pub overlap: OverlapPolicy,
    /// Maximum delay of a start.
    #[serde(deserialize_with = "duration")]
    pub jitter: Duration,
    /// Lists are read completely at least this often.
    #[serde(deserialize_with = "duration")]
    pub full_every: Duration,
    /// Number of retries of a failed run.
    pub retries: u32,
    /// Wait before the first retry. It doubles with each retry.
    #[serde(deserialize_with = "duration")]
    pub retry_after: Duration,
    /// A run that takes longer than this is reported.
    #[serde(deserialize_with = "duration")]
    pub max_runtime: Duration,
    /// Number of jobs that `schedule` runs at the same time.
    pub parallel_jobs: u32,
}

/// A length of time in the form that settings use.
#[derive(Debug, Clone, Copy)]
struct DurationSetting(Duration);

impl<'de> Deserialize<'de> for DurationSetting {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        document::duration(&text)
            .map(DurationSetting)
            .ok_or_else(|| serde::de::Error::custom(format!("invalid length of time {text}")))
    }
}

fn duration<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
    DurationSetting::deserialize(from).map(|span| span.0)
}

fn optional_duration<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
    Ok(Option::<DurationSetting>::deserialize(from)?.map(|span| span.0))
}

fn url<'de, D: Deserializer<'de>>(from: D) -> Result<Url, D::Error> {
    let text = String::deserialize(from)?;
    Url::parse(text.trim_end_matches('/')).map_err(serde::de::Error::custom)
}

fn optional_hook<'de, D: Deserializer<'de>>(from: D) -> Result<Option<HookUrl>, D::Error> {
    match Option::<String>::deserialize(from)? {
        Some(text) => Url::parse(&text).map(|url| Some(HookUrl(url))).map_err(serde::de::Error::custom),
        None => Ok(None),
    }
}

fn share<'de, D: Deserializer<'de>>(from: D) -> Result<f64, D::Error> {
    let text = String::deserialize(from)?;
    let digits = text.strip_suffix('%').unwrap_or(&text);
    digits.parse::<f64>().map(|n| n / 100.0).map_err(serde::de::Error::custom)
}

fn mode<'de, D: Deserializer<'de>>(from: D) -> Result<u32, D::Error> {
    let text = String::deserialize(from)?;
    u32::from_str_radix(&text, 8).map_err(serde::de::Error::custom)
}

fn zone<'de, D: Deserializer<'de>>(from: D) -> Result<Tz, D::Error> {
    let text = String::deserialize(from)?;
    text.parse().map_err(|_| serde::de::Error::custom(format!("unknown time zone {text}")))
}

fn optional_calls<'de, D: Deserializer<'de>>(from: D) -> Result<Option<CallsSetting>, D::Error> {
    let value = Option::<config::Value>::deserialize(from)?;
    let Some(value) = value else { return Ok(None) };
    match value.kind {
        config::ValueKind::String(text) if text == "unlimited" => Ok(Some(CallsSetting::Unlimited)),
        _ => {
            let number = value.into_uint().map_err(serde::de::Error::custom)?;
            Ok(Some(CallsSetting::AtMost(number)))
        }
    }
}
