use std::path::PathBuf;

/// Why a plot was not drawn.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PlotError {
    /// No line has a point that can be drawn.
    #[error(
        "{}: there is nothing to draw: no line has a point with finite values, and above 0 on a \
         logarithmic axis", path.display()
    )]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// The extension of the file names no format that can be drawn.
    #[error(
        "{}: expected the extension `svg` or `png`, which decides the format, found {}",
        path.display(),
        if found.is_empty() { "none".to_string() } else { format!("`{found}`") }
    )]
    Format {
        /// The file.
        path: PathBuf,
        /// Its extension; empty when it has none.
        found: String,
    },
    /// The file cannot be written.
    #[error("{}: {message}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        message: String,
    },
}
