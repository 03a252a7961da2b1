//! Options that every command around the engine has.

use camino::Utf8PathBuf;
use clap::Args;

use crate::Result;
use crate::runner::recipes;
use caddie_engine::Recipe;

/// Options for the device and the data.
#[derive(Debug, Clone, Args)]
pub struct EngineOptions {
    /// A data root with datasets/ and tokenizers/, or a dataset folder with fineweb_*.bin shards
    #[arg(long, value_name = "DIR", env = "DATA_PATH")]
    pub data: Utf8PathBuf,
    /// auto, cpu, cuda or cuda:N
    #[arg(long, value_name = "DEVICE", default_value = "auto")]
    pub device: String,
}

/// A recipe and changes to it.
#[derive(Debug, Clone, Args)]
pub struct RecipeOptions {
    /// Name of a built-in recipe (baseline, demo) or path of a recipe file
    #[arg(value_name = "RECIPE")]
    pub recipe: String,
    /// Change a key of the recipe; repeatable
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
}

impl RecipeOptions {
    /// The resolved recipe.
    pub fn resolve(&self) -> Result<Recipe> {
        recipes::resolve(&self.recipe, &self.set)
    }
}
