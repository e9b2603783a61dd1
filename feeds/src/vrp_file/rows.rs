//! Is this row a VRP or an ASPA, and does it still hold?

use std::collections::HashMap;
use std::sync::Arc;

use ipnet::IpNet;
use rules::bgp::{Asn, Timestamp};
use rules::limits::ROA_EXPIRING_SECS;
use rules::rpki::{RoaEnds, Vrp};

use super::{REJECTED_ROWS, RpkiFile};

/// A row that was left out, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RejectedRow {
    /// `roas[17]` or `line 18`.
    pub row: String,
    pub why: String,
}

impl RejectedRow {
    pub(crate) fn new(row: String, why: &str) -> Self {
        Self { row, why: why.chars().take(200).collect() }
    }
}

/// Ends of ROAs that are remembered: what is read today may be believed for a while.
const ENDS_KEPT_SECS: i64 = ROA_EXPIRING_SECS + 30 * 86_400;

/// Collects the rows of one file.
pub(crate) struct Rows {
    file: RpkiFile,
    name: Arc<str>,
    expire_at: Option<Timestamp>,
    sources: HashMap<Box<str>, Arc<str>>,
    ends: Vec<((IpNet, u8, Asn), Timestamp)>,
}

/// A VRP as a file words it.
pub(crate) struct VrpRow<'a> {
    pub asn: Asn,
    pub prefix: &'a str,
    pub max_length: Option<u64>,
    pub source: Option<&'a str>,
    pub expires: Option<Timestamp>,
    /// When its ROAs end by themselves; not the same as when somebody above them has to sign again.
    pub ends: Option<Timestamp>,
}

impl Rows {
    pub fn new(name: &str, expire_at: Option<Timestamp>) -> Self {
        Self { file: RpkiFile::default(), name: name.into(), expire_at, sources: HashMap::new(), ends: Vec::new() }
    }

    pub fn finish(mut self) -> RpkiFile {
        for providers in self.file.aspas.values_mut() {
            providers.sort_unstable();
            providers.dedup();
        }
        self.file.roa_ends = RoaEnds::new(self.ends);
        self.file
    }

    pub fn has_vrps(&mut self) {
        self.file.has_vrps = true;
    }

    pub fn has_aspas(&mut self) {
        self.file.has_aspas = true;
    }

    pub fn as_of(&mut self, time: Option<Timestamp>) {
        self.file.as_of = self.file.as_of.or(time);
    }

    pub fn reject(&mut self, row: impl FnOnce() -> String, why: &str) {
        self.file.rejected_count += 1;
        if self.file.rejected.len() < REJECTED_ROWS {
            self.file.rejected.push(RejectedRow::new(row(), why));
        }
    }

    pub fn vrp(&mut self, row: &VrpRow<'_>) -> Result<(), String> {
        let prefix: IpNet = row.prefix.trim().parse().map_err(|_| format!("\"{}\" is not a prefix", row.prefix))?;
        if prefix != prefix.trunc() {
            return Err(format!("{prefix} has bits set behind its length"));
        }
        let most = u64::from(prefix.max_prefix_len());
        let max_length = row.max_length.unwrap_or(u64::from(prefix.prefix_len()));
        let max_length = u8::try_from(max_length)
            .ok()
            .filter(|length| (u64::from(prefix.prefix_len())..=most).contains(&u64::from(*length)))
            .ok_or_else(|| format!("maxLength {max_length} does not fit {prefix}"))?;
        if self.has_expired(row.expires) {
            return Ok(());
        }
        if let Some(end) = row.ends.filter(|end| self.is_near(*end)) {
            self.ends.push(((prefix, max_length, row.asn), end));
        }
        let source = self.source(row.source);
        self.file.vrps.push(Vrp { prefix, max_length, asn: row.asn, source });
        Ok(())
    }

    /// Providers of several objects of one customer are united, as relying parties do.
    pub fn aspa(&mut self, customer: Asn, providers: Vec<Asn>, expires: Option<Timestamp>) {
        if !self.has_expired(expires) {
            self.file.aspas.entry(customer).or_default().extend(providers);
        }
    }

    fn has_expired(&mut self, expires: Option<Timestamp>) -> bool {
        let gone = matches!((expires, self.expire_at), (Some(expires), Some(now)) if expires < now);
        self.file.expired += u64::from(gone);
        if let Some(expires) = expires.filter(|_| !gone) {
            self.file.next_expiry = Some(self.file.next_expiry.map_or(expires, |next| next.min(expires)));
        }
        gone
    }

    /// Near enough to be told within the month: a million ends would cost as much as the VRPs.
    fn is_near(&self, end: Timestamp) -> bool {
        let now = self.expire_at.or(self.file.as_of);
        now.is_some_and(|now| end <= now.plus_secs(ENDS_KEPT_SECS))
    }

    fn source(&mut self, name: Option<&str>) -> Arc<str> {
        let Some(name) = name.filter(|name| !name.is_empty()) else { return self.name.clone() };
        if let Some(known) = self.sources.get(name) {
            return known.clone();
        }
        let new: Arc<str> = name.into();
        self.sources.insert(name.into(), new.clone());
        new
    }
}
