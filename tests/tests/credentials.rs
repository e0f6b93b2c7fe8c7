//! Credentials of every kind: they work, are renewed without a word, end the run when they are refused for good, and are
//! never written down.

use std::io::Read;
use std::path::Path;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use flate2::read::MultiGzDecoder;
use spectra_tests::simulator::noise::mix;
use spectra_tests::simulator::{AuthConfig, AuthKind, Credentials, Profile, SimulatorConfig};

use crate::support::{Lab, Ran, finish};
use crate::walked::{HASTY, asked, content, spec_of, use_spec};

/// A kind of credentials: what the simulator admits, what the spec says, and which variables hold what.
struct Way {
    admitted: AuthKind,
    auth: &'static str,
    variables: &'static [(&'static str, &'static str)],
    /// Whether credentials are given out by the server, and new ones when they end.
    is_given_out: bool,
}

const USER: &[(&str, &str)] = &[("SPECTRA_API_USER", "robot"), ("SPECTRA_API_PASSWORD", "canary-password-zqxw")];
const CLIENT: &[(&str, &str)] =
    &[("SPECTRA_API_CLIENT_ID", "the-client"), ("SPECTRA_API_CLIENT_SECRET", "canary-client-zqxw")];
const KEY: &[(&str, &str)] = &[("SPECTRA_API_KEY", "canary-key/zqxw=")];

const WAYS: [Way; 8] = [
    Way {
        admitted: AuthKind::Bearer,
        auth: "kind = \"bearer\"\ntoken_variable = \"SPECTRA_API_TOKEN\"",
        variables: &[("SPECTRA_API_TOKEN", "canary-token-zqxw")],
        is_given_out: false,
    },
    Way {
        admitted: AuthKind::Basic,
        auth: "kind = \"basic\"\nuser_variable = \"SPECTRA_API_USER\"\npassword_variable = \"SPECTRA_API_PASSWORD\"",
        variables: USER,
        is_given_out: false,
    },
    Way {
        admitted: AuthKind::Cookie,
        auth: "kind = \"cookie\"\nlogin_path = \"/user/current\"\nuser_variable = \"SPECTRA_API_USER\"\npassword_variable = \"SPECTRA_API_PASSWORD\"",
        variables: USER,
        is_given_out: true,
    },
    Way {
        admitted: AuthKind::ApiKeyHeader,
        auth: "kind = \"api-key\"\nheader = \"X-Api-Key\"\nkey_variable = \"SPECTRA_API_KEY\"",
        variables: KEY,
        is_given_out: false,
    },
    Way {
        admitted: AuthKind::ApiKeyQuery,
        auth: "kind = \"api-key\"\nquery = \"apiKey\"\nkey_variable = \"SPECTRA_API_KEY\"",
        variables: KEY,
        is_given_out: false,
    },
    Way {
        admitted: AuthKind::Oauth2,
        auth: "kind = \"oauth2\"\ntoken_url = \"/oauth/token\"\nclient_id_variable = \"SPECTRA_API_CLIENT_ID\"\nclient_secret_variable = \"SPECTRA_API_CLIENT_SECRET\"",
        variables: CLIENT,
        is_given_out: true,
    },
    Way {
        admitted: AuthKind::TokenExchange,
        auth: "kind = \"token-exchange\"\ntoken_url = \"/authenticate\"\ntoken_at = \".\"\nbody_variables = { client_id = \"SPECTRA_API_CLIENT_ID\", client_secret = \"SPECTRA_API_CLIENT_SECRET\" }",
        variables: CLIENT,
        is_given_out: true,
    },
    Way {
        admitted: AuthKind::Jwt,
        auth: "kind = \"signed-jwt\"\naccess_key_header = \"zapiAccessKey\"\naccess_key_variable = \"SPECTRA_API_ACCESS_KEY\"\nsecret_key_variable = \"SPECTRA_API_SECRET_KEY\"",
        variables: &[
            ("SPECTRA_API_ACCESS_KEY", "canary-access-zqxw"),
            ("SPECTRA_API_SECRET_KEY", "canary-signing-zqxw"),
        ],
        is_given_out: false,
    },
];

fn value(variables: &[(&str, &str)], name: &str) -> String {
    variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned()).unwrap()
}

