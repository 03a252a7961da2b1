//! The numbers of a submission: made from the logs here, and nowhere else.

use std::collections::BTreeSet;

use caddie_files::{Error, Result};
use caddie_folder::{Fact, RunLog};
use caddie_rulebook::stats;

/// What the logs of one submission say together. Runs are in ascending order of seed.
#[derive(Debug, Clone, PartialEq)]
pub struct Results {
    pub runs: Vec<Run>,
    /// The metric line that gives the score, the same in every log.
    pub metric: String,
    pub val_bpb: Spread,
    pub val_loss: Spread,
    /// Counted code, the same in every log.
    pub bytes_code: u64,
    /// Every other final metric that all logs state.
    pub others: Vec<Other>,
    /// Mean val_loss and val_bpb of the last validation inside the training loop, if all logs state them.
    pub pre_quant: Option<(f64, f64)>,
    /// Distinct values over the logs, in order; empty where no log states one.
    pub hardware: Vec<String>,
    /// Folder names of the shards.
    pub datasets: Vec<String>,
    pub torch_versions: Vec<String>,
    pub world_sizes: Vec<u64>,
    pub model_params: Option<u64>,
}

/// One seed.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    pub seed: i64,
    /// Bits per byte.
    pub val_bpb: f64,
    /// Nats per token.
    pub val_loss: f64,
    pub steps: Option<u64>,
    pub step_avg_ms: Option<f64>,
    pub train_seconds: Option<f64>,
    pub eval_seconds: Option<f64>,
    pub peak_memory_mib: Option<u64>,
    pub bytes_model: u64,
    /// `bytes_model` and the code.
    pub bytes_total: u64,
}

/// Mean and sample standard deviation over the runs; one run has no deviation.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spread {
    pub mean: f64,
    pub std: Option<f64>,
}

/// Another way of scoring the same models.
#[derive(Debug, Clone, PartialEq)]
pub struct Other {
    /// Name of the metric line.
    pub metric: String,
    /// Mean over the runs, bits per byte.
    pub val_bpb: f64,
    /// Mean over the runs, nats per token.
    pub val_loss: f64,
    /// Mean over the runs of official − this, bits per byte: below 0 where the official way is better.
    pub delta: f64,
}

/// Which evaluator a metric line belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricKind {
    Ttt,
    Sliding,
    Roundtrip,
    Other,
}

impl MetricKind {
    /// By the line's name.
    pub fn of(metric: &str) -> MetricKind {
        match metric {
            m if m.contains("ttt") => MetricKind::Ttt,
            m if m.contains("sliding") => MetricKind::Sliding,
            m if m.contains("roundtrip") => MetricKind::Roundtrip,
            _ => MetricKind::Other,
        }
    }

    /// The word of the canonical submission.json.
    pub fn as_str(self) -> &'static str {
        match self {
            MetricKind::Ttt => "ttt",
            MetricKind::Sliding => "sliding",
            MetricKind::Roundtrip => "roundtrip",
            MetricKind::Other => "other",
        }
    }

    /// The context that a score had, in a word or two; `None` for a line of an evaluator that is not known here.
    pub fn short(self) -> Option<&'static str> {
        match self {
            MetricKind::Ttt => Some("test-time training"),
            MetricKind::Sliding => Some("a sliding window"),
            MetricKind::Roundtrip => Some("full context"),
            MetricKind::Other => None,
        }
    }

    /// In words, for the README.
    pub fn describe(self) -> &'static str {
        match self {
            MetricKind::Ttt => "document-independent, score-first LoRA test-time training",
            MetricKind::Sliding => "a sliding window",
            MetricKind::Roundtrip => "full context in non-overlapping rows",
            MetricKind::Other => "the evaluator of that name",
        }
    }
}

impl Results {
    /// Puts the logs together.
    ///
    /// # Errors
    /// When a log lacks a number that the folder must state, when its sizes do not add up, or when two logs are not of
    /// one configuration: the same seed twice, another metric, another code size. The message names the log.
    pub fn from_logs(logs: &[&RunLog]) -> Result<Results> {
        let mut logs = logs.to_vec();
        logs.sort_by_key(|log| log.seed.value());
        let runs: Vec<Run> = logs.iter().map(|log| Run::from_log(log)).collect::<Result<_>>()?;
        let Some(first) = logs.first() else {
            return Err(Error::Usage("there is no finished run to render".to_owned()));
        };
        let metric = need(first, "final metric", first.metric.text())?.to_owned();
        let bytes_code = need(first, "code size", first.bytes_code.value())?;
        let mut seeds = BTreeSet::new();
        for (log, run) in logs.iter().zip(&runs) {
            if !seeds.insert(run.seed) {
                return Err(mismatch(log, format!("seed {} is the seed of another log too", run.seed)));
            }
            if log.metric.text() != Some(metric.as_str()) {
                let found = log.metric.text().unwrap_or("nothing");
                return Err(mismatch(log, format!("scored by {found}, {} by {metric}", first.log)));
            }
            if log.bytes_code.value() != Some(bytes_code) {
                return Err(mismatch(log, format!("its code size is not the {bytes_code} bytes of {}", first.log)));
            }
        }
        let spread = |of: fn(&Run) -> f64| Spread::of(&runs.iter().map(of).collect::<Vec<_>>());
        Ok(Results {
            val_bpb: spread(|run| run.val_bpb),
            val_loss: spread(|run| run.val_loss),
            others: others(&logs, &runs, &metric),
            pre_quant: pre_quant(&logs),
            hardware: distinct(logs.iter().filter_map(|log| log.hardware.text().or(log.gpu.text()).map(str::to_owned))),
            datasets: distinct(logs.iter().filter_map(|log| dataset(log))),
            torch_versions: distinct(logs.iter().filter_map(|log| log.torch_version.text().map(str::to_owned))),
            world_sizes: distinct(logs.iter().filter_map(|log| log.world_size.value())),
            model_params: first.model_params.value(),
            runs,
            metric,
            bytes_code,
        })
    }

