//! Which warnings of a run are new. A lasting one is reported once.

use super::{Reporter, StartedBy};
use crate::store::RunState;
use crate::sync::RunReport;

impl Reporter<'_> {
    /// The warnings of a run that the run before it did not have. Those about sign-ins are all new: the days on which
    /// they are due are kept elsewhere.
    pub(super) fn new_warnings(&self, report: &RunReport) -> Vec<String> {
        let is_complete = report.state == RunState::Complete.as_str();
        let (grants, others) = report.warnings.split_at(report.expiring_grants.len());
        let Some(notifier) = &self.notifier else { return report.warnings.clone() };
        let (of_files, of_run): (Vec<String>, Vec<String>) =
            others.iter().cloned().partition(|text| report.file_warnings.contains(text));
        // A page that did not change was not rendered, so its warnings are not over.
        let is_rendered = report.files.iter().any(|file| file.outcome == "written" && !file.path.ends_with(".csv"));
        let mut new = grants.to_vec();
        new.extend(notifier.alerts().new_warnings(&report.job, &of_run, is_complete));
        // Job names contain no slash.
        let files = format!("{}/files", report.job);
        new.extend(notifier.alerts().new_warnings(&files, &of_files, is_complete && is_rendered));
        new
    }

    /// Reports warnings that concern the whole project. A timer's runs report each of them once.
    pub(in crate::cli) fn project_warnings(&self, texts: &[String]) {
        let new = self.notifier.as_ref().map(|notifier| notifier.alerts().new_warnings("", texts, true));
        let shown = new.filter(|_| self.started_by != StartedBy::User).unwrap_or_else(|| texts.to_vec());
        shown.iter().for_each(|text| self.context.warn(None, text));
    }
}
