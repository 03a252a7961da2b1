//! `recipe.toml` of a native folder, and the recipe that stands at the head of each native log.

use std::collections::BTreeMap;
use std::io::Read as _;

use camino::{Utf8Path, Utf8PathBuf};

use toml::de::{DeTable, DeValue};

use super::RunLog;
use caddie_files::FileEntry;
use caddie_files::Result;

/// Bytes of a log in which its recipe must end; real recipes have two thousand.
const MAX_HEAD_BYTES: u64 = 256 << 10;

/// A recipe, or the reason why the text is not one.
pub type Read = std::result::Result<Recipe, NoRecipe>;

/// A recipe as TOML values, with the line of every key.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Recipe {
    values: toml::Table,
    /// 1-based, by dotted key.
    lines: BTreeMap<String, u64>,
}

/// The reason why a text is not a recipe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoRecipe {
    pub reason: String,
    /// 1-based line; `None` where the file as a whole could not be read.
    pub line: Option<u64>,
}

impl NoRecipe {
    fn whole(reason: String) -> NoRecipe {
        NoRecipe { reason, line: None }
    }
}

/// The folder's recipe and those that the runs were made with.
#[derive(Debug)]
pub struct Recipes {
    /// The contents of recipe.toml.
    pub file: Read,
    /// The text before the first separator of each native log.
    pub logs: Vec<(Utf8PathBuf, Read)>,
}

/// Reads recipe.toml and the heads of the native logs; `None` where the folder has no recipe.
pub(super) fn read(root: &Utf8Path, listed: &[FileEntry], runs: &[RunLog]) -> Option<Recipes> {
    let file = listed.iter().find(|file| file.path == "recipe.toml")?;
    let read =
        caddie_files::read_text(&root.join(&file.path)).map_err(|error| NoRecipe::whole(super::inside(root, &error)));
    let native = runs.iter().filter(|run| run.engine_version.is_some());
    let logs = native.map(|run| {
        let head = head(&root.join(&run.log)).map_err(|error| NoRecipe::whole(super::inside(root, &error)));
        (run.log.clone(), head.and_then(|text| parse(&text)))
    });
    Some(Recipes { file: read.and_then(|text| parse(&text)), logs: logs.collect() })
}

fn parse(text: &str) -> Read {
    let line = |at: usize| 1 + text.bytes().take(at).filter(|byte| *byte == b'\n').count() as u64;
    let no_recipe = |error: toml::de::Error| NoRecipe {
        reason: error.message().to_owned(),
        line: error.span().map(|span| line(span.start)),
    };
    let values = toml::from_str(text).map_err(no_recipe)?;
    let keys = DeTable::parse(text).map_err(no_recipe)?;
    let mut lines = BTreeMap::new();
    place("", keys.get_ref(), &line, &mut lines);
    Ok(Recipe { values, lines })
}

/// Records the lines of a table's keys; those of inner tables have dotted names.
fn place(above: &str, table: &DeTable<'_>, line: &impl Fn(usize) -> u64, lines: &mut BTreeMap<String, u64>) {
    for (key, value) in table.iter() {
        let name = if above.is_empty() { key.get_ref().to_string() } else { format!("{above}.{}", key.get_ref()) };
        if let DeValue::Table(inner) = value.get_ref() {
            place(&name, inner, line, lines);
        }
        lines.insert(name, line(key.span().start));
    }
}

/// Returns the text before the first line of a hundred `=`.
fn head(log: &Utf8Path) -> Result<String> {
    let file = fs_err::File::open(log.as_std_path()).map_err(caddie_files::Error::io(log, "opening"))?;
    let mut bytes = Vec::new();
    file.take(MAX_HEAD_BYTES).read_to_end(&mut bytes).map_err(caddie_files::Error::io(log, "reading"))?;
    let text = String::from_utf8_lossy(&bytes);
    let separator = |line: &&str| line.len() >= 100 && line.bytes().all(|byte| byte == b'=');
    let lines: Vec<&str> = text.lines().take_while(|line| !separator(line)).collect();
    Ok(lines.join("\n"))
}

/// A key with different values in two recipes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The dotted key.
    pub key: String,
    /// The key's line in the one recipe and in the other; `None` in a recipe without it.
    pub lines: (Option<u64>, Option<u64>),
}

/// The keys under which two recipes differ, in order.
pub fn differences(a: &Recipe, b: &Recipe) -> Vec<Difference> {
    let line = |recipe: &Recipe, key: &str| recipe.lines.get(key).copied();
    let keys = different_keys(&a.values, &b.values).into_iter();
    keys.map(|key| Difference { lines: (line(a, &key), line(b, &key)), key }).collect()
}

fn different_keys(a: &toml::Table, b: &toml::Table) -> Vec<String> {
    let mut keys: Vec<&String> = a.keys().chain(b.keys()).collect();
    keys.sort();
    keys.dedup();
    let mut found = Vec::new();
    for key in keys {
        match (a.get(key), b.get(key)) {
            (Some(toml::Value::Table(a)), Some(toml::Value::Table(b))) => {
                found.extend(different_keys(a, b).into_iter().map(|inner| format!("{key}.{inner}")));
            }
            (a, b) if a != b => found.push(key.clone()),
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recipes_differ_under_keys_that_stand_on_lines() {
        let (a, b) =
            ("name = \"x\"\n[train]\niterations = 12\nseed = 1\n", "name = \"x\"\n\n[train]\niterations = 13\n");
        let (a, b) = (parse(a).expect("a recipe"), parse(b).expect("a recipe"));
        let difference = |key: &str, lines| Difference { key: key.to_owned(), lines };
        assert_eq!(
            differences(&a, &b),
            [difference("train.iterations", (Some(3), Some(4))), difference("train.seed", (Some(4), None))]
        );
        assert_eq!(differences(&a, &a), []);
    }

    #[test]
    fn what_is_no_recipe_names_the_line_that_breaks_it() {
        let refused = parse("name = \"x\"\n[train\n").expect_err("no TOML");
        assert_eq!(refused.line, Some(2), "{refused:?}");
    }
}
