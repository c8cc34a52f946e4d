use std::collections::BTreeMap;

/// What is due at an update of a schedule, beside its sparsity; nothing off a schedule.
#[derive(Debug, Clone, Default)]
pub(crate) struct Due {
    is_scheduled: bool,
    /// The units that shares with targets of their own are to have lost, by name.
    lost: BTreeMap<String, usize>,
}

impl Due {
    /// At an update, where these shares are to have lost so many units.
    #[cfg(feature = "optim")]
    pub(crate) fn at_update(lost: BTreeMap<String, usize>) -> Self {
        Self {
            is_scheduled: true,
            lost,
        }
    }

    /// The same without what shares are to have lost.
    pub(super) fn without_lost(&self) -> Self {
        Self {
            is_scheduled: self.is_scheduled,
            lost: BTreeMap::new(),
        }
    }

    pub(super) fn is_scheduled(&self) -> bool {
        self.is_scheduled
    }

    pub(super) fn lost(&self, name: &str) -> Option<usize> {
        self.lost.get(name).copied()
    }
}
