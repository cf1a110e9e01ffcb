//! The settings, section by section, as the rest of the program reads them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use chrono_tz::Tz;
use serde::{Deserialize, Deserializer};
use url::Url;

use super::csv::CsvOptions;
use super::origin::SettingOrigin;
use super::policy::{FirstRunPolicy, MissedPolicy, OverlapPolicy};
use crate::document;
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
    /// Where each setting that isn't a default came from, by its dotted name.
    #[serde(skip)]
    pub origins: BTreeMap<String, SettingOrigin>,
}

/// Which class of app the operator says this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AppMode {
    /// Found out by trying.
    Auto,
    /// Development Mode.
    Development,
    /// Extended Quota.
    Extended,
}

impl AppMode {
    /// The class, if it was said.
    pub fn class(self) -> Option<AppClass> {
        match self {
            AppMode::Auto => None,
            AppMode::Development => Some(AppClass::Development),
            AppMode::Extended => Some(AppClass::Extended),
        }
    }
}

/// Which Spotify, and what it takes us for.
#[derive(Debug, Clone, Deserialize)]
pub struct SpotifySettings {
    /// Base of the Web API, without a slash at the end.
    #[serde(deserialize_with = "url")]
    pub api_url: Url,
    /// Base of the accounts service.
    #[serde(deserialize_with = "url")]
    pub accounts_url: Url,
    /// Class of the app.
    pub app_mode: AppMode,
    /// Name of the developer account whose budget the client id draws on; default: the client id.
    #[serde(default)]
    pub account: Option<String>,
    /// Where Spotify sends a user back to.
    #[serde(deserialize_with = "url")]
    pub redirect_uri: Url,
}

/// `[limits]` as written: what isn't depends on the app class.
#[derive(Debug, Clone, Deserialize)]
pub struct LimitSettings {
    /// Calls a second.
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
    /// Share of the day's calls that is left alone, 0 to 1.
    #[serde(deserialize_with = "share")]
    pub reserve: f64,
    /// A longer wait defers the run.
    #[serde(deserialize_with = "duration")]
    pub max_wait: Duration,
    /// Whether the pace adapts to refusals.
    pub adaptive: bool,
}

/// A number of calls, or no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallsSetting {
    /// At most so many.
    AtMost(u64),
    /// `"unlimited"`.
    Unlimited,
}

/// Where results go.
#[derive(Debug, Clone, Deserialize)]
pub struct OutputSettings {
    /// The store, relative to the project folder.
    pub database: PathBuf,
    /// Folder of the CSVs, relative to the project folder.
    pub csv_dir: PathBuf,
    /// Mode of the files; folders get `x` where this has `r`.
    #[serde(deserialize_with = "mode")]
    pub mode: u32,
    /// Group of the files.
    #[serde(default)]
    pub group: Option<String>,
    /// Whether a partial run writes CSVs.
    pub publish_partial: bool,
    /// How far the store's `-wal` may grow behind a reader.
    pub wal_limit_mib: u64,
    /// Whether objects are kept as Spotify sent them.
    pub keep_raw: bool,
}

/// `[state]`
#[derive(Debug, Clone, Deserialize)]
pub struct StateSettings {
    /// The state folder as written; the command line says which folder that is.
    #[serde(default)]
    pub dir: Option<PathBuf>,
}

/// What a job that doesn't say gets.
#[derive(Debug, Clone, Deserialize)]
pub struct JobDefaults {
    /// Zone of schedules and dates.
    #[serde(deserialize_with = "zone")]
    pub timezone: Tz,
    /// Market of fetches.
    #[serde(default)]
    pub market: Option<String>,
}

/// After how long a thing is read again, per stream.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(transparent)]
pub struct RefreshAges {
    by_stream: BTreeMap<String, DurationSetting>,
}

impl RefreshAges {
    /// The age at which a row of this stream is read again; none for streams that are read at
    /// every fire.
    pub fn for_stream(&self, stream: &str) -> Option<Duration> {
        self.by_stream.get(stream).map(|span| span.0)
    }
}

/// How long things are kept; none: for ever.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct RetentionSettings {
    /// Rows nobody has asked for since, personal and catalog.
    #[serde(default, deserialize_with = "optional_duration")]
    pub rows: Option<Duration>,
    /// Records of past runs.
    #[serde(default, deserialize_with = "optional_duration")]
    pub history: Option<Duration>,
    /// CSVs with a date in their name.
    #[serde(default, deserialize_with = "optional_duration")]
    pub dated_csv: Option<Duration>,
    /// Copies of the store made before a migration.
    #[serde(default, deserialize_with = "optional_duration")]
    pub backups: Option<Duration>,
}

/// Telling people.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct NotifySettings {
    /// Base of a healthchecks.io-style ping.
    #[serde(deserialize_with = "optional_hook")]
    pub ping_url: Option<HookUrl>,
    /// Gets a JSON message per event.
    #[serde(deserialize_with = "optional_hook")]
    pub webhook_url: Option<HookUrl>,
    /// Is run per event, with the message on its stdin.
    pub command: Option<Vec<String>>,
    /// Which events are told of.
    pub on: Vec<String>,
    /// A ping, webhook or command may take so long.
    #[serde(deserialize_with = "duration")]
    pub timeout: Duration,
    /// A Prometheus text file, written after each run.
    pub prometheus_file: Option<PathBuf>,
}

/// An address that gets messages. Whoever knows it can use it, so no text of ours shows more than its
/// host.
#[derive(Clone)]
pub struct HookUrl(Url);

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

/// What schedules do where a job doesn't say, and how `schedule` behaves.
#[derive(Debug, Clone, Deserialize)]
pub struct ScheduleSettings {
    /// After downtime.
    pub missed: MissedPolicy,
    /// Of a job never run.
    pub first_run: FirstRunPolicy,
    /// Share of the day's calls for jobs that never ended a run, 0 to 1.
    #[serde(deserialize_with = "share")]
    pub first_run_share: f64,
    /// A fire older than this is missed for good.
    #[serde(default, deserialize_with = "optional_duration")]
    pub grace: Option<Duration>,
    /// While the job is running already.
    pub overlap: OverlapPolicy,
    /// Spread of the starts.
    #[serde(deserialize_with = "duration")]
    pub jitter: Duration,
    /// Lists are read whole at least so often.
    #[serde(deserialize_with = "duration")]
    pub full_every: Duration,
    /// How often a failed run is tried again.
    pub retries: u32,
    /// Wait before the first retry; it doubles.
    #[serde(deserialize_with = "duration")]
    pub retry_after: Duration,
    /// A run that takes longer is reported.
    #[serde(deserialize_with = "duration")]
    pub max_runtime: Duration,
    /// How many jobs `schedule` runs side by side.
    pub parallel_jobs: u32,
}

/// A length of time as settings write it.
#[derive(Debug, Clone, Copy)]
struct DurationSetting(Duration);

impl<'de> Deserialize<'de> for DurationSetting {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        document::duration(&text)
            .map(DurationSetting)
            .ok_or_else(|| serde::de::Error::custom(format!("{text} is no length of time")))
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
    text.parse().map_err(|_| serde::de::Error::custom(format!("{text} is no time zone")))
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
