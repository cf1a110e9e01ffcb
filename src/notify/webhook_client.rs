//! Sends pings and webhooks: small POST requests with a timeout, to addresses that are secrets.

use std::sync::OnceLock;
use std::time::Duration;

use reqwest::{Client, redirect, retry};
use url::Url;

use super::Notifier;
use super::alert_store::{RunPing, START_PING};
use super::message::AlertMessage;
use super::webhook_body::webhook_body;
use crate::document::terminal_safe;
use crate::settings::rules::is_loopback;

/// The maximum length of a ping body; the services truncate longer ones.
const MAX_PING_BYTES: usize = 10_000;

pub(super) struct WebhookClient {
    timeout: Duration,
    client: OnceLock<Result<Client, String>>,
    /// For addresses of this machine, which are never requested through a proxy.
    local_client: OnceLock<Result<Client, String>>,
}

impl WebhookClient {
    pub(super) fn new(timeout: Duration) -> WebhookClient {
        WebhookClient { timeout, client: OnceLock::new(), local_client: OnceLock::new() }
    }

    /// Posts a message as JSON.
    pub(super) async fn webhook(&self, url: &Url, message: &AlertMessage) -> Result<(), String> {
        let body = serde_json::to_vec(&webhook_body(url, message)).map_err(|e| e.to_string())?;
        self.post(url.clone(), "application/json", body).await
    }

    /// Sends a ping to the base address of a check; `{job}` in it is replaced with the name of the job.
    pub(super) async fn ping(&self, base: &Url, job: &str, ping: &RunPing) -> Result<(), String> {
        let name: String = url::form_urlencoded::byte_serialize(job.as_bytes()).collect();
        let written = base.as_str().replace("%7Bjob%7D", &name).replace("{job}", &name);
        let mut url = Url::parse(&written).unwrap_or_else(|_| base.clone());
        let path = format!("{}/{}", url.path().trim_end_matches('/'), ping.what);
        url.set_path(&path);
        url.query_pairs_mut().append_pair("rid", &ping.rid);
        self.post(url, "text/plain; charset=utf-8", ping.body.clone().into_bytes()).await
    }

    async fn post(&self, url: Url, kind: &'static str, body: Vec<u8>) -> Result<(), String> {
        // The path and the query of the address are secrets.
        let host = url.host_str().unwrap_or("?").to_owned();
        let is_local = is_loopback(&url);
        let client = if is_local { &self.local_client } else { &self.client };
        let client = client.get_or_init(|| {
            spotify_client::http::transport::use_ring();
            let builder = if is_local { Client::builder().no_proxy() } else { Client::builder() };
            let built = builder
                .redirect(redirect::Policy::none())
                .retry(retry::never())
                .referer(false)
                .timeout(self.timeout)
                .user_agent(concat!("cratedigger/", env!("CARGO_PKG_VERSION")))
                .build();
            built.map_err(|e| e.without_url().to_string())
        });
        let client = client.as_ref().map_err(|why| format!("{host}: {why}"))?;
        let sent = client.post(url).header("content-type", kind).body(body).send();
        // On some systems reqwest's timeout does not cover the name lookup.
        match tokio::time::timeout(self.timeout, sent).await {
            Ok(Ok(answer)) if answer.status().is_success() => Ok(()),
            Ok(Ok(answer)) => Err(format!("{host} responded with status {}", answer.status().as_u16())),
            Ok(Err(e)) if e.is_timeout() => Err(format!("{host} did not respond within {} s", self.timeout.as_secs())),
            Ok(Err(e)) => Err(format!("failed to reach {host}: {}", innermost_cause(&e.without_url()))),
            Err(_) => Err(format!("{host} did not respond within {} s", self.timeout.as_secs())),
        }
    }
}

/// The message of the innermost cause.
fn innermost_cause(error: &dyn std::error::Error) -> String {
    let mut inner = error;
    while let Some(next) = inner.source() {
        inner = next;
    }
    inner.to_string()
}

/// Sends the pings of one run in the style of healthchecks.io.
pub struct RunPinger<'a> {
    notifier: &'a Notifier,
    job: String,
    run_id: String,
}

impl<'a> RunPinger<'a> {
    pub(super) fn new(notifier: &'a Notifier, job: &str) -> RunPinger<'a> {
        RunPinger { notifier, job: job.to_owned(), run_id: new_run_id() }
    }

    /// Reports the start of the run.
    pub fn start(&self) {
        self.send(START_PING.to_owned(), String::new());
    }

    /// Reports the end of the run with its exit code and the last lines of its report.
    pub fn finish(&self, exit_code: u8, lines: &[String]) {
        let mut body = terminal_safe(&lines.join("\n")).into_owned();
        if body.len() > MAX_PING_BYTES {
            let from =
                (body.len() - MAX_PING_BYTES..body.len()).find(|at| body.is_char_boundary(*at)).unwrap_or(body.len());
            body = body.split_off(from);
        }
        self.send(exit_code.to_string(), body);
    }

    fn send(&self, what: String, body: String) {
        self.notifier.dispatcher.queue_ping(&self.job, RunPing { what, rid: self.run_id.clone(), body });
    }
}

/// A random UUID for a run.
pub fn new_run_id() -> String {
    let mut bytes = [0u8; 16];
    if getrandom::fill(&mut bytes).is_err() {
        // Without random bytes the time is good enough: the id only connects a start with its end.
        let nanos = std::time::UNIX_EPOCH.elapsed().unwrap_or_default().as_nanos();
        bytes = nanos.to_be_bytes();
    }
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}
