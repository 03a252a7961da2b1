//! One training log, read: the facts of a run with the line that states each.

use camino::{Utf8Path, Utf8PathBuf};
use serde::Serialize;
use std::collections::BTreeMap;

use super::logged::{InLog, Lined, Log, LogLine, Logged};
use super::{log_parser, metric};
use caddie_files::encoding::{self, Encoding};
use caddie_files::{Error, Result};

/// The facts that one run's log states, each with its line. A value that the log does not state is `None`, never a
/// guess.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct RunLog {
    /// The log's path as given.
    pub log: Utf8PathBuf,
    /// The seed of the `seed:` line, not of the file name.
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
    /// The last reading of the training clock, in seconds.
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
    /// Targets in the validation stream, as the log states them.
    pub val_tokens: Option<Logged<u64>>,
    pub peak_memory_mib: Option<Logged<u64>>,
    /// SHA-256 of the uncompressed ledger, from a native run's `ledger:` line.
    pub ledger_sha256: Option<Logged<String>>,
    /// Documents, tokens and bytes of the `ledger:` line.
    pub ledger_documents: Option<Logged<u64>>,
    pub ledger_tokens: Option<Logged<u64>>,
    pub ledger_bytes: Option<Logged<u64>>,
    /// Hyperparameters that the log states, by name.
    pub hyperparameters: BTreeMap<String, Logged<String>>,
    /// The run's position in its file, from 0: several runs may be appended to one log.
    pub run_index: usize,
    /// The number of times that the file prints this very run again (standard output redirected onto the log doubles
    /// it).
    pub reprints: u64,
    /// First and last line (1-based) of the run in its file.
    pub span: (u64, u64),
    /// The script that is dumped into the log.
    pub source: Option<SourceDump>,
    /// First step that the log prints, for a run whose earlier steps are in no log.
    pub resumed_from: Option<Logged<u64>>,
    /// The log that gives the score, where it is not `log` (a separate evaluation of a model trained in `log`).
    pub score_log: Option<Utf8PathBuf>,
    /// The log's statement that only a part of the validation split is scored.
    pub partial_validation: Option<Logged<String>>,
    pub train_shards: Option<Logged<u64>>,
    /// Distinct GPUs in the log's nvidia-smi table.
    pub gpus: Option<Logged<u64>>,
    /// Milliseconds of the training budget after the reserve for calibration, as logged.
    pub gptq_effective_ms: Option<Logged<f64>>,
    /// Seconds of collecting Hessians, calibrating, or learning a start of adapters after the training, as logged.
    pub gptq_hessian_seconds: Option<Logged<f64>>,
    /// Seconds of generating calibration text with the model itself; no training data is then read.
    pub gptq_generate_seconds: Option<Logged<f64>>,
    /// `wallclock:post_gptq total_elapsed`, seconds since the start of training.
    pub post_gptq_seconds: Option<Logged<f64>>,
    /// Compile warm-up before the evaluation's timer starts, seconds.
    pub eval_warmup_seconds: Option<Logged<f64>>,
    /// Seconds of all evaluations after training, warm-up included, as a reader with a watch sees them.
    pub eval_wall_seconds: Option<Logged<f64>>,
    /// Seconds between the last size line and the last metric, by the stamps that some logs put before each line.
    pub eval_stamped_seconds: Option<Logged<f64>>,
    /// `Total submission size` label, e.g. `int8+zlib`.
    pub bytes_total_label: Option<Logged<String>>,
    /// `Serialized model` label, e.g. `int6+zstd`.
    pub bytes_model_label: Option<Logged<String>>,
    /// Sizes that the log states only in MB with a few decimals; the bytes above are then absent.
    pub megabytes: Option<Logged<String>>,
    /// Paths of the tokenizer and the data set, as the log states them.
    pub tokenizer: Option<Logged<String>>,
    pub dataset: Option<Logged<String>>,
    /// The score of `log` itself, where the run's score is that of `score_log`; its line is in `log`.
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
    /// True if the dump's beginning is overwritten or cut off, so that its size and digest say nothing.
    pub fragment: bool,
}

