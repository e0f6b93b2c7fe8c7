//! The listener's side: calls come in, answers and faults go out.

use std::net::SocketAddr;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use axum::Router;
use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{ConnectInfo, Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::Response;
use futures::stream;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::auth::Admission;
use super::connection::{CuttingListener, Scissors};
use super::faults::Fault;
use super::limit::RetryAfterForm;
use super::quirks::Quirk;
use super::reply::{Content, Reply};
use super::request::Query;
use super::request_log::Entry;
use super::routes::{self, View};
use super::search;
use super::spoil::spoil;
use super::{Simulator, SimulatorConfig, admin, latency};

/// Serves a simulator on a listener until the task is dropped.
pub async fn serve(listener: TcpListener, config: SimulatorConfig) -> Result<()> {
    serve_simulator(listener, Arc::new(Simulator::new(config)?)).await
}

/// Serves a simulator that was built before.
pub async fn serve_simulator(listener: TcpListener, simulator: Arc<Simulator>) -> Result<()> {
    let service =
        Router::new().fallback(handle).with_state(simulator).into_make_service_with_connect_info::<Scissors>();
    axum::serve(CuttingListener { listener }, service).await.context("the simulator stopped serving")
}

/// A simulator served from this process on a free port; dropping it ends it.
pub struct Running {
    /// The simulator, to move its clock and to ask for its truth without a request.
    pub simulator: Arc<Simulator>,
    address: SocketAddr,
    task: JoinHandle<Result<()>>,
}

impl Running {
    /// Starts a simulator.
    pub async fn start(config: SimulatorConfig) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.context("cannot open a port for the simulator")?;
        let address = listener.local_addr()?;
        let simulator = Arc::new(Simulator::new(config)?);
        let task = tokio::spawn(serve_simulator(listener, Arc::clone(&simulator)));
        Ok(Self { simulator, address, task })
    }

    /// The server's address, without the base path.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The base path of the API in its usual version.
    pub fn api_url(&self) -> String {
        format!("{}/flex/services/rest/latest", self.url())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The largest body a call may have.
const LARGEST_CALL: usize = 1 << 20;

/// A call with its body read.
struct Call {
    method: Method,
    path: String,
    query: String,
    headers: HeaderMap,
    body: Bytes,
}

async fn handle(
    State(simulator): State<Arc<Simulator>>,
    ConnectInfo(scissors): ConnectInfo<Scissors>,
    request: Request,
) -> Response {
    let started = Instant::now();
    let (head, body) = request.into_parts();
    let path = head.uri.path().to_owned();
    let query = head.uri.query().unwrap_or("").to_owned();
    if let Some(admin_path) = path.strip_prefix("/simulator/") {
        let reply = admin::answer(simulator, head.method, admin_path.to_owned(), query).await;
        return send(reply, None, RetryAfterForm::Seconds);
    }
    let _in_flight = simulator.figures.begin();
    let body = to_bytes(body, LARGEST_CALL).await.unwrap_or_default();
    let call = Call { method: head.method, path, query, headers: head.headers, body };
    let (reply, fault, number) = answer(&simulator, &call);
    let is_reset = fault.is_some_and(|fault| fault.kind == "reset");
    if is_reset {
        scissors.cut();
    }
    wait(&simulator, &reply, fault, number).await;
    let status = if is_reset { 0 } else { reply.status.as_u16() };
    simulator.figures.end(status, reply.body.len() as u64, reply.rows);
    simulator.log.add(Entry {
        method: call.method.to_string(),
        path: call.path,
        query: call.query,
        status,
        duration_ms: started.elapsed().as_micros() as f64 / 1000.0,
        rows: reply.rows,
        fault: fault.map(|fault| fault.kind),
    });
    send(reply, fault, simulator.config.retry_after)
}

/// The answer to a call, what goes wrong with it and its number.
fn answer(simulator: &Simulator, call: &Call) -> (Reply, Option<Fault>, u64) {
    if let Err(seconds) = simulator.take_turn() {
        // a refused call is none that a fault or a session counts
        return (Reply::too_many(Some(seconds)), None, 0);
    }
    let target = format!("{}?{}", call.path, call.query);
    let below_base = routes::below_base(&call.path);
    let (kept_back, fault) = {
        let mut faults = simulator.faults.lock().unwrap_or_else(PoisonError::into_inner);
        (faults.arm(&target), faults.strike(simulator.config.seed, &target))
    };
    let query = Query::parse(&call.query);
    if let Some(path) = below_base.filter(|_| kept_back > 0) {
        simulator.withhold(path, &query, kept_back);
    }
    let view = simulator.view(fault);
    let mut reply = match fault.and_then(|fault| refuse(&view, fault)) {
        Some(refusal) => refusal,
        None => respond(simulator, &view, call, &query),
    };
    let number = view.call;
    // a change of the world need not copy what nobody looks at
    drop(view);
    if let Some(fault) = fault {
        if fault.kind == "reset" {
            reply.rows = 0;
        }
        spoil(&mut reply, fault);
        if let Some(path) = below_base {
            simulator.drift(fault, path, &query);
        }
    }
    (reply, fault, number)
}

async fn wait(simulator: &Simulator, reply: &Reply, fault: Option<Fault>, number: u64) {
    let config = &simulator.config;
    let mut delay = Duration::from_millis(config.latency_ms);
    if config.latency > 0.0 {
        let quirks = simulator.look().quirks;
        delay += latency::delay(config.latency, quirks, config.seed, number, reply.release_rows);
    }
    if let Some(fault) = fault.filter(|fault| fault.kind == "slow-first-byte") {
        delay += Duration::from_millis(fault.amount.unwrap_or(1000));
    }
    if !delay.is_zero() {
        tokio::time::sleep(delay).await;
    }
}

fn respond(simulator: &Simulator, view: &View, call: &Call, query: &Query) -> Reply {
    let path = call.path.as_str();
    if let Some(token) = simulator.gate.exchange(&call.method, path, &call.headers, &call.body) {
        return token;
    }
    let Some(below_base) = routes::below_base(path) else {
        let is_page = view.quirks.has(Quirk::OddErrorBodies) || path.starts_with("/flex/html5");
        return if is_page && (path == "/" || path == "/flex" || path.starts_with("/flex/")) {
            Reply::html(StatusCode::OK, "Simulated test management")
        } else {
            Reply::not_found(view.quirks)
        };
    };
    let cookie = match simulator.gate.admit(&call.method, path, &call.query, &call.headers) {
        Admission::Refused => return Reply::unauthorised(view.quirks),
        Admission::Admitted => None,
        Admission::LoggedIn(cookie) => Some(cookie),
    };
    let reply = if search::is_search(below_base) && call.method == Method::POST {
        search::answer(view, &call.body).unwrap_or_else(|refusal| refusal)
    } else {
        routes::answer(view, &call.method, below_base, query)
    };
    Reply { cookie, ..reply }
}

/// The answer of a fault that replaces the server's own.
fn refuse(view: &View, fault: Fault) -> Option<Reply> {
    let mut reply = match fault.kind {
        "429" => Reply::too_many(None),
        "500" => Reply::error(StatusCode::INTERNAL_SERVER_ERROR, "could not execute query", "Internal Server Error"),
        "status" => Reply::status(fault.amount.and_then(|code| u16::try_from(code).ok()).unwrap_or(500)),
        "502-html" => Reply::html(StatusCode::BAD_GATEWAY, "502 Bad Gateway"),
        "503-html" => Reply::html(StatusCode::SERVICE_UNAVAILABLE, "Down for maintenance"),
        "html" => Reply::html(StatusCode::OK, "Please log in"),
        "unauthorised" => Reply::unauthorised(view.quirks),
        "forbidden" => Reply::forbidden(),
        "empty" => Reply::new(StatusCode::OK, Content::Empty, ""),
        _ => return None,
    };
    if matches!(fault.kind, "429" | "503-html") {
        reply.retry_after_s = fault.amount;
    }
    Some(reply)
}

fn send(reply: Reply, fault: Option<Fault>, retry_after: RetryAfterForm) -> Response {
    let length = reply.body.len();
    let body = match fault {
        Some(Fault { kind: "truncated", .. }) => cut_short(reply.body),
        Some(Fault { kind: "slow-body", amount }) => in_pieces(reply.body, amount.unwrap_or(1000)),
        _ => Body::from(reply.body),
    };
    let mut response = Response::new(body);
    *response.status_mut() = reply.status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_LENGTH, length.into());
    if let Some(media_type) = reply.content.media_type() {
        headers.insert(header::CONTENT_TYPE, header::HeaderValue::from_static(media_type));
    }
    let retry_after = reply.retry_after_s.and_then(|seconds| retry_after.value(seconds));
    for (name, value) in [(header::RETRY_AFTER, retry_after), (header::SET_COOKIE, reply.cookie)] {
        if let Some(value) = value.and_then(|value| header::HeaderValue::try_from(value).ok()) {
            headers.insert(name, value);
        }
    }
    response
}

/// Half of a body, then an error that makes the server close the connection.
fn cut_short(mut bytes: Vec<u8>) -> Body {
    bytes.truncate(bytes.len() / 2);
    Body::from_stream(stream::unfold(Some(Bytes::from(bytes)), async |left| match left {
        Some(bytes) if !bytes.is_empty() => Some((Ok(bytes), Some(Bytes::new()))),
        Some(_) => {
            // long enough for the first half to leave
            tokio::time::sleep(Duration::from_millis(20)).await;
            Some((Err(std::io::Error::other("cut short on purpose")), None))
        }
        None => None,
    }))
}

fn in_pieces(bytes: Vec<u8>, total_ms: u64) -> Body {
    const PIECES: usize = 10;
    let piece = bytes.len().div_ceil(PIECES).max(1);
    let pause = Duration::from_millis(total_ms / PIECES as u64);
    Body::from_stream(stream::unfold(Bytes::from(bytes), move |mut left| async move {
        if left.is_empty() {
            return None;
        }
        tokio::time::sleep(pause).await;
        let next = left.split_to(piece.min(left.len()));
        Some((Ok::<_, std::io::Error>(next), left))
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulator::Profile;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpStream;

    async fn call(running: &Running, authorization: &str) -> std::io::Result<String> {
        let mut stream = TcpStream::connect(running.address).await?;
        let request = format!(
            "GET /flex/services/rest/latest/project/details HTTP/1.1\r\nHost: simulator\r\n{authorization}Connection: close\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await?;
        Ok(String::from_utf8_lossy(&answer).into_owned())
    }

    #[tokio::test]
    async fn calls_are_answered_refused_cut_and_logged() {
        let config = SimulatorConfig {
            profile: Profile::Small,
            faults: ["details:3:429=7", "details:4:reset", "details:5:truncated"]
                .iter()
                .map(|rule| rule.parse().unwrap())
                .collect(),
            ..SimulatorConfig::default()
        };
        let running = Running::start(config).await.unwrap();
        let token = "Authorization: Bearer simulator-token\r\n";
        assert!(call(&running, token).await.unwrap().contains("200 OK"));
        assert!(call(&running, "").await.unwrap().contains("401 Unauthorized"));
        assert!(call(&running, token).await.unwrap().contains("retry-after: 7"));
        assert!(call(&running, token).await.is_err());
        let cut = call(&running, token).await.unwrap();
        let (head, body) = cut.split_once("\r\n\r\n").unwrap();
        let length: usize =
            head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap().parse().unwrap();
        assert!(body.len() < length);
        let statuses: Vec<u16> = running.simulator.requests().iter().map(|entry| entry.status).collect();
        assert_eq!(statuses, [200, 401, 429, 0, 200]);
    }
}
