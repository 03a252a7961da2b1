//! The subject of a study: what a variant changes, and how a trial of one is run.

use std::time::Duration;

use caddie_folder::{Fact as _, Glance, RunLog};
use camino::Utf8PathBuf;
use serde::{Deserialize, Serialize};

use super::choice::Choice;
use super::plan::Variant;
use crate::Result;
use crate::runner::script::process::Watch;

/// The settings of a subject, which a study varies: a recipe's keys, or the variables of a script's environment.
pub trait Settings: Sync {
    /// States what the study is of.
    fn facts(&self) -> SubjectFacts;

    /// Name that begins the folder of every variant, below `runs/`.
    fn stem(&self) -> String;

    /// Returns the whole name of a setting.
    ///
    /// # Errors
    /// When the subject has no such setting; the message has names near it.
    fn whole_key(&self, key: &str) -> Result<String>;

    /// Returns the changes that switch a component off.
    ///
    /// # Errors
    /// When the subject has no such component, or it cannot be without it.
    fn without(&self, component: &str) -> Result<Vec<Choice>>;

    /// Returns the whole configuration with `changes`: two variants with the same one are the same.
    ///
    /// # Errors
    /// When the changes do not fit together or their values are of the wrong type.
    fn configured(&self, changes: &[Choice]) -> Result<String>;

    /// Returns the value of a setting, where it is known before a run.
    fn value(&self, key: &str) -> Option<String>;
}

/// A system that a study takes apart.
pub trait Subject: Sync {
    /// Returns its settings.
    fn settings(&self) -> &dyn Settings;

    /// Folder of a variant's trials.
    fn folder(&self, variant: &Variant) -> Utf8PathBuf;

    /// Runs a trial, or returns what it has come to before. `slot` counts the trials that go on side by side, from 0.
    ///
    /// # Errors
    /// When it cannot be started or kept, or the user interrupts. That the run itself fails is no error.
    fn run(&self, trial: &Trial<'_>, goal: Goal, slot: usize, onlooker: &dyn Onlooker) -> Result<Ran>;
}

/// One run of one variant.
#[derive(Debug, Clone, Copy)]
pub struct Trial<'a> {
    pub variant: &'a Variant,
    pub seed: u64,
}

impl Trial<'_> {
    /// Names the trial for a reader.
    pub fn name(&self) -> String {
        format!("{}, seed {}", self.variant.shown(), self.seed)
    }
}

/// How far a trial has to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Goal {
    /// The bytes of its model are known.
    Size,
    /// Its score is known.
    Score,
}

/// A trial that is over.
#[derive(Debug, Clone, PartialEq)]
pub struct Ran {
    pub end: TrialEnd,
    /// True if it was finished before.
    pub kept: bool,
}

impl Ran {
    /// A trial that was run now.
    pub fn now(end: TrialEnd) -> Ran {
        Ran { end, kept: false }
    }

    /// A trial that was finished before.
    pub fn before(end: TrialEnd) -> Ran {
        Ran { end, kept: true }
    }
}

/// What a trial came to.
#[derive(Debug, Clone, PartialEq)]
pub enum TrialEnd {
    Finished(TrialNumbers),
    Failed(TrialFailure),
}

/// A trial that failed.
#[derive(Debug, Clone, PartialEq)]
pub struct TrialFailure {
    pub reason: String,
    /// Its last lines.
    pub tail: Vec<String>,
    pub log: Utf8PathBuf,
}

/// The numbers of a finished trial, as its log states them.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrialNumbers {
    /// Name of the metric line that gives the score; `None` as long as a trial has gone only as far as its size.
    pub metric: Option<String>,
    /// Bits per byte.
    pub val_bpb: Option<f64>,
    /// Nats per token.
    pub val_loss: Option<f64>,
    pub steps: Option<u64>,
    pub train_seconds: Option<f64>,
    pub eval_seconds: Option<f64>,
    /// Training tokens for each second of the training clock.
    pub tokens_per_second: Option<f64>,
    /// Compressed weights, decimal bytes.
    pub bytes_model: Option<u64>,
    /// Weights and counted code, decimal bytes.
    pub bytes_total: Option<u64>,
}

impl TrialNumbers {
    /// Reads them from a log.
    pub fn of(log: &RunLog) -> TrialNumbers {
        let (steps, train_seconds) = (log.steps.value(), log.train_seconds.value());
        let (model, code) = (log.bytes_model.value(), log.bytes_code.value());
        let sum = model.zip(code).and_then(|(model, code)| model.checked_add(code));
        let batch = log.hyperparameters.get("train_batch_tokens").and_then(|text| text.value.parse::<f64>().ok());
        let speed = |batch: f64| Some(batch * steps? as f64 / train_seconds.filter(|seconds| *seconds > 0.0)?);
        TrialNumbers {
            metric: log.metric.text().map(str::to_owned),
            val_bpb: log.val_bpb.value().filter(|bpb| bpb.is_finite()),
            val_loss: log.val_loss.value().filter(|loss| loss.is_finite()),
            steps,
            train_seconds,
            eval_seconds: log.eval_seconds.value(),
            tokens_per_second: batch.and_then(speed),
            bytes_model: model,
            bytes_total: log.bytes_total.value().or(sum),
        }
    }
}

/// What a study is of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SubjectFacts {
    pub kind: SubjectKind,
    /// Name of the recipe, or file name of the script.
    pub name: String,
    /// SHA-256 of the reference: of the resolved recipe, or of the script.
    pub sha256: String,
    /// Settings that every variant has, the reference too.
    pub settings: Vec<Choice>,
}

/// Kind of a subject.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SubjectKind {
    Recipe,
    Script,
    /// A script at toy size on the CPU, whose scores say nothing of a real run.
    Rehearsal,
}

/// Watches a study. Trials that go on side by side report from several threads.
pub trait Onlooker: Sync {
    /// Opens the line of a trial that begins.
    fn begin(&self, trial: &str) -> Box<dyn TrialLine>;
    /// Takes what a reader should know at once.
    fn say(&self, text: &str);
}

/// The line of one trial; it goes when it is dropped.
pub trait TrialLine {
    /// Takes what the log says so far, and how long the run has been going on.
    fn glance(&mut self, glance: &Glance, elapsed: Duration);
    /// Takes a remark in place of that.
    fn tell(&mut self, text: &str);
}

/// A trial's line, for the runner of scripts.
pub(super) struct Watching<'a>(pub &'a mut dyn TrialLine);

impl Watch for Watching<'_> {
    fn glance(&mut self, glance: &Glance, elapsed: Duration) {
        self.0.glance(glance, elapsed);
    }
}
