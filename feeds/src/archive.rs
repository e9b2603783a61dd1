//! Which files of a public archive say what a collector held, and what it heard since?
//!
//! Pure: names and times only. RIS (`https://data.ris.ripe.net`) and RouteViews (`https://archive.routeviews.org`) keep
//! dumps and updates files under names that follow from the clock, in UTC:
//!
//! ```text
//! RIS         rrc00/2026.03/bview.20260301.0800.gz            every 8 h    rrc00/2026.03/updates.20260301.0805.gz  5 min
//! RouteViews  NAME/bgpdata/2026.03/RIBS/rib.20260301.0800.bz2 every 2 h    …/UPDATES/updates.20260301.0815.bz2    15 min
//! ```
//! [`download`] reads one of them.

pub mod download;

use std::fmt;
use std::sync::Arc;

use rules::bgp::Timestamp;

use crate::shown::without_secrets;

/// Who keeps the files, and so how they are named.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Keeper {
    Ris,
    RouteViews,
}

impl Keeper {
    pub fn url(self) -> &'static str {
        match self {
            Self::Ris => "https://data.ris.ripe.net",
            Self::RouteViews => "https://archive.routeviews.org",
        }
    }

    fn dump_secs(self) -> i64 {
        match self {
            Self::Ris => 8 * 3_600,
            Self::RouteViews => 2 * 3_600,
        }
    }

    fn updates_secs(self) -> i64 {
        match self {
            Self::Ris => 300,
            Self::RouteViews => 900,
        }
    }

    /// From the end of what a file holds until it is first worth asking for. Both are mostly there within 5 minutes.
    fn delay_secs(self) -> i64 {
        match self {
            Self::Ris => 120,
            Self::RouteViews => 300,
        }
    }
}

/// Collectors of RIS that were active in 2026: 02, 08, 09 are retired, 17 never was.
pub const RIS_COLLECTORS: [&str; 23] = [
    "rrc00", "rrc01", "rrc03", "rrc04", "rrc05", "rrc06", "rrc07", "rrc10", "rrc11", "rrc12", "rrc13", "rrc14",
    "rrc15", "rrc16", "rrc18", "rrc19", "rrc20", "rrc21", "rrc22", "rrc23", "rrc24", "rrc25", "rrc26",
];

/// A collector whose files are kept somewhere.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Collector {
    /// As its vantage points name it.
    pub name: Arc<str>,
    pub keeper: Keeper,
}

impl Collector {
    /// From `rrcNN`, with or without `.ripe.net`, or a name of RouteViews as its folders or its topics have it: topics
    /// leave `route-views.` out before the name of a place, folders such as `amsix.ams` never had it.
    pub fn parse(name: &str) -> Option<Self> {
        let name = name.strip_suffix(".ripe.net").unwrap_or(name);
        let is_word = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-' || c == b'.';
        if name.is_empty() || name.len() > 64 || !name.bytes().all(is_word) || name.split('.').any(str::is_empty) {
            return None;
        }
        if let Some(number) = name.strip_prefix("rrc") {
            let is_number = number.len() == 2 && number.bytes().all(|c| c.is_ascii_digit());
            return is_number.then(|| Self { name: name.into(), keeper: Keeper::Ris });
        }
        let has_folder = name.starts_with("route-views") || name.contains('.');
        let name = if has_folder { name.into() } else { format!("route-views.{name}").into() };
        Some(Self { name, keeper: Keeper::RouteViews })
    }

    /// The dumps that may be the latest at `at`, newest first: the first one may not be published yet.
    pub fn dumps(&self, base: &str, at: Timestamp, count: usize) -> Vec<File> {
        let every = self.keeper.dump_secs();
        let newest = at.secs().div_euclid(every) * every;
        let dump = |i: usize| {
            let from = Timestamp::from_secs(newest - every * i as i64);
            File { url: self.url(base, Content::Dump, from), content: Content::Dump, from, to: from, due: from }
        };
        (0..count).map(dump).collect()
    }

