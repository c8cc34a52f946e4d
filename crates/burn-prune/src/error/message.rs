//! The longer messages: those that list parameters, or explain what to do at some length.
//!
//! Each takes the fields of its variant, in their order.

use std::fmt::{Formatter, Result};

pub(super) fn checkpoint_version(
    file: &str,
    found: &u64,
    supported: &u64,
    f: &mut Formatter,
) -> Result {
    write!(
        f,
        "{file} is a checkpoint of version {found}, and this release resumes version {supported}: \
         load its weights and masks into the bare model with `Prunable::load_checkpoint`"
    )
}

pub(super) fn floor_contradicts_amount(
    parameter: &str,
    requested: &usize,
    floor: &usize,
    available: &usize,
    f: &mut Formatter,
) -> Result {
    write!(
        f,
        "the floor contradicts the amount: {requested} units of `{parameter}` should be pruned, but \
         at least {floor} must stay, so at most {available} can go; lower the amount or the floor (a \
         group of coupled channels always keeps one unit)"
    )
}

pub(super) fn block_size(
    path: &str,
    size: &[usize; 2],
    matrix: &[usize; 2],
    f: &mut Formatter,
) -> Result {
    write!(
        f,
        "blocks of {size:?} do not fit `{path}`, a matrix of {matrix:?} outputs by inputs; choose \
         blocks from 1 by 1 up to that size, or exclude the parameter"
    )
}

pub(super) fn unknown_axis(
    path: &str,
    shape: &[usize],
    axis: &&'static str,
    f: &mut Formatter,
) -> Result {
    write!(
        f,
        "the {axis} axis of `{path}` with shape {shape:?} is not known: set it with \
         `Pruner::weight_axes`, or name the dimension with `Axis::Dim`"
    )
}

pub(super) fn all_excluded(excluded: &str, f: &mut Formatter) -> Result {
    write!(
        f,
        "nothing to prune: `exclude` leaves out everything that is selected, [{excluded}]; exclude \
         less, or select more with `include` or `only`"
    )
}

pub(super) fn reparameterized(path: &str, name: &str, f: &mut Formatter) -> Result {
    write!(
        f,
        "`{path}` already carries the reparameterization `{name}`, and Burn allows one per \
         parameter: merge it with `Module::materialize`, or exclude the parameter"
    )
}

pub(super) fn indivisible(
    n: &usize,
    m: &usize,
    offenders: &[(String, usize)],
    f: &mut Formatter,
) -> Result {
    write!(
        f,
        "{n}:{m} sparsity needs input axes that are divisible by {m}, but {}; leave them out with \
         {}, or skip them with `NM::skip_indivisible`",
        list(offenders, |(path, length)| format!("`{path}` has {length}")),
        list(offenders, |(path, _)| format!(
            ".exclude(ParamGroup::from_path(\"{path}\"))"
        ))
    )
}

pub(super) fn all_indivisible(
    n: &usize,
    m: &usize,
    offenders: &[(String, usize)],
    f: &mut Formatter,
) -> Result {
    let lengths = list(offenders, |(path, length)| {
        format!("the input axis of `{path}` has {length}")
    });
    write!(
        f,
        "{n}:{m} sparsity skips every selected weight: {lengths}; choose another M, or select other \
         weights"
    )
}

pub(super) fn record_type(path: &str, expected: &str, found: &str, f: &mut Formatter) -> Result {
    write!(
        f,
        "`{path}` is {found} in the record and {expected} in the model, which would round it: use \
         a record of a model in {expected}, or allow rounding with \
         `ModuleRecord::cast_to_module_dtype`"
    )
}

pub(super) fn masks_lost(paths: &[String], f: &mut Formatter) -> Result {
    let paths = list(paths, |path| format!("`{path}`"));
    write!(
        f,
        "the masks of {paths} are gone: Burn drops a mask when the `Param` in a field is written \
         to (`Param::map`, `set_require_grad`, `init_mapper`); change weights with a \
         `ModuleMapper`, and put the masks back with `MaskGuard::restore`"
    )
}

