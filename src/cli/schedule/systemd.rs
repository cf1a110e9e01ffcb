//! What systemd is told by `sd_notify(3)`: a datagram of lines to the socket that it names.

use std::cell::RefCell;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

/// The line to systemd, if it started us with one.
pub(super) struct SystemdNotifier {
    socket: Option<(UnixDatagram, SocketAddr)>,
    interval: Duration,
    status: RefCell<String>,
}

impl SystemdNotifier {
    /// By `NOTIFY_SOCKET` and `WATCHDOG_USEC`.
    pub(super) fn from_environment() -> SystemdNotifier {
        let address = std::env::var("NOTIFY_SOCKET").ok().and_then(|name| address(&name));
        let socket = address.and_then(|address| Some((UnixDatagram::unbound().ok()?, address)));
        let limit = std::env::var("WATCHDOG_USEC").ok().and_then(|usec| usec.parse().ok()).map(Duration::from_micros);
        // Half of what it allows, as sd_watchdog_enabled(3) advises.
        let interval = limit.filter(|limit| !limit.is_zero()).map_or(Duration::MAX, |limit| limit / 2);
        SystemdNotifier { socket, interval, status: RefCell::default() }
    }

    /// How often it has to hear of us.
    pub(super) fn interval(&self) -> Duration {
        self.interval
    }

    /// The jobs are read; from now on they run when due.
    pub(super) fn notify_ready(&self) {
        self.send("READY=1");
    }

    /// We are alive, and do this.
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

    /// The runs under way are being stopped.
    pub(super) fn notify_stopping(&self) {
        self.send("STOPPING=1\nSTATUS=stopping: the pages in hand are committed");
    }

    fn send(&self, text: &str) {
        // Whoever does not listen does not have to.
        if let Some((socket, address)) = &self.socket {
            let _ = socket.send_to_addr(text.as_bytes(), address);
        }
    }
}

/// A path, or with `@` in front a name in Linux's abstract namespace.
fn address(name: &str) -> Option<SocketAddr> {
    match name.strip_prefix('@') {
        #[cfg(target_os = "linux")]
        Some(name) => <SocketAddr as std::os::linux::net::SocketAddrExt>::from_abstract_name(name).ok(),
        #[cfg(not(target_os = "linux"))]
        Some(_) => None,
        None => SocketAddr::from_pathname(name).ok(),
    }
}
