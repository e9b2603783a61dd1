//! Routing stories in plain text: what was, what happened, and exactly what is to be said about it.
//!
//! ```text
//! Free text: the story, for whoever reads the failure.
//!
//! given
//!   date 2026-03-01
//!   vantage rrc00/64500 rrc01/64501
//!   all holds 192.0.2.0/24 path 64510 64496
//!   vrp 192.0.2.0/24-24 64496
//!   64510 sells to 64496
//! when
//!   18:47:00.000 all announce 192.0.2.0/25 path 64510 64511
//!   18:50:00.000 clock
//! then
//!   #1 18:47:30.000 opened subprefix_hijack high reason seen suspects 64511 prefixes 192.0.2.0/25
//!   nothing else
//! ```
//!
//! **given**, in any order: `date D` (default 2026-03-01) · `learning` (no dump: nothing may be held then) ·
//! `vantage COLLECTOR/PEER_AS…` · `WHO holds PREFIX… path AS… [otc AS] [id N]` (a route of the dump) · `vrp PREFIX-MAX AS` ·
//! `roa PREFIX-MAX AS ends TIME` · `aspa CUSTOMER PROVIDER…` · `A sells to B` · `A peers with B` · `siblings AS…` ·
//! `watch NAME [prefixes PREFIX…] [max LENGTH] [origins AS…] [upstreams AS…] [asns AS…]` · `allow OWNER [until TIME] [max LENGTH] [classes …]
//! [prefixes …] [origins AS…] [suspects AS…] [watched NAME…] [ends AS…]`.
//! **when**, at a time of the day (or a full RFC 3339 one): `WHO announce PREFIX… path AS… [otc AS] [blackhole] [id N]` ·
//! `WHO withdraw PREFIX… [id N]` · `WHO peer_down` · `WHO peer_up` · `WHO shed` · `WHO end_of_rib` · `vrp + PREFIX-MAX AS` ·
//! `vrp - …` · `roa … ends …` · `aspa + CUSTOMER PROVIDER…` · `aspa - CUSTOMER` · `vrps STATE` and `aspas STATE` (fresh, stale, expired, frozen)
//! · `A sells to B` and its like (more relations) ·
//! `watch …` (one more, or the same otherwise) · `unwatch NAME` · `allow …` (one more) · `disallow OWNER` · `clock` (time passes) · `checkpoint` · `restart` (killed, and started again with the last
//! checkpoint) · `WHO dump PREFIX… path AS…` (a route of a dump read after it) · `dump_read`.
//! `WHO` is a vantage point, several with commas between, or `all`. A path is written as the peer heard it: where the
//! peer's own AS does not stand first, it is put there.
//! **then**: `#INCIDENT TIME TRANSITION CLASS SEVERITY`, then facts, a name and its values each. All facts that stand there
//! must agree, those of [`REQUIRED`] must stand there; the names are those of a failure's "is". `nothing else` ends the list.
//! Or, for stories whose facts say less than that: `told CLASS …` lines, as [`super::demand`] describes.
//!
//! `{1..50}` repeats: a line of `given` and `when` once for each number, all ranges of it in step; a word of `then`, in place.
//! Lines that start with `--` are comments.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr};
use std::str::FromStr;
use std::sync::Arc;

use ipnet::IpNet;

use super::demand::{self, Beside, Demand};
use crate::alert::{Alert, Class, Source, SourceState, Tlp};
use crate::bgp::{AsPath, Asn, Family, Nlri, Nlris, PathAttributes, Timestamp, Update, VantageId, VantagePoint};
use crate::event::Event;
use crate::relations::{Relation, Relations};
use crate::rpki::{Delta, RoaEnds, Vrp};
use crate::shed::{Shed, Worth};
use crate::watch::{AllowRule, Constituent, Resource, Watch};

/// Facts that every line of `then` has to name.
pub const REQUIRED: [&str; 8] =
    ["incident", "time", "transition", "class", "severity", "reason", "suspects", "prefixes"];

/// What is known of an alert, by name.
pub type Facts = BTreeMap<&'static str, Vec<String>>;

