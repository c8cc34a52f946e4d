//! The masks of coupled channels, computed as plainly as possible: unit by unit, and by sorting.

mod scores;

use std::collections::BTreeMap;

use burn_prune::{Amount, CoupledGroup, MemberRole, Normalize, Target};

use scores::scores;

/// A parameter: its values, and which of them are kept.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub path: String,
    pub shape: Vec<usize>,
    pub values: Vec<f64>,
    pub kept: Vec<bool>,
}

#[derive(Debug, Clone, Copy)]
pub(super) enum Criterion {
    Norm(f64),
    Lamp,
    Random(u64),
    NormScale,
    /// The distance from a number, by a criterion of a user.
    From(f64),
}

#[derive(Debug, Clone)]
pub(super) enum Share {
    Uniform,
    Global,
    Erk,
    /// Targets by path.
    PerLayer(Vec<(String, Target)>),
}

#[derive(Debug, Clone)]
pub(super) struct Settings {
    pub criterion: Criterion,
    pub normalize: Normalize,
    pub share: Share,
    pub target: Option<Target>,
    pub min_density: f64,
    pub min_count: usize,
    pub only: Option<String>,
    pub include: Option<String>,
    pub exclude: Option<String>,
    pub importance: BTreeMap<String, Vec<f64>>,
}

/// A group that is pruned.
struct Ranked<'a> {
    group: &'a CoupledGroup,
    scores: Vec<f64>,
    gone: Vec<bool>,
}

/// The flat indices of the entries that a unit has in a member.
fn entries(group: &CoupledGroup, member: usize, unit: usize) -> Vec<usize> {
    let member = &group.members()[member];
    let size: usize = member.shape.iter().product();
    let coordinate = |index: usize| {
        let inner: usize = member.shape[member.axis + 1..].iter().product();
        index / inner % member.shape[member.axis]
    };
    let indices = &member.indices[unit];
    (0..size)
        .filter(|index| indices.contains(&coordinate(*index)))
        .collect()
}

fn at<'a>(places: &'a [Place], path: &str) -> &'a Place {
    places.iter().find(|place| place.path == path).unwrap()
}

/// Prunes the places. `None` where that is to be refused.
pub(super) fn prune(
    places: &[Place],
    groups: &[CoupledGroup],
    settings: &Settings,
) -> Option<Vec<Place>> {
    let has = |group: &CoupledGroup, path: &Option<String>| {
        let is_it = |path: &String| group.members().iter().any(|member| member.path == *path);
        path.as_ref().is_some_and(is_it)
    };
    // What is named has to be there.
    for path in [&settings.only, &settings.include] {
        if path.is_some() && !groups.iter().any(|group| has(group, path)) {
            return None;
        }
    }
    let chosen: Vec<&CoupledGroup> = groups
        .iter()
        .filter(|group| {
            let only = settings.only.is_none() || has(group, &settings.only);
            (only || has(group, &settings.include)) && !has(group, &settings.exclude)
        })
        .collect();
    if chosen.is_empty() {
        return None;
    }
    for path in settings.importance.keys() {
        if !chosen.iter().any(|group| has(group, &Some(path.clone()))) {
            return None;
        }
    }
    let mut ranked = Vec::new();
    for group in &chosen {
        let gone = (0..group.units()).map(|unit| {
            let mut members = 0..group.members().len();
            members.all(|member| {
                let kept = &at(places, &group.members()[member].path).kept;
                entries(group, member, unit)
                    .iter()
                    .all(|index| !kept[*index])
            })
        });
        let gone: Vec<bool> = gone.collect();
        ranked.push(Ranked {
            group,
            scores: scores(places, group, &gone, settings)?,
            gone,
        });
    }
    let goes = goes(&ranked, settings)?;
    let mut pruned = places.to_vec();
    for (ranked, units) in ranked.iter().zip(goes) {
        for unit in units {
            for (number, member) in ranked.group.members().iter().enumerate() {
                let place = pruned.iter_mut().find(|place| place.path == member.path);
                let kept = &mut place.unwrap().kept;
                for index in entries(ranked.group, number, unit) {
                    kept[index] = false;
                }
            }
        }
    }
    let is_chosen = |place: &Place| {
        chosen
            .iter()
            .any(|group| has(group, &Some(place.path.clone())))
    };
    Some(pruned.into_iter().filter(is_chosen).collect())
}

