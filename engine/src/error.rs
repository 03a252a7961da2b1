//! The engine's errors. Each message tells the reader the file, the reason and the next step.

use std::path::PathBuf;

use caddie_format::atomic;

/// Every failure that outside input, the machine or the training itself can cause.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file could not be read, written or renamed.
    #[error("{path}: {action} failed: {source}", path = path.display())]
    Io { path: PathBuf, action: &'static str, source: std::io::Error },
    /// A file was read, but its contents cannot be used. `reason` ends with the remedy, where that is not obvious.
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
    /// A parameter cannot be stored as the recipe asks. `reason` ends with the remedy.
    #[error("parameter {name}: {reason}")]
    Parameter { name: String, reason: String },
    /// A target has no score. `position` is that of its token in the validation stream.
    #[error("{mode}: document {doc} has no score, because the nats of token {position} of the validation stream are not a \
             number; the weights are out of bounds{cause}", cause = match *mode {
                 "ttt" => ", or learning from the document made them so: try a smaller ttt_lora_lr",
                 _ => ": see whether the training diverged",
             })]
    Score { mode: &'static str, doc: usize, position: usize },
    /// The user asked to stop during an evaluation.
    #[error("interrupted while scoring; run the same command again to continue")]
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

impl From<atomic::Failure> for Error {
    fn from(failure: atomic::Failure) -> Error {
        match failure {
            atomic::Failure::Io { path, action, source } => Error::Io { path, action, source },
            atomic::Failure::Refused { path, reason } => Error::Format { path, reason },
        }
    }
}

/// Runs `work` and turns tch's panics, when libtorch refuses an operation, into [`Error::Torch`]: a GPU that is out of
/// memory is an error of the run with libtorch's own words, not a crash. Any other panic goes on.
///
/// # Errors
/// Those of `work`, and libtorch's.
pub fn guard<T>(work: impl FnOnce() -> Result<T>) -> Result<T> {
    use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
    quiet::while_guarded(|| catch_unwind(AssertUnwindSafe(work))).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
        match text.and_then(torch_message) {
            Some(message) => Err(Error::Torch(tch::TchError::Torch(message))),
            None => resume_unwind(panic),
        }
    })
}

/// Extracts libtorch's message from the text of a panic of `unwrap`.
fn torch_message(text: &str) -> Option<String> {
    let (_, error) = text.split_once("Torch(\"").or_else(|| text.split_once("libtorch: "))?;
    // The first line says what; the rest is a stack of C++ functions.
    let line = error.split("\\n").next().unwrap_or(error).lines().next().unwrap_or(error);
    Some(line.trim_end_matches("\")").to_owned())
}

/// Keeps the panics that [`guard`] turns into errors from being printed as crashes.
mod quiet {
    use std::cell::Cell;
    use std::sync::Once;

    thread_local! {
        static GUARDED: Cell<u32> = const { Cell::new(0) };
    }

    pub fn while_guarded<T>(work: impl FnOnce() -> T) -> T {
        static HOOK: Once = Once::new();
        HOOK.call_once(|| {
            let loud = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |info| {
                let text = info.payload().downcast_ref::<String>();
                let ours = GUARDED.get() > 0 && text.is_some_and(|text| super::torch_message(text).is_some());
                if !ours {
                    loud(info);
                }
            }));
        });
        GUARDED.set(GUARDED.get() + 1);
        let result = work();
        GUARDED.set(GUARDED.get() - 1);
        result
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_libtorch_refuses_is_an_error_and_any_other_panic_goes_on() {
        let wrong =
            || tch::Tensor::zeros([2, 3], (tch::Kind::Float, tch::Device::Cpu)).matmul(&tch::Tensor::from(1.0f32));
        let error = guard(|| Ok(wrong())).unwrap_err();
        assert!(matches!(error, Error::Torch(_)) && !error.to_string().contains("unwrap"), "{error}");
        assert!(std::panic::catch_unwind(|| guard(|| -> Result<()> { panic!("a fault of our own") })).is_err());
        assert_eq!(guard(|| Ok(3)).unwrap(), 3);
    }
}
