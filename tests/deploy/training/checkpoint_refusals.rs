//! A checkpoint that is damaged, incomplete or of another training is refused, and nothing is
//! written.

use std::fs;
use std::path::{Path, PathBuf};

use burn::lr_scheduler::LrSchedulerRecord;
use burn::module::Module;
use burn::tensor::Device;
use burn::train::Learner;
use burn_prune::Prunable;
use burn_prune_deploy::{DeployError, ShrinkPlan};
use examples_shared::nets::convolutional::Mlp;

use super::net::{Net, halved_net};
use super::{adam, rate, training};

/// A checkpoint of epoch 1, and a place for the small one.
struct Story {
    folder: tempfile::TempDir,
    plan: ShrinkPlan,
}

impl Story {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let device = Device::flex().autodiff();
        let (masks, plan) = halved_net();
        let masked = Net::new(&device).with_masks(&masks).unwrap();
        training(&folder.path().join("large"), 1).launch(Learner::new(masked, adam(), rate()));
        Self { folder, plan }
    }

    fn from(&self) -> PathBuf {
        self.folder.path().join("large").join("checkpoint")
    }

    fn to(&self) -> PathBuf {
        self.folder.path().join("small")
    }

    fn file(&self, name: &str) -> PathBuf {
        self.from().join(format!("{name}-1.bpk"))
    }

    fn shrink<M: Module + burn::module::ModuleDisplay>(
        &self,
        model: &M,
    ) -> Result<(), DeployError> {
        self.plan
            .shrink_checkpoint(model, self.from(), 1, self.to())
    }

    /// What it says; nothing has been written.
    fn refusal(&self) -> String {
        let error = self.shrink(&Net::new(&Device::flex())).unwrap_err();
        assert!(!self.to().exists(), "something was written: {error}");
        error.to_string()
    }
}

fn truncate(file: &Path) {
    let bytes = fs::read(file).unwrap();
    // In the middle of the names, as the rest of a small file is padding.
    fs::write(file, &bytes[..20]).unwrap();
}

#[test]
fn each_file_that_is_missing_or_damaged_is_named() {
    for name in ["model", "optim", "scheduler"] {
        let story = Story::new();
        let file = story.file(name);
        let whole = fs::read(&file).unwrap();
        truncate(&file);
        let refusal = story.refusal();
        assert!(refusal.contains(&format!("{name}-1.bpk")), "{refusal}");
        fs::write(&file, "something else").unwrap();
        let refusal = story.refusal();
        assert!(refusal.contains(&format!("{name}-1.bpk")), "{refusal}");
        fs::remove_file(&file).unwrap();
        let refusal = story.refusal();
        assert!(refusal.contains(&format!("{name}-1.bpk")), "{refusal}");
        fs::write(&file, whole).unwrap();
        story.shrink(&Net::new(&Device::flex())).unwrap();
    }
}

#[test]
fn a_checkpoint_of_another_model_is_refused() {
    let story = Story::new();
    let other = Mlp::new(&[4, 3, 2], &Device::flex());
    let error = story.shrink(&other).unwrap_err().to_string();
    assert!(error.contains("model-1.bpk"), "{error}");
    assert!(!story.to().exists());

    // The file fits the model, and the plan does not.
    let mlp = Mlp::new(&[4, 3, 2], &Device::flex());
    mlp.clone().into_record().save(story.file("model")).unwrap();
    let error = story.shrink(&mlp).unwrap_err();
    assert!(
        matches!(error, DeployError::ModelMismatch { .. }),
        "{error}"
    );
    assert!(!story.to().exists());
}

#[test]
fn an_optimizer_of_another_training_is_refused() {
    let (story, other) = (Story::new(), Story::new());
    fs::copy(other.file("optim"), story.file("optim")).unwrap();
    let refusal = story.refusal();
    assert!(refusal.contains("optim-1.bpk"), "{refusal}");
    assert!(refusal.contains("does not have"), "{refusal}");
    // A file of weights is no file of an optimizer.
    fs::copy(story.file("model"), story.file("optim")).unwrap();
    let refusal = story.refusal();
    assert!(refusal.contains("no file of an optimizer"), "{refusal}");
}

#[test]
fn the_small_checkpoint_needs_a_folder_of_its_own() {
    let story = Story::new();
    let before = fs::read(story.file("model")).unwrap();
    let device = Device::flex();
    let same = story.from().join("..").join("checkpoint");
    let error = story
        .plan
        .shrink_checkpoint(&Net::new(&device), story.from(), 1, same);
    let error = error.unwrap_err().to_string();
    assert!(error.contains("a folder other than"), "{error}");
    assert_eq!(fs::read(story.file("model")).unwrap(), before);
    // Where a file is in the place of the folder.
    fs::write(story.to(), "").unwrap();
    let error = story.shrink(&Net::new(&device)).unwrap_err();
    assert!(matches!(error, DeployError::File { .. }), "{error}");
}

#[test]
fn the_large_files_stay_as_they_are() {
    let story = Story::new();
    let files = || ["model", "optim", "scheduler"].map(|name| fs::read(story.file(name)).unwrap());
    let before = files();
    story.shrink(&Net::new(&Device::flex())).unwrap();
    assert!(files() == before);
    LrSchedulerRecord::load(story.to().join("scheduler-1.bpk")).unwrap();
    let mut names: Vec<String> = fs::read_dir(story.to())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, ["model-1.bpk", "optim-1.bpk", "scheduler-1.bpk"]);
}
