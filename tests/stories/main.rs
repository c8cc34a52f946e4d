//! What burn-prune promises, told as stories on whole models, and checked as properties.
//!
//! On flex. The same stories on the other backends are in `consumer`.

mod after_step;
mod bad_input;
mod chance;
mod containers;
mod damage;
mod damaged_recipes;
mod dropped_masks;
mod final_amounts;
mod first_format;
mod kills;
mod largest_numbers;
mod learner;
mod life_cycle;
mod lottery;
mod mask_files;
mod mask_guard;
mod mask_sequences;
mod nets;
mod number_types;
mod optimizers;
mod orders;
mod patterns;
mod properties;
mod pytorch_masks;
mod pytorch_records;
mod random_models;
mod read_is_reported;
mod recipe_data;
mod recipes;
mod records;
mod reference;
mod regrowing;
mod resume;
mod rewinding;
mod scheduled_patterns;
mod schedules;
mod semantics;
mod sensitivity;
mod shared_ids;
mod statistics;
mod threads;
mod torch;
mod torch_file;
mod wrapping;
