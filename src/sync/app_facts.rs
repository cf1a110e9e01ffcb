//! The class of the app and the largest pages that work for it. Both are found out by trying once.

use crate::stream::Paging;
use spotify_client::client::{ApiCaller, ApiRequest, CallLimits, SpotifyClient, ceilings};
use spotify_client::error::ApiError;
use spotify_client::family::EndpointFamily;
use spotify_client::state::{AppClass, StateError};
use spotify_client::{Deferral, DeferralReason};

/// Fact: whether the old route of playlist items (`tracks`) still answers.
const PLAYLIST_ROUTE_FACT: &str = "route.playlist_tracks";
/// Fact: the day on which a sign of Development Mode last made us check whether the app still has Extended Quota.
const SECOND_CHECK_FACT: &str = "class.second_opinion";

/// The known facts about the app, and their effect on its pace.
#[derive(Debug, Clone)]
pub struct AppFacts {
    configured: Option<AppClass>,
    api: SpotifyClient,
    /// The limits that hold unless the app is known to have Extended Quota.
    cautious: CallLimits,
    /// The limits that hold while it is.
    extended: CallLimits,
}

impl AppFacts {
    /// `configured` is the setting `spotify.app_mode`, unless it is `auto`.
    pub fn new(
        configured: Option<AppClass>,
        api: SpotifyClient,
        cautious: CallLimits,
        extended: CallLimits,
    ) -> AppFacts {
        AppFacts { configured, api, cautious, extended }
    }

    /// Applies the limits of the class as it is known now. In a process that runs for weeks, the class may have
    /// been found out since, or so long ago that it is no longer trusted.
    ///
    /// # Errors
    /// If the state folder cannot be read.
    pub fn apply_class_limits(&self) -> Result<(), StateError> {
        let extended = self.class()? == Some(AppClass::Extended);
        self.api.set_limits(if extended { &self.extended } else { &self.cautious });
        Ok(())
    }

    /// The same facts for another run with its own API.
    #[must_use]
    pub fn with_api(&self, api: SpotifyClient) -> AppFacts {
        AppFacts { api, ..self.clone() }
    }

    /// Whether what stopped a fetch was a limit of a class that the app may not be of, and one call,
    /// taken from the reserve, has shown that it is not.
    ///
    /// # Errors
    /// If the state folder cannot be read or written.
    pub async fn may_continue(&self, who: &ApiCaller, stopped: &ApiError) -> Result<bool, ApiError> {
        let by_budget = matches!(
            stopped,
            ApiError::Deferred(Deferral { reason: DeferralReason::Budget | DeferralReason::JobShare, .. })
        );
        if !by_budget || self.class()?.is_some() || ceilings(&self.cautious) == ceilings(&self.extended) {
            return Ok(false);
        }
        match self.api.class_by_markets(who, true).await {
            Ok((class, evidence)) => {
                self.learn(class, &evidence)?;
                Ok(class == AppClass::Extended)
            }
            Err(e @ ApiError::State(_)) => Err(e),
            // Any other answer is no sign of Extended Quota.
            Err(e) => {
                tracing::debug!(error = %e, "the class of the app could not be found out");
                Ok(false)
            }
        }
    }

    /// The maximum number of calls in flight.
    ///
    /// # Errors
    /// If the state folder cannot be read.
    pub fn concurrency(&self) -> Result<usize, StateError> {
        Ok(if self.class()? == Some(AppClass::Extended) { self.extended.concurrency } else { 1 })
    }

    /// Finds out the class by one call, where no answer has shown it yet.
    ///
    /// # Errors
    /// If the call brings neither an answer nor a refusal.
    pub async fn probe(&self, who: &ApiCaller) -> Result<Option<AppClass>, ApiError> {
        if let Some(known) = self.class()? {
            return Ok(Some(known));
        }
        let (class, evidence) = self.api.class_by_markets(who, false).await?;
        self.learn(class, &evidence)?;
        Ok(self.class()?)
    }

