//! Networks, data and comparisons for the stories.

use burn::data::dataloader::batcher::Batcher;
use burn::module::{Module, ModuleMapper, Param};
use burn::nn::conv::{Conv2d, Conv2dConfig};
use burn::nn::loss::CrossEntropyLossConfig;
use burn::nn::{BatchNorm, BatchNormConfig, Linear, LinearConfig};
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor, TensorData, activation::relu};
use burn_prune::MaskSet;
use examples_shared::{ImageBatch, ImageBatcher, Images, bundled_data};

/// A network with everything that matters: a convolution, norms with statistics, linear layers.
#[derive(Module, Debug)]
pub(crate) struct Net {
    pub conv: Conv2d,
    pub norm: Option<BatchNorm>,
    pub fc1: Linear,
    pub fc2: Linear,
}

impl Net {
    pub(crate) fn new(device: &Device) -> Self {
        Self {
            conv: Conv2dConfig::new([1, 6], [3, 3])
                .with_stride([2, 2])
                .init(device),
            norm: Some(BatchNormConfig::new(6).init(device)),
            fc1: LinearConfig::new(6 * 13 * 13, 16).init(device),
            fc2: LinearConfig::new(16, 10).init(device),
        }
    }

    pub(crate) fn forward(&self, images: Tensor<4>) -> Tensor<2> {
        let x = self.conv.forward(images);
        let x = match &self.norm {
            Some(norm) => norm.forward(x),
            None => x,
        };
        let x = relu(x);
        self.fc2.forward(relu(self.fc1.forward(x.flatten(1, 3))))
    }

    /// The running mean of the norm.
    pub(crate) fn running_mean(&self) -> TensorData {
        let norm = self.norm.as_ref().expect("it has a norm");
        norm.running_mean.value_sync().into_data()
    }

    pub(crate) fn gradients(&self, batch: &ImageBatch) -> (f64, GradientsParams) {
        let output = self.forward(batch.images.clone());
        let loss = CrossEntropyLossConfig::new().init(&output.device());
        let loss = loss.forward(output, batch.labels.clone());
        let value = loss.clone().into_scalar::<f64>();
        (value, GradientsParams::from_grads(loss.backward(), self))
    }
}

/// Gives a model weights that depend on nothing but the seed.
///
/// Burn's generator is one for all threads, and tests run side by side.
pub(crate) fn seeded<M: Module>(model: M, seed: u64) -> M {
    struct Fill(u64);

    impl Fill {
        /// SplitMix64 (Steele, Lea and Flood 2014), as a number in [-1, 1).
        fn next(&mut self) -> f32 {
            self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut z = self.0;
            z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            ((z ^ (z >> 31)) >> 40) as f32 / (1 << 23) as f32 - 1.0
        }
    }

    impl ModuleMapper for Fill {
        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            if D < 2 {
                return param;
            }
            param.map(|weight| {
                let (shape, device) = (weight.dims(), weight.device());
                let fan_in: usize = if D == 2 {
                    shape[0]
                } else {
                    shape[1..].iter().product()
                };
                let bound = (fan_in as f32).sqrt().recip();
                let count = shape.iter().product();
                let filled: Vec<f32> = (0..count).map(|_| bound * self.next()).collect();
                let filled = Tensor::<D>::from_data(TensorData::new(filled, shape), &device);
                filled.set_require_grad(weight.is_require_grad())
            })
        }
    }

    model.map(&mut Fill(seed))
}

/// Real images: `count` batches of 32 from the bundled training set.
pub(crate) fn batches(count: usize, device: &Device) -> Vec<ImageBatch> {
    let images = Images::train(&bundled_data()).unwrap().first(32 * count);
    let batcher = ImageBatcher::new(&images);
    let batch = |index: usize| batcher.batch(images.items(32 * index..32 * (index + 1)), device);
    (0..count).map(batch).collect()
}

/// The values of a tensor in flat order.
pub(crate) fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.try_into_vec_as::<f32>().unwrap()
}

/// A Linear layer without bias whose weight has these rows.
pub(crate) fn linear<const I: usize, const O: usize>(rows: [[f32; O]; I]) -> Linear {
    let device = Device::flex();
    let mut layer = LinearConfig::new(I, O).with_bias(false).init(&device);
    layer.weight = Param::from_tensor(Tensor::from_floats(rows, &device));
    layer
}

/// The mask of a parameter as numbers, 1 where the weight is kept.
pub(crate) fn kept(masks: &MaskSet, path: &str) -> Vec<u8> {
    masks.get(path).unwrap().iter().map(u8::from).collect()
}

/// Writes zeros where the masks prune, with nothing but Burn: what burn-prune is compared with.
pub(crate) fn with_zeros_written_in<M: Module>(model: M, masks: &MaskSet) -> M {
    struct Write<'a> {
        path: Vec<String>,
        masks: &'a MaskSet,
    }

    impl ModuleMapper for Write<'_> {
        fn enter_module(&mut self, name: &str, _container: &str) {
            self.path.push(name.to_string());
        }

        fn exit_module(&mut self, _name: &str, _container: &str) {
            self.path.pop();
        }

        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            let Some(mask) = self.masks.get(&self.path.join(".")) else {
                return param;
            };
            param.map(|weight| {
                let device = weight.device();
                let mut written = values(weight.clone().inner());
                for (index, _) in mask.iter().enumerate().filter(|(_, kept)| !kept) {
                    written[index] = 0.0;
                }
                let data = TensorData::new(written, weight.shape());
                Tensor::<D>::from_data(data, &device).set_require_grad(weight.is_require_grad())
            })
        }
    }

    model.map(&mut Write {
        path: Vec::new(),
        masks,
    })
}
