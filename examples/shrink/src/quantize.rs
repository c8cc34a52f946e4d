use burn::module::{Module, ModuleVisitor, Param, ParamGroup, Quantizer};
use burn::tensor::quantization::{Calibration, QuantScheme, QuantStore, QuantValue, ScaleDtype};
use burn::tensor::{DType, Tensor};
use burn_prune::MaskSet;

use crate::net::Net;

/// The weights of all convolutions and the Linear as 8-bit integers, with one scale a tensor; the
/// norms and the bias stay as they are.
pub(crate) fn to_8_bits(model: Net) -> Net {
    let scheme = QuantScheme::default()
        .with_value(QuantValue::Q8S)
        .with_store(QuantStore::Native)
        .per_tensor(ScaleDtype::F32);
    let weights = ParamGroup::from_regex(r"(conv|fc)\.weight$").expect("it is a regex");
    model.quantize_weights_group(&mut Quantizer::new(Calibration::MinMax, scheme), weights)
}

/// What a quantized model has where its masks have zeros.
#[derive(Default)]
pub(crate) struct Zeros {
    /// Quantized weights under the masks.
    pub pruned: usize,
    /// Those of them that are not 0.
    pub came_back: usize,
}

impl Zeros {
    pub(crate) fn of(quantized: &Net, masks: &MaskSet) -> Self {
        let mut visitor = Visitor {
            masks,
            path: Vec::new(),
            zeros: Self::default(),
        };
        quantized.visit(&mut visitor);
        visitor.zeros
    }
}

struct Visitor<'a> {
    masks: &'a MaskSet,
    path: Vec<String>,
    zeros: Zeros,
}

impl ModuleVisitor for Visitor<'_> {
    fn enter_module(&mut self, name: &str, _container: &str) {
        self.path.push(name.to_string());
    }

    fn exit_module(&mut self, _name: &str, _container: &str) {
        self.path.pop();
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let stored = param.base();
        let Some(mask) = self.masks.get(&self.path.join(".")) else {
            return;
        };
        if !matches!(stored.dtype(), DType::QFloat(_)) {
            return;
        }
        let values = stored.dequantize().into_data();
        let pruned = values.iter::<f32>().zip(mask.iter());
        for (value, _) in pruned.filter(|(_, kept)| !kept) {
            self.zeros.pruned += 1;
            self.zeros.came_back += usize::from(value != 0.0);
        }
    }
}
