//! Line plots as SVG or PNG, by the extension of the file.

mod axis;
mod draw;
mod error;
mod legend;
mod sensitivity;

use std::io;
use std::path::Path;

use crate::files;
use draw::Picture;

pub use axis::{ValueFormat, XAxis};
pub use error::PlotError;

/// A plot of lines over a common axis.
///
/// ```
/// use burn_prune::plot::{Line, LinePlot, Point, Reference, ValueFormat, XAxis};
///
/// let pruned = Line::new("magnitude", [
///     Point::new(0.5, 0.91).spread(0.01),
///     Point::new(0.9, 0.84).spread(0.02).censored(),
/// ]);
/// let plot = LinePlot::new("Accuracy after pruning")
///     .x("sparsity", XAxis::Linear, ValueFormat::Percent)
///     .y("test accuracy", ValueFormat::Percent)
///     .line(pruned)
///     .reference(Reference::new("dense", 0.92).spread(0.005))
///     .censored_means("open: still improving at the last step");
/// let folder = tempfile::tempdir()?;
/// plot.save(folder.path().join("plot.png"))?;
/// plot.save(folder.path().join("plot.svg"))?;
/// let svg = std::fs::read_to_string(folder.path().join("plot.svg"))?;
/// assert!(svg.contains("dense") && svg.contains("open: still improving at the last step"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct LinePlot {
    /// Above the plot.
    pub title: String,
    /// Below the horizontal axis.
    pub x: String,
    /// How the horizontal axis is divided.
    pub x_axis: XAxis,
    /// How values on the horizontal axis are written.
    pub x_format: ValueFormat,
    /// Beside the vertical axis.
    pub y: String,
    /// How values on the vertical axis are written.
    pub y_format: ValueFormat,
    /// The lines.
    pub lines: Vec<Line>,
    /// Levels to compare with, such as the dense network.
    pub references: Vec<Reference>,
    /// What an open marker means, in the legend; shown when something is censored.
    pub censored: String,
}

/// One line of a [`LinePlot`].
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Line {
    /// In the legend.
    pub name: String,
    /// In order of `x`.
    pub points: Vec<Point>,
}

/// A point of a [`Line`].
///
/// A point with a coordinate or spread that is not finite is left out; values beyond ±1e300 are
/// drawn at ±1e300.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub struct Point {
    /// Horizontal coordinate.
    pub x: f64,
    /// Vertical coordinate.
    pub y: f64,
    /// Above 0, drawn as a bar of `y ± spread`.
    pub spread: f64,
    /// Whether the measurement was cut off before it was decided, so that the value is only a
    /// bound. Drawn as an open marker.
    pub censored: bool,
}

/// A level to compare with: a dashed horizontal line over the whole width of a [`LinePlot`].
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Reference {
    /// In the legend.
    pub name: String,
    /// The level; one that is not finite is left out.
    pub y: f64,
    /// Above 0, drawn as a band of `y ± spread`.
    pub spread: f64,
    /// As [`Point::censored`]; the open marker is at the left end.
    pub censored: bool,
}

impl Reference {
    /// A level without spread.
    pub fn new(name: impl Into<String>, y: f64) -> Self {
        Self {
            name: name.into(),
            y,
            spread: 0.0,
            censored: false,
        }
    }

    /// Sets the spread, such as the standard deviation over seeds.
    #[must_use]
    pub fn spread(mut self, spread: f64) -> Self {
        self.spread = spread;
        self
    }

    /// Marks the level as censored.
    #[must_use]
    pub fn censored(mut self) -> Self {
        self.censored = true;
        self
    }
}

impl Point {
    /// A point without spread.
    pub fn new(x: f64, y: f64) -> Self {
        Self {
            x,
            y,
            spread: 0.0,
            censored: false,
        }
    }

    /// Sets the spread, such as the standard deviation over seeds.
    #[must_use]
    pub fn spread(mut self, spread: f64) -> Self {
        self.spread = spread;
        self
    }

    /// Marks the value as censored.
    #[must_use]
    pub fn censored(mut self) -> Self {
        self.censored = true;
        self
    }
}

impl Line {
    /// A line through these points, in order of `x`.
    pub fn new(name: impl Into<String>, points: impl IntoIterator<Item = Point>) -> Self {
        Self {
            name: name.into(),
            points: points.into_iter().collect(),
        }
    }
}

impl LinePlot {
    /// A plot without lines and with plain numbers on both axes.
    pub fn new(title: impl Into<String>) -> Self {
        Self {
            title: title.into(),
            x: String::new(),
            x_axis: XAxis::default(),
            x_format: ValueFormat::default(),
            y: String::new(),
            y_format: ValueFormat::default(),
            lines: Vec::new(),
            references: Vec::new(),
            censored: "open: cut off, a bound".to_string(),
        }
    }

    /// Sets the horizontal axis.
    #[must_use]
    pub fn x(mut self, label: impl Into<String>, axis: XAxis, format: ValueFormat) -> Self {
        self.x = label.into();
        self.x_axis = axis;
        self.x_format = format;
        self
    }

    /// Sets the vertical axis.
    #[must_use]
    pub fn y(mut self, label: impl Into<String>, format: ValueFormat) -> Self {
        self.y = label.into();
        self.y_format = format;
        self
    }

    /// Adds a line.
    #[must_use]
    pub fn line(mut self, line: Line) -> Self {
        self.lines.push(line);
        self
    }

    /// Adds a level to compare with.
    #[must_use]
    pub fn reference(mut self, reference: Reference) -> Self {
        self.references.push(reference);
        self
    }

    /// Sets what an open marker means, in the legend's words.
    #[must_use]
    pub fn censored_means(mut self, words: impl Into<String>) -> Self {
        self.censored = words.into();
        self
    }

    /// Draws the plot into a file, SVG or PNG by its extension.
    ///
    /// # Errors
    /// When there is nothing to draw, the extension is another one, or the file cannot be written.
    /// A file that was there stays whole: the new one is written beside it and renamed.
    ///
    /// ```
    /// use burn_prune::plot::{Line, LinePlot, PlotError, Point};
    ///
    /// let plot = LinePlot::new("accuracy").line(Line::new("one-shot", [Point::new(0.5, 0.9)]));
    /// let folder = tempfile::tempdir()?;
    /// let error = plot.save(folder.path().join("plot.gif")).unwrap_err();
    /// assert!(matches!(&error, PlotError::Format { found, .. } if found == "gif"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), PlotError> {
        let path = path.as_ref();
        let picture = Picture::of(path)?;
        if self.points().next().is_none() {
            return Err(PlotError::Empty {
                path: path.to_path_buf(),
            });
        }
        let drawn = files::replace(path, |file| {
            let drawn = picture.draw(self, file.path());
            drawn.map_err(io::Error::other)
        });
        drawn.map_err(|error| PlotError::File {
            path: path.to_path_buf(),
            message: error.to_string(),
        })
    }
}
