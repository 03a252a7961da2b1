//! One seed of a submission: kept where it is finished, run where it is not.

use std::sync::atomic::AtomicBool;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

use super::environment::Environment;
use super::family::Family;
use super::process::{self, Cap, Job, Start, Stopped, Watch};
use super::record::{self, Cause, Machine, RunRecord, State, Written};
use super::stranger::Stranger;
use super::{reading, reason};
use crate::render::script::ScriptRun;
use caddie_files::{Error, Result};

/// The file for the script's output, as it comes.
pub const LOG: &str = "log.txt";
/// The folder that the script runs in.
pub const FILES: &str = "files";
/// The folder for runs that are not of this submission any more.
const EARLIER: &str = "earlier";
/// Lines that are shown of a run that failed.
const LAST_LINES: usize = 20;
/// Time for processes of an earlier start to end.
const GRACE: Duration = Duration::from_secs(5);

/// A seed's run, with all that decides it.
#[derive(Debug)]
pub struct Seed<'a> {
    pub seed: u64,
    /// `runs/<name>/seed-<n>`.
    pub dir: Utf8PathBuf,
    pub cause: Cause,
    pub environment: Environment,
    pub machine: &'a Machine,
    pub cap: Option<Cap>,
    pub surroundings: Surroundings,
}

/// The place that a script finds itself in.
#[derive(Debug, Default)]
pub struct Surroundings {
    /// Files that are copied into the folder of the run before it begins: their names there, and where they are now.
    pub brought: Vec<(Utf8PathBuf, Utf8PathBuf)>,
    /// The stranger whose script it is; `None` for the user's own, which runs as the user would run it.
    pub stranger: Option<Stranger>,
}

/// A run that failed.
#[derive(Debug, Clone)]
pub struct Failure {
    pub seed: u64,
    pub reason: String,
    /// Its last lines.
    pub tail: Vec<String>,
    pub log: Utf8PathBuf,
}

