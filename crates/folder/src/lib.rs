//! A records folder as read: the statements of its files, before anything is judged.

pub mod claim;
pub mod denominator;
mod evidence;
pub mod executed;
mod headline;
pub mod json;
pub mod ledger;
mod log_parser;
mod logged;
pub mod metric;
mod nats;
pub mod number;
pub mod place;
pub mod readme;
pub mod recipe;
pub mod results;
pub mod run_log;
mod runs;
mod script;
pub mod search;
pub mod settings;
pub mod submission;
pub mod track;

use std::collections::BTreeMap;

use camino::{Utf8Path, Utf8PathBuf};

pub use claim::{Claim, Field, Scope, eval_clocks};
pub use evidence::Shows;
pub use json::JsonError;
pub use ledger::Ledger;
pub use log_parser::{Curve, Glance, LiveLog};
pub use logged::{Fact, InLog, Lined, Log, LogLine, Logged};
pub use nats::NatsPair;
pub use number::Stated;
pub use readme::Readme;
pub use run_log::{LogFile, MetricLine, RunLog, SourceDump, printed_lines, read_log, read_runs};
pub use runs::{NotCounted, OtherLog, Runs};
pub use script::Because;
pub use submission::Submission;

use caddie_files::{Encoding, Error, FileEntry, Pointer, Result, Skipped};
use caddie_python::Script;

/// Most logs that are read; a folder with more is not a record.
const MAX_LOGS: usize = 1_000;

/// Most scripts that are read; a folder with more is a code base, not a record.
const MAX_SCRIPTS: usize = 100;
/// Most bytes of scripts that are kept in memory.
const MAX_SCRIPTS_BYTES: u64 = 32 << 20;

/// Advice to a user who gave something else than a folder.
pub const GIVE_FOLDER: &str = "give a records folder, e.g. records/track_10min_16mb/2026-05-01_Name";
/// Error for a path that does not exist.
pub const NO_FOLDER: &str = "no such folder; give a records folder, e.g. records/track_10min_16mb/2026-05-01_Name";
/// Most bytes of a script that are hashed; a longer script is over any cap.
const MAX_SCRIPT_BYTES: u64 = 64 << 20;

/// All statements of a records folder. Nothing in it was executed, and no link was followed.
#[derive(Debug)]
pub struct Folder {
    pub path: Utf8PathBuf,
    /// Regular files, relative and sorted.
    pub files: Vec<FileEntry>,
    /// Files that were not read, each with the reason.
    pub skipped: Vec<Skipped>,
    /// Files in whose place a pointer lies. Among `files` they have the length that the pointer declares.
    pub pointers: Vec<(Utf8PathBuf, Pointer)>,
    /// README and logs that are not UTF-8, each with the encoding in which it was read.
    pub encodings: Vec<(Utf8PathBuf, Encoding)>,
    pub readme: Option<Readme>,
    pub submission: Option<SubmissionFile>,
    /// The script that is counted: the one that the logs dump or count, else by submission.json, the README or its name.
    pub script: Option<FileEntry>,
    /// The reason why `script` counts.
    pub script_because: Option<Because>,
    /// The Python scripts that could be read.
    pub code: Vec<Script>,
    /// Tables of results beside the logs.
    pub results: Vec<results::Results>,
    /// The compressed weights, where the folder holds them.
    pub model: Option<FileEntry>,
    /// The runs that the submission is about, and the other logs.
    pub runs: Runs,
    /// recipe.toml and the recipes of the native logs.
    pub recipes: Option<recipe::Recipes>,
    /// SHA-256 of the script, where submission.json states one to compare.
    pub script_sha256: Option<String>,
    /// Ledgers by file name.
    pub ledgers: Vec<LedgerFile>,
    /// Digests that `ledgers.json` states, by file name or seed.
    pub ledger_digests: BTreeMap<String, Lined<String>>,
}

/// The metadata file, readable or not.
#[derive(Debug)]
pub struct SubmissionFile {
    pub file: Utf8PathBuf,
    pub encoding: Encoding,
    /// The first line that is not UTF-8; line 1 where the whole file is not.
    pub encoded_line: u64,
    pub content: std::result::Result<Submission, JsonError>,
}

/// A ledger file, readable or not.
#[derive(Debug)]
pub struct LedgerFile {
    pub file: Utf8PathBuf,
    /// The seed in the name `ledger_seed<N>.jsonl.zst`; the ledger itself names no seed.
    pub seed: Option<i64>,
    pub content: std::result::Result<Ledger, String>,
}

