//! Every bound, with its arithmetic. Reaching one is counted and visible.

/// Events of one batch: at the 4,000 UPDATE/s of all of RIS Live this is 64 ms of traffic, and a batch never waits to fill.
pub const BATCH_EVENTS: usize = 256;
/// Events whose memory is touched together before they are worked off: sixteen have some fifty places, about as many as a core waits for
/// at once.
pub const LOOK_AHEAD: usize = 16;
/// Routes of a shard from which rows of routes and what is held are touched as well: less lies in the caches anyway.
pub const NEAR_ROUTES: usize = 500_000;
/// Batches that may wait for a shard: 64 x 256 = 16,384 updates, about four seconds of RIS Live.
pub const SHARD_QUEUE_BATCHES: usize = 64;
/// Sightings a shard hands over at once: about 128 KiB.
pub const SIGHTINGS_PER_CHUNK: usize = 1_024;
/// Chunks that may wait at the desk for one shard: 64 x 1,024 sightings, about 8 MiB.
pub const DESK_QUEUE_CHUNKS: usize = 64;

/// Prefixes named in one alert; the count beside them is exact. 1,000 x 45 bytes = 45 KB of the 256 KiB.
pub const ALERT_PREFIXES: usize = 1_000;
/// Prefixes described in one alert: 100 x about 700 bytes = 70 KB.
pub const ALERT_DETAILS: usize = 100;
/// ASes of one list of an alert.
pub const ALERT_ASES: usize = 256;
pub const ALERT_SUSPECTS: usize = 64;
pub const ALERT_COLLECTORS: usize = 64;
pub const ALERT_CONSTITUENTS: usize = 64;
/// 16 x at most 2,048 bytes of path = 32 KB.
pub const ALERT_SAMPLE_PATHS: usize = 16;
pub const ALERT_EVIDENCE: usize = 32;
pub const ALERT_EPISODES: usize = 32;
pub const ALERT_RELATED: usize = 16;
pub const ALERT_SEGMENTS: usize = 16;
pub const ALERT_GAPS: usize = 8;
pub const ALERT_COVERING: usize = 32;
/// Bytes of an AS path in an alert.
pub const PATH_TEXT: usize = 2_048;
/// Characters of any other text in an alert.
pub const TEXT: usize = 256;
pub const TITLE: usize = 200;
/// A whole alert as JSON.
pub const ALERT_BYTES: usize = 256 * 1_024;

/// Origins remembered for one prefix; a prefix with more is an experiment. 8 x 16 bytes.
pub const ORIGINS_PER_PREFIX: usize = 8;
/// Vantage points of one process: all of RIS and RouteViews have about 3,000 sessions.
pub const VANTAGE_POINTS: usize = 65_536;
/// Prefixes that are listed for a session, so that the end of a small one is cheap: 4 octets each, 12 MB a shard for 3,000 sessions
/// that all just fit.
pub const PLACES_OF_A_SESSION: usize = 1_024;
/// ASes in a path that is believed: the longest seen in the wild are a few hundred.
pub const PATH_ASES: usize = 1_000;
/// Offences held at the desk: three times the largest event known (417,038 prefixes), about 400 bytes each.
pub const OFFENCES: usize = 1_500_000;
/// Offences in a checkpoint: 200,000 x 2 KB = 400 MB of text that compresses to a tenth, and is never whole in memory.
/// What is left out is found again when its routes come back.
pub const CHECKPOINT_OFFENCES: usize = 200_000;
/// Offences written down with each alert of a story: 1,000 x 2 KB = 2 MB. The rest comes with the next checkpoint.
pub const CHAPTER_MEMBERS: usize = 1_000;
/// Routes that allow rules keep aside: 200,000 x about 700 bytes = 140 MB. Above it they are still not told, but the end of
/// their rule brings back only those that come again.
pub const ALLOWED_ROUTES: usize = 200_000;
/// Watched networks: the members of a national CSIRT, with room.
pub const CONSTITUENTS: usize = 20_000;
/// Watched prefixes of all of them: a place, a resource, their lists and a node of the tree, 2,000,000 x about 250 bytes = 500 MB.
pub const WATCHED_PREFIXES: usize = 2_000_000;
/// Allow rules; those that name no prefix are asked one after the other.
pub const ALLOW_RULES: usize = 10_000;
/// Incidents held at the desk, open or within the re-open window.
pub const INCIDENTS: usize = 100_000;

/// Routes of one incident that are written down as they come and go: 3,000 vantage points, each with a dozen announcements. About
/// 300 bytes each, 15 MB. The rest is counted.
pub const INCIDENT_ROUTES: usize = 50_000;
/// Routes of one offence that came and went before it was told of, and in all: 200,000 x about 150 bytes = 30 MB. The oldest go.
pub const UNTOLD_ROUTES_EACH: usize = 64;
pub const UNTOLD_ROUTES: usize = 200_000;

