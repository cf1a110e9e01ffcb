//! The table of keys of a job file.

use super::model::{AlbumGroup, TimeRange};
use super::page_model::{ChartKind, ReportSection};
use super::rules;
use crate::document::{KeySpec, ValueShape};
use crate::settings::keys::zones;
use crate::settings::{policy, rules as common};
use crate::stream;
use spotify_client::EntityKind;

const DURATION: ValueShape = ValueShape::Text(&common::DURATION);
const ANY: ValueShape = ValueShape::Text(&common::ANY);
const OUTPUT: ValueShape =
    ValueShape::Either("a file name, or `false` for no file", &[ValueShape::Text(&rules::OUTPUT), ValueShape::False]);
const OUTPUT_JSONL: ValueShape = ValueShape::Either(
    "a file name that ends in .jsonl, `true` or `false`",
    &[ValueShape::Text(&rules::OUTPUT_JSONL), ValueShape::Flag],
);
const OUTPUT_PARQUET: ValueShape = ValueShape::Either(
    "a file name that ends in .parquet, `true` or `false`",
    &[ValueShape::Text(&rules::OUTPUT_PARQUET), ValueShape::Flag],
);
const RANGE: ValueShape = ValueShape::OneOf(|| TimeRange::ALL.map(TimeRange::as_str).to_vec());

const MARKET: KeySpec = KeySpec::new(
    "market",
    ValueShape::Text(&common::MARKET),
    "",
    "Country whose catalog is read (ISO 3166-1). The store keeps one version of each playlist, so read a playlist for one market only.",
);
const REFRESH_AFTER: KeySpec = KeySpec::new(
    "refresh_after",
    DURATION,
    "",
    "How old a row may be before it is read again. Default: `refresh_after` of the stream in the settings.",
);
const FULL_EVERY: KeySpec = KeySpec::new(
    "full_every",
    DURATION,
    "",
    "Lists are read completely at least this often, even if nothing seems to have changed. Default: `schedule.full_every` in the settings.",
);

