//! Where the legend of a plot goes.

use std::ops::Range;

use plotters::prelude::SeriesLabelPosition;

use super::LinePlot;

/// The largest part of a plot that a legend may take, across and up.
const ROOM: (f64, f64) = (0.3, 0.4);

/// A point or level, across and up, as shares of the plot.
type Place = (f64, f64);

/// Where a legend hides the fewest points; of equal corners, where there is the most room.
pub(super) fn emptiest_corner(
    plot: &LinePlot,
    x: &Range<f64>,
    y: &Range<f64>,
) -> SeriesLabelPosition {
    let share = |value: f64, range: &Range<f64>| (value - range.start) / (range.end - range.start);
    let points = plot
        .points()
        .map(|point| (share(point.x, x), share(point.y, y)));
    // A level has nothing but its line, along the whole width.
    let levels = plot.levels().flat_map(|level| {
        let up = share(level.y, y);
        [0.05, 0.15, 0.25, 0.75, 0.85, 0.95].map(|across| (across, up))
    });
    let places: Vec<Place> = points.chain(levels).collect();
    let size = size(plot);
    let corners = [
        (SeriesLabelPosition::LowerLeft, false, false),
        (SeriesLabelPosition::UpperLeft, false, true),
        (SeriesLabelPosition::LowerRight, true, false),
        (SeriesLabelPosition::UpperRight, true, true),
    ];
    let rated = corners.map(|(corner, is_right, is_upper)| {
        let hidden = |size| count_within(&places, size, is_right, is_upper);
        (corner, (hidden(size), hidden(ROOM)))
    });
    let [first, others @ ..] = rated;
    let best = others.into_iter().fold(
        first,
        |best, corner| {
            if corner.1 < best.1 { corner } else { best }
        },
    );
    best.0
}

/// How many places lie within a corner of this size.
fn count_within(places: &[Place], size: Place, is_right: bool, is_upper: bool) -> usize {
    let is_within = |(across, up): &&Place| {
        let across = if is_right { 1.0 - across } else { *across };
        let up = if is_upper { 1.0 - up } else { *up };
        across < size.0 && up < size.1
    };
    places.iter().filter(is_within).count()
}

/// About the size of the legend, as shares of the plot.
fn size(plot: &LinePlot) -> Place {
    // In pixels, by the font and the size of the picture.
    const LETTER: f64 = 6.5;
    const ROW: f64 = 20.0;
    const MARGIN: (f64, f64) = (60.0, 20.0);
    const PLOT: (f64, f64) = (790.0, 450.0);
    let lines = plot.lines.iter().map(|line| line.name.as_str());
    let levels = plot.references.iter().map(|level| level.name.as_str());
    let names: Vec<&str> = lines
        .chain(levels)
        .chain([plot.censored.as_str()])
        .collect();
    let letters = names.iter().map(|name| name.chars().count()).max();
    let across = MARGIN.0 + LETTER * letters.unwrap_or(0) as f64;
    let up = MARGIN.1 + ROW * names.len() as f64;
    (across / PLOT.0, up / PLOT.1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plot::{Line, Point, Reference, ValueFormat, XAxis};

    #[test]
    fn the_legend_goes_where_no_point_is() {
        let points = [Point::new(100.0, 0.9), Point::new(1.0, 0.1)];
        let mut plot = LinePlot::new("accuracy")
            .x("weights", XAxis::LogDescending, ValueFormat::Plain)
            .line(Line::new("ticket", points));
        let corner = |plot: &LinePlot| emptiest_corner(plot, &(-2.0..0.0), &(0.0..1.0));
        assert!(matches!(corner(&plot), SeriesLabelPosition::LowerLeft));
        plot.lines[0].points.insert(0, Point::new(100.0, 0.1));
        assert!(matches!(corner(&plot), SeriesLabelPosition::UpperRight));
        // A level lies along the whole width.
        let plot = plot.reference(Reference::new("dense", 0.9));
        assert!(matches!(corner(&plot), SeriesLabelPosition::LowerLeft));
    }
}
