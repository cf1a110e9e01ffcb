//! Pings and webhooks: small POSTs, bounded in time, to addresses that are secrets.

use std::sync::OnceLock;
use std::time::Duration;

use reqwest::{Client, redirect, retry};
use url::Url;

use super::Notifier;
use super::alert_store::{RunPing, START_PING};
use super::message::AlertMessage;

/// Bytes of a ping's body: the services cut longer ones.
const MAX_PING_BYTES: usize = 10_000;

/// Sends.
pub(super) struct WebhookClient {
    timeout: Duration,
    client: OnceLock<Result<Client, String>>,
}

impl WebhookClient {
    pub(super) fn new(timeout: Duration) -> WebhookClient {
        WebhookClient { timeout, client: OnceLock::new() }
    }

    /// A message as JSON.
    pub(super) async fn webhook(&self, url: &Url, message: &AlertMessage) -> Result<(), String> {
        let body = serde_json::to_vec(message).map_err(|e| e.to_string())?;
        self.post(url.clone(), "application/json", body).await
    }

    /// A ping to the base of a check; `{job}` in it stands for the name of the job.
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
        // The path and the query of such an address are what keeps others from using it.
        let host = url.host_str().unwrap_or("?").to_owned();
        let client = self.client.get_or_init(|| {
            spotify_client::http::transport::use_ring();
            let built = Client::builder()
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
        // Names are looked up outside of reqwest's own limit on some systems.
        match tokio::time::timeout(self.timeout, sent).await {
            Ok(Ok(answer)) if answer.status().is_success() => Ok(()),
            Ok(Ok(answer)) => Err(format!("{host} answered with status {}", answer.status().as_u16())),
            Ok(Err(e)) if e.is_timeout() => Err(format!("{host} did not answer in {} s", self.timeout.as_secs())),
            Ok(Err(e)) => Err(format!("{host} cannot be reached: {}", innermost_cause(&e.without_url()))),
            Err(_) => Err(format!("{host} did not answer in {} s", self.timeout.as_secs())),
        }
    }
}

/// The innermost cause: what the system said.
fn innermost_cause(error: &dyn std::error::Error) -> String {
    let mut inner = error;
    while let Some(next) = inner.source() {
        inner = next;
    }
    inner.to_string()
}

/// The pings of one run, in the style of healthchecks.io.
pub struct RunPinger<'a> {
    notifier: &'a Notifier,
    job: String,
    run_id: String,
}

impl<'a> RunPinger<'a> {
    /// Those of a run of this job.
    pub(super) fn new(notifier: &'a Notifier, job: &str) -> RunPinger<'a> {
        RunPinger { notifier, job: job.to_owned(), run_id: new_run_id() }
    }

    /// The run begins.
    pub fn start(&self) {
        self.send(START_PING.to_owned(), String::new());
    }

    /// The run ended with this code; the last lines say how. A deferred run goes on by itself, so it
    /// is no failure.
    pub fn finish(&self, exit_code: u8, lines: &[String]) {
        let code = if exit_code == 75 { 0 } else { exit_code };
        let mut body = lines.join("\n");
        if body.len() > MAX_PING_BYTES {
            let from =
                (body.len() - MAX_PING_BYTES..body.len()).find(|at| body.is_char_boundary(*at)).unwrap_or(body.len());
            body = body.split_off(from);
        }
        self.send(code.to_string(), body);
    }

    fn send(&self, what: String, body: String) {
        self.notifier.dispatcher.queue_ping(&self.job, RunPing { what, rid: self.run_id.clone(), body });
    }
}

/// A name for a run that no other has: a random UUID.
pub fn new_run_id() -> String {
    let mut bytes = [0u8; 16];
    if getrandom::fill(&mut bytes).is_err() {
        // Without randomness the time will do: it only pairs a start with its end.
        let nanos = std::time::UNIX_EPOCH.elapsed().unwrap_or_default().as_nanos();
        bytes = nanos.to_be_bytes();
    }
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}
