//! How is a number shown, and does it hold?

use std::fmt;

use benches::measure::{Rounds, spread};

use crate::{Args, Failure};

pub struct Row {
    pub name: &'static str,
    pub what: &'static str,
    pub floor: f64,
    pub aim: f64,
    /// Less is better.
    pub is_cost: bool,
    pub measure: Measure,
}

type Measure = fn(&Args) -> Result<Figure, Failure>;

impl Row {
    pub const fn gain(name: &'static str, what: &'static str, floor: f64, aim: f64, measure: Measure) -> Self {
        Self { name, what, floor, aim, is_cost: false, measure }
    }

    pub const fn cost(name: &'static str, what: &'static str, floor: f64, aim: f64, measure: Measure) -> Self {
        Self { name, what, floor, aim, is_cost: true, measure }
    }
}

pub enum Figure {
    Measured {
        rounds: Vec<f64>,
        detail: String,
    },
    /// Why it cannot be measured here.
    Skipped(String),
}

impl Figure {
    pub fn of(rounds: &Rounds, of: &str) -> Self {
        let [theirs, ours] = rounds.ns();
        let detail = format!("{ours:.0} against {theirs:.0} ns an element of {}: {of}", rounds.elements);
        Self::Measured { rounds: rounds.ratios(), detail }
    }
}

pub struct Outcome<'a> {
    pub row: &'a Row,
    pub figure: Figure,
}

pub const HEAD: &str = "| row | what | median | least to most | floor | aim | |\n|---|---|---|---|---|---|---|";

impl Outcome<'_> {
    fn verdict(&self, median: f64) -> &'static str {
        let Row { floor, aim, is_cost, .. } = *self.row;
        let reaches = |bound: f64| if is_cost { median <= bound } else { median >= bound };
        match (reaches(aim), reaches(floor)) {
            (true, _) => "reaches the aim",
            (_, true) => "holds",
            _ => "misses",
        }
    }
}

impl fmt::Display for Outcome<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Row { name, what, floor, aim, .. } = self.row;
        match &self.figure {
            Figure::Skipped(why) => write!(f, "| {name} | {what} | – | – | {floor} | {aim} | not measured: {why} |"),
            Figure::Measured { rounds, .. } => {
                let (median, least, most) = spread(rounds.clone());
                let verdict = self.verdict(median);
                write!(f, "| {name} | {what} | {median:.2} | {least:.2} to {most:.2} | {floor} | {aim} | {verdict} |")
            }
        }
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Skipped(why) => write!(f, "not measured: {why}"),
            Self::Measured { rounds, detail } => {
                let (median, least, most) = spread(rounds.clone());
                write!(f, "{median:.2} ({least:.2} to {most:.2} in {} rounds); {detail}", rounds.len())
            }
        }
    }
}
