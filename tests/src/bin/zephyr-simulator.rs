//! A simulated Zephyr Enterprise server for tests, demonstrations and benchmarks.

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result};
use clap::Parser;
use jiff::Timestamp;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use spectra_tests::simulator::calendar::{DAY_MS, Day};
use spectra_tests::simulator::faults::{FAULTS, Rule};
use spectra_tests::simulator::server::serve_simulator;
use spectra_tests::simulator::{
    Allowance, AuthConfig, AuthKind, Credentials, DEFAULT_CLOCK, Profile, Quirks, RetryAfterForm, Simulator,
    SimulatorConfig, quirks,
};

/// Serves a simulated Zephyr Enterprise server: seeded, with a clock that can be moved and faults on demand
///
/// The first line of output is `listening on URL`. The API is below /flex/services/rest/{latest|v3}, what steers the
/// simulator below /simulator/. SIGTERM ends it.
#[derive(Parser)]
#[command(name = "zephyr-simulator", version, after_long_help = explanations())]
struct Arguments {
    /// Address to listen on
    #[arg(long, default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    host: IpAddr,
    /// Port to listen on; 0 takes a free one
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Shape of the world: small, prod-shape or big
    #[arg(long, default_value = "prod-shape")]
    profile: Profile,
    /// Executions at the start of the clock [default: the profile's own number; 1000000 for big]
    #[arg(long)]
    executions: Option<u64>,
    /// Rows per phase of the big profile [default: 1200]
    #[arg(long, value_name = "N")]
    phase_rows: Option<u64>,
    /// Seed of everything invented
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Instant the clock starts at: an ISO instant, or `now`
    #[arg(long, default_value = DEFAULT_CLOCK)]
    clock: String,
    /// Day the world is built around, such as 2026-01-05 [default: the day of --clock]
    #[arg(long)]
    epoch: Option<jiff::civil::Date>,
    /// Bearer token that is admitted
    #[arg(long, default_value = "simulator-token")]
    token: String,
    /// User that is admitted with Basic authentication
    #[arg(long, default_value = "simulator")]
    user: String,
    /// Password of that user
    #[arg(long, default_value = "simulator")]
    password: String,
    /// Way in which callers prove who they are: bearer, basic, cookie, api-key-header, api-key-query, oauth2,
    /// token-exchange or jwt; repeatable [default: bearer and basic]
    #[arg(long = "auth", value_name = "KIND")]
    auth: Vec<AuthKind>,
    /// Calls after which a session or a token given out ends
    #[arg(long, value_name = "N")]
    session_requests: Option<u64>,
    /// Seconds after which a token given out ends
    #[arg(long, value_name = "SECONDS", default_value_t = 3_600)]
    token_seconds: u64,
    /// Key that is admitted in X-Api-Key or apiKey
    #[arg(long, default_value = "simulator-api-key")]
    api_key: String,
    /// Client that gets tokens
    #[arg(long, default_value = "simulator-client")]
    client_id: String,
    /// Secret of that client
    #[arg(long, default_value = "simulator-client-secret")]
    client_secret: String,
    /// Issuer of signed tokens, sent as zapiAccessKey as well
    #[arg(long, default_value = "simulator-access-key")]
    access_key: String,
    /// Key that signed tokens are signed with
    #[arg(long, default_value = "simulator-signing-key")]
    signing_key: String,
    /// Folder with recorded bodies: project-details.json, release.json, cycle-release-ID.json
    #[arg(long, value_name = "DIR")]
    recorded: Option<PathBuf>,
    /// Switch a quirk: NAME, NAME=on or NAME=off; repeatable, see the list below
    #[arg(long = "quirk", value_name = "NAME[=on|off]")]
    quirks: Vec<String>,
    /// Add a fault: path-substring:nth:kind[=amount][:times]; repeatable, see the list below
    #[arg(long = "fault", value_name = "RULE")]
    faults: Vec<Rule>,
    /// Share of the real server's delays that answers have: 0 none, 1 all
    #[arg(long, default_value_t = 0.0, value_name = "FACTOR")]
    latency: f64,
    /// Milliseconds every answer takes on top of that
    #[arg(long, default_value_t = 0, value_name = "N")]
    latency_ms: u64,
    /// Calls that are answered in a time, such as 20/s or 300/min; others get 429
    #[arg(long, value_name = "RATE")]
    allow: Option<Allowance>,
    /// Calls that may come at once within --allow [default: what one second allows]
    #[arg(long, value_name = "N")]
    allow_burst: Option<u64>,
    /// Form of Retry-After: seconds, date or absent
    #[arg(long, value_name = "FORM", default_value = "seconds")]
    retry_after: RetryAfterForm,
    /// File that gets a line of JSON per request
    #[arg(long, value_name = "FILE")]
    request_log: Option<PathBuf>,
}

