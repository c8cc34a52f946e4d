//! What a round of coupled pruning leaves, counted naively from the documentation.

mod erk;

use std::collections::BTreeSet;

use burn_prune::{Amount, CoupledGroup, CoupledMember, MaskSet, MemberRole, Normalize, Target};

use super::sequences::{Known, Settings};
use erk::{erk, rounded};

/// The entries of each unit in a parameter, flat; none twice.
fn entries(member: &CoupledMember) -> Vec<Vec<usize>> {
    let inner: usize = member.shape[member.axis + 1..].iter().product();
    let length: usize = member.shape.iter().product();
    let of = |unit: &Vec<usize>| {
        (0..length)
            .filter(|flat| unit.contains(&(flat / inner % member.shape[member.axis])))
            .collect()
    };
    member.indices.iter().map(of).collect()
}

struct Ranked<'a> {
    group: &'a CoupledGroup,
    /// Members that are not the same place again: index of the parameter, role, entries by unit.
    members: Vec<(usize, MemberRole, Vec<Vec<usize>>)>,
    left: Vec<usize>,
    scores: Vec<f64>,
}

fn index_of(known: &[Known], path: &str) -> usize {
    let has = |known: &Known| known.paths.iter().any(|other| other == path);
    known.iter().position(has).unwrap()
}

/// How many a target takes of so many units, and how many are asked for before rounding.
fn wanted(target: Target, left: usize, total: usize) -> Option<(usize, f64)> {
    Some(match target {
        Target::Amount(Amount::Fraction(f)) => {
            let exact = f * left as f64;
            (exact.round_ties_even() as usize, exact)
        }
        Target::Amount(Amount::Count(k)) if k > left => return None,
        Target::Amount(Amount::Count(k)) => (k, k as f64),
        Target::Sparsity(s) => {
            let gone = total - left;
            let all = (s * total as f64).round_ties_even() as usize;
            (all.saturating_sub(gone), s * total as f64 - gone as f64)
        }
        _ => unreachable!(),
    })
}

/// Why there are no masks to compare with.
#[derive(Debug)]
pub(super) enum Verdict {
    /// It has to be refused.
    Refused,
    /// Rounding decides.
    Unclear,
}

