//! Is a cache followed through everything that caches do: old versions, notifies that cross, new sessions, old drafts,
//! nonsense, silence in mid-answer?

mod data;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use data::data;
use feeds::rtr::{Cache, run};
use rpki::resources::addr::{MaxLenPrefix, Prefix};
use rpki::rtr::pdu::ProviderAsns;
use rpki::rtr::server::{NotifySender, PayloadDiff, PayloadSet, PayloadSource, Server};
use rpki::rtr::{Action, Payload, PayloadRef, State, Timing};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::timeout;

const LONG: Duration = Duration::from_secs(30);

/// A cache that says what the test tells it to.
struct Script {
    listener: TcpListener,
}

/// What the router asked.
#[derive(Debug, PartialEq, Eq)]
enum Query {
    Reset { version: u8 },
    Serial { version: u8, session: u16, serial: u32 },
}

impl Script {
    async fn start() -> (Self, watch::Receiver<Cache>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let name = listener.local_addr().expect("an address").to_string();
        (Self { listener }, follow(&name))
    }

    async fn accept(&self) -> TcpStream {
        timeout(LONG, self.listener.accept()).await.expect("in time").expect("a router").0
    }
}

fn follow(name: &str) -> watch::Receiver<Cache> {
    let (out, cache) = watch::channel(Cache::new(name.into()));
    tokio::spawn(run(name.into(), out));
    cache
}

async fn asked(stream: &mut TcpStream) -> Query {
    let mut header = [0; 8];
    timeout(LONG, stream.read_exact(&mut header)).await.expect("in time").expect("a query");
    match header[1] {
        1 => {
            let mut serial = [0; 4];
            stream.read_exact(&mut serial).await.expect("a serial");
            let session = u16::from_be_bytes([header[2], header[3]]);
            Query::Serial { version: header[0], session, serial: u32::from_be_bytes(serial) }
        }
        2 => Query::Reset { version: header[0] },
        other => panic!("a PDU of type {other}"),
    }
}

async fn say(stream: &mut TcpStream, pdus: &[Vec<u8>]) {
    stream.write_all(&pdus.concat()).await.expect("the router listens");
}

fn pdu(version: u8, kind: u8, field: u16, body: &[u8]) -> Vec<u8> {
    let length = 8 + body.len() as u32;
    [&[version, kind], &field.to_be_bytes()[..], &length.to_be_bytes()[..], body].concat()
}

fn response(version: u8, session: u16) -> Vec<u8> {
    pdu(version, 3, session, &[])
}

/// 192.0.`third`.0/24.
fn ipv4(version: u8, announce: bool, third: u8, asn: u32) -> Vec<u8> {
    let body = [&[u8::from(announce), 24, 24, 0, 192, 0, third, 0][..], &asn.to_be_bytes()].concat();
    pdu(version, 4, 0, &body)
}

fn aspa(announce: bool, customer: u32, providers: &[u32]) -> Vec<u8> {
    let ases = [&[customer], providers].concat();
    let body: Vec<u8> = ases.iter().flat_map(|asn| asn.to_be_bytes()).collect();
    pdu(2, 11, u16::from(announce) << 8, &body)
}

fn end(version: u8, session: u16, serial: u32) -> Vec<u8> {
    end_with(version, session, serial, [3_600, 600, 7_200])
}

fn end_with(version: u8, session: u16, serial: u32, timers: [u32; 3]) -> Vec<u8> {
    let timers = timers.iter().flat_map(|t| t.to_be_bytes()).filter(|_| version > 0);
    let body: Vec<u8> = serial.to_be_bytes().into_iter().chain(timers).collect();
    pdu(version, 7, session, &body)
}

fn notify(version: u8, session: u16, serial: u32) -> Vec<u8> {
    pdu(version, 0, session, &serial.to_be_bytes())
}

fn error(version: u8, code: u16, text: &str) -> Vec<u8> {
    let body = [&0u32.to_be_bytes()[..], &(text.len() as u32).to_be_bytes(), text.as_bytes()].concat();
    pdu(version, 10, code, &body)
}

