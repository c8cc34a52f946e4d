use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// The figures of PyTorch on the same machine, by `peers/torch_prune.py`.
#[derive(Debug)]
pub struct Peers(Value);

impl Peers {
    /// Runs one part of the script, or nothing without a Python.
    ///
    /// # Panics
    /// When the script fails.
    pub fn run(python: Option<&Path>, part: &str, quick: bool) -> Option<Self> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers/torch_prune.py");
        let mut command = Command::new(python?);
        command.arg(script).arg(part);
        if quick {
            command.arg("--quick");
        }
        let output = command.output().expect("the Python given can be run");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "torch_prune.py failed: {errors}");
        let figures = serde_json::from_slice(&output.stdout);
        Some(Self(figures.expect("the script prints JSON")))
    }

    /// A figure by its name.
    ///
    /// # Panics
    /// When the script has not printed it.
    pub fn get(&self, name: &str) -> f64 {
        let figure = self.0.get(name).and_then(Value::as_f64);
        figure.unwrap_or_else(|| panic!("torch_prune.py printed no `{name}`"))
    }
}
