//! Listens for the browser's answer: only on the loopback address, on one path, for one answer.
//!
//! Other programs on this machine can reach the port, so a request without the right `state`
//! gets a page and changes nothing. The first request with the right `state` is the answer, and its browser tab waits for the
//! page with the result. Later ones get a page that says they are too late. The port is closed when the listener is
//! dropped.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hyper::body::Incoming;
use hyper::header::HOST;
use hyper::service::service_fn;
use hyper::{Method, Request};
use hyper_util::rt::TokioIo;
use secrecy::SecretString;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, JoinSet};
use url::Url;

use super::answer::{AnswerMismatch, CallbackAnswer, from_query};
pub use super::page::HtmlPage;
use super::{RedirectUri, SignInError};

/// How long the program waits for a person in the browser.
pub const LISTEN_TIMEOUT: Duration = Duration::from_secs(600);
/// How long the browser may take to load the last page.
const LAST_PAGE_TIMEOUT: Duration = Duration::from_secs(2);
/// A connection that sends nothing for this long is closed.
const IDLE_TIMEOUT: Duration = Duration::from_secs(10);

/// A port that the program listens on, before its address is sent to Spotify.
#[derive(Debug)]
pub struct CallbackListener {
    socket: TcpListener,
    address: SocketAddr,
    redirect: RedirectUri,
}

/// The answer, and the browser tab that waits for a page.
#[derive(Debug)]
pub struct ReceivedAnswer {
    /// The answer of Spotify.
    pub answer: CallbackAnswer,
    page: oneshot::Sender<HtmlPage>,
    served: oneshot::Receiver<()>,
    // Dropped last, so that the port stays open until the page was sent.
    _server: ServerTask,
}

#[derive(Debug)]
struct ServerTask(JoinHandle<()>);

impl Drop for ServerTask {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// What a request is compared with.
struct ListenerState {
    address: SocketAddr,
    path: String,
    state: SecretString,
    issuer: Url,
    first: Mutex<Option<oneshot::Sender<WaitingTab>>>,
}

/// The first valid answer, on its way to the waiting task.
struct WaitingTab {
    answer: CallbackAnswer,
    page: oneshot::Sender<HtmlPage>,
    served: oneshot::Receiver<()>,
}

impl CallbackListener {
    /// Binds the port of a loopback redirect URI, or a free port. `None` if the URI is not on this machine.
    ///
    /// # Errors
    ///
    /// [`SignInError::Port`], usually because another program uses the port.
    pub async fn bind(redirect: &RedirectUri) -> Result<Option<CallbackListener>, SignInError> {
        let Some(wanted) = redirect.listen_on() else {
            return Ok(None);
        };
        let port = |source| SignInError::Port { address: wanted.to_string(), source };
        let socket = TcpListener::bind(wanted).await.map_err(port)?;
        let address = socket.local_addr().map_err(port)?;
        Ok(Some(CallbackListener { socket, address, redirect: redirect.clone() }))
    }

    /// The redirect URI with the actual port.
    pub fn redirect_uri(&self) -> String {
        self.redirect.with_port(self.address.port())
    }

