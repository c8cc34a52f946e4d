//! How a plot is drawn.

use std::path::Path;
use std::sync::Once;

use plotters::coord::Shift;
use plotters::element::DashedPathElement;
use plotters::prelude::*;
use plotters::style::{FontStyle, register_font};

use super::{Line, LinePlot, PlotError, Point, Reference, axis, legend};

const SIZE: (u32, u32) = (900, 560);

/// A format of pictures.
#[derive(Clone, Copy)]
pub(super) enum Picture {
    Svg,
    Png,
}

impl Picture {
    /// The format that the extension of a file names.
    pub(super) fn of(path: &Path) -> Result<Self, PlotError> {
        match path.extension().and_then(|extension| extension.to_str()) {
            Some("svg") => Ok(Self::Svg),
            Some("png") => Ok(Self::Png),
            found => Err(PlotError::Format {
                path: path.to_path_buf(),
                found: found.unwrap_or_default().to_string(),
            }),
        }
    }

    pub(super) fn draw(self, plot: &LinePlot, path: &Path) -> Result<(), String> {
        with_font();
        match self {
            Self::Svg => plot.draw(&SVGBackend::new(path, SIZE).into_drawing_area()),
            Self::Png => plot.draw(&BitMapBackend::new(path, SIZE).into_drawing_area()),
        }
    }
}

impl LinePlot {
    /// The points that can be drawn, `x` where it is on the axis.
    pub(super) fn points(&self) -> impl Iterator<Item = Point> + '_ {
        self.lines.iter().flat_map(|line| self.placed(line))
    }

    fn placed<'a>(&'a self, line: &'a Line) -> impl Iterator<Item = Point> + 'a {
        let placed = line.points.iter().map(|point| Point {
            x: self.x_axis.place(point.x),
            ..*point
        });
        let is_finite = |point: &Point| {
            [point.x, point.y, point.spread]
                .iter()
                .all(|value| value.is_finite())
        };
        placed.filter(is_finite).map(|point| Point {
            x: axis::clipped(point.x),
            y: axis::clipped(point.y),
            spread: axis::clipped(point.spread),
            censored: point.censored,
        })
    }

    /// The levels that can be drawn.
    pub(super) fn levels(&self) -> impl Iterator<Item = Reference> + '_ {
        let finite = self.references.iter().filter(|level| level.y.is_finite());
        finite.map(|level| Reference {
            y: axis::clipped(level.y),
            spread: axis::clipped(level.spread),
            ..level.clone()
        })
    }

    fn draw<B: DrawingBackend>(&self, area: &DrawingArea<B, Shift>) -> Result<(), String> {
        self.try_draw(area).map_err(|error| error.to_string())
    }

    fn try_draw<B: DrawingBackend>(
        &self,
        area: &DrawingArea<B, Shift>,
    ) -> Result<(), DrawingAreaErrorKind<B::ErrorType>> {
        area.fill(&WHITE)?;
        let x = axis::range(self.points().map(|point| (point.x, point.x)));
        let of_points = self.points().map(|point| axis::bar(point.y, point.spread));
        let of_levels = self.levels().map(|level| axis::bar(level.y, level.spread));
        let y = axis::range(of_points.chain(of_levels));
        let corner = legend::emptiest_corner(self, &x, &y);
        let mut chart = ChartBuilder::on(area)
            .caption(&self.title, ("sans-serif", 22))
            .margin(16)
            .x_label_area_size(44)
            .y_label_area_size(72)
            .build_cartesian_2d(x.clone(), y.clone())?;
        chart
            .configure_mesh()
            .x_desc(&self.x)
            .y_desc(&self.y)
            .x_label_formatter(&|place| self.x_axis.label(*place, &x, self.x_format))
            .y_label_formatter(&|value| self.y_format.text(*value, &y, 6))
            .label_style(("sans-serif", 15))
            .light_line_style(WHITE)
            .draw()?;
        for level in self.levels() {
            if level.spread > 0.0 {
                let (low, high) = axis::bar(level.y, level.spread);
                let band = Rectangle::new([(x.start, low), (x.end, high)], BAND.filled());
                chart.draw_series([band])?;
            }
            // Dashes are laid out in pixels along the line.
            let ends = [(x.start, level.y), (x.end, level.y)];
            let (dash, gap) = DASHES;
            chart
                .draw_series(DashedLineSeries::new(
                    ends,
                    dash,
                    gap,
                    BLACK.stroke_width(2),
                ))?
                .label(level.name)
                .legend(move |(x, y)| {
                    let ends = [(x, y), (x + 20, y)];
                    DashedPathElement::new(ends, dash, gap, BLACK.stroke_width(2))
                });
            if level.censored {
                chart.draw_series(open_marker((x.start, level.y), BLACK))?;
            }
        }
        for (line, color) in self.lines.iter().zip(COLORS.into_iter().cycle()) {
            let path = self.placed(line).map(|point| (point.x, point.y));
            chart
                .draw_series(LineSeries::new(path, color.stroke_width(2)))?
                .label(&line.name)
                .legend(move |(x, y)| {
                    PathElement::new([(x, y), (x + 20, y)], color.stroke_width(2))
                });
            let spread = self.placed(line).filter(|point| point.spread > 0.0);
            chart.draw_series(spread.map(|point| {
                let (low, high) = axis::bar(point.y, point.spread);
                ErrorBar::new_vertical(point.x, low, point.y, high, color.filled(), 8)
            }))?;
            let decided = self.placed(line).filter(|point| !point.censored);
            let marker = |point: Point| Circle::new((point.x, point.y), 3, color.filled());
            chart.draw_series(decided.map(marker))?;
            let censored = self.placed(line).filter(|point| point.censored);
            let markers = censored.flat_map(|point| open_marker((point.x, point.y), color));
            chart.draw_series(markers)?;
        }
        let is_censored =
            self.points().any(|point| point.censored) || self.levels().any(|level| level.censored);
        if is_censored {
            let nothing: [Circle<(f64, f64), i32>; 0] = [];
            chart
                .draw_series(nothing)?
                .label(&self.censored)
                .legend(|(x, y)| Circle::new((x + 10, y), 4, BLACK.stroke_width(2)));
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
}

/// A ring over whatever is below it.
fn open_marker(at: (f64, f64), color: RGBColor) -> [Circle<(f64, f64), i32>; 2] {
    [
        Circle::new(at, 4, WHITE.filled()),
        Circle::new(at, 4, color.stroke_width(2)),
    ]
}

/// Length and distance of the dashes of a level, in pixels.
const DASHES: (u32, u32) = (6, 4);

/// The spread of a level.
const BAND: RGBAColor = RGBAColor(0, 0, 0, 0.08);

/// Colours that can be told apart by everybody (Okabe and Ito 2008). Black comes last, as levels
/// are black.
const COLORS: [RGBColor; 7] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(86, 180, 233),
    RGBColor(230, 159, 0),
    RGBColor(0, 0, 0),
];