impl Folder {
    /// Reads a folder within bounds. A file in it that cannot be read is kept as unread, so that the checks can report
    /// it.
    ///
    /// # Errors
    /// When `path` is not a folder, or cannot be listed.
    pub fn read(path: &Utf8Path) -> Result<Folder> {
        let metadata = caddie_files::metadata(path, NO_FOLDER)?;
        if !metadata.is_dir() {
            return Err(Error::unreadable(path, format!("not a folder; {GIVE_FOLDER}")));
        }
        let caddie_files::Listing { mut files, mut skipped } = caddie_files::list(path)?;
        let pointers = pointers(path, &mut files);
        skipped
            .extend(pointers.iter().map(|(file, pointer)| Skipped { path: file.clone(), reason: pointer.to_string() }));
        let mut note = |file: &Utf8Path, reason: String| {
            if pointers.iter().any(|(known, _)| known == file) {
                return;
            }
            let reason = reason.strip_prefix(&format!("{file}: ")).unwrap_or(&reason).to_owned();
            skipped.push(Skipped { path: file.to_owned(), reason });
        };

        let readme = find(&files, |name| name.eq_ignore_ascii_case("readme.md"));
        let mut encodings = Vec::new();
        let readme = readme.and_then(|file| match caddie_files::read_encoded(&path.join(&file.path)) {
            Ok((text, encoding)) => {
                encodings.push((file.path.clone(), encoding));
                Some(Readme::parse(&text))
            }
            Err(error) => {
                note(&file.path, inside(path, &error));
                None
            }
        });
        let submission = submission_file(path, &files);
        let Logs { runs: logs, not_logs, dropped, encodings: of_logs } = read_logs(path, &files, &mut note);
        encodings.extend(of_logs);
        encodings.retain(|(_, encoding)| *encoding != Encoding::Utf8);
        let (claims, seeds): (&[Claim], Vec<i64>) = match &submission {
            Some(SubmissionFile { content: Ok(read), .. }) => (&read.claims, read.seed_numbers().collect()),
            _ => (&[], Vec::new()),
        };
        let said = readme.as_ref().map(|readme| readme.scores.as_slice()).unwrap_or_default();
        let runs = Runs { not_logs, dropped, ..runs::select(path, logs, claims, &seeds, said) };
        let ledger_digests = find(&files, |name| name == "ledgers.json")
            .and_then(|file| caddie_files::read_text(&path.join(&file.path)).ok())
            .and_then(|text| json::parse(&text).ok())
            .map(|node| digests(&node))
            .unwrap_or_default();
        let code = read_scripts(path, &files, &mut note);
        let metadata = submission.as_ref().and_then(|file| file.content.as_ref().ok());
        let sources = script::Sources {
            root: path,
            files: &files,
            code: &code,
            runs: &runs.official,
            submission: metadata,
            readme: readme.as_ref(),
        };
        let (script, script_because) = script::choose(&sources).map(|found| (found.file, found.because)).unzip();
        let states_code = metadata.is_some_and(|json| json.text("code_sha256").is_some());
        let hashed = script.as_ref().filter(|script| states_code && script.bytes <= MAX_SCRIPT_BYTES);
        let script_sha256 = hashed.and_then(|script| caddie_files::sha256(&path.join(&script.path)).ok());
        Ok(Folder {
            path: path.to_owned(),
            recipes: recipe::read(path, &files, &runs.official),
            code,
            script_sha256,
            script,
            script_because,
            model: find(&files, is_model).cloned(),
            results: results::read(path, &files),
            ledgers: read_ledgers(path, &files),
            ledger_digests,
            readme,
            submission,
            runs,
            files,
            skipped,
            pointers,
            encodings,
        })
    }

    /// The submission's metadata, when it could be read.
    pub fn metadata(&self) -> Option<&Submission> {
        self.submission.as_ref()?.content.as_ref().ok()
    }

    /// The pointer that lies in the place of `path`, if one does.
    pub fn pointer(&self, path: &Utf8Path) -> Option<&(Utf8PathBuf, Pointer)> {
        self.pointers.iter().find(|(known, _)| known == path)
    }

    /// Returns the logs that could not be read: their contents are unknown, not absent. A link is not a file.
    pub fn unread_logs(&self) -> impl Iterator<Item = &Skipped> {
        let is_log = |path: &Utf8Path| may_be_a_log(path) && calls_itself_a_log(path);
        self.skipped
            .iter()
            .filter(move |skipped| is_log(&skipped.path) && self.files.iter().any(|file| file.path == skipped.path))
    }