/// A story that was read.
pub struct Scenario {
    pub story: String,
    /// What happened, one list for each life of the process.
    pub lives: Vec<Vec<(Timestamp, Event)>>,
    /// What has to be said, in order, and nothing else.
    pub then: Vec<Facts>,
    /// What has to be said at least, where the story states facts and not words.
    pub demands: Vec<Demand>,
    beside: Beside,
    day: String,
}

/// A line that makes no sense, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {what}")]
pub struct BadScenario {
    pub line: usize,
    pub what: String,
}

pub(super) type Said<T> = Result<T, String>;

impl FromStr for Scenario {
    type Err = BadScenario;

    fn from_str(text: &str) -> Result<Self, BadScenario> {
        let mut reader = Reader::default();
        let mut part = Part::Story;
        for (i, line) in text.lines().enumerate() {
            let at = |what: String| BadScenario { line: i + 1, what };
            let line = line.trim();
            part = match (part, line) {
                (Part::Story, "given") => Part::Given,
                (Part::Given, "when") => {
                    reader.settle_given();
                    Part::When
                }
                (Part::When, "then") => Part::Then,
                (Part::Then, "nothing else") => Part::Over,
                (Part::Then, "nothing else above low") => {
                    reader.beside = Beside::Low;
                    Part::Over
                }
                (Part::Story, line) => {
                    let _ = writeln!(reader.story, "{line}");
                    Part::Story
                }
                (part, line) if line.is_empty() || line.starts_with("--") => part,
                (Part::Given, line) => {
                    repeated(line).iter().try_for_each(|l| reader.given(&words(l))).map_err(at)?;
                    Part::Given
                }
                (Part::When, line) => {
                    repeated(line).iter().try_for_each(|l| reader.when(&words(l))).map_err(at)?;
                    Part::When
                }
                (Part::Then, line) => {
                    reader.end(line).map_err(at)?;
                    Part::Then
                }
                (Part::Over, _) => return Err(at("nothing comes after \"nothing else\"".into())),
            };
        }
        if part != Part::Over {
            let what = "a story has the parts given, when and then, and ends with \"nothing else\"".into();
            return Err(BadScenario { line: text.lines().count(), what });
        }
        reader.lives.push(std::mem::take(&mut reader.events));
        let Reader { story, lives, then, demands, beside, day, .. } = reader;
        Ok(Self { story, lives, then, demands, beside, day })
    }
}

impl Scenario {
    /// What differs between the story's end and what was said, for a person; none if nothing does.
    pub fn difference(&self, alerts: &[Arc<Alert>]) -> Option<String> {
        if !self.demands.is_empty() || self.beside != Beside::Nothing {
            let difference = demand::difference(&self.demands, self.beside, alerts)?;
            return Some(format!("{}\n{difference}", self.story.trim()));
        }
        let actual = self.facts(alerts);
        let agrees = |(want, is): (&Facts, &Facts)| want.iter().all(|(name, values)| is.get(name) == Some(values));
        if actual.len() == self.then.len() && self.then.iter().zip(&actual).all(agrees) {
            return None;
        }
        let mut out = format!("{}\n", self.story.trim());
        for (i, is) in actual.iter().enumerate() {
            let wrong = self
                .then
                .get(i)
                .map(|want| want.iter().filter(|(name, values)| is.get(*name) != Some(values)).collect::<Vec<_>>());
            let _ = writeln!(out, "  is   {}", line_of(is));
            match wrong {
                None => out.push_str("       (not expected)\n"),
                Some(wrong) => {
                    for (name, values) in wrong {
                        let _ = writeln!(out, "       expected {name} {}", values.join(" "));
                    }
                }
            }
        }
        for missing in self.then.iter().skip(actual.len()) {
            let _ = writeln!(out, "  lacks {}", line_of(missing));
        }
        Some(out)
    }

    /// The alerts in the words of `then`, incidents numbered in the order they appear.
    pub fn facts(&self, alerts: &[Arc<Alert>]) -> Vec<Facts> {
        let mut seen: Vec<&str> = Vec::new();
        let mut numbered = |id| {
            let known = seen.iter().position(|s| *s == id);
            known.unwrap_or_else(|| {
                seen.push(id);
                seen.len() - 1
            }) + 1
        };
        alerts.iter().map(|alert| facts_of(alert, numbered(&alert.id), &self.day)).collect()
    }
}

