use std::fmt;

/// Units that were asked to go, and stay for the sake of a floor or a multiple.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Shortfall {
    /// Name of the group; `None` for all groups that are ranked together.
    pub group: Option<String>,
    /// How many units were to go.
    pub asked: usize,
    /// How many go.
    pub removed: usize,
    /// How many units a group keeps at least.
    pub floor: usize,
    /// What the number of units of a group is kept a multiple of.
    pub multiple: usize,
}

impl fmt::Display for Shortfall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.group {
            Some(group) => write!(f, "group `{group}` loses ")?,
            None => write!(f, "all groups together lose ")?,
        }
        write!(
            f,
            "{} units instead of {}, because of a floor of {}",
            self.removed, self.asked, self.floor
        )?;
        match self.multiple {
            1 => Ok(()),
            multiple => write!(f, " and multiples of {multiple}"),
        }
    }
}
