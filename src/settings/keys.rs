//! The table of settings.

use super::{FileFormat, rules};
use crate::document::{KeySpec, ValueShape};

/// One section of the settings file.
#[derive(Debug)]
pub struct SettingsSection {
    /// The name in brackets.
    pub name: &'static str,
    /// What the section is about: a comment in the settings file and a line in the docs.
    pub about: &'static str,
    /// Its settings.
    pub keys: &'static [KeySpec],
}

const DURATION: ValueShape = ValueShape::Text(&rules::DURATION);
const PATH: ValueShape = ValueShape::Text(&rules::PATH);
const CALLS: ValueShape = ValueShape::Either(
    "a whole number from 1, or \"unlimited\"",
    &[ValueShape::Integer { min: 1, max: i64::MAX }, ValueShape::Text(&rules::UNLIMITED)],
);

/// Every setting, by section.
pub static SECTIONS: &[SettingsSection] = &[
    SettingsSection {
        name: "spotify",
        about: "Which Spotify servers are used, and the kind of app.",
        keys: &[
            KeySpec::new(
                "api_url",
                ValueShape::Text(&rules::BASE_URL),
                "\"https://api.spotify.com/v1\"",
                "Base address of the Web API. A store that was filled from one host refuses another host.",
            ),
            KeySpec::new(
                "accounts_url",
                ValueShape::Text(&rules::BASE_URL),
                "\"https://accounts.spotify.com\"",
                "Base address of the accounts service.",
            ),
            KeySpec::new(
                "app_mode",
                ValueShape::OneOf(|| vec!["auto", "development", "extended"]),
                "\"auto\"",
                "Class of the app. `auto` finds it out from Spotify's answers.",
            ),
            KeySpec::new(
                "account",
                ValueShape::Text(&rules::ANY),
                "",
                "A name for the developer account. Client ids with the same name share one budget. Default: the client id.",
            ),
            KeySpec::new(
                "redirect_uri",
                ValueShape::Text(&rules::REDIRECT_URI),
                "\"http://127.0.0.1/callback\"",
                "The address that Spotify sends users back to. It must be registered with the app. A loopback address works with any port.",
            ),
        ],
    },
    SettingsSection {
        name: "limits",
        about: "How fast and how often Spotify may be called. The defaults depend on the app class.",
        keys: &[
            KeySpec::new(
                "requests_per_second",
                ValueShape::Decimal { above: 0.0, max: 1_000.0 },
                "",
                "Calls per second. Default: 2 in Development Mode, 5 with Extended Quota.",
            ),
            KeySpec::new(
                "concurrency",
                ValueShape::Integer { min: 1, max: 64 },
                "",
                "Number of calls in flight at the same time. Default: 1 in Development Mode, 4 with Extended Quota.",
            ),
            KeySpec::new(
                "calls_per_day",
                CALLS,
                "",
                "Maximum number of calls in any 24 hours. Default: 1000 in Development Mode, unlimited with Extended Quota.",
            ),
            KeySpec::new(
                "calls_per_family",
                CALLS,
                "",
                "Maximum number of calls to one endpoint family in any 24 hours. Default: 500 in Development Mode, unlimited with Extended Quota.",
            ),
            KeySpec::new(
                "reserve",
                ValueShape::Text(&rules::SHARE),
                "\"5%\"",
                "Share of the daily calls that runs never spend. A sign-in may use it.",
            ),
            KeySpec::new(
                "max_wait",
                DURATION,
                "\"10m\"",
                "A run that would have to wait longer than this is deferred.",
            ),
            KeySpec::new(
                "retry_pause",
                ValueShape::Decimal { above: 0.0, max: 60.0 },
                "0.5",
                "Most seconds before the second attempt of a call that failed. The pause doubles with each of five attempts.",
            ),
            KeySpec::new(
                "adaptive",
                ValueShape::Flag,
                "false",
                "Raise the pace until Spotify refuses a call, and remember the pace that worked.",
            ),
        ],
    },
    SettingsSection {
        name: "output",
        about: "Where the results are written, and who may read them.",
        keys: &[
            KeySpec::new(
                "database",
                PATH,
                "\"output/cratedigger.db\"",
                "The database file, relative to the project folder.",
            ),
            KeySpec::new(
                "csv_dir",
                PATH,
                "\"output/csv\"",
                "Folder for the CSV files, relative to the project folder. Each job has its own folder in it.",
            ),
            KeySpec::new(
                "formats",
                ValueShape::List(&ValueShape::OneOf(|| FileFormat::OF_ROWS.map(FileFormat::as_str).to_vec())),
                "[\"csv\"]",
                "Formats of the files that fetches and queries write. `csv`, `jsonl` and `parquet` in a [[fetch]] or [[query]] override it, and a fetch with `csv = false` writes none of them.",
            ),
            KeySpec::new(
                "xlsx",
                ValueShape::Flag,
                "false",
                "Also write a workbook for each job, with a sheet for each of its fetches and queries. `xlsx` in a job overrides it.",
            ),
            KeySpec::new(
                "mode",
                ValueShape::Text(&rules::MODE),
                "\"0640\"",
                "Mode of the files. Folders also get x wherever this has r. The next run applies a new mode to existing files and folders, except to folders outside the project.",
            ),
            KeySpec::new(
                "group",
                ValueShape::Text(&rules::ANY),
                "",
                "Group of the files and folders. The user who runs the program must be a member of it.",
            ),
            KeySpec::new(
                "publish_partial",
                ValueShape::Flag,
                "true",
                "Also write the CSV files of a partial run. The data package marks them.",
            ),
            KeySpec::new(
                "wal_limit_mib",
                ValueShape::Integer { min: 1, max: 1 << 20 },
                "4096",
                "Maximum size of the database's -wal file, in MiB. The file grows while another program reads the database; a run that finds it larger is deferred.",
            ),
            KeySpec::new(
                "keep_raw",
                ValueShape::Flag,
                "false",
                "Also keep every object exactly as Spotify sent it, compressed, in a separate file.",
            ),
        ],
    },
    SettingsSection {
        name: "state",
        about: "Where grants, the call ledger and cool-downs are kept.",
        keys: &[KeySpec::new(
            "dir",
            PATH,
            "",
            "The state folder, relative to the project folder. Default: $STATE_DIRECTORY, else $XDG_STATE_HOME/cratedigger, else ~/.local/state/cratedigger. Set it if cron, a shell and systemd run the same project, so that they use the same folder.",
        )],
    },
    SettingsSection {
        name: "defaults",
        about: "Defaults for jobs that do not set these keys.",
        keys: &[
            KeySpec::new("timezone", ValueShape::OneOf(zones), "\"UTC\"", "IANA time zone for schedules and dates."),
            KeySpec::new(
                "market",
                ValueShape::Text(&rules::MARKET),
                "",
                "Country whose catalog is read (ISO 3166-1). Default: none.",
            ),
        ],
    },
    SettingsSection {
        name: "report",
        about: "Pages to look at. A job gets its own page with [report] in its file.",
        keys: &[
            KeySpec::new(
                "overview",
                ValueShape::Flag,
                "true",
                "Write index.html in the CSV folder: the state of all jobs, without anything of Spotify's. If it is switched off, the next run deletes the page.",
            ),
            KeySpec::new(
                "logo",
                PATH,
                "",
                "Your copy of Spotify's logo (SVG or PNG, at most 128 KiB), relative to the project folder. Pages of jobs embed it unchanged. Without it, they name Spotify in words.",
            ),
            KeySpec::new("logo_dark", PATH, "", "The logo for dark pages. Without it, dark pages show `logo`, too."),
        ],
    },
    SettingsSection {
        name: "csv",
        about: "How CSV files are written. A single setting overrides that part of the profile.",
        keys: CSV,
    },
    SettingsSection {
        name: "refresh_after",
        about: "How old a row may be before it is read again. Rows are always read again before `retention.rows` or the job's `retention` would delete them.",
        keys: &[
            KeySpec::new("albums", DURATION, "\"30d\"", "Age at which an album is read again."),
            KeySpec::new("artists", DURATION, "\"30d\"", "Age at which an artist is read again."),
            KeySpec::new("tracks", DURATION, "\"30d\"", "Age at which a track is read again."),
            KeySpec::new("playlists", DURATION, "\"0s\"", "Age at which the details of a playlist are read again."),
            KeySpec::new("shows", DURATION, "\"30d\"", "Age at which a show is read again."),
            KeySpec::new("episodes", DURATION, "\"30d\"", "Age at which an episode is read again."),
            KeySpec::new("audiobooks", DURATION, "\"30d\"", "Age at which an audiobook is read again."),
        ],
    },
    SettingsSection {
        name: "retention",
        about: "How long data is kept. Without a value it is kept forever.",
        keys: &[
            KeySpec::new(
                "rows",
                DURATION,
                "",
                "Rows of all jobs that are older than this are deleted at the end of a run: personal data, catalog data, and the answers that `output.keep_raw` kept.",
            ),
            KeySpec::new(
                "history",
                DURATION,
                "\"400d\"",
                "Records of past runs, and interrupted reads that were never resumed, are deleted after this time.",
            ),
            KeySpec::new(
                "dated_csv",
                DURATION,
                "",
                "CSV files with {date} or {datetime} in their name are deleted after this time, if the job wrote them itself under a name that is still in the job file. The newest file of each name stays.",
            ),
            KeySpec::new(
                "backups",
                DURATION,
                "\"90d\"",
                "Backups of the database (`cratedigger.db.schema-N`), which a new version makes before it changes the schema, are deleted after this time.",
            ),
            KeySpec::new(
                "tombstones",
                DURATION,
                "\"30d\"",
                "The keys of deleted rows, from which copies in other databases learn of deletions, are forgotten after this time. A copy that was not updated for longer is written again completely.",
            ),
        ],
    },
    SettingsSection {
        name: "notify",
        about: "How people are notified: once per change of state. A message that cannot be delivered never fails a job.",
        keys: &[
            KeySpec::new(
                "ping_url",
                ValueShape::Text(&rules::HOOK_URL),
                "",
                "Base address for pings in the style of healthchecks.io.",
            ),
            KeySpec::new(
                "ping_url_file",
                PATH,
                "",
                "A file that contains the address of `ping_url`. If neither is set, the credential `cratedigger_ping_url` is used, if it exists.",
            ),
            KeySpec::new(
                "webhook_url",
                ValueShape::Text(&rules::HOOK_URL),
                "",
                "An address that receives one JSON message per event.",
            ),
            KeySpec::new(
                "webhook_url_file",
                PATH,
                "",
                "A file that contains the address of `webhook_url`. If neither is set, the credential `cratedigger_webhook_url` is used, if it exists.",
            ),
            KeySpec::new(
                "command",
                ValueShape::List(&ValueShape::Text(&rules::ANY)),
                "",
                "A program and its arguments. It receives the message on its standard input, and of the environment only general variables, such as PATH, HOME, the language and the proxy.",
            ),
            KeySpec::new(
                "on",
                ValueShape::List(&ValueShape::OneOf(|| {
                    vec!["failure", "partial", "sign_in", "overdue", "recovery", "success", "digest"]
                })),
                "[\"failure\", \"sign_in\", \"overdue\", \"recovery\"]",
                "Which events are reported. `success` sends a message for every complete run, and `digest` a summary of all jobs.",
            ),
            KeySpec::new(
                "digest",
                ValueShape::OneOf(super::policy::digest_words),
                "\"weekly\"",
                "How often the summary is sent if `on` names `digest`: every day, or on Mondays, at 08:00 in `defaults.timezone`.",
            ),
            KeySpec::new("timeout", DURATION, "\"10s\"", "Time limit for delivering one message."),
            KeySpec::new(
                "prometheus_file",
                PATH,
                "",
                "A text file with metrics for Prometheus, written after each run.",
            ),
        ],
    },
    SettingsSection {
        name: "schedule",
        about: "Schedule defaults for jobs that do not set these keys, and the behavior of `schedule`.",
        keys: &[
            KeySpec::new(
                "missed",
                ValueShape::OneOf(super::policy::missed_words),
                "\"run_once\"",
                "After downtime: run the newest missed time once, or skip it. A scheduled time counts as missed when it is more than 30 minutes late, or later than `grace`.",
            ),
            KeySpec::new(
                "first_run",
                ValueShape::OneOf(super::policy::first_run_words),
                "\"now\"",
                "Whether a job that has never run is due now or at its next scheduled time.",
            ),
            KeySpec::new(
                "first_run_share",
                ValueShape::Text(&rules::PART),
                "\"50%\"",
                "Share of the daily calls that scheduled runs of new jobs may spend, for one day from their first run. The rest is kept for the other jobs.",
            ),
            KeySpec::new("grace", DURATION, "", "A run that is later than this is skipped. Default: no limit."),
            KeySpec::new(
                "overlap",
                ValueShape::OneOf(super::policy::overlap_words),
                "\"skip\"",
                "What happens at a scheduled time while the job is still running. `skip`, the only value, skips that time.",
            ),
            KeySpec::new(
                "jitter",
                DURATION,
                "\"0s\"",
                "Start times are spread over this length of time. Each job always gets the same delay.",
            ),
            KeySpec::new(
                "full_every",
                DURATION,
                "\"30d\"",
                "Lists are read completely at least this often, even if nothing seems to have changed.",
            ),
            KeySpec::new(
                "retries",
                ValueShape::Integer { min: 0, max: 100 },
                "3",
                "How many times a failed run is retried.",
            ),
            KeySpec::new(
                "retry_after",
                DURATION,
                "\"5m\"",
                "Wait before the first retry. The wait doubles with each retry.",
            ),
            KeySpec::new("max_runtime", DURATION, "\"1d\"", "A run that takes longer than this is reported."),
            KeySpec::new(
                "parallel_jobs",
                ValueShape::Integer { min: 1, max: 64 },
                "4",
                "How many jobs `schedule` runs at the same time.",
            ),
        ],
    },
];

