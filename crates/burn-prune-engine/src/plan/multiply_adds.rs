use burn::backend::ir::{FloatOperationIr, ModuleOperationIr, OperationIr, TensorIr};

/// Multiply-adds of an operation that Burn runs; 0 for what is no product.
pub(crate) fn multiply_adds(operation: &OperationIr) -> u64 {
    match operation {
        OperationIr::Float(_, FloatOperationIr::Matmul(product)) => {
            elements(&product.out) * last(&product.lhs)
        }
        OperationIr::Module(module) => of_module(module),
        _ => 0,
    }
}

fn of_module(operation: &ModuleOperationIr) -> u64 {
    use ModuleOperationIr as Module;
    match operation {
        Module::Linear(product) => elements(&product.out) * last(&product.x),
        Module::Conv1d(conv) => elements(&conv.out) * of_row(&conv.weight),
        Module::Conv2d(conv) => elements(&conv.out) * of_row(&conv.weight),
        Module::Conv3d(conv) => elements(&conv.out) * of_row(&conv.weight),
        Module::DeformableConv2d(conv) => elements(&conv.out) * of_row(&conv.weight),
        // Each input value goes to all taps of all outputs of its group.
        Module::ConvTranspose1d(conv) => elements(&conv.x) * of_row(&conv.weight),
        Module::ConvTranspose2d(conv) => elements(&conv.x) * of_row(&conv.weight),
        Module::ConvTranspose3d(conv) => elements(&conv.x) * of_row(&conv.weight),
        Module::Attention(attention) => {
            let features = last(&attention.query).max(1);
            let [.., keys, _] = attention.key.shape[..] else {
                return 0;
            };
            let weights = elements(&attention.query) / features * keys as u64;
            weights * (features + last(&attention.value))
        }
        _ => 0,
    }
}

fn elements(tensor: &TensorIr) -> u64 {
    tensor.shape.iter().map(|&size| size as u64).product()
}

/// Entries of a weight for each index of its first axis.
fn of_row(weight: &TensorIr) -> u64 {
    let sizes = weight.shape.iter().skip(1);
    sizes.map(|&size| size as u64).product()
}

fn last(tensor: &TensorIr) -> u64 {
    tensor.shape.iter().last().map_or(1, |&size| size as u64)
}
