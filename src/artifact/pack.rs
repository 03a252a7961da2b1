//! Packing: the same contents give the same bytes.

use std::io::{self, BufWriter, Read, Write};

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;
use sha2::{Digest, Sha256};

use super::manifest::{Counted, CountedRun, Limits, MANIFEST, Manifest, Member, SCHEMA_VERSION, Versions};
use super::{Staging, tarball};
use caddie_files::{Error, Result};

/// Compression level. Members hold compressed data already, so a higher level gains less than 1 % and costs a minute.
const ZSTD_LEVEL: i32 = 9;

/// The contents of an artifact to be packed.
#[derive(Debug, Clone)]
pub struct Contents {
    pub name: String,
    pub versions: Versions,
    pub limits: Limits,
    /// Paths inside the artifact, each with the source of its bytes. `train_gpt.py` and every run's model are among
    /// them.
    pub members: Vec<(String, Source)>,
    /// Each seed with the path of its model inside the artifact.
    pub models: Vec<(i64, String)>,
}

/// The source of a member's bytes.
#[derive(Debug, Clone)]
pub enum Source {
    File(Utf8PathBuf),
    Bytes(Vec<u8>),
}

/// Writes the artifact and returns its manifest. `mtime` (seconds since 1970) is the time that every entry carries,
/// see [`tarball::source_date_epoch`].
///
/// # Errors
/// When `out` exists and `force` is not given, a member cannot be read or changes while it is packed, or the contents
/// contradict the layout.
pub fn pack(contents: &Contents, out: &Utf8Path, mtime: u64, force: bool) -> Result<Manifest> {
    let mut members = contents.members.clone();
    members.sort_by(|a, b| a.0.cmp(&b.0));
    let manifest = describe(contents, &members)?;
    let staging = Staging::file(out, force)?;
    write(&manifest, &members, staging.path(), mtime)?;
    staging.commit()?;
    Ok(manifest)
}

fn describe(contents: &Contents, members: &[(String, Source)]) -> Result<Manifest> {
    let members: Vec<Member> = members
        .iter()
        .map(|(path, source)| {
            let (bytes, sha256) = source.digest()?;
            Ok(Member { path: path.clone(), bytes, sha256 })
        })
        .collect::<Result<_>>()?;
    let size = |path: &str| members.iter().find(|member| member.path == path).map_or(0, |member| member.bytes);
    let bytes_code = size(super::manifest::TRAIN_GPT);
    let runs: Vec<CountedRun> = contents
        .models
        .iter()
        .map(|(seed, model)| {
            let bytes_model = size(model);
            CountedRun { seed: *seed, model: model.clone(), bytes_model, bytes_total: bytes_code + bytes_model }
        })
        .collect();
    let bytes_model_max = runs.iter().map(|run| run.bytes_model).max().unwrap_or(0);
    let manifest = Manifest {
        schema_version: SCHEMA_VERSION,
        name: contents.name.clone(),
        versions: contents.versions.clone(),
        limits: contents.limits.clone(),
        counted: Counted { bytes_code, bytes_model_max, bytes_total_max: bytes_code + bytes_model_max, runs },
        members,
    };
    match manifest.fault() {
        None => Ok(manifest),
        Some(fault) => Err(Error::Usage(format!("the artifact of {} cannot be packed: {fault}", contents.name))),
    }
}

fn write(manifest: &Manifest, members: &[(String, Source)], out: &Utf8Path, mtime: u64) -> Result<()> {
    let failed = || Error::io(out, "writing");
    let file = BufWriter::new(fs::File::create(out).map_err(failed())?);
    let mut zstd = zstd::Encoder::new(file, ZSTD_LEVEL).map_err(failed())?;
    zstd.include_checksum(true).map_err(failed())?;
    let mut tar = tar::Builder::new(zstd);

    let mut json = serde_json::to_vec_pretty(manifest).map_err(|e| Error::Internal(format!("{MANIFEST}: {e}")))?;
    json.push(b'\n');
    tarball::append(&mut tar, MANIFEST, json.len() as u64, mtime, json.as_slice()).map_err(failed())?;
    for ((path, source), member) in members.iter().zip(&manifest.members) {
        let mut content = Hashing::new(source.open()?.take(member.bytes));
        tarball::append(&mut tar, path, member.bytes, mtime, &mut content).map_err(failed())?;
        if content.digest() != (member.bytes, member.sha256.clone()) {
            return Err(Error::unreadable(source.name(path), "changed while it was packed; run the command again"));
        }
    }
    let mut file = tar.into_inner().and_then(zstd::Encoder::finish).map_err(failed())?;
    file.flush().map_err(failed())
}

impl Source {
    fn open(&self) -> Result<Box<dyn Read + '_>> {
        Ok(match self {
            Source::File(path) => Box::new(fs::File::open(path).map_err(Error::io(path, "opening"))?),
            Source::Bytes(bytes) => Box::new(bytes.as_slice()),
        })
    }

    fn digest(&self) -> Result<(u64, String)> {
        let mut content = Hashing::new(self.open()?);
        io::copy(&mut content, &mut io::sink()).map_err(Error::io(self.name("a member"), "reading"))?;
        Ok(content.digest())
    }

    fn name(&self, path: &str) -> Utf8PathBuf {
        match self {
            Source::File(file) => file.clone(),
            Source::Bytes(_) => path.into(),
        }
    }
}

/// Counts and hashes the bytes that are read through it.
pub(super) struct Hashing<R> {
    inner: R,
    bytes: u64,
    sha256: Sha256,
}

impl<R> Hashing<R> {
    pub(super) fn new(inner: R) -> Hashing<R> {
        Hashing { inner, bytes: 0, sha256: Sha256::new() }
    }

    /// Returns the number of bytes read and their SHA-256 in hexadecimal.
    pub(super) fn digest(self) -> (u64, String) {
        (self.bytes, format!("{:x}", self.sha256.finalize()))
    }
}

impl<R: Read> Read for Hashing<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.bytes += read as u64;
        self.sha256.update(&buffer[..read]);
        Ok(read)
    }
}
