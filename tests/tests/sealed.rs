//! What nobody can pass, turn off or write: secrets on a command line, code the compiler does not check.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use spectra_tests::simulator::Profile;

use crate::support::{Lab, STAGES, binary, repository};

/// Words in the name of a flag that would take a secret.
const SECRET: [&str; 10] =
    ["token", "password", "passwd", "secret", "key", "credential", "user", "bearer", "cookie", "passphrase"];

fn help(words: &[&str]) -> String {
    let mut command = Command::new(binary(words[0]));
    let done = command.args(&words[1..]).arg("--help").stdin(Stdio::null()).output().unwrap();
    assert!(done.status.success(), "{words:?}");
    String::from_utf8(done.stdout).unwrap()
}

/// The help of a binary and of everything else it can do.
fn helps(words: &[&str], found: &mut Vec<(String, String)>) {
    let text = help(words);
    let commands = text.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let names = commands.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    let names: Vec<String> = names.filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect();
    found.push((words.join(" "), text));
    for name in names.iter().filter(|name| *name != "help") {
        helps(&[words, &[name.as_str()]].concat(), found);
    }
}

#[test]
fn no_flag_takes_a_secret() {
    let mut found = Vec::new();
    for stage in STAGES {
        helps(&[&format!("spectra-{stage}")], &mut found);
    }
    assert!(found.iter().any(|(words, _)| words == "spectra-analyse query"), "commands are looked at too");
    let mut flags = BTreeSet::new();
    for (words, text) in &found {
        let names = text.split(|each: char| !(each.is_ascii_alphanumeric() || "-_".contains(each)));
        for name in names.filter(|name| name.starts_with("--") || name.starts_with("SPECTRA_")) {
            let lower = name.to_lowercase();
            let telling = SECRET.iter().find(|word| lower.split(['-', '_']).any(|part| part == **word));
            assert!(telling.is_none(), "{words}: {name} looks as if it took a secret");
            flags.insert(name.to_owned());
        }
    }
    assert!(flags.contains("--lake") && flags.contains("SPECTRA_API_URL"), "{flags:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_secret_that_is_passed_all_the_same_is_not_repeated() {
    let lab = Lab::new(Profile::Small).await;
    for (flags, code) in [
        (&["--api-token", "canary-zqxw"][..], 64),
        (&["--api-token=canary-zqxw"], 64),
        (&["--api-url", "http://127.0.0.1:1/?apiKey=canary-zqxw"], 69),
        (&["--api-url", "https://robot:canary-zqxw@127.0.0.1:1/"], 78),
    ] {
        let ran = tokio::task::block_in_place(|| lab.run("source", flags)).expect(code);
        let said = format!("{}\n{}", ran.report, ran.log);
        assert!(!said.contains("zqxw"), "{flags:?}: {said}");
    }
    let mut logged = String::new();
    for row in lab.rows("select * from log.run").await {
        logged.push_str(&row.to_string());
    }
    assert!(!logged.contains("zqxw"), "{logged}");
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap_or_default();
        if path.is_dir() && name != "target" && !name.starts_with('.') {
            files(&path, found);
        } else if path.is_file() {
            found.push(path);
        }
    }
}

#[test]
fn unsafe_code_is_forbidden_in_every_package() {
    let mut found = Vec::new();
    files(&repository(""), &mut found);
    let named = |name: &str| found.iter().filter(|path| path.file_name().unwrap() == name).cloned().collect::<Vec<_>>();
    let packages = named("Cargo.toml");
    assert!(packages.len() > 8, "{packages:?}");
    for path in packages {
        let text = std::fs::read_to_string(&path).unwrap();
        let forbids = text.contains("unsafe_code = \"forbid\"") || text.contains("[lints]\nworkspace = true");
        assert!(forbids, "{} does not forbid unsafe code", path.display());
    }
    // What is written in another language is looked at by people, who have to know of it.
    let declared = std::fs::read_to_string(repository("docs/security.md")).unwrap();
    let is_foreign = |path: &&PathBuf| {
        matches!(path.extension().and_then(|name| name.to_str()), Some("c" | "h" | "cc" | "cpp" | "s" | "S"))
    };
    for path in found.iter().filter(is_foreign) {
        let name = path.strip_prefix(repository("")).unwrap().to_str().unwrap();
        assert!(declared.contains(&format!("`{name}`")), "docs/security.md does not name {name}");
    }
}
