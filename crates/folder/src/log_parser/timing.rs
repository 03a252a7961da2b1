//! Clocks outside the training loop: calibration, the artifact's production, the evaluation.

use super::Parser;
use super::words::{number, seconds, value};
use crate::logged::{Fact, Logged};
use crate::run_log::MetricLine;

impl Parser {
    /// Reads any line about those clocks; returns false when the line is not one.
    pub(super) fn timing(&mut self, line: &str) -> bool {
        if line.starts_with("total_eval_time:") {
            self.total_eval_time(line);
        } else if line.starts_with("gptq:") || line.starts_with("GPTQ:") {
            self.calibration(&line[5..]);
        } else if let Some(rest) = line.strip_prefix("ttt_start:") {
            self.learnt_start(rest);
        } else if line.starts_with("wallclock:post_gptq ") {
            self.post_gptq(line);
        } else if let Some(rest) = line.strip_prefix("ttt_lora:compile warmup done (") {
            if let Some(spent) = rest.split(')').next().and_then(seconds) {
                self.current.run.eval_warmup_seconds = self.stated(spent);
            }
        } else {
            return self.warmup(line) || self.resumed(line) || self.spent(line);
        }
        true
    }

    /// Reads `train time  : 594.74s (9m 54s)` or `Training time: 589 seconds`, in a log whose steps state no clock.
    pub(super) fn spent(&mut self, line: &str) -> bool {
        let Some((label, rest)) = line.split_once(':') else { return false };
        let label = label.trim_start_matches("- ").trim().to_ascii_lowercase();
        if self.current.run.train_seconds.is_some() || !matches!(&*label, "train time" | "training time") {
            return false;
        }
        let mut words = rest.split_whitespace();
        let first = words.next().unwrap_or_default();
        let is_seconds = matches!(words.next(), Some("s" | "sec" | "seconds"));
        let Some(spent) = seconds(first).or_else(|| number(first).filter(|_| is_seconds)) else { return false };
        self.current.run.train_seconds = self.stated(spent);
        true
    }

    /// Reads `total_eval_time:332.1s`, which belongs to the metric line before it.
    fn total_eval_time(&mut self, line: &str) {
        let clock = value(line, "total_eval_time:").and_then(seconds);
        if let (Some(seconds), Some(last)) = (clock, self.current.run.metric_lines.last_mut()) {
            last.eval_seconds.get_or_insert(seconds);
            self.stamp_metric();
        }
    }

    /// Reads `reserving 13s, effective=587000ms`, `collected 67 Hessians in 12.7s`, `generated 64 sequences in 196.7s`.
    fn calibration(&mut self, rest: &str) {
        if rest.starts_with("reserving ") {
            let effective = value(rest, "effective=").and_then(|text| number(text.strip_suffix("ms")?));
            if effective.is_some() {
                self.current.run.gptq_effective_ms = self.stated(effective);
            }
            return;
        }
        let Some((what, spent)) = rest.split_once(" in ") else { return };
        let Some(spent) = spent.split_whitespace().next().and_then(seconds) else { return };
        if what.starts_with("generated ") {
            self.current.run.gptq_generate_seconds = self.stated(spent);
        } else if what.starts_with("collected ") || what.starts_with("calibrated ") {
            self.current.run.gptq_hessian_seconds = self.stated(spent);
        }
    }

    /// Reads the native engine's `learnt from 8 of 8 documents in 12.7s`: training data read after training, like calibration, whose
    /// seconds it adds to.
    fn learnt_start(&mut self, rest: &str) {
        if rest.starts_with("reserving ") {
            return self.calibration(rest);
        }
        let Some((what, spent)) = rest.split_once(" in ") else { return };
        if let Some(spent) = seconds(spent.trim()).filter(|_| what.starts_with("learnt from ")) {
            let calibrated = self.current.run.gptq_hessian_seconds.value().unwrap_or(0.0);
            self.current.run.gptq_hessian_seconds = self.stated(calibrated + spent);
        }
    }

    /// Reads `wallclock:post_gptq total_elapsed:858.2s train_budget:600.0s`.
    fn post_gptq(&mut self, line: &str) {
        if let Some(seconds) = value(line, "total_elapsed:").and_then(seconds) {
            self.current.run.post_gptq_seconds = self.stated(seconds);
        }
    }

    /// Settles the seconds between the last size and the last metric, by the log's own stamps.
    pub(super) fn stamp_metric(&mut self) {
        if let (Some(sized), Some(now)) = (self.current.sized_at, self.stamp) {
            self.current.run.eval_stamped_seconds = self.here(((now - sized) * 1000.0).round() / 1000.0);
        }
    }

    /// Settles the sum of the clocks of all evaluations of the artifact, each counted once, with the compile warm-up.
    pub(super) fn settle_eval_wall(&mut self) {
        let run = &mut self.current.run;
        let mut counted: Vec<(&str, f64)> = Vec::new();
        let mut last = 0;
        // A line that reports the end of an evaluation, before the metric line that reports its result.
        let repeats = |done: &MetricLine| {
            let near = |a: Option<f64>, b: Option<f64>| a.zip(b).is_some_and(|(a, b)| (a - b).abs() < 5.0);
            let same = |line: &MetricLine| {
                line.name != done.name
                    && (line.val_bpb - done.val_bpb).abs() < 1e-4
                    && near(line.eval_seconds, done.eval_seconds)
            };
            done.name.ends_with(":done") && run.metric_lines.iter().any(same)
        };
        for line in run.metric_lines.iter().filter(|line| !line.before_quantization()) {
            let Some(seconds) = line.eval_seconds.filter(|_| !repeats(line)) else { continue };
            let name = line.name.strip_suffix("_exact").unwrap_or(&line.name);
            last = line.line;
            if let Some(known) = counted.iter_mut().find(|(known, _)| *known == name) {
                known.1 = seconds;
            } else {
                counted.push((name, seconds));
            }
        }
        if !counted.is_empty() {
            let clocks: f64 = counted.iter().map(|(_, seconds)| seconds).sum();
            let wall = clocks + run.eval_warmup_seconds.value().unwrap_or(0.0);
            run.eval_wall_seconds = Some(Logged::new((wall * 1000.0).round() / 1000.0, last));
        }
    }
}
