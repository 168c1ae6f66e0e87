//! Connections: accepted, limited in number and time, and closed gracefully.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use axum::Router;
use axum::http::HeaderValue;
use hyper::server::conn::http1::Builder;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tower::ServiceExt;
use tracing::{debug, warn};

use super::http::Peer;

/// The time within which a client must send the head of its first or next request.
const HEAD: Duration = Duration::from_secs(15);
/// Clients are told a time that is shorter by this, so that none sends its next request
/// into a connection that is being closed.
const SPARE: Duration = Duration::from_secs(5);
/// The time that responses in progress get when the service ends.
const GRACE: Duration = Duration::from_secs(20);

/// Serves until `stop` resolves, then lets responses in progress end.
///
/// # Errors
/// When the listener fails.
pub(super) async fn serve(
    listener: TcpListener,
    router: Router,
    connections: usize,
    stop: impl Future<Output = ()>,
) -> Result<()> {
    let places = Arc::new(Semaphore::new(connections));
    let graceful = GracefulShutdown::new();
    let mut builder = Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD);
    let kept = HeaderValue::from_str(&format!("timeout={}", (HEAD - SPARE).as_secs()))?;
    let router = router.layer(axum::middleware::map_response(move |mut response: axum::response::Response| {
        response.headers_mut().insert("keep-alive", kept.clone());
        std::future::ready(response)
    }));
    tokio::pin!(stop);
    loop {
        let place = tokio::select! {
            place = places.clone().acquire_owned() => place.context("the listener is closed")?,
            () = &mut stop => break,
        };
        let (stream, peer) = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // The process has no file handle left, or the client has gone.
                    warn!("a connection was not accepted: {error}");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            },
            () = &mut stop => break,
        };
        let router = router.clone().map_request(move |mut request: axum::http::Request<hyper::body::Incoming>| {
            request.extensions_mut().insert(Peer(peer.ip()));
            request.map(axum::body::Body::new)
        });
        let connection = builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(router));
        let connection = graceful.watch(connection);
        tokio::spawn(async move {
            let _place = place;
            if let Err(error) = connection.await {
                debug!("a connection ended: {error}");
            }
        });
    }
    drop(listener);
    tokio::select! {
        () = graceful.shutdown() => {}
        () = tokio::time::sleep(GRACE) => warn!("some answers took longer than {} s and are cut", GRACE.as_secs()),
    }
    Ok(())
}
