//! Line plots as SVG or PNG, by the extension of the file.

mod axis;

use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::Once;

use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::{FontStyle, register_font};

use crate::{PruneError, SensitivityReport, files};

pub use axis::XAxis;

const SIZE: (u32, u32) = (900, 560);

/// A plot of lines over a common axis.
#[derive(Debug, Clone, PartialEq)]
pub struct LinePlot {
    /// Above the plot.
    pub title: String,
    /// Below the horizontal axis.
    pub x: String,
    /// How the horizontal axis is divided.
    pub x_axis: XAxis,
    /// Beside the vertical axis.
    pub y: String,
    /// The lines.
    pub lines: Vec<Line>,
}

/// One line of a [`LinePlot`].
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    /// In the legend.
    pub name: String,
    /// `(x, y, spread)`, in order of `x`; a spread above 0 is drawn as a bar of `y ± spread`. What
    /// is not finite is left out, and what is beyond ±1e300 is drawn there.
    pub points: Vec<(f64, f64, f64)>,
}

impl Line {
    /// The points that can be drawn, `x` where it is on the axis.
    fn placed(&self, axis: XAxis) -> impl Iterator<Item = (f64, f64, f64)> + '_ {
        let points = self.points.iter().copied();
        let placed = points.map(move |(x, y, spread)| (axis.place(x), y, spread));
        let finite = placed
            .filter(|(x, y, spread)| [x, y, spread].into_iter().all(|value| value.is_finite()));
        finite.map(|(x, y, spread)| (axis::clipped(x), axis::clipped(y), axis::clipped(spread)))
    }
}