/// Keys at the top of a job file.
pub static JOB: &[KeySpec] = &[
    KeySpec::new("description", ANY, "", "What the job is for. `jobs` shows it."),
    KeySpec::new(
        "schedule",
        ValueShape::Text(&rules::CRON),
        "",
        "When the job is due: five cron fields as in crontab(5), or a shorthand such as @daily. Without a schedule, the job runs only by name.",
    ),
    KeySpec::new(
        "timezone",
        ValueShape::OneOf(zones),
        "",
        "IANA time zone of the schedule and of `{date}`. Default: `defaults.timezone` in the settings, UTC.",
    ),
    KeySpec::new(
        "user",
        ValueShape::Text(&rules::USER),
        "",
        "The signed-in user whose data is read. Without `user` and `users`, the job uses the app's own token.",
    ),
    KeySpec::new(
        "users",
        ValueShape::Either(
            "a list of local names of signed-in users, or \"*\" for all",
            &[ValueShape::List(&ValueShape::Text(&rules::USER)), ValueShape::Text(&rules::EVERYONE)],
        ),
        "",
        "Several signed-in users, or \"*\" for all.",
    ),
    MARKET,
    KeySpec::new(
        "since",
        ValueShape::Either(
            "\"last_run\", a length of time or a date",
            &[ValueShape::Text(&rules::SINCE), ValueShape::Date],
        ),
        "\"last_run\"",
        "The value of `:since`: the start of the job's newest complete or partial run, a length of time before the scheduled time, or a date.",
    ),
    KeySpec::new(
        "priority",
        ValueShape::Integer { min: -1000, max: 1000 },
        "0",
        "If the daily budget is too small for all due jobs, those with a higher priority go first.",
    ),
    KeySpec::new(
        "max_calls",
        ValueShape::Integer { min: 1, max: i64::MAX },
        "",
        "Maximum number of calls for all runs of the job in any 24 hours. Default: half of the daily budget.",
    ),
    KeySpec::new(
        "missed",
        ValueShape::OneOf(policy::missed_words),
        "",
        "After downtime: run the newest missed time once, or skip it. A scheduled time counts as missed when it is more than 30 minutes late, or later than the \
         job's `grace`. Waiting for a cool-down or for other jobs is not downtime. Default: \
         `schedule.missed` in the settings, run_once.",
    ),
    KeySpec::new(
        "first_run",
        ValueShape::OneOf(policy::first_run_words),
        "",
        "Whether a job that has never run is due now or at its next scheduled time. Default: `schedule.first_run` in the settings, now.",
    ),
    KeySpec::new(
        "grace",
        DURATION,
        "",
        "A run that is later than this is skipped, unless it waited for a cool-down or for other jobs. Default: no limit.",
    ),
    KeySpec::new(
        "overlap",
        ValueShape::OneOf(policy::overlap_words),
        "",
        "What happens at a scheduled time while the job is still running. `skip`, the only value, skips that time.",
    ),
    KeySpec::new(
        "jitter",
        DURATION,
        "",
        "The start is delayed by up to this length of time. The delay is the same every day; `check` and `jobs` show the resulting start.",
    ),
    KeySpec::new(
        "retention",
        DURATION,
        "",
        "Rows of this job that are older than this are deleted, both personal and catalog data. The age of plays, ranks and search hits counts from their day, and the age of a list from the time when Spotify last confirmed it. Entities that the job reads by id are read again before they reach this age, and rows that another job also reads are kept. Default: `retention.rows` in the settings. CSV files are not deleted by this key; see `retention.dated_csv`.",
    ),
    REFRESH_AFTER,
    FULL_EVERY,
    KeySpec::new(
        "csv_options",
        ValueShape::Table,
        "",
        "How the CSV files of this job are written. Overrides `[csv]` in the settings.",
    ),
    KeySpec::new(
        "xlsx",
        ValueShape::Flag,
        "",
        "Also write the workbook output/csv/JOB/JOB.xlsx, with a sheet for each fetch and query. Rows whose files have {user} in their name go to JOB-USER.xlsx. Default: `output.xlsx` in the settings, false.",
    ),
    KeySpec::new(
        "publish_partial",
        ValueShape::Flag,
        "",
        "Also write the files of a partial run. With `true`, a fetch that is interrupted before it has ever finished writes what is whole so far: each row that was read by its id, and each list that was read to its end and verified. Default: `output.publish_partial` in the settings, which does not apply to a fetch that has never finished.",
    ),
    KeySpec::new(
        "report",
        ValueShape::Table,
        "",
        "Writes the page output/csv/JOB/report.html: what changed, grew, is new, is missing. An empty table is enough. A job of several users has a page for each: report-USER.html.",
    ),
    KeySpec::new("fetch", ValueShape::Tables, "", "What the job fetches: one [[fetch]] per stream."),
    KeySpec::new(
        "chart",
        ValueShape::Tables,
        "",
        "Charts on the page of the job from your own SQL: one [[chart]] per chart. They need `[report]`.",
    ),
    KeySpec::new("query", ValueShape::Tables, "", "CSV files from your own SQL: one [[query]] per file."),
];

/// Keys of `[report]`.
pub static REPORT: &[KeySpec] = &[
    KeySpec::new(
        "sections",
        ValueShape::List(&ValueShape::OneOf(|| ReportSection::ALL.map(ReportSection::as_str).to_vec())),
        "",
        "The sections of the page. Default: all that the streams of the job fill, without `tops`.",
    ),
    KeySpec::new("since", DURATION, "\"7d\"", "How far before the run something counts as new."),
    KeySpec::new("weeks", ValueShape::Integer { min: 1, max: 104 }, "12", "Number of weeks in the chart of changes."),
    KeySpec::new("rows", ValueShape::Integer { min: 1, max: 200 }, "20", "Maximum number of rows of a table."),
    KeySpec::new(
        "people",
        ValueShape::Flag,
        "false",
        "Show who added what and whose lists there are, and name the users of this job in the overview of all jobs.",
    ),
];

