//! What do the records of an answer make of the set that was there?

use std::collections::BTreeMap;
use std::sync::Arc;

use ipnet::IpNet;
use rpki::rtr::Payload;
use rpki::rtr::client::{PayloadError, PayloadTarget, PayloadUpdate};
use rpki::rtr::payload::{Action, Timing as Timers};
use rules::bgp::Asn;
use rules::rpki::Vrp;

use super::Timing;
use super::pdus::Flaw;
use crate::rpki_set::{MOST_ASPAS, MOST_VRPS, Payload as Key, RpkiSet, payload};

/// The set of one cache.
pub struct Target {
    pub set: Arc<RpkiSet>,
    pub timing: Timing,
    /// Why the last answer could not be used.
    pub flaw: Option<Flaw>,
    source: Arc<str>,
}

/// The records of one answer: of several about the same payload the last counts.
#[derive(Default)]
pub struct Changes {
    is_reset: bool,
    vrps: BTreeMap<Key, Action>,
    /// None withdraws.
    aspas: BTreeMap<Asn, Option<Vec<Asn>>>,
}

impl Target {
    pub fn new(source: Arc<str>, set: Arc<RpkiSet>) -> Self {
        Self { set, timing: Timing::default(), flaw: None, source }
    }

    fn refuse(&mut self, flaw: Flaw) -> PayloadError {
        self.flaw = Some(flaw);
        PayloadError::UnknownWithdraw
    }

    fn changed(&mut self, changes: Changes) -> Result<RpkiSet, PayloadError> {
        let before = if changes.is_reset { Arc::default() } else { self.set.clone() };
        let mut left = changes.vrps;
        let mut vrps = Vec::with_capacity(before.vrps().len() + left.len());
        for vrp in before.vrps() {
            if left.remove(&payload(vrp)) != Some(Action::Withdraw) {
                vrps.push(vrp.clone());
            }
        }
        if left.values().any(|action| action.is_withdraw()) {
            return Err(self.refuse(Flaw::UnknownWithdrawal));
        }
        let source = &self.source;
        vrps.extend(left.into_keys().map(|(prefix, max_length, asn)| Vrp {
            prefix,
            max_length,
            asn,
            source: source.clone(),
        }));
        let mut aspas = before.aspas().clone();
        for (customer, providers) in changes.aspas {
            let is_known = match providers {
                Some(providers) => {
                    aspas.insert(customer, providers);
                    true
                }
                None => aspas.remove(&customer).is_some(),
            };
            if !is_known {
                return Err(self.refuse(Flaw::OldAspaLayout));
            }
        }
        if vrps.len() > MOST_VRPS || aspas.len() > MOST_ASPAS {
            return Err(self.refuse(Flaw::TooManyPayloads));
        }
        Ok(RpkiSet::new(vrps, aspas))
    }
}

impl PayloadTarget for Target {
    type Update = Changes;

    fn start(&mut self, reset: bool) -> Changes {
        Changes { is_reset: reset, ..Changes::default() }
    }

    fn apply(&mut self, changes: Changes, timers: Timers) -> Result<(), PayloadError> {
        if changes.is_reset || !(changes.vrps.is_empty() && changes.aspas.is_empty()) {
            let set = self.changed(changes)?;
            if set != *self.set {
                self.set = Arc::new(set);
            }
        }
        let Timers { refresh, retry, expire } = timers;
        self.timing = Timing { refresh_secs: refresh, retry_secs: retry, expire_secs: expire };
        Ok(())
    }
}

impl PayloadUpdate for Changes {
    fn push_update(&mut self, action: Action, payload: Payload) -> Result<(), PayloadError> {
        match payload {
            Payload::Origin(origin) => {
                let prefix = origin.prefix;
                let net = IpNet::new(prefix.addr(), prefix.prefix_len()).map_err(|_| PayloadError::Corrupt)?.trunc();
                let key = (net, prefix.resolved_max_len(), Asn(origin.asn.into_u32()));
                self.vrps.insert(key, action);
            }
            Payload::Aspa(aspa) => {
                let providers = aspa.providers.iter().map(|asn| Asn(asn.into_u32())).collect();
                self.aspas.insert(Asn(aspa.customer.into_u32()), action.is_announce().then_some(providers));
            }
            Payload::RouterKey(_) => {}
        }
        Ok(())
    }
}
