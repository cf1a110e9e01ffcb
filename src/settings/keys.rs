//! The table of settings.

use super::rules;
use crate::document::{Key, Shape};

/// One section of the settings file.
#[derive(Debug)]
pub struct Section {
    /// Its name.
    pub name: &'static str,
    /// What it is about.
    pub about: &'static str,
    /// Its settings.
    pub keys: &'static [Key],
}

const DURATION: Shape = Shape::Text(&rules::DURATION);
const PATH: Shape = Shape::Text(&rules::PATH);
const CALLS: Shape = Shape::Either(
    "a whole number from 1, or \"unlimited\"",
    &[Shape::Integer { min: 1, max: i64::MAX }, Shape::Text(&rules::UNLIMITED)],
);

/// Every setting, by section.
pub static SECTIONS: &[Section] = &[
    Section {
        name: "spotify",
        about: "Which Spotify, and what it takes this app for.",
        keys: &[
            Key::new(
                "api_url",
                Shape::Text(&rules::BASE_URL),
                "\"https://api.spotify.com/v1\"",
                "Base of the Web API. A store filled from one host refuses another.",
            ),
            Key::new(
                "accounts_url",
                Shape::Text(&rules::BASE_URL),
                "\"https://accounts.spotify.com\"",
                "Base of the accounts service.",
            ),
            Key::new(
                "app_mode",
                Shape::OneOf(|| vec!["auto", "development", "extended"]),
                "\"auto\"",
                "Class of the app; `auto` finds out by trying.",
            ),
            Key::new(
                "account",
                Shape::Text(&rules::ANY),
                "",
                "A name for the developer account: client ids that give the same one share a budget. Default: the client id.",
            ),
            Key::new(
                "redirect_uri",
                Shape::Text(&rules::REDIRECT_URI),
                "\"http://127.0.0.1/callback\"",
                "Where Spotify sends users back to; must be registered there. A loopback address is used with any port.",
            ),
        ],
    },
    Section {
        name: "limits",
        about: "How fast and how much may be asked. What isn't set depends on the app class.",
        keys: &[
            Key::new(
                "requests_per_second",
                Shape::Decimal { above: 0.0, max: 1_000.0 },
                "",
                "Calls a second. Default: 2 in Development Mode, 5 with Extended Quota.",
            ),
            Key::new(
                "concurrency",
                Shape::Integer { min: 1, max: 64 },
                "",
                "Calls in flight at once. Default: 1 in Development Mode, 4 with Extended Quota.",
            ),
            Key::new(
                "calls_per_day",
                CALLS,
                "",
                "Calls in a rolling 24 hours. Default: 1000 in Development Mode, unlimited with Extended Quota.",
            ),
            Key::new(
                "calls_per_family",
                CALLS,
                "",
                "Calls in a rolling 24 hours to one endpoint family. Default: 500 in Development Mode, unlimited with Extended Quota.",
            ),
            Key::new("reserve", Shape::Text(&rules::SHARE), "\"5%\"", "Share of the day's calls that is left alone."),
            Key::new("max_wait", DURATION, "\"10m\"", "A run that would have to wait longer is deferred."),
            Key::new("adaptive", Shape::Flag, "false", "Go faster until Spotify refuses, and learn from that."),
        ],
    },
    Section {
        name: "output",
        about: "Where results go, and who may read them.",
        keys: &[
            Key::new("database", PATH, "\"output/cratedigger.db\"", "The store, relative to the project folder."),
            Key::new(
                "csv_dir",
                PATH,
                "\"output/csv\"",
                "Folder of the CSVs, relative to the project folder; each job has one of its own in it.",
            ),
            Key::new(
                "mode",
                Shape::Text(&rules::MODE),
                "\"0644\"",
                "Mode of the files; folders get x wherever this has r. Once set, what is there already gets it at the next run, but for folders outside the project.",
            ),
            Key::new(
                "group",
                Shape::Text(&rules::ANY),
                "",
                "Group of the files and folders, to which the program must belong.",
            ),
            Key::new(
                "publish_partial",
                Shape::Flag,
                "true",
                "Write the CSVs of a partial run too; the data package marks them.",
            ),
            Key::new(
                "wal_limit_mib",
                Shape::Integer { min: 1, max: 1 << 20 },
                "4096",
                "How far the store's -wal file may grow while another program reads the store; beyond it a run is put off.",
            ),
            Key::new(
                "keep_raw",
                Shape::Flag,
                "false",
                "Keep every object as Spotify sent it, compressed, in a file of its own.",
            ),
        ],
    },
    Section {
        name: "state",
        about: "Grants, the call ledger and cool-downs.",
        keys: &[Key::new(
            "dir",
            PATH,
            "",
            "The state folder, relative to the project folder. Default: $STATE_DIRECTORY, else $XDG_STATE_HOME/cratedigger, else ~/.local/state/cratedigger. With it set, cron, a shell and systemd agree.",
        )],
    },
    Section {
        name: "defaults",
        about: "For jobs that don't say.",
        keys: &[
            Key::new("timezone", Shape::OneOf(zones), "\"UTC\"", "IANA time zone of schedules and dates."),
            Key::new(
                "market",
                Shape::Text(&rules::MARKET),
                "",
                "Country whose catalog is asked for (ISO 3166-1). Default: none.",
            ),
        ],
    },
    Section { name: "csv", about: "How CSVs are written. Single choices go over the profile's.", keys: CSV },
    Section {
        name: "refresh_after",
        about: "Things are read again once their row is older than this, and in any case before `retention.rows` or the job's `retention` would delete it.",
        keys: &[
            Key::new("albums", DURATION, "\"30d\"", "Age at which an album is read again."),
            Key::new("artists", DURATION, "\"30d\"", "Age at which an artist is read again."),
            Key::new("tracks", DURATION, "\"30d\"", "Age at which a track is read again."),
            Key::new("playlists", DURATION, "\"0s\"", "Age at which a playlist's description is read again."),
            Key::new("shows", DURATION, "\"30d\"", "Age at which a show is read again."),
            Key::new("episodes", DURATION, "\"30d\"", "Age at which an episode is read again."),
            Key::new("audiobooks", DURATION, "\"30d\"", "Age at which an audiobook is read again."),
        ],
    },
    Section {
        name: "retention",
        about: "How long things are kept. What isn't set is kept for ever.",
        keys: &[
            Key::new(
                "rows",
                DURATION,
                "",
                "Rows of all jobs, personal and catalog, older than this are deleted at the end of a run, and answers that `output.keep_raw` kept.",
            ),
            Key::new("history", DURATION, "\"400d\"", "Records of past runs, and reads that nobody has gone on with."),
            Key::new(
                "dated_csv",
                DURATION,
                "",
                "CSVs with {date} or {datetime} in their name are deleted when they were written longer ago than this: those that the job wrote itself, under names that it still has. The newest of each stays.",
            ),
            Key::new(
                "backups",
                DURATION,
                "\"90d\"",
                "Copies of the store, `cratedigger.db.schema-N`, that a new version makes before it changes the schema.",
            ),
        ],
    },
    Section {
        name: "notify",
        about: "Telling people, once per change of state. A failed message never fails a job.",
        keys: &[
            Key::new("ping_url", Shape::Text(&rules::HOOK_URL), "", "Base of a ping in the style of healthchecks.io."),
            Key::new("webhook_url", Shape::Text(&rules::HOOK_URL), "", "Gets a JSON message per event."),
            Key::new(
                "command",
                Shape::List(&Shape::Text(&rules::ANY)),
                "",
                "A program and its arguments; gets the message on its standard input.",
            ),
            Key::new(
                "on",
                Shape::List(&Shape::OneOf(|| vec!["failure", "partial", "sign_in", "overdue", "recovery"])),
                "[\"failure\", \"sign_in\", \"overdue\", \"recovery\"]",
                "Which events are told of.",
            ),
            Key::new("timeout", DURATION, "\"10s\"", "A message may take so long."),
            Key::new("prometheus_file", PATH, "", "A text file of metrics for Prometheus, written after each run."),
        ],
    },
    Section {
        name: "schedule",
        about: "When jobs that don't say are due, and how `schedule` behaves.",
        keys: &[
            Key::new(
                "missed",
                Shape::OneOf(super::policy::missed_words),
                "\"run_once\"",
                "After downtime: run the newest missed fire once, or skip it; one over 30 minutes late, or later than `grace`, was missed.",
            ),
            Key::new(
                "first_run",
                Shape::OneOf(super::policy::first_run_words),
                "\"now\"",
                "A job never run is due now, or at its next fire.",
            ),
            Key::new(
                "first_run_share",
                Shape::Text(&rules::PART),
                "\"50%\"",
                "Share of the day's calls that timers give to new jobs, for a day from their first run; the rest is kept for the others.",
            ),
            Key::new("grace", DURATION, "", "A fire older than this is missed for good. Default: none is."),
            Key::new(
                "overlap",
                Shape::OneOf(super::policy::overlap_words),
                "\"skip\"",
                "What a fire does while the job is still running.",
            ),
            Key::new(
                "jitter",
                DURATION,
                "\"0s\"",
                "Starts are spread over this long; a job starts at the same moment of it every day.",
            ),
            Key::new(
                "full_every",
                DURATION,
                "\"30d\"",
                "Lists are read whole at least so often, however little seems to have changed.",
            ),
            Key::new("retries", Shape::Integer { min: 0, max: 100 }, "3", "How often a failed run is tried again."),
            Key::new("retry_after", DURATION, "\"5m\"", "Wait before the first retry; it doubles."),
            Key::new("max_runtime", DURATION, "\"1d\"", "A run that takes longer is reported."),
            Key::new(
                "parallel_jobs",
                Shape::Integer { min: 1, max: 64 },
                "4",
                "How many jobs `schedule` runs side by side.",
            ),
        ],
    },
];

