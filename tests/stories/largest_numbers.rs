//! Schedules over more steps than there can be.

use burn_prune::{PruneError, ScheduleConfig, Span, TrainingLength};

use crate::schedules::{RUN, beginning};

#[test]
fn sizes_near_the_largest_number_are_refused_with_the_field_or_work() {
    const MAX: usize = usize::MAX;
    let sizes = [0, 1, 2, 10, MAX / 2, MAX - 1, MAX];
    let runs = sizes.map(|steps_per_epoch| TrainingLength {
        epochs: MAX,
        steps_per_epoch,
    });
    let spans = sizes.into_iter().flat_map(|begin| {
        sizes.into_iter().flat_map(move |end| {
            sizes.into_iter().flat_map(move |every| {
                [
                    Span::steps(begin, end, every),
                    Span::epochs(begin, end, every),
                ]
            })
        })
    });
    let mut built = 0;
    for span in spans {
        let configs = [
            ScheduleConfig::OneShot {
                sparsity: 0.5,
                at: beginning(span),
            },
            ScheduleConfig::cubic(0.5, span),
            ScheduleConfig::exponential(0.5, span),
            ScheduleConfig::geometric_rounds(0.5, span),
        ];
        for (config, run) in configs
            .iter()
            .flat_map(|config| runs.map(|run| (config, run)))
        {
            match config.build(run) {
                Ok(schedule) => {
                    built += 1;
                    let last = schedule.last_update().unwrap();
                    for step in sizes.into_iter().chain([last, last.saturating_sub(1)]) {
                        let sparsity = schedule.sparsity_after(step);
                        assert!((0.0..=0.5).contains(&sparsity), "{config:?} {run:?} {step}");
                    }
                    assert!(schedule.updates_after(last));
                    assert_eq!(schedule.sparsity_after(last), 0.5);
                }
                Err(PruneError::InvalidSchedule { field, .. }) => {
                    assert!(
                        field.starts_with("span.") || ["at", "steps_per_epoch"].contains(&field)
                    );
                }
                Err(other) => panic!("{other}"),
            }
        }
    }
    assert!(built > 1000, "{built}");
    let all = ScheduleConfig::geometric_rounds(0.5, Span::steps(0, MAX, 1));
    assert!(matches!(
        all.build(RUN),
        Err(PruneError::InvalidSchedule {
            field: "span.end",
            ..
        })
    ));
}
