//! How many held the offending routes, over time?

use std::collections::BTreeMap;

use plotters::prelude::*;
use rules::alert::Alert;
use rules::bgp::Timestamp;

use crate::plot::{self, Area, Failed};
use crate::store::Span;

const SIZE: (u32, u32) = (720, 200);
/// Part of the time shown that is left free at both ends.
const MARGIN: f64 = 0.04;
/// Curves of one plot, those that rise highest; the style sheet has as many colours.
const CURVES: usize = 5;
/// Places of a curve along the time: more would lie in one dot.
const PLACES: i64 = 600;

/// How many held something, over time: a step each.
struct Curve {
    name: String,
    steps: Vec<(f64, usize)>,
}

/// A plot, and what its curves stand for, in the order of their colours.
pub struct Plot {
    pub svg: String,
    pub curves: Vec<String>,
    /// More origins than curves.
    pub left_out: usize,
}

/// What each alert counted, from the first offending route on; none without two moments to draw between, or where it was over
/// before anything was told.
pub fn plot(told: &[Alert]) -> Option<String> {
    let curve = Curve { name: String::new(), steps: steps(told) };
    drawn(&[curve])
}

/// How many vantage points held a route of each origin, by what is on record; those that are held still, until `now`.
pub fn plot_routes(spans: &[Span], now: Timestamp) -> Option<Plot> {
    let times = spans.iter().flat_map(|span| [Some(span.started), span.ended]).flatten();
    let (first, last) = times.fold((i64::MAX, now.0 / 1_000), |(first, last), time| (first.min(time), last.max(time)));
    let mut by_origin: BTreeMap<Option<u32>, Vec<&Span>> = BTreeMap::new();
    for span in spans {
        by_origin.entry(span.origin_as).or_default().push(span);
    }
    let curve = |(origin, spans): (Option<u32>, Vec<&Span>)| Curve {
        name: origin.map_or("an AS_SET".to_owned(), |asn| format!("AS{asn}")),
        steps: holders(&spans, first, last),
    };
    let mut curves: Vec<Curve> = by_origin.into_iter().map(curve).collect();
    let most = |curve: &Curve| curve.steps.iter().map(|(_, count)| *count).max();
    curves.sort_by_key(|curve| std::cmp::Reverse(most(curve)));
    let left_out = curves.len().saturating_sub(CURVES);
    curves.truncate(CURVES);
    let svg = drawn(&curves)?;
    Some(Plot { svg, curves: curves.into_iter().map(|curve| curve.name).collect(), left_out })
}

/// Vantage points that hold one of these routes at least; the most of each place of the curve.
fn holders(spans: &[&Span], first: i64, last: i64) -> Vec<(f64, usize)> {
    let mut changes: Vec<(i64, bool, i64)> = Vec::with_capacity(2 * spans.len());
    for span in spans {
        changes.push((span.started, false, span.point));
        changes.extend(span.ended.map(|ended| (ended, true, span.point)));
    }
    // Who changes from one route to another at one moment never holds none.
    changes.sort_unstable();
    let width = ((last - first) / PLACES).max(1);
    let mut held: BTreeMap<i64, usize> = BTreeMap::new();
    let mut most: BTreeMap<i64, (usize, usize)> = BTreeMap::new();
    for (time, is_end, point) in changes {
        let routes = held.entry(point).or_default();
        if is_end {
            *routes = routes.saturating_sub(1)
        } else {
            *routes += 1
        }
        if *routes == 0 {
            held.remove(&point);
        }
        let (peak, end) = most.entry((time - first) / width).or_default();
        (*peak, *end) = ((*peak).max(held.len()), held.len());
    }
    let secs = |time: i64| time as f64 / 1e3;
    let (mut steps, mut before) = (vec![(secs(first), 0)], 0);
    for (place, (peak, end)) in most {
        let at = secs(first + place * width);
        steps.extend([(at, before), (at, peak), (at, end)]);
        before = end;
    }
    steps.push((secs(last), before));
    steps
}

/// None without two moments to draw between.
fn drawn(curves: &[Curve]) -> Option<String> {
    let all = || curves.iter().flat_map(|curve| &curve.steps);
    let first = all().map(|(at, _)| *at).fold(f64::INFINITY, f64::min);
    let last = all().map(|(at, _)| *at).fold(f64::NEG_INFINITY, f64::max);
    let most = all().map(|(_, count)| *count).max()?;
    if last <= first || most == 0 {
        return None;
    }
    plot::svg(SIZE, |area| draw(area, curves, (first, last), most))
}

