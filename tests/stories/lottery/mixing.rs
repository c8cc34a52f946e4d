//! Studies that are mixed or damaged at random.

use std::fs;
use std::path::{Path, PathBuf};

use burn::nn::Linear;
use burn::store::ModuleRecord;
use burn_prune::lottery::CellId;
use burn_prune::{MaskSet, Prunable};

use super::csv;
use super::tiny::{Trainings, all_files, copy_folder, folder, model, search, start};
use crate::chance::{Chance, for_seeds};

/// Something that people, disks and scripts do to a study.
fn damage(dir: &Path, chance: &mut Chance) {
    let cells = dir.join("cells");
    let files = all_files(&cells);
    if files.is_empty() {
        return;
    }
    let file = chance.pick(&files).clone();
    let other = chance.pick(&files).clone();
    let named = |name: &str, but: &Path| -> Vec<PathBuf> {
        let files = files
            .iter()
            .filter(|path| *path != but && path.ends_with(name));
        files.cloned().collect()
    };
    match chance.below(9) {
        // A file of another cell, of the same name or any.
        0 | 1 => {
            let name = file.file_name().unwrap().to_str().unwrap();
            let same = named(name, &file);
            let from = if same.is_empty() {
                &other
            } else {
                chance.pick(&same)
            };
            fs::copy(from, &file).unwrap();
        }
        2 => drop(fs::copy(&other, &file).unwrap()),
        // Two rounds change places.
        3 => {
            let [one, two] = [&file, &other].map(|path| path.parent().unwrap());
            if one != two {
                let between = dir.join("between");
                fs::rename(one, &between).unwrap();
                fs::rename(two, one).unwrap();
                fs::rename(between, two).unwrap();
            }
        }
        // A cell in the place of another one, with its name put right.
        4 => {
            let [from, to] = [&other, &file].map(|path| path.parent().unwrap());
            let place = to.join("cell.json");
            if from == to || !place.exists() || !from.join("cell.json").exists() {
                return;
            }
            let read = |path: &Path| -> Option<serde_json::Value> {
                serde_json::from_slice(&fs::read(path).unwrap()).ok()
            };
            let (Some(mut value), Some(here)) = (read(&from.join("cell.json")), read(&place))
            else {
                return;
            };
            for path in all_files(from) {
                fs::copy(&path, to.join(path.file_name().unwrap())).unwrap();
            }
            value["cell"] = here["cell"].clone();
            value["settings"] = here["settings"].clone();
            fs::write(place, serde_json::to_vec_pretty(&value).unwrap()).unwrap();
        }
        // A number of a result, and JSON that is fine.
        5 => {
            let names = named("cell.json", Path::new(""));
            let path = chance.pick(&names);
            let Ok(mut value) =
                serde_json::from_slice::<serde_json::Value>(&fs::read(path).unwrap())
            else {
                return;
            };
            let fields = [
                "kept",
                "test_accuracy",
                "validation_loss",
                "version",
                "iterations",
            ];
            let field = *chance.pick(&fields);
            value[field] = if chance.once_in(2) {
                serde_json::json!(chance.below(2))
            } else {
                serde_json::json!(chance.fraction())
            };
            fs::write(path, serde_json::to_vec_pretty(&value).unwrap()).unwrap();
        }
        6 => fs::remove_file(file).unwrap(),
        7 => fs::remove_dir_all(file.parent().unwrap()).unwrap(),
        // A bit, or half of the file.
        _ => {
            let mut bytes = fs::read(&file).unwrap();
            if bytes.is_empty() {
                return;
            }
            let place = chance.below(bytes.len());
            if chance.once_in(3) {
                bytes.truncate(place)
            } else {
                bytes[place] ^= 1 << chance.below(8)
            }
            fs::write(file, bytes).unwrap();
        }
    }
}

#[test]
fn a_mixed_or_damaged_study_ends_as_a_clean_one_or_is_an_error_and_never_trains_on_what_is_wrong() {
    let folder_of_all = tempfile::tempdir().unwrap();
    let clean = folder_of_all.path().join("clean");
    let reference = Trainings::default();
    let expected = csv(&clean, &reference.run(&search(&clean)).unwrap());
    let starts = reference.starts();
    assert_eq!(starts.len(), 12);
    let (mut ended, mut refused) = (0, 0);
    for_seeds(60, |seed, chance| {
        let dir = folder_of_all.path().join(format!("{seed}"));
        copy_folder(&clean, &dir);
        for _ in 0..chance.between(1, 4) {
            damage(&dir, chance);
        }
        let before = all_files(&dir.join("cells")).len();
        let trainings = Trainings::default();
        let run = search(&dir).run(model, |cell, model| {
            assert!(
                starts[cell.id()] == start(&model),
                "{} begins with other weights",
                cell.id()
            );
            trainings.train(0.05, cell, model)
        });
        // Nothing is deleted.
        assert!(all_files(&dir.join("cells")).len() >= before);
        match run {
            Ok(report) => {
                ended += 1;
                assert!(report.missing.is_empty() && report.damaged.is_empty());
                assert_eq!(csv(&dir, &report), expected);
            }
            Err(error) => {
                refused += 1;
                // It says which one.
                assert!(error.to_string().contains("seed"), "{error}");
            }
        }
        fs::remove_dir_all(&dir).unwrap();
    });
    assert!(ended > 2 * refused && refused > 0, "{ended} and {refused}");
}