/// `[csv]` of the settings and `[csv_options]` of a job.
pub static CSV: &[Key] = &[
    Key::new(
        "profile",
        Shape::OneOf(|| vec!["plain", "excel", "excel-semicolon", "exportify"]),
        "\"plain\"",
        "A set of choices: `plain` for programs, `excel` and `excel-semicolon` for spreadsheets, `exportify` for notebooks made for that program's files.",
    ),
    Key::new("bom", Shape::Flag, "", "Begin with a byte order mark. Default: the profile's."),
    Key::new("delimiter", Shape::Text(&rules::DELIMITER), "", "Stands between cells. Default: the profile's."),
    Key::new("line_ending", Shape::OneOf(|| vec!["lf", "crlf"]), "", "How lines end. Default: the profile's."),
    Key::new("list_separator", Shape::Text(&rules::SHORT), "", "Stands between the parts of a list. Default: \"; \"."),
    Key::new("null", Shape::Text(&rules::SHORT), "", "Stands for null, unquoted. Default: nothing."),
    Key::new(
        "time_format",
        Shape::OneOf(|| vec!["iso", "spreadsheet"]),
        "",
        "How times are written. Default: the profile's.",
    ),
    Key::new(
        "formula_guard",
        Shape::OneOf(|| vec!["auto", "all", "off"]),
        "",
        "Which text cells get a leading apostrophe, so that no spreadsheet runs them. Default: the profile's.",
    ),
];

/// The names of all time zones.
pub(crate) fn zones() -> Vec<&'static str> {
    chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name()).collect()
}

/// The setting of a section and name.
pub fn find(section: &str, name: &str) -> Option<(&'static Section, &'static Key)> {
    let section = SECTIONS.iter().find(|s| s.name == section)?;
    Some((section, section.keys.iter().find(|k| k.name == name)?))
}

/// The dotted name of a setting, for ever: the table is static, so few of them are ever made.
pub(super) fn dotted(section: &Section, key: &Key) -> String {
    format!("{}.{}", section.name, key.name)
}
