//! `schema job|config|target`: prints the JSON Schema that editors use to complete and check files. `schema feed` prints SQL
//! that shows the files of a lake as tables.

use super::args::{SchemaArgs, SchemaKind};
use super::push::push_error;
use super::runtime::runtime;
use super::{CommandContext, CommandError, ExitStatus, OrExit, print};
use crate::push::feed_sql;
use crate::target::{Target, TargetPlace};
use crate::{job, settings, target};

///
/// # Errors
///
/// If stdout cannot be written, or a lake cannot be read.
pub fn run(args: &SchemaArgs, context: &CommandContext) -> Result<ExitStatus, CommandError> {
    let text = match (args.of, args.sql) {
        (SchemaKind::Feed, Some(engine)) => {
            let lake = find_lake(context, args.target.as_deref())?;
            runtime()?.block_on(feed_sql(&lake, engine)).map_err(push_error)?
        }
        (_, Some(_)) => {
            let error = anyhow::anyhow!("`--sql` is for the tables of a lake");
            return Err(CommandError::new(ExitStatus::Usage, error).with_hint("cratedigger schema feed --sql ENGINE"));
        }
        (of, None) => schema_text(of),
    };
    print::stdout(&text).or_exit(ExitStatus::Storage)?;
    Ok(ExitStatus::Complete)
}

/// The target with this name, or the only lake.
fn find_lake(context: &CommandContext, name: Option<&str>) -> Result<Target, CommandError> {
    let names: Vec<String> = name.map(str::to_owned).into_iter().collect();
    let loaded = target::load(&context.project, context.flags.shard, &names);
    if loaded.has_errors() && (name.is_some() || loaded.targets.is_empty()) {
        return Err(CommandError::Problems(loaded.problems));
    }
    let mut lakes: Vec<Target> = loaded.targets;
    lakes.retain(|target| name.is_some() || matches!(target.place, TargetPlace::Lake(_)));
    let names: Vec<&str> = lakes.iter().map(|target| target.name.as_str()).collect();
    let (error, hint) = match &names[..] {
        [_] => return lakes.pop().ok_or_else(|| CommandError::new(ExitStatus::Usage, anyhow::anyhow!("no lake"))),
        [] => ("there is no lake among the targets".to_owned(), "docs/reach.md shows how to write one".to_owned()),
        names => (format!("there are {} lakes", names.len()), format!("--target {}", names.join(" or --target "))),
    };
    Err(CommandError::new(ExitStatus::Usage, anyhow::anyhow!(error)).with_hint(hint))
}

/// The text of a schema.
pub(super) fn schema_text(of: SchemaKind) -> String {
    let schema = match of {
        SchemaKind::Job => job::json_schema(),
        SchemaKind::Config => settings::json_schema(),
        SchemaKind::Target => target::json_schema(),
        // clap requires `--sql` with it.
        SchemaKind::Feed => return String::new(),
    };
    format!("{schema:#}\n")
}
