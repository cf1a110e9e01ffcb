//! The command line.
//!
//! Every flag and command of the contract is declared here; which of them stand in [`Command`] is
//! which of them are built.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Exports Spotify data on a schedule: job files in, one SQLite store and CSV files out.
#[derive(Debug, Parser)]
#[command(name = "cratedigger", version, max_term_width = 100, after_help = super::help::exit_codes())]
pub struct Cli {
    /// Flags of all commands.
    #[command(flatten)]
    pub global: GlobalArgs,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Flags that may stand before or after any command.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Global options")]
pub struct GlobalArgs {
    /// The project folder: config/, jobs/ and output/ lie in it
    #[arg(long, global = true, value_name = "DIR", default_value = ".")]
    pub project: PathBuf,
    /// The state folder, with grants, the call ledger and cool-downs
    #[arg(long, global = true, value_name = "DIR")]
    pub state_dir: Option<PathBuf>,
    /// Answer in JSON, on stdout
    #[arg(long, global = true)]
    pub json: bool,
    /// How progress and messages are written to stderr
    #[arg(long, global = true, value_name = "FORMAT", default_value = "text")]
    pub log_format: LogFormat,
    /// Say more (-vv: all that may be said)
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// Say only warnings and errors
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
}

/// How logs are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// A line an event, for people.
    #[default]
    Text,
    /// A JSON object an event, for machines.
    Json,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make a project folder: settings, example jobs, and what editors need
    Init(InitArgs),
    /// Check settings and job files, offline, and show when each job is due next
    Check(CheckArgs),
    /// List what can be fetched, or all about one stream
    Streams(StreamsArgs),
    /// Show what a run would cost now, and whether that is left today
    Plan(PlanArgs),
    /// Run jobs: those named, all, or those that are due
    Run(RunArgs),
    /// Stay in the foreground and run jobs when they are due
    Schedule(ScheduleArgs),
    /// Write the CSVs again from the store, offline
    Export(ExportArgs),
    /// Show each job: next and last run, age of its data
    Jobs(JobsArgs),
    /// Show past runs with their calls and rows
    History(HistoryArgs),
    /// Show in words what changed in a job's lists
    Diff(DiffArgs),
    /// Show a playlist as it stands, or as it was at any time seen
    Show(ShowArgs),
    /// Check the store and the CSVs against what was recorded, offline
    Verify(VerifyArgs),
    /// Copy the store, also while runs go on
    Backup(BackupArgs),
    /// Write the store anew, so that the room of deleted rows goes back to the disk
    Compact,
    /// Forget how far a job's interrupted reads have come
    Reset(ResetArgs),
    /// Show the calls used and left, cool-downs, and what the app may call
    Quota(QuotaArgs),
    /// Sign users in and out, and see for how long they are signed in
    Auth(super::auth::AuthArgs),
    /// One page of green and red: is everything in place?
    Doctor(DoctorArgs),
    /// Serve a made-up Spotify on this machine, to try jobs on
    Sandbox(SandboxArgs),
    /// Run the example jobs against a sandbox: no credentials, no network
    Demo(DemoArgs),
    /// Print the JSON Schema of job files or of the settings file
    Schema(SchemaArgs),
    /// Print a completion script for a shell
    Completions(CompletionsArgs),
    /// Print the manual page
    Man,
}

/// `init`
#[derive(Debug, Args)]
pub struct InitArgs {
    /// The folder; made if it doesn't exist [default: the project folder]
    pub dir: Option<PathBuf>,
    /// The class of the app: example jobs that it cannot run are left out
    #[arg(long, value_name = "CLASS")]
    pub app_mode: Option<AppMode>,
    /// Add systemd units with their installer, in systemd/, and keep the state in /var/lib/cratedigger
    #[arg(long)]
    pub systemd: bool,
}

/// A class of apps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum AppMode {
    /// Development Mode.
    Development,
    /// Extended Quota.
    Extended,
}

/// Whose refreshes rotate the grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum GrantRotation {
    /// Nobody's, as since the middle of 2026.
    Never,
    /// Those of users who signed in with PKCE.
    Pkce,
    /// Everybody's.
    Always,
}

/// `check`
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Jobs to check, by name [default: all]
    #[arg(value_name = "JOB")]
    pub jobs: Vec<String>,
}

/// `streams`
#[derive(Debug, Args)]
pub struct StreamsArgs {
    /// The stream to tell all about
    #[arg(value_name = "STREAM")]
    pub stream: Option<String>,
}

/// `schema`
#[derive(Debug, Args)]
pub struct SchemaArgs {
    /// Of which file
    #[arg(value_name = "FILE")]
    pub of: SchemaKind,
}

/// Which JSON Schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum SchemaKind {
    /// Of jobs/*.toml
    Job,
    /// Of config/cratedigger.toml
    Config,
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
    #[arg(value_name = "JOB")]
    pub jobs: Vec<String>,
    /// Run those that have a fire nobody served; silent if there is none
    #[arg(long)]
    pub due: bool,
    /// Read everything anew: no checkpoints, no change detection; with an empty store where one is gone
    #[arg(long)]
    pub full: bool,
    /// Spend at most so many calls
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub max_calls: Option<u64>,
    /// End with 0 instead of 75 when the run is deferred
    #[arg(long)]
    pub ok_if_deferred: bool,
    /// Do not ask before an expensive run
    #[arg(short, long)]
    pub yes: bool,
}

