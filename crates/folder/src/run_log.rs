//! One training log, read: the facts of a run with the line that states each.

use camino::{Utf8Path, Utf8PathBuf};
use serde::Serialize;
use std::collections::BTreeMap;

use super::logged::{InLog, Lined, Log, LogLine, Logged};
use super::{log_parser, metric};
use caddie_files::encoding::{self, Encoding};
use caddie_files::{Error, Result};

/// What one run's log states, each fact with the line that states it. A value that the log does not state is `None`, never
/// a guess.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct RunLog {
    /// The log's path as given.
    pub log: Utf8PathBuf,
    /// From the `seed:` line, not from the file name.
    pub seed: Option<Logged<i64>>,
    /// Name of the metric line that gives `val_bpb`, for example `final_int8_ttt_lora_exact`.
    pub metric: Option<Logged<String>>,
    /// Bits per byte of the official metric.
    pub val_bpb: Option<Logged<f64>>,
    /// Nats per token of the official metric.
    pub val_loss: Option<Logged<f64>>,
    /// Digits after the point that the official metric line prints.
    pub decimals: Option<u32>,
    /// Every final metric line, in order.
    pub metric_lines: Vec<MetricLine>,
    /// Last validation inside the loop: the score before quantization.
    pub pre_quant_val_bpb: Option<Logged<f64>>,
    /// Nats per token of that validation.
    pub pre_quant_val_loss: Option<Logged<f64>>,
    /// The training clock at its last reading, in seconds.
    pub train_seconds: Option<Logged<f64>>,
    /// The clock of the evaluation that gave `metric`, in seconds.
    pub eval_seconds: Option<Logged<f64>>,
    pub steps: Option<Logged<u64>>,
    pub iterations: Option<Logged<u64>>,
    pub step_avg_ms: Option<Logged<f64>>,
    pub world_size: Option<Logged<u64>>,
    pub gpu: Option<Logged<String>>,
    /// The `hardware:` line of a native log.
    pub hardware: Option<Logged<String>>,
    /// Version of caddie's engine, of a native log.
    pub engine_version: Option<Logged<String>>,
    pub torch_version: Option<Logged<String>>,
    pub model_params: Option<Logged<u64>>,
    /// Compressed weights, decimal bytes.
    pub bytes_model: Option<Logged<u64>>,
    /// Counted code, decimal bytes.
    pub bytes_code: Option<Logged<u64>>,
    /// `Code size (uncompressed)` of scripts that count a packed estimate, decimal bytes.
    pub bytes_code_uncompressed: Option<Logged<u64>>,
    /// `Total submission size` of the format that is scored, decimal bytes.
    pub bytes_total: Option<Logged<u64>>,
    /// Targets in the validation stream as the log states them.
    pub val_tokens: Option<Logged<u64>>,
    pub peak_memory_mib: Option<Logged<u64>>,
    /// SHA-256 of the uncompressed ledger, from a native run's `ledger:` line.
    pub ledger_sha256: Option<Logged<String>>,
    /// Documents, tokens and bytes of that line.
    pub ledger_documents: Option<Logged<u64>>,
    pub ledger_tokens: Option<Logged<u64>>,
    pub ledger_bytes: Option<Logged<u64>>,
    /// Hyperparameters the log states, by name.
    pub hyperparameters: BTreeMap<String, Logged<String>>,
    /// Which run of its file this is, from 0: several runs may be appended to one log.
    pub run_index: usize,
    /// How often the file prints this very run again (standard output redirected onto the log doubles it).
    pub reprints: u64,
    /// First and last line (1-based) of the run in its file.
    pub span: (u64, u64),
    /// The script that is dumped into the log.
    pub source: Option<SourceDump>,
    /// First step that the log prints, where what came before it is in no log.
    pub resumed_from: Option<Logged<u64>>,
    /// The log that gives the score, where it is another than `log` (evaluation alone, of a model trained in `log`).
    pub score_log: Option<Utf8PathBuf>,
    /// What the log says about scoring only a part of the validation split.
    pub partial_validation: Option<Logged<String>>,
    pub train_shards: Option<Logged<u64>>,
    /// Distinct GPUs in the log's nvidia-smi table.
    pub gpus: Option<Logged<u64>>,
    /// Milliseconds of the training budget that the reserve for calibration leaves, as logged.
    pub gptq_effective_ms: Option<Logged<f64>>,
    /// Seconds of collecting Hessians or calibrating, as logged.
    pub gptq_hessian_seconds: Option<Logged<f64>>,
    /// Seconds of generating calibration text with the model itself: then no training data is read.
    pub gptq_generate_seconds: Option<Logged<f64>>,
    /// `wallclock:post_gptq total_elapsed`, seconds since the start of training.
    pub post_gptq_seconds: Option<Logged<f64>>,
    /// Compile warm-up before the evaluation's timer starts, seconds.
    pub eval_warmup_seconds: Option<Logged<f64>>,
    /// Sum of the clocks of all evaluations after training, warm-up included, seconds: what a reader with a watch sees.
    pub eval_wall_seconds: Option<Logged<f64>>,
    /// Seconds between the last size line and the last metric by the stamps that some logs put before each line.
    pub eval_stamped_seconds: Option<Logged<f64>>,
    /// `Total submission size` label, e.g. `int8+zlib`.
    pub bytes_total_label: Option<Logged<String>>,
    /// `Serialized model` label, e.g. `int6+zstd`.
    pub bytes_model_label: Option<Logged<String>>,
    /// Sizes are stated in MB with a few decimals only; the bytes above are then absent.
    pub megabytes: Option<Logged<String>>,
    /// Tokenizer and data set paths as the log states them.
    pub tokenizer: Option<Logged<String>>,
    pub dataset: Option<Logged<String>>,
    /// What `log` itself scored, where the score is that of `score_log`; its line is in `log`.
    pub superseded: Option<MetricLine>,
}

