//! A pace against servers that limit, in simulated time.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::*;

/// How a server counts.
#[derive(Clone, Copy)]
enum Counting {
    Bucket { capacity: f64 },
    Window { seconds: u64 },
    Nothing,
}

#[derive(Clone, Copy)]
struct Server {
    counting: Counting,
    per_second: f64,
    /// Tokens at the start.
    tokens: Option<f64>,
    latency_ms: u64,
    jitter_ms: u64,
    seed: u64,
    is_refusing_fast: bool,
    /// Seconds added to the true time to come back; none sends no such header.
    retry_after: Option<u64>,
}

struct Ledger {
    start: Instant,
    tokens: f64,
    at: Instant,
    window: u64,
    good: u64,
    refused: u64,
    random: u64,
}

struct Site {
    server: Mutex<Server>,
    ledger: Mutex<Ledger>,
}

impl Server {
    fn of(per_second: f64) -> Self {
        Self {
            counting: Counting::Bucket { capacity: per_second },
            per_second,
            tokens: None,
            latency_ms: 100,
            jitter_ms: 0,
            seed: 1,
            is_refusing_fast: true,
            retry_after: Some(0),
        }
    }
}

impl Site {
    fn new(server: Server) -> Arc<Self> {
        let capacity = match server.counting {
            Counting::Bucket { capacity } => capacity,
            Counting::Window { seconds } => server.per_second * seconds as f64,
            Counting::Nothing => 0.0,
        };
        let now = Instant::now();
        let ledger = Ledger {
            start: now,
            tokens: server.tokens.unwrap_or(capacity),
            at: now,
            window: 0,
            good: 0,
            refused: 0,
            random: server.seed,
        };
        Arc::new(Self { server: Mutex::new(server), ledger: Mutex::new(ledger) })
    }

    fn random(&self, below: u64) -> u64 {
        let mut ledger = self.ledger.lock().unwrap();
        ledger.random = ledger.random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (ledger.random >> 33) % below.max(1)
    }

    fn take(&self) -> Result<(), Option<Duration>> {
        let server = *self.server.lock().unwrap();
        let mut ledger = self.ledger.lock().unwrap();
        let now = Instant::now();
        let passed = now - ledger.start;
        let wait_s = match server.counting {
            Counting::Nothing => None,
            Counting::Bucket { capacity } => {
                let filled = ledger.tokens + (now - ledger.at).as_secs_f64() * server.per_second;
                ledger.tokens = filled.min(capacity);
                ledger.at = now;
                if ledger.tokens >= 1.0 - 1e-9 {
                    ledger.tokens -= 1.0;
                    None
                } else {
                    Some((1.0 - ledger.tokens) / server.per_second)
                }
            }
            Counting::Window { seconds } => {
                let window = passed.as_secs() / seconds;
                if window != ledger.window {
                    ledger.window = window;
                    ledger.tokens = server.per_second * seconds as f64;
                }
                if ledger.tokens >= 1.0 {
                    ledger.tokens -= 1.0;
                    None
                } else {
                    Some(((window + 1) * seconds) as f64 - passed.as_secs_f64())
                }
            }
        };
        match wait_s {
            None => {
                ledger.good += 1;
                Ok(())
            }
            Some(wait_s) => {
                ledger.refused += 1;
                Err(server.retry_after.map(|more| Duration::from_secs(wait_s.ceil().max(1.0) as u64 + more)))
            }
        }
    }

    async fn ask(&self) -> Heard {
        let sent = Instant::now();
        let server = *self.server.lock().unwrap();
        let latency = Duration::from_millis(server.latency_ms + self.random(server.jitter_ms));
        sleep(latency / 4).await;
        match self.take() {
            Ok(()) => {
                sleep(latency * 3 / 4).await;
                Heard::Good { latency: sent.elapsed() }
            }
            Err(retry_after) => {
                sleep(if server.is_refusing_fast { latency / 4 } else { latency * 3 / 4 }).await;
                Heard::Limited { retry_after }
            }
        }
    }

    /// Callers who ask as often as they may, for a while.
    async fn hammer(self: &Arc<Self>, pace: &Pace, callers: usize, seconds: u64) -> (f64, f64) {
        let (good, refused) = {
            let ledger = self.ledger.lock().unwrap();
            (ledger.good, ledger.refused)
        };
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..callers {
            let (site, pace) = (Arc::clone(self), pace.clone());
            tasks.spawn(async move {
                loop {
                    let permit = pace.permit().await;
                    let heard = site.ask().await;
                    pace.heard(heard);
                    drop(permit);
                }
            });
        }
        sleep(Duration::from_secs(seconds)).await;
        tasks.shutdown().await;
        let ledger = self.ledger.lock().unwrap();
        let (good, refused) = ((ledger.good - good) as f64, (ledger.refused - refused) as f64);
        let allowed = self.server.lock().unwrap().per_second * seconds as f64;
        (good / allowed, refused / (good + refused))
    }
}