/// Registers a font of our own, as machines without a screen often have none.
fn with_font() {
    static REGISTERED: Once = Once::new();
    REGISTERED.call_once(|| {
        let font = dejavu::sans::regular();
        // It fails only for data that are no font.
        drop(register_font("sans-serif", FontStyle::Normal, font));
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plot::{ValueFormat, XAxis};

    fn log_plot(points: &[(f64, f64)]) -> LinePlot {
        let points = points.iter().map(|(x, y)| Point::new(*x, *y));
        LinePlot::new("accuracy")
            .x(
                "weights remaining",
                XAxis::LogDescending,
                ValueFormat::Plain,
            )
            .y("accuracy", ValueFormat::Plain)
            .line(Line::new("ticket", points))
    }

    fn svg(plot: &LinePlot) -> Result<String, PlotError> {
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
                    0 => Point::new(equal, equal),
                    _ => Point::new(equal, extreme(&mut random)).spread(extreme(&mut random)),
                }
            });
            plot.lines[0].points = points.collect();
            if case % 3 == 0 {
                let level = Reference::new("dense", extreme(&mut random));
                plot.references.push(level.spread(extreme(&mut random)));
                plot.y_format = ValueFormat::Percent;
            }
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
    fn a_reference_is_a_dashed_line_over_the_whole_width_within_the_axis() {
        let level = Reference::new("dense network", 0.95).spread(0.01);
        let plot = log_plot(&[(100.0, 0.9), (1.0, 0.7)]);
        let svg = svg(&plot.reference(level)).unwrap();
        assert!(svg.contains("dense network"));
        // A dash is 6 pixels long; the first one begins at the left end of the axis.
        let dashes: Vec<[i32; 4]> = svg
            .split("stroke=\"#000000\" stroke-width=\"2\" points=\"")
            .skip(1)
            .filter_map(|path| {
                let ends = path.split('"').next()?.split([' ', ',']);
                let ends: Result<Vec<i32>, _> = ends
                    .filter(|place| !place.is_empty())
                    .map(str::parse)
                    .collect();
                <[i32; 4]>::try_from(ends.ok()?).ok()
            })
            .filter(|[left, top, right, bottom]| top == bottom && right - left <= 6)
            .collect();
        let height = dashes[0][1];
        let along: Vec<_> = dashes.iter().filter(|dash| dash[1] == height).collect();
        assert!(along.len() > 50, "{dashes:?}");
        let (first, last) = (along[0][0], along[along.len() - 1][2]);
        assert!(first < 100 && last > 850, "from {first} to {last}");
    }

    #[test]
    fn censored_points_are_open_and_the_legend_says_what_that_means() {
        let words = "open: cut off";
        let mut plot = log_plot(&[(100.0, 0.9), (1.0, 0.7)]).censored_means(words);
        let open = |svg: &str| {
            let circles = svg.split("<circle").skip(1);
            let open = circles.filter(|circle| {
                let circle = circle.split('>').next().unwrap();
                circle.contains("r=\"4\"") && circle.contains("fill=\"none\"")
            });
            open.count()
        };
        let decided = svg(&plot).unwrap();
        assert!(open(&decided) == 0 && !decided.contains(words));
        plot.lines[0].points[1] = plot.lines[0].points[1].censored();
        let censored = svg(&plot).unwrap();
        // The point, and the one in the legend.
        assert!(open(&censored) == 2 && censored.contains(words));
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
