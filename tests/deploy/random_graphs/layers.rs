//! Steps that are layers.

use burn::tensor::Tensor;
use burn::tensor::activation::{relu, sigmoid};
use burn::tensor::module::{
    adaptive_avg_pool1d, adaptive_avg_pool2d, adaptive_avg_pool3d, attention, avg_pool1d,
    avg_pool2d, conv_transpose1d, conv_transpose2d, conv_transpose3d, conv1d, conv2d, conv3d,
    embedding, interpolate, max_pool1d, max_pool1d_with_indices, max_pool2d,
    max_pool2d_with_indices,
};
use burn::tensor::ops::{
    AttentionModuleOptions, AvgPoolOptions, ConvOptions, ConvTransposeOptions, InterpolateMode,
    InterpolateOptions, MaxPoolOptions,
};

use super::elementwise::steps;
use super::net::Needs::{
    BatchNorm, Depthwise, Gate, GroupNorm, InstanceNorm, Kernel, LayerNorm, Linear, Matrix,
    Nothing, Table, Transposed,
};
use super::net::{Piece, Step};

/// All pixels in one row.
fn row(x: Tensor<4>) -> Tensor<3> {
    x.flatten(2, 3)
}

fn column(x: Tensor<3>) -> Tensor<4> {
    x.unsqueeze_dim(3)
}

impl Piece {
    fn bias(&self) -> Option<Tensor<1>> {
        self.vector.as_ref().map(|vector| vector.val())
    }

    fn convolve(&self, x: Tensor<4>, groups: usize) -> Tensor<4> {
        let kernel = self.kernel2.as_ref().expect("it is there").val();
        let options = ConvOptions::new([1, 1], [1, 1], [1, 1], groups);
        conv2d(x, kernel, self.bias(), options)
    }
}

fn is_large(x: &Tensor<4>) -> bool {
    let [_, _, height, width] = x.dims();
    height * width > 40
}