impl LinePlot {
    /// Draws the plot into a file, SVG or PNG by its extension.
    ///
    /// # Errors
    /// When there is nothing to draw, the extension is another one, or the file cannot be written.
    /// A file that was there stays whole: the new one is written beside it and renamed.
    ///
    /// ```
    /// use burn_prune::{Line, LinePlot, XAxis};
    ///
    /// let plot = LinePlot {
    ///     title: "accuracy".to_string(),
    ///     x: "sparsity".to_string(),
    ///     x_axis: XAxis::Linear,
    ///     y: "accuracy".to_string(),
    ///     lines: vec![Line {
    ///         name: "one-shot".to_string(),
    ///         points: vec![(0.5, 0.9, 0.01), (0.9, 0.8, 0.02)],
    ///     }],
    /// };
    /// let folder = tempfile::tempdir().unwrap();
    /// for name in ["plot.svg", "plot.png"] {
    ///     plot.save(folder.path().join(name))?;
    ///     assert!(std::fs::metadata(folder.path().join(name)).unwrap().len() > 1000);
    /// }
    /// assert!(plot.save(folder.path().join("plot.txt")).is_err());
    /// # Ok::<(), burn_prune::PruneError>(())
    /// ```
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), PruneError> {
        let path = path.as_ref();
        let failed = |message: String| PruneError::Record {
            message: format!("{}: {message}", path.display()),
        };
        if self.points().next().is_none() {
            return Err(failed("there is nothing to draw".to_string()));
        }
        with_font();
        let extension = path.extension().and_then(|extension| extension.to_str());
        let saved = files::replace(path, |file| {
            let drawn = match extension {
                Some("svg") => self.draw(&SVGBackend::new(file.path(), SIZE).into_drawing_area()),
                Some("png") => {
                    self.draw(&BitMapBackend::new(file.path(), SIZE).into_drawing_area())
                }
                _ => Err("the extension must be svg or png".to_string()),
            };
            drawn.map_err(io::Error::other)
        });
        saved.map_err(|error| failed(error.to_string()))
    }

    fn points(&self) -> impl Iterator<Item = (f64, f64, f64)> + '_ {
        self.lines.iter().flat_map(|line| line.placed(self.x_axis))
    }

    fn draw<B: DrawingBackend>(&self, area: &DrawingArea<B, Shift>) -> Result<(), String> {
        self.try_draw(area).map_err(|error| error.to_string())
    }

    fn try_draw<B: DrawingBackend>(
        &self,
        area: &DrawingArea<B, Shift>,
    ) -> Result<(), DrawingAreaErrorKind<B::ErrorType>> {
        area.fill(&WHITE)?;
        let x = axis::range(self.points().map(|(x, ..)| (x, x)));
        let y = axis::range(self.points().map(|(_, y, spread)| axis::bar(y, spread)));
        let (across, up) = (x.clone(), y.clone());
        let corner = self.emptiest_corner(&x, &y);
        let mut chart = ChartBuilder::on(area)
            .caption(&self.title, ("sans-serif", 22))
            .margin(16)
            .x_label_area_size(44)
            .y_label_area_size(64)
            .build_cartesian_2d(x, y)?;
        chart
            .configure_mesh()
            .x_desc(&self.x)
            .y_desc(&self.y)
            .x_label_formatter(&|place| self.x_axis.label(*place, &across))
            .y_label_formatter(&|value| axis::number(*value, &up, 6))
            .label_style(("sans-serif", 15))
            .light_line_style(WHITE)
            .draw()?;
        for (index, line) in self.lines.iter().enumerate() {
            let color = COLORS[index % COLORS.len()];
            let points = || line.placed(self.x_axis);
            chart
                .draw_series(LineSeries::new(
                    points().map(|(x, y, _)| (x, y)),
                    color.stroke_width(2),
                ))?
                .label(&line.name)
                .legend(move |(x, y)| {
                    PathElement::new([(x, y), (x + 20, y)], color.stroke_width(2))
                });
            chart.draw_series(points().map(|(x, y, _)| Circle::new((x, y), 3, color.filled())))?;
            let spreads = points().filter(|(_, _, spread)| *spread > 0.0);
            chart.draw_series(spreads.map(|(x, y, spread)| {
                let (low, high) = axis::bar(y, spread);
                ErrorBar::new_vertical(x, low, y, high, color.filled(), 8)
            }))?;
        }
        chart
            .configure_series_labels()
            .position(corner)
            .background_style(WHITE.mix(0.8))
            .border_style(BLACK.mix(0.3))
            .label_font(("sans-serif", 15))
            .draw()?;
        area.present()
    }

    /// Where a legend hides the fewest points.
    fn emptiest_corner(&self, x: &Range<f64>, y: &Range<f64>) -> SeriesLabelPosition {
        let share =
            |value: f64, range: &Range<f64>| (value - range.start) / (range.end - range.start);
        let hidden = |is_right: bool, is_upper: bool| {
            let points = self.points().filter(|point| {
                let (across, up) = (share(point.0, x), share(point.1, y));
                let across = if is_right { 1.0 - across } else { across };
                let up = if is_upper { 1.0 - up } else { up };
                across < LEGEND.0 && up < LEGEND.1
            });
            points.count()
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
}

/// The part of a plot that a legend may take, across and up.
const LEGEND: (f64, f64) = (0.3, 0.4);

/// Colours that can be told apart by everybody (Okabe and Ito 2008).
const COLORS: [RGBColor; 7] = [
    RGBColor(0, 0, 0),
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(86, 180, 233),
    RGBColor(230, 159, 0),
];

impl SensitivityReport {
    /// The metric against sparsity, a line a parameter.
    pub fn plot(&self, metric: &str) -> LinePlot {
        let lines = self.layers.iter().map(|layer| {
            let start = (0.0, self.baseline, 0.0);
            let values = self.sparsities.iter().zip(&layer.values);
            let points = values.map(|(sparsity, value)| (*sparsity, *value, 0.0));
            Line {
                name: layer.path.clone(),
                points: std::iter::once(start).chain(points).collect(),
            }
        });
        LinePlot {
            title: format!("{metric}, one parameter pruned at a time"),
            x: "sparsity of the parameter".to_string(),
            x_axis: XAxis::Linear,
            y: metric.to_string(),
            lines: lines.collect(),
        }
    }
}

/// A font that is here, as machines without a screen often have none.
fn with_font() {
    static REGISTERED: Once = Once::new();
    REGISTERED.call_once(|| {
        let font = dejavu::sans::regular();
        // It can only fail for a font that is none.
        drop(register_font("sans-serif", FontStyle::Normal, font));
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log_plot(points: &[(f64, f64)]) -> LinePlot {
        LinePlot {
            title: "accuracy".to_string(),
            x: "weights remaining".to_string(),
            x_axis: XAxis::LogDescending,
            y: "accuracy".to_string(),
            lines: vec![Line {
                name: "ticket".to_string(),
                points: points.iter().map(|(x, y)| (*x, *y, 0.0)).collect(),
            }],
        }
    }

    fn svg(plot: &LinePlot) -> Result<String, PruneError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("plot.svg");
        plot.save(&path)?;
        Ok(std::fs::read_to_string(path).unwrap())
    }

    /// Horizontal positions of the points, in their order.
    fn places(svg: &str) -> Vec<f64> {
        let circles = svg.split("<circle cx=\"").skip(1);
        let places = circles.map(|circle| circle.split('"').next().unwrap().parse().unwrap());
        places.collect()
    }

    #[test]
    fn a_descending_log_axis_has_the_largest_value_on_the_left_and_equal_steps_for_equal_factors() {
        let svg = svg(&log_plot(&[(100.0, 0.9), (10.0, 0.8), (1.0, 0.7)])).unwrap();
        let places = places(&svg);
        let [first, second, third] = places[..] else {
            panic!("three points, found {places:?}");
        };
        assert!(first < second && second < third, "{places:?}");
        // Whole pixels.
        let (left, right) = (second - first, third - second);
        assert!((left - right).abs() <= 1.0, "{places:?}");
        for label in ["\n100\n", "\n10\n", "\n1.0\n"] {
            assert!(svg.contains(label), "{label:?}");
        }
    }

    #[test]
    fn the_legend_goes_where_no_point_is() {
        let mut plot = log_plot(&[(100.0, 0.9), (1.0, 0.1)]);
        let corner = |plot: &LinePlot| plot.emptiest_corner(&(-2.0..0.0), &(0.0..1.0));
        assert!(matches!(corner(&plot), SeriesLabelPosition::LowerLeft));
        plot.lines[0].points.insert(0, (100.0, 0.1, 0.0));
        assert!(matches!(corner(&plot), SeriesLabelPosition::UpperRight));
    }

    /// Values that are hard on an axis, and others.
    fn extreme(random: &mut impl FnMut() -> u64) -> f64 {
        const EXTREME: [f64; 16] = [
            f64::MAX,
            f64::MIN,
            f64::MIN_POSITIVE,
            5e-324,
            f64::NAN,
            f64::INFINITY,
            f64::NEG_INFINITY,
            0.0,
            -0.0,
            1.0,
            1e300,
            -1e300,
            1e16,
            1.0 + f64::EPSILON,
            1e-300,
            0.1,
        ];
        match random() % 4 {
            // Any bits.
            0 => f64::from_bits(random()),
            1 => (random() % 1000) as f64 / 100.0,
            _ => EXTREME[(random() % EXTREME.len() as u64) as usize],
        }
    }

    #[test]
    fn whatever_the_values_are_a_plot_is_drawn_or_there_is_nothing_to_draw() {
        use chacha20::ChaCha8Rng;
        use rand::{Rng, SeedableRng};

        let mut stream = ChaCha8Rng::seed_from_u64(7);
        let mut random = || stream.next_u64();
        let folder = tempfile::tempdir().unwrap();
        let mut drawn = 0;
        for case in 0..400 {
            let mut plot = log_plot(&[]);
            if case % 2 == 0 {
                plot.x_axis = XAxis::Linear;
            }
            let points = (0..=random() % 4).map(|_| {
                let equal = extreme(&mut random);
                match random() % 5 {
                    0 => (equal, equal, 0.0),
                    _ => (equal, extreme(&mut random), extreme(&mut random)),
                }
            });
            plot.lines[0].points = points.collect();
            // A few as pixels, which takes longer.
            let extension = if case % 40 == 0 { "png" } else { "svg" };
            let path = folder.path().join(format!("plot.{extension}"));
            let is_empty = plot.points().next().is_none();
            match plot.save(&path) {
                Ok(()) => {
                    assert!(!is_empty && std::fs::metadata(&path).unwrap().len() > 500);
                    drawn += 1;
                }
                Err(error) => assert!(is_empty, "{plot:?}: {error}"),
            }
        }
        assert!(drawn > 200, "{drawn}");
    }

    #[test]
    fn values_that_have_no_logarithm_are_left_out() {
        let good = [(100.0, 0.9), (1.0, 0.7)];
        let bad = [(0.0, 0.5), (-1.0, 0.5), (f64::NAN, 0.5)];
        let both = svg(&log_plot(&[&good[..], &bad[..]].concat())).unwrap();
        assert_eq!(places(&both), places(&svg(&log_plot(&good)).unwrap()));
        let error = svg(&log_plot(&bad)).unwrap_err().to_string();
        assert!(error.contains("there is nothing to draw"), "{error}");
    }
}