fn facts_of(alert: &Alert, number: usize, day: &str) -> Facts {
    let time = |t: Timestamp| {
        let text = t.to_string();
        text.strip_prefix(day)
            .and_then(|t| t.strip_prefix('T'))
            .map_or(text.clone(), |t| t.trim_end_matches('Z').into())
    };
    let ases = |list: &[Asn]| list.iter().map(|a| a.0.to_string()).collect::<Vec<_>>();
    let one = |word: &dyn ToString| vec![word.to_string()];
    let mut facts = Facts::new();
    facts.insert("incident", vec![format!("#{number}")]);
    facts.insert("time", vec![time(alert.time)]);
    facts.insert("transition", one(&alert.transition));
    facts.insert("class", one(&alert.class));
    facts.insert("severity", one(&alert.severity));
    facts.insert("reason", one(&alert.reason.code));
    facts.insert("because", alert.reason.detail.split_whitespace().map(str::to_owned).collect());
    facts.insert("by", vec![alert.reason.source.clone()]);
    facts.insert("vrp_state", one(&alert.inputs.vrps.state));
    facts.insert("suspects", ases(&alert.suspect_ases));
    facts.insert("prefixes", alert.prefixes.iter().map(ToString::to_string).collect());
    facts.insert("status", one(&alert.status));
    facts.insert("provisional", vec![if alert.provisional { "yes" } else { "no" }.into()]);
    facts.insert("score", one(&alert.score));
    facts.insert("peers", one(&alert.visibility.peer_ases_peak));
    facts.insert("started", vec![time(alert.started)]);
    facts.insert("last_seen", vec![time(alert.last_seen)]);
    facts.insert("ended", vec![alert.ended.map_or_else(|| "-".into(), time)]);
    facts.insert("duration", one(&alert.duration_secs));
    facts.insert("victims", ases(&alert.victim_ases));
    facts.insert("detected", ases(&alert.detected_origins));
    facts.insert("accepted_by", ases(&alert.accepted_by));
    facts.insert("watched", alert.constituents.iter().map(|c| format!("{}:{}", c.name, c.role)).collect());
    facts.insert("rov", one(&alert.rov.state));
    facts.insert("aspa", one(&alert.aspa.verdict));
    facts.insert("type", vec![alert.rfc7908_type.map_or_else(|| "-".into(), |t| t.to_string())]);
    let end = |a: Option<Asn>| a.map_or_else(|| "?".into(), |a| a.0.to_string());
    let leak = alert.leak.as_ref().map(|l| [end(l.from), end(l.leaker), end(l.to)].to_vec());
    facts.insert("leak", leak.unwrap_or_default());
    facts.insert("evidence", alert.evidence.iter().map(|e| format!("{}:{:+}", e.code, e.points)).collect());
    facts
}

fn line_of(facts: &Facts) -> String {
    let mut out = Vec::new();
    for name in &REQUIRED[..5] {
        out.push(facts.get(name).map_or_else(|| "?".into(), |v| v.join(" ")));
    }
    let rest = facts.iter().filter(|(name, _)| !REQUIRED[..5].contains(name));
    out.extend(rest.map(|(name, values)| format!("{name} {}", values.join(" "))));
    out.join(" ")
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Story,
    Given,
    When,
    Then,
    Over,
}

struct Reader {
    story: String,
    day: String,
    learning: bool,
    vantage: Vec<Arc<VantagePoint>>,
    seeds: Vec<Update>,
    vrps: Vec<Vrp>,
    aspas: BTreeMap<Asn, Vec<Asn>>,
    roa_ends: BTreeMap<(IpNet, u8, Asn), Timestamp>,
    vrps_state: SourceState,
    aspas_state: SourceState,
    edges: BTreeSet<(Asn, Asn, Relation)>,
    siblings: Vec<Vec<Asn>>,
    constituents: Vec<Constituent>,
    allow: Vec<AllowRule>,
    lives: Vec<Vec<(Timestamp, Event)>>,
    events: Vec<(Timestamp, Event)>,
    then: Vec<Facts>,
    demands: Vec<Demand>,
    beside: Beside,
}

