//! `caddie completions`: a completion script for a shell.

use clap::builder::PossibleValuesParser;
use clap::{Args, Command};
use clap_complete::Shell;

use caddie_files::{Result, exit};
use caddie_rulebook::{Code, Rulebook};

/// Print a completion script for a shell
#[derive(Debug, Clone, Args)]
#[command(after_help = "Example:\n  caddie completions bash > ~/.local/share/bash-completion/completions/caddie")]
pub struct CompletionsArgs {
    /// The shell
    shell: Shell,
}

/// Returns the command line with the names of rules, codes, tracks and recipes as values, which a shell then offers. They
/// stay free where a command is run: a rule may be of another rulebook, and a recipe a file.
fn with_names(mut command: Command, book: &Rulebook) -> Command {
    let rules = book.rules.iter().map(|rule| rule.id.clone());
    let topics: Vec<String> = rules.chain(Code::ALL.iter().map(|code| code.name().to_owned())).collect();
    let tracks: Vec<String> = book.tracks.iter().map(|track| track.name.clone()).collect();
    command = offers(command, &["explain"], "names", &topics);
    for name in ["submit", "collect", "render", "doctor"] {
        command = offers(command, &[name], "track", &tracks);
    }
    #[cfg(feature = "engine")]
    {
        let recipes = crate::runner::recipes::names();
        for way in [&["submit"][..], &["train"], &["ablate"], &["recipe", "show"]] {
            command = offers(command, way, "recipe", &recipes);
        }
    }
    command
}

/// Gives the argument `id` of the subcommand at the end of `way` these values, where both exist.
fn offers(command: Command, way: &[&'static str], id: &str, values: &[String]) -> Command {
    let Some((first, rest)) = way.split_first() else {
        if command.get_arguments().all(|argument| argument.get_id() != id) {
            return command;
        }
        let values = values.to_vec();
        return command.mut_arg(id, |argument| argument.value_parser(PossibleValuesParser::new(values)));
    };
    if command.find_subcommand(first).is_none() {
        return command;
    }
    command.mut_subcommand(*first, |sub| offers(sub, rest, id, values))
}

/// Prints the script.
pub fn run(args: &CompletionsArgs, command: &Command) -> Result<u8> {
    let mut script = Vec::new();
    let mut command = with_names(command.clone(), &Rulebook::builtin()?);
    clap_complete::generate(args.shell, &mut command, "caddie", &mut script);
    super::print(&String::from_utf8_lossy(&script))?;
    Ok(exit::OK)
}
