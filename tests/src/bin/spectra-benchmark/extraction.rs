//! The walk alone.

use std::time::Instant;

use anyhow::Result;
use serde_json::Value;
use spectra_tests::simulator::{Allowance, Profile, Running, SimulatorConfig};
use tokio::runtime::Runtime;

use super::{Arguments, Measured, empty, measure};

/// Requests per second the polite runs are allowed.
const ALLOWED_PER_SECOND: u32 = 20;

/// Measures everything there is to say about source.
pub fn measure_all(arguments: &Arguments, runtime: &Runtime) -> Result<()> {
    politeness(arguments, runtime)?;
    overhead(arguments, runtime)?;
    day_after(arguments, runtime)?;
    growth(arguments, runtime)
}

fn start(runtime: &Runtime, config: SimulatorConfig) -> Result<Running> {
    runtime.block_on(Running::start(config))
}

/// How much of an allowed rate is used, and how often the server has to refuse.
fn politeness(arguments: &Arguments, runtime: &Runtime) -> Result<()> {
    println!("\n{ALLOWED_PER_SECOND} requests/s allowed, 100 ms latency, the world of 38 projects\n");
    println!("| flags | requests | seconds | of the allowed rate used | answers of 429 |");
    println!("|---|---:|---:|---:|---:|");
    let declared = format!("{ALLOWED_PER_SECOND}/s");
    for flags in
        [vec!["--concurrency", "8", "--rate", &declared], vec!["--concurrency", "8"], vec!["--concurrency", "8"]]
    {
        let is_again = flags.len() == 2;
        let simulator = start(
            runtime,
            SimulatorConfig {
                profile: Profile::ProdShape,
                latency_ms: 100,
                allow: Some(Allowance { per_s: f64::from(ALLOWED_PER_SECOND) }),
                ..SimulatorConfig::default()
            },
        )?;
        if !is_again {
            empty(&arguments.folder)?;
        }
        let mut flags = flags;
        flags.push("--full");
        measure("source", arguments, &simulator.url(), &flags)?;
        let figures = simulator.simulator.figures();
        let requests = figures["requests"].as_f64().unwrap_or_default();
        let refused = figures["statuses"]["429"].as_f64().unwrap_or_default();
        let seconds = figures["secondsFirstToLast"].as_f64().unwrap_or_default();
        println!(
            "| {} | {requests} | {seconds:.1} | {:.1} % | {:.2} % |",
            flags.join(" "),
            (requests - refused) * 100.0 / (seconds * f64::from(ALLOWED_PER_SECOND)),
            refused * 100.0 / requests
        );
    }
    Ok(())
}

/// What the walk costs beyond reading the same pages one after the other.
fn overhead(arguments: &Arguments, runtime: &Runtime) -> Result<()> {
    let config = SimulatorConfig {
        profile: Profile::Big,
        executions: Some(arguments.executions.min(1_000_000)),
        ..SimulatorConfig::default()
    };
    let simulator = start(runtime, config)?;
    empty(&arguments.folder)?;
    let walked = measure("source", arguments, &simulator.url(), &[])?;
    let urls: Vec<String> = simulator
        .simulator
        .requests()
        .into_iter()
        .map(|request| match request.query.as_str() {
            "" => format!("{}{}", simulator.url(), request.path),
            query => format!("{}{}?{query}", simulator.url(), request.path),
        })
        .collect();
    let clock = Instant::now();
    let reading = Runtime::new()?;
    let byte_count: usize = reading.block_on(async {
        let client = reqwest::Client::new();
        let mut byte_count = 0;
        for url in &urls {
            let request = client.get(url).bearer_auth("simulator-token");
            byte_count += request.send().await?.bytes().await?.len();
        }
        anyhow::Ok(byte_count)
    })?;
    let bare = clock.elapsed().as_secs_f64();
    let rows = rows_of(&walked.report);
    println!(
        "\nno latency, one request at a time, {rows} rows on {} pages, {} MB\n",
        urls.len(),
        byte_count / 1_000_000
    );
    println!("| | seconds | rows/s |\n|---|---:|---:|");
    println!("| reading the pages, no more | {bare:.2} | {:.0} |", rows as f64 / bare);
    println!("| spectra-source | {:.2} | {:.0} |", walked.seconds, rows as f64 / walked.seconds);
    println!("\nsource takes {:.2} times as long as only reading", walked.seconds / bare);
    Ok(())
}

/// What a day costs on which one execution in a hundred changed.
fn day_after(arguments: &Arguments, runtime: &Runtime) -> Result<()> {
    println!("\nthe world of 38 projects, one day later\n");
    println!("| run | requests | seconds | rows appended | written MiB |");
    println!("|---|---:|---:|---:|---:|");
    let simulator = start(runtime, SimulatorConfig { profile: Profile::ProdShape, ..SimulatorConfig::default() })?;
    empty(&arguments.folder)?;
    for (name, flags) in [
        ("full walk", vec![]),
        ("a day later", vec![]),
        ("another, --recheck-closed 7d", vec!["--recheck-closed", "7d"]),
    ] {
        let run = measure("source", arguments, &simulator.url(), &flags)?;
        println!(
            "| {name} | {} | {:.2} | {} | {:.2} |",
            run.report["requestCount"],
            run.seconds,
            rows_of(&run.report),
            run.written_bytes as f64 / f64::from(1 << 20)
        );
        simulator.simulator.advance_days(1)?;
    }
    Ok(())
}

/// Memory for growing worlds.
fn growth(arguments: &Arguments, runtime: &Runtime) -> Result<()> {
    println!("\ngrowing worlds, --memory {}\n", arguments.memory);
    println!("| executions | seconds | executions/s | peak memory MiB |\n|---:|---:|---:|---:|");
    let mut executions = 100_000;
    while executions <= arguments.executions {
        let config =
            SimulatorConfig { profile: Profile::Big, executions: Some(executions), ..SimulatorConfig::default() };
        let simulator = start(runtime, config)?;
        empty(&arguments.folder)?;
        let run: Measured = measure("source", arguments, &simulator.url(), &[])?;
        println!(
            "| {executions} | {:.1} | {:.0} | {:.0} |",
            run.seconds,
            executions as f64 / run.seconds,
            run.peak_memory_bytes as f64 / f64::from(1 << 20)
        );
        executions *= 10;
    }
    Ok(())
}

fn rows_of(report: &Value) -> i64 {
    let tables = report["tables"].as_array().map(Vec::as_slice).unwrap_or_default();
    tables.iter().filter(|table| table["name"] != "slice").filter_map(|table| table["rowCount"].as_i64()).sum()
}
