use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::io;
use std::path::Path;

use serde::Serialize;

/// What `results.json` holds. Pairs are of the network before and after.
#[derive(Serialize)]
pub(crate) struct Results {
    /// Of the channels of each group that were asked to go.
    pub fraction: f64,
    pub groups: usize,
    pub channels: [usize; 2],
    pub parameters: [u64; 2],
    /// For one image.
    pub multiply_adds: [u64; 2],
    pub latency_ms_batch1: [f64; 2],
    /// From PyTorch, as a fraction of the largest logit.
    pub reference_difference: f64,
    /// Between the masked and the small network, as a fraction of the largest logit.
    pub masked_difference: f64,
    pub seconds: BTreeMap<String, f64>,
}

impl Results {
    /// Writes `results.json`, whole or not at all.
    pub(crate) fn save(&self, out: &Path) -> io::Result<()> {
        let part = out.join("results.json.part");
        fs::write(&part, serde_json::to_vec_pretty(self)?)?;
        fs::rename(part, out.join("results.json"))
    }
}

impl fmt::Display for Results {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = |f: &mut fmt::Formatter<'_>, what: &str, pair: [f64; 2], digits: usize| {
            let [before, after] = pair;
            let times = before / after;
            writeln!(
                f,
                "{what:<28}{before:>9.digits$} -> {after:>9.digits$}  ({times:.2}x)"
            )
        };
        let millions = |pair: [u64; 2]| pair.map(|number| number as f64 / 1e6);
        let channels = self.channels.map(|channels| channels as f64);
        line(f, "channels", channels, 0)?;
        line(f, "million parameters", millions(self.parameters), 3)?;
        line(f, "million multiply-adds", millions(self.multiply_adds), 1)?;
        line(f, "ms for one image", self.latency_ms_batch1, 1)
    }
}
