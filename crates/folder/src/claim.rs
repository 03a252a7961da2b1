//! A number that submission.json or README.md states about the runs, wherever it stands and whatever it is called.

use serde::Serialize;

use super::logged::{Fact, Logged};
use super::number::Unit;
use super::{MetricLine, RunLog, Stated};

/// The quantity that a claimed number states.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Field {
    ValBpb,
    ValLoss,
    ValBpbStd,
    ValLossStd,
    PreQuantValBpb,
    PreQuantValLoss,
    /// A score of another evaluation than the official one: round trip, sliding window, before test-time training.
    FurtherValBpb,
    /// The nats per token of that evaluation.
    FurtherValLoss,
    BytesTotal,
    BytesModel,
    BytesCode,
    TrainSeconds,
    EvalSeconds,
    Steps,
    StepAvgMs,
    ModelParams,
    /// Number of runs.
    Runs,
    /// Documents, tokens and bytes of the score ledger.
    ScoredDocuments,
    ScoredTokens,
    ScoredBytes,
}

impl Field {
    /// Returns the name that logs use.
    pub fn name(self) -> &'static str {
        match self {
            Field::ValBpb => "val_bpb",
            Field::ValLoss => "val_loss",
            Field::ValBpbStd => "val_bpb_std",
            Field::ValLossStd => "val_loss_std",
            Field::PreQuantValBpb => "pre_quant_val_bpb",
            Field::PreQuantValLoss => "pre_quant_val_loss",
            Field::FurtherValBpb => "further_val_bpb",
            Field::FurtherValLoss => "further_val_loss",
            Field::BytesTotal => "bytes_total",
            Field::BytesModel => "bytes_model",
            Field::BytesCode => "bytes_code",
            Field::TrainSeconds => "train_seconds",
            Field::EvalSeconds => "eval_seconds",
            Field::Steps => "steps",
            Field::StepAvgMs => "step_avg_ms",
            Field::ModelParams => "model_params",
            Field::Runs => "runs",
            Field::ScoredDocuments => "ledger_documents",
            Field::ScoredTokens => "ledger_tokens",
            Field::ScoredBytes => "ledger_bytes",
        }
    }

    /// Returns the unit of a number of this field that is written without one.
    pub fn unit(self) -> Unit {
        match self {
            Field::TrainSeconds | Field::EvalSeconds => Unit::Second,
            Field::StepAvgMs => Unit::OfStep,
            _ => Unit::One,
        }
    }

    /// Returns the run's own value; `None` for statistics over runs and for values that the log does not state.
    pub fn of(self, run: &RunLog) -> Option<f64> {
        self.logged(run).value()
    }

    /// Returns the value with the line that states it.
    pub fn logged(self, run: &RunLog) -> Option<Logged<f64>> {
        let whole = |fact: Option<Logged<u64>>| fact.map(|fact| fact.map(|value| value as f64));
        match self {
            Field::ValBpb => run.val_bpb,
            Field::ValLoss => run.val_loss,
            Field::PreQuantValBpb => run.pre_quant_val_bpb,
            Field::PreQuantValLoss => run.pre_quant_val_loss,
            Field::BytesTotal => whole(run.bytes_total),
            Field::BytesModel => whole(run.bytes_model),
            Field::BytesCode => whole(run.bytes_code),
            Field::TrainSeconds => run.train_seconds,
            Field::EvalSeconds => run.eval_seconds,
            Field::Steps => whole(run.steps),
            Field::StepAvgMs => run.step_avg_ms,
            Field::ModelParams => whole(run.model_params),
            Field::ScoredDocuments => whole(run.ledger_documents),
            Field::ScoredTokens => whole(run.ledger_tokens),
            Field::ScoredBytes => whole(run.ledger_bytes),
            Field::ValBpbStd | Field::ValLossStd | Field::Runs => None,
            // One of many lines of the log: see `states`.
            Field::FurtherValBpb | Field::FurtherValLoss => None,
        }
    }
}

