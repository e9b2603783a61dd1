//! What do the rules say of a route? Puts together what they may look at, and asks them.
//!
//! Whoever hijacks or leaks does so with many prefixes, and often again: what was proven of a path that was judged lately is remembered.

use std::sync::Arc;

use super::Shard;
use crate::bgp::{PathAttributes, Timestamp};
use crate::finding::{Code, Finding};
use crate::hijack::{self, Scene};
use crate::leak;
use crate::limits;
use crate::own;
use crate::proofs::PathProofs;
use crate::rib::{PathFacts, PathRef, PrefixRef};
use crate::rpki::AspaTable;

/// A path, and what it proves under the data of the moment.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Proven {
    pub path: PathRef,
    pub attributes: Arc<PathAttributes>,
    pub proofs: Arc<PathProofs>,
}

/// Some paths that were judged lately, each at a place that follows from its number.
#[derive(Default)]
pub(super) struct Remembered(Vec<Option<Proven>>);

impl Remembered {
    /// To be done wherever a path may prove something else.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    fn at(&mut self, path: PathRef) -> &mut Option<Proven> {
        if self.0.is_empty() {
            self.0.resize(limits::PATHS_PROVEN, None);
        }
        &mut self.0[path.number() % limits::PATHS_PROVEN]
    }

    #[cfg(feature = "testing")]
    pub fn iter(&self) -> impl Iterator<Item = &Proven> {
        self.0.iter().flatten()
    }
}

impl Shard {
    /// What a path proves, worked out.
    pub(super) fn prove(&self, path: PathRef) -> Proven {
        let attributes = self.rib.paths.attributes(path);
        Proven { path, proofs: self.context.prove(&attributes, self.usable_aspas()), attributes }
    }

    /// The same, remembered if it was asked lately. Another path may have the number of one that went.
    pub(super) fn proven(&mut self, path: PathRef) -> Proven {
        if let Some(proven) = self.remembered.at(path)
            && proven.path == path
            && self.rib.paths.is_still(path, &proven.attributes)
        {
            return proven.clone();
        }
        let proven = self.prove(path);
        if proven.attributes.as_path.ases().len() <= limits::ASES_PROVEN {
            *self.remembered.at(path) = Some(proven.clone());
        }
        proven
    }

    /// What a path says under the data of this moment.
    pub(super) fn facts(&self, proven: &Proven) -> PathFacts {
        let (paths, path) = (&self.rib.paths, proven.path);
        let facts = self.context.facts(&proven.attributes, proven.proofs.clone());
        // What the table taught since it was worked out is for later paths.
        PathFacts { is_clean: paths.is_clean(path), is_known_adjacency: paths.is_known_adjacency(path), ..facts }
    }

    pub(super) fn scene(&self, at: PrefixRef, proven: &Proven, was_valid: bool, now: Timestamp) -> Scene<'_> {
        let entry = self.rib.entry(at);
        let facts = self.facts(proven);
        let watched = self.watched_over(entry);
        Scene {
            now,
            entry,
            attributes: proven.attributes.clone(),
            rib: &self.rib,
            vrps: &self.rpki.vrps,
            rpki_usable: self.rpki_usable,
            roa_ends: &self.expiry.ends,
            aspas: self.usable_aspas(),
            relations: &self.context.relations,
            watch: &self.watch,
            watched,
            resources: self.watch.resources_from(watched),
            learning: self.learning,
            knows_table: self.knows_table,
            was_valid,
            is_history: facts.origin_as.is_some_and(|o| entry.is_history(o)),
            path: facts,
        }
    }

    pub(super) fn usable_aspas(&self) -> &AspaTable {
        if self.aspas_usable { &self.rpki.aspas } else { &self.no_aspas }
    }

    pub(super) fn findings(&self, at: PrefixRef, proven: &Proven, was_valid: bool, now: Timestamp) -> Vec<Finding> {
        let scene = self.scene(at, proven, was_valid, now);
        let entry = scene.entry;
        let mut findings = Vec::new();
        hijack::check(&scene, &mut findings);
        leak::route::check(&scene, &mut findings);
        own::check(&scene, &mut findings);
        findings.retain(|f| !self.is_old_news(f));
        if self.is_partly_back(&entry.prefix, now) {
            findings.iter_mut().for_each(|f| f.codes.retain(|code| !matches!(code, Code::Funnel | Code::NoFunnel)));
        }
        findings
    }

    fn is_old_news(&self, finding: &Finding) -> bool {
        finding.is_old(|fact| self.context.known.contains(fact))
    }
}
