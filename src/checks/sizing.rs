//! Counted bytes of a folder, an artifact or a set of files, for `caddie size` and the size gate of a CI.

mod folder;

use std::io::Read;

use camino::{Utf8Path, Utf8PathBuf};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::find::{self, Found};
use super::walk::{self, Failure};
use crate::code::packings::Minify;
use crate::folder::files;
use crate::report::ClaimedAs;
use crate::rulebook::Rulebook;
use crate::{Error, Result};

/// Uncompressed bytes of an artifact that are passed over at most.
const MAX_ARTIFACT_BYTES: u64 = 1 << 32;
/// A manifest lists a few files.
const MAX_MANIFEST_BYTES: u64 = 1 << 20;

/// What counts, and how it was counted.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Sizing {
    pub path: String,
    /// Which accounting gave `counted`.
    pub method: String,
    pub parts: Vec<Part>,
    /// Sum of the parts, decimal bytes.
    pub counted: u64,
    /// The total that the logs count, where they count another form of the code than the one that is shipped.
    pub logged: Option<u64>,
    pub limit: u64,
    /// Limit minus counted; negative when over.
    pub headroom: i64,
    /// Every way to count a records folder: each run as logged, then the largest model with the code as shipped, packed
    /// and with its helpers. Empty for artifacts and files.
    pub accountings: Vec<Accounting>,
    /// What else there is to say of a records folder.
    #[serde(flatten)]
    pub folder: Option<Entry>,
}

/// One way to count.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Accounting {
    pub name: String,
    /// The code is counted with the files that it runs or reads.
    pub helpers: bool,
    pub bytes_model: Option<u64>,
    pub bytes_code: Option<u64>,
    pub bytes_total: u64,
    /// Limit minus the total; negative when over.
    pub headroom: i64,
}

impl Accounting {
    fn new(name: String, model: Option<u64>, code: Option<u64>, total: u64, limit: u64) -> Accounting {
        Accounting {
            name,
            helpers: false,
            bytes_model: model,
            bytes_code: code,
            bytes_total: total,
            headroom: headroom(limit, total),
        }
    }
}

/// A records folder's script, claim, and what is in no total.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Entry {
    /// The script that counts.
    pub script: Option<String>,
    /// By what it is known to be the one.
    pub script_because: Option<String>,
    /// The file that the script does nothing but execute; it is counted with it.
    pub hands_over_to: Option<String>,
    pub claimed: Option<Claimed>,
    /// Further files that the script runs or reads.
    pub helpers: Vec<Part>,
    /// Tokenizers that ship with the folder; free by the rules.
    pub tokenizers: Vec<Part>,
    /// The tokenizer as the logs name it.
    pub tokenizer_named: Option<String>,
    /// Programs of the system that the scripts call.
    pub programs: Vec<String>,
}

/// The total that the submission states.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Claimed {
    pub file: String,
    pub bytes: u64,
    pub accounting: ClaimedAs,
    /// The run whose number it is, where it is one run's.
    pub run: Option<String>,
    /// Accounting and run in words.
    pub is: String,
}

/// One counted file or kind.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Part {
    pub name: String,
    pub bytes: u64,
}

impl Sizing {
    fn new(path: &str, method: String, parts: Vec<Part>, logged: Option<u64>, limit: u64) -> Result<Sizing> {
        let counted = parts.iter().try_fold(0u64, |sum, part| sum.checked_add(part.bytes));
        let counted = counted.ok_or_else(|| Error::unreadable(path, "the sizes overflow"))?;
        let headroom = headroom(limit, counted);
        let logged = logged.filter(|logged| *logged != counted);
        let (accountings, folder) = (Vec::new(), None);
        Ok(Sizing { path: path.to_owned(), method, parts, counted, logged, limit, headroom, accountings, folder })
    }

    /// Over the cap under every accounting. Which form of the code counts is contested, so a folder that fits as its
    /// logs count it is not over.
    pub fn is_over(&self) -> bool {
        self.counted > self.limit && self.logged.is_none_or(|logged| logged > self.limit)
    }
}

fn headroom(limit: u64, total: u64) -> i64 {
    (i128::from(limit) - i128::from(total)).clamp(i64::MIN.into(), i64::MAX.into()) as i64
}

/// What one command sized, and what could not be.
#[derive(Debug, Default)]
pub struct Sizings {
    pub sizings: Vec<Sizing>,
    pub failures: Vec<Failure>,
    /// A path was no records folder; those below it were sized.
    pub searched: bool,
}

impl Sizings {
    /// The exit code that the failures demand, if there are any.
    pub fn exit_code(&self) -> Option<u8> {
        walk::exit_code(&self.failures)
    }
}

