//! The numbers of a submission. They are made from the logs here, and nowhere else.

use std::collections::BTreeSet;

use super::numbers;
use super::submission::log_file;
use caddie_files::{Error, Result};
use caddie_folder::{Fact, RunLog};
use caddie_rulebook::stats;

/// The joint results of one submission's logs. Runs are in ascending order of seed.
#[derive(Debug, Clone, PartialEq)]
pub struct Results {
    pub runs: Vec<SeedResult>,
    /// The metric line that gives the score, the same in every log.
    pub metric: String,
    pub val_bpb: Spread,
    /// `None` unless every log states it.
    pub val_loss: Option<Spread>,
    /// Counted code; `None` unless every log states the same.
    pub bytes_code: Option<u64>,
    /// Every other final metric that all logs state.
    pub others: Vec<Other>,
    /// Mean val_loss and val_bpb of the last validation inside the training loop, if all logs state them.
    pub pre_quant: Option<(f64, f64)>,
    /// Distinct hardware of the logs, in order; empty where no log states any.
    pub hardware: Vec<String>,
    /// Folder names of the shards.
    pub datasets: Vec<String>,
    pub torch_versions: Vec<String>,
    pub world_sizes: Vec<u64>,
    pub model_params: Option<u64>,
}

/// One seed.
#[derive(Debug, Clone, PartialEq)]
pub struct SeedResult {
    pub seed: i64,
    /// Name of its log in the records folder.
    pub log: String,
    /// Bits per byte.
    pub val_bpb: f64,
    /// Nats per token.
    pub val_loss: Option<f64>,
    pub steps: Option<u64>,
    pub step_avg_ms: Option<f64>,
    pub train_seconds: Option<f64>,
    pub eval_seconds: Option<f64>,
    pub peak_memory_mib: Option<u64>,
    pub bytes_model: Option<u64>,
    /// `bytes_model` and the code.
    pub bytes_total: Option<u64>,
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
    /// Mean over the runs of official − this score, bits per byte: below 0 where the official way is better.
    pub delta: f64,
}

/// The evaluator that a metric line belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricKind {
    Ttt,
    /// Online gradient descent on a bias over the vocabulary.
    Ogd,
    Sliding,
    Roundtrip,
    Other,
}

impl MetricKind {
    /// Returns the evaluator that the line's name tells.
    pub fn of(metric: &str) -> MetricKind {
        match metric {
            m if m.contains("ttt") => MetricKind::Ttt,
            m if m.contains("ogd") => MetricKind::Ogd,
            m if m.contains("sliding") => MetricKind::Sliding,
            m if m.contains("roundtrip") => MetricKind::Roundtrip,
            _ => MetricKind::Other,
        }
    }

    /// Returns the word of the canonical submission.json.
    pub fn as_str(self) -> &'static str {
        match self {
            MetricKind::Ttt => "ttt",
            MetricKind::Ogd => "ogd",
            MetricKind::Sliding => "sliding",
            MetricKind::Roundtrip => "roundtrip",
            MetricKind::Other => "other",
        }
    }

    /// Returns the context that a score had, in a word or two; `None` for a line of an unknown evaluator.
    pub fn short(self) -> Option<&'static str> {
        match self {
            MetricKind::Ttt => Some("test-time training"),
            MetricKind::Ogd => Some("a bias that learns from scored targets"),
            MetricKind::Sliding => Some("a sliding window"),
            MetricKind::Roundtrip => Some("full context"),
            MetricKind::Other => None,
        }
    }

    /// Describes the evaluator in words, for the README.
    pub fn describe(self) -> &'static str {
        match self {
            MetricKind::Ttt => "document-independent, score-first LoRA test-time training",
            MetricKind::Ogd => "a sliding window with a bias over the vocabulary that learns from scored targets",
            MetricKind::Sliding => "a sliding window",
            MetricKind::Roundtrip => "full context in non-overlapping rows",
            MetricKind::Other => "the evaluator of that name",
        }
    }
}