fn pace(callers: usize, learned: Option<f64>) -> Pace {
    let learned = learned.map(|per_minute| Learned { per_minute: Some(per_minute), in_flight: 0 });
    Pace::new(None, callers, &Retry::default(), learned)
}

/// The part of the allowed rate that was used, and the part of answers that were refusals.
async fn figures(server: Server, callers: usize, seconds: u64, learned: Option<f64>) -> (f64, f64) {
    Site::new(server).hammer(&pace(callers, learned), callers, seconds).await
}

#[tokio::test(start_paused = true)]
async fn a_limited_server_is_used_and_not_annoyed_from_a_cold_start() {
    let server = Server::of(20.0);
    let forms = [
        server,
        Server { retry_after: None, ..server },
        Server { is_refusing_fast: false, ..server },
        Server { jitter_ms: 60, ..server },
        Server { jitter_ms: 60, retry_after: None, ..server },
    ];
    for (form, seconds) in forms.into_iter().flat_map(|form| [(form, 30), (form, 60), (form, 600)]) {
        let (used, refused) = figures(form, 4, seconds, None).await;
        println!("{seconds:4} s: used {:.1} %, refused {:.2} %", used * 100.0, refused * 100.0);
        assert!(used >= 0.98 && refused < 0.006, "{seconds} s: {used} {refused}");
    }
}

