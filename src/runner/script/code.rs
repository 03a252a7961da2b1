//! A script with the files beside it that it imports: the code of every run of a submission, a study or a reproduction.

use camino::{Utf8Path, Utf8PathBuf};

use super::environment::Environment;
use super::record::{Cause, Written};
use crate::render::script::{Module, modules};
use caddie_files::{Error, Result};

/// A script as it was read, with its modules.
#[derive(Debug)]
pub struct ScriptCode {
    pub path: Utf8PathBuf,
    pub source: Vec<u8>,
    /// Files beside the script that it imports.
    pub modules: Vec<Module>,
}

impl ScriptCode {
    /// Reads the script at `path`, whose links are followed.
    ///
    /// # Errors
    /// When it is no regular file, or it or a module cannot be read.
    pub fn read(path: &Utf8Path) -> Result<ScriptCode> {
        caddie_files::regular(path)?;
        let path = path.canonicalize_utf8().map_err(Error::io(path, "resolving"))?;
        let source = caddie_files::read_bounded(&path)?;
        Ok(ScriptCode { modules: modules::beside(&path)?, source, path })
    }

    /// Returns the SHA-256 of the script itself.
    pub fn sha256(&self) -> String {
        caddie_format::sha256(&self.source)
    }

    /// Returns the modules by path, length and hash.
    pub fn written_modules(&self) -> Vec<Written> {
        self.modules.iter().map(Written::of_module).collect()
    }

    /// Describes what decides a run of this code.
    pub fn cause(&self, command: Vec<String>, environment: &Environment) -> Cause {
        Cause {
            script: self.path.clone(),
            script_bytes: self.source.len() as u64,
            script_sha256: self.sha256(),
            modules: self.written_modules(),
            command,
            env: environment.recorded.clone(),
            env_withheld: environment.withheld.clone(),
        }
    }

    /// Refuses code that was edited meanwhile: every run is of the same, however long the first ones take. `runs` names them.
    ///
    /// # Errors
    /// When the script or a module is another one now, or cannot be read.
    pub fn check_unchanged(&self, runs: &str) -> Result<()> {
        if caddie_files::read_bounded(&self.path)? == self.source && modules::beside(&self.path)? == self.modules {
            return Ok(());
        }
        Err(Error::Usage(format!(
            "{}, or a file that it imports, was changed while its {runs} were being run; run the command again, and each is \
             made with the new script",
            self.path
        )))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_that_was_edited_is_another_code() {
        let temp = tempfile::tempdir().unwrap();
        let dir = Utf8Path::from_path(temp.path()).unwrap();
        let script = dir.join("train_gpt.py");
        std::fs::write(&script, "import helper\n").unwrap();
        std::fs::write(dir.join("helper.py"), "A = 1\n").unwrap();
        let code = ScriptCode::read(&script).unwrap();
        assert_eq!(code.written_modules().iter().map(|module| module.path.as_str()).collect::<Vec<_>>(), ["helper.py"]);
        code.check_unchanged("seeds").unwrap();
        std::fs::write(dir.join("helper.py"), "A = 2\n").unwrap();
        let refused = code.check_unchanged("seeds").unwrap_err().to_string();
        assert!(refused.contains("or a file that it imports, was changed while its seeds were being run"), "{refused}");
    }
}
