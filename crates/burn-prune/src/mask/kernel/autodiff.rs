//! The kernel under automatic differentiation: the gradient is masked as the weight is.

use burn::backend::{
    Autodiff, Backend,
    tensor::{FloatTensor, IntTensor},
};
use burn_autodiff::{
    checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
    grads::Gradients,
    ops::{Backward, Ops, OpsKind, unary},
};

use super::MaskOps;

#[derive(Debug)]
struct ApplyMask;

impl<B: Backend + MaskOps> Backward<B, 1> for ApplyMask {
    type State = IntTensor<B>;

    fn backward(
        self,
        ops: Ops<Self::State, 1>,
        grads: &mut Gradients,
        _checkpointer: &mut Checkpointer,
    ) {
        let kept = ops.state;
        unary::<B, _>(ops.parents, ops.node, grads, |grad| {
            B::apply_mask(grad, kept)
        });
    }
}

impl<B: Backend + MaskOps, C: CheckpointStrategy> MaskOps for Autodiff<B, C> {
    fn apply_mask(weight: FloatTensor<Self>, kept: IntTensor<Self>) -> FloatTensor<Self> {
        let node = weight.node();
        let masked = B::apply_mask(weight.into_primitive(), kept.clone());
        match ApplyMask.prepare::<C>([node]).compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish(kept, masked),
            OpsKind::UnTracked(prep) => prep.finish(masked),
        }
    }
}
