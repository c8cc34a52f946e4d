use std::path::Path;

use burn::module::Module;
use burn::store::ModuleRecord;
use serde_json::{Value, json};

use super::cell_id::CellId;
use super::error::{LotteryError, file_error};
use super::store::{Directory, Found, MASKS, Source};
use crate::error::PruneError;
use crate::mask::MaskSet;
use crate::prunable::Prunable;
use crate::rejected::Rejected;
use crate::{files, record};

const MAGIC: &[u8; 8] = b"BURNTCKT";
/// The newest version that is known, and the one that is written.
const VERSION: u32 = 1;
const CHECKSUM: usize = 4;

/// A lottery ticket: weights to start from, the masks, and a description, in one file.
///
/// It holds all weights, also those under the masks.
///
/// ```
/// use burn::{nn::LinearConfig, tensor::Device};
/// use burn_prune::{Prunable, lottery::Ticket};
///
/// let config = LinearConfig::new(8, 4);
/// let start = config.init(&Device::flex());
/// let masks = start.clone().l1_unstructured(0.5)?.masks();
///
/// let folder = tempfile::tempdir()?;
/// let file = folder.path().join("layer.ticket");
/// Ticket::new(start.clone(), masks.clone()).save(&file)?;
///
/// let ticket = Ticket::load(&file)?;
/// let layer = ticket.apply(config.init(&Device::flex()))?;
/// assert_eq!(layer.masks(), masks);
/// assert_eq!(layer.bias.unwrap().val().into_data(), start.bias.unwrap().val().into_data());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Ticket {
    weights: ModuleRecord,
    masks: MaskSet,
    description: Value,
}

impl Ticket {
    /// A ticket from a model's weights and the masks for them.
    pub fn new<M: Module>(model: M, masks: MaskSet) -> Self {
        Self {
            weights: model.valid().into_record(),
            masks,
            description: Value::Null,
        }
    }

    /// The ticket that a round of a study has trained.
    ///
    /// # Errors
    /// When the study has no such method, or the cells are not there or damaged.
    pub fn from_study(directory: impl AsRef<Path>, cell: &CellId) -> Result<Self, LotteryError> {
        let directory = Directory::new(directory.as_ref());
        let study = directory.study()?;
        let mut methods = study.iter().flat_map(|study| &study.methods);
        let method = methods.find(|method| method.name == cell.method);
        let Some(method) = method.filter(|_| cell.round > 0) else {
            let message = format!(
                "there is no ticket `{cell}` in this study: only rounds of its methods are tickets"
            );
            return Err(file_error(directory.root(), message));
        };
        let whole = |cell: &CellId| match directory.find(cell)? {
            Found::Whole(outcome) => Ok(outcome),
            Found::Nothing => Err(file_error(&directory.folder(cell), "there is no such cell")),
            Found::Damaged(reason) => Err(file_error(&directory.folder(cell), reason)),
        };
        let outcome = whole(cell)?;
        let weights = Source::weights(cell, method);
        let before = whole(&weights.cell)?;
        let made_from = &outcome.made_from.weights;
        if made_from.is_some() && made_from.as_ref() != before.content(&weights.file) {
            let message = format!(
                "the weights that this cell went back to are no longer those of {}",
                weights.cell
            );
            return Err(file_error(&directory.folder(cell), message));
        }
        Ok(Self {
            weights: directory.weights(&before, &weights.file)?,
            masks: directory.masks(&outcome, MASKS)?,
            description: json!({
                "cell": cell,
                "weights_of": method.rewind.weights_to,
                "remaining": outcome.remaining(),
                "test_accuracy": outcome.test_accuracy,
                "settings": outcome.settings,
            }),
        })
    }

    /// The masks.
    pub fn masks(&self) -> &MaskSet {
        &self.masks
    }

