use burn::module::Param;
use burn::tensor::Tensor;

/// Changes the stored value of a parameter outside of automatic differentiation.
///
/// The tensor is given by value, so that it can be changed in place. Id, mappers and training state
/// stay. For a parameter without a reparameterization, as a mapper gets it.
pub(crate) fn update<const D: usize>(
    param: Param<Tensor<D>>,
    change: impl FnOnce(Tensor<D>) -> Tensor<D>,
) -> Param<Tensor<D>> {
    let id = param.id;
    param.map(|value| {
        if !value.is_autodiff() {
            return change(value);
        }
        // As Burn's optimizers do: lifting a tensor back resets these.
        let (require_grad, distributed) = (value.is_require_grad(), value.is_distributed());
        let value = value.into_dispatch();
        let checkpointing = value.autodiff;
        let value = change(Tensor::from_dispatch(value).without_autodiff());
        let mut value = Tensor::from_inner(value).into_dispatch();
        value.autodiff = checkpointing;
        let value = Tensor::<D>::from_dispatch(value).set_require_grad(require_grad);
        if distributed {
            value.set_distributed(id)
        } else {
            value
        }
    })
}
