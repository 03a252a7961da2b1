//! Reading of an artifact that a stranger packed: nothing is trusted before it is compared. `unpack` and `size` share
//! this reader, so that no bytes ship which only one of them sees.

use std::collections::BTreeSet;
use std::io::{self, BufRead, BufReader, Read, Write};

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

use super::manifest::{MANIFEST, Manifest, Member};
use super::pack::Hashing;
use super::staging::Staging;
use caddie_files::pointer::{self, Pointer};
use caddie_files::{Error, Result};

/// Limits at which unpacking stops. The defaults leave room for ten seeds with the ledgers of the whole validation set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnpackLimits {
    /// Most members beside the manifest.
    pub members: usize,
    pub manifest_bytes: u64,
    /// Most bytes of the whole tar.
    pub total_bytes: u64,
    /// Largest ratio of the tar's size to the archive's, once the tar is larger than [`UnpackLimits::manifest_bytes`].
    pub ratio: u64,
}

impl Default for UnpackLimits {
    fn default() -> Self {
        UnpackLimits { members: 256, manifest_bytes: 1 << 20, total_bytes: 1 << 30, ratio: 100 }
    }
}

/// The window that a decoder must keep, as a power of two: 8 MiB holds what [`super::pack`] asks for.
const ZSTD_WINDOW_LOG_MAX: u32 = 23;

/// Unpacks `archive` into the folder `out`, which appears only if every member agrees with the manifest.
///
/// # Errors
/// When `out` exists and `force` is not given; when the archive holds anything but regular files under plain relative
/// paths, or a member that is undeclared, missing, given twice, a pointer to a file, or of another size or SHA-256 than
/// declared; when data follow the archive; when a limit is passed. The message names the member, and nothing is left
/// behind.
pub fn unpack(archive: &Utf8Path, out: &Utf8Path, limits: &UnpackLimits, force: bool) -> Result<Manifest> {
    caddie_files::regular(archive)?;
    let staging = Staging::folder(out, MANIFEST, force)?;
    let manifest = read(archive, limits, Some(staging.path()), "nothing was unpacked")?;
    staging.commit()?;
    Ok(manifest)
}

/// Reads `archive` to its end as [`unpack`] does, and writes nothing: what one refuses, the other refuses.
///
/// # Errors
/// As [`unpack`], but for what concerns its folder.
pub fn examine(archive: &Utf8Path, limits: &UnpackLimits) -> Result<Manifest> {
    caddie_files::regular(archive)?;
    read(archive, limits, None, "nothing was counted")
}

/// Reads every member, compares it with the manifest, and writes it below `dir` where one is given. `undone` says what
/// a refusal leaves undone.
fn read(archive: &Utf8Path, limits: &UnpackLimits, dir: Option<&Utf8Path>, undone: &str) -> Result<Manifest> {
    if let Some(pointer) = Pointer::at(archive) {
        return Err(Error::unreadable(archive, format!("{pointer}; {undone}")));
    }
    let file = fs::File::open(archive).map_err(Error::io(archive, "opening"))?;
    let packed = file.metadata().map_err(Error::io(archive, "reading"))?.len();
    let limit = limits.total_bytes.min(packed.saturating_mul(limits.ratio).max(limits.manifest_bytes));
    let fault = |reason: String| {
        Error::unreadable(archive, format!("{reason}; {undone}. Ask for the artifact as `caddie submit` wrote it"))
    };
    let mut zstd = zstd::Decoder::new(file).map_err(|e| fault(format!("not a zstd archive: {e}")))?.single_frame();
    zstd.window_log_max(ZSTD_WINDOW_LOG_MAX).map_err(|e| fault(e.to_string()))?;
    let mut tar = tar::Archive::new(Limited { inner: zstd, left: limit, limit });
    let manifest = read_members(&mut tar, dir, limits).map_err(|problem| match problem {
        Problem::Archive(reason) => fault(reason),
        Problem::Output(error) => error,
    })?;
    let mut rest = tar.into_inner();
    if !only_zeros(&mut rest).map_err(|e| fault(e.to_string()))? || !at_end(rest.inner.finish()) {
        return Err(fault("data follow the last member".to_owned()));
    }
    Ok(manifest)
}

/// A failure between the archive and the folder.
enum Problem {
    /// A fault of the archive.
    Archive(String),
    /// A fault of the disk.
    Output(Error),
}

impl From<io::Error> for Problem {
    fn from(error: io::Error) -> Self {
        Problem::Archive(error.to_string())
    }
}

fn refuse<T>(reason: impl Into<String>) -> std::result::Result<T, Problem> {
    Err(Problem::Archive(reason.into()))
}

fn read_members<R: Read>(
    tar: &mut tar::Archive<R>,
    dir: Option<&Utf8Path>,
    limits: &UnpackLimits,
) -> std::result::Result<Manifest, Problem> {
    // Raw: the extensions for long names and sparse files are entries like any other, and refused.
    let mut entries = tar.entries()?.raw(true);
    let manifest = match entries.next().transpose()? {
        Some(entry) => read_manifest(entry, dir, limits)?,
        None => return refuse("it is empty"),
    };
    let mut seen = BTreeSet::new();
    for entry in entries {
        let entry = entry?;
        let path = regular_path(&entry)?;
        let Some(member) = manifest.members.iter().find(|member| member.path == path) else {
            return refuse(format!("{path:?} is not declared in {MANIFEST}"));
        };
        if !seen.insert(path) {
            return refuse(format!("{:?} is there twice", member.path));
        }
        read_member(entry, member, dir)?;
    }
    match manifest.members.iter().find(|member| !seen.contains(&member.path)) {
        Some(missing) => refuse(format!("{:?} is declared in {MANIFEST} and missing", missing.path)),
        None => Ok(manifest),
    }
}

