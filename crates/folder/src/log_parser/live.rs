//! A log while it is being written: the same grammar, line by line, with what a watcher wants to know at the moment.

use super::words::{float, value};
use super::{Parser, lines};
use crate::logged::Fact as _;

/// The position of a run. A value that no line has stated yet is `None`.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Glance {
    pub step: Option<u64>,
    pub iterations: Option<u64>,
    /// Nats per token of the last training step that was printed.
    pub train_loss: Option<f64>,
    /// The training clock, seconds.
    pub train_seconds: Option<f64>,
    /// Bits per byte of an evaluation that is still going on, over what it has scored so far.
    pub running_bpb: Option<f64>,
    /// Bits per byte of the last metric line.
    pub val_bpb: Option<f64>,
}

/// Reads a log as it grows.
#[derive(Debug, Default)]
pub struct LiveLog {
    parser: Parser,
    train_loss: Option<f64>,
    running_bpb: Option<f64>,
}

impl LiveLog {
    /// Takes the next line, without its line feed. Lines that are not understood are passed over.
    pub fn line(&mut self, line: &[u8]) {
        let line = &line[..line.len().min(lines::MAX_LINE_BYTES)];
        let steps = self.stepped_at();
        lines::Sink::line(&mut self.parser, line, true);
        let text = String::from_utf8_lossy(line);
        if self.stepped_at() != steps {
            let loss = ["train_loss:", "loss:"].iter().find_map(|key| float(&text, key));
            self.train_loss = loss.or(self.train_loss);
        } else if let Some(bpb) = running_bpb(&text) {
            self.running_bpb = Some(bpb);
        }
    }

    /// The line of the last step.
    fn stepped_at(&self) -> Option<u64> {
        self.parser.current.run.steps.as_ref().map(|step| step.line)
    }

    /// Returns the statements of the lines so far.
    pub fn glance(&self) -> Glance {
        let run = &self.parser.current.run;
        Glance {
            step: run.steps.value(),
            iterations: run.iterations.value(),
            train_loss: self.train_loss,
            train_seconds: run.train_seconds.value(),
            running_bpb: self.running_bpb,
            val_bpb: run.metric_lines.iter().rev().find(|line| !line.diagnostic).map(|line| line.val_bpb),
        }
    }
}

/// `ttp: b205/782 … rb:1.0545`, `ttt_progress: … running_bpb:1.3`, `  ttt_chunk [1891/1893] bpb=1.121468 time=409.5s`.
fn running_bpb(line: &str) -> Option<f64> {
    let line = line.trim_start();
    let progress = ["ttp:", "ttt", "sliding", "eval"].iter().any(|word| line.starts_with(word));
    let keys = ["running_bpb:", "running_bpb=", "rb:", "bpb=", "bpb:"];
    let bpb = || keys.iter().find_map(|key| value(line, key)?.trim_end_matches([',', ')', ']']).parse().ok());
    bpb().filter(|bpb: &f64| progress && bpb.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(text: &str) -> Glance {
        let mut log = LiveLog::default();
        text.lines().for_each(|line| log.line(line.as_bytes()));
        log.glance()
    }

    #[test]
    fn a_training_tells_its_step_its_loss_and_its_clock() {
        let glance = after("seed:1\nstep:7/100 train_loss:3.25 train_time:43000ms step_avg:43.2ms");
        assert_eq!((glance.step, glance.iterations, glance.train_loss), (Some(7), Some(100), Some(3.25)));
        assert_eq!((glance.train_seconds, glance.running_bpb, glance.val_bpb), (Some(43.0), None, None));
        let glance = after("500/20000 train_loss: 2.8488 train_time: 9.6m tok/s: 6813644");
        assert_eq!((glance.step, glance.train_loss, glance.train_seconds), (Some(500), Some(2.8488), Some(576.0)));
        let glance = after("step:1000/10000 loss:3.3139 t:91682ms avg:91.7ms");
        assert_eq!((glance.train_loss, glance.train_seconds), (Some(3.3139), Some(91.682)));
    }

    #[test]
    fn an_evaluation_tells_its_running_score_and_then_the_final_one() {
        assert_eq!(after("  ttt_chunk [1891/1893] bpb=1.121468 time=409.5s").running_bpb, Some(1.121468));
        assert_eq!(
            after("ttp: b205/782 bl:2.3253 bb:1.1133 rl:2.3138 rb:1.0545 dl:301-302 gd:1").running_bpb,
            Some(1.0545)
        );
        assert_eq!(after("ttt_progress: batch 3/9 batch_bpb:1.2 running_bpb:1.3 doc_len:7").running_bpb, Some(1.3));
        assert_eq!(after("note bpb=1.1").running_bpb, None);
        let glance = after("final_int8_zlib_roundtrip_exact val_loss:2.0 val_bpb:1.25");
        assert_eq!((glance.val_bpb, glance.running_bpb), (Some(1.25), None));
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_it_panic(lines in proptest::collection::vec(proptest::collection::vec(proptest::num::u8::ANY, 0..80), 0..20)) {
            let mut log = LiveLog::default();
            lines.iter().for_each(|line| log.line(line));
            let _ = log.glance();
        }
    }
}
