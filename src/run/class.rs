//! Which class of app this is, and the largest pages that work for it: found out by trying, once.

use std::sync::Arc;

use crate::spotify::family::Family;
use crate::state::{AppClass, Learned, StateError};
use crate::stream::Paging;

/// What is known about the app.
#[derive(Debug, Clone)]
pub struct AppFacts {
    configured: Option<AppClass>,
    learned: Arc<Learned>,
}

impl AppFacts {
    /// `configured` is the setting `spotify.app_mode`, unless it is `auto`.
    pub fn new(configured: Option<AppClass>, learned: Learned) -> AppFacts {
        AppFacts { configured, learned: Arc::new(learned) }
    }

    /// The class, if it is configured or was learned.
    ///
    /// # Errors
    /// If the state folder cannot be read.
    pub fn class(&self) -> Result<Option<AppClass>, StateError> {
        match self.configured {
            Some(class) => Ok(Some(class)),
            None => self.learned.app_class(),
        }
    }

    /// Notes the class that an answer gave away, unless the setting says otherwise.
    ///
    /// # Errors
    /// If the state folder cannot be written.
    pub fn learn(&self, class: AppClass, evidence: &str) -> Result<(), StateError> {
        if self.configured.is_none() && self.learned.app_class()? != Some(class) {
            tracing::info!(class = class.as_str(), evidence, "this app's class was found out");
            self.learned.learn_class(class, evidence)?;
        }
        Ok(())
    }

    /// The largest page to ask for: the one that was found to work, else the largest of the class,
    /// else the largest there is (a 400 then settles it).
    ///
    /// # Errors
    /// If the state folder cannot be read.
    pub fn page_size(&self, family: Family, paging: Paging) -> Result<u16, StateError> {
        if let Some(known) = self.learned.get(&page_key(family))?.and_then(|n| n.parse().ok()) {
            return Ok(known);
        }
        Ok(match (paging, self.class()?) {
            (Paging::Offset { development, .. }, Some(AppClass::Development)) if family != Family::PLAYLIST_ITEMS => development,
            (Paging::Offset { extended, .. }, _) => extended,
            (Paging::Cursor { limit }, _) => limit,
            (Paging::ById { .. } | Paging::Whole, _) => 50,
        })
    }

    /// Whether batch reads of a family may be tried.
    ///
    /// # Errors
    /// If the state folder cannot be read.
    pub fn may_batch(&self, family: Family) -> Result<bool, StateError> {
        Ok(self.learned.get(&batch_key(family))?.as_deref() != Some("refused"))
    }

    /// Notes that batch reads of a family are refused.
    ///
    /// # Errors
    /// If the state folder cannot be written.
    pub fn no_batch(&self, family: Family, evidence: &str) -> Result<(), StateError> {
        self.learned.set(&batch_key(family), "refused", evidence)
    }

    /// A page of this size was refused: remembers the next smaller one and returns it, if there is
    /// one. Where only Development Mode has the smaller page, the class is learned with it.
    ///
    /// # Errors
    /// If the state folder cannot be written.
    pub fn smaller_page(&self, family: Family, paging: Paging, refused: u16, words: &str) -> Result<Option<u16>, StateError> {
        let Paging::Offset { development, .. } = paging else { return Ok(None) };
        if refused <= development {
            return Ok(None);
        }
        let evidence = format!("a page of {refused} was refused: {words}");
        self.learned.set(&page_key(family), &development.to_string(), &evidence)?;
        if family != Family::PLAYLIST_ITEMS {
            self.learn(AppClass::Development, &format!("{family}: {evidence}"))?;
        }
        Ok(Some(development))
    }
}

fn page_key(family: Family) -> String {
    format!("page.{family}")
}

fn batch_key(family: Family) -> String {
    format!("batch.{family}")
}
