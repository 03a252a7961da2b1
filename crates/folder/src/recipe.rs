//! `recipe.toml` of a native folder, and the recipe that stands at the head of each native log.

use std::io::Read;

use camino::{Utf8Path, Utf8PathBuf};

use super::RunLog;
use caddie_files::FileEntry;
use caddie_files::Result;

/// Bytes of a log in which its recipe must end; real recipes have two thousand.
const MAX_HEAD_BYTES: u64 = 256 << 10;

/// A recipe as TOML values, or why it is none.
pub type Values = std::result::Result<toml::Table, String>;

/// The folder's recipe and those that the runs were made with.
#[derive(Debug)]
pub struct Recipes {
    /// What recipe.toml holds.
    pub file: Values,
    /// By native log: what stands before its first separator.
    pub logs: Vec<(Utf8PathBuf, Values)>,
}

/// Reads recipe.toml and the heads of the native logs; `None` where the folder has no recipe.
pub(super) fn read(root: &Utf8Path, listed: &[FileEntry], runs: &[RunLog]) -> Option<Recipes> {
    let file = listed.iter().find(|file| file.path == "recipe.toml")?;
    let read = caddie_files::read_text(&root.join(&file.path)).map_err(|error| super::inside(root, &error));
    let native = runs.iter().filter(|run| run.engine_version.is_some());
    let logs = native.map(|run| {
        let head = head(&root.join(&run.log)).map_err(|error| super::inside(root, &error));
        (run.log.clone(), head.and_then(|text| parse(&text)))
    });
    Some(Recipes { file: read.and_then(|text| parse(&text)), logs: logs.collect() })
}

fn parse(text: &str) -> Values {
    toml::from_str(text).map_err(|error| error.message().to_owned())
}

/// The text before the first line of a hundred `=`.
fn head(log: &Utf8Path) -> Result<String> {
    let file = fs_err::File::open(log.as_std_path()).map_err(caddie_files::Error::io(log, "opening"))?;
    let mut bytes = Vec::new();
    file.take(MAX_HEAD_BYTES).read_to_end(&mut bytes).map_err(caddie_files::Error::io(log, "reading"))?;
    let text = String::from_utf8_lossy(&bytes);
    let separator = |line: &&str| line.len() >= 100 && line.bytes().all(|byte| byte == b'=');
    let lines: Vec<&str> = text.lines().take_while(|line| !separator(line)).collect();
    Ok(lines.join("\n"))
}

/// The dotted keys under which two recipes differ, in order.
pub fn differences(a: &toml::Table, b: &toml::Table) -> Vec<String> {
    let mut keys: Vec<&String> = a.keys().chain(b.keys()).collect();
    keys.sort();
    keys.dedup();
    let mut found = Vec::new();
    for key in keys {
        match (a.get(key), b.get(key)) {
            (Some(toml::Value::Table(a)), Some(toml::Value::Table(b))) => {
                found.extend(differences(a, b).into_iter().map(|inner| format!("{key}.{inner}")));
            }
            (a, b) if a != b => found.push(key.clone()),
            _ => {}
        }
    }
    found
}
