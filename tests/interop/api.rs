//! Does the API keep what its description says, whatever is asked of it?
//!
//! Schemathesis makes requests out of the description, lawful and unlawful ones, and holds every answer against it: the
//! status, the type, the schema of the body, and that nothing is a server error.

use std::path::Path;

use serde_json::{Value, json};

use crate::harness::bgpwarden::Bgpwarden;
use crate::harness::parts::{Part, all_here, program};
use crate::harness::process::tool;
use crate::harness::until;

const PARTS: [Part; 1] = [Part::Schemathesis];

const CONFIG: &str = "requests_per_sec = 1000000
[http.tokens.duty]
role = \"triage\"
secret = { file = \"token\" }

[feeds.file]
kind = \"mrt\"
files = [\"frames.jsonl\"]

[sinks.file]
kind = \"ndjson\"
path = \"alerts.ndjson\"

[routes.hook]
kind = \"webhook\"
url = { file = \"hook\" }
notices = false
min_severity = \"critical\"

[[watch.constituents]]
name = \"Example Bank\"
[[watch.constituents.resources]]
prefix = \"198.51.100.0/24\"
expected_origins = [64496]
";

/// One peer announces a watched prefix with a stranger as its origin.
const FRAME: &str = r#"{"type":"ris_message","data":{"timestamp":1772334243,"peer":"192.0.2.1","peer_asn":"64500","id":"x","host":"rrc00.ripe.net","type":"UPDATE","path":[64500,64511],"origin":"IGP","announcements":[{"next_hop":"192.0.2.1","prefixes":["198.51.100.0/24"]}],"withdrawals":[]}}"#;

#[tokio::test]
#[ignore = "needs real servers: tests/interop/run"]
async fn the_api_keeps_what_its_description_says() {
    if !all_here(&PARTS) {
        return;
    }
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let folder = tempfile::tempdir().expect("a folder");
    for (name, text) in [("token", "s3cret"), ("hook", "http://127.0.0.1:9/"), ("frames.jsonl", FRAME)] {
        std::fs::write(folder.path().join(name), text).expect("written");
    }
    let mut bgpwarden = Bgpwarden::start(folder.path(), CONFIG).await;
    let id = until("an incident", 30, async || {
        let list = get(&bgpwarden, "incidents?class=origin_hijack").await;
        list["incidents"][0]["id"].as_str().map(str::to_owned)
    });
    let description = folder.path().join("openapi.json");
    write_description(&description, get(&bgpwarden, "openapi.json").await, &id.await);
    let schemathesis = program(Part::Schemathesis).display().to_string();
    let description = description.display().to_string();
    let arguments = [
        "run",
        &description,
        "--url",
        &bgpwarden.page,
        "--header",
        "Authorization: Bearer s3cret",
        // It never ends.
        "--exclude-path-regex",
        "stream",
        // Which values go together is said in words only.
        "--exclude-checks",
        "positive_data_acceptance",
        "--max-examples",
        "50",
        "--seed",
        "1",
        "--no-color",
    ];
    let said = tool(&schemathesis, arguments, 300).unwrap_or_else(|said| panic!("{said}"));
    assert!(said.contains("Tested: 20"), "every operation but the stream: {said}");
    println!("{}", said.lines().filter(|line| line.contains("generated")).collect::<String>());
    bgpwarden.stop();
}

async fn get(bgpwarden: &Bgpwarden, path: &str) -> Value {
    let url = format!("{}/api/v1/{path}", bgpwarden.page.trim_end_matches('/'));
    let answer = reqwest::Client::new().get(url).bearer_auth("s3cret").send().await.expect("an answer");
    serde_json::from_str(&answer.text().await.expect("text")).expect("JSON")
}

/// With an incident and a route that there are: of made-up ones hardly more than 404 would be seen.
fn write_description(path: &Path, mut description: Value, id: &str) {
    let operations = description["paths"].as_object_mut().expect("paths").values_mut();
    for operation in operations.flat_map(|methods| methods.as_object_mut().expect("methods").values_mut()) {
        for parameter in operation.get_mut("parameters").and_then(Value::as_array_mut).into_iter().flatten() {
            let there_is = match parameter["name"].as_str() {
                Some("id") => [id, "bw-none"],
                Some("name") => ["hook", "none"],
                _ => continue,
            };
            parameter["schema"] = json!({ "type": "string", "enum": there_is });
            parameter["example"] = json!(there_is[0]);
        }
    }
    std::fs::write(path, description.to_string()).expect("written");
}
