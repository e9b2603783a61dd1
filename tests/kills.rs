//! Does a replay that is killed and run again deliver what an undisturbed one delivers?
//!
//! The real program, killed with SIGKILL at points spread over its life, into a cluster of librdkafka's own mock and
//! into a file. `BGPWARDEN_KILLS` says how many times.

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::Message;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use rdkafka::{Offset, TopicPartitionList};
use serde_json::Value;
use support::{bgpwarden, ndjson};

type Cluster = MockCluster<'static, DefaultProducerContext>;
type Pairs = BTreeSet<(String, u64)>;

const EPISODES: u64 = 300;
const PARTITIONS: i32 = 4;
const PATIENCE: Duration = Duration::from_secs(60);

fn kills() -> u32 {
    std::env::var("BGPWARDEN_KILLS").map_or(5, |text| text.parse().expect("BGPWARDEN_KILLS is a number"))
}

/// Half of a watched network after the other is announced by strangers, and withdrawn two minutes later. Some
/// strangers come back within the hour, others do not.
fn frames() -> String {
    let mut lines = String::new();
    let mut frame = |time: u64, peer: u64, origin: u64, what: &str| {
        let _ = writeln!(
            lines,
            r#"{{"type":"ris_message","data":{{"timestamp":{time}.0,"peer":"192.0.2.{peer}","peer_asn":"{}","id":"x","host":"rrc00.ripe.net","type":"UPDATE","path":[{},{origin}],"origin":"IGP",{what}}}}}"#,
            64_500 + peer,
            64_500 + peer,
        );
    };
    for episode in 0..EPISODES {
        let start = 1_772_334_000 + episode * 300;
        let origin = if episode % 2 == 0 { 65_536 + episode % 4 } else { 65_540 + episode % 12 };
        let prefix = format!("2001:db8:{episode:x}::/48");
        for peer in 1..=3 {
            let news = format!(
                r#""announcements":[{{"next_hop":"2001:db8::{peer}","prefixes":["{prefix}"]}}],"withdrawals":[]"#
            );
            frame(start + peer * 10, peer, origin, &news);
        }
        for peer in 1..=3 {
            frame(start + 120 + peer, peer, origin, &format!(r#""announcements":[],"withdrawals":["{prefix}"]"#));
        }
    }
    lines
}

/// A folder with the input and, per attempt, a configuration.
struct Stage {
    folder: tempfile::TempDir,
    input: PathBuf,
}

impl Stage {
    fn set() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let input = folder.path().join("frames.jsonl");
        std::fs::write(&input, frames()).expect("written");
        Self { folder, input }
    }

    /// What an undisturbed replay says, and how long it takes.
    fn undisturbed(&self) -> (Pairs, Duration) {
        let begun = Instant::now();
        let run = bgpwarden(self.args("undisturbed", "kind = 'ndjson'\npath = '-'"));
        assert!(run.status.success(), "{}", run.stderr);
        let said = pairs(ndjson(&run.stdout));
        assert!(said.len() > 2 * EPISODES as usize, "{} transitions", said.len());
        (said, begun.elapsed())
    }

    /// What `replay` is told: a watched network, a store of its own, and the sink.
    fn args(&self, attempt: &str, sink: &str) -> Vec<String> {
        let config = self.folder.path().join(format!("{attempt}.toml"));
        let text = format!(
            "[store]\npath = '{attempt}.db'\n[sinks.out]\n{sink}\n[[watch.constituents]]\nname = 'Example'\n\
             [[watch.constituents.resources]]\nprefix = '2001:db8::/32'\nexpected_origins = [64496]\n"
        );
        std::fs::write(&config, text).expect("written");
        let args = ["replay", "--shards", "2", "--config"].map(str::to_owned);
        args.into_iter().chain([config.display().to_string(), self.input.display().to_string()]).collect()
    }
}

fn kafka(cluster: &Cluster, attempt: &str) -> String {
    format!(
        "kind = 'kafka'\nbrokers = '{}'\nprefix = '{attempt}.'\n[sinks.out.properties]\n\
         'retry.backoff.ms' = 20\n'reconnect.backoff.max.ms' = 200",
        cluster.bootstrap_servers()
    )
}

fn file(path: &Path) -> String {
    format!("kind = 'ndjson'\npath = '{}'", path.display())
}

fn begin(args: &[String]) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_bgpwarden"));
    command.args(args).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().expect("the program starts")
}

/// Kills it when it has lived for `life`; true if it still lived then.
fn kill_after(mut child: Child, life: Duration) -> bool {
    std::thread::sleep(life);
    let alive = child.try_wait().expect("a child").is_none();
    child.kill().expect("killed");
    child.wait().expect("over");
    alive
}

fn finish(args: &[String]) {
    let run = bgpwarden(args);
    assert!(run.status.success(), "{}", run.stderr);
}

fn pair(alert: &Value) -> (String, u64) {
    (alert["id"].as_str().expect("an id").to_owned(), alert["sequence"].as_u64().expect("a number"))
}

/// What arrived, and that first arrivals of one incident came in their order.
fn pairs(alerts: impl IntoIterator<Item = Value>) -> Pairs {
    let mut seen = Pairs::new();
    let mut last: BTreeMap<String, u64> = BTreeMap::new();
    for (id, sequence) in alerts.into_iter().map(|alert| pair(&alert)) {
        if seen.insert((id.clone(), sequence)) {
            let before = last.insert(id.clone(), sequence).unwrap_or(0);
            assert_eq!(before + 1, sequence, "{id} out of order");
        }
    }
    seen
}

