//! Lines of a folder's logs that no print of its scripts can make: such a log was written by another script.
//!
//! Only lines that state values are judged, and only among lines that the scripts do print: what a launcher, a shell script
//! or a library says before, behind and in between is nobody's claim. Whatever is not followed makes the whole folder
//! unjudged.

mod line;

pub use line::kind;

use std::collections::HashMap;

use caddie_folder::executed::imports;
use caddie_folder::{Folder, RunLog, SourceDump, printed_lines};
use caddie_python::prints::{Prints, Reached};
use caddie_python::{InFolder, Module, Script, Unwrapped, unwrap};
use caddie_rulebook::Rulebook;
use camino::{Utf8Path, Utf8PathBuf};

use crate::script::is_a_library;

/// Endings of files that may hold programs beside Python's.
const PROGRAMS: [&str; 12] = ["sh", "bash", "yaml", "yml", "toml", "ipynb", "c", "cc", "cpp", "cu", "cuh", "h"];
/// Kinds of lines that are judged in one folder.
const MAX_KINDS: usize = 5_000;
/// Kinds of foreign lines that are kept.
const MAX_FOREIGN: usize = 100;

/// Lines of one kind that no print makes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Foreign {
    /// The log of the first of them.
    pub log: Utf8PathBuf,
    /// Its line, 1-based.
    pub line: u64,
    /// Its text, as its program printed it.
    pub text: String,
    /// Number of lines of this kind in all logs.
    pub lines: usize,
}

/// Compares the lines of the official runs with what the folder's scripts can print; `script` is the counted one.
///
/// # Errors
/// With the reason, where what the scripts print is not known.
pub fn foreign(folder: &Folder, script: &Unwrapped, rulebook: &Rulebook) -> Result<Vec<Foreign>, String> {
    let prints = prints(folder, script, rulebook)?;
    let mut judge = Judge { prints: &prints, kinds: HashMap::new(), found: Vec::new() };
    // What another program wrote is not compared with a script.
    for run in folder.runs.official.iter().filter(|run| run.engine_version.is_none()) {
        judge.read(folder, &run.log, run.span)?;
        if let Some(log) = &run.score_log {
            judge.read(folder, log, (1, u64::MAX))?;
        }
    }
    judge.found.sort_by(|a, b| (&a.log, a.line).cmp(&(&b.log, b.line)));
    Ok(judge.found)
}

/// Collects what the scripts of the folder can print: the counted one, and any other, which may have been run as well.
fn prints(folder: &Folder, script: &Unwrapped, rulebook: &Rulebook) -> Result<Prints, String> {
    if let Some(problem) = script.problems.first() {
        return Err(problem.to_string());
    }
    let counted = folder.script.as_ref().map(|script| script.path.as_path());
    let siblings = InFolder { root: &folder.path, files: &folder.files };
    let others = folder.code.iter().filter(|code| Some(code.path.as_path()) != counted);
    let others: Vec<(&Utf8Path, Unwrapped)> =
        others.map(|code| (code.path.as_path(), unwrap(code.source(), code.path.as_str(), &siblings))).collect();
    let all = std::iter::once((counted.unwrap_or(Utf8Path::new("the script")), script));
    let mut modules: Vec<&Module> = Vec::new();
    for (path, unwrapped) in all.chain(others.iter().map(|(path, unwrapped)| (*path, unwrapped))) {
        let module = unwrapped.module().map_err(|problem| format!("{path}: {problem}"))?;
        let is_known = |name: &str| is_a_library(name, rulebook) || has_module(folder, name);
        if let Some(name) = imports(module).find(|name| !is_known(name)) {
            return Err(format!("{path} imports {name}, which is not in the folder and may print"));
        }
        modules.push(module);
    }
    let (mut prints, mut reached) = (Prints::default(), Reached::default());
    for file in folder.files.iter().filter(|file| file.path.extension().is_some_and(|end| PROGRAMS.contains(&end))) {
        let text = caddie_files::read_text(&folder.path.join(&file.path)).map_err(|error| error.to_string())?;
        prints.add_other(&text);
        reached.add_other(&text);
    }
    modules.iter().for_each(|module| reached.add(module));
    modules.iter().for_each(|module| prints.add(module, &reached));
    Ok(prints)
}

