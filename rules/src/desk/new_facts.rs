//! Which new fact changed an incident? An object of the RPKI, found in the delta of the event by prefix and by path; or
//! what the configuration says.

use std::cell::OnceCell;
use std::sync::Arc;

use ipnet::IpNet;

use crate::alert::{Reason, ReasonCode, Source};
use crate::bgp::{AsPath, Asn};
use crate::finding::Kind;
use crate::rpki::{Delta, Vrp, VrpTable};

/// Objects that one reason names; the others are counted.
const NAMED: usize = 3;
/// Providers that are named of one ASPA.
const PROVIDERS: usize = 8;

/// What changed, while the event that brought it is worked off.
pub enum NewFacts {
    Rpki(Box<RpkiFacts>),
    /// In the words of the configuration.
    Config(String),
}

impl NewFacts {
    pub fn new(delta: Arc<Delta>) -> Self {
        Self::Rpki(Box::new(RpkiFacts { delta, vrps: OnceCell::new() }))
    }

    pub fn of_config(detail: impl Into<String>) -> Self {
        Self::Config(detail.into())
    }

    pub fn is_of_config(&self) -> bool {
        matches!(self, Self::Config(_))
    }

    /// Why a route is judged otherwise, as a reason with that code.
    pub fn reason(&self, code: ReasonCode, kind: Kind, prefix: &IpNet, path: &AsPath) -> Reason {
        match self {
            Self::Rpki(facts) => facts.reason(code, kind, prefix, path).unwrap_or_else(|| facts.arrival(code, kind)),
            Self::Config(detail) => Reason { code, detail: detail.clone(), source: "config".into(), as_of: None },
        }
    }
}

/// A change of VRPs or ASPAs.
pub struct RpkiFacts {
    delta: Arc<Delta>,
    /// VRPs that came and that went, by prefix; made when first asked.
    vrps: OnceCell<[VrpTable; 2]>,
}

impl RpkiFacts {
    /// The changed object that bears on a route, as a reason with that code; none if no object of the delta does. Leaks and
    /// forged origins look at ASPAs first, all others at VRPs.
    fn reason(&self, code: ReasonCode, kind: Kind, prefix: &IpNet, path: &AsPath) -> Option<Reason> {
        let by_vrp = || Some((self.vrps_over(prefix)?, &self.delta.vrps));
        let by_aspa = || Some((self.aspas_of(path)?, &self.delta.aspas));
        let (detail, source) = match kind {
            Kind::Leak | Kind::Forged | Kind::AspaMisconfig => by_aspa().or_else(by_vrp)?,
            _ => by_vrp().or_else(by_aspa)?,
        };
        Some(from(source, code, detail))
    }

    /// Data that came back after they had expired, or came for the first time.
    fn arrival(&self, code: ReasonCode, kind: Kind) -> Reason {
        match kind {
            Kind::Leak | Kind::Forged | Kind::AspaMisconfig => {
                from(&self.delta.aspas, code, "ASPAs can be evaluated now".to_owned())
            }
            _ => from(&self.delta.vrps, code, "VRPs can be evaluated now".to_owned()),
        }
    }

    fn vrps_over(&self, prefix: &IpNet) -> Option<String> {
        let table = |list: &[Vrp]| {
            let mut table = VrpTable::default();
            for vrp in list {
                table.insert(vrp.clone());
            }
            table
        };
        let [came, gone] =
            self.vrps.get_or_init(|| [table(&self.delta.announced_vrps), table(&self.delta.withdrawn_vrps)]);
        let words = |vrp: &Vrp, what| format!("VRP {}-{} {} {what}", vrp.prefix, vrp.max_length, vrp.asn);
        let came = came.covering(prefix).map(|vrp| words(vrp, "is new"));
        list(came.chain(gone.covering(prefix).map(|vrp| words(vrp, "is gone"))).collect())
    }

    fn aspas_of(&self, path: &AsPath) -> Option<String> {
        // From the origin on.
        let customers = path.compressed().into_iter().rev();
        list(customers.filter_map(|customer| self.aspa_of(customer)).collect())
    }

    fn aspa_of(&self, customer: Asn) -> Option<String> {
        if let Some(providers) = self.delta.announced_aspas.get(&customer) {
            let named: Vec<_> = providers.iter().take(PROVIDERS).map(ToString::to_string).collect();
            let more = if providers.len() > PROVIDERS { " and others" } else { "" };
            return Some(format!("ASPA of {customer} lists {}{more}", named.join(" ")));
        }
        self.delta.withdrawn_aspas.contains(&customer).then(|| format!("ASPA of {customer} is gone"))
    }
}

fn from(source: &Source, code: ReasonCode, detail: String) -> Reason {
    Reason { code, detail, source: source.name.to_string(), as_of: source.as_of }
}

fn list(mut objects: Vec<String>) -> Option<String> {
    let more = objects.len().saturating_sub(NAMED);
    objects.truncate(NAMED);
    if more > 0 {
        objects.push(format!("{more} more"));
    }
    (!objects.is_empty()).then(|| objects.join(", "))
}
