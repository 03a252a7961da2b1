//! `caddie.toml` as read: every key known, every value usable.

use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};
use serde::Deserialize;
use toml::Value;

use super::Ignore;
use crate::runner::asked;
use crate::runner::script::launcher::Launcher;
use caddie_files::{Error, Result};

/// The contents of a `caddie.toml`. Its paths are absolute, or start at its folder.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Project {
    /// The folder that the file lies in, absolute.
    #[serde(skip)]
    pub folder: Utf8PathBuf,
    pub name: Option<String>,
    pub author: Option<String>,
    pub github_id: Option<String>,
    pub track: Option<String>,
    pub blurb: Option<String>,
    pub seeds: Option<Vec<u64>>,
    pub script: Option<Utf8PathBuf>,
    pub recipe: Option<String>,
    /// Changes to the recipe, `key=value`.
    pub set: Vec<String>,
    pub data: Option<Utf8PathBuf>,
    pub out: Option<Utf8PathBuf>,
    pub launcher: Option<String>,
    /// Processes of the script.
    pub nproc: Option<u32>,
    pub device: Option<String>,
    /// Settings that the script reads from its environment: texts and numbers.
    environment: BTreeMap<String, Value>,
    pub rehearse: RehearseSection,
    /// Findings that are set aside for a time.
    pub ignore: Vec<Ignore>,
}

/// The table `[rehearse]`.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RehearseSection {
    pub steps: Option<u32>,
    pub seeds: Option<Vec<u32>>,
    pub nproc: Option<u32>,
    pub python: Option<Utf8PathBuf>,
}

impl Project {
    /// Reads the file at `path`.
    ///
    /// # Errors
    /// When it is no TOML, has a key that is not known, or a value that cannot be used. The message names the key.
    pub fn read(path: &Utf8Path) -> Result<Project> {
        let text = caddie_files::read_text(path)?;
        let absolute = path.canonicalize_utf8().map_err(Error::io(path, "resolving"))?;
        let folder = absolute.parent().unwrap_or(Utf8Path::new("/"));
        Project::parse(&text, folder).map_err(|reason| Error::unreadable(path, reason))
    }

    /// Reads the text of a file that lies in `folder`.
    pub(super) fn parse(text: &str, folder: &Utf8Path) -> std::result::Result<Project, String> {
        let table: toml::Table =
            text.parse().map_err(|error: toml::de::Error| error.to_string().trim_end().to_owned())?;
        let mut project: Project =
            serde_path_to_error::deserialize(Value::Table(table)).map_err(|error| explained(&error))?;
        project.check()?;
        project.folder = folder.to_owned();
        for path in [&mut project.script, &mut project.data, &mut project.out, &mut project.rehearse.python] {
            *path = path.as_ref().map(|path| folder.join(path));
        }
        // A recipe may be a built-in one, which is no path.
        project.recipe = project.recipe.map(|recipe| match folder.join(&recipe) {
            path if path.is_file() => path.into_string(),
            _ => recipe,
        });
        Ok(project)
    }

    fn check(&self) -> std::result::Result<(), String> {
        if self.script.is_some() && self.recipe.is_some() {
            return Err("script and recipe: an entry is made by one of them; take the other out".to_owned());
        }
        if let Some(seeds) = &self.seeds {
            asked::check_seeds(seeds).map_err(|_| "seeds: give at least one, and each once".to_owned())?;
        }
        if self.rehearse.seeds.as_ref().is_some_and(Vec::is_empty) {
            return Err("rehearse.seeds: give at least one".to_owned());
        }
        let bounds = [
            ("nproc", self.nproc, 1024),
            ("rehearse.nproc", self.rehearse.nproc, 8),
            ("rehearse.steps", self.rehearse.steps, 1000),
        ];
        for (key, value, most) in bounds {
            if value.is_some_and(|value| value < 1 || value > most) {
                return Err(format!("{key}: give a number from 1 to {most}"));
            }
        }
        if let Some(launcher) = &self.launcher {
            Launcher::parse(launcher).map_err(|reason| format!("launcher: {reason}"))?;
        }
        for (index, ignore) in self.ignore.iter().enumerate() {
            ignore.check(index)?;
        }
        for (name, value) in &self.environment {
            if name.is_empty() || name.contains(['=', '\0']) {
                return Err(format!("environment.{name:?}: not usable as the name of a variable"));
            }
            if setting(value).is_none_or(|text| text.contains('\0')) {
                return Err(format!("environment.{name}: write a text or a number, such as \"1\""));
            }
        }
        Ok(())
    }

