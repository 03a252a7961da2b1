//! `--rulebook`: the option shared by all commands that read limits or rules.

use camino::Utf8PathBuf;
use clap::Args;

use crate::checks::coverage;
use caddie_files::Result;
use caddie_rulebook::Rulebook;

/// The option that chooses a challenge's rules.
#[derive(Debug, Clone, Default, Args)]
pub struct RulebookOption {
    /// Rulebook of another challenge, in TOML (caddie rules --format toml prints caddie's own)
    #[arg(long, value_name = "FILE")]
    pub rulebook: Option<Utf8PathBuf>,
}

impl RulebookOption {
    /// The rulebook of the file, else the builtin one.
    ///
    /// # Errors
    /// When the file cannot be read, or is no rulebook without flaws.
    pub fn load(&self) -> Result<Rulebook> {
        coverage::load(self.rulebook.as_deref())
    }

    /// Loads the rulebook with all its flaws, to list them.
    ///
    /// # Errors
    /// When the file cannot be read, or is not of the form of a rulebook.
    pub fn load_flawed(&self) -> Result<Rulebook> {
        self.rulebook.as_deref().map_or_else(Rulebook::builtin, Rulebook::read)
    }
}
