//! What commands that fetch or show need opened: state folder, store, and the API with its limits.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use chrono::{DateTime, Utc};
use url::Url;

use super::preflight::require_local_disk;
use super::{CommandContext, CommandError, ExitStatus, OrExit};
use crate::export::ExportTarget;
use crate::export::JobFiles;
use crate::settings::credentials::Credentials;
use crate::settings::{LimitsInForce as SettingsLimits, SettingOrigin, Settings};
use crate::store::{AccessTarget, FileAccess, Store, StoreError, StoreIdentity, canonical_path};
use crate::sync::AppFacts;
use spotify_client::AppClass;
use spotify_client::client::{ApiConfig, CallLimits, ClientTimings, SpotifyClient, ceilings};
use spotify_client::http::clock::{Clock, SystemClock};
use spotify_client::http::observer::CallObserver;
use spotify_client::state::grants::{GrantError, GrantStore};
use spotify_client::state::{CallCeilings, CallSpender, LearnedFacts, LedgerUsage, StateDb, StateDir, StateError};

/// Settings, and the state folder that goes with them.
pub(super) struct App<'a> {
    context: &'a CommandContext,
    pub settings: Settings,
    pub state: Arc<StateDb>,
}

impl<'a> App<'a> {
    /// Reads the settings and opens the state folder.
    pub(super) fn open(context: &'a CommandContext) -> Result<App<'a>, CommandError> {
        let settings = context.settings()?;
        let state = open_state(context, &settings)?;
        Ok(App { context, settings, state })
    }

    /// The same with a state folder elsewhere, for what must leave nothing behind.
    pub(super) fn open_in(context: &'a CommandContext, folder: &std::path::Path) -> Result<App<'a>, CommandError> {
        let dir = StateDir::resolve(Some(folder), None, |_| None).or_exit(ExitStatus::Storage)?;
        let state = StateDb::open(dir).map(Arc::new).map_err(ledger_error)?;
        Ok(App { context, settings: context.settings()?, state })
    }

    /// The store's file.
    pub(super) fn database_path(&self) -> PathBuf {
        self.context.project.database(&self.settings)
    }

    /// Who the store must belong to.
    pub(super) fn identity(&self) -> StoreIdentity {
        StoreIdentity {
            host: host_and_port(&self.settings.spotify.api_url),
            state_id: self.state.id().to_owned(),
            state_folder: self.state.dir().to_string(),
        }
    }

    /// Opens the store for writing, and makes it where none is known.
    pub(super) fn open_store(&self) -> Result<Arc<Store>, CommandError> {
        self.require_store_not_lost()?;
        self.open_or_create_store()
    }

    /// The same for who reads all anew: where a store is gone, another one is made.
    pub(super) fn open_or_create_store(&self) -> Result<Arc<Store>, CommandError> {
        let (path, output) = (self.database_path(), &self.settings.output);
        require_local_disk(&path)?;
        let is_new = is_absent(&path);
        let access = store_access(&self.settings)?;
        let store = Store::open_with_wal_limit(&path, access, &self.identity(), output.wal_limit_mib << 20);
        let store = Arc::new(store.map_err(storage_error)?);
        let place = canonical_path(&path);
        if is_new || self.state.store_known_since(&place).map_err(ledger_error)?.is_none() {
            self.state.remember_store(&place, Utc::now()).map_err(ledger_error)?;
        }
        Ok(store)
    }

    /// Refuses to take a store that was there for one that is still to be filled: what a whole day's calls
    /// brought may lie on a disk that is not mounted.
    ///
    /// # Errors
    /// That it is gone (exit 74).
    pub(super) fn require_store_not_lost(&self) -> Result<(), CommandError> {
        self.missed()?.map_or(Ok(()), |gone| Err(storage_error(gone)))
    }

    /// That the store was there and is not any more, if it is so.
    fn missed(&self) -> Result<Option<StoreError>, CommandError> {
        let path = self.database_path();
        if !is_absent(&path) {
            return Ok(None);
        }
        let since = self.state.store_known_since(&canonical_path(&path)).map_err(ledger_error)?;
        Ok(since.map(|since| StoreError::Missing { path, since: format_local(since) }))
    }

    /// Where the files of jobs go.
    pub(super) fn job_files(&self) -> Result<JobFiles, CommandError> {
        let output = &self.settings.output;
        let csv_dir = self.context.project.csv_dir(&self.settings);
        Ok(JobFiles {
            database: self.database_path(),
            access: store_access(&self.settings)?,
            target: ExportTarget { csv_dir, access: access(&self.settings, Some(&output.csv_dir))? },
            csv: self.settings.csv.clone(),
            publish_partial: output.publish_partial,
            dated_csv: self.settings.retention.dated_csv,
        })
    }

    /// The grants of the app's users.
    pub(super) fn open_grants(&self, who: &Credentials) -> Result<Arc<GrantStore>, CommandError> {
        open_grants_in(self.state.dir().clone(), &who.client_id).map(Arc::new)
    }

    /// Whose books the app's calls are in.
    pub(super) fn ledger_identity(&self, who: &Credentials) -> spotify_client::state::ClientIdentity {
        spotify_client::state::ClientIdentity::new(&who.client_id, &self.settings.account(&who.client_id))
    }

    /// The class of the app, as far as it is configured or was learned not too long ago.
    pub(super) fn app_class(&self, who: &Credentials) -> Result<Option<AppClass>, CommandError> {
        match self.settings.spotify.app_mode.class() {
            Some(class) => Ok(Some(class)),
            None => {
                let now = SystemClock::new().now().wall;
                LearnedFacts::new(&self.state, &self.ledger_identity(who)).cached_class(now).map_err(ledger_error)
            }
        }
    }

    /// How many calls a day holds, as the settings have it for the class of the app.
    pub(super) fn ceilings(&self, who: &Credentials) -> Result<CallCeilings, CommandError> {
        Ok(ceilings(&client_limits(&self.settings.limits_for(self.app_class(who)?), RunCallLimits::default())))
    }

    /// What the app has used of its day, and what holds it back.
    pub(super) fn usage(&self, who: &Credentials) -> Result<LedgerUsage, CommandError> {
        self.state
            .usage(&self.ledger_identity(who), self.ceilings(who)?, SystemClock::new().now())
            .or_exit(ExitStatus::Storage)
    }

    /// An API for one run, and what is known about the app behind it.
    pub(super) fn open_api(
        &self,
        who: &Credentials,
        most: RunCallLimits,
        observer: Arc<dyn CallObserver>,
    ) -> Result<(SpotifyClient, AppFacts), CommandError> {
        let configured = self.settings.spotify.app_mode.class();
        let account = self.settings.account(&who.client_id);
        let of = |class| client_limits(&self.settings.limits_for(class), most);
        let mut scales = ClientTimings::default();
        scales.transport.user_agent = concat!("cratedigger/", env!("CARGO_PKG_VERSION"));
        let config = ApiConfig {
            api_url: self.settings.spotify.api_url.clone(),
            accounts_url: self.settings.spotify.accounts_url.clone(),
            client_id: who.client_id.clone(),
            client_secret: who.client_secret.clone(),
            account,
            limits: of(self.app_class(who)?),
            timings: scales,
        };
        let api = SpotifyClient::new(config, Arc::clone(&self.state), observer).or_exit(ExitStatus::Usage)?;
        let facts = AppFacts::new(configured, api.clone(), of(configured), of(Some(AppClass::Extended)));
        Ok((api, facts))
    }
}

/// The grants of an app in a state folder.
pub(super) fn open_grants_in(dir: StateDir, client_id: &str) -> Result<GrantStore, CommandError> {
    GrantStore::open(dir, client_id, |name| std::env::var_os(name)).map_err(grant_error)
}

/// What is wrong with the grants, with its exit code.
pub(super) fn grant_error(e: GrantError) -> CommandError {
    let hint = e.hint();
    let failure =
        CommandError::new(if e.requires_user_action() { ExitStatus::UserAction } else { ExitStatus::Storage }, e);
    match hint {
        Some(hint) => failure.with_hint(hint),
        None => failure,
    }
}

/// Trouble with the store, with what to do about it (exit 74).
pub(super) fn storage_error(e: StoreError) -> CommandError {
    CommandError::new(ExitStatus::Storage, e)
}

/// Whether nothing is there. What cannot be looked at is told when it is opened.
fn is_absent(path: &Path) -> bool {
    path.try_exists().is_ok_and(|there| !there)
}

/// Trouble with reading a store, by the name of its file.
pub(super) fn unreadable_store(database: &Path) -> impl Fn(rusqlite::Error) -> CommandError {
    let path = database.to_path_buf();
    move |source| storage_error(StoreError::Sqlite { path: path.clone(), what: "cannot be read", source })
}

/// Refuses to go on where there is no store, yet or any more (exit 74).
pub(super) fn require_store(context: &CommandContext, settings: &Settings) -> Result<(), CommandError> {
    let database = context.project.database(settings);
    if database.exists() {
        return Ok(());
    }
    let what = format!("there is no store at {}", database.display());
    Err(match missed(context, settings) {
        Some(gone) => CommandError::new(ExitStatus::Storage, anyhow::Error::from(gone).context(what)),
        None => CommandError::new(ExitStatus::Storage, anyhow::anyhow!(what)).with_hint("`cratedigger run` fills one"),
    })
}

/// That the store was there and is not any more, as far as the state folder tells; where no such folder is,
/// no store was.
pub(super) fn missed(context: &CommandContext, settings: &Settings) -> Option<StoreError> {
    context.state_dir(settings).ok().filter(|dir| dir.path().exists())?;
    App::open(context).ok()?.missed().ok()?
}

/// Opens the state folder that the settings name.
pub(super) fn open_state(context: &CommandContext, settings: &Settings) -> Result<Arc<StateDb>, CommandError> {
    let dir = context.state_dir(settings).or_exit(ExitStatus::Storage)?;
    StateDb::open(dir).map(Arc::new).map_err(ledger_error)
}

/// Books that cannot be read or written: nothing is taken to be free then.
pub(super) fn ledger_error(error: StateError) -> CommandError {
    let hint = error.hint();
    let failure = CommandError::new(ExitStatus::Storage, error);
    match hint {
        Some(hint) => failure.with_hint(hint),
        None => failure,
    }
}

/// `host:port` of an address.
fn host_and_port(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// What one run may spend.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct RunCallLimits {
    /// Calls of the run.
    pub calls: Option<u64>,
    /// The job, and its share of the day.
    pub spender: Option<CallSpender>,
}

fn client_limits(said: &SettingsLimits, most: RunCallLimits) -> CallLimits {
    let ceiling = |calls: Option<u64>| calls.map(|calls| u32::try_from(calls).unwrap_or(u32::MAX));
    CallLimits {
        requests_per_second: said.requests_per_second,
        concurrency: usize::try_from(said.concurrency).unwrap_or(1),
        calls_per_day: ceiling(said.calls_per_day),
        calls_per_family: ceiling(said.calls_per_family),
        reserve: said.reserve,
        max_wait: said.max_wait,
        max_calls: most.calls,
        adaptive: said.adaptive,
        spender: most.spender,
    }
}

/// Who may read the store.
pub(super) fn store_access(settings: &Settings) -> Result<FileAccess, CommandError> {
    access(settings, settings.output.database.parent())
}

/// Who may read what is written. A folder within the project that the settings name is there for what is
/// written; any other is somebody else's.
fn access(settings: &Settings, folder: Option<&Path>) -> Result<FileAccess, CommandError> {
    let output = &settings.output;
    let is_for_it = folder.is_some_and(|folder| folder.is_relative() && folder != Path::new(""));
    let is_set = ["output.mode", "output.group"].iter().any(|key| settings.origin(key) != SettingOrigin::Default);
    let given_to = match (is_set, is_for_it) {
        (false, _) => AccessTarget::New,
        (true, false) => AccessTarget::Files,
        (true, true) => AccessTarget::Folders,
    };
    Ok(FileAccess {
        mode: output.mode,
        group: output.group.as_deref().map(group_id).transpose()?,
        applies_to: given_to,
    })
}

/// The number of a group, from `/etc/group`.
fn group_id(name: &str) -> Result<u32, CommandError> {
    if let Ok(id) = name.parse() {
        return Ok(id);
    }
    let groups = std::fs::read_to_string("/etc/group").or_exit(ExitStatus::Usage)?;
    let of = |line: &str| {
        let mut parts = line.split(':');
        (parts.next() == Some(name)).then(|| parts.nth(1).and_then(|id| id.parse().ok())).flatten()
    };
    groups.lines().find_map(of).ok_or_else(|| {
        CommandError::new(
            ExitStatus::Usage,
            anyhow::anyhow!("the setting output.group names {name:?}, which is no group here"),
        )
    })
}

/// A time for people: local date and time, and the zone's offset.
pub(super) fn format_local(at: DateTime<Utc>) -> String {
    at.with_timezone(&chrono::Local).format("%Y-%m-%d %H:%M:%S %:z").to_string()
}

/// A runtime on this thread; the store has its own.
pub(super) fn runtime() -> Result<tokio::runtime::Runtime, CommandError> {
    tokio::runtime::Builder::new_current_thread().enable_all().build().or_exit(ExitStatus::Failed)
}