/// The Python files of the folder that can print this line, each by itself.
pub fn makers(folder: &Folder, line: &str) -> Vec<Utf8PathBuf> {
    let siblings = InFolder { root: &folder.path, files: &folder.files };
    let makes = |code: &&Script| {
        let unwrapped = unwrap(code.source(), code.path.as_str(), &siblings);
        // One that cannot be read may print anything.
        unwrapped.module().map_or(true, |module| {
            let (mut prints, mut reached) = (Prints::default(), Reached::default());
            // Another file may call any of its functions.
            reached.all();
            prints.add(module, &reached);
            prints.can_make(line)
        })
    };
    folder.code.iter().filter(makes).map(|code| code.path.clone()).collect()
}

fn has_module(folder: &Folder, name: &str) -> bool {
    let is_it = |path: &Utf8Path| {
        let stem = path.file_stem().and_then(|stem| stem.split('.').next());
        stem == Some(name) || path.components().any(|part| part.as_str() == name)
    };
    folder.files.iter().any(|file| is_it(&file.path))
}

/// The lines that were judged.
struct Judge<'a> {
    prints: &'a Prints,
    /// The index of a foreign kind among `found`, by the shape of its lines; `None` for shapes that a print makes.
    kinds: HashMap<String, Option<usize>>,
    found: Vec<Foreign>,
}

impl Judge<'_> {
    fn read(&mut self, folder: &Folder, log: &Utf8Path, span: (u64, u64)) -> Result<(), String> {
        let dumps: Vec<&SourceDump> = runs_in(folder, log).filter_map(|run| run.source.as_ref()).collect();
        let dumped = |number: u64| dumps.iter().any(|dump| (dump.first_line..=dump.last_line).contains(&number));
        // A foreign line counts when lines of the script stand before and behind it.
        let (mut begun, mut pending) = (false, Vec::new());
        let each = |number: u64, text: &str| {
            if line::is_rule(text) {
                begun = false;
                pending.clear();
                return;
            }
            if !(span.0..=span.1).contains(&number) || dumped(number) || !line::states_a_value(text) {
                return;
            }
            if self.is_made(text) {
                begun = true;
                pending.drain(..).for_each(|(number, text)| self.note(log, number, text));
            } else if begun && pending.len() < MAX_KINDS && line::may_be_a_scripts(text) {
                pending.push((number, text.to_owned()));
            }
        };
        printed_lines(&folder.path.join(log), each).map_err(|error| error.to_string())
    }

    /// Tells whether a print makes the line, or may do so where there are too many kinds to judge.
    fn is_made(&mut self, text: &str) -> bool {
        let shape = line::shape(text);
        if let Some(known) = self.kinds.get(&shape) {
            return known.is_none();
        }
        let made = self.kinds.len() >= MAX_KINDS || self.prints.can_make(text);
        if made && self.kinds.len() < MAX_KINDS {
            self.kinds.insert(shape, None);
        }
        made
    }

    fn note(&mut self, log: &Utf8Path, number: u64, text: String) {
        let found = &mut self.found;
        let kind = *self.kinds.entry(line::shape(&text)).or_insert_with(|| {
            let alike = |known: &Foreign| line::names(&known.text) == line::names(&text);
            found.iter().position(alike).or_else(|| {
                (found.len() < MAX_FOREIGN).then(|| {
                    found.push(Foreign { log: log.to_owned(), line: number, text, lines: 0 });
                    found.len() - 1
                })
            })
        });
        if let Some(kind) = kind.and_then(|index| self.found.get_mut(index)) {
            kind.lines += 1;
        }
    }
}

/// Returns the runs of a log, official or not: each may dump a script.
fn runs_in<'a>(folder: &'a Folder, log: &'a Utf8Path) -> impl Iterator<Item = &'a RunLog> {
    let others = folder.runs.others.iter().map(|other| &other.run);
    folder.runs.official.iter().chain(others).filter(move |run| run.log == log)
}
