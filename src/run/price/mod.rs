//! What a run would cost now, worked out by the code that spends it.
//!
//! A fetch is cut into the same units as in a run (`Engine::units`), and each is priced by what the run
//! goes by: which ids are fresh, which lists stand (`decide`), how many pages there are, whether ids may
//! be read in batches. Nothing is written. Where only Spotify knows, a price is a range with its reason,
//! unless it may be asked: a look costs a call and takes what it finds to be what the run will find.

mod job;
mod lists;
mod own_playlists;
mod playlists;
mod totals;
mod units;

use std::cell::Cell;
use std::collections::{BTreeMap, HashMap, HashSet};

use chrono::{DateTime, Utc};

use super::engine::Engine;
use super::halt::Halt;
use super::look::is_about_the_list;
use crate::store::ListKey;
use spotify_client::Kind;
use spotify_client::error::{ApiError, Deferral};
use spotify_client::family::Family;

pub use job::{FetchPrice, JobPrice, price_job};

/// Calls: at least, and at most where that can be said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Calls {
    /// At least.
    pub least: u64,
    /// At most; `None`: nobody can say.
    pub most: Option<u64>,
    /// What to reckon with where nobody can say.
    guess: u64,
}

impl Calls {
    /// None at all.
    pub const NONE: Calls = Calls { least: 0, most: Some(0), guess: 0 };

    /// So many.
    pub fn exactly(calls: u64) -> Calls {
        Calls { least: calls, most: Some(calls), guess: calls }
    }

    /// Between these.
    pub fn between(least: u64, most: u64) -> Calls {
        Calls { least: least.min(most), most: Some(most), guess: most }
    }

    /// So many or more.
    pub fn at_least(calls: u64) -> Calls {
        Calls { least: calls, most: None, guess: calls }
    }

    /// So many as far as is known, but at least these.
    pub fn about(calls: u64, least: u64) -> Calls {
        Calls { least: least.min(calls), most: None, guess: calls }
    }

    /// Both together.
    #[must_use]
    pub fn and(self, other: Calls) -> Calls {
        Calls {
            least: self.least + other.least,
            most: self.most.zip(other.most).map(|(one, two)| one + two),
            guess: self.guess + other.guess,
        }
    }

    /// The figure to reckon with: the highest that is known, or what is known by now.
    pub fn likely(self) -> u64 {
        self.most.unwrap_or(self.guess)
    }
}

/// Why a price is a range.
pub(super) mod because {
    pub const CLASS: &str = "the class of the app is not known yet, and with it the sizes of pages and batches";
    pub const CHANGED: &str = "one call tells whether a playlist changed; it is read whole if it did";
    pub const NEVER: &str = "how long a list is that was never read, only Spotify knows";
    pub const LAST_TIME: &str = "lists are taken to be about as long as at the last look";
    pub const HEAD: &str = "lists that stand newest first are read as far as to what is known";
    pub const GOES_ON: &str = "an interrupted read goes on, unless its list changed meanwhile";
    pub const RESTLESS: &str = "a playlist whose version changes at every look is read until two reads are the same";
    pub const TOLD: &str = "a fetch before it may tell that a playlist is unchanged";
    pub const HITS: &str = "a search ends where its hits end";
    pub const CODES: &str = "a UPC costs a search, and the album another call if it is found";
    pub const ALONG: &str = "some may come along in the answers of the fetches before";
    pub const FOREIGN: &str = "whether the items of others' playlists may be read is not known yet";
    pub const ANNOUNCED: &str = "lists that were never read to their end are taken to be as long as Spotify says";
    pub const WRONG: &str = "Spotify was wrong about the length of a list before";
    pub const ALBUMS: &str = "how many tracks an album has that was never read, only Spotify knows";
}

/// What something costs.
#[derive(Debug, Clone, Default)]
pub struct Price {
    /// By endpoint family, as quotas are counted.
    pub by_family: BTreeMap<Family, Calls>,
    /// Ids, lists and searches that it is about.
    pub asked: u64,
    /// Of these, unchanged or fresh, and free.
    pub free: u64,
    /// Why it is a range, or what it presumes.
    pub reasons: Vec<String>,
    /// What a fetch that goes by this one will find otherwise than it stands now.
    pub(super) news: News,
}

/// How a run will leave the rows that a later fetch of it goes by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum News {
    /// As they stand.
    #[default]
    None,
    /// So many may come, at most, and others may go.
    UpTo(u64),
    /// Nobody can say.
    Unknown,
}

impl News {
    fn and(self, other: News) -> News {
        match (self, other) {
            (News::None, other) | (other, News::None) => other,
            (News::UpTo(one), News::UpTo(other)) => News::UpTo(one + other),
            _ => News::Unknown,
        }
    }
}

impl Price {
    /// Calls in all.
    pub fn calls(&self) -> Calls {
        self.by_family.values().fold(Calls::NONE, |sum, calls| sum.and(*calls))
    }

    /// Whether the run will cost just that, as things are now and if each call is answered at once: what
    /// has to be asked twice, since the answer was lost or refused, nobody can know before.
    pub fn is_exact(&self) -> bool {
        let calls = self.calls();
        calls.most == Some(calls.least) && self.reasons.is_empty()
    }

    /// Adds another.
    pub(super) fn add(&mut self, other: Price) {
        for (family, calls) in other.by_family {
            self.spend(family, calls);
        }
        self.asked += other.asked;
        self.free += other.free;
        other.reasons.iter().for_each(|reason| self.because(reason));
        self.news = self.news.and(other.news);
    }