fn explanations() -> String {
    let mut text = quirks::catalogue();
    text.push_str("\nFaults (times 0 strikes every later call):\n");
    for (kind, meaning) in FAULTS {
        text.push_str(&format!("  {kind:<26} {meaning}\n"));
    }
    text.push_str(
        "\nSteering:\n  POST   /simulator/clock?advance=1d | ?set=INSTANT\n  POST   /simulator/forbid?project=ID, /simulator/allow?project=ID\n  \
         POST   /simulator/quirk?name=NAME&on=true|false\n  POST   /simulator/fault?kind=KIND&path=TEXT&nth=N&times=M&amount=A&permille=P\n  \
         DELETE /simulator/fault\n  GET    /simulator/truth, change-log, requests, clock, quirk, figures\n  DELETE /simulator/requests, \
         /simulator/figures\n  POST   /simulator/expire ends sessions and tokens given out\n  POST   /simulator/rotate?token=NEW\n",
    );
    text
}

impl Arguments {
    fn config(self) -> Result<SimulatorConfig> {
        let clock = if self.clock == "now" {
            Timestamp::now()
        } else {
            self.clock
                .parse()
                .with_context(|| format!("--clock `{}` is no instant\nhint: such as {DEFAULT_CLOCK}", self.clock))?
        };
        let mut quirks = Quirks::default();
        for quirk in &self.quirks {
            quirks.apply(quirk)?;
        }
        let epoch = self
            .epoch
            .map(|date| {
                let midnight = date.to_zoned(jiff::tz::TimeZone::UTC)?;
                anyhow::Ok(Day::try_from(midnight.timestamp().as_millisecond().div_euclid(DAY_MS))?)
            })
            .transpose()?;
        Ok(SimulatorConfig {
            seed: self.seed,
            profile: self.profile,
            executions: self.executions,
            phase_rows: self.phase_rows,
            clock,
            epoch,
            quirks,
            faults: self.faults,
            recorded: self.recorded,
            latency: self.latency,
            latency_ms: self.latency_ms,
            allow: self.allow,
            allow_burst: self.allow_burst,
            retry_after: self.retry_after,
            auth: AuthConfig { kinds: self.auth, session_requests: self.session_requests, token_s: self.token_seconds },
            credentials: Credentials {
                token: self.token,
                user: self.user,
                password: self.password,
                api_key: self.api_key,
                client_id: self.client_id,
                client_secret: self.client_secret,
                access_key: self.access_key,
                signing_key: self.signing_key,
            },
            request_log: self.request_log,
        })
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    match run(Arguments::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // nobody is left to tell when this fails
            let _ = writeln!(std::io::stderr(), "zephyr-simulator: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let address = (arguments.host, arguments.port);
    let simulator = Arc::new(Simulator::new(arguments.config()?)?);
    let listener =
        TcpListener::bind(address).await.with_context(|| format!("cannot listen on {}:{}", address.0, address.1))?;
    let mut output = std::io::stdout();
    writeln!(output, "listening on http://{}", listener.local_addr()?)?;
    output.flush()?;
    tokio::select! {
        result = serve_simulator(listener, simulator) => result,
        _ = terminate.recv() => Ok(()),
        _ = tokio::signal::ctrl_c() => Ok(()),
    }
}
