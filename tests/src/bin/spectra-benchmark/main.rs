//! Runs the six binaries on a simulated world of any size and prints seconds, rows per second, peak memory and bytes
//! written per stage: first on a new lake, then again without a change, then some nights later.
//!
//! `--source` measures the walk alone: how much of an allowed rate it uses, what it costs beyond reading the same
//! pages, its memory for growing worlds, and what a day with few changes costs.
//!
//! The figures mean something only for optimised binaries:
//! `cargo build --release --workspace --bins && target/release/spectra-benchmark --executions 1000000`

mod extraction;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use clap::Parser;
use jiff::Span;
use jiff::civil::Date;
use serde_json::Value;
use spectra_tests::simulator::{Profile, Running, SimulatorConfig};

const STAGES: [&str; 6] = ["source", "prepare", "clean", "transform", "refine", "analyse"];

/// Seconds, rows per second and peak memory of each stage for a given number of executions
#[derive(Parser)]
#[command(name = "spectra-benchmark", version, about)]
struct Arguments {
    /// Executions in the simulated world
    #[arg(long, value_name = "N", default_value_t = 100_000)]
    executions: u64,

    /// Measure the walk alone, with worlds of 100 000 executions and up to --executions
    #[arg(long)]
    source: bool,

    /// Nights to run after the run without a change
    #[arg(long, value_name = "N", default_value_t = 2)]
    nights: i64,

    /// Days that pass before each of these nights: the more, the more has changed
    #[arg(long, value_name = "N", default_value_t = 1)]
    days: i64,

    /// Memory each stage may use
    #[arg(long, value_name = "SIZE", default_value = "2GiB")]
    memory: String,

    /// Where the lake goes; it is deleted first and kept afterwards
    #[arg(long, value_name = "DIR", default_value = "target/benchmark")]
    folder: PathBuf,
}

struct Measured {
    stage: &'static str,
    seconds: f64,
    peak_memory_bytes: u64,
    written_bytes: u64,
    report: Value,
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
    if arguments.source {
        return extraction::measure_all(&arguments, &runtime);
    }
    let config =
        SimulatorConfig { profile: Profile::Big, executions: Some(arguments.executions), ..SimulatorConfig::default() };
    let simulator = runtime.block_on(Running::start(config))?;
    empty(&arguments.folder)?;
    let first_day: Date = "2026-01-05".parse().context("reading the day the clock starts")?;
    for night in -1..=arguments.nights {
        let days = night.max(0) * arguments.days;
        let title = match night {
            -1 => "full run".to_owned(),
            0 => "run without change".to_owned(),
            _ => format!("run {days} days later"),
        };
        if night > 0 {
            simulator.simulator.advance_days(arguments.days)?;
        }
        let as_of = first_day.checked_add(Span::new().days(days))?.to_string();
        let mut all = Vec::new();
        for stage in STAGES {
            all.push(measure(stage, &arguments, &simulator.url(), &["--as-of", &as_of])?);
        }
        print(&title, arguments.executions, &all);
    }
    Ok(())
}

fn empty(folder: &Path) -> Result<()> {
    if folder.exists() {
        std::fs::remove_dir_all(folder).context("emptying the benchmark's folder")?;
    }
    std::fs::create_dir_all(folder).context("making the benchmark's folder")
}

fn measure(stage: &'static str, arguments: &Arguments, api_url: &str, flags: &[&str]) -> Result<Measured> {
    let lake = arguments.folder.join("lake");
    let before = bytes_in(&lake);
    let binary = std::env::current_exe()?.with_file_name(format!("spectra-{stage}"));
    let mut command = Command::new(&binary);
    command.args(flags).env("SPECTRA_LAKE", &lake).env("SPECTRA_MEMORY", &arguments.memory);
    if stage == "source" {
        command.env("SPECTRA_API_URL", api_url).env("SPECTRA_API_TOKEN", "simulator-token");
    }
    let output = command
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("running {}\nhint: build all binaries in the same profile first", binary.display()))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let report: Value =
        serde_json::from_str(text.lines().last().unwrap_or_default()).context("reading a run report")?;
    if !output.status.success() {
        bail!("{stage} failed: {report}");
    }
    Ok(Measured {
        stage,
        seconds: report["seconds"].as_f64().unwrap_or_default(),
        peak_memory_bytes: report["peakMemoryBytes"].as_u64().unwrap_or_default(),
        written_bytes: bytes_in(&lake).saturating_sub(before),
        report,
    })
}

fn bytes_in(folder: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(folder) else { return 0 };
    let size =
        |path: PathBuf| if path.is_dir() { bytes_in(&path) } else { path.metadata().map_or(0, |meta| meta.len()) };
    entries.filter_map(|entry| entry.ok()).map(|entry| size(entry.path())).sum()
}

fn print(title: &str, executions: u64, all: &[Measured]) {
    println!("\n{title}, {executions} executions\n");
    println!("| stage | seconds | executions/s | peak memory MiB | written MiB |");
    println!("|---|---:|---:|---:|---:|");
    let mebibytes = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    for each in all {
        println!(
            "| {} | {:.2} | {:.0} | {:.0} | {:.1} |",
            each.stage,
            each.seconds,
            executions as f64 / each.seconds.max(0.001),
            mebibytes(each.peak_memory_bytes),
            mebibytes(each.written_bytes)
        );
    }
    let seconds: f64 = all.iter().map(|each| each.seconds).sum();
    let written: u64 = all.iter().map(|each| each.written_bytes).sum();
    let peak = all.iter().map(|each| each.peak_memory_bytes).max().unwrap_or_default();
    println!(
        "| all | {seconds:.2} | {:.0} | {:.0} | {:.1} |",
        executions as f64 / seconds.max(0.001),
        mebibytes(peak),
        mebibytes(written)
    );
}
