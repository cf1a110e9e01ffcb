//! Servers with the interface of a cloud, on this machine: moto for S3, and azurite for Azure.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use object_store::aws::AmazonS3Builder;
use object_store::azure::MicrosoftAzureBuilder;
use object_store::{ObjectStore, ObjectStoreExt};

use super::lake_reader::assert_files_equal;
use crate::support::world::{Ran, World, ran};

/// The account of azurite, which everyone knows.
const AZURITE_KEY: &str = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==";

/// A server, a bucket `music` in it, and the variables with which programs find it.
pub struct Cloud {
    server: Child,
    pub port: u16,
    is_azure: bool,
    _folder: tempfile::TempDir,
}

/// A program that `make check-reach` has installed below `target/lake`.
pub fn program(path: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/lake").join(path);
    if path.exists() {
        return Some(path);
    }
    eprintln!("note: {} is missing (make check-reach installs it), so this test checks nothing", path.display());
    None
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

impl Cloud {
    pub fn s3() -> Option<Cloud> {
        let (program, port) = (program("bin/moto_server")?, free_port());
        let mut command = Command::new(program);
        command.args(["-H", "127.0.0.1", "-p", &port.to_string()]);
        let cloud = Cloud::start(command, port, false);
        // The bucket.
        let answer = cloud.request("PUT /music HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        Some(cloud)
    }

    pub fn azure() -> Option<Cloud> {
        let (program, port) = (program("azurite/node_modules/.bin/azurite-blob")?, free_port());
        let mut command = Command::new(program);
        command.args(["--silent", "--skipApiVersionCheck", "--inMemoryPersistence", "--disableTelemetry"]);
        command.args(["--blobHost", "127.0.0.1", "--blobPort", &port.to_string()]);
        let cloud = Cloud::start(command, port, true);
        super::azure_container::create(port, AZURITE_KEY);
        Some(cloud)
    }

    fn start(mut command: Command, port: u16, is_azure: bool) -> Cloud {
        spotify_client::http::transport::use_ring();
        let folder = tempfile::tempdir().unwrap();
        command.current_dir(folder.path()).stdout(Stdio::null()).stderr(Stdio::null());
        let server = command.spawn().unwrap();
        let began = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(began.elapsed() < Duration::from_secs(90), "the server does not start");
            std::thread::sleep(Duration::from_millis(100));
        }
        Cloud { server, port, is_azure, _folder: folder }
    }

    pub fn request(&self, head: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.write_all(head.as_bytes()).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// Adds the target `w` to a project.
    pub fn add_target(&self, world: &World, more: &str) {
        let scheme = if self.is_azure { "az" } else { "s3" };
        world
            .project
            .write("targets/w.toml", format!("url = \"{scheme}://music/a/lake\"\nafter = \"never\"\n{more}\n"));
    }

    /// A command that finds the server on a port.
    pub fn command(&self, world: &World, port: u16, args: &[&str]) -> Command {
        let mut command = world.command(args);
        match self.is_azure {
            true => command
                .env("AZURE_STORAGE_ACCOUNT_NAME", "devstoreaccount1")
                .env("AZURE_STORAGE_ACCOUNT_KEY", AZURITE_KEY)
                .env("AZURE_STORAGE_ENDPOINT", format!("http://127.0.0.1:{port}/devstoreaccount1")),
            false => command
                .env("AWS_ACCESS_KEY_ID", "testing")
                .env("AWS_SECRET_ACCESS_KEY", "the secret of the loader")
                .env("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{port}")),
        };
        command
    }

    pub fn cli(&self, world: &World, args: &[&str]) -> Ran {
        ran(&mut self.command(world, self.port, args))
    }

    fn store(&self) -> Arc<dyn ObjectStore> {
        match self.is_azure {
            true => Arc::new(
                MicrosoftAzureBuilder::new()
                    .with_account("devstoreaccount1")
                    .with_access_key(AZURITE_KEY)
                    .with_container_name("music")
                    .with_endpoint(format!("http://127.0.0.1:{}/devstoreaccount1", self.port))
                    .with_allow_http(true)
                    .build()
                    .unwrap(),
            ),
            false => Arc::new(
                AmazonS3Builder::new()
                    .with_access_key_id("testing")
                    .with_secret_access_key("testing")
                    .with_bucket_name("music")
                    .with_endpoint(format!("http://127.0.0.1:{}", self.port))
                    .with_allow_http(true)
                    .build()
                    .unwrap(),
            ),
        }
    }

    fn block_on<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
    }

    pub fn read(&self, path: &str) -> Vec<u8> {
        let key = object_store::path::Path::parse(format!("a/lake/{path}")).unwrap();
        let store = self.store();
        Cloud::block_on(async { store.get(&key).await.unwrap().bytes().await.unwrap() }).to_vec()
    }

    pub fn delete(&self, path: &str) {
        let key = object_store::path::Path::parse(format!("a/lake/{path}")).unwrap();
        let store = self.store();
        Cloud::block_on(async { store.delete(&key).await.unwrap() });
    }

    /// The paths of all objects of the lake.
    pub fn objects(&self) -> Vec<String> {
        use futures_util::TryStreamExt as _;
        let store = self.store();
        let found: Vec<_> = Cloud::block_on(store.list(None).try_collect()).unwrap();
        found.into_iter().map(|object| object.location.as_ref().trim_start_matches("a/lake/").to_owned()).collect()
    }

    pub fn manifest(&self) -> serde_json::Value {
        serde_json::from_slice(&self.read("_cratedigger.json")).unwrap()
    }

    /// Asserts that the tables of the lake equal those of the store, value by value.
    #[track_caller]
    pub fn assert_equal(&self, world: &World) {
        assert_files_equal(world, &self.manifest(), &|path| self.read(path));
    }
}

