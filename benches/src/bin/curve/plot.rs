//! A plot with two lines, both axes logarithmic.

use std::ops::Range;
use std::path::Path;

use plotters::prelude::*;

use crate::sizes::Curve;
use crate::{Failure, Point};

const SIZE: (u32, u32) = (640, 360);
const QUIET: RGBColor = RGBColor(0, 107, 164);
const HOSTILE: RGBColor = RGBColor(200, 82, 0);

pub fn draw(curve: &Curve, points: &[Point]) -> Result<(), Failure> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("curve");
    std::fs::create_dir_all(&folder)?;
    let file = folder.join(format!("{}.svg", curve.name));
    let area = SVGBackend::new(&file, SIZE).into_drawing_area();
    area.fill(&WHITE)?;
    let sizes = range(points.iter().map(|p| p.size as f64));
    let costs = range(points.iter().flat_map(|p| [p.quiet, p.hostile]));
    let mut chart = ChartBuilder::on(&area)
        .margin(12)
        .x_label_area_size(36)
        .y_label_area_size(64)
        .build_cartesian_2d(sizes.log_scale(), costs.log_scale())?;
    chart.configure_mesh().x_desc(curve.name).y_desc("ns an element").light_line_style(WHITE).draw()?;
    let mut line = |name: &str, color: RGBColor, cost: fn(&Point) -> f64| -> Result<(), Failure> {
        let line = points.iter().map(|p| (p.size as f64, cost(p)));
        chart.draw_series(LineSeries::new(line, color.stroke_width(2)))?;
        let Some(last) = points.last() else { return Ok(()) };
        let style = ("sans-serif", 14).into_font().color(&color);
        let at = EmptyElement::at((last.size as f64, cost(last)));
        chart.draw_series([at + Text::new(name.to_owned(), (-52, -18), style)])?;
        Ok(())
    };
    line("quiet", QUIET, |p| p.quiet)?;
    line("hostile", HOSTILE, |p| p.hostile)?;
    area.present()?;
    Ok(())
}

/// All values, with some room around.
fn range(values: impl Iterator<Item = f64>) -> Range<f64> {
    let (least, most) = values.fold((f64::MAX, 1.0_f64), |(least, most), v| (least.min(v), most.max(v)));
    (least * 0.7).max(0.5)..most * 1.4
}