impl Default for Reader {
    fn default() -> Self {
        Self {
            story: String::new(),
            day: "2026-03-01".into(),
            learning: false,
            vantage: Vec::new(),
            seeds: Vec::new(),
            vrps: Vec::new(),
            aspas: BTreeMap::new(),
            roa_ends: BTreeMap::new(),
            vrps_state: SourceState::Fresh,
            aspas_state: SourceState::Fresh,
            edges: BTreeSet::new(),
            siblings: Vec::new(),
            constituents: Vec::new(),
            allow: Vec::new(),
            lives: Vec::new(),
            events: Vec::new(),
            then: Vec::new(),
            demands: Vec::new(),
            beside: Beside::Nothing,
        }
    }
}

impl Reader {
    fn given(&mut self, words: &[&str]) -> Said<()> {
        if self.relation(words)? {
            return Ok(());
        }
        match words {
            ["date", day] => self.day = (*day).to_owned(),
            ["learning"] => self.learning = true,
            ["vantage", points @ ..] => {
                for point in points {
                    let point = self.new_vantage(point)?;
                    self.vantage.push(point);
                }
            }
            ["vrp", prefix, asn] => {
                let vrp = vrp(prefix, asn)?;
                self.vrps.push(vrp);
            }
            ["roa", prefix, asn, "ends", end] => self.roa_ends(prefix, asn, end)?,
            ["aspa", customer, providers @ ..] => {
                self.aspas.insert(read(customer)?, reads(providers)?);
            }
            ["watch", name, rest @ ..] => self.constituents.push(constituent(name, rest)?),
            ["allow", owner, rest @ ..] => {
                let rule = self.rule(owner, rest)?;
                self.allow.push(rule);
            }
            [who, "holds", rest @ ..] => {
                let seen = self.midnight()?;
                for vantage in self.who(who)? {
                    let seed = self.announcement(vantage, seen, rest)?;
                    self.seeds.push(seed);
                }
            }
            _ => return Err(format!("{:?} is nothing that can be given", words.join(" "))),
        }
        Ok(())
    }

    /// Says everything given, in the order of a process that starts.
    fn settle_given(&mut self) {
        let at = self.midnight().unwrap_or_default();
        let mut events = self.start(at);
        if !self.learning {
            events.extend(self.seeds.drain(..).map(Event::Seed));
            events.push(Event::SeedDone { as_of: at });
        }
        self.events = events.into_iter().map(|event| (at, event)).collect();
    }

    /// What every process is told at its start.
    fn start(&self, at: Timestamp) -> Vec<Event> {
        let mut events: Vec<Event> = Vec::new();
        for (i, point) in self.vantage.iter().enumerate() {
            events.push(Event::Vantage(VantageId(i as u32), point.clone()));
        }
        if !self.edges.is_empty() || !self.siblings.is_empty() {
            events.push(self.relations_event(at));
        }
        if !self.vrps.is_empty() || !self.aspas.is_empty() {
            let delta = Delta {
                announced_vrps: self.vrps.clone(),
                announced_aspas: self.aspas.clone(),
                ..self.empty_delta(at)
            };
            events.push(Event::Rpki(Arc::new(delta)));
        }
        if !self.roa_ends.is_empty() {
            events.push(self.roa_ends_event());
        }
        if !self.constituents.is_empty() || !self.allow.is_empty() {
            events.push(self.watch_event());
        }
        events
    }

    fn roa_ends(&mut self, prefix: &str, asn: &str, end: &str) -> Said<()> {
        let vrp = vrp(prefix, asn)?;
        let end = self.time(end)?;
        self.roa_ends.insert((vrp.prefix, vrp.max_length, vrp.asn), end);
        Ok(())
    }

    fn roa_ends_event(&self) -> Event {
        Event::RoaEnds(Arc::new(RoaEnds::new(self.roa_ends.clone())))
    }

    fn watch_event(&self) -> Event {
        Event::Watch(Arc::new(Watch::new(self.constituents.clone()).with_allow(self.allow.clone())))
    }

