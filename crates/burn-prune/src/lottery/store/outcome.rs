//! `cell.json`: the result of a cell.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::digest::Digest;
use crate::lottery::cell_id::CellId;
use crate::lottery::curve::LearningCurve;
use crate::lottery::study::Moment;

/// The result of a cell, and what it was made from.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::lottery) struct Outcome {
    pub version: u32,
    pub cell: CellId,
    pub settings: Value,
    /// Nothing in version 1.
    #[serde(default)]
    pub made_from: MadeFrom,
    /// Maskable weights, and those that the masks keep.
    pub weights: usize,
    pub kept: usize,
    pub iterations: usize,
    pub early_stop_iteration: usize,
    pub validation_loss: f64,
    pub censored: bool,
    pub test_accuracy: f64,
    /// Wall time of the training closure, and of the cell but for writing it.
    pub training_seconds: f64,
    pub seconds: f64,
    pub curve: LearningCurve,
    pub files: BTreeMap<String, Stored>,
}

impl Outcome {
    /// Fraction of the maskable weights that the masks keep.
    pub(in crate::lottery) fn remaining(&self) -> f64 {
        self.kept as f64 / self.weights.max(1) as f64
    }

    /// The digest of what is in a file of this cell.
    pub(in crate::lottery) fn content(&self, file: &str) -> Option<&Digest> {
        match self.files.get(file)? {
            Stored::Digests { content, .. } => Some(content),
            Stored::Checksum { .. } => None,
        }
    }
}

/// What a cell has read, by the digests of weights and masks.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::lottery) struct MadeFrom {
    /// Of a dense run: the weights that it began with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<Digest>,
    /// Of a round: the weights that it went back to, unless they were initialised anew.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weights: Option<Digest>,
    /// Of a round: the masks that the round before has left; a control changes them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub masks: Option<Digest>,
}

/// What identifies the content of a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub(in crate::lottery) enum Stored {
    /// The length of the file, the digest of its bytes, and that of the weights or masks in it.
    Digests {
        bytes: u64,
        sha256: Digest,
        content: Digest,
    },
    /// Of version 1.
    Checksum { bytes: u64, crc32: u32 },
}

impl Stored {
    pub(super) fn len(&self) -> u64 {
        match self {
            Self::Digests { bytes, .. } | Self::Checksum { bytes, .. } => *bytes,
        }
    }

    /// Whether these are the bytes of the file.
    pub(super) fn is_of(&self, file: &[u8]) -> bool {
        file.len() as u64 == self.len()
            && match self {
                Self::Digests { sha256, .. } => Digest::of(file) == *sha256,
                Self::Checksum { crc32, .. } => crc32fast::hash(file) == *crc32,
            }
    }
}

/// The masks that a cell was trained under.
pub(in crate::lottery) const MASKS: &str = "masks.mask";

/// Weights to go back to.
pub(in crate::lottery) fn weights_file(moment: Moment) -> String {
    format!("weights-{}.bpk", moment.to_string().replace(' ', "-"))
}

/// Masks of the next round.
pub(in crate::lottery) fn next_masks_file(moment: Moment) -> String {
    format!("next-{}.mask", moment.to_string().replace(' ', "-"))
}