/// Keys of a `[[chart]]`.
pub static CHART: &[KeySpec] = &[
    KeySpec::new("title", ANY, "", "The heading of the chart."),
    KeySpec::new(
        "kind",
        ValueShape::OneOf(|| ChartKind::ALL.map(ChartKind::as_str).to_vec()),
        "\"line\"",
        "`line` and `step` draw values over time: `step` keeps each value until the next one. `bars` draws a bar for each row. `table` has no drawing. Each chart also has its numbers as a table.",
    ),
    KeySpec::new(
        "sql",
        ValueShape::Text(&rules::SELECT),
        "",
        "One SELECT with the columns `x` (a time, a day or a number; for `bars` and `table` any text) and `y` (a number). `series` makes one drawing for each of its values, and `url` links the rows to Spotify. Views and parameters are those of a [[query]].",
    ),
];

/// Keys of a `[[fetch]]`.
pub static FETCH: &[KeySpec] = &[
    KeySpec::new(
        "name",
        ValueShape::Text(&rules::FETCH_NAME),
        "",
        "The name of the fetch in `from`, in queries and in the name of the CSV file. Default: the name of the stream.",
    ),
    KeySpec::new(
        "stream",
        ValueShape::OneOf(|| stream::all().map(|s| s.name).collect()),
        "",
        "The stream to fetch. `cratedigger streams` lists all streams.",
    ),
    KeySpec::new(
        "csv",
        OUTPUT,
        "",
        "The CSV file, below output/csv/JOB/. {job}, {date}, {datetime} and {user} are replaced by their values. {playlist}, {artist}, {show}, {album} and {audiobook} make one file for each list of the fetch, named after its title and id. Default: NAME.csv.",
    ),
    KeySpec::new(
        "jsonl",
        OUTPUT_JSONL,
        "",
        "A file of JSON Lines with the same rows, typed: one object per line. With `true` it has the name of the CSV file, with the ending .jsonl. Default: false, unless `output.formats` in the settings contains \"jsonl\".",
    ),
    KeySpec::new(
        "parquet",
        OUTPUT_PARQUET,
        "",
        "A Parquet file with the same rows, typed: times are times, lists are lists. With `true` it has the name of the CSV file, with the ending .parquet. Default: false, unless `output.formats` in the settings contains \"parquet\".",
    ),
    KeySpec::new(
        "columns",
        ValueShape::List(&ANY),
        "",
        "Columns of the files, in this order. Default: the columns that `cratedigger streams STREAM` marks.",
    ),
    KeySpec::new(
        "ids",
        ValueShape::List(&ANY),
        "",
        "Ids, spotify: URIs or links. `tracks` also accepts isrc:CODE, and `albums` accepts upc:CODE.",
    ),
    KeySpec::new(
        "ids_file",
        ValueShape::Text(&rules::INPUT),
        "",
        "A CSV file of ids or codes in the folder of the job file or below it: your own, one of this program, or one of another tool. The column is found by its name (id, uri, url, Track URI, Spotify - id, isrc and the like), else by its content. Rows without a usable id are skipped and reported.",
    ),
    KeySpec::new(
        "ids_column",
        ANY,
        "",
        "The name, or the number from 1, of the column of `ids_file` with the ids. Default: it is found.",
    ),
    KeySpec::new(
        "join_inputs",
        ValueShape::Flag,
        "false",
        "Add the columns of `ids_file` or `queries_file` to the files of this fetch, after those of the stream. A row gets the cells of the line that it was read for.",
    ),
    KeySpec::new(
        "from",
        ValueShape::Text(&rules::FETCH_NAME),
        "",
        "The name of another fetch, further up in the file. The ids in its rows that this stream can take are fetched.",
    ),
    KeySpec::new(
        "where",
        ValueShape::Text(&rules::CONDITION),
        "",
        "With `from`: use only the rows of that fetch for which this SQL condition is true. `:since` and `:last_file_at` are available.",
    ),
    KeySpec::new(
        "query",
        ANY,
        "",
        "The search expression. With `queries_file`, a template such as \"isrc:{isrc}\" with column names of that file.",
    ),
    KeySpec::new("queries", ValueShape::List(&ANY), "", "Several search expressions."),
    KeySpec::new(
        "queries_file",
        ValueShape::Text(&rules::INPUT),
        "",
        "A CSV file of searches in the folder of the job file or below it, one per row. The expression comes from the template in `query`, else from the column named query, else from the first column.",
    ),
    KeySpec::new(
        "include_groups",
        ValueShape::List(&ValueShape::OneOf(|| AlbumGroup::ALL.map(AlbumGroup::as_str).to_vec())),
        "[\"album\", \"single\"]",
        "Which groups of an artist's discography are fetched.",
    ),
    KeySpec::new(
        "types",
        ValueShape::List(&ValueShape::OneOf(search_words)),
        "[\"track\"]",
        "Kinds of results that a search returns.",
    ),
    KeySpec::new(
        "max_results",
        ValueShape::Integer { min: 1, max: 1000 },
        "",
        "Number of results per search and kind, at most 1000. Default: one page.",
    ),
    KeySpec::new(
        "limit_per_parent",
        ValueShape::Integer { min: 1, max: i64::MAX },
        "",
        "Maximum number of rows per id: the newest by release date, or the first if the list has no dates. Default: all.",
    ),
    KeySpec::new("window", DURATION, "", "How far back the CSV file of a log goes. Default: everything in the store."),
    KeySpec::new(
        "time_range",
        ValueShape::Either(
            "one of `short_term`, `medium_term` and `long_term`, or a list of them",
            &[RANGE, ValueShape::List(&RANGE)],
        ),
        "\"medium_term\"",
        "Period over which Spotify ranks a user's top artists and tracks: about four weeks, six months or a year.",
    ),
    KeySpec::new("locale", ValueShape::Text(&rules::LOCALE), "", "Language and country of category names."),
    MARKET,
    REFRESH_AFTER,
    FULL_EVERY,
];

