//! Everything that the runs of one script have in common, worked out before the first of them.

use std::collections::BTreeSet;

use camino::Utf8PathBuf;

use super::code::ScriptCode;
use super::data::Data;
use super::entry::{self, Known};
use super::environment::{self, Environment};
use super::launcher::Launcher;
use super::machine;
use super::process::Cap;
use super::record::{Machine, RunRecord};
use super::seed::{Failure, Seed, Surroundings};
use super::{Audience, ScriptSubmission};
use crate::artifact::Limits;
use crate::render::Meta;
use crate::render::script::ScriptRun;
use crate::runner::asked::{check_seeds, folder_name};
use caddie_files::{Error, Result};

/// Script, data, launcher and machine of all seeds.
pub(super) struct Plan {
    pub(super) code: ScriptCode,
    pub(super) data: Data,
    pub(super) launcher: Launcher,
    pub(super) nproc: u32,
    pub(super) asked: BTreeSet<String>,
    pub(super) machine: Machine,
    pub(super) runs: Utf8PathBuf,
    pub(super) meta: Meta,
    pub(super) limits: Limits,
}

impl Plan {
    /// Reads the script, finds the data, and looks at the machine.
    ///
    /// # Errors
    /// When the command line, the script or the data cannot be used.
    pub(super) fn of(submission: &ScriptSubmission) -> Result<Plan> {
        check_seeds(&submission.seeds)?;
        let code = ScriptCode::read(&submission.script)?;
        let name = submission.name.clone().unwrap_or_else(|| code.path.file_stem().unwrap_or_default().to_owned());
        let runs = submission.out.join("runs").join(folder_name(&name)?);
        let data = Data::for_settings(&submission.data, &submission.env)?;
        let launcher = Launcher::or_found(submission.launcher.as_ref());
        let machine = machine::look(&code.path, &launcher);
        let meta = Meta {
            name,
            author: submission.author.clone(),
            github_id: submission.github_id.clone(),
            date: jiff::civil::Date::default(),
            track: submission.track.clone(),
        };
        if meta.file_name().is_empty() {
            return Err(Error::Usage(format!("--name {:?} has no letter or digit to name a folder by", meta.name)));
        }
        Ok(Plan {
            asked: environment::asked_for(&code.source),
            nproc: launcher.processes(submission.nproc, machine.gpus.len()),
            limits: Limits::of(&submission.rulebook, submission.rulebook.track(&submission.track.name)),
            code,
            data,
            launcher,
            machine,
            runs,
            meta,
        })
    }

    /// Prepares the run of a seed.
    ///
    /// # Errors
    /// When the launcher is not there.
    pub(super) fn seed(&self, seed: u64, submission: &ScriptSubmission) -> Result<Seed<'_>> {
        let run_id = format!("{}_seed{seed}", self.meta.file_name());
        let inherited = |name: &str| std::env::var(name).ok();
        let environment = Environment::of(seed, &run_id, &self.data, &submission.env, &self.asked, inherited);
        let cause = self.code.cause(self.launcher.command(&self.code.path, self.nproc, seed)?, &environment);
        let train_seconds = self.limits.train_seconds + self.limits.train_tolerance_seconds;
        Ok(Seed {
            seed,
            dir: self.runs.join(format!("seed-{seed}")),
            cause,
            environment,
            machine: &self.machine,
            cap: submission.enforce.map(|wall_seconds| Cap {
                wall_seconds,
                train_seconds: Some(train_seconds),
                option: "--enforce",
            }),
            surroundings: Surroundings::default(),
        })
    }

    /// Makes the run of a seed, or takes the finished one, and reads its log at once: a script that does not take its
    /// seed is found before the other seeds cost their time.
    ///
    /// # Errors
    /// When the script was changed, the run cannot be started or kept, the user interrupts, or its log cannot be used.
    pub(super) fn make(
        &self,
        seed: &Seed<'_>,
        audience: &mut dyn Audience,
    ) -> Result<std::result::Result<(ScriptRun, RunRecord), Failure>> {
        let ended = match seed.finished()? {
            Some(record) => {
                audience.kept(seed.seed);
                Ok(record)
            }
            None => {
                self.code.check_unchanged("seeds")?;
                let mut watch = audience.watch(seed.seed, self.train_seconds(seed));
                seed.run(crate::stop::flag(), watch.as_mut(), &mut |text| audience.say(text))?
            }
        };
        match ended {
            Ok(record) => Ok(seed.read(&record)?.map(|run| (run, record))),
            Err(failure) => Ok(Err(failure)),
        }
    }

    /// The budget of the training: the script's own setting, else the challenge's.
    fn train_seconds(&self, seed: &Seed<'_>) -> f64 {
        let own = seed.environment.recorded.get("MAX_WALLCLOCK_SECONDS").and_then(|text| text.parse().ok());
        own.filter(|seconds| *seconds > 0.0).unwrap_or(self.limits.train_seconds)
    }

    /// Returns the parts of the entry that no run tells.
    ///
    /// # Errors
    /// When `requirements.txt` beside the script cannot be read.
    pub(super) fn known(self, submission: &ScriptSubmission) -> Result<Known> {
        let takes_seed = |words: &[String]| words.iter().any(|word| word.contains("{seed}"));
        Ok(Known {
            requirements: entry::requirements(&self.code.path)?,
            seed_in_command: matches!(&self.launcher, Launcher::Custom(words) if takes_seed(words)),
            meta: self.meta,
            limits: self.limits,
            rulebook: submission.rulebook.clone(),
            blurb: submission.blurb.clone(),
            source: self.code.source,
            modules: self.code.modules,
            shards: self.data.shards,
            ablations: None,
        })
    }
}
