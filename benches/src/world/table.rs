//! Who has which routes at the start?

use rules::bgp::Timestamp;

use super::World;
use super::stream::{Said, What};
use super::topology::{As, Path};

impl World {
    /// The routes of one prefix, as a dump lists them.
    pub fn routes_of(&self, place: u32, sessions: impl Iterator<Item = u32>) -> impl Iterator<Item = (u32, Path)> {
        sessions.filter(move |s| self.carries(*s, place)).map(move |s| (s, self.path(s, place)))
    }

    /// The table of one session, packed into updates as a router does: what shares a path comes together.
    pub fn table_of(&self, session: u32, at: Timestamp) -> impl Iterator<Item = Said> {
        (0..self.plan.ases as As).flat_map(move |holder| {
            let mut groups: Vec<(Path, Vec<u32>)> = Vec::new();
            for place in self.space.of(holder).iter().filter(|place| self.carries(session, **place)) {
                let path = self.path(session, *place);
                match groups.iter_mut().find(|(known, _)| *known == path) {
                    Some((_, places)) => places.push(*place),
                    None => groups.push((path, vec![*place])),
                }
            }
            groups.into_iter().flat_map(move |(path, places)| self.packed(session, at, path, &places))
        })
    }

    fn packed(&self, session: u32, at: Timestamp, path: Path, places: &[u32]) -> Vec<Said> {
        let update = |chunk: &[u32]| Said {
            session,
            at,
            what: What::Update {
                withdrawn: Vec::new(),
                announced: chunk.iter().map(|place| self.space.prefixes[*place as usize].prefix).collect(),
                path: path.clone(),
            },
        };
        places.chunks(PREFIXES_AN_UPDATE).map(update).collect()
    }
}

/// So that every update stays below 4,096 octets.
pub const PREFIXES_AN_UPDATE: usize = 100;
