//! A proxy between the program and a server, which ends or holds a connection when a statement goes through it.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What happens to a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// The server never gets it.
    Before,
    /// The server gets it, and its answer is lost.
    Answer,
    /// It waits until it is released.
    Hold,
}

pub struct Proxy {
    pub port: u16,
    rule: Arc<Mutex<Option<(Cut, String)>>>,
    holds: Arc<AtomicBool>,
}

impl Proxy {
    /// Listens on a port of this machine and connects to a socket.
    pub fn to(socket: PathBuf) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let proxy = Proxy {
            port: listener.local_addr().unwrap().port(),
            rule: Arc::default(),
            holds: Arc::new(AtomicBool::new(false)),
        };
        let (rule, holds) = (Arc::clone(&proxy.rule), Arc::clone(&proxy.holds));
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                serve(client, &socket, &rule, &holds);
            }
        });
        proxy
    }

    /// Applies a cut to the next statement with these words, once.
    pub fn cut(&self, cut: Cut, words: &str) {
        *self.rule.lock().unwrap() = Some((cut, words.to_owned()));
    }

    /// Whether no statement had the words yet.
    pub fn is_waiting(&self) -> bool {
        self.rule.lock().unwrap().is_some()
    }

    /// Waits until a statement is held.
    pub fn wait_until_held(&self) {
        while !self.holds.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    pub fn release(&self) {
        self.holds.store(false, Ordering::SeqCst);
    }
}

fn serve(client: TcpStream, socket: &Path, rule: &Arc<Mutex<Option<(Cut, String)>>>, holds: &Arc<AtomicBool>) {
    let Ok(server) = UnixStream::connect(socket) else { return drop(client.shutdown(Shutdown::Both)) };
    let is_mute = Arc::new(AtomicBool::new(false));
    let (mut from_server, mut to_client) = (server.try_clone().unwrap(), client.try_clone().unwrap());
    let mute = Arc::clone(&is_mute);
    std::thread::spawn(move || {
        let mut bytes = [0; 64 * 1024];
        while let Ok(count) = from_server.read(&mut bytes) {
            if count == 0 || mute.load(Ordering::SeqCst) || to_client.write_all(&bytes[..count]).is_err() {
                break;
            }
        }
        let _ = to_client.shutdown(Shutdown::Both);
        let _ = from_server.shutdown(Shutdown::Both);
    });
    let (mut from_client, mut to_server) = (client, server);
    let (rule, holds) = (Arc::clone(rule), Arc::clone(holds));
    std::thread::spawn(move || {
        let mut bytes = [0; 64 * 1024];
        while let Ok(count) = from_client.read(&mut bytes) {
            if count == 0 {
                break;
            }
            let text = String::from_utf8_lossy(&bytes[..count]).into_owned();
            let cut = {
                let mut rule = rule.lock().unwrap();
                match &*rule {
                    Some((_, words)) if text.contains(words.as_str()) => rule.take().map(|(cut, _)| cut),
                    _ => None,
                }
            };
            match cut {
                Some(Cut::Before) => break,
                Some(Cut::Answer) => is_mute.store(true, Ordering::SeqCst),
                Some(Cut::Hold) => {
                    holds.store(true, Ordering::SeqCst);
                    while holds.load(Ordering::SeqCst) {
                        std::thread::sleep(Duration::from_millis(5));
                    }
                }
                None => {}
            }
            if to_server.write_all(&bytes[..count]).is_err() {
                break;
            }
        }
        let _ = from_client.shutdown(Shutdown::Both);
        let _ = to_server.shutdown(Shutdown::Both);
    });
}
