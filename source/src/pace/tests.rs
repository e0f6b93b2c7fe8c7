use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::*;

const GOOD: Heard = Heard::Good { latency: Duration::from_millis(100) };

fn free(concurrency: usize) -> Pace {
    Pace::new(None, concurrency, &Retry::default(), None)
}

fn within(rate: &str, concurrency: usize) -> Pace {
    Pace::new(Some(parse_rate(rate).unwrap()), concurrency, &Retry::default(), None)
}

/// When requests are sent by so many callers that each need that long.
async fn sent(pace: &Pace, callers: usize, latency: Duration, time: Duration) -> Vec<Duration> {
    let start = Instant::now();
    let times = Arc::new(Mutex::new(Vec::new()));
    let mut tasks = JoinSet::new();
    for _ in 0..callers {
        let (pace, times) = (pace.clone(), Arc::clone(&times));
        tasks.spawn(async move {
            loop {
                let permit = pace.permit().await;
                times.lock().unwrap().push(start.elapsed());
                sleep(latency).await;
                pace.heard(Heard::Good { latency });
                drop(permit);
            }
        });
    }
    sleep(time).await;
    tasks.shutdown().await;
    times.lock().unwrap().clone()
}

/// Most requests in any window of that length.
fn most_in(times: &[Duration], window: Duration) -> usize {
    let (mut first, mut most) = (0, 0);
    for (last, time) in times.iter().enumerate() {
        while times[first] + window <= *time {
            first += 1;
        }
        most = most.max(last + 1 - first);
    }
    most
}

#[tokio::test(start_paused = true)]
async fn a_budget_is_used_and_never_exceeded() {
    for (rate, callers, latency_ms) in [
        ("300/min", 4, 100),
        ("20/s", 8, 130),
        ("777/min", 8, 130),
        ("7/min", 1, 100),
        ("5000/min", 32, 130),
        ("300/s", 64, 50),
    ] {
        let pace = within(rate, callers);
        let times = sent(&pace, callers, Duration::from_millis(latency_ms), Duration::from_secs(600)).await;
        let per_second = f64::from(parse_rate(rate).unwrap().per_minute) / 60.0;
        let used = times.len() as f64 / (per_second * 600.0);
        println!("{rate}: used {:.2} %", used * 100.0);
        assert!((0.99..=1.0 + 1.0 / per_second / 600.0 + 1e-9).contains(&used), "{rate}: {used}");
        for seconds in [1, 10, 60] {
            // Besides the burst of one, a late timer of the simulation is a millisecond late.
            let allowed = per_second * (seconds as f64 + 0.001) + 1.0;
            let most = most_in(&times, Duration::from_secs(seconds));
            assert!(most as f64 <= allowed.floor(), "{rate}: {most} in {seconds} s");
        }
        assert_eq!(pace.learned(), None);
    }
}