/// `[csv]` of the settings and `[csv_options]` of a job.
pub static CSV: &[KeySpec] = &[
    KeySpec::new(
        "profile",
        ValueShape::OneOf(|| vec!["plain", "excel", "excel-semicolon", "exportify"]),
        "\"plain\"",
        "A preset: `plain` for programs, `excel` and `excel-semicolon` for spreadsheets, `exportify` for notebooks that expect the files of that program.",
    ),
    KeySpec::new("bom", ValueShape::Flag, "", "Start the file with a byte order mark. Default: the profile's."),
    KeySpec::new(
        "delimiter",
        ValueShape::Text(&rules::DELIMITER),
        "",
        "Separates the cells of a row. Default: the profile's.",
    ),
    KeySpec::new("line_ending", ValueShape::OneOf(|| vec!["lf", "crlf"]), "", "How lines end. Default: the profile's."),
    KeySpec::new(
        "list_separator",
        ValueShape::Text(&rules::SHORT),
        "",
        "Separates the values of a list within one cell. Default: \"; \".",
    ),
    KeySpec::new("null", ValueShape::Text(&rules::SHORT), "", "Text for null, without quotes. Default: nothing."),
    KeySpec::new(
        "time_format",
        ValueShape::OneOf(|| vec!["iso", "spreadsheet"]),
        "",
        "How times are written. Default: the profile's.",
    ),
    KeySpec::new(
        "formula_guard",
        ValueShape::OneOf(|| vec!["auto", "all", "off"]),
        "",
        "Which text cells get a leading apostrophe, so that a spreadsheet does not run them as formulas. Default: the profile's.",
    ),
];

/// The names of all time zones.
pub(crate) fn zones() -> Vec<&'static str> {
    chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name()).collect()
}

/// The setting of a section and name.
pub fn find(section: &str, name: &str) -> Option<(&'static SettingsSection, &'static KeySpec)> {
    let section = SECTIONS.iter().find(|s| s.name == section)?;
    Some((section, section.keys.iter().find(|k| k.name == name)?))
}

/// The dotted name of a setting, such as `limits.reserve`.
pub(super) fn dotted(section: &SettingsSection, key: &KeySpec) -> String {
    format!("{}.{}", section.name, key.name)
}
