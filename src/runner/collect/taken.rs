//! Run directories found in folders and archives, each compared with its own record.

use std::io::{BufReader, Read};

use camino::{Utf8Path, Utf8PathBuf};
use fs_err as fs;

use super::Refused;
use crate::runner::script::record::{self, RunRecord, State, Written};
use crate::runner::script::seed::{FILES, LOG};
use caddie_files::{Error, Result};

/// Folders that runs may lie below one that was named.
const MAX_DEPTH: usize = 5;
/// Most bytes that an archive may unpack to.
const MAX_UNPACKED: u64 = 200 << 30;
/// The file that a native run directory has.
const NATIVE: &str = "state.json";

/// The maker of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RunKind {
    Script,
    Native,
}

/// A run that agrees with its record.
#[derive(Debug, Clone)]
pub struct Taken {
    pub seed: u64,
    pub dir: Utf8PathBuf,
    pub kind: RunKind,
}

/// Everything that was found.
#[derive(Debug, Default)]
pub struct TakenRuns {
    pub taken: Vec<Taken>,
    pub refused: Vec<Refused>,
    /// Name of the folder that holds the runs.
    pub name: Option<String>,
}

/// The folder in which archives are unpacked; it goes when the runs are in their places.
pub struct Unpacked(tempfile::TempDir);

impl Unpacked {
    pub fn new(runs: &Utf8Path) -> Result<Unpacked> {
        fs::create_dir_all(runs).map_err(Error::io(runs, "creating"))?;
        // On the disk of the runs, so that they are moved and not copied.
        let made = tempfile::Builder::new().prefix(".collecting-").tempdir_in(runs);
        Ok(Unpacked(made.map_err(Error::io(runs, "creating a folder in"))?))
    }

    fn open(&self, archive: &Utf8Path, number: usize) -> Result<Utf8PathBuf> {
        let dir = self.0.path().join(number.to_string());
        let dir =
            Utf8PathBuf::from_path_buf(dir).map_err(|dir| Error::Usage(format!("{}: not UTF-8", dir.display())))?;
        fs::create_dir(&dir).map_err(Error::io(&dir, "creating"))?;
        unpack(archive, &dir)?;
        Ok(dir)
    }
}

/// Finds the runs in folders and archives.
pub fn find(from: &[Utf8PathBuf], unpacked: &Unpacked) -> Result<TakenRuns> {
    let mut found = TakenRuns::default();
    for (number, path) in from.iter().enumerate() {
        caddie_files::metadata(
            path,
            "no such file or folder; give run directories, a folder of them, or a tar of them",
        )?;
        let dir = if path.is_dir() { path.clone() } else { unpacked.open(path, number)? };
        let before = found.taken.len() + found.refused.len();
        search(&dir, 0, &mut found)?;
        // The folder that an archive is unpacked to names nothing.
        if found.name.as_deref() == dir.file_name().filter(|_| !path.is_dir()) {
            found.name = None;
        }
        if found.taken.len() + found.refused.len() == before {
            return Err(Error::unreadable(
                path,
                format!("holds no run: no seed-<n> folder with a {} is in it", record::FILE),
            ));
        }
    }
    found.taken.sort_by_key(|taken| taken.seed);
    let mut twice = Vec::new();
    for pair in found.taken.windows(2) {
        if let [a, b] = pair
            && a.seed == b.seed
            && !same(&a.dir, &b.dir)?
        {
            twice.push(Refused {
                seed: Some(a.seed),
                place: b.dir.clone(),
                reason: format!("another run of it is in {}", a.dir),
            });
        }
    }
    found.taken.retain(|taken| !twice.iter().any(|refused| refused.seed == Some(taken.seed)));
    found.taken.dedup_by_key(|taken| taken.seed);
    found.refused.extend(twice);
    Ok(found)
}

