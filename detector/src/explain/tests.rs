use rules::alert::Source;
use rules::relations::Relation;
use serde_json::{Value, json};

use super::*;

/// 192.0.2.0/24 belongs to AS64496, who buys from AS64500 and AS64501, two peers.
fn given() -> Data {
    let mut rpki = Snapshot::default();
    rpki.vrps.insert(Vrp {
        prefix: "192.0.2.0/24".parse().expect("a prefix"),
        max_length: 24,
        asn: Asn(64496),
        source: "ripe".into(),
    });
    rpki.aspas.insert(Asn(64496), &[Asn(64500), Asn(64501)]);
    rpki.aspas.insert(Asn(64500), &[Asn(0)]);
    rpki.aspas.insert(Asn(64501), &[Asn(0)]);
    let edges = [
        (Asn(64500), Asn(64496), Relation::Customer),
        (Asn(64501), Asn(64496), Relation::Customer),
        (Asn(64500), Asn(64501), Relation::LateralPeer),
    ];
    let relations = Relations::new(Source::none(), edges, vec![], vec![], vec![]);
    Data { rpki, has_vrps: true, has_aspas: true, relations: relations.into(), procedure: Procedure::Downstream }
}

fn nothing() -> Data {
    Data {
        rpki: Snapshot::default(),
        has_vrps: false,
        has_aspas: false,
        relations: Relations::none().into(),
        procedure: Procedure::Downstream,
    }
}

fn route(line: &str) -> Route {
    let mut words = line.split(' ').map(str::to_owned);
    let prefix = words.next().expect("a prefix");
    Route::parse(&prefix, &words.collect::<Vec<_>>()).expect("a route")
}

fn json_of(line: &str, data: &Data) -> Value {
    serde_json::to_value(explain(&route(line), data)).expect("JSON")
}

#[test]
fn the_keys_are_those_of_the_contract() {
    assert_eq!(
        json_of("8.8.8.0/24 701 174", &nothing()),
        json!({
            "prefix": "8.8.8.0/24", "as_path": "701 174", "origin_as": 174,
            "rov": {"state": "not_evaluated", "covering": []},
            "aspa": {"verdict": "not_evaluated", "procedure": "downstream", "max_up_ramp": null, "min_up_ramp": null,
                     "max_down_ramp": null, "min_down_ramp": null, "suspects": []},
            "valley": {"verdict": "not_evaluated", "violations": [], "unknown_hops": 0},
            "bogons": [], "notes": [],
        })
    );
}

#[test]
fn a_hairpin_is_a_leak_by_every_proof() {
    let value = json_of("192.0.2.0/24 64501 64496 64500", &given());
    assert_eq!(value["aspa"]["verdict"], "invalid");
    assert_eq!(value["aspa"]["suspects"], json!([64496]));
    assert_eq!((&value["aspa"]["max_up_ramp"], &value["aspa"]["max_down_ramp"]), (&json!(1), &json!(1)));
    assert_eq!(value["valley"]["verdict"], "invalid");
    assert_eq!(
        value["valley"]["violations"],
        json!([{"rfc7908_type": 1, "leaker": 64496, "from": 64500, "to": 64501}])
    );
    assert_eq!(value["rov"]["state"], "invalid");
    assert_eq!(value["rov"]["covering"][0]["asn"], 64496);
}

#[test]
fn a_good_route_is_valid_by_every_proof() {
    let value = json_of("192.0.2.0/24 64501 64500 64496", &given());
    assert_eq!(value["rov"]["state"], "valid");
    assert_eq!(value["aspa"]["verdict"], "valid");
    assert_eq!(value["valley"]["verdict"], "valid");
    let upstream = Data { procedure: Procedure::Upstream, ..given() };
    assert_eq!(json_of("192.0.2.0/24 64501 64500 64496", &upstream)["aspa"]["verdict"], "invalid");
}

#[test]
fn a_set_is_read_in_both_forms_and_has_no_origin() {
    for line in
        ["192.0.2.0/24 64500 {64496,64497}", "192.0.2.0/24 64500 [64496,64497]", "192.0.2.0/24 64500 {64496, 64497}"]
    {
        let value = json_of(line, &given());
        assert_eq!(value["as_path"], "64500 {64496,64497}");
        assert_eq!(value["origin_as"], Value::Null);
        assert_eq!(value["rov"]["state"], "invalid");
        assert_eq!(value["aspa"]["verdict"], "invalid");
        assert_eq!(value["aspa"]["suspects"], json!([]));
    }
}

#[test]
fn notes_and_bogons_name_what_is_odd() {
    let value = json_of("10.1.2.3/25 64500 64512 64500 64496 64496 64496", &nothing());
    let notes = value["notes"].to_string();
    for part in ["read as 10.1.2.0/25", "too specific", "AS64496 stands 3 times", "loop", "private ASN: AS64512"] {
        assert!(notes.contains(part), "{part} is not in {notes}");
    }
    assert_eq!(value["bogons"][0]["rfc"], "RFC 1918");
    assert_eq!(value["bogons"][0]["resource"], "10.1.2.0/25");
    assert_eq!(value["bogons"].as_array().expect("a list").len(), 4);
}

#[test]
fn why_a_route_is_invalid_is_said() {
    let mut data = given();
    let zero = Vrp { prefix: "203.0.113.0/24".parse().expect("one"), max_length: 32, asn: Asn(0), source: "x".into() };
    data.rpki.vrps.insert(zero);
    for (line, why) in [
        ("192.0.2.0/25 64500 64496", "longer than AS64496 is allowed"),
        ("192.0.2.0/24 64500 64511", "no covering VRP names AS64511"),
        ("203.0.113.0/24 64500 64511", "nobody may announce it"),
        ("192.0.2.0/24 64500 {64511}", "has no origin"),
    ] {
        let notes = json_of(line, &data)["notes"].to_string();
        assert!(notes.contains(why), "{line}: {notes}");
    }
}

#[test]
fn the_text_begins_with_the_path_as_read_and_says_what_is_missing() {
    let text = explain(&route("192.0.2.0/24 64501 64496 64500"), &given()).to_string();
    assert!(text.starts_with("path as read  64501 64496 64500"), "{text}");
    assert!(text.contains("AS64496 leaked it from AS64500 to AS64501 (RFC 7908 type 1)"), "{text}");
    let text = explain(&route("192.0.2.0/24 64500"), &nothing()).to_string();
    assert!(text.contains("give --vrps FILE") && text.contains("give --aspas FILE"), "{text}");
}

#[test]
fn what_is_no_route_is_refused_with_its_name() {
    let refused = |prefix: &str, path: &[&str]| {
        let path: Vec<_> = path.iter().map(|word| (*word).to_owned()).collect();
        Route::parse(prefix, &path).expect_err("accepted").to_string()
    };
    assert!(refused("192.0.2.0", &["1"]).contains("a length is missing"));
    assert!(refused("192.0.2.0/33", &["1"]).contains("192.0.2.0/33"));
    assert!(refused("192.0.2.0/24", &["x"]).contains("\"x\""));
    assert!(refused("192.0.2.0/24", &["{}"]).contains("empty"));
    assert!(refused("192.0.2.0/24", &["{1,2"]).contains("{1,2"));
}