impl Drop for Cloud {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

/// What happens to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// The server never gets it, and this is the answer.
    Answer(&'static str),
    /// The server gets it, and its answer is lost.
    LoseAnswer,
    /// It waits until it is released.
    Hold,
}

/// A proxy between the program and a server. It takes one request at a connection.
pub struct RequestProxy {
    pub port: u16,
    rule: Arc<Mutex<Option<(Turn, String, usize)>>>,
    held: Receiver<Sender<()>>,
}

impl RequestProxy {
    pub fn to(server: u16) -> RequestProxy {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (port, rule) =
            (listener.local_addr().unwrap().port(), Arc::<Mutex<Option<(Turn, String, usize)>>>::default());
        let (holding, held) = channel();
        let of_thread = Arc::clone(&rule);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (rule, holding) = (Arc::clone(&of_thread), holding.clone());
                std::thread::spawn(move || drop(serve(client, server, &rule, &holding)));
            }
        });
        RequestProxy { port, rule, held }
    }

    /// What happens to the next requests whose first line has these words.
    pub fn turn(&self, turn: Turn, words: &str, times: usize) {
        *self.rule.lock().unwrap() = Some((turn, words.to_owned(), times));
    }

    /// Whether not all of these requests came.
    pub fn is_waiting(&self) -> bool {
        self.rule.lock().unwrap().is_some()
    }

    /// Waits until a request is held. It goes on when the sender is dropped.
    pub fn held(&self) -> Sender<()> {
        self.held.recv_timeout(Duration::from_secs(60)).unwrap()
    }
}

fn serve(
    mut client: TcpStream,
    server: u16,
    rule: &Mutex<Option<(Turn, String, usize)>>,
    holding: &Sender<Sender<()>>,
) -> std::io::Result<()> {
    let (mut bytes, mut piece) = (Vec::new(), [0; 64 * 1024]);
    let head = loop {
        let count = client.read(&mut piece)?;
        if count == 0 {
            return Ok(());
        }
        bytes.extend_from_slice(&piece[..count]);
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break end + 4;
        }
    };
    let text = String::from_utf8_lossy(&bytes[..head]).into_owned();
    let length = text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    while bytes.len() < head + length.unwrap_or(0) {
        let count = client.read(&mut piece)?;
        if count == 0 {
            return Ok(());
        }
        bytes.extend_from_slice(&piece[..count]);
    }
    let line = text.lines().next().unwrap_or_default().to_owned();
    let turn = {
        let mut rule = rule.lock().unwrap();
        match &mut *rule {
            Some((turn, words, left)) if line.contains(words.as_str()) => {
                let turn = *turn;
                *left -= 1;
                if *left == 0 {
                    *rule = None;
                }
                Some(turn)
            }
            _ => None,
        }
    };
    match turn {
        Some(Turn::Answer(status)) => {
            return client
                .write_all(format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").as_bytes());
        }
        Some(Turn::Hold) => {
            let (release, released) = channel();
            holding.send(release).unwrap();
            // The other end is dropped.
            let _ = released.recv();
        }
        Some(Turn::LoseAnswer) | None => {}
    }
    let mut upstream = TcpStream::connect(("127.0.0.1", server))?;
    // One request at a connection keeps this simple.
    let closing = text.replacen("\r\n", "\r\nConnection: close\r\n", 1);
    upstream.write_all(closing.as_bytes())?;
    upstream.write_all(&bytes[head..])?;
    let mut answer = Vec::new();
    upstream.read_to_end(&mut answer)?;
    if turn == Some(Turn::LoseAnswer) {
        return Ok(());
    }
    client.write_all(&answer)
}
