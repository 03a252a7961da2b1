//! Settings that README.md or a shell script of the folder gives a run; a setting that a log does not state may have
//! been set so.

use std::collections::BTreeMap;

use super::{FAMILIES, Lead, Subject, audit};
use caddie_folder::Folder;
use caddie_python::Module;
use caddie_rulebook::Confidence;

/// Files that are looked through.
const MAX_FILES: usize = 6;
/// Settings that are compared with the script.
const MAX_SETTINGS: usize = 64;
/// Options that are told apart.
const MAX_OPTIONS: usize = 1_000;
/// Settings that name data and machine, not the work that is done.
const ELSEWHERE: &[&str] = &["SEED", "RUN_ID", "RANK", "WORLD_SIZE", "PATH", "DIR", "FILE", "CUDA", "NCCL", "OMP"];

/// Returns leads beside the `known` ones, found with the settings that a command gives the run and no log states.
pub fn leads(module: &Module, subject: &Subject<'_>, known: &[Lead]) -> Vec<Lead> {
    let Some(folder) = subject.folder else { return Vec::new() };
    let mut settings = differing(settings(folder), module.source());
    settings.retain(|(name, _)| subject.config.text(name).is_none());
    if settings.is_empty() {
        return Vec::new();
    }
    let config =
        settings.iter().fold(subject.config.clone(), |config, (name, value)| config.with(name, value.as_str()));
    let told: Vec<String> = settings.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let leads = audit(module, &Subject { config, ..subject.clone() }).leads.into_iter();
    let of_scoring = |rule: &str| FAMILIES.iter().any(|family| family.by_command.contains(&rule));
    let sure = |lead: &Lead| lead.confidence > Confidence::Low && of_scoring(lead.rule);
    let new = leads.filter(|lead| sure(lead) && known.iter().all(|known| known.rule != lead.rule));
    new.map(|lead| Lead {
        confidence: lead.confidence.min(Confidence::Medium),
        because: format!("a command of the folder sets {}, and no log says otherwise", told.join(" ")),
        ..lead
    })
    .collect()
}

