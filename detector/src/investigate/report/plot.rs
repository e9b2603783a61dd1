//! How many had it, minute by minute?

use plotters::prelude::*;

use super::Minute;
use crate::plot::{self, Area, Failed};

const SIZE: (u32, u32) = (720, 240);
/// Numbers of curves.
const SUSPECT: u8 = 0;
const EXPECTED: u8 = 1;

/// What is drawn of a minute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of {
    PeerAses,
    /// In per cent of the full feeds.
    Share,
}

impl Of {
    fn suspect(self, minute: &Minute) -> f64 {
        match self {
            Self::PeerAses => minute.peer_ases as f64,
            Self::Share => minute.full_feed_share.unwrap_or_default() * 100.0,
        }
    }
}

/// An SVG, from the minute before the first to the minute after the last in which anybody had it, and a tenth around it; none
/// without two minutes.
pub fn plot(minutes: &[Minute], of: Of) -> Option<String> {
    let minutes = around(minutes)?;
    if minutes.len() < 2 || (of == Of::Share && minutes.iter().all(|m| m.full_feed_share.is_none())) {
        return None;
    }
    plot::svg(SIZE, |area| draw(area, minutes, of))
}

fn around(minutes: &[Minute]) -> Option<&[Minute]> {
    let first = minutes.iter().position(|minute| minute.peer_ases > 0)?;
    let last = minutes.iter().rposition(|minute| minute.peer_ases > 0)?;
    let spare = ((last - first) / 10).max(2);
    Some(&minutes[first.saturating_sub(spare)..(last + spare + 1).min(minutes.len())])
}

fn draw(area: &Area<'_>, minutes: &[Minute], of: Of) -> Result<(), Failed> {
    let most = |value: &dyn Fn(&Minute) -> f64| minutes.iter().map(value).fold(0.0, f64::max);
    let top = match of {
        Of::PeerAses => most(&|m| of.suspect(m)).max(most(&|m| m.expected_peer_ases as f64)) * 1.05 + 1.0,
        Of::Share => 105.0,
    };
    let last = minutes.len() as f64;
    let mut chart = ChartBuilder::on(area)
        .margin(8)
        .x_label_area_size(28)
        .y_label_area_size(44)
        .build_cartesian_2d(0.0..last, 0.0..top)?;
    plot::axes(&mut chart, (7, 5), &|at| clock(minutes, *at), &|value| format!("{value:.0}"))?;
    if of == Of::PeerAses {
        let expected = steps(minutes, &|m| m.expected_peer_ases as f64);
        chart.draw_series(DashedLineSeries::new(expected, 5, 3, plot::colour(EXPECTED).stroke_width(2)))?;
    }
    let suspect = plot::colour(SUSPECT).stroke_width(2);
    chart.draw_series(LineSeries::new(steps(minutes, &|m| of.suspect(m)), suspect))?;
    Ok(())
}

/// Each minute as wide as it is.
fn steps(minutes: &[Minute], value: &dyn Fn(&Minute) -> f64) -> Vec<(f64, f64)> {
    let both = |(i, minute): (usize, &Minute)| [(i as f64, value(minute)), (i as f64 + 1.0, value(minute))];
    minutes.iter().enumerate().flat_map(both).collect()
}

fn clock(minutes: &[Minute], at: f64) -> String {
    let Some(minute) = minutes.get(at as usize) else { return String::new() };
    let text = minute.minute.0.to_string();
    let (day, time) = text.split_once('T').unwrap_or((&text, ""));
    if minutes.len() > 2 * 1_440 { day.to_owned() } else { time.chars().take(5).collect() }
}

#[cfg(test)]
mod tests {
    use rules::bgp::Timestamp;

    use super::super::Time;
    use super::*;

    fn minute(at: i64, peer_ases: usize, share: Option<f64>) -> Minute {
        let minute = Time(Timestamp::from_secs(1_772_334_240 + at * 60));
        Minute { minute, peer_ases, full_feed: 0, full_feed_share: share, expected_peer_ases: 4 - peer_ases }
    }

    #[test]
    fn minutes_are_drawn_around_those_in_which_somebody_had_it() {
        let minutes: Vec<Minute> = (0..60).map(|i| minute(i, usize::from((30..33).contains(&i)) * 3, None)).collect();
        assert_eq!(around(&minutes).map(<[Minute]>::len), Some(7));
        let svg = plot(&minutes, Of::PeerAses).expect("a plot");
        assert!(svg.starts_with("<svg") && svg.contains("03:3"), "{svg}");
        assert!(!svg.contains("style="), "colours come from the style sheet: {svg}");
        assert!(plot(&minutes, Of::Share).is_none(), "there is no measure");
    }

    #[test]
    fn where_nobody_had_it_there_is_nothing_to_draw() {
        assert!(plot(&[minute(0, 0, None), minute(1, 0, None)], Of::PeerAses).is_none());
        assert!(plot(&[], Of::PeerAses).is_none());
    }
}
