//! One lake to which something happens: what is damaged, by what means, and how it is mended.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use spectra_tests::simulator::noise::Noise;

use super::site::{copy, upstream};
use crate::support::{Lab, repository};

/// The user that nothing belongs to.
const NOBODY: &str = "65534";

/// How a run must end.
pub struct Expected {
    pub code: i32,
    /// What its message and its hint say, with `{table}` and `{file}` for what was damaged.
    pub says: &'static [&'static str],
}

/// What mends it.
#[derive(Clone)]
pub enum Mended {
    ByItself,
    Rerun,
    /// Put these tables back from a copy.
    Restore(Vec<String>),
    /// Delete these files.
    Remove(Vec<PathBuf>),
    /// Move these tables away and run the stage that makes them.
    Rebuild(&'static str, Vec<String>),
}

/// How rights are taken away.
#[derive(Clone, Copy, PartialEq)]
pub enum Rights {
    All,
    None,
    /// Until the run has begun.
    AtFirst,
}

/// A lake to which something happens, and the stage that runs on it.
pub struct Scene {
    pub lake: PathBuf,
    pub stage: &'static str,
    pub noise: Noise,
    /// What was damaged, as `schema/table` and as a file of it.
    pub table: String,
    pub file: PathBuf,
    /// Tables that cannot be whole until they are mended, as `schema.table`.
    pub destroyed: BTreeSet<String>,
    pub mended: Mended,
    /// Whether the stage runs once more although it ended well.
    pub runs_again: bool,
    /// Whether it may fail while it publishes, when some tables are newer than their release already.
    pub is_late: bool,
    pub variables: Vec<(&'static str, String)>,
    pub rights: Rights,
    mount: Option<PathBuf>,
}

fn is_root() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    status.lines().any(|line| line.starts_with("Uid:") && line.split_whitespace().nth(2) == Some("0"))
}

fn done(command: &mut Command) -> bool {
    command.stderr(std::process::Stdio::null()).status().is_ok_and(|status| status.success())
}

impl Scene {
    pub fn new(lake: PathBuf, stage: &'static str, noise: Noise) -> Self {
        Self {
            lake,
            stage,
            noise,
            table: String::new(),
            file: PathBuf::new(),
            destroyed: BTreeSet::new(),
            mended: Mended::Rerun,
            runs_again: false,
            is_late: false,
            variables: Vec::new(),
            rights: Rights::All,
            mount: None,
        }
    }

    pub fn place(&self) -> PathBuf {
        self.lake.join("Tables").join(&self.table)
    }

    pub fn log(&self) -> PathBuf {
        self.place().join("_delta_log")
    }

    pub fn name(&self) -> String {
        self.table.replace('/', ".")
    }

    /// Chooses a table that the stage reads. What the API said is nowhere else, and so can only be restored.
    pub fn choose_input(&mut self) {
        let table = self.noise.pick(&["dimCycle", "factExecution"]).to_owned();
        self.table = match self.stage {
            "source" => "source/slice".to_owned(),
            stage => format!("{}/{table}", upstream(stage)),
        };
        let maker = upstream(self.stage);
        self.mended = match maker == "source" || self.noise.chance(500) {
            true => Mended::Restore(vec![self.table.clone()]),
            false => Mended::Rebuild(maker, vec![self.table.clone()]),
        };
        self.destroyed.insert(self.name());
    }

    /// Chooses a table that the stage writes.
    pub fn choose_own(&mut self) {
        let names: &[&str] =
            if self.stage == "analyse" { &["burndown", "cycleProgress"] } else { &["dimCycle", "factExecution"] };
        self.table = format!("{}/{}", self.stage, self.noise.pick(names));
        self.mended = match self.stage == "source" || self.noise.chance(500) {
            true => Mended::Restore(vec![self.table.clone()]),
            false => Mended::Rebuild(self.stage, vec![self.table.clone()]),
        };
        self.destroyed.insert(self.name());
    }

