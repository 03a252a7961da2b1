//! Runs that other machines made: taken back, compared with what was written down of them, rendered and verified.

mod native;
mod scripts;
mod taken;

use camino::{Utf8Path, Utf8PathBuf};

use super::asked::{check_seeds, folder_name};
use super::script::lock::Lock;
use crate::render::Track;
use caddie_files::{Error, Result};
use caddie_rulebook::Rulebook;

pub use native::NativeCollected;
use taken::{RunKind, Taken};

/// Runs to be collected.
#[derive(Debug, Clone)]
pub struct Collection {
    /// Run directories, folders that hold them, and tar archives of them.
    pub from: Vec<Utf8PathBuf>,
    /// The seeds that have to be there; whatever is there where empty.
    pub seeds: Vec<u64>,
    /// The script that the runs were made with; where the runs say where it lay if `None`.
    pub script: Option<Utf8PathBuf>,
    /// Name of the submission; that of the runs' folder where `None`.
    pub name: Option<String>,
    pub blurb: String,
    pub author: String,
    pub github_id: String,
    pub track: Track,
    pub rulebook: Rulebook,
    pub date: Option<jiff::civil::Date>,
    pub out: Utf8PathBuf,
    /// The data of the runs; as the runs were given them where `None`.
    pub data: Option<Utf8PathBuf>,
    pub force: bool,
}

/// A reason why a seed cannot be taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    pub seed: Option<u64>,
    pub place: Utf8PathBuf,
    pub reason: String,
}

/// The end of a collection.
#[derive(Debug)]
pub enum CollectOutcome {
    Scripts(Box<super::script::SubmittedScript>),
    Native(Box<NativeCollected>),
    /// Runs that are missing, failed or not what they should be. The good ones lie in the folder of the runs.
    Refused {
        refused: Vec<Refused>,
        kept: usize,
        runs: Utf8PathBuf,
    },
}

/// Takes the runs, and goes on as `submit` does when the last seed is finished.
///
/// # Errors
/// When a folder or an archive cannot be read, the runs are not of one submission, another run lies in the place of one, or
/// rendering fails.
pub fn collect(collection: &Collection) -> Result<CollectOutcome> {
    if !collection.seeds.is_empty() {
        check_seeds(&collection.seeds)?;
    }
    let base = collection.out.join("runs");
    let staging = taken::Unpacked::new(&base)?;
    let mut found = taken::find(&collection.from, &staging)?;
    let name = collection
        .name
        .clone()
        .or_else(|| found.name.clone())
        .ok_or_else(|| Error::Usage("the runs lie in no folder that names them; pass --name".to_owned()))?;
    let runs = base.join(folder_name(&name)?);
    let _lock = Lock::of(&runs, None)?;
    let mut refused = std::mem::take(&mut found.refused);
    let wanted = |seed: u64| collection.seeds.is_empty() || collection.seeds.contains(&seed);
    found.taken.retain(|taken| wanted(taken.seed));
    let missing = collection.seeds.iter().filter(|seed| {
        !found.taken.iter().any(|taken| taken.seed == **seed) && !refused.iter().any(|one| one.seed == Some(**seed))
    });
    let missing: Vec<Refused> = missing
        .map(|seed| Refused { seed: Some(*seed), place: runs.clone(), reason: "no run of it is here".to_owned() })
        .collect();
    refused.retain(|one| one.seed.is_none_or(wanted));
    refused.extend(missing);
    let kind = taken::one_kind(&found.taken)?;
    found.taken.iter().try_for_each(|taken| taken::place(taken, &runs))?;
    if !refused.is_empty() || found.taken.is_empty() {
        return Ok(CollectOutcome::Refused { refused, kept: found.taken.len(), runs });
    }
    let placed = Placed { collection, name, runs: &runs, taken: &found.taken };
    match kind {
        RunKind::Script => Ok(CollectOutcome::Scripts(Box::new(scripts::finish(&placed)?))),
        RunKind::Native => Ok(CollectOutcome::Native(Box::new(native::finish(&placed)?))),
    }
}

/// The runs in their places.
struct Placed<'a> {
    collection: &'a Collection,
    name: String,
    /// `runs/<name>`.
    runs: &'a Utf8Path,
    taken: &'a [Taken],
}

impl Placed<'_> {
    fn dirs(&self) -> impl Iterator<Item = Utf8PathBuf> {
        let mut seeds: Vec<u64> = self.taken.iter().map(|taken| taken.seed).collect();
        seeds.sort_unstable();
        seeds.into_iter().map(|seed| self.runs.join(format!("seed-{seed}")))
    }
}
