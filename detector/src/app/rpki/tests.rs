use rules::bgp::Asn;
use rules::rpki::Snapshot;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc::{self, Receiver};
use tokio::time::timeout;

use super::super::intake::now;
use super::*;

const LONG: Duration = Duration::from_secs(30);

struct Followed {
    _task: JoinSet<()>,
    events: Receiver<Input>,
    health: Arc<Health>,
    /// All deltas so far.
    snapshot: Snapshot,
}

impl Followed {
    fn start(config: Rpki) -> Self {
        Self::start_at(config, now)
    }

    fn start_at(config: Rpki, clock: fn() -> Timestamp) -> Self {
        let mut loaded = load(config, clock).expect("all is well");
        let mut snapshot = Snapshot::default();
        let health = loaded.health();
        loaded.delta.take().iter().for_each(|delta| snapshot.apply(delta));
        let (queue, events) = mpsc::channel(8);
        let mut task = JoinSet::new();
        task.spawn(loaded.follow(queue, health.clone()));
        Self { _task: task, events, health, snapshot }
    }

    /// Takes events until the VRPs and ASPAs in use are so.
    async fn until(&mut self, vrps: &[&str], aspas: usize) -> Delta {
        loop {
            let event = timeout(LONG, self.events.recv()).await;
            let event = event.unwrap_or_else(|_| panic!("{vrps:?} never came to be: {:?}", self.told()));
            let Some(Input::Own(Event::Rpki(delta))) = event else { panic!("not of the RPKI") };
            self.snapshot.apply(&delta);
            if self.told() == vrps && self.snapshot.aspas.len() == aspas {
                return (*delta).clone();
            }
        }
    }

    fn told(&self) -> Vec<String> {
        self.snapshot.vrps.iter().map(|v| format!("{} {}", v.prefix, v.asn)).collect()
    }

    async fn until_trouble(&self, what: &str) {
        let said = async {
            while !self.health.standing().troubles.iter().any(|t| t.contains(what)) {
                tokio::task::yield_now().await;
            }
        };
        timeout(LONG, said).await.unwrap_or_else(|_| panic!("{:?}", self.health.standing().troubles));
    }
}

fn slurm_file(path: &Path, assertion: &str) {
    let text = format!(
        r#"{{"slurmVersion":1,"validationOutputFilters":{{"prefixFilters":[],"bgpsecFilters":[]}},
        "locallyAddedAssertions":{{"prefixAssertions":[{assertion}],"bgpsecAssertions":[]}}}}"#
    );
    std::fs::write(path, text).expect("written");
}

