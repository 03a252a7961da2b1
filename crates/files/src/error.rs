//! Errors that stop the toolkit: each names the file, the reason and the next step.

use camino::{Utf8Path, Utf8PathBuf};

/// Exit codes, one meaning each (design: contracts).
pub mod exit {
    /// Nothing at or above the threshold.
    pub const OK: u8 = 0;
    /// Findings, a size over the limit, a score that does not reproduce, or a training run that diverged.
    pub const FINDINGS: u8 = 1;
    /// Wrong usage, or input that cannot be read.
    pub const USAGE: u8 = 2;
    /// Interrupted; the same command continues.
    pub const INTERRUPTED: u8 = 3;
    /// A bug in caddie.
    pub const INTERNAL: u8 = 4;
}

/// Everything that stops a command.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The command line asks for something that cannot be done; the text says what to change.
    #[error("{0}")]
    Usage(String),
    /// A file could not be read, written, renamed or created.
    #[error("{path}: {action} failed: {}{}", cause(source), next_step(source))]
    Io { path: Utf8PathBuf, action: &'static str, source: std::io::Error },
    /// A file or folder was read, but what it holds cannot be used.
    #[error("{path}: {reason}")]
    Unreadable { path: Utf8PathBuf, reason: String },
    /// The user stopped the command, or the disk filled up; what is on disk lets the same command continue.
    #[error("{0}")]
    Interrupted(String),
    /// A bug in caddie.
    #[error("internal error: {0}; please report it with the command that caused it")]
    Internal(String),
}

/// Result with the toolkit's [`Error`].
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// An [`Error::Io`] for `path`, shaped for `map_err`.
    pub fn io(path: impl AsRef<Utf8Path>, action: &'static str) -> impl FnOnce(std::io::Error) -> Error {
        let path = path.as_ref().to_owned();
        move |source| Error::Io { path: named(&path), action, source }
    }

    /// An [`Error::Unreadable`] for `path`.
    pub fn unreadable(path: impl AsRef<Utf8Path>, reason: impl Into<String>) -> Error {
        Error::Unreadable { path: named(path.as_ref()), reason: reason.into() }
    }

    /// The same error about a file that the user knows by another path.
    pub fn renamed(self, from: &Utf8Path, to: &Utf8Path) -> Error {
        match self {
            Error::Unreadable { path, reason } if path == from => Error::unreadable(to, reason),
            Error::Io { path, action, source } if path == from => Error::Io { path: named(to), action, source },
            other => other,
        }
    }

    /// The documented exit code.
    pub fn exit_code(&self) -> u8 {
        match self {
            _ if self.no_room() => exit::INTERRUPTED,
            Error::Usage(_) | Error::Unreadable { .. } | Error::Io { .. } => exit::USAGE,
            Error::Interrupted(_) => exit::INTERRUPTED,
            Error::Internal(_) => exit::INTERNAL,
        }
    }

    /// Tells whether a disk, a quota or a limit on file sizes left no room for a file.
    pub fn no_room(&self) -> bool {
        matches!(self, Error::Io { source, .. } if no_room(source))
    }
}

/// Tells whether an error of the system says that a disk, a quota or a limit on file sizes left no room.
pub fn no_room(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{FileTooLarge, QuotaExceeded, StorageFull};
    matches!(error.kind(), StorageFull | QuotaExceeded | FileTooLarge)
}

/// Returns the path as an error shows it: an empty one is shown as it was given.
pub fn named(path: &Utf8Path) -> Utf8PathBuf {
    if path.as_str().is_empty() { Utf8PathBuf::from("''") } else { path.to_owned() }
}

/// Returns the system's own words. Its wrappers name the file once more, which the message does already.
fn cause(error: &std::io::Error) -> String {
    let text = error.to_string();
    match text.rsplit_once("`: ").filter(|_| text.starts_with("failed to ")) {
        Some((_, cause)) => cause.to_owned(),
        None => text,
    }
}

/// Returns advice for the user, where the system's words leave the next step open.
fn next_step(error: &std::io::Error) -> &'static str {
    use std::io::ErrorKind::{IsADirectory, NotADirectory, NotFound, PermissionDenied};
    match error.kind() {
        NotFound => "; check the path, and that its folder is there",
        PermissionDenied => "; check its permissions",
        NotADirectory => "; a part of the path is a file; name a folder",
        IsADirectory => "; it is a folder; name a file",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_error_names_the_file_once_the_reason_and_the_next_step() {
        let wrapped = fs_err::File::open("no such place/a.log").expect_err("is not there");
        let said = Error::io("no such place/a.log", "opening")(wrapped).to_string();
        assert_eq!(said.matches("a.log").count(), 1, "{said}");
        assert!(said.starts_with("no such place/a.log: opening failed: "), "{said}");
        assert!(said.ends_with("; check the path, and that its folder is there"), "{said}");
        let other = std::io::Error::other("`x`: y");
        assert_eq!(Error::io("b", "reading")(std::io::Error::other("z")).to_string(), "b: reading failed: z");
        assert_eq!(Error::io("b", "reading")(other).to_string(), "b: reading failed: `x`: y");
    }
}