    /// Returns the logs of no known form whose name holds a claimed seed that no other log has: their contents are
    /// unknown as well.
    pub fn logs_not_understood(&self) -> impl Iterator<Item = &Utf8PathBuf> {
        let claimed: Vec<i64> = self.metadata().into_iter().flat_map(Submission::seed_numbers).collect();
        let has_a_run = |seed: i64| self.runs.official.iter().any(|run| run.seed.value() == Some(seed));
        let names = move |log: &&Utf8PathBuf| {
            let numbers = log.file_stem().unwrap_or("").split(|c: char| !c.is_ascii_digit());
            numbers.filter_map(|digits| digits.parse().ok()).any(|seed| claimed.contains(&seed) && !has_a_run(seed))
        };
        self.runs.not_logs.iter().filter(names)
    }

    /// The Python scripts of the folder.
    pub fn scripts(&self) -> impl Iterator<Item = &FileEntry> {
        self.files.iter().filter(|file| file.path.extension() == Some("py"))
    }
}

/// Returns an error's text with the file's path inside the folder, because reports are read on other machines.
fn inside(root: &Utf8Path, error: &Error) -> String {
    error.to_string().replacen(root.join("").as_str(), "", 1)
}

/// Finds the files in whose place a pointer lies. Each gets the length that its pointer declares, so that sums of bytes
/// count the file and not the pointer.
fn pointers(root: &Utf8Path, files: &mut [FileEntry]) -> Vec<(Utf8PathBuf, Pointer)> {
    let short = files.iter_mut().filter(|file| file.bytes > 0 && file.bytes <= caddie_files::pointer::MAX_BYTES);
    let found = short.filter_map(|file| {
        let pointer = Pointer::at(&root.join(&file.path))?;
        file.bytes = pointer.bytes.unwrap_or(file.bytes);
        Some((file.path.clone(), pointer))
    });
    found.collect()
}

/// The first top-level file whose name satisfies `wanted`.
fn find(files: &[FileEntry], wanted: impl Fn(&str) -> bool) -> Option<&FileEntry> {
    files.iter().find(|file| file.path.components().count() == 1 && file.path.file_name().is_some_and(&wanted))
}

fn submission_file(root: &Utf8Path, files: &[FileEntry]) -> Option<SubmissionFile> {
    let other = |name: &str| name.starts_with("submission") && name.ends_with(".json");
    let file = find(files, |name| name == "submission.json").or_else(|| find(files, other))?;
    let (encoding, encoded_line, content) = match caddie_files::read_encoded(&root.join(&file.path)) {
        Ok((text, encoding)) => {
            let one_byte = matches!(encoding, Encoding::Windows1252 | Encoding::DamagedUtf8);
            let before = text.split(|c: char| !c.is_ascii()).next().filter(|_| one_byte).unwrap_or("");
            (encoding, 1 + before.matches('\n').count() as u64, Submission::parse(&text))
        }
        Err(error) => (Encoding::Utf8, 1, Err(JsonError { line: 1, reason: inside(root, &error) })),
    };
    Some(SubmissionFile { file: file.path.clone(), encoding, encoded_line, content })
}

/// Tells whether the name is a model's: `model.int8.zlib` of a native run, `final_model.int8.ptz` of the baseline
/// script.
fn is_model(name: &str) -> bool {
    let named = name.starts_with("model.") || name.starts_with("final_model.");
    named && !name.ends_with(".pt") && !name.ends_with(".json") && !name.ends_with(".py")
}

/// Tells whether a file is searched for runs.
fn may_be_a_log(path: &Utf8Path) -> bool {
    let name = path.file_name().unwrap_or("").to_ascii_lowercase();
    let prose = ["requirements", "readme", "license"].iter().any(|prefix| name.starts_with(prefix));
    name.ends_with(".log") || (name.ends_with(".txt") && !prose)
}

/// Tells whether the name is a log's: `train.log`, `seed1337.txt`, `logs/a.txt`, but not `commands.txt`.
fn calls_itself_a_log(path: &Utf8Path) -> bool {
    let text = path.as_str().to_ascii_lowercase();
    text.ends_with(".log") || ["log", "train", "seed"].iter().any(|word| text.contains(word))
}

