//! Choice of the script that counts, with the reason for it.

use std::fmt;

use camino::{Utf8Path, Utf8PathBuf};
use sha2::{Digest, Sha256};

use super::{Field, Readme, RunLog, Scope, Submission, find};
use crate::logged::Fact;
use caddie_files::FileEntry;
use caddie_python::{InFolder, Script, unwrap};

/// The script that counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counted {
    pub file: FileEntry,
    pub because: Because,
}

/// The reason why a script is the one that counts. The logs tell before submission.json, that before the README, and
/// the name comes last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Because {
    /// There is no other script.
    Only,
    /// It has the name, and nothing speaks for another.
    Named,
    /// So many of the runs dump its very text into their logs, and so many others count as many bytes of code as it
    /// has.
    Logged { dumped: usize, counted: usize, of: usize, bytes: u64 },
    /// It has the name, and unpacks to or hands over to the script that the logs count.
    Carries(Utf8PathBuf),
    /// submission.json states its SHA-256.
    Hashed,
    /// submission.json states its length as the bytes of code.
    Claimed { bytes: u64 },
    /// There is no train_gpt.py, and the README runs it.
    Run,
}

impl fmt::Display for Because {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let thousands = |bytes: u64| caddie_files::text::thousands(bytes);
        match self {
            Because::Only => f.write_str("the only script"),
            Because::Named => f.write_str("by its name"),
            Because::Logged { dumped, counted, of, bytes } => {
                let runs = dumped + counted;
                let (who, s) = match (runs, *of) {
                    (1, 1) => ("the run".to_owned(), "s"),
                    (2, 2) => ("both runs".to_owned(), ""),
                    (runs, of) if runs == of => (format!("all {of} runs"), ""),
                    (runs, of) => (format!("{runs} of {of} runs"), if runs == 1 { "s" } else { "" }),
                };
                match (dumped, counted) {
                    (_, 0) => write!(f, "{who} dump{s} its text"),
                    (0, _) => write!(f, "{who} count{s} its {} bytes", thousands(*bytes)),
                    _ => write!(f, "{who} dump{s} its text or count{s} its {} bytes", thousands(*bytes)),
                }
            }
            Because::Carries(inner) => write!(f, "by its name; it carries {inner}, which the logs count"),
            Because::Hashed => f.write_str("submission.json states its SHA-256"),
            Because::Claimed { bytes } => write!(f, "submission.json states its {} bytes", thousands(*bytes)),
            Because::Run => f.write_str("the README runs it"),
        }
    }
}

/// The folder's statements about its scripts.
pub(super) struct Sources<'a> {
    pub root: &'a Utf8Path,
    pub files: &'a [FileEntry],
    pub code: &'a [Script],
    pub runs: &'a [RunLog],
    pub submission: Option<&'a Submission>,
    pub readme: Option<&'a Readme>,
}

/// The number of runs that speak for a script.
#[derive(Clone, Copy, Default)]
struct Votes {
    dumped: usize,
    counted: usize,
}

impl Votes {
    fn all(self) -> usize {
        self.dumped + self.counted
    }
}

/// Chooses the script that counts; `None` where the folder has none, or none at its top and no log that names one
/// below.
pub(super) fn choose(sources: &Sources<'_>) -> Option<Counted> {
    let scripts: Vec<&FileEntry> =
        sources.files.iter().filter(|file| file.path.extension() == Some("py") && file.bytes > 0).collect();
    let named = named(sources.files);
    if let (Some(named), true) = (named, scripts.iter().all(|script| Some(*script) == named)) {
        return Some(Counted { file: named.clone(), because: Because::Only });
    }
    let by_name = |because| named.map(|file| Counted { file: file.clone(), because });
    if let Some((script, votes)) = of_the_logs(sources, &scripts, named) {
        if let Some(named) = named.filter(|named| *named != script && carries(sources, named, script)) {
            return Some(Counted { file: named.clone(), because: Because::Carries(script.path.clone()) });
        }
        let because = Because::Logged {
            dumped: votes.dumped,
            counted: votes.counted,
            of: sources.runs.len(),
            bytes: script.bytes,
        };
        return Some(Counted { file: script.clone(), because });
    }
    let speaks = |of: &RunLog| of.source.is_some() || of.bytes_code.is_some() || of.bytes_code_uncompressed.is_some();
    if sources.runs.iter().any(speaks) {
        // The logs are of a script that is not here: what else is said is of no run.
        return by_name(Because::Named);
    }
    of_the_metadata(sources, &scripts)
        .or_else(|| of_the_readme(sources, &scripts, named))
        .or_else(|| by_name(Because::Named))
}

