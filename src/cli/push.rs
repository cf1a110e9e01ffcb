//! `push [TARGET…]`: sends new, changed and deleted rows to the targets in `targets/`.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use chrono::{TimeDelta, Utc};
use serde_json::{Map, Value, json};

use super::args::PushArgs;
use super::command_error::count_problems;
use super::file_access::csv_access;
use super::print::{count, stderr, stderr_colored};
use super::reporter::Reporter;
use super::runtime::runtime;
use super::shutdown::Shutdown;
use super::store_file::require_store;
use super::{CommandContext, CommandError, ExitStatus, OrExit, print};
use crate::document::{Diagnostic, DiagnosticRenderer, printable};
use crate::push::{PushError, PushOptions, PushReport, push};
use crate::settings::Settings;
use crate::store::timestamp;
use crate::target::{self, LoadedTargets, Target, TargetPlace};

pub fn run(args: &PushArgs, context: &CommandContext) -> Result<ExitStatus, CommandError> {
    let settings = context.settings()?;
    let loaded = target::load(&context.project, context.flags.shard, &args.targets);
    if loaded.has_errors() && (!args.targets.is_empty() || loaded.targets.is_empty()) {
        return Err(CommandError::Problems(loaded.problems));
    }
    if loaded.targets.is_empty() && loaded.broken.is_empty() {
        let error = anyhow::anyhow!("there are no targets: {} has no *.toml", context.project.targets_dir.display());
        return Err(CommandError::new(ExitStatus::Usage, error).with_hint("docs/reach.md shows how to write one"));
    }
    let mut exits = Vec::new();
    if loaded.has_errors() {
        // A broken file does not stop the other targets.
        stderr_colored(&DiagnosticRenderer::new(context.colour).render(&loaded.problems));
        stderr(&format!("{}\n", count_problems(&loaded.problems)));
        exits.push(ExitStatus::Usage);
    }
    require_store(context, &settings)?;
    let database = context.project.database(&settings);
    let options = options(&settings, args.full)?;
    let mut results: Vec<Value> = Vec::new();
    let runtime = runtime()?;
    for target in &loaded.targets {
        match runtime.block_on(push_one(&database, target, &options)) {
            Ok(report) => {
                if !context.json && !context.quiet {
                    stderr(&format!("{}\n", describe(&report, target)));
                }
                results.push(as_json(&report));
            }
            Err(error) => {
                if !context.json {
                    context.report(&error);
                }
                let mut result = error.json();
                if let Value::Object(result) = &mut result {
                    result.insert("target".into(), json!(target.name));
                }
                exits.push(error.exit());
                results.push(result);
            }
        }
    }
    let exit = ExitStatus::most_severe(exits);
    if context.json {
        let problems = &loaded.problems;
        print::json(
            &json!({ "targets": results, "broken": loaded.broken, "problems": problems, "exit_code": exit.code() }),
        )
        .or_exit(ExitStatus::Storage)?;
    }
    Ok(exit)
}

/// Pushes after runs to all targets that want that. A target that cannot be pushed to is reported once, and the runs have
/// not failed.
pub(super) async fn push_after_run(
    context: &CommandContext,
    settings: &Settings,
    reporter: &Reporter<'_>,
    shutdown: &Shutdown,
) {
    let loaded = target::load(&context.project, context.flags.shard, &[]);
    let wrong = files_with_errors(&loaded);
    for name in &wrong {
        let problems = loaded.problems.iter().filter(|problem| target_of(problem) == *name).cloned().collect();
        reporter.push_failed(name, &CommandError::Problems(problems));
    }
    let database = context.project.database(settings);
    let options = match options(settings, false) {
        Ok(options) => options,
        // The runs have reported it: they could write no file either.
        Err(error) => return tracing::debug!(error = error.headline(), "nothing is pushed"),
    };
    for target in loaded.targets.iter().filter(|target| target.after_run && !wrong.contains(&target.name)) {
        if shutdown.is_stopping() {
            return;
        }
        let pushed = tokio::select! {
            pushed = push_one(&database, target, &options) => pushed,
            // The target takes back the rows that it got so far.
            () = stopped(shutdown) => return,
        };
        match pushed {
            Ok(report) => {
                if !report.unchanged {
                    tracing::info!(target_name = target.name, "{}", describe(&report, target));
                }
                reporter.push_succeeded(&target.name);
            }
            // The other push sends the rows, or the next one does.
            Err(error) if error.exit() == ExitStatus::Deferred => {}
            Err(error) => reporter.push_failed(&target.name, &error),
        }
    }
}

/// The targets with errors in their files. If the folder itself has one, its name is among them.
fn files_with_errors(loaded: &LoadedTargets) -> BTreeSet<String> {
    let wrong = loaded.problems.iter().filter(|problem| problem.is_error()).map(target_of);
    wrong.chain(loaded.broken.iter().cloned()).collect()
}

/// The target with this problem in its file.
fn target_of(problem: &Diagnostic) -> String {
    Path::new(&problem.file).file_stem().map_or(String::new(), |stem| stem.to_string_lossy().into_owned())
}

/// Waits for a signal.
async fn stopped(shutdown: &Shutdown) {
    while !shutdown.is_stopping() {
        shutdown.sleep(Duration::from_secs(3600)).await;
    }
}

