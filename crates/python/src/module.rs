//! Python as a syntax tree: parsed within bounds, never executed.
//!
//! The only place that knows the parser. Trees are those of [`ast`]; positions become lines here.

use std::fmt;
use std::ops::Range;

use camino::{Utf8Path, Utf8PathBuf};
pub use ruff_python_ast as ast;
use ruff_python_ast::token::TokenKind;
use ruff_python_parser::{Mode, ParseOptions, UnsupportedSyntaxError};
use ruff_text_size::Ranged;
use serde::Serialize;

/// Longest source that is parsed, bytes. The longest real script has 160 kB.
pub const MAX_SOURCE_BYTES: usize = 4 << 20;
/// Deepest nesting of brackets, operators and blocks. CPython stops at 200 brackets; a deeper tree could not be walked
/// or freed on an ordinary stack.
const MAX_DEPTH: usize = 400;

/// The problem for which a source could not be read, with its line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Line of the source, 1-based.
    pub line: u64,
    pub reason: String,
}

impl Problem {
    /// Makes a problem in `line`.
    pub fn new(line: u64, reason: impl Into<String>) -> Problem {
        Problem { line, reason: reason.into() }
    }

    /// Makes a problem that Python itself would report in `line`.
    pub fn not_python(line: u64, reason: &str) -> Problem {
        Problem::new(line, format!("{NOT_PYTHON}: {reason}"))
    }

    /// Tells whether the source is no Python, rather than too much of it.
    pub fn is_syntax(&self) -> bool {
        self.reason.starts_with(NOT_PYTHON)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.reason)
    }
}

/// The beginning of the reason where the grammar is broken.
const NOT_PYTHON: &str = "not valid Python";

/// A parsed script.
#[derive(Debug)]
pub struct Module {
    source: String,
    tree: ast::ModModule,
    lines: Lines,
    newer: Vec<Newer>,
    neighbors: Vec<Neighbor>,
}

/// A module beside the script that was parsed with it.
#[derive(Debug)]
struct Neighbor {
    /// Its file, in the script's folder.
    path: Utf8PathBuf,
    /// The line of the whole text with which it begins (1-based).
    first_line: u64,
    /// Its statements among those of the whole text.
    statements: Range<usize>,
}

/// Syntax that the oldest supported Python does not read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Newer {
    /// 1-based.
    pub line: u64,
    pub reason: String,
    /// The first Python that reads it: 12 of 3.12.
    pub minor: u8,
}

/// The oldest Python that current versions of torch support: 3.10.
const OLDEST: ast::PythonVersion = ast::PythonVersion::PY310;

impl Module {
    /// Parses a whole script in the grammar of the newest Python that the parser knows (3.12's f-strings included).
    ///
    /// # Errors
    /// When it is not Python, too long or nested too deep; with the line.
    pub fn parse(source: &str) -> Result<Module, Problem> {
        if source.len() > MAX_SOURCE_BYTES {
            let reason = format!("{} bytes are too long to parse; the limit is {MAX_SOURCE_BYTES}", source.len());
            return Err(Problem::new(1, reason));
        }
        let lines = Lines::new(source);
        if let Some(line) = too_deep(source) {
            return Err(Problem::new(line, format!("nested deeper than {MAX_DEPTH} levels")));
        }
        let options = ParseOptions::from(Mode::Module).with_target_version(OLDEST);
        match ruff_python_parser::parse(source, options) {
            Ok(parsed) => {
                let newer = parsed.unsupported_syntax_errors().iter().map(|error| Newer {
                    line: lines.line(error.range.start().to_usize()),
                    reason: error.to_string(),
                    minor: first_to_read(source, error),
                });
                let newer = newer.take(MAX_NEWER).collect();
                // The parser was asked for a module.
                let tree = parsed.try_into_module().map(ruff_python_parser::Parsed::into_syntax);
                let tree = tree.ok_or_else(|| Problem::new(1, "not a module"))?;
                Ok(Module { source: source.to_owned(), tree, lines, newer, neighbors: Vec::new() })
            }
            Err(error) => {
                let line = lines.line(error.location.start().to_usize());
                Err(Problem::new(line, format!("{NOT_PYTHON}: {}", error.error)))
            }
        }
    }

    /// Parses a script together with modules that lie beside it, given by file name and text. They become one text, one
    /// after the other, so that every node has a place of its own.
    ///
    /// # Errors
    /// As [`Module::parse`] of all of it.
    pub fn with_neighbors(script: &str, neighbors: &[(&Utf8Path, &str)]) -> Result<Module, Problem> {
        let mut text = format!("{script}\n");
        let mut starts = Vec::new();
        for (path, source) in neighbors {
            starts.push((*path, text.len()));
            text.push_str(source.trim_start_matches('\u{feff}'));
            text.push('\n');
        }
        let mut module = Module::parse(&text)?;
        let statement = |offset: usize| module.tree.body.partition_point(|stmt| module.start(stmt) < offset);
        let ends = starts.iter().skip(1).map(|(_, start)| *start).chain([text.len()]);
        let neighbors = starts.iter().zip(ends).map(|((path, start), end)| Neighbor {
            path: (*path).to_owned(),
            first_line: module.lines.line(*start),
            statements: statement(*start)..statement(end),
        });
        module.neighbors = neighbors.collect();
        Ok(module)
    }

