//! One folder's part of a report, in the shape that `verify --format json` publishes.

use camino::Utf8PathBuf;
use serde::Serialize;
use serde_json::Value;

use super::{Finding, Severity};
use caddie_folder::{Fact, RunLog};

/// The verdict that the findings amount to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// No finding above information; [`FolderReport::audit`] says whether the script could be judged.
    Pass,
    /// Warnings at most.
    Warn,
    /// At least one error.
    Fail,
    /// No error, but something could not be determined.
    Unknown,
}

impl Verdict {
    /// Returns the word that reports print.
    pub fn name(self) -> &'static str {
        match self {
            Verdict::Pass => "pass",
            Verdict::Warn => "warn",
            Verdict::Fail => "fail",
            Verdict::Unknown => "unknown",
        }
    }
}

/// One folder.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FolderReport {
    pub path: Utf8PathBuf,
    /// `10min_16mb` or `non_record_16mb`.
    pub track: Option<String>,
    pub verdict: Verdict,
    pub runs: Vec<RunFacts>,
    pub scores: Scores,
    pub size: Size,
    /// submission.json in the canonical schema; null when it cannot be read.
    pub claimed: Option<Value>,
    pub significance: Vec<Significance>,
    pub audit: AuditFacts,
    /// A probe report in the folder whose digest fits.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub probed: Option<Probed>,
    /// Rules that cannot be judged by the folder's files: without a finding they are unknown, and not kept.
    pub unjudged: Vec<Unjudged>,
    /// Findings, gravest first.
    pub findings: Vec<Finding>,
}

/// A rule that could not be judged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Unjudged {
    /// Id of the rule.
    pub rule: String,
    /// The fact that the folder lacks.
    pub because: String,
}

impl FolderReport {
    /// Makes a report on something other than a records folder, such as a pull request as a whole; `limit` is the size
    /// cap.
    pub fn of_findings(path: Utf8PathBuf, limit: u64, mut findings: Vec<Finding>) -> FolderReport {
        findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
        FolderReport {
            path,
            track: None,
            verdict: FolderReport::verdict_of(&findings),
            runs: Vec::new(),
            scores: Scores::default(),
            size: Size { limit, ..Size::default() },
            claimed: None,
            significance: Vec::new(),
            audit: AuditFacts::default(),
            probed: None,
            unjudged: Vec::new(),
            findings,
        }
    }

    /// The verdict that `findings` amount to.
    pub fn verdict_of(findings: &[Finding]) -> Verdict {
        match findings.iter().map(|finding| finding.severity).max() {
            Some(Severity::Error) => Verdict::Fail,
            Some(Severity::Unknown) => Verdict::Unknown,
            Some(Severity::Warning) => Verdict::Warn,
            Some(Severity::Info) | None => Verdict::Pass,
        }
    }
}

impl FolderReport {
    /// Puts the findings into order, gravest first, and draws the verdict from them, after some were changed or left out.
    pub fn judge_again(&mut self) {
        self.findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
        self.verdict = FolderReport::verdict_of(&self.findings);
    }

    /// Counts the findings of this severity.
    pub fn count(&self, severity: Severity) -> usize {
        self.findings.iter().filter(|finding| finding.severity == severity).count()
    }
}

/// The parts of the script that the audit could judge.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct AuditFacts {
    /// The script that was followed, relative to the folder; `None` where there is none that could be read.
    pub script: Option<Utf8PathBuf>,
    /// The log whose configuration was followed; `None` stands for the script's defaults.
    pub configuration: Option<Utf8PathBuf>,
    /// True if the script was followed to its end.
    pub complete: bool,
    /// Reported scores that were recognized; without one, nothing about scoring was judged.
    pub scores: usize,
    /// Places that could not be read, each with its line.
    pub problems: Vec<String>,
    /// Findings of the audit, among the folder's.
    pub findings: usize,
    /// Rules that only the audit decides, and that it did not decide, C1 to C4 among them where a score passes through code
    /// that is not followed: without a finding they are unknown, and not kept.
    pub undecided: Vec<String>,
}

