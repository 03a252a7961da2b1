//! The errors that stop a command. Each is rendered once, in `main`, with the exit code that `caddie --help` documents.

pub use caddie_files::exit;

/// Everything that stops a command.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The toolkit refused.
    #[error(transparent)]
    Toolkit(#[from] caddie_files::Error),
    /// The engine refused.
    #[cfg(feature = "engine")]
    #[error(transparent)]
    Engine(#[from] caddie_engine::Error),
}

/// Result with any [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

/// Converts failures of files that the engine's commands write.
#[cfg(feature = "engine")]
impl From<caddie_format::atomic::Failure> for Error {
    fn from(failure: caddie_format::atomic::Failure) -> Error {
        Error::Engine(failure.into())
    }
}

impl Error {
    /// The command line asks for something that cannot be done; `text` says what to change.
    pub fn usage(text: impl Into<String>) -> Error {
        caddie_files::Error::Usage(text.into()).into()
    }

    /// A file or folder was read, but what it holds cannot be used.
    pub fn unreadable(path: impl AsRef<camino::Utf8Path>, reason: impl Into<String>) -> Error {
        caddie_files::Error::unreadable(path, reason).into()
    }

    /// The documented exit code.
    pub fn exit_code(&self) -> u8 {
        match self {
            _ if self.no_room() => exit::INTERRUPTED,
            Error::Toolkit(error) => error.exit_code(),
            #[cfg(feature = "engine")]
            Error::Engine(error) => engine_exit_code(error),
        }
    }

    /// Tells whether a disk, a quota or a limit on file sizes left no room for a file.
    pub fn no_room(&self) -> bool {
        match self {
            Error::Toolkit(error) => error.no_room(),
            #[cfg(feature = "engine")]
            Error::Engine(caddie_engine::Error::Io { source, .. }) => caddie_files::no_room(source),
            #[cfg(feature = "engine")]
            Error::Engine(_) => false,
        }
    }
}

#[cfg(feature = "engine")]
fn engine_exit_code(error: &caddie_engine::Error) -> u8 {
    use caddie_engine::Error as E;
    match error {
        E::Io { .. } | E::Format { .. } | E::Recipe(_) | E::Device(_) => exit::USAGE,
        E::Diverged { .. } | E::Parameter { .. } | E::Score { .. } => exit::FINDINGS,
        E::Interrupted { .. } | E::Stopped => exit::INTERRUPTED,
        E::Torch(_) => exit::INTERNAL,
    }
}
