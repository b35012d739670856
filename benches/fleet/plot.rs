//! Drawings: memory against the number of sessions, and how a fleet comes back.

use std::{error::Error, path::Path};

use plotters::prelude::*;

use crate::report::{Figures, Measured};

const SIZE: (u32, u32) = (720, 400);

/// A line of a drawing.
struct Line {
    name: &'static str,
    points: Vec<(f64, f64)>,
}

/// Draws all of a run into a folder.
pub(crate) fn draw(folder: &Path, figures: &Figures) {
    std::fs::create_dir_all(folder).expect("the folder can be made");
    let sides = [("gateway", Some(&figures.gateway)), ("bare client", figures.bare.as_ref())];
    let sides = sides.into_iter().filter_map(|(name, side)| Some((name, side?)));
    let memory = sides.map(|(name, side)| Line { name, points: memory(side) }).collect();
    let file = folder.join("fleet-memory.svg");
    chart(&file, "Memory (PSS)", "sessions", "MB", memory).expect("a drawing can be written");

    let mut recoveries = vec![("gateway, all dropped", &figures.gateway.dropped)];
    recoveries.extend(figures.gateway.started.iter().map(|start| ("gateway, started", start)));
    let bare = figures.bare.as_ref();
    recoveries.extend(bare.map(|bare| ("bare client, all dropped", &bare.dropped)));
    let recoveries = recoveries.into_iter().map(|(name, recovery)| {
        let points = recovery.curve.iter().map(|(at, working)| (*at, count(*working)));
        Line { name, points: points.collect() }
    });
    let file = folder.join("fleet-recovery.svg");
    chart(&file, "Sessions that work again", "seconds", "sessions", recoveries.collect())
        .expect("a drawing can be written");
}

fn memory(side: &Measured) -> Vec<(f64, f64)> {
    let megabytes = |bytes: u64| count(usize::try_from(bytes >> 10).unwrap_or(usize::MAX)) / 1024.0;
    let points = side.memory.iter();
    points.map(|point| (count(point.sessions), megabytes(point.usage.pss))).collect()
}

fn chart(
    file: &Path,
    title: &str,
    across: &str,
    up: &str,
    lines: Vec<Line>,
) -> Result<(), Box<dyn Error>> {
    let points = || lines.iter().flat_map(|line| line.points.iter().copied());
    let right = points().map(|point| point.0).fold(1.0, f64::max);
    let top = points().map(|point| point.1).fold(1.0, f64::max) * 1.05;
    let area = SVGBackend::new(file, SIZE).into_drawing_area();
    area.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&area)
        .caption(title, ("sans-serif", 18))
        .margin(12)
        .x_label_area_size(36)
        .y_label_area_size(56)
        .build_cartesian_2d(0.0..right, 0.0..top)?;
    let whole = |value: &f64| format!("{value:.0}");
    chart
        .configure_mesh()
        .x_desc(across)
        .y_desc(up)
        .x_label_formatter(&whole)
        .y_label_formatter(&whole)
        .draw()?;
    for (index, line) in lines.into_iter().enumerate() {
        let colour = Palette99::pick(index).to_rgba();
        chart
            .draw_series(LineSeries::new(line.points, colour.stroke_width(2)))?
            .label(line.name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], colour.stroke_width(2)));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::LowerRight)
        .border_style(BLACK.mix(0.3))
        .background_style(WHITE.mix(0.8))
        .draw()?;
    area.present()?;
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "a drawing, far below 2^53")]
fn count(number: usize) -> f64 {
    number as f64
}
