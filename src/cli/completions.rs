//! `caddie completions`: a completion script for a shell.

use clap::{Args, Command};
use clap_complete::Shell;

use caddie_files::Result;
use caddie_files::exit;

/// Print a completion script for a shell
#[derive(Debug, Clone, Args)]
#[command(after_help = "Example:\n  caddie completions bash > ~/.local/share/bash-completion/completions/caddie")]
pub struct CompletionsArgs {
    /// The shell
    shell: Shell,
}

/// Prints the script.
pub fn run(args: &CompletionsArgs, command: &mut Command) -> Result<u8> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, command, "caddie", &mut script);
    super::print(&String::from_utf8_lossy(&script))?;
    Ok(exit::OK)
}
