//! The price of playlists' items: one call tells whether a list changed.

use super::totals::{TotalTrust, is_whole_list};
use super::{CallEstimate, CallRange, JobEstimator, ProbeOutcome, RowChanges, call_count, reasons};
use crate::store::lists;
use crate::store::{ListRow, TimeSpan};
use crate::sync::change_detection;
use crate::sync::context::FetchContext;
use crate::sync::error::SyncError;
use crate::sync::playlist::{ITEM_PAGES, items_path, playlist_items_request, playlist_key};
use spotify_client::error::ApiError;
use spotify_client::family::EndpointFamily;
use spotify_client::state::AppClass;

/// Items that come with the playlist itself.
pub(super) const INCLUDED_ITEMS: i64 = 100;

/// What Spotify says of a playlist now, or is taken to say.
pub(super) struct PlaylistState {
    pub snapshot_id: Option<String>,
    pub total: Option<i64>,
    /// How far that may be relied on.
    pub total_trust: TotalTrust,
    /// Items that come with the playlist.
    pub included: i64,
    /// Sizes that the pages behind them may have: the smallest and the largest.
    pub page_sizes: (u16, u16),
}

/// What reading a changed playlist costs.
pub(super) struct PlaylistReadEstimate {
    /// Asking for it, and the pages behind.
    pub estimate: CallEstimate,
    /// It comes in several answers, so it has to be proved.
    pub needs_proof: bool,
    /// That is as good as certain; else its end will tell.
    pub is_certain: bool,
}