#[tokio::test]
async fn exceptions_are_read_again_when_their_file_changes_and_a_broken_one_keeps_them() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("slurm.json");
    slurm_file(&path, r#"{"asn":64496,"prefix":"192.0.2.0/24"}"#);
    let mut followed = Followed::start(Rpki { slurm: Some(path.clone()), ..Rpki::default() });
    assert_eq!(followed.told(), ["192.0.2.0/24 AS64496"]);
    slurm_file(&path, r#"{"asn":64496,"prefix":"192.0.2.0/24"},{"asn":64497,"prefix":"198.51.100.0/24"}"#);
    let delta = followed.until(&["192.0.2.0/24 AS64496", "198.51.100.0/24 AS64497"], 0).await;
    assert_eq!((&*delta.vrps.name, delta.vrps.state), ("SLURM", SourceState::Fresh));
    std::fs::write(&path, "{}").expect("written");
    followed.until_trouble("missing field `slurmVersion`").await;
    assert_eq!(followed.health.standing().vrps.0, 2);
    slurm_file(&path, r#"{"asn":64498,"prefix":"198.51.100.0/24"}"#);
    followed.until(&["198.51.100.0/24 AS64498"], 0).await;
    followed.health.first_answers().await;
    assert!(load(Rpki { slurm: Some(dir.path().join("none.json")), ..Rpki::default() }, now).is_err());
}

fn pdu(kind: u8, field: u16, body: &[u8]) -> Vec<u8> {
    [&[2, kind], &field.to_be_bytes()[..], &(8 + body.len() as u32).to_be_bytes(), body].concat()
}

/// One VRP for 192.0.2.0/24 and one ASPA, in the octets of RTR version 2.
fn answer() -> Vec<u8> {
    let vrp = [&[1, 24, 24, 0, 192, 0, 2, 0][..], &64496u32.to_be_bytes()].concat();
    let aspa = [64500u32, 64501].iter().flat_map(|a| a.to_be_bytes()).collect::<Vec<_>>();
    let end: Vec<u8> = [5u32, 3_600, 600, 7_200].iter().flat_map(|n| n.to_be_bytes()).collect();
    [pdu(3, 7, &[]), pdu(4, 0, &vrp), pdu(11, 256, &aspa), pdu(7, 7, &end)].concat()
}

#[tokio::test]
async fn file_url_and_cache_make_one_set_and_troubles_are_told() {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("own.json");
    std::fs::write(&file, r#"{"roas":[{"asn":64499,"prefix":"203.0.113.0/24"}]}"#).expect("written");
    let cache = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let web = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let vrps = r#"{"roas":[{"asn":64497,"prefix":"198.51.100.0/24"},{"asn":64496,"prefix":"192.0.2.0/24"}]}"#;
    let url = format!("http://{}/vrps.json", web.local_addr().expect("an address"));
    let router = axum::Router::new().route("/vrps.json", axum::routing::get(move || async move { vrps }));
    tokio::spawn(async move { axum::serve(web, router).await });
    let mut followed = Followed::start(Rpki {
        files: vec![file],
        rtr: vec![cache.local_addr().expect("an address").to_string()],
        url: Some(url),
        ..Rpki::default()
    });
    assert_eq!(followed.told(), ["203.0.113.0/24 AS64499"]);
    let (mut stream, _) = timeout(LONG, cache.accept()).await.expect("in time").expect("a router");
    stream.read_exact(&mut [0; 8]).await.expect("a query");
    stream.write_all(&answer()).await.expect("written");
    let all = ["192.0.2.0/24 AS64496", "198.51.100.0/24 AS64497", "203.0.113.0/24 AS64499"];
    let delta = followed.until(&all, 1).await;
    assert_eq!((delta.vrps.state, delta.aspas.state), (SourceState::Fresh, SourceState::Fresh));
    assert_eq!(delta.aspas.serial, Some(5));
    assert_eq!(followed.snapshot.aspas.providers_of(Asn(64500)), Some(&[Asn(64501)][..]));
    followed.health.first_answers().await;
    drop((stream, cache));
    followed.until_trouble("lost since").await;
    let standing = followed.health.standing();
    assert_eq!((standing.vrps.0, standing.vrps.1.state, standing.failures["rtr"] > 0), (3, SourceState::Fresh, true));
}

#[tokio::test]
async fn a_file_that_is_not_renewed_is_stale_and_said_to_be() {
    /// 2026-03-01T12:00:00Z.
    const NOON: i64 = 1_772_366_400;
    let noon = || Timestamp::from_secs(NOON);
    let dir = tempfile::tempdir().expect("a directory");
    let write = |name: &str, text: &str, age_secs: u64| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).expect("written");
        let written = SystemTime::UNIX_EPOCH + Duration::from_secs(NOON as u64 - age_secs);
        std::fs::File::options().append(true).open(&path).and_then(|file| file.set_modified(written)).expect("dated");
        path
    };
    let vrps = r#""roas":[{"asn":64499,"prefix":"203.0.113.0/24"}]"#;
    let dated = |at: &str| format!(r#"{{"metadata":{{"buildtime":"{at}"}},{vrps}}}"#);
    let renewed = dated(&noon().to_string());
    for (file, state) in [
        // The validator's own date counts, and of a file without one, when it was written.
        (write("old.json", &dated("2025-01-01T00:00:00Z"), 0), SourceState::Stale),
        (write("new.json", &renewed, 1_000_000), SourceState::Fresh),
        (write("left.json", &format!("{{{vrps}}}"), 1_000_000), SourceState::Stale),
        (write("plain.json", &format!("{{{vrps}}}"), 0), SourceState::Fresh),
    ] {
        let name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let followed = Followed::start_at(Rpki { files: vec![file], ..Rpki::default() }, noon);
        let standing = followed.health.standing();
        assert_eq!((standing.vrps.0, standing.vrps.1.state), (1, state), "{name}: old data stay in use");
        if state == SourceState::Stale {
            followed.until_trouble(&format!("{name} is not renewed since")).await;
        }
    }
}

#[tokio::test]
async fn without_any_network_there_are_no_vrps_and_a_reason() {
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let nobody = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = nobody.local_addr().expect("an address");
    drop(nobody);
    let config = Rpki { url: Some(format!("http://{address}/")), rtr: vec![address.to_string()], ..Rpki::default() };
    let followed = Followed::start(config);
    followed.health.first_answers().await;
    followed.until_trouble("cannot connect").await;
    let standing = followed.health.standing();
    assert_eq!((standing.vrps.0, standing.vrps.1.state, standing.troubles.len()), (0, SourceState::None, 2));
}
