//! How is a small MRT file made? For the demo and for tests: what bgpwarden reads, it can write.

use std::net::IpAddr;
use std::str::FromStr;

use bgpkit_parser::BgpElem;
use bgpkit_parser::encoder::{MrtRibEncoder, MrtUpdatesEncoder};
use bgpkit_parser::models::{self, ElemType, NetworkPrefix};
use ipnet::IpNet;
use rules::bgp::{AsPath, Asn, Timestamp};

/// One route of one session; without a path it is a withdrawal.
#[derive(Clone, Debug)]
pub struct Line {
    pub time: Timestamp,
    pub peer_as: Asn,
    pub peer_address: IpAddr,
    pub prefix: IpNet,
    pub as_path: Option<AsPath>,
}

/// A dump in TABLE_DUMP_V2 (RFC 6396 section 4.3).
pub fn rib(lines: impl IntoIterator<Item = Line>) -> Result<bytes::Bytes, String> {
    let mut encoder = MrtRibEncoder::new();
    for line in lines {
        encoder.process_elem(&elem(&line)).map_err(|error| error.to_string())?;
    }
    encoder.export_bytes().map_err(|error| error.to_string())
}

/// Updates in BGP4MP_ET, one prefix a message.
pub fn updates(lines: impl IntoIterator<Item = Line>) -> Result<bytes::Bytes, String> {
    let mut encoder = MrtUpdatesEncoder::new();
    for line in lines {
        encoder.process_elem(&elem(&line));
    }
    encoder.export_bytes().map_err(|error| error.to_string())
}

fn elem(line: &Line) -> BgpElem {
    let path = line.as_path.as_ref().map(|p| {
        let words = p.to_string();
        models::AsPath::from_sequence(words.split(' ').filter_map(|w| u32::from_str(w).ok()).collect::<Vec<_>>())
    });
    let next_hop: IpAddr = match line.prefix {
        IpNet::V4(_) => [192, 0, 2, 1].into(),
        IpNet::V6(_) => "2001:db8::1".parse().unwrap_or(line.peer_address),
    };
    BgpElem {
        timestamp: line.time.0 as f64 / 1e6,
        elem_type: if path.is_some() { ElemType::ANNOUNCE } else { ElemType::WITHDRAW },
        peer_ip: line.peer_address,
        peer_asn: line.peer_as.0.into(),
        prefix: NetworkPrefix::new(line.prefix, None),
        next_hop: path.is_some().then_some(next_hop),
        as_path: path,
        origin: Some(models::Origin::IGP),
        ..BgpElem::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::{Use, from_bytes};
    use rules::event::Event;

    fn line(path: Option<&str>) -> Line {
        Line {
            time: Timestamp::from_secs(1_700_000_000),
            peer_as: Asn(64500),
            peer_address: [192, 0, 2, 9].into(),
            prefix: "198.51.100.0/24".parse().expect("a prefix"),
            as_path: path.map(|p| p.parse().expect("a path")),
        }
    }

    #[test]
    fn what_is_written_can_be_read() {
        let bytes = rib([line(Some("64500 64496"))]).expect("written");
        let seeds = from_bytes(bytes, "x", Use::Seed).expect("read").filter(|i| matches!(i.event, Event::Seed(_)));
        assert_eq!(seeds.count(), 1);
        let bytes = updates([line(Some("64500 64496")), line(None)]).expect("written");
        let updates: Vec<_> = from_bytes(bytes, "x", Use::Updates)
            .expect("read")
            .filter_map(|i| match i.event {
                Event::Update(u) => Some((u.announced.len(), u.withdrawn.len())),
                _ => None,
            })
            .collect();
        assert_eq!(updates, [(1, 0), (0, 1)]);
    }
}
