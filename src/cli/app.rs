//! What commands work with: settings, state folder, store, credentials, grants, and the Spotify client with
//! its limits. Each is opened when a command first needs it, and only once.

use std::cell::OnceCell;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use chrono::Utc;
use url::Url;

use super::error_exits::{grant_error, ledger_error, store_error};
use super::file_access::{csv_access, store_access};
use super::preflight::require_local_disk;
use super::store_file::{is_absent, require_store_not_lost};
use super::{CommandContext, CommandError, ExitStatus, OrExit};
use crate::document::printable;
use crate::export::ExportTarget;
use crate::export::JobFiles;
use crate::report::{LogoError, PageLogo};
use crate::settings::credentials::Credentials;
use crate::settings::{LimitsInForce, Settings};
use crate::store::{Store, StoreIdentity, StoreUpgrade, canonical_path};
use crate::sync::AppFacts;
use spotify_client::AppClass;
use spotify_client::client::{ApiConfig, CallLimits, ClientTimings, SpotifyClient, ceilings};
use spotify_client::http::observer::CallObserver;
use spotify_client::state::grants::GrantStore;
use spotify_client::state::{CallCeilings, CallSpender, ClientIdentity, LearnedFacts, LedgerUsage, StateDb, StateDir};

/// What a command has open.
pub(super) struct App<'a> {
    pub context: &'a CommandContext,
    pub settings: &'a Settings,
    pub state: Arc<StateDb>,
    credentials: OnceCell<Credentials>,
    store: OnceCell<Arc<Store>>,
    grants: OnceCell<Arc<GrantStore>>,
}

/// The calls that one run may send.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct RunCallLimits {
    /// The maximum number of calls of the run.
    pub calls: Option<u64>,
    /// The job, and its share of the day.
    pub spender: Option<CallSpender>,
    /// Whether the calls may use the reserve of the day.
    pub uses_reserve: bool,
}