#[tokio::test(start_paused = true)]
async fn slots_that_nobody_wanted_are_lost_but_for_the_burst() {
    let pace = within("60/min+5", 100);
    for _ in 0..3 {
        let start = Instant::now();
        let mut after = Vec::new();
        for _ in 0..7 {
            let _permit = pace.permit().await;
            after.push(start.elapsed().as_millis());
        }
        assert_eq!(after, [0, 0, 0, 0, 0, 1_000, 2_000]);
        sleep(Duration::from_secs(60)).await;
    }
    assert_eq!(pace.waited(), Duration::from_secs(6));
    let pace = within("60/min", 1);
    drop(pace.permit().await);
    sleep(Duration::from_millis(1_700)).await;
    let start = Instant::now();
    drop(pace.permit().await);
    drop(pace.permit().await);
    assert_eq!(start.elapsed(), Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn a_budget_below_the_servers_limit_leaves_nothing_to_learn_and_one_above_it_does() {
    let pace = within("300/min", 4);
    let times = sent(&pace, 4, Duration::from_millis(100), Duration::from_secs(60)).await;
    assert_eq!((times.len(), pace.sentence()), (300, None));
    assert!((pace.per_second() - 5.0).abs() < 0.5, "{}", pace.per_second());
    pace.heard(Heard::Limited { retry_after: None });
    sent(&pace, 4, Duration::from_millis(100), Duration::from_secs(60)).await;
    assert!(pace.learned().unwrap().per_minute.unwrap() <= 330.0, "{:?}", pace.learned());
}

#[tokio::test(start_paused = true)]
async fn no_more_are_in_flight_than_wanted_and_waiting_for_a_place_is_not_waiting_for_the_rate() {
    let pace = free(3);
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let mut tasks = JoinSet::new();
    for _ in 0..30 {
        let (pace, now, most) = (pace.clone(), Arc::clone(&now), Arc::clone(&most));
        tasks.spawn(async move {
            let _permit = pace.permit().await;
            most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            sleep(Duration::from_millis(100)).await;
            now.fetch_sub(1, Ordering::SeqCst);
        });
    }
    let start = Instant::now();
    tasks.join_all().await;
    assert_eq!((start.elapsed().as_millis(), most.load(Ordering::SeqCst)), (1_000, 3));
    assert_eq!(pace.waited(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn waiting_is_counted_while_it_lasts_and_for_each_request() {
    let pace = within("60/min", 4);
    drop(pace.permit().await);
    let mut tasks = JoinSet::new();
    for _ in 0..2 {
        let pace = pace.clone();
        tasks.spawn(async move { drop(pace.permit().await) });
    }
    sleep(Duration::from_millis(500)).await;
    assert_eq!(pace.waited(), Duration::from_secs(1));
    tasks.join_all().await;
    assert_eq!(pace.waited(), Duration::from_secs(3));
    sleep(Duration::from_secs(9)).await;
    assert_eq!(pace.waited(), Duration::from_secs(3));
}

#[tokio::test(start_paused = true)]
async fn first_come_first_served() {
    for pace in [within("20/s", 2), free(1), free(4)] {
        let order = Arc::new(Mutex::new(Vec::new()));
        let mut tasks = JoinSet::new();
        for number in 0..50 {
            let (pace, order) = (pace.clone(), Arc::clone(&order));
            tasks.spawn(async move {
                sleep(Duration::from_millis(number)).await;
                let _permit = pace.permit().await;
                order.lock().unwrap().push(number);
                sleep(Duration::from_millis(30 + number % 7)).await;
            });
        }
        tasks.join_all().await;
        let order = order.lock().unwrap().clone();
        assert!(order.is_sorted(), "{order:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_gives_up_waiting_costs_nobody_a_slot_or_a_place() {
    let pace = within("60/min", 2);
    let start = Instant::now();
    drop(pace.permit().await);
    for _ in 0..5 {
        assert!(timeout(Duration::from_millis(100), pace.permit()).await.is_err());
    }
    // Those behind one that gives up move up.
    let behind = pace.clone();
    let first = tokio::spawn({
        let pace = pace.clone();
        async move { drop(pace.permit().await) }
    });
    let second = tokio::spawn(async move {
        drop(behind.permit().await);
        start.elapsed()
    });
    sleep(Duration::from_millis(100)).await;
    first.abort();
    assert_eq!(second.await.unwrap(), Duration::from_secs(1));
    let held = (pace.permit().await, pace.permit().await);
    assert!(timeout(Duration::from_secs(60), pace.permit()).await.is_err());
    drop(held);
    let start = Instant::now();
    let _both = (pace.permit().await, pace.permit().await);
    assert_eq!(start.elapsed(), Duration::from_secs(1));
}

/// Fails exchanges until the circuit opens.
async fn break_down(pace: &Pace) {
    for number in 0..5 {
        assert!(!pace.is_open(), "{number}");
        drop(pace.permit().await);
        pace.exchange_ended(false);
    }
    assert!(pace.is_open() && !pace.is_hopeless());
}

#[tokio::test(start_paused = true)]
async fn a_broken_server_is_left_alone_and_closes_with_a_good_probe() {
    let pace = free(4);
    for _ in 0..4 {
        pace.exchange_ended(false);
    }
    pace.exchange_ended(true);
    break_down(&pace).await;
    let start = Instant::now();
    let probe = pace.permit().await;
    assert_eq!(start.elapsed(), Duration::from_secs(30));
    // One probe, not one for each that waits.
    assert!(timeout(Duration::from_secs(60), pace.permit()).await.is_err());
    let waiting = tokio::spawn({
        let pace = pace.clone();
        async move { drop(pace.permit().await) }
    });
    sleep(Duration::from_secs(1)).await;
    pace.heard(GOOD);
    drop(probe);
    waiting.await.unwrap();
    assert!(!pace.is_open() && !pace.is_hopeless());
    pace.exchange_ended(true);
    break_down(&pace).await;
    assert_eq!(pace.waited(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn two_bad_probes_are_hopeless_and_a_good_one_is_hope() {
    let pace = free(4);
    break_down(&pace).await;
    for is_hopeless in [false, true, true] {
        let start = Instant::now();
        let probe = pace.permit().await;
        assert_eq!(start.elapsed(), Duration::from_secs(30));
        pace.heard(Heard::Failed);
        drop(probe);
        // The end of the probe's exchange says nothing new.
        pace.exchange_ended(false);
        assert!(pace.is_open());
        assert_eq!(pace.is_hopeless(), is_hopeless);
    }
    let probe = pace.permit().await;
    pace.heard(Heard::Other);
    drop(probe);
    assert!(!pace.is_open() && !pace.is_hopeless());
}

#[tokio::test(start_paused = true)]
async fn a_probe_flies_alone_and_one_that_is_given_up_says_nothing() {
    let pace = free(4);
    let old = pace.permit().await;
    break_down(&pace).await;
    assert!(timeout(Duration::from_secs(60), pace.permit()).await.is_err());
    pace.heard(Heard::Slow);
    drop(old);
    assert!(pace.is_open() && !pace.is_hopeless());
    drop(pace.permit().await);
    let start = Instant::now();
    let probe = pace.permit().await;
    assert_eq!(start.elapsed(), Duration::ZERO);
    pace.heard(GOOD);
    drop(probe);
    assert!(!pace.is_open());
}

#[tokio::test(start_paused = true)]
async fn a_slow_server_gets_fewer_requests_at_once() {
    // One worker, 300 ms an answer; the first ones come from a cache.
    let pace = free(8);
    sent(&pace, 8, Duration::from_millis(20), Duration::from_secs(1)).await;
    let worker = Arc::new(tokio::sync::Mutex::new(()));
    let mut tasks = JoinSet::new();
    for _ in 0..8 {
        let (pace, worker) = (pace.clone(), Arc::clone(&worker));
        tasks.spawn(async move {
            loop {
                let permit = pace.permit().await;
                let start = Instant::now();
                let busy = worker.lock().await;
                sleep(Duration::from_millis(300)).await;
                drop(busy);
                pace.heard(Heard::Good { latency: start.elapsed() });
                drop(permit);
            }
        });
    }
    sleep(Duration::from_secs(60)).await;
    tasks.shutdown().await;
    let learned = pace.learned().unwrap();
    assert!(learned.in_flight <= 2 && learned.per_minute.is_none(), "{learned:?}");
    let again = Pace::new(None, 8, &Retry::default(), Some(learned));
    sent(&again, 8, Duration::from_millis(20), Duration::from_secs(10)).await;
    assert_eq!(again.learned(), None);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_lost_to_the_grain_of_timers() {
    // Three slots in a millisecond, which is the shortest that can be slept.
    let times = sent(&within("3000/s", 64), 64, Duration::from_millis(10), Duration::from_secs(5)).await;
    assert!((14_990..=15_002).contains(&times.len()), "{}", times.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nobody_is_forgotten_among_threads() {
    let pace = within("60000/min+100", 3);
    let now = Arc::new(AtomicUsize::new(0));
    let mut tasks = JoinSet::new();
    for _ in 0..200 {
        let (pace, now) = (pace.clone(), Arc::clone(&now));
        tasks.spawn(async move {
            for _ in 0..5 {
                let _permit = pace.permit().await;
                assert!(now.fetch_add(1, Ordering::SeqCst) < 3);
                tokio::task::yield_now().await;
                pace.heard(GOOD);
                now.fetch_sub(1, Ordering::SeqCst);
            }
        });
    }
    timeout(Duration::from_secs(60), tasks.join_all()).await.unwrap();
}

#[test]
fn learned_is_kept_as_it_was() {
    let learned = Learned { per_minute: Some(1_180.5), in_flight: 3 };
    let text = serde_json::to_string(&learned).unwrap();
    assert_eq!(text, r#"{"perMinute":1180.5,"inFlight":3}"#);
    assert_eq!(serde_json::from_str::<Learned>(&text).unwrap(), learned);
}