    /// The settings of the script, by name, overridden by those of `flags`.
    pub fn settings(&self, flags: &[(String, String)]) -> Vec<(String, String)> {
        let own = self.environment.iter().filter(|(name, _)| !flags.iter().any(|(given, _)| given == *name));
        let own = own.filter_map(|(name, value)| Some((name.clone(), setting(value)?)));
        own.chain(flags.iter().cloned()).collect()
    }

    /// The folder that the submission's outputs go to.
    pub fn out(&self) -> Utf8PathBuf {
        self.out.clone().unwrap_or_else(|| self.folder.clone())
    }
}

/// The text that a variable gets.
fn setting(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Integer(number) => Some(number.to_string()),
        Value::Float(number) => Some(number.to_string()),
        _ => None,
    }
}

/// Explains a wrong key by its whole path, with the nearest known key where it is unknown.
fn explained(error: &serde_path_to_error::Error<toml::de::Error>) -> String {
    let path = error.path().to_string();
    let message = error.inner().message();
    let quoted: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
    if let Some((key, known)) = quoted.split_first().filter(|_| message.starts_with("unknown field")) {
        // Not every deserializer counts the unknown key itself as a part of the path.
        let parent = path.strip_suffix(key).unwrap_or(&path).trim_matches('.');
        let whole = if parent.is_empty() { (*key).to_owned() } else { format!("{parent}.{key}") };
        let nearest = known.iter().max_by(|a, b| strsim::jaro_winkler(key, a).total_cmp(&strsim::jaro_winkler(key, b)));
        return match nearest {
            Some(nearest) => format!("unknown key `{whole}`; the nearest known key is `{nearest}`"),
            None => format!("unknown key `{whole}`"),
        };
    }
    let plain = message.replace("u32", "a whole number").replace("u64", "a whole number");
    format!("{path}: {plain}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        Project::parse(text, Utf8Path::new("/w")).unwrap_err()
    }

    #[test]
    fn paths_start_at_the_folder_of_the_file() {
        let text = "script = \"train_gpt.py\"\ndata = \"/data\"\n[environment]\nLR = 0.03\nTTT = \"1\"\nN = 7\n";
        let project = Project::parse(text, Utf8Path::new("/w")).unwrap();
        assert_eq!((project.script, project.data), (Some("/w/train_gpt.py".into()), Some("/data".into())));
        assert_eq!(project.out, None);
        let project = Project::parse(text, Utf8Path::new("/w")).unwrap();
        let given = [("TTT".to_owned(), "0".to_owned())];
        let settings = project.settings(&given);
        let shown: Vec<String> = settings.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(shown, ["LR=0.03", "N=7", "TTT=0"]);
        assert_eq!(project.out(), "/w");
    }

    #[test]
    fn a_wrong_key_or_value_is_named_with_its_whole_path() {
        assert_eq!(refused("nam = \"x\""), "unknown key `nam`; the nearest known key is `name`");
        assert_eq!(refused("[rehearse]\nstep = 3"), "unknown key `rehearse.step`; the nearest known key is `steps`");
        assert!(refused("[rehearse]\nsteps = \"x\"").starts_with("rehearse.steps: invalid type"));
        assert!(refused("seeds = [1, -2]").starts_with("seeds[1]: "));
        assert!(refused("seeds = [1, 1]").starts_with("seeds: "));
        assert!(refused("nproc = 0").starts_with("nproc: "));
        assert!(refused("launcher = \"srun x\"").starts_with("launcher: "));
        assert!(refused("script = \"a\"\nrecipe = \"demo\"").starts_with("script and recipe"));
        assert!(refused("[environment]\nX = true").starts_with("environment.X: write a text"));
        assert!(refused("name = ").contains("line 1"), "{}", refused("name = "));
    }
}
