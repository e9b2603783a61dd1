//! Are whole published VRP, ASPA and relationship files read, row for row?

mod data;

use data::data;
use feeds::relations_file::read_relations;
use feeds::vrp_file::read_file;
use ipnet::IpNet;
use rules::bgp::{Asn, Timestamp};
use rules::relations::Relation;

#[test]
fn the_rpki_of_one_day_is_read_whole() {
    let Some(path) = data("rpki/rpkiclient_summary_20250720T093135Z.json.bz2") else { return };
    let file = read_file(&path.display().to_string(), None).expect("a VRP file");
    assert_eq!((file.vrps.len(), file.aspas.len()), (723_521, 100));
    assert_eq!((file.rejected_count, file.expired), (0, 0));
    assert_eq!(file.as_of, Timestamp::parse("2025-07-20T09:31:33Z"));
    assert_eq!(file.vrps.iter().filter(|vrp| vrp.asn == Asn(0)).count(), 2_419);
    assert_eq!(file.vrps.iter().filter(|vrp| vrp.max_length > vrp.prefix.prefix_len()).count(), 101_669);
    assert_eq!(file.vrps.iter().filter(|vrp| &*vrp.source == "ripe").count(), 300_988);
    assert_eq!(file.vrps.iter().filter(|vrp| matches!(vrp.prefix, IpNet::V6(_))).count() / 1_000, 143);
}

#[test]
fn aspas_that_had_expired_are_left_out() {
    let Some(path) = data("rpki/aspas_20250720T093135Z.json") else { return };
    let path = path.display().to_string();
    let all = read_file(&path, None).expect("an ASPA file");
    assert_eq!((all.aspas.len(), all.has_aspas, all.has_vrps), (100, true, false));
    assert_eq!(all.aspas[&Asn(945)], [Asn(13213), Asn(150369)]);
    let later = read_file(&path, Some(Timestamp::from_secs(1_753_070_426))).expect("an ASPA file");
    assert!(later.expired > 0 && !later.aspas.contains_key(&Asn(945)));
    assert_eq!(later.aspas.len() as u64 + later.expired, 100);
}

#[test]
fn inferred_relationships_are_read_whole() {
    let Some(path) = data("topology/problink_20190101_relat.txt.gz") else { return };
    let file = read_relations(&path.display().to_string()).expect("relationships");
    let count = |wanted| file.edges.iter().filter(|edge| edge.2 == wanted).count();
    assert_eq!(count(Relation::Customer), 98_063);
    assert_eq!(count(Relation::LateralPeer), 161_042);
    assert_eq!(count(Relation::Sibling), 2_567);
    assert_eq!(file.rejected_count, 0);
    for name in ["toposcope_asrel_201708.txt.gz", "toposcope_asrel_201806.txt.gz"] {
        let Some(path) = data(&format!("topology/{name}")) else { continue };
        let file = read_relations(&path.display().to_string()).expect("relationships");
        assert!(file.edges.len() > 250_000 && file.rejected_count == 0, "{name}: {:?}", file.rejected);
    }
}