/// What a probe report in the folder says (`caddie probe entropy`). It was not run here.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Probed {
    /// The report, relative to the folder.
    pub file: Utf8PathBuf,
    /// The script or recipe whose SHA-256 it states.
    pub probed: Utf8PathBuf,
    pub leak_proven: bool,
    /// The log e-value over all tries, nats.
    pub log_e: Option<f64>,
    /// Sources of the tokens.
    pub sources: Vec<String>,
    /// Validation targets.
    pub targets: u64,
}

/// The facts that one run's log states.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RunFacts {
    /// Path relative to the folder.
    pub log: Utf8PathBuf,
    pub seed: Option<i64>,
    pub metric: Option<String>,
    pub val_bpb: Option<f64>,
    pub val_loss: Option<f64>,
    pub train_seconds: Option<f64>,
    pub eval_seconds: Option<f64>,
    pub steps: Option<u64>,
    pub world_size: Option<u64>,
    pub gpu: Option<String>,
    pub bytes_model: Option<u64>,
    pub bytes_code: Option<u64>,
    pub bytes_total: Option<u64>,
    pub val_tokens: Option<u64>,
    /// Digits after the point of the scores in the log, so that tables show `2.0960` with its zero.
    #[serde(skip)]
    pub decimals: Option<u32>,
}

impl From<&RunLog> for RunFacts {
    fn from(run: &RunLog) -> RunFacts {
        RunFacts {
            log: run.log.clone(),
            seed: run.seed.value(),
            metric: run.metric.text().map(str::to_owned),
            val_bpb: run.val_bpb.value(),
            val_loss: run.val_loss.value(),
            train_seconds: run.train_seconds.value(),
            eval_seconds: run.eval_seconds.value(),
            steps: run.steps.value(),
            world_size: run.world_size.value(),
            gpu: run.gpu.text().map(str::to_owned),
            bytes_model: run.bytes_model.value(),
            bytes_code: run.bytes_code.value(),
            bytes_total: run.bytes_total.value(),
            val_tokens: run.val_tokens.value(),
            decimals: run.decimals,
        }
    }
}

/// Statistics over the runs, from the logs. `std` is the sample standard deviation.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Scores {
    pub val_bpb_mean: Option<f64>,
    pub val_bpb_std: Option<f64>,
    pub val_loss_mean: Option<f64>,
    pub val_loss_std: Option<f64>,
    /// Runs with a score.
    pub runs: usize,
}

/// Decimal bytes under each accounting.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Size {
    /// The total that the submission states: the one over its runs, else the largest of a run, else the mean.
    pub claimed: Option<u64>,
    /// The file that states it: submission.json, or README.md where that states none.
    pub claimed_in: Option<String>,
    /// The accounting that gives `claimed`.
    pub claimed_as: Option<ClaimedAs>,
    /// The run whose number `claimed` is, where it is one run's: `seed 42`, or a log.
    pub claimed_run: Option<String>,
    /// The largest model: as logged, or as a file.
    pub model_max: Option<u64>,
    /// The largest total that a log states or adds up to.
    pub logged_max: Option<u64>,
    /// The run of `logged_max`: `seed 42`, or a log without a seed.
    pub logged_max_run: Option<String>,
    /// The script that counts.
    pub script: Option<String>,
    /// The reason why this script counts.
    pub script_because: Option<String>,
    /// Bytes of the script in the folder, with the file that it only executes.
    pub shipped_code: Option<u64>,
    /// The largest model plus the shipped script, without helpers.
    pub shipped_max: Option<u64>,
    /// Bytes of the script packed without a minifier; measured only where the shipped or the logged total is over the
    /// limit.
    pub packed_code: Option<u64>,
    /// The largest model plus the packed script; null until that is measured.
    pub packed_max: Option<u64>,
    /// Bytes of further files that the script runs or reads at run time.
    pub helpers_code: Option<u64>,
    /// The largest model plus the shipped script and the helpers; null where there are none.
    pub helpers_max: Option<u64>,
    /// Bytes of tokenizers that ship with the folder; free by the rules, and in no total.
    pub tokenizer: Option<u64>,
    /// System programs that the scripts call.
    pub programs: Vec<String>,
    pub limit: u64,
    /// Limit minus the counted total (`logged_max`, else `shipped_max`); negative when over.
    pub headroom: Option<i64>,
}

