//! Options of every command that runs a participant's own script.

use camino::Utf8PathBuf;
use clap::Args;

use crate::runner::script::launcher::Launcher;
use crate::runner::script::machine;
use caddie_files::{Error, Result};

/// Options for running a script.
#[derive(Debug, Clone, Args)]
pub struct ScriptOptions {
    /// Your own training script, which is run as it is
    #[arg(long, value_name = "FILE")]
    pub script: Option<Utf8PathBuf>,
    /// Processes of the script [default: one for each GPU]
    #[cfg_attr(feature = "engine", arg(conflicts_with = "recipe"))]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub nproc: Option<u32>,
    /// A setting that the script reads from its environment; repeatable
    #[cfg_attr(feature = "engine", arg(conflicts_with = "recipe"))]
    #[arg(long, value_name = "KEY=VALUE", value_parser = setting)]
    pub env: Vec<(String, String)>,
    /// torchrun, python, or a command with {script}, {nproc}, {seed} [default: torchrun where it is on PATH]
    #[cfg_attr(feature = "engine", arg(conflicts_with = "recipe"))]
    #[arg(long, value_name = "WORDS", value_parser = Launcher::parse)]
    launcher: Option<Launcher>,
    /// The Python that runs it, and torch.distributed.run for several processes [default: the launcher's]
    #[cfg_attr(feature = "engine", arg(conflicts_with = "recipe"))]
    #[arg(long, value_name = "FILE", conflicts_with = "launcher")]
    python: Option<Utf8PathBuf>,
    /// End a run after so many seconds, and one whose training clock passes the limit
    #[cfg_attr(feature = "engine", arg(conflicts_with = "recipe"))]
    #[arg(long, value_name = "SECONDS", require_equals = true, num_args = 0..=1,
          default_missing_value = "1800", value_parser = seconds)]
    pub enforce: Option<f64>,
}

/// Parses `KEY=VALUE`.
pub fn setting(text: &str) -> std::result::Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() && !text.contains('\0') => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write it as KEY=VALUE".to_owned()),
    }
}

/// Parses a time.
pub fn seconds(text: &str) -> std::result::Result<f64, String> {
    let seconds: Option<f64> = text.parse().ok().filter(|seconds: &f64| seconds.is_finite() && *seconds > 0.0);
    seconds.ok_or_else(|| "give seconds, for example --enforce=1800".to_owned())
}

impl ScriptOptions {
    /// Returns the script.
    ///
    /// # Errors
    /// When none was given.
    pub fn required(&self) -> Result<Utf8PathBuf> {
        self.script.clone().ok_or_else(|| Error::Usage("name the script with --script FILE".to_owned()))
    }

    /// Returns the launcher that is asked for, by its own option or by that of the Python.
    pub fn launcher(&self) -> Option<Launcher> {
        let python = self.python.as_ref();
        let several = || self.nproc.map_or_else(|| machine::gpus().len() > 1, |nproc| nproc > 1);
        python.map(|python| Launcher::of_python(python, several())).or_else(|| self.launcher.clone())
    }
}
