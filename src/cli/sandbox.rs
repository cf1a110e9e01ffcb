//! `sandbox`: a made-up Spotify in the foreground, with how to point a project at it.

use std::time::Duration;

use super::args::{AppMode, GrantRotation, Sandbox};
use super::workshop::runtime;
use super::{Context, Exit, Failure, OrExit, print};
use spotify_sandbox::{self, Fault, Mode, Options, Rotation};

/// Serves until it is stopped.
pub fn run(args: &Sandbox, context: &Context) -> Result<Exit, Failure> {
    let faults = args.fault.iter().map(|text| fault(text)).collect::<Result<Vec<_>, _>>()?;
    let options = Options {
        mode: mode(args.mode),
        seed: args.seed,
        port: args.port,
        tracks: usize::try_from(args.tracks).unwrap_or(usize::MAX),
        playlists: usize::try_from(args.playlists).unwrap_or(usize::MAX),
        playlist_items: usize::try_from(args.playlist_items).unwrap_or(usize::MAX),
        rate_limit: args.rate_limit,
        rate_window: window(args.rate_window)?,
        sister_client_ids: args.sister.clone(),
        calls_per_day: args.calls_per_day,
        token_ttl_secs: args.access_ttl,
        rotation: rotation(args.rotation),
        ..Options::default()
    };
    let (id, secret) = (options.client_id.clone(), options.client_secret.clone());
    runtime()?.block_on(async {
        let sandbox = spotify_sandbox::start(options).await.or_exit(Exit::Failed)?;
        for fault in faults {
            sandbox.inject(fault);
        }
        let (api, accounts) = (sandbox.api_url(), sandbox.accounts_url());
        if context.json {
            let value = serde_json::json!({
                "api_url": api, "accounts_url": accounts, "client_id": id, "client_secret": secret,
            });
            print::json(&value).or_exit(Exit::Storage)?;
        } else {
            let text = format!(
                "export CRATEDIGGER__SPOTIFY__API_URL={api}\nexport CRATEDIGGER__SPOTIFY__ACCOUNTS_URL={accounts}\n\
                 export SPOTIFY_CLIENT_ID={id}\nexport SPOTIFY_CLIENT_SECRET={secret}\n"
            );
            print::stdout(&text).or_exit(Exit::Storage)?;
            print::stderr(&format!(
                "what it can do: {accounts}/_sandbox, ids to try: {accounts}/_sandbox/ids; Ctrl-C ends it\n"
            ));
        }
        use tokio::signal::unix::{SignalKind, signal};
        let mut terminate = signal(SignalKind::terminate()).or_exit(Exit::Failed)?;
        tokio::select! {
            _ = terminate.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
        }
        sandbox.shutdown().await;
        Ok(Exit::Complete)
    })
}

/// The sandbox's word for a class of apps.
pub(super) fn mode(mode: AppMode) -> Mode {
    match mode {
        AppMode::Development => Mode::Development,
        AppMode::Extended => Mode::Extended,
    }
}

fn rotation(whose: GrantRotation) -> Rotation {
    match whose {
        GrantRotation::Never => Rotation::Never,
        GrantRotation::Pkce => Rotation::Pkce,
        GrantRotation::Always => Rotation::Always,
    }
}

fn window(seconds: f64) -> Result<Duration, Failure> {
    Duration::try_from_secs_f64(seconds).ok().filter(|window| !window.is_zero()).ok_or_else(|| {
        let why = anyhow::anyhow!("--rate-window is {seconds}, which is no length of time");
        Failure::new(Exit::Usage, why).with_hint("such as --rate-window 3")
    })
}

fn fault(text: &str) -> Result<Fault, Failure> {
    serde_json::from_str(text).map_err(|e| {
        let example = r#"--fault '{"path": "/v1/playlists/*", "times": 1, "action": {"do": "status", "code": 503}}'"#;
        Failure::new(Exit::Usage, anyhow::anyhow!("--fault is not a fault: {e}"))
            .with_hint(format!("such as {example}"))
    })
}
