//! `find TEXT`: in which playlists and libraries a song is.

use super::args::FindArgs;
use super::error_exits::{store_error, unreadable_store};
use super::store_file::require_store;
use super::table::format_table;
use super::{CommandContext, CommandError, ExitStatus, OrExit, print};
use crate::document::printable;
use crate::store::{FoundItem, find_in_lists, open_current_schema};
use serde_json::json;

/// Places that are listed for people. JSON has all.
const MAX_LISTED: usize = 1_000;

/// Prints the places.
pub fn run(args: &FindArgs, context: &CommandContext) -> Result<ExitStatus, CommandError> {
    let text = args.text.join(" ");
    let settings = context.settings()?;
    let database = context.project.database(&settings);
    require_store(context, &settings)?;
    let store = open_current_schema(&database).map_err(store_error)?;
    let mut found: Vec<FoundItem> = Vec::new();
    let read: rusqlite::Result<()> = find_in_lists(&store, &text, |item| {
        found.push(item);
        Ok(())
    });
    read.map_err(unreadable_store(&database))?;
    if context.json {
        print::json(&json!({ "text": text, "found": found })).or_exit(ExitStatus::Storage)?;
        return Ok(ExitStatus::Complete);
    }
    let mut lists: Vec<(&str, &str, Option<&str>)> =
        found.iter().map(|it| (it.list.as_str(), it.list_id.as_str(), it.list_name.as_deref())).collect();
    lists.dedup();
    let mut out = String::new();
    if found.is_empty() {
        out.push_str(&format!("no list has \"{}\"\n", printable(&text)));
    } else {
        let mut rows = vec![["LIST", "AT", "TITLE", "BY", "ALBUM", "ADDED", "ADDED BY"].map(str::to_owned).to_vec()];
        rows.extend(found.iter().take(MAX_LISTED).map(row));
        out.push_str(&format_table(&rows));
        out.push_str(&format!("{} in {}\n", print::count(found.len(), "place"), print::count(lists.len(), "list")));
        if found.len() > MAX_LISTED {
            out.push_str(&format!("only the first {MAX_LISTED} are shown; --json has all\n"));
        }
    }
    print::paragraphs(&out).or_exit(ExitStatus::Storage)?;
    Ok(ExitStatus::Complete)
}

fn row(item: &FoundItem) -> Vec<String> {
    let name = item.list_name.as_deref();
    let list = match item.list.as_str() {
        "playlist" => name.unwrap_or(&item.list_id).to_owned(),
        library => format!("{library} of {}", name.unwrap_or("?")),
    };
    let day = item.added_at.as_deref().map_or("", |at| at.get(..10).unwrap_or(at));
    let text = |text: &Option<String>| print::shorten(text.as_deref().unwrap_or_default());
    vec![
        print::shorten(&list),
        item.position.to_string(),
        text(&item.title),
        text(&item.by),
        text(&item.album),
        printable(day).to_string(),
        text(&item.added_by),
    ]
}
