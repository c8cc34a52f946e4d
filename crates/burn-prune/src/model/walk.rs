//! The one walk over the modules of a model, which knows how masks sit in them.
//!
//! Burn shows a model to visitors and mappers as containers that are entered and left, with
//! parameters in them. After a float parameter that carries a reparameterization comes a container
//! of the type `Reparameterization`, which holds the parameters of its state. The state of a
//! [`WeightMask`] holds the bits; its mode and its [`Trust`] show as the names of enum variants.
//!
//! [`visit`] and [`map`] decode all this for a [`WeightVisitor`] and a [`WeightMapper`], which are
//! told of weights and masks alone. Those that also want other kinds of parameters count along with
//! a [`Position`].

use std::any::Any;

use burn::module::{Flag, Module, ModuleMapper, ModuleVisitor, Param, Reparameterization};
use burn::tensor::{Int, Tensor};

use crate::mask::{Answer, MaskMode, Trust, WeightMask};

/// The type of the container in which Burn shows the state of a reparameterization.
const REPARAMETERIZATION: &str = "Reparameterization";

/// A place of a float parameter: its number in the order of the model.
///
/// Two places may hold parameters of one id, whether they are one shared parameter or not. So what
/// is about a weight is kept by its place, and not by its id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub(crate) struct Place(usize);

/// Where a walk over a model is.
///
/// Names lie one after the other in a buffer: every training step walks over the model, and an
/// allocation for each name would show.
#[derive(Debug, Default)]
pub(crate) struct Position {
    levels: Vec<Level>,
    /// The dotted path.
    path: String,
    /// The types of the containers, one after the other.
    containers: String,
    /// Weights visited so far.
    weights: usize,
    /// Above 0 inside the state of a reparameterization, whose floats are not weights.
    nested: usize,
    /// Whether that state is a mask of ours.
    in_mask: bool,
}

/// How long path and containers were before a container was entered.
#[derive(Debug)]
struct Level {
    path: usize,
    containers: usize,
}

impl Position {
    pub(crate) fn enter(&mut self, name: &str, container: &str) {
        self.levels.push(Level {
            path: self.path.len(),
            containers: self.containers.len(),
        });
        if self.levels.len() > 1 {
            self.path.push('.');
        }
        self.path.push_str(name);
        self.containers.push_str(container);
        if container == REPARAMETERIZATION {
            self.nested += 1;
            self.in_mask = self.nested == 1 && name == WeightMask::NAME;
        }
    }

    pub(crate) fn exit(&mut self, container: &str) {
        if let Some(level) = self.levels.pop() {
            self.path.truncate(level.path);
            self.containers.truncate(level.containers);
        }
        if container == REPARAMETERIZATION {
            self.nested -= 1;
            self.in_mask = false;
        }
    }

    /// Counts a float parameter. Gives its place, or `None` for one that is not a weight.
    pub(super) fn weight(&mut self) -> Option<Place> {
        if self.nested > 0 {
            return None;
        }
        self.weights += 1;
        Some(self.place())
    }

    /// The place of the weight that was visited last.
    pub(crate) fn place(&self) -> Place {
        Place(self.weights.saturating_sub(1))
    }

    /// The dotted path.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// The dotted path without the names of enum variants, which other frameworks do not have.
    pub(super) fn plain_path(&self) -> String {
        let level = |level: &Level| (level.path, level.containers);
        let starts = self.levels.iter().map(level);
        let last = (self.path.len(), self.containers.len());
        let ends = starts.clone().skip(1).chain([last]);
        let names = starts.zip(ends).enumerate();
        let plain_names = names.filter_map(|(depth, (start, end))| {
            // All names but the first follow a dot.
            let name = &self.path[start.0 + usize::from(depth > 0)..end.0];
            let is_variant = self.containers[start.1..end.1].starts_with("Enum:");
            (!is_variant).then_some(name)
        });
        plain_names.collect::<Vec<_>>().join(".")
    }

    /// The name of the struct that was entered last, `Linear` for instance.
    pub(super) fn layer(&self) -> Option<&str> {
        let last = self.levels.last()?;
        self.containers[last.containers..].strip_prefix("Struct:")
    }

