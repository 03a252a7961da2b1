//! Shards as a source: their tokens are spelled out by the tokenizer that made them.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufReader, ErrorKind, Read};
use std::sync::Arc;

use caddie_files::{Error, Result};
use caddie_format::shard;
use caddie_tokenizer::Tokenizer;
use camino::{Utf8Path, Utf8PathBuf};

use super::documents::{Document, Split};
use super::model;

/// Documents of each split that are spelled out, encoded again and compared with what the shards hold.
const COMPARED: u64 = 64;
const FOREIGN: &str = "; is this the tokenizer that made the shards? --source-tokenizer names another";
/// Most tokens of a document; a stream without marks would otherwise be read into memory whole.
const MAX_TOKENS: usize = 1 << 26;

/// The documents of one split.
pub struct ShardDocuments {
    split: Split,
    tokenizer: Arc<Tokenizer>,
    files: VecDeque<Utf8PathBuf>,
    open: Option<Shard>,
    /// Tokens of the document that is being read; its mark first.
    tokens: Vec<u16>,
    documents: u64,
    /// Compared documents that came out otherwise.
    changed: u64,
}

/// A shard that is being read.
struct Shard {
    path: Utf8PathBuf,
    file: BufReader<File>,
    left: usize,
}

/// The splits of a folder, validation first.
pub fn open(source: &Utf8Path, tokenizer: Option<&Utf8Path>) -> Result<VecDeque<ShardDocuments>> {
    let folder = folder(source)?;
    let tokenizer = match tokenizer {
        Some(path) => path.to_owned(),
        None => beside(&folder)?,
    };
    let tokenizer = Arc::new(model::any(&tokenizer)?.0);
    let mut splits = VecDeque::new();
    for (split, prefix) in [(Split::Validation, "fineweb_val_"), (Split::Train, "fineweb_train_")] {
        let files: VecDeque<Utf8PathBuf> = listed(&folder, |name| name.starts_with(prefix) && name.ends_with(".bin"))?
            .into_iter()
            .filter(|path| !path.file_name().is_some_and(|name| name.starts_with("fineweb_val_bytes_")))
            .collect();
        splits.push_back(ShardDocuments {
            split,
            tokenizer: tokenizer.clone(),
            files,
            open: None,
            tokens: Vec::new(),
            documents: 0,
            changed: 0,
        });
    }
    match splits.iter().any(|split: &ShardDocuments| !split.files.is_empty()) {
        true => Ok(splits),
        false => Err(Error::unreadable(
            &folder,
            "no fineweb_val_*.bin and no fineweb_train_*.bin; name the folder with the shards, or a file of documents",
        )),
    }
}

/// The folder with the shards: `source`, or the only one in its `datasets/`.
fn folder(source: &Utf8Path) -> Result<Utf8PathBuf> {
    let sets = source.join("datasets");
    if !sets.is_dir() {
        return Ok(source.to_owned());
    }
    let mut folders = listed(&sets, |name| name.starts_with("fineweb"))?;
    folders.retain(|path| path.is_dir());
    match folders.as_slice() {
        [only] => Ok(only.clone()),
        found => Err(Error::Usage(format!("{sets} holds {} data sets; name the folder of one of them", found.len()))),
    }
}

/// The tokenizer beside the shards, or in the `tokenizers/` of their data root, in the name that the challenge gives it.
fn beside(folder: &Utf8Path) -> Result<Utf8PathBuf> {
    let name = folder.file_name().unwrap_or_default();
    let places = [folder.to_owned(), folder.join("tokenizers"), folder.join("../../tokenizers")];
    let mut found = Vec::new();
    for place in places.iter().filter(|place| place.is_dir()) {
        found.extend(listed(place, |file| file.starts_with("fineweb_") && file.ends_with(".model"))?);
    }
    let vocabulary = name.rsplit_once("_sp").map(|(_, size)| format!("fineweb_{size}_bpe.model"));
    let named = found.iter().find(|path| path.file_name() == vocabulary.as_deref());
    match (named, found.as_slice()) {
        (Some(named), _) => Ok(named.clone()),
        (None, [only]) => Ok(only.clone()),
        _ => Err(Error::Usage(format!(
            "the tokenizer of {folder} is not beside its shards or in tokenizers/; add --source-tokenizer MODEL, the one that \
             made these shards"
        ))),
    }
}

