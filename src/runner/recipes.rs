//! Recipes by name or path.

use std::path::Path;

use caddie_engine::Recipe;
use include_dir::{Dir, include_dir};

use crate::{Error, Result};

static BUILT_IN: Dir = include_dir!("$CARGO_MANIFEST_DIR/recipes");

/// The recipe file at `name`, or the built-in recipe of that name, with `overrides` (`key=value`) applied.
///
/// # Errors
/// Neither exists (the message lists the built-in ones), or the recipe is not valid.
pub fn resolve(name: &str, overrides: &[String]) -> Result<Recipe> {
    if Path::new(name).is_file() {
        return Ok(Recipe::load(Path::new(name), overrides)?);
    }
    match BUILT_IN.get_file(format!("{name}.toml")).and_then(|file| file.contents_utf8()) {
        Some(text) => Ok(Recipe::parse(text, overrides)?),
        None => Err(Error::usage(format!(
            "{name}: there is no such recipe file, nor a built-in recipe of that name (built in: {})",
            names().join(", ")
        ))),
    }
}

/// Names of the built-in recipes.
pub fn names() -> Vec<String> {
    let mut names: Vec<String> =
        BUILT_IN.files().filter_map(|f| Some(f.path().file_stem()?.to_str()?.to_owned())).collect();
    names.sort();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_built_in_recipe_is_valid() {
        assert!(names().contains(&"demo".to_owned()) && names().contains(&"baseline".to_owned()));
        for name in names() {
            resolve(&name, &[]).unwrap();
        }
    }

    #[test]
    fn an_unknown_name_lists_the_known_ones() {
        let error = resolve("demmo", &[]).unwrap_err().to_string();
        assert!(error.contains("demmo") && error.contains("demo,") || error.contains("demo)"), "{error}");
    }
}
