use super::*;

/// Ten sessions, three ASes on top (1 to 3), ten carriers that buy from two of them (11 to 20), and sixty networks below each.
/// Carriers meet as lateral peers; the first networks of two carriers do so too.
struct Table {
    rows: BTreeSet<Row>,
}

const CARRIERS: u32 = 10;
const EDGE: u32 = 60;

fn top(carrier: u32) -> u32 {
    1 + carrier % 3
}

fn other_top(carrier: u32) -> u32 {
    1 + (carrier + 1) % 3
}

fn network(carrier: u32, i: u32) -> u32 {
    1_000 + 100 * carrier + i
}

/// What the carriers hear: of each other over the top, and the next one's networks over the link between them.
pub fn paths() -> Vec<Vec<u32>> {
    let mut paths = Vec::new();
    for session in 11..11 + CARRIERS {
        for carrier in (11..11 + CARRIERS).filter(|c| *c != session) {
            for i in 0..EDGE {
                for above in [top(carrier), other_top(carrier)] {
                    let mut path = vec![session, top(session), above, carrier, network(carrier, i)];
                    path.dedup();
                    paths.push(path);
                }
                if carrier == session + 1 {
                    paths.push(vec![network(session, 0), session, carrier, network(carrier, i)]);
                    paths.push(vec![network(session, 1), session, carrier, network(carrier, i)]);
                }
            }
        }
    }
    paths
}

impl Table {
    fn new() -> Self {
        let mut table = Self { rows: BTreeSet::new() };
        paths().iter().for_each(|path| table.add(path));
        table
    }

    fn add(&mut self, path: &[u32]) {
        let mut receiver = 0;
        for pair in path.windows(2) {
            self.rows.insert([receiver, pair[0], pair[1]]);
            receiver = pair[0];
        }
    }

    fn infer(&self, aspas: &AspaTable) -> Option<Inferred> {
        infer(&Shown { rows: self.rows.iter().copied().collect(), ..Shown::default() }, aspas)
    }
}

fn edge(inferred: &Inferred, a: u32, b: u32) -> Option<InferredEdge> {
    inferred.edges.iter().find(|e| e.ases == (Asn(a), Asn(b))).copied()
}

#[test]
fn the_top_is_found_and_everything_below_it_follows() {
    let inferred = Table::new().infer(&AspaTable::default()).expect("enough of a table");
    assert_eq!(inferred.clique, [Asn(1), Asn(2), Asn(3)]);
    for (a, b, relation, is_sure) in [
        (1, 2, Relation::LateralPeer, true),
        (top(12), 12, Relation::Customer, true),
        (12, network(12, 5), Relation::Customer, true),
        (12, network(12, 0), Relation::Customer, true),
        // Nobody above hears of it: what is left, and a guess.
        (12, 13, Relation::LateralPeer, false),
    ] {
        let found = edge(&inferred, a, b).expect("an edge");
        assert_eq!((found.relation, found.is_sure), (relation, is_sure), "{a} {b}");
    }
}

#[test]
fn what_is_signed_outweighs_what_is_seen() {
    let mut aspas = AspaTable::default();
    aspas.insert(Asn(12), &[Asn(top(12)), Asn(13)]);
    aspas.insert(Asn(network(12, 5)), &[Asn(0)]);
    let inferred = Table::new().infer(&aspas).expect("enough of a table");
    let bought = edge(&inferred, 12, 13).expect("an edge");
    assert_eq!((bought.relation, bought.is_signed), (Relation::Provider, true));
    let denied = edge(&inferred, 12, network(12, 5)).expect("an edge");
    assert_ne!(denied.relation, Relation::Customer, "it signed that it buys from nobody");
}

#[test]
fn from_a_handful_of_paths_nothing_is_inferred() {
    let mut small = Table { rows: BTreeSet::new() };
    small.add(&[11, 1, 12, 1_200]);
    assert_eq!(small.infer(&AspaTable::default()), None);
    assert_eq!(infer(&Shown::default(), &AspaTable::default()), None);
}

#[test]
fn what_both_said_of_themselves_outweighs_what_is_seen() {
    let table = Table::new();
    let mut shown = Shown { rows: table.rows.iter().copied().collect(), ..Shown::default() };
    shown.roles.insert((Asn(12), Asn(13)), Relation::Provider);
    let inferred = infer(&shown, &AspaTable::default()).expect("enough of a table");
    let agreed = edge(&inferred, 12, 13).expect("an edge");
    assert_eq!((agreed.relation, agreed.is_sure), (Relation::Provider, true));
}

#[test]
fn who_meets_over_a_route_server_is_a_lateral_peer() {
    let mut table = Table::new();
    table.add(&[network(12, 5), network(13, 7)]);
    let mut shown = Shown { rows: table.rows.iter().copied().collect(), ..Shown::default() };
    shown.over_servers.insert((Asn(network(12, 5)), Asn(network(13, 7))));
    let inferred = infer(&shown, &AspaTable::default()).expect("enough of a table");
    let met = edge(&inferred, network(12, 5), network(13, 7)).expect("an edge");
    assert_eq!((met.relation, met.is_sure), (Relation::LateralPeer, true));
}

#[test]
fn a_leak_among_many_votes_changes_no_relation_and_makes_it_unsure() {
    let mut table = Table::new();
    let before = edge(&table.infer(&AspaTable::default()).expect("enough of a table"), 12, network(12, 5));
    // A network with two providers gives the routes of one to the other.
    table.add(&[14, top(14), top(13), 13, network(12, 5)]);
    table.add(&[14, 12, network(12, 5), 13, network(13, 7)]);
    let after = edge(&table.infer(&AspaTable::default()).expect("enough of a table"), 12, network(12, 5));
    let seen = |e: Option<InferredEdge>| e.map(|e| (e.relation, e.is_sure));
    assert_eq!(seen(before), Some((Relation::Customer, true)));
    assert_eq!(seen(after), Some((Relation::Customer, false)));
}
