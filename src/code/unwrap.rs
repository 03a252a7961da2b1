//! What a script executes of what it carries: every layer of a wrapper is undone, none is executed.

use std::cell::OnceCell;

use camino::{Utf8Path, Utf8PathBuf};
use serde::Serialize;

use super::decode::Budget;
use super::eval::{Evaluator, Siblings};
use super::python::ast::visitor::{Visitor, walk_expr};
use super::python::{Module, Problem, ast};
use super::value::{Data, Step};
use crate::folder::{FileEntry, files};

/// Wrappers within wrappers that are followed.
const MAX_LAYERS: usize = 8;

/// One wrapper.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Layer {
    /// Line of the script, or of the source that the layer before revealed, that executes it.
    pub line: u64,
    /// The file that holds the payload, where it is not in the script's text.
    pub file: Option<String>,
    /// Decoders in order; none where the source stands as it is.
    pub steps: Vec<Step>,
    /// Length of the payload before the first step.
    pub bytes_in: u64,
    /// Length of the source that is executed.
    pub bytes_out: u64,
}

impl Layer {
    /// `base85, raw LZMA2`, or where the source comes from.
    pub fn kind(&self) -> String {
        let codecs: Vec<&str> = self.steps.iter().map(|step| step.codec).collect();
        match (&self.file, codecs.is_empty()) {
            (Some(file), true) => format!("file {file}"),
            (Some(file), false) => format!("file {file}, {}", codecs.join(", ")),
            (None, true) => "literal".to_owned(),
            (None, false) => codecs.join(", "),
        }
    }
}

/// A script without its wrappers.
#[derive(Debug, Serialize)]
pub struct Unwrapped {
    /// Outermost first; none when the script is no wrapper.
    pub layers: Vec<Layer>,
    /// The innermost source; the script itself when it is no wrapper.
    #[serde(skip)]
    pub source: Vec<u8>,
    /// What could not be followed. Lines are those of the source that the layers above revealed.
    pub problems: Vec<Problem>,
    /// The innermost source as a tree, once somebody asked for it.
    #[serde(skip)]
    parsed: OnceCell<Result<Module, Problem>>,
}

impl Unwrapped {
    /// A source that is taken as it stands.
    pub fn plain(source: &[u8]) -> Unwrapped {
        Unwrapped { layers: Vec::new(), source: source.to_vec(), problems: Vec::new(), parsed: OnceCell::new() }
    }

    /// The innermost source, parsed once.
    ///
    /// # Errors
    /// As [`Module::parse`].
    pub fn module(&self) -> Result<&Module, &Problem> {
        self.parsed.get_or_init(|| Module::parse(&String::from_utf8_lossy(&self.source))).as_ref()
    }

    /// The file beside the script that the innermost source was read from.
    pub fn redirect(&self) -> Option<&str> {
        self.layers.iter().rev().find_map(|layer| layer.file.as_deref())
    }
}

/// Undoes the wrappers of `source`, the script called `file`, without executing anything.
///
/// A call of `exec` or the like is a wrapper when what it executes is the larger part of the program. What cannot be
/// evaluated, decoded or parsed ends the search and is a problem, never an error.
pub fn unwrap(source: &[u8], file: &str, siblings: &dyn Siblings) -> Unwrapped {
    let mut unwrapped = Unwrapped::plain(source);
    let mut budget = Budget::default();
    while may_execute(&unwrapped.source) {
        if unwrapped.layers.len() == MAX_LAYERS {
            unwrapped
                .problems
                .push(Problem::new(1, format!("more than {MAX_LAYERS} layers; the rest is not unwrapped")));
            break;
        }
        let found = unwrapped.module().map(|module| search(module, file, siblings, &mut budget));
        match found.map_err(Clone::clone) {
            Ok(Found { inner: Some((layer, inner)), .. }) => {
                (unwrapped.source, unwrapped.parsed) = (inner.bytes.to_vec(), OnceCell::new());
                unwrapped.layers.push(layer);
            }
            Ok(Found { problems, .. }) => {
                unwrapped.problems.extend(problems);
                break;
            }
            Err(problem) => {
                unwrapped.problems.push(problem);
                break;
            }
        }
    }
    unwrapped
}