fn credentials() -> Credentials {
    let jwt = WAYS[7].variables;
    Credentials {
        token: value(WAYS[0].variables, "SPECTRA_API_TOKEN"),
        user: value(USER, "SPECTRA_API_USER"),
        password: value(USER, "SPECTRA_API_PASSWORD"),
        api_key: value(KEY, "SPECTRA_API_KEY"),
        client_id: value(CLIENT, "SPECTRA_API_CLIENT_ID"),
        client_secret: value(CLIENT, "SPECTRA_API_CLIENT_SECRET"),
        access_key: value(jwt, "SPECTRA_API_ACCESS_KEY"),
        signing_key: value(jwt, "SPECTRA_API_SECRET_KEY"),
    }
}

/// A lab that admits only this way, and a spec that knows only it.
async fn lab(way: &Way, session_requests: Option<u64>, token_s: u64, latency_ms: u64) -> Lab {
    let auth = AuthConfig { kinds: vec![way.admitted], session_requests, token_s };
    let config = SimulatorConfig {
        profile: Profile::Small,
        auth,
        credentials: credentials(),
        latency_ms,
        ..SimulatorConfig::default()
    };
    let mut lab = Lab::with(config).await;
    lab.variables.remove("SPECTRA_API_TOKEN");
    let spec = spec_of(&["project", "release", "cycle", "cyclePhase", "execution"], &HASTY);
    let (before, rest) = spec.split_once("[[auth]]").unwrap();
    let (_, after) = rest.split_once("[http]").unwrap();
    use_spec(&mut lab, &format!("{before}[[auth]]\n{}\n\n[http]{after}", way.auth));
    lab
}

/// Runs source, which alone gets the variables of a way.
fn run(lab: &Lab, variables: &[(&str, &str)], flags: &[&str]) -> (Ran, String) {
    let mut command = lab.command("source");
    command.args(flags).env("RUST_LOG", "trace").envs(variables.iter().copied());
    let ran = finish(command.spawn().unwrap(), Instant::now());
    let said = format!("{}\n{}", ran.report, ran.log);
    (ran, said)
}

async fn all_rows_are_there(lab: &Lab) {
    let found = content(lab).await;
    let executions = found.rows.iter().filter(|(table, ..)| table == "factExecution").count();
    assert_eq!(lab.simulator.simulator.truth()["visible"]["executions"], executions);
}

/// Every form in which a secret could be written.
fn forms(variables: &[(&str, &str)]) -> Vec<String> {
    let mut forms = Vec::new();
    for (_, secret) in variables.iter().filter(|(_, value)| value.starts_with("canary")) {
        let encoded = secret.replace('/', "%2F").replace('+', "%2B").replace('=', "%3D");
        forms.extend([(*secret).to_owned(), encoded.clone(), STANDARD.encode(secret), URL_SAFE_NO_PAD.encode(secret)]);
        for (_, user) in variables.iter().filter(|(_, value)| !value.starts_with("canary")) {
            forms.push(STANDARD.encode(format!("{user}:{secret}")));
            forms.push(STANDARD.encode(format!("{user}:{encoded}")));
        }
    }
    // The part that is always the same tells also of forms nobody thought of.
    forms.push("zqxw".to_owned());
    // What the simulator gives out.
    forms.extend((1..20).map(|number: u64| format!("{:016x}{:016x}", mix(number), mix(!number))));
    forms
}

fn search(name: &str, place: &str, bytes: &[u8], forms: &[String]) {
    for form in forms {
        let is_there = bytes.windows(form.len()).any(|window| window == form.as_bytes());
        assert!(!is_there, "{name}: {place} holds the secret as {form}");
    }
}

fn files(folder: &Path, found: &mut Vec<std::path::PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else {
            found.push(path);
        }
    }
}

/// Looks for secrets in every file of the lake, and in every value of every table, which files may hold compressed.
async fn search_lake(name: &str, lab: &Lab, forms: &[String]) {
    let mut found = Vec::new();
    files(&lab.lake_path(), &mut found);
    for path in found {
        search(name, &path.display().to_string(), &std::fs::read(&path).unwrap(), forms);
    }
    for schema in ["source", "log"] {
        for table in std::fs::read_dir(lab.lake_path().join("Tables").join(schema)).unwrap() {
            let table = format!("{schema}.{}", table.unwrap().file_name().into_string().unwrap());
            for row in lab.rows(&format!("select * from {table}")).await {
                search(name, &table, row.to_string().as_bytes(), forms);
            }
        }
    }
}

