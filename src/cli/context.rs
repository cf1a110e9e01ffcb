//! What every command is given: the project, the flags that stand before or after any command, and
//! how to talk to the terminal.

use std::io::IsTerminal;
use std::path::PathBuf;

use secrecy::SecretString;

use super::args::{GlobalArgs, LogFormat};
use super::command_error::CommandError;
use super::exit::ExitStatus;
use super::print;
use crate::job;
use crate::settings::credentials::{self, Credentials};
use crate::settings::{Project, SettingFlags, Settings};
use spotify_client::state::{StateDir, StateError};

/// What every command is given.
#[derive(Debug)]
pub struct CommandContext {
    /// The project folder.
    pub project: Project,
    /// Flags that go over settings.
    pub flags: SettingFlags,
    /// Answer in JSON.
    pub json: bool,
    /// Say only what needs attention.
    pub quiet: bool,
    /// How logs are written.
    pub log_format: LogFormat,
    /// Whether stderr may be coloured.
    pub colour: bool,
    /// Where variables come from.
    pub environment: VariableSource,
}

/// Where variables come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum VariableSource {
    /// The process.
    Process,
    /// Nowhere: a demo must not be bent by what is set for the real thing.
    Empty,
}

impl CommandContext {
    /// The context of a command line.
    pub fn new(global: &GlobalArgs) -> CommandContext {
        let no_colour = std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty());
        CommandContext {
            project: Project::at(&global.project),
            flags: SettingFlags { state_dir: global.state_dir.clone() },
            json: global.json,
            quiet: global.quiet,
            log_format: global.log_format,
            colour: !no_colour && std::io::stderr().is_terminal(),
            environment: VariableSource::Process,
        }
    }

    /// Tells why something could not be done, in the form that logs have.
    pub fn report(&self, failure: &CommandError) {
        match self.log_format {
            LogFormat::Text => print::stderr(&failure.report(self.colour)),
            LogFormat::Json => failure.log(None),
        }
    }

    /// Warns of one thing, which may be about a job.
    pub fn warn(&self, job: Option<&str>, text: &str) {
        match self.log_format {
            LogFormat::Text => print::stderr(&format!("warning: {text}\n")),
            LogFormat::Json => tracing::warn!(job, "{text}"),
        }
    }

    /// Says one thing.
    pub fn notice(&self, text: &str) {
        match self.log_format {
            LogFormat::Text => print::stderr(&format!("{text}\n")),
            LogFormat::Json => tracing::warn!("{text}"),
        }
    }

    /// The settings of the project.
    ///
    /// # Errors
    ///
    /// Every problem of the settings file and the environment (exit 2).
    pub fn settings(&self) -> Result<Settings, CommandError> {
        let settings = match self.environment {
            VariableSource::Process => Settings::load(&self.project, &self.flags),
            VariableSource::Empty => Settings::load_with(&self.project, &self.flags, std::iter::empty()),
        };
        settings.map_err(CommandError::Problems)
    }

    /// The state folder: by flag, setting or environment.
    ///
    /// # Errors
    ///
    /// If none of them names one.
    pub fn state_dir(&self, settings: &Settings) -> Result<StateDir, StateError> {
        let home = std::env::var_os("HOME").map(PathBuf::from);
        let setting = settings.state.dir.as_ref().map(|dir| match (dir.strip_prefix("~"), home) {
            // As in a shell.
            (Ok(rest), Some(home)) => home.join(rest),
            _ => self.project.root.join(dir),
        });
        StateDir::resolve(self.flags.state_dir.as_deref(), setting.as_deref(), |name| std::env::var_os(name))
    }

    /// The app's credentials.
    ///
    /// # Errors
    ///
    /// Which variable is missing or unfit, and what to do (exit 77).
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

    /// The client secret, where the app itself asks.
    ///
    /// # Errors
    ///
    /// That there is none, and where it may stand (exit 77).
    pub fn require_secret<'a>(&self, credentials: &'a Credentials) -> Result<&'a SecretString, CommandError> {
        credentials.secret().map_err(|e| {
            let hint = e.hint();
            CommandError::new(ExitStatus::UserAction, e).with_hint(hint)
        })
    }

    /// `SPOTIFY_REFRESH_TOKEN`, for set-ups with one user.
    pub fn refresh_token(&self) -> Option<SecretString> {
        let value = match self.environment {
            VariableSource::Process => std::env::var("SPOTIFY_REFRESH_TOKEN").ok(),
            VariableSource::Empty => None,
        };
        value.filter(|token| !token.trim().is_empty()).map(SecretString::from)
    }

    /// The jobs of the project: those named, or all. What is wrong with some is in it, since the
    /// others may still run.
    pub fn jobs(&self, settings: &Settings, names: &[String]) -> job::LoadedJobs {
        job::load(&self.project, settings, names)
    }
}
