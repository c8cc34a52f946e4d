//! What a forward pass costs.

mod count;
mod display;

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

/// Multiply-adds, parameters and bytes of a forward pass on the example of its graph, batch
/// included.
///
/// Three costs are kept apart: that of the operations as they are (dense), that without zeros
/// (effective), and what was measured. A masked model has a smaller effective cost and the same
/// dense cost; only shrinking lowers the dense cost.
///
/// A multiply-add of a convolution or matrix product counts as one, and a BatchNorm or LayerNorm as
/// two for each element (one to normalise, one to scale and shift); biases, activations, pooling,
/// and norms that are composed of other operations are not counted.
///
/// ```
/// # use burn::nn::{Linear, LinearConfig};
/// # use burn::tensor::{Device, Tensor, activation::relu};
/// # use burn_prune_deploy::Graph;
/// # let device = Device::flex();
/// # let linear = |input, output| LinearConfig::new(input, output).init(&device);
/// let model: Vec<Linear> = vec![linear(8, 32), linear(32, 4)];
/// let forward = |model: &Vec<Linear>, x| model[1].forward(relu(model[0].forward(x)));
/// let graph = Graph::capture(&model, Tensor::<2>::ones([1, 8], &device), forward)?;
/// let cost = graph.cost();
/// assert_eq!(cost.layers.len(), 2);
/// println!("{cost}");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Cost {
    /// Operations with parameters of their own, and products of two activations, in their order.
    /// Those of one module that follow each other, as a product and its bias, are one layer.
    pub layers: Vec<LayerCost>,
    /// Bytes of all activations that other operations make; without views such as reshapes.
    pub other_activation_bytes: u64,
    /// Parameters that no layer reads, including statistics: only a layer tells the two apart.
    pub unused_parameters: u64,
    /// Their bytes.
    pub unused_weight_bytes: u64,
    /// Median time of a forward pass, in seconds, when it was measured.
    pub seconds: Option<f64>,
}

/// The cost of one layer.
///
/// ```
/// # use burn::nn::{Linear, LinearConfig};
/// # use burn::tensor::{Device, Tensor, activation::relu};
/// # use burn_prune_deploy::Graph;
/// # let device = Device::flex();
/// # let linear = |input, output| LinearConfig::new(input, output).init(&device);
/// let model: Vec<Linear> = vec![linear(8, 32), linear(32, 4)];
/// let forward = |model: &Vec<Linear>, x| model[1].forward(relu(model[0].forward(x)));
/// let graph = Graph::capture(&model, Tensor::<2>::ones([1, 8], &device), forward)?;
/// let first = &graph.cost().layers[0];
/// assert_eq!((first.name.as_str(), first.multiply_adds, first.parameters), ("0", 8 * 32, 288));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct LayerCost {
    /// Path of the module that its parameters are in, or the name of the operation.
    pub name: String,
    /// Name of its first operation.
    pub operation: String,
    /// Shape of what it makes.
    pub output: Vec<usize>,
    /// Multiply-adds.
    pub multiply_adds: u64,
    /// Multiply-adds with weights that are not 0.
    pub effective_multiply_adds: u64,
    /// Parameters that are trained; a shared one counts where it is read first.
    pub parameters: u64,
    /// Those that are not 0.
    pub nonzero_parameters: u64,
    /// Bytes of the parameters and statistics.
    pub weight_bytes: u64,
    /// Bytes of everything that its operations make.
    pub activation_bytes: u64,
}

