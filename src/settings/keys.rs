//! The table of settings.

use super::rules;
use crate::document::{KeySpec, ValueShape};

/// One section of the settings file.
#[derive(Debug)]
pub struct SettingsSection {
    /// Its name.
    pub name: &'static str,
    /// What it is about.
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
        about: "Which Spotify, and what it takes this app for.",
        keys: &[
            KeySpec::new(
                "api_url",
                ValueShape::Text(&rules::BASE_URL),
                "\"https://api.spotify.com/v1\"",
                "Base of the Web API. A store filled from one host refuses another.",
            ),
            KeySpec::new(
                "accounts_url",
                ValueShape::Text(&rules::BASE_URL),
                "\"https://accounts.spotify.com\"",
                "Base of the accounts service.",
            ),
            KeySpec::new(
                "app_mode",
                ValueShape::OneOf(|| vec!["auto", "development", "extended"]),
                "\"auto\"",
                "Class of the app; `auto` finds out by trying.",
            ),
            KeySpec::new(
                "account",
                ValueShape::Text(&rules::ANY),
                "",
                "A name for the developer account: client ids that give the same one share a budget. Default: the client id.",
            ),
            KeySpec::new(
                "redirect_uri",
                ValueShape::Text(&rules::REDIRECT_URI),
                "\"http://127.0.0.1/callback\"",
                "Where Spotify sends users back to; must be registered there. A loopback address is used with any port.",
            ),
        ],
    },
    SettingsSection {
        name: "limits",
        about: "How fast and how much may be asked. What isn't set depends on the app class.",
        keys: &[
            KeySpec::new(
                "requests_per_second",
                ValueShape::Decimal { above: 0.0, max: 1_000.0 },
                "",
                "Calls a second. Default: 2 in Development Mode, 5 with Extended Quota.",
            ),
            KeySpec::new(
                "concurrency",
                ValueShape::Integer { min: 1, max: 64 },
                "",
                "Calls in flight at once. Default: 1 in Development Mode, 4 with Extended Quota.",
            ),
            KeySpec::new(
                "calls_per_day",
                CALLS,
                "",
                "Calls in a rolling 24 hours. Default: 1000 in Development Mode, unlimited with Extended Quota.",
            ),
            KeySpec::new(
                "calls_per_family",
                CALLS,
                "",
                "Calls in a rolling 24 hours to one endpoint family. Default: 500 in Development Mode, unlimited with Extended Quota.",
            ),
            KeySpec::new(
                "reserve",
                ValueShape::Text(&rules::SHARE),
                "\"5%\"",
                "Share of the day's calls that is left alone.",
            ),
            KeySpec::new("max_wait", DURATION, "\"10m\"", "A run that would have to wait longer is deferred."),
            KeySpec::new(
                "adaptive",
                ValueShape::Flag,
                "false",
                "Go faster until Spotify refuses, and learn from that.",
            ),
        ],
    },
    SettingsSection {
        name: "output",
        about: "Where results go, and who may read them.",
        keys: &[
            KeySpec::new("database", PATH, "\"output/cratedigger.db\"", "The store, relative to the project folder."),
            KeySpec::new(
                "csv_dir",
                PATH,
                "\"output/csv\"",
                "Folder of the CSVs, relative to the project folder; each job has one of its own in it.",
            ),
            KeySpec::new(
                "mode",
                ValueShape::Text(&rules::MODE),
                "\"0644\"",
                "Mode of the files; folders get x wherever this has r. Once set, what is there already gets it at the next run, but for folders outside the project.",
            ),
            KeySpec::new(
                "group",
                ValueShape::Text(&rules::ANY),
                "",
                "Group of the files and folders, to which the program must belong.",
            ),
            KeySpec::new(
                "publish_partial",
                ValueShape::Flag,
                "true",
                "Write the CSVs of a partial run too; the data package marks them.",
            ),
            KeySpec::new(
                "wal_limit_mib",
                ValueShape::Integer { min: 1, max: 1 << 20 },
                "4096",
                "How far the store's -wal file may grow while another program reads the store; beyond it a run is put off.",
            ),
            KeySpec::new(
                "keep_raw",
                ValueShape::Flag,
                "false",
                "Keep every object as Spotify sent it, compressed, in a file of its own.",
            ),
        ],
    },
    SettingsSection {
        name: "state",
        about: "Grants, the call ledger and cool-downs.",
        keys: &[KeySpec::new(
            "dir",
            PATH,
            "",
            "The state folder, relative to the project folder. Default: $STATE_DIRECTORY, else $XDG_STATE_HOME/cratedigger, else ~/.local/state/cratedigger. With it set, cron, a shell and systemd agree.",
        )],
    },
    SettingsSection {
        name: "defaults",
        about: "For jobs that don't say.",
        keys: &[
            KeySpec::new("timezone", ValueShape::OneOf(zones), "\"UTC\"", "IANA time zone of schedules and dates."),
            KeySpec::new(
                "market",
                ValueShape::Text(&rules::MARKET),
                "",
                "Country whose catalog is asked for (ISO 3166-1). Default: none.",
            ),
        ],
    },
    SettingsSection { name: "csv", about: "How CSVs are written. Single choices go over the profile's.", keys: CSV },
    SettingsSection {
        name: "refresh_after",
        about: "Things are read again once their row is older than this, and in any case before `retention.rows` or the job's `retention` would delete it.",
        keys: &[
            KeySpec::new("albums", DURATION, "\"30d\"", "Age at which an album is read again."),
            KeySpec::new("artists", DURATION, "\"30d\"", "Age at which an artist is read again."),
            KeySpec::new("tracks", DURATION, "\"30d\"", "Age at which a track is read again."),
            KeySpec::new("playlists", DURATION, "\"0s\"", "Age at which a playlist's description is read again."),
            KeySpec::new("shows", DURATION, "\"30d\"", "Age at which a show is read again."),
            KeySpec::new("episodes", DURATION, "\"30d\"", "Age at which an episode is read again."),
            KeySpec::new("audiobooks", DURATION, "\"30d\"", "Age at which an audiobook is read again."),
        ],
    },
    SettingsSection {
        name: "retention",
        about: "How long things are kept. What isn't set is kept for ever.",
        keys: &[
            KeySpec::new(
                "rows",
                DURATION,
                "",
                "Rows of all jobs, personal and catalog, older than this are deleted at the end of a run, and answers that `output.keep_raw` kept.",
            ),
            KeySpec::new(
                "history",
                DURATION,
                "\"400d\"",
                "Records of past runs, and reads that nobody has gone on with.",
            ),
            KeySpec::new(
                "dated_csv",
                DURATION,
                "",
                "CSVs with {date} or {datetime} in their name are deleted when they were written longer ago than this: those that the job wrote itself, under names that it still has. The newest of each stays.",
            ),
            KeySpec::new(
                "backups",
                DURATION,
                "\"90d\"",
                "Copies of the store, `cratedigger.db.schema-N`, that a new version makes before it changes the schema.",
            ),
        ],
    },
    SettingsSection {
        name: "notify",
        about: "Telling people, once per change of state. A failed message never fails a job.",
        keys: &[
            KeySpec::new(
                "ping_url",
                ValueShape::Text(&rules::HOOK_URL),
                "",
                "Base of a ping in the style of healthchecks.io.",
            ),
            KeySpec::new("webhook_url", ValueShape::Text(&rules::HOOK_URL), "", "Gets a JSON message per event."),
            KeySpec::new(
                "command",
                ValueShape::List(&ValueShape::Text(&rules::ANY)),
                "",
                "A program and its arguments; gets the message on its standard input.",
            ),
            KeySpec::new(
                "on",
                ValueShape::List(&ValueShape::OneOf(|| vec!["failure", "partial", "sign_in", "overdue", "recovery"])),
                "[\"failure\", \"sign_in\", \"overdue\", \"recovery\"]",
                "Which events are told of.",
            ),
            KeySpec::new("timeout", DURATION, "\"10s\"", "A message may take so long."),
            KeySpec::new("prometheus_file", PATH, "", "A text file of metrics for Prometheus, written after each run."),
        ],
    },
    SettingsSection {
        name: "schedule",
        about: "When jobs that don't say are due, and how `schedule` behaves.",
        keys: &[
            KeySpec::new(
                "missed",
                ValueShape::OneOf(super::policy::missed_words),
                "\"run_once\"",
                "After downtime: run the newest missed fire once, or skip it; one over 30 minutes late, or later than `grace`, was missed.",
            ),
            KeySpec::new(
                "first_run",
                ValueShape::OneOf(super::policy::first_run_words),
                "\"now\"",
                "A job never run is due now, or at its next fire.",
            ),
            KeySpec::new(
                "first_run_share",
                ValueShape::Text(&rules::PART),
                "\"50%\"",
                "Share of the day's calls that timers give to new jobs, for a day from their first run; the rest is kept for the others.",
            ),
            KeySpec::new("grace", DURATION, "", "A fire older than this is missed for good. Default: none is."),
            KeySpec::new(
                "overlap",
                ValueShape::OneOf(super::policy::overlap_words),
                "\"skip\"",
                "What a fire does while the job is still running.",
            ),
            KeySpec::new(
                "jitter",
                DURATION,
                "\"0s\"",
                "Starts are spread over this long; a job starts at the same moment of it every day.",
            ),
            KeySpec::new(
                "full_every",
                DURATION,
                "\"30d\"",
                "Lists are read whole at least so often, however little seems to have changed.",
            ),
            KeySpec::new(
                "retries",
                ValueShape::Integer { min: 0, max: 100 },
                "3",
                "How often a failed run is tried again.",
            ),
            KeySpec::new("retry_after", DURATION, "\"5m\"", "Wait before the first retry; it doubles."),
            KeySpec::new("max_runtime", DURATION, "\"1d\"", "A run that takes longer is reported."),
            KeySpec::new(
                "parallel_jobs",
                ValueShape::Integer { min: 1, max: 64 },
                "4",
                "How many jobs `schedule` runs side by side.",
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
        "A set of choices: `plain` for programs, `excel` and `excel-semicolon` for spreadsheets, `exportify` for notebooks made for that program's files.",
    ),
    KeySpec::new("bom", ValueShape::Flag, "", "Begin with a byte order mark. Default: the profile's."),
    KeySpec::new("delimiter", ValueShape::Text(&rules::DELIMITER), "", "Stands between cells. Default: the profile's."),
    KeySpec::new("line_ending", ValueShape::OneOf(|| vec!["lf", "crlf"]), "", "How lines end. Default: the profile's."),
    KeySpec::new(
        "list_separator",
        ValueShape::Text(&rules::SHORT),
        "",
        "Stands between the parts of a list. Default: \"; \".",
    ),
    KeySpec::new("null", ValueShape::Text(&rules::SHORT), "", "Stands for null, unquoted. Default: nothing."),
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
        "Which text cells get a leading apostrophe, so that no spreadsheet runs them. Default: the profile's.",
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

/// The dotted name of a setting, for ever: the table is static, so few of them are ever made.
pub(super) fn dotted(section: &SettingsSection, key: &KeySpec) -> String {
    format!("{}.{}", section.name, key.name)
}
