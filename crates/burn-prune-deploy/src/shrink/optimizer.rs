//! Taking entries out of what an optimizer knows of a model.

use std::collections::BTreeMap;

use burn::module::{Module, ParamId};
use burn::optim::ModuleOptimizer;
use burn::tensor::TensorData;
use burn_prune::map_optimizer_state;

use super::{AxisCut, ShrinkPlan, cut};
use crate::error::DeployError;
use crate::graph::GraphTensors;

impl ShrinkPlan {
    /// Cuts a model in the middle of its training, with what its optimizer knows of it:
    /// [`shrink`](Self::shrink) and [`shrink_optimizer`](Self::shrink_optimizer) in one call. After
    /// training in Burn's `Learner`, which keeps its optimizer, see
    /// [`shrink_checkpoint`](Self::shrink_checkpoint).
    ///
    /// # Errors
    /// As those two.
    ///
    /// ```
    /// use burn::nn::{Linear, LinearConfig};
    /// use burn::optim::{AdamConfig, GradientsParams};
    /// use burn::{module::Module, tensor::{Device, Tensor, activation::relu}};
    /// use burn_prune::{Magnitude, Prunable, Pruner};
    /// use burn_prune_deploy::{Graph, Selection};
    ///
    /// #[derive(Module, Debug)]
    /// struct Net { fc1: Linear, fc2: Linear }
    ///
    /// impl Net {
    ///     fn forward(&self, x: Tensor<2>) -> Tensor<2> {
    ///         self.fc2.forward(relu(self.fc1.forward(x)))
    ///     }
    /// }
    ///
    /// let device = Device::flex().autodiff();
    /// let net = Net {
    ///     fc1: LinearConfig::new(4, 8).init(&device),
    ///     fc2: LinearConfig::new(8, 2).init(&device),
    /// };
    /// let example = Tensor::<2>::ones([1, 4], &device);
    /// let groups = Graph::capture(&net, example.clone(), Net::forward)?.groups()?;
    /// let pruner = Pruner::new(Magnitude::l2()).pattern(groups.pattern()).amount(0.5);
    /// let mut net = net.prune(&pruner)?;
    /// let mut optimizer = AdamConfig::new().init();
    /// let step = |net: Net, optimizer: &mut burn::optim::ModuleOptimizer| {
    ///     let loss = net.forward(example.clone()).sum();
    ///     let grads = GradientsParams::from_grads(loss.backward(), &net);
    ///     optimizer.step(0.01, net, grads)
    /// };
    /// net = step(net, &mut optimizer);
    ///
    /// let plan = Selection::from_masks(&groups, &net.masks())?.plan();
    /// let (net, mut optimizer) =
    ///     plan.shrink_training(&net, &optimizer, example.clone(), Net::forward)?;
    /// assert_eq!(net.fc1.weight.dims(), [4, 4]);
    /// // Training goes on, with the moments that the optimizer has.
    /// step(net, &mut optimizer);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn shrink_training<M, I, O>(
        &self,
        model: &M,
        optimizer: &ModuleOptimizer,
        example: I,
        forward: impl FnOnce(&M, I) -> O,
    ) -> Result<(M, ModuleOptimizer), DeployError>
    where
        M: Module,
        I: GraphTensors,
        O: GraphTensors,
    {
        let small = self.shrink(model, example, forward)?;
        Ok((small, self.shrink_optimizer(optimizer, model)?))
    }

    /// Cuts the state of an optimizer, so that it continues with the small model: momentum and
    /// moments of what stays are kept. `model` is the large one, before the cut.
    ///
    /// State that has neither the size of its parameter nor 1 along each axis cannot be cut: the
    /// optimizer forgets that parameter.
    ///
    /// # Errors
    /// When the plan is of another model, the state cannot be read, or parameters of one id are cut
    /// differently: an optimizer knows a parameter by its id.
    ///
    /// ```
    /// use burn::nn::{Linear, LinearConfig};
    /// use burn::optim::{AdamConfig, GradientsParams, ModuleOptimizer};
    /// use burn::tensor::{Device, Tensor};
    /// use burn_prune_deploy::{Graph, Selection};
    ///
    /// let device = Device::flex().autodiff();
    /// let linear = |input, output| LinearConfig::new(input, output).init(&device);
    /// let model: Vec<Linear> = vec![linear(4, 8), linear(8, 2)];
    /// let forward = |model: &Vec<Linear>, x| model[1].forward(model[0].forward(x));
    /// let example = Tensor::<2>::ones([1, 4], &device);
    /// let step = |model: Vec<Linear>, optimizer: &mut ModuleOptimizer| {
    ///     let loss = forward(&model, example.clone()).sum();
    ///     let grads = GradientsParams::from_grads(loss.backward(), &model);
    ///     optimizer.step(0.01, model, grads)
    /// };
    /// let mut optimizer = AdamConfig::new().init();
    /// let model = step(model, &mut optimizer);
    ///
    /// let groups = Graph::capture(&model, example.clone(), forward)?.groups()?;
    /// let plan = Selection::new(&groups).remove("0.weight", 0..5)?.plan();
    /// let small = plan.shrink(&model, example.clone(), forward)?;
    /// let mut optimizer = plan.shrink_optimizer(&optimizer, &model)?;
    /// let small = step(small, &mut optimizer);
    /// assert_eq!(small[0].weight.dims(), [4, 3]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn shrink_optimizer<M: Module>(
        &self,
        optimizer: &ModuleOptimizer,
        model: &M,
    ) -> Result<ModuleOptimizer, DeployError> {
        let cuts = StateCuts::of(self, model)?;
        let optimizer =
            map_optimizer_state(optimizer, |parameter, state| cuts.cut(parameter, state))?;
        Ok(optimizer)
    }
}

