//! The progress of the engine's work on standard error: a bar on a terminal, else a line a minute.

use std::io::Write as _;
use std::time::{Duration, Instant};

use caddie_engine::log::{Event, Observer};

use super::outlook::{SeedView, clock};

/// Shows step, loss, tokens/s and time left while training, and the running score while evaluating. With `echo`, log
/// lines go to stdout as they are written.
pub struct Progress {
    shown: SeedView,
    started: Instant,
    /// The time from the start to the end of the training, once a step has told it.
    whole: Option<Duration>,
    echo: bool,
}

impl Progress {
    /// `shown` is the view of the run, for example that of one seed among several.
    pub fn new(shown: SeedView, echo: bool) -> Progress {
        Progress { shown, started: Instant::now(), whole: None, echo }
    }
}

impl Observer for Progress {
    fn on(&mut self, event: &Event) {
        let elapsed = self.started.elapsed();
        match event {
            Event::Line(line) => {
                if self.echo {
                    // The line is in the log already: a reader that went away must not end a training.
                    self.shown.suspend(|| drop(writeln!(std::io::stdout(), "{line}")));
                }
            }
            // Log lines tell of every step already.
            Event::Step { .. } if self.echo && !self.shown.is_a_bar() => {}
            Event::Step { step, iterations, train_loss, tokens_per_second, seconds_left } => {
                let left = Duration::from_secs_f64(seconds_left.clamp(0.0, 1e9));
                self.whole = Some(elapsed + left);
                let words = format!(
                    "{step}/{iterations}  loss {train_loss:.4}  {tokens_per_second:.0} tok/s  {} left",
                    clock(left)
                );
                self.shown.show(*step as f64 / (*iterations).max(1) as f64, &words, elapsed, self.whole);
            }
            Event::Scoring { mode, tokens, of, val_bpb } => {
                let share = *tokens as f64 / (*of).max(1) as f64;
                let words = format!("{mode} {:.0} %  val_bpb {val_bpb:.4}", 100.0 * share);
                self.shown.show(share, &words, elapsed, self.whole);
                self.shown.finished();
            }
        }
    }
}