/// Sizes each folder and artifact alone, and all plain files together; `cap` replaces the rulebook's. `minify` says
/// whether the user's minifier is run on a folder's script for the packed accounting. Of a path that holds records
/// folders those are sized, and what cannot be sized stops nothing else.
pub fn measure(paths: &[Utf8PathBuf], rulebook: &Rulebook, cap: Option<u64>, minify: Minify) -> Sizings {
    let limit = cap.unwrap_or(rulebook.limits.artifact_bytes);
    let mut all = Sizings::default();
    let (mut folders, mut files) = (Vec::new(), Vec::new());
    for path in paths {
        match Counted::at(path) {
            Ok(Counted::Folders(mut found)) => {
                all.searched |= found.folders != [path.clone()];
                folders.append(&mut found.folders);
                all.failures.append(&mut found.failures);
            }
            Ok(Counted::Artifact) => folders.push(path.clone()),
            Ok(Counted::File(bytes)) => files.push(Part { name: path.to_string(), bytes }),
            Err(error) => all.failures.push(Failure::new(path, &error)),
        }
    }
    let (sizings, mut failures) = walk::each(&folders, |path| match path.is_dir() {
        true => folder::measure(path, rulebook, limit, minify),
        false => artifact(path, limit),
    });
    all.sizings = sizings;
    all.failures.append(&mut failures);
    if let Some(first) = files.first() {
        let path = if files.len() == 1 { first.name.clone() } else { format!("{} files", files.len()) };
        match Sizing::new(&path, "sum of the files".to_owned(), files, None, limit) {
            Ok(sum) => all.sizings.push(sum),
            Err(error) => all.failures.push(Failure::new(Utf8Path::new(&path), &error)),
        }
    }
    all
}

/// What a path holds that is counted.
enum Counted {
    /// The records folder itself, or those below it.
    Folders(Found),
    Artifact,
    /// Bytes of a plain file.
    File(u64),
}

impl Counted {
    fn at(path: &Utf8Path) -> Result<Counted> {
        let metadata = files::metadata(
            path,
            "no such file or folder; give a records folder, an artifact .tar.zst or the counted files",
        )?;
        if metadata.is_dir() {
            return Ok(Counted::Folders(find::find(&[path.to_owned()])));
        }
        match metadata.is_file() {
            false => Err(Error::unreadable(path, "neither a file nor a folder")),
            true if path.as_str().ends_with(".tar.zst") => Ok(Counted::Artifact),
            true => Ok(Counted::File(metadata.len())),
        }
    }
}

/// The part of an artifact's manifest.json that says what counts.
#[derive(Debug, Deserialize)]
struct Manifest {
    counted: CountedRuns,
    #[serde(default)]
    members: Vec<Declared>,
}

#[derive(Debug, Deserialize)]
struct Declared {
    path: String,
    sha256: String,
}

#[derive(Debug, Deserialize)]
struct CountedRuns {
    runs: Vec<CountedRun>,
}

#[derive(Debug, Deserialize)]
struct CountedRun {
    model: String,
}

/// The script and the largest counted model as they lie in the archive; the manifest only says which members count.
fn artifact(path: &Utf8Path, limit: u64) -> Result<Sizing> {
    let file = fs_err::File::open(path.as_std_path()).map_err(Error::io(path, "opening"))?;
    let decoder = zstd::Decoder::new(file).map_err(Error::io(path, "decompressing"))?;
    let mut archive = tar::Archive::new(decoder.take(MAX_ARTIFACT_BYTES));
    let unreadable = |error: std::io::Error| Error::unreadable(path, format!("no readable artifact: {error}"));
    let mut manifest: Option<Manifest> = None;
    let mut members: Vec<Part> = Vec::new();
    let mut digests: Vec<(String, String)> = Vec::new();
    for entry in archive.entries().map_err(unreadable)? {
        let mut entry = entry.map_err(unreadable)?;
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let bytes = entry.size();
        if name == "manifest.json" && manifest.is_none() {
            let mut text = Vec::new();
            entry.take(MAX_MANIFEST_BYTES).read_to_end(&mut text).map_err(unreadable)?;
            let read = serde_json::from_slice(&text);
            manifest = Some(read.map_err(|error| Error::unreadable(path, format!("manifest.json: {error}")))?);
        } else {
            let mut hasher = Sha256::new();
            std::io::copy(&mut entry, &mut hasher).map_err(unreadable)?;
            digests.push((name.clone(), files::hex(&hasher.finalize())));
            members.push(Part { name, bytes });
        }
    }
    let manifest = manifest.ok_or_else(|| Error::unreadable(path, "holds no manifest.json; this is no artifact"))?;
    for Declared { path: name, sha256 } in &manifest.members {
        match digests.iter().find(|(known, _)| known == name) {
            Some((_, found)) if found == sha256 => {}
            Some(_) => {
                return Err(Error::unreadable(path, format!("{name} is not what manifest.json states by SHA-256")));
            }
            None => return Err(Error::unreadable(path, format!("lacks {name}, which manifest.json declares"))),
        }
    }
    let declared = |name: &str| manifest.members.iter().any(|member| member.path == name);
    let models: Vec<&str> = manifest.counted.runs.iter().map(|run| run.model.as_str()).collect();
    let code = members.iter().find(|member| member.name == "train_gpt.py").cloned();
    let model =
        members.iter().filter(|member| models.contains(&member.name.as_str())).max_by_key(|member| member.bytes);
    let (Some(code), Some(model)) = (code, model.cloned()) else {
        return Err(Error::unreadable(path, "lacks train_gpt.py or the models that its manifest counts"));
    };
    let checked = if declared(&code.name) && declared(&model.name) { "as the manifest states" } else { "not checked" };
    Sizing::new(
        path.as_str(),
        format!("script and largest model in the artifact; hashes {checked}"),
        vec![code, model],
        None,
        limit,
    )
}
