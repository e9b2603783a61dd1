use proptest::prelude::*;

use super::*;

const BEFORE: SoFar = SoFar { history_is_shed: false, is_under_way: false };
const SESSIONS: SoFar = SoFar { history_is_shed: true, ..BEFORE };

/// AS, prefixes of each family, believed.
fn tables(rows: &[(u32, u64, u64, bool)]) -> Vec<Table> {
    let table = |(i, row): (usize, &(u32, u64, u64, bool))| {
        let (peer_as, v4, v6, is_believed) = *row;
        Table { vantage: VantageId(i as u32), peer_as: Asn(peer_as), prefixes: [v4, v6], is_believed }
    };
    rows.iter().enumerate().map(table).collect()
}

fn counts(tables: &[Table]) -> Counts {
    let routes = tables.iter().map(Table::routes).sum();
    Counts { routes, paths: routes / 10, ..Counts::default() }
}

/// What goes, round by round, so that no more than so many of these routes are left, at most nine tenths of them; a thousandfold, so
/// that what does not depend on them is next to nothing.
fn shed(rows: &[(u32, u64, u64, bool)], routes: u64) -> Vec<(u32, Worth)> {
    let rows: Vec<_> =
        rows.iter().map(|(asn, v4, v6, is_believed)| (*asn, v4 * 1_000, v6 * 1_000, *is_believed)).collect();
    let mut tables = tables(&rows);
    let held = counts(&tables);
    let budget = (held.estimate() - held.of_routes(held.routes - routes * 1_000)) / 9 * 10;
    let (mut gone, mut so_far) = (Vec::new(), SESSIONS);
    loop {
        let decision = decide(&counts(&tables), &tables, so_far, budget);
        so_far.note(&decision);
        let Decision::Shed(shed) = decision else { return gone };
        tables
            .iter_mut()
            .filter(|t| shed.sessions.iter().any(|(v, _)| *v == t.vantage))
            .for_each(|t| t.prefixes = [0, 0]);
        gone.extend(shed.sessions.into_iter().map(|(vantage, worth)| (vantage.0, worth)));
    }
}

#[test]
fn one_that_floods_takes_no_other_with_it() {
    let rows =
        [(64496, 900_000, 0, true), (64497, 900_000, 0, true), (64498, 900_000, 0, true), (64499, 8_000, 0, true)];
    let mut tables = tables(&[&rows[..], &[(64500, 600_000, 0, true)]].concat());
    let mut held = counts(&tables);
    // All that it says is its own.
    held.prefixes = 1_500_000;
    let decision = decide(&held, &tables, SESSIONS, held.estimate() - 1);
    let Decision::Shed(shed) = decision else { panic!("{decision:?}") };
    assert_eq!(shed.sessions, [(VantageId(4), Worth::Partial)]);
    tables[4].prefixes = [0, 0];
    let after = Counts { prefixes: 900_000, ..counts(&tables) };
    let so_far = SoFar { is_under_way: true, ..SESSIONS };
    assert_eq!(decide(&after, &tables, so_far, held.estimate() - 1), Decision::Fits);
}

#[test]
fn the_session_of_the_other_family_is_a_witness_of_its_own() {
    let rows = [
        (64496, 1_000_000, 0, true),
        (64497, 1_000_000, 0, true),
        (64498, 1_000_000, 0, true),
        (64500, 500_000, 0, true),
        (64500, 0, 100_000, true),
        (64501, 400_000, 0, true),
    ];
    assert_eq!(shed(&rows, 3_400_000)[..2], [(3, Worth::Partial), (5, Worth::Partial)]);
}

#[test]
fn what_fits_stays_and_history_goes_before_any_session() {
    let tables = tables(&[(64496, 1_000_000, 0, true)]);
    let counts = counts(&tables);
    let held = counts.estimate();
    assert_eq!(decide(&counts, &tables, BEFORE, held), Decision::Fits);
    let history = Shed { estimated: held, budget: held - 1, history: true, sessions: Vec::new() };
    assert_eq!(decide(&counts, &tables, BEFORE, held - 1), Decision::Shed(history));
    assert_eq!(decide(&counts, &tables, SESSIONS, held - 1), Decision::NothingLeft, "the last full feed");
}

#[test]
fn sessions_that_are_set_aside_go_first_and_the_largest_part_of_a_table_before_smaller_ones() {
    let full = |asn| (asn, 1_000_000, 0, true);
    let rows = [
        full(64496),
        full(64497),
        full(64498),
        full(64499),
        (64500, 900_000, 0, false),
        (64501, 300_000, 0, true),
        (64502, 700_000, 0, true),
    ];
    assert_eq!(shed(&rows, 5_200_000), [(4, Worth::SetAside)]);
    assert_eq!(shed(&rows, 4_400_000), [(4, Worth::SetAside), (6, Worth::Partial)]);
    let all_parts = [(4, Worth::SetAside), (6, Worth::Partial), (5, Worth::Partial)];
    assert_eq!(shed(&rows, 4_000_001), all_parts);
    let with_full = [&all_parts[..], &[(3, Worth::FullFeed)]].concat();
    assert_eq!(shed(&rows, 3_000_001), with_full, "the one that came last");
    assert_eq!(shed(&rows, 0), with_full, "three stay, whatever it takes");
}

