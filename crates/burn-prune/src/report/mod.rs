//! How sparse a model is: plain data first, printing second.

mod display;

use std::collections::HashSet;

use burn::module::Module;
use serde::{Deserialize, Serialize};

use crate::model::{Inventory, Parameter, Place, Sharing, Values};
use crate::pattern::{Axis, Pattern, Units, WeightAxes};

/// Zeros of a model, by parameter and in total.
///
/// Counts the weights that a forward pass reads as exactly 0 ([`Param::val`](burn::module::Param::val)),
/// in either [mode](crate::MaskMode) of the masks, whether by a mask or because the mask was made
/// permanent. Prints as a table; serializes with serde.
///
/// A masked model is neither smaller nor faster: a sparsity of 90 % says that 90 % of the weights
/// are zero, not that they are gone.
///
/// ```
/// use burn::{nn::LinearConfig, tensor::Device};
/// use burn_prune::Prunable;
///
/// let layer = LinearConfig::new(10, 10).init(&Device::flex()).l1_unstructured(0.25)?;
/// let report = layer.sparsity_report();
/// assert_eq!((report.zeros(), report.weights(), report.all_weights), (25, 100, 110));
/// assert_eq!(report.sparsity(), 0.25);
/// assert!(report.to_string().contains("25.00%"));
/// # Ok::<(), burn_prune::PruneError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct SparsityReport {
    /// The prunable parameters in module order: weights of Linear and convolution layers, and
    /// whatever else has a mask. A shared parameter counts once.
    pub parameters: Vec<ParameterSparsity>,
    /// Number of all weights of the model, biases and norms included, statistics not.
    pub all_weights: usize,
}

/// Zeros of one parameter.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ParameterSparsity {
    /// Dotted path.
    pub path: String,
    /// Shape of the tensor.
    pub shape: Vec<usize>,
    /// Number of weights.
    pub weights: usize,
    /// How many of them are 0.
    pub zeros: usize,
    /// Whether a mask is attached.
    pub masked: bool,
    /// Output channels, where their axis is known.
    pub outputs: Option<ChannelSparsity>,
    /// Input channels, where their axis is known.
    pub inputs: Option<ChannelSparsity>,
}

/// Channels along one axis of a weight.
///
/// A dead output may still contribute its bias, and whatever later layers make of a zero; see the
/// notes on channels in the crate's documentation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ChannelSparsity {
    /// Number of channels.
    pub total: usize,
    /// Those whose weights are all 0.
    pub dead: usize,
}

impl SparsityReport {
    pub(crate) fn of<M: Module>(model: &M) -> Self {
        let is_weight = |known: &&Parameter| !known.is_statistic();
        let is_prunable = |known: &&Parameter| known.is_masked() || WeightAxes::of(known).is_some();
        let inventory = Inventory::of(model);
        let weights = || inventory.parameters.iter().filter(is_weight);
        let masks = weights()
            .filter(|known| known.is_masked_on_read())
            .map(Parameter::place)
            .collect();
        // What is not prunable also counts once where it is shared.
        let repeated = inventory.repeated().into_values().flatten();
        let read: HashSet<Place> = weights()
            .filter(is_prunable)
            .map(Parameter::place)
            .chain(repeated)
            .collect();
        let reading = inventory.read(model, read, &masks, Sharing::SameMask);

        let weights = || reading.inventory().parameters.iter().filter(is_weight);
        let parameters = weights().filter(is_prunable).map(|known| {
            let stored = reading.weight(known);
            // What is read as it is stored is counted as it is stored.
            let values = match reading.mask(known).filter(|_| known.is_masked_on_read()) {
                Some(mask) => stored.masked(mask),
                None => stored,
            };
            ParameterSparsity::of(known, &values)
        });
        Self {
            parameters: parameters.collect(),
            all_weights: weights().map(Parameter::len).sum(),
        }
    }

    /// Number of prunable weights.
    pub fn weights(&self) -> usize {
        self.parameters.iter().map(|row| row.weights).sum()
    }

