//! Several runs in one file: finds where the next one begins, and settles the facts of one that ends.

use super::{Current, Parser};
use crate::logged::{Fact, Lined};
use crate::metric;
use crate::run_log::{LogFile, RunLog};

/// Most runs that are kept of one file; real ones hold up to three.
const MAX_RUNS: usize = 50;
/// Seconds below which a clock at step 0 has measured no training.
const UNTRAINED_SECONDS: f64 = 1.0;

impl Current {
    /// Tells whether a run began. Lines before the first step or warm-up are only its header.
    pub(super) fn has_begun(&self) -> bool {
        self.run.steps.is_some() || !self.run.metric_lines.is_empty() || self.warmed_up
    }

    /// Tells whether the run came to its end, so that a line of a header belongs to another run.
    fn has_ended(&self) -> bool {
        self.run.steps.is_some() && self.after_training
    }
}

impl Parser {
    /// Tells whether `line` is the beginning of another run than the current one.
    pub(super) fn starts_run(&self, line: &str) -> bool {
        let begins =
            line.starts_with("Running Python ") || line == "Hyperparameters:" || line == "--- Hyperparameters ---";
        if begins {
            return self.current.has_begun();
        }
        let starts = ["val_bpb:enabled", "train_loader:dataset:", "seed:", "logs/"];
        self.current.has_ended() && starts.iter().any(|start| line.starts_with(start))
    }

    /// Puts the current run away; the next one begins with `line`.
    pub(super) fn next_run(&mut self, line: u64) {
        self.settle_bare_total();
        self.settle_score();
        self.settle_untrained();
        self.settle_eval_wall();
        let begun = self.current.has_begun() || self.current.run.train_seconds.is_some();
        let mut ended = std::mem::take(&mut self.current);
        ended.run.span = (ended.run.span.0.max(1), line.saturating_sub(1));
        self.current.run.span.0 = line;
        if !begun {
            return;
        }
        if self.earlier.len() < MAX_RUNS {
            self.earlier.push(ended.run);
        } else {
            self.dropped.get_or_insert(Lined::new(0, ended.run.span.0)).value += 1;
        }
    }

    /// Starts the next run with the current one's header: only the step counter tells that a run began, and facts
    /// before the first step hold for both.
    pub(super) fn same_header_next_run(&mut self) {
        let run = &self.current.run;
        let header = RunLog {
            seed: run.seed,
            world_size: run.world_size,
            gpu: run.gpu.clone(),
            gpus: run.gpus,
            hardware: run.hardware.clone(),
            engine_version: run.engine_version.clone(),
            torch_version: run.torch_version.clone(),
            model_params: run.model_params,
            val_tokens: run.val_tokens,
            train_shards: run.train_shards,
            tokenizer: run.tokenizer.clone(),
            dataset: run.dataset.clone(),
            hyperparameters: run.hyperparameters.clone(),
            ..RunLog::default()
        };
        let gptq_effective_ms = self.current.run.gptq_effective_ms;
        self.next_run(self.number);
        self.current.run = RunLog { span: self.current.run.span, gptq_effective_ms, ..header };
    }

    /// Settles a total without a format name: it is the counted one only where it equals packed model and code.
    fn settle_bare_total(&mut self) {
        let Some(total) = self.current.bare_total else { return };
        let run = &mut self.current.run;
        let parts = run.bytes_model.zip(run.bytes_code).map(|(model, code)| model.value.saturating_add(code.value));
        if run.bytes_total.is_none() && parts == Some(total.value) {
            run.bytes_total = Some(total);
        }
    }

    /// Settles a run with a score after step 0 alone. The score is that of a loaded model: the run states nothing of
    /// its training, and a validation before the weights were loaded is not a score of them.
    fn settle_untrained(&mut self) {
        let run = &mut self.current.run;
        let clock = run.train_seconds.value().unwrap_or(0.0);
        if run.steps.value() != Some(0) || run.val_bpb.is_none() || clock >= UNTRAINED_SECONDS {
            return;
        }
        (run.steps, run.train_seconds, run.step_avg_ms) = (None, None, None);
        (run.pre_quant_val_loss, run.pre_quant_val_bpb) = (None, None);
    }

    /// Picks the official metric.
    fn settle_score(&mut self) {
        let run = &mut self.current.run;
        if let Some(index) = metric::official(&run.metric_lines, self.current.ledgered) {
            metric::choose(run, index);
        }
    }
}

/// Returns the runs of the file; one that is printed twice is one.
pub(super) fn settle(runs: Vec<RunLog>, dropped: Option<Lined<u64>>, of_a_driver: bool) -> LogFile {
    let mut settled: Vec<RunLog> = Vec::new();
    for run in runs {
        match settled.iter_mut().find(|earlier| same_run(earlier, &run)) {
            Some(earlier) => {
                let first = std::mem::take(earlier);
                *earlier = reprinted(first, run);
            }
            None => settled.push(run),
        }
    }
    for (index, run) in settled.iter_mut().enumerate() {
        run.run_index = index;
    }
    LogFile { runs: settled, dropped, of_a_driver, ..LogFile::default() }
}

fn same_run(a: &RunLog, b: &RunLog) -> bool {
    let clock = |run: &RunLog| (run.steps.value(), run.train_seconds.value());
    let facts = |run: &RunLog| (run.seed.value(), clock(run), run.val_bpb.value(), run.bytes_total.value());
    // Without a clock, two runs of one seed may well look the same.
    a.val_bpb.is_some() && a.train_seconds.is_some() && facts(a) == facts(b)
}

/// Merges a run that is printed twice: the second print is the log proper, and the first one fills in what it lacks.
fn reprinted(first: RunLog, second: RunLog) -> RunLog {
    let source = match (&first.source, second.source) {
        (Some(whole), Some(part)) if part.fragment && !whole.fragment => Some(whole.clone()),
        (before, after) => after.or_else(|| before.clone()),
    };
    let hyperparameters =
        if second.hyperparameters.is_empty() { first.hyperparameters } else { second.hyperparameters };
    RunLog {
        reprints: first.reprints + 1,
        span: (first.span.0, second.span.1),
        source,
        gpu: second.gpu.or(first.gpu),
        gpus: second.gpus.or(first.gpus),
        torch_version: second.torch_version.or(first.torch_version),
        world_size: second.world_size.or(first.world_size),
        val_tokens: second.val_tokens.or(first.val_tokens),
        train_shards: second.train_shards.or(first.train_shards),
        tokenizer: second.tokenizer.or(first.tokenizer),
        dataset: second.dataset.or(first.dataset),
        hyperparameters,
        ..second
    }
}
