//! The archive is a real server on loopback, the clock is set by hand.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use axum::body::Bytes;
use axum::http::{StatusCode, Uri};
use feeds::mrt_write::{self, Line};
use rules::bgp::Asn;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::*;

/// What is said about one file instead of its content.
#[derive(Clone)]
pub enum Answer {
    Missing,
    Content(Bytes),
}

/// An archive of one collector: everything is there unless said otherwise.
#[derive(Default)]
pub struct Archive {
    pub answers: Mutex<HashMap<String, Answer>>,
    pub asked: Mutex<Vec<String>>,
    pub is_down: AtomicBool,
}

impl Archive {
    /// Its URL.
    pub async fn serve(self: &Arc<Self>) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let base = format!("http://{}", listener.local_addr().expect("an address"));
        let archive = self.clone();
        let router = axum::Router::new().fallback(move |uri: Uri| {
            let answer = archive.answer(uri.path());
            async move { answer }
        });
        tokio::spawn(async move { axum::serve(listener, router).await });
        base
    }

    pub fn set(&self, name: &str, answer: Answer) {
        self.answers.lock().expect("answers").insert(name.to_owned(), answer);
    }

    fn answer(&self, path: &str) -> (StatusCode, Bytes) {
        let name = path.rsplit('/').next().unwrap_or_default();
        self.asked.lock().expect("asked").push(name.to_owned());
        if self.is_down.load(Ordering::Relaxed) {
            return (StatusCode::SERVICE_UNAVAILABLE, Bytes::new());
        }
        match self.answers.lock().expect("answers").get(name) {
            Some(Answer::Missing) => (StatusCode::NOT_FOUND, Bytes::new()),
            Some(Answer::Content(bytes)) => (StatusCode::OK, bytes.clone()),
            None => (StatusCode::OK, usual(name)),
        }
    }

    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.asked.lock().expect("asked"))
    }
}

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).expect("a time")
}

/// `updates.20260301.0805.gz` is of 2026-03-01T08:05:00Z.
fn time_of(name: &str) -> Timestamp {
    let (day, clock) = (&name[name.len() - 16..name.len() - 8], &name[name.len() - 7..name.len() - 3]);
    at(&format!("{}-{}-{}T{}:{}:00Z", &day[..4], &day[4..6], &day[6..], &clock[..2], &clock[2..]))
}

pub fn line(time: Timestamp, peer: u32, prefix: &str, tail: &str) -> Line {
    Line {
        time,
        peer_as: Asn(64_500 + peer),
        peer_address: [192, 0, 2, peer as u8].into(),
        prefix: prefix.parse().expect("a prefix"),
        as_path: Some(format!("{} 64510 {tail}", 64_500 + peer).parse().expect("a path")),
    }
}

/// A dump with one network of AS64496 behind five peers; an updates file with its beginning and its end.
fn usual(name: &str) -> Bytes {
    let time = time_of(name);
    if name.starts_with("bview") {
        let lines = (1..=5).map(|peer| line(time, peer, "198.51.100.0/24", "64496"));
        return mrt_write::rib(lines).expect("written");
    }
    let lines = [
        line(time.plus_secs(1), 1, "203.0.113.0/24", "64497"),
        line(time.plus_secs(299), 1, "203.0.113.0/24", "64497"),
    ];
    mrt_write::updates(lines).expect("written")
}

/// Times for tests: nothing is waited for.
pub fn times(clock: fn() -> Timestamp) -> Times {
    let short = Duration::from_millis(2);
    let patience = Patience { first_wait: short, longest_wait: short, breaks: 2, ..Patience::default() };
    Times { patience, first_wait: short, longest_wait: short, missing_secs: 600, clock }
}

struct Stage {
    archive: Arc<Archive>,
    inputs: mpsc::Receiver<Input>,
    standing: watch::Sender<Standing>,
    ledger: Arc<Mutex<Ledger>>,
    progress: Arc<Progress>,
    _queue: mpsc::Sender<Input>,
}