pub(super) fn masks_differ(path: &str, other: &str, f: &mut Formatter) -> Result {
    write!(
        f,
        "`{path}` and `{other}` are one shared parameter, but their masks differ: give the mask \
         under one of its paths, or the same one under both"
    )
}

pub(super) fn part_of_shared(
    method: &&'static str,
    path: &str,
    other: &str,
    f: &mut Formatter,
) -> Result {
    write!(
        f,
        "`{method}` names `{path}` and not `{other}`, but they are one shared parameter, with one \
         id and equal weights: name both, or, if they belong to two models that should be pruned \
         separately, give one of the models ids of its own with `Prunable::with_fresh_ids`"
    )
}

pub(super) fn shared_id(path: &str, other: &str, f: &mut Formatter) -> Result {
    write!(
        f,
        "`{path}` and `{other}` have one id but are not one shared parameter: Burn's optimizers \
         would give the gradient of `{other}` to `{path}`; give one of the two models ids of its \
         own with `Prunable::with_fresh_ids` before they are joined"
    )
}

pub(super) fn count_too_large(
    parameter: &str,
    requested: &usize,
    available: &usize,
    f: &mut Formatter,
) -> Result {
    write!(
        f,
        "cannot prune {requested} of `{parameter}`: only {available} are still unpruned; ask for \
         {available} or fewer"
    )
}

pub(super) fn recipe_mismatch(file: &str, differences: &[String], f: &mut Formatter) -> Result {
    write!(
        f,
        "{file} was made with another pruning recipe: {}; resume it with the pruner and schedule \
         that it was made with, or load its weights and masks into the bare model with \
         `Prunable::load_checkpoint`",
        differences.join("; ")
    )
}

pub(super) fn nothing_to_prune(found: &str, f: &mut Formatter) -> Result {
    write!(
        f,
        "nothing to prune: no Linear or Conv weight among [{found}]; select parameters with \
         `include` or `only`"
    )
}

pub(super) fn group_matches_nothing(
    method: &&'static str,
    group: &str,
    found: &str,
    f: &mut Formatter,
) -> Result {
    write!(
        f,
        "the group given to `{method}` matches no prunable parameter: {group}; the model has \
         [{found}]"
    )
}

pub(super) fn non_finite_score(path: &str, unit: &usize, found: &f64, f: &mut Formatter) -> Result {
    write!(
        f,
        "the score of unit {unit} of `{path}` is {found}, but scores must be finite: look for NaN \
         and infinity among its weights, or exclude it"
    )
}

pub(super) fn score_count(
    path: &str,
    expected: &usize,
    found: &usize,
    f: &mut Formatter,
) -> Result {
    write!(
        f,
        "the criterion returned {found} scores for `{path}`, which has {expected} units"
    )
}

pub(super) fn importance_unused(path: &str, selected: &str, f: &mut Formatter) -> Result {
    write!(
        f,
        "importance scores were given for `{path}`, but the pruner selects only [{selected}]: \
         remove the scores, or select the parameter with `include`"
    )
}

pub(super) fn mask_file_version(
    file: &str,
    found: &u32,
    supported: &u32,
    f: &mut Formatter,
) -> Result {
    write!(
        f,
        "{file} is a mask file of version {found}, and this release reads up to version \
         {supported}: update burn-prune, or save the masks with this release"
    )
}

pub(super) fn mask_value(path: &str, index: &usize, found: &f64, f: &mut Formatter) -> Result {
    write!(
        f,
        "the mask of `{path}` is {found} at index {index}: it must be 1 where a weight is kept \
         and 0 where it is pruned"
    )
}

pub(super) fn places_differ(
    what: &&'static str,
    path: &str,
    other: &str,
    f: &mut Formatter,
) -> Result {
    write!(
        f,
        "`{path}` and `{other}` are one shared parameter, but have different {what}: give them \
         under one of its paths, or, if the paths belong to two models that should be pruned \
         separately, give one of the models ids of its own with `Prunable::with_fresh_ids`"
    )
}

fn list<T>(items: &[T], show: impl Fn(&T) -> String) -> String {
    items.iter().map(show).collect::<Vec<_>>().join(", ")
}