    /// The updates file in which `at` lies.
    pub fn updates(&self, base: &str, at: Timestamp) -> File {
        let every = self.keeper.updates_secs();
        let from = Timestamp::from_secs(at.secs().div_euclid(every) * every);
        let to = from.plus_secs(every);
        let due = to.plus_secs(self.keeper.delay_secs());
        File { url: self.url(base, Content::Updates, from), content: Content::Updates, from, to, due }
    }

    /// Every updates file that holds a part of `from` (included) to `to` (left out), oldest first.
    pub fn updates_between(&self, base: &str, from: Timestamp, to: Timestamp) -> impl Iterator<Item = File> {
        let first = (from < to).then(|| self.updates(base, from));
        std::iter::successors(first, move |file| (file.to < to).then(|| self.updates(base, file.to)))
    }

    fn url(&self, base: &str, content: Content, at: Timestamp) -> String {
        let base = base.trim_end_matches('/');
        let compact = at.compact();
        let (day, clock) = (&compact[..8], &compact[9..13]);
        let month = format!("{}.{}", &day[..4], &day[4..6]);
        match (self.keeper, content) {
            (Keeper::Ris, Content::Dump) => format!("{base}/{}/{month}/bview.{day}.{clock}.gz", self.name),
            (Keeper::Ris, Content::Updates) => format!("{base}/{}/{month}/updates.{day}.{clock}.gz", self.name),
            (Keeper::RouteViews, Content::Dump) => {
                format!("{base}{}/bgpdata/{month}/RIBS/rib.{day}.{clock}.bz2", self.folder())
            }
            (Keeper::RouteViews, Content::Updates) => {
                format!("{base}{}/bgpdata/{month}/UPDATES/updates.{day}.{clock}.bz2", self.folder())
            }
        }
    }

