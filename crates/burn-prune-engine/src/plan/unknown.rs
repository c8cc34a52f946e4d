//! Operations that Burn's interpreter does not know.

use burn::backend::ir::{
    BaseOperationIr, FloatOperationIr, NumericOperationIr, OperationIr, TensorIr,
};
use burn::tensor::{DType, IndexingUpdateOp};

/// Whether Burn's interpreter (0.22) runs an operation on flex. The others it leaves out, each with a panic.
pub(crate) fn is_known(operation: &OperationIr) -> bool {
    let mut tensors = operation.inputs().chain(operation.outputs());
    if tensors.any(is_quantized) {
        return false;
    }
    match operation {
        OperationIr::BaseInt(BaseOperationIr::Cast(_)) => false,
        OperationIr::BaseBool(
            BaseOperationIr::Cast(_) | BaseOperationIr::ScatterNd(_) | BaseOperationIr::GatherNd(_),
        ) => false,
        OperationIr::BaseBool(BaseOperationIr::Scatter(op)) => op.update == IndexingUpdateOp::Add,
        OperationIr::BaseBool(BaseOperationIr::SelectAssign(op)) => {
            op.update == IndexingUpdateOp::Add
        }
        OperationIr::NumericFloat(_, NumericOperationIr::IntRandom(_)) => false,
        OperationIr::Float(_, FloatOperationIr::Quantize(_) | FloatOperationIr::Dequantize(_)) => {
            false
        }
        OperationIr::Custom(_)
        | OperationIr::Distributed(_)
        | OperationIr::Init(_)
        | OperationIr::Drop(_) => false,
        _ => true,
    }
}

fn is_quantized(tensor: &TensorIr) -> bool {
    matches!(tensor.dtype, DType::QFloat(_))
}