/// How many go of so many that are left, of so many that can go; `exact` before rounding.
fn count(target: Target, left: usize, total: usize) -> Option<(usize, f64)> {
    let gone = (total - left) as f64;
    let (exact, rounded) = match target {
        Target::Amount(Amount::Fraction(f)) => {
            (f * left as f64, (f * left as f64).round_ties_even())
        }
        Target::Amount(Amount::Count(k)) if k > left => return None,
        Target::Amount(Amount::Count(k)) => (k as f64, k as f64),
        Target::Sparsity(s) => {
            let rounded = (s * total as f64).round_ties_even() - gone;
            (s * total as f64 - gone, rounded.max(0.0))
        }
        _ => unreachable!("no other target is tried"),
    };
    Some((rounded as usize, exact))
}

/// All that can go without emptying anything, where only rounding asks for more.
fn not_rounded_above(most: usize, (count, exact): (usize, f64)) -> usize {
    if count > most && exact < (most + 1) as f64 {
        most
    } else {
        count
    }
}

/// The units that go of each group.
fn goes(ranked: &[Ranked<'_>], settings: &Settings) -> Option<Vec<Vec<usize>>> {
    let left = |one: &Ranked<'_>| one.gone.iter().filter(|gone| !**gone).count();
    let most = |one: &Ranked<'_>| left(one).saturating_sub(1);
    let removable = |one: &Ranked<'_>| {
        let units = one.gone.len();
        let share = settings.min_density * units as f64;
        let share = (share - 1e-12 * share).ceil() as usize;
        let floor = share.max(settings.min_count).max(1).min(units);
        left(one).saturating_sub(floor)
    };
    let allowed = |asked: usize, can: usize| asked == 0 || asked <= can;
    let all_left = ranked.iter().map(left).sum();
    let all_units = ranked.iter().map(|one| one.gone.len()).sum();
    let of_all = |target: Target| {
        let most = ranked.iter().map(most).sum();
        Some(not_rounded_above(most, count(target, all_left, all_units)?))
    };
    let of_one = |one: &Ranked<'_>, target: Target| {
        let asked = count(target, left(one), one.gone.len())?;
        Some(not_rounded_above(most(one), asked))
    };
    let counts: Vec<usize> = match (&settings.share, settings.target) {
        (Share::PerLayer(targets), fallback) => {
            let own = |one: &Ranked<'_>| -> Option<Option<Target>> {
                let found: Vec<Target> = makers(one.group)
                    .iter()
                    .filter_map(|path| targets.iter().find(|(named, _)| named == path))
                    .map(|(_, target)| *target)
                    .collect();
                let agree = found.windows(2).all(|pair| pair[0] == pair[1]);
                agree.then(|| found.first().copied().or(fallback))
            };
            let is_used = |path: &String| {
                let mut ranked = ranked.iter();
                ranked.any(|one| makers(one.group).contains(&path.as_str()))
            };
            if !targets.iter().all(|(path, _)| is_used(path)) {
                return None;
            }
            let count = |one: &Ranked<'_>| match own(one)? {
                Some(target) => of_one(one, target),
                None => Some(0),
            };
            ranked.iter().map(count).collect::<Option<_>>()?
        }
        (_, None) => return None,
        (Share::Uniform, Some(target)) => {
            let counts = ranked.iter().map(|one| of_one(one, target));
            counts.collect::<Option<_>>()?
        }
        (Share::Global, Some(target)) => {
            let count = of_all(target)?;
            if !allowed(count, ranked.iter().map(removable).sum()) {
                return None;
            }
            // One after the other, the lowest first and of equals the last; none below its floor.
            let mut all = Vec::new();
            for (number, one) in ranked.iter().enumerate() {
                let units = (0..one.gone.len()).filter(|unit| !one.gone[*unit]);
                all.extend(units.map(|unit| (one.scores[unit], number, unit)));
            }
            all.sort_by(|a, b| {
                let by_score = a.0.partial_cmp(&b.0).unwrap();
                by_score.then((b.1, b.2).cmp(&(a.1, a.2)))
            });
            let mut lost = vec![0; ranked.len()];
            for (_, number, _) in all {
                if lost.iter().sum::<usize>() < count && lost[number] < removable(&ranked[number]) {
                    lost[number] += 1;
                }
            }
            lost
        }
        (Share::Erk, Some(target)) => {
            let count = of_all(target)?;
            if !allowed(count, ranked.iter().map(most).sum()) {
                return None;
            }
            let shapes: Vec<&[usize]> = ranked.iter().map(|one| shape(one.group)).collect();
            let lefts: Vec<usize> = ranked.iter().map(left).collect();
            let totals: Vec<usize> = ranked.iter().map(|one| one.gone.len()).collect();
            let kept = erk(&shapes, &totals, &lefts, all_left - count);
            lefts
                .iter()
                .zip(kept)
                .map(|(left, kept)| left - kept)
                .collect()
        }
    };
    let mut goes = Vec::new();
    for (one, count) in ranked.iter().zip(counts) {
        if !allowed(count, removable(one)) {
            return None;
        }
        let mut units: Vec<usize> = (0..one.gone.len())
            .filter(|unit| !one.gone[*unit])
            .collect();
        units.sort_by(|a, b| {
            let by_score = one.scores[*a].partial_cmp(&one.scores[*b]).unwrap();
            by_score.then(b.cmp(a))
        });
        goes.push(units[..count].to_vec());
    }
    Some(goes)
}

