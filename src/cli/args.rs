//! The command line.
//!
//! Every command and flag is declared here. The doc comments of commands and flags are the help texts.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::push::SqlEngine;
use crate::settings::Shard;

/// Exports Spotify data on a schedule: job files in, one SQLite store and CSV files out.
#[derive(Debug, Parser)]
#[command(name = "cratedigger", version, max_term_width = 100, help_template = super::help::template(), after_help = super::help::after_help())]
pub struct Cli {
    /// Flags that every command takes.
    #[command(flatten)]
    pub global: GlobalArgs,
    #[command(subcommand)]
    pub command: Command,
}

/// Flags that are accepted before or after any command.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Global options")]
pub struct GlobalArgs {
    /// The project folder, which contains config/, jobs/ and output/
    #[arg(long, global = true, value_name = "DIR", default_value = ".", overrides_with = "project")]
    pub project: PathBuf,
    /// The state folder, with grants, the call ledger and cool-downs
    #[arg(long, global = true, value_name = "DIR")]
    pub state_dir: Option<PathBuf>,
    /// Work on one of N parts of the users, such as 3/16, with a store and files of its own
    #[arg(long, global = true, value_name = "I/N")]
    pub shard: Option<Shard>,
    /// Print the result as JSON on stdout
    #[arg(long, global = true)]
    pub json: bool,
    /// Format of progress and messages on stderr
    #[arg(long, global = true, value_name = "FORMAT", default_value = "text")]
    pub log_format: LogFormat,
    /// Print more (-vv prints everything)
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// Print only warnings and errors
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// One line per event, for people.
    #[default]
    Text,
    /// One JSON object per event, for programs.
    Json,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Create a project folder with settings, example jobs and schemas for editors
    Init(InitArgs),
    /// Check settings and job files offline, and show when each job is due next
    Check(CheckArgs),
    /// List the streams that can be fetched, or describe one stream
    Streams(StreamsArgs),
    /// Show what a run would cost now, and whether today's budget allows it
    Plan(PlanArgs),
    /// Run the named jobs, all jobs, or the jobs that are due
    Run(RunArgs),
    /// Stay in the foreground and run each job when it is due
    Schedule(ScheduleArgs),
    /// Rewrite the CSV files from the store, offline
    Export(ExportArgs),
    /// Show each job with its last and next run and the age of its data
    Jobs(JobsArgs),
    /// Show past runs with their API calls and rows
    History(HistoryArgs),
    /// Write pages to look at, one of each job and one of all jobs, offline
    Report(ReportArgs),
    /// Show what changed in a job's lists
    Diff(DiffArgs),
    /// Show a playlist as it is now, or as it was at an earlier time
    Show(ShowArgs),
    /// Show in which playlists and libraries a song is
    Find(FindArgs),
    /// List everything that runs skipped, kept, converted or repaired
    Skipped(SkippedArgs),
    /// Run one SELECT over the store, read-only, and print its rows
    Sql(SqlArgs),
    /// Check the store and the CSV files against their records, offline
    Verify(VerifyArgs),
    /// Push new, changed and deleted rows to the databases and lakes in targets/
    Push(PushArgs),
    /// Write what changed in the store as messages of Singer, for the targets of other programs
    #[command(after_help = SINGER_EXAMPLES)]
    Singer(SingerArgs),
    /// Copy the store, or the whole project and its state folder, even while jobs are running
    Backup(BackupArgs),
    /// Restore a project and its state folder from an archive of `backup --all`
    Restore(RestoreArgs),
    /// Rewrite the database to reclaim disk space
    Compact,
    /// Discard the checkpoints of a job's interrupted reads
    Reset(ResetArgs),
    /// Show the API calls used and left, cool-downs, and what the app may call
    Quota(QuotaArgs),
    /// Sign users in and out, and show how long each sign-in lasts
    Auth(super::auth::AuthArgs),
    /// Import files that Spotify sends on request, such as the streaming history
    Import(ImportFilesArgs),
    /// Check the whole setup and print one line per finding
    Doctor(DoctorArgs),
    /// Serve a simulated Spotify on this machine to try jobs against
    Sandbox(SandboxArgs),
    /// Run the example jobs against the sandbox, without credentials or network
    Demo(DemoArgs),
    /// Print the JSON Schema of job files, target files or the settings file, or SQL for the files of a lake
    Schema(SchemaArgs),
    /// Print a completion script for a shell
    Completions(CompletionsArgs),
    /// Print the manual page
    Man,
}