/// An origin that stood this long without suspicion is normal (S: an hour outlives every convergence and most slips).
pub const STABLE_SECS: i64 = 3_600;
/// Without a dump or a store the detector learns for this long: a day brings most prefixes by at least once.
pub const LEARNING_SECS: i64 = 86_400;
/// A story takes new members for this long after its last one.
pub const STORY_GAIN_SECS: i64 = 6 * 3_600;
/// Routes that a session may say at once, twice the whole table of both families (2 x 1.3 million), and an hour, 1,000 a second: all
/// sessions of RIS together say 4,000. What goes beyond is a flood; the largest known was 33,900 a second for a day, which is one
/// after 91 seconds. The busiest of the recorded sessions says 577,737 in 37 seconds: its table.
pub const FLOOD_ROUTES: i64 = 3_000_000;
pub const FLOOD_ROUTES_AN_HOUR: i64 = 3_600_000;
/// Times that a session may go down at once, and an hour.
pub const RESETS: i64 = 12;
pub const RESETS_AN_HOUR: i64 = 6;
/// Routes of one message that cover half of all addresses or more, and cannot be meant: a default route may come in two halves.
pub const VAST_ROUTES: usize = 3;
/// More-specifics that one session alone shows within [`MASS_SECS`], after which it is no witness by itself. Fewer than
/// [`INTERNAL_PREFIXES`], which make an incident where two peer ASes see them.
pub const LONE_PREFIXES: usize = 40;
/// Unrelated holders among them: who has fewer may be under attack.
pub const LONE_VICTIMS: usize = 10;
/// How long a lone witness is one, after the last time.
pub const LONE_SECS: i64 = 6 * 3_600;
/// Longest wait for a network that moves from session to session to come to rest (S 6.3: a hand-over takes up to five minutes).
pub const SETTLE_SECS: i64 = 300;
/// Withdrawals of one prefix within this time are one loss; what was lost before is how things are.
pub const LOSS_SECS: i64 = 3_600;
/// A ROA that ends by itself is told this long before: certificate authorities renew a month ahead, so by then nobody did.
pub const ROA_EXPIRING_SECS: i64 = 14 * 86_400;
/// VRPs whose end is known and near: a tenth of today's million, 100,000 x about 80 bytes = 8 MB. Those that end first stay.
pub const ROA_ENDS: usize = 100_000;
/// Lost routes of watched prefixes that are remembered: 2,500 prefixes gone at 400 peers, about 150 bytes each, 150 MB.
pub const LOST_ROUTES: usize = 1_000_000;
/// Watched networks that a peer AS has in parts, in each shard: 250 networks at 400 peers, about 500 bytes each, 50 MB; half as much
/// again where each has one peer.
pub const NETWORKS_IN_PARTS: usize = 100_000;
/// Prefixes inside a network that are looked at to find it whole: at 50 routes each about 50 microseconds.
pub const PARTS_OF_A_WHOLE: usize = 1_024;
/// Quiet time before `resolved`.
pub const RESOLVE_SECS: i64 = 60;
/// Longest wait for a lost vantage point before its routes count as out of sight.
pub const LOST_SIGHT_SECS: i64 = 3_600;
/// What was seen this long before a checkpoint was judged by then: a feed may lag, and an incident is told to be over
/// [`RESOLVE_SECS`] after its end.
pub const LAG_SECS: i64 = RESOLVE_SECS;
/// A session that is back has sent its table after this long, should no End-of-RIB come.
pub const TABLE_TRANSFER_SECS: i64 = 600;
/// Least time between two `updated` that only refresh counts.
pub const UPDATE_SECS: i64 = 60;
/// Window in which victims and prefixes of one AS count as one mass event.
pub const MASS_SECS: i64 = 600;
/// Unrelated victims in that window that make a re-origination (RFC 7908 type 5).
pub const REORIGINATION_VICTIMS: usize = 20;
/// New more-specifics of its own space in that window that make a leak of internal routes (type 6).
pub const INTERNAL_PREFIXES: usize = 50;
/// Prefixes that a leak must have, if relations alone show it.
pub const VALLEY_PREFIXES: usize = 5;
/// Such a leak to or from a lateral peer, where relations are wrong most often, is low if it has fewer.
pub const VALLEY_LARGE: usize = 20;
/// So many prefixes make a leak large enough to be grave by itself (S 5.6).
pub const LEAK_LARGE: usize = 500;
/// Prefixes that a companion squat must have.
pub const SQUAT_COMPANIONS: usize = 5;
/// An incident this old became normal.
pub const NORMAL_AFTER_SECS: i64 = 30 * 86_400;
/// Prefixes that make a high incident critical.
pub const PREFIXES_CRITICAL: usize = 50;
/// Routes of short prefixes held: every session of [`VANTAGE_POINTS`] may send one default route per family.
pub const SHORT_PREFIX_ROUTES: usize = 2 * VANTAGE_POINTS;
/// Victims of one story whose times are kept: enough to tell a re-origination apart, few enough to compare all pairs.
pub const MASS_VICTIMS: usize = 4 * REORIGINATION_VICTIMS;
/// Links of one path that may be made up: a path has a handful of ASes, and each costs a finding.
pub const STRANGERS: usize = 8;
/// Paths whose proofs are remembered, per shard: some 400 bytes of an ordinary one, 400 kB; 3 kB of one of [`ASES_PROVEN`], 3 MB.
pub const PATHS_PROVEN: usize = 1_024;
/// ASes of a path whose proofs are remembered: nearly all have no more than 16.
pub const ASES_PROVEN: usize = 64;
/// Paths kept although no route carries them, per shard: about 52 bytes each, 3.4 MB.
pub const IDLE_PATHS: usize = 65_536;