    /// Records a sign of Development Mode. A single answer does not change the class of an app with Extended
    /// Quota, because its rate and all its limits depend on it: `/markets` is requested as well, once a day.
    ///
    /// # Errors
    /// If the state folder cannot be read or written.
    pub async fn learn_development(&self, who: &ApiCaller, evidence: &str) -> Result<(), ApiError> {
        if self.configured.is_some() || self.class()? != Some(AppClass::Extended) {
            return Ok(self.learn(AppClass::Development, evidence)?);
        }
        let today = self.api.now().wall.format("%Y-%m-%d").to_string();
        if self.cached_fact(SECOND_CHECK_FACT)?.as_deref() == Some(&*today) {
            return Ok(());
        }
        self.api.learned().set(SECOND_CHECK_FACT, &today, evidence, self.api.now())?;
        match self.api.class_by_markets(who, false).await {
            Ok((AppClass::Development, second)) => {
                Ok(self.learn(AppClass::Development, &format!("{evidence}; {second}"))?)
            }
            Ok((AppClass::Extended, _)) => Ok(()),
            Err(e @ ApiError::State(_)) => Err(e),
            Err(e) => {
                tracing::debug!(error = %e, evidence, "no second opinion on the class of the app");
                Ok(())
            }
        }
    }

    /// The class, if it is configured or was learned.
    ///
    /// # Errors
    /// If the state folder cannot be read.
    pub fn class(&self) -> Result<Option<AppClass>, StateError> {
        match self.configured {
            Some(class) => Ok(Some(class)),
            None => self.api.learned().cached_class(self.api.now().wall),
        }
    }

    /// Records the class that an answer showed, unless the setting says otherwise.
    ///
    /// # Errors
    /// If the state folder cannot be written.
    pub fn learn(&self, class: AppClass, evidence: &str) -> Result<(), StateError> {
        if self.configured.is_none() && self.class()? != Some(class) {
            tracing::info!(class = class.as_str(), evidence, "this app's class was found out");
            self.api.learned().learn_class(class, evidence, self.api.now())?;
            self.apply_class_limits()?;
        }
        Ok(())
    }

    /// The largest page to request: the one that was found to work, or the largest of the class, or the largest
    /// of all (a 400 then shows the right one).
    ///
    /// # Errors
    /// If the state folder cannot be read.
    pub fn page_size(&self, family: EndpointFamily, path: &str, paging: Paging) -> Result<u16, StateError> {
        if let Some(known) = self.cached_fact(&page_key(family, path))?.and_then(|n| n.parse().ok()) {
            return Ok(known);
        }
        Ok(match (paging, self.class()?) {
            // The old route serves pages of 100 to the apps that still have it. The new route serves pages of 50.
            (Paging::Offset { development, .. }, _)
                if family == EndpointFamily::PLAYLIST_ITEMS && path.ends_with("/items") =>
            {
                development
            }
            (Paging::Offset { development, .. }, Some(AppClass::Development))
                if family != EndpointFamily::PLAYLIST_ITEMS =>
            {
                development
            }
            (Paging::Offset { extended, .. }, _) => extended,
            (Paging::Cursor { limit }, _) => limit,
            (Paging::ById { .. } | Paging::Whole, _) => 50,
        })
    }

    /// The path to use for this one. The old route of a playlist's items may be gone.
    ///
    /// # Errors
    /// If the state folder cannot be read.
    pub fn current_path(&self, path: &str) -> Result<String, StateError> {
        let old = path.strip_prefix("/playlists/").and_then(|rest| rest.strip_suffix("/tracks"));
        Ok(match old {
            Some(id) if self.cached_fact(PLAYLIST_ROUTE_FACT)?.as_deref() == Some("refused") => {
                format!("/playlists/{id}/items")
            }
            _ => path.to_owned(),
        })
    }