impl Claim {
    /// Tells whether the run states the claimed number: as its own value or, for a score that leaves open which
    /// evaluation is meant, as any score that the log prints.
    pub fn is_of(&self, run: &RunLog) -> bool {
        let agrees = |value: f64| self.stated.agrees(value);
        if self.field.of(run).is_some_and(agrees) {
            return true;
        }
        match self.field {
            Field::ValBpb | Field::FurtherValBpb | Field::PreQuantValBpb => {
                run.pre_quant_val_bpb.value().is_some_and(agrees) || self.is_printed(run, |line| Some(line.val_bpb))
            }
            Field::ValLoss | Field::FurtherValLoss | Field::PreQuantValLoss => {
                run.pre_quant_val_loss.value().is_some_and(agrees) || self.is_printed(run, |line| line.val_loss)
            }
            // Scripts that count a packed estimate log the plain size beside it.
            Field::BytesCode => run.bytes_code_uncompressed.value().is_some_and(|raw| agrees(raw as f64)),
            Field::EvalSeconds => eval_clocks(run).into_iter().any(agrees),
            _ => false,
        }
    }
}

impl Claim {
    /// Tells whether a run's own `value`, which its log prints with `decimals` digits, leaves the claim open: the claim
    /// has more digits, and those that are printed agree.
    pub fn is_open(&self, value: f64, decimals: Option<u32>) -> bool {
        let unit = decimals.filter(|decimals| *decimals >= 4).map(|decimals| 10f64.powi(-(decimals.min(10) as i32)));
        unit.is_some_and(|unit| (self.stated.value - value).abs() <= unit / 2.0 * 1.000_001)
    }

    /// Tells whether the claim is in megabytes, and those are MiB of `bytes`.
    pub fn is_mebibytes_of(&self, bytes: f64) -> bool {
        self.field == Field::BytesTotal && self.stated.is_coarse() && self.stated.agrees(bytes / 1_048_576.0 * 1e6)
    }

    /// Tells whether a metric line prints the number. A line with fewer digits than are claimed cannot contradict the
    /// further ones, unless an exact line prints the same result.
    fn is_printed(&self, run: &RunLog, value: fn(&MetricLine) -> Option<f64>) -> bool {
        let half = |line: &MetricLine| 0.5 * 10f64.powi(-(line.decimals.min(10) as i32)) * 1.000_001;
        let exact_twin = |of: &MetricLine| {
            let same = |line: &MetricLine| value(line).zip(value(of)).is_some_and(|(a, b)| (a - b).abs() <= half(of));
            run.metric_lines.iter().any(|line| line.decimals > of.decimals && same(line))
        };
        run.metric_lines.iter().any(|line| {
            let Some(value) = value(line) else { return false };
            let open = || line.decimals >= 4 && (self.stated.value - value).abs() <= half(line);
            self.stated.agrees(value) || open() && !exact_twin(line)
        })
    }
}

/// Returns every evaluation's clock, their sums in order, and the whole with warm-up, because "eval time" has meant
/// each of these.
pub fn eval_clocks(run: &RunLog) -> Vec<f64> {
    let single: Vec<f64> = run.metric_lines.iter().filter_map(|line| line.eval_seconds).collect();
    let mut clocks = single.clone();
    for start in 0..single.len().min(16) {
        let sums = single.get(start..).unwrap_or_default().iter().scan(0.0, |sum, clock| {
            *sum += clock;
            Some(*sum)
        });
        clocks.extend(sums);
    }
    clocks.extend(run.eval_seconds.value());
    clocks.extend(run.eval_seconds.zip(run.eval_warmup_seconds).map(|(eval, warmup)| eval.value + warmup.value));
    clocks.extend(run.eval_wall_seconds.value());
    clocks
}

/// The runs that the claim covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// The run of this seed.
    Seed(i64),
    /// The mean over the runs, by the claim's own words.
    Mean,
    /// The largest of the runs, by the claim's own words.
    Max,
    /// A claim about the whole submission; it does not say which statistic it is.
    Whole,
}

/// One claimed number and its place.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Claim {
    pub field: Field,
    pub scope: Scope,
    /// The key path (`seed_results.42.val_bpb`) or the column (`val_bpb, seed 42`).
    pub key: String,
    pub stated: Stated,
    /// The number as it is written, for evidence.
    pub text: String,
    /// 1-based line of the file that states it.
    pub line: u64,
    /// True if the name may mean another evaluation of the run than the official one.
    pub loose: bool,
}
