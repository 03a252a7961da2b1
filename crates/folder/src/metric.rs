//! Choice of the official score among a log's metric lines (docs/spec/records.md#official-score).

use super::logged::Logged;
use super::run_log::{MetricLine, RunLog};

/// Name of the score of a run without a metric of its artifact: the last validation in training.
pub const IN_TRAINING: &str = "in_training_validation";

/// The kind of evaluation that a metric line reports. A run is scored by the latest of these kinds that it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Tier {
    /// A name of no other kind: a score only where there is no other line.
    Other,
    Roundtrip,
    Sliding,
    /// An evaluation that adapts to the scored text: test-time training, n-gram caches, slots.
    Ttt,
}

/// Parts of the names of evaluations that adapt to the text.
const ADAPTING: [&str; 9] = ["ttt", "ogd", "slot", "ngram", "n_gram", "etlb", "mixer", "ppm", "knn"];
/// Beginnings of the names of metrics of the artifact.
const SCORES: [&str; 10] =
    ["final", "legal_ttt", "quantized", "post_ttt", "ttt", "slot", "sliding_window", "roundtrip", "ngram", "ppm_mix"];
/// Beginnings of the names of metrics of weights that are not the artifact, or of a part of the data.
const DIAGNOSTICS: [&str; 12] = [
    "diag",
    "pre-quant",
    "pre_quant",
    "prequant",
    "post-prequant",
    "post-ttt pre-quant",
    "post_ema",
    "ema",
    "swa",
    "raw",
    "candidate",
    "best",
];

/// Tells whether a metric of this name is of a kind that is known to be a score.
pub(super) fn is_known(name: &str) -> bool {
    tier(name) != Tier::Other
}

fn tier(name: &str) -> Tier {
    if !SCORES.iter().any(|start| name.starts_with(start)) && !name.contains("exact") {
        Tier::Other
    } else if ADAPTING.iter().any(|part| name.contains(part)) {
        Tier::Ttt
    } else if name.contains("sliding") {
        Tier::Sliding
    } else {
        Tier::Roundtrip
    }
}

/// Tells whether a metric of this name is never a score: it is of weights that are not the artifact, or calls itself a
/// diagnostic.
pub(super) fn is_diagnostic(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    DIAGNOSTICS.iter().any(|start| name.starts_with(start))
}

/// Tells whether a metric of this name scores the weights before quantization.
pub(super) fn is_before_quantization(name: &str) -> bool {
    is_diagnostic(name) && !name.ends_with("diagnostic quantized")
}

/// Returns the name without `_exact`: `final_int8_ttt_lora_exact` and `final_int8_ttt_lora` are one result printed
/// twice.
fn base_name(name: &str) -> String {
    name.replace("_exact", "")
}

/// The index of the official line among `lines`.
///
/// `ledgered` is the number of metric lines before the last `ledger:` line of a native log: there the score is the
/// last `_exact` line that the ledger followed. Other logs go by tier (TTT, then sliding window, then round trip),
/// except that a tier which scored worse than the next one did not help and is not what was submitted.
pub(super) fn official(lines: &[MetricLine], ledgered: Option<usize>) -> Option<usize> {
    let native = ledgered.and_then(|before| {
        lines.iter().take(before).rposition(|line| !line.diagnostic && line.name.contains("_exact"))
    });
    native.or_else(|| by_tier(lines))
}

fn by_tier(lines: &[MetricLine]) -> Option<usize> {
    let last_of = |wanted: Tier| {
        let last = lines.iter().rposition(|line| !line.diagnostic && tier(&line.name) == wanted)?;
        Some(exact_twin(lines, last))
    };
    let mut best: Option<usize> = None;
    for candidate in [Tier::Ttt, Tier::Sliding, Tier::Roundtrip].into_iter().filter_map(last_of) {
        match best {
            None => best = Some(candidate),
            // Half a unit of the coarser print is no improvement, only rounding.
            Some(current) if lines[candidate].val_bpb < lines[current].val_bpb - 1e-4 => best = Some(candidate),
            Some(_) => {}
        }
    }
    // At least it is of the artifact, where nothing calls itself final.
    let quantized = || lines.iter().rposition(|line| line.name == "diagnostic quantized");
    best.or_else(|| last_of(Tier::Other)).or_else(quantized)
}

