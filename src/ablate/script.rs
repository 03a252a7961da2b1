//! Somebody's own script as the subject of a study: its settings are variables of its environment, and each trial is run as
//! `submit --script` runs a seed.

use std::collections::BTreeSet;

use camino::{Utf8Path, Utf8PathBuf};

use super::choice::Choice;
use super::plan::{Variant, plain};
use super::subject::{
    Goal, Onlooker, Ran, Settings, Subject, SubjectFacts, SubjectKind, Trial, TrialEnd, TrialFailure, TrialNumbers,
    Watching,
};
use crate::runner::script::code::ScriptCode;
use crate::runner::script::data::Data;
use crate::runner::script::environment::{self, Environment};
use crate::runner::script::launcher::Launcher;
use crate::runner::script::machine;
use crate::runner::script::process::Cap;
use crate::runner::script::record::Machine;
use crate::runner::script::seed::{Failure, Seed, Surroundings};
use crate::{Error, Result};

/// How a script is run.
#[derive(Debug, Clone)]
pub struct ScriptRuns {
    pub data: Utf8PathBuf,
    /// Processes; as many as GPUs are found where `None`, else 1.
    pub nproc: Option<u32>,
    pub launcher: Option<Launcher>,
    /// Limits that end a run.
    pub cap: Option<Cap>,
}

/// A script with the settings that every variant has.
pub struct ScriptSubject {
    text: ScriptText,
    /// Folder that gets `runs/`.
    out: Utf8PathBuf,
    data: Data,
    launcher: Launcher,
    nproc: u32,
    machine: Machine,
    cap: Option<Cap>,
}

/// A script and its settings, however it is run.
pub(super) struct ScriptText {
    pub code: ScriptCode,
    kind: SubjectKind,
    /// Variables that it asks for.
    asked: BTreeSet<String>,
    /// Settings of every variant.
    pub settings: Vec<Choice>,
}

impl ScriptSubject {
    /// Looks at a script, its data and the machine.
    ///
    /// # Errors
    /// When the script or its data cannot be used.
    pub fn new(script: &Utf8Path, settings: Vec<Choice>, out: &Utf8Path, runs: &ScriptRuns) -> Result<ScriptSubject> {
        let text = ScriptText::read(script, settings, SubjectKind::Script)?;
        let launcher = Launcher::or_found(runs.launcher.as_ref());
        let machine = machine::look(&text.code.path, &launcher);
        Ok(ScriptSubject {
            data: Data::for_settings(&runs.data, &text.environment(&[]))?,
            nproc: launcher.processes(runs.nproc, machine.gpus.len()),
            cap: runs.cap,
            out: out.to_owned(),
            text,
            launcher,
            machine,
        })
    }

    /// Trials that fit side by side: one for each `nproc` of the GPUs; one without GPUs, where a script uses the whole machine.
    pub fn fitting(&self) -> usize {
        (self.machine.gpus.len() / self.nproc.max(1) as usize).max(1)
    }

    /// Tells whether the script seems to read a variable.
    pub fn reads(&self, name: &str) -> bool {
        self.text.reads(name)
    }

    fn seed(&self, trial: &Trial<'_>, slot: usize) -> Result<Seed<'_>> {
        let run_id = format!("{}_seed{}", trial.variant.folder.replace(['=', '+'], "_"), trial.seed);
        let given = self.text.environment(&trial.variant.changes);
        let inherited = |name: &str| std::env::var(name).ok();
        let mut environment = Environment::of(trial.seed, &run_id, &self.data, &given, &self.text.asked, inherited);
        let code = &self.text.code;
        let cause = code.cause(self.launcher.command(&code.path, self.nproc, trial.seed)?, &environment);
        // Trials on several GPUs have their own. Which ones decides nothing, so that it is no part of the cause.
        let nproc = self.nproc as usize;
        if self.machine.gpus.len() >= 2 * nproc {
            let first = slot % self.fitting() * nproc;
            let devices: Vec<String> = (first..first + nproc).map(|gpu| gpu.to_string()).collect();
            environment.set.push(("CUDA_VISIBLE_DEVICES".to_owned(), devices.join(",")));
        }
        Ok(Seed {
            seed: trial.seed,
            dir: self.folder(trial.variant).join(format!("seed-{}", trial.seed)),
            cause,
            environment,
            machine: &self.machine,
            cap: self.cap,
            surroundings: Surroundings::default(),
        })
    }
}

impl Subject for ScriptSubject {
    fn settings(&self) -> &dyn Settings {
        &self.text
    }

    fn folder(&self, variant: &Variant) -> Utf8PathBuf {
        self.out.join("runs").join(&variant.folder)
    }

    fn run(&self, trial: &Trial<'_>, _goal: Goal, slot: usize, onlooker: &dyn Onlooker) -> Result<Ran> {
        let seed = self.seed(trial, slot)?;
        let before = seed.finished()?;
        let kept = before.is_some();
        let ended = match before {
            Some(record) => Ok(record),
            None => {
                self.text.code.check_unchanged("trials")?;
                let mut line = onlooker.begin(&trial.name());
                let say = &mut |text: &str| onlooker.say(&format!("{}: {text}", trial.variant.name()));
                seed.run(crate::stop::flag(), &mut Watching(line.as_mut()), say)?
            }
        };
        let read = match ended {
            Ok(record) => seed.read(&record)?,
            Err(failure) => Err(failure),
        };
        let end = match read {
            Ok(run) => TrialEnd::Finished(TrialNumbers::of(&run.log)),
            Err(Failure { reason, tail, log, .. }) => TrialEnd::Failed(TrialFailure { reason, tail, log }),
        };
        Ok(Ran { end, kept })
    }
}

impl ScriptText {
    /// Reads a script.
    pub fn read(script: &Utf8Path, settings: Vec<Choice>, kind: SubjectKind) -> Result<ScriptText> {
        let code = ScriptCode::read(script)?;
        let asked = environment::asked_for(&code.source);
        Ok(ScriptText { code, kind, asked, settings })
    }