    /// What the ticket is. For a ticket from a study: its `cell`, the moment that the weights are of, the
    /// fraction `remaining`, the `test_accuracy` that it was trained to, and the study's `settings`.
    pub fn description(&self) -> &Value {
        &self.description
    }

    /// Sets the description.
    #[must_use]
    pub fn describe(mut self, description: Value) -> Self {
        self.description = description;
        self
    }

    /// Puts the ticket's weights and masks into a model of the same shape, on any backend.
    ///
    /// # Errors
    /// When the model has masks already, or other parameters or shapes.
    pub fn apply<M: Module>(self, model: M) -> Result<M, Rejected<M>> {
        if model.is_pruned() {
            let message = "the model has masks already; apply the ticket to a model without masks"
                .to_string();
            return Err(Rejected::new(model, PruneError::Record { message }));
        }
        // The clone shares everything, and rewinding checks before it writes.
        let masked = model.clone().with_masks(&self.masks);
        masked
            .and_then(|masked| masked.rewind(self.weights))
            .map_err(|rejected| Rejected::new(model, rejected.into()))
    }

    /// Writes the ticket to a file, versioned and with a checksum.
    ///
    /// # Errors
    /// When the file cannot be written. A file that was there stays whole.
    pub fn save(self, path: impl AsRef<Path>) -> Result<(), LotteryError> {
        let path = path.as_ref();
        let failed = |error: &dyn std::fmt::Display| file_error(path, error);
        let description = serde_json::to_vec(&self.description).map_err(|error| failed(&error))?;
        let weights = self.weights.into_bytes().map_err(|error| failed(&error))?;
        let mut bytes = MAGIC.to_vec();
        bytes.extend(VERSION.to_le_bytes());
        for section in [&description, &self.masks.to_bytes(), &weights[..].to_vec()] {
            bytes.extend((section.len() as u64).to_le_bytes());
            bytes.extend(section);
        }
        bytes.extend(crc32fast::hash(&bytes).to_le_bytes());
        files::write(path, &bytes).map_err(|error| failed(&error))
    }

    /// Reads what [`save`](Self::save) wrote.
    ///
    /// # Errors
    /// When the file cannot be read, is damaged, is no ticket, or is of a newer version.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, LotteryError> {
        let path = path.as_ref();
        let failed = |error: &dyn std::fmt::Display| file_error(path, error);
        let bytes = std::fs::read(path).map_err(|error| failed(&error))?;
        let Some(rest) = bytes.strip_prefix(MAGIC) else {
            return Err(failed(
                &"this is no ticket of burn-prune; expected a file that `Ticket::save` wrote",
            ));
        };
        let damaged = || failed(&"the ticket is damaged: its checksum or content is wrong");
        let (version, _) = rest.split_first_chunk::<4>().ok_or_else(damaged)?;
        let version = u32::from_le_bytes(*version);
        if version > VERSION {
            let message = format!(
                "version {version} is newer than {VERSION}, the newest that this release reads"
            );
            return Err(failed(&message));
        }
        let (content, checksum) = bytes.split_last_chunk::<CHECKSUM>().ok_or_else(damaged)?;
        if crc32fast::hash(content) != u32::from_le_bytes(*checksum) {
            return Err(damaged());
        }
        let mut rest = content.get(MAGIC.len() + 4..).ok_or_else(damaged)?;
        let mut section = || {
            let (length, after) = rest.split_first_chunk::<8>()?;
            let length = usize::try_from(u64::from_le_bytes(*length)).ok()?;
            let (section, after) = after.split_at_checked(length)?;
            rest = after;
            Some(section)
        };
        let [Some(description), Some(masks), Some(weights)] = [section(), section(), section()]
        else {
            return Err(damaged());
        };
        Ok(Self {
            weights: record::of_bytes(weights.to_vec()).map_err(|error| failed(&error))?,
            masks: MaskSet::from_bytes(masks).ok_or_else(damaged)?,
            description: serde_json::from_slice(description).map_err(|error| failed(&error))?,
        })
    }
}
