//! A run of a script on the terminal: the live view, and the words for one that failed.

use std::fmt::Write as _;
use std::io::IsTerminal as _;
use std::time::Duration;

use indicatif::{FormattedDuration, ProgressBar, ProgressStyle};

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

/// The terminal, where there is one; else the lines that matter alone.
pub struct Terminal {
    of: usize,
    begun: usize,
}

impl Terminal {
    /// Shows so many runs, one after another.
    pub fn of(runs: usize) -> Terminal {
        Terminal { of: runs, begun: 0 }
    }
}

impl Audience for Terminal {
    fn watch(&mut self, seed: u64, train_seconds: f64) -> Box<dyn Watch> {
        self.begun += 1;
        let bar = if std::io::stderr().is_terminal() { ProgressBar::new(1000) } else { ProgressBar::hidden() };
        let style = ProgressStyle::with_template("{prefix} {bar:24.cyan/dim} {msg}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.set_prefix(format!("seed {seed} ({}/{})", self.begun, self.of));
        Box::new(View { bar, train_seconds })
    }

    fn say(&mut self, text: &str) {
        eprintln!("{text}");
    }
}

/// One run on the terminal.
struct View {
    bar: ProgressBar,
    train_seconds: f64,
}

impl Watch for View {
    fn glance(&mut self, glance: &Glance, elapsed: Duration) {
        let by_clock = glance.train_seconds.map(|seconds| seconds / self.train_seconds);
        let by_steps = glance.step.zip(glance.iterations).map(|(step, of)| step as f64 / of.max(1) as f64);
        let share = by_clock.into_iter().chain(by_steps).fold(0.0, f64::max).clamp(0.0, 1.0);
        self.bar.set_position((share * 1000.0) as u64);
        self.bar.set_message(shown(glance, self.train_seconds, elapsed));
    }
}

/// Takes the bar away.
impl Drop for View {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// `step 700/20000  loss 2.3123  00:09:00 left of 600 s  running for 00:01:30`
fn shown(glance: &Glance, train_seconds: f64, elapsed: Duration) -> String {
    let mut parts = Vec::new();
    if let Some(step) = glance.step {
        parts.push(glance.iterations.map_or(format!("step {step}"), |of| format!("step {step}/{of}")));
    }
    parts.extend(glance.train_loss.map(|loss| format!("loss {loss:.4}")));
    if let Some(spent) = glance.train_seconds {
        let left = Duration::from_secs_f64((train_seconds - spent).clamp(0.0, 1e9));
        let over = spent > train_seconds;
        let left = if over { "over".to_owned() } else { format!("{} left of", FormattedDuration(left)) };
        parts.push(format!("{left} {train_seconds} s"));
    }
    if let Some(bpb) = glance.val_bpb {
        parts.push(format!("val_bpb {bpb:.4}"));
    } else if let Some(bpb) = glance.running_bpb {
        parts.push(format!("running bpb {bpb:.4}"));
    }
    parts.push(format!("running for {}", FormattedDuration(elapsed)));
    parts.join("  ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_view_tells_where_a_run_is() {
        let training = Glance {
            step: Some(700),
            iterations: Some(20_000),
            train_loss: Some(2.5),
            train_seconds: Some(60.0),
            ..Glance::default()
        };
        let said = shown(&training, 600.0, Duration::from_secs(90));
        assert_eq!(said, "step 700/20000  loss 2.5000  00:09:00 left of 600 s  running for 00:01:30");
        let late = Glance { train_seconds: Some(601.0), running_bpb: Some(1.07), ..Glance::default() };
        assert!(shown(&late, 600.0, Duration::ZERO).starts_with("over 600 s  running bpb 1.0700"));
    }
}
