//! Writes a new `caddie.toml`, with comments that say what each key is for, and the files that it works on.

use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use minijinja::{Environment, UndefinedBehavior, Value, context};

use super::{FILE, FolderFacts, Project, within};
use crate::runner::asked;
use caddie_files::{Error, Result};

const TEMPLATE: &str = include_str!("../../templates/caddie.toml");

/// A working folder to be made.
#[derive(Debug, Clone, Default)]
pub struct Init {
    /// The folder; it may exist.
    pub folder: Utf8PathBuf,
    /// A records folder and what it states; its script is copied.
    pub from: Option<(Utf8PathBuf, FolderFacts)>,
    pub script: Option<Utf8PathBuf>,
    pub recipe: Option<String>,
}

/// Makes the folder; returns the files that were written. Nothing that exists is replaced.
///
/// # Errors
/// When a file of a name that would be written exists, or one cannot be written.
pub fn init(init: &Init) -> Result<Vec<Utf8PathBuf>> {
    let file = init.folder.join(FILE);
    let copies: Vec<(Utf8PathBuf, Utf8PathBuf)> = match &init.from {
        Some((from, found)) => {
            let names = found.script.iter().chain(&found.recipe).chain(&found.beside);
            names.map(|name| (from.join(name), init.folder.join(name))).collect()
        }
        None => Vec::new(),
    };
    let targets: Vec<&Utf8PathBuf> = [&file].into_iter().chain(copies.iter().map(|(_, to)| to)).collect();
    if let Some(path) = targets.iter().find(|path| path.symlink_metadata().is_ok()) {
        return Err(Error::Usage(format!(
            "{path} exists, and nothing is replaced; name another folder, or move it away"
        )));
    }
    if let Some(script) = &init.script {
        caddie_files::regular(script)?;
    }
    fs::create_dir_all(&init.folder).map_err(Error::io(&init.folder, "creating"))?;
    let text = text(init)?;
    // What is written can be read: a text that a reader would refuse is this command's own mistake.
    Project::parse(&text, &init.folder).map_err(|reason| Error::Internal(format!("{FILE}: {reason}\n{text}")))?;
    for (from, to) in &copies {
        let bytes = caddie_files::read_bounded(from)?;
        fs::create_dir_all(to.parent().unwrap_or(&init.folder)).map_err(Error::io(to, "creating the folder of"))?;
        asked::keep(to, &bytes)?;
    }
    asked::keep(&file, text.as_bytes())?;
    Ok([file].into_iter().chain(copies.into_iter().map(|(_, to)| to)).collect())
}

/// The text of the file.
fn text(init: &Init) -> Result<String> {
    let bug = |error: minijinja::Error| Error::Internal(format!("the template of {FILE}: {error:#}"));
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_keep_trailing_newline(true);
    environment.set_trim_blocks(true);
    environment.set_auto_escape_callback(|_| minijinja::AutoEscape::None);
    environment.add_filter("toml", |text: String| toml::Value::String(text).to_string());
    environment.add_filter("key", key);
    environment.add_template(FILE, TEMPLATE).map_err(bug)?;
    let found = init.from.as_ref().map(|(_, found)| found.clone()).unwrap_or_default();
    let script = match (&init.script, found.script) {
        (Some(script), _) => Some(seen_from(script, &init.folder)?),
        (None, Some(copied)) => Some(copied),
        (None, None) => {
            let usual = Utf8PathBuf::from("train_gpt.py");
            Some(usual)
                .filter(|usual| init.recipe.is_none() && found.recipe.is_none() && init.folder.join(usual).is_file())
        }
    };
    let script = script.filter(|_| init.recipe.is_none()).map(Utf8PathBuf::into_string);
    let recipe = init.recipe.clone().or(found.recipe.map(Utf8PathBuf::into_string)).filter(|_| script.is_none());
    let recipe = match recipe {
        Some(path) if Utf8Path::new(&path).is_file() => {
            Some(seen_from(Utf8Path::new(&path), &init.folder)?.into_string())
        }
        other => other,
    };
    let environment_of: BTreeMap<String, String> = found.environment;
    let context = context! {
        from => init.from.as_ref().map(|(from, _)| from.file_name().unwrap_or(from.as_str()).to_owned()),
        name => found.name.unwrap_or_default(), author => found.author.unwrap_or_default(),
        github_id => found.github_id.unwrap_or_default(), blurb => found.blurb.unwrap_or_default(),
        track => found.track, seeds => if found.seeds.is_empty() { vec![42, 0, 1234] } else { found.seeds },
        script => script, recipe => recipe, nproc => found.nproc,
        environment => environment_of.into_iter().map(|(name, value)| context! { name, value }).collect::<Vec<Value>>(),
    };
    environment.get_template(FILE).and_then(|template| template.render(context)).map_err(bug)
}

/// A key of a table: bare where TOML allows it.
fn key(name: String) -> String {
    let bare = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    if bare { name } else { toml::Value::String(name).to_string() }
}

/// A path as the file has to name it: from its own folder where it lies there, absolute elsewhere.
fn seen_from(path: &Utf8Path, folder: &Utf8Path) -> Result<Utf8PathBuf> {
    let path = path.canonicalize_utf8().map_err(Error::io(path, "resolving"))?;
    let folder = folder.canonicalize_utf8().map_err(Error::io(folder, "resolving"))?;
    Ok(within(&path, &folder))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// Whatever a stranger's submission.json and README say, the file can be read and says the same.
        #[test]
        fn what_is_written_is_read_back(
            name in any::<String>(), blurb in any::<String>(), seeds in proptest::collection::btree_set(0..u64::from(u32::MAX), 1..4),
            environment in proptest::collection::btree_map("[A-Z][A-Z_0-9.]{0,8}", "[^\0]{0,20}", 0..4),
        ) {
            let seeds: Vec<u64> = seeds.into_iter().collect();
            let found = FolderFacts {
                name: Some(name.clone()), blurb: Some(blurb.clone()), seeds: seeds.clone(), script: Some("a b.py".into()),
                environment: environment.clone(), nproc: Some(8), ..FolderFacts::default()
            };
            let init = Init { folder: "/w".into(), from: Some(("/records/x".into(), found)), ..Init::default() };
            let project = Project::parse(&text(&init).unwrap(), Utf8Path::new("/w")).unwrap();
            prop_assert_eq!(project.name, Some(name).filter(|name| !name.is_empty()));
            prop_assert_eq!(project.blurb, Some(blurb).filter(|blurb| !blurb.is_empty()));
            prop_assert_eq!(project.seeds, Some(seeds));
            prop_assert_eq!(project.script, Some(Utf8PathBuf::from("/w/a b.py")));
        }
    }
}
