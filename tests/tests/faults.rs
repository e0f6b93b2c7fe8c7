//! The fault matrix: everything that can go wrong with one slice, under every policy, once and for good. Each ends in
//! the documented way, and the lake holds exactly the truth of what was walked.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use spectra_tests::simulator::{Profile, SimulatorConfig};

use crate::support::{Lab, Ran};
use crate::walked::{Content, HASTY, Slice, asked, content, parameter, spec_of, text, use_spec};

/// What the documentation says of a fault where no rule of the spec is about it.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Documented {
    /// Nothing is wrong.
    Fine,
    /// The slice fails.
    Skip,
    /// The slice is forbidden.
    Forbidden,
    /// Tried again, then the run ends.
    RetryFail,
    /// Tried again, then the slice fails.
    RetrySkip,
    /// The slice is walked again, then it fails.
    WalkSkip,
    /// The run ends, whatever the policy.
    Refused,
}
use Documented::{Fine, Forbidden, Refused, RetryFail, RetrySkip, Skip, WalkSkip};

/// A fault of the simulator; what is documented of it; how a run ends that fails because of it; what the message says.
struct Kind(&'static str, Documented, i32, &'static str);

const KINDS: &[Kind] = &[
    Kind("400", Skip, 65, "400 Bad Request"),
    Kind("401", Refused, 77, "401 Unauthorized"),
    Kind("403", Forbidden, 77, "403 Forbidden"),
    Kind("404", Skip, 65, "404 Not Found"),
    Kind("408", RetryFail, 69, "408 Request Timeout"),
    Kind("409", Skip, 65, "409 Conflict"),
    Kind("410", Skip, 65, "410 Gone"),
    Kind("417", Skip, 65, "417 Expectation Failed"),
    Kind("418", Skip, 65, "418 I'm a teapot"),
    Kind("425", RetryFail, 69, "425 Too Early"),
    Kind("428", Skip, 65, "428 Precondition Required"),
    Kind("429", RetryFail, 69, "429 Too Many Requests"),
    Kind("500", RetrySkip, 69, "500 Internal Server Error: could not execute query"),
    Kind("501", RetrySkip, 69, "501 Not Implemented"),
    Kind("502", RetryFail, 69, "502 Bad Gateway"),
    Kind("503", RetryFail, 69, "503 Service Unavailable"),
    Kind("504", RetryFail, 69, "504 Gateway Timeout"),
    Kind("502-html", RetryFail, 69, "502 Bad Gateway"),
    Kind("503-html=0", RetryFail, 69, "503 Service Unavailable"),
    Kind("reset", RetryFail, 69, "no answer"),
    Kind("slow-first-byte=1200", RetryFail, 69, "timed out"),
    Kind("slow-body=12000", RetryFail, 69, "timed out"),
    Kind("slow-body=300", Fine, 0, ""),
    Kind("truncated", RetrySkip, 65, "the body broke off"),
    Kind("truncated-clean", RetrySkip, 65, "the answer is not whole JSON"),
    Kind("empty", RetrySkip, 65, "the answer is not whole JSON"),
    Kind("html", RetrySkip, 65, "the answer is a web page"),
    Kind("content-type", Skip, 65, "the answer is labelled text/plain"),
    Kind("octet", Skip, 65, "the answer is labelled application/octet-stream"),
    Kind("wrong-kind-id", Skip, 65, "record 0 of the page has a `id` that is neither a number nor text"),
    Kind("wrong-kind-id=1", Skip, 65, "record 0 of the page has a `id` that is neither a number nor text"),
    Kind("missing-key", Skip, 65, "record 0 of the page has no `id`"),
    Kind("missing-ids", Skip, 65, "record 0 of the page has no `id`"),
    Kind("wrong-owner", Skip, 65, "belongs to cyclePhaseId"),
    Kind("foreign-rows", Skip, 65, "belongs to cyclePhaseId"),
    Kind("huge-page=400000", Skip, 65, "the body is larger than 300000 bytes"),
    Kind("huge-page=200000", Fine, 0, ""),
    Kind("duplicate-ids", WalkSkip, 65, "came twice"),
    Kind("ignored-offset", WalkSkip, 65, "the server ignored the offset"),
    Kind("duplicate-page", WalkSkip, 65, "the server ignored the offset"),
    Kind("total-lies", WalkSkip, 65, "the server declared"),
    Kind("total-lies-low", WalkSkip, 65, "the server declared"),
];

