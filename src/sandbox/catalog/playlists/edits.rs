//! Changes to playlists, at once or in the middle of somebody's reading.

use super::{AddedBy, Content, Playlists, Row};
use crate::sandbox::catalog::{Edit, EditRefused, Kind, Music};
use crate::sandbox::clock::timestamp;

/// An edit that waits for a page of a list to be served.
#[derive(Debug)]
pub(super) struct Ambush {
    playlist: String,
    page: usize,
    left: u32,
    edit: Edit,
}

impl Playlists {
    /// Makes one edit.
    ///
    /// # Errors
    /// If it names a playlist, track or episode that doesn't exist; nothing has changed then.
    pub(crate) fn edit(&mut self, edit: Edit, music: &Music, now_ms: i64) -> Result<(), EditRefused> {
        let id = match edit {
            Edit::WhenServed { playlist, page, times, edit } => {
                self.get_mut(&playlist)?;
                let ambush = Ambush { playlist, page, left: times, edit: *edit };
                self.ambushes.push(ambush);
                return Ok(());
            }
            Edit::Delete { playlist } => {
                self.get_mut(&playlist)?;
                self.places.remove(&playlist);
                return Ok(());
            }
            Edit::Save { .. } | Edit::Unsave { .. } | Edit::AfterCalls { .. } => {
                return Err(EditRefused("playlist in an edit of a library".to_owned()));
            }
            Edit::Rename { playlist, name } => {
                self.get_mut(&playlist)?.remember();
                self.get_mut(&playlist)?.name = name;
                playlist
            }
            Edit::Insert { playlist, position, items } => {
                let list = self.get_mut(&playlist)?;
                let added_by = AddedBy::User(list.owner.clone());
                let mut rows = Vec::new();
                for item in items {
                    rows.push(Row {
                        added_at: Some(timestamp(now_ms)),
                        added_by: added_by.clone(),
                        content: content(music, item.as_deref())?,
                        both_keys: false,
                        extra_keys: false,
                    });
                }
                list.remember();
                let into = list.listed();
                let position = position.min(into.len());
                into.splice(position..position, rows);
                playlist
            }
            Edit::Remove { playlist, position, count } => {
                let list = self.get_mut(&playlist)?;
                list.remember();
                let from = list.listed();
                let start = position.min(from.len());
                from.drain(start..start.saturating_add(count).min(from.len()));
                playlist
            }
            Edit::Move { playlist, from, count, to } => {
                let list = self.get_mut(&playlist)?;
                list.remember();
                let rows = list.listed();
                let start = from.min(rows.len());
                let end = start.saturating_add(count).min(rows.len());
                let moved: Vec<Row> = rows.drain(start..end).collect();
                let to = to.min(rows.len());
                rows.splice(to..to, moved);
                playlist
            }
        };
        self.get_mut(&id)?.revision += 1;
        Ok(())
    }

    /// Makes the edits that waited for this page of this list.
    pub(crate) fn served(&mut self, id: &str, page: usize, music: &Music, now_ms: i64) {
        let mut due = Vec::new();
        for ambush in &mut self.ambushes {
            if ambush.left > 0 && ambush.playlist == id && ambush.page == page {
                ambush.left -= 1;
                due.push(ambush.edit.clone());
            }
        }
        self.ambushes.retain(|ambush| ambush.left > 0);
        for edit in due {
            if let Err(refused) = self.edit(edit, music, now_ms) {
                tracing::warn!(%refused, "an edit that waited for a page could not be made");
            }
        }
    }
}

fn content(music: &Music, id: Option<&str>) -> Result<Content, EditRefused> {
    let Some(id) = id else {
        return Ok(Content::Null);
    };
    let track = music.find(Kind::Track, id).map(Content::Track);
    track
        .or_else(|| music.find(Kind::Episode, id).map(Content::Episode))
        .ok_or_else(|| EditRefused(format!("track or episode {id}")))
}
