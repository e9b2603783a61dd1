//! What do GRIP and Cloudflare Radar say of an event?
//!
//! Their JSON as their APIs give it (S 6.3, S 6.4), or one event taken out of it. Only what an investigation needs is
//! read, and numbers may be text: prefixes, who is blamed, who suffered, from when to when.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use ipnet::IpNet;
use rules::bgp::{Asn, Timestamp};
use serde_json::Value;

use super::question::{Claim, Question};
use crate::failure::Failure;
use crate::text;

/// Octets of such a file: the largest event known has 15,129 prefixes, in GRIP about 1 KB each.
const FILE: u64 = 32 << 20;
/// ASes of one list that are read.
const ASES: usize = 256;
/// Epoch times beyond this are in milliseconds: as seconds it would be the year 5138.
const MILLIS: i64 = 100_000_000_000;

pub fn read(path: &Path) -> Result<Question, Failure> {
    let name = path.display();
    let wrong = |what: &dyn std::fmt::Display| Failure::failed(format!("\"{name}\" {what}"));
    let file = File::open(path).map_err(|error| wrong(&format!("cannot be read: {error}; check the path")))?;
    let mut bytes = Vec::new();
    file.take(FILE).read_to_end(&mut bytes).map_err(|error| wrong(&format!("cannot be read: {error}")))?;
    let json: Value = serde_json::from_slice(&bytes).map_err(|error| wrong(&format!("is no JSON: {error}")))?;
    of(&json).map_err(|what| wrong(&what))
}

fn of(json: &Value) -> Result<Question, String> {
    let event = single(json)?;
    let question = if event.get("hijacker_asn").is_some() {
        radar_hijack(event)
    } else if event.get("leak_asn").is_some() || event.get("leak_seg").is_some() {
        radar_leak(event)
    } else if event.get("pfx_events").is_some() || event.get("summary").is_some() {
        grip(event)
    } else {
        return Err("holds no event of GRIP or Cloudflare Radar (pfx_events, hijacker_asn or leak_asn)".into());
    };
    if question.prefixes.is_empty() && question.asns.is_empty() {
        return Err("names neither a prefix nor an AS to look into".into());
    }
    Ok(question)
}

/// The event itself, taken out of an answer that holds no other.
fn single(json: &Value) -> Result<&Value, String> {
    let inner = json.get("result").unwrap_or(json);
    let list = ["events", "data"].iter().find_map(|key| inner.get(*key)).unwrap_or(inner);
    match list.as_array() {
        None => Ok(list),
        Some(events) if events.len() == 1 => Ok(&events[0]),
        Some(events) => Err(format!("holds {} events; take out the one to look into", events.len())),
    }
}

fn radar_hijack(event: &Value) -> Question {
    let suspects = ases(event.get("hijacker_asn"));
    let victims = ases(event.get("victim_asns"));
    let started = time(event.get("min_hijack_ts"));
    let ended = time(event.get("max_hijack_ts")).or_else(|| end_of(started, event.get("duration")));
    let source = format!("Cloudflare Radar hijack {}", id(event));
    let claim = Claim { source, suspects, victims, started, ended, ..Claim::default() };
    question(prefixes([event.get("prefixes")]), Vec::new(), claim)
}

/// Radar names no prefixes of a leak, so it is looked for by the leaker.
fn radar_leak(event: &Value) -> Question {
    let segment = ases(event.get("leak_seg"));
    let leak = <[Asn; 3]>::try_from(segment).ok();
    let mut suspects = ases(event.get("leak_asn"));
    if suspects.is_empty() {
        suspects.extend(leak.map(|[_, leaker, _]| leaker));
    }
    let claim = Claim {
        source: format!("Cloudflare Radar leak {}", id(event)),
        suspects: suspects.clone(),
        leak,
        is_leak: true,
        started: time(event.get("min_ts")).or_else(|| time(event.get("detected_ts"))),
        ended: time(event.get("max_ts")),
        ..Claim::default()
    };
    question(prefixes([event.get("prefixes")]), suspects, claim)
}