    fn rule(&self, owner: &str, words: &[&str]) -> Said<AllowRule> {
        const LISTS: [&str; 8] = ["until", "max", "classes", "prefixes", "origins", "suspects", "watched", "ends"];
        let lists = lists(&LISTS, words);
        let of = |name: &str| lists.get(name).cloned().unwrap_or_default();
        let class = |word: &&str| Class::ALL.iter().find(|c| c.word() == *word).copied();
        let ends: Vec<Asn> = reads(&of("ends"))?;
        Ok(AllowRule {
            owner: owner.into(),
            reason: "agreed".into(),
            expires: of("until").first().map(|t| self.time(t)).transpose()?,
            classes: of("classes").iter().map(|w| class(w).ok_or(format!("{w:?} is no class"))).collect::<Said<_>>()?,
            prefixes: reads(&of("prefixes"))?,
            max_length: of("max").first().map(|n| read(n)).transpose()?,
            origins: reads(&of("origins"))?,
            suspects: reads(&of("suspects"))?,
            constituents: of("watched").iter().map(|name| (*name).into()).collect(),
            path_ends: Some(ends).filter(|e| !e.is_empty()).into_iter().collect(),
        })
    }

    fn when(&mut self, words: &[&str]) -> Said<()> {
        let [time, rest @ ..] = words else { return Err("when?".into()) };
        let at = self.time(time)?;
        if self.relation(rest)? {
            let event = self.relations_event(at);
            self.events.push((at, event));
            return Ok(());
        }
        let mut events = Vec::new();
        match rest {
            ["clock"] => events.push(Event::Tick),
            ["checkpoint"] => events.push(Event::Checkpoint),
            ["restart"] => {
                self.lives.push(std::mem::take(&mut self.events));
                events = self.start(at);
            }
            ["dump_read"] => events.push(Event::SeedDone { as_of: at }),
            ["vrp", sign, prefix, asn] => {
                let vrp = vrp(prefix, asn)?;
                self.vrps.push(vrp.clone());
                let mut delta = self.empty_delta(at);
                match *sign {
                    "+" => delta.announced_vrps.push(vrp),
                    _ => delta.withdrawn_vrps.push(vrp),
                }
                events.push(Event::Rpki(Arc::new(delta)));
            }
            ["roa", prefix, asn, "ends", end] => {
                self.roa_ends(prefix, asn, end)?;
                events.push(self.roa_ends_event());
            }
            ["aspa", sign, customer, providers @ ..] => {
                let (customer, providers) = (read(customer)?, reads(providers)?);
                self.aspas.insert(customer, providers.clone());
                let mut delta = self.empty_delta(at);
                match *sign {
                    "+" => {
                        delta.announced_aspas.insert(customer, providers);
                    }
                    _ => delta.withdrawn_aspas.push(customer),
                }
                events.push(Event::Rpki(Arc::new(delta)));
            }
            [kind @ ("vrps" | "aspas"), state] => {
                let of = if *kind == "vrps" { &mut self.vrps_state } else { &mut self.aspas_state };
                let known = SourceState::ALL.iter().find(|s| s.word() == *state);
                *of = *known.ok_or_else(|| format!("{state:?} is no state of a source"))?;
                events.push(Event::Rpki(Arc::new(self.empty_delta(at))));
            }
            ["watch", name, rest @ ..] => {
                self.constituents.retain(|c| *c.name != **name);
                self.constituents.push(constituent(name, rest)?);
                events.push(self.watch_event());
            }
            ["unwatch", name] => {
                self.constituents.retain(|c| *c.name != **name);
                events.push(self.watch_event());
            }
            ["allow", owner, rest @ ..] => {
                let rule = self.rule(owner, rest)?;
                self.allow.push(rule);
                events.push(self.watch_event());
            }
            ["disallow", owner] => {
                self.allow.retain(|r| *r.owner != **owner);
                events.push(self.watch_event());
            }
            [who, deed, rest @ ..] => {
                for vantage in self.who(who)? {
                    events.extend(self.deed(vantage, at, deed, rest)?);
                }
            }
            _ => return Err(format!("{:?} is nothing that happens", words.join(" "))),
        }
        self.events.extend(events.into_iter().map(|event| (at, event)));
        Ok(())
    }