/// `NAME=value` before a command that runs Python, by name; names that are given several values are left out.
pub fn settings(folder: &Folder) -> Vec<(String, String)> {
    let tells = |name: &str| name.to_ascii_lowercase().starts_with("readme.") || name.ends_with(".sh");
    let texts = folder.files.iter().filter(|file| file.path.components().count() == 1 && tells(file.path.as_str()));
    let mut found: BTreeMap<String, Option<String>> = BTreeMap::new();
    for file in texts.take(MAX_FILES) {
        let Ok(text) = caddie_files::read_text(&folder.path.join(&file.path)) else { continue };
        let blocks: Vec<&str> = match file.path.extension() {
            Some("sh") => vec![text.as_str()],
            // Every second part lies between fences.
            _ => text.split("```").skip(1).step_by(2).collect(),
        };
        for block in blocks.into_iter().filter(|block| block.contains("torchrun") || block.contains(".py")) {
            for (name, value) in block.split_whitespace().filter_map(setting) {
                if found.len() >= MAX_SETTINGS {
                    break;
                }
                let known = found.entry(name.to_owned()).or_insert_with(|| Some(value.to_owned()));
                if known.as_deref() != Some(value) {
                    *known = None;
                }
            }
        }
    }
    found.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

/// Options that the texts and shell scripts of the folder give this script, with the word that follows each:
/// `--val-tokens 1000000`.
pub fn options(folder: &Folder, script: &str) -> Vec<(String, Option<String>)> {
    let tells = |name: &str| name.to_ascii_lowercase().ends_with(".md") || name.ends_with(".sh");
    let files = folder.files.iter().filter(|file| tells(file.path.as_str())).take(MAX_FILES);
    let texts = files.filter_map(|file| caddie_files::read_text(&folder.path.join(&file.path)).ok());
    texts.flat_map(|text| options_in(&text, script)).take(MAX_OPTIONS).collect()
}

/// The options after the name of the script, up to that of another.
fn options_in(text: &str, script: &str) -> Vec<(String, Option<String>)> {
    let plain = |word: &str| word.trim_matches(['`', '"', '\'', '(', ')', ',', '\\', '$']).to_owned();
    let words: Vec<String> = text.split_whitespace().map(plain).filter(|word| !word.is_empty()).collect();
    let mut of_script = false;
    let mut found = Vec::new();
    for (word, next) in words.iter().zip(words.iter().skip(1).map(Some).chain([None])) {
        if word.ends_with(".py") {
            of_script = word.rsplit('/').next() == Some(script);
        }
        let Some(option) = word.strip_prefix("--").filter(|_| of_script) else { continue };
        found.push(match option.split_once('=') {
            Some((option, value)) => (option.to_owned(), Some(value.to_owned())),
            None => (option.to_owned(), next.filter(|next| !next.starts_with('-')).cloned()),
        });
    }
    found
}

/// `TTT_ENABLED=1`
fn setting(word: &str) -> Option<(&str, &str)> {
    let (name, value) = word.split_once('=')?;
    // A list in a comment or in a sentence separates its settings by commas.
    let value = value.trim_matches(['"', '\'', '\\', ';']).trim_end_matches(',');
    let upper = name.len() > 2 && name.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_');
    let plain =
        !value.is_empty() && value.chars().all(|c| c.is_ascii_alphanumeric() || ['.', '_', '-', ','].contains(&c));
    (upper && plain && !ELSEWHERE.iter().any(|part| name.contains(part))).then_some((name, value))
}

/// Returns the settings that the script reads with another default.
fn differing(settings: Vec<(String, String)>, source: &str) -> Vec<(String, String)> {
    let differs = |(name, value): &(String, String)| {
        ['"', '\''].iter().any(|quote| {
            let read = format!("{quote}{name}{quote}");
            source.match_indices(&read).any(|(at, read)| {
                let rest = source.get(at + read.len()..).unwrap_or_default().trim_start();
                let Some(default) = rest.strip_prefix(',').and_then(|rest| rest.split([')', '\n']).next()) else {
                    return false;
                };
                default.trim().trim_matches(['"', '\'']) != value
            })
        })
    };
    settings.into_iter().filter(differs).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_names_in_capitals_with_plain_values() {
        assert_eq!(setting("TTT_ENABLED=1"), Some(("TTT_ENABLED", "1")));
        assert_eq!(setting("NGRAM_ORDERS=\"2,3,7\""), Some(("NGRAM_ORDERS", "2,3,7")));
        assert_eq!(setting("GDN_EXPAND_V=2.0,"), Some(("GDN_EXPAND_V", "2.0")));
        for other in ["lr=0.1", "SEED=42", "DATA_PATH=./data", "A=1", "LR=$LR", "TTT=", "--nproc_per_node=8"] {
            assert_eq!(setting(other), None, "{other}");
        }
    }

    #[test]
    fn options_are_those_after_the_scripts_own_name() {
        let text = "torchrun --nproc 8 train_gpt.py \\\n  --val-tokens 1000000 --fast\npython other.py --val-tokens=5";
        let option = |name: &str, value: Option<&str>| (name.to_owned(), value.map(str::to_owned));
        let found = [option("val-tokens", Some("1000000")), option("fast", Some("python"))];
        assert_eq!(options_in(text, "train_gpt.py"), found);
        assert_eq!(options_in(text, "other.py"), [option("val-tokens", Some("5"))]);
    }

    #[test]
    fn what_is_the_default_already_is_no_setting() {
        let source = "a = os.environ.get(\"TTT_ENABLED\", \"0\")\nb = int(os.environ.get('ORDER', 7))\n";
        let of = |name: &str, value: &str| differing(vec![(name.to_owned(), value.to_owned())], source).len();
        assert_eq!((of("TTT_ENABLED", "1"), of("TTT_ENABLED", "0")), (1, 0));
        assert_eq!((of("ORDER", "9"), of("ORDER", "7"), of("OTHER", "1")), (1, 0, 0));
    }
}
