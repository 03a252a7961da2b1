//! The switches by which a script is told to evaluate a finished model and to train nothing.

use std::collections::{BTreeMap, BTreeSet};

use camino::Utf8Path;
use serde::Deserialize;

use caddie_files::{Error, Result};

/// The switches of the field's scripts.
const SWITCHES: &str = include_str!("evaluation.toml");
/// Endings of plain weights; any other file is a compressed model.
const PLAIN: [&str; 3] = ["pt", "pth", "safetensors"];

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Switches {
    switch: Vec<Switch>,
}

/// One way to tell a script.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Switch {
    /// Variable that takes the path of the checkpoint; `None` where the script opens a file of its own choice.
    #[serde(default)]
    pub path: Option<String>,
    /// Further variables with their values.
    #[serde(default)]
    pub set: BTreeMap<String, String>,
    /// True for compressed models alone, false for plain weights alone.
    #[serde(default)]
    pub compressed: Option<bool>,
    /// A pull request with such a script.
    pub example: u64,
}

impl Switch {
    /// Returns the variables that it sets for a checkpoint.
    pub fn settings(&self, checkpoint: &Utf8Path) -> Vec<(String, String)> {
        let path = self.path.iter().map(|name| (name.clone(), checkpoint.to_string()));
        path.chain(self.set.clone()).collect()
    }

    fn names(&self) -> impl Iterator<Item = &String> {
        self.path.iter().chain(self.set.keys())
    }
}

fn all() -> Result<Vec<Switch>> {
    let parsed: std::result::Result<Switches, _> = toml::from_str(SWITCHES);
    parsed.map(|found| found.switch).map_err(|error| Error::Internal(format!("evaluation.toml: {error}")))
}

/// Finds the switch for a script that asks the environment for these names.
///
/// # Errors
/// When it asks for none: then it can only train.
pub fn of(script: &Utf8Path, asked: &BTreeSet<String>, checkpoint: &Utf8Path) -> Result<Switch> {
    let switches = all()?;
    let compressed = !checkpoint.extension().is_some_and(|ending| PLAIN.contains(&ending));
    let reads = |switch: &&Switch| switch.names().all(|name| asked.contains(name));
    let fits = |switch: &&Switch| switch.compressed.is_none_or(|wanted| wanted == compressed);
    if let Some(found) = switches.iter().filter(reads).find(fits) {
        return Ok(found.clone());
    }
    let reason = match switches.iter().find(reads) {
        Some(other) => {
            let names: Vec<&str> = other.names().map(String::as_str).collect();
            let wanted = if compressed { "plain weights (.pt, .pth, .safetensors)" } else { "a compressed model" };
            format!("evaluates alone with {}, which take {wanted}, and {checkpoint} is not that", names.join(" and "))
        }
        None => {
            let mut names: Vec<&String> = switches.iter().flat_map(Switch::names).collect();
            names.sort();
            names.dedup();
            let names: Vec<&str> = names.into_iter().map(String::as_str).collect();
            format!(
                "cannot evaluate alone: it reads none of the variables by which scripts of the field are told so ({}). Give it \
                 one, as the script of PR #1530 has EVAL_ONLY_PATH; or name its own with --env, and run it with caddie train \
                 --script",
                names.join(", ")
            )
        }
    };
    Err(Error::unreadable(script, reason))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(asked: &[&str], checkpoint: &str) -> Result<Switch> {
        of("train_gpt.py".into(), &asked.iter().map(|name| (*name).to_owned()).collect(), checkpoint.into())
    }

    #[test]
    fn each_switch_is_of_its_own_kind_of_script() {
        let switches = all().unwrap();
        assert!(switches.iter().all(|switch| switch.names().next().is_some()));
        let path = found(&["EVAL_ONLY_PATH", "SEED"], "final_model.pt").unwrap();
        assert_eq!(path.settings("/x/a.pt".into()), [("EVAL_ONLY_PATH".to_owned(), "/x/a.pt".to_owned())]);
        let both = found(&["EVAL_ONLY", "CHECKPOINT_PATH"], "final_model.pt").unwrap();
        assert_eq!(both.settings("/x/a.pt".into()).len(), 2);
        let own_choice = found(&["TTT_EVAL_ONLY"], "final_model.int6.ptz").unwrap();
        assert_eq!(own_choice.path, None);
        let both_kinds = ["EVAL_ONLY_PATH", "EVAL_ONLY_QUANTIZED_PATH"];
        assert_eq!(found(&both_kinds, "a.ptz").unwrap().path.as_deref(), Some("EVAL_ONLY_QUANTIZED_PATH"));
        assert_eq!(found(&both_kinds, "a.pt").unwrap().path.as_deref(), Some("EVAL_ONLY_PATH"));
    }

    #[test]
    fn a_script_without_a_switch_is_told() {
        let said = found(&["SEED"], "a.pt").unwrap_err().to_string();
        assert!(said.contains("train_gpt.py") && said.contains("EVAL_ONLY_PATH"), "{said}");
        let said = found(&["TTT_EVAL_ONLY"], "a.pt").unwrap_err().to_string();
        assert!(said.contains("a compressed model"), "{said}");
    }
}