async fn until(cache: &mut watch::Receiver<Cache>, what: impl Fn(&Cache) -> bool) -> Cache {
    let found = timeout(LONG, cache.wait_for(|c| what(c))).await.map(|c| c.expect("it is followed").clone());
    found.unwrap_or_else(|_| panic!("never came to be: {:?}", cache.borrow()))
}

fn serial_is(serial: u32) -> impl Fn(&Cache) -> bool {
    move |cache| cache.lost.is_none() && cache.data.as_ref().is_some_and(|d| d.serial == serial)
}

fn told(cache: &Cache) -> Vec<String> {
    let Some(data) = &cache.data else { return Vec::new() };
    let vrps = data.set.vrps().iter().map(|v| format!("{}-{} {}", v.prefix, v.max_length, v.asn));
    let providers = |p: &[rules::bgp::Asn]| p.iter().map(|a| a.0.to_string()).collect::<Vec<_>>().join(",");
    vrps.chain(data.set.aspas().iter().map(|(c, p)| format!("{c}>{}", providers(p)))).collect()
}

#[tokio::test]
async fn every_version_is_spoken_down_to_what_the_cache_asks_for() {
    for version in [2, 1, 0] {
        let (script, mut cache) = Script::start().await;
        let mut stream = script.accept().await;
        assert_eq!(asked(&mut stream).await, Query::Reset { version: 2 });
        if version < 2 {
            say(&mut stream, &[error(version, 4, "no such version")]).await;
            assert_eq!(asked(&mut stream).await, Query::Reset { version });
        }
        say(&mut stream, &[response(version, 7), ipv4(version, true, 2, 64496), end(version, 7, 1)]).await;
        let now = until(&mut cache, serial_is(1)).await;
        assert_eq!(told(&now), ["192.0.2.0/24-24 AS64496"]);
        let data = now.data.expect("data");
        assert_eq!((data.version, data.session), (version, 7));
        assert_eq!(data.timing, feeds::rtr::Timing::default());
    }
}

#[tokio::test]
async fn a_cache_that_refuses_the_version_and_hangs_up_is_asked_in_its_own() {
    let (script, mut cache) = Script::start().await;
    let mut stream = script.accept().await;
    asked(&mut stream).await;
    say(&mut stream, &[error(1, 4, "only 1")]).await;
    drop(stream);
    let mut stream = script.accept().await;
    assert_eq!(asked(&mut stream).await, Query::Reset { version: 1 });
    say(&mut stream, &[response(1, 7), end(1, 7, 1)]).await;
    assert_eq!(until(&mut cache, serial_is(1)).await.failures, 1);
}

#[tokio::test]
async fn a_cache_that_hangs_up_without_a_word_is_asked_a_version_lower() {
    let (script, mut cache) = Script::start().await;
    for version in [2, 1] {
        let mut stream = script.accept().await;
        assert_eq!(asked(&mut stream).await, Query::Reset { version });
    }
    let mut stream = script.accept().await;
    assert_eq!(asked(&mut stream).await, Query::Reset { version: 0 });
    say(&mut stream, &[response(0, 7), ipv4(0, true, 2, 64496), end(0, 7, 1)]).await;
    assert_eq!(until(&mut cache, serial_is(1)).await.data.expect("data").version, 0);
}

#[tokio::test]
async fn a_notify_that_crosses_our_query_is_survived_and_not_forgotten() {
    let (script, mut cache) = Script::start().await;
    let mut stream = script.accept().await;
    asked(&mut stream).await;
    // Before the answer, in the middle of it, and of something newer than the answer.
    say(&mut stream, &[notify(2, 7, 1), response(2, 7), notify(2, 7, 2), ipv4(2, true, 2, 64496), end(2, 7, 1)]).await;
    assert_eq!(asked(&mut stream).await, Query::Serial { version: 2, session: 7, serial: 1 });
    // This one tells nothing new.
    say(&mut stream, &[response(2, 7), notify(2, 7, 2), ipv4(2, true, 3, 64497), end(2, 7, 2)]).await;
    let now = until(&mut cache, serial_is(2)).await;
    assert_eq!(told(&now), ["192.0.2.0/24-24 AS64496", "192.0.3.0/24-24 AS64497"]);
    say(&mut stream, &[notify(2, 7, 3)]).await;
    assert_eq!(asked(&mut stream).await, Query::Serial { version: 2, session: 7, serial: 2 });
    say(&mut stream, &[response(2, 7), ipv4(2, false, 2, 64496), end(2, 7, 3)]).await;
    let now = until(&mut cache, serial_is(3)).await;
    assert_eq!(told(&now), ["192.0.3.0/24-24 AS64497"]);
    assert_eq!(now.failures, 0, "all of it over one connection");
}