    fn deed(&self, vantage: VantageId, seen: Timestamp, deed: &str, rest: &[&str]) -> Said<Vec<Event>> {
        Ok(match deed {
            "dump" => vec![Event::Seed(self.announcement(vantage, seen, rest)?)],
            "announce" => vec![Event::Update(self.announcement(vantage, seen, rest)?)],
            "withdraw" => {
                let told = Told::read(rest)?;
                let attributes = Arc::default();
                let withdrawn = told.nlri;
                vec![Event::Update(Update { vantage, seen, withdrawn, announced: Nlris::new(), attributes })]
            }
            "peer_down" => vec![Event::PeerDown { vantage, seen }],
            "peer_up" => vec![Event::PeerUp { vantage, seen }],
            "shed" => {
                vec![Event::Shed(Arc::new(Shed { sessions: vec![(vantage, Worth::Partial)], ..Shed::default() }))]
            }
            "end_of_rib" => {
                [Family::Ipv4, Family::Ipv6].map(|family| Event::EndOfRib { vantage, family }).into_iter().collect()
            }
            other => return Err(format!("{other:?} is nothing that a session does")),
        })
    }

    fn announcement(&self, vantage: VantageId, seen: Timestamp, words: &[&str]) -> Said<Update> {
        let told = Told::read(words)?;
        let peer_as = self.vantage[vantage.0 as usize].peer_as;
        let path: AsPath = told.path.join(" ").parse().map_err(|e| format!("{e}"))?;
        let as_path = if path.neighbor_as() == Some(peer_as) {
            path
        } else {
            format!("{} {path}", peer_as.0).parse().map_err(|e| format!("{e}"))?
        };
        let attributes = PathAttributes { as_path, only_to_customer: told.otc, blackhole: told.blackhole };
        Ok(Update { vantage, seen, withdrawn: Nlris::new(), announced: told.nlri, attributes: Arc::new(attributes) })
    }

    /// One line of `then`: words of an alert, or facts that are demanded; a story has one kind of them.
    fn end(&mut self, line: &str) -> Said<()> {
        match line.strip_prefix("told ") {
            Some(told) => {
                let words: Vec<String> = words(told).into_iter().flat_map(repeated).collect();
                let words: Vec<&str> = words.iter().map(String::as_str).collect();
                let demand = Demand::read(&words, |t| self.time(t))?;
                self.demands.push(demand);
            }
            None => {
                let facts = self.then(line)?;
                self.then.push(facts);
            }
        }
        if self.then.is_empty() || self.demands.is_empty() {
            return Ok(());
        }
        Err("a story demands facts or says words, not both".into())
    }

    fn then(&self, line: &str) -> Said<Facts> {
        let words: Vec<String> = words(line).into_iter().flat_map(repeated).collect();
        let mut facts = Facts::new();
        if words.len() < 5 {
            return Err("an alert is #INCIDENT TIME TRANSITION CLASS SEVERITY and facts".into());
        }
        for (name, word) in REQUIRED[..5].iter().zip(&words) {
            facts.insert(name, vec![word.clone()]);
        }
        let mut name = "";
        for word in &words[5..] {
            // Some reasons are called as a fact is.
            let is_value = name == "reason" && facts[name].is_empty();
            if let Some(next) = FACTS.iter().find(|f| *f == word && !is_value) {
                name = next;
                facts.insert(name, Vec::new());
            } else {
                facts.get_mut(name).ok_or_else(|| format!("{word:?} is no name of a fact"))?.push(word.clone());
            }
        }
        match REQUIRED.iter().find(|r| !facts.contains_key(*r)) {
            Some(missing) => Err(format!("{missing} is missing")),
            None => Ok(facts),
        }
    }

    fn relation(&mut self, words: &[&str]) -> Said<bool> {
        match words {
            [a, "sells", "to", b] => self.edges.insert((read(a)?, read(b)?, Relation::Customer)),
            [a, "peers", "with", b] => self.edges.insert((read(a)?, read(b)?, Relation::LateralPeer)),
            ["siblings", ases @ ..] => {
                self.siblings.push(reads(ases)?);
                true
            }
            _ => return Ok(false),
        };
        Ok(true)
    }