#[tokio::test(start_paused = true)]
async fn no_jitter_makes_the_figures_worse_than_promised() {
    for (latency_ms, callers) in [(50, 2), (100, 4), (200, 8), (100, 5)] {
        let (mut least, mut most) = (1.0_f64, 0.0_f64);
        for seed in 1..=25 {
            let retry_after = Some(0).filter(|_| seed % 2 == 0);
            let server = Server { latency_ms, jitter_ms: latency_ms, seed, retry_after, ..Server::of(20.0) };
            let (used, refused) = figures(server, callers, 60, None).await;
            (least, most) = (least.min(used), most.max(refused));
        }
        println!("{callers} callers of {latency_ms} ms: used {:.1} %, refused {:.2} %", least * 100.0, most * 100.0);
        assert!(least >= 0.95 && most < 0.01, "{callers}: {least} {most}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_learned_is_begun_with() {
    for (learned, least) in [(1_200.0, 0.98), (2_400.0, 0.95), (600.0, 0.7)] {
        let (used, refused) = figures(Server::of(20.0), 4, 60, Some(learned)).await;
        println!("learned {learned}: used {:.1} %, refused {:.2} %", used * 100.0, refused * 100.0);
        assert!(used >= least && refused < 0.005, "{learned}: {used} {refused}");
    }
    let site = Site::new(Server::of(20.0));
    let first = pace(4, None);
    assert_eq!((first.learned(), first.sentence()), (None, None));
    site.hammer(&first, 4, 60).await;
    let learned = first.learned().unwrap();
    let per_minute = learned.per_minute.unwrap();
    assert!((1_100.0..1_300.0).contains(&per_minute) && learned.in_flight == 0, "{learned:?}");
    let sentence = first.sentence().unwrap();
    assert!(sentence.starts_with("slowed down to 1") && sentence.ends_with(" answers of 429"), "{sentence}");
    assert!((first.per_second() - 20.0).abs() < 2.0, "{}", first.per_second());
    let second = pace(4, Some(per_minute));
    let sentence = second.sentence().unwrap();
    assert!(sentence.starts_with("held to 11") && sentence.ends_with("as an earlier run learned"), "{sentence}");
}

#[tokio::test(start_paused = true)]
async fn servers_that_count_otherwise_are_used_too() {
    let bucket = |capacity: f64| Server { counting: Counting::Bucket { capacity }, ..Server::of(20.0) };
    let window = |seconds: u64| Server { counting: Counting::Window { seconds }, ..Server::of(20.0) };
    let silent = |server: Server| Server { retry_after: None, ..server };
    for (name, server, least, most) in [
        ("bucket of 1", bucket(1.0), 0.75, 0.003),
        ("bucket of 5", bucket(5.0), 0.88, 0.003),
        ("bucket of 5, no time", silent(bucket(5.0)), 0.95, 0.003),
        ("bucket of 200", bucket(200.0), 1.0, 0.003),
        ("empty bucket", Server { tokens: Some(0.0), ..bucket(20.0) }, 0.98, 0.003),
        ("a second too late", Server { retry_after: Some(1), ..bucket(20.0) }, 0.97, 0.002),
        ("per second", window(1), 0.85, 0.003),
        ("per 10 s", window(10), 0.95, 0.005),
        ("per minute", window(60), 0.98, 0.005),
        ("per minute, no time", silent(window(60)), 0.93, 0.01),
        ("minute used up", Server { tokens: Some(0.0), ..silent(window(60)) }, 0.8, 0.01),
        ("1/s", Server::of(1.0), 0.88, 0.03),
        ("200/s", Server { latency_ms: 10, ..Server::of(200.0) }, 0.98, 0.001),
    ] {
        let (used, refused) = figures(server, 4, 600, None).await;
        println!("{name:22} used {:5.1} %, refused {:.2} %", used * 100.0, refused * 100.0);
        assert!(used >= least && refused < most, "{name}: {used} {refused}");
    }
}

#[tokio::test(start_paused = true)]
async fn all_requests_pause_once_for_as_long_as_asked() {
    let pace = pace(8, None);
    let mut permits = Vec::new();
    for _ in 0..8 {
        permits.push(pace.permit().await);
    }
    let start = Instant::now();
    for retry_after in [7, 7, 5, 7] {
        pace.heard(Heard::Limited { retry_after: Some(Duration::from_secs(retry_after)) });
        permits.pop();
    }
    drop(permits);
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..4 {
        let pace = pace.clone();
        tasks.spawn(async move {
            let permit = pace.permit().await;
            pace.heard(Heard::Good { latency: Duration::ZERO });
            drop(permit);
            start.elapsed()
        });
    }
    let resumed = tasks.join_all().await;
    assert!(resumed.iter().all(|after| (7_000..7_100).contains(&after.as_millis())), "{resumed:?}");
    assert_eq!(pace.waited().as_secs(), 28);
    assert_eq!(pace.sentence().unwrap(), "paused after 4 answers of 429");
    // What nobody asks in is not the server's pause.
    let permit = pace.permit().await;
    pace.heard(Heard::Limited { retry_after: None });
    drop(permit);
    sleep(Duration::from_secs(3_600)).await;
    let start = Instant::now();
    drop(pace.permit().await);
    assert_eq!(start.elapsed(), Duration::ZERO);
    // No server is waited for longer than the policy allows.
    let permit = pace.permit().await;
    pace.heard(Heard::Limited { retry_after: Some(Duration::from_secs(86_400)) });
    drop(permit);
    let start = Instant::now();
    let _permit = pace.permit().await;
    assert_eq!(start.elapsed().as_secs(), 120);
}

#[tokio::test(start_paused = true)]
async fn the_rate_recovers_and_falls_with_the_server() {
    let site = Site::new(Server::of(20.0));
    let pace = pace(8, None);
    site.hammer(&pace, 8, 200).await;
    let set = |per_second: f64| site.server.lock().unwrap().per_second = per_second;
    // From 20/s to what 8 callers can do.
    site.server.lock().unwrap().counting = Counting::Nothing;
    site.hammer(&pace, 8, 180).await;
    println!("3 min later: {}/s", pace.per_second());
    assert!(pace.per_second() >= 30.0, "{}", pace.per_second());
    site.hammer(&pace, 8, 180).await;
    println!("6 min later: {}/s", pace.per_second());
    assert!(pace.per_second() >= 60.0, "{}", pace.per_second());
    assert!(pace.learned().unwrap().per_minute.unwrap() > 3_000.0);
    site.server.lock().unwrap().counting = Counting::Bucket { capacity: 20.0 };
    for (per_second, least) in [(20.0, 0.95), (5.0, 0.95), (8.0, 0.7)] {
        set(per_second);
        let (used, refused) = site.hammer(&pace, 8, 120).await;
        println!("then {per_second}/s: used {:.1} %, refused {:.2} %", used * 100.0, refused * 100.0);
        assert!(used >= least && refused < 0.02, "{per_second}: {used} {refused}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_rate_that_nobody_uses_is_not_raised() {
    let site = Site::new(Server::of(20.0));
    let pace = pace(8, None);
    site.hammer(&pace, 8, 60).await;
    // One caller at 10/s for an hour tries nothing.
    site.hammer(&pace, 1, 3_600).await;
    let per_minute = pace.learned().unwrap().per_minute.unwrap();
    assert!(per_minute < 1_300.0, "{per_minute}");
    let (used, refused) = site.hammer(&pace, 8, 60).await;
    assert!(used >= 0.98 && refused < 0.01, "{used} {refused}");
}
