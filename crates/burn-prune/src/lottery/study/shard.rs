use std::str::FromStr;

use crate::lottery::error::LotteryError;

/// A part of a study, `index` of `count`, for one machine of several that share its directory.
///
/// With no more shards than seeds, each takes whole seeds, and none needs another. With more, the
/// dense runs and rounds of methods come first and the controls after them, and a shard may wait
/// for cells of shards with *lower* numbers: so a queue that starts them in order never deadlocks.
///
/// ```
/// use burn_prune::lottery::Shard;
///
/// let shard: Shard = "2/8".parse()?;
/// assert_eq!(shard, Shard::new(2, 8)?);
/// assert!("8/8".parse::<Shard>().unwrap_err().to_string().contains("no shard 8 of 8"));
/// # Ok::<(), burn_prune::lottery::LotteryError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shard {
    index: usize,
    count: usize,
}

impl Shard {
    /// Shard `index`, counted from 0, of `count`.
    ///
    /// # Errors
    /// When there is no such shard.
    pub fn new(index: usize, count: usize) -> Result<Self, LotteryError> {
        if index < count {
            Ok(Self { index, count })
        } else {
            Err(LotteryError::NoSuchShard { index, count })
        }
    }

    /// The whole study.
    pub fn whole() -> Self {
        Self { index: 0, count: 1 }
    }

    pub(in crate::lottery) fn index(self) -> usize {
        self.index
    }

    pub(super) fn count(self) -> usize {
        self.count
    }
}

/// `index/count`.
impl FromStr for Shard {
    type Err = LotteryError;

    fn from_str(text: &str) -> Result<Self, LotteryError> {
        let parts = text.split_once('/');
        let parsed = parts.and_then(|(index, count)| {
            Some((index.trim().parse().ok()?, count.trim().parse().ok()?))
        });
        let (index, count) = parsed.ok_or_else(|| LotteryError::Invalid {
            what: "shard",
            expected: "index/count, 0/4 for instance".to_string(),
            found: format!("`{text}`"),
        })?;
        Self::new(index, count)
    }
}

/// Cuts units of these costs into `count` parts of about the same cost without changing their
/// order: the part of each unit, never decreasing.
pub(super) fn in_order(costs: &[usize], count: usize) -> Vec<usize> {
    let total: usize = costs.iter().sum();
    let mut before = 0;
    let of_unit = |cost: &usize| {
        // By the middle of the unit.
        let part = (2 * before + cost) * count / (2 * total.max(1));
        before += cost;
        part.min(count - 1)
    };
    costs.iter().map(of_unit).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_cut_in_order_and_by_cost() {
        // Three chains of 16 cells and 54 controls, on six machines.
        let costs: Vec<usize> = [vec![16; 3], vec![1; 54]].concat();
        let parts = in_order(&costs, 6);
        assert_eq!(parts[..3], [0, 1, 2]);
        let cost = |part| -> usize {
            let units = parts.iter().zip(&costs);
            units
                .filter(|(of, _)| **of == part)
                .map(|(_, cost)| cost)
                .sum()
        };
        for part in 0..6 {
            assert!((15..=19).contains(&cost(part)), "{part}: {}", cost(part));
        }
        assert!(parts.is_sorted());
        assert_eq!(in_order(&[1, 1], 5), [1, 3]);
    }

    #[test]
    fn shards_are_parsed_and_checked() {
        assert!("1/3".parse::<Shard>().is_ok());
        for bad in ["3/3", "0/0", "1", "-1/3", "a/b", ""] {
            assert!(bad.parse::<Shard>().is_err(), "{bad}");
        }
    }
}