    /// Whether the walk is in the state of a reparameterization.
    pub(super) fn is_nested(&self) -> bool {
        self.nested > 0
    }
}

/// What is told of the weights of a model and their masks.
pub(crate) trait WeightVisitor {
    /// A weight: a float parameter that is not part of a reparameterization. Running statistics
    /// look the same.
    fn weight<const D: usize>(&mut self, _at: &Position, _param: &Param<Tensor<D>>) {}

    /// The weight carries the reparameterization of this name.
    fn reparameterization(&mut self, _at: &Position, _name: &str) {}

    /// The packed bits of the mask on the weight.
    fn bits(&mut self, _at: &Position, _bits: &Param<Tensor<1, Int>>) {}

    /// The weight has a mask in this mode, whose bits have been visited.
    fn mask(&mut self, _at: &Position, _mode: MaskMode, _trust: Trust) {}
}

/// Walks over a model, and gives the visitor back.
pub(crate) fn visit<M: Module, V: WeightVisitor>(model: &M, visitor: V) -> V {
    let mut walk = Visit {
        visitor,
        at: Position::default(),
        mode: MaskMode::OnRead,
        trust: Trust::Unknown,
    };
    model.visit(&mut walk);
    walk.visitor
}

struct Visit<V> {
    visitor: V,
    at: Position,
    /// What the mask that is being visited has shown.
    mode: MaskMode,
    trust: Trust,
}

impl<V: WeightVisitor> ModuleVisitor for Visit<V> {
    fn enter_module(&mut self, name: &str, container: &str) {
        if container == REPARAMETERIZATION && !self.at.is_nested() {
            (self.mode, self.trust) = (MaskMode::OnRead, Trust::Unknown);
            self.visitor.reparameterization(&self.at, name);
        } else if self.at.in_mask {
            if (container, name) == WeightMask::AFTER_STEP {
                self.mode = MaskMode::AfterStep;
            }
            self.trust = Trust::shown(name, container).unwrap_or(self.trust);
        }
        self.at.enter(name, container);
    }

    fn exit_module(&mut self, _name: &str, container: &str) {
        let was_in_mask = self.at.in_mask;
        self.at.exit(container);
        if was_in_mask && !self.at.in_mask {
            self.visitor.mask(&self.at, self.mode, self.trust);
        }
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if self.at.weight().is_some() {
            self.visitor.weight(&self.at, param);
        }
    }

    fn visit_int<const D: usize>(&mut self, param: &Param<Tensor<D, Int>>) {
        // Bits are of rank 1. A reshape would be an operation on the device.
        let bits = (param as &dyn Any).downcast_ref::<Param<Tensor<1, Int>>>();
        if let Some(bits) = bits.filter(|_| self.at.in_mask) {
            self.visitor.bits(&self.at, bits);
        }
    }
}

/// Changes weights and the bits of their masks.
pub(crate) trait WeightMapper {
    /// The weight in its new form.
    fn weight<const D: usize>(
        &mut self,
        _at: &Position,
        param: Param<Tensor<D>>,
    ) -> Param<Tensor<D>> {
        param
    }

    /// The packed bits of the mask on the weight in their new form.
    fn bits<const D: usize>(
        &mut self,
        _at: &Position,
        bits: Param<Tensor<D, Int>>,
    ) -> Param<Tensor<D, Int>> {
        bits
    }

    /// What is known of the stored weight that was mapped last; without an answer it is masked on
    /// read from now on.
    fn answer(&self) -> Option<Answer>;
}

/// Walks over a model, and changes it.
pub(crate) fn map<M: Module>(model: M, mapper: impl WeightMapper) -> M {
    model.map(&mut Map {
        mapper,
        at: Position::default(),
    })
}

struct Map<P> {
    mapper: P,
    at: Position,
}

