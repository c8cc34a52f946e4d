//! What a number can be: an interval, as wide as rounding makes it.

use super::precision::Precision;
use crate::graph::OperationId;

/// What a tensor can be in some of its places.
///
/// The interval is closed, and may reach to infinity. It holds for every backend: each operation
/// widens it by more than any of them rounds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Value {
    pub(super) low: f64,
    pub(super) high: f64,
    /// Whether it can be not a number.
    pub(super) nan: bool,
    /// Whether some of the entries are minus infinity besides, put in by a mask that leaves others:
    /// those of a causal attention.
    pub(super) filled: bool,
    /// Whether no mask affects it: it is as in the network without masks, which works.
    pub(super) untouched: bool,
    /// The operation that first made something else of it than a finite number.
    pub(super) cause: Option<OperationId>,
}

impl Value {
    /// A number that is exact.
    pub(super) fn exactly(number: f64) -> Self {
        Self {
            low: number,
            high: number,
            nan: number.is_nan(),
            filled: false,
            untouched: false,
            cause: None,
        }
    }

    /// All between two numbers.
    pub(super) fn between(low: f64, high: f64) -> Self {
        Self {
            low,
            high,
            ..Self::exactly(0.0)
        }
    }

    /// Anything, not a number included.
    pub(super) fn anything() -> Self {
        Self {
            nan: true,
            ..Self::between(f64::NEG_INFINITY, f64::INFINITY)
        }
    }

    /// What a working network has where nothing is masked.
    pub(super) fn ordinary(precision: Precision) -> Self {
        Self::between(-precision.ordinary, precision.ordinary).untouched()
    }

    pub(super) fn untouched(self) -> Self {
        let untouched = true;
        Self { untouched, ..self }
    }

    /// With masks in what it was made of.
    pub(super) fn touched(self) -> Self {
        let untouched = false;
        Self { untouched, ..self }
    }

    pub(super) fn with_nan(self, nan: bool) -> Self {
        let nan = self.nan || nan;
        Self { nan, ..self }
    }

    /// Whether it is 0 and nothing else.
    pub(super) fn is_zero(self) -> bool {
        self.low == 0.0 && self.high == 0.0 && !self.nan && !self.filled
    }

    pub(super) fn contains(self, number: f64) -> bool {
        self.low <= number && number <= self.high
    }

    /// Whether it is a number, and not infinite.
    pub(super) fn is_finite(self) -> bool {
        self.low.is_finite() && self.high.is_finite() && !self.nan && !self.filled
    }

    /// Whether 0 times it is 0 on every backend.
    pub(super) fn is_hidden_by_zero(self, precision: Precision) -> bool {
        self.is_finite() && self.low.abs().max(self.high.abs()) <= precision.limit
    }

    /// Either of two.
    pub(super) fn or(self, other: Self) -> Self {
        Self {
            low: self.low.min(other.low),
            high: self.high.max(other.high),
            nan: self.nan || other.nan,
            filled: self.filled || other.filled,
            untouched: self.untouched && other.untouched,
            cause: self.cause.or(other.cause),
        }
    }

    /// With the error of an operation that is not exact.
    pub(super) fn rounded(self, precision: Precision) -> Self {
        Self {
            low: precision.end(self.low, -1.0),
            high: precision.end(self.high, 1.0),
            ..self
        }
    }

    /// With entries that are minus infinity as part of the interval.
    pub(super) fn unfilled(self) -> Self {
        if self.filled {
            Self {
                low: f64::NEG_INFINITY,
                filled: false,
                ..self
            }
        } else {
            self
        }
    }

    /// What an increasing function makes of it, which is defined from `domain.0` to `domain.1`.
    pub(super) fn increasing(self, domain: (f64, f64), function: impl Fn(f64) -> f64) -> Self {
        let value = self.unfilled();
        let outside = value.low < domain.0 || value.high > domain.1;
        let inside = |end: f64| function(end.clamp(domain.0, domain.1));
        Self {
            low: inside(value.low),
            high: inside(value.high),
            nan: value.nan || outside,
            ..value
        }
    }

    /// Its magnitude.
    pub(super) fn magnitude(self) -> Self {
        let value = self.unfilled();
        let (low, high) = (value.low.abs(), value.high.abs());
        Self {
            low: if value.contains(0.0) {
                0.0
            } else {
                low.min(high)
            },
            high: low.max(high),
            ..value
        }
    }

    pub(super) fn negated(self) -> Self {
        let value = self.unfilled();
        Self {
            low: -value.high,
            high: -value.low,
            ..value
        }
    }

    /// What is left within a range.
    pub(super) fn clamped(self, low: f64, high: f64) -> Self {
        let value = self.unfilled();
        Self {
            low: value.low.max(low).min(high),
            high: value.high.max(low).min(high),
            ..value
        }
    }