    /// Returns the top-level statements of the script itself.
    pub fn body(&self) -> &[ast::Stmt] {
        let end = self.neighbors.first().map_or(self.tree.body.len(), |neighbor| neighbor.statements.start);
        self.tree.body.get(..end).unwrap_or_default()
    }

    /// Returns the top-level statements of the script and of every module that was parsed with it, in order.
    pub fn bodies(&self) -> impl Iterator<Item = &[ast::Stmt]> {
        let others = self.neighbors.iter().map(|neighbor| neighbor.statements.clone());
        std::iter::once(self.body()).chain(others.map(|range| self.tree.body.get(range).unwrap_or_default()))
    }

    /// Returns the number among [`Module::bodies`] of the module of this name.
    pub fn neighbor(&self, name: &str) -> Option<usize> {
        let found = self.neighbors.iter().position(|neighbor| neighbor.path.file_stem() == Some(name));
        found.map(|index| index + 1)
    }

    /// Returns the file of a line of the whole text, `None` for the script itself, and the line in that file.
    pub fn place(&self, line: u64) -> (Option<&Utf8Path>, u64) {
        match self.neighbors.iter().rev().find(|neighbor| neighbor.first_line <= line) {
            Some(neighbor) => (Some(&neighbor.path), line - neighbor.first_line + 1),
            None => (None, line),
        }
    }

    /// Returns the syntax of the script itself that Python 3.10 would not read, in order.
    pub fn newer(&self) -> &[Newer] {
        let end = self.neighbors.first().map_or(u64::MAX, |neighbor| neighbor.first_line);
        let own = self.newer.iter().take_while(|newer| newer.line < end).count();
        self.newer.get(..own).unwrap_or_default()
    }

    /// Returns the text that was parsed: the script and the modules that were parsed with it.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Returns the line (1-based) where `node` begins.
    pub fn line(&self, node: &impl Ranged) -> u64 {
        self.lines.line(node.start().to_usize())
    }

    /// Returns the offset at which `node` begins, in bytes of the source: it tells two statements of one line apart.
    pub fn start(&self, node: &impl Ranged) -> usize {
        node.start().to_usize()
    }

    /// Returns the source text of `node`.
    pub fn text(&self, node: &impl Ranged) -> &str {
        let range = node.range();
        self.source.get(range.start().to_usize()..range.end().to_usize()).unwrap_or("")
    }
}

/// Places with newer syntax that are listed.
const MAX_NEWER: usize = 20;

/// Returns the minor version of the first Python that reads syntax which the oldest does not.
fn first_to_read(source: &str, error: &UnsupportedSyntaxError) -> u8 {
    let newer = ast::PythonVersion::iter().filter(|version| *version > OLDEST);
    let reads = |version: &ast::PythonVersion| {
        let options = ParseOptions::from(Mode::Module).with_target_version(*version);
        let parsed = ruff_python_parser::parse_unchecked(source, options);
        !parsed.unsupported_syntax_errors().iter().any(|other| other.range == error.range)
    };
    let first = newer.into_iter().find(reads).unwrap_or(ast::PythonVersion::latest());
    first.minor
}

/// Offsets at which lines begin.
#[derive(Debug)]
struct Lines(Vec<usize>);

impl Lines {
    fn new(source: &str) -> Lines {
        let ends = source.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
        Lines(std::iter::once(0).chain(ends.map(|(at, _)| at + 1)).collect())
    }

    fn line(&self, offset: usize) -> u64 {
        self.0.partition_point(|start| *start <= offset) as u64
    }
}

/// The nesting at one level of brackets.
#[derive(Default)]
struct Level {
    /// Operators, attributes and calls since the last comma: each may hold everything before it.
    chain: usize,
    /// Lambdas since the bracket opened: a comma may belong to their parameters.
    lambdas: usize,
}

