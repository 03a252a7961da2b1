//! `caddie init`.

use std::fmt::Write as _;

use camino::{Utf8Path, Utf8PathBuf};
use clap::Args;

use crate::project::{self, Init};
use caddie_files::{Error, Result, exit};
use caddie_folder::Folder;
use caddie_rulebook::Rulebook;

/// Begin an entry: a working folder whose caddie.toml answers what other commands would ask
///
/// In that folder and below it, `submit`, `rehearse`, `verify` and `reproduce` need no flags; a flag still wins. The file says
/// what each of its keys is for. Nothing that exists is replaced.
#[derive(Debug, Clone, Args)]
#[command(after_help = "Examples:\n  caddie init --script train_gpt.py\n  caddie init mine --recipe baseline\n  \
                        caddie init mine --from records/track_10min_16mb/2026-04-09_Name")]
pub struct InitArgs {
    /// The folder, which may exist
    #[arg(value_name = "DIR", default_value = ".")]
    folder: Utf8PathBuf,
    /// A records folder to begin with: its name, author, track, seeds and settings, and copies of its script and the
    /// files that the script imports
    #[arg(long, value_name = "FOLDER")]
    from: Option<Utf8PathBuf>,
    /// Your own training script
    #[arg(long, value_name = "FILE", conflicts_with = "from")]
    script: Option<Utf8PathBuf>,
    /// Name of a built-in recipe or path of a recipe file
    #[arg(long, value_name = "NAME", conflicts_with_all = ["script", "from"])]
    recipe: Option<String>,
}

/// Writes the folder, and says what comes next.
pub fn run(args: &InitArgs) -> crate::Result<u8> {
    check(args)?;
    let from = args.from.as_ref().map(|from| found(from)).transpose()?;
    let init = Init { folder: args.folder.clone(), from, script: args.script.clone(), recipe: args.recipe.clone() };
    let files = project::init(&init)?;
    let mut text = String::new();
    for file in &files {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "wrote {file}");
    }
    let there = if args.folder == "." { String::new() } else { format!("in {}, ", args.folder) };
    let _ = writeln!(text, "next: {there}look through {}, then `caddie rehearse` and `caddie submit`", project::FILE);
    super::print(&text)?;
    Ok(exit::OK)
}

/// Refuses a recipe that does not exist, where this build can run one.
fn check(args: &InitArgs) -> crate::Result<()> {
    #[cfg(feature = "engine")]
    if let Some(recipe) = &args.recipe {
        super::engine::run(super::engine::Work::CheckRecipe(recipe))?;
    }
    #[cfg(not(feature = "engine"))]
    if args.recipe.is_some() {
        return Err(crate::Error::usage("--recipe: this caddie was built without the engine, which recipes need"));
    }
    Ok(())
}

fn found(from: &Utf8Path) -> Result<(Utf8PathBuf, project::FolderFacts)> {
    if !from.is_dir() {
        return Err(Error::unreadable(from, caddie_folder::NO_FOLDER));
    }
    let folder = Folder::read(from)?;
    Ok((from.to_owned(), project::of_folder(&folder, &Rulebook::builtin()?)?))
}