impl<'a> App<'a> {
    /// Opens the state folder that the settings name.
    pub(super) fn open(context: &'a CommandContext, settings: &'a Settings) -> Result<App<'a>, CommandError> {
        Ok(App::with_state(context, settings, open_state(context, settings)?))
    }

    /// Opens another state folder, for checks that must leave nothing behind.
    pub(super) fn open_in(
        context: &'a CommandContext,
        settings: &'a Settings,
        folder: &Path,
    ) -> Result<App<'a>, CommandError> {
        let dir = StateDir::resolve(Some(folder), None, |_| None).or_exit(ExitStatus::Storage)?;
        let state = StateDb::open(dir).map(Arc::new).map_err(ledger_error)?;
        Ok(App::with_state(context, settings, state))
    }

    fn with_state(context: &'a CommandContext, settings: &'a Settings, state: Arc<StateDb>) -> App<'a> {
        let (credentials, store, grants) = (OnceCell::new(), OnceCell::new(), OnceCell::new());
        App { context, settings, state, credentials, store, grants }
    }

    /// The path of the store.
    pub(super) fn database_path(&self) -> PathBuf {
        self.context.project.database(self.settings)
    }

    /// What the store must match: the API and the state folder.
    pub(super) fn store_identity(&self) -> StoreIdentity {
        StoreIdentity {
            host: host_and_port(&self.settings.spotify.api_url),
            state_id: self.state.id().to_owned(),
            state_folder: self.state.dir().to_string(),
        }
    }

    /// The store, open for writing. It is created unless a store is known to have been lost.
    pub(super) fn store(&self) -> Result<&Arc<Store>, CommandError> {
        match self.store.get() {
            Some(store) => Ok(store),
            None => Ok(self.use_store(self.open_store()?)),
        }
    }

    /// Opens the store for a caller that closes it.
    pub(super) fn open_store(&self) -> Result<Arc<Store>, CommandError> {
        require_store_not_lost(&self.state, &self.database_path())?;
        self.open_or_create_store()
    }

    /// Opens the store. A lost store is replaced by a new one.
    pub(super) fn open_or_create_store(&self) -> Result<Arc<Store>, CommandError> {
        let (path, output) = (self.database_path(), &self.settings.output);
        require_local_disk(&path)?;
        let is_new = is_absent(&path);
        let upgrade = StoreUpgrade::of_store(&path).filter(|_| !is_new);
        let access = store_access(self.settings)?;
        let store = Store::open_with_wal_limit(&path, access, &self.store_identity(), output.wal_limit_mib << 20);
        let store = Arc::new(store.map_err(store_error)?);
        if let Some(upgrade) = upgrade {
            self.context.notice(&upgrade_text(&upgrade));
        }
        let place = canonical_path(&path);
        if is_new || self.state.known_stores().known_since(&place).map_err(ledger_error)?.is_none() {
            self.state.known_stores().remember(&place, Utc::now()).map_err(ledger_error)?;
        }
        Ok(store)
    }

    /// Uses a store that is already open, unless there is one.
    pub(super) fn use_store(&self, store: Arc<Store>) -> &Arc<Store> {
        self.store.get_or_init(|| store)
    }

    /// The marks of Spotify for pages, and why some of them cannot be shown.
    fn logo(&self) -> (PageLogo, Vec<LogoError>) {
        let report = &self.settings.report;
        PageLogo::read(&self.context.project.root, report.logo.as_deref(), report.logo_dark.as_deref())
    }

    /// Warns of files of logos that cannot be used. The pages then name Spotify in words.
    pub(super) fn warn_of_logos(&self) {
        self.logo_warnings().iter().for_each(|text| self.context.warn(None, text));
    }

    /// What [`App::warn_of_logos`] says.
    pub(super) fn logo_warnings(&self) -> Vec<String> {
        self.logo().1.iter().map(|error| format!("{error}; the pages are written without it")).collect()
    }

    /// Where the files of jobs are written.
    pub(super) fn job_files(&self) -> Result<JobFiles, CommandError> {
        let output = &self.settings.output;
        let csv_dir = self.context.project.csv_dir(self.settings);
        Ok(JobFiles {
            database: self.database_path(),
            access: store_access(self.settings)?,
            target: ExportTarget { csv_dir, access: csv_access(self.settings)? },
            csv: self.settings.csv.clone(),
            publish_partial: output.publish_partial,
            logo: self.logo().0,
            dated_csv: self.settings.retention.dated_csv,
        })
    }

    /// The credentials of the app.
    pub(super) fn credentials(&self) -> Result<&Credentials, CommandError> {
        if let Some(credentials) = self.credentials.get() {
            return Ok(credentials);
        }
        let found = self.context.credentials()?;
        Ok(self.credentials.get_or_init(|| found))
    }

    /// Uses these credentials instead of those of the project.
    pub(super) fn use_credentials(&self, credentials: Credentials) -> &Credentials {
        self.credentials.get_or_init(|| credentials)
    }

    /// The grants of the app's users.
    pub(super) fn grants(&self) -> Result<&Arc<GrantStore>, CommandError> {
        if let Some(grants) = self.grants.get() {
            return Ok(grants);
        }
        let opened = open_grants_in(self.state.dir().clone(), &self.credentials()?.client_id, self.settings)?;
        Ok(self.grants.get_or_init(|| Arc::new(opened)))
    }

    /// The identity of the app in the ledger.
    pub(super) fn ledger_identity(&self) -> Result<ClientIdentity, CommandError> {
        let client_id = &self.credentials()?.client_id;
        Ok(ClientIdentity::new(client_id, &self.settings.account(client_id)))
    }

    /// The class of the app, if it is configured or was learned recently.
    pub(super) fn app_class(&self) -> Result<Option<AppClass>, CommandError> {
        match self.settings.spotify.app_mode.class() {
            Some(class) => Ok(Some(class)),
            None => {
                let now = self.context.clock.now().wall;
                LearnedFacts::new(&self.state, &self.ledger_identity()?).cached_class(now).map_err(ledger_error)
            }
        }
    }

    /// The calls per second that the settings allow for the class of the app.
    pub(super) fn requests_per_second(&self) -> Result<f64, CommandError> {
        Ok(self.settings.limits_for(self.app_class()?).requests_per_second)
    }

    /// The calls per day that the settings allow for the class of the app.
    pub(super) fn call_ceilings(&self) -> Result<CallCeilings, CommandError> {
        let limits = self.settings.limits_for(self.app_class()?);
        Ok(ceilings(&client_limits(&limits, RunCallLimits::default())))
    }

    /// The calls that the app has used today, and its cool-downs.
    pub(super) fn usage(&self, ceilings: CallCeilings) -> Result<LedgerUsage, CommandError> {
        let now = self.context.clock.now();
        self.state.ledger().usage(&self.ledger_identity()?, ceilings, now).map_err(ledger_error)
    }

    /// A Spotify client with its limits, and the known facts about the app.
    pub(super) fn open_client(
        &self,
        run_limits: RunCallLimits,
        observer: Arc<dyn CallObserver>,
    ) -> Result<(SpotifyClient, AppFacts), CommandError> {
        let credentials = self.credentials()?;
        self.context.warn_of_open_secrets(self.settings);
        let configured = self.settings.spotify.app_mode.class();
        let limits_for = |class| client_limits(&self.settings.limits_for(class), run_limits);
        let mut timings = ClientTimings::default();
        timings.transport.user_agent = concat!("cratedigger/", env!("CARGO_PKG_VERSION"));
        timings.retry.first_pause = Duration::from_secs_f64(self.settings.limits.retry_pause);
        let config = ApiConfig {
            api_url: self.settings.spotify.api_url.clone(),
            accounts_url: self.settings.spotify.accounts_url.clone(),
            client_id: credentials.client_id.clone(),
            client_secret: credentials.client_secret.clone(),
            account: self.settings.account(&credentials.client_id),
            limits: limits_for(self.app_class()?),
            timings,
        };
        let clock = Arc::clone(&self.context.clock);
        let client =
            SpotifyClient::with_clock(config, Arc::clone(&self.state), observer, clock).or_exit(ExitStatus::Usage)?;
        let facts =
            AppFacts::new(configured, client.clone(), limits_for(configured), limits_for(Some(AppClass::Extended)));
        Ok((client, facts))
    }

    /// Closes the store after all runs have ended.
    pub(super) fn close(self) {
        if let Some(Ok(store)) = self.store.into_inner().map(Arc::try_unwrap) {
            store.close();
        }
    }
}

