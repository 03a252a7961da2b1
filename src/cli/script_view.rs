//! A run of a script on the terminal: the live view, and the words for one that failed.

use std::fmt::Write as _;
use std::time::Duration;

use super::outlook::{Outlook, SeedView, clock};
use crate::runner::script::Audience;
use crate::runner::script::process::Watch;
use crate::runner::script::seed::Failure;
use caddie_folder::Glance;

/// Describes a run that failed: its reason, its last lines, its log.
pub fn failed(failure: &Failure) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = writeln!(text, "seed {} failed: {}", failure.seed, failure.reason);
    for line in &failure.tail {
        let _ = writeln!(text, "  | {line}");
    }
    let _ = writeln!(text, "  log {}\n", failure.log);
    text
}

/// The terminal, where there is one; else a line a minute, and the lines that matter.
pub struct Terminal(Outlook);

impl Terminal {
    /// Shows so many runs, one after another.
    pub fn of(runs: usize) -> Terminal {
        Terminal(Outlook::on(runs))
    }
}

impl Audience for Terminal {
    fn watch(&mut self, seed: u64, train_seconds: f64) -> Box<dyn Watch> {
        Box::new(View { shown: self.0.seed(seed), train_seconds })
    }

    fn kept(&mut self, seed: u64) {
        self.0.kept();
        self.say(&format!("seed {seed}: finished before, and kept"));
    }

    fn say(&mut self, text: &str) {
        eprintln!("{text}");
    }
}

/// One run on the terminal.
struct View {
    shown: SeedView,
    train_seconds: f64,
}

impl Watch for View {
    fn glance(&mut self, glance: &Glance, elapsed: Duration) {
        let by_clock = glance.train_seconds.map(|seconds| seconds / self.train_seconds);
        let by_steps = glance.step.zip(glance.iterations).map(|(step, of)| step as f64 / of.max(1) as f64);
        let share = by_clock.into_iter().chain(by_steps).fold(0.0, f64::max);
        let whole = whole(glance, self.train_seconds, elapsed);
        self.shown.show(share, &words(glance, self.train_seconds), elapsed, whole);
    }

    fn finished(&mut self) {
        self.shown.finished();
    }
}

/// Returns the time from the run's start to the end of its training: by the clock, or by the steps where they end first.
fn whole(glance: &Glance, train_seconds: f64, elapsed: Duration) -> Option<Duration> {
    let spent = glance.train_seconds?;
    let by_clock = (train_seconds - spent).max(0.0);
    let steps = glance.step.zip(glance.iterations).filter(|(step, of)| *step > 0 && step <= of);
    let by_steps = steps.map(|(step, of)| spent / step as f64 * (of - step) as f64);
    let left = by_steps.map_or(by_clock, |by_steps| by_steps.min(by_clock));
    Some(elapsed + Duration::from_secs_f64(left.clamp(0.0, 1e9)))
}

/// `step 700/20000  loss 2.3123  09:00 left`: with the seed, the bar and the time of all seeds it fits 80 columns.
fn words(glance: &Glance, train_seconds: f64) -> String {
    let mut parts = Vec::new();
    if let Some(bpb) = glance.val_bpb {
        parts.push(format!("val_bpb {bpb:.4}"));
    } else if let Some(bpb) = glance.running_bpb {
        parts.push(format!("scoring, bpb {bpb:.4} so far"));
    } else {
        if let Some(step) = glance.step {
            parts.push(glance.iterations.map_or(format!("step {step}"), |of| format!("step {step}/{of}")));
        }
        parts.extend(glance.train_loss.map(|loss| format!("loss {loss:.4}")));
        if let Some(spent) = glance.train_seconds {
            let left = Duration::from_secs_f64((train_seconds - spent).clamp(0.0, 1e9));
            let over = spent > train_seconds;
            parts.push(if over { format!("over {train_seconds} s") } else { format!("{} left", clock(left)) });
        }
    }
    if parts.is_empty() { "no step yet".to_owned() } else { parts.join("  ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_view_tells_where_a_run_is_in_few_columns() {
        let training = Glance {
            step: Some(13_700),
            iterations: Some(20_000),
            train_loss: Some(2.5),
            train_seconds: Some(60.0),
            ..Glance::default()
        };
        let said = words(&training, 600.0);
        assert_eq!(said, "step 13700/20000  loss 2.5000  09:00 left");
        let line = format!("seed 1234 2/3 ######## {said}  all ~1:27:00");
        assert!(line.len() <= 80, "{} columns: {line}", line.len());
        let late = Glance { train_seconds: Some(601.0), step: Some(3), ..Glance::default() };
        assert_eq!(words(&late, 600.0), "step 3  over 600 s");
        let scoring = Glance { running_bpb: Some(1.07), ..training };
        assert_eq!(words(&scoring, 600.0), "scoring, bpb 1.0700 so far");
        assert_eq!(words(&Glance::default(), 600.0), "no step yet");
    }

    #[test]
    fn a_training_ends_by_its_clock_or_by_its_steps() {
        let at = |step, of| Glance {
            step: Some(step),
            iterations: Some(of),
            train_seconds: Some(60.0),
            ..Glance::default()
        };
        let seconds = |glance: &Glance| whole(glance, 600.0, Duration::from_secs(90)).map(|whole| whole.as_secs());
        assert_eq!(seconds(&at(700, 20_000)), Some(90 + 540), "the clock ends it");
        assert_eq!(seconds(&at(50, 100)), Some(90 + 60), "the steps end it");
        assert_eq!(seconds(&Glance::default()), None);
    }
}