/// Keys of a `[[query]]`.
pub static QUERY: &[KeySpec] = &[
    KeySpec::new(
        "csv",
        ValueShape::Text(&rules::OUTPUT),
        "",
        "The CSV file, below output/csv/JOB/. {job}, {date} and {datetime} are replaced by their values, and {user} if the query uses `:user_id`. A query needs this key, `jsonl` or `parquet`.",
    ),
    KeySpec::new("jsonl", OUTPUT_JSONL, "", "A file of JSON Lines with the same rows, as in a [[fetch]]."),
    KeySpec::new("parquet", OUTPUT_PARQUET, "", "A Parquet file with the same rows, as in a [[fetch]]."),
    KeySpec::new(
        "sql",
        ValueShape::Text(&rules::SELECT),
        "",
        "One SELECT over the store. Each fetch of the job is a view with the name of the fetch. `:since`, `:last_run_at`, `:last_file_at`, `:fire_at`, `:job` and `:user_id` are available.",
    ),
];

/// Keys of a `[[fetch]]` that only some streams accept; see `Stream::options`.
pub(super) const OPTIONS: &[&str] = &[
    "include_groups",
    "types",
    "max_results",
    "limit_per_parent",
    "window",
    "refresh_after",
    "full_every",
    "time_range",
    "locale",
];

/// Keys of a `[[fetch]]` that give its input.
pub(super) const SOURCES: &[&str] = &["ids", "ids_file", "from", "query", "queries", "queries_file"];

/// The kinds of results that Spotify's search returns.
pub(super) fn search_words() -> Vec<&'static str> {
    [
        EntityKind::Track,
        EntityKind::Artist,
        EntityKind::Album,
        EntityKind::Playlist,
        EntityKind::Show,
        EntityKind::Episode,
        EntityKind::Audiobook,
    ]
    .map(EntityKind::as_str)
    .to_vec()
}
