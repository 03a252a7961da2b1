//! The toy runs as the folder that they would become: rendered and put through `verify`, so that a line which a reviewer
//! looks for is missed before the real run.

use std::time::Instant;

use camino::{Utf8Path, Utf8PathBuf};
use serde::Serialize;

use super::reading;
use crate::artifact::Limits;
use crate::checks::{self, VerifyOptions};
use crate::render::script::{self, Made, ScriptEntry, ScriptRun, modules};
use crate::render::{Meta, Track};
use crate::report::{Finding, Severity};
use caddie_files::Result;
use caddie_folder::Folder;
use caddie_rulebook::Rulebook;

/// Rules that are about facts which a toy run has of its own: the machine and its clock, the size of its corpus, its score, the
/// number of seeds, the name of the folder; and those that `caddie audit` decides from the script alone.
const OF_THE_TOY: [&str; 14] = [
    "time-hw-8xh100-sxm",
    "time-nonrecord",
    "val-",
    "bpb-",
    "stat-",
    "c1-",
    "c2-",
    "c3-",
    "c4-",
    "net-",
    "pkg-folder-name",
    "pkg-record-folder",
    "pkg-json",
    "pkg-minimal",
];
/// Codes of other rules that are about such facts.
const CODES_OF_THE_TOY: [&str; 5] = [
    "TRAIN_TIME_OVER_600S",
    "EVAL_TIME_OVER_600S",
    "EVAL_WALL_OVER_600S_IF_WARMUP_COUNTED",
    "WRONG_WORLD_SIZE",
    "WRONG_HARDWARE",
];
/// Findings on seeds that the scripts' logs decide, and not their number.
const CODES_OF_SEEDS: [&str; 3] = ["SAME_SEED_IN_SEVERAL_LOGS", "SEED_LABEL_MISMATCH", "CONFIG_DRIFT"];

/// The last phase of a rehearsal.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct ToyFolder {
    pub seconds: f64,
    /// The reason why the runs give no folder.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
    /// Findings of `verify` that the real runs would have too, gravest first.
    pub findings: Vec<ToyFinding>,
    /// Number of findings on facts that a toy run has of its own.
    pub of_the_toy: usize,
}

/// A finding of `verify` on the toy folder.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ToyFinding {
    pub rule: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<&'static str>,
    pub severity: Severity,
    pub message: String,
}

impl ToyFolder {
    /// Tells whether the folder can be made, and has no error.
    pub fn holds(&self) -> bool {
        self.refused.is_none() && self.findings.iter().all(|finding| finding.severity < Severity::Error)
    }
}

/// Renders the runs, each with the folder that it wrote into, and verifies the result.
///
/// # Errors
/// When the rulebook or the script cannot be read. That the runs give no folder is in the result.
pub fn verify(script: &Utf8Path, runs: &[(i64, &Utf8Path)], out: &Utf8Path) -> Result<ToyFolder> {
    let started = Instant::now();
    let rulebook = Rulebook::builtin()?;
    let track = Track::of(&rulebook, None)?;
    let runs = runs.iter().filter_map(|(seed, place)| {
        let log = reading::best_log(place)?;
        let model = Err("a toy's model is no one's".to_owned());
        Some(ScriptRun { seed: *seed, states_seed: log.seed.is_some(), log, model })
    });
    let entry = ScriptEntry {
        meta: Meta {
            name: "Rehearsal".to_owned(),
            author: "nobody".to_owned(),
            github_id: "nobody".to_owned(),
            date: crate::render::default_date()?,
            track: track.clone(),
        },
        limits: Limits::of(&rulebook, rulebook.track(&track.name)),
        rulebook: rulebook.clone(),
        blurb: String::new(),
        script: caddie_files::read_bounded(script)?,
        modules: modules::beside(script)?,
        requirements: None,
        command: "torchrun --standalone --nproc_per_node=8 train_gpt.py".to_owned(),
        settings: Vec::new(),
        tokenizer: None,
        made: Made::default(),
        shards: Utf8PathBuf::new(),
        ablations: None,
        runs: runs.collect(),
    };
    let mut toy = ToyFolder::default();
    if entry.runs.is_empty() {
        toy.refused = Some("no log of theirs states a score that verify reads".to_owned());
        return Ok(toy);
    }
    match script::render(&entry, out, false) {
        Ok(rendered) => {
            let folder = Folder::read(&rendered.folder)?;
            let report = checks::verify_read(&folder, &rulebook, &VerifyOptions::default());
            let (own, shared): (Vec<Finding>, Vec<Finding>) = report.findings.into_iter().partition(is_of_the_toy);
            toy.of_the_toy = own.len();
            toy.findings = shared.into_iter().filter(|finding| finding.severity > Severity::Info).map(told).collect();
        }
        Err(error) => toy.refused = Some(error.to_string()),
    }
    toy.seconds = started.elapsed().as_secs_f64();
    Ok(toy)
}

fn told(finding: Finding) -> ToyFinding {
    ToyFinding {
        code: finding.code.map(|code| code.name()),
        rule: finding.rule,
        severity: finding.severity,
        message: finding.message,
    }
}

/// Tells whether a finding is about a fact that a toy run has of its own.
fn is_of_the_toy(finding: &Finding) -> bool {
    let code = finding.code.map(|code| code.name()).unwrap_or_default();
    if CODES_OF_SEEDS.contains(&code) {
        return false;
    }
    let rule = finding.rule.as_str();
    CODES_OF_THE_TOY.contains(&code)
        || OF_THE_TOY.iter().any(|own| rule == *own || own.ends_with('-') && rule.starts_with(own))
}