impl RunArgs {
    /// All jobs, with nothing special.
    pub fn all() -> RunArgs {
        RunArgs { jobs: Vec::new(), due: false, full: false, max_calls: None, ok_if_deferred: false, yes: true }
    }
}

/// `schedule`
#[derive(Debug, Args)]
pub struct ScheduleArgs {}

/// `export`
#[derive(Debug, Args)]
pub struct ExportArgs {
    /// Jobs whose CSVs are written again [default: all]
    #[arg(value_name = "JOB")]
    pub jobs: Vec<String>,
}

/// `jobs`
#[derive(Debug, Args)]
pub struct JobsArgs {
    /// Jobs to show [default: all]
    #[arg(value_name = "JOB")]
    pub jobs: Vec<String>,
}

/// `history`
#[derive(Debug, Args)]
pub struct HistoryArgs {
    /// The job whose runs are shown [default: all]
    #[arg(value_name = "JOB")]
    pub job: Option<String>,
    /// How many runs, newest first
    #[arg(short = 'n', long, value_name = "N", default_value_t = 20)]
    pub limit: u32,
}

/// `sandbox`
#[derive(Debug, Args)]
pub struct SandboxArgs {
    /// The class of app that it answers
    #[arg(long, value_name = "CLASS", default_value = "development")]
    pub mode: AppMode,
    /// Port on 127.0.0.1 where it listens; 0 takes a free one
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    pub port: u16,
    /// What its catalog grows from: the same seed, the same catalog
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// Distinct tracks of its catalog
    #[arg(long, value_name = "N", default_value_t = 2_000)]
    pub tracks: u32,
    /// Plain playlists, beside those with known ids
    #[arg(long, value_name = "N", default_value_t = 12)]
    pub playlists: u32,
    /// Items in each plain playlist
    #[arg(long, value_name = "N", default_value_t = 60)]
    pub playlist_items: u32,
    /// Calls that it answers to a client id in any 30 seconds; more are refused with 429
    #[arg(long, value_name = "N")]
    pub rate_limit: Option<u32>,
    /// Another window of the rate limit, in seconds, to see in short what takes long
    #[arg(long, value_name = "SECONDS", default_value_t = 30.0)]
    pub rate_window: f64,
    /// Calls that it answers in any 24 hours; more are refused with QUOTA_EXCEEDED
    #[arg(long, value_name = "N")]
    pub calls_per_day: Option<u32>,
    /// Another client id of the same developer account, with the same secret: it shares the calls of the day; may be given several times
    #[arg(long, value_name = "ID")]
    pub sister: Vec<String>,
    /// Whose refreshes rotate: they bring a new key to the grant, and the use of an old one ends the grant
    #[arg(long, value_name = "WHOSE", default_value = "never")]
    pub rotation: GrantRotation,
    /// Seconds for which access lasts before it has to be refreshed
    #[arg(long, value_name = "N", default_value_t = 3_600)]
    pub access_ttl: u64,
    /// A fault as JSON, such as {"path": "/v1/playlists/*", "action": {"do": "status", "code": 503}}; may be given several times
    #[arg(long, value_name = "JSON")]
    pub fault: Vec<String>,
}

/// `demo`
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// The class of app that is played
    #[arg(long, value_name = "CLASS", default_value = "extended")]
    pub mode: AppMode,
    /// The folder of its project
    #[arg(long, value_name = "DIR", default_value = "output/demo")]
    pub dir: PathBuf,
}

/// `plan`
#[derive(Debug, Args)]
pub struct PlanArgs {
    /// Jobs to price [default: all]
    #[arg(value_name = "JOB")]
    pub jobs: Vec<String>,
    /// Ask Spotify as often as exact prices need
    #[arg(long, conflicts_with = "offline")]
    pub probe: bool,
    /// Ask Spotify nothing
    #[arg(long)]
    pub offline: bool,
}

/// `quota`
#[derive(Debug, Args)]
pub struct QuotaArgs {
    /// Forget what the app may call, and learn it anew
    #[arg(long)]
    pub relearn: bool,
}

/// `diff`
#[derive(Debug, Args)]
pub struct DiffArgs {
    /// The job whose lists are told about
    #[arg(value_name = "JOB")]
    pub job: String,
    /// Since then: a date, a time in ISO 8601 or an age such as 7d [default: the start of its newest run that read anything]
    #[arg(long, value_name = "DATE")]
    pub since: Option<String>,
}

/// `show`
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// The playlist: id, URI, link or name
    #[arg(value_name = "PLAYLIST")]
    pub playlist: String,
    /// As it was then: a date, a time in ISO 8601 or an age such as 7d
    #[arg(long, value_name = "TIME")]
    pub at: Option<String>,
}

/// `verify`
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// Write CSVs that are missing or changed again, from the store
    #[arg(long)]
    pub rewrite_csv: bool,
}

/// `backup`
#[derive(Debug, Args)]
pub struct BackupArgs {
    /// The copy; must not exist
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
}

/// `reset`
#[derive(Debug, Args)]
pub struct ResetArgs {
    /// The job whose reads begin anew
    #[arg(value_name = "JOB")]
    pub job: String,
    /// One fetch of it [default: all]
    #[arg(value_name = "FETCH")]
    pub fetch: Option<String>,
}

/// `doctor`
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// Ask nobody on the network
    #[arg(long)]
    pub offline: bool,
}
