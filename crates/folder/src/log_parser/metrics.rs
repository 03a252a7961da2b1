//! Final metric lines, `NAME val_loss:F val_bpb:F …` under any name, and the ledger line of a native log.

use super::Parser;
use super::words::{decimals, float, number, seconds, value, whole};
use crate::logged::Log;
use crate::metric::{is_diagnostic, is_known};
use crate::run_log::MetricLine;

/// Most metric lines that are kept; real logs have at most a dozen.
const MAX_METRICS: usize = 1_000;
/// Most words of a metric's name; `diagnostic pre-quantization post-ema` has three.
const MAX_NAME_WORDS: usize = 4;
/// Most bytes of a metric's name; the longest real one has 50.
const MAX_NAME_BYTES: usize = 200;

impl Parser {
    /// Reads `final_int8_zlib_roundtrip val_loss:2.0727 val_bpb:1.2244 eval_time:1401ms`; returns false when the line
    /// is not a metric.
    pub(super) fn metric(&mut self, line: &str) -> bool {
        let metric = named(line).or_else(|| done(line));
        let Some(metric) = metric else { return false };
        self.understood = true;
        self.current.after_training = true;
        if self.current.run.metric_lines.len() < MAX_METRICS {
            let diagnostic = is_diagnostic(&metric.name);
            if !diagnostic {
                self.stamp_metric();
            }
            self.current.run.metric_lines.push(MetricLine { line: self.number, diagnostic, ..metric });
        }
        true
    }

    /// Reads `ledger:ttt documents:64 tokens:12344 bytes:34567 sha256:…`.
    pub(super) fn ledger(&mut self, line: &str) -> bool {
        let Some(rest) = line.strip_prefix("ledger:") else { return false };
        let digest = value(rest, "sha256:").filter(|hex| hex.len() == 64);
        if let Some(digest) = digest {
            self.current.run.ledger_sha256 = self.stated(digest.to_ascii_lowercase());
            self.current.run.ledger_documents = self.here(whole(rest, "documents:"));
            self.current.run.ledger_tokens = self.here(whole(rest, "tokens:"));
            self.current.run.ledger_bytes = self.here(whole(rest, "bytes:"));
            self.current.ledgered = Some(self.current.run.metric_lines.len());
        }
        true
    }
}

/// Reads a line that begins with a metric's name and states its scores in numbers; bits per byte alone count only under
/// a name of a known kind.
fn named(line: &str) -> Option<MetricLine> {
    // `ngram_exact:val_loss:0.1586 val_bpb:0.0939`, without a space behind the name.
    if let Some((name, rest)) = line.split_once(":val_loss:").filter(|(name, _)| is_name(name)) {
        return named(&format!("{name} val_loss:{rest}"));
    }
    // Most lines fail here, before any of them is taken apart.
    let bpb = value(line, "val_bpb:")?;
    let val_bpb = number(bpb)?;
    let val_loss = float(line, "val_loss:");
    let mut name: Vec<&str> = Vec::new();
    let mut loss_seen = false;
    for word in line.split_whitespace() {
        match word.split_once(':') {
            Some(("val_bpb", _)) => break,
            Some(("val_loss", _)) => loss_seen = true,
            // `stride:64` and the like are settings of the evaluation.
            Some((key, setting)) if is_name(key) && !setting.is_empty() && !name.is_empty() => {}
            None if is_name(word) => name.push(word),
            // `val_loss: 2.07`, as family B writes.
            None if loss_seen && number(word).is_some() => {}
            _ => return None,
        }
    }
    let words = name.len();
    let name = name.join(" ");
    let stated = if loss_seen { val_loss.is_some() } else { is_known(&name) };
    if !stated || words == 0 || words > MAX_NAME_WORDS || name.len() > MAX_NAME_BYTES {
        return None;
    }
    let clocks = ["eval_time:", "time:", "ngram_eval_time:"];
    let clock = clocks.iter().find_map(|key| value(line, key)).and_then(seconds);
    Some(MetricLine {
        name,
        val_loss,
        val_bpb,
        decimals: decimals(bpb),
        // Scripts that do not measure print 0ms.
        eval_seconds: clock.filter(|seconds| *seconds > 0.0),
        diagnostic: false,
        line: 0,
        log: Log::Own,
    })
}

/// Reads `ttt_sliding:done val_loss=1.88 val_bpb=1.11 elapsed=300.1s`, which a line with more digits usually repeats.
fn done(line: &str) -> Option<MetricLine> {
    let (name, rest) = line.split_once(":done ")?;
    let bpb = value(rest, "val_bpb=")?;
    (is_name(name) && name.len() <= MAX_NAME_BYTES).then_some(())?;
    Some(MetricLine {
        name: format!("{name}:done"),
        val_loss: Some(float(rest, "val_loss=")?),
        val_bpb: number(bpb)?,
        decimals: decimals(bpb),
        eval_seconds: value(rest, "elapsed=").and_then(seconds),
        diagnostic: false,
        line: 0,
        log: Log::Own,
    })
}

/// Tells whether a word can be part of a metric's name: `recover/quantized`, `final_quant_zlib(level=9)_roundtrip`.
fn is_name(word: &str) -> bool {
    let scores = word.starts_with("final_") || word.contains("quantized");
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || b"_-+.".contains(&byte) || scores && b"/()=".contains(&byte);
    word.starts_with(|c: char| c.is_ascii_alphabetic()) && word.bytes().all(inner)
}