/// Entries of a folder whose names are asked for, sorted.
fn listed(folder: &Utf8Path, asked: impl Fn(&str) -> bool) -> Result<Vec<Utf8PathBuf>> {
    let mut found = Vec::new();
    for entry in folder.read_dir_utf8().map_err(Error::io(folder, "listing"))? {
        let entry = entry.map_err(Error::io(folder, "listing"))?;
        if asked(entry.file_name()) {
            found.push(entry.into_path());
        }
    }
    found.sort();
    Ok(found)
}

impl Shard {
    fn open(path: Utf8PathBuf) -> Result<Shard> {
        let file = File::open(&path).map_err(Error::io(&path, "opening"))?;
        let size = file.metadata().map_err(Error::io(&path, "reading"))?.len();
        let mut file = BufReader::new(file);
        let mut header = Vec::with_capacity(shard::HEADER_BYTES);
        let limit = shard::HEADER_BYTES as u64;
        (&mut file).take(limit).read_to_end(&mut header).map_err(Error::io(&path, "reading"))?;
        let left = shard::count(&header, size).map_err(|reason| Error::unreadable(&path, reason))?;
        Ok(Shard { path, file, left })
    }

    fn next(&mut self) -> Result<Option<u16>> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        let mut pair = [0; 2];
        self.file.read_exact(&mut pair).map_err(|error| match error.kind() {
            ErrorKind::UnexpectedEof => Error::unreadable(&self.path, "it was cut short while it was read"),
            _ => Error::io(&self.path, "reading")(error),
        })?;
        Ok(Some(u16::from_le_bytes(pair)))
    }
}

impl ShardDocuments {
    /// The next token of the stream, and the shard that it lies in.
    fn token(&mut self) -> Result<Option<u16>> {
        loop {
            if let Some(shard) = &mut self.open
                && let Some(token) = shard.next()?
            {
                return Ok(Some(token));
            }
            match self.files.pop_front() {
                None => return Ok(None),
                Some(path) => self.open = Some(Shard::open(path)?),
            }
        }
    }

    /// The tokens of the next document behind its mark.
    fn tokens(&mut self) -> Result<Option<Vec<u16>>> {
        loop {
            let token = self.token()?;
            let begun = !self.tokens.is_empty();
            match token {
                None | Some(model::BOS) if begun => {
                    let next = token.into_iter().collect();
                    return Ok(Some(std::mem::replace(&mut self.tokens, next).split_off(1)));
                }
                None => return Ok(None),
                Some(token) if begun || token == model::BOS => self.tokens.push(token),
                Some(token) => {
                    return Err(self.refused(format!(
                        "the stream begins with token {token}, not with the mark of a document (id {}); pass the shards from \
                         the first one on",
                        model::BOS
                    )));
                }
            }
            if self.tokens.len() > MAX_TOKENS {
                let reason = format!(
                    "more than {MAX_TOKENS} tokens without the mark of a document; not a shard of the challenge"
                );
                return Err(self.refused(reason));
            }
        }
    }

    fn refused(&self, reason: String) -> Error {
        Error::unreadable(self.place(), reason)
    }

    fn place(&self) -> Utf8PathBuf {
        self.open.as_ref().map_or_else(Utf8PathBuf::new, |shard| shard.path.clone())
    }

    /// Spells a document out.
    ///
    /// A tokenizer that did not make the shards spells some text all the same, but hardly one that it would encode alike.
    fn document(&mut self, tokens: &[u16]) -> Result<Document> {
        self.documents += 1;
        let place = format!("document {}", self.documents);
        let text = self.tokenizer.decode(tokens).map_err(|error| self.refused(format!("{place}: {error}{FOREIGN}")))?;
        if self.documents <= COMPARED {
            let again = self.tokenizer.encode(&text);
            self.changed += u64::from(!again.iter().map(|token| token.id).eq(tokens.iter().copied()));
        }
        if self.documents == COMPARED {
            self.check_compared()?;
        }
        Ok(Document { split: self.split, text, file: self.place(), place })
    }

    /// Refuses a tokenizer by which most of the compared documents came out otherwise.
    fn check_compared(&self) -> Result<()> {
        let compared = self.documents.min(COMPARED);
        match 2 * self.changed > compared {
            true => Err(self.refused(format!(
                "{} of the first {compared} documents do not come back when their text is encoded again{FOREIGN}",
                self.changed
            ))),
            false => Ok(()),
        }
    }

    pub fn next(&mut self) -> Option<Result<Document>> {
        match self.tokens() {
            Ok(Some(tokens)) => Some(self.document(&tokens)),
            Ok(None) if self.documents < COMPARED => self.check_compared().err().map(Err),
            Ok(None) => None,
            Err(error) => Some(Err(error)),
        }
    }
}