    /// In the file that was chosen.
    pub fn flip_a_bit(&mut self) {
        let mut bytes = std::fs::read(&self.file).unwrap();
        let at = self.noise.below(bytes.len() as u64) as usize;
        bytes[at] ^= 1 << self.noise.below(8);
        std::fs::write(&self.file, bytes).unwrap();
    }

    pub fn choose(&mut self, table: &str) {
        self.table = table.to_owned();
        self.mended = Mended::Restore(vec![self.table.clone()]);
        self.destroyed.insert(self.name());
    }

    pub fn version(&self) -> u64 {
        let names = std::fs::read_dir(self.log()).unwrap().map(|entry| entry.unwrap().file_name());
        let versions = names.filter_map(|name| name.to_str()?.strip_suffix(".json")?.parse().ok());
        versions.max().unwrap()
    }

    pub fn entry(&self, version: u64) -> PathBuf {
        self.log().join(format!("{version:020}.json"))
    }

    fn actions(&self, version: u64, kind: &str) -> Vec<Value> {
        let text = std::fs::read_to_string(self.entry(version)).unwrap();
        let all = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        all.filter_map(|action| action.get(kind).cloned()).collect()
    }

    /// The data files that the newest entry with any adds, as it adds them.
    pub fn adds(&self) -> Vec<Value> {
        (0..=self.version()).rev().map(|version| self.actions(version, "add")).find(|adds| !adds.is_empty()).unwrap()
    }

    pub fn choose_data_file(&mut self) {
        let adds = self.adds();
        let at = self.noise.below(adds.len() as u64) as usize;
        self.file = self.place().join(adds[at]["path"].as_str().unwrap());
    }

    pub fn choose_entry(&mut self, version: u64) {
        self.file = self.entry(version);
    }

    /// Commits what another program might; it does not say that it was us.
    pub fn commit(&self, mut actions: Vec<Value>) {
        actions.push(
            json!({"commitInfo": {"timestamp": 1_767_600_000_000_u64, "operation": "WRITE", "engineInfo": "another"}}),
        );
        let text: Vec<String> = actions.iter().map(Value::to_string).collect();
        std::fs::write(self.entry(self.version() + 1), text.join("\n") + "\n").unwrap();
    }

    /// Another name for a copy of a data file, and the action that adds it.
    pub fn double(&self, add: &Value) -> Value {
        let path = add["path"].as_str().unwrap();
        let name = path.replace("part-", "part-of-another-");
        std::fs::copy(self.place().join(path), self.place().join(&name)).unwrap();
        let mut add = add.clone();
        add["path"] = name.into();
        add.as_object_mut().unwrap().remove("tags");
        json!({ "add": add })
    }

    /// The lake belongs to a user who may not write to it.
    pub fn take_rights(&mut self, rights: Rights) -> Result<(), String> {
        if is_root() {
            let probe = done(Command::new("setpriv").args(["--reuid", NOBODY, "--clear-groups", "true"]));
            if !probe {
                return Err("setpriv cannot run a stage as another user here".to_owned());
            }
            let folder = self.lake.parent().unwrap();
            done(Command::new("chmod").args(["a+rx"]).arg(folder));
            done(Command::new("chmod").args(["-R", "a+rX"]).args([folder.join("spec.toml")]));
            done(Command::new("chown").args(["-R", NOBODY]).arg(&self.lake));
        }
        self.rights = rights;
        if rights == Rights::None {
            self.close();
        }
        Ok(())
    }

    fn close(&self) {
        assert!(done(Command::new("chmod").args(["-R", "a-w"]).arg(&self.lake)));
    }