    /// The sum, rounded.
    pub(super) fn plus(self, other: Self, precision: Precision) -> Self {
        // Adding nothing is exact.
        if self.is_zero() || other.is_zero() {
            let sum = if self.is_zero() { other } else { self };
            return Self {
                untouched: self.untouched && other.untouched,
                ..sum
            };
        }
        let (low, high) = (self.low + other.low, self.high + other.high);
        let opposite = (self.high == f64::INFINITY && other.low == f64::NEG_INFINITY)
            || (self.low == f64::NEG_INFINITY && other.high == f64::INFINITY);
        let filled = self.filled || other.filled;
        let terms = [self.low, self.high, other.low, other.high];
        let terms = terms.iter().filter(|term| term.is_finite());
        // Where terms cancel, the error is relative to them.
        let largest = terms.fold(0.0f64, |largest, term| largest.max(term.abs()));
        let error = largest * precision.error;
        let infinite = filled && (self.high == f64::INFINITY || other.high == f64::INFINITY);
        Self {
            low: if low.is_nan() {
                f64::NEG_INFINITY
            } else {
                low - error
            },
            high: if high.is_nan() {
                f64::INFINITY
            } else {
                high + error
            },
            nan: self.nan || other.nan || opposite || infinite,
            filled,
            untouched: self.untouched && other.untouched,
            cause: self.cause.or(other.cause),
        }
        .rounded(precision)
    }

    pub(super) fn times(self, other: Self) -> Self {
        let factor = |value: Self| value.low > 0.0 && value.high.is_finite();
        let keeps_filled = (self.filled && factor(other)) || (other.filled && factor(self));
        let filled = keeps_filled && self.filled != other.filled;
        let (a, b) = if filled {
            (self, other)
        } else {
            (self.unfilled(), other.unfilled())
        };
        let ends = [
            a.low * b.low,
            a.low * b.high,
            a.high * b.low,
            a.high * b.high,
        ];
        let is_infinite = |value: Self| value.low.is_infinite() || value.high.is_infinite();
        // 0 times infinity.
        let undefined = (a.contains(0.0) && is_infinite(b)) || (b.contains(0.0) && is_infinite(a));
        let ends = ends.map(|end| if end.is_nan() { 0.0 } else { end });
        Self {
            low: ends.iter().copied().fold(f64::INFINITY, f64::min),
            high: ends.iter().copied().fold(f64::NEG_INFINITY, f64::max),
            nan: a.nan || b.nan || undefined,
            filled,
            untouched: a.untouched && b.untouched,
            cause: a.cause.or(b.cause),
        }
    }

    /// One divided by it.
    pub(super) fn inverse(self) -> Self {
        let value = self.unfilled();
        let (low, high) = match value {
            // The sign of a zero is not known.
            value if value.contains(0.0) => (f64::NEG_INFINITY, f64::INFINITY),
            value => (1.0 / value.high, 1.0 / value.low),
        };
        Self { low, high, ..value }
    }

    pub(super) fn divided_by(self, other: Self, precision: Precision) -> Self {
        if other.contains(0.0) && other.untouched {
            // A working network does not divide by 0.
            let ordinary = Self::ordinary(precision).touched();
            return if self.is_zero() {
                self.with_nan(other.nan).touched()
            } else {
                ordinary.with_nan(self.nan || !self.is_finite())
            };
        }
        let undefined = (self.contains(0.0) && other.contains(0.0))
            || (self.low.is_infinite() || self.high.is_infinite())
                && (other.low.is_infinite() || other.high.is_infinite());
        if self.is_zero() && !undefined {
            let cause = self.cause.or(other.cause);
            let nan = self.nan || other.nan;
            return Self { cause, ..self }.with_nan(nan);
        }
        let quotient = self.times(other.inverse());
        Self {
            nan: self.nan || other.nan || undefined,
            ..quotient
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const F32: fn() -> Precision = || Precision::of(4);

    #[test]
    fn zero_stays_zero() {
        let zero = Value::exactly(0.0);
        let ordinary = Value::ordinary(F32());
        assert!(zero.times(ordinary).is_zero());
        assert!(zero.plus(zero, F32()).is_zero());
        assert!(zero.divided_by(Value::exactly(3.0), F32()).is_zero());
        assert!(zero.divided_by(ordinary, F32()).is_zero());
        assert!(zero.rounded(F32()).is_zero());
        assert!(zero.negated().magnitude().is_zero());
    }

    #[test]
    fn what_cancels_is_not_0() {
        let one = Value::exactly(1.0);
        let small = one.plus(Value::exactly(1e-9), F32()).rounded(F32());
        let difference = small.plus(one.negated(), F32());
        assert!(difference.contains(0.0));
        assert!(difference.contains(1e-9));
    }

    #[test]
    fn zero_hides_what_is_finite_and_not_what_overflows() {
        assert!(Value::ordinary(F32()).is_hidden_by_zero(F32()));
        assert!(!Value::exactly(1e30).is_hidden_by_zero(F32()));
        assert!(!Value::exactly(f64::INFINITY).is_hidden_by_zero(F32()));
        assert!(!Value::anything().is_hidden_by_zero(F32()));
        assert!(!Value::exactly(5000.0).is_hidden_by_zero(Precision::of(2)));
        let overflow = Value::exactly(1e25).times(Value::exactly(1e25));
        assert_eq!(overflow.rounded(F32()).high, f64::INFINITY);
    }

    #[test]
    fn division_by_what_may_be_0_is_anything() {
        let masked = Value::exactly(0.0);
        assert!(masked.divided_by(masked, F32()).nan);
        assert!(!Value::exactly(1.0).divided_by(masked, F32()).is_finite());
        let around = Value::between(-1.0, 2.0);
        assert!(!Value::exactly(1.0).divided_by(around, F32()).is_finite());
    }

    #[test]
    fn what_is_too_small_may_become_0() {
        let small = Value::exactly(1e-42).rounded(F32());
        assert!(small.contains(0.0));
    }
}
