//! A simulated Zephyr Scale Cloud site, for `examples/zephyr-scale` and its test.

use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result};
use clap::Parser;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use spectra_tests::scale::server::serve;
use spectra_tests::scale::{Config, Scale};

/// Serves a simulated Zephyr Scale Cloud site (API version 2, below /v2): seeded, computed as it is asked for
///
/// The first line of output is `listening on URL`. SIGTERM ends it. Steering, without a token: GET /simulator/truth,
/// /simulator/requests; POST /simulator/change, /simulator/add, /simulator/delete, each with ?executions=N.
#[derive(Parser)]
#[command(name = "zephyr-scale-simulator", version)]
struct Arguments {
    /// Port to listen on, on this machine only; 0 takes a free one
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Projects
    #[arg(long, default_value_t = 3)]
    projects: u64,
    /// Test cycles of all projects together
    #[arg(long, default_value_t = 12)]
    cycles: u64,
    /// Executions of all projects together
    #[arg(long, default_value_t = 2_000)]
    executions: u64,
    /// Most rows given at a time, whatever is asked for
    #[arg(long, default_value_t = 100)]
    largest_page: u64,
    /// Refuse one of so many requests with 429; 0 for none
    #[arg(long, default_value_t = 0)]
    too_many_every: u64,
    /// Seconds such a refusal asks for
    #[arg(long, default_value_t = 1)]
    retry_after: u64,
    /// Seed of everything invented
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Bearer token that is admitted
    #[arg(long, default_value = "simulator-token")]
    token: String,
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // nobody is left to tell when this fails
            let _ = writeln!(std::io::stderr(), "zephyr-scale-simulator: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let listener = TcpListener::bind(("127.0.0.1", arguments.port))
        .await
        .with_context(|| format!("cannot listen on port {}", arguments.port))?;
    let scale = Arc::new(Scale::new(Config {
        seed: arguments.seed,
        projects: arguments.projects,
        cycles: arguments.cycles,
        executions: arguments.executions,
        largest_page: arguments.largest_page.max(1),
        token: arguments.token,
        too_many_every: arguments.too_many_every,
        retry_after_s: arguments.retry_after,
    }));
    let mut output = std::io::stdout();
    writeln!(output, "listening on http://{}", listener.local_addr()?)?;
    output.flush()?;
    tokio::select! {
        result = serve(listener, scale) => result,
        _ = terminate.recv() => Ok(()),
        _ = tokio::signal::ctrl_c() => Ok(()),
    }
}