/// What a spec says about everything that goes wrong.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Policy {
    Default,
    Retry,
    Skip,
    Fail,
}

/// How a run with a fault in one slice ends.
#[derive(Clone, Copy, Debug, PartialEq)]
enum End {
    Complete,
    Slice(&'static str),
    Run(i32),
}

fn expected(kind: &Kind, policy: Policy, is_always: bool) -> End {
    let Kind(_, documented, exit, _) = *kind;
    match (policy, documented, is_always) {
        (_, Fine, _) => End::Complete,
        (_, Refused, _) | (Policy::Fail, ..) | (Policy::Retry, _, true) => End::Run(exit),
        (Policy::Default, Forbidden, _) => End::Slice("forbidden"),
        (Policy::Default, RetryFail, true) => End::Run(exit),
        (Policy::Skip, ..) | (Policy::Default, Skip, _) | (Policy::Default, RetrySkip | WalkSkip, true) => {
            End::Slice("failed")
        }
        (Policy::Retry, _, false) | (Policy::Default, RetryFail | RetrySkip | WalkSkip, false) => End::Complete,
    }
}

const NAMES: &str = r#""no-answer", "timeout", "broken-body", "too-large", "web-page", "content-type", "not-json", "wrong-owner",
    "missing-id", "wrong-id", "ignored-offset", "moved-rows", "wrong-total""#;

const RESOURCES: &[&str] = &["project", "release", "cycle", "cyclePhase", "execution"];

fn spec(policy: Policy, is_slow: bool) -> String {
    let built_in = "[[on]]\nwhat = [500]\nthen = \"retry\"\nafter = \"skip\"\n";
    let rule = |then: &str| format!("[[on]]\nwhat = [\"4xx\", \"5xx\", {NAMES}]\nthen = \"{then}\"\n");
    let rule = match policy {
        Policy::Default => built_in.to_owned(),
        Policy::Retry => rule("retry"),
        Policy::Skip => rule("skip"),
        Policy::Fail => rule("fail"),
    };
    let patience = if is_slow { "read_timeout_ms = 600" } else { "read_timeout_ms = 20_000" };
    let edits = [
        (built_in, rule.as_str()),
        ("read_timeout_ms = 120_000", patience),
        ("largest_body_bytes = 268_435_456", "largest_body_bytes = 300_000"),
        ("tries = 5", "tries = 2"),
        // One walk may be struck as often as it has slices.
        ("walks = 3", "walks = 2"),
        ("[retry]", "[gate]\nfailed_least = 100\n\n[retry]"),
    ];
    spec_of(RESOURCES, &[&edits[..], &HASTY[..]].concat())
}

const FLAGS: &[&str] = &["--page-size", "10", "--concurrency"];

/// What a walk without faults finds.
struct Truth {
    content: Content,
    /// Slices of executions with several pages, with how many: each can be struck.
    targets: Vec<(Slice, usize)>,
}

async fn lab(policy: Policy, is_slow: bool) -> Lab {
    let mut lab = Lab::with(SimulatorConfig { profile: Profile::Small, ..SimulatorConfig::default() }).await;
    use_spec(&mut lab, &spec(policy, is_slow));
    lab
}

fn id_of(slice: &Slice, key: &str) -> Option<String> {
    Some(serde_json::from_str::<Value>(&slice.1).ok()?.get(key)?.to_string())
}

fn phase_of(slice: &Slice) -> String {
    id_of(slice, "cyclePhaseId").unwrap()
}

fn times_asked(lab: &Lab, slice: &Slice) -> usize {
    let phase = phase_of(slice);
    asked(lab).iter().filter(|(call, _)| parameter(call, "cyclephaseid") == Some(&phase)).count()
}

impl Truth {
    async fn new() -> Self {
        let lab = lab(Policy::Default, false).await;
        lab.run("source", &[FLAGS, &["1"]].concat()).expect(0);
        let content = content(&lab).await;
        let landed = content.rows.iter().filter(|(table, ..)| table == "factExecution").count();
        let truth = lab.simulator.simulator.truth();
        assert_eq!(truth["visible"]["executions"], landed, "what is compared with is the simulator's own truth");
        let slices = content.slices.keys().filter(|(table, _)| table == "factExecution");
        let targets = slices.map(|slice| (slice.clone(), times_asked(&lab, slice)));
        Self { targets: targets.filter(|(_, pages)| *pages > 1).collect(), content }
    }
}

/// A field of the matrix: a fault that strikes one slice once or always.
#[derive(Clone, Copy)]
struct Field {
    kind: &'static Kind,
    is_always: bool,
}

impl Field {
    fn name(self, policy: Policy) -> String {
        format!("{} {policy:?} {}", self.kind.0, if self.is_always { "always" } else { "once" })
    }