/// Opens the state folder that the settings name.
pub(super) fn open_state(context: &CommandContext, settings: &Settings) -> Result<Arc<StateDb>, CommandError> {
    let dir = context.state_dir(settings).or_exit(ExitStatus::Storage)?;
    StateDb::open(dir).map(Arc::new).map_err(ledger_error)
}

/// Opens the grants of an app in a state folder.
pub(super) fn open_grants_in(dir: StateDir, client_id: &str, settings: &Settings) -> Result<GrantStore, CommandError> {
    let grants = GrantStore::open(dir, client_id, |name| std::env::var_os(name)).map_err(grant_error)?;
    Ok(grants.for_servers(&settings.spotify.accounts_url, &settings.spotify.api_url))
}

/// `host:port` of an address.
fn host_and_port(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

fn client_limits(settings: &LimitsInForce, run: RunCallLimits) -> CallLimits {
    let ceiling = |calls: Option<u64>| calls.map(|calls| u32::try_from(calls).unwrap_or(u32::MAX));
    CallLimits {
        requests_per_second: settings.requests_per_second,
        concurrency: usize::try_from(settings.concurrency).unwrap_or(1),
        calls_per_day: ceiling(settings.calls_per_day),
        calls_per_family: ceiling(settings.calls_per_family),
        reserve: if run.uses_reserve { 0.0 } else { settings.reserve },
        max_wait: settings.max_wait,
        max_calls: run.calls,
        adaptive: settings.adaptive,
        spender: run.spender,
    }
}

/// What the first command says that opens the store of an earlier version.
fn upgrade_text(upgrade: &StoreUpgrade) -> String {
    let StoreUpgrade { from, to, backup, notes } = upgrade;
    let mut text = format!(
        "the store was upgraded from schema {from} to {to}; all rows are kept, and the copy from before is {}",
        printable(&backup.display().to_string())
    );
    for (schema, note) in notes {
        text.push_str(&format!("\n  schema {schema}  {note}"));
    }
    text.push_str(
        "\nearlier versions of this program refuse the store from now on; docs/operations.md says how to go back",
    );
    text
}
