use std::sync::Arc;

use feeds::as2org::As2org;
use rules::alert::{Alert, Tlp};
use rules::limits;
use serde_json::{Value, json};

use super::samples::{self, opened, worst};
use super::{WireContext, from_json, schema, to_json};

fn parsed(alert: &Alert) -> Value {
    serde_json::from_str(&to_json(alert, &WireContext::default())).expect("JSON")
}

#[test]
fn the_schema_accepts_every_sample_and_requires_every_key() {
    let schema = schema();
    let validator = jsonschema::validator_for(&schema).expect("a schema");
    let mut by_hand = opened();
    by_hand.leak = worst().leak;
    for alert in [opened(), worst(), by_hand] {
        let value = parsed(&alert);
        let errors: Vec<_> = validator.iter_errors(&value).map(|e| format!("{}: {e}", e.instance_path)).collect();
        assert!(errors.is_empty(), "{errors:#?}");
    }
    let whole = parsed(&opened());
    for key in whole.as_object().expect("an object").keys() {
        let mut without = whole.clone();
        without.as_object_mut().expect("an object").remove(key);
        assert!(!validator.is_valid(&without), "{key} is not required");
    }
}

#[test]
fn an_alert_is_one_line_with_its_keys_in_order() {
    let line = to_json(&opened(), &WireContext::default());
    assert!(!line.contains('\n'));
    assert!(line.starts_with(r#"{"schema":"bgpwarden.alert/1","id":"bw-20260301T030402Z-7f3a9c21d0b4","sequence":1,"#));
    assert!(line.contains(r#""time":"2026-03-01T03:04:32.000Z","class":"subprefix_hijack","rfc7908_type":null"#));
    assert!(line.contains(r#""duration_secs":30.0"#));
    assert!(line.contains(r#""full_feed_share":0.3109"#));
    assert!(line.contains(r#""collectors":["rrc00","rrc01"]"#));
}

#[test]
fn evidence_stands_with_the_largest_points_first() {
    let value = parsed(&opened());
    assert_eq!(value["evidence"][0]["code"], "rov_invalid_asn");
    assert_eq!(value["inputs"]["vrps"]["age_secs"], 150.0);
    assert_eq!(value["inputs"]["baseline"]["state"], "ready");
    assert_eq!(value["as_info"][0]["asn"], 64496);
}

#[test]
fn ases_are_described_where_it_is_known_who_they_are() {
    let text = "# format:aut|changed|aut_name|org_id|source\n64496||EXAMPLE|O|X\n# format:org_id|changed|org_name|country|source\nO||Example|ZZ|X\n";
    let names = Arc::new(As2org::parse(text.as_bytes()).expect("as2org").names);
    let context = WireContext { names, ..WireContext::default() };
    let value: Value = serde_json::from_str(&to_json(&opened(), &context)).expect("JSON");
    assert_eq!(value["as_info"][0], json!({ "asn": 64496, "name": "EXAMPLE", "country": "ZZ" }));
    assert_eq!(value["as_info"][1]["name"], Value::Null);
}

#[test]
fn the_stricter_marking_wins_and_the_page_is_named() {
    let public_url = Some("https://bgp.example.net/".into());
    let context = WireContext { public_url, tlp: Tlp::Red, ..WireContext::default() };
    let value: Value = serde_json::from_str(&to_json(&opened(), &context)).expect("JSON");
    assert_eq!(value["tlp"], "red");
    assert_eq!(value["url"], "https://bgp.example.net/incidents/bw-20260301T030402Z-7f3a9c21d0b4");
}

#[test]
fn the_worst_alert_fits_and_keeps_its_bounds() {
    let line = to_json(&worst(), &WireContext::default());
    assert!(line.len() <= limits::ALERT_BYTES, "{} bytes", line.len());
    let value = parsed(&worst());
    assert!(!value["prefixes"].as_array().expect("a list").is_empty());
    assert_eq!(value["evidence"].as_array().expect("a list").len(), limits::ALERT_EVIDENCE);
    assert_eq!(value["evidence"][0]["detail"].as_str().expect("text").chars().count(), limits::TEXT);
    assert!(value["sample_paths"][0]["as_path"].as_str().expect("text").len() <= limits::PATH_TEXT + 2);
}

#[test]
fn hostile_text_leaves_plain() {
    let mut alert = opened();
    alert.title = "a\u{1b}[31m\r\n\u{202E}\"}<script>".into();
    alert.constituents[0].name = "\u{0}\u{2066}x".repeat(100);
    let line = to_json(&alert, &WireContext::default());
    assert!(!line.chars().any(|c| c.is_control() || c == '\u{202E}' || c == '\u{2066}'));
    let value: Value = serde_json::from_str(&line).expect("JSON");
    assert_eq!(value["title"], "a\u{FFFD}[31m\u{FFFD}\u{FFFD}\u{FFFD}\"}<script>");
    assert_eq!(value["constituents"][0]["name"].as_str().expect("text").chars().count(), 64);
}

#[test]
fn what_was_written_is_read_as_it_was_written() {
    let mut ended = Alert { status: rules::alert::Status::Resolved, ended: Some(samples::at(90)), ..opened() };
    ended.aspa = worst().aspa;
    for alert in [opened(), ended, worst()] {
        let line = to_json(&alert, &WireContext::default());
        let read = from_json(&line).expect("an alert");
        assert_eq!(to_json(&read, &WireContext::default()), line);
    }
    let later = to_json(&opened(), &WireContext::default()).replacen('{', "{\"of_tomorrow\":1,", 1);
    assert!(from_json(&later).is_ok(), "readers ignore unknown keys");
    for bad in ["", "{}", &later.replace("alert/1", "alert/2"), &later.replace("192.0.2.0/25", "192.0.2.0/99")] {
        assert!(from_json(bad).is_err(), "{bad}");
    }
}
