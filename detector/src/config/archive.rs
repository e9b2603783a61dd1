//! Where does a feed get its history from?

use super::reader::Section;
use super::{FeedKind, RIS_LIVE_URL};

/// The dumps and updates files that say what was before the feed, and what it missed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Archive {
    /// None: where the collector's files are published.
    pub base: Option<String>,
}

/// Keys `bootstrap` and `archive` of a feed. All of the public RIS Live has history unless told otherwise; of a part of
/// it, dumps of everything would be much for little.
pub fn archive(section: &mut Section<'_>, kind: &FeedKind) -> Option<Archive> {
    let base = section.text("archive", "the URL under which the files are, such as https://data.ris.ripe.net");
    if base.as_ref().is_some_and(|url| !url.starts_with("http://") && !url.starts_with("https://")) {
        section.problem("archive", "expected a URL that begins with http:// or https://");
    }
    let FeedKind::RisLive { url, prefixes, peer, path, .. } = kind else { return None };
    let is_all = prefixes.is_empty() && peer.is_none() && path.is_none();
    let is_wanted = section.flag("bootstrap").unwrap_or(base.is_some() || (url == RIS_LIVE_URL && is_all));
    if is_wanted && (peer.is_some() || path.is_some()) {
        section.problem("bootstrap", "dumps know neither peer nor path filters; leave these out, or bootstrap = false");
    }
    is_wanted.then_some(Archive { base })
}
