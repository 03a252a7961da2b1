//! The grammar of training logs (spec/records-corpus.md, section c): what each kind of line states.
//!
//! Every pattern is anchored at the start of the line and needs a number where it expects one, so that source code
//! dumped into a log, which holds the format strings of these very lines, does not match.

mod header;

use super::metric;
use super::run_log::{MetricLine, RunLog};

/// Metric lines kept; real logs have at most a dozen.
const MAX_METRICS: usize = 1_000;

/// Reads line after line and keeps what they state.
#[derive(Debug, Default)]
pub(super) struct Parser {
    run: RunLog,
    number: u64,
    separators: u64,
    in_hyperparameters: bool,
    /// Metric lines seen before the last `ledger:` line.
    ledgered: Option<usize>,
    /// From a `stopping_early:` line, which states the clock exactly.
    stopped: bool,
    /// `Total submission size` without a format: raw weights and code in most logs, the counted total in a few.
    bare_total: Option<(u64, u64)>,
    /// Something after the training loop was seen: a lower step now means another run in the same file.
    after_training: bool,
}

impl Parser {
    /// Takes the next line, without its line feed.
    pub(super) fn line(&mut self, line: &str) {
        self.number += 1;
        let line = line.trim_start_matches('\u{feff}').trim_end();
        // A progress bar redraws its line with carriage returns; what stands there at the end counts.
        let line = line.rsplit('\r').next().unwrap_or(line);
        let line = without_timestamp(line);
        if line.len() >= 100 && line.bytes().all(|byte| byte == b'=') {
            self.separator();
        } else if let Some(rest) = line.strip_prefix("  ").filter(|rest| !rest.starts_with(' ')) {
            self.indented(rest);
        } else {
            self.in_hyperparameters = line == "Hyperparameters:";
            self.statement(line);
        }
    }

    /// Ends the log: picks the official metric and settles what only the whole file decides.
    pub(super) fn finish(mut self) -> RunLog {
        self.settle_bare_total();
        let lines = self.run.metric_lines.iter().filter(|line| !line.diagnostic);
        self.run.metrics = lines.map(|line| (line.name.clone(), line.val_loss, line.val_bpb)).collect();
        if let Some(index) = metric::official(&self.run.metric_lines, self.ledgered) {
            metric::choose(&mut self.run, index);
        }
        self.run
    }

    /// What stands before the first separator is the recipe or the script that the run embedded, not its log.
    fn separator(&mut self) {
        self.in_hyperparameters = false;
        self.separators += 1;
        if self.separators == 1 {
            let number = self.number;
            *self = Parser { number, separators: 1, ..Parser::default() };
        }
    }

    fn statement(&mut self, line: &str) {
        if let Some(rest) = line.strip_prefix("step:") {
            self.step(rest, line);
        } else if line.starts_with(|c: char| c.is_ascii_digit()) {
            self.step(line, line);
        } else if line.starts_with("stopping_early:") {
            self.stop(line);
        } else if let Some(rest) = line.strip_prefix("Serialized model") {
            self.serialized(rest);
        } else if let Some(rest) = line.strip_prefix("Code size") {
            self.code_size(rest);
        } else if let Some(rest) = line.strip_prefix("Total submission size") {
            self.total_size(rest);
        } else if line.starts_with("budget:") || line.starts_with("artifact:") {
            self.budget(line);
        } else if let Some(rest) = line.strip_prefix("ledger:") {
            self.ledger(rest);
        } else if is_metric(line) {
            self.metric(line);
        } else if line.starts_with("total_eval_time:") {
            self.total_eval_time(line);
        } else {
            self.header(line);
        }
    }

    /// `13700/20000 train_loss:… train_time:597179ms step_avg:43.59ms`, and family B's `500/20000 … train_time: 0.8m`.
    fn step(&mut self, rest: &str, line: &str) {
        let Some((step, iterations)) = rest.split_whitespace().next().and_then(ratio) else { return };
        let measures = ["train_loss:", "val_loss:", "loss:", "fitness:"].iter().any(|key| value(line, key).is_some());
        if !measures {
            return;
        }
        if self.after_training && self.run.steps.is_some_and(|last| step < last) {
            self.next_run();
        }
        self.run.steps = Some(step);
        self.run.iterations = Some(iterations);
        self.note("steps");
        self.note("iterations");
        let clock = value(line, "train_time:").or_else(|| value(line, "t:"));
        if let Some(seconds) = clock.and_then(seconds) {
            self.run.train_seconds = Some(seconds);
            self.stopped = false;
            self.note("train_seconds");
        }
        let average = value(line, "step_avg:").or_else(|| value(line, "avg:"));
        if let Some(average) = average.and_then(|text| number(text.trim_end_matches("ms"))) {
            self.run.step_avg_ms = Some(average);
            self.note("step_avg_ms");
        }
        if let (Some(loss), Some(bpb)) = (float(line, "val_loss:"), float(line, "val_bpb:")) {
            self.run.pre_quant_val_loss = Some(loss);
            self.run.pre_quant_val_bpb = Some(bpb);
            self.note("pre_quant_val_loss");
            self.note("pre_quant_val_bpb");
        }
    }

