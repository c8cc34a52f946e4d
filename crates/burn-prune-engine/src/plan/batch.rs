//! An operation at any batch size, from the same operation at two of them.

use burn::backend::ir::{
    BaseOperationIr, IrVisitorMut, OperationIr, ScalarIr, TensorId, TensorIr, TensorStatus,
};
use burn::tensor::{Shape, Slice};

use super::program::{Batches, Size};

impl Size {
    /// The size that is `first` at one batch size and `second` at another; none when it is neither
    /// fixed nor a multiple of the batch.
    pub(crate) fn of(first: usize, second: usize, batches: [usize; 2]) -> Option<Self> {
        if first == second {
            return Some(Self::Fixed(first));
        }
        let [batch, other] = batches;
        let factor = first / batch;
        (factor * batch == first && factor * other == second).then_some(Self::Batch(factor))
    }

    pub(crate) fn at(self, batch: usize) -> usize {
        match self {
            Self::Fixed(size) => size,
            Self::Batch(factor) => factor * batch,
        }
    }
}

/// Whether two operations are the same but for tensors and sizes, and these are known for every
/// batch.
pub(crate) fn follows(example: &OperationIr, other: &OperationIr, batches: [usize; 2]) -> bool {
    // A prime that neither of them is.
    const SOME: usize = 6_700_417;
    at(example, other, batches, SOME).is_some()
}

/// The operation at the batch size `batch`.
///
/// Its tensors are those of `example`. None where a size, a range or a number is neither the same
/// at both batch sizes nor a multiple of them (a number may be divided by them, as that of a mean).
pub(crate) fn at(
    example: &OperationIr,
    other: &OperationIr,
    batches: [usize; 2],
    batch: usize,
) -> Option<OperationIr> {
    let (mut plain, mut sizes) = (example.clone(), Sizes::default());
    sizes.take(&mut plain);
    let (mut plain_other, mut other_sizes) = (other.clone(), Sizes::default());
    other_sizes.take(&mut plain_other);
    if plain != plain_other {
        return None;
    }
    let between = Between { batches, batch };
    let sizes = between.sizes(&sizes, &other_sizes)?;
    let mut operation = example.clone();
    sizes.put(&mut operation);
    Some(operation)
}

/// All that may follow the batch in an operation, in the order in which a visitor comes to it.
#[derive(Default)]
struct Sizes {
    shapes: Vec<Shape>,
    scalars: Vec<ScalarIr>,
    ranges: Vec<Slice>,
    times: Option<usize>,
}

impl Sizes {
    /// Takes them out, so that operations which differ in nothing else become equal.
    fn take(&mut self, operation: &mut OperationIr) {
        operation.visit_mut(self);
        if let Some(times) = times(operation) {
            self.times = Some(std::mem::take(times));
        }
    }

    fn put(self, operation: &mut OperationIr) {
        if let (Some(times), Some(value)) = (times(operation), self.times) {
            *times = value;
        }
        operation.visit_mut(&mut Put {
            shapes: self.shapes.into_iter(),
            scalars: self.scalars.into_iter(),
            ranges: self.ranges.into_iter(),
        });
    }
}

impl IrVisitorMut for Sizes {
    fn visit_tensor_mut(&mut self, tensor: &mut TensorIr) {
        let none = Shape::from(Vec::<usize>::new());
        self.shapes.push(std::mem::replace(&mut tensor.shape, none));
        tensor.id = TensorId::new(0);
        tensor.status = TensorStatus::ReadOnly;
    }

    fn visit_scalar_mut(&mut self, scalar: &mut ScalarIr) {
        self.scalars
            .push(std::mem::replace(scalar, ScalarIr::Bool(false)));
    }

    fn visit_range_mut(&mut self, range: &mut Slice) {
        self.ranges
            .push(std::mem::replace(range, Slice::new(0, None, 1)));
    }
}

struct Put {
    shapes: std::vec::IntoIter<Shape>,
    scalars: std::vec::IntoIter<ScalarIr>,
    ranges: std::vec::IntoIter<Slice>,
}

impl IrVisitorMut for Put {
    fn visit_tensor_mut(&mut self, tensor: &mut TensorIr) {
        if let Some(shape) = self.shapes.next() {
            tensor.shape = shape;
        }
    }

    fn visit_scalar_mut(&mut self, scalar: &mut ScalarIr) {
        if let Some(value) = self.scalars.next() {
            *scalar = value;
        }
    }

