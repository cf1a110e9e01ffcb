//! The price of a job: of its fetches in order, each for each of its users.

use std::collections::HashMap;

use super::{Calls, Looks, News, NotBefore, Price, Pricing};
use crate::job::{Fetch, Job, Source};
use crate::run::engine::Engine;
use crate::run::fetch::Asks;
use crate::run::halt::{Halt, Weight};
use crate::run::job::{Start, bound};
use crate::run::sum::Sum;
use crate::run::users::{NOT_KNOWN, Trouble};
use crate::stream::{Classes, Paging, Takes};
use spotify_client::Kind;
use spotify_client::error::{ApiError, Deferral};
use spotify_client::family::Family;
use spotify_client::state::AppClass;

/// What a fetch of a job costs.
#[derive(Debug, Clone)]
pub struct FetchPrice {
    /// Its name.
    pub fetch: String,
    /// The user it is for, by the local name.
    pub user: Option<String>,
    /// The id of that user's account, as the store has it; empty for none.
    pub user_id: String,
    /// Its stream.
    pub stream: &'static str,
    /// The price.
    pub price: Price,
    /// Why nothing, or nothing now, will be asked.
    pub note: Option<String>,
    /// A person has to act before anything is asked.
    pub waits_for_a_person: bool,
    /// Until when it is held back.
    pub not_before: NotBefore,
}

/// What a run of a job costs.
#[derive(Debug, Clone, Default)]
pub struct JobPrice {
    /// The job.
    pub job: String,
    /// Finding out whose accounts the grants of its users are.
    pub users: Calls,
    /// Its fetches, in order.
    pub fetches: Vec<FetchPrice>,
}

impl JobPrice {
    /// All of it.
    pub fn whole(&self) -> Price {
        let mut whole = Price::default();
        whole.spend(Family::ME, self.users);
        self.fetches.iter().for_each(|fetch| whole.add(fetch.price.clone()));
        whole
    }
}

/// Prices a job as it would be run now. With looks left, Spotify is asked where only it knows.
///
/// # Errors
/// If the store or the state folder cannot be read, or a `where` cannot be run.
pub async fn price_job(engine: &Engine, job: &Job, start: &Start, looks: &Looks) -> Result<JobPrice, Halt> {
    let bound = bound(job, start.fire_at.unwrap_or(engine.started_at), start.last_run_at);
    let names = start.names(job)?;
    let askers = engine.known_users(start.grants.as_ref(), &names)?;
    let unknown = askers.iter().filter(|it| it.user.as_ref().is_ok_and(|user| user.user_id == NOT_KNOWN)).count();
    let sum = Sum::of(askers);
    let mut priced = JobPrice { job: job.name.clone(), users: Calls::exactly(unknown as u64), fetches: Vec::new() };
    let mut pricing = Pricing::new(engine, looks);
    // What a fetch that goes by another will ask for is not known before that has been read.
    let mut unsettled: HashMap<&str, News> = HashMap::new();
    for fetch in &job.fetches {
        let goes_by = match &fetch.source {
            Source::From { fetch: parent, .. } => {
                let parent = &job.fetches[*parent];
                unsettled.get(parent.name.as_str()).map(|news| GoesBy { parent, news: *news })
            }
            _ => None,
        };
        pricing.blind.set(goes_by.is_some());
        let (mut news, mut asked) = (News::None, 0);
        for (place, part) in (0i64..).zip(&sum.parts(start, fetch)) {
            let frame = part.frame(start, fetch, place);
            let mut one = FetchPrice {
                fetch: fetch.name.clone(),
                user: part.user.as_ref().map(|user| user.name.clone()),
                user_id: frame.recorded_for.clone(),
                stream: fetch.stream.name,
                price: Price::default(),
                note: part.trouble.as_ref().map(|trouble| trouble.again().words()),
                waits_for_a_person: part.trouble.as_ref().is_some_and(Trouble::needs_a_person),
                not_before: None,
            };
            if one.note.is_none() {
                one.note = not_for_this_app(engine, fetch)?;
            }
            if one.note.is_none() {
                let asks = sum.asks(engine, job, fetch, &bound).await?;
                let families = families(fetch, &asks);
                for unit in engine.units(fetch, &frame, asks, start.age(fetch)).await? {
                    asked += unit.asked();
                    one.price.add(pricing.unit(&frame, &unit).await?);
                }
                if let Some(goes_by) = &goes_by {
                    one.price = goes_by.price(one.price, fetch);
                }
                // That no more looks are left says nothing about a run.
                let of_a_run = |e: &ApiError| !matches!(e, ApiError::Deferred { why: Deferral::MaxCalls, .. });
                let held = families.iter().find_map(|family| engine.api.may_send(*family).err().filter(of_a_run));
                if let Some(e) = held.filter(|_| one.price.calls() != Calls::NONE) {
                    let halt = Halt::Api(e);
                    one.note = Some(halt.words());
                    one.not_before = match halt.weight() {
                        Weight::Deferred(at) => at,
                        _ => None,
                    };
                }
            }
            news = news.and(one.price.news);
            priced.fetches.push(one);
        }
        if goes_by.is_some() {
            news = News::Unknown;
        }
        if !engine.asked_the_same(job, fetch, asked).await? || news != News::None {
            unsettled.insert(&fetch.name, news);
            pricing.tells_versions |= matches!(fetch.stream.name, "my_playlists" | "playlists" | "my_playlist_items");
            pricing.brought.extend(brings(fetch.stream.name));
        }
    }
    Ok(priced)
}