/// One final metric line.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct MetricLine {
    pub name: String,
    /// Nats per token; `None` where the line states bits per byte only.
    pub val_loss: Option<f64>,
    pub val_bpb: f64,
    /// Digits after the point of `val_bpb`.
    pub decimals: u32,
    /// The line's own clock, when it has one.
    pub eval_seconds: Option<f64>,
    /// True for a metric of the weights before quantization, which is never a score.
    pub diagnostic: bool,
    /// 1-based line number.
    pub line: u64,
    /// The log that holds the line.
    pub log: Log,
}

impl InLog for MetricLine {
    fn log_line(&self) -> Option<LogLine> {
        Some(LogLine { log: self.log, line: self.line })
    }
}

/// The run that a script trained dumps it, and its first line shows it.
impl InLog for SourceDump {
    fn log_line(&self) -> Option<LogLine> {
        (self.first_line > 0).then_some(LogLine { log: Log::Own, line: self.first_line })
    }
}

impl MetricLine {
    /// Tells whether the scored weights are those before quantization.
    pub fn before_quantization(&self) -> bool {
        metric::is_before_quantization(&self.name)
    }
}

impl RunLog {
    /// Returns the seconds taken from the training budget for calibration: the whole budget less the effective one,
    /// because the log's own figure is rounded to seconds. The whole is `train_seconds` where the log states no other.
    pub fn gptq_reserve_seconds(&self, train_seconds: f64) -> Option<Logged<f64>> {
        let stated = self.hyperparameters.get("max_wallclock_seconds").and_then(|text| text.value.parse::<f64>().ok());
        let budget = stated.filter(|seconds| seconds.is_finite() && *seconds > 0.0).unwrap_or(train_seconds);
        Some(self.gptq_effective_ms?.map(|effective| (budget * 1000.0 - effective) / 1000.0))
    }

    /// Returns the file and the line that state `fact`; `log` as a whole where no log states it.
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

    /// Returns every final metric line of the artifact that states both scores, in order: name, val_loss, val_bpb.
    pub fn metrics(&self) -> impl DoubleEndedIterator<Item = (&str, f64, f64)> {
        let lines = self.metric_lines.iter().filter(|line| !line.diagnostic);
        lines.filter_map(|line| Some((line.name.as_str(), line.val_loss?, line.val_bpb)))
    }

    /// Tells whether the run is a separate evaluation of a model that another log trained.
    pub fn is_eval_only(&self) -> bool {
        self.steps.is_none() && self.train_seconds.is_none() && self.val_bpb.is_some()
    }

    /// Returns the number after `seed` in the file's name: `train_seed42.log`, `train_seed_42.txt`,
    /// `log_10mins_seed-42.txt`.
    pub fn seed_in_name(&self) -> Option<i64> {
        let (_, rest) = self.log.file_stem()?.rsplit_once("seed")?;
        let rest = rest.trim_start_matches(['_', '-']);
        let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        rest.get(..digits)?.parse().ok()
    }

    /// Tells whether anything in the file says that it is a run's log.
    pub fn is_a_run(&self) -> bool {
        self.val_bpb.is_some() || self.train_seconds.is_some() || self.pre_quant_val_bpb.is_some()
    }
}

/// The runs of one file.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LogFile {
    /// The runs in the order of the file; a run that is printed twice is one. Empty where nothing is understood.
    pub runs: Vec<RunLog>,
    /// The number of runs beyond those, of a file that holds too many, and the line on which the first of them begins.
    pub dropped: Option<Lined<u64>>,
    /// True if the file tells of jobs that a script started and ended; the runs have logs of their own.
    pub of_a_driver: bool,
    /// The encoding that the file's beginning shows.
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

/// Hands each line of a log with its number (1-based) to `each`, as the program printed it: without what launchers, loggers
/// and terminals put around it. A script that the log dumps is among them; [`RunLog::source`] says where.
///
/// # Errors
/// When the file cannot be opened or read.
pub fn printed_lines(path: &Utf8Path, each: impl FnMut(u64, &str)) -> Result<()> {
    let file = caddie_files::open(path)?;
    let (text, _) = encoding::reader(file).map_err(Error::io(path, "reading"))?;
    let mut reader = std::io::BufReader::with_capacity(256 << 10, text);
    log_parser::read_printed(&mut reader, each).map_err(Error::io(path, "reading"))
}