    /// Records that the old route refused a playlist's items and the new one answered.
    ///
    /// # Errors
    /// If the state folder cannot be written.
    pub fn record_moved_route(&self, old: &str, new: &str) -> Result<(), StateError> {
        let evidence = format!("{old} was refused and {new} was answered");
        self.api.learned().set(PLAYLIST_ROUTE_FACT, "refused", &evidence, self.api.now())
    }

    /// Whether batch reads of a family may be tried.
    ///
    /// # Errors
    /// If the state folder cannot be read.
    pub fn may_read_in_batches(&self, family: EndpointFamily) -> Result<bool, StateError> {
        Ok(self.cached_fact(&batch_key(family))?.as_deref() != Some("refused"))
    }

    /// Whether batch reads of a family were answered before.
    ///
    /// # Errors
    /// If the state folder cannot be read.
    pub fn has_batch_reads(&self, family: EndpointFamily) -> Result<bool, StateError> {
        Ok(self.cached_fact(&batch_key(family))?.as_deref() == Some("answered"))
    }

    /// Records that a batch read of a family was answered.
    ///
    /// # Errors
    /// If the state folder cannot be read or written.
    pub fn record_batch_answer(&self, family: EndpointFamily) -> Result<(), StateError> {
        if self.has_batch_reads(family)? {
            return Ok(());
        }
        self.api.learned().set(&batch_key(family), "answered", "a batch read was answered", self.api.now())
    }

    fn cached_fact(&self, key: &str) -> Result<Option<String>, StateError> {
        self.api.learned().cached(key, self.api.now().wall)
    }

    /// Records that batch reads of a family are refused.
    ///
    /// # Errors
    /// If the state folder cannot be written.
    pub fn record_batch_refusal(&self, family: EndpointFamily, evidence: &str) -> Result<(), StateError> {
        self.api.learned().set(&batch_key(family), "refused", evidence, self.api.now())
    }

    /// Remembers that a smaller page was answered where a larger one was refused. Where only Development
    /// Mode has the smaller page, that is a sign of it.
    ///
    /// # Errors
    /// If the state folder cannot be read or written.
    pub async fn record_smaller_page(
        &self,
        who: &ApiCaller,
        (family, path): (EndpointFamily, &str),
        page: &SmallerPage,
    ) -> Result<(), ApiError> {
        let SmallerPage { size, evidence } = page;
        self.api.learned().set(&page_key(family, path), &size.to_string(), evidence, self.api.now())?;
        if family != EndpointFamily::PLAYLIST_ITEMS {
            self.learn_development(who, &format!("{family}: {evidence}")).await?;
        }
        Ok(())
    }
}

/// A page to try where a larger one was answered with 400. Only the answer to this one shows whether that was
/// because of its size: a wrong market is a 400 too.
#[derive(Debug)]
pub struct SmallerPage {
    pub size: u16,
    evidence: String,
}

impl SmallerPage {
    /// The page of Development Mode instead of one of `refused`, unless the message names another parameter of
    /// the request.
    pub fn from_refusal(paging: Paging, request: &ApiRequest, refused: u16, words: &str) -> Option<SmallerPage> {
        let Paging::Offset { development, .. } = paging else { return None };
        let said = words.to_ascii_lowercase();
        let names_another = || request.query.iter().any(|(key, _)| *key != "limit" && contains_word(&said, key));
        if refused <= development || (!contains_word(&said, "limit") && names_another()) {
            return None;
        }
        Some(SmallerPage { size: development, evidence: format!("a page of {refused} was refused: {words}") })
    }
}

/// Whether a text contains a word. `request` does not contain the word `q`.
fn contains_word(text: &str, word: &str) -> bool {
    text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_').any(|it| it == word)
}

/// The key of the fact. The two routes of a playlist's items serve pages of different sizes.
fn page_key(family: EndpointFamily, path: &str) -> String {
    match path.rsplit('/').next().filter(|_| family == EndpointFamily::PLAYLIST_ITEMS) {
        Some(name) => format!("page.{family}.{name}"),
        None => format!("page.{family}"),
    }
}

fn batch_key(family: EndpointFamily) -> String {
    format!("batch.{family}")
}
