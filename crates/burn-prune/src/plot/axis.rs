//! Axes: where a value is on one, and what is written there.

use std::ops::Range;

/// How the horizontal axis of a [`LinePlot`](super::LinePlot) is divided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum XAxis {
    /// Evenly.
    #[default]
    Linear,
    /// By the logarithm, the largest value on the left. Values that are not above 0 are left out.
    LogDescending,
}

impl XAxis {
    /// Where a value is on an even axis.
    pub(super) fn place(self, x: f64) -> f64 {
        match self {
            Self::Linear => x,
            Self::LogDescending => -x.log10(),
        }
    }

    /// What is written at this place.
    pub(super) fn label(self, place: f64, axis: &Range<f64>, format: ValueFormat) -> String {
        match (self, format) {
            (Self::Linear, ValueFormat::Plain) if is_plain(axis) => format!("{place:.2}"),
            (Self::Linear, format) => format.text(place, axis, 2),
            (Self::LogDescending, format) => {
                let value = format.shown(10f64.powf(-place));
                let decimals = match value {
                    1e9.. | ..5e-4 => return format!("{value:.0e}{}", format.unit()),
                    9.95.. => 0,
                    0.095.. => 1,
                    _ => 3,
                };
                format!("{value:.decimals$}{}", format.unit())
            }
        }
    }
}

/// How the values on an axis of a [`LinePlot`](super::LinePlot) are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum ValueFormat {
    /// As they are.
    #[default]
    Plain,
    /// As per cent: the values are fractions, and 0.5 is written `50 %`.
    Percent,
}

impl ValueFormat {
    fn shown(self, value: f64) -> f64 {
        match self {
            Self::Plain => value,
            Self::Percent => 100.0 * value,
        }
    }

    fn unit(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Percent => " %",
        }
    }

    /// A value on an even axis, with as many decimals as it needs, and at most this many.
    pub(super) fn text(self, value: f64, axis: &Range<f64>, decimals: usize) -> String {
        let axis = self.shown(axis.start)..self.shown(axis.end);
        number(self.shown(value), &axis, decimals) + self.unit()
    }
}

/// The largest value that is drawn: sums and differences of two are finite.
const LARGEST: f64 = 1e300;
/// The least width of an axis, of its largest value. With less, its ends are the same in f64, or the
/// numbers between them are.
const LEAST_WIDTH: f64 = 1e-9;

/// The value where it is drawn.
pub(super) fn clipped(value: f64) -> f64 {
    value.clamp(-LARGEST, LARGEST)
}

/// The ends of the bar of a value and its spread; a negative spread has none.
pub(super) fn bar(value: f64, spread: f64) -> (f64, f64) {
    let spread = spread.max(0.0);
    (clipped(value - spread), clipped(value + spread))
}

/// All values, given by the ends of their bars, and some room.
pub(super) fn range(bars: impl Iterator<Item = (f64, f64)>) -> Range<f64> {
    let (low, high) = bars.fold((f64::INFINITY, f64::NEG_INFINITY), |range, bar| {
        (range.0.min(bar.0), range.1.max(bar.1))
    });
    let width = high - low;
    let least = LEAST_WIDTH * low.abs().max(high.abs());
    let room = match width {
        0.0 => least.max(0.5),
        width => least.max(0.05 * width),
    };
    low - room..high + room
}

/// Whether numbers on this axis are written without a power of ten.
fn is_plain(axis: &Range<f64>) -> bool {
    let largest = axis.start.abs().max(axis.end.abs());
    (1e-4..1e9).contains(&largest)
}

/// A number on an axis, with as many decimals as it needs, and at most this many.
fn number(value: f64, axis: &Range<f64>, decimals: usize) -> String {
    if is_plain(axis) {
        let text = format!("{value:.decimals$}");
        return text.trim_end_matches('0').trim_end_matches('.').to_string();
    }
    // What is left of a sum that is zero.
    if value.abs() < LEAST_WIDTH * (axis.end - axis.start) {
        return "0".to_string();
    }
    format!("{value:.2e}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_have_no_decimals_they_do_not_need() {
        let axis = 0.0..20000.0;
        assert_eq!(number(14000.0, &axis, 6), "14000");
        assert_eq!(number(97.5, &axis, 6), "97.5");
        assert_eq!(number(0.1 + 0.2, &axis, 6), "0.3");
        assert_eq!(number(1.5e300, &(-2e300..2e300), 6), "1.50e300");
        assert_eq!(number(1e280, &(-2e300..2e300), 6), "0");
        let plain = ValueFormat::Plain;
        assert_eq!(XAxis::Linear.label(0.5, &(0.0..1.0), plain), "0.50");
    }

    #[test]
    fn fractions_are_written_as_per_cent() {
        let percent = ValueFormat::Percent;
        assert_eq!(percent.text(0.975, &(0.9..1.0), 6), "97.5 %");
        assert_eq!(XAxis::Linear.label(0.5, &(0.0..1.0), percent), "50 %");
        let log = |place| XAxis::LogDescending.label(place, &(0.0..2.0), percent);
        assert_eq!([log(0.0), log(1.0), log(2.0)], ["100 %", "10 %", "1.0 %"]);
        // Also where 100 times the value is more than a number can be.
        assert_eq!(percent.text(1e300, &(0.0..1e300), 6), "1.00e302 %");
    }

    #[test]
    fn an_axis_has_a_width_that_its_numbers_can_show() {
        let around = |value: f64| range([(value, value)].into_iter());
        assert_eq!(around(0.0), -0.5..0.5);
        for value in [1e300, -1e300, 1e16, 5e-324] {
            let axis = around(clipped(value));
            assert!(axis.start < value && value < axis.end, "{axis:?}");
        }
        let widest = range([bar(f64::MAX, f64::MAX), bar(f64::MIN, 0.0)].into_iter());
        assert!((widest.end - widest.start).is_finite(), "{widest:?}");
        assert_eq!(
            range([bar(1.0, -3.0), bar(2.0, 0.0)].into_iter()),
            0.95..2.05
        );
    }
}