#[tokio::test]
async fn a_loss_in_mid_answer_keeps_the_old_set_and_goes_on_from_its_serial() {
    let (script, mut cache) = Script::start().await;
    let mut stream = script.accept().await;
    asked(&mut stream).await;
    say(&mut stream, &[response(2, 7), ipv4(2, true, 2, 64496), end(2, 7, 1), notify(2, 7, 2)]).await;
    asked(&mut stream).await;
    let half = [response(2, 7), ipv4(2, true, 3, 64497)].concat();
    stream.write_all(&half[..half.len() - 3]).await.expect("written");
    drop(stream);
    let mut stream = script.accept().await;
    assert_eq!(asked(&mut stream).await, Query::Serial { version: 2, session: 7, serial: 1 });
    let lost = cache.borrow().clone();
    assert_eq!((told(&lost), lost.failures), (vec!["192.0.2.0/24-24 AS64496".to_owned()], 1));
    say(&mut stream, &[response(2, 7), ipv4(2, true, 3, 64497), end(2, 7, 2)]).await;
    assert_eq!(told(&until(&mut cache, serial_is(2)).await).len(), 2);
}

#[tokio::test]
async fn a_new_session_a_reset_and_a_withdrawal_of_nothing_end_in_the_whole_set() {
    let (script, mut cache) = Script::start().await;
    let mut stream = script.accept().await;
    asked(&mut stream).await;
    say(&mut stream, &[response(2, 7), ipv4(2, true, 2, 64496), end(2, 7, 1), notify(2, 7, 2)]).await;
    // An answer from another session is none.
    asked(&mut stream).await;
    say(&mut stream, &[response(2, 8), ipv4(2, true, 9, 64499), end(2, 8, 2)]).await;
    let mut stream = script.accept().await;
    assert_eq!(asked(&mut stream).await, Query::Reset { version: 2 });
    say(&mut stream, &[response(2, 8), ipv4(2, true, 3, 64497), end(2, 8, 3), notify(2, 8, 4)]).await;
    assert_eq!(told(&until(&mut cache, serial_is(3)).await), ["192.0.3.0/24-24 AS64497"]);
    // Cache Reset: the whole again, over the same connection.
    asked(&mut stream).await;
    say(&mut stream, &[pdu(2, 8, 0, &[])]).await;
    assert_eq!(asked(&mut stream).await, Query::Reset { version: 2 });
    say(&mut stream, &[response(2, 8), ipv4(2, true, 4, 64498), end(2, 8, 5), notify(2, 8, 6)]).await;
    assert_eq!(told(&until(&mut cache, serial_is(5)).await), ["192.0.4.0/24-24 AS64498"]);
    asked(&mut stream).await;
    say(&mut stream, &[response(2, 8), ipv4(2, false, 9, 64499), end(2, 8, 6)]).await;
    let mut stream = script.accept().await;
    assert_eq!(asked(&mut stream).await, Query::Reset { version: 2 });
}

#[tokio::test]
async fn aspas_are_replaced_and_withdrawn() {
    let (script, mut cache) = Script::start().await;
    let mut stream = script.accept().await;
    asked(&mut stream).await;
    let first = [response(2, 7), aspa(true, 64496, &[64501, 64500]), aspa(true, 64497, &[0]), end(2, 7, 1)];
    say(&mut stream, &first).await;
    assert_eq!(told(&until(&mut cache, serial_is(1)).await), ["AS64496>64500,64501", "AS64497>0"]);
    say(&mut stream, &[notify(2, 7, 2)]).await;
    asked(&mut stream).await;
    say(&mut stream, &[response(2, 7), aspa(true, 64496, &[64502]), aspa(false, 64497, &[]), end(2, 7, 2)]).await;
    assert_eq!(told(&until(&mut cache, serial_is(2)).await), ["AS64496>64502"]);
}

