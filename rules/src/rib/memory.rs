//! What does the table know of a prefix beyond its routes, and how does it get that back after a restart?

use super::{Entry, HeldOrigin, PrefixRef, Rib};
use crate::checkpoint::{OriginMemory, PrefixMemory};

impl Rib {
    /// In prefix order. A copy of about 70 bytes a prefix.
    pub fn memory(&self) -> Vec<PrefixMemory> {
        let entries = self.index.iter().map(|(_, at)| self.entry(*at));
        entries.filter(|e| e.baseline.is_some() || !e.origins.is_empty()).map(Entry::memory).collect()
    }

    /// Takes a prefix back, without routes. What the table knows by itself is better than any memory.
    pub fn remember(&mut self, memory: &PrefixMemory) {
        let PrefixMemory(prefix, baseline, origins) = memory;
        if self.find(prefix).is_some() {
            return;
        }
        let at = self.place(*prefix);
        let entry = self.entry_mut(at);
        entry.baseline.clone_from(baseline);
        entry.origins = origins.iter().map(HeldOrigin::of).collect();
    }

    /// Origins whose routes did not come back are gone.
    pub fn forget_carried(&mut self) {
        for (i, entry) in (0..).zip(&mut self.entries) {
            entry.origins.iter_mut().for_each(|o| o.carried = false);
            entry.origins.retain(|o| o.routes > 0 || o.seeded);
            if entry.is_blank() {
                self.blank.push(PrefixRef(i));
            }
        }
    }
}

impl Entry {
    fn memory(&self) -> PrefixMemory {
        PrefixMemory(self.prefix, self.baseline.clone(), self.origins.iter().map(HeldOrigin::memory).collect())
    }
}

impl HeldOrigin {
    fn memory(&self) -> OriginMemory {
        let flag = |is_set: bool, flag| if is_set { flag } else { 0 };
        let flags = flag(self.suspicious, OriginMemory::SUSPICIOUS)
            | flag(self.seeded, OriginMemory::SEEDED)
            | flag(self.routes > 0 || self.carried, OriginMemory::HELD);
        OriginMemory(self.asn, self.since, flags)
    }

    fn of(memory: &OriginMemory) -> Self {
        Self {
            asn: memory.0,
            routes: 0,
            since: memory.1,
            suspicious: memory.has(OriginMemory::SUSPICIOUS),
            seeded: memory.has(OriginMemory::SEEDED),
            carried: memory.has(OriginMemory::HELD),
        }
    }
}