/// Looks for runs in `dir` and below it.
fn search(dir: &Utf8Path, depth: usize, found: &mut TakenRuns) -> Result<()> {
    let kind = if dir.join(record::FILE).is_file() {
        Some(RunKind::Script)
    } else {
        dir.join(NATIVE).is_file().then_some(RunKind::Native)
    };
    if let Some(kind) = kind {
        let above = dir.canonicalize_utf8().ok().and_then(|dir| Some(dir.parent()?.file_name()?.to_owned()));
        found.name = found.name.take().or(above);
        match kind {
            RunKind::Script => script(dir, found)?,
            RunKind::Native => native(dir, found),
        }
        return Ok(());
    }
    let entries = dir.read_dir_utf8().map_err(Error::io(dir, "listing"))?;
    let mut inner: Vec<Utf8PathBuf> = entries.flatten().map(|entry| entry.into_path()).collect();
    inner.sort();
    // `submit` puts runs aside there that are not the submission's any more.
    let is_run = |path: &Utf8PathBuf| {
        let name = path.file_name().unwrap_or_default();
        name != "earlier" && !name.starts_with('.') && !path.is_symlink() && path.is_dir()
    };
    if depth < MAX_DEPTH {
        inner.iter().filter(|path| is_run(path)).try_for_each(|path| search(path, depth + 1, found))?;
    }
    Ok(())
}

/// A run of the engine, which its own log and ledger are compared with when it is read.
fn native(dir: &Utf8Path, found: &mut TakenRuns) {
    let seed = dir.file_name().and_then(|name| name.strip_prefix("seed-")?.parse().ok());
    match seed {
        Some(seed) => found.taken.push(Taken { seed, dir: dir.to_owned(), kind: RunKind::Native }),
        None => {
            let reason = "a run directory is named seed-<n>".to_owned();
            found.refused.push(Refused { seed: None, place: dir.to_owned(), reason });
        }
    }
}

/// A run of a script, compared with its record file by file.
fn script(dir: &Utf8Path, found: &mut TakenRuns) -> Result<()> {
    let mut refuse =
        |seed: Option<u64>, reason: String| found.refused.push(Refused { seed, place: dir.to_owned(), reason });
    let Some(record) = RunRecord::read(dir)? else {
        refuse(None, format!("{} cannot be read by this version of caddie", record::FILE));
        return Ok(());
    };
    let seed = Some(record.seed);
    match record.state {
        State::Running => refuse(seed, "it is running, or was killed: run it again".to_owned()),
        State::Failed => {
            let reason = record.reason.unwrap_or_else(|| "it failed".to_owned());
            refuse(seed, format!("{reason}; its log is {}", dir.join(LOG)));
        }
        State::Finished => match changed(dir, &record)? {
            Some(reason) => refuse(seed, reason),
            None => found.taken.push(Taken { seed: record.seed, dir: dir.to_owned(), kind: RunKind::Script }),
        },
    }
    Ok(())
}

/// Tells the first file that is not as the record says.
fn changed(dir: &Utf8Path, record: &RunRecord) -> Result<Option<String>> {
    let files = dir.join(FILES);
    let there = if files.is_dir() { record::written(&files)? } else { Vec::new() };
    let differs = |stated: &Written, found: Option<&Written>| match found {
        None => Some(format!("{} did not come along", stated.path)),
        Some(found) if found.sha256 == stated.sha256 && found.bytes == stated.bytes => None,
        Some(_) => Some(format!("{} is not the file that the run wrote: its SHA-256 differs", stated.path)),
    };
    for stated in &record.files {
        if let Some(reason) = differs(stated, there.iter().find(|found| found.path == stated.path)) {
            return Ok(Some(reason));
        }
    }
    if let Some(extra) = there.iter().find(|found| !record.files.iter().any(|stated| stated.path == found.path)) {
        return Ok(Some(format!("{} is no file that the run wrote", extra.path)));
    }
    let Some(stated) = &record.log else { return Ok(None) };
    let found = if dir.join(LOG).is_file() { Some(Written::of_file(dir, Utf8Path::new(LOG))?) } else { None };
    Ok(differs(stated, found.as_ref()))
}

