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
        "{file}: a checkpoint of version {found}, but this library resumes version {supported}; \
         `Prunable::load_checkpoint` loads its weights and masks into the bare model"
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
        "the floor contradicts the amount: {requested} of `{parameter}` are to go, but with at \
         least {floor} kept no more than {available} can; lower the amount or the floor (a group \
         of coupled channels always keeps one unit)"
    )
}

pub(super) fn member_missing(group: &str, path: &str, found: &str, f: &mut Formatter) -> Result {
    write!(
        f,
        "the coupled group `{group}` has the parameter `{path}`, but the model has [{found}]; make \
         the pattern of this model"
    )
}

pub(super) fn member_shape(
    path: &str,
    expected: &[usize],
    found: &[usize],
    f: &mut Formatter,
) -> Result {
    write!(
        f,
        "the coupled channels are of `{path}` with shape {expected:?}, but in the model it has shape \
         {found:?}; make the pattern of this model"
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
        "blocks of {size:?} do not fit `{path}`, a matrix of {matrix:?} outputs by inputs; take \
         smaller ones, at least 1 by 1, or exclude it"
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
        "the {axis} axis of `{path}` with shape {shape:?} is not known: say it with \
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
        "`{path}` already carries the reparameterization `{name}`, and Burn allows one a \
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
    write!(f, "{n}:{m} sparsity skips every selected weight: {lengths}")
}

pub(super) fn record_type(path: &str, expected: &str, found: &str, f: &mut Formatter) -> Result {
    write!(
        f,
        "the record has `{path}` as {found}, and the model as {expected}, which would round it: \
         take a record of a model in {expected}, or ask for rounding with \
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
         id and equal weights: name both, or, where they belong to two models that are to be \
         pruned apart, give one of the models ids of its own with `Prunable::with_fresh_ids`"
    )
}

pub(super) fn shared_id(path: &str, other: &str, f: &mut Formatter) -> Result {
    write!(
        f,
        "`{path}` and `{other}` have one id but are not one shared parameter: Burn's optimizers \
         would give the gradient of `{other}` to `{path}`; give one of the two models ids of its \
         own with `Prunable::with_fresh_ids` before they are put together"
    )
}

fn list<T>(items: &[T], show: impl Fn(&T) -> String) -> String {
    items.iter().map(show).collect::<Vec<_>>().join(", ")
}
