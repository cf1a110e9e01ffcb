//! The sockets: accepts, lets hyper speak HTTP, and takes the connection back for faults.
//!
//! A fault that HTTP can't express is played by leaving hyper's service waiting for ever, taking
//! the raw stream out of its hands, and writing the steps to it.

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

use super::answer::Answer;
use super::clock::http_date;
use super::routes::Call;
use super::sabotage::{Outcome, Step};
use super::world::World;

const LARGEST_REQUEST: usize = 1 << 20;

/// The accepting task; it and its connections end with it.
#[derive(Debug)]
pub(crate) struct Server {
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<()>,
}

impl Server {
    pub(crate) async fn stop(mut self) {
        drop(self.stop.take());
        if let Err(err) = (&mut self.task).await {
            tracing::debug!(%err, "the sandbox did not stop by itself");
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Binds to the loopback address, never to another.
pub(crate) async fn listen(port: u16) -> io::Result<TcpListener> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await
}

/// Accepts until told to stop.
pub(crate) fn serve(listener: TcpListener, world: Arc<World>) -> Server {
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
                    connections.spawn(connection(stream, Arc::clone(&world)));
                }
                Err(err) => tracing::debug!(%err, "a connection could not be accepted"),
            }
            while connections.try_join_next().is_some() {}
        }
    });
    Server { stop: Some(stop), task }
}

async fn connection(stream: TcpStream, world: Arc<World>) {
    if let Err(err) = stream.set_nodelay(true) {
        tracing::debug!(%err, "a connection stays slow");
    }
    let (takeover, mut taken) = mpsc::channel::<Vec<Step>>(1);
    let service = service_fn(|request| {
        let (world, takeover) = (Arc::clone(&world), takeover.clone());
        async move {
            match respond(&world, request).await {
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
                tracing::debug!(%err, "a connection ended badly");
            }
            return;
        }
        Some(steps) = taken.recv() => steps,
    };
    let mut stream = conn.into_parts().io.into_inner();
    if let Err(err) = play(&mut stream, steps).await {
        tracing::debug!(%err, "the reader of a fault has gone");
    }
}

/// The response, or the steps to be played instead of one.
async fn respond(world: &World, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Vec<Step>> {
    let (head, body) = request.into_parts();
    let body = match Limited::new(body, LARGEST_REQUEST).collect().await {
        Ok(body) => body.to_bytes(),
        Err(_) => return Ok(response(world, Answer::empty(413))),
    };
    let call = Call::read(&head, body);
    // Counted and logged when it came, not when it was answered.
    let outcome = world.handle(&call);
    tokio::time::sleep(world.options.latency).await;
    match outcome {
        Outcome::Answer(mut answer, late) => {
            if world.options.gzip && call.accepts_gzip {
                answer = answer.packed();
            }
            tokio::time::sleep(late).await;
            Ok(response(world, answer))
        }
        Outcome::Raw(_, steps) => Err(steps),
    }
}

fn response(world: &World, answer: Answer) -> Response<Full<Bytes>> {
    let mut builder = Response::builder().status(answer.status).header("date", http_date(world.clock.now_ms()));
    for (name, value) in answer.headers {
        builder = builder.header(name, value);
    }
    builder.body(Full::new(answer.body)).unwrap_or_else(|err| {
        tracing::warn!(%err, "a fault asked for an answer that HTTP can't express");
        Response::new(Full::default())
    })
}

async fn play(stream: &mut TcpStream, steps: Vec<Step>) -> io::Result<()> {
    for step in steps {
        match step {
            Step::Send(bytes) => stream.write_all(&bytes).await?,
            Step::Drip(bytes, every) => {
                for byte in bytes {
                    stream.write_all(&[byte]).await?;
                    tokio::time::sleep(every).await;
                }
            }
            Step::Forever(bytes) => loop {
                stream.write_all(&bytes).await?;
            },
            Step::Stall => {
                let mut ignored = [0; 512];
                while stream.read(&mut ignored).await? > 0 {}
            }
            Step::Reset => return stream.set_zero_linger(),
            Step::Close => stream.shutdown().await?,
        }
    }
    Ok(())
}
