//! The masks that a pruner gives, computed as plainly as can be: by sorting.

use std::collections::BTreeMap;

use burn::module::{Module, ModuleVisitor, Param, ParamId};
use burn::tensor::{Tensor, TensorData};
use burn_prune::{Amount, Axis, MaskSet, Target};

use super::erk::erk;
use super::scoring::scores;
use super::settings::{Settings, Shape, Share};

/// A float parameter at its place in a model.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub path: String,
    /// Other places of the same parameter.
    also: Vec<String>,
    id: ParamId,
    pub shape: Vec<usize>,
    pub values: Vec<f64>,
    data: TensorData,
    /// The dimensions of outputs and inputs, of a weight that is pruned by default.
    axes: Option<[usize; 2]>,
    statistic: bool,
}

impl Place {
    fn paths(&self) -> impl Iterator<Item = &String> {
        std::iter::once(&self.path).chain(&self.also)
    }

    fn is_at(&self, path: &str) -> bool {
        self.paths().any(|known| known == path)
    }
}

/// The places of a model in module order, those of one parameter together.
pub(super) fn places<M: Module>(model: &M) -> Vec<Place> {
    #[derive(Default)]
    struct Walk {
        names: Vec<(String, String)>,
        places: Vec<Place>,
    }

    impl ModuleVisitor for Walk {
        fn enter_module(&mut self, name: &str, container: &str) {
            self.names.push((name.to_string(), container.to_string()));
        }

        fn exit_module(&mut self, _name: &str, _container: &str) {
            self.names.pop();
        }

        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let names: Vec<&str> = self.names.iter().map(|(name, _)| name.as_str()).collect();
            let (name, container) = self.names.last().unwrap();
            let data = param.base().into_data();
            let place = Place {
                path: names.join("."),
                also: Vec::new(),
                id: param.id,
                shape: data.shape().to_vec(),
                values: data.iter::<f64>().collect(),
                data,
                axes: match container.as_str() {
                    _ if name != "weight" => None,
                    "Struct:Linear"
                    | "Struct:ConvTranspose1d"
                    | "Struct:ConvTranspose2d"
                    | "Struct:ConvTranspose3d" => Some([1, 0]),
                    "Struct:Conv1d" | "Struct:Conv2d" | "Struct:Conv3d" | "Struct:DeformConv2d" => {
                        Some([0, 1])
                    }
                    _ => None,
                },
                statistic: name.starts_with("running_"),
            };
            // To the last bit: 0 and -0 are different.
            let same = |known: &&mut Place| known.id == place.id && known.data == place.data;
            match self.places.iter_mut().find(same) {
                Some(known) => known.also.push(place.path),
                None => self.places.push(place),
            }
        }
    }

    let mut walk = Walk::default();
    model.visit(&mut walk);
    walk.places
}

/// Masks by the path of their weight, true where it is kept.
pub(super) type Masks = BTreeMap<String, Vec<bool>>;

pub(super) fn as_plain(masks: &MaskSet) -> Masks {
    let masks = masks.iter();
    masks
        .map(|(path, mask)| (path.to_string(), mask.iter().collect()))
        .collect()
}

/// A unit of a weight: the flat indices of its weights.
pub(super) type Unit = Vec<usize>;

pub(super) struct Chosen<'a> {
    pub place: &'a Place,
    kept: Vec<bool>,
    pub units: Vec<Unit>,
    scores: Vec<f64>,
}

impl Chosen<'_> {
    fn is_left(&self, unit: usize) -> bool {
        self.units[unit].iter().any(|index| self.kept[*index])
    }

    pub(super) fn left(&self) -> usize {
        (0..self.units.len())
            .filter(|unit| self.is_left(*unit))
            .count()
    }

    fn prune(&mut self, unit: usize) {
        let Self { units, kept, .. } = self;
        units[unit].iter().for_each(|index| kept[*index] = false);
    }
}

