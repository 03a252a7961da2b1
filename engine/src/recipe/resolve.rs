//! From TOML text and `key=value` changes to a resolved recipe.

use std::path::Path;

use toml::{Table, Value};

use super::Recipe;
use crate::{Error, Result};

impl Recipe {
    /// Reads a recipe file. Keys it does not state keep the baseline's value.
    pub fn load(path: &Path, overrides: &[String]) -> Result<Recipe> {
        let text = std::fs::read_to_string(path).map_err(Error::io(path, "reading"))?;
        Recipe::parse(&text, overrides).map_err(|error| match error {
            Error::Recipe(reason) => Error::format(path, reason),
            other => other,
        })
    }

    /// Reads a recipe from TOML text, then applies `overrides` of the form `key=value` or `section.key=value`.
    pub fn parse(text: &str, overrides: &[String]) -> Result<Recipe> {
        let stated: Table = text.parse().map_err(|e: toml::de::Error| Error::Recipe(e.to_string()))?;
        let mut resolved = known_keys();
        overlay(&mut resolved, stated, "")?;
        for entry in overrides {
            set(&mut resolved, entry)?;
        }
        let recipe: Recipe = resolved
            .try_into()
            .map_err(|e: toml::de::Error| Error::Recipe(e.to_string().trim_end().replace('\n', " ")))?;
        recipe.check()?;
        Ok(recipe)
    }

    /// The whole recipe as TOML: what the log starts with and what the artifact carries.
    pub fn to_toml(&self) -> String {
        toml::to_string(self).unwrap_or_else(|e| unreachable!("a recipe is always representable in TOML: {e}"))
    }
}

/// Every known key with its default, as a table.
fn known_keys() -> Table {
    Table::try_from(Recipe::default())
        .unwrap_or_else(|e| unreachable!("the default recipe is representable in TOML: {e}"))
}

/// Copies `stated` over `resolved`, refusing keys that `resolved` does not have.
fn overlay(resolved: &mut Table, stated: Table, prefix: &str) -> Result<()> {
    for (key, value) in stated {
        let known: Vec<String> = resolved.keys().cloned().collect();
        match (resolved.get_mut(&key), value) {
            (Some(Value::Table(inner)), Value::Table(table)) => overlay(inner, table, &format!("{prefix}{key}."))?,
            (Some(slot), value) => {
                *slot = like(slot, value).map_err(|why| mistyped(&format!("{prefix}{key}"), &why))?
            }
            (None, _) => return Err(unknown_key(&format!("{prefix}{key}"), &key, &known)),
        }
    }
    Ok(())
}

/// Applies one `key=value`. A bare key is looked up in every section; it must be found in exactly one.
fn set(resolved: &mut Table, entry: &str) -> Result<()> {
    let (path, text) = entry
        .split_once('=')
        .ok_or_else(|| Error::Recipe(format!("--set {entry}: expected key=value, for example --set iterations=100")))?;
    let (path, text) = (path.trim(), text.trim());
    // A value that is not TOML by itself (a bare word such as ttt) is taken as a string.
    let value = format!("v = {text}")
        .parse::<Table>()
        .ok()
        .and_then(|mut t| t.remove("v"))
        .unwrap_or_else(|| Value::String(text.to_owned()));
    let mut leaves = Vec::new();
    leaf_paths(resolved, "", &mut leaves);
    let full = match leaves
        .iter()
        .filter(|leaf| *leaf == path || leaf.rsplit('.').next() == Some(path))
        .collect::<Vec<_>>()[..]
    {
        [one] => one.clone(),
        [] => {
            let last: Vec<String> = leaves.iter().map(|l| l.rsplit('.').next().unwrap_or(l).to_owned()).collect();
            return Err(unknown_key(path, path.rsplit('.').next().unwrap_or(path), &last));
        }
        _ => {
            return Err(Error::Recipe(format!(
                "--set {path}: more than one section has this key; write section.{path}"
            )));
        }
    };
    let (section, key) = full.rsplit_once('.').unwrap_or(("", &full));
    let mut table = resolved;
    for part in section.split('.').filter(|part| !part.is_empty()) {
        table = match table.get_mut(part) {
            Some(Value::Table(inner)) => inner,
            _ => unreachable!("{full} was found in this table"),
        };
    }
    if let Some(slot) = table.get_mut(key) {
        *slot = like(slot, value).map_err(|why| mistyped(&format!("--set {entry}: {full}"), &why))?;
    }
    Ok(())
}

