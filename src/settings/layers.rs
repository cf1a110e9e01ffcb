//! Combines the layers of settings.

use std::collections::BTreeMap;
use std::path::PathBuf;

use config::{Config, File, FileFormat};

use super::env::EnvVariable;
use super::hook_files::{hooks_set_twice, read_hook_files};
use super::keys::{SECTIONS, dotted};
use super::origin::SettingOrigin;
use super::project::Project;
use super::sections::Settings;
use super::shard::Shard;
use super::{env, file};
use crate::document::Diagnostic;

/// Command-line flags that override settings.
#[derive(Debug, Clone, Default)]
pub struct SettingFlags {
    /// `--state-dir`
    pub state_dir: Option<PathBuf>,
    /// `--shard`
    pub shard: Option<Shard>,
}

impl Settings {
    /// Loads the settings of a project from all four layers.
    ///
    /// # Errors
    ///
    /// Every problem of the file and of the environment.
    pub fn load(project: &Project, flags: &SettingFlags) -> Result<Settings, Vec<Diagnostic>> {
        let vars = std::env::vars_os()
            .map(|(name, value)| (name.to_string_lossy().into_owned(), value.to_str().map(str::to_owned)));
        Settings::load_with(project, flags, vars)
    }

    /// Like [`Settings::load`], with an environment from the caller.
    ///
    /// # Errors
    ///
    /// As [`Settings::load`].
    pub fn load_with(
        project: &Project,
        flags: &SettingFlags,
        vars: impl Iterator<Item = (String, Option<String>)>,
    ) -> Result<Settings, Vec<Diagnostic>> {
        let file = file::read(project);
        let vars: Vec<_> = vars.collect();
        let credentials =
            vars.iter().find(|(name, _)| name == "CREDENTIALS_DIRECTORY").and_then(|(_, dir)| dir.clone());
        let env = env::read(vars.into_iter());
        let mut problems = file.problems;
        problems.extend(env.problems);
        if !problems.is_empty() {
            return Err(problems);
        }
        let mut settings = combine(project, flags, &file.text, file.origins, env.variables)?;
        let problems = hooks_set_twice(&settings.notify);
        if !problems.is_empty() {
            return Err(problems);
        }
        settings.hook_problems = read_hook_files(&mut settings.notify, project, credentials.map(Into::into));
        Ok(settings)
    }

    /// The settings that are valid on their own, to report a problem of the others. All others have their defaults.
    pub fn load_valid_parts(project: &Project, flags: &SettingFlags) -> Settings {
        let file = file::read(project);
        let vars = std::env::vars_os()
            .map(|(name, value)| (name.to_string_lossy().into_owned(), value.to_str().map(str::to_owned)));
        let env = env::read(vars);
        let combined = combine(project, flags, &file.valid_parts, file.origins, env.variables);
        let mut settings = combined.unwrap_or_else(|_| Settings::built_in());
        let credentials = std::env::var_os("CREDENTIALS_DIRECTORY");
        settings.hook_problems = read_hook_files(&mut settings.notify, project, credentials);
        settings
    }

    /// Gives a shard a store and files of its own. It shares everything else with the other shards.
    fn divide(&mut self, shard: Shard) {
        self.shard = Some(shard);
        self.output.database = shard.place(&self.output.database);
        self.output.csv_dir = shard.place(&self.output.csv_dir);
        self.notify.prometheus_file = self.notify.prometheus_file.as_deref().map(|file| shard.place(file));
    }

    /// The built-in default settings.
    pub fn built_in() -> Settings {
        Config::builder()
            .add_source(File::from_str(&defaults(), FileFormat::Toml))
            .build()
            .and_then(Config::try_deserialize)
            .expect("the defaults in the table of settings are valid")
    }
}

/// Combines defaults, file, environment and flags.
fn combine(
    project: &Project,
    flags: &SettingFlags,
    file: &str,
    mut origins: SettingOrigins,
    variables: Vec<EnvVariable>,
) -> Result<Settings, Vec<Diagnostic>> {
    let mut layers = Config::builder()
        .add_source(File::from_str(&defaults(), FileFormat::Toml))
        .add_source(File::from_str(file, FileFormat::Toml));
    for variable in variables {
        origins.insert(variable.setting.clone(), SettingOrigin::Env(variable.name.clone()));
        layers = set(layers, &variable.setting, variable.value)
            .map_err(|e| vec![Diagnostic::for_file(&variable.name, e.to_string())])?;
    }
    if let Some(dir) = &flags.state_dir {
        origins.insert("state.dir".to_owned(), SettingOrigin::Flag("--state-dir"));
        let shown = dir.display().to_string();
        layers = set(layers, "state.dir", config::Value::from(shown))
            .map_err(|e| vec![Diagnostic::for_file("--state-dir", e.to_string())])?;
    }
    // Every layer was checked, so any error that is left is reported for the file.
    let fails =
        |e: config::ConfigError| vec![Diagnostic::for_file(&project.display_path(&project.config_file), e.to_string())];
    let mut settings: Settings = layers.build().and_then(Config::try_deserialize).map_err(fails)?;
    settings.origins = origins;
    if let Some(shard) = flags.shard {
        settings.divide(shard);
    }
    Ok(settings)
}

type ConfigLayers = config::ConfigBuilder<config::builder::DefaultState>;

fn set(layers: ConfigLayers, setting: &str, value: config::Value) -> Result<ConfigLayers, config::ConfigError> {
    layers.set_override(setting, value)
}

/// The built-in defaults as TOML, from the table of settings.
fn defaults() -> String {
    let mut out = String::new();
    for section in SECTIONS {
        out.push_str(&format!("[{}]\n", section.name));
        for key in section.keys.iter().filter(|k| !k.default.is_empty()) {
            // A default profile would count as a profile that the user chose.
            if dotted(section, key) != "csv.profile" {
                out.push_str(&format!("{} = {}\n", key.name, key.default));
            }
        }
    }
    out
}

/// The origin of each setting, by dotted name.
pub(super) type SettingOrigins = BTreeMap<String, SettingOrigin>;
