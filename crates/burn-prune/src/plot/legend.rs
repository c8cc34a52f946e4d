//! Where the legend of a plot goes.

use std::ops::Range;

use plotters::prelude::SeriesLabelPosition;

use super::LinePlot;

/// The part of a plot that a legend may take, across and up.
const LEGEND: (f64, f64) = (0.3, 0.4);

/// Where a legend hides the fewest points.
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
    let places: Vec<(f64, f64)> = points.chain(levels).collect();
    let hidden = |from_right: bool, from_top: bool| {
        let is_hidden = |(across, up): &&(f64, f64)| {
            let across = if from_right { 1.0 - across } else { *across };
            let up = if from_top { 1.0 - up } else { *up };
            across < LEGEND.0 && up < LEGEND.1
        };
        places.iter().filter(is_hidden).count()
    };
    let corners = [
        (SeriesLabelPosition::LowerLeft, hidden(false, false)),
        (SeriesLabelPosition::UpperLeft, hidden(false, true)),
        (SeriesLabelPosition::LowerRight, hidden(true, false)),
        (SeriesLabelPosition::UpperRight, hidden(true, true)),
    ];
    let [first, others @ ..] = corners;
    let better = others.into_iter().fold(
        first,
        |best, corner| {
            if corner.1 < best.1 { corner } else { best }
        },
    );
    better.0
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