impl<P: WeightMapper> ModuleMapper for Map<P> {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.at.enter(name, container);
    }

    fn exit_module(&mut self, _name: &str, container: &str) {
        self.at.exit(container);
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        match self.at.weight() {
            Some(_) => self.mapper.weight(&self.at, param),
            None => param,
        }
    }

    fn map_int<const D: usize>(&mut self, param: Param<Tensor<D, Int>>) -> Param<Tensor<D, Int>> {
        if self.at.in_mask {
            return self.mapper.bits(&self.at, param);
        }
        param
    }

    fn map_flag(&mut self, flag: Param<Flag>) -> Param<Flag> {
        match self.mapper.answer() {
            Some(answer) => Trust::answer(flag, answer),
            None => flag,
        }
    }
}

/// The dotted paths of all places.
pub(super) fn paths<M: Module>(model: &M) -> Vec<(String, Place)> {
    visit(model, Paths::default()).0
}

#[derive(Default)]
struct Paths(Vec<(String, Place)>);

impl WeightVisitor for Paths {
    fn weight<const D: usize>(&mut self, at: &Position, _param: &Param<Tensor<D>>) {
        self.0.push((at.path().to_string(), at.place()));
    }
}

#[cfg(test)]
mod tests {
    use burn::nn::LinearConfig;
    use burn::tensor::Device;

    use super::*;
    use crate::prunable::Prunable;

    fn entered(levels: &[(&str, &str)]) -> Position {
        let mut at = Position::default();
        for (name, container) in levels {
            at.enter(name, container);
        }
        at
    }

    #[test]
    fn a_plain_path_has_no_names_of_enum_variants() {
        let at = entered(&[
            ("blocks", "Vec"),
            ("0", "Enum:Block"),
            ("Wide", "Struct:Wide"),
        ]);
        assert_eq!(
            (at.path(), at.plain_path().as_str()),
            ("blocks.0.Wide", "blocks.Wide")
        );
        assert_eq!(at.layer(), Some("Wide"));
        let empty = entered(&[("", "Struct:A"), ("w", "Struct:B")]);
        assert_eq!((empty.path(), empty.plain_path().as_str()), (".w", ".w"));
    }

    #[test]
    fn leaving_a_container_brings_back_what_was_there_before() {
        let mut at = entered(&[("fc", "Struct:Linear"), ("weight", "Struct:Linear")]);
        at.enter(WeightMask::NAME, REPARAMETERIZATION);
        assert!(at.is_nested() && at.weight().is_none());
        at.exit(REPARAMETERIZATION);
        assert!(!at.is_nested());
        assert_eq!(at.path(), "fc.weight");
        assert_eq!((at.weight(), at.weight()), (Some(Place(0)), Some(Place(1))));
        at.exit("Struct:Linear");
        at.exit("Struct:Linear");
        assert_eq!((at.path(), at.layer()), ("", None));
    }

    /// What a walk tells, one line for each call.
    #[derive(Default)]
    struct Told(Vec<String>);

    impl WeightVisitor for Told {
        fn weight<const D: usize>(&mut self, at: &Position, _param: &Param<Tensor<D>>) {
            self.0.push(format!("{}: rank {D}", at.path()));
        }

        fn reparameterization(&mut self, at: &Position, name: &str) {
            self.0.push(format!("{}: {name}", at.path()));
        }

        fn bits(&mut self, at: &Position, bits: &Param<Tensor<1, Int>>) {
            let words = bits.lazy_shape().num_elements();
            self.0.push(format!("{}: {words} words", at.path()));
        }

        fn mask(&mut self, at: &Position, mode: MaskMode, trust: Trust) {
            self.0.push(format!("{}: {mode:?}, {trust:?}", at.path()));
        }
    }

    #[test]
    fn a_walk_tells_of_weights_and_of_what_is_on_them() {
        let layer = LinearConfig::new(8, 8).init(&Device::default());
        let layers = vec![layer.l1_unstructured(0.5).unwrap()];
        let layers = layers.with_mask_mode(MaskMode::AfterStep).unwrap();
        let Told(told) = visit(&layers, Told::default());
        assert_eq!(
            told,
            [
                "0.weight: rank 2",
                "0.weight: mask",
                "0.weight.mask.kept: 2 words",
                "0.weight: AfterStep, Zeroed",
                "0.bias: rank 1",
            ]
        );
    }
}