fn grip(event: &Value) -> Question {
    let summary = event.get("summary");
    let of = |key: &str| summary.and_then(|s| s.get(key)).or_else(|| event.get(key));
    let mut suspects = ases(of("attackers"));
    if suspects.is_empty() {
        suspects = ases(of("newcomers"));
    }
    let parts = event.get("pfx_events").and_then(Value::as_array).into_iter().flatten();
    let of_parts = parts.flat_map(|part| {
        let details = part.get("details").unwrap_or(part);
        // Of a pair the more-specific is the news, and the less-specific lies around it.
        ["sub_pfx", "prefix"].into_iter().filter_map(|key| details.get(key).or_else(|| part.get(key))).take(1)
    });
    let named: Vec<Option<&Value>> = of_parts.map(Some).collect();
    let mut prefixes = prefixes(named);
    if prefixes.is_empty() {
        prefixes = self::prefixes([of("prefixes")]);
    }
    let started = time(event.get("view_ts"));
    let claim = Claim {
        source: format!("GRIP event {}", id(event)),
        suspects: suspects.clone(),
        victims: ases(of("victims")),
        started,
        ended: time(event.get("finished_ts")).or_else(|| end_of(started, event.get("duration"))),
        ..Claim::default()
    };
    let asns = if prefixes.is_empty() { suspects } else { Vec::new() };
    question(prefixes, asns, claim)
}

fn question(prefixes: Vec<IpNet>, asns: Vec<Asn>, claim: Claim) -> Question {
    let asns = if prefixes.is_empty() { asns } else { Vec::new() };
    let asked = claim.source.clone();
    let mut question =
        Question { asked, prefixes, prefixes_left_out: 0, asns, from: None, to: None, claim: Some(claim) };
    question.look_around();
    question
}

fn id(event: &Value) -> String {
    match event.get("id").or_else(|| event.get("event_id")) {
        Some(Value::String(id)) => text::plain(id, 128),
        Some(Value::Number(id)) => id.to_string(),
        _ => "without id".into(),
    }
}

/// One AS or a list of them, as numbers or as text.
fn ases(value: Option<&Value>) -> Vec<Asn> {
    let one = |value: &Value| match value {
        Value::Number(number) => number.as_u64().and_then(|n| u32::try_from(n).ok()).map(Asn),
        Value::String(text) => text.parse().ok(),
        _ => None,
    };
    let mut found: Vec<Asn> = match value {
        Some(Value::Array(list)) => list.iter().take(ASES).filter_map(one).collect(),
        Some(value) => one(value).into_iter().collect(),
        None => Vec::new(),
    };
    let mut seen = std::collections::BTreeSet::new();
    found.retain(|asn| seen.insert(*asn));
    found
}

fn prefixes<'a>(values: impl IntoIterator<Item = Option<&'a Value>>) -> Vec<IpNet> {
    let mut found = std::collections::BTreeSet::new();
    for value in values.into_iter().flatten() {
        let texts = value.as_array().map_or_else(|| vec![value], |list| list.iter().collect());
        found.extend(texts.into_iter().filter_map(|v| v.as_str()?.parse::<IpNet>().ok()).map(|p| p.trunc()));
    }
    found.into_iter().collect()
}

/// RFC 3339 with or without its zone, or seconds or milliseconds since 1970.
fn time(value: Option<&Value>) -> Option<Timestamp> {
    match value? {
        Value::Number(number) => {
            let given = number.as_i64().or_else(|| number.as_f64().map(|n| n as i64)).filter(|n| *n > 0)?;
            Some(if given > MILLIS { Timestamp::from_millis(given) } else { Timestamp::from_secs(given) })
        }
        Value::String(text) => Timestamp::parse(text).or_else(|| Timestamp::parse(&format!("{text}Z"))),
        _ => None,
    }
}

