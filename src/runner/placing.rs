//! Rendering to places that may be occupied: an output with the same content is kept, another one is never overwritten
//! without `--force`.

use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

use super::asked::keep;
use crate::render::runs::FinishedRun;
use crate::render::{self, RenderOptions, Rendered};
use caddie_files::{Error, Result};

/// The file of a folder that names its author.
const METADATA: &str = "submission.json";

/// Renders `runs` into [`RenderOptions::out`].
///
/// # Errors
/// As [`render::render_runs`] and [`place`].
pub fn render(runs: &[FinishedRun], options: &RenderOptions) -> Result<Rendered> {
    let spot = Spot { out: &options.out, runs: &options.runs, force: options.force };
    place(&spot, |out| render::render_runs(runs, &RenderOptions { out: out.to_owned(), ..options.clone() }))
}

/// The places of a submission's outputs.
#[derive(Debug, Clone, Copy)]
pub struct Spot<'a> {
    /// Folder that gets `records/`, `PULL_REQUEST.md` and the artifact.
    pub out: &'a Utf8Path,
    /// Folder of the submission's runs.
    pub runs: &'a Utf8Path,
    /// Replace what lies there.
    pub force: bool,
}

/// Puts what `render` writes into the folder that it is given where it belongs.
///
/// A submission that was finished before, or interrupted between two outputs, renders to the same bytes; its outputs are
/// kept and the missing ones added. Where submission.json differs in whom it names alone, it gets the new names: an author is
/// often stated late. Any other output that differs (somebody edited the README, say) is an error that names the file.
///
/// # Errors
/// Those of `render`, and an output that exists and differs, unless [`Spot::force`] is given.
pub fn place<F>(spot: &Spot<'_>, render: impl FnOnce(&Utf8Path) -> Result<Rendered<F>>) -> Result<Rendered<F>> {
    if spot.force {
        return render(spot.out);
    }
    let staging = RenderFolder::new(spot)?;
    let out = staging.0.clone();
    let staged = render(&out)?;
    let target = |path: &Utf8Path| spot.out.join(path.strip_prefix(&out).unwrap_or(path));
    let outputs: Vec<&Utf8PathBuf> =
        [Some(&staged.folder), Some(&staged.pull_request), staged.artifact.as_ref()].into_iter().flatten().collect();
    let mut renamed = None;
    for from in &outputs {
        let to = target(from);
        if to.exists()
            && let Some(file) = first_difference(from, &to)?
        {
            if let Some(names) = other_names(from, &to)? {
                renamed = Some((to.join(METADATA), names));
                continue;
            }
            return Err(Error::Usage(format!(
                "{to} exists, and its {file} differs from what these runs render; keep it under another name, or pass \
                 --force to replace it"
            )));
        }
    }
    if let Some((metadata, names)) = renamed {
        keep(&metadata, &names)?;
    }
    for from in &outputs {
        let to = target(from);
        if !to.exists() {
            if let Some(parent) = to.parent() {
                fs::create_dir_all(parent).map_err(Error::io(parent, "creating"))?;
            }
            fs::rename(from, &to).map_err(Error::io(&to, "renaming into place"))?;
        }
    }
    Ok(Rendered {
        folder: target(&staged.folder),
        pull_request: target(&staged.pull_request),
        artifact: staged.artifact.as_deref().map(target),
        facts: staged.facts,
    })
}

/// Refuses, before the training, an output that exists already: no run that is still to be trained renders to it.
///
/// # Errors
/// Names the output, unless [`RenderOptions::force`] is given.
pub fn refuse_occupied(options: &RenderOptions) -> Result<()> {
    let (folder, pull_request, artifact) = options.places(&options.meta(options.name.clone().unwrap_or_default()));
    refuse_any([Some(folder), Some(pull_request), artifact].into_iter().flatten(), options.force)
}

/// [`refuse_occupied`] for any outputs.
pub(super) fn refuse_any(mut outputs: impl Iterator<Item = Utf8PathBuf>, force: bool) -> Result<()> {
    match outputs.find(|path| path.exists()).filter(|_| !force) {
        None => Ok(()),
        Some(path) => Err(Error::Usage(format!(
            "{path} exists and is of other runs; choose another --out, or pass --force to replace it when the \
             new runs are finished"
        ))),
    }
}

/// The folder in which outputs are rendered before they move to their places. Its name is the same on every try, so
/// that the next process removes what a killed one left; the caller makes sure that only one process uses it at a time.
struct RenderFolder(Utf8PathBuf);

impl RenderFolder {
    fn new(spot: &Spot<'_>) -> Result<RenderFolder> {
        let path = spot.out.join(format!(".caddie-render-{}", spot.runs.file_name().unwrap_or_default()));
        match fs::remove_dir_all(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(Error::io(&path, "removing")(error));
            }
            _ => {}
        }
        fs::create_dir_all(&path).map_err(Error::io(&path, "creating"))?;
        Ok(RenderFolder(path))
    }
}

impl Drop for RenderFolder {
    fn drop(&mut self) {
        // Best effort: the next try removes it otherwise.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Returns the first file, by name, that differs between the sides; for two files, the file's own name.
fn first_difference(a: &Utf8Path, b: &Utf8Path) -> Result<Option<String>> {
    let (a, b) = (contents(a)?, contents(b)?);
    let name = a.iter().find(|(name, bytes)| b.get(*name) != Some(bytes)).map(|(name, _)| name);
    Ok(name.or_else(|| b.keys().find(|name| !a.contains_key(*name))).cloned())
}

/// Returns the new submission.json of a folder whose earlier one differs in whom it names, and in nothing else.
fn other_names(new: &Utf8Path, old: &Utf8Path) -> Result<Option<Vec<u8>>> {
    let (mut new, mut old) = (contents(new)?, contents(old)?);
    let (Some(named), Some(before)) = (new.remove(METADATA), old.remove(METADATA)) else { return Ok(None) };
    let nameless = |bytes: &[u8]| {
        let mut json: serde_json::Value = serde_json::from_slice(bytes).ok()?;
        let object = json.as_object_mut()?;
        // In place, so that the order of the keys is compared as well.
        let names = object.iter_mut().filter(|(key, _)| matches!(key.as_str(), "author" | "github_id"));
        names.for_each(|(_, name)| *name = serde_json::Value::Null);
        Some(json.to_string())
    };
    let same = nameless(&named).is_some_and(|json| Some(json) == nameless(&before));
    Ok((same && new == old).then_some(named))
}

/// Returns the content of a file, by its name, or of a folder's files, by their paths in it.
fn contents(path: &Utf8Path) -> Result<BTreeMap<String, Vec<u8>>> {
    let read = |path: &Utf8Path| fs::read(path).map_err(Error::io(path, "reading"));
    if !path.is_dir() {
        return Ok([(path.file_name().unwrap_or_default().to_owned(), read(path)?)].into());
    }
    let files = caddie_files::list(path)?.files;
    files.into_iter().map(|file| Ok((file.path.to_string(), read(&path.join(&file.path))?))).collect()
}