/// Looks for secrets in a recording, as it is and unpacked.
fn search_recording(name: &str, tape: &Path, forms: &[String]) {
    let mut found = Vec::new();
    files(tape, &mut found);
    assert!(!found.is_empty(), "{name}: nothing was recorded");
    for path in found {
        let place = path.display().to_string();
        search(name, &place, &std::fs::read(&path).unwrap(), forms);
        let mut unpacked = Vec::new();
        if path.extension().is_some_and(|ending| ending == "gz") {
            MultiGzDecoder::new(std::fs::File::open(&path).unwrap()).read_to_end(&mut unpacked).unwrap();
            assert!(!unpacked.is_empty(), "{name}: {place} is empty");
        }
        search(name, &place, &unpacked, forms);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_works_and_none_is_written_down() {
    for way in &WAYS {
        let name = format!("{:?}", way.admitted);
        let lab = lab(way, None, 3_600, 0).await;
        let forms = forms(way.variables);
        // What goes wrong is told, and must not be told with what was sent.
        for rule in
            ["cyclephaseid=12&:1:404:0", "/execution:3:reset", "/execution:6:slow-first-byte=2500", "/execution:8:500"]
        {
            lab.simulator.simulator.add_fault_text(rule).unwrap();
        }
        let report = lab.folder.path().join("report.json");
        let (ran, said) = run(&lab, way.variables, &["--report", report.to_str().unwrap(), "--run-id", "canaries"]);
        let ran = ran.expect(0);
        assert_eq!(ran.report["slices"]["failed"], 1, "{name}: {}", ran.report);
        search(&name, "the output", said.as_bytes(), &forms);
        search(&name, "the report", &std::fs::read(&report).unwrap(), &forms);
        let given_out = lab.simulator.simulator.figures()["tokensGivenOut"].as_u64().unwrap();
        assert_eq!(given_out, u64::from(way.is_given_out), "{name}: asked for once");

        lab.simulator.simulator.clear_faults();
        let tape = lab.folder.path().join("tape");
        let (ran, said) = run(&lab, way.variables, &["--concurrency", "4", "--record", tape.to_str().unwrap()]);
        ran.expect(0);
        search(&name, "the output", said.as_bytes(), &forms);
        search_recording(&name, &tape, &forms);
        all_rows_are_there(&lab).await;

        // Wrong secrets are secrets as well.
        let wrong: Vec<(&str, String)> =
            way.variables.iter().map(|(name, value)| (*name, value.replace("canary-", "canary-wrong-"))).collect();
        let wrong: Vec<(&str, &str)> = wrong.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let (ran, said) = run(&lab, &wrong, &[]);
        let ran = ran.expect(77);
        assert!(!ran.text("hint").is_empty() && ran.text("message").contains("401"), "{name}: {}", ran.report);
        search(&name, "the output", said.as_bytes(), &self::forms(&wrong));
        search_lake(&name, &lab, &forms).await;

        let (ran, _) = run(&lab, &way.variables[1..], &[]);
        let message = ran.expect(77).text("message");
        assert!(message.contains(way.variables[0].0), "{name}: it says what is missing: {message}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_server_gave_out_is_asked_for_again_when_it_ends() {
    for way in WAYS.iter().filter(|way| way.is_given_out) {
        for concurrency in ["1", "4"] {
            let name = format!("{:?} with {concurrency} at once", way.admitted);
            let lab = lab(way, Some(10), 3_600, 0).await;
            let (ran, _) = run(&lab, way.variables, &["--page-size", "10", "--concurrency", concurrency]);
            let ran = ran.expect(0);
            assert!(content(&lab).await.broken().is_empty(), "{name}");
            all_rows_are_there(&lab).await;
            let figures = lab.simulator.simulator.figures();
            let given_out = figures["tokensGivenOut"].as_u64().unwrap();
            let calls = ran.report["requestCount"].as_u64().unwrap();
            // A login is a call of its own; those refused at once cost one new session together.
            let in_flight: u64 = concurrency.parse().unwrap();
            // Those in flight together share what a session has left.
            assert!(
                (calls / (10 + in_flight)..=calls / 10 + 2).contains(&given_out),
                "{name}: {given_out} for {calls} calls"
            );
            assert!(!ran.log.contains("\"level\":\"WARN\""), "{name}: without a word: {}", ran.log);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_renewed_before_it_ends() {
    let way = &WAYS[5];
    let lab = lab(way, None, 3, 80).await;
    let (ran, _) = run(&lab, way.variables, &["--page-size", "10"]);
    ran.expect(0);
    let figures = lab.simulator.simulator.figures();
    assert!(figures["tokensGivenOut"].as_u64().unwrap() >= 2, "{figures}");
    assert_eq!(figures["statuses"]["401"], serde_json::Value::Null, "nothing was ever refused: {figures}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_refusal_ends_the_run_and_the_next_goes_on() {
    for way in &WAYS {
        let name = format!("{:?}", way.admitted);
        let lab = lab(way, None, 3_600, 0).await;
        let flags = ["--checkpoint-seconds", "0"];
        lab.simulator.simulator.add_fault_text("/execution:3:unauthorised:2").unwrap();
        let (ran, _) = run(&lab, way.variables, &flags);
        let ran = ran.expect(77);
        assert!(
            ran.text("message").contains("/execution?") && ran.text("message").contains("401"),
            "{name}: {}",
            ran.report
        );
        let refused = asked(&lab).iter().filter(|(_, status)| *status == 401).count();
        assert_eq!(refused, if way.is_given_out { 2 } else { 1 }, "{name}: where nothing is new, nothing is tried");
        assert!(!lab.lake_path().join("Tables/source/slice/_delta_log").exists(), "{name}");

        lab.simulator.simulator.clear_faults();
        lab.simulator.simulator.add_fault_text("/execution:3:unauthorised:1").unwrap();
        let (ran, _) = run(&lab, way.variables, &flags);
        if way.is_given_out {
            let ran = ran.expect(0);
            assert!(ran.report["slices"]["resumed"].as_i64().unwrap() >= 4, "{name}: {}", ran.report);
        } else {
            ran.expect(77);
            lab.simulator.simulator.clear_faults();
            run(&lab, way.variables, &flags).0.expect(0);
        }
        all_rows_are_there(&lab).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_changed_in_its_file_is_taken_from_there() {
    let way = &WAYS[0];
    for is_written in [true, false] {
        let lab = lab(way, None, 3_600, 40).await;
        let file = lab.folder.path().join("token");
        std::fs::write(&file, format!("{}\n", way.variables[0].1)).unwrap();
        let mut command = lab.command("source");
        command.env("SPECTRA_API_TOKEN_FILE", &file).args(["--page-size", "10", "--checkpoint-seconds", "0"]);
        let child = command.spawn().unwrap();
        let begun = Instant::now();
        while lab.simulator.simulator.requests().len() < 15 {
            assert!(begun.elapsed() < Duration::from_secs(60));
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        if is_written {
            std::fs::write(&file, "canary-next-zqxw\n").unwrap();
        }
        lab.simulator.simulator.rotate("canary-next-zqxw");
        let ran = finish(child, begun);
        let said = format!("{}{}", ran.report, ran.log);
        if is_written {
            ran.expect(0);
            all_rows_are_there(&lab).await;
        } else {
            let ran = ran.expect(77);
            assert!(ran.text("hint").contains("files"), "{}", ran.report);
        }
        search("a token in a file", "the output", said.as_bytes(), &["zqxw".to_owned()]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_kind_named_is_the_one_used() {
    let config = SimulatorConfig {
        profile: Profile::Small,
        auth: AuthConfig { kinds: vec![AuthKind::Bearer, AuthKind::Cookie], ..AuthConfig::default() },
        ..SimulatorConfig::default()
    };
    let lab = Lab::with(config).await;
    let variables = [("SPECTRA_API_USER", "simulator"), ("SPECTRA_API_PASSWORD", "simulator")];
    let given_out = || lab.simulator.simulator.figures()["tokensGivenOut"].as_u64().unwrap();
    run(&lab, &variables, &[]).0.expect(0);
    assert_eq!(given_out(), 0, "the first kind whose variables are set is bearer");
    run(&lab, &variables, &["--auth", "cookie"]).0.expect(0);
    assert_eq!(given_out(), 1);
    let ran = run(&lab, &variables, &["--auth", "cokie"]).0.expect(78);
    assert!(ran.text("hint").contains("did you mean `cookie`"), "{}", ran.report);
}