/// The masks of what is selected, or `None` where the pruner is to refuse.
pub(super) fn masks(places: &[Place], before: &Masks, settings: &Settings) -> Option<Masks> {
    let weights = || places.iter().filter(|place| !place.statistic);
    let named = settings
        .only
        .iter()
        .chain(&settings.include)
        .chain(&settings.exclude);
    for path in named {
        weights().find(|place| place.is_at(path))?;
    }
    let mut selected = Vec::new();
    for place in weights() {
        let is_chosen = |path: &String| {
            let by_default = match &settings.only {
                Some(only) => only == path,
                None => place.axes.is_some(),
            };
            (by_default || settings.include.contains(path)) && !settings.exclude.contains(path)
        };
        let chosen = place.paths().filter(|path| is_chosen(path)).count();
        // A shared parameter is pruned at all of its places or at none.
        if chosen == place.paths().count() {
            selected.push(place);
        } else if chosen > 0 {
            return None;
        }
    }
    if selected.is_empty() {
        return None;
    }
    let mut chosen = Vec::new();
    for place in selected {
        let units = units(place, settings.pattern)?;
        if let Shape::NM(_, m) = settings.pattern
            && place.shape[place.axes?[1]] % m != 0
        {
            continue;
        }
        let kept = before.get(&place.path).cloned();
        let kept = kept.unwrap_or_else(|| vec![true; place.values.len()]);
        let scores = scores(place, &kept, &units, settings);
        chosen.push(Chosen {
            place,
            kept,
            units,
            scores,
        });
    }
    match settings.pattern {
        Shape::NM(n, m) if !chosen.is_empty() => {
            chosen.iter_mut().for_each(|one| prune_groups(one, n, m));
        }
        Shape::NM(..) => return None,
        _ => prune(&mut chosen, settings)?,
    }
    let masks = chosen.into_iter();
    Some(
        masks
            .map(|one| (one.place.path.clone(), one.kept))
            .collect(),
    )
}

fn units(place: &Place, pattern: Shape) -> Option<Vec<Unit>> {
    let shape = &place.shape;
    let count = place.values.len();
    let coordinate =
        |index: usize, dim: usize| index / shape[dim + 1..].iter().product::<usize>() % shape[dim];
    let gather = |units: usize, of: &dyn Fn(usize) -> usize| {
        let mut gathered = vec![Vec::new(); units];
        (0..count).for_each(|index| gathered[of(index)].push(index));
        gathered
    };
    match pattern {
        Shape::Single => Some((0..count).map(|index| vec![index]).collect()),
        _ if shape.len() < 2 => None,
        Shape::NM(..) => {
            place.axes?;
            Some((0..count).map(|index| vec![index]).collect())
        }
        Shape::Channels(axis) => {
            let dim = match axis {
                Axis::Output => place.axes?[0],
                Axis::Input => place.axes?[1],
                Axis::Dim(dim) => dim,
                _ => unreachable!("there is no other axis"),
            };
            let size = *shape.get(dim)?;
            Some(gather(size, &|index| coordinate(index, dim)))
        }
        Shape::Blocks([height, width], _) => {
            let [output, _] = place.axes?;
            let columns = count / shape[output];
            if height > shape[output] || width > columns {
                return None;
            }
            // The place in a row of the matrix: all other dimensions, in their order.
            let column = |index: usize| {
                let others = (0..shape.len()).filter(|dim| *dim != output);
                others.fold(0, |column, dim| {
                    column * shape[dim] + coordinate(index, dim)
                })
            };
            let across = columns.div_ceil(width);
            let units = shape[output].div_ceil(height) * across;
            Some(gather(units, &|index| {
                coordinate(index, output) / height * across + column(index) / width
            }))
        }
    }
}

/// Keeps the N highest of each group of M along the inputs.
fn prune_groups(chosen: &mut Chosen<'_>, n: usize, m: usize) {
    let shape = &chosen.place.shape;
    let input = chosen.place.axes.unwrap()[1];
    let stride: usize = shape[input + 1..].iter().product();
    let mut groups: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for index in 0..chosen.kept.len() {
        let along = index / stride % shape[input];
        let first = index - along % m * stride;
        groups.entry(first).or_default().push(index);
    }
    for mut group in groups.into_values() {
        group.retain(|index| chosen.kept[*index]);
        group.sort_by(|a, b| chosen.scores[*b].total_cmp(&chosen.scores[*a]));
        group
            .iter()
            .skip(n)
            .for_each(|index| chosen.kept[*index] = false);
    }
}

