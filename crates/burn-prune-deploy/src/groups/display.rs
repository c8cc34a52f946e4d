use std::fmt;

use super::Groups;
use super::rules::KERNEL;

impl fmt::Display for Groups {
    /// Each group with its members, then what is frozen and why, and where gradients may diverge;
    /// axes of kernels are left out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for group in self.groups() {
            writeln!(f, "{}: {} units", group.name, group.units.len())?;
            for member in group.members() {
                let path = &self.graph()[member.parameter].path;
                let axis = member.axis;
                match member.entries {
                    1 => writeln!(f, "  {path}, axis {axis}")?,
                    many => writeln!(f, "  {path}, axis {axis}, {many} entries each")?,
                }
            }
        }
        let frozen = self.frozen().iter();
        for frozen in frozen.filter(|frozen| frozen.reason != KERNEL) {
            writeln!(
                f,
                "never cut: {}, axis {}, {} entries: {}",
                frozen.parameter, frozen.axis, frozen.entries, frozen.reason
            )?;
        }
        for hazard in self.gradient_hazards() {
            writeln!(f, "{hazard}")?;
        }
        Ok(())
    }
}