impl Seed<'_> {
    /// The run, where it is finished, of this very script, command and environment.
    ///
    /// # Errors
    /// When the record cannot be read.
    pub fn finished(&self) -> Result<Option<RunRecord>> {
        let record = RunRecord::read(&self.dir)?;
        Ok(record.filter(|record| record.state == State::Finished && record.cause.is_that_of(&self.cause)))
    }

    /// Runs it from the beginning. What lay in its directory is moved aside.
    ///
    /// # Errors
    /// When it cannot be started, its output cannot be kept, or the user interrupts. That the script fails is no error.
    pub fn run(
        &self,
        stop: &AtomicBool,
        watch: &mut dyn Watch,
        say: &mut dyn FnMut(&str),
    ) -> Result<std::result::Result<RunRecord, Failure>> {
        self.clear(say)?;
        let files = self.dir.join(FILES);
        fs::create_dir_all(&files).map_err(Error::io(&files, "creating"))?;
        let files = files.canonicalize_utf8().map_err(Error::io(&files, "resolving"))?;
        self.surroundings.bring(&files)?;
        let mark = mark(&files);
        let mut record = RunRecord::begin(self.seed, self.cause.clone(), self.machine.clone(), mark);
        record.write(&self.dir)?;
        let log = self.dir.join(LOG);
        let walled = match &self.surroundings.stranger {
            Some(stranger) => stranger.prepare(&self.cause.command, &self.environment.set, &files, &record.mark)?,
            None => None,
        };
        let job = Job {
            command: &self.cause.command,
            env: &self.environment.set,
            cwd: &files,
            log: &log,
            mark: &record.mark,
            cap: self.cap,
            stop,
            start: match (&self.surroundings.stranger, &walled) {
                (None, _) => Start::AsUser,
                (Some(_), None) => Start::Bare,
                (Some(_), Some(walled)) => Start::Walled(&walled.plan, &walled.file),
            },
        };
        let ended = process::run(&job, watch)?;
        if let Some(walled) = walled {
            walled.clear(&ended)?;
        }
        let why = reason::of(&ended);
        record.ended = Some(jiff::Timestamp::now());
        record.seconds = Some(ended.seconds);
        record.status = Some(reason::shown(ended.status));
        record.left_behind = ended.left_behind;
        record.files = self.surroundings.written(&files)?;
        record.log = Some(Written::of_file(&self.dir, Utf8Path::new(LOG))?);
        record.state = if why.is_some() { State::Failed } else { State::Finished };
        record.reason.clone_from(&why);
        record.write(&self.dir)?;
        if ended.stopped == Some(Stopped::Interrupted) {
            return Err(Error::Interrupted(format!(
                "seed {}: interrupted, and the script was ended; the same command keeps the finished seeds and starts this \
                 one over",
                self.seed
            )));
        }
        if ended.left_behind > 0 {
            let (count, seed) = (ended.left_behind, self.seed);
            say(&format!("seed {seed}: processes that the script left behind, and that were ended: {count}"));
        }
        Ok(match why {
            None => {
                watch.finished();
                Ok(record)
            }
            Some(reason) => {
                let tail = ended.tail.iter().skip(ended.tail.len().saturating_sub(LAST_LINES)).cloned().collect();
                Err(Failure { seed: self.seed, reason, tail, log })
            }
        })
    }

    /// Reads the log of a finished run.
    ///
    /// # Errors
    /// As [`reading::of`].
    pub fn read(&self, record: &RunRecord) -> Result<std::result::Result<ScriptRun, Failure>> {
        let read = reading::of(&self.dir, record)?;
        Ok(read.map_err(|reason| Failure { seed: self.seed, reason, tail: Vec::new(), log: self.dir.join(LOG) }))
    }

    /// Makes room for a new run. Scripts cannot go on where they stopped; a run that finished is never deleted.
    fn clear(&self, say: &mut dyn FnMut(&str)) -> Result<()> {
        let dir = &self.dir;
        if dir.symlink_metadata().is_err() {
            return Ok(());
        }
        let record = RunRecord::read(dir)?;
        if let Some(record) = record.as_ref().filter(|record| record.state == State::Running) {
            Family::left_by(&record.mark).end(GRACE);
        }
        let earlier = dir.parent().unwrap_or(Utf8Path::new(".")).join(EARLIER);
        fs::create_dir_all(&earlier).map_err(Error::io(&earlier, "creating"))?;
        let name = dir.file_name().unwrap_or("seed");
        let (to, why) = match record {
            Some(record) if record.state != State::Finished => {
                let to = earlier.join(format!("{name}.unfinished"));
                // One is enough: a script that fails ten times leaves one checkpoint, not ten.
                match fs::remove_dir_all(&to) {
                    Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                        return Err(Error::io(&to, "removing")(error));
                    }
                    _ => {}
                }
                (to, "an earlier start did not finish, and a script cannot go on")
            }
            Some(_) => (free(&earlier, name), "it was run with another script, command or environment"),
            None => (free(&earlier, name), "what lay in its place is no run of a script"),
        };
        fs::rename(dir, &to).map_err(Error::io(dir, "moving it aside"))?;
        say(&format!("seed {}: {why}: it starts from the beginning; the earlier one is in {to}", self.seed));
        Ok(())
    }
}

/// A name that nothing has.
fn free(earlier: &Utf8Path, name: &str) -> Utf8PathBuf {
    let numbered = |n: u32| earlier.join(format!("{name}.{n}"));
    (1..).map(numbered).find(|path| path.symlink_metadata().is_err()).unwrap_or_else(|| numbered(0))
}

impl Surroundings {
    fn bring(&self, files: &Utf8Path) -> Result<()> {
        for (name, from) in &self.brought {
            let to = files.join(name);
            let parent = to.parent().unwrap_or(files);
            fs::create_dir_all(parent).map_err(Error::io(parent, "creating"))?;
            fs::copy(from, &to).map_err(Error::io(from, "copying"))?;
        }
        Ok(())
    }

    /// Lists the files of a run without those that were brought and are as they were.
    fn written(&self, files: &Utf8Path) -> Result<Vec<Written>> {
        let mut written = record::written(files)?;
        for (name, from) in &self.brought {
            let sha256 = caddie_files::sha256(from)?;
            written.retain(|file| file.path != *name || file.sha256 != sha256);
        }
        Ok(written)
    }
}

/// Returns a mark that no other run carries.
fn mark(dir: &Utf8Path) -> String {
    let now = jiff::Timestamp::now().as_nanosecond();
    let hash = caddie_format::sha256(format!("{dir} {} {now}", std::process::id()).as_bytes());
    hash.chars().take(32).collect()
}