    /// The oldest collector of RouteViews has no folder of its own.
    fn folder(&self) -> String {
        if &*self.name == "route-views2" { String::new() } else { format!("/{}", self.name) }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Content {
    Dump,
    Updates,
}

/// One file of an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    pub url: String,
    pub content: Content,
    /// What it holds begins here.
    pub from: Timestamp,
    /// And ends before this; a dump is a moment.
    pub to: Timestamp,
    /// Not worth asking for before this.
    pub due: Timestamp,
}

/// Its URL, without the password that an archive of one's own may need.
impl fmt::Display for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&without_secrets(&self.url))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).expect("a time")
    }

    fn collector(name: &str) -> Collector {
        Collector::parse(name).expect("a collector")
    }

    #[test]
    fn a_file_is_told_without_the_password_of_its_archive() {
        let file = collector("rrc00").updates("https://me:hunter2@a.example.net", at("2026-03-01T08:01:00Z"));
        assert!(file.url.contains("hunter2"));
        assert_eq!(file.to_string(), "https://a.example.net/rrc00/2026.03/updates.20260301.0800.gz");
    }

    #[test]
    fn names_of_collectors_are_those_of_folders_topics_and_frames() {
        for (given, name, keeper) in [
            ("rrc00", "rrc00", Keeper::Ris),
            ("rrc25.ripe.net", "rrc25", Keeper::Ris),
            ("route-views2", "route-views2", Keeper::RouteViews),
            ("route-views.amsix", "route-views.amsix", Keeper::RouteViews),
            ("linx", "route-views.linx", Keeper::RouteViews),
            ("amsix.ams", "amsix.ams", Keeper::RouteViews),
        ] {
            assert_eq!(Collector::parse(given), Some(Collector { name: name.into(), keeper }), "{given}");
        }
        for given in ["", "rrc0", "rrc000", "rrcxx", "../etc", "a..b", "a/b", "RRC00", "x?y", &"a".repeat(65)] {
            assert_eq!(Collector::parse(given), None, "{given}");
        }
        assert!(RIS_COLLECTORS.iter().all(|name| Collector::parse(name).is_some()));
    }

    #[test]
    fn the_newest_dump_comes_first_and_older_ones_follow_across_a_year() {
        for (name, moment, expected) in [
            (
                "rrc00",
                "2026-03-01T09:00:00Z",
                ["rrc00/2026.03/bview.20260301.0800.gz", "rrc00/2026.03/bview.20260301.0000.gz"],
            ),
            (
                "rrc00",
                "2026-03-01T08:00:00Z",
                ["rrc00/2026.03/bview.20260301.0800.gz", "rrc00/2026.03/bview.20260301.0000.gz"],
            ),
            (
                "rrc01",
                "2026-03-01T07:59:59Z",
                ["rrc01/2026.03/bview.20260301.0000.gz", "rrc01/2026.02/bview.20260228.1600.gz"],
            ),
            (
                "rrc26",
                "2027-01-01T00:10:00Z",
                ["rrc26/2027.01/bview.20270101.0000.gz", "rrc26/2026.12/bview.20261231.1600.gz"],
            ),
            (
                "route-views2",
                "2024-03-01T01:00:00Z",
                ["bgpdata/2024.03/RIBS/rib.20240301.0000.bz2", "bgpdata/2024.02/RIBS/rib.20240229.2200.bz2"],
            ),
            (
                "linx",
                "2027-01-01T00:10:00Z",
                [
                    "route-views.linx/bgpdata/2027.01/RIBS/rib.20270101.0000.bz2",
                    "route-views.linx/bgpdata/2026.12/RIBS/rib.20261231.2200.bz2",
                ],
            ),
        ] {
            let collector = collector(name);
            let base = collector.keeper.url();
            let urls: Vec<_> = collector.dumps(base, at(moment), 2).into_iter().map(|file| file.url).collect();
            assert_eq!(urls, expected.map(|path| format!("{base}/{path}")), "{name} {moment}");
        }
    }

    #[test]
    fn updates_files_close_every_gap_without_a_hole_across_months_and_years() {
        for (name, from, to, expected) in [
            (
                "rrc00",
                "2026-12-31T23:54:59Z",
                "2027-01-01T00:00:01Z",
                vec!["updates.20261231.2350.gz", "updates.20261231.2355.gz", "updates.20270101.0000.gz"],
            ),
            ("rrc00", "2026-03-01T08:00:00Z", "2026-03-01T08:05:00Z", vec!["updates.20260301.0800.gz"]),
            ("rrc00", "2026-03-01T08:00:00Z", "2026-03-01T08:00:00Z", vec![]),
            ("rrc00", "2026-03-01T08:01:00Z", "2026-03-01T08:00:00Z", vec![]),
            (
                "route-views3",
                "2026-02-28T23:50:00Z",
                "2026-03-01T00:15:00Z",
                vec!["updates.20260228.2345.bz2", "updates.20260301.0000.bz2"],
            ),
        ] {
            let collector = collector(name);
            let files: Vec<File> = collector.updates_between("http://a/", at(from), at(to)).collect();
            let names: Vec<_> = files.iter().map(|f| f.url.rsplit('/').next().unwrap_or_default()).collect();
            assert_eq!(names, expected, "{name} {from}");
            assert!(files.windows(2).all(|pair| pair[0].to == pair[1].from));
            assert!(files.first().is_none_or(|f| f.from <= at(from)) && files.last().is_none_or(|f| f.to >= at(to)));
        }
    }

    #[test]
    fn a_file_is_due_some_minutes_after_its_end() {
        let file = collector("rrc00").updates("http://a", at("2026-03-01T08:03:00Z"));
        assert_eq!((file.to, file.due), (at("2026-03-01T08:05:00Z"), at("2026-03-01T08:07:00Z")));
        assert_eq!(file.url, "http://a/rrc00/2026.03/updates.20260301.0800.gz");
        let file = collector("route-views2").updates("http://a", at("2026-03-01T08:03:00Z"));
        assert_eq!(file.due, at("2026-03-01T08:20:00Z"));
        assert_eq!(file.url, "http://a/bgpdata/2026.03/UPDATES/updates.20260301.0800.bz2");
    }
}
