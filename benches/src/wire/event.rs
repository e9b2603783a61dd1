//! Without any octets: the events themselves, for measurements that decode nothing.

use std::sync::Arc;

use feeds::input::Item;
use ipnet::IpNet;
use rules::bgp::{AsPath, Nlri, PathAttributes, Timestamp, Update, VantageId};
use rules::event::Event;

use crate::world::stream::{Said, What};
use crate::world::topology::Path;
use crate::world::{START, World};

/// The sessions of a world, numbered as in it.
pub fn vantage_points(world: &World) -> impl Iterator<Item = Item> {
    let item = |(i, session): (usize, &crate::world::sessions::Session)| Item {
        time: START,
        event: Event::Vantage(VantageId(i as u32), session.point.clone()),
    };
    world.sessions.iter().enumerate().map(item)
}

pub fn item(world: &World, said: Said) -> Item {
    let (vantage, seen) = (VantageId(said.session), said.at);
    let event = match said.what {
        What::Update { withdrawn, announced, path } => {
            Event::Update(update(vantage, seen, &withdrawn, &announced, path))
        }
        What::Up => Event::PeerUp { vantage, seen },
        What::Down => Event::PeerDown { vantage, seen },
        What::EndOfRib => Event::EndOfRib { vantage, family: world.sessions[said.session as usize].family },
    };
    Item { time: seen, event }
}

/// A route of a dump.
pub fn seed(session: u32, prefix: IpNet, path: Path) -> Item {
    Item { time: START, event: Event::Seed(update(VantageId(session), START, &[], &[prefix], path)) }
}

fn update(vantage: VantageId, seen: Timestamp, withdrawn: &[IpNet], announced: &[IpNet], path: Path) -> Update {
    let nlri = |prefixes: &[IpNet]| prefixes.iter().map(|prefix| Nlri { prefix: *prefix, path_id: 0 }).collect();
    let as_path = if path.is_empty() { AsPath::default() } else { AsPath::sequence(path.into_vec()) };
    let attributes = Arc::new(PathAttributes { as_path, ..PathAttributes::default() });
    Update { vantage, seen, withdrawn: nlri(withdrawn), announced: nlri(announced), attributes }
}