pub(super) const STEPS: &[Step] = steps! {
    "convolution" [Kernel { axes: 2, groups: 1 }]: |p, x| p.convolve(x, 1),
    "convolution in one axis" [Kernel { axes: 1, groups: 1 }]: |p, x| {
        let kernel = p.kernel1.as_ref().unwrap().val();
        column(conv1d(row(x), kernel, p.bias(), ConvOptions::new([1], [1], [1], 1)))
    },
    "convolution in three axes" [Kernel { axes: 3, groups: 1 }]: |p, x| {
        let kernel = p.kernel3.as_ref().unwrap().val();
        let options = ConvOptions::new([1, 1, 1], [1, 1, 0], [1, 1, 1], 1);
        conv3d(x.unsqueeze_dim(4), kernel, p.bias(), options).squeeze_dim(4)
    },
    "linear" [Linear]: |p, x| {
        let x = x.permute([0, 2, 3, 1]);
        p.linear.as_ref().unwrap().forward(x).permute([0, 3, 1, 2])
    },
    "matrix" [Matrix]: |p, x| {
        let matrix = p.matrix.as_ref().unwrap().val();
        let x = x.permute([0, 2, 3, 1]).matmul(matrix.unsqueeze());
        x.permute([0, 3, 1, 2])
    },
    "matrix that divides" [Matrix]: |p, x| {
        let matrix = p.matrix.as_ref().unwrap().val();
        let other = (matrix.clone().abs() + 0.3).recip().mean_dim(0) * matrix.clone().recip();
        let other = other.tanh().mean().reshape([1, 1, 1, 1]);
        let x = x.permute([0, 2, 3, 1]).matmul(matrix.unsqueeze());
        x.permute([0, 3, 1, 2]) * other
    },
    "grouped convolution" [Kernel { axes: 2, groups: 2 }]: |p, x| {
        let groups = p.groups;
        p.convolve(x, groups)
    },
    "depthwise convolution" [Depthwise]: |p, x| {
        let channels = x.dims()[1];
        p.convolve(x, channels)
    },
    "transposed convolution" [Transposed { axes: 2 }]: |p, x| {
        let kernel = p.kernel2.as_ref().unwrap().val();
        let options = ConvTransposeOptions::new([1, 1], [0, 0], [0, 0], [1, 1], 1);
        conv_transpose2d(x, kernel, p.bias(), options)
    },
    "transposed convolution in one axis" [Transposed { axes: 1 }]: |p, x| {
        let kernel = p.kernel1.as_ref().unwrap().val();
        let options = ConvTransposeOptions::new([1], [0], [0], [1], 1);
        column(conv_transpose1d(row(x), kernel, p.bias(), options))
    },
    "transposed convolution in three axes" [Transposed { axes: 3 }]: |p, x| {
        let kernel = p.kernel3.as_ref().unwrap().val();
        let options = ConvTransposeOptions::new([1; 3], [0; 3], [0; 3], [1; 3], 1);
        conv_transpose3d(x.unsqueeze_dim(4), kernel, p.bias(), options).squeeze_dim(4)
    },
    "batch norm" [BatchNorm]: |p, x| p.batch_norm.as_ref().unwrap().forward(x),
    "batch norm again" [BatchNorm]: |p, x| p.batch_norm.as_ref().unwrap().forward(x.tanh() * 2.0),
    "layer norm" [LayerNorm]: |p, x| p.layer_norm.as_ref().unwrap().forward(x),
    "layer norm and back" [LayerNorm]: |p, x| p.layer_norm.as_ref().unwrap().forward(x.exp()),
    "group norm" [GroupNorm]: |p, x| p.group_norm.as_ref().unwrap().forward(x),
    "instance norm" [InstanceNorm]: |p, x| p.instance_norm.as_ref().unwrap().forward(x),
    "squeeze and excite" [Gate]: |p, x| {
        let mean = x.clone().mean_dim(2).mean_dim(3);
        x * sigmoid(p.gate(mean))
    },
    "exponential gate" [Gate]: |p, x| p.gate(x.clone()).tanh().exp() * x,
    "residual" [Gate]: |p, x| relu(p.gate(x.clone())) + x,
    "embedding" [Table(5)]: |p, x| {
        let [batch, _, height, _] = x.dims();
        let words = x.clone().mean_dim(1).mean_dim(3).abs() * 3.0;
        let words = words.reshape([batch, height]).int().clamp(0, 4);
        let vectors = embedding(p.matrix.as_ref().unwrap().val(), words);
        vectors.swap_dims(1, 2).unsqueeze_dim(3) + x
    },
    "attention of each channel" [Nothing]: |p, x| {
        attention(x.clone(), x.clone().tanh(), x, None, None, AttentionModuleOptions::default())
    },
    "attention over channels" [Nothing]: |p, x| {
        let y = x.clone().permute([0, 2, 3, 1]);
        let query = y.clone().mean_dim(3);
        let y = attention(query.clone(), query, y, None, None, AttentionModuleOptions::default());
        y.permute([0, 3, 1, 2])
    },
    "max pool" [Nothing]: |p, x| {
        max_pool2d(x, MaxPoolOptions::new([2, 2]).with_stride([1, 1]).with_padding([1, 1]))
    },
    "max pool in one axis" [Nothing]: |p, x| {
        column(max_pool1d(row(x), MaxPoolOptions::new([2]).with_padding([1])))
    },
    "max pool with indices" [Nothing]: |p, x| {
        let options = MaxPoolOptions::new([2, 2]).with_stride([1, 1]).with_padding([1, 1]);
        let (y, indices) = max_pool2d_with_indices(x.clone(), options);
        indices.float().cast(x.dtype()) * 0.05 + y
    },
    "max pool in one axis with indices" [Nothing]: |p, x| {
        let options = MaxPoolOptions::new([2]).with_padding([1]);
        let (y, indices) = max_pool1d_with_indices(row(x.clone()), options);
        column(indices.float().cast(x.dtype()) * 0.05 + y)
    },
    "average pool" [Nothing]: |p, x| {
        avg_pool2d(x, AvgPoolOptions::new([2, 2]).with_stride([1, 1]).with_padding([1, 1]))
    },
    "average pool in one axis" [Nothing]: |p, x| {
        column(avg_pool1d(row(x), AvgPoolOptions::new([2]).with_padding([1])))
    },
    "adaptive pool" [Nothing]: |p, x| adaptive_avg_pool2d(x, [3, 2]),
    "adaptive pool in one axis" [Nothing]: |p, x| column(adaptive_avg_pool1d(row(x), 5)),
    "adaptive pool in three axes" [Nothing]: |p, x| {
        adaptive_avg_pool3d(x.unsqueeze_dim(4), [3, 2, 1]).squeeze_dim(4)
    },
    "up-sampling" [Nothing]: |p, x| {
        let [_, _, height, width] = x.dims();
        if is_large(&x) {
            return x;
        }
        interpolate(x, InterpolateOptions::new(InterpolateMode::Bilinear).with_output_size([height + 1, width * 2]))
    },
    "cubic up-sampling" [Nothing]: |p, x| {
        let [_, _, height, width] = x.dims();
        if is_large(&x) {
            return x;
        }
        interpolate(x, InterpolateOptions::new(InterpolateMode::Bicubic).with_output_size([height + 1, width * 2]))
    },
};
