//! What every command gets: the project, the global flags, and how to write to the terminal.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Once};

use secrecy::SecretString;

use super::args::{GlobalArgs, LogFormat};
use super::command_error::CommandError;
use super::exit::ExitStatus;
use super::sign_in_commands::complete_sign_ins;
use super::{print, state_color};
use crate::job;
use crate::settings::credentials::{self, Credentials};
use crate::settings::{self, OpenSecretFile, Project, SettingFlags, Settings};
use crate::target;
use spotify_client::http::clock::{Clock, SystemClock};
use spotify_client::state::{StateDir, StateError};

#[derive(Debug, Clone)]
pub struct CommandContext {
    pub project: Project,
    /// Flags that override settings.
    pub flags: SettingFlags,
    /// Whether to print the result as JSON.
    pub json: bool,
    /// Whether to print only warnings and errors.
    pub quiet: bool,
    pub log_format: LogFormat,
    pub colour: bool,
    /// Where environment variables come from.
    pub environment: VariableSource,
    /// The time of runs. That of a demo plays in the past.
    pub clock: Arc<dyn Clock>,
}

/// Where variables come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VariableSource {
    /// The environment of the process.
    Process,
    /// No variables: real settings must not affect a demo.
    Empty,
}

impl CommandContext {
    pub fn new(global: &GlobalArgs) -> CommandContext {
        CommandContext {
            project: Project::at(&global.project),
            flags: SettingFlags { state_dir: global.state_dir.clone(), shard: global.shard },
            json: global.json,
            quiet: global.quiet,
            log_format: global.log_format,
            colour: state_color::is_wanted(&std::io::stderr()),
            environment: VariableSource::Process,
            clock: Arc::new(SystemClock::new()),
        }
    }

    /// Reports an error on stderr, in the format of the log.
    pub fn report(&self, failure: &CommandError) {
        match self.log_format {
            LogFormat::Text => print::stderr_colored(&complete_sign_ins(self, &failure.report(self.colour))),
            LogFormat::Json => failure.log(None),
        }
    }

    /// Prints a warning, which may concern a job.
    pub fn warn(&self, job: Option<&str>, text: &str) {
        match self.log_format {
            LogFormat::Text => print::stderr(&format!("warning: {text}\n")),
            LogFormat::Json => tracing::warn!(job, "{text}"),
        }
    }

    /// Prints a line on stderr.
    pub fn notice(&self, text: &str) {
        match self.log_format {
            LogFormat::Text => print::stderr(&format!("{text}\n")),
            LogFormat::Json => tracing::info!("{text}"),
        }
    }

    /// Loads the settings of the project.
    ///
    /// # Errors
    ///
    /// All problems of the settings file and the environment (exit 2).
    pub fn settings(&self) -> Result<Settings, CommandError> {
        let settings = match self.environment {
            VariableSource::Process => Settings::load(&self.project, &self.flags),
            VariableSource::Empty => Settings::load_with(&self.project, &self.flags, std::iter::empty()),
        };
        settings.map_err(CommandError::Problems)
    }

    /// Checks that the project folder has anything of a project.
    ///
    /// # Errors
    ///
    /// If it has neither settings nor jobs (exit 2).
    pub fn require_project(&self) -> Result<(), CommandError> {
        let is_absent = |path: &Path| path.try_exists().is_ok_and(|exists| !exists);
        if !is_absent(&self.project.config_file) || !is_absent(&self.project.jobs_dir) {
            return Ok(());
        }
        let root = &self.project.root;
        let root = root.canonicalize().or_else(|_| std::path::absolute(root)).unwrap_or_else(|_| root.clone());
        let error = anyhow::anyhow!("there is no project in {}: it has no folder `jobs`", root.display());
        Err(CommandError::new(ExitStatus::Usage, error)
            .with_hint("name the folder of the project with --project, or create one with `cratedigger init`"))
    }

    /// The settings that are valid on their own, to report that the others are not.
    pub fn valid_settings(&self) -> Settings {
        Settings::load_valid_parts(&self.project, &self.flags)
    }

