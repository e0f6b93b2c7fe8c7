//! The listener's side: requests come in, answers go out.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context, Result};
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::listing::Reply;
use super::{Call, Config, Scale};
use crate::simulator::request::Query;

/// Serves a site on a listener until the task is dropped.
///
/// # Errors
/// When the listener fails.
pub async fn serve(listener: TcpListener, scale: Arc<Scale>) -> Result<()> {
    axum::serve(listener, Router::new().fallback(handle).with_state(scale)).await.context("the server stopped serving")
}

/// A site served from this process on a free port; dropping it ends it.
pub struct Running {
    /// The site, to change it and to ask for its truth without a request.
    pub scale: Arc<Scale>,
    address: SocketAddr,
    task: JoinHandle<Result<()>>,
}

impl Running {
    /// Starts a site.
    ///
    /// # Errors
    /// When no port is free.
    pub async fn start(config: Config) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("cannot open a port for the server")?;
        let address = listener.local_addr()?;
        let scale = Arc::new(Scale::new(config));
        let task = tokio::spawn(serve(listener, Arc::clone(&scale)));
        Ok(Self { scale, address, task })
    }

    /// The server's address, without the base path.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn handle(State(scale): State<Arc<Scale>>, request: Request) -> Response {
    let text = |name: header::HeaderName| {
        request.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default().to_owned()
    };
    let (path, query) = (request.uri().path(), request.uri().query().unwrap_or_default());
    let method = request.method().as_str();
    if let Some(command) = path.strip_prefix("/simulator/") {
        return send(steer(&scale, method, command, &Query::parse(query)));
    }
    let (authorization, server) = (text(header::AUTHORIZATION), format!("http://{}", text(header::HOST)));
    send(scale.answer(Call { method, path, query, authorization: &authorization, server: &server }))
}

/// What steers the simulator from outside.
fn steer(scale: &Scale, method: &str, command: &str, query: &Query) -> Reply {
    let count = query.get("executions").and_then(|count| count.parse().ok()).unwrap_or(1);
    let body = match (method, command) {
        ("GET", "truth") => scale.truth(),
        ("GET", "requests") => json!({ "requests": scale.requests().len() }),
        ("POST", "change") => json!({ "changed": scale.change_executions(count) }),
        ("POST", "add") => json!({ "added": scale.add_executions(count) }),
        ("POST", "delete") => json!({ "deleted": scale.delete_executions(count) }),
        _ => return Reply::error(404, "GET truth, requests; POST change, add, delete, each with ?executions=N"),
    };
    Reply { status: 200, body, rows: 0, retry_after_s: None }
}

fn send(reply: Reply) -> Response {
    let mut response = Response::new(Body::from(Value::to_string(&reply.body)));
    *response.status_mut() = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json;charset=UTF-8"));
    if let Some(seconds) = reply.retry_after_s {
        headers.insert(header::RETRY_AFTER, seconds.into());
    }
    response
}