/// The cell before a round of a method.
fn before(cell: &CellId) -> CellId {
    match cell.round {
        1 => CellId::new(cell.seed, "dense", 0),
        round => CellId::new(cell.seed, &cell.method, round - 1),
    }
}

/// What a cell says of itself.
fn said(dir: &Path, cell: &CellId) -> serde_json::Value {
    let text = fs::read(folder(dir, cell).join("cell.json")).unwrap();
    serde_json::from_slice(&text).unwrap()
}

/// Whether a round begins with what is now in the cells before it.
fn begins_with_what_is_there(dir: &Path, cell: &CellId, net: &Linear) -> bool {
    if cell.method == "dense" {
        return true;
    }
    let of_ticket = CellId::new(
        cell.seed,
        cell.method.replace("-shuffled-mask", ""),
        cell.round,
    );
    let before = before(&of_ticket);
    let weights = match cell.method.as_str() {
        "rate" => folder(dir, &before).join("weights-end.bpk"),
        _ => folder(dir, &CellId::new(cell.seed, "dense", 0)).join("weights-start.bpk"),
    };
    let expected = model(cell.seed).with_masks(&net.masks()).unwrap();
    let expected = expected
        .rewind(ModuleRecord::load(weights).unwrap())
        .unwrap();
    let left = MaskSet::load(folder(dir, &before).join("next-end.mask")).unwrap();
    let is_control = cell.method != of_ticket.method;
    start(&expected) == start(net) && (is_control || left == net.masks())
}

#[test]
fn a_study_mixed_with_another_one_of_the_same_settings_is_of_one_piece_in_the_end() {
    let folder_of_all = tempfile::tempdir().unwrap();
    let [one, other] = ["one", "other"].map(|name| folder_of_all.path().join(name));
    Trainings::default().run(&search(&one)).unwrap();
    let differently = Trainings::default();
    let run = search(&other).run(model, |cell, net| differently.train(0.3, cell, net));
    run.unwrap();
    let (mut ended, mut trained) = (0, 0);
    for_seeds(40, |seed, chance| {
        let dir = folder_of_all.path().join(format!("{seed}"));
        copy_folder(&one, &dir);
        let files = all_files(&other.join("cells"));
        for _ in 0..chance.between(1, 4) {
            let from = chance.pick(&files);
            let from = if chance.once_in(4) {
                from
            } else {
                from.parent().unwrap()
            };
            let to = dir.join(from.strip_prefix(&other).unwrap());
            if from.is_dir() {
                fs::remove_dir_all(&to).unwrap();
                copy_folder(from, &to);
            } else {
                fs::copy(from, &to).unwrap();
            }
        }
        let trainings = Trainings::default();
        let run = search(&dir).run(model, |cell, net| {
            assert!(
                begins_with_what_is_there(&dir, cell.id(), &net),
                "{}",
                cell.id()
            );
            trainings.train(0.05, cell, net)
        });
        trained += trainings.cells().len();
        if let Ok(report) = run {
            ended += 1;
            assert!(report.missing.is_empty() && report.damaged.is_empty());
            for (seed, method, round) in [0, 1].into_iter().flat_map(|seed| {
                ["ticket", "rate"].into_iter().flat_map(move |method| {
                    [1, 2].into_iter().map(move |round| (seed, method, round))
                })
            }) {
                let cell = CellId::new(seed, method, round);
                let left = said(&dir, &before(&cell))["files"]["next-end.mask"]["content"].clone();
                let read = said(&dir, &cell)["made_from"]["masks"].clone();
                assert!(
                    left.is_string() && left == read,
                    "{cell}: {left} and {read}"
                );
            }
            // And nothing is left to do.
            let again = Trainings::default();
            assert_eq!(again.run(&search(&dir)).unwrap(), report);
            assert!(again.cells().is_empty());
        }
        fs::remove_dir_all(&dir).unwrap();
    });
    assert!(
        ended > 20 && trained > 40,
        "{ended} ended, {trained} trained"
    );
}
