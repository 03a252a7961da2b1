//! What can go wrong in the engine, said so that the reader knows the file, the reason and the next step.

use std::path::PathBuf;

/// Every failure that outside input, the machine or the training itself can cause.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file could not be read, written or renamed.
    #[error("{path}: {action} failed: {source}", path = path.display())]
    Io { path: PathBuf, action: &'static str, source: std::io::Error },
    /// A file was read, but what it holds cannot be used. `reason` ends with what to do, where that is not obvious.
    #[error("{path}: {reason}", path = path.display())]
    Format { path: PathBuf, reason: String },
    /// A recipe has an unknown key, a value of the wrong type, or values that contradict each other.
    #[error("recipe: {0}")]
    Recipe(String),
    /// The requested device is not there.
    #[error("{0}")]
    Device(String),
    /// The loss or a weight stopped being a number. `checkpoint` is the last good one, if any was written.
    #[error("training diverged: {what} at step {step}; {kept}. Train under another --name (or --out) with lower learning \
             rates (matrix_lr, scalar_lr, tied_embed_lr) or with grad_clip_norm", kept = match checkpoint {
                 Some(path) => format!("the last good checkpoint is kept at {}", path.display()),
                 None => "no checkpoint had been written yet".to_owned(),
             })]
    Diverged { step: u64, what: String, checkpoint: Option<PathBuf> },
    /// The user asked to stop (Ctrl-C or SIGTERM); the state on disk lets the same command continue.
    #[error("interrupted at step {step}; run the same command again to continue")]
    Interrupted { step: u64 },
    /// A parameter cannot be stored as the recipe asks. `reason` ends with what to do.
    #[error("parameter {name}: {reason}")]
    Parameter { name: String, reason: String },
    /// A target has no score. `position` is that of its token in the validation stream.
    #[error("{mode}: document {doc} has no score, because the nats of token {position} of the validation stream are not a \
             number; the weights are out of bounds{cause}", cause = match *mode {
                 "ttt" => ", or learning from the document made them so: try a smaller ttt_lora_lr",
                 _ => ": see whether the training diverged",
             })]
    Score { mode: &'static str, doc: usize, position: usize },
    /// The user asked to stop during an evaluation, which starts over when it is run again.
    #[error("interrupted while scoring; run the same command again")]
    Stopped,
    /// libtorch refused an operation: a bug here, or memory that ran out.
    #[error("libtorch: {0}")]
    Torch(#[from] tch::TchError),
}

/// Result with the engine's [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// An [`Error::Io`] for `path`, shaped for `map_err`.
    pub fn io(path: impl Into<PathBuf>, action: &'static str) -> impl FnOnce(std::io::Error) -> Error {
        let path = path.into();
        move |source| Error::Io { path, action, source }
    }

    /// An [`Error::Format`] for `path`.
    pub fn format(path: impl Into<PathBuf>, reason: impl Into<String>) -> Error {
        Error::Format { path: path.into(), reason: reason.into() }
    }
}