    /// `stopping_early: wallclock_cap train_time:600038ms step:13780/20000`
    fn stop(&mut self, line: &str) {
        if let Some(seconds) = value(line, "train_time:").and_then(seconds) {
            self.run.train_seconds = Some(seconds);
            self.stopped = true;
            self.note("train_seconds");
        }
        if let Some((step, iterations)) = value(line, "step:").and_then(ratio) {
            self.run.steps = Some(step);
            self.run.iterations = Some(iterations);
            self.note("steps");
        }
    }

    /// `: 67224983 bytes` (raw, not counted) or ` int8+zlib: 15815847 bytes (…)`.
    fn serialized(&mut self, rest: &str) {
        let Some((label, bytes)) = labelled_bytes(rest) else { return };
        self.after_training = true;
        if !label.is_empty() {
            self.run.bytes_model = Some(bytes);
            self.note("bytes_model");
        }
    }

    fn code_size(&mut self, rest: &str) {
        let Some((label, bytes)) = labelled_bytes(rest) else { return };
        if label == "(uncompressed)" {
            self.run.bytes_code_uncompressed = Some(bytes);
            self.note("bytes_code_uncompressed");
        } else {
            self.run.bytes_code = Some(bytes);
            self.note("bytes_code");
        }
    }

    fn total_size(&mut self, rest: &str) {
        let Some((label, bytes)) = labelled_bytes(rest) else { return };
        if label.is_empty() {
            self.bare_total = Some((bytes, self.number));
        } else {
            self.run.bytes_total = Some(bytes);
            self.note("bytes_total");
        }
    }

    /// A total without a format name is the counted one only where it equals packed model and code.
    fn settle_bare_total(&mut self) {
        let Some((bytes, line)) = self.bare_total else { return };
        let parts = self.run.bytes_model.zip(self.run.bytes_code).map(|(model, code)| model.saturating_add(code));
        if self.run.bytes_total.is_none() && parts == Some(bytes) {
            self.run.bytes_total = Some(bytes);
            self.run.lines.insert("bytes_total", line);
        }
    }

    /// Family C: `budget:15993853/16000000 (…) FITS`, `artifact:15.92MB ternary:N(14239486B) fp:N(2537376B) code:70853`.
    /// The bytes in parentheses are those before compression and not counted.
    fn budget(&mut self, line: &str) {
        self.after_training = true;
        if let Some((total, _)) = value(line, "budget:").and_then(ratio) {
            self.run.bytes_total = Some(total);
            self.note("bytes_total");
        }
        if let Some(code) = whole(line, "code:") {
            self.run.bytes_code = Some(code);
            self.note("bytes_code");
        }
    }

    /// `ttt documents:64 tokens:12344 bytes:34567 sha256:…`
    fn ledger(&mut self, rest: &str) {
        let Some(digest) = value(rest, "sha256:").filter(|hex| hex.len() == 64) else { return };
        self.run.ledger_sha256 = Some(digest.to_ascii_lowercase());
        self.run.ledger_documents = whole(rest, "documents:");
        self.run.ledger_tokens = whole(rest, "tokens:");
        self.run.ledger_bytes = whole(rest, "bytes:");
        self.ledgered = Some(self.run.metric_lines.len());
        self.note("ledger_sha256");
    }

    /// `final_int8_zlib_roundtrip val_loss:2.0727 val_bpb:1.2244 eval_time:1401ms`
    fn metric(&mut self, line: &str) {
        let (Some(val_loss), Some(bpb)) = (float(line, "val_loss:"), value(line, "val_bpb:")) else { return };
        let Some(val_bpb) = number(bpb) else { return };
        if self.run.metric_lines.len() == MAX_METRICS {
            return;
        }
        self.after_training = true;
        let before = line.split(" val_loss:").next().unwrap_or(line);
        let name: Vec<&str> = before.split_whitespace().filter(|word| !word.contains(':')).collect();
        let clock = value(line, "eval_time:").or_else(|| value(line, "time:")).and_then(seconds);
        self.run.metric_lines.push(MetricLine {
            name: name.join(" "),
            val_loss,
            val_bpb,
            decimals: bpb.split_once('.').map_or(0, |(_, digits)| digits.len() as u32),
            // Scripts that do not measure print 0ms.
            eval_seconds: clock.filter(|seconds| *seconds > 0.0),
            diagnostic: is_diagnostic(line),
            line: self.number,
        });
    }