    /// Faults of the offset strike the second page.
    fn page(self) -> usize {
        if ["ignored-offset", "duplicate-page"].contains(&self.kind.0) { 2 } else { 1 }
    }

    fn is_total(self) -> bool {
        self.kind.0.starts_with("total")
    }

    fn is_slow(self) -> bool {
        self.kind.0.starts_with("slow-")
    }

    /// A total that lies once is another on the next page; one that always lies is found out at the end.
    fn words(self) -> &'static str {
        if self.is_total() && !self.is_always { "rows moved" } else { self.kind.3 }
    }

    fn rule(self, slice: &Slice) -> String {
        let page = if self.page() == 2 { "offset=9&" } else { "" };
        let (phase, release) = (phase_of(slice), id_of(slice, "releaseId").unwrap());
        let query =
            format!("cyclephaseid={phase}&includeanyoneuser=true&isascorder=true&order=id&releaseid={release}&{page}");
        format!("{query}:1:{}:{}", self.kind.0, u8::from(!self.is_always))
    }

    fn is_retried(self, policy: Policy) -> bool {
        let is_documented = matches!(self.kind.1, RetryFail | RetrySkip | WalkSkip);
        self.kind.1 != Refused && (policy == Policy::Retry || (policy == Policy::Default && is_documented))
    }

    /// How often a slice of so many pages is asked for until the policy gives up on it.
    fn requests(self, policy: Policy, page_count: usize) -> usize {
        let each = match (self.is_total(), self.is_always) {
            (true, true) => page_count,
            (true, false) => 2,
            _ => self.page(),
        };
        if self.is_retried(policy) { 2 * each } else { each }
    }
}

/// Faults that strike one walk, each in a slice of its own.
struct Batch {
    policy: Policy,
    fields: Vec<Field>,
    concurrency: &'static str,
}

