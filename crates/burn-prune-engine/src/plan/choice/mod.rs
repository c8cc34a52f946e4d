//! Which format each weight is packed in, and which loop computes a product.

mod measured;
mod table;

use burn_flex::FlexTensor;

use crate::error::EngineError;
use crate::format::{FormatKind, Precision};
use crate::plan::program::{NodeKind, Product, Program};
use crate::run::{Threads, WeightSet, drop_dense};

pub(crate) use table::path;

/// How the format of each weight is chosen.
///
/// ```
/// use burn::nn::LinearConfig;
/// use burn::tensor::{Device, Tensor};
/// use burn_prune_engine::{FormatChoice, SparseEngine};
///
/// let device = Device::flex();
/// let model = LinearConfig::new(8, 4).init(&device);
/// let x = Tensor::<2>::ones([1, 8], &device);
/// let builder = SparseEngine::builder().choose_formats(FormatChoice::Table);
/// let compile = || builder.compile(&model, x.clone(), |model, x| model.forward(x));
/// assert_eq!(compile()?.plan(), compile()?.plan());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum FormatChoice {
    /// By short measurements on the values that the example gives.
    #[default]
    Measured,
    /// By a table of zeros and shapes: the same on every machine and in every build. It knows dense
    /// weights, blocks and single nonzeros, and none of the formats for one position.
    Table,
}

/// How formats are chosen, and those that the caller has chosen.
#[derive(Debug, Clone, Default)]
pub(crate) struct Choosing {
    pub choice: FormatChoice,
    /// By the path of the weight.
    pub formats: Vec<(String, FormatKind)>,
}

/// Packs the weights of a program and takes the dense ones out of it.
///
/// # Errors
///
/// When a format is chosen for a path that is no weight of a product, or when Burn's steps fail.
pub(crate) fn pack(
    program: &mut Program,
    choosing: &Choosing,
    precision: Precision,
    example: Vec<FlexTensor>,
    threads: &Threads,
) -> Result<WeightSet, EngineError> {
    find_paths(program, choosing)?;
    let mut weights = WeightSet::pack(program, precision, |_, product| {
        choosing
            .of(product)
            .unwrap_or_else(|| table::format(product))
    });
    if choosing.choice == FormatChoice::Measured {
        measured::choose(program, &mut weights, choosing, precision, example, threads)?;
    }
    drop_dense(program);
    Ok(weights)
}

impl Choosing {
    /// What the caller has chosen for a product.
    fn of(&self, product: &Product) -> Option<FormatKind> {
        let mut formats = self.formats.iter().rev();
        let found = formats.find(|(path, _)| *path == product.weight.path);
        found.map(|(_, kind)| *kind)
    }
}

/// Each chosen path has to be that of a product.
fn find_paths(program: &Program, choosing: &Choosing) -> Result<(), EngineError> {
    for (path, _) in &choosing.formats {
        let is_there = program.nodes.iter().any(
            |node| matches!(&node.kind, NodeKind::Product(product) if product.weight.path == *path),
        );
        if !is_there {
            return Err(EngineError::NoWeight { path: path.clone() });
        }
    }
    Ok(())
}
