//! The values of a `caddie.toml` as defaults of the commands that take them, so that a flag wins and `--help` shows them.

use camino::{Utf8Path, Utf8PathBuf};
use clap::Command;

use crate::project::{self, Project};
use caddie_files::{Error, Result};

/// Commands that take the entry's own values, by the names of their options.
const OF_THE_ENTRY: [&str; 4] = ["submit", "collect", "render", "reproduce"];
/// Commands that take the data alone.
const OF_THE_DATA: [&str; 2] = ["train", "evaluate"];

/// Reads the `caddie.toml` that holds in the current folder.
///
/// # Errors
/// Those of [`project::find`].
pub fn here() -> Result<Option<Project>> {
    current().map_or(Ok(None), |folder| project::find(&folder))
}

/// Returns the command line with the project's values in place of the built-in defaults.
pub fn with_defaults(mut command: Command, project: &Project) -> Command {
    let nproc = |value: Option<u32>| value.map(|value| value.to_string());
    let path = |value: Option<&Utf8PathBuf>| value.map(|path| shown(path));
    let data = path(project.data.as_ref());
    let entry = [
        ("name", project.name.clone()),
        ("author", project.author.clone()),
        ("github_id", project.github_id.clone()),
        ("track", project.track.clone()),
        ("blurb", project.blurb.clone()),
        ("out", Some(shown(&project.out()))),
        ("data", data.clone()),
        ("nproc", nproc(project.nproc)),
        ("launcher", project.launcher.clone()),
        ("device", project.device.clone()),
        ("seeds", project.seeds.as_ref().map(|seeds| joined(seeds))),
    ];
    for name in OF_THE_ENTRY {
        command = defaults(command, name, &entry);
    }
    let found = [("data", data.clone()), ("track", project.track.clone()), ("out", Some(shown(&project.out())))];
    command = defaults(command, "doctor", &found);
    for name in OF_THE_DATA {
        command = defaults(command, name, &[("data", data.clone()), ("device", project.device.clone())]);
    }
    let rehearse = &project.rehearse;
    let rehearsal = [
        ("target", path(project.script.as_ref())),
        ("steps", nproc(rehearse.steps)),
        ("seeds", rehearse.seeds.as_ref().map(|seeds| joined(seeds))),
        ("nproc", nproc(rehearse.nproc)),
        ("python", path(rehearse.python.as_ref())),
    ];
    command = defaults(command, "rehearse", &rehearsal);
    let rendered = Some(project.out().join("records")).filter(|records| records.is_dir());
    command = defaults(command, "verify", &[("folders", path(rendered.as_ref()))]);
    let artifact =
        project.name.as_ref().map(|name| project.out().join(format!("{}.tar.zst", crate::render::file_name(name))));
    defaults(command, "reproduce", &[("target", path(artifact.filter(|path| path.is_file()).as_ref()))])
}

/// Gives arguments of a subcommand their defaults, where the subcommand and the argument exist in this build.
fn defaults(command: Command, name: &'static str, values: &[(&'static str, Option<String>)]) -> Command {
    if command.find_subcommand(name).is_none() {
        return command;
    }
    let values = values.to_vec();
    command.mut_subcommand(name, |mut sub| {
        for (id, value) in values {
            if let Some(value) = value.filter(|_| sub.get_arguments().any(|argument| argument.get_id() == id)) {
                sub = sub.mut_arg(id, |argument| argument.required(false).default_value(value));
            }
        }
        sub
    })
}

/// The current folder; `None` where its name is no UTF-8.
fn current() -> Option<Utf8PathBuf> {
    Utf8PathBuf::from_path_buf(std::env::current_dir().ok()?.canonicalize().ok()?).ok()
}

fn joined<N: ToString>(numbers: &[N]) -> String {
    numbers.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")
}

/// A path as a person in the current folder writes it.
fn shown(path: &Utf8Path) -> String {
    match current().as_deref().and_then(|here| path.strip_prefix(here).ok()) {
        Some(below) if below.as_str().is_empty() => ".".to_owned(),
        Some(below) => below.to_string(),
        None => path.to_string(),
    }
}

/// Says which file a command takes its values from.
pub fn tell(project: Option<&Project>) {
    if let Some(project) = project {
        eprintln!("note: settings that no flag gives come from {}", shown(&project.folder.join(project::FILE)));
    }
}

/// Returns the project, or the reason why there is none to go by.
///
/// # Errors
/// When the file is there and cannot be used.
pub fn usable(project: &Result<Option<Project>>) -> Result<Option<&Project>> {
    project.as_ref().map(Option::as_ref).map_err(|error| Error::Usage(error.to_string()))
}
