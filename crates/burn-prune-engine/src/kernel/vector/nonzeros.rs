/// Inputs that are worked on together.
pub(super) const GROUP: usize = 8;

/// Inputs that are looked at together.
const BLOCK: usize = 256;

/// The inputs that are not 0, in their order.
pub(super) struct Nonzeros<'a> {
    x: &'a [f32],
    /// Inputs that have been looked at.
    seen: usize,
    inputs: [u32; BLOCK + GROUP],
    factors: [f32; BLOCK + GROUP],
    /// Those of the list that have been given, and its end.
    given: usize,
    count: usize,
}

impl<'a> Nonzeros<'a> {
    pub(super) fn of(x: &'a [f32]) -> Self {
        Self {
            x,
            seen: 0,
            inputs: [0; BLOCK + GROUP],
            factors: [0.0; BLOCK + GROUP],
            given: 0,
            count: 0,
        }
    }

    /// The next eight of them. The last group is filled up with an input that is there, times 0.
    pub(super) fn group(&mut self) -> Option<([u32; GROUP], [f32; GROUP])> {
        while self.count - self.given < GROUP && self.seen < self.x.len() {
            self.look();
        }
        let left = self.count - self.given;
        if left == 0 {
            return None;
        }
        let (mut inputs, mut factors) = ([self.inputs[self.given]; GROUP], [0.0; GROUP]);
        let taken = left.min(GROUP);
        inputs[..taken].copy_from_slice(&self.inputs[self.given..][..taken]);
        factors[..taken].copy_from_slice(&self.factors[self.given..][..taken]);
        self.given += taken;
        Some((inputs, factors))
    }

    /// Lists those of the next block of inputs, behind the few that are left.
    fn look(&mut self) {
        let left = self.count - self.given;
        self.inputs.copy_within(self.given..self.count, 0);
        self.factors.copy_within(self.given..self.count, 0);
        (self.given, self.count) = (0, left);
        let end = self.x.len().min(self.seen + BLOCK);
        // Without a branch, which would be guessed wrong half of the time.
        for input in self.seen..end {
            let factor = self.x[input];
            self.inputs[self.count] = input as u32;
            self.factors[self.count] = factor;
            self.count += usize::from(factor != 0.0);
        }
        self.seen = end;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_have_every_nonzero_once_and_in_order() {
        for (len, step) in [
            (0, 1),
            (7, 1),
            (8, 1),
            (1000, 1),
            (1000, 3),
            (1000, 700),
            (513, 2),
        ] {
            let x: Vec<f32> = (0..len)
                .map(|i| if i % step == 0 { 1.0 + i as f32 } else { 0.0 })
                .collect();
            let mut nonzeros = Nonzeros::of(&x);
            let mut found = Vec::new();
            while let Some((inputs, factors)) = nonzeros.group() {
                for (input, factor) in inputs.into_iter().zip(factors) {
                    if factor != 0.0 {
                        assert_eq!(x[input as usize], factor);
                        found.push(input as usize);
                    }
                }
            }
            assert_eq!(found, (0..len).step_by(step).collect::<Vec<_>>());
        }
    }

    #[test]
    fn what_is_not_a_number_is_not_zero() {
        let group = Nonzeros::of(&[0.0, -0.0, f32::NAN]).group();
        let (inputs, factors) = group.expect("one input");
        assert_eq!(inputs, [2; GROUP]);
        assert!(factors[0].is_nan());
    }
}
