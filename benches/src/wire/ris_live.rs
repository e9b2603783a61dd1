//! RIS Live: one JSON object a message, its octets in `raw`.

use std::fmt::Write;

use ipnet::IpNet;
use rules::bgp::Timestamp;

use super::bgp;
use crate::world::World;
use crate::world::sessions::Session;
use crate::world::stream::{Said, What};

/// A `ris_message`, with all that the service writes.
pub fn frame(world: &World, said: &Said) -> String {
    let session = &world.sessions[said.session as usize];
    match &said.what {
        What::Update { withdrawn, announced, path } => {
            let mut octets = Vec::new();
            bgp::update(withdrawn, announced, path, &mut octets);
            let fields = fields(session, withdrawn, announced, path);
            framed(session, said.at, &format!("\"raw\":\"{}\",{fields}", hex::encode_upper(octets)), "UPDATE")
        }
        What::EndOfRib => {
            let mut octets = Vec::new();
            bgp::end_of_rib(session.family, &mut octets);
            framed(
                session,
                said.at,
                &format!("\"raw\":\"{}\",\"withdrawals\":[\"eor\"]", hex::encode_upper(octets)),
                "UPDATE",
            )
        }
        What::Up => framed(session, said.at, "\"state\":\"connected\"", "RIS_PEER_STATE"),
        What::Down => framed(session, said.at, "\"state\":\"down\"", "RIS_PEER_STATE"),
    }
}

fn framed(session: &Session, at: Timestamp, fields: &str, kind: &str) -> String {
    let point = &session.point;
    format!(
        "{{\"type\":\"ris_message\",\"data\":{{\"timestamp\":{}.{:06},\"peer\":\"{}\",\"peer_asn\":\"{}\",\"id\":\"{}-{:x}\",\
         \"host\":\"{}.ripe.net\",\"type\":\"{kind}\",{fields}}}}}",
        at.0.div_euclid(1_000_000),
        at.0.rem_euclid(1_000_000),
        point.peer_address,
        point.peer_as.0,
        point.peer_address,
        at.0,
        point.collector,
    )
}

fn fields(session: &Session, withdrawn: &[IpNet], announced: &[IpNet], path: &[rules::bgp::Asn]) -> String {
    let mut text = String::from("\"path\":[");
    listed(&mut text, path.iter().map(|asn| asn.0));
    text.push_str("],\"community\":[");
    let communities = path.iter().take(3).enumerate();
    listed(&mut text, communities.map(|(i, asn)| format!("[{},{}]", asn.0 as u16, 100 * i + 7)));
    text.push_str("],\"origin\":\"IGP\",\"announcements\":[");
    if !announced.is_empty() {
        let _ = write!(text, "{{\"next_hop\":\"{}\",\"prefixes\":[", session.point.peer_address);
        listed(&mut text, announced.iter().map(|prefix| format!("\"{prefix}\"")));
        text.push_str("]}");
    }
    text.push_str("],\"withdrawals\":[");
    listed(&mut text, withdrawn.iter().map(|prefix| format!("\"{prefix}\"")));
    text.push(']');
    text
}

fn listed(text: &mut String, words: impl Iterator<Item = impl std::fmt::Display>) {
    for (i, word) in words.enumerate() {
        let comma = if i == 0 { "" } else { "," };
        let _ = write!(text, "{comma}{word}");
    }
}