    /// The settings of every variant, with the changes of one, which win.
    pub fn environment(&self, changes: &[Choice]) -> Vec<(String, String)> {
        let own = self.settings.iter().filter(|set| changes.iter().all(|change| change.key != set.key));
        own.chain(changes).map(|choice| (choice.key.clone(), unquoted(&choice.value).to_owned())).collect()
    }

    /// Tells whether the text asks for a variable, or has its name at least.
    pub fn reads(&self, name: &str) -> bool {
        let text = String::from_utf8_lossy(&self.code.source);
        self.asked.contains(name) || text.contains(&format!("\"{name}\"")) || text.contains(&format!("'{name}'"))
    }
}

impl Settings for ScriptText {
    fn facts(&self) -> SubjectFacts {
        let name = self.code.path.file_name().unwrap_or_default().to_owned();
        SubjectFacts { kind: self.kind, name, sha256: self.code.sha256(), settings: self.settings.clone() }
    }

    fn stem(&self) -> String {
        let stem = plain(self.code.path.file_stem().unwrap_or("script"));
        std::iter::once(stem)
            .chain(self.settings.iter().map(|set| plain(&set.to_string())))
            .collect::<Vec<_>>()
            .join(".")
    }

    /// Refuses a variable that the script does not read: its variants would all be the reference.
    fn whole_key(&self, name: &str) -> Result<String> {
        if self.reads(name) || self.settings.iter().any(|setting| setting.key == name) {
            return Ok(name.to_owned());
        }
        let mut near: Vec<&String> = self.asked.iter().collect();
        near.sort_by(|a, b| strsim::jaro_winkler(name, b).total_cmp(&strsim::jaro_winkler(name, a)));
        let near: Vec<&str> = near.into_iter().take(3).map(String::as_str).collect();
        let near = if near.is_empty() { String::new() } else { format!(" (it reads {} …)", near.join(", ")) };
        Err(Error::usage(format!(
            "{}: does not seem to read the variable {name}{near}; if it does, give it its usual value with --env {name}=VALUE",
            self.code.path
        )))
    }

    fn without(&self, component: &str) -> Result<Vec<Choice>> {
        Err(Error::usage(format!(
            "--drop {component}: components are those of a recipe; a script's are switched off by its own variables, for \
             example --vary TTT_ENABLED=0"
        )))
    }

    /// Returns the environment, whatever the order of its settings.
    fn configured(&self, changes: &[Choice]) -> Result<String> {
        let mut environment = self.environment(changes);
        environment.sort();
        Ok(format!("{environment:?}"))
    }

    fn value(&self, key: &str) -> Option<String> {
        self.settings.iter().find(|choice| choice.key == key).map(|choice| choice.value.clone())
    }
}

/// The value without the quotes that kept its commas together.
fn unquoted(value: &str) -> &str {
    let of = |quote: char| value.strip_prefix(quote)?.strip_suffix(quote).filter(|inner| !inner.contains(quote));
    of('\'').or_else(|| of('"')).unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(source: &str, settings: &[(&str, &str)]) -> ScriptText {
        let temp = tempfile::tempdir().unwrap();
        let path = Utf8PathBuf::from_path_buf(temp.path().join("my train.py")).unwrap();
        std::fs::write(&path, source).unwrap();
        ScriptText::read(
            &path,
            settings.iter().map(|(key, value)| Choice::new(*key, *value)).collect(),
            SubjectKind::Script,
        )
        .unwrap()
    }

    #[test]
    fn a_variable_that_the_script_does_not_read_is_refused_with_those_near_it() {
        let text =
            text("lr = os.environ.get(\"MATRIX_LR\", 0.1)\nfor k in ['DYNAMIC']: os.environ[k]\n", &[("GIVEN", "1")]);
        for name in ["MATRIX_LR", "DYNAMIC", "GIVEN"] {
            assert_eq!(text.whole_key(name).unwrap(), name);
        }
        let refused = text.whole_key("MATRX_LR").unwrap_err().to_string();
        assert!(refused.contains("it reads MATRIX_LR") && refused.contains("--env MATRX_LR=VALUE"), "{refused}");
    }

    #[test]
    fn a_variants_value_wins_and_quotes_only_hold_it_together() {
        let text = text("", &[("A", "1"), ("B", "2")]);
        let given = text.environment(&[Choice::new("B", "'x,y'"), Choice::new("C", "\"a\"b\"")]);
        let expected = [("A", "1"), ("B", "x,y"), ("C", "\"a\"b\"")].map(|(a, b)| (a.to_owned(), b.to_owned()));
        assert_eq!(given, expected);
        assert_eq!(text.stem(), "my_train.A=1.B=2");
    }
}
