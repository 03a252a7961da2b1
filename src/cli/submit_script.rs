//! `caddie submit --script`: the options, the live view, and what is said when a seed fails.

use std::fmt::Write as _;
use std::io::IsTerminal as _;
use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use clap::Args;
use indicatif::{FormattedDuration, ProgressBar, ProgressStyle};

use super::closing::Closing;
use super::render::SubmissionOptions;
use super::submit::{close, ran};
use crate::render::Track;
use crate::runner::script::launcher::Launcher;
use crate::runner::script::process::Watch;
use crate::runner::script::seed::Failure;
use crate::runner::script::{Audience, Outcome, ScriptSubmission, submit};
use caddie_files::{Result, exit};
use caddie_folder::Glance;

/// Options that only a script has.
#[derive(Debug, Clone, Args)]
pub struct ScriptOptions {
    /// Your own training script, which is run as it is
    #[arg(long, value_name = "FILE")]
    pub script: Option<Utf8PathBuf>,
    /// Processes of the script [default: one for each GPU]
    #[cfg_attr(feature = "engine", arg(conflicts_with = "recipe"))]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub nproc: Option<u32>,
    /// A setting that the script reads from its environment; repeatable
    #[cfg_attr(feature = "engine", arg(conflicts_with = "recipe"))]
    #[arg(long, value_name = "KEY=VALUE", value_parser = setting)]
    pub env: Vec<(String, String)>,
    /// torchrun, python, or a command with {script}, {nproc}, {seed} [default: torchrun where it is on PATH]
    #[cfg_attr(feature = "engine", arg(conflicts_with = "recipe"))]
    #[arg(long, value_name = "WORDS", value_parser = Launcher::parse)]
    pub launcher: Option<Launcher>,
    /// End a run after so many seconds, and one whose training clock passes the limit
    #[cfg_attr(feature = "engine", arg(conflicts_with = "recipe"))]
    #[arg(long, value_name = "SECONDS", require_equals = true, num_args = 0..=1,
          default_missing_value = "1800", value_parser = seconds)]
    pub enforce: Option<f64>,
    /// A sentence on the method, for README.md and submission.json
    #[cfg_attr(feature = "engine", arg(conflicts_with = "recipe"))]
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    pub blurb: String,
}

fn setting(text: &str) -> std::result::Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() && !text.contains('\0') => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write it as KEY=VALUE".to_owned()),
    }
}

fn seconds(text: &str) -> std::result::Result<f64, String> {
    let seconds: Option<f64> = text.parse().ok().filter(|seconds: &f64| seconds.is_finite() && *seconds > 0.0);
    seconds.ok_or_else(|| "give seconds, for example --enforce=1800".to_owned())
}

/// Submits and closes with the table, or with what failed.
pub fn run(
    args: &ScriptOptions,
    data: &Utf8Path,
    seeds: &[u64],
    about: &SubmissionOptions,
    out: &Utf8Path,
    runs_only: bool,
) -> Result<u8> {
    let rulebook = about.rulebook.load()?;
    let submission = ScriptSubmission {
        script: args.script.clone().unwrap_or_default(),
        seeds: seeds.to_vec(),
        nproc: args.nproc,
        env: args.env.clone(),
        launcher: args.launcher.clone(),
        name: about.name.clone(),
        blurb: args.blurb.clone(),
        author: about.author.clone(),
        github_id: about.github_id.clone(),
        track: Track::of(&rulebook, about.track.as_deref())?,
        rulebook,
        date: about.date,
        out: out.to_owned(),
        data: data.to_owned(),
        enforce: args.enforce,
        force: about.force,
        runs_only,
    };
    match submit(&submission, &mut Terminal { of: seeds.len(), begun: 0 })? {
        Outcome::Submitted(done) => close(&Closing::of_script(&done), about),
        Outcome::Ran(runs) => ran(&runs),
        Outcome::Failed(failures) => {
            super::print(&told(&failures, seeds.len()))?;
            Ok(exit::FINDINGS)
        }
    }
}

/// The lines on the seeds that failed.
fn told(failures: &[Failure], of: usize) -> String {
    let mut text = String::new();
    for failure in failures {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "seed {} failed: {}", failure.seed, failure.reason);
        for line in &failure.tail {
            let _ = writeln!(text, "  | {line}");
        }
        let _ = writeln!(text, "  log {}\n", failure.log);
    }
    let _ = writeln!(
        text,
        "{} of {of} seeds failed; the others are kept. The same command runs the failed ones again.",
        failures.len()
    );
    text
}

/// The terminal, where there is one; else the lines that matter alone.
struct Terminal {
    of: usize,
    begun: usize,
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
