//! The course of a training as its log prints it: the losses at each step.

use std::io::{BufReader, Read};

use camino::Utf8Path;

use super::words::{float, ratio};
use super::{LiveLog, lines};
use caddie_files::encoding;

/// Most bytes of a log that are read for its curve.
const MAX_BYTES: u64 = 64 << 20;
/// Most points of a curve that are kept; a figure has no room for more.
const MAX_POINTS: usize = 512;

/// Losses over steps. Each point is a step and a value.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Curve {
    /// Nats per token of the training batches.
    pub train_loss: Vec<(u64, f64)>,
    /// Bits per byte of the validations on the way.
    pub val_bpb: Vec<(u64, f64)>,
}

impl Curve {
    /// Reads the curve of the last training in a log; empty where the log cannot be read or prints none.
    pub fn read(log: &Utf8Path) -> Curve {
        let opened = caddie_files::open(log).ok().and_then(|file| encoding::reader(file).ok());
        let Some((text, _)) = opened else { return Curve::default() };
        let mut reading = Reading::default();
        // What was read before a failure is the curve so far.
        let _ = lines::read(&mut BufReader::new(text.take(MAX_BYTES)), &mut reading);
        let Curve { train_loss, val_bpb } = reading.curve;
        Curve { train_loss: thinned(train_loss), val_bpb: thinned(val_bpb) }
    }

    /// Tells whether there is nothing to draw.
    pub fn is_empty(&self) -> bool {
        self.train_loss.len() < 2 && self.val_bpb.len() < 2
    }
}

#[derive(Default)]
struct Reading {
    log: LiveLog,
    curve: Curve,
}

impl lines::Sink for Reading {
    fn overflow(&mut self, _: &[u8], _: &[u8]) {}

    fn line(&mut self, line: &[u8], _: bool) {
        let text = String::from_utf8_lossy(line);
        if !text.contains("loss:") {
            return;
        }
        self.log.line(line);
        // The parser says whether the line is a step at all, the line itself which step.
        let Some(step) = self.log.glance().step.filter(|step| is_of_step(&text, *step)) else { return };
        let last = self.curve.train_loss.last().or(self.curve.val_bpb.last()).map_or(0, |(step, _)| *step);
        if step + 1 < last {
            // Another run begins, and it is the last one that counts.
            self.curve = Curve::default();
        }
        let finite = |value: &f64| value.is_finite();
        if let Some(bpb) = float(&text, "val_bpb:").filter(finite) {
            self.curve.val_bpb.push((step, bpb));
        }
        let loss = ["train_loss:", "loss:"].iter().find_map(|key| float(&text, key));
        if let Some(loss) = loss.filter(finite) {
            self.curve.train_loss.push((step, loss));
        }
    }
}

/// Tells whether the line is that of the step: `step:7/100`, `7/100`.
fn is_of_step(line: &str, step: u64) -> bool {
    let words = line.split_whitespace().map(|word| word.strip_prefix("step:").unwrap_or(word));
    words.filter_map(ratio).any(|(at, _)| at == step)
}

/// Keeps the first and the last point, and as many between them as fit, at equal distances.
fn thinned(points: Vec<(u64, f64)>) -> Vec<(u64, f64)> {
    let every = points.len().div_ceil(MAX_POINTS).max(1);
    let last = points.len().saturating_sub(1);
    points.into_iter().enumerate().filter(|(at, _)| at % every == 0 || *at == last).map(|(_, point)| point).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curve(text: &str) -> Curve {
        let dir = tempfile::tempdir().expect("a folder");
        let log = camino::Utf8PathBuf::from_path_buf(dir.path().join("train.log")).expect("UTF-8");
        std::fs::write(&log, text).expect("writes");
        Curve::read(&log)
    }

    #[test]
    fn the_losses_of_the_last_training_are_read_in_both_spellings() {
        let first = "step:0/20 val_loss:6.9 val_bpb:4.1 train_time:0ms\nstep:1/20 train_loss:6.5 train_time:43ms\n\
                     step:20/20 train_loss:2.5 train_time:430ms\nfinal_int8 val_loss:2.6 val_bpb:1.6\n";
        let found = curve(first);
        assert_eq!((found.train_loss, found.val_bpb), (vec![(1, 6.5), (20, 2.5)], vec![(0, 4.1)]));
        let again =
            curve(&format!("{first}1/20 train_loss: 6.0 train_time: 0.0m\n9/20 train_loss: 3.0 train_time: 0.1m\n"));
        assert_eq!(again.train_loss, [(1, 6.0), (9, 3.0)]);
        assert!(curve("loss:nan\nstep:x/3 train_loss:1\n").is_empty());
    }

    #[test]
    fn a_long_curve_keeps_its_ends() {
        let points: Vec<(u64, f64)> = (0..10_000).map(|step| (step, 1.0)).collect();
        let kept = thinned(points);
        assert!(kept.len() <= MAX_POINTS + 1 && kept.first() == Some(&(0, 1.0)) && kept.last() == Some(&(9_999, 1.0)));
    }
}