    /// `total_eval_time:332.1s` belongs to the metric line before it.
    fn total_eval_time(&mut self, line: &str) {
        let clock = value(line, "total_eval_time:").and_then(seconds);
        if let (Some(seconds), Some(last)) = (clock, self.run.metric_lines.last_mut()) {
            last.eval_seconds.get_or_insert(seconds);
        }
    }

    /// Another run begins in the same file: what came after the last run's training is not its.
    fn next_run(&mut self) {
        let header = std::mem::take(&mut self.run);
        let keep = ["seed", "world_size", "gpu", "hardware", "torch_version", "model_params", "val_tokens"];
        self.run = RunLog {
            seed: header.seed,
            world_size: header.world_size,
            gpu: header.gpu,
            hardware: header.hardware,
            engine_version: header.engine_version,
            torch_version: header.torch_version,
            model_params: header.model_params,
            val_tokens: header.val_tokens,
            hyperparameters: header.hyperparameters,
            lines: header.lines.into_iter().filter(|(field, _)| keep.contains(field)).collect(),
            ..RunLog::default()
        };
        self.ledgered = None;
        self.stopped = false;
        self.bare_total = None;
        self.after_training = false;
    }

    fn note(&mut self, field: &'static str) {
        self.run.lines.insert(field, self.number);
    }
}

fn is_metric(line: &str) -> bool {
    let named = ["final_", "legal_ttt", "quantized"].iter().any(|name| line.starts_with(name));
    (named || is_diagnostic(line)) && line.contains("val_bpb:")
}

/// Scores of weights that are not the artifact.
fn is_diagnostic(line: &str) -> bool {
    ["diagnostic ", "DIAGNOSTIC ", "pre-quantization "].iter().any(|name| line.starts_with(name))
}

/// Three logs of the corpus start each line with epoch seconds: `1776100000.123 `.
fn without_timestamp(line: &str) -> &str {
    let bytes = line.as_bytes();
    let digits = |range: std::ops::Range<usize>| bytes.get(range).is_some_and(|b| b.iter().all(u8::is_ascii_digit));
    let stamped = digits(0..10) && bytes.get(10) == Some(&b'.') && digits(11..14) && bytes.get(14) == Some(&b' ');
    if stamped { &line[15..] } else { line }
}

/// The word after `key`, which must begin a word itself; one space between is passed over (family B).
fn value<'a>(line: &'a str, key: &str) -> Option<&'a str> {
    let starts_word = |at: usize| at == 0 || line[..at].ends_with([' ', '(', ',']);
    let (at, _) = line.match_indices(key).find(|(at, _)| starts_word(*at))?;
    line[at + key.len()..].split_whitespace().next()
}

fn float(line: &str, key: &str) -> Option<f64> {
    value(line, key).and_then(number)
}

fn whole(line: &str, key: &str) -> Option<u64> {
    value(line, key)?.parse().ok()
}

/// A finite number; `nan` and `inf` in a log are no score.
fn number(text: &str) -> Option<f64> {
    text.parse().ok().filter(|value: &f64| value.is_finite())
}

/// `600038ms`, `332.1s`, `9.6m`.
fn seconds(text: &str) -> Option<f64> {
    if let Some(text) = text.strip_suffix("ms") {
        number(text).map(|ms| ms / 1000.0)
    } else if let Some(text) = text.strip_suffix('s') {
        number(text)
    } else {
        number(text.strip_suffix('m')?).map(|minutes| minutes * 60.0)
    }
}

/// `13780/20000`
fn ratio(text: &str) -> Option<(u64, u64)> {
    let (a, b) = text.split_once('/')?;
    Some((a.parse().ok()?, b.parse().ok()?))
}

/// ` int8+zlib: 15815847 bytes (…)` gives the label and the number.
fn labelled_bytes(rest: &str) -> Option<(&str, u64)> {
    let (label, rest) = rest.split_once(": ")?;
    let (bytes, unit) = rest.split_once(' ')?;
    unit.starts_with("bytes").then_some(())?;
    Some((label.trim(), bytes.parse().ok()?))
}

#[cfg(test)]
mod tests;