/// Every message of a topic.
fn read(cluster: &Cluster, topic: &str) -> Vec<Value> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", cluster.bootstrap_servers())
        .set("group.id", topic)
        .create()
        .expect("a consumer");
    let mut all = TopicPartitionList::new();
    let mut left = 0;
    for partition in 0..PARTITIONS {
        let (low, high) = consumer.fetch_watermarks(topic, partition, PATIENCE).expect("watermarks");
        assert_eq!(low, 0, "the mock has thrown messages away");
        all.add_partition_offset(topic, partition, Offset::Beginning).expect("an offset");
        left += high;
    }
    consumer.assign(&all).expect("assigned");
    let mut messages = Vec::new();
    while left > 0 {
        let message = consumer.poll(PATIENCE).expect("a message in time").expect("no error");
        messages.push(serde_json::from_slice(message.payload().expect("a value")).expect("JSON"));
        left -= 1;
    }
    messages
}

fn topics(cluster: &Cluster, attempt: &str) -> [String; 2] {
    ["alerts", "incidents"].map(|last| {
        let topic = format!("{attempt}.{last}");
        cluster.create_topic(&topic, PARTITIONS, 1).expect("a topic");
        topic
    })
}

/// Points of a life, spread evenly but in no order: the golden ratio's multiples.
fn point(life: Duration, n: u32) -> Duration {
    life.mul_f64((f64::from(n) * 0.618_033_988_749_894_8).fract())
}

#[test]
fn a_replay_into_kafka_that_is_killed_and_run_again_leaves_what_an_undisturbed_one_leaves() {
    let stage = Stage::set();
    let cluster: Cluster = MockCluster::new(1).expect("a mock cluster");
    let (expected, _) = stage.undisturbed();
    let of_kafka = topics(&cluster, "whole");
    let begun = Instant::now();
    finish(&stage.args("whole", &kafka(&cluster, "whole")));
    let life = begun.elapsed();
    for topic in &of_kafka {
        assert_eq!(read(&cluster, topic).len(), expected.len(), "an undisturbed run repeats nothing");
    }
    assert_eq!(pairs(read(&cluster, &of_kafka[0])), expected);
    let (mut alive, mut repeats) = (0, 0);
    for n in 1..=kills() {
        let attempt = format!("kill{n}");
        let of_kafka = topics(&cluster, &attempt);
        let args = stage.args(&attempt, &kafka(&cluster, &attempt));
        alive += u32::from(kill_after(begin(&args), point(life, n)));
        finish(&args);
        for topic in &of_kafka {
            let arrived = read(&cluster, topic);
            repeats += arrived.len() - expected.len();
            assert_eq!(pairs(arrived), expected, "{topic}, killed after {:?} of {life:?}", point(life, n));
        }
    }
    eprintln!("{} transitions in {life:?}, {alive} of {} killed alive, {repeats} repeats", expected.len(), kills());
}

#[test]
fn a_replay_into_a_file_that_is_killed_and_run_again_leaves_whole_lines_and_all_of_them() {
    let stage = Stage::set();
    let (expected, _) = stage.undisturbed();
    let whole = stage.folder.path().join("whole.ndjson");
    let args = stage.args("whole", &file(&whole));
    let begun = Instant::now();
    finish(&args);
    let life = begun.elapsed();
    let lines = |path: &Path| ndjson(&std::fs::read_to_string(path).expect("text"));
    finish(&args);
    assert_eq!(pairs(lines(&whole)), expected);
    assert_eq!(lines(&whole).len(), expected.len(), "a rerun of a whole one sends nothing");
    for n in 1..=kills() {
        let path = stage.folder.path().join(format!("kill{n}.ndjson"));
        let args = stage.args(&format!("kill{n}"), &file(&path));
        kill_after(begin(&args), point(life, n));
        finish(&args);
        assert_eq!(pairs(lines(&path)), expected, "killed after {:?} of {life:?}", point(life, n));
    }
}

#[test]
fn what_was_decided_while_the_brokers_were_away_arrives_after_a_restart() {
    let stage = Stage::set();
    let cluster: Cluster = MockCluster::new(1).expect("a mock cluster");
    let [alerts, incidents] = topics(&cluster, "away");
    let args = stage.args("away", &kafka(&cluster, "away"));
    let (expected, _) = stage.undisturbed();
    cluster.broker_down(1).expect("down");
    let store = stage.folder.path().join("away.db");
    let mut child = begin(&args);
    let begun = Instant::now();
    // Once all is judged and stored, it waits for a broker.
    while stored(&store) < expected.len() {
        assert!(
            begun.elapsed() < PATIENCE && child.try_wait().expect("a child").is_none(),
            "it goes on without brokers"
        );
        std::thread::sleep(Duration::from_millis(100));
    }
    assert!(kill_after(child, Duration::ZERO));
    cluster.broker_up(1).expect("up");
    finish(&args);
    for topic in [alerts, incidents] {
        assert_eq!(pairs(read(&cluster, &topic)), expected, "{topic}");
    }
}

/// Transitions in a store that another process writes to.
fn stored(path: &Path) -> usize {
    let reader = rusqlite::Connection::open_with_flags(path, rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY);
    let count = reader.and_then(|reader| reader.query_row("SELECT count(*) FROM transitions", [], |row| row.get(0)));
    // Not there yet, or held for a moment.
    count.map_or(0, |count: i64| count.unsigned_abs() as usize)
}
