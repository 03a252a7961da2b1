//! The training loop: steps, validations on the way, the stop, and the place where a run was resumed.

use super::Parser;
use super::words::{float, number, ratio, seconds, value};
use crate::logged::Fact;

/// Highest first step of a run that begins anew.
const FIRST_STEPS: u64 = 10;
/// Fewest steps of a run that matters; a shorter one may be anybody's.
const SOME_STEPS: u64 = 20;

impl Parser {
    /// Reads `13700/20000 train_loss:… train_time:597179ms step_avg:43.59ms`, and family B's `500/20000 … train_time:
    /// 0.8m`.
    pub(super) fn step(&mut self, rest: &str, line: &str) {
        let Some((step, iterations)) = rest.split_whitespace().next().and_then(ratio) else { return };
        let measures = ["train_loss:", "val_loss:", "loss:", "fitness:"].iter().any(|key| value(line, key).is_some());
        if !measures {
            return;
        }
        if let Some(last) = self.current.run.steps.value().filter(|last| step < *last) {
            let anew = step <= FIRST_STEPS && last >= SOME_STEPS;
            if self.current.after_training || anew {
                self.same_header_next_run();
            }
        }
        self.current.run.steps = self.stated(step);
        self.current.run.iterations = self.stated(iterations);
        let clock = value(line, "train_time:").or_else(|| value(line, "t:"));
        if let Some(seconds) = clock.and_then(seconds) {
            self.current.run.train_seconds = self.stated(seconds);
        }
        let average = value(line, "step_avg:").or_else(|| value(line, "avg:"));
        if let Some(average) = average.and_then(|text| number(text.trim_end_matches("ms"))) {
            self.current.run.step_avg_ms = self.stated(average);
        }
        if let (Some(loss), Some(bpb)) = (float(line, "val_loss:"), float(line, "val_bpb:")) {
            self.current.run.pre_quant_val_loss = self.stated(loss);
            self.current.run.pre_quant_val_bpb = self.stated(bpb);
        }
    }

    /// Reads `stopping_early: wallclock_cap train_time:600038ms step:13780/20000`.
    pub(super) fn stop(&mut self, line: &str) {
        if let Some(seconds) = value(line, "train_time:").and_then(seconds) {
            self.current.run.train_seconds = self.stated(seconds);
        }
        if let Some((step, iterations)) = value(line, "step:").and_then(ratio) {
            self.current.run.steps = self.stated(step);
            self.current.run.iterations = self.stated(iterations);
        }
    }

    /// Reads `Resuming from checkpoint: …` and `  Resumed at step 30000, …`: the earlier steps are in no log.
    pub(super) fn resumed(&mut self, line: &str) -> bool {
        let Some(rest) = line.strip_prefix("Resumed at step ").or_else(|| line.strip_prefix("resumed_from step:"))
        else {
            return false;
        };
        let digits = rest.split(|c: char| !c.is_ascii_digit()).next().unwrap_or("");
        if let Ok(step) = digits.parse::<u64>() {
            self.current.run.resumed_from = self.stated(step);
        }
        true
    }

    /// Reads `warmup_step:1/20`, with which a run begins.
    pub(super) fn warmup(&mut self, line: &str) -> bool {
        let count = line.strip_prefix("warmup_step:").or_else(|| line.strip_prefix("warmup:"));
        let Some(count) = count.and_then(|rest| rest.split_whitespace().next()) else { return false };
        let warmed_up = ratio(count).is_some();
        self.current.warmed_up |= warmed_up;
        warmed_up
    }
}