    fn visit_range_mut(&mut self, range: &mut Slice) {
        if let Some(value) = self.ranges.next() {
            *range = value;
        }
    }
}

/// How often a tensor is repeated: a size that visitors do not come to.
fn times(operation: &mut OperationIr) -> Option<&mut usize> {
    match operation {
        OperationIr::BaseFloat(BaseOperationIr::RepeatDim(repeat))
        | OperationIr::BaseInt(BaseOperationIr::RepeatDim(repeat))
        | OperationIr::BaseBool(BaseOperationIr::RepeatDim(repeat)) => Some(&mut repeat.times),
        _ => None,
    }
}

struct Between {
    batches: [usize; 2],
    batch: usize,
}

impl Between {
    fn sizes(&self, a: &Sizes, b: &Sizes) -> Option<Sizes> {
        let all = |list: &[Shape], other: &[Shape]| -> Option<Vec<Shape>> {
            let pairs = list.iter().zip(other);
            pairs.map(|(a, b)| self.shape(a, b)).collect()
        };
        let scalars = a.scalars.iter().zip(&b.scalars);
        let ranges = a.ranges.iter().zip(&b.ranges);
        Some(Sizes {
            shapes: all(&a.shapes, &b.shapes)?,
            scalars: scalars
                .map(|(a, b)| self.scalar(*a, *b))
                .collect::<Option<_>>()?,
            ranges: ranges
                .map(|(a, b)| self.range(a, b))
                .collect::<Option<_>>()?,
            times: match (a.times, b.times) {
                (Some(a), Some(b)) => Some(self.size(a, b)?),
                _ => None,
            },
        })
    }

    fn size(&self, a: usize, b: usize) -> Option<usize> {
        Some(Size::of(a, b, self.batches)?.at(self.batch))
    }

    fn shape(&self, a: &Shape, b: &Shape) -> Option<Shape> {
        if a.num_dims() != b.num_dims() {
            return None;
        }
        let sizes = a.iter().zip(b.iter());
        let sizes: Option<Vec<usize>> = sizes.map(|(a, b)| self.size(*a, *b)).collect();
        Some(Shape::from(sizes?))
    }

    fn scalar(&self, a: ScalarIr, b: ScalarIr) -> Option<ScalarIr> {
        if a == b {
            return Some(a);
        }
        let [batch, other] = self.batches.map(|batch| batch as f64);
        let now = self.batch as f64;
        let is_close = |a: f64, b: f64| (a - b).abs() <= 1e-6 * a.abs().max(b.abs());
        match (a, b) {
            (ScalarIr::Float(a), ScalarIr::Float(b)) if is_close(a * other, b * batch) => {
                Some(ScalarIr::Float(a / batch * now))
            }
            (ScalarIr::Float(a), ScalarIr::Float(b)) if is_close(a * batch, b * other) => {
                Some(ScalarIr::Float(a * batch / now))
            }
            (ScalarIr::Int(a), ScalarIr::Int(b)) => {
                let size = |value: i64| usize::try_from(value).ok();
                let size = self.size(size(a)?, size(b)?)?;
                Some(ScalarIr::Int(i64::try_from(size).ok()?))
            }
            (ScalarIr::UInt(a), ScalarIr::UInt(b)) => {
                let size = |value: u64| usize::try_from(value).ok();
                Some(ScalarIr::UInt(self.size(size(a)?, size(b)?)? as u64))
            }
            _ => None,
        }
    }

    fn range(&self, a: &Slice, b: &Slice) -> Option<Slice> {
        let end = match (a.end, b.end) {
            (None, None) => None,
            (Some(a), Some(b)) => Some(self.place(a, b)?),
            _ => return None,
        };
        let start = self.place(a.start, b.start)?;
        (a.step == b.step).then(|| Slice::new(start, end, a.step))
    }

    /// A place in an axis; it counts from the end when it is negative.
    fn place(&self, a: isize, b: isize) -> Option<isize> {
        if a == b {
            return Some(a);
        }
        let size = |value: isize| usize::try_from(value).ok();
        isize::try_from(self.size(size(a)?, size(b)?)?).ok()
    }
}

impl Batches {
    /// Both of them.
    pub(crate) fn pair(&self) -> Option<[usize; 2]> {
        let other = self.other.as_ref().ok()?;
        Some([self.example, *other])
    }
}

#[cfg(test)]
mod tests {
    use burn::backend::ir::{NumericOperationIr, RepeatDimOpIr, ScalarOpIr, ShapeOpIr, SliceOpIr};
    use burn::tensor::DType;

