//! The outcomes, as a page for people.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::damage::Fault;
use crate::support::STAGES;

/// How one stage met one fault.
pub enum Outcome {
    /// Why the fault could not be made to happen here.
    Skipped(String),
    Met {
        code: i32,
        message: String,
        hint: String,
        remedy: &'static str,
    },
}

/// What became of a stage that was killed again and again.
#[derive(Debug, Default)]
pub struct Killed {
    pub kills: u64,
    /// Runs that ended before they were killed.
    pub ended: u64,
    /// Kills that left a claimed number without a release.
    pub in_publishing: u64,
    /// Times that a run was left alone and the tables compared.
    pub rounds: u64,
}

struct Row {
    codes: BTreeMap<&'static str, String>,
    says: Option<(String, String)>,
    remedies: Vec<&'static str>,
}

/// Rows in the order in which they came.
#[derive(Default)]
pub struct Matrix {
    rows: Vec<(&'static str, Row)>,
    killed: Vec<(&'static str, Killed)>,
    overlaps: Vec<(&'static str, usize, Vec<i32>)>,
    skipped: Vec<String>,
}

impl Outcome {
    pub fn told(&self) -> String {
        match self {
            Self::Skipped(reason) => format!("skipped: {reason}"),
            Self::Met { code, message, remedy, .. } => format!("{code} {message} ({remedy})"),
        }
    }
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('<', "&lt;")
}

impl Matrix {
    pub fn note(&mut self, fault: &'static Fault, stage: &'static str, outcome: Outcome) {
        if self.rows.last().is_none_or(|(name, _)| *name != fault.name) {
            self.rows.push((fault.name, Row { codes: BTreeMap::new(), says: None, remedies: Vec::new() }));
        }
        let Some((_, row)) = self.rows.last_mut() else { return };
        match outcome {
            Outcome::Skipped(reason) => {
                row.codes.insert(stage, "skipped".to_owned());
                self.skipped.push(format!("{} / {stage}: {reason}", fault.name));
            }
            Outcome::Met { code, message, hint, remedy } => {
                row.codes.insert(stage, code.to_string());
                if code != 0 && !row.remedies.contains(&remedy) {
                    row.remedies.push(remedy);
                }
                // The stages in the middle read and write; what they say is what most will see.
                if code != 0 && (row.says.is_none() || stage == "clean") {
                    row.says = Some((message, hint));
                }
            }
        }
    }

    pub fn note_kills(&mut self, stage: &'static str, killed: Killed) {
        self.killed.push((stage, killed));
    }

    pub fn note_overlap(&mut self, stage: &'static str, count: usize, codes: Vec<i32>) {
        self.overlaps.push((stage, count, codes));
    }

    pub fn markdown(&self, seed: u64, kills: u64) -> String {
        let mut page = String::new();
        let _ = writeln!(
            page,
            "# What happens when something goes wrong with a lake\n\n\
             Written by `tests/campaign --seed {seed} --kills {kills}`. Each cell is the exit code of a stage that met the \
             fault on a day with news. In every cell: a run that failed published nothing and every table of every newest \
             release could still be read at its version, but for what the fault itself destroyed; no message held a panic or \
             anything meant for programmers; and after the remedy the tables of the stage were those of a lake that nobody \
             disturbed, row for row. An exit code of 0 means that the stage was right in spite of the fault, without a remedy.\n"
        );
        let _ =
            writeln!(page, "| fault | {} | mended by |\n|---|{}---|", STAGES.join(" | "), "---:|".repeat(STAGES.len()));
        for (name, row) in &self.rows {
            let codes: Vec<&str> = STAGES.iter().map(|stage| row.codes.get(stage).map_or("", String::as_str)).collect();
            let _ = writeln!(page, "| {name} | {} | {} |", codes.join(" | "), row.remedies.join("; or "));
        }
        let _ = writeln!(page, "\n## What it says\n\n| fault | message | hint |\n|---|---|---|");
        for (name, row) in &self.rows {
            if let Some((message, hint)) = &row.says {
                let _ = writeln!(page, "| {name} | {} | {} |", cell(message), cell(hint));
            }
        }
        if !self.overlaps.is_empty() {
            let _ =
                writeln!(page, "\n## Several runs of a stage at once\n\n| stage | runs | exit codes |\n|---|---:|---|");
            for (stage, count, codes) in &self.overlaps {
                let codes: Vec<String> = codes.iter().map(ToString::to_string).collect();
                let _ = writeln!(page, "| {stage} | {count} | {} |", codes.join(", "));
            }
        }
        if !self.killed.is_empty() {
            let _ = writeln!(
                page,
                "\n## Killed at random moments\n\nSIGKILL, up to six times in a row before a run is left alone; then the \
                 tables are compared with those of an undisturbed lake.\n\n\
                 | stage | kills | of them while it published | comparisons |\n|---|---:|---:|---:|"
            );
            for (stage, killed) in &self.killed {
                let _ = writeln!(page, "| {stage} | {} | {} | {} |", killed.kills, killed.in_publishing, killed.rounds);
            }
        }
        for skipped in &self.skipped {
            let _ = writeln!(page, "\nSkipped: {skipped}");
        }
        page
    }
}
