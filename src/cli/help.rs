//! `caddie --help` with its commands grouped by the user's aim.

use std::fmt::Write as _;

use clap::Command;
use clap::builder::StyledStr;

/// The commands, grouped by what users come for. A command that this build lacks is left out.
const GROUPS: &[(&str, &[&str])] = &[
    (
        "Make an entry",
        &[
            "init", "doctor", "rehearse", "submit", "collect", "ablate", "recipe", "train", "evaluate", "render",
            "pack", "fixture", "caseops",
        ],
    ),
    ("Check one", &["verify", "size", "audit", "rules", "explain", "ladder"]),
    ("Review one", &["reproduce", "probe", "unpack", "unwrap"]),
    ("Look inside", &["inspect", "schema", "completions", "help"]),
];

/// Returns the same command line with a help that lists the commands under the names of [`GROUPS`].
pub fn grouped(command: Command) -> Command {
    // `help` joins the commands only when clap builds them.
    let mut built = command.clone();
    built.build();
    let template = format!(
        "{{about-with-newline}}\n{{usage-heading}} {{usage}}\n{}\nOptions:\n{{options}}{{after-help}}",
        list(&built)
    );
    command.help_template(StyledStr::from(template))
}

/// Lists every group with the first sentence of each of its commands.
fn list(command: &Command) -> String {
    let width = command.get_subcommands().map(|sub| sub.get_name().len()).max().unwrap_or(0);
    let mut text = String::new();
    for (title, names) in GROUPS {
        let _ = writeln!(text, "\n{title}:"); // Writing to a String cannot fail.
        for sub in names.iter().filter_map(|name| command.find_subcommand(name)) {
            let about = sub.get_about().map(ToString::to_string).unwrap_or_default();
            let _ = writeln!(text, "  {:width$}  {}", sub.get_name(), about);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn every_command_is_in_one_group() {
        let mut command = crate::cli::Cli::command();
        command.build();
        for sub in command.get_subcommands() {
            let groups = GROUPS.iter().filter(|(_, names)| names.contains(&sub.get_name())).count();
            assert_eq!(groups, 1, "put `{}` into one group of caddie --help", sub.get_name());
        }
    }
}
