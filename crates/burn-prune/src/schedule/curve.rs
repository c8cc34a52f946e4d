use super::Schedule;
use crate::identity::Identity;

/// How sparsity grows from 0 to 1 of the way.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Curve {
    /// `s_f + (s_i - s_f)(1 - x)^power`.
    Polynomial { power: f64 },
    /// `1 - (1 - s_i) ((1 - s_f) / (1 - s_i))^x`.
    Exponential,
    /// `1 - (1 - s_f)^(k / rounds)` in round `k`, from 1 on.
    Rounds { rounds: usize },
}

/// A schedule in steps: updates on a grid, sparsities on a curve.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Gradual {
    pub curve: Curve,
    pub initial: f64,
    pub target: f64,
    pub begin: usize,
    pub end: usize,
    pub every: usize,
}

impl Schedule for Gradual {
    fn updates_after(&self, step: usize) -> bool {
        let on_grid = step >= self.begin && (step - self.begin).is_multiple_of(self.every);
        step == self.end || (on_grid && step < self.end)
    }

    fn sparsity_after(&self, step: usize) -> f64 {
        if step < self.begin {
            return 0.0;
        }
        if step >= self.end {
            return self.target;
        }
        let way = (step - self.begin) as f64 / (self.end - self.begin) as f64;
        let (initial, target) = (self.initial, self.target);
        match self.curve {
            Curve::Polynomial { power } => target + (initial - target) * (1.0 - way).powf(power),
            Curve::Exponential => {
                let left: f64 = (1.0 - target) / (1.0 - initial);
                1.0 - (1.0 - initial) * left.powf(way)
            }
            Curve::Rounds { rounds } => {
                let round = 1 + (step - self.begin) / self.every;
                1.0 - (1.0 - target).powf(round as f64 / rounds as f64)
            }
        }
    }

    fn last_update(&self) -> Option<usize> {
        Some(self.end)
    }

    fn identity(&self) -> Option<Identity> {
        let identity = match self.curve {
            Curve::Polynomial { power } => Identity::new("polynomial").with("power", power),
            Curve::Exponential => Identity::new("exponential"),
            Curve::Rounds { rounds } => Identity::new("geometric_rounds").with("rounds", rounds),
        };
        Some(
            identity
                .with("initial", self.initial)
                .with("target", self.target)
                .with("begin", self.begin)
                .with("end", self.end)
                .with("every", self.every),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gradual(curve: Curve) -> Gradual {
        Gradual {
            curve,
            initial: 0.0,
            target: 0.8,
            begin: 100,
            end: 500,
            every: 150,
        }
    }

    #[test]
    fn updates_are_at_the_begin_on_the_grid_and_at_the_end() {
        let schedule = gradual(Curve::Polynomial { power: 3.0 });
        let updates: Vec<_> = (0..1000)
            .filter(|step| schedule.updates_after(*step))
            .collect();
        assert_eq!(updates, [100, 250, 400, 500]);
    }

    #[test]
    fn the_cubic_curve_is_that_of_zhu_and_gupta() {
        let schedule = gradual(Curve::Polynomial { power: 3.0 });
        let of = |step| schedule.sparsity_after(step);
        assert_eq!((of(0), of(100), of(500), of(900)), (0.0, 0.0, 0.8, 0.8));
        assert!((of(300) - 0.8 * (1.0 - 0.125)).abs() < 1e-12);
        assert!((of(200) - 0.8 * (1.0 - 0.421875)).abs() < 1e-12);
    }

    #[test]
    fn the_exponential_curve_keeps_the_same_share_in_equal_times() {
        let schedule = Gradual {
            target: 0.9999,
            ..gradual(Curve::Exponential)
        };
        for (step, density) in [(100, 1.0), (200, 0.1), (300, 0.01), (400, 0.001)] {
            assert!((1.0 - schedule.sparsity_after(step) - density).abs() < 1e-12);
        }
    }
}
