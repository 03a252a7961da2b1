//! The entry that a records folder states: whose it is, its seeds, its script and the settings of its commands.

use std::collections::BTreeMap;

use camino::Utf8PathBuf;

use caddie_audit::script::command_settings;
use caddie_files::{Error, Result};
use caddie_folder::executed::executed;
use caddie_folder::{Fact as _, Folder, track};
use caddie_rulebook::Rulebook;

/// Settings that `submit` makes for every seed itself.
const OWN: [&str; 6] = ["SEED", "RUN_ID", "DATA_PATH", "DATA_DIR", "TOKENIZER_PATH", "PYTHONUNBUFFERED"];

/// An entry as its folder states it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct FolderFacts {
    pub name: Option<String>,
    pub author: Option<String>,
    pub github_id: Option<String>,
    pub blurb: Option<String>,
    pub track: Option<String>,
    pub seeds: Vec<u64>,
    pub nproc: Option<u32>,
    pub environment: BTreeMap<String, String>,
    /// The script that counts, in the folder.
    pub script: Option<Utf8PathBuf>,
    /// The recipe of a native entry, in the folder.
    pub recipe: Option<Utf8PathBuf>,
    /// Files that the script imports or reads, and `requirements.txt`, in the folder.
    pub beside: Vec<Utf8PathBuf>,
}

/// Reads what `folder` states.
///
/// # Errors
/// When it has neither a script nor a recipe.
pub fn of_folder(folder: &Folder, rulebook: &Rulebook) -> Result<FolderFacts> {
    let text = |of: fn(&caddie_folder::Submission) -> &Option<caddie_folder::Lined<String>>| {
        let found = of(folder.metadata()?).as_ref()?.value.trim().to_owned();
        Some(found).filter(|text| !text.is_empty())
    };
    let logged = folder.runs.official.iter().filter_map(|run| run.seed.value());
    let mut seeds: Vec<u64> = logged.filter_map(|seed| u64::try_from(seed).ok()).collect();
    if seeds.is_empty() {
        let named = folder.metadata().into_iter().flat_map(|submission| &submission.seeds);
        seeds = named.filter_map(|seed| u64::try_from(seed.value).ok()).collect();
    }
    let mut known = std::collections::BTreeSet::new();
    seeds.retain(|seed| known.insert(*seed));
    // caddie's own folders have a train_gpt.py that only carries the engine.
    let recipe = folder.recipes.as_ref().map(|_| Utf8PathBuf::from("recipe.toml"));
    let script = folder.script.as_ref().filter(|_| recipe.is_none()).map(|script| script.path.clone());
    if script.is_none() && recipe.is_none() {
        return Err(Error::unreadable(&folder.path, "holds no script to work on; name another folder"));
    }
    let helpers = executed(folder).filter(|_| script.is_some()).map(|found| found.helpers).unwrap_or_default();
    let mut beside: Vec<Utf8PathBuf> = helpers.into_iter().map(|helper| helper.path).collect();
    let requirements = folder.files.iter().map(|file| &file.path).find(|path| *path == "requirements.txt");
    beside.extend(requirements.filter(|_| script.is_some()).cloned());
    let settings = command_settings(folder).into_iter().filter(|(name, _)| !OWN.contains(&name.as_str()));
    Ok(FolderFacts {
        name: text(|submission| &submission.name),
        author: text(|submission| &submission.author),
        github_id: text(|submission| &submission.github_id),
        blurb: text(|submission| &submission.blurb),
        track: track::entered(folder, rulebook).map(|track| track.name.clone()),
        nproc: folder.runs.official.iter().find_map(|run| u32::try_from(run.world_size.value()?).ok()),
        environment: if script.is_some() { settings.collect() } else { BTreeMap::new() },
        seeds,
        script,
        recipe,
        beside,
    })
}
