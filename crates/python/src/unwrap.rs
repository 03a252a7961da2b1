//! Finds the source that a script carries and executes: every layer of a wrapper is undone, none is executed.

use std::borrow::Cow;
use std::cell::OnceCell;

use camino::{Utf8Path, Utf8PathBuf};
use serde::Serialize;

use super::decode::Budget;
use super::encoding::{self, TextCodec};
use super::eval::{Evaluator, Siblings};
use super::module::ast::visitor::{Visitor, walk_expr};
use super::module::{Module, Problem, ast};
use super::value::{Data, Step};
use super::zipapp;
use caddie_files::FileEntry;

/// Most wrappers within wrappers that are followed.
const MAX_LAYERS: usize = 8;
/// Least length of a packed literal that is worth asking for; a shorter one is a key or a digest.
const MIN_PACKED: usize = 200;

/// A wrapper around a source.
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
    /// Places that could not be followed. Lines are those of the source that the layers above revealed.
    pub problems: Vec<Problem>,
    /// The source was executed as text, in which a coding line means nothing.
    #[serde(skip)]
    is_text: bool,
    /// The innermost source as a tree, parsed at the first request.
    #[serde(skip)]
    parsed: OnceCell<Result<Module, Problem>>,
}

impl Unwrapped {
    /// Takes a source as it stands.
    pub fn plain(source: &[u8]) -> Unwrapped {
        Unwrapped {
            layers: Vec::new(),
            source: source.to_vec(),
            problems: Vec::new(),
            is_text: false,
            parsed: OnceCell::new(),
        }
    }

    /// Returns the innermost source, parsed once.
    ///
    /// # Errors
    /// As [`Module::parse`].
    pub fn module(&self) -> Result<&Module, &Problem> {
        self.parsed.get_or_init(|| Module::parse(&self.text()?)).as_ref()
    }

    /// Returns the innermost source as Python reads it.
    fn text(&self) -> Result<Cow<'_, str>, Problem> {
        if self.is_text {
            return Ok(String::from_utf8_lossy(&self.source));
        }
        let codec = encoding::of_script(&self.source).map_err(|(line, reason)| Problem::new(line, reason))?;
        if let (TextCodec::Utf8, Err(error)) = (codec, std::str::from_utf8(&self.source)) {
            let before = self.source.get(..error.valid_up_to()).unwrap_or_default();
            let line = 1 + before.iter().filter(|byte| **byte == b'\n').count() as u64;
            return Err(Problem::not_python(line, "a byte is not UTF-8, and no coding line names another encoding"));
        }
        Ok(codec.decode(self.source.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&self.source)))
    }

    /// Goes on with the contents of a layer.
    fn enter(&mut self, layer: Layer, source: Vec<u8>, is_text: bool) {
        (self.source, self.is_text, self.parsed) = (source, is_text, OnceCell::new());
        self.layers.push(layer);
    }

    /// Returns the file beside the script that the innermost source was read from.
    pub fn redirect(&self) -> Option<&str> {
        self.layers.iter().rev().find_map(|layer| layer.file.as_deref())
    }
}

/// Undoes the wrappers of `source`, the script called `file`, without executing anything.
///
/// A call of `exec` or the like is a wrapper when the source that it executes is the larger part of the program, and so
/// is a zip with a `__main__.py`. Something that cannot be evaluated, decoded or parsed ends the search and is a
/// problem, never an error.
pub fn unwrap(source: &[u8], file: &str, siblings: &dyn Siblings) -> Unwrapped {
    let mut unwrapped = Unwrapped::plain(source);
    let mut budget = Budget::default();
    if !open_zip(&mut unwrapped, &mut budget) {
        return unwrapped;
    }
    loop {
        if unwrapped.layers.len() == MAX_LAYERS {
            unwrapped
                .problems
                .push(Problem::new(1, format!("more than {MAX_LAYERS} layers; the rest is not unwrapped")));
            break;
        }
        let outer = unwrapped.layers.is_empty();
        let found = unwrapped.module().map(|module| search(module, file, siblings, &mut budget));
        match found.map_err(Clone::clone) {
            Ok(Found { inner: Some((layer, inner, is_text)), .. }) => {
                unwrapped.enter(layer, inner.bytes.to_vec(), is_text);
            }
            Ok(Found { problems, .. }) => {
                unwrapped.problems.extend(problems);
                break;
            }
            // A script that is no Python and carries nothing is reported where it is parsed, not as a wrapper.
            Err(problem) if outer && problem.is_syntax() && !may_execute(&unwrapped.source) => break,
            Err(problem) => {
                unwrapped.problems.push(problem);
                break;
            }
        }
    }
    unwrapped
}

