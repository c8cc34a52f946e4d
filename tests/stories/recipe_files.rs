//! Files of recipes: what they may say, what is refused, and the first form.

use burn::config::Config;
use burn::module::ParamGroup;
use burn::tensor::{Device, Tensor};
use burn_prune::{
    Allocation, Amount, At, Axis, Blocks, CoupledChannels, CoupledGroup, CoupledMember, Lamp,
    Magnitude, MemberRole, NM, Normalize, Pattern, PruneError, Pruner, Random, Recipe,
    ScheduleConfig, Target, WeightAxes,
};

use crate::recipes::{MovedFarthest, net, wrap};
use crate::schedules::{RUN, global, schedule};

pub(crate) fn read(json: &str) -> Result<Recipe, String> {
    Recipe::load_binary(json.as_bytes()).map_err(|error| error.to_string())
}

fn path(path: &str) -> ParamGroup {
    ParamGroup::from_path(path.to_string())
}

pub(crate) const SCHEDULE: &str = r#""schedule": { "OneShot": { "sparsity": 0.9 } }"#;

/// A recipe with these fields for its pruner.
pub(crate) fn with(pruner: &str) -> Result<Recipe, String> {
    read(&format!(
        r#"{{ "version": 2, {SCHEDULE}, "pruner": {{ {pruner} }} }}"#
    ))
}