fn count(target: Target, left: usize, all: usize) -> Option<usize> {
    let share = |fraction: f64, of: usize| (fraction * of as f64).round_ties_even() as usize;
    match target {
        Target::Amount(Amount::Fraction(fraction)) => Some(share(fraction, left)),
        Target::Amount(Amount::Count(count)) => (count <= left).then_some(count),
        Target::Sparsity(sparsity) => Some(share(sparsity, all).saturating_sub(all - left)),
        _ => unreachable!("there is no other target"),
    }
}

fn prune(chosen: &mut [Chosen<'_>], settings: &Settings) -> Option<()> {
    let all = |one: &Chosen<'_>| one.units.len();
    let removable = |one: &Chosen<'_>| {
        // 0.07 of 100 is 7, whatever the last bit says.
        let share = settings.min_density * all(one) as f64 * (1.0 - 1e-12);
        let floor = (share.ceil() as usize).max(settings.min_count);
        one.left().saturating_sub(floor)
    };
    let together = || {
        let left = chosen.iter().map(Chosen::left).sum();
        let all = chosen.iter().map(all).sum();
        count(settings.target?, left, all)
    };
    let each: Vec<usize> = match &settings.allocation {
        Share::Global => {
            let goes = together()?;
            let may_go: usize = chosen.iter().map(removable).sum();
            if goes > may_go {
                return None;
            }
            prune_together(chosen, goes, &removable);
            return Some(());
        }
        Share::Erk => {
            let left: usize = chosen.iter().map(Chosen::left).sum();
            let kept = erk(chosen, left - together()?);
            chosen
                .iter()
                .zip(kept)
                .map(|(one, kept)| one.left() - kept)
                .collect()
        }
        Share::PerLayer(targets) => {
            for (path, _) in targets {
                chosen.iter().find(|one| one.place.is_at(path))?;
            }
            let own = |one: &Chosen<'_>| {
                let own = targets.iter().find(|(path, _)| one.place.is_at(path));
                match own.map(|(_, target)| *target).or(settings.target) {
                    Some(target) => count(target, one.left(), all(one)),
                    None => Some(0),
                }
            };
            chosen.iter().map(own).collect::<Option<_>>()?
        }
        Share::Uniform => {
            let target = settings.target?;
            let own = chosen.iter().map(|one| count(target, one.left(), all(one)));
            own.collect::<Option<_>>()?
        }
    };
    for (one, goes) in chosen.iter().zip(&each) {
        if *goes > removable(one) && *goes > 0 {
            return None;
        }
    }
    for (one, goes) in chosen.iter_mut().zip(each) {
        prune_together(std::slice::from_mut(one), goes, &|one| one.left());
    }
    Some(())
}

/// From the lowest score up, passing over those that have nothing more to lose. Of equals the
/// last goes first.
fn prune_together(
    chosen: &mut [Chosen<'_>],
    mut goes: usize,
    removable: &dyn Fn(&Chosen<'_>) -> usize,
) {
    let mut ranked = Vec::new();
    for (index, one) in chosen.iter().enumerate() {
        let left = (0..one.units.len()).filter(|unit| one.is_left(*unit));
        ranked.extend(left.map(|unit| (one.scores[unit], index, unit)));
    }
    ranked.sort_by(|a, b| a.0.total_cmp(&b.0).then((b.1, b.2).cmp(&(a.1, a.2))));
    let mut may_go: Vec<usize> = chosen.iter().map(removable).collect();
    for (_, index, unit) in ranked {
        if goes > 0 && may_go[index] > 0 {
            chosen[index].prune(unit);
            may_go[index] -= 1;
            goes -= 1;
        }
    }
}