/// The accounting of the runs that a claimed total is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ClaimedAs {
    /// The largest total of the logs.
    LoggedMax,
    /// The total of a run that is not the largest.
    LoggedRun,
    /// The mean of the logged totals.
    LoggedMean,
    /// A model with the script as it is shipped, where the log counts another form of the code.
    ModelAndScript,
    /// The same with the helper files.
    ModelAndHelpers,
    /// A model, or the mean of the models, without any code.
    ModelOnly,
    /// The total of a log that is not among the submission's runs.
    OtherLog,
    /// A round number near the logged totals.
    Rounded,
    /// The sum of the model and the code that the same file states, which is in no log.
    OwnParts,
    /// No log states a total to compare with.
    Unlogged,
    /// None of these accountings.
    None,
}

impl ClaimedAs {
    /// Describes the accounting in words; `run` is the run that states the number.
    pub fn in_words(self, run: Option<&str>) -> String {
        let of = |run: Option<&str>| run.map_or_else(String::new, |run| format!(" of {run}"));
        match self {
            ClaimedAs::LoggedMax => {
                format!("the largest total of the logs{}", run.map_or_else(String::new, |run| format!(" ({run})")))
            }
            ClaimedAs::LoggedRun => format!("the total{}, not the largest", of(run)),
            ClaimedAs::LoggedMean => "the mean of the logged totals".to_owned(),
            ClaimedAs::ModelAndScript => format!("the model{} with the script as shipped", of(run)),
            ClaimedAs::ModelAndHelpers => format!("the model{} with the script and its helper files", of(run)),
            ClaimedAs::ModelOnly if run.is_some() => format!("the model{} without code", of(run)),
            ClaimedAs::ModelOnly => "the mean of the models, without code".to_owned(),
            ClaimedAs::OtherLog => format!("the total{}, which is not one of the runs", of(run)),
            ClaimedAs::Rounded => "a round number near the logged totals".to_owned(),
            ClaimedAs::OwnParts => "model and code as the file itself states them, in no log".to_owned(),
            ClaimedAs::Unlogged => "no log states a total to compare it with".to_owned(),
            ClaimedAs::None => "no accounting of the logs gives it".to_owned(),
        }
    }
}

/// One significance test of the claim: is the mean of the runs lower than the baseline's by more than the margin?
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Significance {
    /// Id of the rulebook's policy that the test speaks to; null for a test that none asks for.
    pub policy: Option<String>,
    /// `one-sample`, `welch` or `pooled`, one-sided.
    pub test: String,
    /// The tested runs: `its own runs`, or those and an independent reproduction.
    pub sample: String,
    /// Runs of the sample.
    pub n: usize,
    /// Mean of the baseline in `unit`; null where the baseline has none in that unit.
    pub baseline: Option<f64>,
    pub baseline_name: String,
    /// Runs of the baseline; 0 for a bare value.
    pub baseline_n: usize,
    /// Unit of `baseline`, `margin` and `delta`: `bpb`, `nats/token` or `nats/byte`.
    pub unit: String,
    pub margin: f64,
    /// Mean of the runs minus `baseline`; negative is better.
    pub delta: Option<f64>,
    pub statistic: Option<f64>,
    pub df: Option<f64>,
    pub p_value: Option<f64>,
    /// True if `p_value` is below the policy's; null where no policy asks, or nothing was computed.
    pub passes: Option<bool>,
    /// True if caddie decides by this test whether the policy holds; the other tests are for comparison.
    pub decides: bool,
    /// The reason why nothing was computed.
    pub note: Option<String>,
}
