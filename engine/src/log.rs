//! The run's log, written while the run goes on, in the line formats of the field (docs/spec/algorithms.md#log-lines).

use std::fs::{File, OpenOptions};
use std::io::{Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use crate::{Error, Result};

/// An event that a run reports to its observer.
#[derive(Debug, Clone, PartialEq)]
pub enum Event<'a> {
    /// A line that was just written to the log.
    Line(&'a str),
    /// A training step ended.
    Step { step: i64, iterations: i64, train_loss: f64, tokens_per_second: f64, seconds_left: f64 },
    /// Part of the validation set has been scored.
    Scoring { mode: &'static str, tokens: u64, of: u64, val_bpb: f64 },
}

/// Receives [`Event`]s; a progress bar, or nothing.
pub trait Observer {
    fn on(&mut self, event: &Event);
}

/// Ignores everything.
pub struct Silent;

impl Observer for Silent {
    fn on(&mut self, _event: &Event) {}
}

/// Separates the sections at the head of a log.
pub const RULE: &str =
    "====================================================================================================";

/// An append-only log file. Each line reaches the file before the run goes on.
pub struct Log {
    path: PathBuf,
    file: File,
}

impl Log {
    /// Opens `path` to continue at its end.
    pub fn open(path: &Path) -> Result<Log> {
        let mut options = OpenOptions::new();
        let mut file =
            options.create(true).truncate(false).write(true).open(path).map_err(Error::io(path, "opening"))?;
        file.seek(SeekFrom::End(0)).map_err(Error::io(path, "opening"))?;
        Ok(Log { path: path.to_owned(), file })
    }

    /// Drops the text past `bytes`: lines of work that is about to be repeated.
    pub fn keep_only(&mut self, bytes: u64) -> Result<()> {
        let keep = bytes.min(self.bytes()?);
        self.file
            .set_len(keep)
            .and_then(|()| self.file.seek(SeekFrom::End(0)))
            .map_err(Error::io(&self.path, "truncating"))?;
        Ok(())
    }

    /// Writes one line and tells the observer.
    pub fn line(&mut self, observer: &mut dyn Observer, text: &str) -> Result<()> {
        self.file.write_all(format!("{text}\n").as_bytes()).map_err(Error::io(&self.path, "writing"))?;
        observer.on(&Event::Line(text));
        Ok(())
    }

    /// Bytes written so far.
    pub fn bytes(&mut self) -> Result<u64> {
        self.file.stream_position().map_err(Error::io(&self.path, "measuring"))
    }
}