/// `value` with the type of the default. An integer where that is a float is meant as a float: `matrix_lr = 1`.
fn like(default: &Value, value: Value) -> std::result::Result<Value, String> {
    match (default, value) {
        (Value::Float(_), Value::Integer(i)) => Ok(Value::Float(i as f64)),
        (_, value) if value.same_type(default) => Ok(value),
        (_, value) => Err(format!("it must be of type {}, not the {} {value}", default.type_str(), value.type_str())),
    }
}

fn mistyped(key: &str, why: &str) -> Error {
    Error::Recipe(format!("{key}: {why}"))
}

fn leaf_paths(table: &Table, prefix: &str, out: &mut Vec<String>) {
    for (key, value) in table {
        match value {
            Value::Table(inner) => leaf_paths(inner, &format!("{prefix}{key}."), out),
            _ => out.push(format!("{prefix}{key}")),
        }
    }
}

fn unknown_key(path: &str, key: &str, known: &[String]) -> Error {
    let nearest = known.iter().max_by(|a, b| strsim::jaro_winkler(key, a).total_cmp(&strsim::jaro_winkler(key, b)));
    Error::Recipe(match nearest {
        Some(nearest) => format!("unknown key `{path}`; the nearest known key is `{nearest}`"),
        None => format!("unknown key `{path}`"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::recipe::EvalMode;

    #[test]
    fn an_empty_recipe_is_the_baseline_and_survives_a_round_trip() {
        let recipe = Recipe::parse("", &[]).unwrap();
        assert_eq!(recipe, Recipe::default());
        assert_eq!(Recipe::parse(&recipe.to_toml(), &[]).unwrap(), recipe);
    }

    #[test]
    fn overrides_find_their_section_and_coerce_integers() {
        let recipe =
            Recipe::parse("[optim]\nmatrix_lr = 1\n", &["iterations=7".into(), "eval.mode=ttt".into()]).unwrap();
        assert_eq!((recipe.optim.matrix_lr, recipe.train.iterations, recipe.eval.mode), (1.0, 7, EvalMode::Ttt));
    }

    #[test]
    fn an_unknown_key_names_the_nearest_one() {
        for error in [
            Recipe::parse("[train]\nitertions = 3\n", &[]).unwrap_err(),
            Recipe::parse("", &["itertions=3".into()]).unwrap_err(),
        ] {
            assert!(error.to_string().contains("`iterations`"), "{error}");
        }
    }

    #[test]
    fn a_value_of_the_wrong_type_names_its_key_and_the_type() {
        for error in [
            Recipe::parse("[train]\niterations = 'many'\n", &[]).unwrap_err(),
            Recipe::parse("", &["iterations=many".into()]).unwrap_err(),
        ] {
            let text = error.to_string();
            assert!(text.contains("train.iterations: it must be of type integer, not the string"), "{text}");
        }
        assert!(Recipe::parse("", &["name=../up".into()]).unwrap_err().to_string().contains("cannot name a folder"));
    }

    #[test]
    fn contradictions_are_refused_before_the_run() {
        for set in [
            "num_heads=7",
            "train_batch_tokens=1000",
            "eval_stride=4096",
            "rope_dims=3",
            "iterations=0",
            "clip_percentile=200",
            "zlib_level=12",
            "mlp_mult=0",
            "logit_softcap=0",
            "matrix_lr=-1",
            "matrix_lr=nan",
            "parallel_start_layer=9",
        ] {
            assert!(Recipe::parse("", &[set.into()]).is_err(), "{set} was accepted");
        }
    }
}