fn read_manifest<R: Read>(
    mut entry: tar::Entry<'_, R>,
    dir: Option<&Utf8Path>,
    limits: &UnpackLimits,
) -> std::result::Result<Manifest, Problem> {
    if regular_path(&entry)? != MANIFEST {
        return refuse(format!("its first member is not {MANIFEST}"));
    }
    if entry.size() > limits.manifest_bytes {
        return refuse(format!("{MANIFEST} has {} bytes, the limit is {}", entry.size(), limits.manifest_bytes));
    }
    let mut json = Vec::new();
    entry.read_to_end(&mut json)?;
    let manifest: Manifest = match serde_json::from_slice(&json) {
        Ok(manifest) => manifest,
        Err(error) => return refuse(format!("{MANIFEST} cannot be read: {error}")),
    };
    if let Some(fault) = manifest.fault() {
        return refuse(format!("{MANIFEST}: {fault}"));
    }
    if manifest.members.len() > limits.members {
        return refuse(format!("it declares {} members, the limit is {}", manifest.members.len(), limits.members));
    }
    let total = manifest.members.iter().try_fold(0u64, |sum, member| sum.checked_add(member.bytes));
    if total.is_none_or(|total| total > limits.total_bytes) {
        return refuse(format!("it declares more than the limit of {} bytes", limits.total_bytes));
    }
    if let Some(dir) = dir {
        let path = dir.join(MANIFEST);
        fs::write(&path, json).map_err(|e| Problem::Output(Error::io(&path, "writing")(e)))?;
    }
    Ok(manifest)
}

fn read_member<R: Read>(
    entry: tar::Entry<'_, R>,
    member: &Member,
    dir: Option<&Utf8Path>,
) -> std::result::Result<(), Problem> {
    let Member { path, bytes, sha256 } = member;
    if entry.size() != *bytes {
        return refuse(format!("{path:?} has {} bytes, {MANIFEST} says {bytes}", entry.size()));
    }
    let mut output = dir.map(|dir| Output::create(dir.join(path))).transpose()?;
    let mut content = Hashing::new(entry);
    let mut buffer = vec![0; 1 << 16];
    let mut start = Vec::new();
    loop {
        let read = content.read(&mut buffer)?;
        if read == 0 {
            break;
        }
        if *bytes <= pointer::MAX_BYTES {
            start.extend_from_slice(&buffer[..read]);
        }
        output.as_mut().map_or(Ok(()), |output| output.write(&buffer[..read]))?;
    }
    if let Some(pointer) = Pointer::parse(&start) {
        return refuse(format!("{path:?} is {pointer}"));
    }
    match content.digest() {
        (read, _) if read != *bytes => refuse(format!("it ends inside {path:?}")),
        (_, found) if found != *sha256 => {
            refuse(format!("{path:?} was altered: its SHA-256 is {found}, {MANIFEST} says {sha256}"))
        }
        _ => Ok(()),
    }
}

/// A member's file in the folder that is unpacked into.
struct Output {
    path: Utf8PathBuf,
    file: fs::File,
}

impl Output {
    fn create(path: Utf8PathBuf) -> std::result::Result<Output, Problem> {
        let failed = || {
            let error = Error::io(&path, "creating");
            move |e| Problem::Output(error(e))
        };
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(failed())?;
        }
        let file = fs::File::create_new(&path).map_err(failed())?;
        Ok(Output { path, file })
    }

    fn write(&mut self, bytes: &[u8]) -> std::result::Result<(), Problem> {
        self.file.write_all(bytes).map_err(|e| Problem::Output(Error::io(&self.path, "writing")(e)))
    }
}

/// The entry's path, if it is a regular file under a plain relative one.
fn regular_path<R: Read>(entry: &tar::Entry<'_, R>) -> std::result::Result<String, Problem> {
    let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
    let kind = match entry.header().entry_type() {
        tar::EntryType::Regular => None,
        tar::EntryType::Symlink | tar::EntryType::Link => Some("a link"),
        tar::EntryType::Directory => Some("a folder of its own"),
        tar::EntryType::Char | tar::EntryType::Block => Some("a device"),
        tar::EntryType::Fifo => Some("a pipe"),
        _ => Some("no regular file"),
    };
    match (kind, super::manifest::path_fault(&path)) {
        (Some(kind), _) => refuse(format!("{path:?} is {kind}; an artifact holds regular files only")),
        (None, Some(fault)) => refuse(format!("{path:?} {fault}")),
        (None, None) => Ok(path),
    }
}

fn only_zeros(rest: &mut impl Read) -> io::Result<bool> {
    let mut buffer = [0; 4096];
    loop {
        match rest.read(&mut buffer)? {
            0 => return Ok(true),
            read if buffer[..read].iter().any(|&byte| byte != 0) => return Ok(false),
            _ => {}
        }
    }
}

fn at_end(mut rest: BufReader<fs::File>) -> bool {
    rest.fill_buf().is_ok_and(<[u8]>::is_empty)
}

/// Reads at most `limit` bytes and then fails, where [`Read::take`] would feign the end.
struct Limited<R> {
    inner: R,
    left: u64,
    limit: u64,
}

impl<R: Read> Read for Limited<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.left = self.left.checked_sub(read as u64).ok_or_else(|| {
            io::Error::other(format!("it unpacks to more than {} bytes, the limit for its size", self.limit))
        })?;
        Ok(read)
    }
}
