//! The table of all measures, and whether any fell below its floor.

/// One figure with the least it may be.
struct Check {
    what: String,
    good: usize,
    of: usize,
    floor: Floor,
}

/// The least that holds. A floor says what was reached once and is defended from then on.
#[derive(Clone, Copy, Debug)]
pub enum Floor {
    /// So many at least.
    Count(usize),
    /// This share at least, 0 to 1.
    Share(f64),
    /// Of what must not be, so many at most.
    AtMost(usize),
    /// Stated, not defended.
    None,
}

/// Prints lines as they come and keeps the checks for the end.
#[derive(Default)]
pub struct Table {
    checks: Vec<Check>,
}

impl Table {
    pub fn title(&self, title: &str) {
        println!("\n== {title}");
    }

    pub fn line(&self, line: impl AsRef<str>) {
        println!("{}", line.as_ref());
    }

    /// Adds `good` of `of`, to be held against a floor at the end.
    pub fn check(&mut self, what: impl Into<String>, good: usize, of: usize, floor: Floor) {
        self.checks.push(Check { what: what.into(), good, of, floor });
    }

    /// Prints all checks; false if one is below its floor.
    pub fn finish(self) -> bool {
        println!("\n== measures and floors");
        for check in &self.checks {
            println!("{}", check.line());
        }
        let fallen = self.checks.iter().filter(|c| !c.holds()).count();
        match fallen {
            0 => println!("every floor holds"),
            n => println!("{n} below the floor"),
        }
        fallen == 0
    }
}

impl Check {
    fn share(&self) -> f64 {
        if self.of == 0 { 1.0 } else { self.good as f64 / self.of as f64 }
    }

    fn holds(&self) -> bool {
        match self.floor {
            Floor::Count(least) => self.good >= least,
            Floor::Share(least) => self.share() >= least,
            Floor::AtMost(most) => self.good <= most,
            Floor::None => true,
        }
    }

    fn line(&self) -> String {
        let floor = match self.floor {
            Floor::Count(least) => format!("at least {least}"),
            Floor::Share(least) => format!("at least {:.1} %", least * 100.0),
            Floor::AtMost(most) => format!("at most {most}"),
            Floor::None => "stated".to_owned(),
        };
        let mark = if self.holds() { "" } else { "  <-- BELOW" };
        let share = match self.floor {
            Floor::AtMost(_) => String::new(),
            _ => format!("{:5.1} %", self.share() * 100.0),
        };
        format!("{:<66} {:>5} of {:<7} {share:<8} {floor}{mark}", self.what, self.good, self.of)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_figure_below_its_floor_fails_the_table() {
        let finished = |good, floor| {
            let mut table = Table::default();
            table.check("a figure", good, 10, floor);
            table.finish()
        };
        assert!(finished(9, Floor::Share(0.9)) && !finished(8, Floor::Share(0.9)));
        assert!(finished(9, Floor::Count(9)) && !finished(8, Floor::Count(9)));
        assert!(finished(1, Floor::AtMost(1)) && !finished(2, Floor::AtMost(1)));
        assert!(finished(0, Floor::None));
    }
}