    pub fn kind(&self) -> MetricKind {
        MetricKind::of(&self.metric)
    }

    pub fn bytes_model_max(&self) -> u64 {
        self.runs.iter().map(|run| run.bytes_model).max().unwrap_or(0)
    }

    /// The largest submission: the cap holds for each seed.
    pub fn bytes_total_max(&self) -> u64 {
        self.runs.iter().map(|run| run.bytes_total).max().unwrap_or(0)
    }

    pub fn bytes_total_mean(&self) -> u64 {
        let totals: Vec<f64> = self.runs.iter().map(|run| run.bytes_total as f64).collect();
        stats::mean(&totals).unwrap_or(0.0).round() as u64
    }

    /// `None` unless every run states it.
    pub fn train_seconds_max(&self) -> Option<f64> {
        self.all(|run| run.train_seconds).map(|values| values.into_iter().fold(0.0, f64::max))
    }

    /// `None` unless every run states it.
    pub fn eval_seconds_max(&self) -> Option<f64> {
        self.all(|run| run.eval_seconds).map(|values| values.into_iter().fold(0.0, f64::max))
    }

    /// One value a run, in order of seed; `None` unless every run states it.
    pub fn all(&self, of: impl Fn(&Run) -> Option<f64>) -> Option<Vec<f64>> {
        self.runs.iter().map(of).collect()
    }
}

impl Run {
    fn from_log(log: &RunLog) -> Result<Run> {
        let (bytes_model, bytes_code) =
            (need(log, "model size", log.bytes_model.value())?, need(log, "code size", log.bytes_code.value())?);
        let bytes_total = need(log, "total submission size", log.bytes_total.value())?;
        if bytes_model.checked_add(bytes_code) != Some(bytes_total) {
            return Err(mismatch(
                log,
                format!("model {bytes_model} and code {bytes_code} are not the total {bytes_total}"),
            ));
        }
        Ok(Run {
            seed: need(log, "seed", log.seed.value())?,
            val_bpb: need(log, "val_bpb", log.val_bpb.value().filter(|value| value.is_finite()))?,
            val_loss: need(log, "val_loss", log.val_loss.value().filter(|value| value.is_finite()))?,
            steps: log.steps.value(),
            step_avg_ms: log.step_avg_ms.value(),
            train_seconds: log.train_seconds.value(),
            eval_seconds: log.eval_seconds.value(),
            peak_memory_mib: log.peak_memory_mib.value(),
            bytes_model,
            bytes_total,
        })
    }
}

impl Spread {
    fn of(values: &[f64]) -> Spread {
        Spread { mean: stats::mean(values).unwrap_or(f64::NAN), std: stats::sample_std(values) }
    }
}

fn need<T>(log: &RunLog, what: &str, value: Option<T>) -> Result<T> {
    value.ok_or_else(|| {
        let reason = format!("states no {what}; if the run is not finished, the command that began it continues it");
        Error::unreadable(&log.log, reason)
    })
}

fn mismatch(log: &RunLog, reason: String) -> Error {
    Error::unreadable(&log.log, format!("{reason}; a submission is several seeds of one configuration"))
}

/// Metric lines beside the official one that every log states. The 4-decimal twin of an `_exact` line says nothing new.
fn others(logs: &[&RunLog], runs: &[Run], official: &str) -> Vec<Other> {
    let Some(first) = logs.first() else { return Vec::new() };
    let names = first.metrics().map(|(name, ..)| name);
    let has_twin = |name: &str| first.metrics().any(|(other, ..)| other == format!("{name}_exact"));
    let is_new = |name: &&str| *name != official && !has_twin(name);
    let other = |name: String| {
        let find = |log: &&RunLog| log.metrics().rev().find(|(other, ..)| *other == name).map(|m| (m.1, m.2));
        let values: Vec<(f64, f64)> = logs.iter().map(find).collect::<Option<_>>()?;
        let deltas: Vec<f64> = runs.iter().zip(&values).map(|(run, value)| run.val_bpb - value.1).collect();
        Some(Other {
            val_loss: stats::mean(&values.iter().map(|value| value.0).collect::<Vec<_>>())?,
            val_bpb: stats::mean(&values.iter().map(|value| value.1).collect::<Vec<_>>())?,
            delta: stats::mean(&deltas)?,
            metric: name,
        })
    };
    distinct(names.filter(is_new).map(str::to_owned)).into_iter().filter_map(other).collect()
}

/// Mean val_loss and val_bpb.
fn pre_quant(logs: &[&RunLog]) -> Option<(f64, f64)> {
    let values = |of: fn(&RunLog) -> Option<f64>| logs.iter().map(|log| of(log)).collect::<Option<Vec<_>>>();
    Some((
        stats::mean(&values(|log| log.pre_quant_val_loss.value())?)?,
        stats::mean(&values(|log| log.pre_quant_val_bpb.value())?)?,
    ))
}

/// From `train_loader:dataset:fineweb10B_sp1024`, which the log's reader keeps as a setting `train_loader`.
fn dataset(log: &RunLog) -> Option<String> {
    log.hyperparameters.get("train_loader")?.value.strip_prefix("dataset:").map(str::to_owned)
}

fn distinct<T: PartialEq>(values: impl Iterator<Item = T>) -> Vec<T> {
    values.fold(Vec::new(), |mut seen, value| {
        if !seen.contains(&value) {
            seen.push(value);
        }
        seen
    })
}
