//! Whether messages and pings reach their receivers, as far as past runs know. Nothing is sent.

use super::DoctorLine;
use crate::cli::local_time::format_local;
use crate::cli::print::count;
use crate::cli::{CommandContext, ExitStatus};
use crate::notify::AlertStore;
use crate::settings::{NotifySettings, Settings};
use crate::store::canonical_path;

pub(super) fn notify_lines(context: &CommandContext, settings: &Settings) -> Vec<DoctorLine> {
    let NotifySettings { webhook_url, ping_url, command, prometheus_file, .. } = &settings.notify;
    let set = [
        ("notify.webhook_url", webhook_url.is_some()),
        ("notify.ping_url", ping_url.is_some()),
        ("notify.command", command.is_some()),
        ("notify.prometheus_file", prometheus_file.is_some()),
    ];
    let set: Vec<&str> = set.iter().filter(|(_, is_set)| *is_set).map(|(name, _)| *name).collect();
    let state = context.state_dir(settings).ok().filter(|dir| dir.path().exists());
    let Some(dir) = state.filter(|_| !set.is_empty()) else { return Vec::new() };
    let alerts = AlertStore::new(dir.path(), &canonical_path(&context.project.database(settings)));
    // A channel that is not set any more fails nobody.
    let failing = alerts.failing_channels().into_iter().filter(|(setting, _)| set.contains(&setting.as_str()));
    let mut page: Vec<DoctorLine> = failing
        .map(|(setting, since)| {
            let text = format!("{setting} has failed since {}; the log of the runs says why", format_local(since));
            let todo = format!("check {setting} and its receiver; `cratedigger run JOB` tries it again");
            DoctorLine::problem("notify", text, todo, ExitStatus::Failed)
        })
        .collect();
    let (messages, pings, oldest) = alerts.undelivered();
    if let Some(oldest) = oldest {
        let waiting = [(messages, "message"), (pings, "ping")];
        let waiting: Vec<String> = waiting.iter().filter(|(n, _)| *n > 0).map(|(n, noun)| count(*n, noun)).collect();
        let verb = if messages + pings == 1 { "waits" } else { "wait" };
        let text = format!("{} {verb} to be delivered, since {}", waiting.join(" and "), format_local(oldest));
        page.push(DoctorLine::note("notify", format!("{text}; each is dropped after a day")));
    }
    if page.is_empty() {
        page.push(DoctorLine::passed("notify", format!("{}: no delivery is known to have failed", set.join(", "))));
    }
    page
}
