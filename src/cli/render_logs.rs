//! `caddie render LOG…`: submission.json and README.md of a folder, from the logs that lie in it.

use camino::{Utf8Path, Utf8PathBuf};

use super::render::RenderArgs;
use crate::project::Project;
use crate::runner::asked::keep;
use crate::runner::logs::{Told, changes};
use caddie_files::{Error, Result, exit};
use caddie_folder::Folder;
use caddie_rulebook::Rulebook;

/// Tells whether the paths are logs, or a folder with logs, and not the folder of a submission's runs.
pub(super) fn are_logs(paths: &[Utf8PathBuf]) -> bool {
    let [only] = paths else { return true };
    let has_seeds = |folder: &Utf8Path| {
        let mut entries = folder.read_dir_utf8().into_iter().flatten().flatten();
        entries.any(|entry| entry.file_name().starts_with("seed-") && entry.path().is_dir())
    };
    let has_logs = |folder: &Utf8Path| Folder::read(folder).is_ok_and(|folder| !folder.runs.official.is_empty());
    only.is_file() || only.is_dir() && !has_seeds(only) && has_logs(only)
}

/// Writes the files, or with `--dry-run` only shows what would change; returns 1 where something would.
///
/// # Errors
/// Those of [`changes`], and when a file cannot be written or an option is given that only runs have.
pub(super) fn run(args: &RenderArgs, project: Option<&Project>, rulebook: &Rulebook) -> Result<u8> {
    let about = &args.submission;
    refuse(args, project)?;
    let told = Told {
        name: about.name.clone(),
        author: about.author.clone(),
        github_id: about.github_id.clone(),
        track: about.track.clone(),
        date: about.date,
        blurb: args.blurb.clone(),
    };
    let changes = changes(&args.paths, &told, rulebook)?;
    for file in &changes.files {
        if !args.dry_run {
            keep(&changes.folder.join(&file.path), file.after.as_bytes())?;
        }
        super::print(&super::harmless(&file.diff(&changes.folder)))?;
    }
    changes.notes.iter().for_each(|note| eprintln!("note: {}", super::shown(note)));
    let folder = super::shown(changes.folder.as_str());
    match (changes.files.is_empty(), args.dry_run) {
        (true, _) => eprintln!("{folder}: submission.json and README.md state what the logs do"),
        (false, true) => return Ok(exit::FINDINGS),
        (false, false) => eprintln!("next: caddie verify {folder}"),
    }
    Ok(exit::OK)
}

/// Refuses options that only runs have, instead of passing over them.
fn refuse(args: &RenderArgs, project: Option<&Project>) -> Result<()> {
    let given = [
        // caddie.toml gives it to every command.
        (args.out != "." && project.is_none(), "--out"),
        (args.tokenizer.is_some(), "--tokenizer"),
        (args.ablations.is_some(), "--ablations"),
        (args.probe.is_some(), "--probe"),
        (args.no_artifact, "--no-artifact"),
        (args.submission.force, "--force"),
    ];
    match given.iter().find(|(given, _)| *given) {
        Some((_, flag)) => Err(Error::Usage(format!(
            "{flag} is for runs that caddie made; logs are written into the documents beside them, without an artifact"
        ))),
        None => Ok(()),
    }
}
