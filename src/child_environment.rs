//! The environment of the programs that are started: the browser, and the command that gets messages.
//!
//! They get only variables that programs need in general. Ours may contain the client secret, a refresh token, the addresses of
//! hooks, and whatever else the operator's shell has.

use std::ffi::{OsStr, OsString};

/// Variables that are passed on. A name that ends with `*` means all variables that start like it.
const PASSED_ON: [&str; 33] = [
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "TERM",
    "TZ",
    "TMPDIR",
    "LANG",
    "LANGUAGE",
    "LC_*",
    "PWD",
    // The desktop.
    "DISPLAY",
    "WAYLAND_DISPLAY",
    "XAUTHORITY",
    "XDG_*",
    "DBUS_SESSION_BUS_ADDRESS",
    "DESKTOP_SESSION",
    "BROWSER",
    "GDK_BACKEND",
    "MOZ_ENABLE_WAYLAND",
    "WSL_DISTRO_NAME",
    "WSL_INTEROP",
    // The network.
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "ALL_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "all_proxy",
    "no_proxy",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
];

/// The variables of this process that the programs get.
pub fn passed_on() -> impl Iterator<Item = (OsString, OsString)> {
    std::env::vars_os().filter(|(name, _)| is_passed_on(name))
}

fn is_passed_on(name: &OsStr) -> bool {
    let Some(name) = name.to_str() else { return false };
    PASSED_ON.iter().any(|passed| match passed.strip_suffix('*') {
        Some(start) => name.starts_with(start),
        None => name == *passed,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_variable_of_ours_is_passed_on() {
        for name in ["PATH", "LC_ALL", "XDG_RUNTIME_DIR", "HTTPS_PROXY", "all_proxy"] {
            assert!(is_passed_on(OsStr::new(name)), "{name}");
        }
        for name in [
            "SPOTIFY_CLIENT_SECRET",
            "SPOTIPY_CLIENT_ID",
            "CRATEDIGGER_KEY_FILE",
            "CREDENTIALS_DIRECTORY",
            "AWS_SECRET",
        ] {
            assert!(!is_passed_on(OsStr::new(name)), "{name}");
        }
    }
}