/// Returns `train_gpt.py`, or the script that stands in its place at the folder's top.
fn named(files: &[FileEntry]) -> Option<&FileEntry> {
    let begins = |prefix: &'static str| move |name: &str| name.starts_with(prefix) && name.ends_with(".py");
    find(files, |name| name == "train_gpt.py")
        .or_else(|| find(files, begins("train_gpt")))
        .or_else(|| find(files, begins("train")))
        .or_else(|| find(files, begins("")))
}

/// Returns the script that more of the runs dump or count than any other, if most runs do.
fn of_the_logs<'a>(
    sources: &Sources<'_>,
    scripts: &[&'a FileEntry],
    named: Option<&FileEntry>,
) -> Option<(&'a FileEntry, Votes)> {
    let votes = scripts.iter().map(|script| (*script, votes_for(sources, script)));
    // Of equals, the one that has the name, then the one nearest to the top.
    let key = |(script, votes): &(&FileEntry, Votes)| {
        let depth = std::cmp::Reverse(script.path.components().count());
        (votes.all(), votes.dumped, Some(*script) == named, depth)
    };
    let (script, votes) = votes.max_by(|a, b| key(a).cmp(&key(b)))?;
    (votes.all() * 2 > sources.runs.len()).then_some((script, votes))
}

fn votes_for(sources: &Sources<'_>, script: &FileEntry) -> Votes {
    let text = sources.code.iter().find(|code| code.path == script.path);
    let known = |digest: &str| sources.code.iter().any(|code| code.sha256 == digest);
    let mut votes = Votes::default();
    for run in sources.runs {
        let dump = run.source.as_ref().filter(|dump| !dump.fragment && known(&dump.sha256));
        match dump {
            // A dump that is another file's text is of that file, however long this one is.
            Some(dump) => votes.dumped += usize::from(text.is_some_and(|text| text.sha256 == dump.sha256)),
            None => {
                let counts = [run.bytes_code_uncompressed.value(), run.bytes_code.value()];
                votes.counted += usize::from(counts.contains(&Some(script.bytes)));
            }
        }
    }
    votes
}

/// Tells whether `outer` is a wrapper around `inner`: it unpacks to the same text, or executes that file.
fn carries(sources: &Sources<'_>, outer: &FileEntry, inner: &FileEntry) -> bool {
    let of = |file: &FileEntry| sources.code.iter().find(|code| code.path == file.path);
    let (Some(outer), Some(inner)) = (of(outer), of(inner)) else { return false };
    let siblings = InFolder { root: sources.root, files: sources.files };
    let unwrapped = unwrap(outer.source(), outer.path.as_str(), &siblings);
    let same = || caddie_files::hex(&Sha256::digest(&unwrapped.source)) == inner.sha256;
    !unwrapped.layers.is_empty() && (unwrapped.redirect() == Some(inner.path.as_str()) || same())
}

fn of_the_metadata(sources: &Sources<'_>, scripts: &[&FileEntry]) -> Option<Counted> {
    let submission = sources.submission?;
    let counted = |path: &Utf8Path, because| {
        let file = scripts.iter().find(|script| script.path == path)?;
        Some(Counted { file: (*file).clone(), because })
    };
    if let Some(digest) = submission.text("code_sha256") {
        let code = sources.code.iter().find(|code| code.sha256.eq_ignore_ascii_case(digest.value))?;
        return counted(&code.path, Because::Hashed);
    }
    let claim = submission.claim(Field::BytesCode, Scope::Whole)?;
    let mut long = scripts.iter().filter(|script| claim.stated.value == script.bytes as f64);
    let (script, None) = (long.next()?, long.next()) else { return None };
    counted(&script.path, Because::Claimed { bytes: script.bytes })
}

fn of_the_readme(sources: &Sources<'_>, scripts: &[&FileEntry], named: Option<&FileEntry>) -> Option<Counted> {
    if named.is_some_and(|file| file.path == "train_gpt.py") {
        return None;
    }
    let launches = |text: &str| text.contains("torchrun") || text.contains("nproc_per_node");
    let mentions = || sources.readme.into_iter().flat_map(|readme| &readme.mentions);
    let run = |script: &&&FileEntry| mentions().any(|file| launches(&file.text) && file.name == script.path.as_str());
    let mut run = scripts.iter().filter(run);
    let (script, None) = (run.next()?, run.next()) else { return None };
    Some(Counted { file: (*script).clone(), because: Because::Run })
}

#[cfg(test)]
mod tests {
    use super::super::{Folder, Logged, SourceDump};
    use super::*;

    /// The script that counts in a folder of these files whose runs are `runs`.
    fn chosen(contents: &[(&str, &str)], runs: &[RunLog]) -> Option<(String, String)> {
        let root = tempfile::tempdir().expect("a temporary directory");
        let path = Utf8PathBuf::from_path_buf(root.path().to_owned()).expect("UTF-8");
        for (name, content) in contents {
            let file = path.join(name);
            std::fs::create_dir_all(file.parent().expect("a parent")).expect("creates");
            std::fs::write(file, content).expect("writes");
        }
        let folder = Folder::read(&path).expect("reads");
        let found = choose(&Sources {
            root: &path,
            files: &folder.files,
            code: &folder.code,
            runs,
            submission: folder.metadata(),
            readme: folder.readme.as_ref(),
        })?;
        Some((found.file.path.to_string(), found.because.to_string()))
    }