impl Results {
    /// Puts the logs of native runs together, which state every number of a folder.
    ///
    /// # Errors
    /// When a log lacks a number that the folder must state, when its sizes do not add up, or when two logs are not of
    /// one configuration: the same seed twice, another metric, another code size. The message names the log.
    pub fn from_logs(logs: &[&RunLog]) -> Result<Results> {
        let mut logs = logs.to_vec();
        logs.sort_by_key(|log| log.seed.value());
        let seeded = logs.iter().map(|log| Ok((complete(log)?, *log))).collect::<Result<Vec<_>>>()?;
        let results = Results::stated(&seeded)?;
        if results.bytes_code.is_none() {
            let of_first = logs.first().and_then(|first| first.bytes_code.value());
            if let Some(other) = logs.iter().find(|log| log.bytes_code.value() != of_first) {
                let (bytes, first) = (of_first.unwrap_or_default(), logs.first().map_or("", |log| log.log.as_str()));
                return Err(mismatch(other, format!("its code size is not the {bytes} bytes of {first}")));
            }
        }
        Ok(results)
    }

    /// Puts together what the logs of runs with these seeds state, which is a score at least. What a log does not state
    /// stays `None`.
    ///
    /// # Errors
    /// When a log states no score, or when two logs are not of one configuration. The message names the log.
    pub fn stated(logs: &[(i64, &RunLog)]) -> Result<Results> {
        let mut logs = logs.to_vec();
        logs.sort_by_key(|(seed, _)| *seed);
        let runs: Vec<SeedResult> =
            logs.iter().map(|(seed, log)| SeedResult::stated(*seed, log)).collect::<Result<_>>()?;
        let logs: Vec<&RunLog> = logs.into_iter().map(|(_, log)| log).collect();
        let Some(first) = logs.first() else {
            return Err(Error::Usage("there is no finished run to render".to_owned()));
        };
        let metric = need(first, "final metric", first.metric.text())?.to_owned();
        let mut seeds = BTreeSet::new();
        for (log, run) in logs.iter().zip(&runs) {
            if !seeds.insert(run.seed) {
                return Err(mismatch(log, format!("seed {} is the seed of another log too", run.seed)));
            }
            if log.metric.text() != Some(metric.as_str()) {
                let found = log.metric.text().unwrap_or("nothing");
                return Err(mismatch(log, format!("scored by {found}, {} by {metric}", first.log)));
            }
        }
        let values = |of: fn(&SeedResult) -> Option<f64>| runs.iter().map(of).collect::<Option<Vec<_>>>();
        let scores: Vec<f64> = runs.iter().map(|run| run.val_bpb).collect();
        Ok(Results {
            val_bpb: Spread::of(&scores),
            val_loss: values(|run| run.val_loss).map(|losses| Spread::of(&losses)),
            others: others(&logs, &runs, &metric),
            pre_quant: pre_quant(&logs),
            hardware: distinct(logs.iter().filter_map(|log| log.hardware.text().or(log.gpu.text()).map(str::to_owned))),
            datasets: distinct(logs.iter().filter_map(|log| dataset(log))),
            torch_versions: distinct(logs.iter().filter_map(|log| log.torch_version.text().map(str::to_owned))),
            world_sizes: distinct(logs.iter().filter_map(|log| log.world_size.value())),
            model_params: first.model_params.value(),
            bytes_code: first
                .bytes_code
                .value()
                .filter(|bytes| logs.iter().all(|log| log.bytes_code.value() == Some(*bytes))),
            runs,
            metric,
        })
    }

    pub fn kind(&self) -> MetricKind {
        MetricKind::of(&self.metric)
    }

    /// `None` unless every run states it.
    pub fn bytes_model_max(&self) -> Option<u64> {
        self.runs.iter().map(|run| run.bytes_model).collect::<Option<Vec<_>>>()?.into_iter().max()
    }

    /// The largest submission: the cap holds for each seed. `None` unless every run states it.
    pub fn bytes_total_max(&self) -> Option<u64> {
        self.runs.iter().map(|run| run.bytes_total).collect::<Option<Vec<_>>>()?.into_iter().max()
    }

    /// `None` unless every run states it.
    pub fn bytes_total_mean(&self) -> Option<u64> {
        let totals = self.all(|run| run.bytes_total.map(|bytes| bytes as f64))?;
        stats::mean(&totals).map(|mean| mean.round() as u64)
    }

    /// Returns the longest training time; `None` unless every run states one.
    pub fn train_seconds_max(&self) -> Option<f64> {
        self.all(|run| run.train_seconds).map(|values| values.into_iter().fold(0.0, f64::max))
    }