/// Returns the line with more digits of the same result, when there is one.
fn exact_twin(lines: &[MetricLine], index: usize) -> usize {
    let base = base_name(&lines[index].name);
    // `ttt_sliding:done` states six digits of a result that a line of another name states in full.
    let done = lines[index].name.ends_with(":done");
    let same = |line: &MetricLine| {
        let apart = (line.val_bpb - lines[index].val_bpb).abs();
        base_name(&line.name) == base && apart < 1e-4 || done && !line.diagnostic && apart < 1e-6
    };
    let twins = lines.iter().enumerate().filter(|(_, line)| same(line));
    twins.max_by_key(|(at, line)| (line.decimals, *at)).map_or(index, |(at, _)| at)
}

/// Tells whether two lines state one score, to the precision of the coarser of them.
fn near(a: &MetricLine, b: &MetricLine) -> bool {
    (a.val_bpb - b.val_bpb).abs() < 1e-4
}

/// Makes `lines[index]` the official metric of `run`.
pub(super) fn choose(run: &mut RunLog, index: usize) {
    let Some(chosen) = run.metric_lines.get(index).cloned() else { return };
    let base = base_name(&chosen.name);
    let clock = |line: &&MetricLine| base_name(&line.name) == base && line.eval_seconds.is_some();
    let timed = if chosen.eval_seconds.is_some() {
        Some(&chosen)
    } else {
        let (before, after) = run.metric_lines.split_at(index);
        // Under another name only where it is the same result.
        let same = |line: &&MetricLine| !line.diagnostic && line.eval_seconds.is_some() && near(line, &chosen);
        let named = before.iter().rev().find(clock).or_else(|| after.iter().find(clock));
        named.or_else(|| before.iter().rev().find(same))
    };
    let clock = timed.and_then(|line| Some(Logged { value: line.eval_seconds?, line: line.line, log: line.log }));
    run.eval_seconds = clock.or(run.eval_seconds);
    let of_line = Logged { value: (), line: chosen.line, log: chosen.log };
    run.metric = Some(of_line.map(|()| chosen.name));
    run.val_bpb = Some(of_line.map(|()| chosen.val_bpb));
    run.val_loss = chosen.val_loss.map(|loss| of_line.map(|()| loss));
    run.decimals = Some(chosen.decimals);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logged::{Fact, Log};

    fn line(name: &str, val_bpb: f64, decimals: u32, eval_seconds: Option<f64>) -> MetricLine {
        MetricLine {
            name: name.to_owned(),
            val_loss: Some(2.0),
            val_bpb,
            decimals,
            eval_seconds,
            diagnostic: false,
            line: 1,
            log: Log::Own,
        }
    }

    #[test]
    fn tiers_prefer_ttt_but_not_a_failed_one() {
        let roundtrip = line("final_int6_roundtrip_exact", 1.11, 8, None);
        let sliding = line("final_int6_sliding_window_exact", 1.09, 8, None);
        let good = line("final_int6_ttt", 1.08, 8, None);
        let failed = line("final_int6_ttt", 1.336, 8, None);
        assert_eq!(official(&[roundtrip.clone(), sliding.clone(), good], None), Some(2));
        assert_eq!(official(&[roundtrip, sliding, failed], None), Some(1));
        assert_eq!(official(&[], None), None);
    }

    #[test]
    fn the_exact_twin_gives_the_digits_and_the_short_one_the_clock() {
        let lines = vec![
            line("final_int8_zlib_roundtrip", 1.2244, 4, Some(1.401)),
            line("final_int8_zlib_roundtrip_exact", 1.2243657, 8, None),
        ];
        let mut run = RunLog { metric_lines: lines, ..RunLog::default() };
        let index = official(&run.metric_lines, None).expect("a metric");
        choose(&mut run, index);
        assert_eq!((run.val_bpb.value(), run.eval_seconds.value()), (Some(1.2243657), Some(1.401)));
    }

    #[test]
    fn a_result_in_six_digits_is_read_where_it_is_stated_in_full() {
        let lines = [
            line("final_int6_sliding_window_exact", 1.1, 8, None),
            line("ttt_sliding:done", 1.092786, 6, Some(7082.8)),
            line("final_int6_sliding_window_exact", 1.09278613, 8, None),
        ];
        assert_eq!(official(&lines, None), Some(2));
    }

    #[test]
    fn a_native_run_is_scored_by_the_line_its_ledger_follows() {
        let lines = [
            line("final_int8_zlib_roundtrip_exact", 1.20, 8, None),
            line("final_int8_ttt_lora_exact", 1.25, 8, None),
            line("final_int8_zlib_roundtrip_exact", 1.10, 8, None),
        ];
        assert_eq!(official(&lines, Some(2)), Some(1), "the TTT is worse, but it is what the ledger holds");
    }
}
