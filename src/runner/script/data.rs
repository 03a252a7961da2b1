//! The data as the field's scripts ask for them: a folder of shards, the folder above it, a tokenizer.

use camino::{Utf8Path, Utf8PathBuf};

use caddie_files::{Error, Result};

/// The data that `--data` names, resolved. Paths are absolute: a script runs in a folder of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Data {
    /// `DATA_PATH`: the folder with the `fineweb_*.bin` shards.
    pub shards: Utf8PathBuf,
    /// `DATA_DIR`: the folder with `datasets/` and `tokenizers/`; that of the shards where there is none.
    pub root: Utf8PathBuf,
    /// `TOKENIZER_PATH`: the SentencePiece model; `None` where none is found.
    pub tokenizer: Option<Utf8PathBuf>,
    /// `VOCAB_SIZE`; `None` where neither a name nor the tokenizer tells.
    pub vocab_size: Option<u32>,
}

impl Data {
    /// Finds them as [`Data::locate`] does, for a script whose settings are `env`: its `VOCAB_SIZE` decides.
    ///
    /// # Errors
    /// As [`Data::locate`], and when `VOCAB_SIZE` is no number.
    pub fn for_settings(data: &Utf8Path, env: &[(String, String)]) -> Result<Data> {
        let vocab = env.iter().find(|(name, _)| name == "VOCAB_SIZE").map(|(_, size)| {
            size.parse().map_err(|_| Error::Usage(format!("--env VOCAB_SIZE={size}: give a number of tokens")))
        });
        Data::locate(data, vocab.transpose()?)
    }

    /// Finds shards and tokenizer below `data`, which is the shards' folder or the one above `datasets/`.
    /// `vocab` decides between several sets.
    ///
    /// # Errors
    /// When no shards lie there, or several sets do and `vocab` does not tell which is meant.
    pub fn locate(data: &Utf8Path, vocab: Option<u32>) -> Result<Data> {
        let data = data.canonicalize_utf8().map_err(Error::io(data, "resolving"))?;
        let shards = if has_shards(&data) { data.clone() } else { the_set(&data, vocab)? };
        let above = shards.parent().filter(|parent| parent.file_name() == Some("datasets"));
        let root = above.and_then(Utf8Path::parent).unwrap_or(&shards).to_owned();
        let vocab = vocab.or_else(|| vocab_of_name(shards.file_name().unwrap_or_default()));
        let tokenizer = tokenizer(&shards, &root, vocab);
        let vocab_size = vocab.or_else(|| tokenizer.as_deref().and_then(vocab_of_tokenizer));
        Ok(Data { shards, root, tokenizer, vocab_size })
    }
}

fn names(folder: &Utf8Path) -> Vec<String> {
    let entries = folder.read_dir_utf8().into_iter().flatten().flatten();
    let mut names: Vec<String> = entries.map(|entry| entry.file_name().to_owned()).collect();
    names.sort();
    names
}

fn has_shards(folder: &Utf8Path) -> bool {
    names(folder).iter().any(|name| name.starts_with("fineweb_") && name.ends_with(".bin"))
}

/// The one set below `datasets/`, or the one of that vocabulary.
fn the_set(data: &Utf8Path, vocab: Option<u32>) -> Result<Utf8PathBuf> {
    let datasets = data.join("datasets");
    let mut sets: Vec<String> = names(&datasets).into_iter().filter(|name| has_shards(&datasets.join(name))).collect();
    if sets.len() > 1 && vocab.is_some() {
        sets.retain(|name| vocab_of_name(name) == vocab);
    }
    match sets.as_slice() {
        [set] => Ok(datasets.join(set)),
        [] => Err(Error::unreadable(
            data,
            "holds no fineweb_*.bin, nor does a folder below datasets/ in it; pass --data the folder of the shards",
        )),
        several => Err(Error::Usage(format!(
            "{datasets} holds {}; pass --data the one that is meant, or --env VOCAB_SIZE=N",
            several.join(", ")
        ))),
    }
}

/// `fineweb10B_sp1024`, `fineweb10B_byte260`.
fn vocab_of_name(name: &str) -> Option<u32> {
    let digits = |marker: &str| name.rsplit_once(marker)?.1.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok();
    digits("_sp").or_else(|| digits("_byte"))
}

/// The model beside the shards, or the one of the official layout.
fn tokenizer(shards: &Utf8Path, root: &Utf8Path, vocab: Option<u32>) -> Option<Utf8PathBuf> {
    let models = |folder: Utf8PathBuf| {
        let names = names(&folder).into_iter().filter(|name| name.ends_with(".model"));
        names.map(move |name| folder.join(name)).collect::<Vec<_>>()
    };
    let mut found = models(shards.to_owned());
    if found.is_empty() {
        found = models(root.join("tokenizers"));
    }
    if let Some(vocab) = vocab.filter(|_| found.len() > 1) {
        let number = vocab.to_string();
        found.retain(|path| path.file_stem().is_some_and(|stem| numbers(stem).any(|digits| digits == number)));
    }
    match found.as_slice() {
        [one] => Some(one.clone()),
        _ => None,
    }
}

fn numbers(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_ascii_digit()).filter(|digits| !digits.is_empty())
}

/// Pieces of a SentencePiece model.
fn vocab_of_tokenizer(path: &Utf8Path) -> Option<u32> {
    let bytes = caddie_files::read_bounded(path).ok()?;
    u32::try_from(caddie_format::tokenizer::pieces(&bytes).ok()?.len()).ok().filter(|size| *size > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout(files: &[&str]) -> (tempfile::TempDir, Utf8PathBuf) {
        let dir = tempfile::tempdir().expect("a folder");
        let root = Utf8PathBuf::from_path_buf(dir.path().canonicalize().expect("resolves")).expect("UTF-8");
        for file in files {
            let path = root.join(file);
            std::fs::create_dir_all(path.parent().expect("a parent")).expect("creates");
            std::fs::write(path, "").expect("writes");
        }
        (dir, root)
    }

    #[test]
    fn the_official_layout_is_found_from_its_root_and_from_its_shards() {
        let (_dir, root) = layout(&[
            "datasets/fineweb10B_sp1024/fineweb_val_000000.bin",
            "datasets/fineweb10B_sp8192/fineweb_val_000000.bin",
            "tokenizers/fineweb_1024_bpe.model",
            "tokenizers/fineweb_8192_bpe.model",
        ]);
        let set = root.join("datasets/fineweb10B_sp8192");
        for data in [Data::locate(&set, None).unwrap(), Data::locate(&root, Some(8192)).unwrap()] {
            assert_eq!((&data.shards, &data.root, data.vocab_size), (&set, &root, Some(8192)));
            assert_eq!(data.tokenizer, Some(root.join("tokenizers/fineweb_8192_bpe.model")));
        }
        let unsure = Data::locate(&root, None).unwrap_err().to_string();
        assert!(unsure.contains("fineweb10B_sp1024, fineweb10B_sp8192"), "{unsure}");
    }

    #[test]
    fn shards_alone_give_what_they_can_and_an_empty_folder_is_refused() {
        let (_dir, root) = layout(&["a/fineweb_train_000000.bin", "b/notes"]);
        let data = Data::locate(&root.join("a"), None).unwrap();
        assert_eq!((data.root, data.tokenizer, data.vocab_size), (root.join("a"), None, None));
        assert!(Data::locate(&root.join("b"), None).unwrap_err().to_string().contains("fineweb_*.bin"));
    }
}
