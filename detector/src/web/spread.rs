//! How many peer ASes held the offending routes, over time?

use plotters::prelude::*;
use rules::alert::Alert;
use rules::bgp::Timestamp;

const SIZE: (u32, u32) = (720, 200);
/// Part of the time shown that is left free at both ends.
const MARGIN: f64 = 0.04;
/// The style sheet gives these their real colours, by day and by night.
const INK: RGBColor = RGBColor(0, 0, 1);
const LINE: RGBColor = RGBColor(0, 0, 2);
const CURVE: RGBColor = RGBColor(0, 0, 3);

/// An SVG of what each alert counted, from the first offending route on; none without two moments to draw between, or where
/// it was over before anything was told.
pub fn plot(told: &[Alert]) -> Option<String> {
    let steps = steps(told);
    let (first, last) = (steps.first()?.0, steps.last()?.0);
    let most = steps.iter().map(|(_, peers)| *peers).max()?;
    let mut svg = String::new();
    if last <= first || most == 0 {
        return None;
    }
    // The back end writes into memory: it cannot fail, and a plot that did would be left out.
    draw(&mut svg, &steps, (first, last), most).ok()?;
    // Within a page an SVG needs no name space.
    Some(svg.replace(" xmlns=\"http://www.w3.org/2000/svg\"", ""))
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

type Failed = Box<dyn std::error::Error>;

fn draw(svg: &mut String, steps: &[(f64, usize)], (first, last): (f64, f64), most: usize) -> Result<(), Failed> {
    let spare = (last - first) * MARGIN;
    let root = SVGBackend::with_string(svg, SIZE).into_drawing_area();
    let mut chart = ChartBuilder::on(&root)
        .margin(8)
        .x_label_area_size(28)
        .y_label_area_size(40)
        .build_cartesian_2d(first - spare..last + spare, 0_usize..most + 1)?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(LINE)
        .axis_style(INK)
        .label_style(("sans-serif", 12, &INK))
        .x_labels(6)
        .y_labels(4)
        .x_label_formatter(&|secs| clock(*secs, last - first))
        .draw()?;
    chart.draw_series(LineSeries::new(steps.iter().copied(), CURVE.stroke_width(2)))?;
    root.present()?;
    drop(chart);
    drop(root);
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
}