    fn relations_event(&self, at: Timestamp) -> Event {
        let edges = self.edges.iter().copied();
        let source = source("relations", at);
        Event::Relations(Arc::new(Relations::new(source, edges, Vec::new(), self.siblings.clone(), Vec::new())))
    }

    fn empty_delta(&self, at: Timestamp) -> Delta {
        let of = |name: &str, is_empty: bool, state| {
            if is_empty { Source::none() } else { Source { state, ..source(name, at) } }
        };
        Delta {
            announced_vrps: Vec::new(),
            withdrawn_vrps: Vec::new(),
            announced_aspas: BTreeMap::new(),
            withdrawn_aspas: Vec::new(),
            vrps: of("vrps", self.vrps.is_empty(), self.vrps_state),
            aspas: of("aspas", self.aspas.is_empty(), self.aspas_state),
        }
    }

    fn new_vantage(&self, word: &str) -> Said<Arc<VantagePoint>> {
        let (collector, peer_as) = word.split_once('/').ok_or_else(|| format!("{word:?} is no COLLECTOR/PEER_AS"))?;
        let number = self.vantage.len() as u8;
        let peer_address = IpAddr::V4(Ipv4Addr::new(203, 0, 113, number + 1));
        Ok(Arc::new(VantagePoint { collector: collector.into(), peer_as: read(peer_as)?, peer_address }))
    }

    fn who(&self, word: &str) -> Said<Vec<VantageId>> {
        if word == "all" {
            return Ok((0..self.vantage.len()).map(|i| VantageId(i as u32)).collect());
        }
        word.split(',')
            .map(|name| {
                let is_it = |v: &Arc<VantagePoint>| format!("{}/{}", v.collector, v.peer_as.0) == name;
                let at = self.vantage.iter().position(is_it);
                at.map(|i| VantageId(i as u32)).ok_or_else(|| format!("{name:?} is no vantage point that was given"))
            })
            .collect()
    }

    fn midnight(&self) -> Said<Timestamp> {
        self.time("00:00:00")
    }

    fn time(&self, word: &str) -> Said<Timestamp> {
        let full = if word.contains('T') { word.to_owned() } else { format!("{}T{word}Z", self.day) };
        Timestamp::parse(&full).ok_or_else(|| format!("{word:?} is no time"))
    }
}

/// Names of facts, as in [`facts_of`].
const FACTS: [&str; 23] = [
    "reason",
    "because",
    "by",
    "vrp_state",
    "suspects",
    "prefixes",
    "status",
    "provisional",
    "score",
    "peers",
    "started",
    "last_seen",
    "ended",
    "duration",
    "victims",
    "detected",
    "accepted_by",
    "watched",
    "rov",
    "aspa",
    "type",
    "leak",
    "evidence",
];

/// Prefixes, and what is said with them.
#[derive(Default)]
struct Told<'w> {
    nlri: Nlris,
    path: Vec<&'w str>,
    otc: Option<Asn>,
    blackhole: bool,
}

impl<'w> Told<'w> {
    fn read(words: &[&'w str]) -> Said<Self> {
        let mut told = Self::default();
        let mut words = words.iter().peekable();
        let mut path_id = 0;
        let mut in_path = false;
        while let Some(word) = words.next() {
            let mut value = || words.next().copied().ok_or_else(|| format!("{word} of what?"));
            match *word {
                "path" => in_path = true,
                "otc" => told.otc = Some(read(value()?)?),
                "id" => path_id = read(value()?)?,
                "blackhole" => told.blackhole = true,
                hop if in_path => told.path.push(hop),
                prefix => told.nlri.push(Nlri { prefix: read(prefix)?, path_id: 0 }),
            }
        }
        for nlri in &mut told.nlri {
            nlri.path_id = path_id;
        }
        Ok(told)
    }
}

/// What follows each of the names.
fn lists<'w>(names: &[&str], words: &[&'w str]) -> BTreeMap<&'w str, Vec<&'w str>> {
    let mut lists: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut list = "";
    for word in words {
        if names.contains(word) {
            list = word;
        } else {
            lists.entry(list).or_default().push(word);
        }
    }
    lists
}