    /// Returns the longest evaluation time; `None` unless every run states one.
    pub fn eval_seconds_max(&self) -> Option<f64> {
        self.all(|run| run.eval_seconds).map(|values| values.into_iter().fold(0.0, f64::max))
    }

    /// The hardware as the logs state it.
    pub fn hardware(&self) -> String {
        if self.hardware.is_empty() {
            return "not stated in the logs".to_owned();
        }
        let names = self.hardware.join("; ");
        match self.world_sizes.as_slice() {
            [] | [1] => names,
            sizes => format!("{}x {names}", sizes.iter().map(u64::to_string).collect::<Vec<_>>().join("/")),
        }
    }

    /// Folder name of the shards as the logs state it, for example `fineweb10B_sp1024`.
    pub fn dataset(&self) -> Option<String> {
        (!self.datasets.is_empty()).then(|| self.datasets.join(", "))
    }

    /// "1.2244 (mean of 3 seeds, sample std 0.0007)".
    pub fn headline(&self) -> String {
        let mean = numbers::headline(self.val_bpb.mean);
        match self.val_bpb.std {
            Some(std) => {
                format!("{mean} (mean of {} seeds, sample std {})", self.runs.len(), numbers::headline(std))
            }
            None => format!("{mean} (one seed)"),
        }
    }

    /// One value a run, in order of seed; `None` unless every run states it.
    pub fn all(&self, of: impl Fn(&SeedResult) -> Option<f64>) -> Option<Vec<f64>> {
        self.runs.iter().map(of).collect()
    }
}

impl SeedResult {
    fn stated(seed: i64, log: &RunLog) -> Result<SeedResult> {
        let (bytes_model, bytes_code) = (log.bytes_model.value(), log.bytes_code.value());
        let sum = bytes_model.zip(bytes_code).and_then(|(model, code)| model.checked_add(code));
        Ok(SeedResult {
            seed,
            log: log_file(seed),
            val_bpb: need(log, "val_bpb", log.val_bpb.value().filter(|value| value.is_finite()))?,
            val_loss: log.val_loss.value().filter(|value| value.is_finite()),
            steps: log.steps.value(),
            step_avg_ms: log.step_avg_ms.value(),
            train_seconds: log.train_seconds.value(),
            eval_seconds: log.eval_seconds.value(),
            peak_memory_mib: log.peak_memory_mib.value(),
            bytes_model,
            bytes_total: log.bytes_total.value().or(sum),
        })
    }
}

/// The seed of a log that states every number of a native folder.
fn complete(log: &RunLog) -> Result<i64> {
    let (model, code) =
        (need(log, "model size", log.bytes_model.value())?, need(log, "code size", log.bytes_code.value())?);
    let total = need(log, "total submission size", log.bytes_total.value())?;
    if model.checked_add(code) != Some(total) {
        return Err(mismatch(log, format!("model {model} and code {code} are not the total {total}")));
    }
    let seed = need(log, "seed", log.seed.value())?;
    need(log, "val_bpb", log.val_bpb.value().filter(|value| value.is_finite()))?;
    need(log, "val_loss", log.val_loss.value().filter(|value| value.is_finite()))?;
    Ok(seed)
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

/// Returns the metric lines beside the official one that every log states. The 4-decimal twin of an `_exact` line says
/// nothing new.
fn others(logs: &[&RunLog], runs: &[SeedResult], official: &str) -> Vec<Other> {
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

/// Returns the data set of `train_loader:dataset:fineweb10B_sp1024`, which the log's reader keeps as a setting
/// `train_loader`.
fn dataset(log: &RunLog) -> Option<String> {
    let named = log.hyperparameters.get("train_loader").and_then(|name| name.value.strip_prefix("dataset:"));
    // Other scripts print the path of the shards.
    named.or_else(|| log.dataset.text()?.trim_end_matches('/').rsplit('/').next()).map(str::to_owned)
}

fn distinct<T: PartialEq>(values: impl Iterator<Item = T>) -> Vec<T> {
    values.fold(Vec::new(), |mut seen, value| {
        if !seen.contains(&value) {
            seen.push(value);
        }
        seen
    })
}
