//! Who wants to hear of this transition?

use rules::alert::{Alert, Class, Severity, Transition};

use super::scope::Scope;
use crate::config::{self, Phase};

/// What one sink or route wants of all alerts.
#[derive(Clone, Debug)]
pub struct Filter {
    min_severity: Severity,
    /// Empty: all.
    classes: Vec<Class>,
    on: Vec<Phase>,
    scope: Option<Scope>,
    /// Hears of the end of what it never heard begin, such as an incident that was imported: it keeps a record, and is no
    /// person.
    keeps_record: bool,
}

/// Everything of that severity, for the record.
impl From<Severity> for Filter {
    fn from(min_severity: Severity) -> Self {
        Self { min_severity, classes: Vec::new(), on: Phase::ALL.to_vec(), scope: None, keeps_record: true }
    }
}

impl Filter {
    pub fn of(route: &config::Route, scope: Option<Scope>) -> Self {
        let (classes, on) = (route.classes.clone(), route.on.clone());
        Self { min_severity: route.min_severity, classes, on, scope, keeps_record: false }
    }

    /// `has_heard`: of an earlier transition of this incident. Who heard of an incident hears how it goes on, whatever
    /// became of it.
    pub fn wants(&self, alert: &Alert, has_heard: bool) -> bool {
        let is_news = has_heard || self.keeps_record || !is_end(alert);
        is_news && self.on.contains(&phase_of(alert, has_heard)) && (has_heard || self.concerns(alert))
    }

    fn concerns(&self, alert: &Alert) -> bool {
        alert.severity >= self.min_severity
            && (self.classes.is_empty() || self.classes.contains(&alert.class))
            && self.scope.as_ref().is_none_or(|scope| scope.concerns(alert))
    }
}

fn is_end(alert: &Alert) -> bool {
    matches!(alert.transition, Transition::Resolved | Transition::Retracted)
}

/// What the transition is to somebody who has or has not heard of its incident.
pub fn phase_of(alert: &Alert, has_heard: bool) -> Phase {
    match alert.transition {
        Transition::Opened | Transition::Reopened => Phase::Opened,
        Transition::Resolved => Phase::Resolved,
        Transition::Retracted => Phase::Retracted,
        Transition::Updated if !has_heard => Phase::Opened,
        Transition::Updated if alert.previous_severity.is_some_and(|before| before < alert.severity) => {
            Phase::Escalated
        }
        Transition::Updated => Phase::Updated,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::samples::opened;

    fn alert(transition: Transition, previous: Option<Severity>, severity: Severity) -> Alert {
        Alert { transition, previous_severity: previous, severity, ..opened() }
    }

    fn filter(min_severity: Severity, on: &[Phase]) -> Filter {
        Filter { on: on.to_vec(), ..min_severity.into() }
    }

    #[test]
    fn what_rises_to_the_threshold_is_opened_for_who_waits_above_it() {
        let rose = alert(Transition::Updated, Some(Severity::Medium), Severity::High);
        let pager = filter(Severity::High, &[Phase::Opened]);
        assert!(pager.wants(&rose, false));
        assert!(!pager.wants(&rose, true), "known: an escalation, which it did not ask for");
        assert!(filter(Severity::High, &[Phase::Escalated]).wants(&rose, true));
    }

    #[test]
    fn the_end_is_for_whoever_heard_the_beginning() {
        let end = alert(Transition::Resolved, Some(Severity::High), Severity::Low);
        let pager = filter(Severity::High, &Phase::ALL);
        assert!(pager.wants(&end, true) && !pager.wants(&end, false));
        assert!(!filter(Severity::High, &[Phase::Opened]).wants(&end, true), "it did not ask for ends");
    }

    #[test]
    fn people_hear_of_no_end_of_what_they_never_heard_of_and_a_record_does() {
        let record = Filter::from(Severity::Low);
        let people = Filter { keeps_record: false, ..record.clone() };
        for transition in [Transition::Resolved, Transition::Retracted] {
            let end = alert(transition, None, Severity::High);
            assert!(!people.wants(&end, false) && people.wants(&end, true) && record.wants(&end, false));
        }
        assert!(people.wants(&alert(Transition::Updated, None, Severity::High), false));
    }

    #[test]
    fn a_class_that_is_not_named_is_not_told() {
        let mut pager = filter(Severity::Low, &Phase::ALL);
        pager.classes = vec![Class::RouteLeak];
        assert!(!pager.wants(&opened(), false));
        pager.classes.push(opened().class);
        assert!(pager.wants(&opened(), false));
    }

    #[test]
    fn what_is_left_out_of_a_story_is_an_update() {
        let fell = alert(Transition::Updated, Some(Severity::High), Severity::Medium);
        assert_eq!(phase_of(&fell, true), Phase::Updated);
        assert_eq!(phase_of(&alert(Transition::Reopened, None, Severity::Low), true), Phase::Opened);
    }
}
