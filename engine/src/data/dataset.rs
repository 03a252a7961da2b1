//! The paths of a data set's files.

use std::path::{Component, Path, PathBuf};

use crate::recipe::TokenizerKind;
use crate::{Error, Recipe, Result};

/// The end of the names of a data set with case operators, PR #1729's.
const CASEOPS: &str = "lossless_caps_caseops_v1_reserved";

/// The files of a data set, as the challenge lays them out (docs/spec/algorithms.md#shards).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataSet {
    /// Name of the folder with the shards, for example `fineweb10B_sp1024`.
    pub name: String,
    /// `fineweb_train_*.bin` in lexicographic order; may be empty, because an evaluation needs none.
    pub train: Vec<PathBuf>,
    /// `fineweb_val_*.bin` in lexicographic order; never empty.
    pub val: Vec<PathBuf>,
    /// `fineweb_val_bytes_*.bin`, the bytes of each token of `val`; there only where the data set has them.
    pub val_bytes: Vec<PathBuf>,
    /// The tokenizer's `.model` file, where there is one.
    pub tokenizer: Option<PathBuf>,
}

impl DataSet {
    /// Finds the files under `dir`: a folder with `fineweb_{train,val}_*.bin`, or a data root with
    /// `datasets/fineweb10B_sp{V}/` (`datasets/fineweb10B_byte260/` for bytes) and `tokenizers/fineweb_{V}_bpe.model`.
    ///
    /// # Errors
    /// No such folder, or no validation shards in it.
    pub fn locate(dir: &Path, recipe: &Recipe) -> Result<DataSet> {
        let vocab_size = recipe.model.vocab_size;
        let name = match recipe.data.tokenizer {
            TokenizerKind::Sentencepiece => format!("fineweb10B_sp{vocab_size}"),
            TokenizerKind::Caseops => format!("fineweb10B_sp{vocab_size}_{CASEOPS}"),
            TokenizerKind::Byte260 => "fineweb10B_byte260".to_owned(),
        };
        if !dir.is_dir() {
            return Err(Error::format(dir, format!("there is no such folder; {}", hint(&name))));
        }
        let nested = dir.join("datasets").join(&name);
        let folder = if nested.is_dir() { nested } else { dir.to_owned() };
        let train = shards(&folder, "fineweb_train_")?;
        let (val_bytes, val): (Vec<PathBuf>, Vec<PathBuf>) =
            shards(&folder, "fineweb_val_")?.into_iter().partition(|path| is_sidecar(path));
        if val.is_empty() {
            let seen = if train.is_empty() { "no shards" } else { "training shards but no validation shards" };
            return Err(Error::format(
                dir,
                format!(
                    "{seen} found; looked for fineweb_val_*.bin in {} and datasets/{name}/fineweb_val_*.bin; {}",
                    folder.display(),
                    hint(&name)
                ),
            ));
        }
        // A relative `.` has no name of its own; the log wants one.
        let name = folder.canonicalize().ok().and_then(|full| Some(full.file_name()?.to_str()?.to_owned()));
        Ok(DataSet {
            name: name.unwrap_or_else(|| folder.display().to_string()),
            train,
            val,
            val_bytes,
            tokenizer: tokenizer(&folder, vocab_size, recipe.data.tokenizer),
        })
    }
}

fn hint(name: &str) -> String {
    format!("pass --data the folder that holds the shards, or the one that holds datasets/{name}/ and tokenizers/")
}

/// The tokenizer beside the shards, or in the `tokenizers/` folder of the official layout.
fn tokenizer(folder: &Path, vocab_size: i64, kind: TokenizerKind) -> Option<PathBuf> {
    let file = match kind {
        TokenizerKind::Caseops => format!("fineweb_{vocab_size}_bpe_{CASEOPS}.model"),
        _ => format!("fineweb_{vocab_size}_bpe.model"),
    };
    let official = Path::new("tokenizers").join(&file);
    let mut root = folder.join("../..");
    // The same place in a shorter name, where the path says what lies above.
    let named = folder.components().rev().take(2).all(|part| matches!(part, Component::Normal(_)));
    if let (true, Some(above)) = (named, folder.parent().and_then(Path::parent)) {
        root = above.to_owned();
    }
    [folder.join(&file), folder.join(&official), root.join(&official)].into_iter().find(|path| path.is_file())
}

/// Tells whether a file of the validation split holds bytes of tokens rather than tokens.
fn is_sidecar(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("fineweb_val_bytes_"))
}

/// `{prefix}*.bin` in `folder`, sorted.
fn shards(folder: &Path, prefix: &str) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(Error::io(folder, "listing"))? {
        let entry = entry.map_err(Error::io(folder, "listing"))?;
        let name = entry.file_name();
        if name.to_str().is_some_and(|name| name.starts_with(prefix) && name.ends_with(".bin")) {
            found.push(entry.path());
        }
    }
    found.sort();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{shard_bytes, write};
    use super::*;

    fn official() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let shards = dir.path().join("datasets/fineweb10B_sp1024");
        std::fs::create_dir_all(&shards).unwrap();
        std::fs::create_dir_all(dir.path().join("tokenizers")).unwrap();
        for name in ["fineweb_train_000001.bin", "fineweb_train_000000.bin", "fineweb_val_000000.bin", "notes.txt"] {
            write(&shards, name, &shard_bytes(&[1, 2]));
        }
        write(&dir.path().join("tokenizers"), "fineweb_1024_bpe.model", b"");
        dir
    }

    fn names(paths: &[PathBuf]) -> Vec<&str> {
        paths.iter().map(|path| path.file_name().unwrap().to_str().unwrap()).collect()
    }

    #[test]
    fn the_root_and_the_dataset_folder_find_the_same_files() {
        let dir = official();
        let root = DataSet::locate(dir.path(), &Recipe::default()).unwrap();
        let inner = DataSet::locate(&dir.path().join("datasets/fineweb10B_sp1024"), &Recipe::default()).unwrap();
        assert_eq!(root, inner);
        assert_eq!(root.name, "fineweb10B_sp1024");
        assert_eq!(names(&root.train), ["fineweb_train_000000.bin", "fineweb_train_000001.bin"]);
        assert_eq!(names(&root.val), ["fineweb_val_000000.bin"]);
        assert!(root.tokenizer.unwrap().ends_with("tokenizers/fineweb_1024_bpe.model"));
    }

    #[test]
    fn a_wrong_folder_says_what_was_looked_for() {
        let dir = official();
        let missing = DataSet::locate(&dir.path().join("nowhere"), &Recipe::default()).unwrap_err().to_string();
        assert!(missing.contains("nowhere: there is no such folder; pass --data"), "{missing}");
        let mut sp8192 = Recipe::default();
        sp8192.model.vocab_size = 8192;
        let other = DataSet::locate(dir.path(), &sp8192).unwrap_err().to_string();
        assert!(other.contains("datasets/fineweb10B_sp8192/fineweb_val_*.bin"), "{other}");
        std::fs::remove_file(dir.path().join("datasets/fineweb10B_sp1024/fineweb_val_000000.bin")).unwrap();
        let no_val = DataSet::locate(dir.path(), &Recipe::default()).unwrap_err().to_string();
        assert!(no_val.contains("training shards but no validation shards found"), "{no_val}");
    }
}
