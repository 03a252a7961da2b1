//! The probe report that a folder holds: what `caddie probe entropy --format json` printed, as probe.json.
//!
//! It is shown where its digest is that of the folder's own script or recipe. Nobody ran the probe here, so it is quoted, not
//! judged.

use serde::Deserialize;

use crate::report::Probed;
use caddie_folder::Folder;

/// The file's name.
pub const PROBE_FILE: &str = "probe.json";

/// What is read of a report; anything else in it is left alone.
#[derive(Deserialize)]
struct StatedProbe {
    subject: StatedSubject,
    tries: Vec<StatedTry>,
    log_e: Option<f64>,
    verdict: StatedVerdict,
}

#[derive(Deserialize)]
struct StatedSubject {
    kind: String,
    sha256: String,
}

#[derive(Deserialize)]
struct StatedTry {
    source: String,
    targets: u64,
}

#[derive(Deserialize, PartialEq)]
#[serde(rename_all = "snake_case")]
enum StatedVerdict {
    LeakProven,
    NoEvidence,
}

/// The folder's probe report, where its digest fits.
pub(super) fn of(folder: &Folder) -> Option<Probed> {
    let file = folder.files.iter().find(|file| file.path == PROBE_FILE)?;
    let text = caddie_files::read_text(&folder.path.join(&file.path)).ok()?;
    let stated: StatedProbe = serde_json::from_str(&text).ok()?;
    let probed = match stated.subject.kind.as_str() {
        "script" => folder.script.as_ref()?.path.clone(),
        "recipe" => folder.files.iter().find(|file| file.path == "recipe.toml")?.path.clone(),
        _ => return None,
    };
    if caddie_files::sha256(&folder.path.join(&probed)).ok()? != stated.subject.sha256 {
        return None;
    }
    let mut sources: Vec<String> = stated.tries.iter().map(|tried| tried.source.clone()).collect();
    sources.dedup();
    Some(Probed {
        file: file.path.clone(),
        probed,
        leak_proven: stated.verdict == StatedVerdict::LeakProven,
        log_e: stated.log_e.filter(|log_e| log_e.is_finite()),
        sources,
        targets: stated.tries.iter().map(|tried| tried.targets).max().unwrap_or(0),
    })
}
