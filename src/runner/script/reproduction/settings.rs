//! The settings of a folder's runs: those that its commands give, and those that its logs state over the script's defaults.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::process::{Command, Stdio};

use camino::Utf8Path;
use serde::Serialize;

use caddie_folder::{Folder, RunLog, printed_lines};

/// Words of a name that says where data lie and how a run is called, which is this machine's to say.
const OF_THE_MACHINE: [&str; 10] = ["PATH", "DIR", "FILE", "FILES", "SEED", "ID", "RANK", "WORLD", "DEVICE", "LOGFILE"];

/// A setting, and the place that it is from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FoldersSetting {
    pub name: String,
    pub value: String,
    pub from: From,
}

/// The place that a setting is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum From {
    /// A command of README.md or of a shell script.
    Command,
    /// The log of the run, which states another value than the script has by itself.
    Log,
    /// `--env`.
    Asked,
}

/// Returns the settings of the run of a folder: `given` wins over a command, and a command over the log.
pub fn of(
    folder: &Folder,
    run: &RunLog,
    script: &str,
    asked: &BTreeSet<String>,
    given: &[(String, String)],
) -> Vec<FoldersSetting> {
    let mut settings: Vec<FoldersSetting> = Vec::new();
    let mut add = |name: &str, value: &str, from: From| {
        settings.retain(|known| known.name != name);
        settings.push(FoldersSetting { name: name.to_owned(), value: value.to_owned(), from });
    };
    let listed = listed(folder, run);
    for (name, stated) in run.hyperparameters.iter().filter(|(_, stated)| listed.contains(&stated.line)) {
        let name = name.to_ascii_uppercase();
        let elsewhere = name.split('_').any(|word| OF_THE_MACHINE.contains(&word));
        if !elsewhere && asked.contains(&name) && differs(script, &name, &stated.value) {
            add(&name, plain(&stated.value), From::Log);
        }
    }
    for (name, value) in caddie_audit::script::command_settings(folder) {
        add(&name, &value, From::Command);
    }
    for (name, value) in given {
        add(name, value, From::Asked);
    }
    settings
}

/// Settings that make a line a list of all of them.
const ALL: usize = 20;

/// Returns the lines of the log that list the script's settings, one on each or all on one: there a name is that of the
/// setting. Elsewhere a script prints what it made of them, such as an `embed_lr` that is that of tied embeddings.
fn listed(folder: &Folder, run: &RunLog) -> HashSet<u64> {
    let mut counts: HashMap<u64, usize> = HashMap::new();
    run.hyperparameters.values().for_each(|stated| *counts.entry(stated.line).or_default() += 1);
    let mut found = HashSet::new();
    // A log that cannot be read again gives no settings.
    let _ = printed_lines(&folder.path.join(&run.log), |number, text| {
        if counts.get(&number).is_some_and(|count| text.starts_with("  ") || *count >= ALL) {
            found.insert(number);
        }
    });
    found
}

/// Tells whether the script's default of a number is another number than the log states. Other values are not compared: a
/// log prints `True` where the environment says `1`.
fn differs(script: &str, name: &str, stated: &str) -> bool {
    let Ok(stated) = stated.parse::<f64>() else { return false };
    let defaults = ['"', '\''].iter().flat_map(|quote| {
        let read = format!("{quote}{name}{quote}");
        let places: Vec<usize> = script.match_indices(&read).map(|(at, read)| at + read.len()).collect();
        places.into_iter().filter_map(|at| {
            let rest = script.get(at..)?.trim_start().strip_prefix(',')?;
            let default = rest.split([')', '\n', ',']).next()?.trim().trim_matches(['"', '\'']);
            default.replace('_', "").parse::<f64>().ok()
        })
    });
    let defaults: Vec<f64> = defaults.collect();
    !defaults.is_empty() && defaults.iter().all(|default| *default != stated)
}

/// Writes `600.000` as `600`: `int("600.000")` is an error in Python, and `float("600")` is none.
fn plain(number: &str) -> &str {
    match number.split_once('.') {
        Some((whole, fraction)) if fraction.bytes().all(|byte| byte == b'0') => whole,
        _ => number,
    }
}

/// The vocabulary that a setting gives: it decides between several sets of data.
pub fn vocab(given: &[(String, String)], folder: &Folder) -> Option<u32> {
    let commands = caddie_audit::script::command_settings(folder);
    let logged = folder.runs.official.iter().find_map(|run| run.hyperparameters.get("vocab_size"));
    let named = given.iter().chain(&commands).find(|(name, _)| name == "VOCAB_SIZE").map(|(_, value)| value.as_str());
    named.or_else(|| logged.map(|stated| stated.value.as_str()))?.parse().ok()
}

/// Names the packages of requirements.txt that this Python lacks.
pub fn missing_requirements(folder: &Folder, python: &Utf8Path) -> Option<String> {
    let text = caddie_files::read_text(&folder.path.join("requirements.txt")).ok()?;
    let name = |line: &str| -> Option<String> {
        let line = line.split('#').next()?.trim();
        let end = line.find(|c: char| !(c.is_ascii_alphanumeric() || "-_.".contains(c))).unwrap_or(line.len());
        line.get(..end).filter(|name| !name.is_empty() && !name.starts_with('-')).map(str::to_owned)
    };
    let names: Vec<String> = text.lines().filter_map(name).take(50).collect();
    if names.is_empty() {
        return None;
    }
    let code = "import sys\nfrom importlib.metadata import version, PackageNotFoundError\nfor name in sys.argv[1:]:\n try: \
                version(name)\n except PackageNotFoundError: print(name)";
    let output = Command::new(python).args(["-I", "-c", code]).args(&names).stdin(Stdio::null()).output().ok()?;
    let missing: Vec<String> = String::from_utf8_lossy(&output.stdout).lines().map(str::to_owned).collect();
    (!missing.is_empty())
        .then(|| format!("requirements.txt asks for {}, which {python} does not have", missing.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_that_the_log_states_otherwise_is_a_setting() {
        let script = "lr = float(os.environ.get('MATRIX_LR', 0.04))\nwall = float(os.environ.get(\"MAX_WALLCLOCK_SECONDS\", \
                      600.0))\nn = int(os.environ.get('ITERATIONS', '20_000'))";
        assert!(differs(script, "MATRIX_LR", "0.03"));
        assert!(!differs(script, "MAX_WALLCLOCK_SECONDS", "600.000"));
        assert!(!differs(script, "ITERATIONS", "20000"));
        assert!(!differs(script, "OTHER", "1") && !differs(script, "MATRIX_LR", "True"));
        assert_eq!((plain("600.000"), plain("0.5")), ("600", "0.5"));
    }
}
