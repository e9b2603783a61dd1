//! What is played? Real events by their published facts, compressed in time, and slips that must stay low.
//!
//! Prefixes, AS numbers and the ends of the paths are those that were reported; the vantage points and the way to
//! them are made up.

/// Vantage points: collector, peer AS, last octet of its address in 192.0.2.0/24, and the transit it uses.
pub const PEERS: &[(&str, u32, u8, u32)] = &[
    ("rrc00", 3333, 1, 1299),
    ("rrc00", 25091, 2, 3356),
    ("rrc00", 34854, 3, 2914),
    ("rrc00", 50304, 4, 1299),
    ("rrc01", 8218, 5, 3257),
    ("rrc01", 13030, 6, 2914),
    ("rrc01", 31027, 7, 3356),
    ("rrc03", 57695, 8, 6453),
    ("rrc03", 28917, 9, 3257),
    ("rrc10", 199524, 10, 6762),
    ("rrc11", 19151, 11, 174),
    ("rrc21", 37239, 12, 6453),
];

/// One thing that a story does. `tail` is the path behind the transit of each peer.
pub struct Step {
    /// Seconds of the story.
    pub at: f64,
    pub prefix: &'static str,
    /// None withdraws.
    pub tail: Option<&'static str>,
    /// How many of the peers, from the first, see it.
    pub peers: usize,
}

pub struct Story {
    pub title: &'static str,
    /// What was there before: prefix and path behind the transit.
    pub before: &'static [(&'static str, &'static str)],
    pub steps: &'static [Step],
}

const fn says(at: f64, prefix: &'static str, tail: &'static str, peers: usize) -> Step {
    Step { at, prefix, tail: Some(tail), peers }
}

const fn takes_back(at: f64, prefix: &'static str, peers: usize) -> Step {
    Step { at, prefix, tail: None, peers }
}

pub const STORIES: &[Story] = &[
    Story {
        title: "2008-02-24: Pakistan Telecom (AS17557) announces a part of YouTube (AS36561)",
        before: &[("208.65.152.0/22", "36561")],
        steps: &[
            says(2.0, "208.65.153.0/24", "3491 17557", 3),
            says(4.0, "208.65.153.0/24", "3491 17557", 12),
            // YouTube answers with the same prefix, then with halves of it.
            says(45.0, "208.65.153.0/24", "36561", 5),
            says(55.0, "208.65.153.0/25", "36561", 12),
            says(55.5, "208.65.153.128/25", "36561", 12),
            says(95.0, "208.65.153.0/24", "36561", 12),
        ],
    },
    Story {
        title: "2019-05-08: AS268869 announces Quad101 (AS131621) for three minutes",
        before: &[("101.101.101.0/24", "131621")],
        steps: &[
            says(6.0, "101.101.101.0/24", "28329 3549 4230 4230 4230 4230 268869", 4),
            says(42.0, "101.101.101.0/24", "131621", 4),
        ],
    },
    Story {
        title: "2024-06-27: AS267613 announces 1.1.1.1/32, and somebody takes it",
        before: &[("1.1.1.0/24", "13335")],
        steps: &[says(10.0, "1.1.1.1/32", "1031 267613", 7), takes_back(100.0, "1.1.1.1/32", 7)],
    },
    Story {
        title: "2026-01-02: CANTV (AS8048) gives routes of one provider (AS6762) to another (AS52320)",
        before: &[
            ("200.74.224.0/24", "6762 21980"),
            ("200.74.226.0/24", "6762 21980"),
            ("200.74.228.0/23", "6762 21980"),
            ("200.74.230.0/23", "6762 21980"),
            ("200.74.232.0/23", "6762 21980"),
            ("200.74.234.0/23", "6762 21980"),
            ("200.74.236.0/23", "6762 21980"),
            ("200.74.238.0/23", "6762 21980"),
        ],
        steps: &[
            says(14.0, "200.74.224.0/24", LEAKED, 6),
            says(14.1, "200.74.226.0/24", LEAKED, 6),
            says(14.2, "200.74.228.0/23", LEAKED, 6),
            says(14.3, "200.74.230.0/23", LEAKED, 6),
            says(14.4, "200.74.232.0/23", LEAKED, 6),
            says(14.5, "200.74.234.0/23", LEAKED, 6),
            says(14.6, "200.74.236.0/23", LEAKED, 6),
            says(14.7, "200.74.238.0/23", LEAKED, 6),
        ],
    },
    Story {
        title: "2017-12-16: AS136372 prepends with a 8 that was meant as a count (must stay low)",
        before: &[("103.81.139.0/24", "55352 136372")],
        steps: &[says(18.0, "103.81.139.0/24", "55352 136372 8", 5)],
    },
    Story {
        title: "a second origin that a ROA allows (must stay silent)",
        before: &[("198.41.214.0/24", "13335")],
        steps: &[says(20.0, "198.41.214.0/24", "209242", 8)],
    },
    Story {
        title: "siblings announce each other's prefix (must stay silent)",
        before: &[("205.168.0.0/14", "3549")],
        steps: &[says(22.0, "205.168.0.0/14", "3356", 6)],
    },
];

const LEAKED: &str = "52320 8048 8048 8048 8048 8048 8048 8048 8048 8048 8048 6762 21980";

/// VRPs: prefix, longest announcement, AS. As they were, or as the story says.
pub const VRPS: &[(&str, u8, u32)] =
    &[("1.1.1.0/24", 24, 13335), ("198.41.214.0/24", 24, 13335), ("198.41.214.0/24", 24, 209242)];

/// Who sells to whom: provider, customer.
pub const RELATIONS: &[(u32, u32)] = &[
    (6762, 8048),
    (52320, 8048),
    (6762, 21980),
    (1299, 52320),
    (3356, 52320),
    (2914, 52320),
    (3257, 52320),
    (6453, 52320),
    (174, 52320),
];

/// What ASes are called, and the organisation of each: two of one are siblings.
pub const NAMES: &[(u32, &str, &str)] = &[
    (3356, "Lumen", "lumen"),
    (3549, "Lumen (Global Crossing)", "lumen"),
    (17557, "Pakistan Telecom", "ptcl"),
    (36561, "YouTube", "youtube"),
    (3491, "PCCW", "pccw"),
    (131621, "Quad101", "twnic"),
    (13335, "Cloudflare", "cloudflare"),
    (8048, "CANTV", "cantv"),
    (6762, "Sparkle", "sparkle"),
    (52320, "GlobeNet", "globenet"),
];