    fn counts(bytes: u64) -> RunLog {
        RunLog { bytes_code: Some(Logged::new(bytes, 1)), ..RunLog::default() }
    }

    fn dumps(text: &str) -> RunLog {
        let sha256 = caddie_files::hex(&Sha256::digest(text.as_bytes()));
        let source = SourceDump { bytes: text.len() as u64, sha256, ..SourceDump::default() };
        RunLog { source: Some(source), ..counts(text.len() as u64) }
    }

    #[track_caller]
    fn is(found: Option<(String, String)>, path: &str, because: &str) {
        assert_eq!(found, Some((path.to_owned(), because.to_owned())));
    }

    const OWN: &str = "print('own')\n";
    const OTHER: &str = "print('another')\n";

    #[test]
    fn the_logs_tell_which_script_ran() {
        let two = [("train_gpt.py", OWN), ("train_gpt_gdn.py", OTHER)];
        is(
            chosen(&two, &[dumps(OTHER), counts(17)]),
            "train_gpt_gdn.py",
            "both runs dump its text or count its 17 bytes",
        );
        is(chosen(&two, &[counts(17)]), "train_gpt_gdn.py", "the run counts its 17 bytes");
        is(chosen(&two, &[counts(17), counts(17), counts(5)]), "train_gpt_gdn.py", "2 of 3 runs count its 17 bytes");
        // A minority, or another script altogether, does not overrule the name.
        is(chosen(&two, &[counts(17), counts(5)]), "train_gpt.py", "by its name");
        is(chosen(&two, &[counts(1_000)]), "train_gpt.py", "by its name");
        // Of two scripts of one length, the text decides; where no text is dumped, the name.
        let alike = [("train_gpt.py", "print('one')\n"), ("train_b.py", "print('two')\n")];
        is(chosen(&alike, &[dumps("print('two')\n")]), "train_b.py", "the run dumps its text");
        is(chosen(&alike, &[counts(13)]), "train_gpt.py", "the run counts its 13 bytes");
        let below = [("a/train_gpt.py", OWN), ("b/train_gpt.py", OTHER)];
        is(chosen(&below, &[dumps(OTHER)]), "b/train_gpt.py", "the run dumps its text");
        assert_eq!(chosen(&below, &[]), None, "nothing says which");
    }

    #[test]
    fn a_wrapper_of_the_counted_script_is_what_ships() {
        let inner = "print('a line that is there often')\n".repeat(50);
        let codec = caddie_python::pack::Codec::Lzma;
        let packed =
            caddie_python::pack::pack(inner.as_bytes(), codec, caddie_python::pack::Writing::Base85).expect("packs");
        let packed = String::from_utf8(packed.script).expect("text");
        let two = [("train_gpt.py", packed.as_str()), ("train_gpt_human.py", inner.as_str())];
        let because = "by its name; it carries train_gpt_human.py, which the logs count";
        is(chosen(&two, &[dumps(&inner)]), "train_gpt.py", because);
        let stub = "exec(open(__file__.replace('gpt.py', 'gpt_human.py')).read())\n";
        let two = [("train_gpt.py", stub), ("train_gpt_human.py", inner.as_str())];
        is(chosen(&two, &[counts(inner.len() as u64)]), "train_gpt.py", because);
    }

    #[test]
    fn without_logs_the_metadata_tell_then_the_readme() {
        let json = r#"{"bytes_code": 17}"#;
        let files = [("train_gpt.py", OWN), ("train_gpt_gdn.py", OTHER), ("submission.json", json)];
        is(chosen(&files, &[]), "train_gpt_gdn.py", "submission.json states its 17 bytes");
        let json = format!(r#"{{"code_sha256": "{}"}}"#, caddie_files::hex(&Sha256::digest(OTHER.as_bytes())));
        let files = [("train_gpt.py", OWN), ("train_gpt_gdn.py", OTHER), ("submission.json", json.as_str())];
        is(chosen(&files, &[]), "train_gpt_gdn.py", "submission.json states its SHA-256");
        let readme = "```\ntorchrun --nproc_per_node=8 train_v2.py\n```\n";
        let files = [("train_v1.py", OWN), ("train_v2.py", OTHER), ("README.md", readme)];
        is(chosen(&files, &[]), "train_v2.py", "the README runs it");
        is(chosen(&[("train_gpt.py", OWN)], &[counts(1)]), "train_gpt.py", "the only script");
    }
}
