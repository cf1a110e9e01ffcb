//! Which class of app this is, and the largest pages that work for it: found out by trying, once.

use crate::spotify::client::{Api, Bearer, Limits, Request, ceilings};
use crate::spotify::error::{ApiError, Deferral};
use crate::spotify::family::Family;
use crate::spotify::refusal::Refusal;
use crate::state::{AppClass, StateError};
use crate::stream::Paging;

/// Whether playlist items are still to be had as `tracks`.
const OLD_NAME: &str = "route.playlist_tracks";

/// What is known about the app, and what follows for its pace.
#[derive(Debug, Clone)]
pub struct AppFacts {
    configured: Option<AppClass>,
    api: Api,
    /// The limits that hold until the class is found out.
    present: Limits,
    /// The limits to go by once the app is found to have Extended Quota.
    extended: Limits,
}

impl AppFacts {
    /// `configured` is the setting `spotify.app_mode`, unless it is `auto`.
    pub fn new(configured: Option<AppClass>, api: Api, present: Limits, extended: Limits) -> AppFacts {
        AppFacts { configured, api, present, extended }
    }

    /// Whether what stopped a fetch was a limit of a class that the app may not be of, and one call,
    /// taken from the reserve, has shown that it is not.
    ///
    /// # Errors
    /// If the state folder cannot be read or written.
    pub async fn may_go_on(&self, who: &Bearer, stopped: &ApiError) -> Result<bool, ApiError> {
        let by_budget = matches!(stopped, ApiError::Deferred { why: Deferral::Budget(_) | Deferral::Share(_), .. });
        if !by_budget || self.class()?.is_some() || ceilings(&self.present) == ceilings(&self.extended) {
            return Ok(false);
        }
        let open = Limits { calls_per_day: None, calls_per_family: None, ..self.present.clone() };
        self.api.go_by(&open);
        let class = match self.probe(who).await {
            Ok(class) => class,
            Err(e @ ApiError::State(_)) => return Err(e),
            // Whatever it is: it is no sign of Extended Quota.
            Err(e) => {
                tracing::debug!(error = %e, "the class of the app could not be found out");
                None
            }
        };
        if class != Some(AppClass::Extended) {
            self.api.go_by(&self.present);
        }
        Ok(class == Some(AppClass::Extended))
    }

    /// Calls that may be in flight.
    ///
    /// # Errors
    /// If the state folder cannot be read.
    pub fn concurrency(&self) -> Result<usize, StateError> {
        Ok(if self.class()? == Some(AppClass::Extended) { self.extended.concurrency } else { 1 })
    }

    /// Finds out the class by one call, where no answer has given it away yet.
    ///
    /// # Errors
    /// Whatever that call brings but an answer or a refusal.
    pub async fn probe(&self, who: &Bearer) -> Result<Option<AppClass>, ApiError> {
        if let Some(known) = self.class()? {
            return Ok(Some(known));
        }
        match self.api.get(who, &Request::new(Family::MARKETS, "/markets")).await {
            Ok(_) => self.learn(AppClass::Extended, "/markets was answered")?,
            Err(ApiError::Refused { kind: Refusal::EndpointRemoved, message, .. }) => {
                self.learn(AppClass::Development, &format!("/markets was refused: {message}"))?;
            }
            Err(e) => return Err(e),
        }
        Ok(self.class()?)
    }

    /// The class, if it is configured or was learned.
    ///
    /// # Errors
    /// If the state folder cannot be read.
    pub fn class(&self) -> Result<Option<AppClass>, StateError> {
        match self.configured {
            Some(class) => Ok(Some(class)),
            None => self.api.learned().believed_class(self.api.now().wall),
        }
    }

    /// Notes the class that an answer gave away, unless the setting says otherwise.
    ///
    /// # Errors
    /// If the state folder cannot be written.
    pub fn learn(&self, class: AppClass, evidence: &str) -> Result<(), StateError> {
        if self.configured.is_none() && self.class()? != Some(class) {
            tracing::info!(class = class.as_str(), evidence, "this app's class was found out");
            self.api.learned().learn_class(class, evidence, self.api.now())?;
            if class == AppClass::Extended {
                self.api.go_by(&self.extended);
            }
        }
        Ok(())
    }

