//! What masks leave of each unit.

use std::collections::HashSet;
use std::fmt;

use burn_prune::MaskSet;

use super::Selection;
use super::constants::{self, Constants};
use super::masked::{self, Masked};
use super::reading::{Reading, Received, Sending};
use super::takers::Taker;
use crate::error::DeployError;
use crate::graph::ParameterId;
use crate::groups::{Groups, Unit};
use crate::shrink::Constant;

/// A unit, by its group and its number there.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub struct UnitName {
    /// Name of the group.
    pub group: String,
    /// Number of the unit in the group.
    pub unit: usize,
}

/// A unit that sends a constant under masks, to all layers that read it.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ConstantUnit {
    /// Which unit.
    pub name: UnitName,
    /// Whether it is cut, and what it sends is folded.
    pub is_cut: bool,
    /// The constants that it sends, and to which layers.
    pub sends: Vec<SentConstant>,
}

/// A constant that a unit sends to a layer.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct SentConstant {
    /// Dotted path of the weight that reads it; empty where that is not a parameter.
    pub reader: String,
    /// What is sent.
    pub constant: Constant,
    /// Its value when the graph was captured, where the graph has values.
    pub value: Option<f64>,
    /// Where it can be folded.
    pub folding: Folding,
}

/// Whether a layer can take over a constant that it gets.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Folding {
    /// The parameter of this path takes it over.
    Into(String),
    /// Nothing can, for this reason.
    Impossible(String),
}

/// A unit of which some members are masked and some are not, and which sends more than a constant.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Disagreement {
    /// Which unit.
    pub name: UnitName,
    /// Members that are masked as a whole.
    pub masked: Vec<UnitMember>,
    /// Members that are not.
    pub unmasked: Vec<UnitMember>,
}

/// The part of a unit in one axis of a parameter.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub struct UnitMember {
    /// Dotted path of the parameter.
    pub path: String,
    /// The axis.
    pub axis: usize,
}

/// What was found in masks, beside the units that go.
#[derive(Debug, Clone, Default)]
pub(super) struct Found {
    pub constants: Vec<ConstantUnit>,
    pub disagreements: Vec<Disagreement>,
    pub last_units: Vec<UnitName>,
}

