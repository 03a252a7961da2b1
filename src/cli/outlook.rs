//! The time that all seeds of a submission still take, and a line a minute where nobody watches a bar.

use std::cell::RefCell;
use std::fmt;
use std::io::IsTerminal as _;
use std::rc::Rc;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

/// Time between two lines where there is no terminal.
const EVERY: Duration = Duration::from_secs(60);

/// The seeds of a submission: those that are done, and how long they took.
#[derive(Debug, Clone, Default)]
pub struct Outlook(Rc<RefCell<Seeds>>);

#[derive(Debug, Default)]
struct Seeds {
    of: usize,
    /// Seeds that were begun or kept, the present one included.
    begun: usize,
    /// Durations of the runs that came to their score here.
    took: Vec<Duration>,
}

impl Outlook {
    /// The outlook on so many seeds.
    pub fn on(of: usize) -> Outlook {
        Outlook(Rc::new(RefCell::new(Seeds { of, ..Seeds::default() })))
    }

    /// Counts a seed that was finished before.
    pub fn kept(&self) {
        self.0.borrow_mut().begun += 1;
    }

    /// Begins the view of a seed's run.
    pub fn seed(&self, seed: impl fmt::Display) -> SeedView {
        self.kept();
        let seeds = self.0.borrow();
        let count = if seeds.of > 1 { format!(" {}/{}", seeds.begun, seeds.of) } else { String::new() };
        SeedView::new(format!("seed {seed}{count}"), Some(self.clone()))
    }

    /// Estimates the time that is left for all seeds. The present one has run for `elapsed` and takes at least `whole`, its
    /// evaluation not counted; the mean of finished ones counts more.
    fn left(&self, elapsed: Duration, whole: Option<Duration>) -> Option<TimeLeft> {
        let seeds = self.0.borrow();
        let behind = u32::try_from(seeds.of.saturating_sub(seeds.begun)).ok()?;
        let finished = u32::try_from(seeds.took.len()).ok().filter(|finished| *finished > 0);
        let mean = finished.map(|finished| seeds.took.iter().sum::<Duration>() / finished);
        let one = mean.or(whole)?.max(elapsed);
        let time = one.saturating_sub(elapsed) + one * behind;
        Some(TimeLeft { time, at_least: mean.is_none() })
    }
}

/// An estimate of a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct TimeLeft {
    time: Duration,
    /// True where nothing is known of the evaluation, which comes on top.
    at_least: bool,
}

/// `~27:00`, or `27:00+` where it is a lower bound.
impl fmt::Display for TimeLeft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = clock(self.time);
        if self.at_least { write!(f, "{time}+") } else { write!(f, "~{time}") }
    }
}

/// Writes a duration as `09:05`, from an hour on as `1:09:05`.
pub fn clock(time: Duration) -> String {
    let seconds = time.as_secs();
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    if hours > 0 { format!("{hours}:{minutes:02}:{seconds:02}") } else { format!("{minutes:02}:{seconds:02}") }
}

/// The run of one seed: a bar of at most 80 columns on a terminal, else a line a minute on standard error.
pub struct SeedView {
    bar: Option<ProgressBar>,
    label: String,
    outlook: Option<Outlook>,
    elapsed: Duration,
    /// When the last line was written.
    told: Duration,
    finished: bool,
}

impl SeedView {
    /// The view of a single run without others around it.
    #[cfg(feature = "engine")]
    pub fn alone(label: &str) -> SeedView {
        SeedView::new(label.to_owned(), None)
    }

    fn new(label: String, outlook: Option<Outlook>) -> SeedView {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::new(1000);
            let style = ProgressStyle::with_template("{prefix} {bar:8.cyan/dim} {wide_msg}");
            bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar.set_prefix(label.clone());
            bar
        });
        SeedView { bar, label, outlook, elapsed: Duration::ZERO, told: Duration::ZERO, finished: false }
    }

    /// Shows how far the run is: `share` of its present phase, in words, and the time that its training takes in all.
    pub fn show(&mut self, share: f64, words: &str, elapsed: Duration, whole: Option<Duration>) {
        self.elapsed = elapsed;
        let left = self.outlook.as_ref().and_then(|outlook| outlook.left(elapsed, whole));
        let left = left.map(|left| format!("  all {left}")).unwrap_or_default();
        match &self.bar {
            Some(bar) => {
                bar.set_position((share.clamp(0.0, 1.0) * 1000.0) as u64);
                bar.set_message(format!("{words}{left}"));
            }
            None if elapsed >= self.told + EVERY => {
                self.told = elapsed;
                eprintln!("{}: {words}  {} so far{left}", self.label, clock(elapsed));
            }
            None => {}
        }
    }

    /// Notes that the run has come to its score, so that its duration tells of the others.
    pub fn finished(&mut self) {
        self.finished = true;
    }

    /// Tells whether there is a terminal that shows a bar.
    #[cfg(feature = "engine")]
    pub fn is_a_bar(&self) -> bool {
        self.bar.is_some()
    }

    /// Takes the bar away while something else is written.
    #[cfg(feature = "engine")]
    pub fn suspend(&self, write: impl FnOnce()) {
        match &self.bar {
            Some(bar) => bar.suspend(write),
            None => write(),
        }
    }
}

/// Takes the bar away for good.
impl Drop for SeedView {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        if let Some(outlook) = self.outlook.as_ref().filter(|_| self.finished) {
            outlook.0.borrow_mut().took.push(self.elapsed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn the_time_of_all_seeds_is_a_bound_until_one_is_finished() {
        let outlook = Outlook::on(3);
        let left =
            |elapsed: Duration, whole: Option<Duration>| outlook.left(elapsed, whole).map(|left| left.to_string());
        let mut first = outlook.seed(42);
        assert_eq!(left(MINUTE, None), None, "nothing is known yet");
        assert_eq!(left(MINUTE, Some(10 * MINUTE)).as_deref(), Some("29:00+"));
        first.show(1.0, "", 20 * MINUTE, None);
        first.finished();
        drop(first);
        let second = outlook.seed(0);
        assert_eq!(left(5 * MINUTE, Some(10 * MINUTE)).as_deref(), Some("~35:00"));
        drop(second);
        outlook.kept();
        assert_eq!(left(25 * MINUTE, None).as_deref(), Some("~00:00"), "one that takes longer is not done earlier");
    }

    #[test]
    fn a_clock_has_hours_where_there_are_some() {
        assert_eq!((clock(65 * MINUTE), clock(9 * MINUTE)), ("1:05:00".to_owned(), "09:00".to_owned()));
    }
}
