//! Runs of one script one by one, on a corpus that the caller writes: what a probe of a script needs.

use std::collections::BTreeMap;
use std::sync::atomic::AtomicBool;

use camino::{Utf8Path, Utf8PathBuf};
use serde::Deserialize;

use caddie_files::{Error, Result};
use caddie_folder::RunLog;

use super::run::{Room, TrialRequest, run};
use super::{Interpreter, Options, RehearsalReport, Setting, locate, needed_minor, package, reading, settings};

/// The vocabulary that a script reads, and the settings that it asks for.
#[derive(Debug, Clone, Deserialize)]
pub struct Prepared {
    pub vocabulary: Vocabulary,
    /// Settings that the script reads from the environment, with those defaults that are numbers.
    pub defaults: BTreeMap<String, f64>,
    /// Settings that it asks for yes or no, and that are not on unless somebody gives them.
    pub switches: Vec<String>,
}

/// Token ids of a script's corpus.
#[derive(Debug, Clone, Deserialize)]
pub struct Vocabulary {
    pub size: usize,
    /// Whether the bytes of each validation token lie in a file of their own.
    pub case_operators: bool,
    /// Ids that stand for text.
    pub usable: Vec<u16>,
    /// Bytes of text of each id, the space before it included.
    pub lengths: Vec<u16>,
}

/// One run on a given corpus.
#[derive(Debug)]
pub struct ProbeTrial<'a> {
    /// The folder of the run, below the session's.
    pub name: &'a str,
    pub seed: i64,
    pub corpus: &'a Utf8Path,
    /// The largest value of settings of these names, in place of the toy's; 0 leaves them as the author chose them.
    pub sizes: &'a [(&'a str, f64)],
    /// Settings that win over everything.
    pub exact: &'a [(String, String)],
    /// Whether losses of single targets are caught.
    pub losses: bool,
}

/// A run that is over.
#[derive(Debug)]
pub struct EndedTrial {
    pub report: RehearsalReport,
    /// The log of it that `verify` would read.
    pub log: Option<RunLog>,
    /// The script's own folder and those of the other records beside it, with what it wrote.
    pub written: Utf8PathBuf,
}

/// A script, the Python that runs it, and the folder of all its runs.
pub struct Session<'a> {
    options: &'a Options,
    pub script: Utf8PathBuf,
    /// Settings that the folder's own commands give.
    settings: Vec<Setting>,
    interpreter: Interpreter,
    package: Utf8PathBuf,
    room: Room,
}

impl<'a> Session<'a> {
    /// Finds script and Python. Of `options` the seeds are not used.
    ///
    /// # Errors
    /// When the script cannot be read, or no Python can be found or made.
    pub fn new(options: &'a Options, tell: &mut dyn FnMut(&str)) -> Result<Session<'a>> {
        let (script, folder) = locate(&options.target)?;
        let newest = needed_minor(&script, &caddie_files::read_bounded(&script)?);
        Ok(Session {
            options,
            script,
            settings: folder.as_ref().map(settings::of).unwrap_or_default(),
            interpreter: Interpreter::find_for(options.python.as_deref(), newest, tell)?,
            package: package::unpacked()?,
            room: Room::new(options.keep.as_deref())?,
        })
    }

    /// Makes the corpus that the harness would make, in the layout and with the tokenizer that the script reads. Returns its
    /// folder, whose shards the caller may write anew, and what is known of the script. The script itself does not run.
    ///
    /// # Errors
    /// When the harness fails or a wall cannot be put up.
    pub fn prepare(&self, stop: &AtomicBool, tell: &mut dyn FnMut(&str)) -> Result<(Utf8PathBuf, Prepared)> {
        let extra = ["--prepare".to_owned()];
        let request = self.request(0, None, &extra);
        let (_, place) = run(&request, &self.room, "prepare", stop, tell)?;
        let report = place.join("report.json");
        let text = caddie_files::read_text(&report)?;
        let prepared = serde_json::from_str(&text).map_err(|error| Error::unreadable(&report, error.to_string()))?;
        Ok((self.room.corpus(), prepared))
    }

    /// Runs the script on a corpus.
    ///
    /// # Errors
    /// When the harness fails or a wall cannot be put up. What the script does wrong is in its [`RehearsalReport`].
    pub fn run(&self, trial: &ProbeTrial<'_>, stop: &AtomicBool, tell: &mut dyn FnMut(&str)) -> Result<EndedTrial> {
        let sizes = trial.sizes.iter().flat_map(|(name, value)| ["--size".to_owned(), format!("{name}={value}")]);
        let exact = trial.exact.iter().flat_map(|(name, value)| ["--exact".to_owned(), format!("{name}={value}")]);
        let losses = trial.losses.then(|| "--losses".to_owned());
        let extra: Vec<String> = sizes.chain(exact).chain(losses).collect();
        let request = self.request(trial.seed, Some(trial.corpus.to_owned()), &extra);
        let (report, place) = run(&request, &self.room, trial.name, stop, tell)?;
        let log = reading::best_log(&place);
        Ok(EndedTrial { report, log, written: place.join("work/records") })
    }

    fn request<'r>(&'r self, seed: i64, corpus: Option<Utf8PathBuf>, extra: &'r [String]) -> TrialRequest<'r> {
        TrialRequest {
            options: self.options,
            script: &self.script,
            settings: &self.settings,
            interpreter: &self.interpreter,
            package: &self.package,
            seed,
            corpus,
            extra,
        }
    }
}