    fn spend(&mut self, family: Family, calls: Calls) {
        if calls != Calls::NONE {
            let so_far = self.by_family.entry(family).or_insert(Calls::NONE);
            *so_far = so_far.and(calls);
        }
    }

    fn because(&mut self, reason: &str) {
        if !self.reasons.iter().any(|known| known == reason) {
            self.reasons.push(reason.to_owned());
        }
    }

    /// Something that was read or found unchanged.
    fn free() -> Price {
        Price { asked: 1, free: 1, ..Price::default() }
    }

    /// One thing with its calls, whatever it may bring.
    fn one(family: Family, calls: Calls) -> Price {
        let mut price = Price { asked: 1, news: News::Unknown, ..Price::default() };
        price.spend(family, calls);
        price
    }

    /// The same, leaving the rows so.
    fn bringing(mut self, news: News) -> Price {
        self.news = news;
        self
    }

    fn but<'r>(mut self, reason: impl Into<Option<&'r str>>) -> Price {
        if let Some(reason) = reason.into() {
            self.because(reason);
        }
        self
    }
}

/// How often Spotify may be asked for the sake of prices.
#[derive(Debug)]
pub struct Looks {
    left: Cell<u64>,
    sent: Cell<u64>,
    /// As often as exact prices need.
    probing: bool,
    ended: std::cell::RefCell<Option<String>>,
}

impl Looks {
    /// At most so often.
    pub fn at_most(looks: u64) -> Looks {
        Looks { left: Cell::new(looks), sent: Cell::new(0), probing: false, ended: std::cell::RefCell::default() }
    }

    /// As often as exact prices need, but at most so often.
    pub fn probing(looks: u64) -> Looks {
        Looks { probing: true, ..Looks::at_most(looks) }
    }

    /// How many are left.
    pub fn left(&self) -> u64 {
        self.left.get()
    }

    /// How many calls were sent.
    pub fn sent(&self) -> u64 {
        self.sent.get()
    }

    /// Settles with what was really sent since there were so many left: a look may take two calls.
    pub fn settle(&self, before: u64, sent: u64) {
        self.sent.set(self.sent.get() + sent);
        self.left.set(self.left.get().min(before.saturating_sub(sent)));
    }

    /// Why no more was asked, where something stood in the way.
    pub fn ended(&self) -> Option<String> {
        self.ended.borrow().clone()
    }

    /// Takes one, if there is one.
    fn take(&self) -> bool {
        let left = self.left.get();
        self.left.set(left.saturating_sub(1));
        left > 0
    }
}

/// What came of a look.
enum Seen<T> {
    /// What was looked for.
    Found(T),
    /// Spotify refuses it, as it will refuse the run.
    Refused,
    /// Nothing was asked.
    Nothing,
}

/// What the pricing of a run's fetches knows of each other.
pub(super) struct Pricing<'a> {
    engine: &'a Engine,
    looks: &'a Looks,
    /// Ids that are read by then, by their table.
    read: HashMap<&'static str, HashSet<String>>,
    /// What the fetch in hand asks for will be known when another has been read: a look would tell nothing.
    blind: Cell<bool>,
    /// Lists that are read by then.
    lists: HashSet<ListKey>,
    /// Versions of playlists that a look saw, and a fetch before will be told of.
    snapshots: HashMap<String, Option<String>>,
    /// A fetch before may be told of versions that no look saw.
    tells_versions: bool,
    /// Kinds of which the fetches before may bring some along.
    brought: HashSet<Kind>,
    /// A batch read of an app of unknown class was priced.
    tried_batch: bool,
    /// A page of an app of unknown class was priced, of these families.
    tried_pages: HashSet<Family>,
}

impl<'a> Pricing<'a> {
    fn new(engine: &'a Engine, looks: &'a Looks) -> Pricing<'a> {
        Pricing {
            engine,
            looks,
            read: HashMap::new(),
            blind: Cell::new(false),
            lists: HashSet::new(),
            snapshots: HashMap::new(),
            tells_versions: false,
            brought: HashSet::new(),
            tried_batch: false,
            tried_pages: HashSet::new(),
        }
    }

    /// Takes a look, if there is one and it tells something.
    fn look(&self) -> bool {
        !self.blind.get() && self.looks.take()
    }

    /// Sorts what came of a look.
    fn seen<T>(&self, answer: Result<T, Halt>) -> Result<Seen<T>, Halt> {
        match answer {
            Ok(found) => Ok(Seen::Found(found)),
            Err(Halt::Api(e)) if is_about_the_list(&e) => Ok(Seen::Refused),
            Err(Halt::Api(ApiError::State(e))) => Err(Halt::Api(ApiError::State(e))),
            Err(Halt::Api(e)) => {
                self.looks.left.set(0);
                if matches!(e, ApiError::Deferred { why: Deferral::MaxCalls, .. }) {
                    return Ok(Seen::Nothing);
                }
                self.looks.ended.borrow_mut().get_or_insert_with(|| e.to_string());
                Ok(Seen::Nothing)
            }
            Err(e) => Err(e),
        }
    }
}

/// So many as calls; what cannot be is none.
fn count(n: i64) -> u64 {
    u64::try_from(n).unwrap_or(0)
}

/// How long so many calls take at a pace, in seconds: the first two go at once.
pub fn seconds(calls: u64, requests_per_second: f64) -> f64 {
    if requests_per_second > 0.0 { calls.saturating_sub(2) as f64 / requests_per_second } else { 0.0 }
}

/// When a run may begin that is held back now.
pub type NotBefore = Option<DateTime<Utc>>;