/// `init`
#[derive(Debug, Args)]
pub struct InitArgs {
    /// The folder, created if it does not exist [default: the project folder]
    pub dir: Option<PathBuf>,
    /// The class of the app; example jobs that it cannot run are left out
    #[arg(long, value_name = "CLASS")]
    pub app_mode: Option<AppModeArg>,
    /// Add systemd units and an installer in systemd/, and keep the state in /var/lib/cratedigger
    #[arg(long)]
    pub systemd: bool,
    /// Ask nothing, also on a terminal, and write all example jobs that the app can run
    #[arg(short, long)]
    pub yes: bool,
}

/// The class of a Spotify app.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum AppModeArg {
    /// Development Mode.
    Development,
    /// Extended Quota.
    Extended,
}

/// Which clients get rotating refresh tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum GrantRotation {
    /// No client, as since the middle of 2026.
    Never,
    /// Clients that signed in with PKCE.
    Pkce,
    /// All clients.
    Always,
}

/// `check`
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Jobs to check, by name [default: all]
    #[arg(value_name = "JOB", add = super::candidates::jobs())]
    pub jobs: Vec<String>,
}

/// `streams`
#[derive(Debug, Args)]
pub struct StreamsArgs {
    /// The stream to describe
    #[arg(value_name = "STREAM", add = super::candidates::streams())]
    pub stream: Option<String>,
}

/// `schema`
#[derive(Debug, Args)]
pub struct SchemaArgs {
    /// The kind of file, or the tables of a lake
    #[arg(value_name = "FILE")]
    pub of: SchemaKind,
    /// Of the tables of a lake: the engine that reads them
    #[arg(long, value_name = "ENGINE", required_if_eq("of", "feed"))]
    pub sql: Option<SqlEngine>,
    /// Of the tables of a lake: the target [default: the only lake in targets/]
    #[arg(long, value_name = "TARGET", requires = "sql")]
    pub target: Option<String>,
}

/// The file that a JSON Schema describes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SchemaKind {
    /// jobs/*.toml
    Job,
    /// config/cratedigger.toml
    Config,
    /// targets/*.toml
    Target,
    /// The files of a lake: SQL that shows them as tables (--sql)
    Feed,
}

/// `completions`
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// The shell
    pub shell: clap_complete::Shell,
}

/// `run`
#[derive(Debug, Args)]
pub struct RunArgs {
    /// Jobs to run, by name [default: all]
    #[arg(value_name = "JOB", add = super::candidates::jobs())]
    pub jobs: Vec<String>,
    /// Run jobs whose scheduled time has passed; print nothing if there are none
    #[arg(long)]
    pub due: bool,
    /// Read everything again, without checkpoints or change detection; create a new store if it is missing
    #[arg(long)]
    pub full: bool,
    /// Run this job and accept what a fetch of it reads, although it is much worse than the stored list (suspect_batch)
    #[arg(long, num_args = 2, action = clap::ArgAction::Set, value_names = ["JOB", "FETCH"], conflicts_with_all = ["jobs", "due"])]
    pub accept: Vec<String>,
    /// Maximum number of API calls for this run
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub max_calls: Option<u64>,
    /// Exit with 0 instead of 75 when the run is deferred
    #[arg(long)]
    pub ok_if_deferred: bool,
    /// Do not ask for confirmation before an expensive run
    #[arg(short, long)]
    pub yes: bool,
}

impl RunArgs {
    /// The jobs to run, by name; all if there are none.
    pub fn job_names(&self) -> &[String] {
        if self.accept.is_empty() { &self.jobs } else { &self.accept[..1] }
    }

    /// The fetch with suspicious batches to accept.
    pub fn accepted_fetch(&self) -> Option<&str> {
        self.accept.get(1).map(String::as_str)
    }

    /// Runs all jobs with default options and without confirmation.
    pub fn all() -> RunArgs {
        RunArgs {
            jobs: Vec::new(),
            due: false,
            full: false,
            accept: Vec::new(),
            max_calls: None,
            ok_if_deferred: false,
            yes: true,
        }
    }
}

/// `schedule`
#[derive(Debug, Args)]
pub struct ScheduleArgs {}

/// `export`
#[derive(Debug, Args)]
pub struct ExportArgs {
    /// Jobs to rewrite the CSV files of [default: all]
    #[arg(value_name = "JOB", add = super::candidates::jobs())]
    pub jobs: Vec<String>,
}

/// `report`
#[derive(Debug, Args)]
pub struct ReportArgs {
    /// Jobs to write the pages of, also without `[report]` in their files [default: all with `[report]`]
    #[arg(value_name = "JOB")]
    pub jobs: Vec<String>,
    /// Open the page of the named job, or the overview, in a browser
    #[arg(long)]
    pub open: bool,
}

/// `jobs`
#[derive(Debug, Args)]
pub struct JobsArgs {
    /// Jobs to show [default: all]
    #[arg(value_name = "JOB", add = super::candidates::jobs())]
    pub jobs: Vec<String>,
}

