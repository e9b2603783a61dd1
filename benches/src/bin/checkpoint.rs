//! What does a checkpoint of a full table cost each thread that has to do with it?

use std::sync::Arc;

use benches::measure::cpu;
use rules::bgp::{AsPath, Asn, Nlri, Nlris, PathAttributes, Timestamp, Update, VantageId, VantagePoint};
use rules::checkpoint::Parts;
use rules::desk::{Output, Settings};
use rules::engine::Engine;
use rules::event::{Event, Stamped};

/// About what the Internet has, both families.
const PREFIXES: u32 = 1_200_000;
/// Sessions, each with every route: enough for a baseline, and not the point here.
const SESSIONS: u32 = 3;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut engine = loaded();
    let stamped = Stamped { seq: u64::MAX, at: Timestamp::from_secs(600), event: Event::Checkpoint };
    let (copied, outputs) = cpu(|| engine.handle(&stamped));
    let Some(Output::Checkpoint(parts)) = outputs.into_iter().next_back() else { return Err("no checkpoint".into()) };
    let (merged, checkpoint) = cpu(|| Parts::merge(*parts));
    let (packed, bytes) = cpu(|| feeds::checkpoint::pack(&checkpoint));
    let bytes = bytes?;
    let (unpacked, back) = cpu(|| feeds::checkpoint::unpack(&bytes));
    let restore = Stamped { seq: 0, at: Timestamp::from_secs(700), event: Event::Restore(Arc::new(back?)) };
    let mut fresh = Engine::new(Settings::default());
    let (restored, _) = cpu(|| fresh.handle(&restore));
    println!("{} prefixes, {} octets packed", checkpoint.prefixes.len(), bytes.len());
    println!("copy in the threads of shards and desk (one shard) {copied:?}");
    println!("merge {merged:?}, pack {packed:?}, in a thread of their own");
    println!("unpack {unpacked:?}, restore {restored:?}, at the start");
    Ok(())
}

fn loaded() -> Engine {
    let mut engine = Engine::new(Settings::default());
    let mut seq = 0;
    let mut tell = |engine: &mut Engine, event| {
        engine.handle(&Stamped { seq, at: Timestamp::from_secs(0), event });
        seq += 1;
    };
    for i in 0..SESSIONS {
        let peer_address = [192, 0, 2, i as u8 + 1].into();
        let point = VantagePoint { collector: "rrc00".into(), peer_as: Asn(3_000 + i), peer_address };
        tell(&mut engine, Event::Vantage(VantageId(i), Arc::new(point)));
    }
    for i in 0..PREFIXES {
        let address = std::net::Ipv4Addr::from_bits((1 << 24) + (i << 8));
        let prefix = ipnet::IpNet::V4(ipnet::Ipv4Net::new_assert(address, 24));
        // 80,000 origins behind 5,000 neighbors.
        let (neighbor, origin_as) = (Asn(4_000 + i % 5_000), Asn(100_000 + i % 80_000));
        for session in 0..SESSIONS {
            let as_path = AsPath::sequence(vec![Asn(3_000 + session), neighbor, origin_as]);
            let attributes = Arc::new(PathAttributes { as_path, ..PathAttributes::default() });
            let announced = Nlris::from([Nlri { prefix, path_id: 0 }]);
            let (vantage, seen) = (VantageId(session), Timestamp::from_secs(0));
            tell(&mut engine, Event::Seed(Update { vantage, seen, withdrawn: Nlris::new(), announced, attributes }));
        }
    }
    tell(&mut engine, Event::SeedDone { as_of: Timestamp::from_secs(0) });
    engine
}
