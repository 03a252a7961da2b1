//! The files of a folder that a script runs or reads.

use camino::{Utf8Path, Utf8PathBuf};

use crate::Folder;
use caddie_python::ast::visitor::{Visitor, walk_expr, walk_stmt};
use caddie_python::{InFolder, Unwrapped, unwrap};
use caddie_python::{Module, ast};

/// Most helpers that are examined.
const MAX_HELPERS: usize = 50;
/// Endings of files that hold code or data that a script could load; logs, documents and tokenizers are not code.
const CODE: [&str; 14] = ["py", "pyx", "c", "cc", "cpp", "cu", "cuh", "h", "so", "ptx", "cubin", "bin", "npz", "pt"];

/// A file that the script runs or reads at run time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Helper {
    pub path: Utf8PathBuf,
    pub bytes: u64,
}

/// The files and modules that running a folder's script brings in.
#[derive(Debug)]
pub struct Executed {
    pub unwrapped: Unwrapped,
    /// Files of the folder beside the script, in sorted order.
    pub helpers: Vec<Helper>,
}

impl Executed {
    /// Bytes of the helpers.
    pub fn helper_bytes(&self) -> u64 {
        self.helpers.iter().fold(0, |sum, helper| sum.saturating_add(helper.bytes))
    }
}

/// Follows the counted script of `folder`: its wrapper, its imports, and the files that it names.
pub fn executed(folder: &Folder) -> Option<Executed> {
    let script =
        folder.code.iter().find(|code| folder.script.as_ref().is_some_and(|script| script.path == code.path))?;
    let siblings = InFolder { root: &folder.path, files: &folder.files };
    let unwrapped = unwrap(script.source(), script.path.as_str(), &siblings);
    let mut found = Executed { helpers: Vec::new(), unwrapped };
    let redirect = found.unwrapped.redirect().and_then(|name| siblings.find(name));
    let redirect = redirect.filter(|file| file.path != script.path);
    found.helpers.extend(redirect.map(|file| Helper { path: file.path.clone(), bytes: file.bytes }));
    if !folder.files.iter().any(|file| is_code(&file.path) && file.path != script.path) {
        return Some(found);
    }
    let mut open: Vec<Names> = found.unwrapped.module().map(Names::of).into_iter().collect();
    while let Some(Names { names }) = open.pop() {
        for file in folder.files.iter().filter(|file| is_code(&file.path) && file.path != script.path) {
            let known = found.helpers.iter().any(|helper| helper.path == file.path);
            if known || found.helpers.len() >= MAX_HELPERS || !names.iter().any(|name| means(name, &file.path)) {
                continue;
            }
            found.helpers.push(Helper { path: file.path.clone(), bytes: file.bytes });
            if file.path.extension() == Some("py") {
                let text = caddie_files::read_text(&folder.path.join(&file.path)).unwrap_or_default();
                open.extend(Module::parse(&text).map(|module| Names::of(&module)));
            }
        }
    }
    found.helpers.sort_by(|a, b| a.path.cmp(&b.path));
    Some(found)
}

/// Returns the first parts of the names of all modules that a module imports, anywhere in it.
pub fn imports(module: &Module) -> impl Iterator<Item = String> {
    Names::of(module).names.into_iter().filter_map(|name| match name {
        Name::Module(name) => name.split('.').next().map(str::to_owned),
        Name::File(_) => None,
    })
}

fn is_code(path: &Utf8Path) -> bool {
    path.extension().is_some_and(|extension| CODE.contains(&extension))
}

/// Tells whether a name in the script means this file: `ngram_tilt` or `a/kernel.cpp`, wherever the script expects it.
fn means(name: &Name, path: &Utf8Path) -> bool {
    match name {
        Name::Module(module) => {
            let top = module.split('.').next().unwrap_or(module);
            path.extension() == Some("py")
                && (path.file_stem() == Some(top) && path.components().count() == 1
                    || path.components().count() > 1 && path.starts_with(top))
        }
        Name::File(file) => file.rsplit('/').next() == path.file_name(),
    }
}

/// A name that a script uses for a file.
enum Name {
    Module(String),
    File(String),
}

#[derive(Default)]
struct Names {
    names: Vec<Name>,
}

impl<'a> Visitor<'a> for Names {
    fn visit_stmt(&mut self, stmt: &'a ast::Stmt) {
        match stmt {
            ast::Stmt::Import(import) => {
                self.names.extend(import.names.iter().map(|alias| Name::Module(alias.name.to_string())));
            }
            ast::Stmt::ImportFrom(import) => match &import.module {
                Some(module) => self.names.push(Name::Module(module.to_string())),
                // `from . import module`
                None => self.names.extend(import.names.iter().map(|alias| Name::Module(alias.name.to_string()))),
            },
            _ => {}
        }
        walk_stmt(self, stmt);
    }

    fn visit_expr(&mut self, expr: &'a ast::Expr) {
        match expr {
            ast::Expr::StringLiteral(literal) => {
                let text = literal.value.to_str();
                let ending = text.rsplit('.').next().is_some_and(|ending| CODE.contains(&ending));
                if ending && text.len() < 256 {
                    self.names.push(Name::File(text.to_owned()));
                }
            }
            ast::Expr::Call(call) => self.call(call),
            _ => {}
        }
        walk_expr(self, expr);
    }
}

impl Names {
    fn of(module: &Module) -> Names {
        let mut names = Names::default();
        module.body().iter().for_each(|stmt| names.visit_stmt(stmt));
        names
    }

    /// Records the module that `import_module("x")` names.
    fn call(&mut self, call: &ast::ExprCall) {
        let function = match &*call.func {
            ast::Expr::Attribute(attribute) => attribute.attr.as_str(),
            ast::Expr::Name(name) => name.id.as_str(),
            _ => return,
        };
        if let ("import_module" | "__import__", Some(ast::Expr::StringLiteral(literal))) =
            (function, call.arguments.args.first())
        {
            self.names.push(Name::Module(literal.value.to_str().to_owned()));
        }
    }
}