impl Batch {
    async fn examine(self, truth: &Truth) {
        let lab = lab(self.policy, self.fields[0].is_slow()).await;
        let struck: Vec<(Field, &Slice, usize)> =
            self.fields.iter().zip(&truth.targets).map(|(field, (slice, pages))| (*field, slice, *pages)).collect();
        for (field, slice, _) in &struck {
            lab.simulator.simulator.add_fault_text(&field.rule(slice)).unwrap();
        }
        let flags = [FLAGS, &[self.concurrency]].concat();
        let ran = run(&lab, &flags);
        let is_whole = match expected(self.fields[0].kind, self.policy, self.fields[0].is_always) {
            End::Run(code) => {
                self.ended_the_run(&lab, ran, code, struck[0]).await;
                false
            }
            _ => self.ended_slices(&lab, ran, &struck, truth).await,
        };
        if is_whole {
            return;
        }
        // Without the faults the next run goes on from there, and everything is as if nothing had happened.
        let name = self.fields[0].name(self.policy);
        lab.simulator.simulator.clear_faults();
        let has_published = !asked(&lab).is_empty();
        let ran = checked(run(&lab, &flags), 0, &name);
        if !has_published {
            let resumed = ran.report["slices"]["resumed"].as_i64().unwrap_or(0);
            assert!(resumed >= 3, "{name}: project, release and cycle are not asked for again: {}", ran.report);
            assert!(!asked(&lab).iter().any(|(call, _)| call.contains("/project/details")), "{name}");
        }
        let healed = content(&lab).await;
        assert!(healed.broken().is_empty(), "{name}");
        assert!(healed.rows == truth.content.rows, "{name}: other rows than without the fault, after the next run");
        assert_eq!(healed.landed_count, healed.rows.len(), "{name}: a row was landed twice");
    }

    async fn ended_the_run(&self, lab: &Lab, ran: Ran, code: i32, (field, slice, page_count): (Field, &Slice, usize)) {
        let name = field.name(self.policy);
        let ran = checked(ran, code, &name);
        let message = ran.text("message");
        assert_named(&name, &message, slice, field.words());
        assert!(!ran.text("hint").is_empty(), "{name}: {}", ran.report);
        let recorded = lab.rows("select status, exitCode from log.run where status <> 'started'").await;
        assert_eq!(recorded.len(), 1, "{name}: {recorded:?}");
        assert_eq!(recorded[0], json!({"status": "failed", "exitCode": code}), "{name}");
        assert!(content(lab).await.rows.is_empty(), "{name}: a run that failed published rows");
        assert_times(&name, &message, field, self.policy, page_count, times_asked(lab, slice));
        lab.simulator.simulator.clear_requests();
    }

    /// Says whether every slice is complete.
    async fn ended_slices(&self, lab: &Lab, ran: Ran, struck: &[(Field, &Slice, usize)], truth: &Truth) -> bool {
        let names: Vec<String> = struck.iter().map(|(field, ..)| field.name(self.policy)).collect();
        let ran = checked(ran, 0, &names.join(", "));
        let found = content(lab).await;
        let log = lab.rows("select * from log.slice where resource = 'factExecution'").await;
        let mut wanted = truth.content.rows.clone();
        let mut broken = BTreeMap::new();
        for ((field, slice, page_count), name) in struck.iter().zip(&names) {
            let row = log.iter().find(|row| text(row, "sliceKey") == slice.1);
            let row = row.unwrap_or_else(|| panic!("{name}: nothing in log.slice"));
            let requests = row["requestCount"].as_u64().unwrap() as usize;
            match expected(field.kind, self.policy, field.is_always) {
                End::Slice(outcome) => {
                    let version = &found.slices[*slice];
                    assert_eq!(
                        (text(row, "outcome").as_str(), version.status.as_str()),
                        (outcome, outcome),
                        "{name}: {row}"
                    );
                    assert_named(name, &text(row, "message"), slice, field.words());
                    assert_named(name, &version.reason, slice, field.words());
                    let sentence = format!("factExecution {} is {outcome}: asking", slice.1);
                    assert!(ran.log.contains(&sentence.replace('"', "\\\"")), "{name}: {}", ran.log);
                    assert_times(name, &version.reason, *field, self.policy, *page_count, requests);
                    wanted.retain(|(table, key, ..)| (table, key) != (&slice.0, &slice.1));
                    *broken.entry(outcome).or_insert(0) += 1;
                }
                _ => {
                    assert_eq!(text(row, "outcome"), "complete", "{name}: {row}");
                    let least = page_count + usize::from(field.kind.1 != Fine);
                    assert!(requests >= least, "{name}: asked {requests} times for {page_count} pages");
                }
            }
        }
        for outcome in ["failed", "forbidden"] {
            let count = broken.get(outcome).copied().unwrap_or(0);
            assert_eq!(ran.report["slices"][outcome].as_i64().unwrap_or(0), count, "{names:?}: {}", ran.report);
        }
        assert!(found.rows == wanted, "{names:?}: other rows than without the slices that failed");
        broken.is_empty()
    }
}

