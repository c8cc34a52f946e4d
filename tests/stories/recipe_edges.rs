//! Files of recipes at their edges: fields that are there twice, forms that are mixed, extreme numbers.

use burn_prune::{At, Pruner, ScheduleConfig};

use crate::recipe_files::{SCHEDULE, read, with};
use crate::recipes::net;
use crate::schedules::RUN;

#[test]
fn a_field_that_is_there_twice_is_refused_wherever_it_is() {
    for (json, field) in [
        (r#"{ "version": 2, "version": 2, SCHEDULE }"#, "version"),
        (r#"{ "version": 2, SCHEDULE, SCHEDULE }"#, "schedule"),
        (
            r#"{ "version": 2, SCHEDULE, "pruner": { "exclude": ["a"], "exclude": ["b"] } }"#,
            "exclude",
        ),
        (
            r#"{ "version": 2, SCHEDULE, "pruner": { "only": "a", "only": "b" } }"#,
            "only",
        ),
        (
            r#"{ "version": 2, SCHEDULE,
                "pruner": { "criterion": { "Magnitude": { "n": 1, "n": 2 } } } }"#,
            "n",
        ),
        (
            r#"{ "version": 2, "schedule": { "OneShot": { "sparsity": 0.9, "sparsity": 0.1 } } }"#,
            "sparsity",
        ),
        (
            r#"{ SCHEDULE, "exclude": ["a"], "exclude": ["b"] }"#,
            "exclude",
        ),
    ] {
        let json = json.replace("SCHEDULE", SCHEDULE);
        let error = read(&json).map(drop).unwrap_err();
        assert!(
            error.contains(&format!("duplicate field `{field}`")),
            "{json}: {error}"
        );
    }
    // In a pruner by itself too.
    for json in [
        r#"{ "criterion": { "Magnitude": { "n": 1, "n": 2 } } }"#,
        r#"{ "only": { "matcher": "All", "matcher": { "Path": { "Exact": ["a"] } } } }"#,
    ] {
        let error = serde_json::from_str::<Pruner>(json)
            .unwrap_err()
            .to_string();
        assert!(error.contains("duplicate field"), "{json}: {error}");
    }
}

#[test]
fn one_shot_of_the_first_form_has_a_span_or_a_point_and_nothing_else() {
    let old = r#"{ "schedule": { "OneShot": { "sparsity": 0.5, "span": SPAN } } }"#;
    let span = r#"{ "Steps": { "begin": 3, "end": 3, "every": 1 } }"#;
    let at = |step| ScheduleConfig::OneShot {
        sparsity: 0.5,
        at: At::Step(step),
    };
    assert_eq!(read(&old.replace("SPAN", span)).unwrap().schedule, at(3));
    for wrong in [
        r#"{ "Steps": { "begin": 3, "end": 3, "every": 1 } }, "at": { "Step": 5 }"#,
        r#"{ "Steps": { "begin": 3, "end": 3, "evry": 1 } }"#,
        r#"{ "Steps": { "begin": 3 } }"#,
    ] {
        let error = read(&old.replace("SPAN", wrong)).map(drop);
        assert!(error.is_err(), "{wrong}");
    }
}

#[test]
fn numbers_at_the_edge_are_read_exactly_or_refused() {
    let accepted = [
        (
            r#""criterion": { "Random": { "seed": 18446744073709551615 } }"#,
            "Random { seed: 18446744073709551615 }",
        ),
        (
            r#""min_count": 18446744073709551615"#,
            "count: 18446744073709551615",
        ),
        (r#""min_density": 5e-324"#, "density: 5e-324"),
        (
            r#""min_density": "0.30000000000000004""#,
            "density: 0.30000000000000004",
        ),
    ];
    for (json, part) in accepted {
        let pruner = format!("{:?}", with(json).unwrap().pruner);
        assert!(pruner.contains(part), "{json}: {pruner}");
    }
    for json in [
        r#""criterion": { "Random": { "seed": 18446744073709551616 } }"#,
        r#""criterion": { "Random": { "seed": -1 } }"#,
        r#""criterion": { "Random": { "seed": 1.0 } }"#,
        r#""min_count": 1.5"#,
        r#""min_count": -1"#,
        r#""min_density": 1e400"#,
        r#""min_density": true"#,
        r#""min_density": null"#,
        r#""amount": { "Count": -3 }"#,
        r#""amount": 0.5"#,
        r#""criterion": null"#,
        r#""pattern": null"#,
    ] {
        assert!(with(json).is_err(), "{json}");
    }
    // Read, and refused when used.
    for json in [
        r#""min_density": "NaN""#,
        r#""min_density": 1.0000000000000002"#,
        r#""min_density": -1e-300"#,
        r#""to_sparsity": "inf""#,
        r#""to_sparsity": 0.5"#,
        r#""amount": { "Fraction": "NaN" }"#,
        r#""criterion": { "Magnitude": { "n": 0 } }"#,
        r#""criterion": { "Magnitude": { "n": "NaN" } }"#,
        r#""allocation": { "PerLayer": [["fc1.weight", { "Sparsity": "NaN" }]] }"#,
        r#""allocation": { "PerLayer": [["fc1.weight", { "Amount": { "Count": 99999999 } }]] }"#,
        r#""only": []"#,
        r#""include": [[]]"#,
    ] {
        let recipe = with(json).unwrap();
        let before = net();
        assert!(recipe.wrap(before, RUN).is_err(), "{json}");
    }
}
