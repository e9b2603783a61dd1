//! Where does a feed get its history from?

use feeds::archive::{Collector, RIS_COLLECTORS};

use super::reader::Section;
use super::{FeedKind, RIS_LIVE_URL};

/// The dumps and updates files that say what was before the feed, and what it missed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Archive {
    /// None: where the collectors' files are published.
    pub base: Option<String>,
    pub collectors: Vec<Collector>,
}

impl Archive {
    /// All of RIS.
    pub fn ris() -> Self {
        Self { base: None, collectors: RIS_COLLECTORS.iter().filter_map(|name| Collector::parse(name)).collect() }
    }
}

/// Keys `bootstrap`, `collectors` and `archive` of a feed. All of the public RIS Live has history unless told otherwise;
/// of a part of it, dumps of everything would be much for little.
pub fn archive(section: &mut Section<'_>, kind: &FeedKind) -> Option<Archive> {
    let base = section.text("archive", "the URL under which the files are, such as https://data.ris.ripe.net");
    if base.as_ref().is_some_and(|url| !url.starts_with("http://") && !url.starts_with("https://")) {
        section.problem("archive", "expected a URL that begins with http:// or https://");
    }
    let read = |name: &str| Collector::parse(name).ok_or(format!("\"{name}\" is no collector of RIS or RouteViews"));
    let named = section.list("collectors", "a list of collectors such as [\"rrc00\", \"route-views2\"]", read);
    let is_told = base.is_some() || !named.is_empty();
    let (is_public, is_filtered, usual) = match kind {
        FeedKind::RisLive { url, hosts, prefixes, peer, path, .. } => {
            let is_filtered = peer.is_some() || path.is_some();
            (url == RIS_LIVE_URL && prefixes.is_empty() && !is_filtered, is_filtered, of_hosts(hosts))
        }
        _ => (false, false, Vec::new()),
    };
    let is_wanted = section.flag("bootstrap").unwrap_or(is_told || is_public);
    if !is_wanted {
        return None;
    }
    if is_filtered {
        section.problem("bootstrap", "dumps know neither peer nor path filters; leave these out, or bootstrap = false");
    }
    // After a loss of the feed all tables are kept, so all must be made good.
    if !named.is_empty() && usual.iter().any(|collector| !named.contains(collector)) {
        section.problem("collectors", "must name every collector that is asked for; name those in hosts");
    }
    let mut collectors = if named.is_empty() { usual } else { named };
    collectors.sort();
    collectors.dedup();
    if collectors.is_empty() {
        section.problem("bootstrap", "needs collectors = [\"…\"] to know whose files to read");
    }
    Some(Archive { base, collectors })
}

fn of_hosts(hosts: &[String]) -> Vec<Collector> {
    match hosts {
        [] => Archive::ris().collectors,
        hosts => hosts.iter().filter_map(|host| Collector::parse(host)).collect(),
    }
}
