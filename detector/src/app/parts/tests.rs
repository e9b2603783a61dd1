use axum::Router;
use rules::alert::{Alert, Severity, Transition};
use tokio::sync::mpsc;

use super::*;
use crate::alert::samples::opened;
use crate::alert::to_json;
use crate::app::now;
use crate::sink::Parcel;
use crate::store::{Location, Put};

/// Gives what is posted to a place of loopback.
async fn receiver() -> (String, mpsc::Receiver<String>) {
    let (posted, bodies) = mpsc::channel(16);
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback");
    let url = format!("http://{}/api/v2/alerts", listener.local_addr().expect("an address"));
    let take = move |body: String| {
        let posted = posted.clone();
        async move {
            if !body.is_empty() {
                posted.send(body).await.expect("somebody reads");
            }
            "[]"
        }
    };
    tokio::spawn(async move { axum::serve(listener, Router::new().fallback(take)).await.expect("it serves") });
    (url, bodies)
}

fn config(url: &str) -> Config {
    let text = format!("[routes.am]\nkind = 'alertmanager'\nurl = '{url}'\nmin_severity = 'high'\n");
    Config::parse("c", &text, std::path::Path::new("")).expect("fine")
}

/// Told to these sinks in an earlier life.
async fn told(store: &Store, alert: &Alert, sinks: &[&str]) {
    let parcel = Parcel::Alert(Delivery::new(alert, to_json(alert, &WireContext::default()).into()));
    let sinks = sinks.iter().map(|sink| (*sink).into()).collect();
    let places = store.put(vec![Put { parcel, sinks, chapter: None }]).await.expect("stored");
    places.into_iter().flatten().flatten().for_each(|place| store.acknowledge(place));
}

#[tokio::test]
async fn alertmanager_is_reminded_of_what_it_heard_of_and_is_open_still_and_of_nothing_else() {
    let (url, mut bodies) = receiver().await;
    let (config, wire) = (config(&url), WireContext::default());
    let store = Store::start(Location::Memory).expect("a store");
    let recent = |id: &str| Alert { id: id.into(), started: now(), ..opened() };
    // It opened grave, and fell below what the route asks for.
    let fell = Alert { sequence: 2, transition: Transition::Updated, severity: Severity::Low, ..recent("bw-fell") };
    told(&store, &recent("bw-fell"), &["am"]).await;
    told(&store, &fell, &["am"]).await;
    told(&store, &recent("bw-imported"), &[]).await;
    told(&store, &recent("bw-for-another"), &["mail"]).await;
    // Nobody goes on with it.
    told(&store, &Alert { id: "bw-lost".into(), ..opened() }, &["am"]).await;

    let mut started = start::start(&[], &store, &"bgpwarden".into()).await.expect("started");
    let watch = Arc::new(config.watch.compile(&config.alerts));
    let watched: Arc<Watched> = Arc::new(move || watch.clone());
    start::start_routes(&config.routes, &store, &wire, &watched, &mut started).await.expect("started");
    let Started { routes, reminding, tasks: _tasks, .. } = started;
    let mut dispatch = Dispatch::new(routes, store.clone());
    let memory = Memory { before: None, keeps: true, checkpoints: None, is_locked_out: false };
    go_on(&store, &memory, &mut dispatch, &wire, &reminding).await;

    let ids = |body: &str| {
        let list: Vec<serde_json::Value> = serde_json::from_str(body).expect("a list");
        list.iter().map(|alert| alert["labels"]["incident"].as_str().expect("an id").to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(ids(&bodies.recv().await.expect("its end")), ["bw-lost"]);
    reminding[0].again().await.expect("taken");
    assert_eq!(ids(&bodies.recv().await.expect("the reminder")), ["bw-fell"]);
}