/// Returns the line where the nesting passes [`MAX_DEPTH`]. The tokens bound the nesting from above, before anything
/// recursive sees the source. Lines inside of strings are not counted, because the lexer does not say where it is.
fn too_deep(source: &str) -> Option<u64> {
    let mut lexer = ruff_python_parser::lexer::lex(source, Mode::Module);
    let mut levels = vec![Level::default()];
    let (mut blocks, mut chained, mut line) = (0usize, 0usize, 1u64);
    loop {
        let kind = lexer.next_token();
        let nested = levels.len() > 1;
        let level = levels.last_mut()?;
        match kind {
            TokenKind::EndOfFile => return None,
            TokenKind::Indent => blocks += 1,
            TokenKind::Dedent => blocks = blocks.saturating_sub(1),
            TokenKind::Lpar
            | TokenKind::Lsqb
            | TokenKind::Lbrace
            | TokenKind::FStringStart
            | TokenKind::TStringStart => {
                level.chain += 1;
                chained += 1;
                levels.push(Level::default());
            }
            TokenKind::Rpar | TokenKind::Rsqb | TokenKind::Rbrace | TokenKind::FStringEnd | TokenKind::TStringEnd
                if nested =>
            {
                let closed = levels.pop().unwrap_or_default();
                chained -= closed.chain + closed.lambdas;
            }
            TokenKind::Comma => chained -= std::mem::take(&mut level.chain),
            TokenKind::NonLogicalNewline => line += 1,
            TokenKind::Newline | TokenKind::Semi => {
                line += u64::from(kind == TokenKind::Newline);
                levels.clear();
                levels.push(Level::default());
                chained = 0;
            }
            TokenKind::Lambda => {
                level.lambdas += 1;
                chained += 1;
            }
            TokenKind::Dot
            | TokenKind::Not
            | TokenKind::If
            | TokenKind::Else
            | TokenKind::Await
            | TokenKind::Yield
            | TokenKind::Plus
            | TokenKind::Minus
            | TokenKind::Star
            | TokenKind::Slash
            | TokenKind::DoubleSlash
            | TokenKind::Percent
            | TokenKind::At
            | TokenKind::Vbar
            | TokenKind::Amper
            | TokenKind::CircumFlex
            | TokenKind::LeftShift
            | TokenKind::RightShift
            | TokenKind::DoubleStar
            | TokenKind::ColonEqual
            | TokenKind::Tilde => {
                level.chain += 1;
                chained += 1;
            }
            _ => {}
        }
        if blocks + chained > MAX_DEPTH {
            return Some(line);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn python_312_parses_and_lines_are_found() {
        let module = Module::parse("x = 1\ny = f\"{d[\"a\"]} {f\"{x}\"}\"\n").expect("parses");
        let [_, second] = module.body() else { panic!("two statements") };
        assert_eq!((module.line(second), module.text(second)), (2, "y = f\"{d[\"a\"]} {f\"{x}\"}\""));
    }

    #[test]
    fn modules_beside_the_script_have_lines_and_statements_of_their_own() {
        let beside = [(Utf8Path::new("a.py"), "x = 1\ny = 2"), (Utf8Path::new("b.py"), "\u{feff}z = f'{q!r:>{w}}'\n")];
        let module = Module::with_neighbors("import a\nimport b", &beside).expect("parses");
        let counts: Vec<usize> = module.bodies().map(<[ast::Stmt]>::len).collect();
        assert_eq!((counts, module.body().len()), (vec![2, 2, 1], 2));
        assert_eq!((module.neighbor("a"), module.neighbor("b"), module.neighbor("c")), (Some(1), Some(2), None));
        let line = |body: usize, index: usize| {
            let body = module.bodies().nth(body).expect("a body");
            module.place(module.line(&body[index]))
        };
        assert_eq!((line(0, 1), line(1, 1)), ((None, 2), (Some(Utf8Path::new("a.py")), 2)));
        assert_eq!(line(2, 0), (Some(Utf8Path::new("b.py")), 1));
    }

    #[test]
    fn an_error_names_its_line() {
        let problem = Module::parse("x = 1\nif x\n").expect_err("no colon");
        assert_eq!(problem.line, 2);
        assert!(problem.to_string().starts_with("line 2: not valid Python"), "{problem}");
    }

    #[test]
    fn what_could_overflow_the_stack_is_refused() {
        let deep = 100_000;
        let blocks: String = (0..1000).map(|depth| format!("{}if x:\n", " ".repeat(depth))).collect();
        for source in [
            format!("{}1{}", "(".repeat(deep), ")".repeat(deep)),
            format!("x = {}1", "-".repeat(deep)),
            format!("x = {}1", "not ".repeat(deep)),
            format!("x = 1{}", "+1".repeat(deep)),
            format!("x = a{}", ".b".repeat(deep)),
            format!("x = a{}", "()".repeat(deep)),
            format!("x = {}1", "lambda a,b: ".repeat(deep)),
            format!("x = {}1", "a if b else ".repeat(deep)),
            format!("x = {}", "f'{".repeat(deep)),
            format!("x = {}1", "a**".repeat(deep)),
            format!("{blocks}{}pass\n", " ".repeat(1000)),
        ] {
            let problem = Module::parse(&source).expect_err("too deep");
            assert!(problem.reason.starts_with("nested deeper"), "{problem}: {}", &source[..20]);
        }
    }

    #[test]
    fn long_but_flat_sources_parse() {
        let list = format!("x = [{}]\n", "a.b(1) + 2, ".repeat(10_000));
        let strings = format!("x = ({})\n", "\"a\"\n".repeat(10_000));
        let tests = format!("x = a{}\n", " and b".repeat(1_000));
        let statements = "if a:\n    b = c.d(e)\n".repeat(10_000);
        for source in [list, strings, tests, statements] {
            assert!(Module::parse(&source).is_ok(), "{}", &source[..30]);
        }
    }
}
