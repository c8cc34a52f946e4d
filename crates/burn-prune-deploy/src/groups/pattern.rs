//! Groups as plain data, for a pruner.

use burn_prune::{CoupledChannels, CoupledGroup, CoupledMember, MemberRole, Pattern};

use super::{Groups, roles};

impl Groups {
    /// The groups as a [`Pattern`], with which a [`Pruner`](burn_prune::Pruner) prunes whole units.
    ///
    /// Every criterion, amount, allocation and floor of a pruner works on it. It holds what masks
    /// can make 0: running statistics and parameters that something is divided by are left out, and
    /// so are groups that have nothing else. [`Selection`](crate::Selection) turns the masks back
    /// into units that can be cut.
    ///
    /// A pruner that excludes a member leaves the whole group alone. The weight that reads the
    /// channels is a member too, so a layer belongs to the group of its outputs and to that of its
    /// inputs: to keep only its outputs, exclude its bias or the norm behind it.
    ///
    /// The role of each member is worked out from the operations that read it, never from names: a
    /// weight makes channels or reads them, and a vector that channels are multiplied with or that
    /// is added to them is a scale or a shift.
    ///
    /// ```
    /// use burn::module::Module;
    /// use burn::nn::{Linear, LinearConfig};
    /// use burn::tensor::{Device, Tensor, activation::relu};
    /// use burn_prune::{MemberRole, Pattern};
    /// use burn_prune_deploy::Graph;
    ///
    /// #[derive(Module, Debug)]
    /// struct Net {
    ///     fc1: Linear,
    ///     fc2: Linear,
    /// }
    ///
    /// let device = Device::flex();
    /// let model = Net {
    ///     fc1: LinearConfig::new(8, 32).init(&device),
    ///     fc2: LinearConfig::new(32, 4).init(&device),
    /// };
    /// let forward = |net: &Net, x| net.fc2.forward(relu(net.fc1.forward(x)));
    /// let graph = Graph::capture(&model, Tensor::<2>::ones([1, 8], &device), forward)?;
    ///
    /// let Pattern::Coupled(channels) = graph.groups()?.pattern() else {
    ///     panic!("groups are coupled channels");
    /// };
    /// let group = &channels.groups()[0];
    /// assert_eq!(group.units(), 32);
    /// let members: Vec<_> = group.members().iter().map(|m| (m.path.as_str(), m.role)).collect();
    /// assert_eq!(members, [
    ///     ("fc1.weight", MemberRole::Output),
    ///     ("fc1.bias", MemberRole::Shift),
    ///     ("fc2.weight", MemberRole::Input),
    /// ]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn pattern(&self) -> Pattern {
        let graph = self.graph();
        let roles = roles::roles(graph);
        let groups = self.groups().iter().filter_map(|group| {
            let members = group.members().enumerate().filter_map(|(place, member)| {
                let parameter = &graph[member.parameter];
                let axis = member.axis;
                let indices = group.units.iter();
                parameter.can_be_masked().then(|| CoupledMember {
                    path: parameter.path.clone(),
                    axis,
                    shape: graph.shape(parameter.tensor).to_vec(),
                    role: (roles.get(&(member.parameter, axis)).copied())
                        .unwrap_or(MemberRole::Other),
                    indices: indices
                        .map(|unit| unit.members[place].indices.clone())
                        .collect(),
                })
            });
            let members: Vec<CoupledMember> = members.collect();
            (!members.is_empty()).then(|| CoupledGroup::new(&group.name, members))
        });
        let channels = CoupledChannels::new(groups);
        channels.expect("groups have units in the same axes").into()
    }
}