    /// Puts the lake on a disk of its own with so much room left, if this user may mount one.
    pub fn fill_disk(&mut self, room_bytes: u64) -> Result<(), String> {
        let disk = self.lake.with_extension("disk");
        std::fs::create_dir_all(&disk).unwrap();
        if !done(Command::new("mount").args(["-t", "tmpfs", "-o", "size=64m", "tmpfs"]).arg(&disk)) {
            return Err("this user may not mount a small disk".to_owned());
        }
        let there = disk.join("lake");
        copy(&self.lake, &there);
        let filler = std::fs::File::create(disk.join("filler")).unwrap();
        let zeros = vec![0_u8; 64 << 10];
        let mut written = 0;
        while let Ok(count) = std::io::Write::write(&mut &filler, &zeros) {
            written += count as u64;
        }
        filler.set_len(written.saturating_sub(room_bytes)).unwrap();
        self.lake = there;
        self.mount = Some(disk);
        Ok(())
    }

    pub fn shift_clock(&mut self, days: i64) -> Result<(), String> {
        let library = self.lake.with_extension("so");
        let source = repository("tests/clock/shift.c");
        if !done(Command::new("cc").args(["-O1", "-shared", "-fPIC", "-o"]).arg(&library).arg(source)) {
            return Err("no C compiler".to_owned());
        }
        self.variables.push(("LD_PRELOAD", library.display().to_string()));
        self.variables.push(("CLOCK_SHIFT_SECONDS", (days * 86_400).to_string()));
        Ok(())
    }

    /// The command as whoever may not write.
    pub fn command(&self, command: Command) -> Command {
        let mut command = command;
        for (name, value) in &self.variables {
            command.env(name, value);
        }
        if self.rights == Rights::All || !is_root() {
            return command;
        }
        let mut other = Command::new("setpriv");
        other.args(["--reuid", NOBODY, "--clear-groups"]).arg(command.get_program()).args(command.get_args());
        for (name, value) in command.get_envs() {
            match value {
                Some(value) => other.env(name, value),
                None => other.env_remove(name),
            };
        }
        use std::process::Stdio;
        other.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        other
    }

    /// What happens while the stage runs.
    pub fn meanwhile(&self, lab: &Lab) {
        if self.rights != Rights::AtFirst {
            return;
        }
        let log = self.lake.join("Tables/log/run/_delta_log");
        let count = || std::fs::read_dir(&log).unwrap().count();
        let (before, begun) = (count(), Instant::now());
        let requests = lab.simulator.simulator.requests().len();
        while count() == before && begun.elapsed() < Duration::from_secs(30) {
            std::thread::sleep(Duration::from_millis(1));
        }
        while self.stage == "source" && lab.simulator.simulator.requests().len() < requests + 3 {
            std::thread::sleep(Duration::from_millis(1));
        }
        self.close();
    }

    /// Gives back what was taken away.
    pub fn calm(&mut self) {
        if self.rights != Rights::All {
            self.rights = Rights::All;
            done(Command::new("chmod").args(["-R", "u+w"]).arg(&self.lake));
            if is_root() {
                done(Command::new("chown").args(["-R", "0"]).arg(&self.lake));
            }
        }
        if let Some(disk) = &self.mount {
            let _ = std::fs::remove_file(disk.join("filler"));
        }
        self.variables.clear();
    }

    pub fn filled(&self, part: &str) -> String {
        part.replace("{table}", &self.name()).replace("{file}", &self.file.display().to_string())
    }

    /// A message without what is another one with each run.
    pub fn told(&self, message: &str) -> String {
        let text = message.replace(&self.lake.display().to_string(), "<lake>");
        let words = text.split(' ').map(|word| match (word.find("part-"), word.find(".parquet")) {
            (Some(from), Some(to)) => format!("{}part-….parquet{}", &word[..from], &word[to + ".parquet".len()..]),
            _ => word.to_owned(),
        });
        words.collect::<Vec<_>>().join(" ")
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        self.calm();
        if let Some(disk) = &self.mount {
            done(Command::new("umount").arg("-l").arg(disk));
        }
    }
}