    /// Loads the settings for a command that sends messages.
    ///
    /// # Errors
    ///
    /// As [`CommandContext::settings`], and if an address for messages cannot be read: exit 77 if the credentials of the app cannot
    /// be read either, and otherwise 2.
    pub fn settings_with_hooks(&self) -> Result<Settings, CommandError> {
        let settings = self.settings()?;
        if settings.hook_problems.is_empty() {
            return Ok(settings);
        }
        // A credentials folder that cannot be read lacks the credentials of the app as well, which matter more.
        self.credentials()?;
        Err(CommandError::Problems(settings.hook_problems))
    }

    /// The state folder, from a flag, a setting or the environment.
    ///
    /// # Errors
    ///
    /// If none of them names a folder.
    pub fn state_dir(&self, settings: &Settings) -> Result<StateDir, StateError> {
        let home = std::env::var_os("HOME").map(PathBuf::from);
        let setting = settings.state.dir.as_ref().map(|dir| match (dir.strip_prefix("~"), home) {
            // As a shell expands it.
            (Ok(rest), Some(home)) => home.join(rest),
            _ => self.project.root.join(dir),
        });
        StateDir::resolve(self.flags.state_dir.as_deref(), setting.as_deref(), |name| std::env::var_os(name))
    }

    ///
    /// # Errors
    ///
    /// The variable that is missing or invalid, and what to do (exit 77).
    pub fn credentials(&self) -> Result<Credentials, CommandError> {
        let found = match self.environment {
            VariableSource::Process => credentials::find(&self.project),
            VariableSource::Empty => credentials::find_with(&self.project, |_| None),
        };
        found.map_err(|e| {
            let hint = e.hint();
            CommandError::new(ExitStatus::UserAction, e).with_hint(hint)
        })
    }

    /// The files with secrets that other users can read or change.
    pub fn open_secret_files(&self, settings: &Settings) -> Vec<OpenSecretFile> {
        let (project, notify) = (&self.project, &settings.notify);
        match self.environment {
            VariableSource::Process => settings::open_secret_files(project, notify, |name| std::env::var(name).ok()),
            VariableSource::Empty => settings::open_secret_files(project, notify, |_| None),
        }
    }

    /// The paths of all files and folders with secrets that variables and settings name.
    pub fn secret_files(&self, settings: &Settings) -> Vec<PathBuf> {
        let (project, notify) = (&self.project, &settings.notify);
        match self.environment {
            VariableSource::Process => settings::secret_files(project, notify, |name| std::env::var(name).ok()),
            VariableSource::Empty => settings::secret_files(project, notify, |_| None),
        }
    }

    /// Warns about the secrets that other users can read, and about what strangers can change, once in a process.
    pub fn warn_of_open_secrets(&self, settings: &Settings) {
        static WARNED: Once = Once::new();
        WARNED.call_once(|| {
            for open in self.open_secret_files(settings) {
                self.warn(None, &format!("{}; run `{}`", open.problem(), open.command()));
            }
            let lakes = target::lake_folders(&self.project, self.flags.shard);
            for open in settings::open_folders(&self.project, settings, &lakes) {
                self.warn(None, &format!("{}; run `{}`", open.problem(), open.command()));
            }
        });
    }

    /// The client secret, which calls with the app's own token need.
    ///
    /// # Errors
    ///
    /// If there is no secret; the hint says where to put it (exit 77).
    pub fn require_secret<'a>(&self, credentials: &'a Credentials) -> Result<&'a SecretString, CommandError> {
        credentials.secret().map_err(|e| {
            let hint = e.hint();
            CommandError::new(ExitStatus::UserAction, e).with_hint(hint)
        })
    }

    /// `SPOTIFY_REFRESH_TOKEN`, for setups with a single user.
    pub fn refresh_token(&self) -> Option<SecretString> {
        let value = match self.environment {
            VariableSource::Process => std::env::var("SPOTIFY_REFRESH_TOKEN").ok(),
            VariableSource::Empty => None,
        };
        value.filter(|token| !token.trim().is_empty()).map(SecretString::from)
    }

    /// Loads the named jobs, or all jobs. The result includes the problems of broken jobs, since the other
    /// jobs can still run.
    pub fn jobs(&self, settings: &Settings, names: &[String]) -> job::LoadedJobs {
        job::load(&self.project, settings, names)
    }
}
