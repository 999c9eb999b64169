//! Figures for Prometheus, on a listener of their own: plain HTTP for loopback addresses and those that
//! `metrics.allow` names. There is one path, `/metrics`, and nothing to change.

mod figures;
mod page;

use super::config::MetricsConfig;
use super::{Handle, StartError};
use crate::api::Desk;
use crate::api::http::Requests;
use axum::Router;
use axum::http::{HeaderValue, header};
use axum::response::IntoResponse;
use axum::routing::get;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

/// Connections at a time of a listener; further ones wait.
const CONNECTIONS: usize = 16;
/// After an accept that failed, mostly for want of file descriptors.
const PAUSE: Duration = Duration::from_millis(100);
/// A request's head has to be there within this time.
const HEAD: Duration = Duration::from_secs(10);
/// Longest life of a connection: readers come every few seconds and open another one.
const LIFE: Duration = Duration::from_secs(120);
const TEXT: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");

/// Where figures come from.
#[derive(Clone)]
pub struct Watched {
    pub handle: Handle,
    /// Where the API is on.
    pub desk: Option<Arc<Desk>>,
    pub requests: Arc<Requests>,
}

/// Binds every listener and serves on it; their addresses, as bound.
pub fn start(config: &MetricsConfig, watched: &Watched) -> Result<(Vec<SocketAddr>, Vec<JoinHandle<()>>), StartError> {
    let (mut addresses, mut tasks) = (Vec::new(), Vec::new());
    for address in &config.listen {
        let listening = |error| StartError::Metrics { address: *address, error };
        let listener = std::net::TcpListener::bind(address).map_err(listening)?;
        listener.set_nonblocking(true).map_err(listening)?;
        let listener = TcpListener::from_std(listener).map_err(listening)?;
        addresses.push(listener.local_addr().map_err(listening)?);
        tasks.push(tokio::spawn(accept(listener, config.clone(), router(watched.clone()))));
    }
    Ok((addresses, tasks))
}

fn router(watched: Watched) -> Router {
    let page = move || {
        let watched = watched.clone();
        async move { ([(header::CONTENT_TYPE, TEXT)], figures::page(&watched).await).into_response() }
    };
    Router::new().route("/metrics", get(page))
}

async fn accept(listener: TcpListener, config: MetricsConfig, app: Router) {
    let room = Arc::new(Semaphore::new(CONNECTIONS));
    while let Ok(permit) = Arc::clone(&room).acquire_owned().await {
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "a connection for metrics could not be taken");
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        if !config.admits(peer.ip()) {
            tracing::warn!(source = %peer.ip(), "a connection for metrics was refused: it is none of `metrics.allow`");
            continue;
        }
        let app = app.clone();
        tokio::spawn(async move {
            let _ = tokio::time::timeout(LIFE, serve(stream, app)).await;
            drop(permit);
        });
    }
}

async fn serve(stream: TcpStream, app: Router) {
    let mut builder = http1::Builder::new();
    builder.timer(TokioTimer::new()).header_read_timeout(HEAD);
    if let Err(error) = builder.serve_connection(TokioIo::new(stream), TowerToHyperService::new(app)).await {
        tracing::debug!(%error, "a connection for metrics ended early");
    }
}