/// Whether the text holds a word without which nothing is executed: most scripts hold none and are not parsed.
fn may_execute(source: &[u8]) -> bool {
    let holds = |word: &[u8]| source.windows(word.len()).any(|window| window == word);
    // `model.eval()` is everywhere; `eval(` alone is not.
    let eval = source.windows(6).any(|window| match window {
        [before, rest @ ..] => {
            rest == b"eval(" && *before != b'.' && *before != b'_' && !before.is_ascii_alphanumeric()
        }
        [] => false,
    });
    eval || source.starts_with(b"eval(") || holds(b"exec") || holds(b"runpy")
}

/// What a module executes.
struct Found {
    inner: Option<(Layer, Data)>,
    problems: Vec<Problem>,
}

fn search(module: &Module, file: &str, siblings: &dyn Siblings, budget: &mut Budget) -> Found {
    let mut evaluator = Evaluator::new(module, file, siblings, budget);
    evaluator.run();
    let (executions, problems) = (evaluator.executions, evaluator.problems);
    let own = code_bytes(module);
    let largest = executions.into_iter().max_by_key(|execution| execution.source.bytes.len());
    let inner = largest.filter(|execution| {
        let source = &execution.source;
        // A payload behind the script, in a comment say, is no more code than a literal is.
        let behind = source.file.as_deref().filter(|name| *name == file).and(source.steps.first());
        let code = own.saturating_sub(behind.map_or(0, |step| step.bytes_in as usize));
        source.bytes.len() >= code && source.bytes.len() > 1
    });
    Found {
        // A long script that makes a function with `exec` is no wrapper, and its failures here are no news.
        problems: if own < module.source().len() / 2 || module.body().len() < 30 { problems } else { Vec::new() },
        inner: inner.map(|execution| {
            let source = execution.source;
            let bytes_out = source.bytes.len() as u64;
            let layer = Layer {
                line: execution.line,
                bytes_in: source.steps.first().map_or(bytes_out, |step| step.bytes_in),
                bytes_out,
                file: source.file.clone(),
                steps: source.steps.clone(),
            };
            (layer, source)
        }),
    }
}

/// Bytes of a module that are not in literals.
fn code_bytes(module: &Module) -> usize {
    struct Literals<'a> {
        module: &'a Module,
        bytes: usize,
    }
    impl<'a> Visitor<'a> for Literals<'a> {
        fn visit_expr(&mut self, expr: &'a ast::Expr) {
            match expr {
                ast::Expr::StringLiteral(literal) => self.bytes += self.module.text(literal).len(),
                ast::Expr::BytesLiteral(literal) => self.bytes += self.module.text(literal).len(),
                _ => walk_expr(self, expr),
            }
        }
    }
    let mut literals = Literals { module, bytes: 0 };
    module.body().iter().for_each(|stmt| literals.visit_stmt(stmt));
    module.source().len().saturating_sub(literals.bytes)
}

/// No file but the script itself.
pub struct Alone<'a> {
    pub file: &'a str,
    pub source: &'a [u8],
}

impl Siblings for Alone<'_> {
    fn read(&self, name: &str) -> Result<Vec<u8>, String> {
        if name == self.file { Ok(self.source.to_vec()) } else { Err(format!("there is no file {name} to read")) }
    }
}

/// The regular files of a folder.
pub struct InFolder<'a> {
    pub root: &'a Utf8Path,
    pub files: &'a [FileEntry],
}

impl InFolder<'_> {
    /// The file that a script of the folder's top calls `name`.
    pub fn find(&self, name: &str) -> Option<&FileEntry> {
        let path = Utf8PathBuf::from(name.trim_start_matches("./"));
        self.files.iter().find(|file| file.path == path)
    }
}

impl Siblings for InFolder<'_> {
    fn read(&self, name: &str) -> Result<Vec<u8>, String> {
        let Some(file) = self.find(name) else {
            return Err(format!("{name:?} is no file of the folder; nothing outside of it is read"));
        };
        files::read_bounded(&self.root.join(&file.path)).map_err(|error| error.to_string())
    }
}