    /// Waits for the answer with this `state`, at most for `patience`.
    ///
    /// # Errors
    ///
    /// [`SignInError::TimedOut`].
    pub async fn wait_for_answer(
        self,
        state: &SecretString,
        issuer: &Url,
        patience: Duration,
    ) -> Result<ReceivedAnswer, SignInError> {
        let register = self.redirect.as_registered().to_owned();
        let (first, came) = oneshot::channel();
        let desk = Arc::new(ListenerState {
            address: self.address,
            path: self.redirect.path().to_owned(),
            state: state.clone(),
            issuer: issuer.clone(),
            first: Mutex::new(Some(first)),
        });
        let server = ServerTask(tokio::spawn(serve(self.socket, desk)));
        match tokio::time::timeout(patience, came).await {
            Ok(Ok(WaitingTab { answer, page, served })) => Ok(ReceivedAnswer { answer, page, served, _server: server }),
            _ => Err(SignInError::TimedOut { waited: patience, register }),
        }
    }
}

impl ReceivedAnswer {
    /// Shows the result in the browser and closes the port.
    pub async fn show(self, page: HtmlPage) {
        if self.page.send(page).is_ok() {
            drop(tokio::time::timeout(LAST_PAGE_TIMEOUT, self.served).await);
        }
    }
}

async fn serve(socket: TcpListener, desk: Arc<ListenerState>) {
    let mut connections = JoinSet::new();
    loop {
        match socket.accept().await {
            Ok((stream, peer)) if peer.ip().is_loopback() => {
                connections.spawn(connection(stream, Arc::clone(&desk)));
            }
            Ok(_) => {}
            Err(error) => {
                tracing::debug!(%error, "failed to accept a connection");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
        while connections.try_join_next().is_some() {}
    }
}

async fn connection(stream: TcpStream, desk: Arc<ListenerState>) {
    let ended: Mutex<Option<oneshot::Sender<()>>> = Mutex::default();
    let service = service_fn(|request| {
        let (desk, ended) = (&desk, &ended);
        async move {
            let page = match desk.read(&request) {
                Err(page) => page,
                Ok((answer, first)) => {
                    let (page, shown) = oneshot::channel();
                    let (end, served) = oneshot::channel();
                    *ended.lock().unwrap_or_else(PoisonError::into_inner) = Some(end);
                    drop(first.send(WaitingTab { answer, page, served }));
                    shown.await.unwrap_or_else(|_| HtmlPage::failed("the sign-in was cancelled"))
                }
            };
            Ok::<_, Infallible>(page.response())
        }
    });
    let io = TokioIo::new(stream);
    let mut served = std::pin::pin!(
        hyper::server::conn::http1::Builder::new()
            .keep_alive(false)
            .max_buf_size(64 * 1024)
            .serve_connection(io, service)
    );
    let answered = || ended.lock().unwrap_or_else(PoisonError::into_inner).is_some();
    let outcome = loop {
        tokio::select! {
            outcome = &mut served => break outcome,
            // Only the connection with the answer may stay open and wait for its page.
            () = tokio::time::sleep(IDLE_TIMEOUT), if !answered() => if !answered() { return },
        }
    };
    if let Err(error) = outcome {
        tracing::debug!(%error, "the browser closed the connection");
    }
    if let Some(end) = ended.lock().unwrap_or_else(PoisonError::into_inner).take() {
        let _ = end.send(());
    }
}

impl ListenerState {
    /// The answer in a request and the channel for its page, or the page for any other request.
    fn read(&self, request: &Request<Incoming>) -> Result<(CallbackAnswer, oneshot::Sender<WaitingTab>), HtmlPage> {
        let uri = request.uri();
        if uri.path() != self.path {
            return Err(HtmlPage::new(404, "Not found", "There is nothing here."));
        }
        if request.method() != Method::GET {
            return Err(HtmlPage::new(
                405,
                "Not allowed",
                "Only a browser that returns from Spotify is expected here.",
            ));
        }
        // A foreign page with a name that resolves to this machine sends its own host name.
        let host = request.headers().get(HOST).and_then(|host| host.to_str().ok());
        if host != Some(&*self.address.to_string())
            && !(self.address.port() == 80 && host == Some(&*self.address.ip().to_string()))
        {
            return Err(HtmlPage::new(400, "Not here", "This is not the address that Spotify sends the browser to."));
        }
        let answer = from_query(uri.query().unwrap_or(""), &self.state, &self.issuer).map_err(|why| match why {
            AnswerMismatch::OtherState => HtmlPage::new(
                400,
                "Another sign-in",
                "This answer does not belong to the sign-in that is waiting. Open the newest link.",
            ),
            AnswerMismatch::OtherIssuer => {
                HtmlPage::new(400, "Another service", "This answer does not come from Spotify's accounts service.")
            }
            AnswerMismatch::Unreadable => {
                HtmlPage::new(400, "No answer", "This address contains no answer from Spotify.")
            }
        })?;
        let first = self.first.lock().unwrap_or_else(PoisonError::into_inner).take();
        match first {
            Some(first) => Ok((answer, first)),
            None => Err(HtmlPage::new(409, "Too late", "This sign-in was already answered.")),
        }
    }
}