#[tokio::test]
async fn aspas_in_the_layout_of_an_old_draft_lead_to_version_1_and_a_warning() {
    let (script, mut cache) = Script::start().await;
    let mut stream = script.accept().await;
    asked(&mut stream).await;
    // draft-ietf-sidrops-8210bis-10: flags, AFI and count stand behind the header.
    let body = [&[1, 0, 0, 2][..], &64500u32.to_be_bytes(), &64501u32.to_be_bytes(), &64502u32.to_be_bytes()].concat();
    say(&mut stream, &[response(2, 7), ipv4(2, true, 2, 64496), pdu(2, 11, 0, &body), end(2, 7, 1)]).await;
    let mut stream = script.accept().await;
    assert_eq!(asked(&mut stream).await, Query::Reset { version: 1 });
    say(&mut stream, &[response(1, 7), ipv4(1, true, 2, 64496), end(1, 7, 1)]).await;
    let now = until(&mut cache, serial_is(1)).await;
    assert!(now.warning.as_ref().is_some_and(|w| w.contains("old draft")), "{now:?}");
    assert_eq!((told(&now), now.data.expect("data").version), (vec!["192.0.2.0/24-24 AS64496".to_owned()], 1));
    drop(stream);
    let mut stream = script.accept().await;
    assert!(matches!(asked(&mut stream).await, Query::Serial { version: 1, .. }), "it stays with version 1");
}

#[tokio::test]
async fn octets_may_come_one_by_one() {
    let (script, mut cache) = Script::start().await;
    let mut stream = script.accept().await;
    stream.set_nodelay(true).expect("set");
    asked(&mut stream).await;
    let answer = [response(2, 7), ipv4(2, true, 2, 64496), aspa(true, 64500, &[64501]), end(2, 7, 1), notify(2, 7, 2)];
    for octet in answer.concat() {
        stream.write_all(&[octet]).await.expect("written");
    }
    assert_eq!(told(&until(&mut cache, serial_is(1)).await), ["192.0.2.0/24-24 AS64496", "AS64500>64501"]);
    assert_eq!(asked(&mut stream).await, Query::Serial { version: 2, session: 7, serial: 1 });
}

#[tokio::test]
async fn nonsense_is_refused_with_a_reason_and_asked_again() {
    let prefix = |flags: [u8; 8]| pdu(2, 4, 0, &[&flags[..], &64496u32.to_be_bytes()].concat());
    for (nonsense, why) in [
        (vec![2, 4, 0, 0, 255, 255, 255, 255], "a PDU of 4294967295 octets"),
        (vec![2, 4, 0, 0, 0, 0, 0, 7], "a PDU of 7 octets"),
        (pdu(2, 200, 0, &[]), "a PDU of type 200"),
        (response(2, 7), "a PDU of type 3"),
        (prefix([1, 33, 33, 0, 192, 0, 2, 0]), "sent a record that is none"),
        (prefix([1, 24, 16, 0, 192, 0, 2, 0]), "sent a record that is none"),
        (aspa(true, 64500, &[]), "an ASPA PDU is malformed"),
        (pdu(2, 11, 256, &[0; 10]), "an ASPA PDU is malformed"),
        (end(2, 8, 1), "it began a new session"),
        (error(2, 1, "out of\u{7} order"), "it reported error 1: out of order"),
        (ipv4(1, true, 2, 64496), "version has changed"),
    ] {
        let (script, mut cache) = Script::start().await;
        let mut stream = script.accept().await;
        asked(&mut stream).await;
        stream.write_all(&[response(2, 7), nonsense].concat()).await.expect("written");
        let now = until(&mut cache, |c| c.lost.is_some()).await;
        let found = now.lost.expect("lost").1;
        assert!(found.contains(why), "{found:?} is not {why:?}");
        let mut stream = script.accept().await;
        assert!(matches!(asked(&mut stream).await, Query::Reset { .. }));
    }
}