impl Selection {
    /// The units that masks allow to be cut, with the same outputs as under the masks. Any masks
    /// will do: of channels, of single weights, N:M, of a lottery ticket, or from a file.
    ///
    /// A unit is cut
    /// - when what it sends is 0 under the masks, or nothing that stays reads it, because the
    ///   weights that read it are masked or lead to what is cut itself;
    /// - when it sends a constant, as a channel does whose weights are masked and whose bias is not,
    ///   and the bias of each layer that reads it, or the running mean of a norm behind that, can
    ///   take the constant over exactly. The plan has it in [`folds`](crate::ShrinkPlan::folds), as a
    ///   formula: the value is computed from the model that is cut, so that biases may be trained in
    ///   between.
    ///
    /// Constants are [listed](Self::constants); so are those that nothing can take over, for
    /// instance where a convolution pads with zeros; these units stay. Units of which [some members
    /// are masked and others not](Self::disagreements) stay, too; [`extend`](Self::extend) removes
    /// both. When a group would lose all of its units, its first one stays, and is
    /// [listed](Self::last_units). Units that could be cut without masks, such as a layer that
    /// nothing reads, stay unless they are masked.
    ///
    /// The plan is for the model under these masks: attach them before it is cut.
    /// A unit whose constant is 0 with the values that the graph was captured with, such as a ReLU
    /// of a negative bias, is cut. If that has changed when a model is shrunk, shrinking is an
    /// error.
    ///
    /// ```
    /// use burn::module::{Module, ParamGroup};
    /// use burn::nn::{Linear, LinearConfig};
    /// use burn::tensor::{Device, Tensor, activation::relu};
    /// use burn_prune::{Axis, Magnitude, Pattern, Prunable, Pruner};
    /// use burn_prune_deploy::{Graph, Selection};
    ///
    /// #[derive(Module, Debug)]
    /// struct Net {
    ///     fc1: Linear,
    ///     fc2: Linear,
    /// }
    ///
    /// impl Net {
    ///     fn forward(&self, x: Tensor<2>) -> Tensor<2> {
    ///         self.fc2.forward(relu(self.fc1.forward(x)))
    ///     }
    /// }
    ///
    /// let device = Device::flex();
    /// let model = Net {
    ///     fc1: LinearConfig::new(8, 32).init(&device),
    ///     fc2: LinearConfig::new(32, 4).init(&device),
    /// };
    /// // Masks of the rows of `fc1` alone: what is masked still sends its bias.
    /// let pruner = Pruner::new(Magnitude::l1())
    ///     .pattern(Pattern::Channels(Axis::Output))
    ///     .only(ParamGroup::from_path("fc1.weight"))
    ///     .amount(0.5);
    /// let masked = model.prune(&pruner)?;
    ///
    /// let example = Tensor::<2>::ones([1, 8], &device);
    /// let groups = Graph::capture(&masked, example.clone(), Net::forward)?.groups()?;
    /// let selection = Selection::from_masks(&groups, &masked.masks())?;
    /// let small = selection.plan().shrink(&masked, example.clone(), Net::forward)?;
    /// assert_eq!(small.fc1.weight.dims(), [8, 16]);
    ///
    /// let difference = small.forward(example.clone()) - masked.forward(example);
    /// assert!(difference.abs().max().into_scalar::<f32>() < 1e-5);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// When the masks are of another model.
    pub fn from_masks(groups: &Groups, masks: &MaskSet) -> Result<Self, DeployError> {
        let graph = groups.graph();
        let masked = Masked::of(graph, masks)?;
        let nothing = Masked::nothing(graph);
        let before = {
            let products = constants::products(graph, &nothing);
            let constants = Constants::of(graph, &nothing, &products);
            let reading = Reading::of(groups, &nothing, &products, &constants);
            reading.gone().to_vec()
        };
        let products = constants::products(graph, &masked);
        let constants = Constants::of(graph, &masked, &products);
        let reading = Reading::of(groups, &masked, &products, &constants);

        let mut kept = Vec::new();
        let mut last_units = Vec::new();
        for (number, group) in groups.groups().iter().enumerate() {
            let stays = |(unit, members): (usize, &Unit)| {
                let gone = reading.gone()[number][unit] && !before[number][unit];
                !(gone || masked.has_unit(graph, members))
            };
            let mut stays: Vec<bool> = group.units.iter().enumerate().map(stays).collect();
            // An axis of no entries cannot be.
            if !stays.contains(&true) {
                stays[0] = true;
                last_units.push(UnitName {
                    group: group.name.clone(),
                    unit: 0,
                });
            }
            kept.push(stays);
        }
        let mut found = Found {
            last_units,
            ..Found::default()
        };
        for (number, group) in groups.groups().iter().enumerate() {
            for (unit, of) in group.units.iter().enumerate() {
                let name = UnitName {
                    group: group.name.clone(),
                    unit,
                };
                let is_cut = !kept[number][unit];
                let is_last = found.last_units.contains(&name);
                if is_last || masked.has_unit(graph, of) || before[number][unit] {
                    continue;
                }
                let (masked, unmasked) = members(groups, &masked, of);
                if masked.is_empty() && !is_cut {
                    continue;
                }
                match reading.sending(number, unit) {
                    Sending::Constants(received) if is_cut || !received.is_empty() => {
                        let sends = received.into_iter();
                        let sends =
                            sends.map(|received| sent(groups, &reading, &constants, received));
                        let sends: Vec<SentConstant> = sends.collect();
                        let is_sent = |sent: &SentConstant| sent.value != Some(0.0);
                        if sends.iter().any(is_sent) {
                            found.constants.push(ConstantUnit {
                                name,
                                is_cut,
                                sends,
                            });
                        }
                    }
                    _ if !is_cut => found.disagreements.push(Disagreement {
                        name,
                        masked,
                        unmasked,
                    }),
                    _ => {}
                }
            }
        }
        let folds = reading.folds(|group, unit| !kept[group][unit]);
        // What makes a channel constant may be masks of others; its own do as well.
        let makers = products
            .iter()
            .filter_map(|product| product.matrix.as_ref());
        let makers: HashSet<(ParameterId, usize)> = makers
            .map(|matrix| (matrix.parameter, 1 - matrix.input_axis))
            .collect();
        let mut own = masked.clone();
        for constant in found.constants.iter().filter(|unit| unit.is_cut) {
            let unit = &groups.group(&constant.name.group)?.units[constant.name.unit];
            for member in masked::maskable(graph, unit) {
                if makers.contains(&(member.parameter, member.axis)) {
                    own.remove(graph, member.parameter, masked::entries(graph, member));
                }
            }
        }
        Ok(Self::found(groups, kept, folds, own, found))
    }

    /// Units that send a constant under the masks that the selection was made from, cut or not.
    ///
    /// Those that send 0 are not among them.
    pub fn constants(&self) -> &[ConstantUnit] {
        &self.found.constants
    }

    /// Units that stay because only some of their members are masked.
    pub fn disagreements(&self) -> &[Disagreement] {
        &self.found.disagreements
    }

    /// Units that could be cut but stay, because a group cannot lose all of its units.
    pub fn last_units(&self) -> &[UnitName] {
        &self.found.last_units
    }