/// Enters the zip that Python runs in place of the text, if there is one; returns false where it cannot be followed.
fn open_zip(unwrapped: &mut Unwrapped, budget: &mut Budget) -> bool {
    let Some(app) = zipapp::read(&unwrapped.source, budget) else { return true };
    let others = app.others.len();
    if let Some(first) = app.others.first() {
        let more = if others == 1 { String::new() } else { format!(" and {} more", others - 1) };
        let reason = format!("the zip that Python runs holds further code that is not followed: {first}{more}");
        unwrapped.problems.push(Problem::new(1, reason));
    }
    match app.main {
        Ok(main) => {
            let step = Step { codec: "zip, __main__.py", bytes_in: app.packed, bytes_out: main.len() as u64 };
            let (bytes_in, bytes_out) = (unwrapped.source.len() as u64, main.len() as u64);
            let layer = Layer { line: 1, file: None, steps: vec![step], bytes_in, bytes_out };
            unwrapped.enter(layer, main, false);
            true
        }
        Err(reason) => {
            let reason = format!("Python runs the zip in this file: {reason}");
            unwrapped.problems.push(Problem::new(1, reason));
            false
        }
    }
}

/// Tells whether the bytes hold a word without which nothing is executed.
fn may_execute(source: &[u8]) -> bool {
    let holds = |word: &[u8]| source.windows(word.len()).any(|window| window == word);
    holds(b"exec") || holds(b"eval(") || holds(b"runpy") || holds(b"coding")
}

/// The executions found in a module.
struct Found {
    /// The layer, its contents, and true when they are text.
    inner: Option<(Layer, Data, bool)>,
    problems: Vec<Problem>,
}

fn search(module: &Module, file: &str, siblings: &dyn Siblings, budget: &mut Budget) -> Found {
    let mut evaluator = Evaluator::new(module, file, siblings, budget);
    evaluator.run();
    let (executions, mut problems, handed) = (evaluator.executions, evaluator.problems, evaluator.handed);
    let own = code_bytes(module);
    if problems.is_empty() && executions.is_empty() {
        problems.extend(handed);
    }
    if problems.is_empty() && executions.is_empty() {
        problems.extend(not_followed(module, own));
    }
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
            (layer, source, execution.is_text)
        }),
    }
}

/// Reports a packed text that is the larger part of a script and that nothing in it was seen to execute: its use was
/// not followed, so the script must not pass for one without a wrapper.
fn not_followed(module: &Module, own: usize) -> Option<Problem> {
    let (line, bytes) = Literals::of(module).largest_packed?;
    let reason = format!(
        "a packed literal of {bytes} bytes is the larger part of the script, and what becomes of it could not be followed"
    );
    (bytes >= MIN_PACKED && bytes >= own).then(|| Problem::new(line, reason))
}

/// Counts the bytes of a module that are not in literals.
fn code_bytes(module: &Module) -> usize {
    module.source().len().saturating_sub(Literals::of(module).bytes)
}

/// The literals of a module.
struct Literals<'a> {
    module: &'a Module,
    bytes: usize,
    /// Line and bytes of the largest that is no text that people read.
    largest_packed: Option<(u64, usize)>,
}

impl<'a> Literals<'a> {
    fn of(module: &'a Module) -> Literals<'a> {
        let mut literals = Literals { module, bytes: 0, largest_packed: None };
        module.body().iter().for_each(|stmt| literals.visit_stmt(stmt));
        literals
    }

    fn add(&mut self, expr: &'a ast::Expr) {
        let text = self.module.text(expr);
        self.bytes += text.len();
        if text.len() > self.largest_packed.map_or(0, |(_, bytes)| bytes) && is_packed(text) {
            self.largest_packed = Some((self.module.line(expr), text.len()));
        }
    }
}

impl<'a> Visitor<'a> for Literals<'a> {
    fn visit_expr(&mut self, expr: &'a ast::Expr) {
        match expr {
            ast::Expr::StringLiteral(_) | ast::Expr::BytesLiteral(_) => self.add(expr),
            _ => walk_expr(self, expr),
        }
    }
}

/// Tells whether a literal looks packed: hardly a space in it, as in base64, or hardly a letter, as in escaped bytes.
fn is_packed(text: &str) -> bool {
    let spaces = text.chars().filter(|c| *c == ' ').count();
    let odd = text.chars().filter(|c| *c == '\\' || !c.is_ascii() || c.is_ascii_control()).count();
    let length = text.chars().count().max(1);
    spaces * 50 < length || odd * 8 > length
}

/// A folder with no file but the script itself.
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
            return Err(format!("{name:?} is not a file of the folder; nothing outside of it is read"));
        };
        caddie_files::read_bounded(&self.root.join(&file.path)).map_err(|error| error.to_string())
    }
}
