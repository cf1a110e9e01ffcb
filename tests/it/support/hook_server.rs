//! A web server that collects pings and webhooks.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

/// A received request.
#[derive(Debug, Clone)]
pub struct Came {
    /// Path and query.
    pub target: String,
    pub body: String,
}

/// A server that listens until the test ends.
pub struct Hooks {
    address: String,
    came: Arc<Mutex<Vec<Came>>>,
    refuses: Arc<AtomicBool>,
}

impl Hooks {
    pub fn listening() -> Hooks {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let came: Arc<Mutex<Vec<Came>>> = Arc::default();
        let refuses: Arc<AtomicBool> = Arc::default();
        let (seen, refusing) = (Arc::clone(&came), Arc::clone(&refuses));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                answer(stream, &seen, refusing.load(Ordering::SeqCst));
            }
        });
        Hooks { address, came, refuses }
    }

    /// Whether requests are accepted from now on.
    pub fn refuse(&self, refuses: bool) {
        self.refuses.store(refuses, Ordering::SeqCst);
    }

    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.address)
    }

    /// The accepted requests.
    pub fn came(&self) -> Vec<Came> {
        self.came.lock().unwrap().clone()
    }
}

fn answer(stream: TcpStream, seen: &Mutex<Vec<Came>>, refuses: bool) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let mut line = String::new();
    reader.read_line(&mut line).unwrap();
    let target = line.split(' ').nth(1).unwrap_or_default().to_owned();
    let mut length = 0;
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).unwrap();
        if let Some(n) = header.to_ascii_lowercase().strip_prefix("content-length:") {
            length = n.trim().parse().unwrap();
        }
        if header.trim().is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    if !refuses {
        seen.lock().unwrap().push(Came { target, body: String::from_utf8(body).unwrap() });
    }
    let status = if refuses { "503 Service Unavailable" } else { "200 OK" };
    let mut stream = stream;
    stream
        .write_all(format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").as_bytes())
        .unwrap();
}
