//! Everything that the runs of one script have in common, worked out before the first of them.

use std::collections::BTreeSet;

use camino::Utf8PathBuf;
use sha2::{Digest as _, Sha256};

use super::data::Data;
use super::entry::{self, Known};
use super::environment::{self, Environment};
use super::launcher::Launcher;
use super::machine;
use super::process::Cap;
use super::record::{Cause, Machine, RunRecord, Written};
use super::seed::{Failure, Seed, Surroundings};
use super::{Audience, ScriptSubmission};
use crate::artifact::Limits;
use crate::render::Meta;
use crate::render::script::{Module, ScriptRun, modules};
use crate::runner::asked::{check_seeds, folder_name};
use caddie_files::{Error, Result};

/// Script, data, launcher and machine of all seeds.
pub(super) struct Plan {
    pub(super) script: Utf8PathBuf,
    pub(super) source: Vec<u8>,
    pub(super) data: Data,
    pub(super) launcher: Launcher,
    pub(super) nproc: u32,
    pub(super) asked: BTreeSet<String>,
    /// Files beside the script that it imports.
    pub(super) modules: Vec<Module>,
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
        caddie_files::regular(&submission.script)?;
        let script = submission.script.canonicalize_utf8().map_err(Error::io(&submission.script, "resolving"))?;
        let source = caddie_files::read_bounded(&script)?;
        let name = submission.name.clone().unwrap_or_else(|| script.file_stem().unwrap_or_default().to_owned());
        let runs = submission.out.join("runs").join(folder_name(&name)?);
        let vocab = submission.env.iter().find(|(name, _)| name == "VOCAB_SIZE");
        let vocab = vocab.map(|(_, size)| {
            size.parse().map_err(|_| Error::Usage(format!("--env VOCAB_SIZE={size}: give a number of tokens")))
        });
        let data = Data::locate(&submission.data, vocab.transpose()?)?;
        let launcher = Launcher::or_found(submission.launcher.as_ref());
        let machine = machine::look(&script, &launcher);
        let gpus = u32::try_from(machine.gpus.len()).unwrap_or(1).max(1);
        let several = !matches!(launcher, Launcher::Python);
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
            asked: environment::asked_for(&source),
            nproc: submission.nproc.unwrap_or(if several { gpus } else { 1 }),
            modules: modules::beside(&script)?,
            limits: Limits::of(&submission.rulebook, submission.rulebook.track(&submission.track.name)),
            script,
            source,
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
        let cause = Cause {
            script: self.script.clone(),
            script_bytes: self.source.len() as u64,
            script_sha256: caddie_files::hex(&Sha256::digest(&self.source)),
            modules: self.modules.iter().map(Written::of_module).collect(),
            command: self.launcher.command(&self.script, self.nproc, seed)?,
            env: environment.recorded.clone(),
            env_withheld: environment.withheld.clone(),
        };
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
                audience.say(&format!("seed {}: finished before, and kept", seed.seed));
                Ok(record)
            }
            None => {
                self.check_unchanged()?;
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

    /// Refuses a script that was edited meanwhile: every seed runs the same one, however long the first one takes.
    fn check_unchanged(&self) -> Result<()> {
        if caddie_files::read_bounded(&self.script)? == self.source && modules::beside(&self.script)? == self.modules {
            return Ok(());
        }
        Err(Error::Usage(format!(
            "{}, or a file that it imports, was changed while its seeds were being run; run the command again, and every seed is made with the new script",
            self.script
        )))
    }

    /// Returns the parts of the entry that no run tells.
    ///
    /// # Errors
    /// When `requirements.txt` beside the script cannot be read.
    pub(super) fn known(self, submission: &ScriptSubmission) -> Result<Known> {
        let takes_seed = |words: &[String]| words.iter().any(|word| word.contains("{seed}"));
        Ok(Known {
            requirements: entry::requirements(&self.script)?,
            seed_in_command: matches!(&self.launcher, Launcher::Custom(words) if takes_seed(words)),
            meta: self.meta,
            limits: self.limits,
            rulebook: submission.rulebook.clone(),
            blurb: submission.blurb.clone(),
            source: self.source,
            modules: self.modules,
            shards: self.data.shards,
            ablations: None,
        })
    }
}