/// Seconds and peer ASes, a step each: nobody before it started, nobody once it is over.
fn steps(told: &[Alert]) -> Vec<(f64, usize)> {
    let secs = |time: Timestamp| time.0 as f64 / 1e6;
    let Some(first) = told.first() else { return Vec::new() };
    let mut steps = vec![(secs(first.started), 0)];
    for alert in told {
        let before = steps.last().map_or(0, |(_, peers)| *peers);
        let at = secs(alert.ended.unwrap_or(alert.time)).max(steps.last().map_or(0.0, |(at, _)| *at));
        steps.push((at, before));
        steps.push((at, alert.visibility.peer_ases));
    }
    steps
}

fn draw(area: &Area<'_>, curves: &[Curve], (first, last): (f64, f64), most: usize) -> Result<(), Failed> {
    let spare = (last - first) * MARGIN;
    let mut chart = ChartBuilder::on(area)
        .margin(8)
        .margin_right(32)
        .x_label_area_size(28)
        .y_label_area_size(40)
        .build_cartesian_2d(first - spare..last + spare, 0_usize..most + 1)?;
    plot::axes(&mut chart, (6, 4), &|secs| clock(*secs, last - first), &ToString::to_string)?;
    for (i, curve) in (0..).zip(curves) {
        let style = plot::colour(i).stroke_width(2);
        chart.draw_series(LineSeries::new(curve.steps.iter().copied(), style))?;
    }
    Ok(())
}

/// Of a time in UTC what tells it apart from its neighbours.
fn clock(secs: f64, whole: f64) -> String {
    let text = Timestamp((secs * 1e6) as i64).to_string();
    let (day, time) = text.split_once('T').unwrap_or((&text, ""));
    match whole {
        w if w > 2.0 * 86_400.0 => day.to_owned(),
        w if w > 3_600.0 => time.chars().take(5).collect(),
        _ => time.chars().take(8).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::samples::{at, opened};

    #[test]
    fn the_curve_starts_at_nobody_and_follows_what_was_told() {
        let opened = opened();
        let mut over = opened.clone();
        over.ended = Some(at(90));
        over.visibility.peer_ases = 0;
        let peers = opened.visibility.peer_ases;
        let told = [opened, over];
        let counted: Vec<_> = steps(&told).into_iter().map(|(_, peers)| peers).collect();
        assert_eq!(counted, [0, 0, peers, peers, 0]);
        let svg = plot(&told).expect("a plot");
        assert!(svg.starts_with("<svg") && svg.contains("03:04:"), "{svg}");
        assert!(!svg.contains("style="), "the page forbids styles that do not come from its sheet: {svg}");
        assert!(plot(&[]).is_none());
    }

    fn span(point: i64, origin_as: u32, started: i64, ended: Option<i64>) -> Span {
        let millis = |secs: i64| at(secs).0 / 1_000;
        Span { point, origin_as: Some(origin_as), started: millis(started), ended: ended.map(millis) }
    }

    #[test]
    fn a_vantage_point_counts_once_however_many_prefixes_it_holds_and_not_between_two_routes() {
        let spans = [
            span(1, 64511, 0, Some(30)),
            span(1, 64511, 0, Some(60)),
            span(2, 64511, 10, Some(20)),
            span(2, 64511, 20, None),
        ];
        let held: Vec<&Span> = spans.iter().collect();
        let steps = holders(&held, at(0).0 / 1_000, at(100).0 / 1_000);
        let at_second = |secs: i64| {
            let time = at(secs).0 as f64 / 1e6;
            steps.iter().take_while(|(at, _)| *at <= time).last().map(|(_, count)| *count)
        };
        let counted: Vec<_> =
            [5, 15, 25, 45, 70, 100].into_iter().map(|secs| at_second(secs).expect("a step")).collect();
        assert_eq!(counted, [1, 2, 2, 2, 1, 1]);
        assert!(steps.windows(2).all(|pair| pair[0].0 <= pair[1].0), "{steps:?}");
    }

    #[test]
    fn each_origin_has_a_curve_of_its_own_and_the_highest_come_first() {
        let mut spans: Vec<Span> = (0..8).map(|i| span(i64::from(i), 64500 + i, 0, Some(50))).collect();
        spans.extend((10..14).map(|point| span(point, 64511, 5, None)));
        let plot = plot_routes(&spans, at(90)).expect("a plot");
        assert_eq!((plot.curves.len(), plot.curves[0].as_str(), plot.left_out), (CURVES, "AS64511", 4));
        assert!(plot.svg.contains("#000003") && plot.svg.contains("#000007"), "{}", plot.svg);
        assert!(plot_routes(&[], at(90)).is_none());
    }

    #[test]
    fn a_record_of_fifty_thousand_routes_is_a_small_picture() {
        let spans: Vec<Span> = (0..50_000).map(|i| span(i % 300, 64511, i % 7_000, Some(i % 7_000 + 40))).collect();
        let plot = plot_routes(&spans, at(7_100)).expect("a plot");
        assert!(plot.svg.len() < 100_000, "{}", plot.svg.len());
    }
}