impl Stage {
    async fn set(archive: Arc<Archive>, clock: fn() -> Timestamp) -> Self {
        let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
        let base = archive.serve().await;
        let collectors = vec![Collector::parse("rrc00").expect("a collector")];
        let (queue, inputs) = mpsc::channel(1_024);
        let standing = watch::Sender::new(Standing::default());
        let (ledger, progress) = (Arc::default(), Arc::new(Progress::of(&collectors)));
        let bootstrap = Bootstrap {
            feed: "ris".into(),
            source: 0,
            first_source: 1,
            collectors,
            base: Some(base),
            prefixes: Vec::new(),
            times: times(clock),
            queue: queue.downgrade(),
            standing: standing.subscribe(),
            progress: progress.clone(),
            ledger: Arc::clone(&ledger),
        };
        tokio::spawn(bootstrap.run());
        Self { archive, inputs, standing, ledger, progress, _queue: queue }
    }

    /// Seeds and updates up to the first input for which `is_last` holds.
    async fn until(&mut self, is_last: impl Fn(&Input) -> bool) -> (usize, Vec<Timestamp>) {
        let (mut seeds, mut updates) = (0, Vec::new());
        loop {
            let input = timeout(Duration::from_secs(30), self.inputs.recv()).await.expect("in time").expect("an input");
            if let Input::Archive(source, items) = &input {
                assert_eq!(*source, 1);
                seeds += items.iter().filter(|item| matches!(item.event, Event::Seed(_))).count();
                let is_update = |item: &&Item| matches!(item.event, Event::Update(_));
                updates.extend(items.iter().filter(is_update).map(|item| item.time));
            }
            if is_last(&input) {
                return (seeds, updates);
            }
        }
    }

    fn gaps(&self) -> Vec<(Cause, GapState)> {
        self.ledger.lock().expect("the ledger").gaps().map(|gap| (gap.cause, gap.state)).collect()
    }
}

fn is_known(input: &Input) -> bool {
    matches!(input, Input::Own(Event::SeedDone { .. }))
}

fn is_whole(losses: u64) -> impl Fn(&Input) -> bool {
    move |input| matches!(input, Input::Whole(0, of) if *of == losses)
}

/// A clock of its own for each test.
macro_rules! clock {
    ($start:literal) => {{
        static NOW: AtomicI64 = AtomicI64::new(0);
        NOW.store(at($start).0, Ordering::Relaxed);
        fn clock() -> Timestamp {
            Timestamp(NOW.load(Ordering::Relaxed))
        }
        (&NOW, clock as fn() -> Timestamp)
    }};
}