#[test]
fn every_setting_can_be_written_by_hand() {
    let l1 = || Pruner::new(Magnitude::l1());
    let cases = [
        ("", l1()),
        (r#""criterion": "Magnitude""#, l1()),
        (
            r#""criterion": { "Magnitude": { "n": 2 } }"#,
            Pruner::new(Magnitude::l2()),
        ),
        (
            r#""criterion": { "Magnitude": { "n": "inf" } }"#,
            Pruner::new(Magnitude::ln(f64::INFINITY)),
        ),
        (r#""criterion": "Lamp""#, Pruner::new(Lamp)),
        (
            r#""criterion": { "Random": { "seed": 7 } }"#,
            Pruner::new(Random::new(7)),
        ),
        (
            r#""pattern": { "Channels": "Output" }"#,
            l1().pattern(Pattern::Channels(Axis::Output)),
        ),
        (
            r#""pattern": { "Blocks": { "size": [4, 1] } }"#,
            l1().pattern(Blocks::new([4, 1])),
        ),
        (
            r#""pattern": { "NM": { "n": 2, "m": 4 } }"#,
            l1().pattern(NM::new(2, 4)),
        ),
        (
            r#""allocation": "Erk", "min_count": 3, "min_density": 0.1"#,
            l1().allocation(Allocation::Erk)
                .min_count(3)
                .min_density(0.1),
        ),
        (
            r#""allocation": { "PerLayer": [["fc1.weight", { "Sparsity": 0.9 }],
                [["conv.weight", "fc2.weight"], { "Amount": { "Count": 3 } }]] }"#,
            l1().allocation(Allocation::per_layer([
                (path("fc1.weight"), Target::Sparsity(0.9)),
                (
                    ParamGroup::from_paths(vec!["conv.weight", "fc2.weight"]),
                    Target::Amount(Amount::Count(3)),
                ),
            ])),
        ),
        (
            r#""only": { "matcher": { "Path": { "Include": ["fc"] } } },
               "include": ["conv.weight"], "exclude": [["fc1.bias", "fc2.bias"]]"#,
            l1().only(ParamGroup::from_predicate("fc"))
                .include(path("conv.weight"))
                .exclude(ParamGroup::from_paths(vec!["fc1.bias", "fc2.bias"])),
        ),
        (
            r#""weight_axes": [["own.weight", { "output": 0, "input": 1 }]]"#,
            l1().weight_axes(
                path("own.weight"),
                WeightAxes {
                    output: 0,
                    input: 1,
                },
            ),
        ),
    ];
    for (json, pruner) in cases {
        let read = with(json).unwrap_or_else(|error| panic!("{json}: {error}"));
        assert_eq!(format!("{:?}", read.pruner), format!("{pruner:?}"));
        assert_eq!(read.schedule, ScheduleConfig::one_shot(0.9));
    }
    let shortest = read(&format!(r#"{{ "version": 2, {SCHEDULE} }}"#)).unwrap();
    assert_eq!(format!("{:?}", shortest.pruner), format!("{:?}", l1()));
}

#[test]
fn what_is_mistyped_or_contradicts_itself_is_named() {
    for (json, part) in [
        (r#""exlude": ["a"]"#, "unknown field `exlude`"),
        (r#""criterion": "Magnitud""#, "unknown criterion `Magnitud`"),
        (
            r#""criterion": { "Magnitude": { "p": 2 } }"#,
            "unknown field `p`",
        ),
        (r#""pattern": "Channel""#, "unknown variant `Channel`"),
        (
            r#""pattern": { "NM": { "n": 2, "m": 4, "k": 1 } }"#,
            "unknown field `k`",
        ),
        (r#""allocation": "Local""#, "unknown variant `Local`"),
        (
            r#""allocation": { "PerLayer": [["fc1.weight", { "Density": 0.1 }]] }"#,
            "unknown variant `Density`",
        ),
        (
            r#""weight_axes": [["a", { "output": 0, "input": 1, "kernel": 2 }]]"#,
            "unknown field `kernel`",
        ),
        (
            r#""only": { "matcher": "All", "exlude": "All" }"#,
            "a group of parameters is",
        ),
        (
            r#""only": { "matcher": { "Explicit": [] } }"#,
            "select the parameters by path",
        ),
        (
            r#""amount": { "Fraction": 0.5 }, "to_sparsity": 0.5"#,
            "`amount` and `to_sparsity` contradict each other",
        ),
    ] {
        let error = with(json).unwrap_err();
        assert!(error.contains(part), "{json}: {error}");
    }
    for (json, part) in [
        (format!(r#"{{ "version": 3, {SCHEDULE} }}"#), "version 3"),
        (
            format!(r#"{{ {SCHEDULE}, "pruner": {{}} }}"#),
            r#"needs "version": 2"#,
        ),
        (
            r#"{ "version": 2 }"#.to_string(),
            "missing field `schedule`",
        ),
        (
            format!(r#"{{ "version": 2, {SCHEDULE}, "criterion": "Lamp" }}"#),
            "unknown field `criterion`",
        ),
        (
            r#"{ "version": 2, "schedule": { "OneShot": { "sparsity": 0.9,
                "span": { "Steps": { "begin": 0, "end": 9, "every": 1 } } } } }"#
                .to_string(),
            "unknown field `span`, expected `sparsity` or `at`",
        ),
    ] {
        let error = read(&json).unwrap_err();
        assert!(error.contains(part), "{json}: {error}");
    }
}

#[test]
fn recipes_of_the_first_form_mean_what_they_meant() {
    let first = |fields: &str| read(&format!("{{ {fields} }}")).unwrap();
    let same = |read: Recipe, pruner: Pruner, schedule: ScheduleConfig| {
        assert_eq!(format!("{:?}", read.pruner), format!("{pruner:?}"));
        assert_eq!(read.schedule, schedule);
    };
    same(first(SCHEDULE), global(), ScheduleConfig::one_shot(0.9));
    let all = r#""schedule": { "OneShot": { "sparsity": 0.5,
            "span": { "Epochs": { "begin": 3, "end": 9, "every": 2 } } } },
        "criterion": { "Random": { "seed": 4 } }, "allocation": "Uniform", "normalize": false,
        "min_density": 0.5, "min_count": 2, "only": ["a", "b"], "include": ["c"],
        "exclude": ["d", "e"]"#;
    same(
        first(all),
        Pruner::new(Random::new(4))
            .min_density(0.5)
            .min_count(2)
            .only(ParamGroup::from_paths(vec!["a", "b"]))
            .include(path("c"))
            .exclude(path("d"))
            .exclude(path("e")),
        ScheduleConfig::OneShot {
            sparsity: 0.5,
            at: At::Epoch(3),
        },
    );
    let lamp = format!(r#"{SCHEDULE}, "criterion": "Lamp", "normalize": true, "only": []"#);
    same(
        first(&lamp),
        Pruner::new(Lamp)
            .allocation(Allocation::Global)
            .normalize(Normalize::Norm),
        ScheduleConfig::one_shot(0.9),
    );
    let error = read(&format!(r#"{{ {SCHEDULE}, "exlude": [] }}"#)).unwrap_err();
    assert!(error.contains("unknown field `exlude`"), "{error}");
}

#[test]
fn what_cannot_be_stored_is_refused_and_no_file_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("recipe.json");
    let net = net();
    let scores = Tensor::<2>::full([16, 10], 0.5, &Device::flex());
    let ids = ParamGroup::from_ids(vec![net.fc1.weight.id]);
    for (pruner, part) in [
        (global().importance("fc2.weight", scores), "`fc2.weight`"),
        (global().exclude(ids.clone()), "by path"),
        (
            global().allocation(Allocation::per_layer([(ids, 0.5)])),
            "by path",
        ),
        (Pruner::new(MovedFarthest::from(0.5)), "Criterion::identity"),
    ] {
        let recipe = Recipe::new(pruner, schedule());
        let error = recipe.save(&file).unwrap_err();
        assert!(error.to_string().contains(part), "{error}");
        assert!(!file.exists());
    }
    let recipe = Recipe::new(global(), schedule());
    recipe.save(&file).unwrap();
    let read = Recipe::load(&file).unwrap();
    assert_eq!(format!("{read:?}"), format!("{recipe:?}"));
}

#[test]
fn coupled_channels_are_in_a_recipe() {
    let member = |path: &str, axis, shape: &[usize], role| {
        CoupledMember::whole(path, axis, shape.to_vec(), role)
    };
    let hidden = CoupledGroup::new(
        "fc1.weight",
        [
            member("fc1.weight", 1, &[1014, 16], MemberRole::Output),
            member("fc2.weight", 0, &[16, 10], MemberRole::Input),
        ],
    );
    let pattern = Pattern::from(CoupledChannels::new([hidden]).unwrap());
    let recipe = Recipe::new(global().pattern(pattern.clone()), schedule());
    let json = serde_json::to_string(&recipe).unwrap();
    assert_eq!(format!("{:?}", read(&json).unwrap()), format!("{recipe:?}"));
}

#[test]
fn a_schedule_and_an_amount_contradict_each_other() {
    for pruner in [global().amount(0.3), global().to_sparsity(0.3)] {
        let recipe = Recipe::new(pruner, schedule());
        let before = net();
        let refused = recipe.wrap(before, RUN).unwrap_err();
        assert!(
            matches!(refused.error(), PruneError::Contradiction { .. }),
            "{}",
            refused.error()
        );
    }
    // Amounts by layer are where the schedule leads.
    wrap(global().allocation(Allocation::per_layer([(path("fc1.weight"), 0.1)])));
}

#[test]
fn settings_that_contradict_each_other_are_refused_whatever_their_order() {
    let net = net();
    let one = path("fc1.weight");
    for (pruner, part) in [
        (global().amount(0.3).to_sparsity(0.5), "`to_sparsity`"),
        (global().to_sparsity(0.5).amount(3), "`to_sparsity`"),
        (
            global().amount(0.3).only(one.clone()).only(one),
            "two calls of `only`",
        ),
    ] {
        let error = pruner.masks(&net).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
        assert!(pruner.identity(&net).is_err());
        assert!(serde_json::to_string(&pruner).is_err());
    }
    // The same setting again is another choice.
    let again = global().amount(0.3).amount(0.5).masks(&net).unwrap();
    assert_eq!(again, global().amount(0.5).masks(&net).unwrap());
}

#[test]
fn a_stored_pruner_chooses_the_same_masks() {
    let net = net();
    let pruner = Pruner::new(Lamp)
        .allocation(Allocation::Global)
        .to_sparsity(0.1 + 0.2)
        .exclude(path("conv.weight"));
    let json = serde_json::to_string(&pruner).unwrap();
    let read: Pruner = serde_json::from_str(&json).unwrap();
    assert_eq!(read.masks(&net).unwrap(), pruner.masks(&net).unwrap());
    assert_eq!(read.identity(&net).unwrap(), pruner.identity(&net).unwrap());
}
