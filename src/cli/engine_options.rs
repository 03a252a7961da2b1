//! Options that name a recipe.

use clap::Args;

use crate::Result;
use crate::runner::recipes;
use caddie_engine::Recipe;

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