#[tokio::test(flavor = "multi_thread")]
async fn dump_then_updates_then_live_and_a_gap_is_closed_by_the_files_that_cover_it() {
    let (now, clock) = clock!("2026-03-01T09:03:00Z");
    let mut stage = Stage::set(Arc::default(), clock).await;
    let (seeds, updates) = stage.until(is_known).await;
    assert_eq!((seeds, updates.len()), (5, 24), "the dump of 08:00 and twelve files up to 09:00");
    let asked = stage.archive.asked();
    assert_eq!(asked[..3], ["bview.20260301.0800.gz", "updates.20260301.0800.gz", "updates.20260301.0805.gz"]);
    assert_eq!(asked.last().map(String::as_str), Some("updates.20260301.0855.gz"));

    stage.standing.send_modify(|standing| standing.live_from = Some(at("2026-03-01T09:03:00Z")));
    now.store(at("2026-03-01T09:07:00Z").0, Ordering::Relaxed);
    let (_, updates) = stage.until(is_whole(0)).await;
    assert_eq!(updates.len(), 2);
    assert_eq!(stage.archive.asked(), ["updates.20260301.0900.gz"]);
    assert_eq!(stage.progress.report("ris").whole, 1);

    let feed = Arc::from("ris");
    stage.ledger.lock().expect("the ledger").open(&feed, None, Cause::Lost, at("2026-03-01T09:19:00Z"), "closed");
    now.store(at("2026-03-01T09:30:00Z").0, Ordering::Relaxed);
    stage.standing.send_modify(|standing| {
        *standing = Standing { losses: 1, gap_from: Some(at("2026-03-01T09:19:50Z")), ..Standing::default() };
    });
    stage.standing.send_modify(|standing| standing.live_from = Some(at("2026-03-01T09:29:00Z")));
    now.store(at("2026-03-01T09:32:00Z").0, Ordering::Relaxed);
    let (_, updates) = stage.until(is_whole(1)).await;
    let moments = [
        "2026-03-01T09:19:59Z",
        "2026-03-01T09:20:01Z",
        "2026-03-01T09:24:59Z",
        "2026-03-01T09:25:01Z",
        "2026-03-01T09:29:59Z",
    ];
    assert_eq!(updates, moments.map(at), "what was heard before the gap is not told again");
    assert_eq!(stage.gaps(), [(Cause::Lost, GapState::Filled)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dump_that_is_not_there_or_not_whole_is_replaced_by_an_older_one() {
    let (_, clock) = clock!("2026-03-01T16:01:00Z");
    let archive = Arc::new(Archive::default());
    archive.set("bview.20260301.1600.gz", Answer::Missing);
    let half = usual("bview.20260301.0800.gz");
    archive.set("bview.20260301.0800.gz", Answer::Content(half.slice(..half.len() - 9)));
    let mut stage = Stage::set(archive, clock).await;
    let (_, updates) = stage.until(is_known).await;
    let asked = stage.archive.asked();
    let dumps = ["bview.20260301.1600.gz", "bview.20260301.0800.gz", "bview.20260301.0000.gz"];
    assert_eq!(asked[..3], dumps);
    assert_eq!(asked[3], "updates.20260301.0000.gz", "from the older dump on");
    assert_eq!(updates.len(), 2 * 191, "all published by 16:01");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_archive_that_is_down_is_asked_again_until_it_is_up() {
    let (_, clock) = clock!("2026-03-01T08:10:00Z");
    let archive = Arc::new(Archive::default());
    archive.is_down.store(true, Ordering::Relaxed);
    let mut stage = Stage::set(archive, clock).await;
    let troubled = async {
        while stage.archive.asked.lock().expect("asked").len() < 3 {
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_secs(30), troubled).await.expect("asked again");
    assert_eq!(stage.gaps(), [(Cause::NoHistory, GapState::Open)]);
    let report = stage.progress.report("ris");
    assert_eq!((report.seeded, report.troubles.len()), (0, 1));
    assert!(report.troubles[0].contains("503"), "{:?}", report.troubles);
    assert!(stage.inputs.try_recv().is_err(), "nothing is known");
    stage.archive.is_down.store(false, Ordering::Relaxed);
    let (seeds, _) = stage.until(is_known).await;
    assert_eq!(seeds, 5);
    assert_eq!(stage.gaps(), [(Cause::NoHistory, GapState::Filled)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_never_comes_or_never_is_whole_leaves_a_lasting_gap() {
    let (now, clock) = clock!("2026-03-01T08:14:00Z");
    let archive = Arc::new(Archive::default());
    archive.set("updates.20260301.0800.gz", Answer::Missing);
    let whole = usual("updates.20260301.0805.gz");
    archive.set("updates.20260301.0805.gz", Answer::Content(whole.slice(..whole.len() - 5)));
    let mut stage = Stage::set(archive, clock).await;
    let (seeds, updates) = stage.until(is_known).await;
    assert_eq!((seeds, updates.len()), (5, 0), "a late file does not hold up the baseline");
    assert_eq!(stage.gaps(), []);
    stage.standing.send_modify(|standing| standing.live_from = Some(at("2026-03-01T08:14:00Z")));
    now.store(at("2026-03-01T08:18:00Z").0, Ordering::Relaxed);
    stage.until(is_whole(0)).await;
    let lasting = (Cause::FileMissing, GapState::Lasting);
    assert_eq!(stage.gaps(), [lasting, lasting]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_given_up_is_told_again_from_a_new_dump() {
    let (now, clock) = clock!("2026-03-01T09:03:00Z");
    let mut stage = Stage::set(Arc::default(), clock).await;
    let (seeds, _) = stage.until(is_known).await;
    assert_eq!(seeds, 5);
    stage.archive.asked();
    now.store(at("2026-03-01T16:12:00Z").0, Ordering::Relaxed);
    stage.standing.send_modify(|standing| *standing = Standing { losses: 1, given_up: 1, ..Standing::default() });
    let (seeds, _) = stage.until(is_known).await;
    assert_eq!(seeds, 5, "the dump of 16:00 is read, and what is normal is said once more");
    assert!(stage.archive.asked().contains(&"bview.20260301.1600.gz".to_owned()));
    assert_eq!(stage.gaps(), [(Cause::NoHistory, GapState::Filled)]);
}