    /// Also removes the units that stay although some of their members are masked: those that send a
    /// constant which nothing can take over, and those whose members disagree.
    ///
    /// The outputs then differ from those under the masks: fine-tune under [`masks`](Self::masks),
    /// or the small model. Of a group that would lose all of its units, the first one left stays.
    ///
    /// ```
    /// # use burn::module::Module;
    /// # use burn::nn::{Linear, LinearConfig};
    /// # use burn::tensor::{Device, Tensor, activation::relu};
    /// # use burn_prune::{Mask, MaskSet};
    /// # use burn_prune_deploy::{Graph, Selection};
    /// # #[derive(Module, Debug)]
    /// # struct Net {
    /// #     fc1: Linear,
    /// #     fc2: Linear,
    /// # }
    /// # let device = Device::flex();
    /// # let model = Net {
    /// #     fc1: LinearConfig::new(2, 3).init(&device),
    /// #     fc2: LinearConfig::new(3, 1).init(&device),
    /// # };
    /// # let forward = |net: &Net, x| net.fc2.forward(relu(net.fc1.forward(x)));
    /// # let groups = Graph::capture(&model, Tensor::<2>::ones([1, 2], &device), forward)?.groups()?;
    /// // The bias of a channel is masked, its weights are not.
    /// let bias = Mask::from_kept([3], &[true, false, true])?;
    /// let masks = MaskSet::from_iter([("fc1.bias".to_string(), bias)]);
    /// let selection = Selection::from_masks(&groups, &masks)?;
    /// assert_eq!(selection.kept(), [[true, true, true]]);
    /// let disagreement = &selection.disagreements()[0];
    /// assert_eq!(disagreement.masked[0].path, "fc1.bias");
    /// assert_eq!(disagreement.unmasked.len(), 2);
    ///
    /// assert_eq!(selection.extend().kept(), [[true, false, true]]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn extend(mut self) -> Self {
        let constants = std::mem::take(&mut self.found.constants).into_iter();
        let (cut, kept): (Vec<_>, Vec<_>) = constants.partition(|unit| unit.is_cut);
        self.found.constants = cut;
        let disagreements = std::mem::take(&mut self.found.disagreements).into_iter();
        let names = kept.into_iter().map(|unit| unit.name);
        let mut names: Vec<UnitName> = names.chain(disagreements.map(|unit| unit.name)).collect();
        // Backwards, so that the first one stays of a group that would lose all.
        names.sort();
        for name in names.into_iter().rev() {
            self.remove_but_last(name);
        }
        self
    }
}

/// The members of a unit that masks make 0, and those that they do not.
fn members(groups: &Groups, masked: &Masked, unit: &Unit) -> (Vec<UnitMember>, Vec<UnitMember>) {
    let graph = groups.graph();
    let name = |member: &&crate::groups::Member| UnitMember {
        path: graph[member.parameter].path.clone(),
        axis: member.axis,
    };
    let (gone, stays): (Vec<_>, Vec<_>) =
        masked::maskable(graph, unit).partition(|member| masked.has_member(graph, member));
    (
        gone.iter().map(name).collect(),
        stays.iter().map(name).collect(),
    )
}

fn sent(
    groups: &Groups,
    reading: &Reading<'_>,
    constants: &Constants<'_>,
    received: Received,
) -> SentConstant {
    let graph = groups.graph();
    let matrix = reading.product(received.product).matrix.as_ref();
    SentConstant {
        reader: matrix.map_or(String::new(), |matrix| graph[matrix.parameter].path.clone()),
        value: constants.value(&received.constant),
        constant: Constant::clone(&received.constant),
        folding: match reading.taker(received.product) {
            Taker::Into(into) => Folding::Into(into.paths[0].clone()),
            Taker::Nobody(reason) => Folding::Impossible((*reason).to_string()),
        },
    }
}

impl fmt::Display for UnitName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unit {} of `{}`", self.unit, self.group)
    }
}

impl fmt::Display for UnitMember {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` (axis {})", self.path, self.axis)
    }
}

impl fmt::Display for ConstantUnit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stays = if self.is_cut { "is cut" } else { "stays" };
        write!(f, "{} {stays}, and sends", self.name)?;
        for (place, sent) in self.sends.iter().enumerate() {
            let comma = if place > 0 { "," } else { "" };
            write!(f, "{comma} {} to `{}`", sent.constant, sent.reader)?;
            match &sent.folding {
                Folding::Into(path) => write!(f, " (goes into `{path}`)")?,
                Folding::Impossible(reason) => write!(f, " (cannot be folded: {reason})")?,
            }
        }
        Ok(())
    }
}

impl fmt::Display for Disagreement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |members: &[UnitMember]| {
            let names: Vec<String> = members.iter().map(ToString::to_string).collect();
            names.join(", ")
        };
        let (masked, unmasked) = (list(&self.masked), list(&self.unmasked));
        write!(f, "{}: masked in {masked}; not in {unmasked}", self.name)
    }
}
