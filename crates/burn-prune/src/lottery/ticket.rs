use std::path::Path;

use burn::module::Module;
use burn::store::ModuleRecord;
use serde::{Deserialize, Serialize};

use super::directory::{Directory, Found, file_error, write_file};
use super::method::DENSE;
use super::search::{MASKS, weights_file};
use super::{CellId, LotteryError};
use crate::{MaskSet, Prunable, PruneError, Rejected};