/// The paths of the weights that make the channels; of the first member where none does.
fn makers(group: &CoupledGroup) -> Vec<&str> {
    let members = group.members().iter();
    let outputs = members.filter(|member| member.role == MemberRole::Output);
    let paths: Vec<&str> = outputs.map(|member| member.path.as_str()).collect();
    if paths.is_empty() {
        return vec![&group.members()[0].path];
    }
    paths
}

fn shape(group: &CoupledGroup) -> &[usize] {
    let mut members = group.members().iter();
    let maker = members.find(|member| member.role == MemberRole::Output);
    &maker.unwrap_or(&group.members()[0]).shape
}

/// What each keeps: `Σ s / Π s` of it, times one factor for all; no more than it has left, and one
/// of what it has.
fn erk(shapes: &[&[usize]], totals: &[usize], left: &[usize], kept: usize) -> Vec<usize> {
    let weight = |number: usize| {
        let (sum, size): (usize, usize) =
            (shapes[number].iter().sum(), shapes[number].iter().product());
        sum as f64 / size as f64
    };
    let mut full = vec![false; shapes.len()];
    let shares: Vec<f64> = loop {
        let mut to_keep = kept as f64;
        let mut at_one = 0.0;
        for number in 0..shapes.len() {
            if full[number] {
                to_keep -= left[number] as f64;
            } else {
                at_one += totals[number] as f64 * weight(number);
            }
        }
        let factor = if at_one == 0.0 { 0.0 } else { to_keep / at_one };
        let share = |number: usize| {
            if full[number] {
                left[number] as f64
            } else {
                factor * weight(number) * totals[number] as f64
            }
        };
        let excess = |number: usize| match left[number] {
            0 => f64::INFINITY,
            left => share(number) / left as f64,
        };
        let free: Vec<usize> = (0..shapes.len()).filter(|number| !full[*number]).collect();
        let largest = free
            .iter()
            .map(|number| excess(*number))
            .fold(0.0, f64::max);
        if largest <= 1.0 {
            break (0..shapes.len()).map(share).collect();
        }
        let over: Vec<usize> = free
            .into_iter()
            .filter(|number| excess(*number) == largest)
            .collect();
        for number in over {
            full[number] = true;
        }
    };
    let mut counts: Vec<usize> = shares
        .iter()
        .zip(left)
        .map(|(share, left)| (share.round_ties_even() as usize).max(1).min(*left))
        .collect();
    while counts.iter().sum::<usize>() != kept {
        let short = counts.iter().sum::<usize>() < kept;
        let error = |number: usize| {
            let error = shares[number] - counts[number] as f64;
            if short { error } else { -error }
        };
        let can = |number: &usize| {
            if short {
                counts[*number] < left[*number]
            } else {
                counts[*number] > 1
            }
        };
        let mut best: Option<usize> = None;
        for number in (0..counts.len()).filter(can) {
            if best.is_none_or(|best| error(number) > error(best)) {
                best = Some(number);
            }
        }
        let best = best.expect("no more are kept than there are");
        counts[best] = if short {
            counts[best] + 1
        } else {
            counts[best] - 1
        };
    }
    counts
}
