//! Two passes with different batches, node by node.

use std::collections::{BTreeMap, HashMap};

use burn::backend::ir::{IrVisitorMut, OperationIr, TensorId, TensorIr, TensorStatus};
use burn::tensor::TensorData;

use super::pass::Pass;
use super::sketch::{Kind, Sketched};
use crate::plan::batch::follows;
use crate::plan::program::Size;

type Values = BTreeMap<TensorId, TensorData>;

/// A pass, what became of it, its constants and its batch.
pub(super) struct Side<'a> {
    pub pass: &'a Pass<'a>,
    pub nodes: &'a [Sketched],
    pub values: Vec<&'a Values>,
    pub batch: usize,
}

impl Side<'_> {
    fn value(&self, tensor: TensorId) -> Option<&TensorData> {
        self.values.iter().find_map(|values| values.get(&tensor))
    }
}

/// What a second pass tells about the tensors of the first one.
pub(super) struct Pairs {
    /// Which tensor of the second pass a tensor of the first is.
    there: HashMap<TensorId, TensorId>,
    shapes: HashMap<TensorId, Vec<Size>>,
}

/// Where two passes differ in more than sizes that follow the batch.
pub(super) struct Difference {
    pub reason: String,
    /// An operation that Burn may run at any batch size, where the engine does not know it at each.
    pub left_to_burn: Option<usize>,
}

impl From<String> for Difference {
    fn from(reason: String) -> Self {
        Self {
            reason,
            left_to_burn: None,
        }
    }
}

impl Pairs {
    /// # Errors
    /// Where the passes differ in more than sizes that follow the batch.
    pub(super) fn new(first: &Side<'_>, second: &Side<'_>) -> Result<Self, Difference> {
        let mut pairs = Self {
            there: HashMap::new(),
            shapes: HashMap::new(),
        };
        for (a, b) in first.pass.inputs.iter().zip(second.pass.inputs) {
            pairs.make(first, second, *a, *b)?;
        }
        for (a, b) in first.nodes.iter().zip(second.nodes) {
            pairs.node(first, second, a, b)?;
        }
        if first.nodes.len() != second.nodes.len() {
            let batch = second.batch;
            return Err(format!("it consists of other operations with a batch of {batch}").into());
        }
        let outputs = first.pass.outputs.iter().zip(second.pass.outputs);
        for (a, b) in outputs {
            pairs.read(first, second, *a, *b, "the output")?;
        }
        Ok(pairs)
    }

    fn node(
        &mut self,
        first: &Side<'_>,
        second: &Side<'_>,
        a: &Sketched,
        b: &Sketched,
    ) -> Result<(), Difference> {
        let is_burns = a.kind == Kind::Burn && b.kind == Kind::Burn;
        let different = |reason: String| Difference {
            reason,
            left_to_burn: (a.operation == b.operation && !is_burns).then_some(a.operation),
        };
        let operations = [
            &first.pass.operations[a.operation],
            &second.pass.operations[b.operation],
        ];
        let batches = [first.batch, second.batch];
        let is_same = a.kind == b.kind
            && (a.kind != Kind::Burn || follows(operations[0], operations[1], batches))
            && a.inputs.len() == b.inputs.len()
            && a.constants.len() == b.constants.len()
            && a.outputs.len() == b.outputs.len();
        let name = format!("operation {}", a.operation);
        if !is_same {
            return Err(different(format!(
                "{name} is another one or has other settings with a batch of {}",
                second.batch
            )));
        }
        for (a, b) in a.inputs.iter().zip(&b.inputs) {
            self.read(first, second, *a, *b, &name)?;
        }
        // A weight gets other axes of size 1 in another form of its layer.
        let mut constants = a.constants.iter().zip(&b.constants);
        let is_same = constants.all(|(a, b)| {
            let (a, b) = (first.pass.unreshaped(*a), second.pass.unreshaped(*b));
            same_constants(first, second, a, b)
        });
        if !is_same {
            return Err(different(format!(
                "{name} reads a constant that follows the batch"
            )));
        }
        for (made, there) in a.outputs.iter().zip(&b.outputs) {
            self.make(first, second, *made, *there)?;
            let channels = self.shape(*made).and_then(|shape| shape.get(1));
            if a.kind.is_channelwise() && matches!(channels, Some(Size::Batch(_))) {
                return Err(different(format!(
                    "{name} has channels that follow the batch"
                )));
            }
        }
        Ok(())
    }

    fn read(
        &mut self,
        first: &Side<'_>,
        second: &Side<'_>,
        a: TensorId,
        b: TensorId,
        name: &str,
    ) -> Result<(), String> {
        if let Some(there) = self.there.get(&a) {
            return if *there == b {
                Ok(())
            } else {
                Err(format!("{name} reads other tensors with another batch"))
            };
        }
        if !same_constants(first, second, a, b) {
            return Err(format!("{name} reads a constant that follows the batch"));
        }
        self.there.insert(a, b);
        let shape = first.pass.shape(a).iter();
        let shape = shape.map(|size| Size::Fixed(*size)).collect();
        self.shapes.insert(a, shape);
        Ok(())
    }

    fn make(
        &mut self,
        first: &Side<'_>,
        second: &Side<'_>,
        a: TensorId,
        b: TensorId,
    ) -> Result<(), String> {
        let (shape, there) = (first.pass.shape(a), second.pass.shape(b));
        let batches = [first.batch, second.batch];
        let size = |(size, there): (&usize, &usize)| Size::of(*size, *there, batches);
        let sizes: Option<Vec<Size>> = shape.iter().zip(there).map(size).collect();
        let is_same = shape.len() == there.len() && first.pass.dtype(a) == second.pass.dtype(b);
        let sizes = sizes.filter(|_| is_same).ok_or_else(|| {
            format!(
                "a tensor is {shape:?} with a batch of {} and {there:?} with one of {}",
                first.batch, second.batch
            )
        })?;
        self.there.insert(a, b);
        self.shapes.insert(a, sizes);
        Ok(())
    }

    pub(super) fn shape(&self, tensor: TensorId) -> Option<&[Size]> {
        self.shapes.get(&tensor).map(Vec::as_slice)
    }
}

/// Whether two tensors are the same constant, or are computed from the same ones in the same way.
fn same_constants(first: &Side<'_>, second: &Side<'_>, a: TensorId, b: TensorId) -> bool {
    if !first.pass.is_constant(a) || !second.pass.is_constant(b) {
        return false;
    }
    match (first.value(a), second.value(b)) {
        (Some(_), Some(_)) if a == b => true,
        (Some(x), Some(y)) => {
            x.dtype() == y.dtype() && x.shape() == y.shape() && x.as_bytes() == y.as_bytes()
        }
        (None, None) => {
            let (Some(x), Some(y)) = (first.pass.maker(a), second.pass.maker(b)) else {
                return false;
            };
            let mut inputs = x.inputs().zip(y.inputs());
            unnumbered(x) == unnumbered(y)
                && inputs.all(|(a, b)| same_constants(first, second, a.id, b.id))
        }
        _ => false,
    }
}

/// An operation without the numbers of its tensors.
fn unnumbered(operation: &OperationIr) -> OperationIr {
    struct Unnumber;
    impl IrVisitorMut for Unnumber {
        fn visit_tensor_mut(&mut self, tensor: &mut TensorIr) {
            tensor.id = TensorId::new(0);
            tensor.status = TensorStatus::ReadOnly;
        }
    }
    let mut operation = operation.clone();
    operation.visit_mut(&mut Unnumber);
    operation
}
