//! `caddie ablate --script`: the options of a script and of its rehearsal.

use std::time::Duration;

use camino::{Utf8Path, Utf8PathBuf};
use clap::Args;

use crate::ablate::rehearsal::{RehearsalRuns, RehearsalSubject};
use crate::ablate::script::{ScriptRuns, ScriptSubject};
use crate::ablate::{Choice, Equality, Subject};
use crate::artifact::Limits;
use crate::runner::script::launcher::Launcher;
use crate::runner::script::process::Cap;
use crate::{Error, Result};

/// Steps that no clock lets a training reach.
const ENDLESS: &str = "1000000000";
/// Variables by which the challenge's scripts know the clock and the steps of a training.
const CLOCK: &str = "MAX_WALLCLOCK_SECONDS";
const STEPS: &str = "ITERATIONS";

/// Options that only a script has.
#[derive(Debug, Clone, Args)]
pub struct ScriptStudy {
    /// Your own training script, which is run as it is
    #[arg(long, value_name = "FILE", required = cfg!(not(feature = "engine")))]
    script: Option<Utf8PathBuf>,
    /// Processes of the script [default: one for each GPU; one in a rehearsal]
    #[arg(long, value_name = "N", requires = "script", value_parser = clap::value_parser!(u32).range(1..=1024))]
    nproc: Option<u32>,
    /// A setting of every variant, which the script reads from its environment; repeatable
    #[arg(long, value_name = "KEY=VALUE", requires = "script", value_parser = Choice::parse)]
    env: Vec<Choice>,
    /// torchrun, python, or a command with {script}, {nproc}, {seed} [default: torchrun where it is on PATH]
    #[arg(long, value_name = "WORDS", requires = "script", value_parser = Launcher::parse)]
    launcher: Option<Launcher>,
    /// End a run after so many seconds, and one whose training clock passes the limit
    #[arg(long, value_name = "SECONDS", requires = "script", require_equals = true, num_args = 0..=1,
          default_missing_value = "1800", value_parser = seconds)]
    enforce: Option<f64>,
    /// Rehearse the script instead: on the CPU, at toy size, behind walls
    #[arg(long, requires = "script", conflicts_with_all = ["launcher", "enforce", "equal", "knob"])]
    rehearse: bool,
    /// Training steps of a rehearsal
    #[arg(long, default_value_t = 6, requires = "rehearse", value_parser = clap::value_parser!(u32).range(1..=1000))]
    steps: u32,
    /// A Python with torch 2.11.0 for a rehearsal [default: one that caddie makes once, in its cache]
    #[arg(long, value_name = "FILE", requires = "rehearse")]
    python: Option<Utf8PathBuf>,
    /// Seconds that one rehearsal may take
    #[arg(long, default_value_t = 300, value_name = "SECONDS", requires = "rehearse",
          value_parser = clap::value_parser!(u64).range(1..=86_400))]
    limit: u64,
    /// Rehearse without walls, as yourself: only for a script that you trust
    #[arg(long, requires = "rehearse")]
    no_sandbox: bool,
}

/// A script to be varied, and how many trials of it fit side by side.
pub struct PreparedStudy {
    pub subject: Box<dyn Subject>,
    pub fitting: usize,
}

fn seconds(text: &str) -> std::result::Result<f64, String> {
    let seconds: Option<f64> = text.parse().ok().filter(|seconds: &f64| seconds.is_finite() && *seconds > 0.0);
    seconds.ok_or_else(|| "give seconds, for example --enforce=1800".to_owned())
}

impl ScriptStudy {
    /// Looks at the script and at what it runs with.
    ///
    /// # Errors
    /// When the script or the data cannot be used.
    pub fn subject(
        &self,
        data: Option<&Utf8Path>,
        out: &Utf8Path,
        equal: Option<Equality>,
        limits: &Limits,
    ) -> Result<PreparedStudy> {
        let script = self.script.as_deref().ok_or_else(|| Error::usage("name a script with --script FILE"))?;
        if self.rehearse {
            let runs = RehearsalRuns {
                steps: self.steps,
                nproc: self.nproc.unwrap_or(1),
                python: self.python.clone(),
                walls: !self.no_sandbox,
                limit: Duration::from_secs(self.limit),
            };
            let subject = RehearsalSubject::new(script, self.env.clone(), out, runs)?;
            return Ok(PreparedStudy { subject: Box::new(subject), fitting: 1 });
        }
        let data = data.ok_or_else(|| Error::usage("--data DIR is missing: the folder of the shards"))?;
        let settings = self.settings(equal)?;
        let runs = ScriptRuns {
            data: data.to_owned(),
            nproc: self.nproc,
            launcher: self.launcher.clone(),
            cap: self.enforce.map(|wall_seconds| Cap {
                wall_seconds,
                train_seconds: Some(limits.train_seconds + limits.train_tolerance_seconds),
                option: "--enforce",
            }),
        };
        let subject = ScriptSubject::new(script, settings, out, &runs)?;
        let unread = [CLOCK, STEPS].into_iter().find(|name| !subject.reads(name));
        if let (Some(Equality::Time | Equality::Steps), Some(name)) = (equal, unread) {
            return Err(Error::usage(format!(
                "--equal: {script} does not seem to read {name}, by which the challenge's scripts set a training's clock and steps; \
                 leave --equal out and set its own variables with --env"
            )));
        }
        Ok(PreparedStudy { fitting: subject.fitting(), subject: Box::new(subject) })
    }

    /// The settings of every variant, with those that make times or steps equal.
    fn settings(&self, equal: Option<Equality>) -> Result<Vec<Choice>> {
        let mut settings = self.env.clone();
        let own = |name: &str| self.env.iter().find(|choice| choice.key == name);
        let added = match equal {
            Some(Equality::Time) => {
                if own(CLOCK).is_some_and(|choice| choice.value.parse() == Ok(0.0)) {
                    return Err(Error::usage(format!(
                        "--equal time and --env {CLOCK}=0: nothing would end a training"
                    )));
                }
                Choice::new(STEPS, ENDLESS)
            }
            Some(Equality::Steps) => Choice::new(CLOCK, "0"),
            _ => return Ok(settings),
        };
        if let Some(own) = own(&added.key) {
            return Err(Error::usage(format!("--env {own}: --equal sets it to {}; leave it out", added.value)));
        }
        settings.push(added);
        Ok(settings)
    }
}
