//! The folder that is written: shards beside each other under a temporary name, moved into place when all are there.

use std::fs;
use std::io::Write as _;

use caddie_files::{Error, Result};
use caddie_format::shard;
use camino::{Utf8Path, Utf8PathBuf};
use tempfile::TempDir;

use super::documents::Split;
use super::{DataSetReport, DataSetRequest, Encoded, SplitWritten};

/// The end of the names of data with case operators.
const NAME: &str = "lossless_caps_caseops_v1_reserved";

/// Shards in the making.
pub struct NewDataSet {
    folder: Utf8PathBuf,
    tokenizer: Utf8PathBuf,
    scratch: TempDir,
    train: Stream,
    validation: Stream,
    bytes: Stream,
    train_written: SplitWritten,
    validation_written: SplitWritten,
    counted_bytes: u64,
}

impl NewDataSet {
    /// Refuses an output that is there already, before the work.
    pub fn create(request: &DataSetRequest, tokenizer_file: &[u8], vocabulary: usize) -> Result<NewDataSet> {
        let out = &request.out;
        let folder = out.join("datasets").join(format!("fineweb10B_sp{vocabulary}_{NAME}"));
        let tokenizer = out.join("tokenizers").join(format!("fineweb_{vocabulary}_bpe_{NAME}.model"));
        if folder.exists() {
            return Err(Error::Usage(format!("{folder} is there already; choose another --out, or delete it")));
        }
        if tokenizer.exists() && fs::read(&tokenizer).map_err(Error::io(&tokenizer, "reading"))? != tokenizer_file {
            return Err(Error::Usage(format!("{tokenizer} is another tokenizer; choose another --out, or delete it")));
        }
        fs::create_dir_all(out).map_err(Error::io(out, "creating the folder"))?;
        let scratch = tempfile::Builder::new().prefix(".caddie-caseops-").tempdir_in(out);
        let scratch = scratch.map_err(Error::io(out, "creating a temporary folder"))?;
        let inside = Utf8Path::from_path(scratch.path())
            .ok_or_else(|| Error::Usage(format!("{out} has a name that is not UTF-8; choose another folder")))?
            .to_owned();
        let staged = inside.join("tokenizer.model");
        fs::write(&staged, tokenizer_file).map_err(Error::io(&staged, "writing"))?;
        let shards = inside.join("shards");
        fs::create_dir(&shards).map_err(Error::io(&shards, "creating the folder"))?;
        let stream = |prefix| Stream::new(&shards, prefix, request.shard_tokens);
        Ok(NewDataSet {
            folder,
            tokenizer,
            train: stream("fineweb_train"),
            validation: stream("fineweb_val"),
            bytes: stream("fineweb_val_bytes"),
            scratch,
            train_written: SplitWritten::default(),
            validation_written: SplitWritten::default(),
            counted_bytes: 0,
        })
    }

    pub fn add(&mut self, document: Encoded) -> Result<()> {
        let (stream, written) = match document.split {
            Split::Train => (&mut self.train, &mut self.train_written),
            Split::Validation => (&mut self.validation, &mut self.validation_written),
        };
        stream.add(&document.tokens)?;
        written.documents += 1;
        written.tokens += document.tokens.len() as u64;
        written.text_bytes += document.text_bytes;
        self.counted_bytes += document.bytes.iter().map(|&bytes| u64::from(bytes)).sum::<u64>();
        self.bytes.add(&document.bytes)
    }

    /// Writes what is left and moves everything into place: the shards last, by one rename.
    pub fn finish(mut self, request: &DataSetRequest) -> Result<DataSetReport> {
        for stream in [&mut self.train, &mut self.validation, &mut self.bytes] {
            stream.flush()?;
        }
        self.train_written.shards = self.train.shards;
        self.validation_written.shards = self.validation.shards;
        if self.train_written.documents + self.validation_written.documents == 0 {
            return Err(Error::unreadable(&request.source, "it holds no document"));
        }
        for (from, to) in [("tokenizer.model", &self.tokenizer), ("shards", &self.folder)] {
            let parent = to.parent().unwrap_or(Utf8Path::new("."));
            fs::create_dir_all(parent).map_err(Error::io(parent, "creating the folder"))?;
            fs::rename(self.scratch.path().join(from), to).map_err(Error::io(to, "moving into place"))?;
        }
        Ok(DataSetReport {
            folder: self.folder,
            tokenizer: self.tokenizer,
            train: self.train_written,
            validation: self.validation_written,
            counted_bytes: self.counted_bytes,
        })
    }
}

/// Values that go on from shard to shard. One shard is in memory.
struct Stream {
    folder: Utf8PathBuf,
    prefix: &'static str,
    limit: usize,
    values: Vec<u16>,
    shards: u64,
}

impl Stream {
    fn new(folder: &Utf8Path, prefix: &'static str, limit: usize) -> Stream {
        Stream { folder: folder.to_owned(), prefix, limit, values: Vec::new(), shards: 0 }
    }

    fn add(&mut self, mut values: &[u16]) -> Result<()> {
        while !values.is_empty() {
            let (now, later) = values.split_at(values.len().min(self.limit - self.values.len()));
            self.values.extend_from_slice(now);
            values = later;
            if self.values.len() == self.limit {
                self.flush()?;
            }
        }
        Ok(())
    }

    fn flush(&mut self) -> Result<()> {
        if self.values.is_empty() {
            return Ok(());
        }
        let path = self.folder.join(format!("{}_{:06}.bin", self.prefix, self.shards));
        let write = || -> std::io::Result<()> {
            let mut file = fs::File::create(&path)?;
            file.write_all(&shard::encode(&self.values))?;
            file.sync_all()
        };
        write().map_err(Error::io(&path, "writing"))?;
        self.values.clear();
        self.shards += 1;
        Ok(())
    }
}