#[tokio::test]
async fn timers_keep_to_their_bounds_and_a_failed_query_is_asked_again_within_retry() {
    let (script, mut cache) = Script::start().await;
    let mut stream = script.accept().await;
    asked(&mut stream).await;
    say(&mut stream, &[response(2, 7), end_with(2, 7, 1, [0, 0, 1])]).await;
    let timing = until(&mut cache, serial_is(1)).await.data.expect("data").timing;
    assert_eq!((timing.refresh_secs, timing.retry_secs, timing.expire_secs), (1, 1, 600));
    // Refresh is over after a second, without a notify.
    assert!(matches!(asked(&mut stream).await, Query::Serial { serial: 1, .. }));
    say(&mut stream, &[error(2, 2, "not yet")]).await;
    let lost = until(&mut cache, |c| c.lost.is_some()).await;
    assert_eq!(lost.lost.expect("lost").1, "it has no data yet");
    let mut stream = script.accept().await;
    assert!(matches!(asked(&mut stream).await, Query::Serial { serial: 1, .. }));
}

#[tokio::test]
async fn a_cache_that_has_no_data_yet_is_asked_again_soon() {
    let (script, mut cache) = Script::start().await;
    for failures in 1..=3 {
        let mut stream = script.accept().await;
        assert_eq!(asked(&mut stream).await, Query::Reset { version: 2 });
        say(&mut stream, &[error(2, 2, "not yet")]).await;
        let lost = until(&mut cache, |c| c.failures == failures).await.lost;
        assert!(lost.is_some_and(|(_, why)| why == "it has no data yet"));
    }
    let mut stream = script.accept().await;
    asked(&mut stream).await;
    say(&mut stream, &[response(2, 7), ipv4(2, true, 2, 64496), end(2, 7, 1)]).await;
    assert_eq!(told(&until(&mut cache, serial_is(1)).await), ["192.0.2.0/24-24 AS64496"]);
}

#[tokio::test]
async fn recorded_answers_of_real_caches_are_understood() {
    for (file, expected) in [
        (
            "captures/rtr-routinator016-v2.bin",
            &["198.51.100.0/24-25 AS64513", "2001:db8::/32-48 AS64513", "AS970>0", "AS64500>64501,64502"][..],
        ),
        (
            "captures/rtr-stayrtr-v2-noaspa.bin",
            &["1.0.0.0/24-24 AS13335", "198.51.100.0/24-25 AS64513", "2001:db8::/32-48 AS64513"],
        ),
    ] {
        let Some(path) = data(file) else { return };
        let answer = std::fs::read(path).expect("a capture");
        let (script, mut cache) = Script::start().await;
        let mut stream = script.accept().await;
        asked(&mut stream).await;
        stream.write_all(&answer).await.expect("written");
        let now = until(&mut cache, |c| c.was_tried()).await;
        assert_eq!(told(&now), expected, "{file}");
    }
}

/// A cache made of the library's own server: versions of a set, of which the last is served.
#[derive(Clone)]
struct Library(Arc<Mutex<(u16, Vec<Vec<Payload>>)>>);

struct Full(Vec<Payload>, usize);
struct Diff(Vec<(Payload, Action)>, usize);

impl PayloadSet for Full {
    fn next(&mut self) -> Option<PayloadRef<'_>> {
        self.1 += 1;
        self.0.get(self.1 - 1).map(Payload::as_ref)
    }
}

impl PayloadDiff for Diff {
    fn next(&mut self) -> Option<(PayloadRef<'_>, Action)> {
        self.1 += 1;
        self.0.get(self.1 - 1).map(|(payload, action)| (payload.as_ref(), *action))
    }
}

impl Library {
    fn change(&self, set: &[Payload]) {
        self.0.lock().expect("not poisoned").1.push(set.to_vec());
    }

    fn restart(&self, set: &[Payload]) {
        let mut held = self.0.lock().expect("not poisoned");
        *held = (held.0 + 1, vec![set.to_vec()]);
    }

    fn state(&self) -> (State, Vec<Vec<Payload>>) {
        let held = self.0.lock().expect("not poisoned").clone();
        (State::from_parts(held.0, (held.1.len() as u32).into()), held.1)
    }
}

impl PayloadSource for Library {
    type Set = Full;
    type Diff = Diff;

    fn ready(&self) -> bool {
        true
    }

    fn notify(&self) -> State {
        self.state().0
    }

