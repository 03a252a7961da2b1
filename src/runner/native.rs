//! One native run: a recipe and a seed in a run directory.

use std::sync::atomic::AtomicBool;

use caddie_engine::run::{Job, Phase};
use caddie_engine::{Recipe, device};
use camino::{Utf8Path, Utf8PathBuf};

use crate::Result;
use crate::render::launcher;

/// Returns `runs/<name>/seed-<n>`.
pub fn run_dir(runs: Utf8PathBuf, name: &str, seed: u64) -> Utf8PathBuf {
    runs.join(name).join(format!("seed-{seed}"))
}

/// Builds the engine's job for one run. The counted code is the length of the `train_gpt.py` that ships with the
/// recipe.
///
/// # Errors
/// When the device is not there.
pub fn job<'a>(
    recipe: Recipe,
    seed: u64,
    dir: &Utf8Path,
    data: &Utf8Path,
    device: &str,
    until: Phase,
    stop: &'a AtomicBool,
) -> Result<Job<'a>> {
    Ok(Job {
        code_bytes: launcher::code_bytes(&recipe.to_toml()),
        device: device::select(device)?,
        dir: dir.into(),
        data: data.into(),
        recipe,
        seed,
        until,
        stop,
    })
}
