//! The lines of trials that go on side by side: bars on a terminal, and one line for each result.

use std::io::IsTerminal as _;
use std::time::Duration;

use indicatif::{FormattedDuration, MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::ablate::{Onlooker, TrialLine};
use caddie_files::text::{cut, one_line};
use caddie_folder::Glance;

/// Columns of a trial's name before its bar.
const NAME: usize = 44;

/// Bars on a terminal; without one, the results alone.
pub struct TrialBars {
    bars: MultiProgress,
    terminal: bool,
}

impl TrialBars {
    /// An empty view.
    pub fn new() -> TrialBars {
        let terminal = std::io::stderr().is_terminal();
        let target = if terminal { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        TrialBars { bars: MultiProgress::with_draw_target(target), terminal }
    }
}

impl Onlooker for TrialBars {
    fn begin(&self, trial: &str) -> Box<dyn TrialLine> {
        let bar = self.bars.add(ProgressBar::new(1000));
        let style = ProgressStyle::with_template("{prefix} {bar:16.cyan/dim} {msg}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.set_prefix(cut(&one_line(trial), NAME));
        bar.tick();
        Box::new(TrialBar(bar))
    }

    fn say(&self, text: &str) {
        let text = super::shown(text);
        if self.terminal {
            self.bars.suspend(|| eprintln!("{text}"));
        } else {
            eprintln!("{text}");
        }
    }
}

/// One trial's bar, which goes with it.
struct TrialBar(ProgressBar);

impl TrialLine for TrialBar {
    fn glance(&mut self, glance: &Glance, elapsed: Duration) {
        let steps = glance.step.zip(glance.iterations);
        let share = steps.map_or(0.0, |(step, of)| step as f64 / of.max(1) as f64).clamp(0.0, 1.0);
        self.0.set_position((1000.0 * share) as u64);
        self.0.set_message(shown(glance, elapsed));
    }

    fn tell(&mut self, text: &str) {
        self.0.set_message(one_line(text));
    }
}

impl Drop for TrialBar {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// `step 700/20000  loss 2.3123  00:01:30`
fn shown(glance: &Glance, elapsed: Duration) -> String {
    let mut parts = Vec::new();
    if let Some(step) = glance.step {
        parts.push(glance.iterations.map_or(format!("step {step}"), |of| format!("step {step}/{of}")));
    }
    parts.extend(glance.train_loss.map(|loss| format!("loss {loss:.4}")));
    parts.extend(glance.val_bpb.or(glance.running_bpb).map(|bpb| format!("val_bpb {bpb:.4}")));
    parts.push(FormattedDuration(elapsed).to_string());
    parts.join("  ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_tells_where_a_trial_is() {
        let glance = Glance { step: Some(7), iterations: Some(20), train_loss: Some(2.5), ..Glance::default() };
        assert_eq!(shown(&glance, Duration::from_secs(90)), "step 7/20  loss 2.5000  00:01:30");
    }
}