/// Rows of three ASes kept to infer relations from: a table of all RIS and RouteViews peers shows about two million. 20 octets
/// in a table of 4 million places, 88 MB at most; a few hundred sessions stay below 10 MB. While relations are worked out,
/// another 100 MB. Past it new rows are left out and counted.
pub const RELATION_ROWS: usize = 3_600_000;
/// Paths noted lately that are not looked at twice: 128 ki names of 8 octets, 1 MB, which stays in the cache.
pub const RECENT_PATHS: usize = 1 << 17;
/// Links that Only-to-Customer marks as going to a customer, and links over route servers: the largest exchanges show some ten
/// thousand. 5 MB each.
pub const MARKED_STEPS: usize = 100_000;
/// Of so many hours each origin's updates are looked at in one.
pub const ROW_HOURS: u32 = 4;
/// An update's row counts when it is seen again after this long: no leak that is noticed lasts as long.
pub const ROW_COUNTS_HOURS: u32 = 24;
/// A row that was not seen for this long is forgotten: in a month nearly every route is announced anew.
pub const ROW_FORGOTTEN_HOURS: u32 = 30 * 24;
/// Relations are worked out anew this often.
pub const INFER_EVERY_SECS: i64 = 86_400;
/// And hold so long after what they were worked out from: the largest tables take 2 to 6 seconds, on a busy machine several
/// times that, and whoever is not done by then holds up the news.
pub const INFER_SECS: i64 = 60;
/// From fewer peer ASes nobody can tell who is on top.
pub const INFER_PEERS: usize = 10;
/// From fewer links neither.
pub const INFER_LINKS: usize = 500;
/// The best-connected ASes, among whom those without a provider are looked for.
pub const CLIQUE_CANDIDATES: usize = 50;
/// Fewer without a provider are no top.
pub const CLIQUE_LEAST: usize = 3;
/// Rounds of votes: the longest chain of customers known has a dozen links.
pub const INFER_ROUNDS: usize = 12;
/// Rows that make a relation sure if none speaks against it.
pub const SURE_VOTES: u32 = 2;
/// Of so many rows one may make a valley of a relation: there are leaks in every table.
pub const LAWFUL_ROWS: u32 = 20;
/// A file of relations that is this far from the routes is old (S 5.6: after a year it blames the wrong AS in four of ten leaks;
/// CAIDA publishes every month).
pub const RELATIONS_STALE_SECS: i64 = 90 * 86_400;

/// What memory is estimated by, see [`crate::shed`]; fitted to what `all_of_ris` of the benches had resident with 4.2 M routes of
/// 12,300 prefixes and 408,000 paths (65 MiB), 3.5 M of 123,000 and 740,000 (146), 0.7 M of 246,000 and 154,000 (157): with 10 MB for all
/// else they came out within 5 %. Rows of paths and routes have shrunk since: with 417 M routes the estimate is 15 % above what is
/// resident, so that what is shed goes early rather than late. A route: four octets in a dense row, and room to grow.
pub const ROUTE_BYTES: u64 = 5;
/// A prefix: its entry, its place in the trie and in the index, its row, its baseline, and what is known of its adjacencies.
pub const PREFIX_BYTES: u64 = 550;
/// A path: a row of 24, its ASes, a place in the index, and what growing tables leave empty.
pub const PATH_BYTES: u64 = 70;
/// A VRP, in each shard that holds it.
pub const VRP_BYTES: u64 = 100;
/// A route that came and went before its offence was told of, see [`UNTOLD_ROUTES`].
pub const PAST_ROUTE_BYTES: u64 = 150;
/// Everything else: 20 MB as the process starts, 88 MB at most of [`RELATION_ROWS`], and queues.
pub const PROCESS_BYTES: u64 = 128 << 20;
/// Peer ASes with a full table that are never shed, of each family: fewer show no share of anything.
pub const FULL_FEEDS_KEPT: usize = 3;

/// Octets that are left over where sessions are shed for a budget: nine tenths of it, so that the next minutes find room.
pub const fn shed_to(budget: u64) -> u64 {
    budget / 10 * 9
}

/// Routes after which it is counted again before more is shed: a twentieth of all. A second later it goes on.
pub const fn shed_at_once(routes: u64) -> u64 {
    routes.div_ceil(20)
}
