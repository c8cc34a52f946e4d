use crate::plan::program::Product;
use crate::run::{Path, Work};
use crate::window::{PoolKind, Window};

/// What a step does, in a few words.
pub(super) fn of(work: &Work, product: Option<&Product>) -> String {
    let window = product.and_then(|product| product.window);
    match work {
        Work::Product(work) => {
            let name = window.map_or_else(|| "linear".to_string(), |window| convolution(&window));
            if work.path == Path::Expanded {
                format!("{name}, expanded")
            } else {
                name
            }
        }
        Work::Depthwise(work) => {
            format!("depthwise {}", size(work.window.kernel, work.window.stride))
        }
        Work::Phases(split) => format!("phases /{}", split.stride[0]),
        Work::Pool(pool) => {
            let kind = match pool.kind {
                PoolKind::Maximum => "max",
                PoolKind::Mean | PoolKind::MeanInside => "average",
            };
            format!("{kind} pool {}", size(pool.kernel, pool.stride))
        }
        Work::GlobalAverage => "global average".to_string(),
        Work::Upsample([height, width]) => format!("up-sampling {height}x{width}"),
        Work::Copy => "copy".to_string(),
        Work::Transpose => "transpose".to_string(),
        Work::Flatten { .. } => "flatten".to_string(),
        Work::Unflatten => "unflatten".to_string(),
        Work::Activate(_) => "activation".to_string(),
        Work::Sum(_) => "sum".to_string(),
        Work::Multiply | Work::MultiplyChannels => "product of tensors".to_string(),
        Work::Affine { .. } => "scale and shift".to_string(),
        Work::Reshape { .. } => "reshape".to_string(),
        Work::Burn(_) => "Burn".to_string(),
    }
}

/// Whether a step makes what its node makes, and not only what that is made from.
pub(super) fn is_result(work: &Work) -> bool {
    !matches!(work, Work::Phases(_) | Work::Copy | Work::Transpose)
}

fn convolution(window: &Window) -> String {
    let size = size(window.kernel, window.stride);
    match window.groups {
        1 => format!("convolution {size}"),
        groups => format!("convolution {size}, {groups} groups"),
    }
}

fn size(kernel: [usize; 2], stride: [usize; 2]) -> String {
    let [height, width] = kernel;
    match stride {
        [1, 1] => format!("{height}x{width}"),
        [down, right] if down == right => format!("{height}x{width}/{down}"),
        [down, right] => format!("{height}x{width}/{down}x{right}"),
    }
}
