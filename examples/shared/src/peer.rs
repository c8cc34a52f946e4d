use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

/// The same model in another runtime: a script of `benches/peers`, as a process that stays alive.
///
/// It times itself when it is asked to. Between two questions it rests, so that it takes nothing from
/// what is measured beside it.
#[derive(Debug)]
pub struct Peer {
    script: String,
    process: Child,
    questions: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    /// For inputs and outputs.
    folder: TempDir,
}

impl Peer {
    /// Starts a script with a Python that has what it needs (see `benches/peers/README.md`).
    ///
    /// # Errors
    /// When there is no such Python.
    pub fn start(python: &Path, script: &str, threads: usize) -> io::Result<Self> {
        let peers = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../benches/peers");
        let mut process = Command::new(python)
            .arg(peers.join(script))
            .arg(threads.to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let questions = process.stdin.take();
        let answers = process.stdout.take().expect("it is piped");
        Ok(Self {
            script: script.to_string(),
            process,
            questions,
            answers: BufReader::new(answers),
            folder: TempDir::new()?,
        })
    }

    /// Opens an ONNX file in the place of the one before.
    ///
    /// # Errors
    /// When the runtime cannot.
    pub fn load(&mut self, model: &Path) -> io::Result<()> {
        self.ask(json!(["load", model])).map(drop)
    }

    /// Takes a weight of `rows` outputs and `columns` inputs in the place of the one before.
    ///
    /// # Errors
    /// When the runtime cannot.
    pub fn load_weight(&mut self, weight: &[f32], rows: usize, columns: usize) -> io::Result<()> {
        let path = self.folder.path().join("weight");
        write(&path, weight)?;
        self.ask(json!(["load", path, rows, columns])).map(drop)
    }

    /// All outputs for an input, one behind the other. The input stays for [`Peer::time`].
    ///
    /// # Errors
    /// When the runtime fails.
    pub fn run(&mut self, input: &[f32]) -> io::Result<Vec<f32>> {
        let [from, to] = ["input", "output"].map(|name| self.folder.path().join(name));
        write(&from, input)?;
        self.ask(json!(["run", from, to]))?;
        let bytes = fs::read(to)?;
        let (values, _) = bytes.as_chunks();
        Ok(values
            .iter()
            .map(|bytes| f32::from_le_bytes(*bytes))
            .collect())
    }

    /// The seconds of each of so many runs with that input, one right after the other.
    ///
    /// # Errors
    /// When the runtime fails.
    pub fn time(&mut self, runs: usize) -> io::Result<Vec<f64>> {
        let answer = self.ask(json!(["time", runs]))?;
        let seconds = answer.as_array().into_iter().flatten();
        Ok(seconds.filter_map(Value::as_f64).collect())
    }

    fn ask(&mut self, question: Value) -> io::Result<Value> {
        let failed = |message: &str| io::Error::other(format!("{}: {message}", self.script));
        let questions = self.questions.as_mut().expect("it is open until the end");
        writeln!(questions, "{question}")?;
        questions.flush()?;
        let mut line = String::new();
        if self.answers.read_line(&mut line)? == 0 {
            return Err(failed("it ended; its own message is above"));
        }
        let answer: Value = serde_json::from_str(&line)?;
        match answer.get("error") {
            Some(error) => Err(failed(&error.to_string())),
            None => Ok(answer),
        }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It ends with its input.
        self.questions = None;
        drop(self.process.wait());
    }
}

fn write(path: &Path, values: &[f32]) -> io::Result<()> {
    let bytes: Vec<u8> = values
        .iter()
        .flat_map(|value| value.to_le_bytes())
        .collect();
    fs::write(path, bytes)
}