#[test]
fn a_session_whose_as_is_heard_over_another_one_goes_before_one_that_is_alone() {
    let rows = [
        (64496, 1_000_000, 0, true),
        (64497, 1_000_000, 0, true),
        (64498, 1_000_000, 0, true),
        (64496, 1_000_000, 0, true),
        (64500, 500_000, 0, true),
        (64501, 100_000, 0, true),
        (64496, 200_000, 0, true),
    ];
    let parts = [(6, Worth::Partial), (4, Worth::Partial), (5, Worth::Partial)];
    assert_eq!(shed(&rows, 4_000_001), parts);
    assert_eq!(shed(&rows, 3_100_000), [&parts[..], &[(3, Worth::FullFeed)]].concat(), "its AS stays");
    assert_eq!(shed(&rows, 0), [&parts[..], &[(3, Worth::FullFeed)]].concat());
}

#[test]
fn a_full_table_of_one_family_is_worth_as_much_as_one_of_both() {
    let rows = [
        (64496, 1_000_000, 200_000, true),
        (64497, 1_000_000, 200_000, true),
        (64498, 1_000_000, 0, true),
        (64499, 0, 200_000, true),
        (64500, 900_000, 100_000, true),
    ];
    // The last one is full in the larger family, and of the smaller one there are three beside it.
    assert_eq!(shed(&rows, 0), [(4, Worth::FullFeed)]);
}

#[test]
fn one_full_feed_among_the_members_of_an_exchange_is_the_last_to_go() {
    let rows = [(64496, 1_000_000, 0, true), (64497, 9_000, 0, true), (64498, 8_000, 0, true), (64499, 7_000, 0, true)];
    assert_eq!(shed(&rows, 0), [(1, Worth::Partial), (2, Worth::Partial), (3, Worth::Partial)]);
}

#[test]
fn once_sessions_go_they_go_until_nine_tenths_and_then_only_what_is_too_much_goes_again() {
    let rows: Vec<_> = (0..10).map(|i| (64496 + i, if i < 3 { 100_000_000 } else { 10_000_000 }, 0, true)).collect();
    let all = tables(&rows);
    let held = |routes: u64| Counts { routes, ..Counts::default() };
    let budget = held(370_000_000).estimate() - 1;
    let mut so_far = BEFORE;
    let mut say = |routes: u64| {
        let decision = decide(&held(routes), &all, so_far, budget);
        so_far.note(&decision);
        match decision {
            Decision::Shed(shed) if shed.history => "history",
            Decision::Shed(_) => "sessions",
            Decision::Fits => "fits",
            Decision::NothingLeft => "nothing left",
        }
    };
    // After history, what fits fits; after sessions it has to be nine tenths.
    let said = [370, 369, 370, 360, 350, 310, 360, 371].map(|millions| say(millions * 1_000_000));
    assert_eq!(said, ["history", "fits", "sessions", "sessions", "sessions", "fits", "fits", "sessions"]);
}

fn some_tables() -> impl Strategy<Value = Vec<Table>> {
    let size = prop_oneof![3 => Just(1_000_000u64), 2 => 0u64..1_200_000, 1 => Just(0)];
    let row = (64496u32..64511, size.clone(), size, prop::bool::weighted(0.9));
    prop::collection::vec(row, 0..60).prop_map(|rows| tables(&rows))
}

proptest! {
    #[test]
    fn no_full_feed_goes_before_a_part_and_what_is_left_fits_or_is_needed(
        mut tables in some_tables(), budget in (1u64 << 26)..(1 << 30),
    ) {
        let counts = counts(&tables);
        let decision = decide(&counts, &tables, SESSIONS, budget);
        prop_assert_eq!(&decision, &decide(&counts, &tables, SESSIONS, budget));
        let Decision::Shed(shed) = decision else {
            let fits = counts.estimate() <= budget;
            prop_assert_eq!(fits, decision == Decision::Fits);
            return Ok(());
        };
        let gone: BTreeSet<VantageId> = shed.sessions.iter().map(|(v, _)| *v).collect();
        prop_assert_eq!(gone.len(), shed.sessions.len());
        let full = FullFeeds::of(&tables);
        let worth: BTreeMap<VantageId, Worth> = tables.iter().map(|t| (t.vantage, full.worth(t))).collect();
        prop_assert!(shed.sessions.iter().all(|(v, said)| worth[v] == *said));
        let has_left = |tables: &[Table], w| tables.iter().any(|t| !gone.contains(&t.vantage) && worth[&t.vantage] == w && t.routes() > 0);
        for (lesser, better) in [(Worth::SetAside, Worth::Partial), (Worth::Partial, Worth::FullFeed)] {
            let is_better_gone = shed.sessions.iter().any(|(_, w)| *w >= better);
            prop_assert!(!(is_better_gone && has_left(&tables, lesser)), "{:?} goes before {:?}", better, lesser);
        }
        for i in 0..2 {
            let ases = |kept: bool| {
                let of = tables.iter().filter(|t| t.is_believed && full.families(t).any(|f| f == i));
                of.filter(|t| !kept || !gone.contains(&t.vantage)).map(|t| t.peer_as).collect::<BTreeSet<_>>().len()
            };
            prop_assert!(ases(true) >= ases(false).min(limits::FULL_FEEDS_KEPT));
        }
        let freed: u64 = tables.iter().filter(|t| gone.contains(&t.vantage)).map(|t| counts.of_routes(t.routes())).sum();
        let left = counts.estimate() - freed;
        let routes: u64 = tables.iter().filter(|t| gone.contains(&t.vantage)).map(Table::routes).sum();
        if left >= limits::shed_to(budget) && routes < limits::shed_at_once(counts.routes) {
            // Nothing that could go was left; the measure of a full table stays the one it was made by.
            let mut again = FullFeeds::of(&tables);
            prop_assert!(tables.iter().filter(|t| gone.contains(&t.vantage)).all(|t| again.can_spare(t)));
            tables.retain(|t| !gone.contains(&t.vantage) && t.routes() > 0);
            prop_assert!(!tables.iter().any(|t| again.can_spare(t)));
        }
    }
}