/// A script dumped into a log.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct SourceDump {
    /// Bytes of the dump, its last line feed included.
    pub bytes: u64,
    /// SHA-256 of those bytes, lower-case hexadecimal.
    pub sha256: String,
    /// First and last line (1-based) in the log.
    pub first_line: u64,
    pub last_line: u64,
    /// The dump's beginning is overwritten or cut off, so its size and digest say nothing.
    pub fragment: bool,
}

/// One final metric line.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MetricLine {
    pub name: String,
    /// `None` where the line states bits per byte only.
    pub val_loss: Option<f64>,
    pub val_bpb: f64,
    /// Digits after the point of `val_bpb`.
    pub decimals: u32,
    /// Its own clock, when the line has one.
    pub eval_seconds: Option<f64>,
    /// Of the weights before quantization: never a score.
    pub diagnostic: bool,
    /// 1-based line number.
    pub line: u64,
    /// The log that it stands in.
    pub log: Log,
}

impl InLog for MetricLine {
    fn log_line(&self) -> Option<LogLine> {
        Some(LogLine { log: self.log, line: self.line })
    }
}

/// A script is dumped by the run that it trained, and shown by its first line.
impl InLog for SourceDump {
    fn log_line(&self) -> Option<LogLine> {
        (self.first_line > 0).then_some(LogLine { log: Log::Own, line: self.first_line })
    }
}

impl MetricLine {
    /// Whether what is scored are the weights before quantization.
    pub fn before_quantization(&self) -> bool {
        metric::is_before_quantization(&self.name)
    }
}

impl RunLog {
    /// Seconds taken from the training budget for calibration: what the effective budget leaves of the whole, for the
    /// log's own figure is rounded to seconds. The whole is `train_seconds` where the log states no other.
    pub fn gptq_reserve_seconds(&self, train_seconds: f64) -> Option<Logged<f64>> {
        let stated = self.hyperparameters.get("max_wallclock_seconds").and_then(|text| text.value.parse::<f64>().ok());
        let budget = stated.filter(|seconds| seconds.is_finite() && *seconds > 0.0).unwrap_or(train_seconds);
        Some(self.gptq_effective_ms?.map(|effective| (budget * 1000.0 - effective) / 1000.0))
    }

    /// The file and the line that state `fact`; `log` as a whole where no log states it.
    pub fn at(&self, fact: &impl InLog) -> (&Utf8Path, Option<u64>) {
        match fact.log_line() {
            Some(LogLine { log: Log::Score, line }) => (self.score_log.as_ref().unwrap_or(&self.log), Some(line)),
            Some(LogLine { log: Log::Own, line }) => (&self.log, Some(line)),
            None => (&self.log, None),
        }
    }

    /// The line on which the run begins in its log.
    pub fn first_line(&self) -> Option<LogLine> {
        (self.span.0 > 0).then_some(LogLine { log: Log::Own, line: self.span.0 })
    }

    /// Every final metric line of the artifact that states both scores, in order: name, val_loss, val_bpb.
    pub fn metrics(&self) -> impl DoubleEndedIterator<Item = (&str, f64, f64)> {
        let lines = self.metric_lines.iter().filter(|line| !line.diagnostic);
        lines.filter_map(|line| Some((line.name.as_str(), line.val_loss?, line.val_bpb)))
    }

    /// Evaluation alone, of a model that another log trained.
    pub fn is_eval_only(&self) -> bool {
        self.steps.is_none() && self.train_seconds.is_none() && self.val_bpb.is_some()
    }

    /// Whether anything in the file says that it is a run's log.
    pub fn is_a_run(&self) -> bool {
        self.val_bpb.is_some() || self.train_seconds.is_some() || self.pre_quant_val_bpb.is_some()
    }
}

/// The runs of one file.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LogFile {
    /// In the order of the file; a run that is printed twice is one. Empty where nothing is understood.
    pub runs: Vec<RunLog>,
    /// Runs beyond those, of a file that holds too many: how many, and the line on which the first of them begins.
    pub dropped: Option<Lined<u64>>,
    /// It tells of jobs that a script started and ended; the runs have logs of their own.
    pub of_a_driver: bool,
    /// The encoding, as the file's beginning tells it.
    pub encoding: Encoding,
}

/// Reads all runs of one log in a single pass, with memory that does not depend on its length.
///
/// # Errors
/// When the file cannot be opened or read. Lines that are not understood are no error.
pub fn read_runs(path: &Utf8Path) -> Result<LogFile> {
    let file = caddie_files::open(path)?;
    let (text, encoding) = encoding::reader(file).map_err(Error::io(path, "reading"))?;
    let mut reader = std::io::BufReader::with_capacity(256 << 10, text);
    let mut log = log_parser::read(&mut reader).map_err(Error::io(path, "reading"))?;
    log.encoding = encoding;
    log.runs.iter_mut().for_each(|run| run.log = path.to_owned());
    Ok(log)
}

/// Reads a log that holds one run, as native logs do; of several, the last that has a score, else the last.
///
/// # Errors
/// As [`read_runs`].
pub fn read_log(path: &Utf8Path) -> Result<RunLog> {
    let mut runs = read_runs(path)?.runs;
    let index = runs.iter().rposition(|run| run.val_bpb.is_some()).or_else(|| runs.len().checked_sub(1));
    let run = index.map(|index| runs.swap_remove(index));
    Ok(run.unwrap_or_else(|| RunLog { log: path.to_owned(), ..RunLog::default() }))
}
