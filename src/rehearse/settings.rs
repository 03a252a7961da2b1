//! Settings that only the folder's own commands give: a script without them is not the run that the folder is about.

use serde::Serialize;

use caddie_folder::Folder;

/// `NAME=value` before a command of README.md or a shell script.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Setting {
    pub name: String,
    pub value: String,
}

/// The settings of the folder's commands, as `caddie audit` finds them.
pub fn of(folder: &Folder) -> Vec<Setting> {
    let found = caddie_audit::script::command_settings(folder).into_iter();
    found.map(|(name, value)| Setting { name, value }).collect()
}
