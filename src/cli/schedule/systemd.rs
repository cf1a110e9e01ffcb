//! Notifications to systemd by `sd_notify(3)`: datagrams to a socket. The protocol is a few lines, so no
//! crate is used for it.

use std::cell::RefCell;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

/// Sends notifications to systemd, if it started the process with a socket.
pub(super) struct SystemdNotifier {
    socket: Option<(UnixDatagram, SocketAddr)>,
    interval: Duration,
    status: RefCell<String>,
}

impl SystemdNotifier {
    /// Reads `NOTIFY_SOCKET` and `WATCHDOG_USEC`.
    pub(super) fn from_environment() -> SystemdNotifier {
        let address = std::env::var("NOTIFY_SOCKET").ok().and_then(|name| address(&name));
        let socket = address.and_then(|address| Some((UnixDatagram::unbound().ok()?, address)));
        let limit = std::env::var("WATCHDOG_USEC").ok().and_then(|usec| usec.parse().ok()).map(Duration::from_micros);
        // Half of the limit, as sd_watchdog_enabled(3) recommends.
        let interval = limit.filter(|limit| !limit.is_zero()).map_or(Duration::MAX, |limit| limit / 2);
        SystemdNotifier { socket, interval, status: RefCell::default() }
    }

    /// How often a watchdog signal is due.
    pub(super) fn interval(&self) -> Duration {
        self.interval
    }

    /// The jobs are loaded and run when due.
    pub(super) fn notify_ready(&self) {
        self.send("READY=1");
    }

    /// Sends a watchdog signal, with the status if it has changed.
    pub(super) fn notify_status(&self, status: &str) {
        if self.socket.is_none() {
            return;
        }
        if *self.status.borrow() == status {
            self.send("WATCHDOG=1");
        } else {
            self.send(&format!("WATCHDOG=1\nSTATUS={}", status.replace('\n', " ")));
            status.clone_into(&mut self.status.borrow_mut());
        }
    }

    /// The runs in progress are being stopped.
    pub(super) fn notify_stopping(&self) {
        self.send("STOPPING=1\nSTATUS=stopping: the current pages are committed");
    }

    fn send(&self, text: &str) {
        // A missing listener is not an error.
        if let Some((socket, address)) = &self.socket {
            let _ = socket.send_to_addr(text.as_bytes(), address);
        }
    }
}

/// A path, or with a leading `@` a name in Linux's abstract namespace.
fn address(name: &str) -> Option<SocketAddr> {
    match name.strip_prefix('@') {
        #[cfg(target_os = "linux")]
        Some(name) => <SocketAddr as std::os::linux::net::SocketAddrExt>::from_abstract_name(name).ok(),
        #[cfg(not(target_os = "linux"))]
        Some(_) => None,
        None => SocketAddr::from_pathname(name).ok(),
    }
}