    /// The largest page to ask for: the one that was found to work, else the largest of the class,
    /// else the largest there is (a 400 then settles it).
    ///
    /// # Errors
    /// If the state folder cannot be read.
    pub fn page_size(&self, family: Family, path: &str, paging: Paging) -> Result<u16, StateError> {
        if let Some(known) = self.believed(&page_key(family, path))?.and_then(|n| n.parse().ok()) {
            return Ok(known);
        }
        Ok(match (paging, self.class()?) {
            // Under its old name the route serves pages of 100 to whoever still has it; under the new
            // one, 50.
            (Paging::Offset { development, .. }, _) if family == Family::PLAYLIST_ITEMS && path.ends_with("/items") => {
                development
            }
            (Paging::Offset { development, .. }, Some(AppClass::Development)) if family != Family::PLAYLIST_ITEMS => {
                development
            }
            (Paging::Offset { extended, .. }, _) => extended,
            (Paging::Cursor { limit }, _) => limit,
            (Paging::ById { .. } | Paging::Whole, _) => 50,
        })
    }

    /// The path to use in place of this one: that of a playlist's items may have lost its old name.
    ///
    /// # Errors
    /// If the state folder cannot be read.
    pub fn path(&self, path: &str) -> Result<String, StateError> {
        let old = path.strip_prefix("/playlists/").and_then(|rest| rest.strip_suffix("/tracks"));
        Ok(match old {
            Some(id) if self.believed(OLD_NAME)?.as_deref() == Some("refused") => {
                format!("/playlists/{id}/items")
            }
            _ => path.to_owned(),
        })
    }

    /// Notes that a playlist's items were refused under the old name of their route and came under the
    /// new one.
    ///
    /// # Errors
    /// If the state folder cannot be written.
    pub fn has_moved(&self, old: &str, new: &str) -> Result<(), StateError> {
        let evidence = format!("{old} was refused and {new} was answered");
        self.api.learned().set(OLD_NAME, "refused", &evidence, self.api.now())
    }

    /// Whether batch reads of a family may be tried.
    ///
    /// # Errors
    /// If the state folder cannot be read.
    pub fn may_batch(&self, family: Family) -> Result<bool, StateError> {
        Ok(self.believed(&batch_key(family))?.as_deref() != Some("refused"))
    }

    fn believed(&self, key: &str) -> Result<Option<String>, StateError> {
        self.api.learned().believed(key, self.api.now().wall)
    }

    /// Notes that batch reads of a family are refused.
    ///
    /// # Errors
    /// If the state folder cannot be written.
    pub fn no_batch(&self, family: Family, evidence: &str) -> Result<(), StateError> {
        self.api.learned().set(&batch_key(family), "refused", evidence, self.api.now())
    }

    /// A page of this size was refused: remembers the next smaller one and returns it, if there is
    /// one. Where only Development Mode has the smaller page, the class is learned with it.
    ///
    /// # Errors
    /// If the state folder cannot be written.
    pub fn smaller_page(
        &self,
        family: Family,
        path: &str,
        paging: Paging,
        refused: u16,
        words: &str,
    ) -> Result<Option<u16>, StateError> {
        let Paging::Offset { development, .. } = paging else { return Ok(None) };
        if refused <= development {
            return Ok(None);
        }
        let evidence = format!("a page of {refused} was refused: {words}");
        self.api.learned().set(&page_key(family, path), &development.to_string(), &evidence, self.api.now())?;
        if family != Family::PLAYLIST_ITEMS {
            self.learn(AppClass::Development, &format!("{family}: {evidence}"))?;
        }
        Ok(Some(development))
    }
}

/// The two names of the route to a playlist's items serve pages of different sizes.
fn page_key(family: Family, path: &str) -> String {
    match path.rsplit('/').next().filter(|_| family == Family::PLAYLIST_ITEMS) {
        Some(name) => format!("page.{family}.{name}"),
        None => format!("page.{family}"),
    }
}

fn batch_key(family: Family) -> String {
    format!("batch.{family}")
}
