//! How does a plot look, whatever it shows?
//!
//! Its colours are names: the style sheet of the page gives them their real ones, by day and by night.

use plotters::chart::ChartContext;
use plotters::coord::Shift;
use plotters::coord::ranged1d::ValueFormatter;
use plotters::prelude::*;

const INK: RGBColor = RGBColor(0, 0, 1);
const LINE: RGBColor = RGBColor(0, 0, 2);
/// The first of the colours of curves.
const CURVE: u8 = 3;

pub type Failed = Box<dyn std::error::Error>;
pub type Area<'s> = DrawingArea<SVGBackend<'s>, Shift>;

/// The colour of the curve of this number.
pub fn colour(curve: u8) -> RGBColor {
    RGBColor(0, 0, CURVE + curve)
}

/// An SVG for within a page.
pub fn svg(size: (u32, u32), draw: impl FnOnce(&Area<'_>) -> Result<(), Failed>) -> Option<String> {
    let mut svg = String::new();
    let area = SVGBackend::with_string(&mut svg, size).into_drawing_area();
    // The back end writes into memory: it cannot fail, and a plot that did would be left out.
    draw(&area).and_then(|()| Ok(area.present()?)).ok()?;
    drop(area);
    // Within a page an SVG needs no name space.
    Some(svg.replace(" xmlns=\"http://www.w3.org/2000/svg\"", ""))
}

/// Both axes, with about so many labels, and a line at each of the second.
pub fn axes<X, Y>(
    chart: &mut ChartContext<'_, SVGBackend<'_>, Cartesian2d<X, Y>>,
    (along, up): (usize, usize),
    clock: &dyn Fn(&X::ValueType) -> String,
    count: &dyn Fn(&Y::ValueType) -> String,
) -> Result<(), Failed>
where
    X: Ranged + ValueFormatter<X::ValueType>,
    Y: Ranged + ValueFormatter<Y::ValueType>,
{
    chart
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(LINE)
        .axis_style(INK)
        .label_style(("sans-serif", 12, &INK))
        .x_labels(along)
        .y_labels(up)
        .x_label_formatter(&clock)
        .y_label_formatter(&count)
        .draw()?;
    Ok(())
}