/// The one kind of all runs.
///
/// # Errors
/// When some are of a script and others of a recipe.
pub fn one_kind(taken: &[Taken]) -> Result<RunKind> {
    let first = taken.first().map_or(RunKind::Script, |taken| taken.kind);
    match taken.iter().find(|taken| taken.kind != first) {
        None => Ok(first),
        Some(other) => {
            Err(Error::unreadable(&other.dir, "runs of a script and runs of a recipe are no one submission"))
        }
    }
}

/// Puts a run where `submit` has its runs. One that lies there already is left.
///
/// # Errors
/// When another run lies there.
pub fn place(taken: &Taken, runs: &Utf8Path) -> Result<()> {
    let to = runs.join(format!("seed-{}", taken.seed));
    if to.symlink_metadata().is_ok() {
        if same(&taken.dir, &to)? {
            return Ok(());
        }
        return Err(Error::Usage(format!("{to} holds another run than {}; move one of them away", taken.dir)));
    }
    let partial = tempfile::Builder::new()
        .prefix(".taking-")
        .tempdir_in(runs)
        .map_err(Error::io(runs, "creating a folder in"))?;
    let copy = partial.path().join("run");
    let copy =
        Utf8PathBuf::from_path_buf(copy).map_err(|path| Error::Usage(format!("{}: not UTF-8", path.display())))?;
    let listing = caddie_files::list(&taken.dir)?;
    for file in &listing.files {
        let target = copy.join(&file.path);
        let parent = target.parent().unwrap_or(&copy);
        fs::create_dir_all(parent).map_err(Error::io(parent, "creating"))?;
        fs::copy(taken.dir.join(&file.path), &target).map_err(Error::io(&target, "copying"))?;
    }
    fs::rename(&copy, &to).map_err(Error::io(&to, "renaming into place"))
}

/// Tells whether two directories are one, or hold the same files.
fn same(a: &Utf8Path, b: &Utf8Path) -> Result<bool> {
    if a.canonicalize_utf8().ok() == b.canonicalize_utf8().ok() {
        return Ok(true);
    }
    Ok(record::written(a)? == record::written(b)?)
}

/// Unpacks a tar, plain or compressed with gzip or zstd. Only files and folders that stay inside are written.
fn unpack(archive: &Utf8Path, dir: &Utf8Path) -> Result<()> {
    let open = || caddie_files::open(archive);
    let mut magic = [0; 4];
    let read = open()?.read(&mut magic).map_err(Error::io(archive, "reading"))?;
    let file = BufReader::new(open()?);
    let reader: Box<dyn Read> = match &magic[..read] {
        [0x1f, 0x8b, ..] => Box::new(flate2::bufread::MultiGzDecoder::new(file)),
        [0x28, 0xb5, 0x2f, 0xfd] => Box::new(zstd::Decoder::with_buffer(file).map_err(Error::io(archive, "reading"))?),
        _ => Box::new(file),
    };
    let broken = |error: std::io::Error| Error::unreadable(archive, format!("is no tar that can be unpacked: {error}"));
    let mut tar = tar::Archive::new(reader.take(MAX_UNPACKED));
    tar.set_preserve_permissions(false);
    tar.set_overwrite(false);
    for entry in tar.entries().map_err(broken)? {
        let mut entry = entry.map_err(broken)?;
        let kind = entry.header().entry_type();
        if !(kind.is_file() || kind.is_dir()) {
            continue;
        }
        // A path that would leave the folder is not followed: `unpack_in` says so by false.
        if !entry.unpack_in(dir).map_err(broken)? {
            return Err(Error::unreadable(archive, "holds a path that leads out of it; nothing was taken"));
        }
    }
    Ok(())
}
