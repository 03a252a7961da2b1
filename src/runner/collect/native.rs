//! Collected runs of a recipe: read as `render` reads them, which compares each with its own log and ledger.

use super::Placed;
use crate::checks::{self, VerifyOptions};
use crate::render::runs::{self, FinishedRun};
use crate::render::{RenderOptions, Rendered};
use crate::report::FolderReport;
use crate::runner::asked::date_of;
use crate::runner::placing;
use caddie_files::Result;
use caddie_folder::{Folder, read_log};

/// A submission of collected runs.
#[derive(Debug)]
pub struct NativeCollected {
    pub rendered: Rendered,
    pub report: FolderReport,
}

pub fn finish(placed: &Placed<'_>) -> Result<NativeCollected> {
    let asked = placed.collection;
    let options = RenderOptions {
        runs: placed.runs.to_owned(),
        out: asked.out.clone(),
        name: Some(placed.name.clone()),
        author: asked.author.clone(),
        github_id: asked.github_id.clone(),
        date: date_of(placed.runs, asked.date)?,
        track: asked.track.clone(),
        rulebook: asked.rulebook.clone(),
        artifact: true,
        tokenizer: asked.data.clone(),
        ablations: None,
        probe: None,
        force: asked.force,
    };
    let open = |dir: camino::Utf8PathBuf| FinishedRun::open(&dir, read_log(&dir.join("log.txt"))?);
    let mut finished = placed.dirs().map(open).collect::<Result<Vec<_>>>()?;
    runs::agree(&mut finished)?;
    let rendered = placing::render(&finished, &options)?;
    let folder = Folder::read(&rendered.folder)?;
    let report = checks::verify_read(&folder, &asked.rulebook, &VerifyOptions::default());
    Ok(NativeCollected { rendered, report })
}
