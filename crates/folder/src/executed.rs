//! The files of a folder that a script runs or reads.

use camino::{Utf8Path, Utf8PathBuf};

use crate::Folder;
use caddie_files::{Error, FileEntry, Result};
use caddie_python::ast::visitor::{Visitor, walk_expr, walk_stmt};
use caddie_python::{InFolder, Module, Script, Unwrapped, ast, unwrap};

/// Most helpers that are examined.
const MAX_HELPERS: usize = 50;
/// Endings of files that hold code or data that a script could load; logs, documents and tokenizers are not code.
const CODE: [&str; 14] = ["py", "pyx", "c", "cc", "cpp", "cu", "cuh", "h", "so", "ptx", "cubin", "bin", "npz", "pt"];

/// Endings among them of data.
const DATA: [&str; 3] = ["bin", "npz", "pt"];

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
    Some(follow(script, &folder.path, &folder.files))
}

/// Lists the code beside a script that lies in no records folder: the modules that it imports and the sources that it names,
/// relative to its folder. Files of data are left out: one that an earlier run wrote is not the author's.
///
/// # Errors
/// When the script cannot be read, or its folder not be listed.
pub fn beside(script: &Utf8Path) -> Result<Vec<Utf8PathBuf>> {
    let parent = script.parent().filter(|parent| !parent.as_str().is_empty()).unwrap_or(Utf8Path::new("."));
    let name = Utf8PathBuf::from(script.file_name().unwrap_or_default());
    let is_source = |path: &Utf8Path| is_code(path) && !path.extension().is_some_and(|end| DATA.contains(&end));
    let (mut files, mut packages) = (Vec::new(), Vec::new());
    for entry in parent.read_dir_utf8().map_err(Error::io(parent, "listing"))?.flatten() {
        let (path, Ok(metadata)) = (Utf8PathBuf::from(entry.file_name()), entry.metadata()) else { continue };
        if metadata.is_file() && is_source(&path) {
            files.push(FileEntry { path, bytes: metadata.len() });
        } else if metadata.is_dir() && !path.as_str().starts_with('.') {
            packages.push(path);
        }
    }
    let script = Script::read(parent, &name)?;
    // A package is looked into when something that is known by then names it: a data folder may hold a million files.
    loop {
        files.sort_by(|a, b| a.path.cmp(&b.path));
        let (found, names) = follow_names(&script, parent, &files, true);
        let named = |package: &Utf8PathBuf| names.iter().any(|name| name.begins(package.as_str()));
        let Some(at) = packages.iter().position(named) else {
            return Ok(found.helpers.into_iter().map(|helper| helper.path).collect());
        };
        let package = packages.swap_remove(at);
        let listing = caddie_files::list(&parent.join(&package))?;
        let inside = listing.files.into_iter().filter(|file| is_source(&file.path));
        files.extend(inside.map(|file| FileEntry { path: package.join(&file.path), bytes: file.bytes }));
    }
}

/// Follows `script`, which lies in `root` among `files`.
fn follow(script: &Script, root: &Utf8Path, files: &[FileEntry]) -> Executed {
    follow_names(script, root, files, false).0
}

/// Follows a script, and returns the names that it and its helpers use as well; where no other code is, those are looked for
/// only if they are `wanted`.
fn follow_names(script: &Script, root: &Utf8Path, files: &[FileEntry], wanted: bool) -> (Executed, Vec<Name>) {
    let siblings = InFolder { root, files };
    let unwrapped = unwrap(script.source(), script.path.as_str(), &siblings);
    let mut found = Executed { helpers: Vec::new(), unwrapped };
    let redirect = found.unwrapped.redirect().and_then(|name| siblings.find(name));
    let redirect = redirect.filter(|file| file.path != script.path);
    found.helpers.extend(redirect.map(|file| Helper { path: file.path.clone(), bytes: file.bytes }));
    if !wanted && !files.iter().any(|file| is_code(&file.path) && file.path != script.path) {
        return (found, Vec::new());
    }
    let mut open: Vec<Names> = found.unwrapped.module().map(Names::of).into_iter().collect();
    let mut used = Vec::new();
    while let Some(Names { names }) = open.pop() {
        for file in files.iter().filter(|file| is_code(&file.path) && file.path != script.path) {
            let known = found.helpers.iter().any(|helper| helper.path == file.path);
            if known || found.helpers.len() >= MAX_HELPERS || !names.iter().any(|name| means(name, &file.path)) {
                continue;
            }
            found.helpers.push(Helper { path: file.path.clone(), bytes: file.bytes });
            if file.path.extension() == Some("py") {
                let text = caddie_files::read_text(&root.join(&file.path)).unwrap_or_default();
                open.extend(Module::parse(&text).map(|module| Names::of(&module)));
            }
        }
        used.extend(names);
    }
    found.helpers.sort_by(|a, b| a.path.cmp(&b.path));
    (found, used)
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

impl Name {
    /// Tells whether it leads into the folder `package`.
    fn begins(&self, package: &str) -> bool {
        match self {
            Name::Module(module) => module.split('.').next() == Some(package),
            Name::File(file) => file.split('/').find(|part| *part != ".") == Some(package) && file.contains('/'),
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_beside_a_script_is_what_it_imports_and_not_what_a_run_left() {
        let dir = tempfile::tempdir().expect("a folder");
        let root = Utf8Path::from_path(dir.path()).expect("UTF-8");
        for (path, text) in [
            ("train.py", "import helper\nfrom parts import layer\nopen('final_model.pt', 'wb')\nload('k.cpp')\n"),
            ("helper.py", "import other.inner\n"),
            ("parts/layer.py", ""),
            ("parts/weights.bin", ""),
            ("other/inner.py", "import torch\n"),
            ("k.cpp", ""),
            ("unused.py", ""),
            ("data/fineweb_val_000000.bin", ""),
            ("final_model.pt", ""),
        ] {
            let path = root.join(path);
            std::fs::create_dir_all(path.parent().expect("a parent")).expect("creates");
            std::fs::write(path, text).expect("writes");
        }
        let found = beside(&root.join("train.py")).expect("lists");
        assert_eq!(found, ["helper.py", "k.cpp", "other/inner.py", "parts/layer.py"]);
    }
}
