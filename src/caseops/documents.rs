//! Documents of a source, one at a time: lines of JSON, or the tokens of shards spelled out again.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};

use caddie_files::{Error, Result};
use camino::{Utf8Path, Utf8PathBuf};
use serde::Deserialize;

use super::shards::{self, ShardDocuments};
use super::{DataSetRequest, VAL_DOCUMENTS};

/// Most bytes of a line; the longest document of FineWeb has a few megabytes.
const MAX_LINE: u64 = 256 << 20;

/// A part of a data set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Split {
    Train,
    Validation,
}

/// A text with its place.
#[derive(Debug)]
pub struct Document {
    pub split: Split,
    pub text: String,
    pub file: Utf8PathBuf,
    /// The line, or the number of the document within its shards.
    pub place: String,
}

/// All documents of a source, validation first.
pub enum Texts {
    Lines(Lines),
    Shards(VecDeque<ShardDocuments>),
}

impl Texts {
    /// # Errors
    /// When the source is not there, holds no documents, or options do not fit it.
    pub fn open(request: &DataSetRequest) -> Result<Texts> {
        let source = &request.source;
        if source.is_dir() {
            if request.val_docs.is_some() {
                let reason = format!("{source} holds shards, which are split already; leave --val-docs out");
                return Err(Error::Usage(reason));
            }
            return shards::open(source, request.source_tokenizer.as_deref()).map(Texts::Shards);
        }
        if request.source_tokenizer.is_some() {
            let reason = format!("{source} is a file of texts, which need no --source-tokenizer; leave it out");
            return Err(Error::Usage(reason));
        }
        let validation = request.val_docs.unwrap_or(VAL_DOCUMENTS);
        Lines::open(source, validation).map(Texts::Lines)
    }
}

impl Iterator for Texts {
    type Item = Result<Document>;

    fn next(&mut self) -> Option<Result<Document>> {
        match self {
            Texts::Lines(lines) => lines.next(),
            Texts::Shards(splits) => loop {
                match splits.front_mut()?.next() {
                    None => splits.pop_front(),
                    some => return some,
                };
            },
        }
    }
}

/// Documents of a file: each line is an object with `text`, or a text.
pub struct Lines {
    path: Utf8PathBuf,
    file: BufReader<File>,
    /// Lines read, and documents among them: empty lines are none.
    line: u64,
    documents: u64,
    validation: u64,
}

#[derive(Deserialize)]
struct TextLine {
    text: String,
}

impl Lines {
    fn open(path: &Utf8Path, validation: u64) -> Result<Lines> {
        let file = File::open(path).map_err(Error::io(path, "opening"))?;
        Ok(Lines { path: path.to_owned(), file: BufReader::new(file), line: 0, documents: 0, validation })
    }

    /// The next line that is not empty.
    fn read_line(&mut self) -> Result<Option<String>> {
        loop {
            let mut bytes = Vec::new();
            let mut limited = (&mut self.file).take(MAX_LINE);
            limited.read_until(b'\n', &mut bytes).map_err(Error::io(&self.path, "reading"))?;
            if bytes.is_empty() {
                return Ok(None);
            }
            self.line += 1;
            if bytes.len() as u64 == MAX_LINE && !bytes.ends_with(b"\n") {
                return Err(
                    self.refused(&format!("more than {MAX_LINE} bytes without an end; one document a line is read"))
                );
            }
            let text = String::from_utf8(bytes).map_err(|_| self.refused("not UTF-8; fetch the file again"))?;
            if !text.trim().is_empty() {
                return Ok(Some(text));
            }
        }
    }

    fn document(&self, line: &str) -> Result<String> {
        let line = line.trim();
        let parsed = match line.starts_with('"') {
            true => serde_json::from_str::<String>(line),
            false => serde_json::from_str::<TextLine>(line).map(|line| line.text),
        };
        parsed.map_err(|error| match error.is_eof() {
            true => self.refused("it ends within a document: the file was cut short; fetch it again"),
            false => self.refused(&format!(
                "no document ({error}); each line is to be an object with \"text\", as in docs_selected.jsonl"
            )),
        })
    }

    fn refused(&self, reason: &str) -> Error {
        Error::unreadable(&self.path, format!("line {}: {reason}", self.line))
    }

    fn next(&mut self) -> Option<Result<Document>> {
        let text = match self.read_line() {
            Ok(None) => return None,
            Ok(Some(line)) => self.document(&line),
            Err(error) => Err(error),
        };
        self.documents += 1;
        let split = if self.documents <= self.validation { Split::Validation } else { Split::Train };
        let place = format!("line {}", self.line);
        Some(text.map(|text| Document { split, text, file: self.path.clone(), place }))
    }
}