    use super::*;

    fn tensor(shape: &[usize]) -> TensorIr {
        TensorIr::uninit(
            TensorId::new(shape.iter().product::<usize>() as u64),
            Shape::from(shape.to_vec()),
            DType::F32,
        )
    }

    fn reshape(input: &[usize], out: &[usize]) -> OperationIr {
        OperationIr::BaseFloat(BaseOperationIr::Reshape(ShapeOpIr {
            input: tensor(input),
            out: tensor(out),
        }))
    }

    fn shapes(operation: &OperationIr) -> Vec<Vec<usize>> {
        let tensors = operation.inputs().chain(operation.outputs());
        tensors.map(|tensor| tensor.shape.to_vec()).collect()
    }

    #[test]
    fn sizes_are_fixed_or_multiples_of_the_batch() {
        let (a, b) = (reshape(&[2, 3, 4], &[6, 4]), reshape(&[5, 3, 4], &[15, 4]));
        let found = at(&a, &b, [2, 5], 7).unwrap();
        assert_eq!(shapes(&found), [vec![7, 3, 4], vec![21, 4]]);
        assert!(follows(&a, &b, [2, 5]));
    }

    #[test]
    fn sizes_that_follow_the_batch_in_another_way_are_not_guessed() {
        let squared = at(&reshape(&[2, 2], &[4]), &reshape(&[5, 5], &[25]), [2, 5], 7);
        assert_eq!(squared, None);
        let less = at(&reshape(&[1], &[1, 1]), &reshape(&[4], &[1, 4]), [2, 5], 7);
        assert_eq!(less, None);
    }

    #[test]
    fn another_operation_is_not_the_same() {
        let relu = |shape: &[usize]| {
            OperationIr::BaseFloat(BaseOperationIr::Expand(ShapeOpIr {
                input: tensor(shape),
                out: tensor(shape),
            }))
        };
        assert_eq!(at(&relu(&[2]), &reshape(&[5], &[5]), [2, 5], 7), None);
    }

    #[test]
    fn numbers_may_be_multiplied_or_divided_by_the_batch() {
        let scaled = |factor: f64| {
            OperationIr::NumericFloat(
                DType::F32,
                NumericOperationIr::MulScalar(ScalarOpIr {
                    lhs: tensor(&[3]),
                    rhs: ScalarIr::Float(factor),
                    out: tensor(&[3]),
                }),
            )
        };
        let at = |a: f64, b: f64| super::at(&scaled(a), &scaled(b), [2, 5], 8);
        assert_eq!(at(0.5, 0.2), Some(scaled(0.125)));
        assert_eq!(at(3.0, 7.5), Some(scaled(12.0)));
        assert_eq!(at(3.0, 3.0), Some(scaled(3.0)));
        assert_eq!(at(3.0, 4.0), None);
    }

    #[test]
    fn ranges_and_repetitions_follow_too() {
        let slice = |batch: usize, end: isize| {
            OperationIr::BaseFloat(BaseOperationIr::Slice(SliceOpIr {
                tensor: tensor(&[batch, 8]),
                ranges: vec![
                    Slice::new(0, Some(batch as isize), 1),
                    Slice::new(2, Some(end), 1),
                ],
                out: tensor(&[batch, 4]),
            }))
        };
        assert_eq!(at(&slice(2, 6), &slice(5, 6), [2, 5], 9), {
            let mut expected = slice(9, 6);
            // It has the tensors of the first.
            let mut ids = [16, 8].into_iter();
            struct Ids<'a>(&'a mut dyn Iterator<Item = u64>);
            impl IrVisitorMut for Ids<'_> {
                fn visit_tensor_mut(&mut self, tensor: &mut TensorIr) {
                    tensor.id = TensorId::new(self.0.next().unwrap());
                }
            }
            expected.visit_mut(&mut Ids(&mut ids));
            Some(expected)
        });
        assert_eq!(at(&slice(2, 6), &slice(5, 7), [2, 5], 9), None);

        let repeat = |times| {
            OperationIr::BaseFloat(BaseOperationIr::RepeatDim(RepeatDimOpIr {
                tensor: tensor(&[1, 3]),
                dim: 0,
                times,
                out: tensor(&[times, 3]),
            }))
        };
        let found = at(&repeat(2), &repeat(5), [2, 5], 9).unwrap();
        assert_eq!(shapes(&found)[1], [9, 3]);
    }
}
