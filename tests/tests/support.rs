//! What every end-to-end test needs: a simulator, a lake of its own, the real binaries, and eyes for what they wrote.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use spectra_common::lake::Lake;
use spectra_common::log;
use spectra_common::model;
use spectra_common::session;
use spectra_tests::simulator::{Profile, Running, SimulatorConfig};
use tempfile::TempDir;

/// The stages in order.
pub const STAGES: [&str; 6] = ["source", "prepare", "clean", "transform", "refine", "analyse"];

/// A stage that hangs fails its test after this long.
const LONGEST_RUN: Duration = Duration::from_secs(240);

/// A simulator, a lake and a way to run stages on them.
pub struct Lab {
    /// The API.
    pub simulator: Running,
    /// Everything the test writes.
    pub folder: TempDir,
    /// Variables for every run.
    pub variables: BTreeMap<String, String>,
}

/// A run that has ended.
pub struct Ran {
    /// Exit code; none if it was killed.
    pub code: Option<i32>,
    /// The last line of output.
    pub report: Value,
    /// Log lines.
    pub log: String,
    /// From start to end.
    pub took: Duration,
}

impl Ran {
    /// Fails the test unless the run ended with `code`.
    #[track_caller]
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "report: {}\nlog: {}", self.report, self.log);
        self
    }

    /// A text of the report.
    pub fn text(&self, field: &str) -> String {
        self.report[field].as_str().unwrap_or_default().to_owned()
    }
}

/// Path of a binary of this workspace.
pub fn binary(name: &str) -> PathBuf {
    let folder = std::env::current_exe().unwrap().parent().unwrap().parent().unwrap().to_owned();
    let path = folder.join(name);
    assert!(
        path.exists(),
        "{} is not built: run `cargo build --workspace --no-default-features` first",
        path.display()
    );
    path
}

/// A folder of the repository.
pub fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join(path)
}

/// Tables of analyse that read the logs, which have grown since, and those made of them.
pub fn made_of_logs() -> BTreeSet<String> {
    let models = std::fs::read_dir(repository("analyse/models")).unwrap().map(|entry| {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        model::parse(path.file_stem().unwrap().to_str().unwrap(), &path.display().to_string(), &text).unwrap()
    });
    let models = model::in_order("analyse", models.collect()).unwrap();
    let mut made = BTreeSet::new();
    for model in models {
        let is_of_log = |name: &model::TableName| {
            name.schema == "log" || (name.schema == "analyse" && made.contains(&format!("analyse.{}", name.table)))
        };
        if model.inputs.iter().any(is_of_log) {
            made.insert(format!("analyse.{}", model.table));
        }
    }
    made
}

impl Lab {
    /// A lab with a profile's world.
    pub async fn new(profile: Profile) -> Self {
        Self::with(SimulatorConfig { profile, ..SimulatorConfig::default() }).await
    }

    /// A lab with any world.
    pub async fn with(config: SimulatorConfig) -> Self {
        let simulator = Running::start(config).await.unwrap();
        let folder = tempfile::tempdir().unwrap();
        let variables = BTreeMap::from([
            ("SPECTRA_LAKE".to_owned(), folder.path().join("lake").display().to_string()),
            ("SPECTRA_API_URL".to_owned(), simulator.url()),
            ("SPECTRA_API_TOKEN".to_owned(), "simulator-token".to_owned()),
            ("SPECTRA_AS_OF".to_owned(), "2026-01-05".to_owned()),
            ("SPECTRA_SPEC".to_owned(), hasty_spec(folder.path()).display().to_string()),
        ]);
        Self { simulator, folder, variables }
    }

    /// The lake's folder.
    pub fn lake_path(&self) -> PathBuf {
        PathBuf::from(&self.variables["SPECTRA_LAKE"])
    }

    /// A command for a stage, with this lab's variables and nobody else's.
    pub fn command(&self, stage: &str) -> Command {
        let mut command = Command::new(binary(&format!("spectra-{stage}")));
        for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("SPECTRA_")) {
            command.env_remove(name);
        }
        for (name, value) in &self.variables {
            let is_for_source = ["SPECTRA_SPEC", "SPECTRA_API_URL", "SPECTRA_API_TOKEN"].contains(&name.as_str());
            if stage == "source" || !is_for_source {
                command.env(name, value);
            }
        }
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs a stage to its end.
    pub fn run(&self, stage: &str, flags: &[&str]) -> Ran {
        let mut command = self.command(stage);
        command.args(flags);
        finish(command.spawn().unwrap(), Instant::now())
    }