    /// How many of the prunable weights are 0.
    pub fn zeros(&self) -> usize {
        self.parameters.iter().map(|row| row.zeros).sum()
    }

    /// Fraction of the prunable weights that is 0, in `[0, 1]`.
    pub fn sparsity(&self) -> f64 {
        fraction(self.zeros(), self.weights())
    }

    /// The zeros of the prunable weights as a fraction of *all* weights, in `[0, 1]`.
    pub fn overall_sparsity(&self) -> f64 {
        fraction(self.zeros(), self.all_weights)
    }

    /// The row of a parameter.
    pub fn get(&self, path: &str) -> Option<&ParameterSparsity> {
        self.parameters.iter().find(|row| row.path == path)
    }
}

impl ParameterSparsity {
    fn of(parameter: &Parameter, values: &Values) -> Self {
        let axes = WeightAxes::of(parameter);
        let mut outputs = Alive::along(Axis::Output, parameter, axes);
        let mut inputs = Alive::along(Axis::Input, parameter, axes);
        let mut zeros = 0;
        for (index, weight) in values.iter().enumerate() {
            if weight == 0.0 {
                zeros += 1;
                continue;
            }
            for alive in outputs.iter_mut().chain(&mut inputs) {
                if let Some(channel) = alive.units.unit_of(index) {
                    alive.channels[channel] = true;
                }
            }
        }
        Self {
            path: parameter.path().to_string(),
            shape: parameter.shape.clone(),
            weights: parameter.len(),
            zeros,
            masked: parameter.is_masked(),
            outputs: outputs.map(Alive::count),
            inputs: inputs.map(Alive::count),
        }
    }

    /// Fraction of the weights that is 0, in `[0, 1]`.
    pub fn sparsity(&self) -> f64 {
        fraction(self.zeros, self.weights)
    }
}

/// Which channels have a weight that is not 0.
struct Alive {
    units: Units,
    channels: Vec<bool>,
}

impl Alive {
    fn along(axis: Axis, parameter: &Parameter, axes: Option<WeightAxes>) -> Option<Self> {
        let pattern = Pattern::Channels(axis);
        let units = pattern
            .units(parameter.path(), &parameter.shape, Some(axes?))
            .ok()?;
        Some(Self {
            channels: vec![false; units.count()],
            units,
        })
    }

    fn count(self) -> ChannelSparsity {
        ChannelSparsity {
            total: self.channels.len(),
            dead: self.channels.iter().filter(|alive| !**alive).count(),
        }
    }
}

fn fraction(part: usize, whole: usize) -> f64 {
    match whole {
        0 => 0.0,
        whole => part as f64 / whole as f64,
    }
}

#[cfg(test)]
mod tests {
    use burn::nn::{Linear, LinearConfig};
    use burn::tensor::{DType, Device};

    use crate::mask::MaskMode;
    use crate::prunable::Prunable;
    use crate::read_back::count;

    #[test]
    fn a_report_waits_for_the_device_once() {
        let device = Device::flex();
        let layer = |dtype: DType| -> Linear {
            let mut layer = LinearConfig::new(8, 8).init(&device);
            layer.weight = layer.weight.map(|weight| weight.cast(dtype));
            layer
        };
        for dtype in [DType::F32, DType::F64, DType::F16] {
            let layers: Vec<Linear> = (0..5).map(|_| layer(dtype)).collect();
            let layers = layers.l1_unstructured(0.5).unwrap();
            count::take();
            assert_eq!(layers.sparsity_report().zeros(), 5 * 32);
            assert_eq!(count::take(), 1, "{dtype:?}");

            // Weights that are read as they are stored need no masks, and f32 is borrowed on flex.
            let layers = layers.with_mask_mode(MaskMode::AfterStep).unwrap();
            count::take();
            assert_eq!(layers.sparsity_report().zeros(), 5 * 32);
            assert_eq!(count::take(), usize::from(dtype != DType::F32), "{dtype:?}");
        }
    }
}