    fn full(&self) -> (State, Full) {
        let (state, sets) = self.state();
        (state, Full(sets.last().cloned().unwrap_or_default(), 0))
    }

    fn diff(&self, from: State) -> Option<(State, Diff)> {
        let (state, sets) = self.state();
        let old = sets.get((u32::from(from.serial()) as usize).checked_sub(1)?)?;
        if from.session() != state.session() {
            return None;
        }
        let new = sets.last()?;
        let by_customer = |set: &[Payload]| -> BTreeMap<u32, Payload> {
            set.iter().filter_map(|p| Some((p.as_aspa()?.customer.into_u32(), p.clone()))).collect()
        };
        let (old_aspas, new_aspas) = (by_customer(old), by_customer(new));
        let mut diff: Vec<(Payload, Action)> = Vec::new();
        let origins = |set: &[Payload]| set.iter().filter(|p| p.to_origin().is_some()).cloned().collect::<Vec<_>>();
        diff.extend(origins(old).into_iter().filter(|p| !new.contains(p)).map(|p| (p, Action::Withdraw)));
        diff.extend(origins(new).into_iter().filter(|p| !old.contains(p)).map(|p| (p, Action::Announce)));
        for (customer, aspa) in &old_aspas {
            if !new_aspas.contains_key(customer) {
                let gone = aspa.as_aspa().expect("an ASPA").withdraw();
                diff.push((Payload::Aspa(gone), Action::Withdraw));
            }
        }
        let is_new = |(customer, aspa): &(&u32, &Payload)| old_aspas.get(customer) != Some(aspa);
        diff.extend(new_aspas.iter().filter(is_new).map(|(_, aspa)| (aspa.clone(), Action::Announce)));
        Some((state, Diff(diff, 0)))
    }

    fn timing(&self) -> Timing {
        Timing::default()
    }
}

fn origin(prefix: &str, len: u8, asn: u32) -> Payload {
    let prefix = Prefix::new(prefix.parse().expect("an address"), len).expect("a prefix");
    Payload::origin(MaxLenPrefix::new(prefix, None).expect("a prefix"), asn.into())
}

fn attested(customer: u32, providers: &[u32]) -> Payload {
    let providers = ProviderAsns::try_from_iter(providers.iter().map(|p| (*p).into())).expect("few");
    Payload::aspa(customer.into(), providers)
}

#[tokio::test]
async fn the_librarys_own_server_is_followed_through_changes_and_a_restart() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let name = listener.local_addr().expect("an address").to_string();
    let library = Library(Arc::new(Mutex::new((1, Vec::new()))));
    let (a, b) = (origin("192.0.2.0", 24, 64496), origin("2001:db8::", 32, 64497));
    library.change(&[a.clone(), b.clone(), attested(64500, &[64501, 64502]), attested(64503, &[0])]);
    let mut sender = NotifySender::new();
    let incoming = futures_util::stream::unfold(listener, |listener| async {
        let accepted = listener.accept().await.map(|(stream, _)| stream);
        Some((accepted, listener))
    });
    tokio::spawn(Server::new(Box::pin(incoming), sender.clone(), library.clone()).run());
    let mut cache = follow(&name);
    let now = until(&mut cache, serial_is(1)).await;
    let whole = ["192.0.2.0/24-24 AS64496", "2001:db8::/32-32 AS64497", "AS64500>64501,64502", "AS64503>0"];
    assert_eq!(told(&now), whole);
    // The server reads a notify while it waits for a query only; ours has long been answered.
    library.change(&[b.clone(), origin("198.51.100.0", 24, 64496), attested(64500, &[64501])]);
    sender.notify();
    let now = until(&mut cache, serial_is(2)).await;
    assert_eq!(told(&now), ["198.51.100.0/24-24 AS64496", "2001:db8::/32-32 AS64497", "AS64500>64501"]);
    assert_eq!(now.failures, 0, "a withdrawn ASPA breaks no connection: {now:?}");
    library.restart(&[b, attested(64500, &[64501])]);
    sender.notify();
    let now = until(&mut cache, |c| c.lost.is_none() && c.data.as_ref().is_some_and(|d| d.session == 2)).await;
    assert_eq!(told(&now), ["2001:db8::/32-32 AS64497", "AS64500>64501"]);
}