/// The cuts of a plan by what an optimizer knows parameters by: their ids.
pub(super) struct StateCuts<'a>(BTreeMap<(ParamId, usize), &'a AxisCut>);

impl<'a> StateCuts<'a> {
    pub(super) fn of<M: Module>(plan: &'a ShrinkPlan, model: &M) -> Result<Self, DeployError> {
        let mut cuts: BTreeMap<(ParamId, usize), &AxisCut> = BTreeMap::new();
        let mut by_path: BTreeMap<&str, BTreeMap<usize, &[usize]>> = BTreeMap::new();
        for (id, cut) in plan.ids(model)?.into_iter().zip(&plan.cuts) {
            cuts.insert((id, cut.axis), cut);
            let of_path = by_path.entry(&cut.path).or_default();
            of_path.insert(cut.axis, &cut.kept);
        }
        // A shared parameter is cut at each of its paths, and known by one id.
        let parameters: BTreeMap<String, _> = cut::parameters(model).into_iter().collect();
        let mut first: BTreeMap<ParamId, &str> = BTreeMap::new();
        for (path, (id, _)) in &parameters {
            let other = *first.entry(*id).or_insert(path);
            if by_path.get(path.as_str()) != by_path.get(other) {
                return Err(DeployError::SharedId {
                    path: path.clone(),
                    other: other.to_string(),
                });
            }
        }
        Ok(Self(cuts))
    }

    /// The state of a parameter without what is cut; nothing when it cannot be cut.
    pub(super) fn cut(&self, parameter: ParamId, state: TensorData) -> Option<TensorData> {
        let axes = (parameter, 0)..=(parameter, usize::MAX);
        let cuts = self.0.range(axes).map(|(_, cut)| *cut);
        // What is along the other axes has to fit, too: a square of one of them is something else.
        let fits = cuts.clone().next().is_none_or(|cut| {
            let mut sizes = state.shape().iter().zip(&cut.shape);
            state.rank() == cut.shape.len() && sizes.all(|(size, of)| *size == 1 || size == of)
        });
        fits.then(|| cuts.fold(state, take))
    }
}

/// The entries that stay.
fn take(state: TensorData, cut: &AxisCut) -> TensorData {
    let axis = cut.axis;
    let size = state.shape()[axis];
    if size != cut.shape[axis] {
        return state;
    }
    let (bytes, mut shape, dtype) = state.into_parts();
    // A row is all that lies within one entry of the axis.
    let row = dtype.size() * shape[axis + 1..].iter().product::<usize>();
    let blocks = bytes.chunks_exact(row * size);
    let rows = blocks.flat_map(|block| {
        let kept = cut.kept.iter();
        kept.flat_map(move |index| &block[index * row..(index + 1) * row])
    });
    let left = rows.copied().collect();
    shape[axis] = cut.kept.len();
    TensorData::from_bytes_vec(left, shape, dtype)
}
