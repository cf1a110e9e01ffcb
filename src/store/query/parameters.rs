//! The named parameters of a query.

/// Values of the named parameters of a query. A name without a value is bound to null.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct QueryParameters {
    pub since: Option<String>,
    pub last_run_at: Option<String>,
    /// The time up to which the last file showed new items.
    pub last_file_at: Option<String>,
    pub fire_at: Option<String>,
    pub job: Option<String>,
    pub user_id: Option<String>,
}

impl QueryParameters {
    /// All names as they are written in a query.
    pub const NAMES: [&'static str; 6] = [":since", ":last_run_at", ":last_file_at", ":fire_at", ":job", ":user_id"];

    /// Returns the names that appear in a query and their values: what its rows depend on besides the store.
    pub fn used_in(&self, sql: &str) -> Vec<(&'static str, Option<&str>)> {
        let names = Self::NAMES.into_iter().filter(|name| sql.contains(name));
        names.map(|name| (name, self.value(name).and_then(Option::as_deref))).collect()
    }

    pub(super) fn value(&self, name: &str) -> Option<&Option<String>> {
        match name {
            ":since" => Some(&self.since),
            ":last_run_at" => Some(&self.last_run_at),
            ":last_file_at" => Some(&self.last_file_at),
            ":fire_at" => Some(&self.fire_at),
            ":job" => Some(&self.job),
            ":user_id" => Some(&self.user_id),
            _ => None,
        }
    }
}
