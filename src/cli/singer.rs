//! `singer`: writes what changed in the store as messages of Singer to stdout.

use std::ffi::OsString;
use std::io::{BufWriter, Write};
use std::path::Path;

use chrono::Utc;

use super::args::SingerArgs;
use super::print::{count, message_stream};
use super::store_file::require_store;
use super::{CommandContext, CommandError, ExitStatus, restore};
use crate::settings::Project;
use crate::singer::{self, SingerConfig, SingerError, SingerOptions, SingerReport, SingerState};
use crate::store::{FeedSnapshot, FeedTable, known_feed_tables};

/// Programs that run taps start them under such a name.
const TAP_NAME: &str = "tap-cratedigger";

/// Adds the name of the command, if the program was started under the name of a tap.
pub(super) fn named_by_program(mut args: Vec<OsString>) -> Vec<OsString> {
    let is_tap = args.first().and_then(|program| Path::new(program).file_name()).is_some_and(|name| name == TAP_NAME);
    if is_tap && args.get(1).is_none_or(|first| first != "--version" && first != "-V") {
        args.insert(1, "singer".into());
    }
    args
}

pub fn run(args: &SingerArgs, context: &CommandContext) -> Result<ExitStatus, CommandError> {
    let config = match &args.config {
        Some(path) => singer::read_config(path).map_err(CommandError::Problems)?,
        None => SingerConfig::default(),
    };
    let tables = offered_tables(&config)?;
    if args.discover {
        let done = singer::discover(&tables, BufWriter::new(message_stream()));
        return done.map(|()| ExitStatus::Complete).map_err(|error| singer_error(error.into()));
    }
    let mut problems = Vec::new();
    let mut chosen = tables.clone();
    if let Some(path) = &args.catalog {
        match singer::read_catalog(path, &tables) {
            Ok(selected) => chosen = selected,
            Err(found) => problems.extend(found),
        }
    }
    let mut state = SingerState::default();
    if let Some(path) = &args.state {
        match singer::read_state(path) {
            Ok(known) => state = known,
            Err(found) => problems.extend(found),
        }
    }
    if !problems.is_empty() {
        return Err(CommandError::Problems(problems));
    }
    let context = &context_of(&config, context)?;
    let settings = context.settings()?;
    require_store(context, &settings)?;
    let snapshot = FeedSnapshot::open(&context.project.database(&settings)).map_err(|e| singer_error(e.into()))?;
    if chosen.is_empty() {
        context.warn(None, "the catalog selects no table, so nothing is sent; set \"selected\": true in its metadata");
    }
    let options = SingerOptions { tables: chosen, state, full: args.full, now: Utc::now() };
    let report = send(&snapshot, options).map_err(singer_error)?;
    if !context.quiet {
        context.notice(&describe(&report));
    }
    Ok(ExitStatus::Complete)
}

fn send(snapshot: &FeedSnapshot, options: SingerOptions) -> Result<SingerReport, SingerError> {
    let mut out = BufWriter::with_capacity(64 * 1024, message_stream());
    let sent = singer::send(snapshot, options, &mut out);
    match sent {
        Ok(report) => out.flush().map(|()| report).map_err(SingerError::from),
        Err(error) => {
            // The bytes that are not written yet would be half a message.
            drop(out.into_parts());
            Err(error)
        }
    }
}

/// The project that the config names. A relative path starts in the folder of `--project`.
fn context_of(config: &SingerConfig, context: &CommandContext) -> Result<CommandContext, CommandError> {
    let mut context = context.clone();
    if let Some(folder) = &config.project {
        context.project = Project::at(context.project.root.join(folder));
        restore::finish_interrupted(&context)?;
    }
    context.flags.shard = config.shard.or(context.flags.shard);
    Ok(context)
}

fn offered_tables(config: &SingerConfig) -> Result<Vec<FeedTable>, CommandError> {
    let mut tables = known_feed_tables().map_err(|error| CommandError::new(ExitStatus::Storage, error))?;
    tables.retain(|table| config.tables.is_empty() || config.tables.contains(&table.name));
    Ok(tables)
}

fn singer_error(error: SingerError) -> CommandError {
    match error {
        SingerError::TargetEnded => CommandError::new(ExitStatus::Failed, error).with_hint(
            "its own messages say why; nothing is lost: the next time, pass the last state that it printed, or none",
        ),
        SingerError::Output(_) => CommandError::new(ExitStatus::Storage, error),
        SingerError::Store(error) => CommandError::new(ExitStatus::Storage, error),
    }
}

/// A summary of the sent rows, on one line.
fn describe(report: &SingerReport) -> String {
    let mut text = format!(
        "sent {} and {} of {} at version {}",
        count(report.rows, "row"),
        count(report.deleted, "deletion"),
        count(report.tables, "table"),
        report.version
    );
    if report.full > 0 {
        text.push_str(&format!("; {} completely", count(report.full, "table")));
    }
    if report.unreadable_times > 0 {
        text.push_str(&format!("; {} that are no times became null", count(report.unreadable_times, "value")));
    }
    if report.left_out > 0 {
        text.push_str(&format!("; {} left out, because their key contains no time", count(report.left_out, "row")));
    }
    text
}
