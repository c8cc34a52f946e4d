//! Cutting the checkpoint of a training, which is where `Learner` keeps its optimizer.

use std::collections::HashSet;
use std::fmt::Display;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use burn::lr_scheduler::LrSchedulerRecord;
use burn::module::{Module, ModuleDisplay, ParamId};
use burn::optim::OptimizerRecord;
use burn_prune::{Prunable, load_optimizer_record, map_optimizer_record};

use super::fold::Check;
use super::optimizer::StateCuts;
use super::{ShrinkPlan, cut};
use crate::error::DeployError;

impl ShrinkPlan {
    /// Cuts a checkpoint of Burn's `Learner`: the model, what the optimizer knows of it, and the
    /// learning rate. A `Learner` of the small model resumes it and trains on. `Learner` does not
    /// give its optimizer back any other way; in a loop of your own, use
    /// [`shrink_training`](Self::shrink_training).
    ///
    /// `from` is the folder of the files `model-3.bpk`, `optim-3.bpk` and `scheduler-3.bpk` for
    /// epoch 3, which is `checkpoint` in the folder of the training. The three small files are
    /// written into the folder `to`, under the same names. `model` is a large model; its weights do
    /// not matter. The checkpoint may be of it or of a [`Pruning`](burn_prune::Pruning) around it.
    /// The small files are of the bare model: masks are folded in, and a training that goes on
    /// pruning wraps the small model and starts a schedule of its own.
    ///
    /// State that has neither the size of its parameter nor 1 along each axis cannot be cut: the
    /// optimizer forgets that parameter.
    ///
    /// The large files stay as they are. Each small file is written under another name and renamed,
    /// the model last: whenever the process is killed, there is a whole small checkpoint or one
    /// without its model, which `Learner` refuses.
    ///
    /// # Errors
    /// When a file cannot be read or written, is damaged in a way that shows (Burn writes no
    /// checksums), or is of another model or training; when both folders are the same one; when a
    /// channel that sent 0 now sends something else that no bias can take over; and as
    /// [`shrink_optimizer`](Self::shrink_optimizer). Nothing has been written then, unless it is the
    /// writing that failed.
    ///
    /// ```
    /// use burn::nn::{Linear, LinearConfig};
    /// use burn::optim::{AdamConfig, GradientsParams, ModuleOptimizer};
    /// use burn::{lr_scheduler::LrSchedulerRecord, module::Module};
    /// use burn::tensor::{Device, Tensor, activation::relu};
    /// use burn_prune::{Magnitude, Prunable, Pruner};
    /// use burn_prune_deploy::{Graph, Selection};
    ///
    /// #[derive(Module, Debug)]
    /// struct Net { fc1: Linear, fc2: Linear }
    ///
    /// impl Net {
    ///     fn new(device: &Device) -> Self {
    ///         Self {
    ///             fc1: LinearConfig::new(4, 8).init(device),
    ///             fc2: LinearConfig::new(8, 2).init(device),
    ///         }
    ///     }
    ///
    ///     fn forward(&self, x: Tensor<2>) -> Tensor<2> {
    ///         self.fc2.forward(relu(self.fc1.forward(x)))
    ///     }
    /// }
    ///
    /// let device = Device::flex().autodiff();
    /// let example = Tensor::<2>::ones([1, 4], &device);
    /// let net = Net::new(&device);
    /// let groups = Graph::capture(&net, example.clone(), Net::forward)?.groups()?;
    /// let pruner = Pruner::new(Magnitude::l2()).pattern(groups.pattern()).amount(0.5);
    /// let net = net.prune(&pruner)?;
    /// let plan = Selection::from_masks(&groups, &net.masks())?.plan();
    ///
    /// // What a `Learner` leaves after its first epoch.
    /// let folder = tempfile::tempdir()?;
    /// let [large, small] = ["large", "small"].map(|name| folder.path().join(name));
    /// std::fs::create_dir(&large)?;
    /// let mut optimizer = AdamConfig::new().init();
    /// let loss = net.forward(example).sum();
    /// let grads = GradientsParams::from_grads(loss.backward(), &net);
    /// let net = optimizer.step(0.01, net, grads);
    /// net.into_record().save(large.join("model-1.bpk"))?;
    /// optimizer.save(large.join("optim-1.bpk"))?;
    /// LrSchedulerRecord::new().save(large.join("scheduler-1.bpk"))?;
    ///
    /// plan.shrink_checkpoint(&Net::new(&device), &large, 1, &small)?;
    /// let net = plan.apply(&Net::new(&device))?;
    /// let net = net.try_load_file(small.join("model-1.bpk"))?;
    /// assert_eq!(net.fc1.weight.dims(), [4, 4]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn shrink_checkpoint<M: Module + ModuleDisplay>(
        &self,
        model: &M,
        from: impl AsRef<Path>,
        epoch: usize,
        to: impl AsRef<Path>,
    ) -> Result<(), DeployError> {
        let (from, to) = (from.as_ref(), to.as_ref());
        let large = Files::of(from, epoch);
        // `valid` makes running statistics of its own, and masks are in the file.
        let loaded = model
            .valid()
            .materialize()
            .load_checkpoint(&large.model)
            .map_err(|rejected| rejected.into_parts().1)?;
        let optimizer = self.shrink_record(&loaded, &large.optimizer)?;
        let scheduler = LrSchedulerRecord::load(&large.scheduler)
            .map_err(|error| damaged(&large.scheduler, error))?;
        let small_model = self.cut(&loaded, Check::Zeros)?;

        fs::create_dir_all(to).map_err(|error| not_written(to, error))?;
        if is_same_folder(from, to) {
            return Err(DeployError::Checkpoint {
                path: to.to_path_buf(),
                message: "the small checkpoint needs a folder other than that of the large one"
                    .to_string(),
            });
        }
        let small = Files::of(to, epoch);
        // A checkpoint counts from its model on, so the parts of two are never taken for one.
        remove(&small.model).map_err(|error| not_written(&small.model, error))?;
        (optimizer.save(&small.optimizer)).map_err(|error| not_written(&small.optimizer, error))?;
        (scheduler.save(&small.scheduler)).map_err(|error| not_written(&small.scheduler, error))?;
        (small_model.into_record().save(&small.model))
            .map_err(|error| not_written(&small.model, error))
    }

    /// What is left of the state in an optimizer's file. `model` is that of the checkpoint.
    fn shrink_record<M: Module>(
        &self,
        model: &M,
        file: &Path,
    ) -> Result<OptimizerRecord, DeployError> {
        let record = load_optimizer_record(file)?;
        let cuts = StateCuts::of(self, model)?;
        let parameters = cut::parameters(model);
        let known: HashSet<ParamId> = parameters.values().map(|(id, _)| *id).collect();
        let mut is_of_model = true;
        let record = map_optimizer_record(record, |parameter, state| {
            is_of_model &= known.contains(&parameter);
            cuts.cut(parameter, state)
        })
        .map_err(|error| damaged(file, error))?;
        if !is_of_model {
            return Err(damaged(
                file,
                "it has the state of parameters that the model of the checkpoint does not have",
            ));
        }
        Ok(record)
    }
}

/// The files of a checkpoint, as Burn's `FileCheckpointer` names them.
struct Files {
    model: PathBuf,
    optimizer: PathBuf,
    scheduler: PathBuf,
}

impl Files {
    fn of(folder: &Path, epoch: usize) -> Self {
        let file = |name: &str| folder.join(format!("{name}-{epoch}.bpk"));
        Self {
            model: file("model"),
            optimizer: file("optim"),
            scheduler: file("scheduler"),
        }
    }
}

fn is_same_folder(one: &Path, other: &Path) -> bool {
    match (one.canonicalize(), other.canonicalize()) {
        (Ok(one), Ok(other)) => one == other,
        _ => false,
    }
}

fn remove(file: &Path) -> io::Result<()> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn damaged(path: &Path, error: impl Display) -> DeployError {
    DeployError::Checkpoint {
        path: path.to_path_buf(),
        message: error.to_string(),
    }
}

fn not_written(path: &Path, error: impl Display) -> DeployError {
    DeployError::File {
        path: path.to_path_buf(),
        message: error.to_string(),
    }
}