/// Runs source without keeping the simulator, whose thread this may be, from answering.
fn run(lab: &Lab, flags: &[&str]) -> Ran {
    tokio::task::block_in_place(|| lab.run("source", flags))
}

#[track_caller]
fn checked(ran: Ran, code: i32, name: &str) -> Ran {
    assert_eq!(ran.code, Some(code), "{name}: {}\n{}", ran.report, ran.log);
    ran
}

/// A message says what was asked for and why it is of no use.
#[track_caller]
fn assert_named(name: &str, message: &str, slice: &Slice, words: &str) {
    let is_named =
        message.contains("asking http://127.0.0.1:") && message.contains(&format!("cyclephaseid={}&", phase_of(slice)));
    assert!(is_named && message.contains(words), "{name}: expected the URL and `{words}`: {message}");
}

/// A slice was asked for as often as the policy says, and a message says so.
#[track_caller]
fn assert_times(name: &str, message: &str, field: Field, policy: Policy, page_count: usize, asked: usize) {
    // The simulator does not count a call that was given up before it was answered.
    if !(field.kind.0.starts_with("slow-first-byte") && asked == 0) {
        assert_eq!(asked, field.requests(policy, page_count), "{name}: asked so often");
    }
    let words = if field.kind.1 == WalkSkip { " (2 walks)" } else { " (2 tries)" };
    assert_eq!(message.ends_with(words), field.is_retried(policy), "{name}: {message}");
}

/// Every field: those that end the run one by one, the others as many in one walk as it has slices to strike.
fn batches(target_count: usize) -> Vec<Batch> {
    let mut batches = Vec::new();
    for policy in [Policy::Default, Policy::Retry, Policy::Skip, Policy::Fail] {
        let fields = KINDS.iter().flat_map(|kind| [false, true].map(|is_always| Field { kind, is_always }));
        let ends = |field: &Field| matches!(expected(field.kind, policy, field.is_always), End::Run(_));
        let (alone, together): (Vec<Field>, Vec<Field>) = fields.partition(ends);
        let (slow, quick): (Vec<Field>, Vec<Field>) = together.into_iter().partition(|field| field.is_slow());
        for (number, field) in alone.into_iter().enumerate() {
            batches.push(Batch { policy, fields: vec![field], concurrency: ["1", "3"][number % 2] });
        }
        for (number, fields) in slow.chunks(target_count).chain(quick.chunks(target_count)).enumerate() {
            batches.push(Batch { policy, fields: fields.to_vec(), concurrency: ["3", "1"][number % 2] });
        }
    }
    batches
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn whatever_goes_wrong_ends_as_documented() {
    let truth = Arc::new(Truth::new().await);
    let batches = batches(truth.targets.len());
    let count: usize = batches.iter().map(|batch| batch.fields.len()).sum();
    assert_eq!(count, KINDS.len() * 8);
    let queue = Arc::new(Mutex::new(batches));
    let workers = (0..4).map(|_| {
        let (truth, queue) = (truth.clone(), queue.clone());
        tokio::spawn(async move {
            let mut failed = Vec::new();
            loop {
                let next = queue.lock().unwrap().pop();
                let Some(batch) = next else { return failed };
                let name = batch.fields[0].name(batch.policy);
                let truth = truth.clone();
                // In a task of its own, so that one that fails does not hide the others.
                let examined = tokio::spawn(async move { batch.examine(&truth).await });
                failed.extend(examined.await.err().map(|_| name));
            }
        })
    });
    let failed: Vec<String> = futures::future::join_all(workers).await.into_iter().flat_map(Result::unwrap).collect();
    assert!(failed.is_empty(), "{failed:?}");
}