    /// Runs all six stages; each must end well.
    pub fn run_all(&self) -> Vec<Ran> {
        STAGES.iter().map(|stage| self.run(stage, &[]).expect(0)).collect()
    }

    /// A copy of a folder of the repository that can be changed, such as `clean/models`.
    pub fn copied(&self, folder: &str) -> PathBuf {
        let copy = self.folder.path().join(folder.replace('/', "-"));
        std::fs::create_dir_all(&copy).unwrap();
        for entry in std::fs::read_dir(repository(folder)).unwrap() {
            let path = entry.unwrap().path();
            std::fs::copy(&path, copy.join(path.file_name().unwrap())).unwrap();
        }
        copy
    }

    /// Moves the simulator's clock on, and with it the day the figures are for.
    pub fn advance(&mut self, days: i64) {
        self.simulator.simulator.advance_days(days).unwrap();
        let day: jiff::civil::Date = self.variables["SPECTRA_AS_OF"].parse().unwrap();
        let day = day + jiff::Span::new().days(days);
        self.variables.insert("SPECTRA_AS_OF".to_owned(), day.to_string());
    }

    /// Rows of a query over the newest version of every table in the lake, as JSON objects.
    pub async fn rows(&self, sql: &str) -> Vec<Value> {
        let lake = Lake::new(&self.variables["SPECTRA_LAKE"]).unwrap();
        let context = session::new(512 << 20, 2).unwrap();
        for schema in std::fs::read_dir(self.lake_path().join("Tables")).unwrap() {
            let schema = schema.unwrap().file_name().into_string().unwrap();
            for table in std::fs::read_dir(self.lake_path().join("Tables").join(&schema)).unwrap() {
                let table = table.unwrap().file_name().into_string().unwrap();
                if sql.contains(&format!("{schema}.{table}"))
                    && let Some(delta) = lake.open(&schema, &table, None).await.unwrap()
                {
                    session::register_delta(&context, &schema, &table, &delta).await.unwrap();
                }
            }
        }
        log::rows(&context.sql(sql).await.unwrap().collect().await.unwrap()).unwrap()
    }

    /// The one number a query gives.
    pub async fn number(&self, sql: &str) -> i64 {
        let rows = self.rows(sql).await;
        let row = rows.first().and_then(Value::as_object).unwrap_or_else(|| panic!("no row: {sql}"));
        row.values().next().and_then(Value::as_i64).unwrap_or_else(|| panic!("no number: {row:?}"))
    }

    /// Every file of every data table, by path and size: what a reader could see.
    pub fn table_files(&self) -> BTreeMap<PathBuf, u64> {
        let mut files = BTreeMap::new();
        collect(&self.lake_path().join("Tables"), &mut files);
        files.retain(|path, _| !path.starts_with(self.lake_path().join("Tables/log")));
        files
    }
}

fn collect(folder: &Path, files: &mut BTreeMap<PathBuf, u64>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else {
            files.insert(path.clone(), path.metadata().unwrap().len());
        }
    }
}

/// Waits for a run to end, reading what it says meanwhile.
pub fn finish(mut child: Child, started: Instant) -> Ran {
    let mut stdout = child.stdout.take().unwrap();
    let mut stderr = child.stderr.take().unwrap();
    let output = std::thread::spawn(move || std::io::read_to_string(&mut stdout).unwrap_or_default());
    let log = std::thread::spawn(move || std::io::read_to_string(&mut stderr).unwrap_or_default());
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if started.elapsed() > LONGEST_RUN {
            child.kill().unwrap();
            panic!("a stage did not end within {LONGEST_RUN:?}: {}", log.join().unwrap());
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    let output = output.join().unwrap();
    Ran {
        code: status.code(),
        report: output.lines().last().and_then(|line| serde_json::from_str(line).ok()).unwrap_or(Value::Null),
        log: log.join().unwrap(),
        took: started.elapsed(),
    }
}

/// The built-in spec with waits that suit a test.
pub fn hasty_spec(folder: &Path) -> PathBuf {
    let text = std::fs::read_to_string(repository("source/zephyr.toml")).unwrap();
    let text = text
        .replace("first_wait_ms = 500", "first_wait_ms = 5")
        .replace("longest_wait_ms = 30_000", "longest_wait_ms = 20")
        .replace("read_timeout_ms = 120_000", "read_timeout_ms = 2_000")
        .replace("longest_retry_after_ms = 120_000", "longest_retry_after_ms = 2_000");
    let path = folder.join("spec.toml");
    std::fs::write(&path, text).unwrap();
    path
}