/// The contents of a folder's logs.
#[derive(Default)]
struct Logs {
    runs: Vec<RunLog>,
    /// Files with a log's name that are not logs.
    not_logs: Vec<Utf8PathBuf>,
    /// Logs that hold too many runs, each with the number of those that were not kept.
    dropped: Vec<(Utf8PathBuf, Lined<u64>)>,
    encodings: Vec<(Utf8PathBuf, Encoding)>,
}

fn read_logs(root: &Utf8Path, files: &[FileEntry], note: &mut impl FnMut(&Utf8Path, String)) -> Logs {
    let mut logs = Logs::default();
    let mut texts: Vec<&FileEntry> = files.iter().filter(|file| may_be_a_log(&file.path)).collect();
    if texts.len() > MAX_LOGS {
        note(Utf8Path::new("."), format!("it holds {} logs and texts; {MAX_LOGS} of them were read", texts.len()));
    }
    caddie_files::keep_most_telling(&mut texts, MAX_LOGS);
    for file in texts {
        match read_runs(&root.join(&file.path)) {
            Ok(log) if log.runs.iter().any(RunLog::is_a_run) => {
                logs.encodings.push((file.path.clone(), log.encoding));
                logs.dropped.extend(log.dropped.map(|dropped| (file.path.clone(), dropped)));
                let runs = log.runs.into_iter().filter(RunLog::is_a_run);
                logs.runs.extend(runs.map(|run| RunLog { log: file.path.clone(), ..run }));
            }
            // A text file that is no log is no business of a checker, nor is what a driver says of the logs.
            // An empty log is none.
            Ok(log) if log.of_a_driver || file.bytes == 0 || !calls_itself_a_log(&file.path) => {}
            Ok(log) => {
                logs.encodings.push((file.path.clone(), log.encoding));
                logs.not_logs.push(file.path.clone());
            }
            Err(error) => note(&file.path, inside(root, &error)),
        }
    }
    logs
}

/// The Python scripts of the folder.
fn read_scripts(root: &Utf8Path, files: &[FileEntry], note: &mut impl FnMut(&Utf8Path, String)) -> Vec<Script> {
    let (mut scripts, mut left) = (Vec::new(), MAX_SCRIPTS_BYTES);
    let mut python: Vec<&FileEntry> = files.iter().filter(|file| file.path.extension() == Some("py")).collect();
    if python.len() > MAX_SCRIPTS {
        note(Utf8Path::new("."), format!("it holds {} scripts; {MAX_SCRIPTS} of them were read", python.len()));
    }
    caddie_files::keep_most_telling(&mut python, MAX_SCRIPTS);
    for file in python {
        let Some(rest) = left.checked_sub(file.bytes.min(caddie_files::MAX_TEXT_BYTES)) else {
            note(&file.path, format!("the scripts hold more than {MAX_SCRIPTS_BYTES} bytes"));
            continue;
        };
        left = rest;
        match Script::read(root, &file.path) {
            Ok(script) => scripts.push(script),
            Err(error) => note(&file.path, inside(root, &error)),
        }
    }
    scripts
}

fn read_ledgers(root: &Utf8Path, files: &[FileEntry]) -> Vec<LedgerFile> {
    let ledgers = files.iter().filter(|file| {
        file.path.file_name().is_some_and(|name| name.starts_with("ledger") && name.ends_with(".jsonl.zst"))
    });
    ledgers
        .map(|file| {
            let name = file.path.file_name().unwrap_or("");
            let seed = name.strip_prefix("ledger_seed").and_then(|rest| rest.strip_suffix(".jsonl.zst"));
            LedgerFile {
                file: file.path.clone(),
                seed: seed.and_then(|seed| seed.parse().ok()),
                content: ledger::read(&root.join(&file.path)).map_err(|error| inside(root, &error)),
            }
        })
        .collect()
}

/// Reads `ledgers.json`, which maps a file name or a seed to its digest, at the top or under `ledgers`; a list of
/// objects that name `file` or `seed` serves as well.
fn digests(node: &json::Node) -> BTreeMap<String, Lined<String>> {
    let mut found = BTreeMap::new();
    for (key, entry) in node.entries() {
        match submission::digest(entry) {
            Some(digest) => {
                found.insert(key.clone(), digest);
            }
            None => found.extend(digests(entry)),
        }
    }
    for item in node.items() {
        let name = item.get("file").and_then(|file| file.text().map(str::to_owned));
        let seed = item.get("seed").and_then(json::Node::number).map(|seed| seed.value.to_string());
        if let (Some(key), Some(digest)) = (name.or(seed), submission::digest(item)) {
            found.insert(key, digest);
        }
    }
    found
}
