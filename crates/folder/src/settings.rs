//! The settings of runs, compared: which differ, and which of them are only names and places.

use super::run_log::RunLog;

/// Words of a key that names a run or a place rather than a setting.
const NAMES: [&str; 16] = [
    "seed",
    "path",
    "dir",
    "file",
    "files",
    "logfile",
    "log",
    "run",
    "name",
    "port",
    "rank",
    "host",
    "hostname",
    "master",
    "timestamp",
    "date",
];

/// Tells whether two values are the same, as `600` and `600.000` are.
pub fn same(a: Option<&str>, b: Option<&str>) -> bool {
    let number = |text: Option<&str>| text.and_then(|text| text.parse::<f64>().ok());
    a == b || number(a).zip(number(b)).is_some_and(|(a, b)| a == b)
}

/// Tells whether a key names a path, run id, log name, rank or port, which follow from the seed and the machine.
pub fn is_name(key: &str) -> bool {
    let key = key.to_ascii_lowercase();
    key == "device" || key.ends_with("_id") || key.split('_').any(|word| NAMES.contains(&word))
}

/// Tells whether two runs state another value of a setting; one that a log does not state contradicts nothing.
pub fn differ(a: &RunLog, b: &RunLog) -> bool {
    a.hyperparameters.iter().any(|(key, value)| {
        let other = b.hyperparameters.get(key).map(|other| other.value.as_str());
        other.is_some() && !is_name(key) && !same(Some(&value.value), other)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_places_are_no_settings() {
        for key in
            ["seed", "run_id", "datasets_dir", "tokenizer_path", "train_files", "logfile", "local_rank", "MASTER_PORT"]
        {
            assert!(is_name(key), "{key}");
        }
        for key in ["ttt_enabled", "max_wallclock_seconds", "matrix_lr", "num_layers"] {
            assert!(!is_name(key), "{key}");
        }
    }
}
