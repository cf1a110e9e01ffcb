//! Accepts connections, lets hyper speak HTTP, and takes the raw socket back for faults.
//!
//! No test-server crate is used here, because the sandbox must be able to break the protocol. For a fault that
//! HTTP cannot express, the service of hyper waits forever; the code takes the TCP stream out of hyper and
//! writes the bytes itself.

use std::convert::Infallible;
use std::future::pending;
use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinHandle, JoinSet};

use super::clock::http_date;
use super::fault_injection::{WireOutcome, WireStep};
use super::response::ServerResponse;
use super::routes::ServerRequest;
use super::state::SandboxState;

const MAX_REQUEST_BYTES: usize = 1 << 20;

/// The task that accepts connections. Dropping it ends the task and all connections.
#[derive(Debug)]
pub(crate) struct SandboxServer {
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl SandboxServer {
    pub(crate) async fn stop(mut self) {
        drop(self.stop.take());
        if let Err(err) = (&mut self.task).await {
            tracing::debug!(%err, "failed to stop the sandbox");
        }
    }
}

impl Drop for SandboxServer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Binds to the loopback address only.
pub(crate) async fn listen(port: u16) -> io::Result<TcpListener> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await
}

/// Accepts connections until the server is stopped.
pub(crate) fn serve(listener: TcpListener, state: Arc<SandboxState>) -> SandboxServer {
    let (stop, mut stopped) = oneshot::channel::<()>();
    let task = tokio::spawn(async move {
        let mut connections = JoinSet::new();
        loop {
            let accepted = tokio::select! {
                _ = &mut stopped => return,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, _)) => {
                    connections.spawn(serve_connection(stream, Arc::clone(&state)));
                }
                Err(err) => tracing::debug!(%err, "failed to accept a connection"),
            }
            while connections.try_join_next().is_some() {}
        }
    });
    SandboxServer { stop: Some(stop), task }
}

async fn serve_connection(stream: TcpStream, state: Arc<SandboxState>) {
    if let Err(err) = stream.set_nodelay(true) {
        tracing::debug!(%err, "failed to set TCP_NODELAY");
    }
    let (takeover, mut taken) = mpsc::channel::<Vec<WireStep>>(1);
    let service = service_fn(|request| {
        let (state, takeover) = (Arc::clone(&state), takeover.clone());
        async move {
            match handle_request(&state, request).await {
                Ok(response) => Ok::<_, Infallible>(response),
                Err(steps) => {
                    drop(takeover.send(steps).await);
                    pending().await
                }
            }
        }
    });
    let mut conn = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    let steps = tokio::select! {
        ended = &mut conn => {
            if let Err(err) = ended {
                tracing::debug!(%err, "connection ended with an error");
            }
            return;
        }
        Some(steps) = taken.recv() => steps,
    };
    let mut stream = conn.into_parts().io.into_inner();
    if let Err(err) = write_steps(&mut stream, steps).await {
        tracing::debug!(%err, "client closed the connection during a fault");
    }
}

/// The response, or the bytes and pauses that replace it.
async fn handle_request(
    state: &SandboxState,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Vec<WireStep>> {
    let (head, body) = request.into_parts();
    let body = match Limited::new(body, MAX_REQUEST_BYTES).collect().await {
        Ok(body) => body.to_bytes(),
        Err(_) => return Ok(build_response(state, ServerResponse::empty(413))),
    };
    let request = ServerRequest::from_parts(&head, body);
    // The limits and the log use the time of arrival, not that of the response.
    let outcome = state.handle(&request);
    tokio::time::sleep(state.options.latency).await;
    match outcome {
        WireOutcome::Response(mut response, late) => {
            if state.options.gzip && request.accepts_gzip {
                response = response.gzipped();
            }
            tokio::time::sleep(late).await;
            Ok(build_response(state, response))
        }
        WireOutcome::Raw(_, steps) => Err(steps),
    }
}

fn build_response(state: &SandboxState, response: ServerResponse) -> Response<Full<Bytes>> {
    let mut builder = Response::builder().status(response.status).header("date", http_date(state.clock.now_ms()));
    for (name, value) in response.headers {
        builder = builder.header(name, value);
    }
    builder.body(Full::new(response.body)).unwrap_or_else(|err| {
        tracing::warn!(%err, "a fault specifies a response that HTTP cannot express");
        Response::new(Full::default())
    })
}

async fn write_steps(stream: &mut TcpStream, steps: Vec<WireStep>) -> io::Result<()> {
    for step in steps {
        match step {
            WireStep::Send(bytes) => stream.write_all(&bytes).await?,
            WireStep::Drip(bytes, every) => {
                for byte in bytes {
                    stream.write_all(&[byte]).await?;
                    tokio::time::sleep(every).await;
                }
            }
            WireStep::Forever(bytes) => loop {
                stream.write_all(&bytes).await?;
            },
            WireStep::Stall => {
                let mut ignored = [0; 512];
                while stream.read(&mut ignored).await? > 0 {}
            }
            WireStep::Reset => return stream.set_zero_linger(),
            WireStep::Close => stream.shutdown().await?,
        }
    }
    Ok(())
}
