//! What the numbers of a tensor can be.

use super::value::Value;

/// What is known of the numbers of a type.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Precision {
    /// The largest number.
    max: f64,
    /// Above it, sums and products on the way can overflow, in whatever order they are taken.
    pub(super) limit: f64,
    /// The smallest number that all backends keep.
    tiny: f64,
    /// More than any backend is wrong by, relative to the result.
    pub(super) error: f64,
    /// How large a number is supposed to be at most that is not known: so large that its
    /// exponential overflows, and that a few of them can be multiplied.
    pub(super) ordinary: f64,
}

impl Precision {
    /// That of floats with so many bytes. Of the two with 2 bytes, the one that holds less.
    pub(super) fn of(bytes: usize) -> Self {
        match bytes {
            2 => Self {
                max: 65_504.0,
                limit: 4_096.0,
                tiny: 6.0e-8,
                error: 2f64.powi(-5),
                ordinary: 16.0,
            },
            8 => Self {
                max: f64::MAX,
                limit: 2f64.powi(768),
                tiny: f64::MIN_POSITIVE,
                error: 2f64.powi(-40),
                ordinary: 2f64.powi(40),
            },
            _ => Self {
                max: f64::from(f32::MAX),
                limit: 2f64.powi(96),
                tiny: f64::from(f32::MIN_POSITIVE),
                error: 2f64.powi(-18),
                ordinary: 2f64.powi(20),
            },
        }
    }

    /// What this number is after rounding, as an end of an interval.
    pub(super) fn end(self, value: f64, sign: f64) -> f64 {
        let magnitude = value.abs();
        if value.is_infinite() || magnitude * (1.0 + self.error) > self.max {
            return value.signum() * f64::INFINITY;
        }
        // What is too small may become 0.
        if value != 0.0 && magnitude < self.tiny {
            return if value * sign < 0.0 {
                0.0
            } else {
                sign * self.tiny
            };
        }
        value + sign * self.error * magnitude
    }

    /// A number that code gives.
    pub(super) fn scalar(self, number: f64) -> Value {
        // Exact in every type: 7 bits, as most numbers in code have.
        let exact = f64::from(f32::from_bits((number as f32).to_bits() & 0xFFFE_0000));
        let value = Value::exactly(number);
        if exact == number && number.abs() <= self.limit {
            value
        } else {
            value.rounded(self)
        }
    }

    /// The square root of the smallest number: what is smaller has no square.
    pub(super) fn square_root_of_tiny(self) -> f64 {
        self.tiny.sqrt()
    }
}
