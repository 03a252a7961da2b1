//! Counts the bytes of a folder, an artifact or a set of files, for `caddie size` and the size gate of a CI.

mod folder;

use camino::{Utf8Path, Utf8PathBuf};
use serde::Serialize;

use super::find::{self, Found};
use super::walk::{self, FailedFolder};
use crate::artifact::manifest::TRAIN_GPT;
use crate::artifact::{self, UnpackLimits};
use crate::report::ClaimedAs;
use caddie_files::Pointer;
use caddie_files::{Error, Result};
use caddie_python::packings::Minify;
use caddie_rulebook::Rulebook;

/// The bytes that count, and the accounting that gives them.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Sizing {
    pub path: String,
    /// The accounting that gave `counted`.
    pub method: String,
    pub parts: Vec<Part>,
    /// Sum of the parts, decimal bytes.
    pub counted: u64,
    /// The total that the logs count, where they count another form of the code than the shipped one.
    pub logged: Option<u64>,
    pub limit: u64,
    /// Limit minus counted; negative when over.
    pub headroom: i64,
    /// Every way to count a records folder: each run as logged, then the largest model with the code as shipped,
    /// packed, and with its helpers. Empty for artifacts and files.
    pub accountings: Vec<Accounting>,
    /// Further facts of a records folder.
    #[serde(flatten)]
    pub folder: Option<SizedEntry>,
}

/// One way to count.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Accounting {
    pub name: String,
    /// True if the code is counted with the files that it runs or reads.
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

/// A records folder's script, its claim, and the files that no total counts.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SizedEntry {
    /// The script that counts.
    pub script: Option<String>,
    /// The reason why this script counts.
    pub script_because: Option<String>,
    /// The file that the script only executes; its bytes are counted with the script's.
    pub hands_over_to: Option<String>,
    pub claimed: Option<Claimed>,
    /// Further files that the script runs or reads.
    pub helpers: Vec<Part>,
    /// Tokenizers that ship with the folder; free by the rules.
    pub tokenizers: Vec<Part>,
    /// The tokenizer as the logs name it.
    pub tokenizer_named: Option<String>,
    /// System programs that the scripts call.
    pub programs: Vec<String>,
}

/// The total that the submission states.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Claimed {
    pub file: String,
    pub bytes: u64,
    pub accounting: ClaimedAs,
    /// The run that states the number, where it is one run's.
    pub run: Option<String>,
    /// The accounting and the run in words.
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

    /// Tells whether the folder is over the cap under every accounting. The accounting of the code is contested, so a
    /// folder that fits as its logs count it is not over.
    pub fn is_over(&self) -> bool {
        self.counted > self.limit && self.logged.is_none_or(|logged| logged > self.limit)
    }
}

fn headroom(limit: u64, total: u64) -> i64 {
    (i128::from(limit) - i128::from(total)).clamp(i64::MIN.into(), i64::MAX.into()) as i64
}

/// The paths that one command sized, and those that it could not size.
#[derive(Debug, Default)]
pub struct Sizings {
    pub sizings: Vec<Sizing>,
    pub failures: Vec<FailedFolder>,
    /// True if a path was not a records folder and those below it were sized.
    pub searched: bool,
}

impl Sizings {
    /// Returns the exit code that the failures demand, if there are any.
    pub fn exit_code(&self) -> Option<u8> {
        walk::exit_code(&self.failures)
    }
}

/// Sizes each folder and artifact alone, and all plain files together; `cap` replaces the rulebook's. `minify` says
/// when the user's minifier is run on a folder's script for the packed accounting. A path that holds records folders
/// stands for these, and a path that cannot be sized does not stop the others.
pub fn measure(paths: &[Utf8PathBuf], rulebook: &Rulebook, cap: Option<u64>, minify: Minify) -> Sizings {
    let limit = cap.unwrap_or(rulebook.limits_of(None).artifact_bytes);
    let mut all = Sizings::default();
    let (mut folders, mut files, mut uncounted) = (Vec::new(), Vec::new(), false);
    for path in paths {
        match CountedContents::at(path, &rulebook.track_prefix) {
            Ok(CountedContents::Folders(mut found)) => {
                all.searched |= found.folders != [path.clone()];
                folders.append(&mut found.folders);
                all.failures.append(&mut found.failures);
            }
            Ok(CountedContents::Artifact) => folders.push(path.clone()),
            Ok(CountedContents::File(bytes)) => files.push(Part { name: path.to_string(), bytes }),
            Err(error) => {
                uncounted |= !path.is_dir();
                all.failures.push(FailedFolder::new(path, &error));
            }
        }
    }
    let (sizings, mut failures) = walk::each(&folders, |path| match path.is_dir() {
        true => folder::measure(path, rulebook, cap, minify),
        false => artifact(path, limit),
    });
    all.sizings = sizings;
    all.failures.append(&mut failures);
    // A sum without one of its files would pass for the whole.
    if let Some(first) = files.first().filter(|_| !uncounted) {
        let path = if files.len() == 1 { first.name.clone() } else { format!("{} files", files.len()) };
        match Sizing::new(&path, "sum of the files".to_owned(), files, None, limit) {
            Ok(sum) => all.sizings.push(sum),
            Err(error) => all.failures.push(FailedFolder::new(Utf8Path::new(&path), &error)),
        }
    }
    all
}

/// The counted contents of a path.
enum CountedContents {
    /// The records folder itself, or those below it.
    Folders(Found),
    Artifact,
    /// Bytes of a plain file.
    File(u64),
}

impl CountedContents {
    fn at(path: &Utf8Path, track_prefix: &str) -> Result<CountedContents> {
        let metadata = caddie_files::metadata(
            path,
            "no such file or folder; give a records folder, an artifact .tar.zst or the counted files",
        )?;
        if metadata.is_dir() {
            return Ok(CountedContents::Folders(find::find(&[path.to_owned()], track_prefix)));
        }
        match metadata.is_file() {
            false => Err(Error::unreadable(path, "neither a file nor a folder")),
            true if path.as_str().ends_with(".tar.zst") => Ok(CountedContents::Artifact),
            true => match Pointer::at(path) {
                Some(pointer) => Err(Error::unreadable(path, pointer.to_string())),
                None => Ok(CountedContents::File(metadata.len())),
            },
        }
    }
}

/// Sizes an artifact: the script and the largest counted model. Every member is read and compared with the manifest
/// first, so that the numbers are those of the bytes that ship, and nothing ships beside them.
fn artifact(path: &Utf8Path, limit: u64) -> Result<Sizing> {
    let manifest = artifact::examine(path, &UnpackLimits::default())?;
    let counted = &manifest.counted;
    let largest = counted.runs.iter().max_by_key(|run| run.bytes_model);
    let model = largest.ok_or_else(|| Error::unreadable(path, "its manifest counts no model; pack it again"))?;
    let parts = vec![
        Part { name: TRAIN_GPT.to_owned(), bytes: counted.bytes_code },
        Part { name: model.model.clone(), bytes: model.bytes_model },
    ];
    let method = "script and largest model in the artifact; hashes as the manifest states".to_owned();
    Sizing::new(path.as_str(), method, parts, None, limit)
}
