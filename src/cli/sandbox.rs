//! `sandbox`: serves a simulated Spotify in the foreground and prints how to use it.

use std::time::Duration;

use super::args::{AppModeArg, GrantRotation, SandboxArgs};
use super::runtime::runtime;
use super::{CommandContext, CommandError, ExitStatus, OrExit, print};
use spotify_sandbox::{self, Fault, QuotaMode, SandboxOptions, TokenRotation};

/// Serves until a signal arrives.
pub fn run(args: &SandboxArgs, context: &CommandContext) -> Result<ExitStatus, CommandError> {
    let faults = args.fault.iter().map(|text| parse_fault(text)).collect::<Result<Vec<_>, _>>()?;
    let options = SandboxOptions {
        mode: sandbox_mode(args.mode),
        seed: args.seed,
        port: args.port,
        tracks: usize::try_from(args.tracks).unwrap_or(usize::MAX),
        playlists: usize::try_from(args.playlists).unwrap_or(usize::MAX),
        playlist_items: usize::try_from(args.playlist_items).unwrap_or(usize::MAX),
        rate_limit: args.rate_limit,
        rate_window: parse_window(args.rate_window)?,
        sister_client_ids: args.sister.clone(),
        calls_per_day: args.calls_per_day,
        token_ttl_secs: args.access_ttl,
        rotation: sandbox_rotation(args.rotation),
        ..SandboxOptions::default()
    };
    let (id, secret) = (options.client_id.clone(), options.client_secret.clone());
    runtime()?.block_on(async {
        let sandbox = spotify_sandbox::start(options).await.or_exit(ExitStatus::Failed)?;
        for fault in faults {
            sandbox.inject(fault);
        }
        let (api, accounts) = (sandbox.api_url(), sandbox.accounts_url());
        if context.json {
            let value = serde_json::json!({
                "api_url": api, "accounts_url": accounts, "client_id": id, "client_secret": secret,
            });
            print::json(&value).or_exit(ExitStatus::Storage)?;
        } else {
            let text = format!(
                "export CRATEDIGGER__SPOTIFY__API_URL={api}\nexport CRATEDIGGER__SPOTIFY__ACCOUNTS_URL={accounts}\n\
                 export SPOTIFY_CLIENT_ID={id}\nexport SPOTIFY_CLIENT_SECRET={secret}\n"
            );
            print::stdout(&text).or_exit(ExitStatus::Storage)?;
            print::stderr(&format!(
                "features: {accounts}/_sandbox, ids to try: {accounts}/_sandbox/ids; press Ctrl-C to stop\n"
            ));
        }
        use tokio::signal::unix::{SignalKind, signal};
        let mut terminate = signal(SignalKind::terminate()).or_exit(ExitStatus::Failed)?;
        tokio::select! {
            _ = terminate.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
        }
        sandbox.shutdown().await;
        Ok(ExitStatus::Complete)
    })
}

/// The sandbox mode for a class of apps.
pub(super) fn sandbox_mode(mode: AppModeArg) -> QuotaMode {
    match mode {
        AppModeArg::Development => QuotaMode::Development,
        AppModeArg::Extended => QuotaMode::Extended,
    }
}

fn sandbox_rotation(rotation: GrantRotation) -> TokenRotation {
    match rotation {
        GrantRotation::Never => TokenRotation::Never,
        GrantRotation::Pkce => TokenRotation::Pkce,
        GrantRotation::Always => TokenRotation::Always,
    }
}

fn parse_window(seconds: f64) -> Result<Duration, CommandError> {
    Duration::try_from_secs_f64(seconds).ok().filter(|window| !window.is_zero()).ok_or_else(|| {
        let why = anyhow::anyhow!("invalid duration {seconds} for --rate-window");
        CommandError::new(ExitStatus::Usage, why).with_hint("for example --rate-window 3")
    })
}

fn parse_fault(text: &str) -> Result<Fault, CommandError> {
    serde_json::from_str(text).map_err(|e| {
        let example = r#"--fault '{"path": "/v1/playlists/*", "times": 1, "action": {"do": "status", "code": 503}}'"#;
        CommandError::new(ExitStatus::Usage, anyhow::anyhow!("invalid --fault: {e}"))
            .with_hint(format!("for example {example}"))
    })
}