impl JobEstimator<'_> {
    /// What the items of one playlist cost.
    pub(super) async fn estimate_playlist(
        &mut self,
        frame: &FetchContext,
        id: &str,
    ) -> Result<CallEstimate, SyncError> {
        let row = self.playlist_row(frame, id).await?;
        if !self.lists.insert(playlist_key(frame, id)) || self.engine.is_from_this_run(row.checked_at.as_ref()) {
            return Ok(CallEstimate::for_unchanged());
        }
        let whole = self.engine.full_read_span(frame.full_every);
        let told = self.snapshots.get(id).cloned();
        if told
            .as_ref()
            .is_some_and(|told| change_detection::is_unchanged(&row, self.engine.full, &whole, told.as_deref()))
        {
            return Ok(CallEstimate::for_unchanged());
        }
        let price = self.estimate_playlist_request(frame, id, &row, &whole).await?;
        Ok(
            if told.is_none()
                && self.versions_may_be_known
                && change_detection::is_full_read_recent(&row, self.engine.full, &whole)
            {
                let mut price = price.with_reason(reasons::TOLD);
                price.by_family.values_mut().for_each(|calls| calls.at_least = 0);
                price
            } else {
                price
            },
        )
    }

    /// The same, of which nothing before it tells.
    async fn estimate_playlist_request(
        &mut self,
        frame: &FetchContext,
        id: &str,
        row: &ListRow,
        whole: &TimeSpan,
    ) -> Result<CallEstimate, SyncError> {
        if self.take_probe() {
            let looked = self.engine.request_playlist(frame, id, None).await;
            match self.classify_probe(looked)? {
                ProbeOutcome::Found(Some(head)) => {
                    let class = self.engine.app.class().map_err(ApiError::from)?;
                    let stands =
                        change_detection::is_unchanged(row, self.engine.full, whole, head.snapshot_id.as_deref());
                    if stands || (head.page.is_none() && !head.is_old_route_only && class != Some(AppClass::Extended)) {
                        let price = CallEstimate::for_one(EndpointFamily::PLAYLISTS, CallRange::exactly(1))
                            .with_changes(RowChanges::None);
                        return Ok(if stands { CallEstimate { unchanged: 1, ..price } } else { price });
                    }
                    let page = head.page.as_ref();
                    let old_name =
                        head.is_old_route_only || (head.is_on_both_routes && class == Some(AppClass::Extended));
                    let total = page.map_or(Some(0), |page| page.total);
                    let counted = match (page, total) {
                        (Some(page), Some(total)) if !is_whole_list(page, total) => {
                            let list = playlist_items_request(frame, id, old_name, false);
                            self.check_total(frame, &list, row, total).await?
                        }
                        _ => TotalTrust::Counted,
                    };
                    let now = PlaylistState {
                        snapshot_id: head.snapshot_id.clone(),
                        total,
                        total_trust: counted,
                        included: page.map_or(0, spotify_client::page::RawPage::served),
                        page_sizes: (self.item_page_size(id, old_name)?, self.item_page_size(id, old_name)?),
                    };
                    return Ok(self.with_own_proof(self.estimate_playlist_read(row, &now)));
                }
                ProbeOutcome::Found(None) | ProbeOutcome::Refused => {
                    return Ok(CallEstimate::for_one(EndpointFamily::PLAYLISTS, CallRange::exactly(1))
                        .with_changes(RowChanges::None));
                }
                ProbeOutcome::NotAsked => {}
            }
        }
        self.estimate_unprobed_playlist(id, row, change_detection::is_full_read_recent(row, self.engine.full, whole))
    }

    /// A playlist that nobody looks at.
    pub(super) fn estimate_unprobed_playlist(
        &self,
        id: &str,
        row: &ListRow,
        may_stand: bool,
    ) -> Result<CallEstimate, SyncError> {
        let Some(last) = row.announced.or(row.served) else {
            return Ok(
                CallEstimate::for_one(EndpointFamily::PLAYLISTS, CallRange::at_least(1)).with_reason(reasons::NEVER)
            );
        };
        let pages = self.item_page_sizes(id)?;
        let now = |total: i64| {
            let total = Some(total.max(0));
            Ok::<_, SyncError>(PlaylistState {
                snapshot_id: None,
                total,
                total_trust: TotalTrust::from_last_read(row, None),
                included: INCLUDED_ITEMS,
                page_sizes: pages,
            })
        };
        let around = 5.max(last / 10);
        let mut price = self.with_own_proof(
            self.estimate_playlist_read(&ListRow { checkpoint: None, ..row.clone() }, &now(last + around)?),
        );
        let least = self.with_own_proof(
            self.estimate_playlist_read(&ListRow { checkpoint: None, ..row.clone() }, &now(last - around)?),
        );
        for (family, calls) in &mut price.by_family {
            calls.at_least = match (may_stand, *family) {
                (true, EndpointFamily::PLAYLISTS) => 1,
                (true, _) => 0,
                (false, family) => least.by_family.get(&family).map_or(0, |calls| calls.at_least),
            };
        }
        if row.checkpoint.is_some() {
            price.by_family.entry(EndpointFamily::PLAYLIST_ITEMS).or_default().at_least = 0;
            price.add_reason(reasons::GOES_ON);
        }
        price.add_reason(reasons::LAST_TIME);
        Ok(if may_stand { price.with_reason(reasons::CHANGED) } else { price })
    }

    /// What it costs to read a changed playlist up to its proof.
    pub(super) fn estimate_playlist_read(&self, row: &ListRow, now: &PlaylistState) -> PlaylistReadEstimate {
        let mut price = CallEstimate::for_one(EndpointFamily::PLAYLISTS, CallRange::exactly(1));
        let Some(total) = now.total else {
            price.add_calls(EndpointFamily::PLAYLIST_ITEMS, CallRange::at_least(0));
            price.add_calls(EndpointFamily::PLAYLISTS, CallRange::at_least(0));
            return PlaylistReadEstimate {
                estimate: price.with_reason(reasons::NEVER),
                needs_proof: true,
                is_certain: false,
            };
        };
        price.changes = RowChanges::UpTo(call_count(total));
        let same = |at: &&crate::store::Checkpoint| at.snapshot_id.is_some() && at.snapshot_id == now.snapshot_id;
        let went_on = row.checkpoint.as_ref().filter(same);
        let served =
            went_on.map_or(now.included, |at| at.next_offset.max(if at.next_offset == 0 { now.included } else { 0 }));
        let ended = went_on.is_some_and(|at| at.reached_end);
        let (smallest, largest) = now.page_sizes;
        let rest = |page| {
            if total > served && !ended { call_count(change_detection::page_count(total - served, page)) } else { 0 }
        };
        if rest(smallest) != rest(largest) {
            price.add_reason(reasons::CLASS);
        }
        let (counted, least) = (if ended { TotalTrust::Counted } else { now.total_trust }, rest(largest));
        let rest = rest(smallest);
        match counted {
            TotalTrust::Counted => price.add_calls(EndpointFamily::PLAYLIST_ITEMS, CallRange::between(least, rest)),
            _ => {
                price.add_calls(EndpointFamily::PLAYLIST_ITEMS, counted.calls(rest, 0));
                // A total that is wrong twice over is asked after once.
                price.add_calls(EndpointFamily::PLAYLISTS, CallRange::at_least(0));
                price = price.with_reason(counted.reason());
            }
        }
        if row.unstable_version {
            let again = call_count(change_detection::page_count(total, smallest));
            price.add_calls(EndpointFamily::PLAYLIST_ITEMS, CallRange::between(0, again * 2));
            price.add_reason(reasons::RESTLESS);
        }
        let several = rest > 0 || served > now.included || ended;
        PlaylistReadEstimate { estimate: price, needs_proof: several, is_certain: counted == TotalTrust::Counted }
    }

    /// With the call that proves one list by itself.
    pub(super) fn with_own_proof(&self, read: PlaylistReadEstimate) -> CallEstimate {
        let mut price = read.estimate;
        if read.needs_proof {
            let sure = read.is_certain && price.reasons.is_empty();
            price.add_calls(
                EndpointFamily::PLAYLISTS,
                if sure { CallRange::exactly(1) } else { CallRange::between(0, 1) },
            );
        }
        price
    }

    pub(super) async fn playlist_row(&self, frame: &FetchContext, id: &str) -> Result<ListRow, SyncError> {
        let (key, full) = (playlist_key(frame, id), self.engine.full);
        let row = self.engine.store.write(move |s| lists::find(s, &key)).await?.unwrap_or_default();
        Ok(ListRow { checkpoint: row.checkpoint.filter(|_| !full), ..row })
    }

    /// The sizes that the pages behind the first may have, the smallest first.
    pub(super) fn item_page_sizes(&self, id: &str) -> Result<(u16, u16), SyncError> {
        Ok(match self.engine.app.class().map_err(ApiError::from)? {
            Some(class) => {
                let page = self.item_page_size(id, class == AppClass::Extended)?;
                (page, page)
            }
            None => (self.item_page_size(id, false)?, self.item_page_size(id, true)?),
        })
    }

    /// The size of the pages behind the first.
    fn item_page_size(&self, id: &str, old_name: bool) -> Result<u16, SyncError> {
        let path = self.engine.app.current_path(&items_path(id, old_name)).map_err(ApiError::from)?;
        Ok(self.engine.app.page_size(EndpointFamily::PLAYLIST_ITEMS, &path, ITEM_PAGES).map_err(ApiError::from)?)
    }
}