/// Deletes the rows of a purged user in all targets. Returns the targets that still have them.
pub(super) fn push_purge(context: &CommandContext, settings: &Settings) -> Result<Vec<String>, CommandError> {
    let loaded = target::load(&context.project, context.flags.shard, &[]);
    let database = context.project.database(settings);
    let runtime = runtime()?;
    let options = options(settings, false)?;
    let is_usable = |name: &String| loaded.targets.iter().any(|target| target.name == *name);
    let mut left: Vec<String> = files_with_errors(&loaded).into_iter().filter(|name| !is_usable(name)).collect();
    if loaded.has_errors() {
        context.report(&CommandError::Problems(loaded.problems));
    }
    for target in &loaded.targets {
        match runtime.block_on(push_one(&database, target, &options)) {
            Ok(report) => stderr(&format!("{}\n", describe(&report, target))),
            Err(error) => {
                context.report(&error);
                left.push(target.name.clone());
            }
        }
    }
    Ok(left)
}

async fn push_one(database: &Path, target: &Target, options: &PushOptions) -> Result<PushReport, CommandError> {
    push(database, target, options).await.map_err(push_error)
}

fn options(settings: &Settings, full: bool) -> Result<PushOptions, CommandError> {
    let age = settings.retention.tombstones.and_then(|age| TimeDelta::from_std(age).ok());
    let before = age.and_then(|age| Utc::now().checked_sub_signed(age)).map(timestamp);
    Ok(PushOptions { full, forget_marks_before: before, access: csv_access(settings)? })
}

pub(super) fn push_error(error: PushError) -> CommandError {
    let exit = match &error {
        PushError::Unreachable { .. } => ExitStatus::Failed,
        PushError::Busy { .. } => ExitStatus::Deferred,
        PushError::Refused { .. } | PushError::OtherStore { .. } | PushError::Store(_) => ExitStatus::Storage,
        PushError::Credentials { .. } | PushError::Panicked { .. } => ExitStatus::UserAction,
        PushError::NotBuilt { .. } | PushError::NoLake { .. } => ExitStatus::Usage,
    };
    let hint = error.hint();
    CommandError::new(exit, error).with_optional_hint(hint)
}

/// Where the rows of a target go.
pub(super) fn place(target: &Target) -> String {
    printable(&target.shown())
}

/// The same for programs.
pub(super) fn place_json(target: &Target) -> Map<String, Value> {
    let (kind, address, schema) = match &target.place {
        TargetPlace::Postgres(place) => ("postgres", place.address.shown(), Some(&place.schema)),
        TargetPlace::Lake(place) => ("lake", place.address.shown(), None),
    };
    let after = if target.after_run { "run" } else { "never" };
    let mut value = Map::new();
    value.insert("target".into(), json!(target.name));
    value.insert("kind".into(), json!(kind));
    value.insert("address".into(), json!(address));
    if let Some(schema) = schema {
        value.insert("schema".into(), json!(schema));
    }
    value.insert("after".into(), json!(after));
    value
}

/// What a push did, on one line.
fn describe(report: &PushReport, target: &Target) -> String {
    let place = place(target);
    if report.unchanged {
        return format!("{}: unchanged ({place})", report.target);
    }
    let full = report.tables.iter().filter(|table| table.full).count();
    let mut text = format!(
        "{}: pushed {} and {} to {place}",
        report.target,
        count(usize::try_from(report.rows()).unwrap_or(usize::MAX), "row"),
        count(usize::try_from(report.deleted()).unwrap_or(usize::MAX), "deletion"),
    );
    if report.files > 0 {
        text.push_str(&format!(" in {}", count_of(report.files, "file")));
    }
    if full > 0 {
        text.push_str(&format!("; {} completely", count(full, "table")));
    }
    if let Some(why) = report.full_because {
        text.push_str(&format!(", because {why}"));
    }
    if !report.emptied.is_empty() {
        let tables: Vec<String> = report.emptied.iter().map(|table| printable(table)).collect();
        text.push_str(&format!("; emptied what the target file no longer names: {}", tables.join(", ")));
    }
    if report.unreadable_times > 0 {
        text.push_str(&format!("; {} that are no times became null", count_of(report.unreadable_times, "value")));
    }
    if let Some(first) = report.not_ours.first() {
        let more = if report.not_ours.len() > 1 { ", …" } else { "" };
        let others = count(report.not_ours.len(), "name");
        text.push_str(&format!("; left {others} alone that no push has written: {}{more}", printable(first)));
    }
    if report.left_out > 0 {
        text.push_str(&format!("; {} left out, because their key contains no time", count_of(report.left_out, "row")));
    }
    text
}

fn count_of(number: u64, what: &str) -> String {
    count(usize::try_from(number).unwrap_or(usize::MAX), what)
}

fn as_json(report: &PushReport) -> Value {
    let mut value = json!(report);
    if let Value::Object(value) = &mut value {
        value.insert("state".into(), json!(if report.unchanged { "unchanged" } else { "pushed" }));
        value.insert("exit_code".into(), json!(ExitStatus::Complete.code()));
        value.insert("rows".into(), json!(report.rows()));
        value.insert("deleted".into(), json!(report.deleted()));
    }
    value
}
