//! A progress bar on stderr, only where stderr is a terminal.

use std::io::{IsTerminal as _, Write as _};
use std::time::Duration;

use caddie_engine::log::{Event, Observer};
use indicatif::{ProgressBar, ProgressStyle};

/// Shows step, loss, tokens/s and time left while training, and the running score while evaluating. With `echo`, log
/// lines go to stdout as they are written.
pub struct Progress {
    bar: ProgressBar,
    label: String,
    echo: bool,
}

impl Progress {
    /// `label` stands in front of the bar, for example `seed 42`.
    pub fn new(label: &str, echo: bool) -> Progress {
        let bar = if std::io::stderr().is_terminal() { ProgressBar::new(0) } else { ProgressBar::hidden() };
        let style = ProgressStyle::with_template("{prefix} {bar:24.cyan/dim} {msg}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.set_prefix(label.to_owned());
        Progress { bar, label: label.to_owned(), echo }
    }

    fn show(&self, position: u64, length: u64, phase: &str, message: String) {
        self.bar.set_length(length);
        self.bar.set_position(position);
        self.bar.set_prefix(format!("{} {phase}", self.label));
        self.bar.set_message(message);
    }
}

/// Removes the bar.
impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

impl Observer for Progress {
    fn on(&mut self, event: &Event) {
        match event {
            Event::Line(line) => {
                if self.echo {
                    // The line is in the log already: a reader that went away must not end a training.
                    self.bar.suspend(|| drop(writeln!(std::io::stdout(), "{line}")));
                }
            }
            Event::Step { step, iterations, train_loss, tokens_per_second, seconds_left } => {
                let left = indicatif::HumanDuration(Duration::from_secs_f64(seconds_left.clamp(0.0, 1e9)));
                let message = format!(
                    "step {step}/{iterations}  loss {train_loss:.4}  {tokens_per_second:.0} tok/s  {left:#} left"
                );
                self.show(*step as u64, *iterations as u64, "train", message);
            }
            Event::Scoring { mode, tokens, of, val_bpb } => {
                self.show(*tokens, *of, mode, format!("{tokens}/{of} targets  val_bpb {val_bpb:.4}"));
            }
        }
    }
}
