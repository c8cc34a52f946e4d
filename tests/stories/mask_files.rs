//! Mask sets on disk: what is written is read, and nothing else is.

use std::fs;

use burn::nn::LinearConfig;
use burn::tensor::Device;
use burn_prune::{Mask, MaskSet, Prunable, PruneError};

fn masks() -> MaskSet {
    let layers: Vec<_> = [(5, 7), (3, 33)]
        .map(|(inputs, outputs)| LinearConfig::new(inputs, outputs).init(&Device::flex()))
        .into();
    let mut masks = layers.random_unstructured(0.5, 1).unwrap().masks();
    masks.insert("ünïcode", Mask::all_kept([2, 0, 3]));
    masks.insert("scalar", Mask::from_kept([], &[false]).unwrap());
    masks
}

#[test]
fn what_is_saved_is_loaded_at_a_bit_a_weight() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("model.mask");
    for masks in [masks(), MaskSet::new()] {
        masks.save(&file).unwrap();
        assert_eq!(MaskSet::load(&file).unwrap(), masks);
    }
    let mut large = MaskSet::new();
    large.insert("w", Mask::all_kept([1000, 1000]));
    large.save(&file).unwrap();
    let bytes = fs::metadata(&file).unwrap().len();
    assert!((125_000..125_100).contains(&bytes), "{bytes} bytes");
    assert_eq!(
        fs::read_dir(folder.path()).unwrap().count(),
        1,
        "something is left over"
    );
}

#[test]
fn damaged_files_are_errors() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("model.mask");
    let damaged = folder.path().join("damaged.mask");
    masks().save(&file).unwrap();
    let bytes = fs::read(&file).unwrap();
    for length in 0..bytes.len() {
        fs::write(&damaged, &bytes[..length]).unwrap();
        MaskSet::load(&damaged).unwrap_err();
    }
    for bit in 0..8 * bytes.len() {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        fs::write(&damaged, flipped).unwrap();
        MaskSet::load(&damaged).unwrap_err();
    }
    let longer = [bytes.as_slice(), &[0]].concat();
    fs::write(&damaged, longer).unwrap();
    MaskSet::load(&damaged).unwrap_err();
}

#[test]
fn foreign_files_and_newer_versions_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("model.mask");
    let message = |error: PruneError| error.to_string();
    let missing = message(MaskSet::load(&file).unwrap_err());
    assert!(missing.contains("model.mask"), "{missing}");

    let record = folder.path().join("record.bpk");
    let layer = LinearConfig::new(4, 4)
        .init(&Device::flex())
        .l1_unstructured(0.5)
        .unwrap();
    layer.save_masked(&record).unwrap();
    let foreign = message(MaskSet::load(&record).unwrap_err());
    assert!(foreign.contains("not a mask file"), "{foreign}");

    masks().save(&file).unwrap();
    let mut bytes = fs::read(&file).unwrap();
    bytes[8..12].copy_from_slice(&7u32.to_le_bytes());
    fs::write(&file, bytes).unwrap();
    let newer = MaskSet::load(&file).unwrap_err();
    let expected = PruneError::MaskFileVersion {
        file: file.display().to_string(),
        found: 7,
        supported: 1,
    };
    assert_eq!(newer, expected);
}

#[test]
fn a_file_that_cannot_be_written_leaves_the_old_one() {
    let folder = tempfile::tempdir().unwrap();
    let nowhere = folder.path().join("nowhere").join("model.mask");
    assert!(matches!(
        masks().save(&nowhere),
        Err(PruneError::MaskFile { .. })
    ));
    // A folder in the way cannot be replaced, and stays.
    let taken = folder.path().join("taken");
    fs::create_dir_all(taken.join("inside")).unwrap();
    masks().save(&taken).unwrap_err();
    assert!(taken.join("inside").is_dir());
    assert_eq!(
        fs::read_dir(folder.path()).unwrap().count(),
        1,
        "something is left over"
    );
}

#[test]
fn masks_travel_by_file_to_another_model() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("model.mask");
    let layer = || LinearConfig::new(8, 8).init(&Device::flex());
    let pruned = layer().l1_unstructured(0.5).unwrap();
    pruned.masks().save(&file).unwrap();
    let other = layer().with_masks(&MaskSet::load(&file).unwrap()).unwrap();
    assert_eq!(other.masks(), pruned.masks());
}

#[test]
fn sets_of_different_shapes_do_not_combine() {
    let set = |shape: [usize; 2]| MaskSet::from_iter([("w".to_string(), Mask::all_kept(shape))]);
    let expected = PruneError::MaskShape {
        path: "w".to_string(),
        expected: vec![2, 3],
        found: vec![3, 2],
    };
    let (a, b) = (set([2, 3]), set([3, 2]));
    assert_eq!(a.clone().intersect(&b).unwrap_err(), expected);
    assert_eq!(a.clone().union(&b).unwrap_err(), expected);
    assert_eq!(a.overlap(&b).unwrap_err(), expected);
    assert_eq!(a.diff(&b).unwrap_err(), expected);
}

#[test]
fn overlap_and_difference_by_hand() {
    let set = |kept: [bool; 4]| {
        MaskSet::from_iter([("w".to_string(), Mask::from_kept([4], &kept).unwrap())])
    };
    let (a, b) = (
        set([true, true, false, false]),
        set([true, false, true, false]),
    );
    assert_eq!(a.overlap(&b).unwrap(), 1.0 / 3.0);
    let diff = a.diff(&b).unwrap();
    let one = &diff.parameters[0];
    let counts = (one.both, one.only_first, one.only_second, one.neither);
    assert_eq!(counts, (1, 1, 1, 1));
    assert!(diff.to_string().contains("0.3333"), "{diff}");
    // A parameter without a mask keeps everything.
    assert_eq!(a.overlap(&MaskSet::new()).unwrap(), 0.5);
    assert_eq!(set([false; 4]).overlap(&set([false; 4])).unwrap(), 1.0);
}