fn constituent(name: &str, words: &[&str]) -> Said<Constituent> {
    let lists = lists(&["prefixes", "origins", "upstreams", "asns", "max"], words);
    let of = |name: &str| lists.get(name).cloned().unwrap_or_default();
    let max_length = of("max").first().map(|n| read(n)).transpose()?;
    let resource = |prefix: &&str| -> Said<Resource> {
        Ok(Resource {
            prefix: read(prefix)?,
            expected_origins: reads(&of("origins"))?,
            upstreams: reads(&of("upstreams"))?,
            max_length,
        })
    };
    Ok(Constituent {
        name: name.into(),
        tlp: Tlp::Green,
        asns: reads(&of("asns"))?,
        resources: of("prefixes").iter().map(resource).collect::<Said<_>>()?,
        ..Constituent::default()
    })
}

fn vrp(prefix: &str, asn: &str) -> Said<Vrp> {
    let (prefix, max_length) = prefix.rsplit_once('-').ok_or_else(|| format!("{prefix:?} is no PREFIX-MAX"))?;
    Ok(Vrp { prefix: read(prefix)?, max_length: read(max_length)?, asn: read(asn)?, source: "test".into() })
}

fn source(name: &str, at: Timestamp) -> Source {
    Source { name: name.into(), serial: None, as_of: Some(at), state: SourceState::Fresh }
}

pub(super) fn read<T: FromStr>(word: &str) -> Said<T> {
    let kind = std::any::type_name::<T>().rsplit("::").next().unwrap_or_default();
    word.parse().map_err(|_| format!("{word:?} is no {kind}"))
}

pub(super) fn reads<T: FromStr>(words: &[&str]) -> Said<Vec<T>> {
    words.iter().map(|w| read(w)).collect()
}

fn words(line: &str) -> Vec<&str> {
    line.split_whitespace().collect()
}

/// The text once for each number of its ranges, all in step; once as it is if there is none.
fn repeated(text: &str) -> Vec<String> {
    let mut copies = vec![String::new()];
    let mut rest = text;
    while let Some((before, first, last, after)) = next_range(rest) {
        let count = (last - first + 1) as usize;
        if copies.len() < count {
            let pattern = copies[0].clone();
            copies.resize(count, pattern);
        }
        for (i, copy) in copies.iter_mut().enumerate() {
            let _ = write!(copy, "{before}{}", first + (i as u32).min(last - first));
        }
        rest = after;
    }
    copies.iter_mut().for_each(|copy| copy.push_str(rest));
    copies
}

/// What stands before `{a..b}`, its ends, and what stands after it. An AS_SET has braces too, but no dots.
fn next_range(text: &str) -> Option<(&str, u32, u32, &str)> {
    let dots = text.find("..")?;
    let open = text[..dots].rfind('{')?;
    let close = dots + text[dots..].find('}')?;
    let first = text[open + 1..dots].parse().ok()?;
    let last: u32 = text[dots + 2..close].parse().ok()?;
    (first <= last).then(|| (&text[..open], first, last, &text[close + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    const STORY: &str = "A story.\n\ngiven\n vantage rrc00/64500\n all holds 192.0.2.0/24 path 64496\nwhen\n";

    #[test]
    fn ranges_of_a_line_go_in_step() {
        assert_eq!(repeated("a {1..3} {64496..64498}"), ["a 1 64496", "a 2 64497", "a 3 64498"]);
        assert_eq!(repeated("64500 {64496,64497}"), ["64500 {64496,64497}"]);
    }

    #[test]
    fn a_slip_in_a_story_is_told_with_its_line() {
        for (line, what) in [
            ("noon all announce", "line 7: \"noon\" is no time"),
            (
                "12:00:00 rrc01/64500 withdraw 192.0.2.0/24",
                "line 7: \"rrc01/64500\" is no vantage point that was given",
            ),
            ("12:00:00 all withdraw 192.0.2.0", "line 7: \"192.0.2.0\" is no IpNet"),
            ("12:00:00 all sleep", "line 7: \"sleep\" is nothing that a session does"),
        ] {
            let story = format!("{STORY}{line}\nthen\nnothing else");
            assert_eq!(story.parse::<Scenario>().err().map(|e| e.to_string()), Some(what.into()));
        }
        assert!(format!("{STORY}then\n").parse::<Scenario>().is_err(), "an open end");
    }
}