/// `push`
#[derive(Debug, Args)]
pub struct PushArgs {
    /// Targets to push to, by name [default: all]
    #[arg(value_name = "TARGET")]
    pub targets: Vec<String>,
    /// Send all rows again, and delete those that the store does not have
    #[arg(long)]
    pub full: bool,
}

/// `singer`
#[derive(Debug, Args)]
pub struct SingerArgs {
    /// Print the catalog: the tables with their columns
    #[arg(long, conflicts_with_all = ["catalog", "state", "full"])]
    pub discover: bool,
    /// A JSON file with `project` (a folder), `shard` (such as "3/16") and `tables` (a list)
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The catalog, which selects tables and columns [default: all]
    #[arg(long, value_name = "FILE", alias = "properties")]
    pub catalog: Option<PathBuf>,
    /// The state that the target printed last; without it, all rows are sent
    #[arg(long, value_name = "FILE")]
    pub state: Option<PathBuf>,
    /// Send all rows again, so that the target deletes those that the store does not have
    #[arg(long)]
    pub full: bool,
}

const SINGER_EXAMPLES: &str = "Examples:
  cratedigger singer --state state.json | target-postgres --config target.json > states
  tail -n 1 states > state.json";

/// `history`
#[derive(Debug, Args)]
pub struct HistoryArgs {
    /// The job to show runs of [default: all]
    #[arg(value_name = "JOB", add = super::candidates::jobs())]
    pub job: Option<String>,
    /// Maximum number of runs to show, newest first
    #[arg(short = 'n', long, value_name = "N", default_value_t = 20)]
    pub limit: u32,
}

/// `sandbox`
#[derive(Debug, Args)]
pub struct SandboxArgs {
    /// The class of app to simulate
    #[arg(long, value_name = "CLASS", default_value = "development")]
    pub mode: AppModeArg,
    /// Port on 127.0.0.1 to listen on; 0 picks a free port
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    pub port: u16,
    /// Seed of the catalog; the same seed gives the same catalog
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Number of distinct tracks in the catalog
    #[arg(long, value_name = "N", default_value_t = 2_000)]
    pub tracks: u32,
    /// Number of ordinary playlists, in addition to those with fixed ids
    #[arg(long, value_name = "N", default_value_t = 12)]
    pub playlists: u32,
    /// Number of items in each ordinary playlist
    #[arg(long, value_name = "N", default_value_t = 60)]
    pub playlist_items: u32,
    /// Calls allowed per client id in any 30 seconds; further calls get a 429
    #[arg(long, value_name = "N")]
    pub rate_limit: Option<u32>,
    /// Length of the rate limit window in seconds; a short window speeds up experiments
    #[arg(long, value_name = "SECONDS", default_value_t = 30.0)]
    pub rate_window: f64,
    /// Calls allowed in any 24 hours; further calls get QUOTA_EXCEEDED
    #[arg(long, value_name = "N")]
    pub calls_per_day: Option<u32>,
    /// Another client id of the same developer account, with the same secret, which shares the daily calls; may be repeated
    #[arg(long, value_name = "ID")]
    pub sister: Vec<String>,
    /// Which clients get rotating refresh tokens: each refresh replaces the token, and using an old token revokes the grant
    #[arg(long, value_name = "WHOSE", default_value = "never")]
    pub rotation: GrantRotation,
    /// Lifetime of an access token in seconds
    #[arg(long, value_name = "N", default_value_t = 3_600)]
    pub access_ttl: u64,
    /// A fault to inject, as JSON such as {"path": "/v1/playlists/*", "action": {"do": "status", "code": 503}}; may be repeated
    #[arg(long, value_name = "JSON")]
    pub fault: Vec<String>,
}

/// `demo`
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// The class of app to simulate
    #[arg(long, value_name = "CLASS", default_value = "extended")]
    pub mode: AppModeArg,
    /// The folder of the demo project
    #[arg(long, value_name = "DIR", default_value = "output/demo")]
    pub dir: PathBuf,
}

/// `plan`
#[derive(Debug, Args)]
pub struct PlanArgs {
    /// Jobs to price [default: all]
    #[arg(value_name = "JOB", add = super::candidates::jobs())]
    pub jobs: Vec<String>,
    /// Send as many calls as exact prices need
    #[arg(long, conflicts_with = "offline")]
    pub probe: bool,
    /// Send no calls to Spotify
    #[arg(long)]
    pub offline: bool,
}

/// `quota`
#[derive(Debug, Args)]
pub struct QuotaArgs {
    /// Forget what the app may call, so that the next runs find out again
    #[arg(long)]
    pub relearn: bool,
}