impl Cost {
    /// Multiply-adds of all layers.
    ///
    /// ```
    /// # use burn::nn::{Linear, LinearConfig};
    /// # use burn::tensor::{Device, Tensor, activation::relu};
    /// # use burn_prune_deploy::Graph;
    /// # let device = Device::flex();
    /// # let linear = |input, output| LinearConfig::new(input, output).init(&device);
    /// let model: Vec<Linear> = vec![linear(8, 32), linear(32, 4)];
    /// let forward = |model: &Vec<Linear>, x| model[1].forward(relu(model[0].forward(x)));
    /// let graph = Graph::capture(&model, Tensor::<2>::ones([1, 8], &device), forward)?;
    /// assert_eq!(graph.cost().multiply_adds(), 8 * 32 + 32 * 4);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn multiply_adds(&self) -> u64 {
        self.layers.iter().map(|layer| layer.multiply_adds).sum()
    }

    /// Multiply-adds with weights that are not 0.
    ///
    /// ```
    /// # use burn::nn::{Linear, LinearConfig};
    /// # use burn::tensor::{Device, Tensor, activation::relu};
    /// # use burn_prune_deploy::Graph;
    /// # let device = Device::flex();
    /// # let linear = |input, output| LinearConfig::new(input, output).init(&device);
    /// let model: Vec<Linear> = vec![linear(8, 32), linear(32, 4)];
    /// let forward = |model: &Vec<Linear>, x| model[1].forward(relu(model[0].forward(x)));
    /// let graph = Graph::capture(&model, Tensor::<2>::ones([1, 8], &device), forward)?;
    /// # use burn_prune::{Magnitude, Prunable, Pruner};
    /// let model = model.prune(&Pruner::new(Magnitude::l1()).amount(0.75))?;
    /// let graph = Graph::capture(&model, Tensor::<2>::ones([1, 8], &device), forward)?;
    /// let cost = graph.cost();
    /// assert_eq!(cost.multiply_adds(), 384);
    /// assert_eq!(cost.effective_multiply_adds(), 96);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn effective_multiply_adds(&self) -> u64 {
        let layers = self.layers.iter();
        layers.map(|layer| layer.effective_multiply_adds).sum()
    }

    /// Number of parameters that are trained, unused ones included.
    ///
    /// ```
    /// # use burn::nn::{Linear, LinearConfig};
    /// # use burn::tensor::{Device, Tensor, activation::relu};
    /// # use burn_prune_deploy::Graph;
    /// # let device = Device::flex();
    /// # let linear = |input, output| LinearConfig::new(input, output).init(&device);
    /// let model: Vec<Linear> = vec![linear(8, 32), linear(32, 4)];
    /// let forward = |model: &Vec<Linear>, x| model[1].forward(relu(model[0].forward(x)));
    /// let graph = Graph::capture(&model, Tensor::<2>::ones([1, 8], &device), forward)?;
    /// assert_eq!(graph.cost().parameters(), 288 + 132);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn parameters(&self) -> u64 {
        let layers: u64 = self.layers.iter().map(|layer| layer.parameters).sum();
        layers + self.unused_parameters
    }

    /// Number of used parameters that are not 0.
    ///
    /// ```
    /// # use burn::nn::{Linear, LinearConfig};
    /// # use burn::tensor::{Device, Tensor, activation::relu};
    /// # use burn_prune_deploy::Graph;
    /// # let device = Device::flex();
    /// # let linear = |input, output| LinearConfig::new(input, output).init(&device);
    /// let model: Vec<Linear> = vec![linear(8, 32), linear(32, 4)];
    /// let forward = |model: &Vec<Linear>, x| model[1].forward(relu(model[0].forward(x)));
    /// let graph = Graph::capture(&model, Tensor::<2>::ones([1, 8], &device), forward)?;
    /// // The biases of a fresh layer need not be 0.
    /// assert!(graph.cost().nonzero_parameters() <= graph.cost().parameters());
    /// assert!(graph.cost().nonzero_parameters() >= 8 * 32 + 32 * 4);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn nonzero_parameters(&self) -> u64 {
        let layers = self.layers.iter();
        layers.map(|layer| layer.nonzero_parameters).sum()
    }

    /// Bytes of parameters and statistics, unused ones included.
    ///
    /// ```
    /// # use burn::nn::{Linear, LinearConfig};
    /// # use burn::tensor::{Device, Tensor, activation::relu};
    /// # use burn_prune_deploy::Graph;
    /// # let device = Device::flex();
    /// # let linear = |input, output| LinearConfig::new(input, output).init(&device);
    /// let model: Vec<Linear> = vec![linear(8, 32), linear(32, 4)];
    /// let forward = |model: &Vec<Linear>, x| model[1].forward(relu(model[0].forward(x)));
    /// let graph = Graph::capture(&model, Tensor::<2>::ones([1, 8], &device), forward)?;
    /// assert_eq!(graph.cost().weight_bytes(), 4 * 420);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn weight_bytes(&self) -> u64 {
        let layers: u64 = self.layers.iter().map(|layer| layer.weight_bytes).sum();
        layers + self.unused_weight_bytes
    }

    /// Bytes of everything that the operations make.
    ///
    /// ```
    /// # use burn::nn::{Linear, LinearConfig};
    /// # use burn::tensor::{Device, Tensor, activation::relu};
    /// # use burn_prune_deploy::Graph;
    /// # let device = Device::flex();
    /// # let linear = |input, output| LinearConfig::new(input, output).init(&device);
    /// let model: Vec<Linear> = vec![linear(8, 32), linear(32, 4)];
    /// let forward = |model: &Vec<Linear>, x| model[1].forward(relu(model[0].forward(x)));
    /// let graph = Graph::capture(&model, Tensor::<2>::ones([1, 8], &device), forward)?;
    /// // What the two layers make and what relu does, at least.
    /// assert!(graph.cost().activation_bytes() >= 4 * (32 + 32 + 4));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn activation_bytes(&self) -> u64 {
        let layers: u64 = self.layers.iter().map(|layer| layer.activation_bytes).sum();
        layers + self.other_activation_bytes
    }

    /// The layer with this name.
    ///
    /// ```
    /// # use burn::nn::{Linear, LinearConfig};
    /// # use burn::tensor::{Device, Tensor, activation::relu};
    /// # use burn_prune_deploy::Graph;
    /// # let device = Device::flex();
    /// # let linear = |input, output| LinearConfig::new(input, output).init(&device);
    /// let model: Vec<Linear> = vec![linear(8, 32), linear(32, 4)];
    /// let forward = |model: &Vec<Linear>, x| model[1].forward(relu(model[0].forward(x)));
    /// let graph = Graph::capture(&model, Tensor::<2>::ones([1, 8], &device), forward)?;
    /// assert_eq!(graph.cost().layer("1").unwrap().multiply_adds, 32 * 4);
    /// assert!(graph.cost().layer("2").is_none());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn layer(&self, name: &str) -> Option<&LayerCost> {
        self.layers.iter().find(|layer| layer.name == name)
    }

    /// Measures a forward pass: once to warm up, then for half a second and at least five times.
    /// The result is the median. The closure has to wait for the device.
    ///
    /// ```
    /// # use burn::nn::{Linear, LinearConfig};
    /// # use burn::tensor::{Device, Tensor, activation::relu};
    /// # use burn_prune_deploy::Graph;
    /// # let device = Device::flex();
    /// # let linear = |input, output| LinearConfig::new(input, output).init(&device);
    /// let model: Vec<Linear> = vec![linear(8, 32), linear(32, 4)];
    /// let forward = |model: &Vec<Linear>, x| model[1].forward(relu(model[0].forward(x)));
    /// let graph = Graph::capture(&model, Tensor::<2>::ones([1, 8], &device), forward)?;
    /// let input = Tensor::<2>::ones([1, 8], &device);
    /// let cost = graph.cost().measure(|| drop(forward(&model, input.clone()).into_data()));
    /// assert!(cost.seconds.unwrap() > 0.0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn measure(mut self, mut forward: impl FnMut()) -> Self {
        forward();
        let begin = Instant::now();
        let mut times = Vec::new();
        while times.len() < 5 || begin.elapsed() < Duration::from_millis(500) {
            let start = Instant::now();
            forward();
            times.push(start.elapsed().as_secs_f64());
        }
        times.sort_by(f64::total_cmp);
        self.seconds = Some(times[times.len() / 2]);
        self
    }
}