fn end_of(started: Option<Timestamp>, duration: Option<&Value>) -> Option<Timestamp> {
    let secs = duration?.as_i64().filter(|secs| *secs > 0)?;
    Some(started?.plus_secs(secs))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn at(text: &str) -> Option<Timestamp> {
        Timestamp::parse(text)
    }

    #[test]
    fn a_hijack_of_radar_is_read_out_of_its_answer() {
        let answer = json!({"success": true, "result": {"events": [{
            "id": 4711, "event_type": "MOAS", "hijacker_asn": 64511, "victim_asns": [64496], "prefixes": ["192.0.2.0/24"],
            "min_hijack_ts": "2026-03-01T03:04:02", "max_hijack_ts": "2026-03-01T03:30:00Z", "confidence_score": 8}]}});
        let question = of(&answer).expect("an event");
        assert_eq!(question.prefixes, ["192.0.2.0/24".parse().expect("a prefix")]);
        let claim = question.claim.expect("a claim");
        assert_eq!((claim.suspects, claim.victims), (vec![Asn(64511)], vec![Asn(64496)]));
        assert_eq!(claim.source, "Cloudflare Radar hijack 4711");
        assert_eq!(question.from, at("2026-03-01T02:54:02Z"));
        assert_eq!(question.to, at("2026-03-01T03:40:00Z"));
    }

    #[test]
    fn a_leak_of_radar_has_a_leaker_and_a_segment_and_no_prefix() {
        let event = json!({"id": 1, "leak_asn": "64500", "leak_seg": [64501, 64500, 64502], "leak_type": 1,
            "detected_ts": "2026-03-01T03:04:02Z", "finished": true, "prefix_count": 8});
        let question = of(&event).expect("an event");
        assert_eq!((question.prefixes.len(), question.asns), (0, vec![Asn(64500)]));
        let claim = question.claim.expect("a claim");
        assert_eq!(claim.leak, Some([Asn(64501), Asn(64500), Asn(64502)]));
        assert!(claim.is_leak);
    }

    #[test]
    fn an_event_of_grip_names_the_more_specific_and_its_newcomers() {
        let event = json!({"id": "submoas-1772334240-64511=64496", "event_type": "submoas", "view_ts": 1_772_334_240,
            "duration": 900, "summary": {"newcomers": ["64511"], "victims": [], "attackers": [], "prefixes": []},
            "pfx_events": [{"details": {"sub_pfx": "192.0.2.0/25", "super_pfx": "192.0.2.0/24"}}]});
        let question = of(&event).expect("an event");
        assert_eq!(question.prefixes, ["192.0.2.0/25".parse().expect("a prefix")]);
        assert_eq!(question.claim.as_ref().map(|c| c.suspects.clone()), Some(vec![Asn(64511)]));
        assert_eq!(question.to, at("2026-03-01T03:29:00Z"));
    }

    #[test]
    fn what_is_no_event_is_refused_with_the_reason() {
        for (value, culprit) in [
            (json!({"id": 1}), "no event"),
            (json!({"events": [{}, {}]}), "2 events"),
            (json!({"hijacker_asn": "x", "prefixes": [7, "no prefix"]}), "neither a prefix"),
            (json!([]), "0 events"),
            (json!({"leak_seg": {"a": 1}}), "neither a prefix"),
        ] {
            let error = of(&value).expect_err("refused");
            assert!(error.contains(culprit), "{error}");
        }
    }

    #[test]
    fn what_others_wrote_is_plain_text() {
        let event = json!({"id": "x\u{1b}[2J\u{202e}<script>", "hijacker_asn": 64511, "prefixes": ["192.0.2.0/24"]});
        let source = of(&event).expect("an event").claim.expect("a claim").source;
        assert_eq!(source, "Cloudflare Radar hijack x\u{FFFD}[2J\u{FFFD}<script>");
    }
}