/// `diff`
#[derive(Debug, Args)]
pub struct DiffArgs {
    /// The job to show list changes of
    #[arg(value_name = "JOB", add = super::candidates::jobs())]
    pub job: String,
    /// Start of the period: a date, an ISO 8601 time or an age such as 7d [default: the end of the job's previous run that read anything]
    #[arg(long, value_name = "DATE")]
    pub since: Option<String>,
}

/// `show`
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// The id, URI, link or name of the playlist
    #[arg(value_name = "PLAYLIST", add = super::candidates::playlists())]
    pub playlist: String,
    /// Show the playlist at this time: a date, an ISO 8601 time or an age such as 7d
    #[arg(long, value_name = "TIME")]
    pub at: Option<String>,
}

/// `find`
#[derive(Debug, Args)]
pub struct FindArgs {
    /// Words of the title, the artists or the album; or an id, URI, link, ISRC or UPC
    #[arg(value_name = "TEXT", required = true, num_args = 1..)]
    pub text: Vec<String>,
}

/// `skipped`
#[derive(Debug, Args)]
pub struct SkippedArgs {
    /// The job to list entries of [default: all]
    #[arg(value_name = "JOB", add = super::candidates::jobs())]
    pub job: Option<String>,
    /// List the entries of this run only
    #[arg(long, value_name = "N")]
    pub run: Option<i64>,
}

/// `import`
#[derive(Debug, Args)]
pub struct ImportFilesArgs {
    #[command(subcommand)]
    pub command: ImportCommand,
}

#[derive(Debug, Subcommand)]
pub enum ImportCommand {
    /// Add the plays of a privacy export to those that the API sent, without duplicates and without a call
    #[command(after_help = IMPORT_EXAMPLES)]
    History(ImportHistoryArgs),
}

/// `import history`
#[derive(Debug, Args)]
pub struct ImportHistoryArgs {
    /// JSON files of the "Extended streaming history" or of the one-year form, or folders that contain them, also in subfolders
    #[arg(value_name = "FILE", required = true)]
    pub files: Vec<PathBuf>,
    /// The local name of the user [default: the only user of the store]
    #[arg(long, value_name = "USER", add = super::candidates::users())]
    pub user: Option<String>,
}

const IMPORT_EXAMPLES: &str = "Examples:
  cratedigger import history 'my_spotify_data/Spotify Extended Streaming History'
  cratedigger import history --user home StreamingHistory_music_*.json";

/// `sql`
#[derive(Debug, Args)]
#[command(override_usage = "cratedigger sql [OPTIONS] [JOB] <SELECT>", after_help = SQL_EXAMPLES)]
pub struct SqlArgs {
    /// The SELECT (`-` reads it from stdin), after the job whose fetches are views and whose :since, :last_run_at,
    /// :last_file_at, :fire_at, :job and :user_id are bound
    // Clap takes no option between an optional argument and a required one.
    #[arg(value_name = "SELECT", required = true, num_args = 1..)]
    pub words: Vec<String>,
    /// Print CSV in the style of the job's files
    #[arg(long, conflicts_with = "json")]
    pub csv: bool,
    /// The user that :user_id stands for [default: the job's only user]
    #[arg(long, value_name = "USER", add = super::candidates::users())]
    pub user: Option<String>,
}

const SQL_EXAMPLES: &str = "Examples:
  cratedigger sql \"SELECT name, followers FROM artists ORDER BY followers DESC LIMIT 10\"
  cratedigger sql release-watch 'SELECT * FROM releases WHERE release_date >= date(:since)'
  cratedigger sql --csv 'SELECT * FROM csv_playlist_items' > items.csv";

/// `verify`
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// Rewrite missing or changed CSV files from the store
    #[arg(long)]
    pub rewrite_csv: bool,
}

/// `backup`
#[derive(Debug, Args)]
pub struct BackupArgs {
    /// Path of the copy, which must not exist yet
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Write a .tar.gz with the store, the state folder, the settings and the jobs
    #[arg(long)]
    pub all: bool,
    /// Also add .env and the key of the state folder, which together open every sign-in
    #[arg(long = "with-keys", requires = "all")]
    pub with_secrets: bool,
}

/// `restore`
#[derive(Debug, Args)]
pub struct RestoreArgs {
    /// The archive that `backup --all` wrote
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Replace the project and the state folder that exist
    #[arg(long)]
    pub replace: bool,
    /// Let the settings in the archive place the store outside of the project folder
    #[arg(long)]
    pub store_outside: bool,
}

/// `reset`
#[derive(Debug, Args)]
pub struct ResetArgs {
    /// The job to reset
    #[arg(value_name = "JOB", add = super::candidates::jobs())]
    pub job: String,
    /// The fetch to reset [default: all fetches of the job]
    #[arg(value_name = "FETCH")]
    pub fetch: Option<String>,
}

/// `doctor`
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// Do not use the network
    #[arg(long)]
    pub offline: bool,
}