/// Why nothing is asked of an app that is known not to have the stream.
fn not_for_this_app(engine: &Engine, fetch: &Fetch) -> Result<Option<String>, Halt> {
    let lost = fetch.stream.classes == Classes::ExtendedOnly
        && engine.app.class().map_err(ApiError::from)? == Some(AppClass::Development);
    Ok(lost
        .then(|| "Spotify removed it for apps in Development Mode in February 2026; nothing will be sent".to_owned()))
}

fn families(fetch: &Fetch, asks: &Asks) -> Vec<Family> {
    let mut families = fetch.stream.families();
    if asks.references.iter().any(|it| !matches!(it, spotify_client::Reference::Id(_))) {
        families.push(Family::SEARCH);
    }
    families
}

/// Another fetch of the run that may change what a fetch asks for.
struct GoesBy<'j> {
    parent: &'j Fetch,
    news: News,
}

impl GoesBy<'_> {
    /// The price of the fetch that goes by it: what is known now is a guess, bounded where each new row
    /// costs a call at most.
    fn price(&self, mut price: Price, fetch: &Fetch) -> Price {
        let known = price.calls().likely();
        let name = &self.parent.name;
        price.by_family.values_mut().for_each(|calls| calls.least = 0);
        match (self.news, one_call_a_row(self.parent, fetch)) {
            (News::UpTo(rows), Some(family)) => {
                price.spend(family, Calls::between(0, rows));
                let more = if rows == 0 { "fewer rows".to_owned() } else { format!("up to {rows} new rows") };
                price.because(&format!("it goes by {name}, which is read first and may bring {more}"));
            }
            _ => {
                fetch.stream.families().into_iter().for_each(|family| price.spend(family, Calls::at_least(0)));
                price.because(&format!(
                    "it goes by {name}, which is read first; with what is known now it takes {known} or more"
                ));
            }
        }
        price
    }
}

/// The family of a stream of which each row of its parent names one thing, read by one call at most.
fn one_call_a_row(parent: &Fetch, fetch: &Fetch) -> Option<Family> {
    let (Takes::Ids(kind), Paging::ById { .. }) = (fetch.stream.takes, fetch.stream.paging) else { return None };
    // A row may name several artists; its other columns hold one id each.
    let one_each = kind != Kind::Artist || parent.stream.takes == Takes::Ids(Kind::Artist);
    one_each.then(|| Family::named(fetch.stream.family)).flatten()
}

/// Kinds that come whole in the answers of a stream, and are not asked for again then.
fn brings(stream: &str) -> &'static [Kind] {
    match stream {
        "playlist_items" | "my_playlist_items" => &[Kind::Track, Kind::Episode, Kind::Playlist],
        "saved_tracks" | "top_tracks" | "recently_played" | "artist_top_tracks" => &[Kind::Track],
        "saved_albums" | "album_tracks" => &[Kind::Album],
        "followed_artists" | "top_artists" => &[Kind::Artist],
        "saved_shows" => &[Kind::Show],
        "saved_episodes" | "show_episodes" => &[Kind::Episode, Kind::Show],
        "saved_audiobooks" => &[Kind::Audiobook],
        "search" => {
            &[Kind::Track, Kind::Artist, Kind::Album, Kind::Playlist, Kind::Show, Kind::Episode, Kind::Audiobook]
        }
        _ => &[],
    }
}

impl Engine {
    /// Whether what stands in the store as asked for by a fetch is what a run would ask for now.
    async fn asked_the_same(&self, job: &Job, fetch: &Fetch, asked: i64) -> Result<bool, Halt> {
        let (name, hash, part) = (job.name.clone(), job.hash.clone(), fetch.name.clone());
        let known = self.store.write(move |s| s.asked_before(&name, &part)).await?;
        // A file of ids may change while the job file does not.
        let counted = matches!(fetch.source, Source::Ids(_));
        Ok(known.is_some_and(|(known, before)| known == hash && (!counted || before == asked)))
    }
}
