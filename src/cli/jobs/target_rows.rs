//! The targets in `jobs`: where rows are pushed, when, and since when that has failed.

use std::path::Path;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};

use crate::cli::CommandContext;
use crate::cli::local_time::format_local;
use crate::cli::push::{place, place_json};
use crate::cli::table::format_table;
use crate::document::printable;
use crate::notify::AlertStore;
use crate::store::{canonical_path, timestamp};
use crate::target::{self, LoadedTargets};

pub(super) struct TargetRows {
    loaded: LoadedTargets,
    /// Since when each of the targets has failed.
    failing_since: Vec<Option<DateTime<Utc>>>,
}

impl TargetRows {
    pub(super) fn read(context: &CommandContext, database: &Path, state: Option<&Path>) -> TargetRows {
        let loaded = target::load(&context.project, context.flags.shard, &[]);
        let alerts = state.map(|state| AlertStore::new(state, &canonical_path(database)));
        let since = |name: &str| alerts.as_ref()?.target_failing_since(name);
        let failing_since = loaded.targets.iter().map(|target| since(&target.name)).collect();
        TargetRows { loaded, failing_since }
    }

    pub(super) fn as_json(&self) -> Vec<Value> {
        let targets = self.loaded.targets.iter().zip(&self.failing_since).map(|(target, since)| {
            let mut value = place_json(target);
            value.insert("failing_since".into(), json!(since.map(timestamp)));
            Value::Object(value)
        });
        let broken = self.loaded.broken.iter().map(|name| json!({ "target": name, "state": "broken file" }));
        targets.chain(broken).collect()
    }

    /// None if the project has no targets.
    pub(super) fn as_table(&self) -> Option<String> {
        let mut rows = vec![["TARGET", "TO", "PUSHED", "STATE"].map(str::to_owned).to_vec()];
        for (target, since) in self.loaded.targets.iter().zip(&self.failing_since) {
            let when = if target.after_run { "after runs" } else { "by hand" };
            let state = since.map_or_else(|| "-".to_owned(), |at| format!("failing since {}", format_local(at)));
            rows.push(vec![printable(&target.name), place(target), when.to_owned(), state]);
        }
        for name in &self.loaded.broken {
            rows.push(vec![printable(name), "-".into(), "-".into(), "broken file, see `check`".into()]);
        }
        (rows.len() > 1).then(|| format_table(&rows))
    }
}