/// The parameters as they are to be afterwards.
pub(super) fn reference(
    known: &[Known],
    groups: &[CoupledGroup],
    settings: &Settings,
    found: Option<&MaskSet>,
) -> Result<Vec<Known>, Verdict> {
    let has = |group: &CoupledGroup, path: &Option<String>| {
        let Some(path) = path else { return false };
        let wanted = index_of(known, path);
        let mut members = group.members().iter();
        members.any(|member| index_of(known, &member.path) == wanted)
    };
    let mut ranked: Vec<Ranked<'_>> = Vec::new();
    for group in groups {
        let chosen = settings.only.is_none() || has(group, &settings.only);
        if !(chosen || has(group, &settings.include)) || has(group, &settings.exclude) {
            continue;
        }
        let mut members: Vec<(usize, MemberRole, Vec<Vec<usize>>)> = Vec::new();
        let mut seen: Vec<(usize, usize, &Vec<Vec<usize>>)> = Vec::new();
        for member in group.members() {
            let of = index_of(known, &member.path);
            let key = (of, member.axis, &member.indices);
            if seen.contains(&key) {
                continue;
            }
            seen.push(key);
            members.push((of, member.role, entries(member)));
        }
        let left: Vec<usize> = (0..group.units())
            .filter(|unit| {
                members
                    .iter()
                    .any(|(of, _, units)| units[*unit].iter().any(|at| known[*of].kept[*at]))
            })
            .collect();
        let value = |of: usize, at: usize, masked: bool| match &settings.importance {
            Some((path, values)) if index_of(known, path) == of => {
                if masked && !known[of].kept[at] {
                    0.0
                } else {
                    values[at]
                }
            }
            _ if known[of].kept[at] => known[of].values[at],
            _ => 0.0,
        };
        let all = |unit: usize, role: Option<MemberRole>, masked: bool| -> Vec<f64> {
            let members = members
                .iter()
                .filter(|(_, other, _)| role.is_none_or(|role| role == *other));
            members
                .flat_map(|(of, _, units)| units[unit].iter().map(|at| value(*of, *at, masked)))
                .collect()
        };
        let mut scores: Vec<f64> = Vec::new();
        for unit in 0..group.units() {
            let values = all(unit, None, false);
            let sizes = || values.iter().map(|value| value.abs());
            scores.push(match settings.criterion {
                0 => sizes().sum(),
                1 => values.iter().map(|value| value * value).sum::<f64>().sqrt(),
                2 => sizes().fold(0.0, f64::max),
                3 => sizes().fold(f64::INFINITY, f64::min),
                4 => {
                    let scales = all(unit, Some(MemberRole::Scale), false);
                    if scales.is_empty() {
                        return Err(Verdict::Refused);
                    }
                    scales.iter().map(|scale| scale.abs()).sum::<f64>() / scales.len() as f64
                }
                _ => values.iter().sum(),
            });
        }
        let divisor = match settings.normalize {
            Normalize::Norm => (0..group.units())
                .flat_map(|unit| all(unit, None, true))
                .map(|value| value * value)
                .sum::<f64>()
                .sqrt(),
            Normalize::Mean => {
                let sum: f64 = left.iter().map(|unit| scores[*unit].abs()).sum();
                if left.is_empty() {
                    0.0
                } else {
                    sum / left.len() as f64
                }
            }
            _ => 1.0,
        };
        if divisor != 0.0 {
            scores.iter_mut().for_each(|score| *score /= divisor);
        }
        ranked.push(Ranked {
            group,
            members,
            left,
            scores,
        });
    }
    if ranked.is_empty() {
        return Err(Verdict::Refused);
    }
    // Scores are for what is ranked.
    if let Some((path, _)) = &settings.importance {
        let of = index_of(known, path);
        let mut members = ranked.iter().flat_map(|ranked| &ranked.members);
        if !members.any(|(other, ..)| *other == of) {
            return Err(Verdict::Refused);
        }
    }
    let floor = |ranked: &Ranked<'_>| {
        let total = ranked.group.units();
        let share = (settings.density * total as f64).ceil() as usize;
        share.max(settings.count).max(1).min(total)
    };
    let removable = |ranked: &Ranked<'_>| ranked.left.len().saturating_sub(floor(ranked));
    let most = |ranked: &Ranked<'_>| ranked.left.len().saturating_sub(1);
    let capped = |most: usize, (count, exact): (usize, f64)| {
        if count > most && exact < most as f64 + 1.0 {
            most
        } else {
            count
        }
    };
    let left: usize = ranked.iter().map(|ranked| ranked.left.len()).sum();
    let total: usize = ranked.iter().map(|ranked| ranked.group.units()).sum();
    let all_wanted = || {
        let target = settings.target.ok_or(Verdict::Refused)?;
        wanted(target, left, total).ok_or(Verdict::Refused)
    };
    // In the order in which they go.
    let ascending = |numbers: &[usize]| {
        let mut all: Vec<(f64, usize, usize)> = Vec::new();
        for number in numbers {
            let of = &ranked[*number];
            all.extend(
                of.left
                    .iter()
                    .map(|unit| (of.scores[*unit] + 0.0, *number, *unit)),
            );
        }
        all.sort_by(|a, b| {
            a.0.partial_cmp(&b.0)
                .unwrap()
                .then((b.1, b.2).cmp(&(a.1, a.2)))
        });
        all
    };
    let mut gone: Vec<BTreeSet<usize>> = vec![BTreeSet::new(); ranked.len()];
    let counts: Vec<usize> = match settings.allocation {
        1 => {
            let all_most = ranked.iter().map(most).sum();
            let count = capped(all_most, all_wanted()?);
            if count > 0 && count > ranked.iter().map(removable).sum() {
                return Err(Verdict::Refused);
            }
            let numbers: Vec<usize> = (0..ranked.len()).collect();
            let mut counts = vec![0; ranked.len()];
            let mut taken = 0;
            for (_, number, unit) in ascending(&numbers) {
                if taken < count && counts[number] < removable(&ranked[number]) {
                    counts[number] += 1;
                    gone[number].insert(unit);
                    taken += 1;
                }
            }
            assert_eq!(taken, count);
            counts
        }
        2 => {
            let all_most: usize = ranked.iter().map(most).sum();
            let count = capped(all_most, all_wanted()?);
            if count > all_most {
                return Err(Verdict::Refused);
            }
            let shares = erk(&ranked, left - count);
            let lefts: Vec<usize> = ranked.iter().map(|ranked| ranked.left.len()).collect();
            let kept = rounded(&shares, &lefts, left - count)?;
            lefts
                .iter()
                .zip(kept)
                .map(|(left, kept)| left - kept)
                .collect()
        }
        allocation => {
            let mut own = vec![None; ranked.len()];
            if allocation == 3 {
                let mut used = BTreeSet::new();
                for (own, ranked) in own.iter_mut().zip(&ranked) {
                    let mut makers: Vec<usize> = ranked
                        .members
                        .iter()
                        .filter(|(_, role, _)| *role == MemberRole::Output)
                        .map(|(of, ..)| *of)
                        .collect();
                    if makers.is_empty() {
                        makers = vec![ranked.members[0].0];
                    }
                    let paths = makers.iter().flat_map(|of| &known[*of].paths);
                    let mut given: Vec<Target> = Vec::new();
                    for path in paths {
                        let first = settings.own.iter().position(|(own, _)| own == path);
                        if let Some(first) = first {
                            given.push(settings.own[first].1);
                        }
                        let all = settings.own.iter().enumerate();
                        used.extend(all.filter(|(_, (own, _))| own == path).map(|(at, _)| at));
                    }
                    if given.iter().any(|other| *other != given[0]) {
                        return Err(Verdict::Refused);
                    }
                    *own = given.first().copied();
                }
                if used.len() < settings.own.len() {
                    return Err(Verdict::Refused);
                }
            } else {
                settings.target.ok_or(Verdict::Refused)?;
            }
            let mut counts = Vec::new();
            for (own, ranked) in own.into_iter().zip(&ranked) {
                let Some(target) = own.or(settings.target) else {
                    counts.push(0);
                    continue;
                };
                let wanted = wanted(target, ranked.left.len(), ranked.group.units());
                let wanted = wanted.ok_or(Verdict::Refused)?;
                counts.push(capped(most(ranked), wanted));
            }
            counts
        }
    };
    for (number, count) in counts.iter().enumerate() {
        if *count > 0 && *count > removable(&ranked[number]) {
            return Err(Verdict::Refused);
        }
        if settings.allocation != 1 {
            let ascending = ascending(&[number]);
            gone[number].extend(ascending[..*count].iter().map(|(_, _, unit)| *unit));
        }
    }
    let mut after = known.to_vec();
    for (ranked, gone) in ranked.iter().zip(&gone) {
        for (of, _, units) in &ranked.members {
            for at in gone.iter().flat_map(|unit| &units[*unit]) {
                after[*of].kept[*at] = false;
            }
        }
    }
    let mut masked: Vec<usize> = ranked
        .iter()
        .flat_map(|ranked| ranked.members.iter().map(|(of, ..)| *of))
        .collect();
    masked.sort_unstable();
    masked.dedup();
    if let Some(found) = found {
        let paths: BTreeSet<&str> = found.iter().map(|(path, _)| path).collect();
        let expected = masked.iter().map(|of| known[*of].paths[0].as_str());
        assert_eq!(paths, expected.collect());
    }
    // A group that had a unit has one still.
    for ranked in &ranked {
        let has_unit = ranked.members.iter().any(|(of, _, units)| {
            let mut all = units.iter().flatten();
            all.any(|at| after[*of].kept[*at])
        });
        if !ranked.left.is_empty() && !has_unit {
            return Err(Verdict::Refused);
        }
    }
    Ok(after)
}
